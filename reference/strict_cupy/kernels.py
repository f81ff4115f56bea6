"""`cupy.RawKernel` on the CPU: g++ compiles the source, threads of the system run it on the memory inside the strict arrays.

`launched` keeps what was launched last with each source, for tests that launch it again under a sanitizer.
Read next: `reference/cuda_on_cpu`.
"""

from __future__ import annotations

import numpy as np

from ..cuda_on_cpu import compiled
from .arrays import hosts

launched: dict[
    tuple[str, str], tuple[int, int, tuple]
] = {}  # (name, source) -> blocks, threads, arguments before the launch


class RawKernel:
    """A stand-in for `cupy.RawKernel`, which compiles at the first launch. Grid and block have one dimension."""

    def __init__(self, code: str, name: str, options: tuple = (), backend: str = "nvrtc"):
        self.code, self.name = code, name

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple) -> None:
        if len(grid) != 1 or len(block) != 1:
            raise NotImplementedError(
                f"{self.name}: the stand-in's grids and blocks have one dimension, got {grid} and {block}"
            )
        given = tuple(map(hosts, args))
        launched[self.name, self.code] = (
            grid[0],
            block[0],
            tuple(a.copy() if isinstance(a, np.ndarray) else a for a in given),
        )
        compiled(self.code, self.name)(grid[0], block[0], given)
