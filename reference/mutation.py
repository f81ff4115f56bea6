"""Do the tests notice? Break every derivative and update rule in one place at a time, and see whether a row fails.

A mutant is one small edit of a function's syntax tree: a sign flipped, a factor dropped, two names exchanged, a constant
or a comparison changed. It takes the place of the original's code object for as long as one row's gradients are compared
with torch's, so nothing is reloaded. A mutant that no draw tells from the original has survived: a hole in the table, or
an edit that means the same, which `EQUIVALENT` lists with the reason. Run all: `python -m reference mutate`.
"""

from __future__ import annotations

import ast
import copy
import functools
import importlib
import itertools
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import minitorch
import minitorch.op
from minitorch.autograd import engine

from . import compiled_steps, optimizers
from .checks import compare, differentiate
from .cuda_on_cpu import compiler
from .on_device import OnDevice
from .strategies import Source
from .strict_cupy import standing_in
from .table import Row, flat, table, tensors

DRAWS = 24  # how often a row is tried before a mutant counts as a survivor; every third draw has special values
FEW = 3  # as often first, before what the other draws need is measured

# (where, the changed line): why it is no other function. Keep this short.
_TIE = "where a = b the tie's share is taken, so the comparison's own value there is not read"
_UNREAD = "multiplied by a zero that `where` or the other factor puts there"
_LOG_0 = "where g = 0, ln |g| = −∞ and the lowest number both add nothing"
_SHORTCUT = "a shortcut: the general case below gives the same"
_BY_SCRIPTS = "no row draws it (bools beside floats; a gradient of a leaf that got other dimensions): tests/test_found_by_scripts.py does"
_ONES = "ones = [i + new for i, n in enumerate(shape) if n == 1 and"
_NOTHING_OUTSIDE = "of a square matrix nothing is left over, and 0 is added"
_SINGULAR = "singular matrices: tests/test_linalg.py and torch's samples"
_DIVIDES_0 = "on the diagonal it divides 0"
_DIVIDED_AGAIN = "what stands for 0 is multiplied by and divided by"
_ONE_BATCH = "of one batch of matrices, or of one matrix, that is the same dimension; torch's samples have several"
_IN_CAPTURES = "asked, or read, within a capture alone: tests/test_cuda_graphs.py"
EQUIVALENT: dict[tuple[str, str], str] = {
    (
        "Adam.in one launch",
        "launch(ADAM_KERNEL, rows, Numbers(optimizer, group, t, _of_adam, 10), AMSGRAD=int(group['amsgrad']))",
    ): _IN_CAPTURES,
    ("mse_loss/x:_numbers", "return 1 * 1 if str(x.dtype).endswith('bool') else x"): _BY_SCRIPTS,
    ("mse_loss/x:_numbers", "return x * 2 if str(x.dtype).endswith('bool') else x"): _BY_SCRIPTS,
    ("reduced", f"{_ONES} i + new <= g.ndim and (g.shape[i + new] != 1)]"): _BY_SCRIPTS,
    ("reduced", f"{_ONES} i - new < g.ndim and (g.shape[i + new] != 1)]"): _BY_SCRIPTS,
    ("maximum/a", "lambda g, a, b: _share(g, ~(a <= b), a == b)"): _TIE,
    ("maximum/b", "lambda g, a, b: _share(g, ~(b <= a), a == b)"): _TIE,
    ("minimum/a", "lambda g, a, b: _share(g, ~(a >= b), a == b)"): _TIE,
    ("minimum/b", "lambda g, a, b: _share(g, ~(b >= a), a == b)"): _TIE,
    ("atan2/a:_recip_norm", "return where(squares == 0, 1.0, reciprocal(squares))"): _UNREAD,
    ("copysign/a", "return g * where(out == 0, 0.0, a / out)"): "a and out differ in sign only: a/out = out/a",
    ("pow/b", "return g * (out * (math.log(a) if a >= 0 else math.nan))"): "a = 0 has returned before",
    ("transpose/x", "return transpose(g, dim1, dim0)"): "transposing is symmetric in its dims",
    ("to_device/x", "return to_device(g, target, source)"): "a row has one device; tests/test_cuda.py copies between two",
    ("softplus/x", "return where(x * beta >= threshold, g, g * sigmoid(x * beta))"): "equal but for 2e-9 at threshold 20",
    ("_prelu_kernel/weight", "return where(x >= 0, 0.0, x * g)"): _UNREAD,
    ("linear/weight", "if g.ndim != 2 and x.ndim == 2:"): _SHORTCUT,
    ("linear/weight", "if g.ndim == 2 and x.ndim != 2:"): _SHORTCUT,
    ("linear/weight", "if g.ndim == 3 and x.ndim == 2:"): _SHORTCUT,
    ("linear/weight", "if g.ndim == 2 and x.ndim == 3:"): _SHORTCUT,
    (
        "Adam._remembers",
        "return ('exp_avg', 'exp_avg_sq', 'max_exp_avg_sq')[:4 if group['amsgrad'] else 2]",
    ): "there are three names",
    ("nll_loss/x", "classes = where(keep, target, 1)"): "any class will do where the weight is 0",
    ("linalg_vector_norm/x", "if p <= 1:"): "p = 1 has returned before",
    (
        "linalg_vector_norm/x",
        "return (sign(x) * pow_(size, p - 1) if p <= 2 else x * pow_(size, p - 2)) * scale",
    ): "p = 2 has returned before",
    ("linalg_vector_norm/x", "scale = masked_fill(g / pow_(out, p - 1), out == 0, 1)"): _UNREAD,
    ("linalg_vector_norm/x", "return sign(x) * masked_fill(pow_(size, p - 1), x == 0, 1) * g * pow_(out, 1 - p)"): _UNREAD,
    (
        "logcumsumexp/x",
        "gain, loss = (exp(_from_the_end(logcumsumexp, where(s, size, nothing) - out, dim) + x) for s in (g >= 0, g < 0))",
    ): _LOG_0,
    (
        "logcumsumexp/x",
        "gain, loss = (exp(_from_the_end(logcumsumexp, where(s, size, nothing) - out, dim) + x) for s in (g > 0, g <= 0))",
    ): _LOG_0,
    ("linalg_svd/A", "if g is not None and A_shape[-2] >= k:"): _NOTHING_OUTSIDE,
    ("linalg_svd/A", "if g_Vh is not None and A_shape[-1] >= k:"): _NOTHING_OUTSIDE,
    ("linalg_svd/A:_apart", "return x - identity(like, like.shape[-1])"): _DIVIDES_0,
    ("matrix_exp/input", "n = input.shape[+1]"): _ONE_BATCH,
    ("matrix_exp/input", "n = input.shape[-2]"): "the matrices are square",
    ("linalg_qr/A", "return cat([square, Q @ g_right], -1) if n >= m else square"): _NOTHING_OUTSIDE,
    (
        "linalg_slogdet/A",
        "return A * 1 if g_logabsdet is None else of_matrices(g_logabsdet) * mT(inverse_of(A)[0])",
    ): "no row differentiates the sign alone",
    (
        "linalg_slogdet/A",
        "return 1 * 0 if g_logabsdet is None else of_matrices(g_logabsdet) * mT(inverse_of(A)[0])",
    ): "no row differentiates the sign alone",
    ("linalg_qr/A", "g, g_R = (Q * 1 if g is None else g, R * 0 if g_R is None else g_R)"): "Qᵀ Q = I has the derivative 0",
    ("linalg_qr/A", "g, g_R = (1 * 0 if g is None else g, R * 0 if g_R is None else g_R)"): "one 0 broadcasts",
    ("linalg_det/A", "return g * 1"): _SINGULAR,
    ("linalg_det/A", "return 1 * _cofactors(A, size, invertible)"): _SINGULAR,
    ("linalg_qr/A", "m, n = (Q.shape[+2], R.shape[-1])"): "of a tall matrix, R has nothing from there on",
    ("scatter_reduce/x", "factor = where(x == 0, 2.0, x)"): _DIVIDED_AGAIN,
    ("scatter_reduce/x:_attaining", "return where(eq(extreme, x), ones(g, ()), zeros(g, ()))"): "a = b says what b = a says",
    (
        "scatter_reduce/src:_through_product",
        "found = where(alone, gather(g * others, dim, index), gather(g * out, dim, index) / where(is_zero, 2.0, src))",
    ): "out is 0 there",
    (
        "scatter_reduce/src:_through_product",
        "if bool(any_(zeros_there > 2)):",
    ): "what is refused then no row compares; tests/test_functional_refusals.py does",
    ("special_i1/x", "at_zero = absolute(x) < 1e-15"): "at 1e-15 itself both are 1/2",
    ("special_i1/x", "safe = where(at_zero, 2.0, x)"): _UNREAD,
    ("_euclidean_dist/a", "share = where(out == 0, 1.0, g / out)"): "it is multiplied by a − b, which is 0 there",
}
# Helpers of a derivative that no row reaches: what does.
ELSEWHERE = {
    "SGD._will_begin": _IN_CAPTURES,
    "linalg_det/A:_clearly_not_0": _SINGULAR,
    "linalg_det/A:_cofactors": _SINGULAR,
}


class Round(NamedTuple):
    """Cases that may notice. Most mutants are caught in the first few: what more of them would need is measured where one is not."""

    prepare: Callable[[], Any]  # what must be measured while nothing is broken
    notices: Callable[[], bool]


class Target(NamedTuple):
    """A function to break: what it belongs to, and the rows that should notice."""

    name: str
    function: types.FunctionType
    rounds: tuple[Round, ...]  # in the order in which they are asked

    def mutants(self) -> Iterator[Mutant]:
        """Every edit of this function, one at a time."""
        tree = tree_of(self.function)
        original = canonical(tree)
        seen = {original}
        for place, edit in edits(tree):
            changed = copy.deepcopy(tree)
            edit(nth(changed, place))
            text = canonical(changed)
            if text not in seen:  # exchanging the factors of a product is no mutation
                seen.add(text)
                yield Mutant(self, changed, changed_lines(tree, changed))


class Mutant(NamedTuple):
    """One edit of a target."""

    target: Target
    tree: ast.AST
    source: str  # the lines that are not the original's

    @property
    def excuse(self) -> str | None:
        """Why this edit changes nothing, if it is known not to."""
        told = self.target.name, self.source
        return EQUIVALENT.get(told) or compiled_steps.EQUIVALENT.get(told) or ELSEWHERE.get(self.target.name)

    def is_caught(self) -> bool:
        """Run the target's rows with the mutant in place."""
        function = self.target.function
        original, broken = function.__code__, compiled(self.tree, function)
        for prepare, notices in self.target.rounds:
            prepare()
            try:
                function.__code__ = broken
                if notices():
                    return True
            finally:
                function.__code__ = original
        return False


def mutate(family: str | None = None, op: str | None = None) -> int:
    """Try every mutant, print the survivors and the share caught; 1 if one survived without an excuse."""
    from tqdm import tqdm

    if family and family not in (*families(), "compiler"):
        raise SystemExit(f"reference mutate: no family {family!r}; there are {', '.join(families())}, compiler")
    if op and not targets(op=op):
        raise SystemExit(
            f"reference mutate: no op {op!r} with a derivative; a function made of other ops has none of its own"
        )
    chosen = {op: targets(op=op)} if op else {name: targets(name) for name in ([family] if family else families())}
    left: list[Mutant] = []
    total = 0
    for name, broken in chosen.items():
        mutants = [m for target in broken for m in target.mutants()]
        survivors = [
            m
            for m in tqdm(mutants, desc=name, unit="mutant", leave=False, disable=None)
            if not m.excuse and not m.is_caught()
        ]
        excused = sum(m.excuse is not None for m in mutants)
        print(summary(name, len(mutants), len(survivors), excused))
        left += survivors
        total += len(mutants) - excused
    for mutant in left:
        print(f"survived: {mutant.target.name}: {mutant.source}")
    if total:
        print(f"\n{total - len(left)} of {total} mutants caught: {1 - len(left) / total:.1%}")
    return 1 if left else 0


def summary(name: str, mutants: int, survivors: int, excused: int) -> str:
    """One family's result in a line."""
    return f"{name:12} {mutants - excused - survivors:5} of {mutants - excused:5} caught, {excused} mean the same"


def changed_lines(original: ast.AST, changed: ast.AST) -> str:
    """The lines of `changed` that differ, without their indentation."""
    before = ast.unparse(original).splitlines()
    after = ast.unparse(ast.fix_missing_locations(changed)).splitlines()
    return "\n".join(b.strip() for a, b in zip(before, after) if a != b)


# ---- what is broken ----


def targets(family: str | None = None, op: str | None = None) -> list[Target]:
    """Every derivative (of one module of `minitorch/ops`, or of all), how broadcasting is undone, and every update rule.

    op: only the derivatives of the ops of that name, wherever they stand.
    """
    found: dict[int, Target] = {}
    for made in [o for o in minitorch.op.ops if o.__name__ == op] if op else of_family(family):
        rounds = rounds_of([made])
        for derivative in made.derivatives:
            for function in with_helpers(derivative.function):
                label = f"{made.__name__}/{','.join(derivative.of)}"
                name = label if function is derivative.function else f"{label}:{function.__name__}"
                found.setdefault(id(function.__code__), Target(name, function, rounds))
    if op:
        return list(found.values())
    if family in (None, "engine"):
        undone = engine.reduced
        using = [op for op in minitorch.op.ops if op.__name__ in ("add", "to")]  # shapes are undone here, and dtypes
        found[id(undone.__code__)] = Target("reduced", undone, rounds_of(using))
    if family == "compiler":
        by_steps = (Round(compiled_steps.steps, compiled_steps.some_step_differs),)
        for name, function in compiled_steps.functions():
            found[id(function.__code__)] = Target(name, function, by_steps)
    if family in (None, "optim"):
        for row in optimizers.ROWS:
            for name, function in update_rules(getattr(minitorch.optim, row.name)):
                notices = functools.partial(optimizer_fails, row, on_gpu=name == ON_GPU)
                found.setdefault(id(function.__code__), Target(f"{row.name}.{name}", function, (Round(tuple, notices),)))
    return list(found.values())


def rounds_of(ops: list[minitorch.op.Op]) -> tuple[Round, ...]:
    """A few cases of the rows that run these ops, then the others."""

    def of(seeds: range) -> Round:
        return Round(lambda: [honest_cases(op, seeds) for op in ops], lambda: any(some_row_fails(op, seeds) for op in ops))

    return of(range(FEW)), of(range(FEW, DRAWS))


def of_family(family: str | None) -> list[minitorch.op.Op]:
    """The ops of one module of `minitorch/ops`, or of all."""
    home = f"minitorch.ops.{family or ''}"
    return [op for op in minitorch.op.ops if op.__module__ == home or (family is None and op.__module__.startswith(home))]


def families() -> list[str]:
    """The modules that have something to break."""
    with_derivatives = {op.__module__.removeprefix("minitorch.ops.") for op in of_family(None) if op.derivatives}
    return [
        *sorted(with_derivatives - {"batches"}),
        "engine",
        "optim",
    ]  # (that one is reached through vmap: tests/test_vmap.py)


def with_helpers(function: Any) -> list[types.FunctionType]:
    """A derivative and the plain functions of its own module that it calls with tensors."""
    reached = [function]
    for f in reached:
        for name in f.__code__.co_names:
            helper = f.__globals__.get(name)
            own = isinstance(helper, types.FunctionType) and helper.__module__ == f.__module__
            if own and name.startswith("_") and helper not in reached:
                reached.append(helper)
    return reached


ON_GPU = "in one launch"  # what all parameters of a GPU go through: broken and tried on the stand-in


def update_rules(optimizer: type) -> list[tuple[str, types.FunctionType]]:
    """What computes a step: the optimizer's own private methods, and its twin on a GPU."""
    own = [(n, f) for n, f in vars(optimizer).items() if isinstance(f, types.FunctionType) and n[0] == "_" != n[1]]
    if not compiler():
        return own
    importlib.import_module("minitorch.kernels.cuda.twins")  # which registers it, as when a GPU is first met
    on_gpu = optimizer._twins.get("cuda")
    return [*own, (ON_GPU, on_gpu)] if on_gpu else own


# ---- the edits ----

SIGNS: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add}
COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip


def edits(tree: ast.AST) -> Iterator[tuple[int, Callable[[ast.AST], None]]]:
    """(which node in walking order, what to do to it)."""
    for place, node in enumerate(ast.walk(tree)):
        if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in SIGNS:
            yield place, flip_sign
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
            yield place, drop_factor
            if isinstance(node.op, ast.Mult):
                yield place, drop_first_factor
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield place, drop_minus
        if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
            yield place, change_constant
        if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
            yield place, move_boundary
    for pair in itertools.combinations(names_used(tree), 2):
        yield 0, functools.partial(exchange, pair=pair)


def flip_sign(node: Any) -> None:
    """a + b → a − b"""
    node.op = SIGNS[type(node.op)]()


def drop_factor(node: Any) -> None:
    """a · b → a, a / b → a"""
    node.op, node.right = ast.Mult(), ast.Constant(1)


def drop_first_factor(node: Any) -> None:
    """a · b → b"""
    node.left = ast.Constant(1)


def drop_minus(node: Any) -> None:
    """−a → a"""
    node.op = ast.UAdd()


def change_constant(node: Any) -> None:
    """2 → 3, True → False"""
    node.value = not node.value if isinstance(node.value, bool) else node.value + 1


def move_boundary(node: Any) -> None:
    """a < b → a ≤ b"""
    node.ops[0] = COMPARISONS[type(node.ops[0])]()


def exchange(tree: Any, pair: tuple[str, str]) -> None:
    """f(a, b) → f(b, a): the parameter's names stay, their uses change places."""
    other = dict(zip(pair, reversed(pair)))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            node.id = other.get(node.id, node.id)


def names_used(tree: Any) -> list[str]:
    """The parameters that the body reads."""
    used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
    return [a.arg for a in tree.args.args if a.arg in used and a.arg != "self"]


def nth(tree: ast.AST, place: int) -> ast.AST:
    """The node at this place in walking order."""
    return next(itertools.islice(ast.walk(tree), place, None))


# ---- source to tree to code ----


@functools.cache
def module_tree(path: str) -> ast.Module:
    """The syntax tree of a source file."""
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())


def tree_of(function: types.FunctionType) -> ast.AST:
    """The function's own syntax tree. Lambdas are found by where in their line the code object says it stands."""
    code = function.__code__
    nodes = [n for n in ast.walk(module_tree(code.co_filename)) if isinstance(n, (ast.Lambda, ast.FunctionDef))]
    spots = [p for p in code.co_positions() if p[2] is not None and p[3] != p[2]]
    line, _, column, _ = spots[-1]
    matches = [n for n in nodes if _holds(n, line, column) and [a.arg for a in n.args.args] == argument_names(code)]
    node = copy.deepcopy(min(matches, key=lambda n: (n.end_lineno - n.lineno, n.end_col_offset - n.col_offset)))
    if isinstance(node, ast.FunctionDef):
        node.decorator_list, node.returns = [], None
        if ast.get_docstring(node) and len(node.body) > 1:
            node.body = node.body[1:]
        for argument in node.args.args + node.args.kwonlyargs:
            argument.annotation = None
    return _WithoutRefusals().visit(node)


class _WithoutRefusals(ast.NodeTransformer):
    """Leaves out `if …: raise …`: refusing arguments is no part of a derivative, and has tests of its own."""

    def visit_If(self, node: ast.If) -> Any:
        self.generic_visit(node)
        refuses = isinstance(node.body[-1], ast.Raise) and not node.orelse
        return ast.Pass() if refuses else node


def _holds(node: Any, line: int | None, column: int | None) -> bool:
    return (node.lineno, node.col_offset) <= (line, column) <= (node.end_lineno, node.end_col_offset)


def argument_names(code: types.CodeType) -> list[str]:
    """The positional parameters of a code object."""
    return list(code.co_varnames[: code.co_argcount])


def compiled(tree: Any, function: types.FunctionType) -> types.CodeType:
    """The code object of a tree, with the function's free variables free."""
    tree = copy.deepcopy(tree)
    free = function.__code__.co_freevars
    statement = ast.Return(tree) if isinstance(tree, ast.Lambda) else tree
    shell = ast.parse(f"def shell({', '.join(free)}):\n    pass")
    shell.body[0].body = [statement]  # type: ignore[attr-defined]
    module = compile(ast.fix_missing_locations(shell), function.__code__.co_filename, "exec", dont_inherit=True)
    outer = next(c for c in module.co_consts if isinstance(c, types.CodeType))
    return next(
        c for c in outer.co_consts if isinstance(c, types.CodeType) and c.co_argcount == function.__code__.co_argcount
    )


def canonical(tree: ast.AST) -> str:
    """The source with products, sums and symmetric operators in alphabetical order: a · b and b · a are the same."""
    return ast.unparse(ast.fix_missing_locations(_Sorted().visit(copy.deepcopy(tree))))


class _Sorted(ast.NodeTransformer):
    """Writes every product as −1 · a · b / (c · d) with sorted factors, and sorts a + b, a & b, a == b."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, (ast.Mult, ast.Div)):
            return _product(node)
        if isinstance(node.op, (ast.Add, ast.BitAnd, ast.BitOr)):
            terms = sorted(_terms(node, type(node.op)), key=ast.unparse)
            return functools.reduce(lambda a, b: ast.BinOp(a, node.op, b), terms)
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return _product(node) if isinstance(node.op, (ast.UAdd, ast.USub)) else node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.ops[0], (ast.Eq, ast.NotEq)):
            node.left, node.comparators[0] = sorted((node.left, node.comparators[0]), key=ast.unparse)
        return node


def _product(node: ast.expr) -> ast.expr:
    factors: dict[bool, list[str]] = {False: [], True: []}
    negative = _collect(node, False, factors)
    above, below = (" * ".join(sorted(factors[side])) for side in (False, True))
    text = f"{'-' * negative}1" + f" * {above}" * bool(above) + f" / ({below})" * bool(below)
    return ast.parse(text, mode="eval").body


def _collect(node: ast.expr, inverse: bool, factors: dict[bool, list[str]]) -> bool:
    """Sort the factors of a product into those above and below the line; whether the product is negated."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mult, ast.Div)):
        left = _collect(node.left, inverse, factors)
        return left ^ _collect(node.right, inverse ^ isinstance(node.op, ast.Div), factors)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        return _collect(node.operand, inverse, factors) ^ isinstance(node.op, ast.USub)
    if not (isinstance(node, ast.Constant) and node.value == 1 and not isinstance(node.value, bool)):
        factors[inverse].append(f"({ast.unparse(node)})")
    return False


def _terms(node: ast.expr, kind: type) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, kind):
        return _terms(node.left, kind) + _terms(node.right, kind)
    return [node]


# ---- who notices ----


def some_row_fails(op: Any, seeds: range) -> bool:
    """Whether the gradients of some row that runs this op now differ from torch's."""
    return any(row_fails(row, seed) for row, seed in honest_cases(op, seeds))


def row_fails(row: Row, seed: int) -> bool:
    """Whether one case's first and second gradients differ from torch's."""
    case, theirs, second = expected(row, seed)
    if theirs is None:
        return False
    try:
        ours = differentiate(row, row.ours, case, minitorch, np.float64, seed, second)
        compare(row, ours[0], theirs[0], np.float64, {}, "gradient")
        if ours[1] and theirs[1]:
            compare(row, ours[1], theirs[1], np.float64, {}, "second derivative")
    except Exception:  # a mutant may break anything: all of it is noticing
        return True
    return False


@functools.cache
def expected(row: Row, seed: int) -> tuple[dict, Any, bool]:
    """A case, torch's gradients for it, and whether second ones are compared."""
    source = Source(seed)
    source.special = seed % 3 == 2 and row.special
    case = row.draw(source)
    second = row.second_order and not source.special
    return case, differentiate(row, row.theirs, case, torch, np.float64, seed, second), second


@functools.cache
def honest_cases(op: Any, seeds: range) -> tuple[tuple[Row, int], ...]:
    """The (row, seed) pairs that pass as things stand: only they can tell that a mutant is one."""
    return tuple((row, seed) for seed in seeds for row in rows_through(op) if not row_fails(row, seed))


@functools.cache
def rows_through(op: Any) -> tuple[Row, ...]:
    """The rows whose graphs, backward included, hold this op: its own rows first, then those of functions of its file."""
    found = [row for row in table() if row.inputs() and op in ops_of(row)]
    found.sort(key=lambda row: (row.covers != op.__name__, getattr(row.ours, "__module__", "") != op.__module__))
    return tuple(found[:16])


@functools.cache
def ops_of(row: Row) -> frozenset:
    """The ops that differentiating this row passes through."""
    used: set = set()
    for seed in range(6):
        case = row.draw(Source(seed))
        try:
            recorded(row, case, seed, used)
        except Exception:
            continue
    return frozenset(used)


def recorded(row: Row, case: dict, seed: int, used: set) -> None:
    """Add the ops of all nodes of one case to `used`, those of its first backward too."""
    made = tensors(case, minitorch, np.float64, row.inputs())
    leaves = [t for n in row.inputs() for t in (made[n] if isinstance(made[n], list) else [made[n]])]
    outputs = [t for t in flat(row.call(row.ours, made)) if getattr(t, "requires_grad", False)]
    upstream = [minitorch.ones_like(o).requires_grad_() for o in outputs]
    walk([o.grad_fn for o in outputs], used)
    first = minitorch.autograd.grad(outputs, leaves, upstream, create_graph=True, allow_unused=True)
    walk([g.grad_fn for g in first if g is not None], used)


def walk(nodes: list, used: set) -> None:
    """Every op reachable from these nodes."""
    seen: set = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        used.add(getattr(node, "op", None))
        nodes.extend(n for n, _ in node.next_functions)


def optimizer_fails(row: Any, on_gpu: bool) -> bool:
    """Whether some drawn run of the optimizer now differs from torch's."""
    libraries = (OnDevice() if on_gpu else minitorch, torch)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(data=st.data())
    def run(data: Any) -> None:
        assert optimizers.worst_error(row, data.draw, libraries=libraries) <= 1e-11

    try:  # (a loop in C would compute in a rule's place)
        with standing_in() if on_gpu else minitorch.backends.c.flags(enabled=False):
            run()
    except Exception:
        return True
    return False
