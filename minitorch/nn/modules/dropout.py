"""Dropout: in training, elements (or whole channels) are zeroed with probability p and the others divided by 1 − p.

In evaluation a dropout layer returns its input. The mask is drawn in `minitorch/ops/dropout.py`.
"""

from __future__ import annotations

from collections.abc import Callable

from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = ["AlphaDropout", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "FeatureAlphaDropout"]


class _Dropout(Module):
    """What the dropouts share; subclasses name their function."""

    function: Callable[..., Tensor]

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return type(self).function(input, self.p, self.training, self.inplace)

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """y = x · mask / (1 − p) in training, y = x in evaluation (Srivastava et al., 2014).

    >>> minitorch.nn.Dropout(0.5).eval()(minitorch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """

    function = F.dropout


class Dropout1d(_Dropout):
    """Dropout of whole channels of x (N, C, L) or (C, L)."""

    function = F.dropout1d


class Dropout2d(_Dropout):
    """Dropout of whole channels of x (N, C, H, W)."""

    function = F.dropout2d


class Dropout3d(_Dropout):
    """Dropout of whole channels of x (N, C, D, H, W) or (C, D, H, W)."""

    function = F.dropout3d


class AlphaDropout(_Dropout):
    """Dropout to SELU's saturation value instead of 0, then an affine map that keeps mean and variance."""

    function = F.alpha_dropout


class FeatureAlphaDropout(_Dropout):
    """Alpha dropout of whole channels of x (N, C, …)."""

    function = F.feature_alpha_dropout
