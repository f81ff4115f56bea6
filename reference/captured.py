"""A row of the table captured as a CUDA graph, and replayed on other numbers: what comes of it must be what the op gives eagerly.

On a stand-in for the GPU (`reference/strict_cupy`), whose captures refuse what CUDA refuses; the same runs on a real one. Used by
tests/test_captured_rows.py. Read next: `on_device.py`.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import minitorch
from minitorch.arrays.device import as_device

from . import far
from .on_device import OnDevice, forget_what_was_noted
from .strategies import Source
from .table import Row, flat, tensors

SEED = 7


def beside_eager(row: Row, source: Source) -> str:
    """Capture one case of a row, forward and backward, and compare a replay on other numbers; "" or why it is not captured, in words."""
    case = row.draw(source)
    made = tensors(case, OnDevice(), np.float32, row.inputs())
    given = [t for v in made.values() for t in (v if isinstance(v, list) else [v]) if isinstance(t, minitorch.Tensor)]
    first = [copy_of(t) for t in given]
    second = [other_numbers(t) for t in given]
    leaves = [t for t in given if t.requires_grad]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            both_ways(row, made, leaves)  # kernels are compiled
            put(given, second)
            want = on_host(both_ways(row, made, leaves))
            forget_what_was_noted()
        except Exception:
            return "it refuses the arguments"
        put(given, first)
        graph = minitorch.cuda.CUDAGraph()
        try:
            with minitorch.cuda.graph(graph):
                results = both_ways(row, made, leaves)
        except RuntimeError as error:
            return str(error)
        put(given, second)
        minitorch.manual_seed(SEED)
        graph.replay()
        have = on_host(results)
        forget_what_was_noted()
    where = f"{row}\nreplayed {have}\neager    {want}"
    assert len(have) == len(want), where
    for a, b in zip(have, want):
        if not isinstance(b, np.ndarray):
            assert a == b, where
        elif "stand-in" in as_device("cuda").xp.__version__:  # (a card adds up in no order)
            assert a.dtype == b.dtype and np.array_equal(a, b, equal_nan=b.dtype.kind == "f"), where
        else:
            assert a.dtype == b.dtype and far.worst_error(a, b, b.dtype.type) <= 1, where
    return ""


def both_ways(row: Row, made: dict[str, Any], leaves: list[Any]) -> list[Any]:
    """The outputs of a call, and the gradients of their sum's squares."""
    if not minitorch.cuda.is_current_stream_capturing():
        minitorch.manual_seed(SEED)
    outputs = flat(row.call(row.ours, made))
    roots = [t for t in outputs if getattr(t, "requires_grad", False)]
    gradients = minitorch.autograd.grad(roots, leaves, [t.detach() for t in roots], allow_unused=True) if roots else ()
    return [*outputs, *gradients]


def on_host(values: list[Any]) -> list[Any]:
    """Tensors as NumPy arrays."""
    return [v.detach().cpu()._array.copy() if isinstance(v, minitorch.Tensor) else v for v in values]


def copy_of(t: Any) -> Any:
    """The numbers of a tensor, or None of one that repeats some, which is left as it is."""
    return None if 0 in t._array.strides or not t.numel() else t._array.copy()


def other_numbers(t: Any) -> Any:
    """The same numbers in another order; of indices and flags the same."""
    array = copy_of(t)
    if array is None or not t.is_floating_point():
        return array
    xp = as_device("cuda").xp
    return xp.ascontiguousarray(array).reshape(-1)[::-1].reshape(array.shape)


def put(given: list[Any], numbers: list[Any]) -> None:
    """Write the numbers into the tensors."""
    for t, array in zip(given, numbers):
        if array is not None:
            t._array[...] = array
