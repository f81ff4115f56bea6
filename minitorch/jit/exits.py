"""Programs without `break`, `continue` and returns in the middle: what a graph of blocks can say.

What follows an `if` that may return moves into its branches, so that every path ends in a return. In a loop a flag says that it is over
(`break`, `return`) or that the round is (`continue`), and what comes after a place where it may be set is done only if it is not. Read next:
`frontend.py`.
"""

from __future__ import annotations

import ast
import copy
import itertools
from collections.abc import Sequence

RESULT, RETURNED, UNSET = "_result", "_returned", "_unset"  # names that the rewritten program has


def with_one_way_out(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The body of a function, every path of which ends in a return; loops have `until`, the name of the flag that ends them, or None."""
    return _Rewriting().tail(list(copy.deepcopy(list(body))))


class _Rewriting:
    def __init__(self) -> None:
        self.numbers = itertools.count()

    def tail(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        """The same, ending in a return on every path."""
        done: list[ast.stmt] = []
        while statements:
            statement = statements.pop(0)
            if isinstance(statement, (ast.Return, ast.Raise)):
                return [*done, statement]
            if isinstance(statement, ast.If) and _has(statement, ast.Return):
                for branch in (statement.body, statement.orelse):
                    branch[:] = self.tail([*branch, *([] if _ends(branch) else copy.deepcopy(statements))])
                return [*done, statement]
            if isinstance(statement, (ast.For, ast.While)):
                returns = _has(statement, ast.Return)
                done += self.loop(statement)
                if returns:
                    out = ast.If(_name(RETURNED), [ast.Return(_name(RESULT))], [])
                    statements.insert(0, _like(out, statement))
                continue
            done.append(self.within(statement))
        where = done[-1] if done else ast.Pass(lineno=1, col_offset=0)
        return [*done, _like(ast.Return(None), where)]

    def within(self, statement: ast.stmt) -> ast.stmt:
        """A branch outside of loops, whose loops are rewritten."""
        if isinstance(statement, ast.If):
            for branch in (statement.body, statement.orelse):
                branch[:] = [s for each in branch for s in self.inner(each)]
        return statement

    def inner(self, statement: ast.stmt) -> list[ast.stmt]:
        return self.loop(statement) if isinstance(statement, (ast.For, ast.While)) else [self.within(statement)]

    def loop(self, loop: ast.For | ast.While) -> list[ast.stmt]:
        """The loop, and before it its flags."""
        n = next(self.numbers)
        over, skips = f"_over_{n}", f"_skip_{n}"
        before: list[ast.stmt] = []
        if _has(loop, ast.Return):
            before += [_assign(RETURNED, ast.Constant(False)), _assign(RESULT, _name(UNSET))]
        ends = _has(loop, ast.Return) or _has_own(loop.body, ast.Break)
        if ends:
            before.append(_assign(over, ast.Constant(False)))
        has_skips = _has_own(loop.body, ast.Continue)
        body = self.round(loop.body, over, skips)
        loop.body = [_assign(skips, ast.Constant(False)), *body] if has_skips else body
        loop.until = over if ends else None  # type: ignore[union-attr]
        return [_like(s, loop) for s in before] + [loop]

    def round(self, statements: list[ast.stmt], over: str, skips: str) -> list[ast.stmt]:
        """What one round does, with flags in the place of exits."""
        done: list[ast.stmt] = []
        for k, statement in enumerate(statements):
            flags: list[str] = []
            if isinstance(statement, ast.Break):
                return [*done, _like(_assign(over, ast.Constant(True)), statement)]
            if isinstance(statement, ast.Continue):
                return [*done, _like(_assign(skips, ast.Constant(True)), statement)]
            if isinstance(statement, ast.Return):
                result = _assign(RESULT, statement.value or ast.Constant(None))
                flagged = [result, _assign(RETURNED, ast.Constant(True)), _assign(over, ast.Constant(True))]
                return [*done, *(_like(s, statement) for s in flagged)]
            if isinstance(statement, ast.If):
                if _has(statement, ast.Return) or _has_own([statement], ast.Break):
                    flags.append(over)
                if _has_own([statement], ast.Continue):
                    flags.append(skips)
                for branch in (statement.body, statement.orelse):
                    branch[:] = self.round(branch, over, skips)
                done.append(statement)
            elif isinstance(statement, (ast.For, ast.While)):
                returns = _has(statement, ast.Return)
                inner = self.loop(statement)
                if returns:  # the flags of the result are the outer loop's, which has set them already
                    inner = [s for s in inner if not (isinstance(s, ast.Assign) and _target(s) in (RESULT, RETURNED))]
                    inner.append(_like(ast.If(_name(RETURNED), [_assign(over, ast.Constant(True))], []), statement))
                    flags.append(over)
                done += inner
            else:
                done.append(statement)
            rest = statements[k + 1 :]
            if flags and rest:
                test: ast.expr = ast.UnaryOp(ast.Not(), _name(flags[0]))
                for flag in flags[1:]:
                    test = ast.BoolOp(ast.And(), [test, ast.UnaryOp(ast.Not(), _name(flag))])
                return [*done, _like(ast.If(test, self.round(rest, over, skips), []), statement)]
        return done


def _has(statement: ast.AST, kind: type) -> bool:
    """Whether there is such a statement in it."""
    return any(isinstance(node, kind) for node in ast.walk(statement))


def _has_own(statements: Sequence[ast.AST], kind: type) -> bool:
    """Whether there is such a statement that is about the loop around these, not about one among them."""
    return any(
        isinstance(s, kind) or (isinstance(s, ast.If) and (_has_own(s.body, kind) or _has_own(s.orelse, kind)))
        for s in statements
    )


def _ends(statements: Sequence[ast.stmt]) -> bool:
    """Whether every path through these returns or raises."""
    return any(
        isinstance(s, (ast.Return, ast.Raise)) or (isinstance(s, ast.If) and _ends(s.body) and _ends(s.orelse))
        for s in statements
    )


def _name(name: str) -> ast.Name:
    return ast.Name(name, ast.Load())


def _assign(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _target(assign: ast.Assign) -> str:
    return getattr(assign.targets[0], "id", "")


def _like(made: ast.stmt, at: ast.AST) -> ast.stmt:
    """The statement, as if it stood where another one does."""
    return ast.fix_missing_locations(ast.copy_location(made, at))


def returns_always(node: ast.If) -> bool:
    """Whether both branches end in a return, as the rewritten ones do if one of them has one."""
    return any(isinstance(s, (ast.Return, ast.Raise)) for s in ast.walk(node)) and all(
        bool(b) and (isinstance(b[-1], (ast.Return, ast.Raise)) or (isinstance(b[-1], ast.If) and returns_always(b[-1])))
        for b in (node.body, node.orelse)
    )
