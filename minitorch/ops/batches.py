"""The ways into a `vmap` and out of it, as ops: what goes in by one comes out by the other, gradients too.

Read next: `op/batching.py`, how the ops between compute; `func/mapping.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.batched import Batched, Level, deepest, for_all, holds_samples, is_running
from ..op import Array, op, recipe
from ..op.batching import Call, elementwise, one_by_one, rule
from ..random.generator import default_generator

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(promote=None, public=False, view=True)
def into_batch(xp: Any, x: Array, level: Level, dim: int) -> Array:
    """x as an array whose dimension `dim` is hidden: the samples"""
    return Batched(_moved(x, dim, 0), level)


@into_batch.grad
def into_batch_grad(g: Tensor, level: Level, dim: int) -> Tensor:
    """∂L/∂x = the samples of g"""
    return out_of_batch(g, level, dim)


@op(promote=None, public=False, keeps_layout=True)
def out_of_batch(xp: Any, x: Array, level: Level, dim: int) -> Array:
    """The samples of x in its dimension `dim`; of what is the same for all, as many copies"""
    return _moved(for_all(x, level), 0, dim).copy("K")


@out_of_batch.grad
def out_of_batch_grad(g: Tensor, level: Level, dim: int) -> Tensor:
    """∂L/∂x = g, its dimension `dim` hidden"""
    return into_batch(g, level, dim)


@op(promote=None, public=False, keeps_layout=True)
def same_for_batch(xp: Any, x: Array, level: Level) -> Array:
    """x, the same for all samples"""
    return Batched(for_all(x, level), level)


recipe.same_for_batch = same_for_batch


@same_for_batch.grad
def same_for_batch_grad(g: Tensor, level: Level) -> Tensor:
    """∂L/∂x = g of each sample while the vmap runs, which asks for it; the sum of all once it has ended"""
    return g if is_running(level) else summed(g, level)


@op(promote=None, public=False, keeps_layout=True)
def summed(xp: Any, x: Array, level: Level) -> Array:
    """Σ over the samples"""
    samples = for_all(x, level)
    return Batched(samples.samples.sum(1), samples.level) if isinstance(samples, Batched) else samples.sum(0)


@summed.grad
def summed_grad(g: Tensor, level: Level) -> Tensor:
    """∂L/∂x = g, for each sample"""
    return same_for_batch(g, level)


def batched_as(x: Tensor, arrays: tuple) -> Tensor:
    """x, batched if one of the arrays is: a key that differs from sample to sample reads another element of each."""
    level = deepest(arrays)
    return x if level is None or holds_samples(x, level) else same_for_batch(x, level)


@rule(
    "uniform", "normal", "exponential", "cauchy", "log_normal", "geometric", "bernoulli_number", "bernoulli_tensor", "bernoulli",
    "normal_each", "random", "dropout_noise", "alpha_noise", "rrelu_with_noise",
)  # fmt: skip
def drawn(call: Call) -> Any:
    """Random numbers: for all samples in one go, or for each the same."""
    if call.level.randomness != "same":
        return elementwise(call)
    generator = call.given.get("generator") or default_generator
    state = generator.get_state()
    return one_by_one(call.op, call.half, call.args, call.level, before=lambda: generator.set_state(state))


@rule("multinomial")
def chosen(call: Call) -> Any:
    """A row of weights for each sample is a matrix of weights."""
    weights = call.given["weights"]
    return call.again(weights=weights.samples) if weights.ndim == 1 and call.level.randomness != "same" else None


def _moved(x: Array, source: int, target: int) -> Array:
    """x with a dimension in another place."""
    dims = [d for d in range(x.ndim) if d != source % x.ndim]
    dims.insert(target % x.ndim, source % x.ndim)
    return x.transpose(*dims)
