"""A formula printed as a CUDA kernel, in two forms: for arrays that lie alike in memory, and for arrays that lie in any way.

Alike: a thread takes 16 bytes of each array at once, for loads of that width are what moves most. In any way: a thread takes some
numbers one by one, and finds each array's element by the steps of its dimensions, of which broadcasting makes some 0.
What a kernel calls its own is in capitals; all else is called as in the op. Read next: `launching.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from ...kernels.cuda import PER_THREAD, WORDS
from ..forms import cast, in_brackets, literal
from .formula import TYPES, Formula, Step

HEADERS = {"__half": "#include <cuda_fp16.h>\n", "__nv_bfloat16": "#include <cuda_bf16.h>\n"}
LOAD = 16  # bytes
MOST_DIMS = 8

BEFORE = r"""
#ifdef __CUDACC_RTC__
#define INFINITY __int_as_float(0x7f800000)
#define NAN __int_as_float(0x7fffffff)
#endif
__device__ inline float exp_float(float x) { return expf(x); }
__device__ inline float tanh_float(float x) { return tanhf(x); }
__device__ inline float erf_float(float x) { return erff(x); }
__device__ inline float sigmoid_float(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ inline double sigmoid_double(double x) { return 1.0 / (1.0 + exp(-x)); }

// V numbers that lie behind each other, read or written at once.
template <class T, int V> struct alignas(sizeof(T) * V) Pack { T each[V]; };
"""


def kernel(
    formula: Formula, name: str, told: str, stored: Mapping[str, np.dtype], dims: int, wide: bool = False, alone: bool = True
) -> str:
    """The source of a kernel called `name`.

    stored: the dtype in memory of each array and of each result. dims: 0 for arrays that lie alike, else how many
    dimensions there are. wide: whether places need 64 bits. alone: with what all kernels begin with.
    """
    parts = [
        _formula(formula, told),
        _alike(formula, name, stored) if dims == 0 else _any_way(formula, name, stored, dims, wide),
    ]
    if not alone:
        return "\n".join(parts)
    includes = "".join(sorted({HEADERS.get(TYPES[dtype], "") for dtype in stored.values()}))
    return f"{includes}{WORDS}{BEFORE}\n" + "\n".join(parts)


def results(formula: Formula) -> dict[str, Step]:
    """What the kernel writes: the results that are computed, each once."""
    steps = {s.name: s for s in formula.steps}
    first = dict(reversed([*zip(formula.results, formula.called)]))
    return {first[result]: steps[result] for result in dict.fromkeys(formula.results) if result in steps}


def arrays(formula: Formula) -> dict[str, np.dtype]:
    """What the kernel reads: the arrays that a step needs."""
    used = formula.used()
    return {name: dtype for name, dtype in formula.arrays if name in used}


def each_takes(dtypes: Iterable[np.dtype]) -> int:
    """How many numbers of arrays that lie alike a thread takes."""
    return max(1, LOAD // max(dtype.itemsize for dtype in dtypes))


def _formula(formula: Formula, told: str) -> str:
    """The function that computes one number of each result."""
    known = {**dict(formula.arrays), **{n: np.dtype("float64") for n in formula.numbers}}
    taken = [f"{TYPES[d]} {n}" for n, d in arrays(formula).items()] + [f"double {n}" for n in formula.numbers]
    made = results(formula)
    given = [f"{TYPES[step.dtype]}& {name}" for name, step in made.items()]
    lines = []
    for step in formula.steps:
        lines.append(f"    {TYPES[step.dtype]} {step.name} = {_text(step, known)};")
        known[step.name] = step.dtype
    lines += [f"    {name} = {step.name};" for name, step in made.items()]
    body = "\n".join(lines)
    return f"// {told}\n__device__ inline void formula({', '.join(taken + given)}) {{\n{body}\n}}"


def _text(step: Step, known: Mapping[str, np.dtype]) -> str:
    operands = []
    for operand, place in zip(step.form.operands, step.operands):
        if isinstance(place, str):
            operands.append(in_brackets(cast(place, known[place], operand.dtype, TYPES)))
        else:
            operands.append(literal(place, operand.dtype, TYPES))
    return cast(step.form.text.format(*operands), step.form.dtype, step.dtype, TYPES)


def _alike(formula: Formula, name: str, stored: Mapping[str, np.dtype]) -> str:
    reads, writes, numbers = list(arrays(formula)), list(results(formula)), list(formula.numbers)
    each = each_takes(stored[n] for n in (*reads, *writes))
    takes = [f"const {TYPES[stored[n]]}* {n}" for n in reads] + [f"{TYPES[stored[n]]}* {n}" for n in writes]
    takes += ["int64 N"] + [f"double {n}" for n in numbers]
    lines = [
        f"KERNEL {name}({', '.join(takes)}) {{",
        f"    int64 I = (int64(blockIdx.x) * blockDim.x + threadIdx.x) * {each};",
    ]
    if each > 1:
        lines.append(f"    if (I + {each} <= N) {{")
        for n in reads:
            pack = f"Pack<{TYPES[stored[n]]}, {each}>"
            lines.append(f"        {pack} {n}s = *reinterpret_cast<const {pack}*>({n} + I);")
        lines += [f"        Pack<{TYPES[stored[n]]}, {each}> {n}s;" for n in writes]
        lines += ["#pragma unroll", f"        for (int K = 0; K < {each}; K++) {{"]
        lines += _one(formula, stored, {n: f"{n}s.each[K]" for n in (*reads, *writes)}, "            ")
        lines.append("        }")
        lines += [f"        *reinterpret_cast<Pack<{TYPES[stored[n]]}, {each}>*>({n} + I) = {n}s;" for n in writes]
        lines += ["        return;", "    }"]
    lines.append(f"    for (int64 END = I + {each}; I < END && I < N; I++) {{")
    lines += _one(formula, stored, {n: f"{n}[I]" for n in (*reads, *writes)}, "        ")
    return "\n".join([*lines, "    }", "}"])


def _any_way(formula: Formula, name: str, stored: Mapping[str, np.dtype], dims: int, wide: bool) -> str:
    reads, writes, numbers = list(arrays(formula)), list(results(formula)), list(formula.numbers)
    takes = [f"const {TYPES[stored[n]]}* {n}" for n in reads] + [f"{TYPES[stored[n]]}* {n}" for n in writes]
    takes += ["int64 N"] + [f"int64 N{d}" for d in range(1, dims)]
    takes += [f"int64 {a}_{d}" for a in (*reads, *writes) for d in range(dims)] + [f"double {n}" for n in numbers]
    index = "int64" if wide else "int"
    lines = [
        f"KERNEL {name}({', '.join(takes)}) {{",
        f"    int64 FIRST = int64(blockIdx.x) * blockDim.x * {PER_THREAD} + threadIdx.x;",
        f"    for (int K = 0; K < {PER_THREAD}; K++) {{",
        "        int64 AT = FIRST + int64(K) * blockDim.x;",
        "        if (AT >= N) return;",
        f"        {index} I0 = AT;",
    ]
    for d in range(dims - 1, 0, -1):
        lines.append(f"        {index} I{d} = I0 % {index}(N{d});")
        lines.append(f"        I0 /= {index}(N{d});")
    where = {a: f"{a}[{' + '.join(f'I{d} * {a}_{d}' for d in range(dims))}]" for a in (*reads, *writes)}
    lines += _one(formula, stored, where, "        ")
    return "\n".join([*lines, "    }", "}"])


def _one(formula: Formula, stored: Mapping[str, np.dtype], where: Mapping[str, str], indent: str) -> list[str]:
    """The formula for the numbers in one place: halves are widened before, and rounded after."""
    made = results(formula)
    lines = [f"{indent}{TYPES[step.dtype]} {n}_now;" for n, step in made.items()]
    given = [f"{TYPES[dtype]}({where[n]})" if stored[n] != dtype else where[n] for n, dtype in arrays(formula).items()]
    lines.append(f"{indent}formula({', '.join([*given, *formula.numbers, *(f'{n}_now' for n in made)])});")
    for n, step in made.items():
        value = f"{n}_now" if stored[n] == step.dtype else f"{TYPES[stored[n]]}({n}_now)"
        lines.append(f"{indent}{where[n]} = {value};")
    return lines
