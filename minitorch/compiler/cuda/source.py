"""A formula printed as a CUDA kernel, in two forms: for arrays that lie alike in memory, and for arrays that lie in any way.

Alike: a thread takes 16 bytes of each array at once, for loads of that width are what moves most. In any way: a thread takes some
numbers, and finds each array's element by the steps of its dimensions, of which broadcasting makes some 0; where the innermost dimension
allows it, it takes 16 bytes at once here too. What a kernel calls its own is in capitals; all else is called as in the op.
Read next: `sums.py`, where results are added up; `launching.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from ...kernels.cuda import PER_THREAD, WORDS
from ..forms import cast, in_brackets, literal
from .formula import TYPES, Formula, Step

HEADERS = {"__half": "#include <cuda_fp16.h>\n", "__nv_bfloat16": "#include <cuda_bf16.h>\n"}
LOAD = 16  # bytes
THREADS = 256  # of a block, at most: as `KERNEL_OF_256` says
MOST_DIMS = 8

BEFORE = r"""
// Blocks have 256 threads here, not up to 1024 as those of a `KERNEL`: that many can be launched whatever registers each takes.
#define KERNEL_OF_256 extern "C" __global__ void
#ifdef __CUDACC_RTC__
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#endif
__device__ inline float exp_float(float x) { return expf(x); }
__device__ inline float tanh_float(float x) { return tanhf(x); }
__device__ inline float erf_float(float x) { return erff(x); }
__device__ inline float sigmoid_float(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ inline double sigmoid_double(double x) { return 1.0 / (1.0 + exp(-x)); }

// a · b, rounded: nothing that is added to it becomes one instruction with it.
__device__ inline float product(float a, float b) { return __fmul_rn(a, b); }
__device__ inline double product(double a, double b) { return __dmul_rn(a, b); }

// V numbers that lie behind each other, read or written at once.
template <class T, int V> struct alignas(sizeof(T) * V) Pack { T each[V]; };
"""
Stored = Mapping[str, np.dtype]  # the dtype in memory of each array and of each result


def alike(formula: Formula, name: str, told: str, stored: Stored) -> str:
    """The kernel called `name` for arrays that lie alike, without what all kernels begin with."""
    reads, writes = list(formula.read()), list(formula.written())
    each = each_takes(stored[n] for n in (*reads, *writes))
    lines = [
        f"KERNEL_OF_256 {name}({', '.join([*pointers(reads, writes, stored), 'int64 N', *numbers(formula)])}) {{",
        f"    int64 I = (int64(blockIdx.x) * blockDim.x + threadIdx.x) * {each};",
    ]
    if each > 1:
        lines.append(f"    if (I + {each} <= N) {{")
        lines += taken(formula, stored, dict.fromkeys((*reads, *writes), "I"), each, (), "        ")
        lines += ["        return;", "    }"]
    lines.append(f"    for (int64 END = I + {each}; I < END && I < N; I++) {{")
    lines += taken(formula, stored, dict.fromkeys((*reads, *writes), "I"), 1, (), "        ")
    return "\n".join([one_place(formula, told), *lines, "    }", "}"])


def any_way(
    formula: Formula, name: str, told: str, stored: Stored, dims: int, wide: bool, each: int, repeated: Collection[str]
) -> str:
    """The kernel for arrays that lie in any way, in so many dimensions. wide: whether places need 64 bits.

    each: how many numbers of the innermost dimension a thread takes at once, and counts as one; of those `repeated` it is one number.
    """
    reads, writes = list(formula.read()), list(formula.written())
    takes = [*pointers(reads, writes, stored), "int64 N", *(f"int64 N{d}" for d in range(1, dims))]
    takes += [f"int64 {a}_{d}" for a in (*reads, *writes) for d in range(dims)] + numbers(formula)
    turns = max(1, PER_THREAD // each)
    lines = [
        f"KERNEL_OF_256 {name}({', '.join(takes)}) {{",
        f"    int64 FIRST = int64(blockIdx.x) * blockDim.x * {turns} + threadIdx.x;",
        f"    for (int TURN = 0; TURN < {turns}; TURN++) {{",
        "        int64 AT = FIRST + int64(TURN) * blockDim.x;",
        "        if (AT >= N) return;",
        *indices("I", "AT", [f"N{d}" for d in range(dims)], wide, "        "),
    ]
    where = {a: " + ".join(f"I{d} * {a}_{d}" for d in range(dims)) for a in (*reads, *writes)}
    lines += taken(formula, stored, where, each, repeated, "        ")
    return "\n".join([one_place(formula, told), *lines, "    }", "}"])


def begun(texts: Iterable[str], stored: Stored) -> str:
    """The whole source: what all kernels begin with, and these texts."""
    includes = "".join(sorted({HEADERS.get(TYPES[dtype], "") for dtype in stored.values()}))
    return f"{includes}{WORDS}{BEFORE}\n" + "\n".join(texts)


def each_takes(dtypes: Iterable[np.dtype]) -> int:
    """How many numbers a thread takes at once, where the memory allows it."""
    return max(1, LOAD // max(dtype.itemsize for dtype in dtypes))


# ---- the parts ----


def one_place(formula: Formula, told: str) -> str:
    """The function that computes the numbers of one place: one of each result."""
    known = {**dict(formula.arrays), **{n: np.dtype("float64") for n in formula.numbers}}
    given = [f"{TYPES[d]} {n}" for n, d in formula.read().items()] + numbers(formula)
    results = {**{n: step.name for n, step in formula.written().items()}, **formula.sums()}
    given += [f"{TYPES[formula.dtype_of(value)]}& {name}" for name, value in results.items()]
    lines, of = [], ""
    for step in formula.steps:
        if step.of != of:
            lines.append(f"    // {step.of}")
            of = step.of
        lines.append(f"    {TYPES[step.dtype]} {step.name} = {_text(step, known)};")
        known[step.name] = step.dtype
    body = "\n".join(lines + [f"    {name} = {value};" for name, value in results.items()])
    return f"// {told}\n__device__ inline void formula({', '.join(given)}) {{\n{body}\n}}"


def _text(step: Step, known: Stored) -> str:
    operands = []
    for operand, place in zip(step.form.operands, step.operands):
        if isinstance(place, str):
            operands.append(in_brackets(cast(place, known[place], operand.dtype, TYPES)))
        else:
            operands.append(literal(place, operand.dtype, TYPES))
    return cast(step.form.text.format(*operands), step.form.dtype, step.dtype, TYPES)


def pointers(reads: Iterable[str], writes: Iterable[str], stored: Stored) -> list[str]:
    """The parameters that are arrays."""
    return [f"const {TYPES[stored[n]]}* {n}" for n in reads] + [f"{TYPES[stored[n]]}* {n}" for n in writes]


def numbers(formula: Formula) -> list[str]:
    """The parameters that are Python's floats."""
    return [f"double {n}" for n in formula.numbers]


def indices(letter: str, place: str, sizes: list[str], wide: bool, indent: str) -> list[str]:
    """The index in each dimension of a place that counts through all of them, the last dimension fastest."""
    kind = "int64" if wide else "int"
    lines = [f"{indent}{kind} {letter}0 = {place};"]
    for d in range(len(sizes) - 1, 0, -1):
        lines.append(f"{indent}{kind} {letter}{d} = {letter}0 % {kind}({sizes[d]});")
        lines.append(f"{indent}{letter}0 /= {kind}({sizes[d]});")
    return lines


def taken(
    formula: Formula,
    stored: Stored,
    where: Mapping[str, str],
    each: int,
    repeated: Collection[str],
    indent: str,
    then: Iterable[str] = (),
) -> list[str]:
    """The formula for `each` numbers of every array, which lie at the indices in `where`; halves are widened before, rounded after.

    repeated: the arrays of which one number stands for all. then: what is done beside with the numbers of each place, which are called
    `…_now`.
    """
    written, summed = formula.written(), formula.sums()
    places, lines, inner = dict[str, str](), [], indent
    for n in formula.read():
        if each == 1:
            places[n] = f"{n}[{where[n]}]"
        elif n in repeated:
            places[n] = f"{n}_same"
            lines.append(f"{indent}{TYPES[stored[n]]} {n}_same = {n}[{where[n]}];")
        else:
            places[n], pack = f"{n}s.each[K]", f"Pack<{TYPES[stored[n]]}, {each}>"
            lines.append(f"{indent}{pack} {n}s = *reinterpret_cast<const {pack}*>({n} + {where[n]});")
    if each > 1:
        inner = indent + "    "
        lines += [f"{indent}Pack<{TYPES[stored[n]]}, {each}> {n}s;" for n in written]
        lines += ["#pragma unroll", f"{indent}for (int K = 0; K < {each}; K++) {{"]
    lines += [f"{inner}{TYPES[step.dtype]} {n}_now;" for n, step in written.items()]
    lines += [f"{inner}{TYPES[formula.dtype_of(value)]} {n}_now;" for n, value in summed.items()]
    given = [f"{TYPES[dtype]}({places[n]})" if stored[n] != dtype else places[n] for n, dtype in formula.read().items()]
    given += [*formula.numbers, *(f"{n}_now" for n in (*written, *summed))]
    lines.append(f"{inner}formula({', '.join(given)});")
    for n, step in written.items():
        value = f"{n}_now" if stored[n] == step.dtype else f"{TYPES[stored[n]]}({n}_now)"
        lines.append(f"{inner}{f'{n}s.each[K]' if each > 1 else f'{n}[{where[n]}]'} = {value};")
    lines += [inner + line for line in then]
    if each > 1:
        lines.append(f"{indent}}}")
        lines += [f"{indent}*reinterpret_cast<Pack<{TYPES[stored[n]]}, {each}>*>({n} + {where[n]}) = {n}s;" for n in written]
    return lines
