"""Resizing: each place of the output is a weighted sum of some places of the input, along one dimension after the other.

Along one dimension that is a product with a sparse matrix, which depends on sizes alone: its row i has the weights with which the n
places of the input make place i of the output. A mode says how rows are made: of one entry ("nearest"), of two ("linear"), of four
("cubic"), or of all places within a filter's reach. The derivative is the product with the transposed matrix.
Read next: `grid.py`, where a tensor says which places are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays.device import as_table
from ..op import Array, op
from ..op.signature import Sizes
from .index import add_slices

if TYPE_CHECKING:
    from ..tensor import Tensor


class Entry(NamedTuple):
    """One entry in each of some rows of a sparse matrix: out[rows] += weights · x[columns]."""

    rows: Any  # indices, or the slice of all
    columns: np.ndarray
    weights: np.ndarray | None  # None: 1


Matrix = list[Entry]
ALL = slice(None)


class Resizing(NamedTuple):
    """All that the matrices depend on but the input's sizes."""

    mode: str  # a key of MODES
    size: tuple[int, ...]  # of the output, without N and C
    align_corners: bool = (
        False  # whether the middles of the first and last places stay where they are, or else the outer edges
    )
    factors: tuple[float, ...] | None = None  # how many times as long the output was said to be; None: as the sizes are

    def matrices(self, shape: tuple[int, ...], dtype: Any) -> list[tuple[int, Matrix]]:
        """For each dimension that is resized, the last first, the matrix that it is multiplied with."""
        real = np.float64 if dtype == "float64" else np.float32  # where to read is computed in the dtype of what is read
        found = []
        for k, m in reversed([*enumerate(self.size)]):
            n = shape[2 + k]
            if n != m or self.mode not in FILTERS:
                found.append((2 + k, MODES[self.mode](n, m, real(self._step(n, m, k)), self.align_corners)))
        return found

    def _step(self, n: int, m: int, k: int) -> float:
        """How far apart, in an input n long, the places are from which neighbours of the output, m long, are made."""
        if self.align_corners:
            return (n - 1) / (m - 1) if m > 1 else 0.0
        return 1 / self.factors[k] if self.factors is not None and self.factors[k] > 0 else n / m


# ---- the product and its derivative ----


def _node_name(how: Resizing) -> str:
    dims, name = len(how.size), NAMES[how.mode]
    if name == "Linear":
        name = ("Linear", "Bilinear", "Trilinear")[dims - 1]
    return f"Upsample{name}{dims}D{'Aa' if how.mode in FILTERS else ''}Backward0"


@op(promote=None, public=False, in_float32=True, format_of="x", grad_fn=_node_name)
def resize(xp: Any, x: Array, how: Resizing) -> Array:
    """x (N, C, …) with each further dimension multiplied with its matrix"""
    if x.dtype == "uint8" and not how.mode.startswith("nearest"):
        return _resized_bytes(xp, x, how)
    out = x
    for axis, matrix in how.matrices(x.shape, x.dtype):
        out = times(xp, matrix, out, axis)
    return x.copy() if out is x else out


@resize.grad
def resize_grad(g: Tensor, x_shape: tuple, how: Resizing) -> Tensor:
    """∂L/∂x = g with each dimension multiplied with its transposed matrix"""
    return resize_transposed(g, x_shape, how)


@op(promote=None, public=False, in_float32=True, format_of="x")
def resize_transposed(xp: Any, x: Array, shape: Sizes, how: Resizing) -> Array:
    """Each place of x given back to those it was made of, in an array of that shape"""
    out = x
    for axis, matrix in reversed(how.matrices(shape, x.dtype)):
        out = times_transposed(xp, matrix, out, axis, shape[axis])
    return x.copy() if out is x else out


@resize_transposed.grad
def resize_transposed_grad(g: Tensor, how: Resizing) -> Tensor:
    """∂L/∂x = g, resized"""
    return resize(g, how)


def times(xp: Any, matrix: Matrix, x: Array, axis: int) -> Array:
    """out[i] = Σ_j matrix[i, j] · x[j], along `axis`. The first entry of a matrix is in all of its rows."""
    (_, columns, weights), *further = matrix
    out = _weighted(xp, x.take(as_table(xp, columns), axis), weights, axis)
    for rows, columns, weights in further:
        rows = rows if rows is ALL else as_table(xp, rows)
        out[(*(ALL,) * axis, rows)] += _weighted(xp, x.take(as_table(xp, columns), axis), weights, axis)
    return out


def times_transposed(xp: Any, matrix: Matrix, x: Array, axis: int, n: int) -> Array:
    """out[j] = Σ_i matrix[i, j] · x[i], along `axis`, which is n long in the output."""
    out = xp.zeros((*x.shape[:axis], n, *x.shape[axis + 1 :]), x.dtype)
    for rows, columns, weights in matrix:
        part = x if rows is ALL else x.take(as_table(xp, rows), axis)
        add_slices(xp, out, axis, as_table(xp, columns), _weighted(xp, part, weights, axis))
    return out


def _weighted(xp: Any, x: Array, weights: np.ndarray | None, axis: int) -> Array:
    """x times the weights, which lie along `axis`."""
    return x if weights is None else x * as_table(xp, weights, x.dtype).reshape([-1] + [1] * (x.ndim - axis - 1))


# ---- the matrices of m rows and n columns; the rows are `step` columns apart ----


def nearest(n: int, m: int, step: Any, align_corners: bool) -> Matrix:
    """The place at i · step, or the last before it."""
    return [_one_place(n, np.arange(m).astype(step.dtype) * step)]


def nearest_exact(n: int, m: int, step: Any, align_corners: bool) -> Matrix:
    """The place that holds the middle of place i."""
    return [_one_place(n, _middles(m, step))]


def _one_place(n: int, where: np.ndarray) -> Entry:
    whole = np.floor(where.astype(np.float32))  # torch takes the floor of a float32 in float64 too
    return Entry(ALL, whole.clip(0, n - 1).astype(np.int64), None)


def linear(n: int, m: int, step: Any, align_corners: bool) -> Matrix:
    """The two places beside the one that is looked for, the nearer counting more."""
    if n == m:  # a copy, but for infinities: torch adds 0 · x, and so do we
        return [Entry(ALL, np.arange(m), None), Entry(ALL, np.arange(m), np.zeros(m))]
    left, past = _split(n, _looked_for(m, step, align_corners).clip(0))
    return [Entry(ALL, left, 1 - past), Entry(ALL, np.minimum(left + 1, n - 1), past)]


def cubic(n: int, m: int, step: Any, align_corners: bool) -> Matrix:
    """The four places around the one that is looked for; beyond an end stands the end again."""
    left, past = _split(n, _looked_for(m, step, align_corners))
    return [Entry(ALL, (left + k).clip(0, n - 1), weight) for k, weight in enumerate(cubic_weights(past), -1)]


def filtered(weigh: Callable, reach: float) -> Callable[..., Matrix]:
    """All places that a filter reaches, widened by `step` where places are left out: none is then passed over (antialiasing)."""

    def matrix(n: int, m: int, step: Any, align_corners: bool) -> Matrix:
        widened = max(step, step.dtype.type(1))
        middle = _middles(m, step)
        first = (middle - reach * widened + 0.5).astype(np.int64).clip(0)
        behind = (middle + reach * widened + 0.5).astype(np.int64).clip(None, n)
        found = []
        for k in range(int((behind - first).max())):
            rows = np.flatnonzero(first + k < behind)
            columns = first[rows] + k
            found.append(Entry(rows if k else ALL, columns, weigh((columns - middle[rows] + 0.5) / widened)))
        total = np.zeros(m)
        for rows, _, weights in found:
            total[rows] += weights
        return [Entry(rows, columns, weights / total[rows]) for rows, columns, weights in found]

    return matrix


def _middles(m: int, step: Any) -> np.ndarray:
    """Where the middle of each place of the output is in the input."""
    return (np.arange(m).astype(step.dtype) + step.dtype.type(0.5)) * step


def _looked_for(m: int, step: Any, align_corners: bool) -> np.ndarray:
    """The place, a real number, from which each place of the output is made: counted from the middle of the first."""
    return np.arange(m).astype(step.dtype) * step if align_corners else _middles(m, step) - step.dtype.type(0.5)


def _split(n: int, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The last place before, and how far past it: a fraction."""
    left = np.minimum(np.floor(where), n - 1)
    return left.astype(np.int64), (where - left).clip(0, 1)


def triangle(x: np.ndarray) -> np.ndarray:
    """1 − |x| within 1 of 0"""
    return (1 - abs(x)).clip(0)


def keys(x: np.ndarray) -> np.ndarray:
    """Keys' cubic with a = −1/2, within 2 of 0"""
    x = abs(x)
    return np.where(x < 1, near(x, -0.5), np.where(x < 2, far(x, -0.5), 0))


def lanczos(x: np.ndarray) -> np.ndarray:
    """sinc(x) · sinc(x/3) within 3 of 0"""
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)


# ---- Keys' cubic (1981): 1 at 0, 0 at the other whole numbers, with slope a at 1; two polynomials, and 0 from 2 on ----


def near(x: Any, a: float, order: int = 0) -> Any:
    """(a + 2) x³ − (a + 3) x² + 1, for 0 ≤ x ≤ 1; or its derivative of that order"""
    return _polynomial(x, (a + 2, -(a + 3), 0.0, 1.0), order)


def far(x: Any, a: float, order: int = 0) -> Any:
    """a x³ − 5a x² + 8a x − 4a, for 1 ≤ x ≤ 2; or its derivative of that order"""
    return _polynomial(x, (a, -5 * a, 8 * a, -4 * a), order)


def _polynomial(x: Any, coefficients: tuple[float, ...], order: int) -> Any:
    for _ in range(order):
        degree = len(coefficients) - 1
        coefficients = tuple(c * (degree - k) for k, c in enumerate(coefficients[:-1]))
    out = x * 0.0
    for c in coefficients:
        out = out * x + c
    return out


def cubic_weights(past: Any, order: int = 0, a: float = -0.75) -> tuple[Any, Any, Any, Any]:
    """The weights of the four places around one that is a fraction past the second; or their derivatives of that order."""
    mirrored = (-1) ** order
    return (
        far(past + 1, a, order),
        near(past, a, order),
        mirrored * near(1 - past, a, order),
        mirrored * far(2 - past, a, order),
    )


FILTERS = {
    "triangle": filtered(triangle, 1.0),
    "keys": filtered(keys, 2.0),
    "lanczos": filtered(lanczos, 3.0),
}
MODES: dict[str, Callable[..., Matrix]] = {
    "nearest": nearest,
    "nearest-exact": nearest_exact,
    "linear": linear,
    "cubic": cubic,
    **FILTERS,
}
NAMES = {"nearest": "Nearest", "nearest-exact": "NearestExact", "linear": "Linear", "cubic": "Bicubic"}
NAMES |= {"triangle": "Bilinear", "keys": "Bicubic", "lanczos": "Lanczos"}


# ---- bytes ----


def _resized_bytes(xp: Any, x: Array, how: Resizing) -> Array:
    """Images of bytes as torch's integer kernel has them: weights are multiples of 2⁻ᵖ, and each dimension is rounded."""
    out = x
    for axis, matrix in how.matrices(x.shape, "float64"):
        n, m = x.shape[axis], how.size[axis - 2]
        if n != m:
            weights, p = _in_whole_numbers(matrix, n, m)
            total = (out.swapaxes(axis, -1).astype("float64") @ as_table(xp, weights.T)).swapaxes(
                axis, -1
            )  # all below 2⁵³: exact
            out = xp.floor(total / 2**p + 0.5).clip(0, 255)
    return out.astype(x.dtype)


def _in_whole_numbers(matrix: Matrix, n: int, m: int) -> tuple[np.ndarray, int]:
    """The matrix times 2ᵖ, all of it, in whole numbers of 16 bits; and p, the largest that allows it."""
    dense = np.zeros((m, n))
    for rows, columns, weights in matrix:
        np.add.at(dense, (np.arange(m)[rows], columns), 1.0 if weights is None else weights)
    p = next(p for p in range(22, -1, -1) if int(0.5 + dense.max() * 2**p) < 2**15)
    return np.trunc(dense * 2**p + np.copysign(0.5, dense)), p
