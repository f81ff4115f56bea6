"""Statements of a script that come one after another: assignments, calls, assertions. Read next: `control.py`, for branches and loops."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from . import types
from .calls import Calls
from .errors import Source, unsupported
from .exits import UNSET, returns_always
from .graph import Node, Value
from .names import Method, Of, Several, Thing
from .types import ANY, NONE, TENSOR, Type, fits


class Statements(Calls):
    """The statements of one function."""

    def body(self, statements: Sequence[ast.stmt], returns: Type | None = None) -> Value | None:
        """All of them, one after the other; the value of the return that they end in, if they do."""
        for k, statement in enumerate(statements):
            if isinstance(statement, ast.Return):
                value = self.constant(None) if statement.value is None else self.value(statement.value, returns)
                return value if returns is None else self.retyped(value, returns, statement)
            if isinstance(statement, ast.Raise):
                self.raises(statement)
                return self.emit("prim::Uninitialized", [], returns or types.UNSET)
            if isinstance(statement, ast.If) and k == len(statements) - 1 and returns_always(statement):
                return self.last_if(statement, returns)
            self.statement(statement)
        return None

    def statement(self, node: ast.stmt) -> None:
        method = getattr(self, f"_do_{type(node).__name__.lower()}", None)
        if method is None:
            raise unsupported(self.source, node)
        method(node)

    def _do_pass(self, node: ast.Pass) -> None:
        pass

    def _do_expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # (which is a docstring)
            self.expression(node.value)

    def raises(self, node: ast.Raise) -> None:
        made = node.exc
        words = self.constant("")
        if isinstance(made, ast.Call) and made.args:
            value = self.value(made.args[0])
            words = value if value.type is types.STR else self.emit("aten::str", [value], types.STR, node)
        self.nodes.append(Node("prim::RaiseException", [words], place=self.source.place(node)))

    def _do_assert(self, node: ast.Assert) -> None:
        failed = Node("prim::If", [self.condition(node.test)], place=self.source.place(node))
        for holds in (True, False):
            with self.block() as block:
                if not holds:
                    words = self.constant("AssertionError: ") if node.msg is None else self.value(node.msg)
                    self.nodes.append(Node("prim::RaiseException", [words], place=self.source.place(node)))
            failed.blocks.append(block)
        self.nodes.append(failed)
        self.refine(node.test, True)

    # ---- assignments ----

    def _do_assign(self, node: ast.Assign) -> None:
        if isinstance(node.value, ast.Name) and node.value.id == UNSET:
            found: Any = self.emit("prim::Uninitialized", [], types.UNSET)
        else:
            found = self.expression(node.value)
        for target in node.targets:
            self.assign(target, found, node)

    def _do_annassign(self, node: ast.AnnAssign) -> None:
        wanted = type_of(node.annotation, self.source, self)
        if node.value is None:
            raise self.error(node, "a name that is annotated needs a value")
        value = self.retyped(self.value(node.value, wanted), wanted, node)
        self.assign(node.target, value, node, declared=True)

    def assign(self, target: ast.expr, found: Any, at: ast.AST, declared: bool = False) -> None:
        """Give a name, or several, or a place in something, what an expression stands for."""
        if isinstance(target, ast.Name):
            self._name_it(target.id, found, at, declared)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for each, part in zip(target.elts, self.unpacked(found, len(target.elts), at)):
                self.assign(each, part, at)
        elif isinstance(target, ast.Subscript):
            of = self.value(target.value)
            if of.type.name == "Tuple":
                raise self.error(at, "a tuple cannot be written to")
            given = [of, self.index(target.slice), self.as_value(found, at)]
            self.emit("aten::_set_item", given, NONE, at)
        elif isinstance(target, ast.Attribute):
            of = self.expression(target.value)
            if not isinstance(of, Of):
                raise self.error(at, "only attributes of the script's modules can be assigned")
            known = self.trial(lambda: self.as_value(self.of_module(of, target.attr, at), at).type)
            value = self.as_value(found, at)
            if not fits(value.type, known):
                raise self.error(
                    at, f"Wrong type for attribute assignment. Expected {known.annotation} but got {value.type.annotation}"
                )
            self.nodes.append(
                Node("prim::SetAttr", [of.value, value], attributes={"name": target.attr}, place=self.source.place(at))
            )
        else:
            raise unsupported(self.source, target)

    def _name_it(self, name: str, found: Any, at: ast.AST, declared: bool) -> None:
        if isinstance(found, Method):
            found = self.as_value(found, at)
        if isinstance(found, Thing) and not callable(found.value):
            found = self.as_value(found, at)
        before = self.names.get(name)
        in_loop = self.depth and name in self.outer and not declared and not name.startswith("_")
        if (
            in_loop
            and isinstance(before, Value)
            and isinstance(found, Value)
            and before.type is not ANY
            and not fits(found.type, before.type)
        ):
            words = f"Variable '{name}' previously had type {before.type.annotation} but is now being assigned to a value of type {found.type.annotation}"
            raise self.error(at, words)
        if (
            isinstance(found, Value)
            and not found.name.partition(".")[0].isidentifier()
            and found in (n.outputs[0] for n in self.nodes[-1:] if n.outputs)
        ):
            found.name = self.graph.value(found.type, name).name  # a value bears the name that it is first given
        self.names[name] = found

    def last_if(self, node: ast.If, returns: Type | None) -> Value | None:
        """An `if` that the function ends with; `control.py` tells."""
        raise NotImplementedError

    depth = 0  # of loops around this place
    outer: dict[str, Any] = {}

    def unpacked(self, found: Any, number: int, at: ast.AST) -> list[Any]:
        """The parts of a tuple, a list or a tensor."""
        if isinstance(found, Several):
            if len(found.items) != number:
                raise self.error(at, f"Provided {len(found.items)} values, but {number} names take them")
            return found.items
        of = self.as_value(found, at)
        if of.type.name == "Tuple":
            if len(of.type.of) != number:
                raise self.error(at, f"Provided {len(of.type.of)} values, but {number} names take them")
            kind, parts = "prim::TupleUnpack", [self.graph.value(t) for t in of.type.of]
        elif of.type.name == "List" or of.type is TENSOR:
            of = self.call("aten::unbind", [of], at) if of.type is TENSOR else of
            kind, parts = "prim::ListUnpack", [self.graph.value(of.type.of[0]) for _ in range(number)]
        else:
            raise self.error(at, f"Provided a {of.type.annotation}, which cannot be taken apart")
        self.nodes.append(Node(kind, [of], list(parts), place=self.source.place(at)))
        return list(parts)

    def _do_augassign(self, node: ast.AugAssign) -> None:
        target = ast.parse(ast.unparse(node.target), mode="eval").body  # the same, to be read
        for inner in ast.walk(target):
            ast.copy_location(inner, node.target)
        result = self.binary(node.op, self.value(target), self.value(node.value), node, in_place=True)
        self.assign(node.target, result, node)

    def _do_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if not isinstance(target, ast.Subscript):
                raise unsupported(self.source, node)
            self.emit("aten::__delitem__", [self.value(target.value), self.index(target.slice)], NONE, node)


def type_of(annotation: ast.expr, source: Source, statements: Calls) -> Type:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.copy_location(ast.parse(annotation.value, mode="eval").body, annotation)
    try:
        return types.of_annotation(statements.annotated(annotation))
    except TypeError as error:
        raise source.error(annotation, str(error)) from None
