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
from typing import Any

import numpy as np

from ...arrays.device import use_kernels, xp_of
from . import TYPES, Kernel, threads_for

TABLES = r"""
// Where a parameter, its gradient and its state lie; what a block takes: numbers of a row's tensors from `start` on, n are left.
struct Row { T *p, *g, *m, *v, *largest; };
struct Part { int64 row, start, n; };

// What a thread takes of each tensor: there are up to five of them, and 64 registers for all.
typedef ACC Few[16 / sizeof(ACC)];
#define EACH_OF(few) for (int k = 0; k < sizeof(few) / sizeof(ACC); k++)
"""

SGD = Kernel(
    r"""
// b = μ b + (1 − τ) g, or g if there is no b yet;   θ = θ − lr b, with nesterov θ − lr (g + μ b);   without MOMENTUM θ − lr g
KERNEL sgd(const Row* rows, const Part* parts, ACC lr, ACC sign, ACC decay, ACC mu, ACC fresh, int64 first, int64 nesterov) {
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
    {"MOMENTUM": (0, 1)},
    before=TABLES,
)

ADAM = Kernel(
    r"""
// m = β₁ m + (1 − β₁) g,   v = β₂ v + (1 − β₂) g²,   θ = shrink θ − step m / (√v + ε);   AMSGRAD: with the largest v so far
KERNEL adam(const Row* rows, const Part* parts, ACC sign, ACC decay, ACC shrink, ACC beta1, ACC fresh1, ACC beta2, ACC fresh2,
            ACC step, ACC eps) {
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
    {"AMSGRAD": (0, 1)},
    before=TABLES + "__device__ ACC larger(ACC a, ACC b) { return a >= b || a != a ? a : b; }  // nan if one of them is\n",
)


Launches = dict[tuple, list[tuple[Any, tuple]]]  # what a launch has in common -> (parameter, its arrays) for each


def gathered(params: list[Any], group: dict[str, Any], state: Callable) -> tuple[Launches, list[Any]]:
    """The launches that update what the kernels serve, and the parameters that are left.

    They serve floats on a GPU that lie in memory without gaps, as does their state; of a parameter that comes twice, the first.
    `state(param, group)` makes the state where there is none, and returns what must be common to a launch, and the arrays.
    """
    if not use_kernels.enabled or not (group["fused"] or (group["fused"] is None and group["foreach"] is None)):
        return {}, params
    launches: Launches = {}
    left, seen = [], set()
    for param in params:
        x, g = param._array, param.grad._array
        serves = not isinstance(x, np.ndarray) and x.dtype.name in TYPES and x.size and x.flags.c_contiguous
        if not serves or isinstance(g, np.ndarray) or g.dtype != x.dtype or id(param) in seen:
            left.append(param)
            continue
        common, memory = state(param, group)
        if all(a.dtype == x.dtype and a.shape == x.shape and a.flags.c_contiguous for a in memory):
            seen.add(id(param))
            row = (param, (x, xp_of(x).ascontiguousarray(g), *memory))
            launches.setdefault((x.dtype.name, common), []).append(row)
        else:
            left.append(param)
    return launches, left


def launch(kernel: Kernel, rows: list, numbers: tuple[float, ...], flags: tuple[int, ...] = (), **constants: int) -> None:
    """Launch it on parameters and their arrays, all of one dtype; the numbers go as what it computes with."""
    x = rows[0][1][0]
    xp, wide = xp_of(x), np.float64 if x.dtype.itemsize == 8 else np.float32
    sizes = tuple(arrays[0].size for _, arrays in rows)
    threads = threads_for(max(sizes), 256)
    stream = xp.cuda.get_current_stream().ptr
    parts = _shared_out(xp, stream, sizes, threads * (16 // np.dtype(wide).itemsize))
    table = np.zeros((len(rows), 5), np.uint64)
    for k, (_, arrays) in enumerate(rows):
        table[k, : len(arrays)] = [a.data.ptr for a in arrays]
    args = (_on_the_gpu(xp, stream, table.tobytes()), parts, *map(wide, numbers), *flags)
    kernel(xp, x.dtype, len(parts), threads, args, **constants)
    for param, _ in rows:
        param._bump()


# Each stream has tables of its own: they are copied in its turn, and another would not wait for that.


@functools.lru_cache(64)
def _shared_out(xp: Any, stream: int, sizes: tuple[int, ...], each: int) -> Any:
    """Tensors of these sizes shared out among blocks, `each` numbers to a block: their Parts."""
    starts = [np.arange(0, n, each) for n in sizes]
    row = np.repeat(np.arange(len(sizes)), [len(s) for s in starts])
    start = np.concatenate(starts)
    return xp.asarray(np.stack([row, start, np.array(sizes)[row] - start], 1))


@functools.lru_cache(64)
def _on_the_gpu(xp: Any, stream: int, table: bytes) -> Any:
    """A table of addresses on the GPU. It is known by what is in it, so that there is nothing to invalidate."""
    return xp.asarray(np.frombuffer(table, np.uint64).reshape(-1, 5))
