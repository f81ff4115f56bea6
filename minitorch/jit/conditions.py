"""Tests of a script: what they are as a bool, what is known of them beforehand, and what they say in the branch that they lead to."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import minitorch

from . import types
from .builder import Builder
from .graph import Node, Value
from .names import Of, Thing
from .types import ANY, BOOL, FLOAT, INT, NONE, TENSOR, Type, joined


class Conditions(Builder):
    """`if`, `and`, `or`: a test becomes a bool in the graph, or its answer is known already."""

    def expression(self, node: ast.expr, wanted: Type | None = None) -> Any:
        """What an expression stands for; `expressions.py` tells."""
        raise NotImplementedError

    def value(self, node: ast.expr, wanted: Type | None = None) -> Value:
        """The expression as a value of the graph."""
        return self.as_value(self.expression(node, wanted), node)

    def condition(self, node: ast.expr) -> Value:
        """The expression as a bool."""
        return self.as_bool(self.value(node), node)

    def as_bool(self, value: Value, at: ast.AST) -> Value:
        if value.type is BOOL:
            return value
        if value.type in (TENSOR, INT, FLOAT, types.NUMBER):
            return self.emit("aten::Bool", [value], BOOL, at)
        raise self.error(at, f"Could not cast value of type {value.type.annotation} to bool; compare it with something")

    def choice(self, test: ast.expr, yes: Callable[[], Value], no: Callable[[], Value], at: ast.AST) -> Value:
        """A value that one of two blocks gives."""
        made = Node("prim::If", [self.condition(test)], place=self.source.place(at))
        results = []
        for truth, compute in ((True, yes), (False, no)):
            with self.block() as block:
                self.refine(test, truth)
                block.outputs.append(compute())
                results.append(block.outputs[0].type)
            made.blocks.append(block)
        both = joined(*results)
        if both is None:
            raise self.error(
                at,
                f"if-expression's true branch has type {results[0].annotation} but false branch has type {results[1].annotation}",
            )
        made.outputs.append(self.graph.value(both))
        self.nodes.append(made)
        return made.output

    # ---- what a test tells beforehand, and in its branches ----

    def static(self, test: ast.expr) -> bool | None:
        """The answer of a test that is known now: of what is None, of a type, of a constant; None of any other."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            known = self.static(test.operand)
            return None if known is None else not known
        if isinstance(test, ast.BoolOp):
            known_all = [self.static(v) for v in test.values]
            decides = not isinstance(test.op, ast.And)
            return (
                decides if known_all[0] is decides else (not decides) if all(k is (not decides) for k in known_all) else None
            )
        if isinstance(test, ast.Constant) and isinstance(test.value, bool):
            return test.value
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
            if not (isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None):
                return None
            kind = self.trial(lambda: self.value(test.left).type)
            if kind.name == "Optional" or kind is ANY:
                return None
            return (kind is NONE) is isinstance(test.ops[0], ast.Is)
        if isinstance(test, ast.Call) and isinstance(test.func, (ast.Name, ast.Attribute)):
            return self._static_call(test)
        return None

    def _static_call(self, test: ast.Call) -> bool | None:
        function = self.trial(lambda: self.expression(test.func))
        called = function.value if isinstance(function, Thing) else None
        if called is isinstance:
            of = self.trial(lambda: self.value(test.args[0]).type)
            asked = self.annotated(test.args[1])
            wanted = asked if isinstance(asked, tuple) else (asked,)
            return None if of.name == "Optional" else any(_is_a(of, w) for w in wanted)
        if called is hasattr and isinstance(test.args[1], ast.Constant):
            of = self.trial(lambda: self.expression(test.args[0]))
            return isinstance(of, Of) and (hasattr(of.module, str(test.args[1].value)))
        if called in (minitorch.jit.is_scripting, minitorch.jit.is_tracing):
            return called is minitorch.jit.is_scripting
        return None

    def refine(self, test: ast.expr, truth: bool) -> None:
        """What a test says about names in the branch where it is true, or false: that they are not None."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            self.refine(test.operand, not truth)
        elif isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) is truth:
            for each in test.values:
                self.refine(each, truth)
        elif (
            isinstance(test, ast.Compare)
            and isinstance(test.left, ast.Name)
            and isinstance(test.ops[0], (ast.Is, ast.IsNot))
        ):
            known = self.names.get(test.left.id)
            there = isinstance(test.ops[0], ast.IsNot) is truth
            if isinstance(known, Value) and known.type.name == "Optional" and _is_none(test.comparators[0]):
                kind = known.type.of[0] if there else NONE
                self.names[test.left.id] = (
                    self.emit("prim::unchecked_cast", [known], kind, test, called=test.left.id)
                    if there
                    else self.constant(None)
                )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_a(of: Type, wanted: Any) -> bool:
    if wanted in (list, tuple, dict):
        return of.name == wanted.__name__.capitalize()
    try:
        return of == types.of_annotation(wanted)
    except TypeError:
        return False
