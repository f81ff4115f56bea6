"""gelu and its derivative: a loop in C, or NumPy's calls in blocks.

NumPy's calls make erf of a polynomial in float32, because SciPy's erf takes several times as long. Backward computes Φ(x) once more: to
keep it would save a quarter of the time of both, for as much memory again as x takes. Read next: `relu.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops.activation import gelu
from ...ops.special import special
from . import blocks
from .blocks import by_loop, in_a_row, in_blocks, laid_out_as, served


@gelu.twin("cpu")
def forward(xp: Any, x: Any, approximate: str) -> Any:
    """x Φ(x)"""
    if not _serves(x, approximate) or (x_row := in_a_row(x)) is None:
        return None
    out = np.empty_like(x)
    out_row = in_a_row(out)
    if by_loop(_LOOPS[approximate], x_row, x_row, into=(out_row,)):
        return out

    def block(rows: slice, scratch: np.ndarray) -> None:
        part, result = x_row[rows], out_row[rows]
        _phi(part, approximate, result, scratch)
        result *= part

    in_blocks(block, x_row, x.dtype)
    return out


@gelu.twin_grad("cpu")
def backward(xp: Any, g: Any, x: Any, approximate: str) -> Any:
    """dx = g (Φ(x) + x φ(x))"""
    if not _serves(x, approximate) or not served(x, g) or (x_row := in_a_row(x)) is None:
        return None
    dx = np.empty_like(x)
    g_row, dx_row = in_a_row(laid_out_as(x, g)), in_a_row(dx)
    if by_loop(f"{_LOOPS[approximate]}_backward", x_row, g_row, x_row, into=(dx_row,)):
        return dx

    def block(rows: slice, scratch: np.ndarray, slope: np.ndarray) -> None:
        part, result = x_row[rows], dx_row[rows]
        _phi(part, approximate, result, scratch)
        _x_density(part, approximate, result, scratch, slope)
        result += slope
        result *= g_row[rows]

    in_blocks(block, x_row, x.dtype, x.dtype)
    return dx


_LOOPS = {"none": "gelu", "tanh": "gelu_by_tanh"}  # of `../c/rows.h`


def _serves(x: Any, approximate: str) -> bool:
    return x.size >= blocks.SMALL and served(x) and approximate in _LOOPS


def _phi(x: np.ndarray, approximate: str, out: np.ndarray, scratch: np.ndarray) -> None:
    """Φ(x) into `out`: (1 + erf(x/√2)) / 2, or (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2. `scratch` is x² then."""
    np.multiply(x, x, out=scratch)
    if approximate == "tanh":
        np.multiply(scratch, _CUBIC, out=out)
        out += _LINEAR
        out *= x
        np.tanh(out, out=out)
    elif x.dtype == np.float32:
        _erf32(x, scratch, out)
    else:
        np.multiply(x, math.sqrt(0.5), out=out)
        out[...] = special(np, "erf", out)
    out += 1
    out *= 0.5


_LINEAR = math.sqrt(2 / math.pi)
_CUBIC = _LINEAR * 0.044715


def _x_density(x: np.ndarray, approximate: str, phi: np.ndarray, square: np.ndarray, out: np.ndarray) -> None:
    """x φ(x) into `out`: x exp(−x²/2) / √2π; or, with u(x) in the tanh of Φ, x Φ' = 2 x Φ (1 − Φ) du/dx. Overwrites x²."""
    if approximate == "tanh":
        square *= 6 * _CUBIC
        square += 2 * _LINEAR  # 2 du/dx
        np.subtract(1, phi, out=out)
        out *= phi
        out *= square
    else:
        square *= -0.5
        np.exp(square, out=out)
        out *= 1 / math.sqrt(2 * math.pi)
    out *= x


def _erf32(x: np.ndarray, square: np.ndarray, out: np.ndarray) -> None:
    """erf(x/√2) into `out` as tanh(x Q(x²)), within 3e-7.

    Gelu's tanh form has two coefficients of such a Q. These seven are a weighted least-squares fit, with weights that were raised
    where the error of x Φ(x) was largest until it was about the same everywhere (Lawson, 1961).
    """
    np.multiply(square, _Q[0], out=out)
    for c in _Q[1:-1]:
        out += c
        out *= square
    out += _Q[-1]
    out *= x
    np.tanh(out, out=out)


# Q's coefficients, of x¹² first.
_Q = (1.80936360e-09, -1.33646882e-07, 3.97311343e-06, -5.52779434e-05, -3.29547541e-05, 3.63339113e-02, 7.97884493e-01)
