"""Matrix products: NumPy's on the CPU, on a GPU one call of cuBLAS; and how exact those of float32 are to be there.

CuPy 14.2 has a `matmul`, but of more than two dimensions it copies every transposed operand, turns float16 into float32, fails
on bfloat16 and knows nothing of TF32. So floats go to cuBLAS directly. The one idea: an array in row-major order is its
transpose to cuBLAS, which reads columns, and C = A B is Cᵀ = Bᵀ Aᵀ. So the operands are handed over the other way round,
each as it lies in memory, with a flag if it lies by columns. Beside `device.py` because it is long enough to be read alone.
Read next: `ops/matmul.py`, which calls it.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np

from . import cublas
from .capturing import empty, in_turn, now, settle
from .device import on_host
from .layout import write
from .warning import warn

# ---- how exact products of float32 are ----

PRECISIONS = ("highest", "high", "medium")
_precision = "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """What products of float32 may lose on a GPU: "highest" nothing, "high" and "medium" all but 10 bits of each factor (TF32).

    The sums stay float32. On the CPU nothing changes.
    """
    global _precision
    if not isinstance(precision, str):
        raise RuntimeError(f"set_float32_matmul_precision expects a str, but got {type(precision).__name__}")
    if precision in PRECISIONS:
        _precision = precision
    else:
        warn(f"{precision!r} is not one of 'highest', 'high' or 'medium'; the call has no effect")


def get_float32_matmul_precision() -> str:
    """What `set_float32_matmul_precision` set; "highest" at first."""
    return _precision


# ---- products ----


def matmul(xp: Any, a: Any, b: Any, plus: Any = None) -> Any:
    """a @ b (+ plus) as `numpy.matmul` defines it; half precision is summed in float32 and rounded once, as in torch."""
    if plus is not None and plus.dtype != a.dtype:
        return matmul(xp, a, b) + plus
    host = on_host(xp)
    if host and a.dtype.itemsize == 2 and a.dtype.kind in "fV":  # V: ml_dtypes' bfloat16
        out = np.matmul(a.astype(np.float32), b.astype(np.float32))
        return (out if plus is None else out + plus.astype(np.float32)).astype(a.dtype)
    if host or a.dtype.kind not in "fV" or a.dtype != b.dtype:  # cuBLAS reads both as of one dtype
        out = xp.matmul(a, b)
        if plus is not None:
            out += plus
        return out
    if b.ndim == 1:
        return matmul(xp, a, b[:, None])[..., 0]
    if a.ndim == 1:
        return matmul(xp, a[None], b, plus)[..., 0, :]
    if b.ndim == 2 and a.ndim > 2:  # the batch is rows: one large product instead of many small ones
        *lead, K = a.shape
        return _by_cublas(xp, a.reshape(math.prod(lead), K), b, plus).reshape(*lead, b.shape[1])
    return _by_cublas(xp, a, b, plus)


def dot(xp: Any, a: Any, b: Any) -> Any:
    """Σ a_i b_i of two vectors."""
    return np.dot(a, b) if on_host(xp) else matmul(xp, a, b)


def _by_cublas(xp: Any, a: Any, b: Any, plus: Any) -> Any:
    """C = A B (+ plus) for floats of two or more dimensions on a GPU; the leading ones broadcast."""
    (N, K), M = a.shape[-2:], b.shape[-1]
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    batch = math.prod(lead)
    out = empty(xp, (*lead, N, M), a.dtype)
    if plus is not None or not batch * N * M * K:
        _begin_with(out, plus)  # cuBLAS adds to what it finds
    if not batch * N * M * K:
        return out
    names, kind = xp.cuda.cublas, getattr(xp.cuda.runtime, _CUDA_TYPES[a.dtype.name])
    called = cublas.past_cupy(xp) if now.capture is not None or now.warming is not None else names
    one, zero = _COEFFICIENTS["d" if a.dtype.itemsize == 8 else "f"]
    added = (zero if plus is None else one).ctypes.data
    left, right = _Operand(xp, b, lead), _Operand(xp, a, lead)
    sizes = (xp.cuda.get_cublas_handle(), left.flag, right.flag, M, N, K, one.ctypes.data)
    how = (_compute_type(names, a.dtype), names.CUBLAS_GEMM_DEFAULT)
    # fmt: off
    if batch == 1:
        call = partial(called.gemmEx, *sizes, left.pointer, kind, left.pitch, right.pointer, kind, right.pitch,
                       added, out.data.ptr, kind, M, *how)
    else:
        call = partial(called.gemmStridedBatchedEx, *sizes, left.pointer, kind, left.pitch, left.stride,
                       right.pointer, kind, right.pitch, right.stride,
                       added, out.data.ptr, kind, M, N * M, batch, *how)
    # fmt: on
    in_turn(call, [left.array, right.array], [out])
    return out


def _begin_with(out: Any, plus: Any) -> None:
    if plus is None:
        settle()
        out[...] = 0
    else:
        write(out, plus)


_CUDA_TYPES = {"float16": "CUDA_R_16F", "bfloat16": "CUDA_R_16BF", "float32": "CUDA_R_32F", "float64": "CUDA_R_64F"}
_COEFFICIENTS = {t: (np.array(1, t), np.array(0, t)) for t in "fd"}  # α and β of αAB + βC; cuBLAS reads them on the host


class _Operand:
    """Where a batch of matrices lies: pointer, flag, pitch (cuBLAS' ld) and the stride between them, counted in elements."""

    def __init__(self, xp: Any, x: Any, lead: tuple[int, ...]):
        if not (_pitch(x, -2, -1) or _pitch(x, -1, -2)):
            x = x.copy()
        if x.shape[:-2] != lead or len(lead) > 1:  # one stride for all of them: a view where that can be, else a copy
            x = xp.broadcast_to(x, (*lead, *x.shape[-2:])).reshape(-1, *x.shape[-2:])
        self.array = x  # a copy lives until cuBLAS has been called
        self.pointer = x.data.ptr
        rows = _pitch(x, -2, -1)
        self.flag = xp.cuda.cublas.CUBLAS_OP_N if rows else xp.cuda.cublas.CUBLAS_OP_T
        self.pitch = rows or _pitch(x, -1, -2)
        self.stride = x.strides[0] // x.itemsize


def _pitch(x: Any, outer: int, inner: int) -> int:
    """The elements from one line to the next, if lines along `inner` lie one after the other without gaps in them; else 0."""
    size = x.shape[inner]
    if size > 1 and x.strides[inner] != x.itemsize:
        return 0
    if x.shape[outer] == 1:
        return size
    pitch = x.strides[outer] // x.itemsize
    return pitch if pitch >= size else 0


def _compute_type(names: Any, dtype: Any) -> int:
    """In what the sums are: float64 for itself, float32 for all others."""
    if dtype.itemsize == 8:
        return names.CUBLAS_COMPUTE_64F
    tf32 = dtype.itemsize == 4 and _precision != "highest"
    return names.CUBLAS_COMPUTE_32F_FAST_TF32 if tf32 else names.CUBLAS_COMPUTE_32F
