"""Kernels joined across ops: while a step is captured, generated kernels are held back until something depends on them, and then made as few.

Each launch of a generated kernel is a formula that is known. So instead of being launched it waits in a queue; what comes next joins it if it
treats the same places: what the first computes then stays in a register. A launch waits until somebody else reads what it writes (a product, a
kernel written by hand, CuPy, the host), or writes what it reads. By then a result of which nobody holds the array any more, as Python's
counts of references tell, need not be written at all. Nothing of the engine knows about it, and each op's numbers are rounded as if they had
been in memory, so that results are those of the step as it is, bit for bit.
(The other way would be to record a program as `compile` does for NumPy and to print it for CUDA: then every op without a formula, kernels by hand and
products would need a second way of being called. Here they are called as ever.) Read next: `joining.py`, one formula of many; `captured.py`, who holds back.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...arrays import capturing
from ...arrays.capturing import now
from .joining import joined, where
from .layouts import bounds

if TYPE_CHECKING:
    from .launching import Made, Sums

enabled = True  # whether launches are held back at all
SMALL = 1 << 16  # numbers: of less the launch is what takes the time, and what has nothing in common is joined too
ARRAYS = 24  # at most so many in a kernel, which has an address in registers for each
STEPS = 128  # and so many steps of a formula

BYTES = 1 << 26  # of results held back at most: their memory, and what they read, is nobody else's meanwhile

Counts = tuple[int, int, int]
Place = tuple[int, int, tuple]  # the bounds of an array in memory, and how it lies there; holding it holds no array


def place(array: Any) -> Place:
    """Where an array lies."""
    return *bounds(array), where(array)


def counted(arrays: list[Any]) -> list[Counts]:
    """How many hold each array, its place and its memory."""
    return [capturing.holders(x) for x in arrays]


@dataclass(eq=False)
class Launch:
    """One that is held back. It holds its arrays, so that nobody else gets their memory."""

    made: Made
    reads: list[Any]
    outs: list[Any]
    numbers: list[float]
    sums: Sums | None
    born: list[Counts] | None  # how many held each of `outs` when it was new; None: it was there before

    def written(self) -> list[Any]:
        """All that it writes."""
        return self.outs if self.sums is None else [*self.outs, *self.sums.totals]

    def needed(self, readers: list[Launch]) -> list[bool]:
        """Of each of `outs`, whether anybody but these could read it later."""
        if self.born is None:
            return [True for _ in self.outs]
        mine = [sum(x is out for each in readers for x in each.reads) for out in self.outs]
        return [(a - n, b, c) != was for (a, b, c), n, was in zip(counted(self.outs), mine, self.born)]


class Group:
    """Launches that become one kernel; or one call of something that is no formula, which waits for its turn among them."""

    def __init__(self, shape: tuple[int, ...], call: Callable | None = None, keeps: Sequence[Any] = ()) -> None:
        self.shape, self.call = shape, call
        self.keeps = keeps  # what the call may know by its address alone
        self.launches: list[Launch] = []
        self.sums: Sums | None = None
        self.after: set[Group] = set()  # what must be launched before
        self.reads: list[Place] = []
        self.writes: list[Place] = []

    def add(self, launch: Launch) -> None:
        """One more launch."""
        self.launches.append(launch)
        self.sums = self.sums or launch.sums

    def clashes(self, reads: Sequence[Place], writes: Sequence[Place]) -> Iterator[tuple[Place, Place]]:
        """Pairs of places that overlap, at least one of which is written: one of the group's, one of these."""
        for mine, its in ((self.writes, reads), (self.writes, writes), (self.reads, writes)):
            for x in mine:
                yield from ((x, y) for y in its if x[0] < y[1] and y[0] < x[1])

    def takes(self, launch: Launch, shape: tuple[int, ...], reads: list[Place], size: int) -> bool:
        """Whether the launch may become part of this kernel, as far as it does not clash."""
        mine, its = self.sums, launch.sums
        if self.call is not None or shape != self.shape:
            return False
        if mine and its and (mine.lost, mine.dims, mine.over) != (its.lost, its.dims, its.over):
            return False
        if len({*self.reads, *self.writes}) + len(reads) + len(launch.written()) > ARRAYS:
            return False
        if sum(len(each.made.formula.steps) for each in (*self.launches, launch)) > STEPS:
            return False
        return size <= SMALL or not {*self.reads, *self.writes}.isdisjoint(reads)


class Held:
    """The launches that a thread holds back, by the kernels that they will be."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.groups: list[Group] = []
        self.is_told = False
        self.bytes = 0
        self.before = 0  # how many have been held back
        self.made: list[tuple[str, Made]] = []  # what they were launched as, and which ops that is

    # ---- what comes ----

    def hold(
        self,
        xp: Any,
        made: Made,
        shape: tuple[int, ...],
        reads: list[Any],
        outs: list[Any],
        numbers: list[float],
        fresh: bool,
        sums: Sums | None = None,
    ) -> None:
        """Hold a launch back. fresh: nobody has its results yet."""
        launch = Launch(made, reads, outs, numbers, sums, counted(outs) if fresh else None)
        self.before += 1
        from_places, to_places = list(map(place, reads)), list(map(place, launch.written()))
        earliest, after = self._dependences(shape, from_places, to_places)
        size = math.prod(shape)
        found = next((g for g in self.groups[earliest:] if g.takes(launch, shape, from_places, size)), None)
        if found is None:
            found = Group(shape)
            self.groups.append(found)
        found.add(launch)
        self._placed(found, after, from_places, to_places, sum(x.nbytes for x in launch.written()))

    def hold_call(self, call: Callable[[], Any], reads: Sequence[Any], writes: Sequence[Any]) -> None:
        """Hold back a call that reads and writes these arrays."""
        from_places, to_places = list(map(place, reads)), list(map(place, writes))
        _, after = self._dependences(None, from_places, to_places)
        self.groups.append(Group((), call, [*reads, *writes]))
        self._placed(self.groups[-1], after, from_places, to_places, sum(x.nbytes for x in writes))

    def _dependences(self, shape: tuple[int, ...] | None, reads: list[Place], writes: list[Place]) -> tuple[int, set[Group]]:
        """The first group that what reads and writes there may join, and those that must come before it.

        It may join one that writes what it reads, if each place of the shape needs the very element that this place writes.
        """
        earliest, after = 0, set[Group]()
        for k, group in enumerate(self.groups):
            if pairs := list(group.clashes(reads, writes)):
                after.add(group)
                alike = all(x == y and x[2][2] == shape == group.shape for x, y in pairs)
                earliest = k if alike else k + 1
        return earliest, after

    def _placed(self, group: Group, after: set[Group], reads: list[Place], writes: list[Place], size: int) -> None:
        group.after |= after - {group}
        group.reads += reads
        group.writes += writes
        self.bytes += size
        if self.bytes > BYTES:
            self.settle(None, ())

    # ---- what is launched ----

    def settle(self, reads: Sequence[Any] | None, writes: Sequence[Any]) -> None:
        """Launch what must be there, or gone, before these arrays are read and written; all if reads is None."""
        if not self.groups:
            return
        if reads is None:
            due, self.groups = self.groups, []
        else:
            from_places, to_places = list(map(place, reads)), list(map(place, writes))
            wanted: set[Group] = set()
            for group in reversed(self.groups):
                if group in wanted or any(True for _ in group.clashes(from_places, to_places)):
                    wanted |= {group, *group.after}
            due = [g for g in self.groups if g in wanted]
            self.groups = [g for g in self.groups if g not in wanted]
        self.bytes = 0 if not self.groups else self.bytes
        with self._stepped_aside():
            while due:
                self._launch(due.pop(0))

    def _launch(self, group: Group) -> None:
        if group.call is not None:
            group.call()
            return
        if len(group.launches) == 1:
            (launch,) = group.launches
            made, reads, outs, numbers, sums = launch.made, launch.reads, launch.outs, launch.numbers, launch.sums
        else:
            found = joined(group)
            if found is None:
                return
            made, reads, outs, numbers, sums = found
        self.made.append((" ".join(each.made.name for each in group.launches), made))
        if sums is None:
            made.launch(self.xp, group.shape, reads, outs, numbers)
        else:
            made.launch_sums(self.xp, group.shape, reads, outs, numbers, sums)

    @contextlib.contextmanager
    def _stepped_aside(self) -> Iterator[None]:
        """In the block launches are not held back."""
        now.held = None
        try:
            yield
        finally:
            now.held = self

    # ---- memory ----

    @contextlib.contextmanager
    def told(self) -> Iterator[None]:
        """In the block memory is asked for by somebody who says what is done with it."""
        before, self.is_told = self.is_told, True
        try:
            yield
        finally:
            self.is_told = before

    def watched(self, malloc: Callable) -> Callable:
        """An allocator. Whoever asks it for memory, and has not said what for, is CuPy, which computes something into it: of what nobody knows."""
        return Watched(self, malloc).malloc


class Watched:
    """An allocator, and who is told when it is asked."""

    def __init__(self, held: Held, inner: Callable) -> None:
        self.held, self.inner = held, inner

    def malloc(self, size: int) -> Any:
        """Memory."""
        if now.held is self.held and not self.held.is_told:
            self.held.settle(None, ())
        return self.inner(size)


@contextlib.contextmanager
def holding_back(xp: Any) -> Iterator[Held]:
    """In the block launches of generated kernels are held back; all are made by its end."""
    held = Held(xp)
    if not enabled:
        yield held
        return
    now.held = held
    try:
        yield held
    finally:
        try:
            held.settle(None, ())
        finally:
            now.held = None
