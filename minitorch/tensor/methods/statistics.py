"""The methods of Tensor: which numbers there are, how often, and where most of them lie. Each is one line that names its op.

Go to definition on the right-hand side to read the op.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ops import histogram as histograms
from ...ops import masked, normalize, quantiles, search

if TYPE_CHECKING:
    from ..tensor import Tensor


class Statistics:
    """Which numbers there are, how often, and where most of them lie."""

    def quantile(self, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
        return quantiles.quantile(self, q, dim, keepdim, interpolation=interpolation)

    def nanquantile(self, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear") -> Tensor:
        return quantiles.nanquantile(self, q, dim, keepdim, interpolation=interpolation)

    def nanmedian(self, dim: int | None = None, keepdim: bool = False) -> Any:
        return quantiles.nanmedian(self, dim, keepdim)

    def mode(self, dim: int = -1, keepdim: bool = False) -> Any:
        return quantiles.mode(self, dim, keepdim)

    def histc(self, bins: int = 100, min: Any = 0, max: Any = 0) -> Tensor:
        return histograms.histc(self, bins, min, max)

    def histogram(self, bins: Any = 100, *, range: Any = None, weight: Tensor | None = None, density: bool = False) -> Any:
        return histograms.histogram(self, bins, range=range, weight=weight, density=density)

    def unique(
        self, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
    ) -> Any:
        return search.unique(self, sorted, return_inverse, return_counts, dim)

    def unique_consecutive(self, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None) -> Any:
        return search.unique_consecutive(self, return_inverse, return_counts, dim)

    def nonzero_static(self, *, size: int, fill_value: int = -1) -> Tensor:
        return masked.nonzero_static(self, size=size, fill_value=fill_value)

    def renorm(self, p: Any, dim: int, maxnorm: Any) -> Tensor:
        return normalize.renorm(self, p, dim, maxnorm)
