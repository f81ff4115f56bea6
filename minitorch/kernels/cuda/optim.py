"""SGD and Adam for all parameters of a group in one launch, in which each number is read once and written once.

A model has many tensors, most of them small: a launch for each, and several passes over each, would cost more than the work.
So the kernels take two tables: where each parameter, its gradient and its state lie, and which numbers of which parameter
each block takes. Tables stay on the GPU and are copied there again only when they change, without waiting: gradients often
get the memory back that they had the step before.
Read next: `minitorch/optim/adam.py`, the same rule in plain lines.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ...arrays.capturing import now as capturing
from ...arrays.device import xp_of
from ...optim.adam import Adam
from ...optim.optimizer import Optimizer
from ...optim.sgd import SGD
from . import HELD, TYPES, Kernel, held, threads_for

TABLES = r"""
// Where a parameter, its gradient and its state lie; what a block takes: numbers of a row's tensors from `start` on, n are left.
struct Row { T *p, *g, *m, *v, *largest; };
struct Part { int64 row, start, n; };

// What a thread takes of each tensor: there are up to five of them, and 64 registers for all, numbers that are read from memory included.
typedef ACC Few[HELD && sizeof(ACC) == 8 ? 1 : 16 / sizeof(ACC)];
#define EACH_OF(few) for (int k = 0; k < sizeof(few) / sizeof(ACC); k++)
"""

SGD_KERNEL = Kernel(
    r"""
// b = μ b + (1 − τ) g, or g if there is no b yet;   θ = θ − lr b, with nesterov θ − lr (g + μ b);   without MOMENTUM θ − lr g
KERNEL sgd(const Row* rows, const Part* parts, NUMBER(ACC) lr_, NUMBER(ACC) sign_, NUMBER(ACC) decay_, NUMBER(ACC) mu_,
           NUMBER(ACC) fresh_, int64 first, int64 nesterov) {
    ACC lr = value(lr_), sign = value(sign_), decay = value(decay_), mu = value(mu_), fresh = value(fresh_);
    Part part = parts[blockIdx.x];
    Row row = rows[part.row];
    Few p, g, b;
    load(p, row.p + part.start, part.n, 0);
    load(g, row.g + part.start, part.n, 0);
    if (MOMENTUM && !first) load(b, row.m + part.start, part.n, 0);
    EACH_OF(p) {
        g[k] *= sign;
        if (decay != 0) g[k] += decay * p[k];
        if (MOMENTUM) {
            b[k] = first ? g[k] : mu * b[k] + fresh * g[k];
            g[k] = nesterov ? g[k] + mu * b[k] : b[k];
        }
        p[k] -= lr * g[k];
    }
    store(p, row.p + part.start, part.n);
    if (MOMENTUM) store(b, row.m + part.start, part.n);
}
""",
    {"MOMENTUM": (0, 1), **HELD},
    before=TABLES,
)

ADAM_KERNEL = Kernel(
    r"""
// m = β₁ m + (1 − β₁) g,   v = β₂ v + (1 − β₂) g²,   θ = shrink θ − step m / (√v + ε);   AMSGRAD: with the largest v so far
KERNEL adam(const Row* rows, const Part* parts, NUMBER(ACC) sign_, NUMBER(ACC) decay_, NUMBER(ACC) shrink_, NUMBER(ACC) beta1_,
            NUMBER(ACC) fresh1_, NUMBER(ACC) beta2_, NUMBER(ACC) fresh2_, NUMBER(ACC) step_, NUMBER(ACC) eps_) {
    ACC sign = value(sign_), decay = value(decay_), shrink = value(shrink_), beta1 = value(beta1_), fresh1 = value(fresh1_);
    ACC beta2 = value(beta2_), fresh2 = value(fresh2_), step = value(step_), eps = value(eps_);
    Part part = parts[blockIdx.x];
    Row row = rows[part.row];
    Few p, g, m, v, largest;
    load(p, row.p + part.start, part.n, 0);
    load(g, row.g + part.start, part.n, 0);
    load(m, row.m + part.start, part.n, 0);
    load(v, row.v + part.start, part.n, 0);
    if (AMSGRAD) load(largest, row.largest + part.start, part.n, 0);
    EACH_OF(p) {
        g[k] *= sign;
        p[k] *= shrink;
        if (decay != 0) g[k] += decay * p[k];
        m[k] = beta1 * m[k] + fresh1 * g[k];
        v[k] = beta2 * v[k] + fresh2 * g[k] * g[k];
        if (AMSGRAD) largest[k] = larger(largest[k], v[k]);
        p[k] -= step * m[k] / (sqrt(AMSGRAD ? largest[k] : v[k]) + eps);
    }
    store(p, row.p + part.start, part.n);
    store(m, row.m + part.start, part.n);
    store(v, row.v + part.start, part.n);
    if (AMSGRAD) store(largest, row.largest + part.start, part.n);
}
""",
    {"AMSGRAD": (0, 1), **HELD},
    before=TABLES + "__device__ ACC larger(ACC a, ACC b) { return a >= b || a != a ? a : b; }  // nan if one of them is\n",
)


@SGD.twin("cuda")
def sgd(optimizer: SGD, params: list[Any], group: dict[str, Any]) -> list[Any]:
    """SGD for all parameters in one launch, if all are in their first step, or none is."""
    launches, left = gathered(optimizer, params, group)
    for (_, first), rows in launches.items():
        flags = (int(first), int(group["nesterov"]))
        launch(SGD_KERNEL, rows, Numbers(optimizer, group, first, _of_sgd, 5), flags, MOMENTUM=int(bool(group["momentum"])))
    return left


def _of_sgd(group: dict[str, Any], first: bool) -> tuple[float, ...]:
    sign, λ, μ, fresh = -1 if group["maximize"] else 1, group["weight_decay"], group["momentum"], 1 - group["dampening"]
    return float(group["lr"]), sign, λ, μ, fresh


@Adam.twin("cuda")
def adam(optimizer: Adam, params: list[Any], group: dict[str, Any]) -> list[Any]:
    """Adam in one launch for all parameters that have made as many steps t, mostly all."""
    launches, left = gathered(optimizer, params, group)
    for (_, t), rows in launches.items():
        launch(ADAM_KERNEL, rows, Numbers(optimizer, group, t, _of_adam, 9), AMSGRAD=int(group["amsgrad"]))
    return left


def _of_adam(group: dict[str, Any], t: float) -> tuple[float, ...]:
    """lr m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ) and v̂ = v / c² is (lr c / (1 − β₁ᵗ)) m / (√v + ε c): two numbers for a launch."""
    (β1, β2), ε, lr, λ = group["betas"], group["eps"], group["lr"], group["weight_decay"]
    decay, shrink = (0, 1 - lr * λ) if group["decoupled_weight_decay"] else (λ, 1)
    c = float((1 - β2**t) ** 0.5)
    sign, step, eps = -1 if group["maximize"] else 1, lr * c / (1 - β1**t), ε * c
    return tuple(map(float, (sign, decay, shrink, β1, 1 - β1, β2, 1 - β2, step, eps)))


class Numbers(NamedTuple):
    """The numbers of a launch: they follow from the options of a group and from what its parameters' steps have in common."""

    optimizer: Optimizer
    group: dict[str, Any]
    now: Any
    rule: Callable[[dict[str, Any], Any], tuple[float, ...]]
    how_many: int

    def of_now(self) -> tuple[float, ...]:
        """Of this step."""
        return self.rule(self.group, self.now)

    def of_each_replay(self, params: list[Any]) -> Callable[[], tuple[float, ...]]:
        """A function that begins a step of these parameters, and gives its numbers."""
        optimizer, rule = self.optimizer, self.rule
        place = next(k for k, group in enumerate(optimizer.param_groups) if group is self.group)

        def begun() -> tuple[float, ...]:
            group = optimizer.param_groups[place]  # (a state that was loaded brings other groups)
            steps = [optimizer._begin(param, group) for param in params]
            return rule(group, steps[0])

        return begun


Launches = dict[tuple, list[tuple[Any, tuple]]]  # what a launch has in common -> (parameter, its arrays) for each


def gathered(optimizer: Optimizer, params: list[Any], group: dict[str, Any]) -> tuple[Launches, list[Any]]:
    """The launches that update what the kernels serve, and the parameters that are left.

    They serve floats on a GPU that lie in memory without gaps, as does what is remembered; of a parameter that comes twice, the
    first.
    """
    launches: Launches = {}
    left, seen = [], set()
    for param in params:
        x, g = param._array, param.grad._array
        if not serves(param) or id(param) in seen:
            left.append(param)
            continue
        seen.add(id(param))
        now = optimizer._begin(param, group) if capturing.capture is None else optimizer._will_begin(param, group)
        memory = optimizer._memory(param, group)
        if all(a.dtype == x.dtype and a.shape == x.shape and a.flags.c_contiguous for a in memory):
            row = (param, (x, xp_of(x).ascontiguousarray(g), *memory))
            launches.setdefault((x.dtype.name, now), []).append(row)
        elif capturing.capture is not None:
            left.append(param)
        else:
            optimizer._rule(group, now, x, g, *memory)
            param._bump()
    return launches, left


def serves(param: Any) -> bool:
    """Whether the kernels know this parameter and its gradient."""
    x, g = param._array, param.grad._array
    known = not isinstance(x, np.ndarray) and x.dtype.name in TYPES and x.size and x.flags.c_contiguous
    return bool(known) and not isinstance(g, np.ndarray) and g.dtype == x.dtype


sgd.serves = adam.serves = serves  # type: ignore[attr-defined]


def launch(kernel: Kernel, rows: list, numbers: Numbers, flags: tuple[int, ...] = (), **constants: int) -> None:
    """Launch it on parameters and their arrays, all of one dtype; the numbers go as what it computes with.

    In a capture the numbers are computed anew at each replay, and the tables are copied when it has ended: nothing runs before.
    """
    x = rows[0][1][0]
    xp, wide = xp_of(x), np.float64 if x.dtype.itemsize == 8 else np.float32
    sizes = tuple(arrays[0].size for _, arrays in rows)
    threads = threads_for(max(sizes), 256)
    capture = capturing.capture
    in_memory = capture is not None or capturing.warming is not None
    each = threads * (1 if in_memory and wide is np.float64 else 16 // np.dtype(wide).itemsize)
    table = np.zeros((len(rows), 5), np.uint64)
    for k, (_, arrays) in enumerate(rows):
        table[k, : len(arrays)] = [a.data.ptr for a in arrays]
    if capture is None:
        stream = xp.cuda.get_current_stream().ptr
        tables = _on_the_gpu(xp, stream, table.tobytes()), _parts_on_the_gpu(xp, stream, sizes, each)
        told: Any = list(map(wide, numbers.of_now()))
        told = held(xp, *told) if in_memory else told
    else:
        tables = capture.table(table), capture.table(_shared_out(sizes, each))
        told = capture.numbers([wide] * numbers.how_many, numbers.of_each_replay([param for param, _ in rows]))
    args = (*tables, *told, *flags)
    kernel(
        xp,
        x.dtype,
        len(tables[1]),
        threads,
        args,
        **constants,
        HELD=int(capture is not None or capturing.warming is not None),
    )
    for param, _ in rows:
        param._bump()


@functools.lru_cache(64)
def _shared_out(sizes: tuple[int, ...], each: int) -> np.ndarray:
    """Tensors of these sizes shared out among blocks, `each` numbers to a block: their Parts."""
    starts = [np.arange(0, n, each) for n in sizes]
    row = np.repeat(np.arange(len(sizes)), [len(s) for s in starts])
    start = np.concatenate(starts)
    return np.stack([row, start, np.array(sizes)[row] - start], 1)


# Each stream has tables of its own: they are copied in its turn, and another would not wait for that.


@functools.lru_cache(64)
def _parts_on_the_gpu(xp: Any, stream: int, sizes: tuple[int, ...], each: int) -> Any:
    return xp.asarray(_shared_out(sizes, each))


@functools.lru_cache(64)
def _on_the_gpu(xp: Any, stream: int, table: bytes) -> Any:
    """A table of addresses on the GPU. It is known by what is in it, so that there is nothing to invalidate."""
    return xp.asarray(np.frombuffer(table, np.uint64).reshape(-1, 5))
