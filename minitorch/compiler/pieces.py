"""A step in pieces: statements that look at a number of a tensor stay Python, and those between become programs.

The function's source is read. Each run of statements in which no record has failed becomes a function of the local variables that it
reads; it returns those that are read later. What is left calls these functions one after the other, so that what Python does in
between it does in each call. Read first `variables.py`; next: `step.py`, which compiles each piece.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ..nn.modules.module import Module
from .reading import COMPUTES, Unreadable, function_of, read, with_body
from .record import Record
from .state import has_hooks, plain_of
from .step import Compiled
from .variables import bound_by, deleted_by, first_reads, read_by, read_later, runs_whole, surely_bound

# What reads or writes local variables by other means, or is there to be seen: such statements stay Python.
_BY_OTHER_MEANS = {"super", "locals", "vars", "dir", "eval", "exec", "globals", "print", "input", "next"}
_NEVER = (
    ast.Return, ast.Raise, ast.Break, ast.Continue, ast.Delete, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.Try,
    ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.NamedExpr, ast.Match,
)  # fmt: skip
FEW = 4  # a program of fewer instructions gains nothing
_FILLING = {"append", "extend", "add", "update", "insert", "setdefault", "pop", "popleft", "appendleft", "clear", "write"}


class Pieces:
    """A function as Python that calls programs: `source` shows it, `of_it` has the pieces."""

    def __init__(self, function: Callable, backend: str, limit: int) -> None:
        self.function, self.backend, self.limit = function, backend, limit
        plain, self.me = plain_of(function)
        if plain is None:
            raise Unreadable
        self.plain = plain
        self.tree = read(self.plain)
        args = self.tree.args
        kinds = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        self.given = {a.arg for a in kinds if a is not None}
        self.variables = self.given | bound_by(*self.tree.body)
        self.captured = read_by(
            *(n for n in ast.walk(self.tree) if isinstance(n, (ast.Lambda, ast.FunctionDef)) and n is not self.tree)
        )
        self.elsewhere = {name for n in ast.walk(self.tree) if isinstance(n, (ast.Global, ast.Nonlocal)) for name in n.names}
        inner = [n for s in self.tree.body for n in ast.walk(s) if isinstance(n, ast.FunctionDef)]
        self.functions = {n.name for n in inner}  # made anew in each call
        self.left: dict[int, tuple[ast.stmt, str]] = {}  # by id the statements that stay Python, and why
        self.of_it: list[Piece] = []
        self._known: dict[tuple, Piece] = {}
        self._run: Callable = self.plain
        self.source = ""

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.of_it)

    def __call__(self, args: tuple, kwargs: dict) -> Any:
        if isinstance(self.me, Module) and self.function is self.me and has_hooks(self.me):
            return self.function(*args, **kwargs)
        return self._run(*args, **kwargs) if self.me is None else self._run(self.me, *args, **kwargs)

    # ---- what it shows ----

    def told(self, what: Callable[[Piece], str]) -> str:
        """What calls the pieces, then something of each that is a program."""
        programs = [f"# {p.called} ({p.__name__})\n{what(p)}" for p in self.of_it if any(v.program for v in p.variants)]
        return "\n\n".join([self.source, *programs])

    def explained(self) -> str:
        """What came of each piece."""
        lines = [f"it runs in {len(self.of_it)} pieces, with Python between them:", "", self.source, ""]
        reasons: dict[str, list[int]] = {}
        for s, why in self.left.values():
            reasons.setdefault(why, []).append(s.lineno)
        for why, at in reasons.items():
            lines.append(f"Python in line {', '.join(map(str, sorted(set(at))))}: {why}")
        for piece in self.of_it:
            lines += ["", f"{piece.called} ({piece.__name__}):", piece.explain()]
        return "\n".join(lines)

    # ---- which statements stay Python ----

    def leave(self, record: Record) -> bool:
        """Leave to Python what a record has failed at; whether that is news, and something is left to compile."""
        if record.places:
            around = [s for place in record.in_source() if (s := self._statement_at(place)) is not None]
        elif record.leaves_traces:
            around = [s for s in ast.walk(self.tree) if isinstance(s, ast.stmt) and _has_effects(s)]
        else:
            return False
        return self.leave_to_python(around, record.failed or "")

    def leave_to_python(self, statements: list[ast.stmt], why: str) -> bool:
        """The same of some statements."""
        new = {id(s): s for s in statements if id(s) not in self.left}
        if new:
            self.left |= {key: (s, why) for key, s in new.items()}
            self._build()
        return bool(new and self.of_it)

    def _statement_at(self, place: tuple) -> ast.stmt | None:
        """The innermost statement around a place in the source."""
        first, last, column, end = place
        if None in place:
            return None
        around = [
            s
            for s in ast.walk(self.tree)
            if isinstance(s, ast.stmt)
            and s is not self.tree
            and (s.lineno, s.col_offset) <= (first, column)
            and (last, end) <= (s.end_lineno, s.end_col_offset)
        ]
        return min(around, key=_extent, default=None)

    # ---- the function, taken apart ----

    def _build(self) -> None:
        self.of_it = []
        body = self._split(self.tree.body, set(), self.given)
        pieces = {p.called: p for p in self.of_it}
        whole = with_body(self.tree, body)
        self.source = ast.unparse(ast.fix_missing_locations(whole))
        # (A variable that only a piece binds is a variable still: who reads it where it is not bound gets the same error.)
        within = sorted(self.variables - self.given - bound_by(*body) - self.elsewhere)
        never = ast.If(
            ast.Constant(False),
            [ast.Assign([_names(within, ast.Store())], ast.Constant(None))] if within else [ast.Pass()],
            [],
        )
        self._run = function_of(with_body(self.tree, [*body, never]), self.plain, pieces)

    def _split(self, block: list[ast.stmt], after: set[str], before: set[str]) -> list[ast.stmt]:
        """A block, in which runs of statements are calls of pieces. after: what may be read then; before: what is bound."""
        result: list[ast.stmt] = []
        run: list[ast.stmt] = []
        bound: set[str] | None = before
        bound_at_run = before
        lives = read_later(block, after)

        def end(live: set[str]) -> None:
            result.extend(self._piece(run, live, bound_at_run))
            run.clear()

        for k, s in enumerate(block):
            if bound is None:  # nobody comes here
                result.append(s)
                continue
            if self._can_join(s, lives[k], bound):
                if not run:
                    bound_at_run = bound
                run.append(s)
            else:
                end(lives[k - 1] if k else set())
                result.append(self._within(s, lives[k], bound))
            bound = surely_bound([s], bound)
        end(after)
        return result

    def _within(self, s: ast.stmt, after: set[str], bound: set[str]) -> ast.stmt:
        """A statement that stays Python, its blocks in pieces."""
        again = after | read_by(s)
        if isinstance(s, ast.If):
            return with_body(s, self._split(s.body, after, bound), self._split(s.orelse, after, bound))
        if isinstance(s, (ast.For, ast.While)):
            inside = bound - deleted_by(s)
            target = bound_by(s.target) if isinstance(s, ast.For) else set()
            return with_body(s, self._split(s.body, again, inside | target), self._split(s.orelse, after, inside))
        if runs_whole(s):
            items = bound_by(*s.items)  # type: ignore[attr-defined]
            return with_body(s, self._split(s.body, after, bound | items))  # type: ignore[attr-defined]
        return s

    def _can_join(self, s: ast.stmt, after: set[str], bound: set[str]) -> bool:
        """Whether a statement may be part of a piece."""
        if not isinstance(
            s, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Assert, ast.If, ast.For, ast.While, ast.With)
        ):
            return False
        if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant):
            return False
        for n in ast.walk(s):
            if id(n) in self.left or (isinstance(n, _NEVER) and not _is_within_loop(n, s)):
                return False
            if isinstance(n, ast.With) and not runs_whole(n):
                return False
        names, binds = read_by(s), bound_by(s)
        if names & self.functions:
            return False
        if names & _BY_OTHER_MEANS - self.variables or binds & (self.elsewhere | self.captured):
            return False
        now = surely_bound([s], bound)
        return names & self.variables <= bound | _bound_inside(s) and now is not None and binds & after <= now

    def _piece(self, run: list[ast.stmt], after: set[str], bound: set[str]) -> list[ast.stmt]:
        """A run of statements as the call of a piece; as it is if it computes nothing."""
        if not any(isinstance(n, COMPUTES) for s in run for n in ast.walk(s)):
            return list(run)
        gives = sorted(bound_by(*run) & after)
        kept = set(gives) - (surely_bound(run, set()) or set())  # which the run may leave as they were
        takes = sorted((first_reads(run) | kept) & self.variables & bound)
        key = (tuple(map(id, run)), tuple(takes), tuple(gives))
        if key not in self._known:
            self._known[key] = Piece(self, list(run), takes, gives)
        piece = self._known[key]
        self.of_it.append(piece)
        piece.called = self._free_name(f"piece_{len(self.of_it)}")
        call: ast.expr = ast.Call(ast.Name(piece.called, ast.Load()), [ast.Name(n, ast.Load()) for n in takes], [])
        statement = ast.Assign([_names(gives, ast.Store())], call) if gives else ast.Expr(call)
        return [ast.fix_missing_locations(ast.copy_location(statement, run[0]))]

    def _free_name(self, name: str) -> str:
        """The name, or one like it that the function does not use."""
        code = self.plain.__code__
        while name in self.variables or name in code.co_names or name in code.co_freevars:
            name += "_"
        return name


class Piece(Compiled):
    """Some statements of a function, as a compiled function of the variables that they read."""

    def __init__(self, whole: Pieces, run: list[ast.stmt], takes: list[str], gives: list[str]) -> None:
        args = ast.arguments([], [ast.arg(n) for n in takes], None, [], [], None, [])
        body = [*run, *([ast.Return(_names(gives, ast.Load()))] if gives else [])]
        tree = ast.copy_location(ast.FunctionDef("piece", args, body, [], lineno=run[0].lineno, col_offset=0), run[0])
        super().__init__(function_of(tree, whole.plain, {}, is_whole=False), backend=whole.backend, limit=whole.limit)
        self.whole, self.statements, self.takes = whole, run, takes
        self.around = whole.plain
        self.called = ""  # its name in what calls it
        last = run[-1].end_lineno
        self.__name__ = f"{whole.plain.__name__}, line{'s' * (last != run[0].lineno)} {run[0].lineno}" + (
            f"–{last}" * (last != run[0].lineno)
        )
        self._numbers: list = [None] * len(takes)

    def _recorded(self, args: tuple, kwargs: dict) -> Any:
        """A call that no program fits. A number that changes is none that a program can have been made for: who reads it stays Python."""
        before, self._numbers = self._numbers, [a if type(a) in (int, float) else None for a in args]
        changed = {n for n, a, b in zip(self.takes, before, self._numbers) if a is not None and b is not None and a != b}
        if changed:
            readers = [s for s in self.statements if not changed.isdisjoint(read_by(s))]
            self.whole.leave_to_python(readers, f"a number changes from call to call: {', '.join(sorted(changed))}")
            return self.function(*args)
        if len(self.variants) == self.limit and all(v.program is None for v in self.variants):
            about = self.variants[-1].guard.broken(args, kwargs)
            self._is_left(f"{self.limit} calls were not alike: {about}")
        return super()._recorded(args, kwargs)

    def _goes_in_pieces(self, record: Record) -> bool:
        """It is taken apart further, or left to Python."""
        if record.failed is not None:
            return record.began and (self.whole.leave(record) or self._is_left(record.failed))
        done = record.graph.instructions
        few = sum(not i.views for i in done) < FEW and not any(i.effect for i in done)
        return few and self._is_left("it is too short to gain by a program")

    def _is_left(self, why: str) -> bool:
        self.whole.leave_to_python(self.statements, why)
        return True


# ---- statements ----


def _has_effects(s: ast.stmt) -> bool:
    targets = s.targets if isinstance(s, ast.Assign) else [s.target] if isinstance(s, (ast.AugAssign, ast.AnnAssign)) else []
    if any(isinstance(t, (ast.Attribute, ast.Subscript)) for t in targets):
        return True
    called = s.value.func if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) else None
    if isinstance(called, ast.Name):
        return called.id == "print"
    return isinstance(called, ast.Attribute) and called.attr in _FILLING


def _is_within_loop(n: ast.AST, s: ast.stmt) -> bool:
    """Whether it is a `break` or `continue` of a loop within the statement."""
    loops = [loop for loop in ast.walk(s) if isinstance(loop, (ast.For, ast.While))]
    return isinstance(n, (ast.Break, ast.Continue)) and any(
        n is inner for loop in loops for b in loop.body for inner in ast.walk(b)
    )


def _bound_inside(s: ast.stmt) -> set[str]:
    """The names that a compound statement binds before it reads them."""
    if isinstance(s, ast.For):
        return bound_by(s.target) | (bound_by(s) - first_reads(s.body))
    if isinstance(s, ast.If):
        return bound_by(s) - first_reads(s.body) - first_reads(s.orelse)
    return bound_by(s) - first_reads(s.body) if runs_whole(s) else set()  # type: ignore[attr-defined]


def _extent(s: Any) -> tuple[int, int]:
    """How large it is in the source: lines, columns."""
    return s.end_lineno - s.lineno, s.end_col_offset - s.col_offset


def _names(names: list[str], how: Any) -> ast.expr:
    each: list[ast.expr] = [ast.Name(n, how) for n in names]
    return each[0] if len(each) == 1 else ast.Tuple(each, how)
