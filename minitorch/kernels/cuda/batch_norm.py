"""batch_norm, forward and backward: sums over each channel, then an elementwise kernel that uses them.

The numbers of a channel of x (N, C, L) are too many for a block, and other channels lie between them. So a block takes a slice
of a channel into its registers and writes what it found there; the few numbers of the slices are joined afterwards. Forward
reads x twice and writes once, backward reads g and x twice and writes once. What threads read at a time lies side by side in
memory: numbers of one channel, or, where L = 1, of 32 neighbouring ones (WIDE).
Read next: `norm.py`, which chooses between this and `layer_norm.py`.
"""

from __future__ import annotations

import math
from typing import Any

from ...arrays.capturing import empty
from . import PER_THREAD, TYPES, Kernel, blocks_for, computed, threads_for

# Which numbers are this thread's: of one channel, WIDE threads of the block side by side, those below them PER_THREAD times.
_SLICES = r"""
struct Mine {
    int n, C, L, groups, channel;
    __device__ Mine(int64 n, int64 C, int64 L) : n(n), C(C), L(L), groups((C + WIDE - 1) / WIDE) {
        channel = blockIdx.x % groups * WIDE + threadIdx.x % WIDE;
    }
    __device__ int slice() { return blockIdx.x / groups; }
    __device__ int number(int k) { return (slice() * PER_THREAD + k) * (blockDim.x / WIDE) + threadIdx.x / WIDE; }
    __device__ bool there(int k) { return channel < C && number(k) < n; }
    __device__ int place(int k) {
        int i = number(k);
        return WIDE == 1 ? (i / L * C + channel) * L + i % L : i * C + channel;
    }
    __device__ void load(Share& into, const T* x) {
#pragma unroll
        for (int k = 0; k < PER_THREAD; k++) into[k] = there(k) ? ACC(x[place(k)]) : ACC(0);
    }
};

// The sum over the threads of the same channel: the upper half of them gives its sums to the lower, half by half.
__device__ ACC channel_sum(ACC mine) {
    __shared__ ACC all[1024];
    all[threadIdx.x] = mine;
    __syncthreads();
    for (int half = blockDim.x / 2; half >= WIDE; half /= 2) {
        if (threadIdx.x < half) all[threadIdx.x] += all[threadIdx.x + half];
        __syncthreads();
    }
    ACC total = all[threadIdx.x % WIDE];
    __syncthreads();  // before the next sum is put there
    return total;
}
"""
_WIDE: dict[str, tuple[int, ...]] = {"WIDE": (1, 32)}

BATCH_NORM_SLICES = Kernel(
    _SLICES
    + r"""
// For each slice of each channel: the mean of its numbers, and Σ (x − mean)²
KERNEL batch_norm_slices(const T* x, ACC* means, ACC* squares, int64 n, int64 C, int64 L) {
    Mine my(n, C, L);
    Share mine;
    my.load(mine, x);
    ACC sum = 0, count = 0, square = 0;
    for (int k = 0; k < PER_THREAD; k++) sum += mine[k], count += my.there(k);
    count = channel_sum(count);
    ACC mean = channel_sum(sum) / count;
    for (int k = 0; k < PER_THREAD; k++) {
        ACC off = mine[k] - mean;
        if (my.there(k)) square += off * off;
    }
    square = channel_sum(square);
    int at = my.slice() * C + my.channel;
    if (threadIdx.x / WIDE == 0 && my.there(0)) means[at] = mean, squares[at] = square;
}
""",
    _WIDE,
)

BATCH_NORM_JOIN = Kernel(
    r"""
// mean = Σ n_s mean_s / n and var = Σ (squares_s + n_s (mean_s − mean)²) / n over the slices s, of n_s numbers each: a thread
// for each channel
KERNEL batch_norm_join(const ACC* means, const ACC* squares, ACC* mean, ACC* var, int64 n, int64 C, int64 length) {
    int64 channel = int64(blockIdx.x) * blockDim.x + threadIdx.x;
    if (channel >= C) return;
    ACC sum = 0, square = 0;
    int64 left = n, at = channel;
    for (; left > 0; left = left - length, at += C) sum += ACC(min(left, length)) * means[at];
    ACC center = sum / n;
    for (left = n, at = channel; left > 0; left = left - length, at += C) {
        ACC off = means[at] - center;
        square += squares[at] + ACC(min(left, length)) * off * off;
    }
    mean[channel] = center;
    var[channel] = square / n;
}
"""
)

BATCH_NORM = Kernel(
    r"""
// out = (x − mean) · scale + shift, each by the channel; number i of x (N, C, L) is of channel i / L mod C
KERNEL batch_norm(const T* x, const ACC* mean, const ACC* scale, const ACC* shift, T* out, int64 n, int64 C, int64 L) {
    int64 start = int64(blockIdx.x) * blockDim.x * PER_THREAD;
    Share mine;
    load(mine, x + start, n - start, 0);
#pragma unroll
    for (int k = 0; k < PER_THREAD; k++) {
        unsigned i = start + threadIdx.x + k * blockDim.x, c = (WIDE == 1 ? i / unsigned(L) : i) % unsigned(C);
        mine[k] = (mine[k] - mean[c]) * scale[c] + shift[c];
    }
    store(mine, out + start, n - start);
}
""",
    _WIDE,
)

BATCH_NORM_BACKWARD_SLICES = Kernel(
    _SLICES
    + r"""
// For each slice of each channel: Σ g and Σ g (x − mean)
KERNEL batch_norm_backward_slices(const T* g, const T* x, const ACC* mean, ACC* sums, ACC* products, int64 n, int64 C, int64 L) {
    Mine my(n, C, L);
    Share my_g, my_x;
    my.load(my_g, g);
    my.load(my_x, x);
    ACC center = my.channel < C ? mean[my.channel] : 0, sum = 0, product = 0;
    for (int k = 0; k < PER_THREAD; k++) sum += my_g[k], product += my_g[k] * (my_x[k] - center);
    sum = channel_sum(sum);
    product = channel_sum(product);
    int at = my.slice() * C + my.channel;
    if (threadIdx.x / WIDE == 0 && my.there(0)) sums[at] = sum, products[at] = product;
}
""",
    _WIDE,
)

BATCH_NORM_BACKWARD = Kernel(
    r"""
// dx = scale · (g − level − slope · (x − mean)), each by the channel
KERNEL batch_norm_backward(const T* g, const T* x, const ACC* mean, const ACC* scale, const ACC* level, const ACC* slope, T* dx,
                           int64 n, int64 C, int64 L) {
    int64 start = int64(blockIdx.x) * blockDim.x * PER_THREAD;
    Share my_g, my_x;
    load(my_g, g + start, n - start, 0);
    load(my_x, x + start, n - start, 0);
#pragma unroll
    for (int k = 0; k < PER_THREAD; k++) {
        unsigned i = start + threadIdx.x + k * blockDim.x, c = (WIDE == 1 ? i / unsigned(L) : i) % unsigned(C);
        my_g[k] = scale[c] * (my_g[k] - level[c] - slope[c] * (my_x[k] - mean[c]));
    }
    store(my_g, dx + start, n - start);
}
""",
    _WIDE,
)


def serves(x: Any) -> bool:
    """Whether the kernels do: floats (N, C, …), not so many that an int could not count them."""
    return x.dtype.name in TYPES and 0 < x.size < 2**31 and x.ndim >= 2


def moments(xp: Any, x: Any) -> tuple[Any, Any]:
    """Launch BATCH_NORM_SLICES and BATCH_NORM_JOIN: the mean and the biased variance of each channel, shape (C)."""
    (means, squares), length = _in_slices(BATCH_NORM_SLICES, xp, xp.ascontiguousarray(x))
    C = x.shape[1]
    mean, var = empty(xp, C, means.dtype), empty(xp, C, means.dtype)
    threads = threads_for(C * PER_THREAD, 256)
    args = (means, squares, mean, var, x.size // C, C, length)
    BATCH_NORM_JOIN(xp, x.dtype, -(-C // threads), threads, args)
    return mean, var


def forward(xp: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float) -> Any:
    """Launch BATCH_NORM: (x − mean) / √(var + ε) · w + b by channels."""
    out = empty(xp, x.shape, x.dtype)
    shift = xp.zeros_like(mean) if bias is None else bias.astype(mean.dtype)
    _elementwise(BATCH_NORM, xp, (xp.ascontiguousarray(x), mean, _scale(xp, var, weight, eps), shift, out))
    return out


def backward(xp: Any, g: Any, x: Any, mean: Any, var: Any, weight: Any, eps: float, of_batch: bool) -> Any:
    """Launch BATCH_NORM_BACKWARD_SLICES and BATCH_NORM_BACKWARD: the gradients of x, weight and bias.

    of_batch: mean and var are the batch's own, through which x is differentiated too. None where they do not serve.
    """
    if not serves(x) or g.dtype != x.dtype:
        return None
    g, x, n = xp.ascontiguousarray(g), xp.ascontiguousarray(x), x.size // x.shape[1]
    (sums, products), _ = _in_slices(BATCH_NORM_BACKWARD_SLICES, xp, g, x, mean)
    g_sum, product = sums.sum(0), products.sum(0)
    level, slope = (g_sum / n, product / (n * (var + eps))) if of_batch else (xp.zeros_like(mean), xp.zeros_like(mean))
    dx = empty(xp, x.shape, x.dtype)
    _elementwise(BATCH_NORM_BACKWARD, xp, (g, x, mean, _scale(xp, var, weight, eps), level, slope, dx))
    return dx, (product / xp.sqrt(var + eps)).astype(x.dtype), g_sum.astype(x.dtype)


def _scale(xp: Any, var: Any, weight: Any, eps: float) -> Any:
    return (1 if weight is None else weight.astype(var.dtype)) / xp.sqrt(var + eps)


def _sizes(x: Any) -> tuple[int, int, int]:
    """N, C, L of x (N, C, …)."""
    return x.shape[0], x.shape[1], math.prod(x.shape[2:])


def _in_slices(kernel: Kernel, xp: Any, *arrays: Any) -> tuple[list, int]:
    """Launch a kernel that gives two numbers for each slice of each channel; also how long a slice is."""
    N, C, L = _sizes(arrays[0])
    wide = 32 if L == 1 else 1
    threads = threads_for(N * L * wide)
    length = threads // wide * PER_THREAD
    slices = -(-N * L // length)
    found = [empty(xp, (slices, C), computed(arrays[0].dtype)) for _ in range(2)]
    kernel(xp, arrays[0].dtype, slices * -(-C // wide), threads, (*arrays, *found, N * L, C, L), WIDE=wide)
    return found, length


def _elementwise(kernel: Kernel, xp: Any, arrays: tuple) -> None:
    _, C, L = _sizes(arrays[0])
    blocks, threads = blocks_for(arrays[0].size)
    kernel(xp, arrays[0].dtype, blocks, threads, (*arrays, arrays[0].size, C, L), WIDE=32 if L == 1 else 1)
