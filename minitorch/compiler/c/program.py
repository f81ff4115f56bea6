"""The program of a step with its loops in C: what stands between two NumPy calls is one call of a function compiled for it.

Memory is laid out as for NumPy alone (`numpy_source.py`); C finds it through a table of addresses. Nests of many numbers are shared by
threads, each of which takes a range of the outermost loop. Results differ from eager's in the last places: C adds up in another
order, and in float64. Read next: `kernels/c/toolchain.py`.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...kernels.c import toolchain
from ...kernels.c.blas import blas
from ...kernels.cpu.blocks import get_num_threads, run_at_once
from ..graph import Graph, Value
from ..numpy_source import Program
from .handwritten import Call, CallSource, included
from .nests import Nest, nested
from .source import NestSource

LARGE_RESULT = 1 << 18  # bytes: what is handed out and as large is not copied
LARGE = 1 << 19  # numbers: threads share a nest of as many; on fewer they mostly wait for BLAS's, which go on spinning
LONG = 1 << 14  # characters per function: a compiler takes its time over longer ones


class CProgram(Program):
    """A program whose nests are C functions. `c_source` is their text."""

    def __init__(self, graph: Graph, calls: Any, also: list[int] | None = None, bare: bool = False, **helpers: Any) -> None:
        self.nests = nested(graph)
        self.addresses = np.zeros(
            sum(len(step.reads()) + len(step.results) for step in self.nests) + 1, np.uintp
        )  # the table
        self.known: dict[Any, int] = {}  # the place in the table, by value and key
        self.out_of_bounds = np.zeros((), np.int64)  # whether an index was
        self.kept: list[Any] = []  # the arrays that addresses are of
        self.functions_of: list[str] = []  # C functions, as text
        self.waiting: list[NestSource | CallSource] = []  # nests that will be one call
        self.calls_of: list[tuple[str, list[NestSource | CallSource], int]] = []  # with the number of threads
        self.moving: list[str] = []  # lines that look up where arrays of this run are
        self.flag = len(self.addresses) - 1  # its place in the table
        self.addresses[self.flag] = self.out_of_bounds.ctypes.data
        super().__init__(graph, calls, also, bare, **helpers)

    # ---- what Program asks ----

    def _steps(self) -> list[Any]:
        """Nests, and instructions that stay NumPy calls."""
        return self.nests

    def _instruction(self, i: Any, k: int) -> None:
        if isinstance(i, (Nest, Call)):
            self._nest(i)
            return
        before = len(self.lines)
        super()._instruction(i, k)
        if any(not line.lstrip().startswith("#") for line in self.lines[before:]):
            added, self.lines[before:] = self.lines[before:], []
            self._flush()
            self.lines += added

    def _finish(self) -> None:
        """Compile what was written."""
        self._flush()
        calls = [step for step in self.steps if isinstance(step, Call)]
        self.c_source = "\n\n".join(["\n".join(['#include "functions.h"', *included(calls)]), *self.functions_of])
        if not self.calls_of:
            return
        longest = max(map(len, self.functions_of))
        made = toolchain.library(self.c_source, "-O1" if longest > LONG * 8 else "-O2" if longest > LONG else "-O3")
        if '#include "blas.h"' in self.c_source:
            made.use_blas(*map(ctypes.c_void_p, blas() or ()))
        table = ctypes.c_void_p(self.addresses.ctypes.data)
        for name, nests, parts in self.calls_of:
            self.env[name] = self._call_of(made, name, nests, parts, table)

    # ---- memory ----

    def _begin_option(self, v: Value) -> None:
        """An option of an optimizer is a number in memory, where C finds it."""
        self.arrays[v.place] = np.zeros(())
        self.lines.append(f"{self.name(v.place)}[()] = {self._option(v)}")

    def like(self, place: int) -> np.ndarray:
        """An array in the shape and strides of a value; of one that every run makes anew, it has no numbers."""
        found, v = self.arrays.get(place), self.graph.values[place]
        return np.lib.stride_tricks.as_strided(np.empty(1, v.dtype), v.shape, v.strides) if found is None else found

    def constant(self, place: int) -> np.ndarray | None:
        """The array of a value that is the same in every run."""
        return self.arrays.get(place) if place in self.constants else None

    def address(self, nest: Nest | Call, place: int, key: Any = None) -> int:
        """Where in the table the address of a value is; of one that every run makes anew, the run puts it there."""
        told = place, repr(key), None if place in self.arrays else nest  # (what moves is looked up for each nest)
        if told in self.known:
            return self.known[told]
        where = self.known[told] = len(self.known)
        array = self.arrays.get(place)
        if array is None:
            self._address_of_each_run(nest, place, key, where)
        else:
            array = np.asarray(array if key is None else array[key])
            self.kept.append(array)
            self.addresses[where] = array.ctypes.data
        return where

    def _address_of_each_run(self, nest: Nest | Call, place: int, key: Any, where: int) -> None:
        v = self.graph.values[place]
        if v.is_number:  # which has no memory
            number = np.zeros((), v.dtype)
            self.kept.append(number)
            self.addresses[where] = number.ctypes.data
            self.moving.append(f"{self.thing(number, f'{v.name}_in_c')}[()] = {v.name}")
            return
        self.env["addresses"] = self.addresses
        text = v.name if key is None else f"{v.name}[{self.key(key)}]"
        like = self.like(place) if key is None else self.like(place)[key]
        found = self.thing(_Found(like, place in nest.results), f"where_{v.name}_is")
        self.moving.append(f"addresses[{where}] = {found}({text})")

    # ---- nests ----

    def _nest(self, nest: Nest | Call) -> None:
        for place in nest.made_in_memory:
            self._make_room(place)
        self.moving = []
        printed: type = CallSource if isinstance(nest, Call) else NestSource
        source = printed(nest, f"nest_{len(self.functions_of)}", self.graph, self)
        self.functions_of.append(source.text(self._note))
        large = nest.work >= LARGE and source.count > 1
        if self.moving or large or nest.picks:
            self._flush()
        self.lines += self.moving
        self.waiting.append(source)
        if large or self.moving or nest.picks:
            self._flush(parts=min(get_num_threads(), source.count) if large else 1)
        if nest.picks:
            self.env.update(out_of_bounds=self.out_of_bounds, refuse_index=self._refuse_index)
            self.lines.append("if out_of_bounds: refuse_index()")

    def _refuse_index(self) -> None:
        self.out_of_bounds[()] = 0
        raise IndexError("index out of bounds: an index array of the step names an element that is not there")

    def _make_room(self, place: int) -> None:
        """Memory for a value that a nest makes: of the program, or, if it is handed out and large, new in every run."""
        v = self.graph.values[place]
        if v.memory in self.handed and math.prod(v.shape) * v.dtype.itemsize >= LARGE_RESULT:
            self.lines.append(f"{v.name} = {self.thing(v.empty, f'new_{v.name}')}()")
        else:
            self.arrays[place] = self._room(v)

    def _room(self, v: Value) -> np.ndarray:
        for n, buffer in enumerate(self.free):
            if v.memory not in self.handed and (buffer.shape, buffer.dtype, buffer.strides) == (v.shape, v.dtype, v.strides):
                self.owned[v.memory] = self.free.pop(n)
                return self.owned[v.memory]
        made = v.empty()
        self.bytes += made.nbytes
        if v.memory not in self.handed:
            self.owned[v.memory] = made
        return made

    def _note(self, nest: Nest | Call) -> str:
        return f"{nest.of}: {' x '.join(map(str, nest.shape)) or 'one number'}"

    def _flush(self, parts: int = 1) -> None:
        """What waits becomes one call."""
        if not self.waiting:
            return
        name = f"loops_{len(self.calls_of)}"
        self.calls_of.append((name, [*self.waiting], parts))
        for source in self.waiting:
            self.lines.append(f"# in C: {self._note(source.nest)}")
        self.lines.append(f"{name}()")
        self.functions_of.append(_entry(name, self.waiting, parts))
        self.waiting = []

    def _call_of(
        self, made: ctypes.CDLL, name: str, nests: list[NestSource | CallSource], parts: int, table: Any
    ) -> Callable[[], None]:
        total = max(n.sums for n in nests)  # (none needs them longer than it runs)
        sums = np.zeros(max(1, parts * total))
        self.kept.append(sums)
        function = getattr(made, name)
        function.restype = None
        if parts == 1:
            function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
            at = ctypes.c_void_p(sums.ctypes.data)
            return lambda: function(table, at)
        (nest,) = nests
        function.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_void_p]
        bounds = [nest.count * n // parts for n in range(parts + 1)]
        each = [(table, bounds[n], bounds[n + 1], ctypes.c_void_p(sums.ctypes.data + 8 * n * total)) for n in range(parts)]
        if not nest.ends:
            return lambda: run_at_once(function, each)
        end = getattr(made, f"{name}_end")
        end.restype, end.argtypes = None, [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p]
        at = ctypes.c_void_p(sums.ctypes.data)

        def run() -> None:
            run_at_once(function, each)
            end(table, parts, at)

        return run


class _Found:
    """Where the memory of an array begins that every run makes anew.

    One that lies otherwise than it did when it was recorded is copied; if the nest writes to it, that is an error.
    """

    def __init__(self, like: np.ndarray, is_written: bool) -> None:
        self.shape, self.strides, self.dtype, self.is_written = like.shape, like.strides, like.dtype, is_written
        self.held: Any = None

    def __call__(self, array: np.ndarray) -> int:
        if array.strides != self.strides and array.size and self._differs(array):
            if self.is_written:
                raise RuntimeError(
                    f"compiled step: what is written to had strides {self.strides}, and has {array.strides} now"
                )
            self.held = self._room()
            self.held[...] = array
            array = self.held
        return array.__array_interface__["data"][0]

    def _differs(self, array: np.ndarray) -> bool:
        return any(n > 1 and a != b for n, a, b in zip(self.shape, array.strides, self.strides))

    def _room(self) -> np.ndarray:
        reach = [(n - 1) * s for n, s in zip(self.shape, self.strides)]
        span = sum(map(abs, reach)) + self.dtype.itemsize
        return np.ndarray(
            self.shape, self.dtype, np.empty(span, np.uint8).data, -sum(min(r, 0) for r in reach), self.strides
        )


def _entry(name: str, nests: list[NestSource | CallSource], parts: int) -> str:
    """The function that Python calls: several nests one after another, or a range of one and its end."""
    if parts > 1:
        (nest,) = nests
        entry = f"void {name}(char **p, long lo, long hi, double *sums) {{ {nest.name}(p, lo, hi, sums); }}"
        end = f"void {name}_end(char **p, long parts, double *sums) {{ {nest.name}_end(p, parts, sums); }}"
        return f"{entry}\n{end}" if nest.ends else entry
    lines = [f"void {name}(char **p, double *sums) {{"]
    for nest in nests:
        lines.append(f"    {nest.name}(p, 0, {nest.count}, sums);")
        if nest.ends:
            lines.append(f"    {nest.name}_end(p, 1, sums);")
    return "\n".join([*lines, "}"])
