"""The methods of Tensor: what is found in samples, and what is put together of parts. Each is one line that names its op.

Go to definition on the right-hand side to read the op, with its derivative beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ops import assembling, covariance, cross, differences, elementwise, floats, scattering, special
from ...ops.dims import as_ints
from .structure import spread

if TYPE_CHECKING:
    from ..tensor import Tensor


class Analysis:
    """What is found in samples, and what is put together of parts."""

    # ---- numbers as they are stored, and special functions ----

    def deg2rad(self) -> Tensor:
        return elementwise.deg2rad(self)

    def rad2deg(self) -> Tensor:
        return elementwise.rad2deg(self)

    def sinc(self) -> Tensor:
        return special.sinc(self)

    def i0(self) -> Tensor:
        return special.i0(self)

    def mvlgamma(self, p: int) -> Tensor:
        return special.mvlgamma(self, p)

    def igamma(self, other: Tensor) -> Tensor:
        return special.igamma(self, other)

    def igammac(self, other: Tensor) -> Tensor:
        return special.igammac(self, other)

    def logaddexp2(self, other: Tensor) -> Tensor:
        return special.logaddexp2(self, other)

    def float_power(self, exponent: Any) -> Tensor:
        return floats.float_power(self, exponent)

    def frexp(self) -> Any:
        return floats.frexp(self)

    def ldexp(self, other: Tensor) -> Tensor:
        return floats.ldexp(self, other)

    def nextafter(self, other: Tensor) -> Tensor:
        return floats.nextafter(self, other)

    def gcd(self, other: Tensor) -> Tensor:
        return floats.gcd(self, other)

    def lcm(self, other: Tensor) -> Tensor:
        return floats.lcm(self, other)

    # ---- samples ----

    def diff(self, n: int = 1, dim: int = -1, prepend: Tensor | None = None, append: Tensor | None = None) -> Tensor:
        return differences.diff(self, n, dim, prepend, append)

    def cov(self, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
        return covariance.cov(self, correction=correction, fweights=fweights, aweights=aweights)

    def corrcoef(self) -> Tensor:
        return covariance.corrcoef(self)

    def cross(self, other: Tensor, dim: int | None = None) -> Tensor:
        return cross.cross(self, other, dim)

    # ---- parts ----

    def diagflat(self, offset: int = 0) -> Tensor:
        return assembling.diagflat(self, offset)

    def hsplit(self, *sections: Any, **named: Any) -> tuple[Tensor, ...]:
        return assembling.hsplit(self, *_as_one(sections), **named)

    def vsplit(self, *sections: Any, **named: Any) -> tuple[Tensor, ...]:
        return assembling.vsplit(self, *_as_one(sections), **named)

    def dsplit(self, *sections: Any, **named: Any) -> tuple[Tensor, ...]:
        return assembling.dsplit(self, *_as_one(sections), **named)

    def narrow_copy(self, dim: int, start: int, length: int) -> Tensor:
        return assembling.narrow_copy(self, dim, start, length)

    def sum_to_size(self, *size: Any, **named: Any) -> Tensor:
        return assembling.sum_to_size(self, as_ints(spread("sum_to_size", "size", size, named)))

    def select_scatter(self, src: Tensor, dim: int, index: int) -> Tensor:
        return scattering.select_scatter(self, src, dim, index)

    def slice_scatter(
        self, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
    ) -> Tensor:
        return scattering.slice_scatter(self, src, dim, start, end, step)

    def diagonal_scatter(self, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
        return scattering.diagonal_scatter(self, src, offset, dim1, dim2)

    def as_strided_scatter(self, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
        return scattering.as_strided_scatter(self, src, size, stride, storage_offset)


def _as_one(sections: tuple) -> tuple:
    """`x.hsplit(1, 3)` means `x.hsplit((1, 3))`."""
    return (sections,) if len(sections) > 1 else sections
