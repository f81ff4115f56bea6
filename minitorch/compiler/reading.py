"""A function's source as a tree, and a tree as a function again: with the closure, the globals and the lines of the one that was read.

In the tree what computes stands apart from what looks at its result: `f(x).item()` is two statements. Read next: `pieces.py`.
"""

from __future__ import annotations

import ast
import inspect
import types
from typing import Any

COMPUTES = (ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.AugAssign)
_UNREADABLE = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
_SHELL = "function_in_a_shell_"
_LOOKS = {"item", "tolist", "numpy"}


class Unreadable(Exception):
    """The function's source is not there, or is not what runs."""


def read(function: types.FunctionType) -> ast.FunctionDef:
    """The tree of a function, whose places are those of its file."""
    code = function.__code__
    try:
        lines, first = inspect.getsourcelines(code)
        text = "".join(lines)
        indented = text[:1].isspace()
        module = ast.parse("if 1:\n" + text if indented else text)
    except (OSError, TypeError, SyntaxError):
        raise Unreadable from None
    tree = module.body[0].body[0] if indented else module.body[0]  # type: ignore[attr-defined]
    if not isinstance(tree, ast.FunctionDef) or any(isinstance(n, _UNREADABLE) or _is_private(n) for n in ast.walk(tree)):
        raise Unreadable
    ast.increment_lineno(tree, first - 1 - indented)
    tree.decorator_list = []
    if _told(function_of(tree, function, {}).__code__) != _told(code):
        raise Unreadable  # the file has changed, or pytest has rewritten it
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, [each for s in block for part in _results_apart(s) for each in _looks_apart(part)])
    return tree


def _told(code: types.CodeType) -> tuple:
    """What tells a function's code from another's."""
    numbers = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
    lines = {line for line, *_ in code.co_positions()} - {code.co_firstlineno}  # (that is a decorator's, if there is one)
    return code.co_names, code.co_varnames, code.co_cellvars, repr(numbers), lines


def _is_private(node: ast.AST) -> bool:
    """Whether it has a name that Python writes otherwise within a class."""
    name = getattr(node, "attr", None) or getattr(node, "id", None) or ""
    return name.startswith("__") and not name.endswith("__")


def _results_apart(s: ast.stmt) -> list[ast.stmt]:
    """`return f(x)` → `result = f(x)`, `return result`, so that f(x) may be part of a piece."""
    if not isinstance(s, ast.Return) or s.value is None or not any(isinstance(n, COMPUTES) for n in ast.walk(s.value)):
        return [s]
    name = ast.copy_location(ast.Name("result_", ast.Load()), s)
    return [_assigned("result_", s.value), ast.copy_location(ast.Return(name), s)]


def _looks_apart(s: ast.stmt) -> list[ast.stmt]:
    """`total += f(x).item()` → `looked_ = f(x)`, `total += looked_.item()`, where f(x) is the first that is computed."""
    if not isinstance(s, (ast.Assign, ast.AugAssign, ast.Expr, ast.AnnAssign)) or s.value is None:
        return [s]
    look = _first_computed(s.value)
    if not isinstance(look, ast.Call) or not _is_a_look(look):
        return [s]
    held = look.func.value if isinstance(look.func, ast.Attribute) else look.args[0]
    name = ast.copy_location(ast.Name(f"looked_{s.lineno}", ast.Load()), look)
    if isinstance(look.func, ast.Attribute):
        look.func.value = name
    else:
        look.args[0] = name
    return [_assigned(name.id, held), s]


def _assigned(name: str, value: ast.expr) -> ast.stmt:
    target = ast.copy_location(ast.Name(name, ast.Store()), value)
    return ast.copy_location(ast.Assign([target], value), value)


def _is_a_look(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in _LOOKS and not call.args and not _is_plain(call.func.value)
    is_number = isinstance(call.func, ast.Name) and call.func.id in ("float", "int", "bool")
    return is_number and len(call.args) == 1 and not call.keywords and not _is_plain(call.args[0])


def _is_plain(e: ast.expr) -> bool:
    return isinstance(e, (ast.Name, ast.Constant)) or (isinstance(e, ast.Attribute) and _is_plain(e.value))


def _first_computed(e: ast.AST) -> ast.AST | None:
    """What Python computes first of an expression, if it is a look; another node if it is something else; None if nothing is computed."""
    if isinstance(e, (ast.Name, ast.Constant, ast.operator, ast.cmpop, ast.expr_context)):
        return None
    if isinstance(e, ast.Call) and _is_a_look(e):
        return e
    if isinstance(
        e, (ast.Call, ast.BinOp, ast.Attribute, ast.Tuple, ast.List, ast.JoinedStr, ast.FormattedValue, ast.keyword)
    ):
        for part in ast.iter_child_nodes(e):
            if (found := _first_computed(part)) is not None:
                return found
        return None if isinstance(e, (ast.Attribute, ast.Tuple, ast.List, ast.keyword)) else e
    return e


def with_body(node: Any, body: list[ast.stmt], orelse: list[ast.stmt] | None = None) -> Any:
    """A copy of a statement with other blocks."""
    fields = {name: getattr(node, name, None) for name in node._fields} | {"body": body}
    if orelse is not None:
        fields["orelse"] = orelse
    return ast.copy_location(type(node)(**fields), node)


def function_of(
    tree: ast.FunctionDef, like: types.FunctionType, things: dict[str, Any], is_whole: bool = True
) -> types.FunctionType:
    """The function of a tree, with the globals and the closure of another, and its defaults if it is all of it; `things` it knows besides."""
    cells = dict(zip(like.__code__.co_freevars, like.__closure__ or ()))
    cells |= {name: types.CellType(thing) for name, thing in things.items()}
    shell = ast.parse(f"def shell({', '.join(cells)}):\n    pass")
    shell.body[0].body = [_bare(tree)]  # type: ignore[attr-defined]
    flags = like.__code__.co_flags & ~0xFFFF  # `from __future__`
    module = compile(ast.fix_missing_locations(shell), like.__code__.co_filename, "exec", flags, dont_inherit=True)
    outer = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    code = next(c for c in outer.co_consts if isinstance(c, types.CodeType) and c.co_name == _SHELL)
    closure = tuple(cells[name] for name in code.co_freevars)
    made = types.FunctionType(code.replace(co_name=tree.name), like.__globals__, tree.name, None, closure)
    if is_whole:
        made.__defaults__, made.__kwdefaults__ = like.__defaults__, like.__kwdefaults__
    return made


def _bare(tree: ast.FunctionDef) -> ast.FunctionDef:
    """Without annotations and defaults, which were evaluated when the function was defined."""
    bare = with_body(tree, tree.body)
    bare.name = _SHELL  # a function may speak of itself
    bare.returns, bare.decorator_list = None, []
    args = tree.args

    def plain(a: Any) -> Any:
        return None if a is None else ast.copy_location(ast.arg(a.arg), a)

    def none(default: Any) -> Any:
        return None if default is None else ast.copy_location(ast.Constant(None), tree)

    bare.args = ast.arguments(
        list(map(plain, args.posonlyargs)), list(map(plain, args.args)), plain(args.vararg), list(map(plain, args.kwonlyargs)),
        list(map(none, args.kw_defaults)), plain(args.kwarg), list(map(none, args.defaults)),
    )  # fmt: skip
    return bare
