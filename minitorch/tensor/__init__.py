"""Tensors: `tensor.py`, what a tensor is; `writing.py`, how it is viewed and written to; `tensor/methods/`, what can be computed with it.

`creation.py` and `random/` make them, `printing.py` shows them. Read next: `tensor.py`.
"""

from ..arrays.size import Size
from .tensor import Tensor
