"""A write between forward and backward: backward refuses it, or gives the gradients that it would have given anyway.

Anything else would be a gradient that is wrong in silence. And it refuses no more than torch's does: what a derivative keeps
of its inputs and outputs is part of what torch's users rely on.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import minitorch

from .strategies import Source
from .table import Row, flat, tensors


def refuses_or_is_right(row: Row, source: Source) -> None:
    """After any one input or output was written to, backward raises where torch's may, or is not affected."""
    case, seed = row.draw(source), source.integer(0, 9)
    want = gradients(row, row.ours, minitorch, case, seed, None)
    if want is None:
        return
    place = source.integer(0, 5)
    have = gradients(row, row.ours, minitorch, case, seed, place)
    if have is None:
        more = row.keeps_more or gradients(row, row.theirs, torch, case, seed, place) is None
        assert more, f"{row} refuses a write to tensor {place}; torch does not (a row may say why: keeps_more=)\n{case}"
        return
    for a, b in zip(have, want):
        # Not to the bit: a view of what was written to gets a derivative by its strides, in both libraries, and that one adds in
        # another order than the derivative of `expand` does.
        same = a is b is None or np.allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12, equal_nan=True)
        assert same, f"{row}: a write to tensor {place} went unnoticed, {a} where it should be {b}\n{case}"


def gradients(row: Row, function: Callable, library: Any, case: dict, seed: int, place: int | None) -> list | None:
    """The gradients of ⟨outputs, random⟩ for the inputs, after a write to the tensor at `place`: inputs, then outputs.

    None if nothing requires grad, or a call or backward refuses.
    """
    made = tensors(case, library, np.float64, row.inputs())
    leaves = [t for t in flat(list(made.values())) if isinstance(t, library.Tensor) and t.requires_grad]
    arguments = {n: _copies(v, library) for n, v in made.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = [t for t in flat(row.call(function, arguments)) if isinstance(t, library.Tensor)]
    except Exception:
        return None
    roots = [t for t in outputs if t.requires_grad]
    if not roots:
        return None
    rng = np.random.default_rng(seed)
    upstream = [library.from_numpy(np.asarray(rng.standard_normal(tuple(t.shape)))).to(t.dtype) for t in roots]
    written = [t for t in [*flat(list(arguments.values())), *outputs] if isinstance(t, library.Tensor)]
    try:
        if place is not None and not written[place % len(written)]._is_view():
            with library.no_grad():
                written[place % len(written)].zero_()
        return list(library.autograd.grad(roots, leaves, upstream, allow_unused=True))
    except RuntimeError:
        return None


def _copies(value: Any, library: Any) -> Any:
    """Tensors in memory of their own, which may be written to as leaves may not."""
    if isinstance(value, list):
        return [_copies(v, library) for v in value]
    return value.clone() if isinstance(value, library.Tensor) else value
