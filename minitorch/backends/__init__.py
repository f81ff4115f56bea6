"""`minitorch.backends`: switches of what computes, under torch's names. Read next: `cuda.py`, `process.py`."""

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from . import c, cuda, cudnn, mkl, mkldnn, mps, openmp, quantized

for _module in (__name__, cuda.__name__, cudnn.__name__):
    _answer_for_what_is_missing(_module)
