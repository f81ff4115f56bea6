"""What a trace writes down: each call of a public op, function or method of Tensor becomes a node, and what that calls inside does not.

Ops and functions tell the trace at the door (`op/listening.py`). The methods that do not come by there (in place, conversions, `x[key]`) and
what asks a tensor for its size or its numbers are exchanged while a trace runs: `hearing.py`. A tensor is known by its identity. What the
trace has not seen made is a parameter of the module, or a constant. Sizes are values too: `x.shape[0]` is an int that knows where it comes
from (`sizes.py`). Read next: `trace.py`.
"""

from __future__ import annotations

import contextlib
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any

from minitorch.arrays.size import Size, new_tuple
from minitorch.autograd.grad_mode import grad_mode
from minitorch.nn import functional
from minitorch.nn.modules.module import Module
from minitorch.op import Op, listening
from minitorch.tensor import Tensor

from . import hearing, operators, types
from .graph import Graph, Node, Value
from .sizes import TracedInt
from .types import ANY, INT, STR, TENSOR, Type

KEYED = ("aten::__getitem__", "aten::_set_item")  # where a tuple is something else than a list
READS_A_TREE = (list, tuple, dict)


class CannotRecord(Exception):
    """A call with an argument that no graph can hold."""


class NoName(RuntimeError):
    """A call of an op that has no public name, and what called it."""

    def __init__(self, op: str, within: str) -> None:
        super().__init__(
            f"a trace cannot follow this call: the op {op!r} has no public name. Call a public function of minitorch"
        )
        self.within = within or op


class Recorder:
    """A trace while it runs in one thread: the graph so far, and which value each tensor is."""

    def __init__(self, module: Module | None = None, knows: Callable[[str], bool] = lambda kind: True) -> None:
        """knows: which kinds of nodes there may be; functions made of ops are looked into where theirs is none of them."""
        self.graph = Graph()
        self.knows, self.within = knows, ""
        self.is_busy = False  # within a call that is written down already
        self.values: dict[int, Value] = {}  # by the tensor's id
        self.tensors: dict[Value, Tensor] = {}  # what each value was when it was made; also keeps the ids taken
        self.self_value: Value | None = None
        self.paths: dict[int, tuple[str, ...]] = {}  # where the module has a tensor
        self.got: dict[tuple[str, ...], Value] = {}
        self.kinds: dict[int, tuple[Callable, str]] = {}
        self.passing: Any = None
        self.has_gradients = grad_mode.enabled
        self.module = module
        if module is not None:
            self.self_value = self.graph.value(Type(f"__torch__.{type(module).__name__}"), "self")
            self.graph.inputs.append(self.self_value)
            self.paths = {id(t): tuple(name.split(".")) for name, t in _tensors_of(module)}
            self.buffers = dict(module.named_buffers())

    # ---- while the function runs ----

    def run(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        """function(*args, **kwargs), listened to."""
        if threading.get_ident() in listening.recorders:
            raise RuntimeError("a trace cannot be begun within another one")
        listening.record_with(self)
        try:
            with hearing.of_methods():
                return function(*args, **kwargs)
        finally:
            listening.record_with(None)

    def lets_pass(self, function: Any) -> bool:
        """Whether this call is not for the trace: it has been looked at, or it is backward's."""
        if function is self.passing:
            self.passing = None
            return True
        return grad_mode.on_arrays

    def call(self, function: Callable, args: tuple, kwargs: dict) -> Any:
        """A call at the door: written down if the function has a public name, else looked into."""
        kind = self._kind_of(function)
        if kind and (isinstance(function, Op) or self.knows(kind)):
            with contextlib.suppress(
                CannotRecord
            ):  # a function as an argument, for example: what is called inside can be recorded
                return self.write(kind, function, args, kwargs)
        if isinstance(function, Op):
            raise NoName(function.__name__, self.within)
        outer, self.within = self.within, self.within or kind
        self.passing = function
        try:
            return function(*args, **kwargs)
        finally:
            self.within = outer

    def _kind_of(self, function: Any) -> str:
        if id(function) not in self.kinds:
            self.kinds[id(function)] = (function, kind_of(function))
        return self.kinds[id(function)][1]

    def write(self, kind: str, function: Callable, args: tuple, kwargs: dict, attributes: dict | None = None) -> Any:
        """Make the call, and the node for it. What is called without gradients within a function that has them is detached."""
        marked = len(self.graph.nodes)
        node = Node(kind, names=tuple(kwargs), attributes=attributes or {})
        try:
            node.inputs = [self.value_of(x, keyed=kind in KEYED) for x in (*args, *kwargs.values())]
        except CannotRecord:
            del self.graph.nodes[marked:]
            raise
        self.is_busy = True
        try:
            result = function(*_plain(args), **_plain(kwargs))
        finally:
            self.is_busy = False
        self.graph.nodes.append(node)
        self.name_result(node, result)
        if self.has_gradients and not grad_mode.enabled and isinstance(result, Tensor) and not kind.endswith("_"):
            self.bind(self.node("aten::detach", [self._of_tensor(result)], TENSOR), result)
        return result

    def name_result(self, node: Node, result: Any) -> None:
        """The node's output, and the parts of one that has parts."""
        try:
            kind = types.of_value(result)
        except TypeError:
            raise RuntimeError(f"a trace cannot hold what {node.kind} gives: a {type(result).__name__}") from None
        value = self.graph.value(kind)
        node.outputs = [value]
        self._take_apart(value, result)

    def _take_apart(self, value: Value, result: Any) -> None:
        if isinstance(result, Tensor):
            self.bind(value, result)
        elif isinstance(result, (tuple, list)) and any(isinstance(x, (Tensor, tuple, list)) for x in result):
            kinds = [types.of_value(x) for x in result]
            parts = [self.graph.value(kind) for kind in kinds]
            self.graph.nodes.append(
                Node("prim::TupleUnpack" if isinstance(result, tuple) else "prim::ListUnpack", [value], parts)
            )
            for part, x in zip(parts, result):
                self._take_apart(part, x)
        elif isinstance(result, dict):
            for name, x in result.items():
                part = self.graph.value(types.of_value(x))
                self.graph.nodes.append(Node("aten::__getitem__", [value, self.constant(name)], [part]))
                self._take_apart(part, x)

    def bind(self, value: Value, tensor: Tensor) -> None:
        """From here on the tensor is this value."""
        self.values[id(tensor)] = value
        self.tensors[value] = tensor

    # ---- arguments ----

    def value_of(self, x: Any, keyed: bool = False) -> Value:
        """The value that an argument is: one that is known, or a new constant, list or tuple."""
        if isinstance(x, Tensor):
            return self._of_tensor(x)
        if isinstance(x, TracedInt):
            return x.value_in(self)
        if isinstance(x, slice):
            return self.node("aten::slice", [self.value_of(part) for part in (x.start, x.stop, x.step)], ANY)
        if isinstance(x, (tuple, list)):
            parts = [self.value_of(part, keyed) for part in x]
            alike = bool(parts) and all(p.type == parts[0].type for p in parts)
            if isinstance(x, list) or (alike and parts[0].type is INT and not keyed):  # sizes and dims are lists in a graph
                return self.node("prim::ListConstruct", parts, types.list_of(parts[0].type if alike else ANY))
            return self.node("prim::TupleConstruct", parts, types.tuple_of(*(p.type for p in parts)))
        if isinstance(x, dict):
            flat = [self.value_of(part) for pair in x.items() for part in pair]
            return self.node("prim::DictConstruct", flat, types.dict_of(STR, flat[1].type if flat else TENSOR))
        return self.constant(x)

    def node(self, kind: str, inputs: list[Value], type: Type, **attributes: Any) -> Value:
        """The output of a new node."""
        value = self.graph.value(type)
        self.graph.nodes.append(Node(kind, inputs, [value], attributes))
        return value

    def constant(self, x: Any) -> Value:
        if callable(x) and not isinstance(x, type):
            raise CannotRecord(x)
        try:
            kind = types.of_value(x)
        except TypeError:
            kind = ANY
        return self.node("prim::Constant", [], kind, **({} if x is None else {"value": x}))

    def _of_tensor(self, x: Tensor) -> Value:
        known = self.values.get(id(x))
        if known is not None:
            return known
        path = self.paths.get(id(x))
        if path is not None:
            value = self._got(path)
        elif x.requires_grad:
            raise RuntimeError(
                "Cannot insert a Tensor that requires grad as a constant. Consider making it a parameter or input, or detaching the "
                f"gradient: the trace has not seen where this tensor of shape {list(x._array.shape)} comes from"
            )
        else:
            value = self.node("prim::Constant", [], TENSOR, value=x)
        self.bind(value, x)
        return value

    def _got(self, path: tuple[str, ...]) -> Value:
        """What the module has at the end of this path."""
        if not path:
            assert self.self_value is not None
            return self.self_value
        if path not in self.got:
            owner = self._got(path[:-1])
            held = self.module
            for name in path:
                held = getattr(held, name)
            kind = TENSOR if isinstance(held, Tensor) else Type(f"__torch__.{type(held).__name__}")
            value = self.got[path] = self.graph.value(kind, path[-1])
            self.graph.nodes.append(Node("prim::GetAttr", [owner], [value], {"name": path[-1]}))
        return self.got[path]

    # ---- sizes ----

    def shape_of(self, x: Tensor) -> Size:
        """The shape of a tensor whose sizes know where they come from; a plain one of what is none of the trace's."""
        value = self.values.get(id(x))
        if value is None:
            return x.shape
        return new_tuple(Size, [TracedInt(n, "aten::size", (x, dim), self) for dim, n in enumerate(x._array.shape)])

    # ---- the ends ----

    def take_input(self, name: str, x: Any) -> None:
        """An argument of the traced function."""
        value = self.graph.value(types.of_value(x), name)
        self.graph.inputs.append(value)
        self._take_apart(value, x)

    def finish(self, result: Any) -> Graph:
        """The graph, which gives this result."""
        if self.module is not None:
            self._write_buffers()
        self.graph.outputs = [self.value_of(result)]
        return self.graph

    def _write_buffers(self) -> None:
        """A buffer that is another tensor now than before was set by the function."""
        assert self.module is not None
        for name, now in self.module.named_buffers():
            before = self.buffers.get(name)
            if before is not None and before is not now and id(now) in self.values:
                *owner, last = name.split(".")
                self.graph.nodes.append(
                    Node("prim::SetAttr", [self._got(tuple(owner)), self._of_tensor(now)], [], {"name": last})
                )


def kind_of(function: Any) -> str:
    """The kind of node that calls this function: `aten::relu`; empty if nobody can call it by a name."""
    if isinstance(function, Op) and function.__name__ == "to":  # autocast's casts; users come by the method
        return "aten::to"
    for name in (function.__name__.rstrip("_"), function.__name__):
        called = {"aten": operators.public(name), "functional": getattr(functional, name, None)}
        for space, found in called.items():
            if found is not None and _bottom(found) is _bottom(function) and operators.function_of(f"{space}::{name}"):
                return f"{space}::{name}"
    return ""


def _bottom(function: Any) -> Any:
    """The function within its wrappers."""
    return function if isinstance(function, Op) or not callable(function) else inspect.unwrap(function)


def _tensors_of(module: Module) -> Iterator[tuple[str, Tensor]]:
    yield from ((n, p) for n, p in module.named_parameters() if p is not None)
    yield from ((n, b) for n, b in module.named_buffers() if b is not None)


def _plain(x: Any) -> Any:
    """The argument with plain ints in the place of sizes that know where they come from."""
    if isinstance(x, TracedInt):
        return int.__int__(x)
    if isinstance(x, slice):
        return slice(_plain(x.start), _plain(x.stop), _plain(x.step))
    if isinstance(x, tuple):
        each = [_plain(part) for part in x]
        return x._make(each) if hasattr(x, "_make") else tuple(each)
    if isinstance(x, list):
        return [_plain(part) for part in x] if any(isinstance(p, (TracedInt, *READS_A_TREE)) for p in x) else x
    if isinstance(x, dict):
        return {name: _plain(part) for name, part in x.items()}
    return x
