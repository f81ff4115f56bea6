"""Arrays as strict as CuPy's, on a machine without a GPU: `with standing_in(): minitorch.zeros(3, device="cuda")`.

What runs on them uses only names, keywords and dtypes that CuPy 14.2 has, and mixes nothing with the host. CUDA kernels are
executed where there is g++ (`kernels.py`), elsewhere the plain ops run. What they cannot prove — streams, speed, rounding —
needs a GPU. Read next: `arrays.py`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

from ..cuda_on_cpu import compiler
from . import cublas, graphs
from .arrays import copies_to_the_gpu, counting, ndarray, not_counted
from .kernels import RawKernel
from .memory import memory_of
from .namespace import cupy, cupyx, part_of_cupyx

__all__ = ["copies_to_the_gpu", "counting", "cupy", "cupyx", "memory_of", "ndarray", "not_counted", "standing_in"]

cupy.RawKernel = RawKernel


@contextlib.contextmanager
def standing_in(generated: bool = False) -> Iterator[Any]:
    """In the block, `device="cuda"` makes strict arrays.

    generated: kernels are made of formulas too. Each would be compiled when it is met, so that most tests do without.
    """
    device = importlib.import_module("minitorch.arrays.device")
    importlib.import_module("minitorch.kernels.cuda.twins")  # as the real `_cupy` does
    if generated:
        importlib.import_module("minitorch.compiler.cuda.twins").for_every_row()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(device, "_cupy", lambda: cupy))
        stack.enter_context(mock.patch.object(device, "_cupyx", part_of_cupyx))
        stack.enter_context(mock.patch.object(importlib.import_module("minitorch.arrays.cublas"), "loaded", cublas.Library))
        stack.enter_context(
            mock.patch.object(importlib.import_module("minitorch.arrays.capturing"), "holders", graphs.holders)
        )
        # Each is a thread of the system here. Short rows are then taken in several chunks too.
        stack.enter_context(mock.patch.object(importlib.import_module("minitorch.kernels.cuda"), "MOST_THREADS", 64))
        stack.enter_context(mock.patch.object(importlib.import_module("minitorch.kernels.cuda"), "generated", generated))
        importlib.import_module("minitorch.arrays.gpu_memory").watch(cupy)
        if compiler() is None:
            stack.enter_context(mock.patch.object(device.shortcuts, "enabled", False))
        yield cupy
