"""Rows of `ops/activation.py`, through `nn.functional`: kinks are drawn on purpose (`ties`), and avoided for differences."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as TF

import minitorch
from minitorch.nn import functional as F
from minitorch.ops.dropout import philox_dropout
from minitorch.random import philox

from ..strategies import dim_of, floats, of
from ..table import pair


def layer(name: str, kinks: tuple = (), **options):
    """A row for a function of nn.functional with ties at integers, and its kinks avoided for differences."""
    # torch's own gradient of these at nan is g in short rows, but 0 or nan where many numbers go through a vector register.
    nan = name not in ("relu6", "hardtanh", "elu", "celu", "selu", "hardshrink", "softshrink", "hardswish")
    options["smooth"] = {"x": floats(low=-4, high=4, away_from=kinks)}
    for pattern, with_nan in [("*", nan)] if nan else [("*", nan), ("N", True)]:
        x = floats(pattern, low=-4, high=4, ties=bool(kinks), nan=with_nan)
        pair(name, getattr(TF, name), getattr(F, name), x=x, **options)


layer("relu", (0,))
layer("relu6", (0, 6))
layer("leaky_relu", (0,), negative_slope=of(0.01, 0.3))
layer("elu", (0,), alpha=of(1.0, 0.5))
layer("celu", (0,), alpha=of(1.0, 0.5))
layer("selu", (0,))
layer("gelu", (), approximate=of("none", "tanh"))
layer("silu")
layer("mish")
layer("softsign", (0,))
layer("tanhshrink")
layer("logsigmoid")
layer("hardtanh", (-1, 1), min_val=of(-1.0), max_val=of(1.0))
layer("hardsigmoid", (-3, 3))
layer("hardswish", (-3, 3))
layer("hardshrink", (-1, 1), lambd=of(1.0))
layer("softshrink", (-1, 1), lambd=of(1.0))
layer("threshold", (1,), threshold=of(1.0), value=of(-2.0))
pair("softplus", TF.softplus, F.softplus, x=floats(low=-30, high=30), beta=of(1.0, 2.0), threshold=of(20.0, 5.0),
    smooth={"x": floats(), "threshold": of(20.0)})  # fmt: skip
pair("prelu", TF.prelu, F.prelu, x=floats("N C *"), weight=floats("1"), smooth={"x": floats("N C *", away_from=0)})
pair("prelu", TF.prelu, F.prelu, x=floats("N C *"), weight=floats("C"), smooth={"x": floats("N C *", away_from=0)})
pair("glu", TF.glu, F.glu, x=floats("* 4"), dim=of(-1))
for name in ["softmax", "log_softmax", "softmin"]:
    pair(name, getattr(TF, name), getattr(F, name), x=floats("* N", low=-8, high=8), dim=dim_of("x"))


def seeded(library: Any, function: Callable) -> Callable:
    """The function, each time from the same seed: the two libraries then draw the same numbers."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        library.manual_seed(7)
        return function(*arguments, **options)

    return run


def drawn(name: str, pattern: str = "*", covers: str | None = None, **options: Any) -> None:
    """A row for a function of nn.functional that draws."""
    theirs, ours = seeded(torch, getattr(TF, name)), seeded(minitorch, getattr(F, name))
    pair(name, theirs, ours, x=floats(pattern), covers=covers, **options)


probability = of(0.3, 0.0, 0.9, 1.0)
for name in ["dropout", "alpha_dropout"]:
    drawn(name, p=probability, training=of(True, True, False))
drawn("feature_alpha_dropout", "N C *", p=probability, training=of(True, True, False))
drawn("dropout1d", "N C L", p=probability)
drawn("dropout1d", "C L", p=probability)
drawn("dropout2d", "N C H W", covers="feature_dropout", p=probability)
drawn("dropout3d", "N C D H W", p=probability)
drawn("dropout3d", "C D H W", p=probability)
for bounds in ({}, {"lower": of(0.1, -0.5, 0.4), "upper": of(0.3, 0.9)}):
    drawn("rrelu", training=of(True, True, False), special=False, smooth={"x": floats(away_from=0)}, gpu="waits", **bounds)
drawn("gumbel_softmax", "* N", tau=of(1.0, 0.3), dim=dim_of("x"))


def masked_by_philox(x: torch.Tensor, p: float, scale: float, seed: int, counter: int) -> torch.Tensor:
    """Dropout as a GPU draws it, in torch: scale · x where the element's word is below (1 − p) · 2³²."""
    if not x.is_floating_point():
        raise RuntimeError("dropout is for floats")
    kept = philox.words(np, x.numel(), seed, counter).reshape(tuple(x.shape)) < round((1 - p) * 2**32)
    return x * torch.from_numpy(np.asarray(kept * scale)).to(x.dtype)


pair("philox_dropout", masked_by_philox, philox_dropout, x=floats("*"), p=of(0.3, 0.5), scale=of(2.0, 1.25),
    seed=of(0, 12, 2**40), counter=of(0, 7, 2**33), positional=("p", "scale", "seed", "counter"))  # fmt: skip
