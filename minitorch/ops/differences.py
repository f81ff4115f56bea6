"""Differences of neighbours and areas below samples: `diff`, `trapezoid`, `cumulative_trapezoid`. Read next: `scan.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..arrays import dtypes
from ..op import composite, register
from .compare import logical_xor
from .dims import canonical_dim
from .index import narrow
from .rearrange import cat
from .scan import cumsum
from .shape import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite(out="cast")
def diff(input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
    """out_i = x_{i+1} − x_i along `dim`, n times over; `prepend` and `append` are joined to x before. Bools: whether they differ.

    >>> minitorch.diff(minitorch.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional, got a tensor without dimensions")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    beside = [x for x in (prepend, append) if x is not None]
    for x in beside:
        _must_fit(input, x, canonical_dim(dim, input.ndim))
    if not n:
        return input.clone()
    dim = canonical_dim(dim, input.ndim)
    parts = [part for part in (prepend, input, append) if part is not None]
    out = cat(parts, dim) if len(parts) > 1 else input
    for _ in range(min(n, out.shape[dim])):
        later, earlier = _neighbours(out, dim)
        out = logical_xor(later, earlier) if out.dtype is dtypes.bool_ else later - earlier
    return out


def _must_fit(x: Tensor, beside: Tensor, dim: int) -> None:
    """Refuse what cannot be joined to x along `dim`."""
    if beside.ndim != x.ndim:
        raise RuntimeError(
            f"diff expects prepend or append to be the same dimension as input, got {beside.ndim} and {x.ndim} dimensions"
        )
    if any(m != n for d, (m, n) in enumerate(zip(beside.shape, x.shape)) if d != dim):
        raise RuntimeError(
            "diff expects the shape of tensor to prepend or append to match that of input except along the differencing "
            f"dimension {dim}; got {list(beside.shape)} and {list(x.shape)}"
        )


def _neighbours(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """(all but the first, all but the last) along `dim`; of nothing, nothing."""
    n = max(x.shape[dim] - 1, 0)
    return narrow(x, dim, x.shape[dim] - n, n), narrow(x, dim, 0, n)


@composite
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """Σ (x_{i+1} − x_i) (y_i + y_{i+1}) / 2 along `dim`: the area below y. Without x the steps are all dx, or 1."""
    dim, step = _dim_of_samples(dim, y), _step("trapezoid", x, dx)
    if not y.shape[dim]:
        return y.new_zeros([n for d, n in enumerate(y.shape) if d != dim])
    _no_bools("trapezoid", y, x)
    if x is None:
        return (y.sum(dim) - (y.select(dim, 0) + y.select(dim, -1)) * 0.5) * step
    after, before = _neighbours(y, dim)
    return ((before + after) * _steps("trapezoid", x, y, dim)).sum(dim) / 2.0


register("trapz", trapezoid)


@composite
def cumulative_trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float | None = None, dim: int = -1) -> Tensor:
    """out_k = Σ_{i≤k} (x_{i+1} − x_i) (y_i + y_{i+1}) / 2 along `dim`. Without x the steps are all dx, or 1."""
    dim, step = _dim_of_samples(dim, y), _step("cumulative_trapezoid", x, dx)
    _no_bools("cumulative_trapezoid", y, x)
    after, before = _neighbours(y, dim)
    if x is None:
        return cumsum((before + after) * (step / 2.0), dim)
    return cumsum((before + after) * _steps("cumulative_trapezoid", x, y, dim), dim) / 2.0


def _dim_of_samples(dim: int, y: Tensor) -> int:
    if not y.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return canonical_dim(dim, y.ndim)


def _step(name: str, x: Tensor | None, dx: float | None) -> float:
    if x is not None and dx is not None:
        raise TypeError(f"{name}() takes the places x or the step dx, but got both")
    if isinstance(dx, bool):
        raise RuntimeError(f"{name}: Currently, we only support dx as a real number, got {dx}")
    return 1 if dx is None else dx


def _no_bools(name: str, y: Tensor, x: Tensor | None) -> None:
    if any(t is not None and t.dtype is dtypes.bool_ for t in (y, x)):
        raise RuntimeError(f"{name}: received a bool input for x or y, but bool is not supported; convert with .float()")


def _steps(name: str, x: Tensor, y: Tensor, dim: int) -> Tensor:
    """The differences of x, in a shape that broadcasts with the pairs of y."""
    if x.ndim == 1:
        if x.shape[0] != y.shape[dim]:
            raise RuntimeError(
                f"{name}: There must be one `x` value for each sample point, got {x.shape[0]} for {y.shape[dim]} of y"
            )
        x = reshape(x, [-1 if d == dim else 1 for d in range(y.ndim)])
    elif x.ndim < y.ndim:
        x = reshape(x, (1,) * (y.ndim - x.ndim) + tuple(x.shape))
    after, before = _neighbours(x, dim)
    return after - before
