"""Calls in a script: of tensors' functions and methods, of layers, of the user's functions, and of those that the front end itself knows."""

from __future__ import annotations

import ast
from typing import Any

import minitorch
from minitorch.nn.modules.container import ModuleDict, ModuleList, Sequential

from . import types
from .errors import UnsupportedNodeError
from .expressions import Expressions
from .function import Function
from .graph import Node, Value
from .names import Method, Of, Several, Thing, kind_of
from .types import INT, STR, TENSOR, fits, list_of

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


class Calls(Expressions):
    """What a call becomes."""

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
                rows = [self._tried_items(a) for a in node.args]
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

    def _tried_items(self, node: ast.expr) -> list[Any] | None:
        return self.trial(lambda: self.known_items(node))

    def _items_of(self, of: Of, kind: str, at: ast.AST) -> list[Any]:
        names = list(of.module._modules)
        if kind == "keys":
            return [self.constant(n) for n in names]
        layers = [self.of_module(of, n, at) for n in names]
        return [Several([self.constant(n), m]) for n, m in zip(names, layers)] if kind == "items" else layers


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
