"""The same call on the CPU and on strict arrays: equal values, equal gradients, equal errors, and who made the host wait.

Used by tests/test_strict_arrays.py on every row of the table. Read next: `reference/checks.py`, the checks against torch.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import minitorch
from minitorch.device import _noted

from ..checks import describe, worst_error
from ..strategies import Source
from ..table import Row, flat, tensors
from .arrays import counting
from .arrays import ndarray as strict_array


def same_as_on_the_cpu(row: Row, source: Source, dtype: Any = np.float64) -> list[str]:
    """Forward and backward of one case on both; what made the host wait on the GPU's side."""
    case, seed = row.draw(source), source.integer(0, 2**31)
    want, _ = _run(row, case, dtype, seed, "cpu")
    have, waits = _run(row, case, dtype, seed, "cuda")
    where = f"{row} on strict arrays\n{describe(case)}\nthere  {have!r}\non cpu {want!r}"
    if isinstance(want, Exception) or isinstance(have, Exception):
        if isinstance(have, Exception) and not isinstance(want, Exception):
            raise AssertionError(where) from have
        assert isinstance(have, type(want)), where
        return []
    assert len(have) == len(want), where
    for a, b in zip(have, want):
        if isinstance(b, np.ndarray):
            assert isinstance(a, np.ndarray) and a.shape == b.shape and a.dtype == b.dtype, where
            assert np.array_equal(a, b, equal_nan=b.dtype.kind == "f") or worst_error(a, b, dtype) <= 1, where
        else:
            assert a == b, where
    return waits


def _run(row: Row, case: dict, dtype: Any, seed: int, device: str) -> tuple[Any, list[str]]:
    """(outputs and gradients as NumPy arrays, synchronisations before they were read), or (the error, none)."""
    minitorch.manual_seed(seed)
    _noted.clear()  # by a call that then failed in another way
    rng = np.random.default_rng(seed)
    made = {n: _placed(v, device, n in row.inputs()) for n, v in tensors(case, minitorch, dtype, []).items()}
    leaves = [t for n in row.inputs() for t in (made[n] if isinstance(made[n], list) else [made[n]]) if t.requires_grad]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with counting() as waits:
                outputs = flat(row.call(row.ours, made))
                roots = [t for t in outputs if getattr(t, "requires_grad", False)]
                upstream = [_placed(_random_like(rng, t), device, False) for t in roots]
                first = minitorch.autograd.grad(roots, leaves, upstream, allow_unused=True) if roots else ()
            return [_on_host(t, device) for t in (*outputs, *first)], waits
    except Exception as error:
        return error, []


def _placed(value: Any, device: str, wants_grad: bool) -> Any:
    if isinstance(value, list):
        return [_placed(v, device, wants_grad) for v in value]
    if not isinstance(value, minitorch.Tensor):
        return value
    return value.to(device).requires_grad_(wants_grad and value.is_floating_point())


def _random_like(rng: np.random.Generator, t: Any) -> Any:
    return minitorch.from_numpy(np.asarray(rng.standard_normal(tuple(t.shape)))).to(t.dtype)


def _on_host(value: Any, device: str) -> Any:
    if not isinstance(value, minitorch.Tensor):
        return value
    assert isinstance(value._array, strict_array) == (device == "cuda"), f"a result is on {value.device}"
    return value.detach().cpu().numpy()
