"""A formula printed as a CUDA kernel that adds up: results summed over some dimensions, beside those of each number.

It is what undoes broadcasting: of `x * scale` the product's derivative by `scale` is summed over all rows, and one kernel reads the
gradient once, writes the derivative by x, and adds up the other. Threads in one of two arrangements share out the numbers:

- by rows: the dimension that lies innermost in memory is added up. Neighbouring threads, `LANES` of them, take its numbers by turns.
- by columns: it is kept. Neighbouring threads have neighbouring outputs, and `LANES` threads the rows of each by turns.

What the threads of an output have is added in shared memory, in an order that depends on the shape alone: no atomic additions, and the same
sum each time. Where the outputs are few, blocks take parts of what is added (`PART`), and a second launch adds the parts.
Half precision is added in float. Read next: `launching.py`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

import numpy as np

from .formula import TYPES, Formula
from .source import THREADS, Stored, indices, numbers, one_place, pointers, taken

BLOCKS = 2048  # as many as keep a large GPU busy
EACH_LANE = 16  # numbers, or packs, that a thread has at least before what is added is taken in parts

ADDING = r"""
// The sum of what the threads of an output have: its lanes, a power of two, `step` threads apart. Lane 0 gets it.
template <class A> __device__ A sum_of_lanes(A mine, int lane, int lanes, int step) {
    __shared__ A all[256];
    all[threadIdx.x] = mine;
    for (int half = lanes / 2; half > 0; half /= 2) {
        __syncthreads();
        if (lane < half) all[threadIdx.x] += all[threadIdx.x + half * step];
    }
    A total = all[threadIdx.x];
    __syncthreads();
    return total;
}
"""


class Arrangement(NamedTuple):
    """What of a launch its source depends on."""

    kept: int  # how many dimensions are kept
    lost: int  # and how many are added up
    by_rows: bool
    each: int  # how many numbers of the innermost dimension are taken at once, and count as one
    repeated: Collection[str]  # the arrays of which one number stands for those
    wide: bool  # whether places need 64 bits


def accumulator(dtype: np.dtype) -> np.dtype:
    """What numbers of that dtype are added up in."""
    return np.dtype("float64") if dtype == np.float64 else np.dtype("float32")


def summing(formula: Formula, name: str, told: str, stored: Stored, how: Arrangement) -> str:
    """The kernel called `name`. Of each output the numbers are added, over how many says `OVER`: 1 for a sum, else for a mean."""
    reads, writes, sums = list(formula.read()), list(formula.written()), list(formula.sums())
    kept, lost = ([f"{letter}{d}" for d in range(n)] for letter, n in (("M", how.kept), ("N", how.lost)))
    takes = [
        *pointers(reads, [*writes, *sums], stored),
        "int64 OUTPUTS",
        "int64 LENGTH",
        "int64 PART",
        "int64 LANES",
        "double OVER",
    ]
    takes += [f"int64 {n}" for n in [*kept[1:], *lost[1:]]]
    takes += [
        f"int64 {a}_{letter}{d}"
        for a in (*reads, *writes)
        for letter, n in (("m", how.kept), ("n", how.lost))
        for d in range(n)
    ]
    threads = (
        ["    int LANE = threadIdx.x % LANES, OUT_HERE = threadIdx.x / LANES, STEP = 1;"]
        if how.by_rows
        else ["    int OUT_HERE = threadIdx.x % OUTS, LANE = threadIdx.x / OUTS, STEP = OUTS;"]
    )
    places = 1 if how.by_rows else how.each  # how many outputs a thread adds up
    type_of = {n: TYPES[accumulator(formula.dtype_of(value))] for n, value in formula.sums().items()}
    begin = {a: " + ".join(f"I{d} * {a}_m{d}" for d in range(how.kept)) for a in (*reads, *writes)} if how.kept else {}
    where = {a: " + ".join(f"J{d} * {a}_n{d}" for d in range(how.lost)) for a in (*reads, *writes)}
    one = "" if places == 1 else "[K]"
    lines = [
        f"KERNEL_OF_256 {name}({', '.join([*takes, *numbers(formula)])}) {{",
        "    int OUTS = blockDim.x / LANES;  // outputs of this block",
        *threads,
        "    int64 TOGETHER = (OUTPUTS + OUTS - 1) / OUTS;  // blocks that take one part of all outputs",
        "    int64 OUT = blockIdx.x % TOGETHER * OUTS + OUT_HERE, PART_HERE = blockIdx.x / TOGETHER;",
        *(
            f"    {kind} {n}_sum{'' if places == 1 else f'[{places}]'} = {'0' if places == 1 else '{}'};"
            for n, kind in type_of.items()
        ),
        "    if (OUT < OUTPUTS) {",
        *(indices("I", "OUT", kept, how.wide, "        ") if how.kept else []),
        *(f"        {a} += {index};" for a, index in begin.items()),
        "        int64 END = (PART_HERE + 1) * PART < LENGTH ? (PART_HERE + 1) * PART : LENGTH;",
        "        for (int64 AT = PART_HERE * PART + LANE; AT < END; AT += LANES) {",
        *indices("J", "AT", lost, how.wide, "            "),
        *taken(formula, stored, where, how.each, how.repeated, "            ", [f"{n}_sum{one} += {n}_now;" for n in sums]),
        "        }",
        "    }",
    ]
    for n, kind in type_of.items():
        given = "" if places == 1 else f" * {places} + K"
        if places > 1:
            lines += ["#pragma unroll", f"    for (int K = 0; K < {places}; K++) {{"]
        inner = "    " if places == 1 else "        "
        lines += [
            f"{inner}{kind} {n}_total = sum_of_lanes({n}_sum{one}, LANE, LANES, STEP) / {kind}(OVER);",
            f"{inner}if (LANE == 0 && OUT < OUTPUTS) {n}[(PART_HERE * OUTPUTS + OUT){given}] = {TYPES[stored[n]]}({n}_total);",
        ]
        if places > 1:
            lines.append("    }")
    return "\n".join([ADDING, one_place(formula, f"{told}; added up: {', '.join(sums)}"), *lines, "}"])


# ---- how the work is shared out ----


class Shares(NamedTuple):
    """How many blocks of how many threads; how many threads add up an output; how much of it a block takes, in how many parts."""

    blocks: int
    threads: int
    lanes: int
    part: int
    parts: int


def shared_out(outputs: int, length: int, by_rows: bool, most_threads: int) -> Shares:
    """Shares for so many outputs, each the sum of `length` numbers (or packs of them)."""
    threads = min(THREADS, most_threads)
    lanes = min(threads, _power_of_two(-(-length // 4)))
    if not by_rows:  # 32 neighbours read one stretch of memory
        lanes = min(lanes, max(1, threads // min(32, _power_of_two(outputs))))
    together = -(-outputs // (threads // lanes))
    parts = max(1, min(BLOCKS // together, length // (lanes * EACH_LANE)))
    part = -(-length // parts)
    parts = -(-length // part)
    return Shares(together * parts, threads, lanes, part, parts)


def _power_of_two(n: int) -> int:
    """The smallest that is at least n."""
    return 1 << (n - 1).bit_length()
