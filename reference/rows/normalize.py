"""Rows of `ops/normalize.py`: near-constant rows, where ε matters, and constant ones, beside ordinary numbers."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from minitorch.nn import functional as ours

from ..strategies import floats, of, positive
from ..table import row

epsilons = of(1e-5, 1e-3, 1e-12)
near_constant = {"low": 0.999, "high": 1.001}

# ---- over the last dimensions ----


def over_last(function: Any) -> Any:
    """The function with `normalized_shape` taken from x: as many last dimensions as `last` says."""
    return lambda x, *parameters, last, **options: function(x, x.shape[x.ndim - last :], *parameters, **options)


for spread in ({}, near_constant):
    for name in "layer_norm rms_norm".split():
        both = over_last(getattr(F, name)), over_last(getattr(ours, name))
        row(name, *both, x=floats("N D", **spread), last=of(1, 2), eps=epsilons, empty=False)
        row(name, *both, x=floats("N D", **spread), weight=floats("D"), last=of(1), eps=epsilons, empty=False)
        row(name, *both, x=floats("A N D", **spread), weight=floats("N D"), last=of(2), empty=False)
    row("layer_norm", over_last(F.layer_norm), over_last(ours.layer_norm), x=floats("A N D", **spread), weight=floats("D"),
        bias=floats("D"), last=of(1), eps=epsilons)  # fmt: skip
row("layer_norm", over_last(F.layer_norm), over_last(ours.layer_norm), x=floats("N D", ties=True, low=-1, high=1), last=of(1))
row("layer_norm", over_last(F.layer_norm), over_last(ours.layer_norm), x=floats("N D"), weight=floats("K"), last=of(1))
row("layer_norm", F.layer_norm, ours.layer_norm, x=floats("N D"), normalized_shape=of((3,), (), (2, 3)))

# ---- over channels ----

for shape in ("N 4", "N 4 L", "N 4 H W"):
    for spread in ({}, near_constant):
        row("group_norm", F.group_norm, ours.group_norm, x=floats(shape, **spread), num_groups=of(1, 2, 4, 3), eps=epsilons, empty=False)
    row("group_norm", lambda x, w, b, **o: F.group_norm(x, weight=w, bias=b, **o),
        lambda x, w, b, **o: ours.group_norm(x, weight=w, bias=b, **o),
        x=floats(shape), weight=floats("4"), bias=floats("4"), num_groups=of(1, 2), empty=False)  # fmt: skip


def by_batch(function: Any) -> Any:
    """Batch norm by the batch's own statistics."""
    return lambda x, w, b, **options: function(x, None, None, w, b, True, **options)


for shape in ("N C", "N C L", "N C H W"):
    for spread in ({}, near_constant):
        row("batch_norm", by_batch(F.batch_norm), by_batch(ours.batch_norm), x=floats(shape, **spread), weight=floats("C"),
            bias=floats("C"), eps=epsilons, empty=False)  # fmt: skip
    row("batch_norm", F.batch_norm, ours.batch_norm, x=floats(shape), running_mean=floats("C"), running_var=positive("C"),
        weight=floats("C"), bias=floats("C"), eps=epsilons, empty=False, differentiable=False)  # fmt: skip
    row("batch_norm", lambda x, w: F.batch_norm(x, w.detach() * 0.5, w.detach() ** 2, w, None),
        lambda x, w: ours.batch_norm(x, w.detach() * 0.5, w.detach() ** 2, w, None),
        x=floats(shape), weight=positive("C"), empty=False)  # fmt: skip
row("batch_norm", F.batch_norm, ours.batch_norm, x=floats("N C"), running_mean=floats("C"), running_var=positive("M"), differentiable=False)
row("instance_norm", lambda x, w, b, **o: F.instance_norm(x, weight=w, bias=b, **o),
    lambda x, w, b, **o: ours.instance_norm(x, weight=w, bias=b, **o),
    x=floats("N C L"), weight=floats("C"), bias=floats("C"), eps=epsilons, empty=False)  # fmt: skip

# ---- vectors ----

row("normalize", F.normalize, ours.normalize, x=floats("N D"), p=of(2, 1, 3), dim=of(0, 1, -1), eps=of(1e-12, 0.5), smooth={"x": floats("N D", away_from=0)})
row("normalize", F.normalize, ours.normalize, x=floats("N D", ties=True, low=-1, high=1), dim=of(0, 1), second_order=False, smooth={"x": floats("N D", away_from=0)})
row("cosine_similarity", F.cosine_similarity, ours.cosine_similarity, a=floats("N D"), b=floats("N D"), dim=of(0, 1, -1), eps=of(1e-8, 0.5), empty=False)
row("pairwise_distance", F.pairwise_distance, ours.pairwise_distance, a=floats("N D"), b=floats("N D"), p=of(2, 1), eps=of(1e-6, 0.1))
row("pad", F.pad, ours.pad, x=floats("N M"), pad=of((1, 2), (0, 1, 2, 0), (-1, 1), (0, 0, -1, 0), (1, 1, 1)), value=of(None, 0.5), empty=False)
