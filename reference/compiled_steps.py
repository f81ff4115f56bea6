"""Steps whose programs must do what they do, to the last bit: who notices when a line of `minitorch/compiler/` is broken.

They are chosen so that each line of the passes and of the NumPy source is needed by one. Read next: `mutation.py`, which breaks the lines.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np

import minitorch
import minitorch.nn.functional as F
from minitorch import nn
from minitorch.compiler import numpy_calls, numpy_source, passes

from .strategies import Source
from .table import flat, table, tensors

CALLS = 4  # two are recorded, two run the program
OPS = (
    "layer_norm", "batch_norm", "cumsum", "softmax", "gelu", "cat", "stack", "max", "std", "where", "embedding", "index_add", "clamp",
    "cross_entropy", "avg_pool1d", "median", "pow", "norm", "masked_fill", "diagonal", "amax", "prod", "any", "all", "argmax", "bmm",
)  # fmt: skip
Step = tuple[Callable[[], Any], list]  # what is called, and the tensors that it may change


LENGTHS: dict[Any, int] = {}  # of each step, how long its programs are as things stand


def differs(build: Callable[[], Step]) -> bool:
    """Whether a step as a program does something else than the step, or nothing of it is a program, or a longer one than it was."""
    (plain, seen), (compiled, also_seen) = build(), build()
    run = minitorch.compile(compiled)
    for k in range(CALLS):
        minitorch.manual_seed(k)
        wanted = told(plain(), seen)
        minitorch.manual_seed(k)
        if told(run(), also_seen) != wanted:
            return True
    length = sum(len(v.program.source) for v in run.variants if v.program is not None)
    return not length or length > LENGTHS.setdefault(build, length)


def told(out: Any, seen: list) -> list:
    """What can be seen after a call."""
    tensors_ = [*flat(out), *seen, *(t.grad for t in seen)]
    return [None if t is None else (t.shape, t.dtype, np.nan_to_num(t.detach().numpy()).tobytes()) for t in tensors_]


def some_step_differs() -> bool:
    """Whether any of the steps notices."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return any(map(differs, steps()))
        except Exception:  # a mutant may break anything: all of it is noticing
            return True


@cache
def steps() -> tuple[Callable[[], Step], ...]:
    """All of them, the broadest first; those of the table that are programs as things stand."""
    own = [trains, writes_through_views, repeats_itself, is_made_of_numbers, takes_large_arrays]
    rows = [
        partial(of_row, row, seed) for row in table() if row.name in OPS and row.inputs() for seed in (len(row.name) % 2,)
    ]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return tuple(step for step in (*own, *rows) if _is_sound(step))


def _is_sound(step: Callable[[], Step]) -> bool:
    try:
        return not differs(step)
    except Exception:
        return False


def of_row(row: Any, seed: int) -> Step:
    """An op of the table and its derivative."""
    made = tensors(row.draw(Source(seed)), minitorch, (np.float64, np.float32)[seed % 2], row.inputs())
    leaves = [t for n in row.inputs() for t in (made[n] if isinstance(made[n], list) else [made[n]])]

    def step() -> list:
        for t in leaves:
            t.grad = None
        outs = [x for x in flat(row.call(row.ours, made)) if isinstance(x, minitorch.Tensor)]
        parts = [x for x in outs if x.requires_grad]
        if parts:
            sum((x * minitorch.arange(1.0, x.numel() + 1, dtype=x.dtype).reshape(x.shape)).sum() for x in parts).backward()
        return [x.detach() for x in outs]

    return step, leaves


def trains() -> Step:
    """A network with dropout and normalization, clipping, Adam: two steps in one, without clearing in between."""
    minitorch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 3))
    optimizer = minitorch.optim.Adam(model.parameters(), lr=0.01)
    x, y = minitorch.randn(6, 4), minitorch.tensor([0, 1, 2, 0, 1, 2])

    def step() -> Any:
        optimizer.zero_grad()
        losses = []
        for scale in (1.0, 2.0):
            losses.append(F.cross_entropy(model(x) * scale, y))
            losses[-1].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        return losses

    return step, [*model.parameters(), *model.buffers()]


def writes_through_views() -> Step:
    """Tensors that lie in one another's memory, written to by turns, and read between."""
    whole = minitorch.arange(6.0)
    part, column = whole[1:4], whole.view(2, 3)[:, 1]

    def step() -> list:
        before, first = whole * 2, (whole * 4).sum()
        part.mul_(0.5)
        column.add_(before[:2])
        after = whole * 2
        made = before.clone()
        made[2:5] += after[:3]
        twice = [(whole * 4).sum(), (whole * 2).sum(), (whole * 2).sum(), first]
        whole.add_(1)
        twin, other = whole * 3, whole * 3
        twin += 1
        narrow = (whole.double() * 3).float() * 0.1
        sums = [*twice, (whole * 2).sum(), twin.sum(), other.sum()]
        return [before, after, made, made[1:3] * 3, part + 1, *sums, narrow]

    return step, [whole, part, column]


def repeats_itself() -> Step:
    """The same computed twice, of what has changed in between and of what has not; a result that is returned twice."""
    w = minitorch.ones(3, requires_grad=True)
    optimizer = minitorch.optim.SGD([w], lr=0.1)

    def step() -> list:
        optimizer.zero_grad()
        first, again = w.exp() * 2, w.exp() * 2
        (first * again).sum().backward()
        before = (w * 2).sum().detach()
        optimizer.step()
        with minitorch.no_grad():
            noise = [minitorch.rand(3), minitorch.rand(3)]
            unread = w.sin() + 1  # noqa: F841
            after = [(w * 2).sum(), w.view(3, 1).t(), w * 0.5, w * 0.25]
            return [before, *noise, *after, first.detach()]

    return step, [w]


def is_made_of_numbers() -> Step:
    """Values that are the same in every run, and values that look so."""
    x = minitorch.arange(4.0)

    def step() -> list:
        known = minitorch.arange(4.0) * 2 + minitorch.ones(4)
        changed = minitorch.zeros(4)
        changed += x
        changed[1] = 5
        x.add_(known)
        table_ = minitorch.eye(2)
        handed_out = minitorch.full((2,), 3.0)
        return [
            x * known,
            changed,
            table_ @ x.view(2, 2),
            handed_out,
            x.max(),
            x.amin(0, keepdim=True),
            x.mean(),
            known[::2] + 1,
        ]

    return step, [x]


def takes_large_arrays() -> Step:
    """Those that are deleted when nobody reads them any more; whole rows, and every other column."""
    x = minitorch.arange(64.0 * 512).view(64, 512).requires_grad_()

    def step() -> Any:
        x.grad = None
        y = (x.t()[::2].sin() @ x) / 1000
        z = minitorch.cat([y.tanh(), y.cos()], 1).sort(-1)[0]
        out = z.softmax(-1)[:, 1:9].contiguous()
        out.sum().backward()
        return out.detach()

    return step, [x]


_COUNTED = "a count of writes: it is only asked whether it has changed"
_SIZE = "where a size is a threshold: what is chosen differs in speed alone"
_NAMES = "names of things: any will do that is free"
EQUIVALENT: dict[tuple[str, str], str] = {  # (where, the changed line): why no step can tell
    ("without_repetition", "writes[graph.memory(i.writes)] -= 1"): _COUNTED,
    ("without_repetition", "writes[graph.memory(i.writes)] += 2"): _COUNTED,
    ("Program.__init__", "self.bytes = 1"): "what `explain()` says: the page docs/compile.md",
    ("Program._room", "self.bytes -= made.nbytes"): "what `explain()` says: the page docs/compile.md",
    ("Program.__init__", "if i.of == of:"): "comments in the source: tests/test_docs.py",
    ("Program.thing", "name, n = (like, 2)"): _NAMES,
    ("Program.thing", "n += 2"): _NAMES,
    ("Program._is_plain_product", "is_small = a.shape[0] * a.shape[1] * b.shape[1] < SMALL_PRODUCT"): _SIZE,
    ("Program._is_plain_product", "is_small = a.shape[0] * a.shape[1] * 1 <= SMALL_PRODUCT"): _SIZE,
    ("Program._is_plain_product", "is_small = 1 * b.shape[1] <= SMALL_PRODUCT"): _SIZE,
    ("Program._is_plain_product", "is_small = a.shape[0] * 1 * b.shape[1] <= SMALL_PRODUCT"): _SIZE,
    ("Program._is_plain_product", "is_small = 1 * a.shape[1] * b.shape[1] <= SMALL_PRODUCT"): _SIZE,
    ("Program._is_plain_product", "is_small = a.shape[1] * a.shape[1] * b.shape[1] <= SMALL_PRODUCT"): _SIZE,
    (
        "Program._is_copied",
        "small = v.is_in_rows and math.prod(v.shape) * v.dtype.itemsize <= COPIED",
    ): _SIZE,
}


def functions() -> Iterator[tuple[str, types.FunctionType]]:
    """What is broken: the passes, and what writes the NumPy program. (Some methods have nothing but a docstring.)"""
    for module in (passes, numpy_calls, numpy_source):
        for name, thing in vars(module).items():
            for where, function in [("", thing)] if not isinstance(thing, type) else vars(thing).items():
                is_own = isinstance(function, types.FunctionType) and function.__module__ == module.__name__
                if is_own and function.__name__ not in ("_finish", "<lambda>"):
                    yield f"{name}.{where}".rstrip("."), function
