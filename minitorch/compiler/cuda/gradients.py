"""Gradients beside a captured step: those that were there before it, and those that it leaves in the graph's memory.

Read next: `captured.py`, which asks.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...arrays import capturing
from ...arrays.device import xp_of
from ...arrays.layout import copied
from ...tensor import Tensor

if TYPE_CHECKING:
    from .captured import CapturedStep


class Handed:
    """The gradients that a step leaves, in memory of the graph.

    They are copied only if somebody keeps them: a replay asks before it whether anything but `.grad` holds the tensor, its array, or a view
    of it, for what is held is counted by Python.
    """

    def __init__(self, before: Before, copies: bool) -> None:
        # (A step that leaves all gradients as they were has nothing to do with them; else it may have removed what was not there.)
        touches = any(t._grad is not was for t, was in before.gradients)
        leaves = [t for t, was in before.gradients if touches and (was is None or t._grad is not was)]
        self.gradients = [(t, None if t._grad is None else t._grad._array) for t in leaves]
        self.copies = copies
        self.counts: list[tuple[int, ...]] = []

    def give(self) -> None:
        """Put them into `.grad`."""
        for leaf, array in self.gradients:
            leaf._grad = None if array is None else Tensor._wrap(copied(xp_of(array), array) if self.copies else array)
        self.counts = self._counted()

    def are_kept(self) -> bool:
        """Whether somebody has one that was given."""
        return not self.copies and any(
            tensor > of_tensor or array > of_array - (tensor == 0) or memory > of_memory or place > of_place
            for (tensor, array, memory, place), (of_tensor, of_array, of_memory, of_place) in zip(
                self._counted(), self.counts
            )
        )

    def _counted(self) -> list[tuple[int, ...]]:
        """How many hold each tensor in `.grad`, 0 if it is another by now; and its array, and its memory."""
        counts: list[tuple[int, ...]] = []
        for leaf, array in self.gradients:
            if array is not None:
                mine = leaf._grad is not None and leaf._grad._array is array
                counts.append((sys.getrefcount(leaf._grad) if mine else 0, *capturing.holders(array)))
        return counts


class Before:
    """What was there before a capture, which must leave all as it was if it fails."""

    def __init__(self, step: CapturedStep) -> None:
        self.step, self.names = step, step.state.names
        self.versions = [t._version for t in step.tensors]
        self.gradients = [(t, t._grad) for t in step.state.tensors.values() if t._requires_grad]
        self.probes = {id(t): Probe(g) for t, g in self.gradients if g is not None}

    @contextlib.contextmanager
    def put_in_place(self, fixed: list) -> Iterator[None]:
        """In the block arguments are in fixed memory, and old gradients tell whether they are read."""
        arguments = [(tensor, tensor._array) for _, tensor, _ in self.step.inputs]
        for (tensor, _), array in zip(arguments, fixed):
            tensor._array = array
        for tensor, _ in self.gradients:
            tensor._grad = self.probes.get(id(tensor))
        try:
            yield
        finally:
            for tensor, array in arguments:
                tensor._array = array

    def name_of_what_was_read(self) -> str:
        """The name of a parameter whose old gradient was read."""
        return next((self.names[of] for of, probe in self.probes.items() if probe.was_read), "")

    def put_back_the_untouched(self) -> None:
        """Gradients that the step left alone are what they were."""
        for tensor, was in self.gradients:
            if was is not None and tensor._grad is self.probes[id(tensor)]:
                tensor._grad = was

    def take_back(self) -> None:
        """All gradients are what they were."""
        for tensor, was in self.gradients:
            tensor._grad = was


class Probe(Tensor):
    """A gradient that was there before a step, and tells whether the step reads it."""

    was_read = False

    def __init__(self, of: Tensor) -> None:
        self.of = of

    def _read(self) -> Any:
        self.was_read = True
        return self.of._array

    def _written(self, array: Any) -> None:
        self.was_read = True

    _array = property(_read, _written)  # type: ignore[assignment]
