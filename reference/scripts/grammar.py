"""What users type, as rules: each writes one statement. `statement` chooses among all of them, by weight.

The rules are in families: `computing.py` (ops, views, indices, reductions, writes), `training.py` (layers, losses, optimizers, backward,
hooks, modes, Functions, checkpoint), `moving.py` (dtypes, copies, files, NumPy, random numbers).
"""

from __future__ import annotations

from collections.abc import Callable

from .pen import Nothing, Pen

Rule = Callable[[Pen], str]
RULES: list[Rule] = []
WEIGHTS: list[int] = []

# What every script finds: a list that hooks write into, and Functions of a user's own.
PRELUDE = '''
seen = []

def see(g):
    seen.append(None if g is None else g.detach().clone())

def see_and_double(g):
    see(g)
    return g * 2

def pack(t):
    seen.append(tuple(t.shape))
    return t

class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x

class Both(torch.autograd.Function):
    """Two inputs, two outputs, a number; the second output may go unused."""

    @staticmethod
    def forward(ctx, x, y, k=2):
        ctx.k = k
        ctx.save_for_backward(x, y)
        return x * y, x + k * y

    @staticmethod
    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y + h, g * x + ctx.k * h, None

class Scaled(torch.autograd.Function):
    """In place, by what it marks."""

    @staticmethod
    def forward(ctx, x, k):
        ctx.k = k
        ctx.mark_dirty(x)
        return x.mul_(k)

    @staticmethod
    def backward(ctx, g):
        return g * ctx.k, None

class Shifted(torch.autograd.Function):
    @staticmethod
    def forward(x, k=1):
        return x + k

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable()
        ctx.n = len(inputs)

    @staticmethod
    def backward(ctx, g):
        return (g,) + (None,) * (ctx.n - 1)
'''


def rule(weight: int = 1) -> Callable[[Rule], Rule]:
    """Register a rule: it is chosen in proportion to its weight."""

    def register(function: Rule) -> Rule:
        RULES.append(function)
        WEIGHTS.append(weight)
        return function

    return register


def statement(pen: Pen) -> str:
    """The next line of a script."""
    from . import computing, moving, training  # noqa: F401 — they register their rules

    while True:
        try:
            return pen.rng.choices(RULES, WEIGHTS)[0](pen)
        except Nothing:
            continue
