"""`cupy.cuda.cublas`, and libcublas itself, without a GPU: the two products that minitorch calls, on the numbers at the pointers they are given.

As cuBLAS does: matrices lie by columns, `ld` apart, transposed where a flag says so, `stride` from one to the next. A wrong flag
or pitch so gives wrong numbers, or a refusal: arguments are checked as cuBLAS documents, and nothing is read or written outside
the arrays whose pointers were asked for. TF32 rounds the factors to 10 bits. Read next: `minitorch/arrays/blas.py`.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

import minitorch

from . import graphs

CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = 0, 1, -1
CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_32F_FAST_TF32 = 68, 70, 77
CUDA_R_32F, CUDA_R_64F, CUDA_R_16F, CUDA_R_16BF = 0, 1, 2, 14
DTYPES = {CUDA_R_32F: "float32", CUDA_R_64F: "float64", CUDA_R_16F: "float16", CUDA_R_16BF: "bfloat16"}
TYPES_FOR = {
    CUBLAS_COMPUTE_32F: {CUDA_R_32F, CUDA_R_16F, CUDA_R_16BF}, CUBLAS_COMPUTE_64F: {CUDA_R_64F},
    CUBLAS_COMPUTE_32F_FAST_TF32: {CUDA_R_32F},
}  # fmt: skip
HANDLE = 0xB1A5
# The first line of their docstrings in CuPy 14.2.
SIGNATURES = {
    "gemmEx": "intptr_t handle, int transa, int transb, int m, int n, int k, size_t alpha, size_t A, int Atype, int lda, size_t B, "
    "int Btype, int ldb, size_t beta, size_t C, int Ctype, int ldc, int computeType, int algo",
    "gemmStridedBatchedEx": "intptr_t handle, int transa, int transb, int m, int n, int k, size_t alpha, size_t A, int Atype, "
    "int lda, long long strideA, size_t B, int Btype, int ldb, long long strideB, size_t beta, size_t C, int Ctype, int ldc, "
    "long long strideC, int batchCount, int computeType, int algo",
}
exposed: dict[int, tuple[int, int]] = {}  # pointer → first and last address of the array's memory
arrays: Any = weakref.WeakValueDictionary()  # pointer → the array, as long as it is there
calls: list[str] = []  # one line each: transposed?, sizes, types


class CUBLASError(RuntimeError):
    """What CuPy raises for a status other than success."""


def expose(host: np.ndarray) -> int:
    """The array's pointer, remembered with the bounds of its memory."""
    pointer = host.ctypes.data
    exposed[pointer] = np.lib.array_utils.byte_bounds(graphs.owner_of(host))
    arrays[pointer] = host
    if graphs.recording[-1] is not None:
        graphs.recording[-1].exposed[pointer] = graphs.Place(host)
    return pointer


def gemmEx(*arguments: Any) -> None:
    """C = α op(A) op(B) + β C"""
    graphs.refuse("calling cuBLAS API by CuPy")
    given = _named("gemmEx", arguments)
    _product(**given, strideA=0, strideB=0, strideC=0, batchCount=1)


def gemmStridedBatchedEx(*arguments: Any) -> None:
    """Cᵢ = α op(Aᵢ) op(Bᵢ) + β Cᵢ for i < batchCount"""
    graphs.refuse("calling cuBLAS API by CuPy")
    given = _named("gemmStridedBatchedEx", arguments)
    _require(given["strideC"] >= given["ldc"] * given["n"], "the matrices of C overlap")
    _product(**given)


def getVersion(handle: int) -> int:
    """As of cuBLAS 13.1."""
    _require(handle == HANDLE, "not initialized")
    return 130100


class Library:
    """libcublas as ctypes opens it: its functions take what their declared types say, know one handle, and can be captured."""

    stream: Any = None  # that the handle was given

    def __init__(self, version: int):
        _require(version == 130100, f"no library of version {version}")
        self.cublasSetStream_v2 = Function("cublasSetStream_v2", (Word, Word), self._set_stream)
        self.cublasGemmEx = Function("cublasGemmEx", _declared("gemmEx"), self._gemm)
        self.cublasGemmStridedBatchedEx = Function(
            "cublasGemmStridedBatchedEx", _declared("gemmStridedBatchedEx"), self._gemm_of_a_batch
        )

    def _set_stream(self, handle: int, stream: int) -> None:
        _require(handle == HANDLE, "not initialized")
        self.stream = stream

    def _gemm(self, *arguments: int) -> None:
        self._run({**_named("gemmEx", arguments), "strideA": 0, "strideB": 0, "strideC": 0, "batchCount": 1})

    def _gemm_of_a_batch(self, *arguments: int) -> None:
        given = _named("gemmStridedBatchedEx", arguments)
        _require(given["strideC"] >= given["ldc"] * given["n"], "the matrices of C overlap")
        self._run(given)

    def _run(self, given: dict[str, int]) -> None:
        capture = graphs.recording[-1]
        _require(capture is None or self.stream == capture.stream.ptr, "another stream than the one that captures")
        _product(**given, writes=capture is None)
        graphs.do(lambda: _product(**given), runs=False) if capture is not None else None


class Function:
    """A function of a library: it has to be declared as the header has it."""

    def __init__(self, name: str, declared: tuple, run: Any):
        self.name, self.declared, self.run = name, declared, run
        self.argtypes: tuple = ()
        self.restype: Any = None

    def __call__(self, *arguments: int) -> int:
        if tuple(self.argtypes) != self.declared or self.restype is not ctypes.c_int:
            raise TypeError(f"{self.name} is declared as {self.argtypes}, the header has {self.declared}")
        if len(arguments) != len(self.declared) or any(type(a) is not int for a in arguments):
            raise ctypes.ArgumentError(f"{self.name} takes {len(self.declared)} integers and pointers, got {arguments}")
        self.run(*arguments)
        return 0


Word = ctypes.c_void_p


def _declared(function: str) -> tuple:
    """The types of a function's parameters, as cublas_api.h has them."""
    kinds = {"intptr_t": Word, "size_t": Word, "int": ctypes.c_int, "long long": ctypes.c_longlong}
    return tuple(kinds[parameter.rpartition(" ")[0]] for parameter in SIGNATURES[function].split(", "))


def _named(function: str, arguments: tuple) -> dict[str, int]:
    names = [parameter.split()[-1] for parameter in SIGNATURES[function].split(", ")]
    if len(arguments) != len(names):
        raise TypeError(f"{function}() takes exactly {len(names)} positional arguments ({len(arguments)} given)")
    for name, value in zip(names, arguments):
        if type(value) is not int:
            raise TypeError(f"{function}(): {name} must be an integer, got {type(value).__name__}")
    return dict(zip(names, arguments))


def _product(
    handle: int, transa: int, transb: int, m: int, n: int, k: int, alpha: int, A: int, Atype: int, lda: int, strideA: int,
    B: int, Btype: int, ldb: int, strideB: int, beta: int, C: int, Ctype: int, ldc: int, strideC: int, batchCount: int,
    computeType: int, algo: int, writes: bool = True,
) -> None:  # fmt: skip
    _require(handle == HANDLE, "not initialized")
    _require({transa, transb} <= {CUBLAS_OP_N, CUBLAS_OP_T} and min(m, n, k, batchCount) > 0, "flags or sizes")
    _require(algo == CUBLAS_GEMM_DEFAULT, "algo")
    _require(computeType in TYPES_FOR and {Atype, Btype, Ctype} <= TYPES_FOR[computeType], "types for this compute type")
    _require(Atype == Btype == Ctype, "types that go together")
    calls.append(f"{'NT'[transa]}{'NT'[transb]} {m}x{n}x{k} batch {batchCount} {DTYPES[Atype]} compute {computeType}")
    a = _matrices(A, Atype, (k, m) if transa else (m, k), lda, strideA, batchCount)
    b = _matrices(B, Btype, (n, k) if transb else (k, n), ldb, strideB, batchCount)
    c = _matrices(C, Ctype, (m, n), ldc, strideC, batchCount)
    if not writes:
        return
    wide = np.float64 if computeType == CUBLAS_COMPUTE_64F else np.float32
    scale, keep = (wide(np.ctypeslib.as_array(_at(p, wide().itemsize)).view(wide)[0]) for p in (alpha, beta))
    a, b = (_factor(x.swapaxes(1, 2) if flag else x, wide, computeType) for x, flag in ((a, transa), (b, transb)))
    with np.errstate(all="ignore"):
        c[...] = scale * (a @ b) + (keep * c.astype(wide) if keep else 0)


def _matrices(pointer: int, kind: int, shape: tuple[int, int], ld: int, stride: int, batch: int) -> np.ndarray:
    """The batch (batch, rows, columns) at a pointer, each by columns."""
    rows, columns = shape
    _require(ld >= max(1, rows), f"leading dimension {ld} of {rows} rows")
    dtype = getattr(minitorch, DTYPES[kind]).numpy
    elements = (batch - 1) * stride + (columns - 1) * ld + rows
    if graphs.launching:
        graphs.launching[-1].exposed[pointer].array()  # which says whether it is there still
    low, high = exposed.get(pointer, (0, 0))
    _require(low <= pointer and pointer + elements * dtype.itemsize <= high, "memory outside the array")
    numbers = np.ctypeslib.as_array(_at(pointer, elements * dtype.itemsize)).view(dtype)
    strides = [s * dtype.itemsize for s in (stride, 1, ld)]
    return np.lib.stride_tricks.as_strided(numbers, (batch, rows, columns), strides)


def _at(pointer: int, size: int) -> Any:
    return (ctypes.c_uint8 * size).from_address(pointer)


def _factor(x: np.ndarray, wide: Any, compute_type: int) -> np.ndarray:
    """The factor as tensor cores take it: TF32 keeps 10 of the 23 bits of the mantissa, rounded to nearest even."""
    x = x.astype(wide)
    if compute_type != CUBLAS_COMPUTE_32F_FAST_TF32:
        return x
    bits = x.view(np.uint32)
    rounded = ((bits + 0xFFF + (bits >> 13 & 1)) & 0xFFFFE000).view(np.float32)
    return np.where(np.isfinite(x), rounded, x)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise CUBLASError(f"CUBLAS_STATUS_INVALID_VALUE: {what}")
