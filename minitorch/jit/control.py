"""Branches and loops of a script: what they assign comes out of their blocks as a value."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from . import types
from .builder import LARGEST
from .errors import NotSupportedError
from .graph import Node, Value
from .names import Missing, Several, Thing
from .statements import Statements
from .types import INT, NONE, TENSOR, Type, joined


class ControlFlow(Statements):
    """`if`, `while`, `for`, and lists that a loop fills."""

    # ---- branches ----

    def last_if(self, node: ast.If, returns: Type | None) -> Value | None:
        """An `if` that the function ends with: both branches return."""
        known = self.static(node.test)
        if known is not None:
            return self.body(node.body if known else node.orelse, returns)
        made = Node("prim::If", [self.condition(node.test)], place=self.source.place(node))
        results: list[Value] = []
        for truth, statements in ((True, node.body), (False, node.orelse)):
            with self.block() as block:
                self.refine(node.test, truth)
                result = self.body(statements, returns)
                assert result is not None
                block.outputs.append(result)
                results.append(result)
            made.blocks.append(block)
        both = joined(results[0].type, results[1].type)
        if both is None:
            raise self.error(
                node,
                f"Previous return statement returned a value of type {results[0].type.annotation} but this return statement returns a value of "
                f"type {results[1].type.annotation}",
            )
        made.outputs.append(self.graph.value(both))
        self.nodes.append(made)
        return made.output

    def _do_if(self, node: ast.If) -> None:
        known = self.static(node.test)
        if known is not None:
            self.body(node.body if known else node.orelse)
            return
        made = Node("prim::If", [self.condition(node.test)], place=self.source.place(node))
        before, after, leaves = dict(self.names), [], []
        for truth, statements in ((True, node.body), (False, node.orelse)):
            with self.block() as block:
                self.refine(node.test, truth)
                self.body(statements)
                after.append(dict(self.names))
                leaves.append(bool(block.nodes) and block.nodes[-1].kind == "prim::RaiseException")
            made.blocks.append(block)
        self.nodes.append(made)
        for name in sorted({*after[0], *after[1]}):
            here = [names.get(name) for names in after]
            if here[0] is not here[1] or here[0] is not before.get(name):
                self._merge(name, here, leaves, made, node)

    def _merge(self, name: str, here: list[Any], leaves: list[bool], made: Node, at: ast.AST) -> None:
        """A name after two branches. A branch that raises has no say."""
        if any(leaves) and not all(leaves):
            kept = here[leaves.index(False)]
            if isinstance(kept, Value):
                here = [kept if isinstance(h, Value) and h.type == kept.type else None for h in here]
                branch = leaves.index(False)
                value = self.graph.value(kept.type, name)
                for k, block in enumerate(made.blocks):
                    if k == branch:
                        block.outputs.append(kept)
                    else:
                        block.nodes.append(Node("prim::Uninitialized", [], [self.graph.value(kept.type)]))
                        block.outputs.append(block.nodes[-1].output)
                made.outputs.append(value)
                self.names[name] = value
                return
        for k, which in enumerate(("true", "false")):
            if here[k] is None or isinstance(here[k], Missing):
                self.names[name] = Missing(f"{name} is not defined in the {which} branch")
                return
        if here[0] is here[1]:
            self.names[name] = here[0]
            return
        if not all(isinstance(h, Value) for h in here):
            self.names[name] = Missing(f"{name} is something else in each branch")
            return
        both = joined(here[0].type, here[1].type)
        if both is None:
            self.names[name] = Missing(
                f"Type mismatch: {name} is set to type {here[0].type.annotation} in the true branch and type {here[1].type.annotation} in the false "
                "branch"
            )
            return
        for block, value in zip(made.blocks, here):
            block.outputs.append(value)
        made.outputs.append(self.graph.value(both, name))
        self.names[name] = made.outputs[-1]

    # ---- loops ----

    def _do_while(self, node: ast.While) -> None:
        if node.orelse:
            raise self.error(node, "else branches of while loops aren't supported", NotSupportedError)
        self.loop(node, self.constant(LARGEST), None, node.body, node.test)

    def _do_for(self, node: ast.For) -> None:
        if node.orelse:
            raise self.error(node, "else branches of for loops aren't supported", NotSupportedError)
        items = self.known_items(node.iter)
        if items is not None:
            self._unrolled(node, items)
            return
        number, element = self.counted(node.iter)
        self.loop(node, number, lambda k: self.assign(node.target, element(k), node), node.body, None)

    def _unrolled(self, node: ast.For, items: list[Any]) -> None:
        """A loop over layers or a tuple: its body once for each of them."""
        until = getattr(node, "until", None)
        for item in items:
            if until is None:
                self.assign(node.target, item, node)
                self.body(node.body)
                continue
            self.names["_item"] = item
            going = ast.UnaryOp(ast.Not(), ast.Name(until, ast.Load()))
            first = ast.Assign([node.target], ast.Name("_item", ast.Load()))
            self.statement(ast.fix_missing_locations(ast.copy_location(ast.If(going, [first, *node.body], []), node)))

    def counted(self, over: ast.expr) -> tuple[Value, Callable[[Value], Any]]:
        """How many rounds a loop has, and what its name is in round k."""
        function = self.trial(lambda: self.expression(over.func)) if isinstance(over, ast.Call) else None
        called = function.value if isinstance(function, Thing) else None
        if called is range and isinstance(over, ast.Call):
            return self._of_range([self.value(a) for a in over.args], over)
        if called in (enumerate, zip) and isinstance(over, ast.Call):
            rows = [self.counted(a) for a in over.args]
            number = rows[0][0]
            for other, _ in rows[1:]:
                number = self.emit("prim::min", [number, other], INT, over)
            if called is enumerate:
                return number, lambda k: Several([k, rows[0][1](k)])
            return number, lambda k: Several([element(k) for _, element in rows])
        of = self.value(over)
        if of.type.name == "Dict":
            of = self.call("dict::keys", [of], over)
        if of.type.name != "List" and of.type not in (TENSOR, types.STR):
            raise self.error(over, f"'{of.type.annotation}' object is not iterable")
        return self.emit("aten::len", [of], INT, over), lambda k: self.call("aten::__getitem__", [of, k], over)

    def _of_range(self, bounds: list[Value], at: ast.AST) -> tuple[Value, Callable[[Value], Value]]:
        for b in bounds:
            if b.type not in (INT, types.NUMBER):
                raise self.error(at, f"range takes ints, got {b.type.annotation}")
        if len(bounds) == 1:
            return bounds[0], lambda k: k
        all_of_them = self.emit("aten::range", bounds, types.list_of(INT), at)
        return self.emit("aten::len", [all_of_them], INT, at), lambda k: self.call("aten::__getitem__", [all_of_them, k], at)

    def loop(
        self, node: Any, number: Value, begin: Callable[[Value], None] | None, body: list[ast.stmt], test: ast.expr | None
    ) -> None:
        """A loop of at most so many rounds, as long as the test holds and no flag has ended it."""
        until = getattr(node, "until", None)
        before = dict(self.names)
        kinds: dict[str, Type] = {}
        for _ in range(3):  # what a name holds may get a wider type in the first round
            carried = [n for n in sorted(_assigned(body)) if isinstance(before.get(n), Value)]
            made = Node("prim::Loop", place=self.source.place(node))
            with self.block() as outside:
                first = self.constant(True) if test is None else self.condition(test)
                with self.block() as block:
                    k = self.graph.value(INT, "")
                    block.inputs.append(k)
                    for name in carried:
                        self.names[name] = self.graph.value(kinds.get(name, before[name].type), name)
                        block.inputs.append(self.names[name])
                    if test is not None:
                        self.refine(test, True)
                    depth, outer = self.depth, self.outer
                    self.depth, self.outer = depth + 1, before
                    if begin is not None:
                        begin(k)
                    self.body(body)
                    self.depth, self.outer = depth, outer
                    go_on = self._goes_on(until, test)
                    block.outputs = [self.as_bool(go_on, node), *(self.as_value(self.names[n], node) for n in carried)]
                    after = {n: v.type for n, v in zip(carried, block.outputs[1:])}
            wider = {n: joined(kinds.get(n, before[n].type), t) for n, t in after.items()}
            if any(t is None for t in wider.values()):
                name = next(n for n, t in wider.items() if t is None)
                raise self.error(
                    node,
                    f"Variable '{name}' previously had type {before[name].type.annotation} but is now being assigned to a value of type "
                    f"{after[name].annotation}",
                )
            if all(wider[n] == kinds.get(n, before[n].type) for n in carried):
                break
            kinds = {n: t for n, t in wider.items() if t is not None}
        self.nodes += outside.nodes
        made.inputs, made.blocks = [number, first, *(before[n] for n in carried)], [block]
        self.nodes.append(made)
        for name in _assigned(body) - set(carried):
            if before.get(name) is None:
                self.names[name] = Missing(
                    f"{name} is given in a loop, which may have no round: give it a value before the loop"
                )
        for name, inner in zip(carried, block.inputs[1:]):
            made.outputs.append(self.graph.value(inner.type, name))
            self.names[name] = made.outputs[-1]

    def _goes_on(self, until: str | None, test: ast.expr | None) -> Value:
        if until is None:
            return self.constant(True) if test is None else self.condition(test)
        flag = ast.Name(until, ast.Load(), lineno=1, col_offset=0)
        over = ast.UnaryOp(ast.Not(), flag, lineno=1, col_offset=0)
        if test is None:
            return self.condition(over)
        return self.condition(ast.copy_location(ast.BoolOp(ast.And(), [over, test]), test))

    def collected(self, element: ast.expr, target: ast.expr, over: ast.expr, at: ast.AST) -> Value:
        """[element for target in over], as a list that a loop fills."""
        items = self.known_items(over)
        if items is not None:
            values = []
            for item in items:
                before = dict(self.names)
                self.assign(target, item, at)
                values.append(self.value(element))
                self.names = before
            return self.emit("prim::ListConstruct", values, types.list_of(self.of_all(values, at) if values else TENSOR), at)
        number, of = self.counted(over)
        made, before = Node("prim::Loop", place=self.source.place(at)), dict(self.names)
        with self.block() as block:
            k = self.graph.value(INT)
            block.inputs.append(k)
            self.assign(target, of(k), at)
            one = self.value(element)
        result = self.emit("prim::ListConstruct", [], types.list_of(one.type), at)
        block.nodes.append(Node("list::append", [result, one], [self.graph.value(NONE)]))
        block.outputs = [self.constant(True)]
        made.inputs, made.blocks = [number, self.constant(True)], [block]
        self.nodes.append(made)
        self.names = before
        return result


def _assigned(statements: Sequence[ast.stmt]) -> set[str]:
    """The names that these statements give."""
    return {n.id for s in statements for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
