"""Scripts in files: `save` writes graphs and tensors as data, `load` needs none of the code that they were made of, and runs none.

The file is one of `minitorch.save`'s: a dict of numbers, strings, lists and tensors. A graph in it is a list of nodes, each the name of an
operation and the numbers of the values that go in; a layer of minitorch's own is the name of its class and what it holds. Whatever a file says,
nothing is called while it is read, and only what `operators.py` lists can be called afterwards.
"""

from __future__ import annotations

import sys
from typing import Any

import minitorch
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

from . import interpreter, operators, types
from .function import Function, Parameter
from .graph import Block, Graph, Node, Value
from .names import MARKS, is_constant, kind_of
from .script import ScriptFunction, ScriptModule
from .types import Type

FORMAT = 1
_LAYERS = "minitorch.nn.modules."
_HELD = ("_parameters", "_buffers", "_modules")
_FRESH = frozenset(vars(Module()))  # hooks and the like, which a loaded module has anew
_KEPT = ("training", "_non_persistent_buffers_set")
_TYPES = {
    t.name
    for t in (types.TENSOR, types.INT, types.FLOAT, types.BOOL, types.STR, types.NONE, types.DEVICE, types.DTYPE, types.ANY)
}


def save(m: Any, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
    """Write a ScriptModule or a ScriptFunction to a file (a path or an open file). `_extra_files`: {name: text or bytes}, kept beside it."""
    if not isinstance(m, (ScriptModule, ScriptFunction)):
        raise TypeError(
            f"jit.save writes what jit.script or jit.trace has made, got a {type(m).__name__}; for other things there is minitorch.save"
        )
    writer = _Writer()
    root = {"function": writer.function(m._function)} if isinstance(m, ScriptFunction) else {"module": writer.module(m)}
    extra = {name: text.encode() if isinstance(text, str) else bytes(text) for name, text in (_extra_files or {}).items()}
    held = {
        "functions": writer.functions,
        "modules": writer.modules,
        "extra": {k: v.decode("latin-1") for k, v in extra.items()},
    }
    minitorch.save({"minitorch.jit": FORMAT, "root": root, **held}, f)


def load(f: Any, map_location: Any = None, _extra_files: dict[str, Any] | None = None) -> Any:
    """Read what `save` has written. `_extra_files`: a dict whose names get the texts that the file has beside it.

    RuntimeError for any other file; nothing in it is run.
    """
    found = minitorch.load(f, map_location=map_location, weights_only=True)
    if not isinstance(found, dict) or found.get("minitorch.jit") != FORMAT:
        raise RuntimeError(
            "this is no file of jit.save's"
            if not isinstance(found, dict) or "minitorch.jit" not in found
            else "a later version wrote this file"
        )
    try:
        made = _Reader(found).root()
        for name in _extra_files or ():
            if name in found["extra"]:
                _extra_files[name] = _text(found["extra"][name]).encode("latin-1")  # type: ignore[index]
        return made
    except RuntimeError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise RuntimeError(f"the script in this file is damaged ({type(error).__name__}: {error})") from None


class _Writer:
    """Everything as plain data; what is used twice is written once."""

    def __init__(self) -> None:
        self.functions: list[Any] = []
        self.modules: list[Any] = []
        self.known: dict[int, int] = {}

    def function(self, function: Function) -> int:
        if id(function) not in self.known:
            self.known[id(function)] = place = len(self.functions)
            self.functions.append(None)
            self.functions[place] = {
                "name": function.name,
                "parameters": [
                    [p.name, _told(p.type), _plain(p.default, p.name), p.has_default] for p in function.parameters
                ],
                "returns": _told(function.returns),
                "graph": self.block(function.graph, {}),
            }
        return self.known[id(function)]

    def block(self, block: Block, numbers: dict[Value, int]) -> dict[str, Any]:
        """A block; `numbers` has those of the values known so far, in the order in which they come."""

        def new(values: list[Value]) -> list[Any]:
            for v in values:
                numbers[v] = len(numbers)
            return [[v.name, _told(v.type)] for v in values]

        inputs, nodes = new(block.inputs), []
        for node in block.nodes:
            given = [numbers[v] for v in node.inputs]
            blocks = [self.block(b, numbers) for b in node.blocks]
            attributes = {
                k: {"function": self.function(v)} if isinstance(v, Function) else _plain(v, k)
                for k, v in node.attributes.items()
            }
            nodes.append([node.kind, given, list(node.names), attributes, blocks, new(node.outputs), node.place])
        return {"inputs": inputs, "nodes": nodes, "outputs": [numbers[v] for v in block.outputs]}

    def module(self, module: Module) -> int:
        if id(module) not in self.known:
            self.known[id(module)] = place = len(self.modules)
            self.modules.append(None)
            self.modules[place] = self._described(module)
        return self.known[id(module)]

    def _described(self, module: Module) -> dict[str, Any]:
        held = {
            "parameters": dict(module._parameters),
            "buffers": dict(module._buffers),
            "modules": {k: None if m is None else self.module(m) for k, m in module._modules.items()},
            "training": module.training,
            "not saved": sorted(module._non_persistent_buffers_set),
        }
        if isinstance(module, ScriptModule):
            methods = {name: self.function(f) for name, f in module._methods.items()}
            declared = {name: _told(t) for name, t in module._types.items()}
            plain = {k: _plain(v, f"{module.original_name}.{k}") for k, v in module._plain.items()}
            return {"script": module.original_name, "methods": methods, "types": declared, "plain": plain, **held}
        name = f"{type(module).__module__}.{type(module).__name__}".removeprefix(_LAYERS)
        if _class_named(name) is not type(module):
            raise RuntimeError(f"jit.save cannot write a {name}: it is none of minitorch.nn's layers")
        plain = {k: _plain(v, f"{name}.{k}") for k, v in vars(module).items() if k not in _FRESH}
        return {"class": name, "plain": plain, **held}


def _told(t: Type) -> list[Any]:
    return [t.name, *map(_told, t.of)]


def _plain(value: Any, of: str) -> Any:
    """A value as data: tuples and functions are marked, for lists come back as lists."""
    if any(value is mark for mark in MARKS):
        return {"mark": str(value).rpartition(".")[2]}
    if isinstance(value, Tensor) or (is_constant(value) and not isinstance(value, tuple)):
        return value
    if isinstance(value, (list, tuple)):
        return {("tuple" if isinstance(value, tuple) else "list"): [_plain(v, of) for v in value]}
    if isinstance(value, dict):
        return {"dict": [[_plain(k, of), _plain(v, of)] for k, v in value.items()]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if callable(value) and (kind := kind_of(value)) is not None:
        return {"called": kind}
    raise RuntimeError(
        f"jit.save cannot write {of}: {getattr(value, '__name__', 'it')} is a {type(value).__name__}, which is no data"
    )


class _Reader:
    """The data as scripts again. What does not make sense raises one of a few errors, which `load` puts into words."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found
        self.functions: dict[int, Function] = {}
        self.modules: dict[int, Module] = {}
        self.begun: set[tuple[str, int]] = set()

    def root(self) -> Any:
        root = self.found["root"]
        return ScriptFunction(self.function(root["function"])) if "function" in root else self.module(root["module"])

    def _begin(self, what: str, place: int) -> Any:
        if type(place) is not int or place < 0:
            raise ValueError(f"{what} {place!r}")
        if (what, place) in self.begun:
            raise ValueError(f"{what} {place} is within itself")
        self.begun.add((what, place))
        return self.found[f"{what}s"][place]

    def function(self, place: int) -> Function:
        if place not in self.functions:
            told = self._begin("function", place)
            parameters = [Parameter(_text(n), _type(t), self.value(d), bool(has)) for n, t, d, has in told["parameters"]]
            graph = Graph()
            self.block(told["graph"], graph, [])
            if len(graph.outputs) != 1 or len(graph.inputs) - len(parameters) not in (0, 1):
                raise ValueError("a function whose graph has other inputs than it has parameters")
            self.functions[place] = Function(_text(told["name"]), graph, parameters, _type(told["returns"]))
        return self.functions[place]

    def block(self, told: dict[str, Any], block: Block, values: list[Value]) -> None:
        """Fill a block; `values` has those known so far, by number. A name means what was given before it."""

        def new(described: list[Any]) -> list[Value]:
            made = [Value(_text(name), _type(t)) for name, t in described]
            values.extend(made)
            return made

        block.inputs = new(told["inputs"])
        for kind, given, names, attributes, blocks, outputs, place in told["nodes"]:
            inputs = [_at(values, n) for n in given]
            node = Node(_known(kind), inputs, [], {}, names=tuple(map(_text, names)), place=_text(place))
            if len(node.names) > len(inputs) or not isinstance(blocks, list):
                raise ValueError(f"a {kind} with more names than inputs")
            node.attributes = {_text(k): self._attribute(v) for k, v in attributes.items()}
            for inner in blocks:
                node.blocks.append(Block())
                self.block(inner, node.blocks[-1], values)
            node.outputs = new(outputs)
            _check_shape(node)
            block.nodes.append(node)
        block.outputs = [_at(values, n) for n in told["outputs"]]

    def _attribute(self, value: Any) -> Any:
        return self.function(value["function"]) if isinstance(value, dict) and "function" in value else self.value(value)

    def value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            if isinstance(value, Tensor) or is_constant(value):
                return value
            raise ValueError(f"a {type(value).__name__} where data was expected")
        ((kind, inner),) = value.items()
        if kind in ("list", "tuple"):
            made = [self.value(v) for v in inner]
            return made if kind == "list" else tuple(made)
        if kind == "dict":
            return {self.value(k): self.value(v) for k, v in inner}
        if kind == "ellipsis":
            return Ellipsis
        if kind == "mark":
            return {str(mark): mark for mark in MARKS}[f"minitorch.{_text(inner)}"]
        if kind == "called":
            function = operators.function_of(_text(inner))
            if function is None:
                raise ValueError(f"a function {inner!r}")
            return function
        raise ValueError(f"data of kind {kind!r}")

    def module(self, place: int) -> Module:
        if place not in self.modules:
            told = self._begin("module", place)
            made = ScriptModule(_text(told["script"])) if "script" in told else _empty(_text(told["class"]))
            self.modules[place] = made
            for kind, wanted in (("parameters", minitorch.nn.Parameter), ("buffers", Tensor)):
                held = {_text(k): v for k, v in told[kind].items()}
                if any(not (v is None or isinstance(v, wanted)) for v in held.values()):
                    raise ValueError(f"{kind} that are none")
                made.__dict__[f"_{kind}"].update(held)
            made._modules.update({_text(k): None if m is None else self.module(m) for k, m in told["modules"].items()})
            made.__dict__["training"] = bool(told["training"])
            made._non_persistent_buffers_set = set(map(_text, told["not saved"]))
            plain = {_text(k): self.value(v) for k, v in told["plain"].items()}
            if isinstance(made, ScriptModule):
                made._plain.update(plain)
                made._types.update({_text(k): _type(t) for k, t in told["types"].items()})
                made._methods.update({_text(k): self.function(n) for k, n in told["methods"].items()})
            else:
                made.__dict__.update({k: v for k, v in plain.items() if k not in _FRESH})
        return self.modules[place]


def _text(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"a {type(value).__name__} where a name was expected")
    return value


def _type(told: Any) -> Type:
    name, *of = told
    return Type(_text(name), tuple(map(_type, of)))


def _at(values: list[Value], number: Any) -> Value:
    if type(number) is not int or not 0 <= number < len(values):
        raise IndexError(f"value {number!r} of {len(values)}")
    return values[number]


def _known(kind: Any) -> str:
    if _text(kind) not in interpreter.SPECIAL and operators.function_of(kind) is None:
        raise ValueError(f"an operation {kind!r}, which this version does not have")
    return kind


_BLOCKS = {"prim::If": 2, "prim::Loop": 1}
_WITH_NAME = ("prim::GetAttr", "prim::SetAttr", "prim::CallMethod")


def _check_shape(node: Node) -> None:
    """Refuse a node that has not what its kind needs."""
    if len(node.blocks) != _BLOCKS.get(node.kind, 0):
        raise ValueError(f"a {node.kind} with {len(node.blocks)} blocks")
    if node.kind == "prim::If" and any(len(b.outputs) != len(node.outputs) for b in node.blocks):
        raise ValueError("a branch that gives more or less than the other")
    if node.kind == "prim::Loop" and not len(node.inputs) - 1 == len(node.blocks[0].inputs) == len(node.outputs) + 1 == len(
        node.blocks[0].outputs
    ):
        raise ValueError("a loop that carries more or less than it gives")
    if node.kind in _WITH_NAME and type(node.attributes.get("name")) is not str:
        raise ValueError(f"a {node.kind} without a name")
    if node.kind == "prim::CallFunction" and not isinstance(node.attributes.get("function"), Function):
        raise ValueError("a call of no function")


def _empty(name: str) -> Module:
    """A layer of this class of minitorch.nn, as it is before it holds anything."""
    kind = _class_named(name)
    if kind is None:
        raise ValueError(f"a layer {name!r}, which minitorch.nn does not have")
    made = kind.__new__(kind)
    made.__dict__.update(vars(Module()))
    return made


def _class_named(name: str) -> type[Module] | None:
    """The layer of this name, `linear.Linear`, if minitorch.nn has it; nothing is imported for it."""
    file, _, called = name.rpartition(".")
    kind = getattr(sys.modules.get(f"{_LAYERS}{file}"), called, None)
    return kind if isinstance(kind, type) and issubclass(kind, Module) and kind.__module__ == f"{_LAYERS}{file}" else None
