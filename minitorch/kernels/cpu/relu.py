"""relu and its derivative without a choice for each number.

`maximum` of an array and a number takes NumPy three times as long as that of two arrays: so the zeros are a row of an array here.
The derivative is the bits of g, and-ed with all ones or all zeros: `where` looks at each number, and a processor that guesses wrong
half the time takes twenty times as long. Read next: `norm.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.activation import relu
from ...ops.activation import relu_grad as formula
from . import blocks
from .blocks import in_a_row, in_blocks, laid_out_as, served

_BITS = {np.dtype("float32"): np.int32, np.dtype("float64"): np.int64}
LINE = 1 << 11  # zeros in the row
MANY = 1 << 15  # numbers, from which on `maximum` takes longer than to lay out lines
SOME = 1 << 11  # numbers, from which on `where` takes longer than two more calls


@relu.twin("cpu")
def forward(xp: Any, x: Any) -> Any:
    """max(0, x)"""
    if type(x) is not np.ndarray or x.size < MANY or not served(x) or (x_row := in_a_row(x)) is None:
        return None
    out, zeros, whole = np.empty_like(x), np.zeros(LINE, x.dtype), x.size - x.size % LINE
    out_row = in_a_row(out)
    x_lines, out_lines = (row[:whole].reshape(-1, LINE) for row in (x_row, out_row))
    if whole:
        in_blocks(lambda rows: np.maximum(zeros, x_lines[rows], out=out_lines[rows]), x_lines)
    np.maximum(zeros[: x.size - whole], x_row[whole:], out=out_row[whole:])
    return out


@relu.twin_grad("cpu")
def relu_grad(xp: Any, g: Any, out: Any) -> Any:
    """dx = g where out > 0 (or nan), 0 elsewhere"""
    if out.size < SOME:
        return formula.forward(xp, g, out)
    if not served(out, g):
        return None
    bits = _BITS[out.dtype]
    if out.size <= blocks.LEAST:  # one block
        ones = np.subtract((out <= 0).view(np.int8), 1, dtype=bits)  # 0, or −1, which is all ones
        np.bitwise_and(g.view(bits), ones, out=ones)
        return ones.view(out.dtype)
    if (out_row := in_a_row(out)) is None:
        return None
    dx = np.empty_like(out)
    g_bits, dx_bits = (in_a_row(a).view(bits) for a in (laid_out_as(out, g), dx))

    def block(rows: slice, stops: np.ndarray, ones: np.ndarray) -> None:
        np.less_equal(out_row[rows], 0, out=stops)
        np.subtract(stops.view(np.int8), 1, out=ones)
        np.bitwise_and(g_bits[rows], ones, out=dx_bits[rows])

    in_blocks(block, out_row, np.bool_, bits)
    return dx
