"""The GPU beside torch and beside the CPU: one case of a row, with equal values, gradients and errors.

`OnDevice` stands for the library: what it makes from data lies on the GPU. Torch's CPU is the oracle where it has the dtype;
where it mostly has not (half precision, integers) our own CPU is. On a stand-in for the GPU (`reference/strict_cupy`) it is counted
how often the host would have waited. Used by tests/test_device.py. Read next: `checks.py`, which judges the numbers.
"""

from __future__ import annotations

import contextlib
import copy
import warnings
from typing import Any

import numpy as np

import minitorch
from minitorch import nn
from minitorch.arrays.device import as_array, device, expanded, raise_what_was_noted

from . import checks, far
from .strategies import Source
from .strict_cupy import copies_to_the_gpu, counting, not_counted
from .table import Row, copied, flat, tensors


class OnDevice:
    """minitorch, whose tensors from data are on the GPU, in the array's own memory layout, and so are its layers."""

    def __getattr__(self, name: str) -> Any:
        return getattr(minitorch, name)

    def tensor(self, data: Any, **options: Any) -> Any:
        with not_counted():
            return minitorch.tensor(data, **options, device="cuda")

    def from_numpy(self, array: np.ndarray) -> Any:
        with not_counted():
            return minitorch.Tensor._wrap(laid_out_alike(array))

    class nn:
        """The layers, on the GPU."""

        def __getattr__(self, name: str) -> Any:
            made = getattr(nn, name)
            if isinstance(made, type) and issubclass(made, nn.Module):
                return lambda *args, **options: made(*args, **options).cuda()
            return made

    nn = nn()


def laid_out_alike(array: np.ndarray) -> Any:
    """A copy on the GPU laid out as the array is: in its order, with gaps between its elements, with strides of 0."""
    xp = device("cuda").xp
    if 0 in array.strides and array.size:
        one = tuple(slice(0, 1) if stride == 0 else slice(None) for stride in array.strides)
        return expanded(xp, laid_out_alike(array[one].copy()), array.shape)
    order = sorted(range(array.ndim), key=lambda d: -array.strides[d])  # the outermost dimension first
    made = array.transpose(order)
    gaps = made.ndim > 0 and made.shape[-1] > 1 and made.strides[-1] == 2 * made.itemsize
    made = as_array(xp, np.ascontiguousarray(made).reshape(made.shape))
    if gaps:
        view = xp.zeros((*made.shape[:-1], 2 * made.shape[-1]), made.dtype)[..., ::2]
        view[...] = made
        made = view
    return made.transpose(np.argsort(order).tolist()) if order != sorted(order) else made


# ---- beside torch ----


def beside_torch(row: Row, source: Source, library: OnDevice) -> None:
    """Values and derivatives of one case are torch's: in float64 (to second order), in float32, on special values."""
    dtype, special = source.choice([(np.float64, False), (np.float32, False), (np.float64, True)])
    source.special = special and row.special
    case, row = row.draw(source), settled(row)
    checks.compare_calls(row, case, dtype, library)
    checks.compare_gradients(row, case, source, dtype, second=dtype is np.float64 and not special, library=library)


def settled(row: Row) -> Row:
    """The row whose call ends with waiting for the GPU, which is when a bad index is raised."""
    ours, row = row.ours, copy.copy(row)

    def waiting(*args: Any, **options: Any) -> Any:
        out = ours(*args, **options)
        raise_what_was_noted()
        return out

    row._ours = waiting
    return row


# ---- beside the CPU ----


def beside_the_cpu(row: Row, source: Source, dtype: Any) -> tuple[list[str], list[str]]:
    """Forward and backward of one case agree with our own on the CPU; what made the host wait for the (stand-in's) GPU, and where
    something was copied to it."""
    case, seed = row.draw(source), source.integer(0, 2**31)
    case = {n: rounded(v, dtype) for n, v in case.items()}
    want, _, _ = run(row, case, dtype, seed, "cpu")
    have, waits, copies = run(row, case, dtype, seed, "cuda")
    where = far.Words("{} on the GPU\n{}\nthere  {!r}\non cpu {!r}".format, row, far.Words(far.describe, case), have, want)
    if is_half(np.dtype(dtype)) and row.gpu == "takes half" and isinstance(want, NotImplementedError):
        exact, _, _ = run(row, case, np.float64, seed, "cpu")
        want = exact if isinstance(exact, Exception) else [copied(e, dtype) for e in exact]
    if isinstance(want, Exception) or isinstance(have, Exception):
        if isinstance(have, Exception) and not isinstance(want, Exception):
            raise AssertionError(where) from have
        assert isinstance(have, type(want)), where
        return [], []
    exact = run(row, case, np.float64, seed, "cpu")[0] if is_half(np.dtype(dtype)) else want
    assert len(have) == len(want), where
    for k, (a, b) in enumerate(zip(have, want)):
        if not isinstance(b, np.ndarray):
            assert a == b, where
            continue
        assert isinstance(a, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype, where
        if is_half(b.dtype) and not isinstance(exact, Exception):
            assert rounds_as_well(a, b, exact[k]), where
        else:
            assert far.worst_error(a, b, b.dtype.type if b.dtype.kind == "f" else dtype) <= 1, where
    return waits, copies


def rounded(value: Any, dtype: Any) -> Any:
    """Floats as numbers that `dtype` has, so that a run in float64 starts from the same ones."""
    if isinstance(value, list):
        return [rounded(v, dtype) for v in value]
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return copied(copied(value, dtype), np.float64) if is_float and np.dtype(dtype).kind in "fV" else value


def is_half(dtype: np.dtype) -> bool:
    """Whether it is float16 or bfloat16."""
    return dtype.name in checks.HALF


def rounds_as_well(have: np.ndarray, want: np.ndarray, exact: np.ndarray) -> bool:
    """Whether the GPU's half precision is at most twice as far from the float64 result as the CPU's, plus one rounding.

    An op rounds at each of its steps, and the libraries do not round at the same ones: NumPy multiplies matrices with float16
    in between, cuBLAS in float32. So which of the two is closer is chance, but neither may be far.
    """
    one_rounding = 2 * checks.HALF[want.dtype.name][1] * float(far.scale_of(exact))
    have, want = have.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want) & np.isfinite(exact)
    if not np.array_equal(have[~finite], want[~finite], equal_nan=True) or not finite.any():
        return not finite.any()
    exact = exact[finite].astype(np.float64)
    with np.errstate(over="ignore"):  # of float64's largest, which nan_to_num gives
        return bool(np.abs(have[finite] - exact).max() <= 2 * np.abs(want[finite] - exact).max() + one_rounding)


def run(row: Row, case: dict, dtype: Any, seed: int, where: str) -> tuple[Any, list[str], list[str]]:
    """(outputs and gradients as NumPy arrays, what made the host wait before they were read, what was copied to the GPU meanwhile), or
    (the error, nothing, nothing)."""
    minitorch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    library = OnDevice() if where == "cuda" else minitorch
    wanted = row.inputs() if np.dtype(dtype).kind in "fV" else []
    made = tensors(case, library, dtype, wanted)
    leaves = [t for n in wanted for t in (made[n] if isinstance(made[n], list) else [made[n]])]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with counting() as waits, copies_to_the_gpu() as copies:
                outputs = flat(row.call(row.ours, made))
                roots = [t for t in outputs if getattr(t, "requires_grad", False)]
                with not_counted():
                    upstream = [_random_like(rng, t) for t in roots]
                first = minitorch.autograd.grad(roots, leaves, upstream, allow_unused=True) if roots else ()
            return [_on_host(t, where) for t in (*outputs, *first)], waits, copies
    except Exception as error:
        return error, [], []
    finally:
        forget_what_was_noted()


def _random_like(rng: np.random.Generator, t: Any) -> Any:
    return minitorch.from_numpy(np.asarray(rng.standard_normal(tuple(t.shape)))).to(t.device, t.dtype)


def _on_host(value: Any, where: str) -> Any:
    if not isinstance(value, minitorch.Tensor):
        return value
    assert value.device.type == where, f"a result is on {value.device}"
    return value.detach().cpu()._array  # not .numpy(), which refuses bfloat16


def forget_what_was_noted() -> None:
    """Bad indices of a call that then failed in another way."""
    with contextlib.suppress(IndexError, RuntimeError):
        raise_what_was_noted()
