"""Rows of distances between vectors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

import minitorch
from minitorch.nn import functional as ours

from ..strategies import floats, ints, of
from ..table import COPIES, pair

# half: its gradient is a difference of two larger ones.
pair("cosine_similarity", F.cosine_similarity, ours.cosine_similarity, a=floats("N 5"), b=floats("N 5"), dim=of(0, 1, -1),
    eps=of(1e-8, 0.5), empty=False, smooth={"eps": of(1e-8)}, half=8)  # fmt: skip
pair(
    "pairwise_distance",
    F.pairwise_distance,
    ours.pairwise_distance,
    a=floats("N 5"),
    b=floats("N 5"),
    p=of(2, 1),
    eps=of(1e-6, 0.1),
)
# Rows that are equal or share numbers, in which distances and differences are 0. torch's backward of no rows ends the process.
for some in ({}, {"ties": True, "low": -1, "high": 1}):
    pair("pdist", torch.pdist, minitorch.pdist, x=floats("N 3", **some), p=of(2.0, 1.0, 0.0, 0.5, 1.5, 3.0, math.inf), second_order=False,
        empty=False, special=False, smooth={"x": floats("N 3"), "p": of(2.0, 1.5, 3.0)}, keeps_more=COPIES)  # fmt: skip
pair("pdist", torch.pdist, minitorch.pdist, x=floats("N D"), p=of(2.0, -1.0), differentiable=False, special=False)
pair("pdist", torch.pdist, minitorch.pdist, x=ints("N D"))
pair("pdist", torch.pdist, minitorch.pdist, x=floats("N"), differentiable=False)

# Rows that are equal, differences that are 0; batches that broadcast.
for some in ({}, {"ties": True, "low": -1, "high": 1}):
    pair("cdist", torch.cdist, minitorch.cdist, x1=floats("N 3", **some), x2=floats("M 3", **some), p=of(2.0, 1.0, 0.0, 0.5, 1.5, 3.0, math.inf),
        second_order=False, special=False, empty=False, smooth={"x1": floats("N 3"), "x2": floats("M 3"), "p": of(2.0, 1.5, 3.0)},
        keeps_more=COPIES, slow=bool(some))  # fmt: skip
pair("cdist", torch.cdist, minitorch.cdist, x1=floats("2 1 N 3"), x2=floats("3 M 3"), p=of(2.0, 1.0, 3.0), second_order=False, special=False,
    empty=False, smooth={"p": of(2.0, 3.0)}, keeps_more=COPIES, slow=True)  # fmt: skip
pair("cdist", torch.cdist, minitorch.cdist, x1=floats("N D"), x2=floats("M D"), p=of(2.0, 1.0, -1.0), compute_mode=of("donot_use_mm_for_euclid_dist", "no"),
    differentiable=False, special=False, slow=True)  # fmt: skip
# By a product of matrices, with apart numbers: near 0 the digits are lost, in torch too.
pair("cdist", torch.cdist, minitorch.cdist, x1=floats("N 3", 1, 3), x2=floats("M 3", -3, -1), compute_mode=of("use_mm_for_euclid_dist"),
    special=False, empty=False, expand=False, keeps_more=COPIES, slow=True)  # fmt: skip
# Whole numbers lose none; some of these rows are equal.
pair("cdist", torch.cdist, minitorch.cdist, x1=floats("2 N 3", 0, 1, ties=True), x2=floats("2 M 3", 0, 1, ties=True), compute_mode=of("use_mm_for_euclid_dist"),
    second_order=False, special=False, empty=False, expand=False, keeps_more=COPIES, slow=True,
    smooth={"x1": floats("2 N 3", 1, 3), "x2": floats("2 M 3", -3, -1)})  # fmt: skip
pair("cdist", torch.cdist, minitorch.cdist, x1=floats("30 3", 1, 3), x2=floats("4 3", -3, -1), special=False, expand=False, keeps_more=COPIES, slow=True)  # fmt: skip

# ---- norms of weights ----

for shape in ("N 3", "N 2 3", "2 N 1 2", "N"):
    pair("norm_except_dim", torch.norm_except_dim, minitorch.norm_except_dim, v=floats(shape), pow=of(2, 1, 3), dim=of(0, 1, -1, -2),
        positional=("pow", "dim"), empty=False, smooth={"v": floats(shape, away_from=0)}, keeps_more=COPIES)  # fmt: skip
