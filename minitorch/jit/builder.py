"""A graph in the making: nodes and constants, blocks, what an expression's outcome is as a value. Read next: `expressions.py`."""

from __future__ import annotations

import ast
import typing
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import minitorch
from minitorch.tensor import Tensor

from . import operators, types
from .errors import Source
from .graph import Block, Graph, Node, Value
from .names import Missing, Of, Several, Thing, is_constant
from .types import ANY, Type, fits, tuple_of

LARGEST = (1 << 63) - 1


class Builder:
    """A graph in the making, at one place in it: `nodes` gets what is computed next, `names` are the variables."""

    def __init__(self, graph: Graph, source: Source, known: dict[str, Any], script: Any) -> None:
        """known: what the function's file knows. script: the compilation that other functions and modules are asked of."""
        self.graph, self.source, self.known, self.script = graph, source, known, script
        self.nodes: list[Node] = graph.nodes
        self.names: dict[str, Any] = {}
        self.constants: dict[Any, Node] = {}

    # ---- nodes ----

    def emit(
        self,
        kind: str,
        inputs: Sequence[Value],
        type: Type,
        at: ast.AST | None = None,
        names: Sequence[str] = (),
        called: str = "",
        **attributes: Any,
    ) -> Value:
        """Append a node with one output. called: a name for the output."""
        value = self.graph.value(type, called)
        place = "" if at is None else self.source.place(at)
        self.nodes.append(Node(kind, list(inputs), [value], attributes, names=tuple(names), place=place))
        return value

    def call(self, kind: str, inputs: Sequence[Value], at: ast.AST, names: Sequence[str] = ()) -> Value:
        """A node of the table of operators, whose result has the type that the table tells."""
        given = [v.type for v in inputs]
        return self.emit(
            kind, inputs, operators.result_type(kind, given[: len(given) - len(names)] or given, names), at, names
        )

    def constant(self, value: Any) -> Value:
        """A constant: one node for equal ones, at the beginning of the graph."""
        key = (type(value), repr(value)) if not isinstance(value, Tensor) else id(value)
        if key not in self.constants:
            kind = types.of_value(value) if not is_mark(value) else ANY
            attributes = {} if value is None else {"value": value}
            self.constants[key] = Node("prim::Constant", [], [self.graph.value(kind)], attributes)
        return self.constants[key].output

    @contextmanager
    def block(self) -> Any:
        """What is computed in here goes into a block of its own; names that are given there stay there."""
        outside, before, block = self.nodes, dict(self.names), Block()
        self.nodes = block.nodes
        try:
            yield block
        finally:
            self.nodes, self.names = outside, before

    def error(self, at: ast.AST, words: str, kind: type[Exception] = RuntimeError) -> Exception:
        return self.source.error(at, words, kind)

    def as_value(self, found: Any, at: ast.AST) -> Value:
        """What an expression stands for, as a value of the graph."""
        if isinstance(found, Value):
            return found
        if isinstance(found, Of):
            return found.value
        if (
            isinstance(found, Thing)
            and is_constant(found.value)
            and (found.name == "" or not isinstance(found.value, (bool, int, float, str)))
        ):
            return self.constant(found.value)
        if isinstance(found, Thing):
            kind = type(found.value).__name__
            words = f"python value of type '{kind}' cannot be used as a value. Perhaps it is a closed over global variable? Give it as an argument"
            raise self.error(at, words)
        if isinstance(found, Several):
            values = [self.as_value(item, at) for item in found.items]
            return self.emit("prim::TupleConstruct", values, tuple_of(*(v.type for v in values)), at)
        if isinstance(found, Missing):
            raise self.error(at, found.words)
        raise self.error(at, f"a {type(found).__name__.lower()} is called, not used as a value")

    def trial(self, compute: Callable[[], Any]) -> Any:
        """What it gives, without a trace of it in the graph."""
        with self.block():
            return compute()

    def annotated(self, node: ast.expr) -> Any:
        """What an annotation, or a type in a call, is in Python."""
        try:
            return eval(compile(ast.Expression(node), self.source.file, "eval"), {**vars(typing), **self.known})
        except Exception as error:
            raise self.error(node, f"this names no type: {error}") from None

    def retyped(self, value: Value, wanted: Type, at: ast.AST) -> Value:
        """The value where another type is wanted that it fits."""
        if not fits(value.type, wanted):
            raise self.error(
                at, f"Expected a value of type '{wanted.annotation}' but instead found type '{value.type.annotation}'"
            )
        return value if value.type == wanted else self.emit("prim::unchecked_cast", [value], wanted, at)


def is_mark(value: Any) -> bool:
    return type(value) in (type(minitorch.contiguous_format), type(minitorch.strided))
