"""The mathematics: every op with its derivative beside it, in families of one sitting each.

Start with `elementwise.py` (one line an op), then `reduce.py`, `activation.py`, `matmul.py`.
"""

from ..op.declaring import tell_derivatives
from . import (
    about,
    activation,
    attention,
    compare,
    distance,
    division,
    dropout,
    einsum,
    elementwise,
    extremes,
    gather,
    index,
    inplace,
    loss,
    masked,
    matmul,
    mixing,
    normalize,
    pad,
    rearrange,
    reduce,
    repeat,
    sampling,
    scan,
    shape,
    sort,
    special,
    strided,
)

tell_derivatives()

__all__ = [
    "about", "activation", "attention", "compare", "distance", "division", "dropout", "einsum", "elementwise", "extremes", "gather", "index", "inplace", "loss", "masked", "matmul", "mixing",
    "normalize", "pad", "rearrange", "reduce", "repeat", "sampling", "scan", "shape", "sort", "special", "strided",
]  # fmt: skip
