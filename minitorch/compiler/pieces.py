"""A step in pieces: statements that look at a number of a tensor stay Python, and those between become programs.

The function's source is read. Each run of statements in which no record has failed becomes a function of the local variables that it
reads; it returns those that are read later. What is left calls these functions one after the other, so that what Python does in
between it does in each call. Read first `variables.py`; next: `step.py`, which compiles each piece.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Callable
from typing import Any

from ..nn.modules.module import Module
from .state import has_hooks, plain_of
from .step import Compiled
from .variables import bound_by, deleted_by, first_reads, read_by, read_later, runs_whole, surely_bound

# What reads or writes local variables by other means, or is there to be seen: such statements stay Python.
_BY_OTHER_MEANS = {"super", "locals", "vars", "dir", "eval", "exec", "globals", "print", "input", "next"}
_NEVER = (
    ast.Return, ast.Raise, ast.Break, ast.Continue, ast.Delete, ast.Global, ast.Nonlocal, ast.Import, ast.ImportFrom, ast.Try,
    ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.NamedExpr, ast.Match,
)  # fmt: skip
_UNREADABLE = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
_COMPUTES = (ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Subscript, ast.AugAssign)
_LOOKS = {"item", "tolist", "numpy"}
_FILLING = {"append", "extend", "add", "update", "insert", "setdefault", "pop", "popleft", "appendleft", "clear", "write"}


class Unreadable(Exception):
    """The function's source is not there, or is not what runs."""


class Pieces:
    """A function as Python that calls programs: `source` shows it, `of_it` has the pieces."""

    def __init__(self, function: Callable, backend: str) -> None:
        self.function, self.backend = function, backend
        plain, self.me = plain_of(function)
        if plain is None:
            raise Unreadable
        self.plain = plain
        self.tree = _read(self.plain)
        args = self.tree.args
        kinds = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        self.given = {a.arg for a in kinds if a is not None}
        self.variables = self.given | bound_by(*self.tree.body)
        self.captured = read_by(*(n for n in ast.walk(self.tree) if isinstance(n, (ast.Lambda, ast.FunctionDef)) and n is not self.tree))
        self.elsewhere = {
            name for n in ast.walk(self.tree) if isinstance(n, (ast.Global, ast.Nonlocal)) for name in n.names
        }
        self.left: set[int] = set()  # the ids of statements that stay Python
        self.of_it: list[Piece] = []
        self._known: dict[tuple, Piece] = {}
        self._run: Callable = self.plain
        self.source = ""

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
        lines = [f"it runs in {len(self.of_it)} pieces, with Python between them:", "", self.source]
        for piece in self.of_it:
            lines += ["", f"{piece.called} ({piece.__name__}):", piece.explain()]
        return "\n".join(lines)

    # ---- which statements stay Python ----

    def leave(self, places: set[tuple]) -> bool:
        """Leave the statements at these places to Python; whether that is news, and something is left to compile."""
        return self._leave([s for place in places if (s := self._statement_at(place)) is not None])

    def leave_what_has_effects(self) -> bool:
        """The same of all statements that write to objects or fill lists."""
        return self._leave([s for s in ast.walk(self.tree) if isinstance(s, ast.stmt) and _has_effects(s)])

    def leave_readers(self, piece: Piece, names: set[str]) -> bool:
        """The same of those statements of a piece that read some variables."""
        return self._leave([s for s in piece.statements if not names.isdisjoint(read_by(s))])

    def leave_piece(self, piece: Piece) -> bool:
        """The same of all of a piece."""
        return self._leave(piece.statements)

    def _leave(self, statements: list[ast.stmt]) -> bool:
        new = {id(s) for s in statements} - self.left
        if new:
            self.left |= new
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
        body = self._split(self.tree.body, self.captured, self.given)
        pieces = {p.called: p for p in self.of_it}
        whole = _with_body(self.tree, body)
        self._run = _function(whole, self.plain, pieces)
        self.source = ast.unparse(ast.fix_missing_locations(whole))

    def _split(self, block: list[ast.stmt], after: set[str], before: set[str]) -> list[ast.stmt]:
        """A block, in which runs of statements are calls of pieces. after: what may be read then; before: what is bound."""
        result: list[ast.stmt] = []
        run: list[ast.stmt] = []
        bound: set[str] | None = before
        bound_at_run = before
        lives = read_later(block, after)

        def end(live: set[str]) -> None:
            result.extend(self._piece(run, live | self.captured, bound_at_run))
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
            return _with_body(s, self._split(s.body, after, bound), self._split(s.orelse, after, bound))
        if isinstance(s, (ast.For, ast.While)):
            inside = bound - deleted_by(s)
            target = bound_by(s.target) if isinstance(s, ast.For) else set()
            return _with_body(s, self._split(s.body, again, inside | target), self._split(s.orelse, after, inside))
        if runs_whole(s):
            items = bound_by(*s.items)  # type: ignore[attr-defined]
            return _with_body(s, self._split(s.body, after, bound | items))  # type: ignore[attr-defined]
        return s

    def _can_join(self, s: ast.stmt, after: set[str], bound: set[str]) -> bool:
        """Whether a statement may be part of a piece."""
        if not isinstance(s, (ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Expr, ast.Assert, ast.If, ast.For, ast.While, ast.With)):
            return False
        if isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant):
            return False
        for n in ast.walk(s):
            if id(n) in self.left or (isinstance(n, _NEVER) and not _is_within_loop(n, s)):
                return False
            if isinstance(n, ast.With) and not runs_whole(n):
                return False
        names, binds = read_by(s), bound_by(s)
        if names & _BY_OTHER_MEANS - self.variables or binds & self.elsewhere:
            return False
        now = surely_bound([s], bound)
        return names & self.variables <= bound | _bound_inside(s) and now is not None and binds & (after | self.captured) <= now

    def _piece(self, run: list[ast.stmt], after: set[str], bound: set[str]) -> list[ast.stmt]:
        """A run of statements as the call of a piece; as it is if it computes nothing."""
        if not any(isinstance(n, _COMPUTES) for s in run for n in ast.walk(s)):
            return list(run)
        takes = sorted(first_reads(run) & self.variables & bound)
        gives = sorted(bound_by(*run) & after)
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
        super().__init__(_function(tree, whole.plain, {}), backend=whole.backend)
        self.whole, self.statements, self.takes = whole, run, takes
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
            self.whole.leave_readers(self, changed)
            return self.function(*args)
        return super()._recorded(args, kwargs)

    def _goes_in_pieces(self, record: Any) -> bool:
        """It is taken apart further."""
        if not record.graph.instructions and record.failed is None:
            return self.whole.leave_piece(self)
        if record.places:
            return self.whole.leave(record.in_source())
        return record.leaves_traces and self.whole.leave_what_has_effects()


# ---- source, tree, code ----


def _read(function: types.FunctionType) -> ast.FunctionDef:
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
    if _told(_function(tree, function, {}).__code__) != _told(code):
        raise Unreadable  # the file has changed, or pytest has rewritten it
    tree.body = [each for s in tree.body for each in _results_apart(s)]
    for node in ast.walk(tree):
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                setattr(node, name, [each for s in block for each in _looks_apart(s)])
    return tree


def _told(code: types.CodeType) -> tuple:
    """What tells a function's code from another's."""
    numbers = [c for c in code.co_consts if not isinstance(c, types.CodeType)]
    return code.co_names, code.co_varnames, code.co_cellvars, repr(numbers), {line for line, *_ in code.co_positions()}


def _is_private(node: ast.AST) -> bool:
    """Whether it has a name that Python writes otherwise within a class."""
    name = getattr(node, "attr", None) or getattr(node, "id", None) or ""
    return name.startswith("__") and not name.endswith("__")


def _results_apart(s: ast.stmt) -> list[ast.stmt]:
    """`return f(x)` → `result = f(x)`, `return result`, so that f(x) may be part of a piece."""
    if not isinstance(s, ast.Return) or s.value is None or isinstance(s.value, (ast.Name, ast.Constant)):
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
    if isinstance(e, (ast.Call, ast.BinOp, ast.Attribute, ast.Tuple, ast.List, ast.JoinedStr, ast.FormattedValue, ast.keyword)):
        for part in ast.iter_child_nodes(e):
            if (found := _first_computed(part)) is not None:
                return found
        return None if isinstance(e, (ast.Attribute, ast.Tuple, ast.List, ast.keyword)) else e
    return e


def _has_effects(s: ast.stmt) -> bool:
    targets = s.targets if isinstance(s, ast.Assign) else [s.target] if isinstance(s, (ast.AugAssign, ast.AnnAssign)) else []
    if any(isinstance(t, (ast.Attribute, ast.Subscript)) for t in targets):
        return True
    called = s.value.func if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call) else None
    return isinstance(called, ast.Attribute) and called.attr in _FILLING


def _is_within_loop(n: ast.AST, s: ast.stmt) -> bool:
    """Whether it is a `break` or `continue` of a loop within the statement."""
    loops = [loop for loop in ast.walk(s) if isinstance(loop, (ast.For, ast.While))]
    return isinstance(n, (ast.Break, ast.Continue)) and any(n is inner for loop in loops for b in loop.body for inner in ast.walk(b))


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


def _with_body(node: Any, body: list[ast.stmt], orelse: list[ast.stmt] | None = None) -> Any:
    """A copy of a statement with other blocks."""
    fields = {name: getattr(node, name, None) for name in node._fields} | {"body": body}
    if orelse is not None:
        fields["orelse"] = orelse
    return ast.copy_location(type(node)(**fields), node)


def _function(tree: ast.FunctionDef, like: types.FunctionType, things: dict[str, Any]) -> types.FunctionType:
    """The function of a tree, with the globals, the closure and the defaults of another; `things` it knows besides."""
    cells = dict(zip(like.__code__.co_freevars, like.__closure__ or ()))
    cells |= {name: types.CellType(thing) for name, thing in things.items()}
    shell = ast.parse(f"def shell({', '.join(cells)}):\n    pass")
    shell.body[0].body = [_bare(tree)]  # type: ignore[attr-defined]
    flags = like.__code__.co_flags & ~0xFFFF  # `from __future__`
    module = compile(ast.fix_missing_locations(shell), like.__code__.co_filename, "exec", flags, dont_inherit=True)
    outer = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    code = next(c for c in outer.co_consts if isinstance(c, types.CodeType) and c.co_name == tree.name)
    closure = tuple(cells[name] for name in code.co_freevars)
    made = types.FunctionType(code, like.__globals__, tree.name, None, closure)
    if tree.name == like.__name__:
        made.__defaults__, made.__kwdefaults__ = like.__defaults__, like.__kwdefaults__
    return made


def _bare(tree: ast.FunctionDef) -> ast.FunctionDef:
    """Without annotations and defaults, which were evaluated when the function was defined."""
    bare = _with_body(tree, tree.body)
    bare.returns, bare.decorator_list = None, []
    args = tree.args
    plain = lambda a: None if a is None else ast.copy_location(ast.arg(a.arg), a)
    none = [ast.copy_location(ast.Constant(None), tree) for _ in args.defaults]
    bare.args = ast.arguments(
        list(map(plain, args.posonlyargs)), list(map(plain, args.args)), plain(args.vararg), list(map(plain, args.kwonlyargs)),
        [d and ast.copy_location(ast.Constant(None), tree) for d in args.kw_defaults], plain(args.kwarg), none,
    )  # fmt: skip
    return bare
