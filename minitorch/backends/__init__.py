"""`minitorch.backends`: switches of what computes, under torch's names. Read next: `cuda.py`, `process.py`."""

from . import cuda, cudnn, mkl, mkldnn, mps, openmp, quantized
