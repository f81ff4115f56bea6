"""gelu and its derivative: elementwise, so that each thread takes some numbers and no thread needs another.

Eight numbers each, all read before the first is computed on: with one number a thread too few loads would be under way to
keep the memory busy. The plain op reads or writes each number some twenty times, the kernel twice.
Read next: `softmax.py`, where a block's threads work together.
"""

from __future__ import annotations

from typing import Any

from ...ops.activation import gelu
from . import TYPES, Kernel, blocks_for

GELU = Kernel(
    r"""
// out = x Φ(x); TANH: with Φ(x) ≈ (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2
__device__ ACC gelu_of(ACC x) {
    if (TANH) return ACC(0.5) * x * (1 + tanh(ACC(0.7978845608028654) * (x + ACC(0.044715) * x * x * x)));
    return ACC(0.5) * x * (1 + erf(x * ACC(0.7071067811865476)));
}
KERNEL gelu(const T* x, T* out, int64 n) {
    int64 start = int64(blockIdx.x) * blockDim.x * PER_THREAD;  // of the stretch that this block takes
    Share mine;
    load(mine, x + start, n - start, 0);
    for (ACC& value : mine) value = gelu_of(value);
    store(mine, out + start, n - start);
}
""",
    {"TANH": (0, 1)},
)

GELU_BACKWARD = Kernel(
    r"""
// dx = g (Φ(x) + x φ(x)); TANH: the same with t = tanh(u), u = √(2/π) (x + 0.044715 x³): g ((1 + t) + x (1 − t²) du/dx) / 2
__device__ ACC slope_of(ACC x) {
    if (TANH) {
        ACC t = tanh(ACC(0.7978845608028654) * (x + ACC(0.044715) * x * x * x));
        return ACC(0.5) * (1 + t) + ACC(0.5) * x * (1 - t * t) * ACC(0.7978845608028654) * (1 + ACC(3 * 0.044715) * x * x);
    }
    ACC density = ACC(0.3989422804014327) * exp(ACC(-0.5) * x * x);
    return ACC(0.5) * (1 + erf(x * ACC(0.7071067811865476))) + x * density;
}
KERNEL gelu_backward(const T* g, const T* x, T* dx, int64 n) {
    int64 start = int64(blockIdx.x) * blockDim.x * PER_THREAD;  // of the stretch that this block takes
    Share my_g, my_x;
    load(my_g, g + start, n - start, 0);
    load(my_x, x + start, n - start, 0);
    for (int k = 0; k < PER_THREAD; k++) my_g[k] *= slope_of(my_x[k]);
    store(my_g, dx + start, n - start);
}
""",
    {"TANH": (0, 1)},
)


@gelu.twin("cuda")
def forward(xp: Any, x: Any, approximate: str) -> Any:
    """Launch GELU, which reads each number once and writes it once; None where it does not serve."""
    if not _serves(x, approximate):
        return None
    out = xp.empty(x.shape, x.dtype)
    _launch(GELU, xp, (x, out), approximate)
    return out


@gelu.twin_grad("cuda")
def backward(xp: Any, g: Any, x: Any, approximate: str) -> Any:
    """Launch GELU_BACKWARD: g and x read once, the gradient written once; None where it does not serve."""
    if not _serves(x, approximate) or g.dtype != x.dtype:
        return None
    dx = xp.empty(x.shape, x.dtype)
    _launch(GELU_BACKWARD, xp, (xp.ascontiguousarray(g), x, dx), approximate)
    return dx


def _serves(x: Any, approximate: str) -> bool:
    return x.dtype.name in TYPES and x.size > 0 and x.flags.c_contiguous and approximate in ("none", "tanh")


def _launch(kernel: Kernel, xp: Any, arrays: tuple, approximate: str) -> None:
    n = arrays[0].size
    kernel(xp, arrays[0].dtype, *blocks_for(n), (*arrays, n), TANH=int(approximate == "tanh"))
