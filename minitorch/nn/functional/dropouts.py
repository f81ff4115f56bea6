"""Dropout: single numbers, or whole channels. The masks and formulas are in `minitorch/ops/dropout.py`."""

from __future__ import annotations

from collections.abc import Callable

from minitorch.arrays.warning import warn
from minitorch.op.signature import Flag, checked
from minitorch.ops import dropout as _dropout
from minitorch.tensor import Tensor

__all__ = ["alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]


@checked
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """x · mask / (1 − p). It drops unless `training=False`: it cannot know of `model.eval()`; the layer does."""
    return _dropout_by(_dropout.dropout, input, p, training, inplace)


@checked
def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """Dropout of whole channels of x (N, C, L) or (C, L)"""
    _check_probability(p)
    if input.ndim not in (2, 3):
        raise RuntimeError(f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input")
    return _batched_dropout(input, 3, p, training, inplace)


@checked
def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """Dropout of whole channels of x (N, C, H, W). Three dimensions are taken for (N, C, L), with a warning."""
    _check_probability(p)
    if input.ndim != 4:
        warn(f"dropout2d: Received a {input.ndim}-D input, taken for (N, C, …); use dropout1d")
    return _dropout_by(_dropout.feature_dropout, input, p, training, inplace)


@checked
def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: Flag = False) -> Tensor:
    """Dropout of whole channels of x (N, C, D, H, W) or (C, D, H, W)"""
    _check_probability(p)
    if input.ndim not in (4, 5):
        warn(f"dropout3d: Received a {input.ndim}-D input, taken for (C, …); use dropout")
    return _batched_dropout(input, 5, p, training, inplace)


@checked
def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: Flag = False) -> Tensor:
    """a · (x where kept, α′ where dropped) + b: dropout that keeps the mean 0 and variance 1 of SELU networks"""
    return _dropout_by(_dropout.alpha_dropout, input, p, training, inplace)


@checked
def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: Flag = False) -> Tensor:
    """Alpha dropout of whole channels of x (N, C, …)"""
    return _dropout_by(_dropout.feature_alpha_dropout, input, p, training, inplace)


def _dropout_by(function: Callable, input: Tensor, p: float, training: bool, inplace: Flag) -> Tensor:
    """One of the four dropouts, written into x if `inplace`."""
    _check_probability(p)
    if not training or p == 0:
        return input
    return input._update(function, p, training) if inplace else function(input, p, training)


def _batched_dropout(input: Tensor, batched: int, p: float, training: bool, inplace: Flag) -> Tensor:
    """Feature dropout of x, which is a batch if it has `batched` dimensions and one sample otherwise."""
    if input.ndim == batched:
        return _dropout_by(_dropout.feature_dropout, input, p, training, inplace)
    if inplace:
        return input._update(lambda x: _dropout.feature_dropout(x.unsqueeze(0), p, training).squeeze(0))
    return _dropout.feature_dropout(input.unsqueeze(0), p, training).squeeze(0)


def _check_probability(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if p != p:
        raise RuntimeError("dropout probability has to be between 0 and 1, but got nan")
