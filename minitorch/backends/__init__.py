"""`minitorch.backends`: switches of what computes, under torch's names. Read next: `cuda.py`."""

from . import cuda
