"""`op(…, out=t)`: the result written into a tensor that is there already, which is resized if need be.

Everything is checked before anything is written. Nothing is recorded: who wants a gradient must not ask for `out=`.
Read next: `door.py`, whose door comes here when a call has `out=`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..arrays import dtypes
from ..arrays.device import has_kernels, mixed_devices, xp_of
from ..arrays.layout import empty_like, write
from ..arrays.memory import repeats, resized
from ..arrays.quiet import silent
from ..arrays.warning import warn
from ..autograd.grad_mode import grad_mode
from . import signature
from .autocast import as_it_is
from .declaration import with_out
from .into import offered
from .listening import active, recorder


def accepts_out(function: Callable, out_dtype: str) -> Callable:
    """The function, with `out=` of such a dtype (see `Declaration.out_dtype`)."""

    @functools.wraps(function)
    def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if out is None else write_out(function, out, out_dtype, args, kwargs)

    call.__signature__ = with_out(inspect.signature(function))  # type: ignore[attr-defined]
    return call


def write_out(function: Callable, out: Any, out_dtype: str, args: tuple, kwargs: dict) -> Any:
    """function(*args, **kwargs), written into `out`: a tensor, or a tuple of as many as the function returns."""
    name = function.__name__.rstrip("_")
    if active and recorder() is not None:
        raise RuntimeError(f"{name}(): a trace cannot follow out=; take the result, or write it with copy_()")
    targets = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    for target in targets:
        if not isinstance(target, signature.Tensor):
            raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(target).__name__}")
        target._check_not_inference()
    wanting = [x for x in (*targets, *_flat(args), *_flat(kwargs.values())) if getattr(x, "requires_grad", False)]
    declaration = getattr(function, "declaration", None)
    if wanting and grad_mode.enabled and not (declaration and declaration.discrete):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments "
            "requires grad. Leave out= away, or call it under no_grad()."
        )
    if out_dtype == "computes" and kwargs.get("dtype") not in (None, targets[0].dtype):
        raise RuntimeError(f"Expected out tensor to have dtype {kwargs['dtype']!r}, but got {targets[0].dtype!r} instead")
    if out_dtype == "computes":
        kwargs["dtype"] = targets[0].dtype
    inputs = [x for x in (*_flat(args), *_flat(kwargs.values())) if isinstance(x, signature.Tensor)]
    alone = targets[0] if len(targets) == 1 and declaration and not active else None
    if alone is not None and has_kernels(alone) and not _cannot_hold(alone, inputs):
        with offered(function, alone._array):
            result = function(*args, **kwargs)
    else:
        result = as_it_is(function, *args, **kwargs)
    results = result if isinstance(result, tuple) else (result,)
    if len(results) != len(targets):
        raise TypeError(f"{name}(): argument 'out' must be {len(results)} tensors, got {len(targets)}")
    for target, value in zip(targets, results):
        if out_dtype == "same" and value.dtype is not target.dtype:
            raise RuntimeError(
                f"Expected out tensor to have dtype {value.dtype!r}, but got {target.dtype!r} instead: {name}() converts nothing"
            )
        if not dtypes.can_cast(value.dtype, target.dtype):
            raise (TypeError if declaration and declaration.variadic else RuntimeError)(
                f"result type {dtypes.SCALAR_NAMES[value.dtype.name]} can't be cast to the desired output type "
                f"{dtypes.SCALAR_NAMES[target.dtype.name]}; give an out= of dtype {value.dtype!r}"
            )
    for target in targets:
        if words := _cannot_hold(target, inputs):
            raise RuntimeError(words)
    for target, value in zip(targets, results):
        _put(target, value)
    return type(result)(*targets) if hasattr(result, "_fields") else targets if isinstance(result, tuple) else out


def _cannot_hold(target: Any, inputs: list) -> str:
    """Why this memory cannot hold a result: elements that coincide, or that are part of an input; "" if it can."""
    if repeats(target._array):
        return (
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please "
            "clone() the tensor before performing the operation."
        )
    if any(x is not target and target._overlaps(x, "partial") for x in inputs):
        return (
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    return ""


@silent
def _put(target: Any, value: Any) -> None:
    """target ← value, in its own memory, which becomes larger if need be."""
    array = target._array
    if error := mixed_devices([value._array, array]):
        raise error
    if array.shape != value._array.shape:
        if array.size:
            warn(
                f"An output with one or more elements was resized since it had shape {list(target.shape)}, which does not match "
                f"the required output shape {list(value.shape)}. Give out= a tensor of that shape, or an empty one."
            )
        target._array = resized(array, empty_like(xp_of(array), value._array, array.dtype))
    if value._array is not target._array:  # (where a kernel has written it there, it is)
        write(target._array, value._array)
    target._bump()


def _flat(values: Any) -> list:
    """The values, with those inside lists and tuples."""
    return [x for v in values for x in (_flat(v) if isinstance(v, (list, tuple)) else [v])]
