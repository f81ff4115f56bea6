"""Random numbers: each thread makes the words of its calls, and the numbers from these, so that memory is only written.

Which thread makes which number is torch's, and may not depend on how many threads are launched: so it is told (`threads`).
Read next: `random/gpu.py`, the same in array operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays.capturing import empty
from ...ops.gpu_draws import philox_floats, philox_integers
from ...random import gpu, philox
from . import HELD, TYPES, Kernel, computed, placed

COUNTERS = (
    philox.CUDA
    + "typedef unsigned long long Place;\n"
    + r"""
// The four words of a call of a thread.
__device__ void words_of(unsigned (&words)[4], unsigned long long seed, unsigned long long counter, unsigned long long thread) {
    words[0] = unsigned(counter), words[1] = unsigned(counter >> 32), words[2] = unsigned(thread), words[3] = unsigned(thread >> 32);
    philox(words, unsigned(seed), unsigned(seed >> 32));
}
__device__ unsigned long long both(unsigned upper, unsigned lower) { return (unsigned long long)upper << 32 | lower; }
"""
)
FEW = r"""
// What a call makes: four numbers in float, two in double.
typedef ACC Few[16 / sizeof(ACC)];
__device__ double of_53_bits(unsigned x, unsigned y) { return double(x ^ ((unsigned long long)y << 21)); }
__device__ void uniforms(float (&u)[4], const unsigned (&w)[4]) {
    for (int k = 0; k < 4; k++) u[k] = float(w[k]) * 2.3283064e-10f + 1.1641532e-10f;
}
__device__ void uniforms(double (&u)[2], const unsigned (&w)[4]) {
    for (int k = 0; k < 2; k++) u[k] = of_53_bits(w[2 * k], w[2 * k + 1]) * 1.1102230246251565e-16 + 5.551115123125783e-17;
}
__device__ void normals(float (&z)[4], const unsigned (&w)[4]) {
    const float turn = 2.3283064e-10f * 6.2831855f;
    for (int k = 0; k < 4; k += 2) {
        float r = sqrtf(-2.0f * logf(float(w[k]) * 2.3283064e-10f + 1.1641532e-10f));
        __sincosf(float(w[k + 1]) * turn + turn / 2.0f, &z[k], &z[k + 1]);
        z[k] *= r, z[k + 1] *= r;
    }
}
__device__ void normals(double (&z)[2], const unsigned (&w)[4]) {
    double r = sqrt(-2.0 * log(of_53_bits(w[0], w[1]) * 1.1102230246251565e-16 + 5.551115123125783e-17));
    sincospi(of_53_bits(w[2], w[3]) * 2.220446049250313e-16 + 1.1102230246251565e-16, &z[0], &z[1]);
    z[0] *= r, z[1] *= r;
}
// log and tan as torch computes them: quickly in float.
__device__ float quick_log(float x) { return __logf(x); }
__device__ double quick_log(double x) { return log(x); }
__device__ float quick_tan(float x) { return __tanf(x); }
__device__ double quick_tan(double x) { return tan(x); }
"""
# What is made of a number x, with the parameters a, b and c: torch's formulas, as in `random/gpu.py`. The place in the list is KIND.
FORMULAS = {
    "uniform": "T value = T(x * b + a); return ACC(value) == c ? T(a) : value;",  # b is the width, c the upper end
    "normal": "return T(x * b + a);",
    "log_normal": "return T(exp(x * b + a));",
    "exponential": "return T(ACC(-1) / a * (x >= 1 - c ? -c : quick_log(x)));",  # c is half of ε
    "cauchy": "if (sizeof(ACC) == 4) x = x > 1 - c ? 1 - c : x < c ? c : x; return T(a + b * quick_tan(PI * (x - ACC(0.5))));",
    "geometric": "return T(ceil(quick_log(x) / log1p(-a)));",
    "bernoulli": "return T(x < a ? 1.0f : 0.0f);",
}
KINDS = tuple(FORMULAS)

NUMBERS = Kernel(
    r"""
// n numbers of a kind; thread t has the numbers t, t + threads, t + 2 threads, …
KERNEL philox_numbers(T* out, int64 n, NUMBER(Place) seed_, NUMBER(Place) counter_, int64 threads, int64 calls, ACC a, ACC b,
                      ACC c) {
    int64 mine = int64(blockIdx.x) * blockDim.x + threadIdx.x;
    if (mine >= threads) return;
    Place seed = value(seed_), counter = value(counter_);
    constexpr int EACH = sizeof(Few) / sizeof(ACC);
    for (int64 call = 0; call < calls; call++) {
        unsigned words[4];
        Few few;
        words_of(words, seed, counter + call, mine);
        if (OF_NORMALS) normals(few, words); else uniforms(few, words);
        for (int k = 0; k < EACH; k++) {
            int64 at = mine + (call * EACH + k) * threads;
            if (at < n) out[at] = made_of(few[k], a, b, c);
        }
    }
}
""",
    {"KIND": tuple(range(len(KINDS))), **HELD},
    before=COUNTERS
    + FEW
    + "const ACC PI = 3.141592653589793;\n"
    + "__device__ T made_of(ACC x, ACC a, ACC b, ACC c) {\n"
    + "".join(f"    if (KIND == {k}) {{ {formula} }}  // {kind}\n" for k, (kind, formula) in enumerate(FORMULAS.items()))
    + f"    return T(0.0f);\n}}\nconstexpr bool OF_NORMALS = {' || '.join(f'KIND == {KINDS.index(kind)}' for kind in gpu.OF_NORMALS)};\n",
)
INTEGERS = Kernel(
    r"""
// n integers in low … low + span − 1, of 32 bits each, or of 64 where TWO_WORDS; span 0 stands for 2⁶⁴
KERNEL integer_numbers(int64* out, int64 n, NUMBER(Place) seed_, NUMBER(Place) counter_, int64 threads, int64 calls, int64 low,
                       unsigned long long span) {
    int64 mine = int64(blockIdx.x) * blockDim.x + threadIdx.x;
    if (mine >= threads) return;
    Place seed = value(seed_), counter = value(counter_);
    constexpr int EACH = TWO_WORDS ? 2 : 4;
    for (int64 call = 0; call < calls; call++) {
        unsigned words[4];
        words_of(words, seed, counter + call, mine);
        for (int k = 0; k < EACH; k++) {
            int64 at = mine + (call * EACH + k) * threads;
            unsigned long long drawn = TWO_WORDS ? both(words[2 * k % 4], words[(2 * k + 1) % 4]) : words[k];
            if (at < n) out[at] = int64((span ? drawn % span : drawn) + (unsigned long long)low);
        }
    }
}
""",
    {"TWO_WORDS": (0, 1), **HELD},
    dtypes=("float32",),
    before=COUNTERS,
)


@philox_floats.twin("cuda")
def floats(xp: Any, x: Any, kind: str, a: float, b: float, *draw: Any) -> Any:
    """Launch NUMBERS; None where it does not serve."""
    if x.dtype.name not in TYPES:
        return None
    out = empty(xp, x.size, x.dtype)
    wide = np.dtype(computed(x.dtype)).type
    numbers = wide(a), wide(b), wide(np.finfo(wide).eps / (2 if kind == "exponential" else 1))
    if kind == "uniform":  # its ends are rounded first
        low, high = x.dtype.type(a), x.dtype.type(b)
        numbers = wide(low), wide(high - low), wide(high)
    return _launched(NUMBERS, xp, x.dtype, out, gpu.Draw(*draw), numbers, KIND=KINDS.index(kind))


@philox_integers.twin("cuda")
def integers(xp: Any, x: Any, low: int, span: int, *draw: Any) -> Any:
    """Launch INTEGERS."""
    out, drawn = empty(xp, x.size, "int64"), gpu.Draw(*draw)
    numbers = np.int64((low + 2**63) % 2**64 - 2**63), np.uint64(span % 2**64)
    return _launched(INTEGERS, xp, np.dtype("float32"), out, drawn, numbers, TWO_WORDS=int(drawn.each == 2))


def _launched(kernel: Kernel, xp: Any, dtype: Any, out: Any, draw: gpu.Draw, numbers: tuple, **constants: int) -> Any:
    """The array, filled by a launch of no more threads than make numbers."""
    threads = min(gpu.BLOCK, max(32, 1 << (min(draw.threads, out.size) - 1).bit_length()))
    blocks = -(-min(draw.threads, out.size) // threads)
    place, is_held = placed(xp, draw.seed, draw.counter)
    kernel(
        xp, dtype, blocks, threads, (out, out.size, *place, draw.threads, draw.calls, *numbers), **constants, HELD=is_held
    )
    return out
