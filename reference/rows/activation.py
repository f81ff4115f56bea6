"""Rows of `ops/activation.py`, through `nn.functional`: kinks are drawn on purpose (`ties`), and avoided for differences."""

from __future__ import annotations

from torch.nn import functional as TF

from minitorch.nn import functional as F

from ..strategies import dim_of, floats, of
from ..table import row


def layer(name: str, kinks: tuple = (), **options):
    """A row for a function of nn.functional with ties at integers, and its kinks avoided for differences."""
    # torch's own gradient of these at nan depends on where in a vector register the nan lies: g, 0 or nan.
    nan = name not in ("relu6", "hardtanh", "elu", "celu", "selu", "hardshrink", "softshrink", "hardswish")
    x = floats(low=-4, high=4, ties=bool(kinks), nan=nan)
    row(name, getattr(TF, name), getattr(F, name), x=x, smooth={"x": floats(low=-4, high=4, away_from=kinks)}, **options)


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
row("softplus", TF.softplus, F.softplus, x=floats(low=-30, high=30), beta=of(1.0, 2.0), threshold=of(20.0, 5.0),
    smooth={"x": floats(), "threshold": of(20.0)})  # fmt: skip
row("prelu", TF.prelu, F.prelu, x=floats("N C *"), weight=floats("1"), smooth={"x": floats("N C *", away_from=0)})
row("prelu", TF.prelu, F.prelu, x=floats("N C *"), weight=floats("C"), smooth={"x": floats("N C *", away_from=0)})
row("glu", TF.glu, F.glu, x=floats("* 4"), dim=of(-1))
for name in ["softmax", "log_softmax", "softmin"]:
    row(name, getattr(TF, name), getattr(F, name), x=floats("* N", low=-8, high=8), dim=dim_of("x"))
row("dropout", TF.dropout, F.dropout, x=floats(), p=of(0.0, 0.5), training=of(False))
