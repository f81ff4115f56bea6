"""How error messages name things: the type of an object (torch's `torch.typename`)."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def typename(obj: Any, /) -> str:
    """The type of `obj` as text: `minitorch.FloatTensor` for a tensor, `module.Class` otherwise; of a class or function its own name.

    >>> typename("a"), typename([1])
    ('str', 'list')
    """
    from minitorch.tensor import Tensor
    from minitorch.tensor.legacy import type_name

    if isinstance(obj, Tensor):
        return type_name(obj)
    named = obj if hasattr(obj, "__qualname__") or isinstance(obj, ModuleType) else type(obj)
    module = getattr(named, "__module__", None)
    name = getattr(named, "__qualname__", None) or named.__name__
    return name if module in (None, "", "builtins") else f"{module}.{name}"
