"""What all of linear algebra asks first: is it a matrix, is it square, are these floats; and small pieces of its derivatives.

Read next: `linalg.py`.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.batched import of_all_samples
from ..arrays.device import must_hold, to_numpy
from ..arrays.dtypes import SCALAR_NAMES, finfo, from_numpy_dtype
from ..arrays.lapack import LinAlgError
from ..arrays.recorded import Recorded
from ..op import Index, composite, op
from .shape import transpose, unsqueeze

if TYPE_CHECKING:
    from ..tensor import Tensor


def results(name: str, fields: str) -> Any:
    """The named tuple of a function that is made of others, called as torch's is."""
    return namedtuple(name, fields)  # type: ignore[misc]


function = functools.partial(composite, public=False)  # of torch.linalg: it has torch's name in C, `linalg_inv`


# ---- refusals ----


def must_be_matrices(name: str, x: Tensor, what: str = "A") -> None:
    """RuntimeError for less than two dimensions."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {what} must have at least 2 dimensions.")


def must_be_square(name: str, x: Tensor, what: str = "A") -> None:
    """RuntimeError for anything but (*, N, N)."""
    must_be_matrices(name, x, what)
    rows, columns = x.shape[-2:]
    if rows != columns:
        raise RuntimeError(f"{name}: {what} must be batches of square matrices, but they are {rows} by {columns} matrices")


def must_be_floats(name: str, x: Tensor, half: bool = True) -> None:
    """RuntimeError for integers and bools; without `half`, for half precision too."""
    kind = SCALAR_NAMES[x.dtype.name]
    if "float" not in x.dtype.name:  # (of an array too)
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {kind}; convert it, e.g. A.float()"
        )
    if not half and x.dtype.itemsize == 2:
        raise RuntimeError(f"{name}: Low precision dtypes not supported. Got {kind}; convert it, e.g. A.float()")


def must_agree(name: str, A: Tensor, B: Tensor) -> None:
    """RuntimeError for two dtypes."""
    if A.dtype is not B.dtype:
        kinds = [SCALAR_NAMES[x.dtype.name] for x in (A, B)]
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {kinds[0]} and B of type {kinds[1]} instead; "
            "convert one with .to(dtype)"
        )


def must_have_succeeded(name: str, info: Tensor, told: Callable[[int], str], error: type[Exception] = LinAlgError) -> None:
    """The error for the first matrix of a batch whose `info` is not 0. On a GPU the host waits for that."""
    if isinstance(info._array, Recorded):
        must_hold((info._array == 0).all(), error, f"{name}: {told(1)}")  # type: ignore[attr-defined]
        return
    found = to_numpy(of_all_samples(info._array))
    for i in np.flatnonzero(found)[:1]:
        which = f"(Batch element {i}): " if found.ndim else ""
        raise error(f"{name}: {which}{told(int(found.flat[i]))}")


# ---- pieces ----


def mT(x: Tensor) -> Tensor:
    """xᵀ of each matrix; of arrays too, which a derivative computes with."""
    return transpose(x, -1, -2)


def in_one_batch(A: Tensor, B: Tensor) -> tuple[Tensor, Tensor]:
    """Both with the batch dimensions that theirs broadcast to."""
    try:
        batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    except ValueError:
        a, b = list(A.shape[:-2]), list(B.shape[:-2])
        raise RuntimeError(
            f"The batch dimensions of A {a} and of B {b} do not broadcast: sizes must match, or be 1"
        ) from None
    A, B = (x if x.shape[:-2] == batch else x.expand(*batch, *x.shape[-2:]) for x in (A, B))
    return A, B


@op(promote=None, public=False)
def identity(xp: Any, like: Index, n: int) -> Any:
    """The n × n identity, in the dtype of `like` and beside it"""
    return xp.eye(n, dtype=like.dtype)


@op(promote=None, public=False)
def epsilon(xp: Any, like: Index) -> Any:
    """What 1 and the next number of the dtype of `like` are apart"""
    return xp.full((), finfo(from_numpy_dtype(like.dtype)).eps, like.dtype)


def of_matrices(x: Tensor) -> Tensor:
    """One number of each matrix, in a shape that broadcasts with them."""
    return unsqueeze(unsqueeze(x, -1), -1)
