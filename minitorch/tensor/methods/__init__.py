"""What can be computed with a tensor: its methods, in eleven files of one-liners; most name their ops.

Read next: `arithmetic.py`, then `ops/elementwise.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ...op import Op, registry
from .algebra import Algebra
from .analysis import Analysis
from .arithmetic import Arithmetic
from .comparison import Comparison
from .conversion import Conversion
from .inplace import InPlace
from .kinds import Kinds
from .quantized import Quantized
from .sampling import Sampling
from .statistics import Statistics
from .structure import Structure


class TensorMethods(
    Conversion, Arithmetic, Comparison, Structure, Algebra, Analysis, Statistics, InPlace, Sampling, Kinds, Quantized
):
    """All the methods of Tensor that are ops, and what is asked of its kind."""


def _takes_numpys_names(method: Callable) -> Callable:
    """The method, with NumPy's `axis` for `dim` and `keepdims` for `keepdim`, as in torch."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        for theirs, ours in (("axis", "dim"), ("keepdims", "keepdim")) if kwargs else ():
            if theirs in kwargs:
                kwargs[ours] = kwargs.pop(theirs)
        return method(self, *args, **kwargs)

    return call


REDUCTIONS = "sum mean prod std var all any amax amin max min argmax argmin cumsum cumprod logsumexp nansum median"
for _name in REDUCTIONS.split():
    setattr(Structure, _name, _takes_numpys_names(getattr(Structure, _name)))


def _document() -> None:
    """Give each method its op's docstring, so that `help(x.softmax)` says what softmax is; and its own name, second names too."""
    for family in (Arithmetic, Comparison, Structure, Algebra, Analysis, Statistics, InPlace):
        for name, method in list(vars(family).items()):
            if not isinstance(method, FunctionType):
                continue
            thing = registry.get(name.strip("_"))
            if method.__doc__ is None and thing is not None:
                method.__doc__ = thing.declaration.doc if isinstance(thing, Op) else thing.__doc__
            if method.__name__ != name:
                method = _renamed(method, name)
                setattr(family, name, method)
            # Python's own errors about missing arguments use the name, and pickle finds `Tensor.relu` by both.
            method.__qualname__, method.__module__ = f"Tensor.{name}", "minitorch.tensor"


def _renamed(method: FunctionType, name: str) -> FunctionType:
    """The same function under another name."""
    made = FunctionType(method.__code__, method.__globals__, name, method.__defaults__, method.__closure__)
    made.__kwdefaults__, made.__annotations__, made.__doc__ = method.__kwdefaults__, method.__annotations__, method.__doc__
    made.__dict__.update(method.__dict__)
    return made


_document()
