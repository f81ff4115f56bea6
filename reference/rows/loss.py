"""Rows of losses: every reduction, weights, ignored classes, smoothing, probabilities; equal inputs and knees drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.nn import functional as TF

import minitorch
from minitorch.nn import functional as F
from minitorch.ops.probability_loss import bernoulli_slope

from ..strategies import Source, floats, given, laid_out, of, positive
from ..table import pair

reduction = of("none", "mean", "sum")
ties = {"x": floats(ties=True), "y": floats(ties=True)}
apart = {"x": floats(low=2.2, high=3.0), "y": floats(low=-0.4, high=0.9)}

pair("mse_loss", TF.mse_loss, F.mse_loss, x=floats(), y=floats(), reduction=reduction)
pair("l1_loss", TF.l1_loss, F.l1_loss, **ties, reduction=reduction, smooth=apart)
pair(
    "smooth_l1_loss",
    TF.smooth_l1_loss,
    F.smooth_l1_loss,
    **ties,
    reduction=reduction,
    beta=of(1.0, 2.0, 0.5),
    smooth=apart | {"beta": of(1.0, 0.5)},
)
pair(
    "huber_loss",
    TF.huber_loss,
    F.huber_loss,
    **ties,
    reduction=reduction,
    delta=of(1.0, 2.0, 0.5),
    smooth=apart | {"delta": of(1.0, 0.5)},
)

# ---- classes ----


class classes:
    """Class numbers for predictions x (N, C, …), some of them the ignored −100."""

    is_array = True

    def __init__(self, ignored: bool = True):
        self.ignored = ignored

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        x = case["x"]
        shape = () if x.ndim == 1 else (x.shape[0], *x.shape[2:])
        count = x.shape[0 if x.ndim == 1 else 1]
        y = np.asarray(source.rng.integers(0, max(count, 1), shape))
        return np.where(source.rng.random(shape) < 0.2, -100, y) if self.ignored else y


class probabilities:
    """Class probabilities of x's shape."""

    is_array = True

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        q = source.rng.random(case["x"].shape)
        return laid_out(source, q / q.sum(axis=0 if q.ndim == 1 else 1, keepdims=True))


def class_weight(case: dict, source: Source):
    """None, or a positive weight per class."""
    return source.rng.uniform(0.2, 2, case["x"].shape[0 if case["x"].ndim == 1 else 1]) if source.integer(0, 1) else None


for shape in ("3", "N 3", "N 3 L", "N 3 L M"):
    pair("nll_loss", TF.nll_loss, F.nll_loss, x=floats(shape), target=classes(), weight=given(class_weight), reduction=reduction,
        special=False)  # fmt: skip
    pair("cross_entropy", TF.cross_entropy, F.cross_entropy, x=floats(shape), target=classes(), weight=given(class_weight),
        reduction=reduction, label_smoothing=of(0.0, 0.1), special=False)  # fmt: skip
    pair("cross_entropy", TF.cross_entropy, F.cross_entropy, x=floats(shape), target=probabilities(),
        weight=given(class_weight), reduction=reduction, label_smoothing=of(0.0, 0.1), special=False)  # fmt: skip
pair("cross_entropy", TF.cross_entropy, F.cross_entropy, x=floats("N 3"), target=classes(ignored=False), ignore_index=of(1, 2),
    reduction=reduction, special=False)  # fmt: skip
for shape in ("3", "N 3", "N 3 L"):
    pair("cross_entropy", TF.cross_entropy, F.cross_entropy, x=floats(shape), target=classes(), reduction=reduction,
        ignore_index=of(-100, 1), special=False)  # fmt: skip


def by_rows(library: Any) -> Any:
    """linear_cross_entropy with all its inputs by position, and in chunks of so many rows."""

    def call(x: Any, linear_weight: Any, target: Any, bias: Any, rows: int | None, **options: Any) -> Any:
        chosen = None if rows is None else library.nn.LinearCrossEntropyOptions(batch_chunk_size=rows)
        function = library.nn.functional.linear_cross_entropy
        return function(x, linear_weight, target, linear_bias=bias, options=chosen, **options)

    return call


class classes_of_rows:
    """A class of W (C, F) for each row of x, some of them the ignored −100."""

    is_array = True

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        y = np.asarray(source.rng.integers(0, case["linear_weight"].shape[0], case["x"].shape[:-1]))
        return np.where(source.rng.random(y.shape) < 0.2, -100, y)


KEPT = "torch keeps the gradients that it has computed beforehand, ours the inputs, to compute the scores again"
for rows in (None, 1, 2, 10):
    pair(
        "linear_cross_entropy",
        by_rows(torch),
        by_rows(minitorch),
        x=floats("N F"),
        linear_weight=floats("5 F"),
        target=classes_of_rows(),
        bias=floats("5"),
        rows=of(rows),
        weight=given(lambda case, source: class_weight({"x": case["linear_weight"].T}, source)),
        reduction=reduction,
        special=False,
        empty=False,
        expand=False,  # of equal rows of W the gradient by x is 0, and what rounding leaves of it in half precision says nothing
        half=2.0,
        second_order=rows is None,
        keeps_more="" if rows is None else KEPT,
        positional=("rows",),
    )

# ---- probabilities ----


class weights:
    """Positive numbers, which get no gradient."""

    is_array = True

    def __init__(self, pattern: str):
        self.pattern = pattern

    def __call__(self, source: Source, case: dict) -> np.ndarray:
        return source.rng.uniform(0.1, 3.0, source.shape(self.pattern))


def inside(pattern: str) -> dict[str, Any]:
    """Both so far inside [0, 1] that a step of a difference does not leave it: there the loss is refused."""
    return {"x": floats(pattern, 0.1, 0.9), "target": floats(pattern, 0.1, 0.9)}


# Second derivatives: torch adds 1e-12 to p and to 1 − p there, which shows beyond 1e-9 where p is below 1e-3.
unit = floats("N C", 0.02, 0.98, specials=False)
pair("binary_cross_entropy", TF.binary_cross_entropy, F.binary_cross_entropy, x=unit, target=floats("N C", 0, 1, specials=False),
    reduction=reduction, smooth=inside("N C"))  # fmt: skip
pair("binary_cross_entropy", TF.binary_cross_entropy, F.binary_cross_entropy, x=floats("N", 0, 1, ties=True),
    target=floats("N", 0, 1, ties=True), reduction=reduction, second_order=False,
    smooth=inside("N"))  # fmt: skip


def slope_by_torch(p: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """∂/∂p of the loss: that torch adds 1e-12 in *its* derivative shows at p around 1e-11."""
    p = p if p.requires_grad else p.detach().requires_grad_()
    return torch.autograd.grad(TF.binary_cross_entropy(p, y, reduction="sum"), p, create_graph=True)[0]


pair("bernoulli_slope", slope_by_torch, bernoulli_slope, p=floats("N", among=(1e-11, 1e-10, 1 - 1e-11, 1 - 1e-10, 0.5)),
    y=floats("N", 0, 1), special=False, second_order=False, smooth={"p": floats("N", 0.1, 0.9)})  # fmt: skip
pair("binary_cross_entropy_with_logits", TF.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits,
    x=floats("N C", -40, 40), target=floats("N C", 0, 1), reduction=reduction, smooth={"x": floats("N C")})  # fmt: skip
pair("binary_cross_entropy_with_logits", TF.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits,
    x=floats("N C"), target=floats("N C", 0, 1), weight=weights("C"), reduction=reduction)  # fmt: skip
pair("binary_cross_entropy", TF.binary_cross_entropy, F.binary_cross_entropy, x=floats("N C", 0.1, 0.9, specials=False),
    target=floats("N C", 0.1, 0.9, specials=False), weight=weights("C"), reduction=reduction, smooth=inside("N C"))  # fmt: skip
pair("binary_cross_entropy_with_logits", lambda x, y, v, **o: TF.binary_cross_entropy_with_logits(x, y, pos_weight=v, **o),
    lambda x, y, v, **o: F.binary_cross_entropy_with_logits(x, y, pos_weight=v, **o),
    x=floats("N C"), target=floats("N C", 0, 1), pos_weight=weights("C"), reduction=reduction)  # fmt: skip
pair("kl_div", TF.kl_div, F.kl_div, x=floats("N C", -5, 0), target=floats("N C", 0, 1, ties=True), special=False,
    reduction=of("none", "sum", "mean", "batchmean"), smooth={"target": positive("N C", 1.0)})  # fmt: skip
pair("kl_div", TF.kl_div, F.kl_div, x=floats("N C", -5, 0), target=floats("N C", -5, 0), special=False,
    reduction=of("none", "sum", "mean", "batchmean"), log_target=of(True))  # fmt: skip
