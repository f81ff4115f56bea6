"""What a script computes: each expression becomes nodes of the graph. Read next: `frontend.py`, for the statements."""

from __future__ import annotations

import ast
import inspect
from typing import Any

from minitorch.nn.modules.container import ModuleDict, ModuleList, Sequential
from minitorch.nn.modules.module import Module

from . import operators, types
from .builder import is_mark
from .conditions import Conditions
from .errors import UnsupportedNodeError, unsupported
from .graph import Value
from .names import Method, Missing, Of, Thing, is_constant, is_namespace
from .types import ANY, BOOL, NONE, STR, TENSOR, Type, joined, list_of, tuple_of

_BINARY = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.FloorDiv: "floordiv", ast.Mod: "remainder", ast.Pow: "pow",
    ast.MatMult: "matmul", ast.BitAnd: "__and__", ast.BitOr: "__or__", ast.BitXor: "__xor__", ast.LShift: "__lshift__",
    ast.RShift: "__rshift__",
}  # fmt: skip
_COMPARE = {
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "__is__", ast.IsNot: "__isnot__",
    ast.In: "__contains__", ast.NotIn: "__contains__",
}  # fmt: skip


class Expressions(Conditions):
    """Names, operators, attributes, containers."""

    # ---- expressions ----

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
            return self.constant(found) if is_plain and not is_mark(found) else Thing(found, node.attr)
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


def _methods_of(kind: Type) -> Any:
    return {"List": operators.LIST_METHODS, "Dict": operators.DICT_METHODS, "str": operators.STR_METHODS}.get(kind.name, ())


def _called(module: Module) -> str:
    return getattr(module, "original_name", type(module).__name__)


def _number_in(node: ast.expr) -> int | None:
    try:
        found = ast.literal_eval(node)
    except ValueError:
        return None
    return found if type(found) is int else None
