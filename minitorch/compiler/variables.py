"""Local variables of a piece of code: which it reads, which it binds, which are bound or will be read at some place.

All of it is read off the syntax tree, and errs on the safe side: more are read than are, fewer are bound. Read next: `pieces.py`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

_SIMPLE = (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Assert)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_NEVER_SUPPRESS = {"no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "autocast", "record_function"}
_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)


def read_by(*nodes: ast.AST) -> set[str]:
    """The names that are looked up there, those of inner functions among them."""
    found = {n.id for node in nodes for n in ast.walk(node) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Store)}
    for node in nodes:
        found |= {n.target.id for n in ast.walk(node) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}
    return found


def bound_by(*nodes: ast.AST) -> set[str]:
    """The names that may be bound there; what a comprehension or an inner function binds is its own affair."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            found.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, _COMPREHENSIONS):
            found |= {n.target.id for n in ast.walk(node) if isinstance(n, ast.NamedExpr)}  # type: ignore[union-attr]
        elif not isinstance(node, ast.Lambda):
            names = (getattr(node, "name", None), getattr(node, "rest", None))  # of `except … as name`, of patterns
            found |= {n for n in names if isinstance(n, str)} | bound_by(*ast.iter_child_nodes(node))
    return found


def surely_bound(statements: Iterable[ast.stmt], before: set[str]) -> set[str] | None:
    """The names that are bound after these statements, if those of `before` were; None if there is no after."""
    now: set[str] | None = set(before)
    for s in statements:
        if isinstance(s, _ENDS):
            return None
        now = _bound_after(s, now)  # type: ignore[arg-type]
        if now is None:
            return None
    return now


def _bound_after(s: ast.stmt, before: set[str]) -> set[str] | None:
    if isinstance(s, ast.If):
        ends = [b for b in (surely_bound(branch, before) for branch in (s.body, s.orelse)) if b is not None]
        return set.intersection(*ends) if ends else None
    if runs_whole(s):
        return surely_bound(s.body, before | bound_by(*s.items))  # type: ignore[attr-defined]
    if isinstance(s, (*_SIMPLE, ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)):
        return before if isinstance(s, ast.AnnAssign) and s.value is None else before | bound_by(s)
    return before - deleted_by(s)


def runs_whole(s: ast.stmt) -> bool:
    """Whether it is a `with` whose body is left by its end or by an exception, which is not suppressed."""
    if not isinstance(s, ast.With):
        return False
    called = [i.context_expr.func if isinstance(i.context_expr, ast.Call) else i.context_expr for i in s.items]
    return all(getattr(c, "attr", getattr(c, "id", "")) in _NEVER_SUPPRESS for c in called)


def deleted_by(node: ast.AST) -> set[str]:
    """The names that may be unbound there: by `del`, or at the end of `except … as name`."""
    found = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Del)}
    return found | {n.name for n in ast.walk(node) if isinstance(n, ast.ExceptHandler) and n.name}


def read_later(statements: list[ast.stmt], after: set[str]) -> list[set[str]]:
    """For each statement the names that may be read when it is done; `after`: those that may be when all are."""
    found = []
    for s in reversed(statements):
        found.append(after)
        again = bound_by(s) if isinstance(s, (ast.Assign, ast.AnnAssign)) else set()
        after = (after - again) | read_by(s)
    return found[::-1]


def first_reads(statements: Iterable[ast.stmt]) -> set[str]:
    """The names whose values from before the statements may be read in them."""
    found: set[str] = set()
    bound: set[str] = set()
    for s in statements:
        found |= read_by(s) - bound
        bound = surely_bound([s], bound) or bound
    return found
