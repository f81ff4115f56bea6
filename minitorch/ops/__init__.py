"""The mathematics: every op with its derivative beside it, in families of one sitting each.

Start with `elementwise.py` (one line an op), then `reduce.py`, `activation.py`, `matmul.py`.
"""

from ..op.declaring import tell_derivatives
from . import (
    about,
    activation,
    attention,
    by_number,
    class_loss,
    compare,
    convolution,
    ctc,
    diagonals,
    distance,
    division,
    dropout,
    einsum,
    elementwise,
    embedding_bag,
    extremes,
    fold,
    gather,
    grid,
    index,
    inplace,
    linalg,
    linear_cross_entropy,
    margin_loss,
    masked,
    matmul,
    mixing,
    normalize,
    pad,
    pooling,
    probability_loss,
    rearrange,
    recurrent,
    reduce,
    regression_loss,
    repeat,
    resample,
    sampling,
    scan,
    shape,
    shuffle,
    similarity,
    sort,
    special,
    strided,
    through_time,
)

tell_derivatives()

__all__ = [
    "about", "activation", "attention", "by_number", "class_loss", "compare", "convolution", "ctc", "diagonals", "distance",
    "division", "dropout", "einsum", "elementwise", "embedding_bag", "extremes", "fold", "gather", "grid", "index",
    "inplace", "linalg", "linear_cross_entropy", "margin_loss", "masked", "matmul", "mixing", "normalize", "pad",
    "pooling", "probability_loss", "rearrange", "recurrent", "reduce", "regression_loss", "repeat", "resample",
    "sampling", "scan", "shape", "shuffle", "similarity", "sort", "special", "strided", "through_time",
]  # fmt: skip
