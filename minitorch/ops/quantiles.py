"""Where a part of the numbers lies below: `quantile`, `nanquantile`, `nanmedian`; and the commonest number, `mode`.

All are found in the sorted numbers, so the derivative goes where `sort` sends it. Read next: `sort.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..op import Array, composite, op, signature
from . import ties
from .compare import isnan
from .dims import canonical_dim
from .elementwise import ceil, floor, round_, where
from .extremes import shared_by_all, to_chosen
from .gather import gather
from .mixing import lerp
from .reduce import sum_
from .scan import by_doubling
from .sort import at_place, no_bools, not_empty, sort, sorting_order, with_ties

if TYPE_CHECKING:
    from ..tensor import Tensor

INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


@composite(out=True, grad_fn="SqueezeBackward4")
def quantile(
    input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """The number below which the part q of x lies, along `dim` or of all: q = 0.5 is the median. Several q: one row each.

    interpolation: what is between two numbers: "linear", "lower", "higher", "midpoint" or "nearest". A nan makes it nan.

    >>> minitorch.quantile(minitorch.tensor([1.0, 2.0, 3.0, 5.0]), minitorch.tensor([0.0, 0.5, 0.9]))
    tensor([1.0000, 2.5000, 4.4000])
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation)


@composite(out=True, grad_fn="SqueezeBackward4")
def nanquantile(
    input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear"
) -> Tensor:
    """`quantile` of the numbers that are not nan; nan if there is none."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation)


def _quantile(name: str, x: Tensor, q: Tensor | float, dim: int | None, keepdim: bool, interpolation: str) -> Tensor:
    _check(name, x, q, interpolation)
    if not isinstance(q, signature.Tensor):
        q = x.new_full((), float(q))
    axis = None if dim is None else canonical_dim(dim, x.ndim)
    rows = x.reshape((-1,)) if axis is None or not x.ndim else x.unsqueeze(-1).transpose(axis, -1)
    found = _at_ranks(sort(rows)[0], q.reshape((-1,)), interpolation, ignore_nan=name == "nanquantile")
    found = found.unsqueeze(0).transpose(0, -1).squeeze(-1)  # a row for each q
    if axis is None and keepdim:
        found = found.reshape((-1, *[1] * x.ndim))
    elif axis is not None and x.ndim and not keepdim:
        found = found.squeeze(axis + 1)
    return found if q.ndim else found.squeeze(0)


def _check(name: str, x: Tensor, q: Tensor | float, interpolation: str) -> None:
    if not x.numel():
        raise RuntimeError(f"{name}() input tensor must be non-empty, got shape {list(x.shape)}")
    if x.dtype.name not in ("float32", "float64"):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype, got {x.dtype!r}")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(f"{name}() interpolation must be one of {', '.join(INTERPOLATIONS)}, but got {interpolation}")
    if not isinstance(q, signature.Tensor):
        if not 0 <= q <= 1:
            raise RuntimeError(f"{name}() q must be in the range [0, 1] but got {q}")
        return
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor, got {q.ndim} dimensions")
    if q.dtype is not x.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor, got {q.dtype!r} and {x.dtype!r}")
    if q.is_cpu and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")


def _at_ranks(rows: Tensor, q: Tensor, interpolation: str, ignore_nan: bool) -> Tensor:
    """What stands in sorted rows at the rank q · (n − 1), between two elements as the interpolation says."""
    nan = isnan(rows)
    if ignore_nan:
        ranks = q * (sum_(~nan, -1, keepdim=True) - 1)
        ranks = where(ranks < 0, 0.0, ranks)
    else:
        last = float(rows.shape[-1] - 1)  # where a nan is, if there is one
        ranks = where(nan.any(-1, True), last, q * last)
    ranks = {"lower": floor, "higher": ceil, "nearest": round_}.get(interpolation, lambda r: r)(ranks)
    below = ranks.long()
    found = gather(rows, -1, below)
    if interpolation not in ("linear", "midpoint"):
        return found
    weights = ranks - below if interpolation == "linear" else 0.5
    return lerp(found, gather(rows, -1, ceil(ranks).long()), weights)


# ---- the middle of what is a number ----


@op(name="nanmedian", outputs=("values", "indices"), public=False, grad_fn="NanmedianBackward1", in_float32=True)
def nanmedian_along(xp: Any, x: Array, dim: int, keepdim: bool) -> tuple[Array, Array]:
    """The lower of the two middle elements along `dim` that are not nan, and its index."""
    n, axis = not_empty("nanmedian", x, dim), canonical_dim(dim, x.ndim)
    no_bools("nanmedian", x)
    if not x.ndim:
        return x.copy(), xp.zeros((), "int64")
    numbers = (x == x).sum(axis, keepdims=True)
    values, indices = at_place(xp, x, xp.maximum(numbers - 1, 0) // 2, dim, True)
    indices = xp.where(numbers == 0, ties.first_of_equal(n), indices)
    return (values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))


nanmedian_along.grad(to_chosen)


@op(name="nanmedian", public=False, in_float32=True)
def nanmedian_all(xp: Any, x: Array) -> Array:
    """The lower of the two middle elements that are not nan; nan if there is none."""
    if not x.size:
        return xp.full((), float("nan"), x.dtype)
    no_bools("nanmedian", x)
    return xp.sort(x.reshape(-1))[xp.maximum((x == x).sum() - 1, 0) // 2]


nanmedian_all.grad(shared_by_all)


@composite(out=True)
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """`median` of the numbers that are not nan, of all or along `dim` (with its index)."""
    return nanmedian_all(input) if dim is None else nanmedian_along(input, dim, keepdim)


# ---- the commonest ----


@op(outputs=("values", "indices"), in_float32=True)
def mode(xp: Any, x: Array, dim: int = -1, keepdim: bool = False) -> tuple[Array, Array]:
    """The commonest number along `dim` (of equally common ones the smallest), and the index where it stands last."""
    n, axis = not_empty("mode", x, dim), canonical_dim(dim, x.ndim)
    if not x.ndim:
        return x.copy(), xp.zeros((), "int64")
    order = sorting_order(xp, x, axis, False)
    if n > ties.SMALL:
        order = with_ties(xp, x, axis, order, ties.as_std_sort)
    indices = xp.take_along_axis(order, _end_of_longest_run(xp, xp.take_along_axis(x, order, axis), axis), axis)
    values = xp.take_along_axis(x, indices, axis)
    return (values, indices) if keepdim else (values.squeeze(axis), indices.squeeze(axis))


mode.grad(to_chosen)


def _end_of_longest_run(xp: Any, x: Array, axis: int) -> Array:
    """Where the (first) longest run of equal elements ends along `axis`, which is kept."""
    places = xp.arange(x.shape[axis]).reshape([-1 if d == axis else 1 for d in range(x.ndim)])
    later, earlier = (x[(slice(None),) * axis + (s,)] for s in (slice(1, None), slice(None, -1)))
    differs = xp.concatenate([xp.zeros_like(x[(slice(None),) * axis + (slice(1),)], bool), later != earlier], axis)
    starts = by_doubling(xp, xp.maximum, xp.where(differs, places, 0), axis)
    return xp.expand_dims((places - starts).argmax(axis), axis)
