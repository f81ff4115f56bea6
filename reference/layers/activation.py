"""Rows of activations."""

from __future__ import annotations

from hypothesis import strategies as st

from .drawing import alphas, anything, flags, halves, one_of, optional, required, shaped
from .run import Row

ROWS = [
    *[
        Row(name, optional(inplace=flags), anything)
        for name in ["ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardsigmoid", "Hardswish"]
    ],
    *[Row(name, st.just({}), anything) for name in ["Sigmoid", "Tanh", "Softsign", "Tanhshrink", "LogSigmoid"]],
    *[
        Row(name, optional(dim=one_of([0, -1, 1])), shaped((4,), (3, 4), (2, 3, 4)))
        for name in ["Softmax", "LogSoftmax", "Softmin"]
    ],
    Row("LeakyReLU", optional(negative_slope=one_of([0.01, 0.5]), inplace=flags), anything),
    Row("RReLU", optional(lower=one_of([-0.25, 0.1, 0.5]), upper=one_of([0.1, 0.3]), inplace=flags), anything),
    Row("Softmax2d", st.just({}), shaped((2, 3, 4), (2, 3, 1, 2), (3, 4))),
    Row("PReLU", optional(num_parameters=one_of([1, 3]), init=one_of([0.25, -0.5])), shaped((4,), (5, 3), (2, 3, 4))),
    Row("ELU", optional(alpha=alphas, inplace=flags), anything),
    Row("CELU", optional(alpha=alphas, inplace=flags), anything),
    Row("GELU", optional(approximate=one_of(["none", "tanh"])), anything),
    Row("GLU", optional(dim=one_of([-1, 0])), halves),
    Row("Softplus", optional(beta=one_of([0.5, 2]), threshold=one_of([1.0, 20])), anything),
    Row("Hardtanh", optional(min_val=one_of([-2.0, -1]), max_val=one_of([0.5, -3.0]), inplace=flags), anything),
    Row("Hardshrink", optional(lambd=one_of([0.5, 1])), anything),
    Row("Softshrink", optional(lambd=one_of([0.5, 1, -1.0])), anything),
    Row("Threshold", required({"threshold": one_of([0.0, 1.0]), "value": -2.0}, inplace=flags), anything),
]
