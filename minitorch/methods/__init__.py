"""What can be computed with a tensor: its methods, in four files of one-liners that name their ops.

Read next: `arithmetic.py`, then `ops/elementwise.py`.
"""

from __future__ import annotations

from ..op import registry
from .arithmetic import Arithmetic
from .inplace import InPlace
from .sampling import Sampling
from .structure import Structure


class TensorMethods(Arithmetic, Structure, InPlace, Sampling):
    """All the methods of Tensor that are ops."""


def _document() -> None:
    """Give each method its op's docstring, so that `help(x.softmax)` says what softmax is."""
    for family in (Arithmetic, Structure, InPlace):
        for name, method in vars(family).items():
            thing = registry.get(name.strip("_"))
            if callable(method) and method.__doc__ is None and thing is not None:
                method.__doc__ = thing.__doc__
            if callable(method):
                method.__qualname__ = f"Tensor.{name}"  # Python's own errors about missing arguments use it


_document()
