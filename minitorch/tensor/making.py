"""What all functions that make tensors take beside their own arguments: `out=`, `pin_memory=`, and sizes by name.

Read next: `creation.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..arrays.memory import enough_memory
from ..op.declaration import SignatureLater, with_out
from ..op.out import write_out
from ..op.signature import checked

Function = TypeVar("Function", bound=Callable)


def makes(function: Function) -> Function:
    """The function with its arguments checked, and with what torch's take beside them.

    out: a tensor to write into, whose dtype is then the one that is made. pin_memory: into page-locked memory, from
    which a GPU copies by itself. size: where sizes may come one by one, the keyword for all of them.
    """
    made = checked(function)
    sizes_one_by_one = bool(inspect.unwrap(function).__code__.co_flags & inspect.CO_VARARGS)

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, pin_memory: bool = False, **kwargs: Any) -> Any:
        if sizes_one_by_one and "size" in kwargs:
            if args:
                raise TypeError(f"{function.__name__}() got multiple values for argument 'size'")
            args = (kwargs.pop("size"),)
        with enough_memory():
            if out is not None:
                return write_out(made, out, "computes", args, kwargs)
            found = made(*args, **kwargs)
        return found.pin_memory().requires_grad_(found.requires_grad) if pin_memory else found

    call.__signature__ = SignatureLater(lambda: with_out(inspect.signature(function)))  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]
