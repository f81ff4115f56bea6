"""Twins for NumPy arrays: the same numbers, or nearly, in fewer calls and fewer passes over memory.

Large arrays are taken in blocks by several threads (`blocks.py`), small ones in as few NumPy calls as will do. Each file names
the op, or the optimizer, that it stands in for. Read next: `softmax.py`.
"""

from ...rooms import when_used as _when_used
from . import attention, convolution, cross_entropy, gelu, linear, norm, pooling, recurrent, relu, softmax

with _when_used(__name__):
    from . import optim  # which an optimizer asks for

__all__ = [
    "attention",
    "convolution",
    "cross_entropy",
    "gelu",
    "linear",
    "norm",
    "optim",
    "pooling",
    "recurrent",
    "relu",
    "softmax",
]
