"""Groups of instructions as NumPy source: a function of a block of rows, and its call for all blocks.

    def block(lo, hi, room):
        x_ = x[lo:hi]
        exp_1_ = room[0][:(hi - lo) * 1024].reshape(-1, 1024)
        exp(x_, exp_1_)
        ...
    in_blocks(block)

A name with _ is a block's part. What is needed in a block alone has room there, which another takes over when it is read for the last time;
each thread has a room of its own, which stays from run to run. Read next: `kernels/cpu/blocks.py`.
"""

from __future__ import annotations

import contextvars
import math
import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..kernels.cpu.blocks import in_threads, rows_and_threads
from .blocked import Blocked
from .graph import Instruction

Slot = tuple[int, np.dtype]  # numbers in a part, and their dtype


def write(program: Any, group: Blocked) -> None:
    """Write the group into the program: room for what it leaves, the function, and the call."""
    graph = program.graph
    for i in group.instructions:
        for r in i.results:
            if not i.views and graph.memory(r) not in group.inside:
                program.make_room(r)
    block = _Block(program, group)
    lines = block.lines()
    name = program.thing(_Runner(group.parts, group.size, block.slots), f"in_blocks_of_{group.parts}")
    program.lines += ["def block(lo, hi, room):", *(f"    {line}" for line in lines), f"{name}(block)"]


class _Block:
    """The function of a block."""

    def __init__(self, program: Any, group: Blocked) -> None:
        self.program, self.group, self.values = program, group, program.graph.values
        self.slots: list[Slot] = []
        self.free: list[int] = []
        self.held: dict[int, int] = {}  # the slot of a memory
        self.local: dict[int, str] = {}
        self.written: list[str] = []
        self.calls = [i for i in group.instructions if not i.views]
        self.last: dict[int, int] = {}
        for k, i in enumerate(self.calls):
            for p in self._touched(i):
                self.last[program.graph.memory(p)] = k

    def _touched(self, i: Instruction) -> list[int]:
        return [*i.reads(), *i.results, *([] if i.writes is None else [i.writes])]

    def lines(self) -> list[str]:
        """Its body."""
        for k, i in enumerate(self.calls):
            target: int = i.results[0] if i.results else i.writes  # type: ignore[assignment]
            for p in [p for p in self._touched(i) if p != target and p not in self.group.whole]:
                self._bind(p)
            self._take_over(i, k)
            self._bind(target)
            self.program.local = self.local
            try:
                self.written += self._call(i, self.local[target])
            finally:
                self.program.local = {}
            self._let_go(k)
        return self.written

    # ---- memory ----

    def _bind(self, place: int) -> None:
        """Give a block's part of a value its name."""
        if place in self.local:
            return
        v, memory = self.values[place], self.program.graph.memory(place)
        self.local[place] = name = f"{v.name}_"
        if memory in self.group.inside:
            text = self._room(memory)
            base, shape = self.values[memory], None
        else:
            base = self.values[self.group.same[place]]
            text, shape = self.program.name(base.place), base.shape[1:]
            if not base.shape or base.shape[0] % self.group.parts:
                text, shape = f"{text}.reshape({', '.join(map(str, v.shape))})", v.shape[1:]
            of_rows = (v if shape == v.shape[1:] else base).shape[0]
            text += f"[{self._range(of_rows // self.group.parts)}]"
        if shape != v.shape[1:]:
            text += "" if v.ndim == 1 and shape is None else f".reshape({', '.join(map(str, (-1, *v.shape[1:])))})"
        if v.dtype != base.dtype:
            text += f".view({self.program.text(v.dtype)})"
        self.written.append(f"{name} = {text}")

    def _range(self, numbers: int) -> str:
        return "lo:hi" if numbers == 1 else f"lo * {numbers}:hi * {numbers}"

    def _room(self, memory: int) -> str:
        v = self.values[memory]
        slot = math.prod(v.shape) // self.group.parts, v.dtype
        if memory not in self.held:
            found = next((n for n in self.free if self.slots[n] == slot), None)
            if found is None:
                self.slots.append(slot)
                found = len(self.slots) - 1
            else:
                self.free.remove(found)
            self.held[memory] = found
        return f"room[{self.held[memory]}][:{'hi - lo' if slot[0] == 1 else f'(hi - lo) * {slot[0]}'}]"

    def _take_over(self, i: Instruction, k: int) -> None:
        """Let the result of a ufunc have the room of an operand that it may overwrite."""
        if not i.results or not isinstance(i.function, np.ufunc) or i.results[0] in self.local:
            return
        r = self.values[i.results[0]]
        if r.memory not in self.group.inside:
            return
        for p in i.reads():
            memory = self.program.graph.memory(p)
            there = memory in self.held and self.last[memory] == k
            if there and (self.values[p].shape, self.values[memory].dtype) == (r.shape, r.dtype):
                self.held[r.memory] = self.held.pop(memory)
                self.local[r.place] = self.local[p]
                return

    def _let_go(self, k: int) -> None:
        for memory in [m for m in self.held if self.last[m] == k]:
            self.free.append(self.held.pop(memory))

    # ---- calls ----

    def _call(self, i: Instruction, out: str) -> list[str]:
        program = self.program
        program.env.setdefault("copyto", np.copyto)
        if i.function is operator.setitem:
            return [f"{out}[...] = {program.text(i.args[2])}"]
        if i.function is np.where:
            flag, a, b = map(program.text, i.args)
            return [f"copyto({out}, {b})", f"copyto({out}, {a}, where={flag})"]
        if i.function is np.einsum:
            return [f"copyto({out}, {program.call_text(i)})"]
        if isinstance(i.function, np.ufunc):
            return [program.ufunc_text(i, out)]
        if i.writes is not None:
            return [program.call_text(i)]
        return [program.line_into(i)(out)]


class _Runner:
    """Calls a function for all blocks, by as many threads as are set."""

    def __init__(self, parts: int, size: int, slots: list[Slot]) -> None:
        self.parts, self.size, self.slots = parts, size, slots
        self.rows = 0
        self.rooms: list[list[np.ndarray]] = []  # of each thread

    def __call__(self, block: Callable[[int, int, list], None]) -> None:
        rows, threads = rows_and_threads(self.parts, self.size)
        if rows != self.rows:
            self.rows, self.rooms = rows, []
        while len(self.rooms) < threads:
            self.rooms.append([np.empty(rows * numbers, dtype) for numbers, dtype in self.slots])
        starts = iter(range(0, self.parts, rows))  # every thread takes the next

        def take(room: list) -> None:
            for lo in starts:
                block(lo, min(lo + rows, self.parts), room)

        # (A context of the caller's for each: in it NumPy says nothing of infinity and nan.)
        in_threads([partial(contextvars.copy_context().run, take, room) for room in self.rooms[:threads]])
