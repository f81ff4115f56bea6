"""What a script computes: each expression becomes nodes of the graph. Read next: `frontend.py`, for the statements."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from typing import Any

import minitorch
from minitorch.nn.modules.container import ModuleDict, ModuleList, Sequential
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

from . import operators, types
from .errors import Source, UnsupportedNodeError, unsupported
from .function import Function
from .graph import Block, Graph, Node, Value
from .names import Method, Missing, Of, Several, Thing, is_constant, is_namespace, kind_of
from .types import ANY, BOOL, FLOAT, INT, NONE, STR, TENSOR, Type, fits, joined, list_of, tuple_of

_BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "remainder", ast.Pow: "pow",
    ast.MatMult: "matmul", ast.BitAnd: "__and__", ast.BitOr: "__or__", ast.BitXor: "__xor__", ast.LShift: "__lshift__",
    ast.RShift: "__rshift__",
}  # fmt: skip
_COMPARE = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "__is__", ast.IsNot: "__isnot__",
    ast.In: "__contains__", ast.NotIn: "__contains__",
}  # fmt: skip
_SIZES = (
    "view",
    "reshape",
    "permute",
    "expand",
    "repeat",
    "tile",
    "flip",
    "new_zeros",
    "new_ones",
    "new_empty",
    "sum_to_size",
)
_CASTS = {int: "Int", float: "Float", bool: "Bool", str: "str"}
_LARGEST = (1 << 63) - 1


class Expressions:
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
            kind = types.of_value(value) if not _is_mark(value) else ANY
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

    # ---- expressions ----

    def value(self, node: ast.expr, wanted: Type | None = None) -> Value:
        """The expression as a value of the graph."""
        return self.as_value(self.expression(node, wanted), node)

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

    def expression(self, node: ast.expr, wanted: Type | None = None) -> Any:
        """What the expression stands for: a value of the graph, or something known beforehand."""
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise unsupported(self.source, node)
        return method(node, wanted) if wanted is not None and isinstance(node, (ast.List, ast.Dict)) else method(node)

    def _constant(self, node: ast.Constant) -> Any:
        if not is_constant(node.value) or isinstance(node.value, (bytes, complex)):
            raise self.error(node, f"a script has no {type(node.value).__name__}")
        return self.constant(node.value)

    def _name(self, node: ast.Name) -> Any:
        if node.id in self.names:
            found = self.names[node.id]
            if isinstance(found, Missing):
                raise self.error(node, found.words)
            return found
        if node.id in self.known:
            return Thing(self.known[node.id], node.id)
        raise self.error(node, f"undefined value {node.id}")

    def _attribute(self, node: ast.Attribute) -> Any:
        of = self.expression(node.value)
        if isinstance(of, Of):
            return self.of_module(of, node.attr, node)
        if isinstance(of, Thing):
            if not hasattr(of.value, node.attr):
                raise self.error(node, f"'{of.name}' has no attribute '{node.attr}'")
            found = getattr(of.value, node.attr)
            is_plain = is_namespace(of.value) and is_constant(found)
            return self.constant(found) if is_plain and not _is_mark(found) else Thing(found, node.attr)
        of = self.as_value(of, node)
        if of.type is TENSOR and node.attr in operators.ATTRIBUTES:
            return self.emit(f"prim::{node.attr}", [of], operators.ATTRIBUTES[node.attr], node)
        if (of.type is TENSOR and operators.is_method(node.attr)) or node.attr in _methods_of(of.type):
            return Method(of, node.attr)
        raise self.error(node, f"'{of.type.annotation}' object has no attribute or method '{node.attr}'")

    def of_module(self, of: Of, name: str, at: ast.AST) -> Any:
        """An attribute of a module of the script."""
        module = of.module
        held = {**module._parameters, **module._buffers, **module._modules, **vars(module), **vars(module).get("_plain", {})}
        if name not in held:
            if inspect.isfunction(inspect.getattr_static(type(module), name, None)) or self.script.has_method(module, name):
                return Method(of, name)
            found = inspect.getattr_static(type(module), name, None)
            if is_constant(found) and found is not None:
                return self.constant(found)
            raise self.error(at, f"Module '{_called(module)}' has no attribute '{name}'")
        found = held[name]
        if isinstance(found, Module):
            value = self.emit(
                "prim::GetAttr", [of.value], Type(_called(found)), called=name if name.isidentifier() else "", name=name
            )
            return Of(value, found)
        declared = self.script.attribute_type(module, name)
        try:
            kind = declared or types.of_value(found)
        except TypeError:
            raise self.error(
                at, f"Module '{_called(module)}' has no attribute '{name}' (it is a {type(found).__name__})"
            ) from None
        return self.constant(None) if kind is NONE else self.emit("prim::GetAttr", [of.value], kind, called=name, name=name)

    # ---- operators ----

    def _binop(self, node: ast.BinOp) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        return self.binary(node.op, left, right, node)

    def binary(self, op: ast.operator, left: Value, right: Value, at: ast.AST, in_place: bool = False) -> Value:
        """left ∘ right, or left ∘= right."""
        name = _BINARY[type(op)]
        for v in (left, right):
            if v.type.name == "Optional" or v.type is NONE:
                raise self.error(
                    at,
                    f"Arguments for call are not valid: a value of type {v.type.annotation} may be None; ask `is not None` first",
                )
        if TENSOR not in (left.type, right.type) and operators.result_type(f"aten::{name}", [left.type, right.type]) is ANY:
            raise self.error(
                at,
                f"Arguments for call are not valid: {left.type.annotation} and {right.type.annotation} have no operator {name}",
            )
        if in_place and (left.type is TENSOR or left.type.name == "List") and f"{name}_" in operators.IN_PLACE:
            return self.emit(f"aten::{name}_", [left, right], left.type, at)
        return self.call(f"aten::{name}", [left, right], at)

    def _unaryop(self, node: ast.UnaryOp) -> Value:
        if (
            isinstance(node.op, ast.USub)
            and isinstance(node.operand, ast.Constant)
            and type(node.operand.value) in (int, float)
        ):
            return self.constant(-node.operand.value)  # type: ignore[operator]
        if isinstance(node.op, ast.Not):
            return self.emit("aten::__not__", [self.condition(node.operand)], BOOL, node)
        operand = self.value(node.operand)
        return (
            operand
            if isinstance(node.op, ast.UAdd)
            else self.call("aten::neg" if isinstance(node.op, ast.USub) else "aten::bitwise_not", [operand], node)
        )

    def condition(self, node: ast.expr) -> Value:
        """The expression as a bool."""
        return self.as_bool(self.value(node), node)

    def as_bool(self, value: Value, at: ast.AST) -> Value:
        if value.type is BOOL:
            return value
        if value.type in (TENSOR, INT, FLOAT, types.NUMBER):
            return self.emit("aten::Bool", [value], BOOL, at)
        raise self.error(at, f"Could not cast value of type {value.type.annotation} to bool; compare it with something")

    def _compare(self, node: ast.Compare) -> Value:
        left, result = self.value(node.left), None
        for op, right_node in zip(node.ops, node.comparators):
            right = self.value(right_node)
            name = _COMPARE[type(op)]
            given = [right, left] if name == "__contains__" else [left, right]
            one = self.call(f"aten::{name}", given, node)
            if isinstance(op, ast.NotIn):
                one = self.emit("aten::__not__", [one], BOOL, node)
            both = result
            result = (
                one
                if both is None
                else self.emit("aten::__and__", [self.as_bool(both, node), self.as_bool(one, node)], BOOL, node)
            )
            left = right
        assert result is not None
        return result

    def _boolop(self, node: ast.BoolOp) -> Value:
        """a and b: b is computed only if a is true. (The test of a says in b what it has found out.)"""
        is_and = isinstance(node.op, ast.And)
        first, *rest = node.values
        if not rest:
            return self.condition(first)
        others = ast.copy_location(ast.BoolOp(node.op, rest), node)
        known = self.static(first)
        if known is not None:
            return self._boolop(others) if known is is_and else self.constant(not is_and)
        return self.choice(
            first,
            (lambda: self._boolop(others)) if is_and else (lambda: self.constant(True)),
            (lambda: self.constant(False)) if is_and else (lambda: self._boolop(others)),
            node,
        )

    def _ifexp(self, node: ast.IfExp) -> Value:
        known = self.static(node.test)
        if known is not None:
            return self.value(node.body if known else node.orelse)
        return self.choice(node.test, lambda: self.value(node.body), lambda: self.value(node.orelse), node)

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

    def trial(self, compute: Callable[[], Any]) -> Any:
        """What it gives, without a trace of it in the graph."""
        with self.block():
            return compute()

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

    # ---- containers ----

    def _list(self, node: ast.List, wanted: Type | None = None) -> Value:
        inner = wanted.of[0] if wanted is not None and wanted.name == "List" else None
        values = [self.value(e, inner) for e in node.elts]
        kind = inner or (TENSOR if not values else self.of_all(values, node))
        return self.emit("prim::ListConstruct", values, list_of(kind), node)

    def _tuple(self, node: ast.Tuple) -> Any:
        values = [self.value(e) for e in node.elts]
        return self.emit("prim::TupleConstruct", values, tuple_of(*(v.type for v in values)), node)

    def _dict(self, node: ast.Dict, wanted: Type | None = None) -> Value:
        if any(k is None for k in node.keys):
            raise self.error(node, "** in a dict isn't supported", UnsupportedNodeError)
        keys, values = [self.value(k) for k in node.keys if k is not None], [self.value(v) for v in node.values]
        pair = (self.of_all(keys, node), self.of_all(values, node)) if keys else (STR, TENSOR)
        kind = wanted if wanted is not None and wanted.name == "Dict" else types.dict_of(*pair)
        return self.emit("prim::DictConstruct", [v for pair in zip(keys, values) for v in pair], kind, node)

    def of_all(self, values: list[Value], at: ast.AST) -> Type:
        kind = values[0].type
        for v in values[1:]:
            both = joined(kind, v.type)
            if both is None:
                raise self.error(
                    at, f"Expected a List or Dict of one type, but found {kind.annotation} and {v.type.annotation}"
                )
            kind = both
        return kind

    def _listcomp(self, node: ast.ListComp) -> Value:
        (generator, *more) = node.generators
        if more or generator.ifs:
            raise self.error(
                node, "list comprehensions have one `for` and no `if` in a script; write a loop", UnsupportedNodeError
            )
        return self.collected(node.elt, generator.target, generator.iter, node)

    def collected(self, element: ast.expr, target: ast.expr, over: ast.expr, at: ast.AST) -> Value:
        """[element for target in over]; `frontend.py` has the loop."""
        raise NotImplementedError

    def _joinedstr(self, node: ast.JoinedStr) -> Value:
        template, values = "", []
        for part in node.values:
            if isinstance(part, ast.Constant):
                template += str(part.value).replace("{", "{{").replace("}", "}}")
                continue
            if not isinstance(part, ast.FormattedValue) or part.format_spec is not None or part.conversion != -1:
                raise self.error(
                    node, "f-strings in a script have no format after a colon and no conversion", UnsupportedNodeError
                )
            template += "{}"
            values.append(self.value(part.value))
        return self.emit("aten::format", [self.constant(template), *values], STR, node)

    def _subscript(self, node: ast.Subscript) -> Any:
        of = self.expression(node.value)
        if isinstance(of, Thing):
            return Thing(self.annotated(node), "")
        if isinstance(of, Of):
            return self._layer(of, node)
        of = self.as_value(of, node)
        if of.type.name == "Optional":
            raise self.error(
                node, f"'{of.type.annotation}' object is not subscriptable: it may be None; ask `is not None` first"
            )
        if of.type.name == "Tuple":
            place = _number_in(node.slice)
            if place is None or not -len(of.type.of) <= place < len(of.type.of):
                raise self.error(node, "tuple index must be an integer that is written out, and within the tuple")
            return self.emit("aten::__getitem__", [of, self.constant(place)], of.type.of[place], node)
        return self.call("aten::__getitem__", [of, self.index(node.slice)], node)

    def _layer(self, of: Of, node: ast.Subscript) -> Of:
        """A layer of a ModuleList, Sequential or ModuleDict by its place or name, written out."""
        place = _number_in(node.slice) if not isinstance(of.module, ModuleDict) else getattr(node.slice, "value", None)
        if place is None or not isinstance(of.module, (ModuleList, Sequential, ModuleDict)):
            raise self.error(node, "a layer is taken by an index that is written out; or loop over all of them")
        names = list(of.module._modules)
        name = names[place] if isinstance(place, int) else place
        return self.of_module(of, name, node)

    def index(self, node: ast.expr) -> Value:
        """What stands within brackets."""
        if isinstance(node, ast.Slice):
            parts = [self.constant(None) if p is None else self.value(p) for p in (node.lower, node.upper, node.step)]
            return self.emit("aten::slice", parts, ANY, node)
        if isinstance(node, ast.Tuple):
            parts = [self.index(e) for e in node.elts]
            return self.emit("prim::TupleConstruct", parts, tuple_of(*(v.type for v in parts)), node)
        if isinstance(node, ast.Constant) and node.value is Ellipsis:
            return self.emit("prim::Constant", [], ANY, value=Ellipsis)
        return self.value(node)

    # ---- calls ----

    def _call(self, node: ast.Call) -> Any:
        function = self.expression(node.func)
        if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
            raise self.error(node, "* and ** of arguments aren't supported; write them out", UnsupportedNodeError)
        if isinstance(function, Method):
            return self._method(function, node)
        if isinstance(function, Of):
            return self._of_module(function, "forward", node)
        if isinstance(function, Thing):
            return self._thing(function, node)
        raise self.error(node, "this cannot be called in a script")

    def given(self, node: ast.Call) -> tuple[list[Value], list[str]]:
        """The arguments of a call, those by keyword last, and their names."""
        values = [self.value(a) for a in node.args]
        return values + [self.value(k.value) for k in node.keywords], [str(k.arg) for k in node.keywords]

    def _method(self, method: Method, node: ast.Call) -> Any:
        if isinstance(method.of, Of):
            return self._of_module(method.of, method.name, node)
        values, names = self.given(node)
        of = method.of
        if of.type is TENSOR:
            if method.name in _SIZES and values and not names and all(v.type in (INT, types.NUMBER) for v in values):
                values = [self.emit("prim::ListConstruct", values, list_of(INT), node)]  # x.view(2, 3) is view(x, [2, 3])
            given = (
                [values[0], of, *values[1:]] if method.name == "where" else [of, *values]
            )  # the function has the condition first
            return self.call(f"aten::{method.name}", given, node, names)
        if of.type is STR and method.name == "format":
            return self.emit("aten::format", [of, *values], STR, node)
        if of.type.name == "List" and method.name in ("append", "insert", "extend"):
            inner = values[-1].type if method.name != "extend" else (values[-1].type.of or (TENSOR,))[0]
            if not fits(inner, of.type.of[0]):
                raise self.error(
                    node,
                    f"Could not match type {inner.annotation} to {of.type.of[0].annotation}: annotate the list where it is made, as List[{inner.annotation}]",
                )
        return self.call(f"{of.type.name.lower()}::{method.name}", [of, *values], node, names)

    def _of_module(self, of: Of, name: str, node: ast.Call) -> Value:
        """A call of a module of the script, or of a method of it."""
        values, names = self.given(node)
        returns = self.script.method_type(
            of.module, name, [v.type for v in values], names, lambda words: self.error(node, words)
        )
        if isinstance(returns, Function):
            values, names = self.bound(returns, values, names, node), []
            returns = returns.returns
        return self.emit("prim::CallMethod", [of.value, *values], returns, node, names, name=name)

    def bound(self, function: Function, values: list[Value], names: list[str], at: ast.AST) -> list[Value]:
        """The arguments in the order of the function's parameters, defaults among them; what does not fit is refused."""
        by_position = len(values) - len(names)
        given = dict(zip([p.name for p in function.parameters], values[:by_position])) | dict(
            zip(names, values[by_position:])
        )
        unknown = set(given) - {p.name for p in function.parameters}
        if by_position > len(function.parameters) or unknown:
            words = (
                f"Unknown keyword argument '{min(unknown)}'"
                if unknown
                else f"Expected at most {len(function.parameters)} argument(s)"
            )
            raise self.error(at, f"{function.name}(): {words}; it takes {', '.join(p.told() for p in function.parameters)}")
        result = []
        for p in function.parameters:
            if p.name not in given and not p.has_default:
                raise self.error(at, f"{function.name}() is missing value for argument '{p.name}'")
            value = given[p.name] if p.name in given else self.constant(p.default)
            if not fits(value.type, p.type):
                raise self.error(
                    at,
                    f"{function.name}() Expected a value of type '{p.type.annotation}' for argument '{p.name}' but instead found type '{value.type.annotation}'",
                )
            result.append(value)
        return result

    def _thing(self, thing: Thing, node: ast.Call) -> Any:
        """A call of a function that is known beforehand."""
        function = thing.value
        special = getattr(self, _BUILT_IN.get(_hashed(function), ""), None)
        if special is not None:
            return special(node)
        if isinstance(function, type) and function in _CASTS:
            values, _ = self.given(node)
            kind = types.of_annotation(function)
            return values[0] if values[0].type is kind else self.emit(f"aten::{_CASTS[function]}", values, kind, node)
        if function is minitorch.device:
            return self.constant(minitorch.device(*(ast.literal_eval(a) for a in node.args)))
        called = _PYTHON.get(_hashed(function)) or kind_of(function)
        if called is not None:
            values, names = self.given(node)
            return self.call(called, values, node, names)
        compiled = self.script.function(function, lambda words: self.error(node, words))
        values, names = self.given(node)
        return self.emit(
            "prim::CallFunction", self.bound(compiled, values, names, node), compiled.returns, node, function=compiled
        )

    # ---- functions that the front end itself knows ----

    def _call_print(self, node: ast.Call) -> Value:
        values, _ = self.given(node)
        self.nodes.append(Node("prim::Print", values, place=self.source.place(node)))
        return self.constant(None)

    def _call_getattr(self, node: ast.Call) -> Any:
        of, name = self.expression(node.args[0]), node.args[1]
        if not isinstance(of, Of) or not isinstance(name, ast.Constant):
            raise self.error(node, "getattr takes a module of the script and a name that is written out")
        if len(node.args) == 3 and not hasattr(of.module, str(name.value)):
            return self.value(node.args[2])
        return self.of_module(of, str(name.value), node)

    def _call_annotate(self, node: ast.Call) -> Value:
        wanted = types.of_annotation(self.annotated(node.args[0]))
        return self.retyped(self.value(node.args[1], wanted), wanted, node)

    def _call_enumerate(self, node: ast.Call) -> Any:
        items = self.known_items(node.args[0])
        if items is None:
            raise self.error(node, "enumerate stands after `for … in`")
        return Several([Several([self.constant(k), item]) for k, item in enumerate(items)])

    def _call_zip(self, node: ast.Call) -> Any:
        rows = [self.known_items(a) for a in node.args]
        if any(row is None for row in rows):
            raise self.error(node, "zip stands after `for … in`")
        return Several([Several(list(row)) for row in zip(*[r for r in rows if r is not None])])

    def _call_static(self, node: ast.Call) -> Value:
        known = self.static(node)
        if known is None:
            raise self.error(node, "isinstance of what may be None: ask `is not None`")
        return self.constant(known)

    def known_items(self, node: ast.expr) -> list[Any] | None:
        """What a loop goes over, if that is known beforehand: layers, a tuple, pairs of these; None of a list or a tensor."""
        if isinstance(node, ast.Call):
            function = self.trial(lambda: self.expression(node.func))
            if isinstance(function, Thing) and function.value in (enumerate, zip):
                rows = [self.trial(lambda a=a: self.known_items(a)) for a in node.args]
                return self.expression(node).items if all(r is not None for r in rows) else None
            if (
                isinstance(function, Method)
                and isinstance(function.of, Of)
                and function.name in ("items", "values", "keys", "children")
            ):
                return self._items_of(self.expression(node.func).of, function.name, node)
            return None
        found = self.trial(lambda: self.expression(node))
        if isinstance(found, Several):
            return self.expression(node).items
        if isinstance(found, Of) and isinstance(found.module, (ModuleList, Sequential, ModuleDict)):
            kind = "keys" if isinstance(found.module, ModuleDict) else "values"
            return self._items_of(self.expression(node), kind, node)
        if isinstance(found, Value) and found.type.name == "Tuple":
            of = self.value(node)
            return [self.emit("aten::__getitem__", [of, self.constant(k)], t, node) for k, t in enumerate(of.type.of)]
        return None

    def _items_of(self, of: Of, kind: str, at: ast.AST) -> list[Any]:
        names = list(of.module._modules)
        if kind == "keys":
            return [self.constant(n) for n in names]
        layers = [self.of_module(of, n, at) for n in names]
        return [Several([self.constant(n), m]) for n, m in zip(names, layers)] if kind == "items" else layers

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


_BUILT_IN: dict[Any, str] = {
    print: "_call_print", getattr: "_call_getattr", enumerate: "_call_enumerate", zip: "_call_zip", isinstance: "_call_static",
    hasattr: "_call_static",
}  # fmt: skip
_PYTHON: dict[Any, str] = {
    len: "aten::len", range: "aten::range", min: "prim::min", max: "prim::max", abs: "prim::abs", sum: "prim::sum", round: "prim::round",
    sorted: "aten::sorted", list: "aten::list",
}  # fmt: skip


def _hashed(value: Any) -> Any:
    return value if getattr(type(value), "__hash__", None) else None


def _methods_of(kind: Type) -> Any:
    return {"List": operators.LIST_METHODS, "Dict": operators.DICT_METHODS, "str": operators.STR_METHODS}.get(kind.name, ())


def _called(module: Module) -> str:
    return getattr(module, "original_name", type(module).__name__)


def _is_mark(value: Any) -> bool:
    return type(value) in (type(minitorch.contiguous_format), type(minitorch.strided))


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _number_in(node: ast.expr) -> int | None:
    try:
        found = ast.literal_eval(node)
    except ValueError:
        return None
    return found if type(found) is int else None


def _is_a(of: Type, wanted: Any) -> bool:
    if wanted in (list, tuple, dict):
        return of.name == wanted.__name__.capitalize()
    try:
        return of == types.of_annotation(wanted)
    except TypeError:
        return False
