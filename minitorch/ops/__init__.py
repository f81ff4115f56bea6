"""The mathematics: every op with its derivative beside it, in families of one sitting each.

Start with `elementwise.py` (one line an op), then `reduce.py`, `activation.py`, `matmul.py`.
"""

from . import (
    activation,
    compare,
    elementwise,
    index,
    inplace,
    loss,
    matmul,
    normalize,
    rearrange,
    reduce,
    shape,
    sort,
    special,
)

__all__ = [
    "activation", "compare", "elementwise", "index", "inplace", "loss", "matmul", "normalize", "rearrange", "reduce",
    "shape", "sort", "special",
]  # fmt: skip
