"""`cupy.RawKernel` on the CPU: g++ compiles the source, threads of the system run it on the memory inside the strict arrays.

`launched` keeps what was launched last with each source, for tests that launch it again under a sanitizer.
Read next: `reference/cuda_on_cpu`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from ..cuda_on_cpu import Struct, Table, compiled
from . import cublas
from .arrays import hosts
from .graphs import do, launching

launched: dict[
    tuple[str, str], tuple[int, int, tuple]
] = {}  # (name, source) -> blocks, threads, arguments before the launch


class RawKernel:
    """A stand-in for `cupy.RawKernel`, which compiles at the first launch. Grid and block have one dimension."""

    def __init__(self, code: str, name: str, options: tuple = (), backend: str = "nvrtc"):
        self.code, self.name = code, name

    def compile(self, log_stream: Any = None) -> None:
        """Nothing: the first launch does it."""

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple) -> None:
        if len(grid) != 1 or len(block) != 1:
            raise NotImplementedError(
                f"{self.name}: the stand-in's grids and blocks have one dimension, got {grid} and {block}"
            )
        # (An array of the host is a struct, which goes with the launch.)
        given = tuple(Struct(a.copy()) if isinstance(a, np.ndarray) else a for a in args)
        do(self._launch, grid, block, given, runs=False)

    def _launch(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple) -> None:
        given = tuple(_given(a.numbers if isinstance(a, Struct) else a) for a in args)
        launched[self.name, self.code] = (
            grid[0],
            block[0],
            tuple(a.copy() if isinstance(a, np.ndarray | Table) else a for a in given),
        )
        compiled(self.code, self.name)(grid[0], block[0], given)


def _given(value: Any) -> Any:
    """The argument on the host; a table of numbers of uint64 holds addresses, which become the arrays that lie there.

    An array of the host is no mistake here: CuPy gives its bytes to the kernel as they are, a struct.
    """
    if isinstance(value, np.ndarray):
        return _arrays_at(value[None], by_value=True) if value.dtype == np.uint64 else Struct(value)
    host = hosts(value)
    if not isinstance(host, np.ndarray) or host.dtype != np.uint64 or host.ndim != 2:
        return host
    return _arrays_at(host)


def _arrays_at(host: np.ndarray, by_value: bool = False) -> Table:
    """What lies at a table of addresses."""
    return Table([[_lying_at(int(p)) if p else None for p in row] for row in host], by_value)


def _lying_at(pointer: int) -> np.ndarray:
    """The array at an address; in a graph, that which lay there when it was captured."""
    if launching and pointer in launching[-1].exposed:
        return launching[-1].exposed[pointer].array()
    if pointer not in cublas.arrays:
        raise ValueError(f"a kernel was given the address {pointer:#x}, where no array lies (any more)")
    return cublas.arrays[pointer]


def launches(call: Callable[[], Any]) -> list[str]:
    """The sources of the kernels that a call launches, in this order."""
    met: list[str] = []
    run = RawKernel.__call__

    def note(self: RawKernel, *args: Any) -> None:
        met.append(self.code)
        run(self, *args)

    with mock.patch.object(RawKernel, "__call__", note):
        call()
    return met


@contextlib.contextmanager
def noting() -> Iterator[dict[tuple[str, str], int]]:
    """In the block kernels are noted, and how often each is launched, but not run."""
    met: dict[tuple[str, str], int] = {}

    def note(self: RawKernel, grid: tuple, block: tuple, args: tuple) -> None:
        met[self.code, self.name] = met.get((self.code, self.name), 0) + 1

    with mock.patch.object(RawKernel, "__call__", note):
        yield met
