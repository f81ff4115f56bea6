"""Generated kernels (`minitorch/compiler/cuda`) executed on the CPU: rows of the table, beside our own CPU.

    compare([(row, seed, dtype), …])

Each case runs twice: first to see which kernels it launches, which are then compiled together, and then for real.
Read next: `on_device.py`, which compares; `cuda_on_cpu`, which executes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from .cuda_on_cpu import compile_together
from .on_device import beside_the_cpu, forget_what_was_noted
from .strategies import Source
from .strict_cupy import standing_in
from .strict_cupy.kernels import noting
from .table import Row

Case = tuple[Row, int, Any]  # a row, the seed of what it is drawn from, the dtype of its floats


def compare(cases: Sequence[Case]) -> dict[tuple[str, str], int]:
    """AssertionError if a case is not as on the CPU; (source, name) of the kernels that ran, and how often."""
    with standing_in(generated=True):
        with noting() as met:
            for row, seed, dtype in cases:
                with contextlib.suppress(Exception):  # what is computed of numbers that are none may be refused
                    beside_the_cpu(row, Source(seed), dtype)
                forget_what_was_noted()
        compile_together(met)
        for row, seed, dtype in cases:
            beside_the_cpu(row, Source(seed), dtype)
    return met
