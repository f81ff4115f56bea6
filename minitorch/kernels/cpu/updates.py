"""Rules of optimizers as loops in C (`../c/updates.h`), which go over the numbers once: the same numbers as the rules', bit by bit.

A loop takes arrays of one dtype, in rows and apart from each other, and options that are Python's numbers; what is otherwise is left to
the rule. All in one thread: BLAS's threads have the other cores. Read next: `optim.py`, which calls `updated`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

from ...optim import SGD, Adam, Optimizer
from ...optim.optimizer import Group, number
from ..c.library import address, kernel
from .blocks import served


def updated(optimizer: Optimizer, group: Group, now: Any, θ: np.ndarray, g: np.ndarray, *memory: np.ndarray) -> None:
    """Do to these arrays what the optimizer's rule does, by a loop if one serves."""
    update = _LOOPS.get(type(optimizer)._rule)
    if update is None or not served(θ, g, *memory) or not update(group, now, θ, g, *memory):
        optimizer._rule(group, now, θ, g, *memory)


def has_loop(optimizer: Optimizer, dtype: np.dtype) -> bool:
    """Whether there is a loop for the optimizer's rule and numbers of this dtype."""
    update = _LOOPS.get(type(optimizer)._rule)
    return update is not None and kernel("updates", update.__name__.strip("_"), dtype) is not None


def _adam(group: Group, t: float, θ: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, largest: Any = None) -> bool:
    (β1, β2), ε, lr, λ = group["betas"], group["eps"], group["lr"], group["weight_decay"]
    loop = kernel("updates", "adam", θ.dtype)
    if loop is None or not _are_numbers(ε, λ) or (where := _apart(g, θ, m, v, largest)) is None:
        return False
    decoupled = group["decoupled_weight_decay"]
    shrink, decay = (number(group, 1 - lr * λ), 0.0) if λ and decoupled else (1.0, λ)
    b1, b2, root, rate = (number(group, x) for x in (β1, β2, (1 - β2**t) ** 0.5, lr / (1 - β1**t)))
    of_m, of_v = (b1, 1 - b1), (b2, number(group, 1 - β2))
    loop(θ.size, where[0], bool(group["maximize"]), shrink, decay, *of_m, *of_v, root, ε, rate, *where[1:])
    return True


def _sgd(group: Group, first: bool, θ: np.ndarray, g: np.ndarray, b: Any = None) -> bool:
    if b is None and θ.nbytes < FEW:
        return False
    μ, τ, λ, loop = group["momentum"], group["dampening"], group["weight_decay"], kernel("updates", "sgd", θ.dtype)
    if loop is None or not _are_numbers(μ, τ, λ) or (where := _apart(g, θ, b)) is None:
        return False
    nesterov, ascends, lr = bool(group["nesterov"]), bool(group["maximize"]), number(group, group["lr"])
    loop(θ.size, where[0], nesterov, first, ascends, λ, μ, 1 - τ, lr, *where[1:])
    return True


FEW = 16384  # bytes: on fewer the two calls of NumPy are as fast
_LOOPS: dict[Any, Callable[..., bool]] = {Adam._rule: _adam, SGD._rule: _sgd}


def _are_numbers(*options: Any) -> bool:
    """Whether NumPy takes them in the dtype of the arrays they meet, as the loops do."""
    return all(type(option) in (float, int, bool) for option in options)


def _apart(*arrays: np.ndarray | None) -> list[int | None] | None:
    """Where the arrays lie, if they are of one shape, in rows, and no two share memory; else None."""
    shape, nbytes = arrays[0].shape, arrays[0].nbytes  # type: ignore[union-attr]
    if not all(a is None or (a.shape == shape and a.flags.carray) for a in arrays):
        return None
    where = [address(a) for a in arrays]
    starts = sorted(start for start in where if start is not None)
    return where if all(end - start >= nbytes for start, end in pairwise(starts)) else None
