"""Rows of `ops/normalize.py`: near-constant rows, where ε matters, and constant ones, beside ordinary numbers."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import minitorch
from minitorch.nn import functional as ours

from ..strategies import floats, ints, of, positive
from ..table import COPIES
from ..table import pair as any_pair

# Around variance ε, so that ε matters. Infinities and nans are left out: torch's kernels spread them in ways of their own.
pair = functools.partial(any_pair, expand=False)  # float32: the mean of equal numbers rounds, and 1/√ε magnifies that
epsilons = of(1e-5, 1e-3)
small = {"low": -3e-3, "high": 3e-3}

# ---- over the last dimensions ----


def over_last(function: Any) -> Any:
    """The function with `normalized_shape` taken from x: as many last dimensions as `last` says."""
    return lambda x, *parameters, last, **options: function(x, x.shape[x.ndim - last :], *parameters, **options)


for spread in ({}, small):
    for name in ["layer_norm", "rms_norm"]:
        both = over_last(getattr(F, name)), over_last(getattr(ours, name))
        pair(name, *both, x=floats("N 5", **spread), last=of(1, 2), eps=epsilons, empty=False, special=False)
        pair(
            name, *both, x=floats("N 5", **spread), weight=floats("5"), last=of(1), eps=epsilons, empty=False, special=False
        )
        pair(name, *both, x=floats("A N 5", **spread), weight=floats("N 5"), last=of(2), empty=False, special=False)
    pair("layer_norm", over_last(F.layer_norm), over_last(ours.layer_norm), x=floats("A N 5", **spread), weight=floats("5"),
        bias=floats("5"), last=of(1), eps=epsilons, special=False)  # fmt: skip
pair(
    "layer_norm",
    over_last(F.layer_norm),
    over_last(ours.layer_norm),
    x=floats("N 5", ties=True, low=-1, high=1),
    last=of(1),
    special=False,
)
pair(
    "layer_norm",
    over_last(F.layer_norm),
    over_last(ours.layer_norm),
    x=floats("N 5"),
    weight=floats("K"),
    last=of(1),
    special=False,
)
for spread in ({}, small):
    pair("layer_norm", over_last(F.layer_norm), over_last(ours.layer_norm), x=floats("A N 5", **spread),
        weight=floats("N 5"), bias=floats("N 5"), last=of(2), eps=epsilons, empty=False, special=False)  # fmt: skip
    pair("layer_norm", over_last(F.layer_norm), over_last(ours.layer_norm), x=floats("N 5", **spread), last=of(1),
        eps=epsilons, empty=False, special=False)  # fmt: skip
pair("layer_norm", F.layer_norm, ours.layer_norm, x=floats("N 3"), normalized_shape=of((3,), (), (2, 3)))

pair("layer_norm", lambda x, bias: F.layer_norm(x, (5,), bias=bias), lambda x, bias: ours.layer_norm(x, (5,), bias=bias),
    x=floats("N 5"), bias=floats("5"), special=False)  # fmt: skip

# ---- over channels ----

for shape in ("N 4 3", "N 4 2 3"):
    for spread in ({}, small):
        pair(
            "group_norm",
            F.group_norm,
            ours.group_norm,
            x=floats(shape, **spread),
            num_groups=of(1, 2, 4, 3),
            eps=epsilons,
            empty=False,
            special=False,
        )
    pair("group_norm", lambda x, w, b, **o: F.group_norm(x, weight=w, bias=b, **o),
        lambda x, w, b, **o: ours.group_norm(x, weight=w, bias=b, **o),
        x=floats(shape), weight=floats("4"), bias=floats("4"), num_groups=of(1, 2), empty=False, special=False)  # fmt: skip


def by_batch(function: Any) -> Any:
    """Batch norm by the batch's own statistics; torch's backward is wrong for strided ones."""
    return lambda x, w, b, **options: function(x.contiguous(), None, None, w.contiguous(), b, True, **options)


def by_hand(w: Any) -> tuple:
    """Running statistics that do not depend on w's values."""
    return w.detach() * 0 + 0.3, w.detach() * 0 + 0.5


for shape in ("5 C", "3 C 2", "2 C 2 3"):
    for spread in ({}, small):
        pair("batch_norm", by_batch(F.batch_norm), by_batch(ours.batch_norm), x=floats(shape, **spread), weight=floats("C"),
            bias=floats("C"), eps=epsilons, empty=False, special=False)  # fmt: skip
    pair("batch_norm", F.batch_norm, ours.batch_norm, x=floats(shape), running_mean=floats("C"), running_var=positive("C"),
        weight=floats("C"), bias=floats("C"), eps=epsilons, empty=False, special=False, differentiable=False)  # fmt: skip
    pair("batch_norm", lambda x, w: F.batch_norm(x.contiguous(), *by_hand(w), w.contiguous(), None),
        lambda x, w: ours.batch_norm(x.contiguous(), *by_hand(w), w, None), x=floats(shape), weight=floats("C"), empty=False,
        special=False)  # fmt: skip
    pair("batch_norm", by_batch(F.batch_norm), by_batch(ours.batch_norm), x=floats(shape), weight=floats("C"),
        bias=floats("C"), eps=epsilons, empty=False, special=False)  # fmt: skip
    pair("batch_norm", lambda x, w, b: F.batch_norm(x.contiguous(), *by_hand(w), w.contiguous(), b),
        lambda x, w, b: ours.batch_norm(x.contiguous(), *by_hand(w), w.contiguous(), b), x=floats(shape), weight=floats("C"),
        bias=floats("C"), empty=False, special=False)  # fmt: skip
    pair("batch_norm", lambda x, w: F.batch_norm(x.contiguous(), *by_hand(w)), lambda x, w:
        ours.batch_norm(x.contiguous(), *by_hand(w)), x=floats(shape), w=floats("C"), empty=False, special=False)  # fmt: skip
pair(
    "batch_norm",
    F.batch_norm,
    ours.batch_norm,
    x=floats("N C"),
    running_mean=floats("C"),
    running_var=positive("M"),
    empty=False,
    differentiable=False,
)
pair("instance_norm", lambda x, w, b, **o: F.instance_norm(x, weight=w, bias=b, **o),
    lambda x, w, b, **o: ours.instance_norm(x, weight=w, bias=b, **o),
    x=floats("N C L"), weight=floats("C"), bias=floats("C"), eps=epsilons, empty=False, special=False, keeps_more=COPIES)  # fmt: skip

pair(
    "instance_norm",
    lambda x, m, v, **o: F.instance_norm(x, m.to(x.dtype, copy=True), v.to(x.dtype, copy=True), **o),
    lambda x, m, v, **o: ours.instance_norm(x, m.to(x.dtype, copy=True), v.to(x.dtype, copy=True), **o),
    x=floats("N C L M"),
    m=floats("C"),
    v=positive("C"),
    use_input_stats=of(True, False),
    momentum=of(0.1, 0.5),
    eps=epsilons,
    empty=False,
    special=False,
    differentiable=False,
)
for shape in ("N C L", "N C L M", "2 C 2 1 2"):
    pair("local_response_norm", F.local_response_norm, ours.local_response_norm, x=floats(shape), size=of(1, 2, 3, 4, 7),
        alpha=of(1e-4, 1.0), beta=of(0.75, 2.0), k=of(1.0, 0.5), positional=("size",), special=False)  # fmt: skip
pair(
    "local_response_norm",
    F.local_response_norm,
    ours.local_response_norm,
    x=ints("N C L"),
    size=of(1, 2, 3, 0),
    positional=("size",),
)

# ---- vectors ----

pair(
    "normalize",
    F.normalize,
    ours.normalize,
    x=floats("N 5"),
    p=of(2, 1, 3),
    dim=of(0, 1, -1),
    eps=of(1e-12, 0.5),
    smooth={"x": floats("N 5", away_from=0)},
)
pair(
    "normalize",
    F.normalize,
    ours.normalize,
    x=floats("N 5", ties=True, low=-1, high=1),
    dim=of(0, 1),
    second_order=False,
    smooth={"x": floats("N 5", away_from=0)},
)
pair(
    "pad",
    F.pad,
    ours.pad,
    x=floats("N M"),
    pad=of((1, 2), (0, 1, 2, 0), (-1, 1), (0, 0, -1, 0), (1, 1, 1)),
    value=of(None, 0.5),
    empty=False,
)
pair(
    "pad",
    F.pad,
    ours.pad,
    x=ints("N M", dtype=np.uint8, low=0),
    pad=of((1, 2), (0, -1)),
    value=of(None, 0.5, 3.0, -1.0, 300.0),
)
pair("constant_pad_nd", torch.constant_pad_nd, minitorch.constant_pad_nd, x=floats("N M"), pad=of((1, 2), (0, 1, -1, 0)), value=of(0, 2.5),
    positional=("pad",))  # fmt: skip
inside = of("reflect", "replicate", "circular")
pair("pad", F.pad, ours.pad, x=floats("N 4"), mode=inside, value=of(None, 0.0, 1.0),
    pad=of((1, 2), (3, 3), (4, 0), (-1, 2), (2, -2), (-2, -1), (0, 0), (-3, 1), (1,), (1, 1, 1, 1)), positional=("pad",))  # fmt: skip
pair("pad", F.pad, ours.pad, x=floats("N 3 4"), mode=inside, positional=("pad",),
    pad=of((1, 2), (1, 2, 2, 1), (-1, 1, 2, -1), (0, 0, 1, 0), (3, 0, 0, 0), (5, 5, 1, 1), (0, 0, 0, 0, 1, 0)))  # fmt: skip
pair(
    "pad",
    F.pad,
    ours.pad,
    x=floats("N 2 3 2"),
    mode=inside,
    pad=of((1, 1, 0, 1, 1, 0), (1, 0, 2, 2), (0, -1, 1, 1, 0, 1)),
    positional=("pad",),
)
pair("pad", F.pad, ours.pad, x=ints("N 3 4"), mode=inside, pad=of((1, 2), (1, 2, 0, -1)), positional=("pad",))
