"""Rows of dropouts."""

from __future__ import annotations

from .drawing import anything, flags, one_of, required, shaped
from .run import Row

ROWS = [
    Row("Dropout", required({"p": one_of([0.3, 0.0, 1.0, 1.5])}, inplace=flags), anything),
    Row("Dropout1d", required({"p": one_of([0.3, 1.0, -0.5])}, inplace=flags), shaped((2, 3, 4), (3, 4), (4,))),
    Row("Dropout2d", required({"p": one_of([0.3, 1.0])}, inplace=flags), shaped((2, 3, 4, 2), (2, 3, 4), (4,))),
    Row("Dropout3d", required({"p": one_of([0.3, 1.0])}, inplace=flags), shaped((2, 3, 4, 2, 1), (3, 4, 2, 1))),
    Row("AlphaDropout", required({"p": one_of([0.3, 1.0])}, inplace=flags), anything),
    Row("FeatureAlphaDropout", required({"p": one_of([0.3, 1.0])}, inplace=flags), shaped((2, 3, 4), (4, 3), (4,))),
]
