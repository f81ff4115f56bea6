"""The methods of Tensor that do not pass the door, as a trace hears them: exchanged in the class while a trace runs in any thread.

In a thread without a trace, and within a call that is written down already, they are what they were.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from minitorch.arrays import warning
from minitorch.autograd import engine
from minitorch.op.listening import recorder
from minitorch.tensor import Tensor

from . import operators
from .warned import ITERATED, MEASURED, TracerWarning, warn_of

# Calls that become a node of this kind, beside all whose names end in `_`.
CALLS = {
    "__getitem__": "aten::__getitem__", "__setitem__": "aten::_set_item", "__iadd__": "aten::add_", "__isub__": "aten::sub_",
    "__imul__": "aten::mul_", "__itruediv__": "aten::div_", "__ipow__": "aten::pow_", "__ifloordiv__": "aten::floordiv_",
    "__imod__": "aten::remainder_", "__iand__": "aten::bitwise_and_", "__ior__": "aten::bitwise_or_", "__ixor__": "aten::bitwise_xor_",
    **{name: f"aten::{name}" for name in (
        "to", "float", "double", "half", "bfloat16", "int", "long", "short", "char", "byte", "bool", "cpu", "cuda", "detach", "type_as",
        "new_zeros", "new_ones", "new_full", "new_empty", "expand_as", "view_as", "reshape_as", "unfold",
    )},
}  # fmt: skip
PROPERTIES = {name: f"prim::{name}" for name in ("data",)}
# What asks for numbers, and what is said then: they stay in the graph as they are.
NUMBERS = {
    "__bool__": "boolean", "__int__": "integer", "__float__": "float", "__index__": "index", "item": "number", "tolist": "list",
    "numpy": "NumPy array", "__array__": "NumPy array",
}  # fmt: skip
REFUSED = ("apply_", "map_", "map2_", "set_")  # writes that no graph can hold
NOT_WRITES = ("requires_grad_", "retain_grad_", "share_memory_", "rename_")

_lock = threading.Lock()
_running = 0  # how many traces there are
_before: dict[str, Any] = {}  # the methods as the class has them


_walk_before = engine.walk


def _not_followed(*args: Any, **kwargs: Any) -> Any:
    """backward and grad: their gradients, arrays, would be constants in the graph."""
    if recorder() is not None:
        raise RuntimeError(
            "a trace cannot follow backward() and grad(), whose results would stay those of the example; trace the function "
            "alone, and differentiate the graph"
        )
    return _walk_before(*args, **kwargs)


@contextlib.contextmanager
def of_methods() -> Iterator[None]:
    """In this block the methods tell the trace of the thread that calls them."""
    global _running
    with _lock:
        _running += 1
        if _running == 1:
            _exchange()
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            if not _running:
                _put_back()


def _exchange() -> None:
    for name, heard in _heard().items():
        _before[name] = vars(Tensor).get(name)
        setattr(Tensor, name, heard)
    engine.walk = _not_followed


def _put_back() -> None:
    for name, method in _before.items():
        if method is None:
            delattr(Tensor, name)  # it is inherited
        else:
            setattr(Tensor, name, method)
    _before.clear()
    engine.walk = _walk_before


@functools.cache
def _heard() -> dict[str, Any]:
    """What stands in the place of each method."""
    kinds = {
        n: f"aten::{n}" for n in dir(Tensor) if n.endswith("_") and not n.startswith("_") and n not in NOT_WRITES
    } | CALLS
    made = {n: _as_node(getattr(Tensor, n), k) for n, k in kinds.items() if hasattr(Tensor, n) and operators.function_of(k)}
    made |= {n: _as_node_of_property(_property(n), k) for n, k in PROPERTIES.items()}  # type: ignore[misc]
    made |= {n: _told(getattr(Tensor, n), what) for n, what in NUMBERS.items() if hasattr(Tensor, n)}
    made |= {n: _refused(n, getattr(Tensor, n)) for n in REFUSED if hasattr(Tensor, n)}
    made |= {"__len__": _length, "__iter__": _iterated, "shape": _shape, "size": _size, "numel": _numel, "nelement": _numel}
    return made


def _refused(name: str, method: Callable) -> Callable:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if recorder() is not None:
            raise RuntimeError(f"a trace cannot follow {name}(), which writes what Python computes; write it with ops")
        return method(*args, **kwargs)

    return call


def _property(name: str) -> Any:
    return next(vars(cls)[name] for cls in Tensor.__mro__ if name in vars(cls))


def _as_node(method: Callable, kind: str) -> Callable:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        trace = recorder()
        return method(*args, **kwargs) if trace is None else trace.write(kind, method, args, kwargs)

    return call


def _as_node_of_property(plain: property, kind: str) -> property:
    assert plain.fget is not None
    return property(_as_node(plain.fget, kind), plain.fset, plain.fdel)


def _told(method: Callable, what: str) -> Callable:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        trace = recorder()
        if trace is not None and id(args[0]) in trace.values:
            warn_of(what)
        return method(*args, **kwargs)

    return call


_shape_before, _size_before, _numel_before = _property("shape"), Tensor.size, Tensor.numel
_len_before, _iter_before = Tensor.__len__, Tensor.__iter__


@property  # type: ignore[misc]
def _shape(self: Any) -> Any:
    trace = recorder()
    if trace is None:
        return _shape_before.fget(self)  # type: ignore[misc]
    trace.is_busy = True
    try:
        return trace.shape_of(self)
    finally:
        trace.is_busy = False


@functools.wraps(Tensor.size)
def _size(self: Any, dim: int | None = None) -> Any:
    return _size_before(self, dim) if recorder() is None else self.shape if dim is None else self.shape[self._dim(dim)]


@functools.wraps(Tensor.numel)
def _numel(self: Any) -> Any:
    if recorder() is None:
        return _numel_before(self)
    found: Any = 1
    for n in self.shape:
        found = n * found
    return found


@functools.wraps(Tensor.__len__)
def _length(self: Any) -> int:
    trace = recorder()
    if trace is not None and id(self) in trace.values:
        warning.warn(MEASURED, TracerWarning)
    return _len_before(self)


@functools.wraps(Tensor.__iter__)
def _iterated(self: Any) -> Any:
    trace = recorder()
    if trace is not None and id(self) in trace.values:
        warning.warn(ITERATED, TracerWarning)
    return _iter_before(self)
