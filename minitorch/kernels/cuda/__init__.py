"""CUDA kernels: one launch where the plain op makes several passes over memory. `Kernel` is a source and how it is launched.

On a GPU a pass over an array costs what moving its numbers costs, hardly ever what computing on them does. The plain softmax
reads or writes each number eight times, a kernel twice. Each kernel stands beside the Python function that launches it, in a file
of its family; the op it replaces names that function (`@op.twin("cuda")`, `@op.twin_grad("cuda")`) and stays what is run everywhere else.
Read next: `softmax.py`, the one to learn from; docs/gpu.md, how kernels are proved on a machine without a GPU.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ...arrays.capturing import now, settle

# How a kernel's T, the numbers in memory, is spelled, and ACC, what it computes with: 16 bits are too few for a sum.
TYPES = {
    "float16": ("#include <cuda_fp16.h>\nusing T = __half;", "float"),
    "bfloat16": ("#include <cuda_bf16.h>\nusing T = __nv_bfloat16;", "float"),
    "float32": ("using T = float;", "float"),
    "float64": ("using T = double;", "double"),
}

# What all kernels begin with, generated ones too (`compiler/cuda`).
WORDS = r"""
typedef long long int64;  // what a Python int arrives as; a Python float arrives as a double

// How a kernel begins: any block may have up to 1024 threads, so that the compiler leaves each of them its 64 registers.
#define KERNEL extern "C" __global__ void __launch_bounds__(1024)
"""

# What every kernel may use. No warp shuffles: then it runs on a CPU too, where a block's threads are threads of the system.
HELPERS = (
    WORDS
    + r"""
#define MINUS_INFINITY log(ACC(0))

// A thread's share of n numbers, PER_THREAD of them: every blockDim.x-th from threadIdx.x on, and `beyond` where there are no
// more. All are asked for before the first is used: many loads under way at a time are what a kernel's speed comes from.
// Neighbouring threads read neighbouring numbers, so that the 32 loads of a warp are one stretch of memory.
constexpr int PER_THREAD = 8;
typedef ACC Share[PER_THREAD];

template <int N> __device__ void load(ACC (&mine)[N], const T* from, int64 n, ACC beyond) {
#pragma unroll
    for (int k = 0; k < N; k++) {
        int i = threadIdx.x + k * blockDim.x;
        mine[k] = i < n ? ACC(from[i]) : beyond;
    }
}
template <class To, int N> __device__ void store(const ACC (&mine)[N], To* to, int64 n) {
#pragma unroll
    for (int k = 0; k < N; k++) {
        int i = threadIdx.x + k * blockDim.x;
        if (i < n) to[i] = To(mine[k]);
    }
}

// A row goes into the registers of its block as one chunk, or, where LONG, is read chunk by chunk, again at each step.
#define EACH_CHUNK for (int64 at = 0; at < (LONG ? n : 1); at += blockDim.x * PER_THREAD)

// A number of a launch. In a captured graph it may be another one at each replay: then (HELD) it is where it lies that is told.
template <class N, int held> struct Number { typedef N type; };
template <class N> struct Number<N, 1> { typedef const N* type; };
#define NUMBER(N) Number<N, HELD>::type
template <class N> __device__ N value(N number) { return number; }
template <class N> __device__ N value(const N* number) { return *number; }

// Turns: `count` numbers taken by the threads of a block, or `count` rows by the blocks, in turn.
#define THREADS_TAKE(i, count) for (int64 i = threadIdx.x; i < (count); i += blockDim.x)
#define BLOCKS_TAKE(row, count) for (int row = blockIdx.x; row < (count); row += gridDim.x)

// All values of the block joined into one (a sum, a maximum), which every thread gets: 16 threads join what they find at
// their own place, 16 further on, 32 further on, …; then every thread joins the 16 results.
template <class Value, class Join> __device__ Value over_block(Value mine, Join join) {
    __shared__ Value all[1024], some[16];
    int few = blockDim.x < 16 ? blockDim.x : 16;
    all[threadIdx.x] = mine;
    __syncthreads();
    if (threadIdx.x < few) {
        for (int i = threadIdx.x + few; i < blockDim.x; i += few) mine = join(mine, all[i]);
        some[threadIdx.x] = mine;
    }
    __syncthreads();
    Value total = some[0];
    for (int i = 1; i < few; i++) total = join(total, some[i]);
    return total;
}
__device__ ACC block_sum(ACC mine) { return over_block(mine, [](ACC a, ACC b) { return a + b; }); }
__device__ ACC block_max(ACC mine) { return over_block(mine, [](ACC a, ACC b) { return a > b ? a : b; }); }
"""
)

generated = True  # whether kernels are made of formulas too, by `compiler/cuda`
kernels: list[Kernel] = []  # every kernel whose module has been imported


class Kernel:
    """A CUDA kernel, compiled for a dtype when it is first launched with it.

    The source says T for the numbers in memory, ACC for those it computes with, and may use HELPERS. `constants` are numbers
    known at compilation, each with the values a launch may choose from: `Kernel(source, {"LONG": (0, 1)})`. `before` stands
    before the source: what it shares with other kernels.
    """

    def __init__(
        self,
        source: str,
        constants: dict[str, tuple[int, ...]] | None = None,
        dtypes: tuple[str, ...] = tuple(TYPES),
        before: str = "",
    ):
        self.source, self.constants, self.dtypes, self.before = source, constants or {}, dtypes, before
        self.name, takes = re.findall(r"^KERNEL (\w+)\((.*?)\) \{", source, re.MULTILINE | re.DOTALL)[0]
        self.writes = tuple("const" not in each for each in takes.split(","))  # by parameter; of a number it says nothing
        self._compiled: dict[Any, Any] = {}
        kernels.append(self)

    def __repr__(self) -> str:
        return f"<kernel {self.name}>"

    def __call__(self, xp: Any, dtype: Any, blocks: int, threads: int, args: tuple, **constants: int) -> None:
        """Launch it: `args` are the kernel's, arrays (contiguous, of `dtype` where it says T), ints and floats."""
        key = (xp, dtype.name, *constants.values())
        compiled = self._compiled.get(key)
        if compiled is None:
            compiled = self._compiled[key] = xp.RawKernel(self.text(dtype.name, **constants), self.name)
            compiled.compile()  # (CuPy would at the first launch, which may be one that is only captured)
        if now.held is None:
            compiled((blocks,), (threads,), args)
        else:
            self._hold(now.held, functools.partial(compiled, (blocks,), (threads,), args), args)

    def _hold(self, held: Any, call: Callable, args: tuple) -> None:
        """Launch it in its turn among those held back (`arrays/capturing.py`); after all, if a table says which arrays it takes."""
        arrays = [
            (x, writes)
            for x, writes in zip(args, self.writes, strict=True)
            if hasattr(x, "strides") and not isinstance(x, np.generic)
        ]
        if any(isinstance(x, np.ndarray) or (x.dtype == np.uint64 and x.ndim == 2) for x, _ in arrays):
            settle()
            call()
        else:
            held.hold_call(call, [x for x, _ in arrays], [x for x, writes in arrays if writes])

    def text(self, dtype: str, **constants: int) -> str:
        """The whole source for one dtype and these constants, as the compiler gets it."""
        if any(value not in self.constants[name] for name, value in constants.items()):
            raise ValueError(f"kernel {self.name} declares the constants {self.constants}, got {constants}")
        stored, computed = TYPES[dtype]
        chosen = "".join(f"constexpr int {name} = {value};\n" for name, value in constants.items())
        return f"{stored}\nusing ACC = {computed};\n{chosen}{HELPERS}{self.before}{self.source}"


# ---- how the work is shared out ----

PER_THREAD = 8  # as in HELPERS
MOST_THREADS = 1024  # in a block; a stand-in for the GPU may have fewer
IN_ROWS: dict[str, tuple[int, ...]] = {"LONG": (0, 1)}  # the constants of a kernel that takes rows
HELD: dict[str, tuple[int, ...]] = {"HELD": (0, 1)}  # and of one that takes a NUMBER


def held(xp: Any, *numbers: Any) -> list[Any]:
    """NumPy's numbers as arrays of one, for a launch that reads them from memory: in a run before a capture, which launches the same kernel."""
    on_gpu = xp.asarray(np.array(numbers))
    return [on_gpu[k : k + 1] for k in range(len(numbers))]


def placed(xp: Any, seed: Any, counter: Any) -> tuple[list[Any], int]:
    """A place in a stream of random numbers as a kernel takes it, and its constant HELD."""
    if hasattr(seed, "array"):
        return [seed.array, counter.array], 1
    place = [np.uint64(seed), np.uint64(counter)]
    return (place, 0) if now.warming is None else (held(xp, *place), 1)


def computed(dtype: Any) -> str:
    """The dtype that ACC is for numbers of `dtype` in memory."""
    return "float64" if TYPES[dtype.name][1] == "double" else "float32"


def rows_of(x: Any, dim: int) -> tuple[int, int] | None:
    """(number of rows, their length) if x is floats in rows along its last dimension, which kernels serve, else None."""
    if x.dtype.name not in TYPES or not x.size or not x.ndim or dim not in (-1, x.ndim - 1):
        return None
    return x.size // x.shape[-1], x.shape[-1]


def block_for(n: int) -> tuple[int, dict[str, int]]:
    """The threads for a row of n, enough to take it in one go if a block may have so many, and the constant LONG: if not."""
    return threads_for(n), {"LONG": int(n > MOST_THREADS * PER_THREAD)}


def blocks_for(n: int) -> tuple[int, int]:
    """(blocks, threads) for n numbers none of which depends on another."""
    threads = threads_for(n, 256)
    return -(-n // (threads * PER_THREAD)), threads


def threads_for(n: int, most: int = 1024) -> int:
    """A power of two from 32, a warp, to `most`: enough for n numbers if there are so many."""
    return min(most, MOST_THREADS, max(32, 1 << (-(-n // PER_THREAD) - 1).bit_length()))
