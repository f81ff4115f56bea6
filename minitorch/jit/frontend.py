"""From a function's code to its graph: Python's own parser reads it, and each statement becomes nodes. The function itself never runs.

Branches and loops stay in the graph, so a script decides anew in each call what a trace has decided once. What a branch assigns is an output
of it; what a loop changes goes round with it. Read first `graph.py`; next: `expressions.py`, `exits.py`, `script.py`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from . import types
from .errors import FrontendError, NotSupportedError, Source, unsupported
from .exits import UNSET, with_one_way_out
from .expressions import _LARGEST, Expressions
from .function import Function, Parameter
from .graph import Graph, Node, Value
from .names import Method, Missing, Of, Several, Thing, variables_of
from .types import ANY, INT, NONE, TENSOR, Type, fits, joined


def compiled(function: Callable, script: Any, of: Any = None) -> Function:
    """The graph of a Python function; of: the module whose method it is."""
    source, tree = read(function)
    graph = Graph()
    known = variables_of(function)
    statements = Statements(graph, source, known, script)
    if of is not None:
        me = graph.value(Type(getattr(of, "original_name", type(of).__name__)), "self")
        graph.inputs.append(me)
        statements.names[tree.args.args[0].arg] = Of(me, of)
    parameters, returns = signature(function, tree, source, statements, skip=of is not None)
    for p in parameters:
        value = graph.value(p.type, p.name)
        graph.inputs.append(value)
        statements.names[p.name] = value
    result = statements.body(with_one_way_out(tree.body), returns)
    assert result is not None
    graph.outputs.append(result)
    graph.nodes[:0] = statements.constants.values()
    return Function(function.__name__, graph, parameters, returns if returns is not None else result.type)


def read(function: Callable) -> tuple[Source, ast.FunctionDef]:
    """The code of a function, and where it stands."""
    try:
        lines, first = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function) or "<script>"
    except (OSError, TypeError):
        raise FrontendError(
            f"the code of {getattr(function, '__name__', function)} cannot be found: a script is made of code in a file"
        ) from None
    text = textwrap.dedent("".join(lines))
    try:
        tree = ast.parse(text).body[0]
    except SyntaxError:
        tree = None
    if not isinstance(tree, ast.FunctionDef):
        raise FrontendError(f"{function!r} is no function defined by `def`: write one")
    indent = len(lines[0]) - len(lines[0].lstrip())
    return Source(file, tuple(text.splitlines()), first, indent), tree


def signature(
    function: Callable, tree: ast.FunctionDef, source: Source, statements: Statements, skip: bool
) -> tuple[list[Parameter], Type | None]:
    """The parameters with their types (Tensor, if none is told), and the declared type of the result."""
    args = tree.args
    if args.vararg or args.kwarg:
        raise source.error(
            args.vararg or args.kwarg or tree,
            "Compiled functions can't take variable number of arguments",
            NotSupportedError,
        )
    given = [*args.posonlyargs, *args.args, *args.kwonlyargs][int(skip) :]
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values() if p.default is not p.empty}
    parameters = []
    for a in given:
        kind = TENSOR if a.annotation is None else _type_of(a.annotation, source, statements)
        default = defaults.get(a.arg)
        if (
            a.arg in defaults
            and not fits(types.of_value(default), kind)
            and not (kind is types.FLOAT and type(default) is int)
        ):
            words = f'Expected a default value of type {kind.annotation} on parameter "{a.arg}"'
            raise source.error(a, words)
        parameters.append(
            Parameter(
                a.arg, kind, float(default) if kind is types.FLOAT and type(default) is int else default, a.arg in defaults
            )
        )
    return parameters, None if tree.returns is None else _type_of(tree.returns, source, statements)


def _type_of(annotation: ast.expr, source: Source, statements: Statements) -> Type:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.copy_location(ast.parse(annotation.value, mode="eval").body, annotation)
    try:
        return types.of_annotation(statements.annotated(annotation))
    except TypeError as error:
        raise source.error(annotation, str(error)) from None


class Statements(Expressions):
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
            if isinstance(statement, ast.If) and k == len(statements) - 1 and _returns(statement):
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
        wanted = _type_of(node.annotation, self.source, self)
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
        is_again = isinstance(before, Value) and isinstance(found, Value) and not declared and not name.startswith("_")
        if is_again and self.depth and name in self.outer and before.type is not ANY and not fits(found.type, before.type):
            words = f"Variable '{name}' previously had type {before.type.annotation} but is now being assigned to a value of type {found.type.annotation}"
            raise self.error(at, words)
        if (
            isinstance(found, Value)
            and not found.name.partition(".")[0].isidentifier()
            and found in (n.outputs[0] for n in self.nodes[-1:] if n.outputs)
        ):
            found.name = self.graph.value(found.type, name).name  # a value bears the name that it is first given
        self.names[name] = found

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
        self.loop(node, self.constant(_LARGEST), None, node.body, node.test)

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


def _returns(node: ast.If) -> bool:
    """Whether both branches end in a return, as the rewritten ones do if one of them has one."""
    return any(isinstance(s, (ast.Return, ast.Raise)) for s in ast.walk(node)) and all(
        bool(b) and (isinstance(b[-1], (ast.Return, ast.Raise)) or (isinstance(b[-1], ast.If) and _returns(b[-1])))
        for b in (node.body, node.orelse)
    )


def _assigned(statements: Sequence[ast.stmt]) -> set[str]:
    """The names that these statements give."""
    return {n.id for s in statements for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
