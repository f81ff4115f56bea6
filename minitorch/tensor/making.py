"""What all functions that make tensors take beside their own arguments: `out=`, `pin_memory=`, and sizes by name.

Read next: `creation.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ..arrays.memory import enough_memory
from ..op.declaration import with_out
from ..op.out import write_out
from ..op.signature import checked

Function = TypeVar("Function", bound=Callable)


def makes(function: Function) -> Function:
    """The function with its arguments checked, and with what torch's take beside them.

    out: a tensor to write into, whose dtype is then the one that is made. pin_memory: there is no page-locked memory, so it must be
    False. size: where sizes may come one by one, the keyword for all of them.
    """
    made = checked(function)
    parameters = inspect.signature(function).parameters.values()
    sizes_one_by_one = any(p.kind is p.VAR_POSITIONAL for p in parameters)

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, pin_memory: bool = False, **kwargs: Any) -> Any:
        if sizes_one_by_one and "size" in kwargs:
            if args:
                raise TypeError(f"{function.__name__}() got multiple values for argument 'size'")
            args = (kwargs.pop("size"),)
        if pin_memory:
            raise RuntimeError(f"{function.__name__}(): there is no page-locked memory here; leave pin_memory away")
        with enough_memory():
            return made(*args, **kwargs) if out is None else write_out(made, out, "computes", args, kwargs)

    call.__signature__ = with_out(inspect.signature(function))  # type: ignore[attr-defined]
    return call  # type: ignore[return-value]
