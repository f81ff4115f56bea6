"""Slopes of samples, estimated from their neighbours: `gradient`. Each is that of the parabola through three samples.

Read next: `differences.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..op import composite
from ..op.signature import Dims
from .about import is_tensor
from .differences import diff
from .dims import as_ints, canonical_dim
from .index import narrow
from .rearrange import cat
from .shape import reshape

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite
def gradient(input: Tensor, *, spacing: Any = None, dim: Dims | None = None, edge_order: int = 1) -> tuple[Tensor, ...]:
    """The slopes (x_{i+1} − x_{i−1}) / 2h along each of the dimensions `dim`, all of them unless told.

    spacing: h, a number or one for each dimension, 1 unless told; or for each a vector of the samples' places. At both ends the
    slope is that of the last step (edge_order 1), or at the end of the parabola through the last three samples (edge_order 2).

    >>> minitorch.gradient(minitorch.tensor([1.0, 2.0, 4.0, 8.0]))
    (tensor([1.0000, 1.5000, 3.0000, 4.0000]),)
    """
    if input.dtype is dtypes.uint8:
        raise RuntimeError("gradient does not support uint8 input; convert it with .float()")
    if not input.ndim and dim is not None:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    dims = [canonical_dim(d, input.ndim) for d in (range(input.ndim) if dim is None else as_ints(dim))]
    spacings = _one_for_each(spacing, len(dims))
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient only supports edge_order=1 and edge_order=2, got {edge_order}")
    for d in dims:
        if dims.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        if input.shape[d] <= edge_order:
            raise RuntimeError(
                f"gradient expected each dimension size to be at least edge_order+1, got {input.shape[d]} in dimension {d}"
            )
    return tuple(_slopes(input, given, d, edge_order) for given, d in zip(spacings, dims))


def _one_for_each(spacing: Any, n: int) -> Sequence[Any]:
    """A number, or a vector of places, for each of n dimensions."""
    if not isinstance(spacing, (list, tuple)):
        spacings: list[Any] = [1 if spacing is None else spacing] * n
    elif len(spacing) != n:
        raise RuntimeError(
            f"gradient expected spacing to be unspecified, a scalar, or a list of as many as there are dimensions, {n}, but "
            f"got a list of length {len(spacing)}"
        )
    else:
        spacings = list(spacing)
    for given in spacings:
        if not (isinstance(given, (int, float)) or is_tensor(given)) or (given is spacing and getattr(given, "ndim", 0) > 0):
            raise TypeError(
                "gradient(): argument 'spacing' must be a number, or a list of one number or one vector of places for each dimension, "
                f"not {type(given).__name__}"
            )
        if is_tensor(given) and given is not spacing and given.ndim != 1:
            raise RuntimeError(
                "gradient expected each element of spacing to have one dimension, but got an element with "
                f"{given.ndim} dimensions!"
            )
    return spacings


def _slopes(x: Tensor, spacing: Any, dim: int, edge_order: int) -> Tensor:
    """The slopes along one dimension: of the parabolas' middles, and what is estimated at both ends."""
    places = getattr(spacing, "ndim", 0) == 1
    return (_between_places if places else _evenly)(x, spacing, dim, edge_order)


def _evenly(x: Tensor, spacing: Any, dim: int, edge_order: int) -> Tensor:
    """Where all samples are `spacing` apart."""
    n, h = x.shape[dim], spacing.item() if hasattr(spacing, "item") else spacing
    x0, x1, y1, y0 = (narrow(x, dim, place, 1) for place in (0, 1, n - 2, n - 1))
    middle = (narrow(x, dim, 2, n - 2) - narrow(x, dim, 0, n - 2)) / h / 2
    if edge_order == 1:
        return cat([(x1 - x0) / h, middle, (y0 - y1) / h], dim)
    x2, y2 = narrow(x, dim, 2, 1), narrow(x, dim, n - 3, 1)
    return cat([(-1.5 * x0 + 2 * x1 - 0.5 * x2) / h, middle, (0.5 * y2 - 2 * y1 + 1.5 * y0) / h], dim)


def _between_places(x: Tensor, places: Tensor, dim: int, edge_order: int) -> Tensor:
    """Where the samples are at these places."""
    n, steps = x.shape[dim], diff(places)
    x0, x1, y1, y0 = (narrow(x, dim, place, 1) for place in (0, 1, n - 2, n - 1))
    shape = [-1 if d == dim else 1 for d in range(x.ndim)]
    a, b, c = (reshape(weights, shape) for weights in at_the_second(steps[:-1], steps[1:]))
    middle = a * narrow(x, dim, 0, n - 2) + b * narrow(x, dim, 1, n - 2) + c * narrow(x, dim, 2, n - 2)
    if edge_order == 1:
        return cat([(x1 - x0) / steps[0], middle, (y0 - y1) / steps[-1]], dim)
    x2, y2 = narrow(x, dim, 2, 1), narrow(x, dim, n - 3, 1)
    a, b, c = at_the_first(steps[0], steps[1])
    start = a * x0 + b * x1 + c * x2
    a, b, c = at_the_third(steps[-2], steps[-1])
    return cat([start, middle, a * y2 + b * y1 + c * y0], dim)


def at_the_first(h: Any, k: Any) -> tuple[Any, Any, Any]:
    """The weights of three samples, h and k apart, in the slope at the first of the parabola through them."""
    return -(2.0 * h + k) / (h * (h + k)), (h + k) / (h * k), -h / (k * (h + k))


def at_the_second(h: Any, k: Any) -> tuple[Any, Any, Any]:
    """The same at the second."""
    return -k / (h * (h + k)), (k - h) / (h * k), h / (k * (h + k))


def at_the_third(h: Any, k: Any) -> tuple[Any, Any, Any]:
    """The same at the third."""
    return k / (h * (h + k)), -(h + k) / (h * k), (2.0 * k + h) / (k * (h + k))
