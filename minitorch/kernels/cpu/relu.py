"""relu's derivative without a choice for each number: the bits of g, and-ed with all ones or all zeros.

`where` looks at each number, and a processor that guesses wrong half the time takes twenty times as long.
Read next: `norm.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.activation import relu
from ...ops.activation import relu_grad as formula
from . import blocks
from .blocks import in_a_row, in_blocks, laid_out_as, served

_BITS = {np.dtype("float32"): np.int32, np.dtype("float64"): np.int64}


@relu.twin_grad("cpu")
def relu_grad(xp: Any, g: Any, out: Any) -> Any:
    """dx = g where out > 0 (or nan), 0 elsewhere"""
    if out.size < blocks.SMALL:
        return formula.forward(xp, g, out)
    if not served(out, g) or (out_row := in_a_row(out)) is None:
        return None
    dx, bits = np.empty_like(out), _BITS[out.dtype]
    g_bits, dx_bits = (in_a_row(a).view(bits) for a in (laid_out_as(out, g), dx))

    def block(rows: slice, passes: np.ndarray, ones: np.ndarray) -> None:
        np.less_equal(out_row[rows], 0, out=passes)
        np.logical_not(passes, out=passes)
        np.negative(passes.view(np.int8), out=ones)  # −1 is all ones
        np.bitwise_and(g_bits[rows], ones, out=dx_bits[rows])

    in_blocks(block, out_row, np.bool_, bits)
    return dx
