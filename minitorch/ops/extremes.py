"""The largest and the smallest: `amax`, `max`, `argmax`, `aminmax`, and how ties are treated.

Where several elements attain the extreme, `amax(dim)` and `max()` share the gradient equally among them; `max(dim)` gives
all of it to the one whose index it returns, the first. Read next: `sort.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.device import index_of_extreme
from ..op import Array, composite, op
from ..op.signature import Dims
from .compare import isnan
from .dims import canonical_dim, canonical_dims
from .elementwise import maximum, minimum, true_div, where
from .gather import scattered
from .reduce import count, spread, sum_
from .shape import zeros

if TYPE_CHECKING:
    from ..tensor import Tensor


@op
def amax(xp: Any, x: Array, dim: Dims | None = (), keepdim: bool = False) -> Array:
    """The largest over `dim` (an int, several, or () for all); ties share the gradient equally."""
    dims = canonical_dims(dim, x.ndim)
    return x.max(_not_empty("amax", x, dim), keepdims=keepdim) if dims else x.copy()


@op
def amin(xp: Any, x: Array, dim: Dims | None = (), keepdim: bool = False) -> Array:
    """The smallest over `dim` (an int, several, or () for all); ties share the gradient equally."""
    dims = canonical_dims(dim, x.ndim)
    return x.min(_not_empty("amin", x, dim), keepdims=keepdim) if dims else x.copy()


def shared(g: Tensor, x: Tensor, out: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x_i = g / (how many attain the extreme) if x_i does, else 0"""
    g = spread(g, x.shape, dim, keepdim)
    attain = x == spread(out, x.shape, dim, keepdim)
    return true_div(g * attain, sum_(attain, dim, keepdim=True))


amax.grad(shared)
amin.grad(shared)


def _not_empty(name: str, x: Array, dim: Any) -> tuple[int, ...]:
    """The reduced dimensions; an error if they hold nothing to choose from."""
    dims, every = canonical_dims(dim, x.ndim), dim in (None, ())
    if count(x.shape, dim) == 0:
        error = RuntimeError if every and not name.startswith("arg") else IndexError
        missing = "dim to be specified for input.numel() == 0" if every else f"dim {dim} to have non-zero size"
        raise error(f"{name}(): Expected reduction {missing}, got an input of shape {tuple(x.shape)}.")
    return dims


@op(promote=None, only="numbers", refusal=RuntimeError, discrete=True)
def argmax(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the (first) largest over `dim`, or in the flattened tensor."""
    return _arg(xp, "argmax", x, dim, keepdim)


@op(promote=None, only="numbers", refusal=RuntimeError, discrete=True)
def argmin(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the (first) smallest over `dim`, or in the flattened tensor."""
    return _arg(xp, "argmin", x, dim, keepdim)


def _arg(xp: Any, name: str, x: Array, dim: int | None, keepdim: bool) -> Array:
    _not_empty(name, x, dim)
    if not x.ndim:
        canonical_dims(dim, 0)
        return xp.zeros((), "int64")
    if dim is None:
        found = index_of_extreme(xp, name, x.reshape(-1))
        return xp.asarray(found).reshape((1,) * x.ndim) if keepdim else found
    axis = canonical_dim(dim, x.ndim)
    found = index_of_extreme(xp, name, x, axis)
    return xp.expand_dims(found, axis) if keepdim else found


@op(name="max", outputs=("values", "indices"), public=False, grad_fn="MaxBackward0")
def max_along(xp: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The largest along `dim` and its (first) index."""
    return _extreme(xp, "argmax", x, dim, keepdim)


@op(name="min", outputs=("values", "indices"), public=False, grad_fn="MinBackward0")
def min_along(xp: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The smallest along `dim` and its (first) index."""
    return _extreme(xp, "argmin", x, dim, keepdim)


def _extreme(xp: Any, name: str, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    indices = xp.asarray(_arg(xp, name, x, dim, True))
    if not x.ndim:
        return x.copy(), indices
    axis = canonical_dim(dim, x.ndim)
    values = xp.take_along_axis(x, indices, axis)
    return (values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))


def to_chosen(g: Tensor, x_shape: tuple, indices: Tensor, dim: int, keepdim: bool) -> Tensor:
    """∂L/∂x = g at the chosen index, 0 elsewhere"""
    if not x_shape:
        return g
    g, indices = spread(g, x_shape, dim, keepdim), spread(indices, x_shape, dim, keepdim)
    return scattered(zeros(g, x_shape), dim, indices, g)


max_along.grad(to_chosen)
min_along.grad(to_chosen)


@op(name="max", public=False, grad_fn="MaxBackward1")
def max_all(xp: Any, x: Array) -> Array:
    """The largest of all elements."""
    _not_empty("max", x, None)
    return x.max()


@op(name="min", public=False, grad_fn="MinBackward1")
def min_all(xp: Any, x: Array) -> Array:
    """The smallest of all elements."""
    _not_empty("min", x, None)
    return x.min()


def shared_by_all(g: Tensor, x: Tensor, out: Tensor) -> Tensor:
    """∂L/∂x_i = g / (how many attain the extreme) if x_i does, else 0; a nan is attained by nans"""
    attain = (x == out) | (isnan(x) & isnan(out))
    return where(attain, true_div(g, sum_(attain)), 0.0)


max_all.grad(shared_by_all)
min_all.grad(shared_by_all)


@composite(out="cast")
def max_(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """The largest: `max(x)` of all, `max(x, dim)` as (values, indices), `max(x, other)` elementwise."""
    if other is not None or hasattr(dim, "_array"):
        return maximum(input, dim if other is None else other)
    return max_all(input) if dim is None else max_along(input, dim, keepdim)


@composite(out="cast")
def min_(input: Tensor, dim: int | Tensor | None = None, keepdim: bool = False, *, other: Tensor | None = None) -> Any:
    """The smallest: `min(x)` of all, `min(x, dim)` as (values, indices), `min(x, other)` elementwise."""
    if other is not None or hasattr(dim, "_array"):
        return minimum(input, dim if other is None else other)
    return min_all(input) if dim is None else min_along(input, dim, keepdim)


@op(outputs=("min", "max"), by_keyword="dim keepdim")
def aminmax(xp: Any, x: Array, dim: int | None = None, keepdim: bool = False) -> tuple[Array, Array]:
    """(smallest, largest) over `dim`."""
    dims = _not_empty("aminmax", x, dim)
    return (x.min(dims, keepdims=keepdim), x.max(dims, keepdims=keepdim)) if x.ndim else (x.copy(), x.copy())


@aminmax.grad
def aminmax_grad(g: Tensor, g_max: Tensor, x: Tensor, min: Tensor, max: Tensor, dim: Any, keepdim: bool) -> Tensor:
    """∂L/∂x: each gradient shared equally among the elements that attain its extreme"""
    parts = [shared(part, x, out, dim, keepdim) for part, out in ((g, min), (g_max, max)) if part is not None]
    return parts[0] + parts[1] if len(parts) > 1 else parts[0]
