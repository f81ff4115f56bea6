"""Window functions, by which a signal fades in and out before its spectrum is taken: `hann_window`, `kaiser_window`, …

Each is a formula in n = 0, 1, … N, where N is the last place. A periodic window is one place longer, and its last number is left out:
so it can be repeated. Read next: `creation.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ..arrays import dtypes
from ..arrays.dtypes import dtype as DType
from ..op.signature import Device
from ..ops.elementwise import cos, sqrt, where
from ..ops.special import i0
from .creation import arange, ones
from .making import makes
from .tensor import Tensor

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


@makes
def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """w_n = ½ − ½ cos(2πn / N)"""
    made = _made(
        "hann_window", window_length, periodic, dtype, device, lambda n, last: 0.5 - 0.5 * cos(n * (2 * math.pi / last))
    )
    return made.requires_grad_(requires_grad)


@makes
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """w_n = α − β cos(2πn / N)"""

    def formula(n: Tensor, last: int) -> Tensor:
        return alpha - beta * cos(n * (2 * math.pi / last))

    return _made("hamming_window", window_length, periodic, dtype, device, formula).requires_grad_(requires_grad)


@makes
def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """w_n = 0.42 − ½ cos(2πn / N) + 0.08 cos(4πn / N)"""

    def formula(n: Tensor, last: int) -> Tensor:
        angle = n * (math.pi / last)
        return 0.08 * cos(4 * angle) - 0.5 * cos(2 * angle) + 0.42

    return _made("blackman_window", window_length, periodic, dtype, device, formula).requires_grad_(requires_grad)


@makes
def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """w_n = 1 − |2n / N − 1|: a triangle."""

    def formula(n: Tensor, last: int) -> Tensor:
        rising = n * (2 / last)
        return where(n <= last // 2, rising, 2 - rising)

    return _made("bartlett_window", window_length, periodic, dtype, device, formula).requires_grad_(requires_grad)


@makes
def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: DType | None = None,
    device: Device | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """w_n = I₀(β √(1 − (2n / N − 1)²)) / I₀(β), where I₀ is the modified Bessel function of order 0."""

    def formula(n: Tensor, last: int) -> Tensor:
        from_middle = (n - last / 2) / (last / 2)
        largest = i0(n.new_tensor(beta))
        return i0(beta * sqrt(1 - from_middle * from_middle)) / largest

    return _made("kaiser_window", window_length, periodic, dtype, device, formula).requires_grad_(requires_grad)


def _made(
    name: str,
    length: int,
    periodic: bool,
    dtype: DType | None,
    device: Device | None,
    formula: Callable[[Tensor, int], Tensor],
) -> Tensor:
    """The numbers of a window, by a formula in their places and in the last of these."""
    dtype = dtype or dtypes.get_default_dtype()
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype!r}")
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    if length <= 1:
        return ones(length, dtype=dtype, device=device)
    last = length if periodic else length - 1
    return formula(arange(last + 1, dtype=dtype, device=device), last)[:length]
