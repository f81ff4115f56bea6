"""The layers and losses beside torch's: a file of rows a family, and `run.py`, which compares.

A row names a layer, draws its options and its inputs; `drawing.py` has what they are drawn with.
"""

from __future__ import annotations

from . import (
    activation,
    attention,
    convolution,
    distance,
    dropout,
    linear,
    loss,
    norms,
    padding,
    pooling,
    recurrent,
    tables,
    upsampling,
)
from .run import Row, worst_error

ROWS = [
    *linear.ROWS,
    *convolution.ROWS,
    *tables.ROWS,
    *norms.ROWS,
    *padding.ROWS,
    *pooling.ROWS,
    *distance.ROWS,
    *dropout.ROWS,
    *activation.ROWS,
    *attention.ROWS,
    *loss.ROWS,
    *recurrent.ROWS,
    *upsampling.ROWS,
]
