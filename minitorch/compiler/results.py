"""What a step returns beside numbers: tensors that share memory, and the count of writes to it, with one another or with what was there.

A program makes new tensors of arrays. Those that were views, or detached from others, are tied to these again.
Read next: `calls.py`, which finds the ties while a step is recorded; `step.py`, whose programs tie.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays.recorded import array_of
from ..tensor import Tensor
from ..tensor.writing import INFERENCE
from .halves import with_plain_memory


class Tie(NamedTuple):
    """A result and a tensor in whose memory it is."""

    result: int  # its number
    other: str  # an expression of args, kwargs and results
    is_view: bool  # or in the same memory without being a view of it, as `detach` gives
    refusal: str  # why it may not be written to, if it may not


class Returned:
    """The tensors among what a step returns."""

    def __init__(self) -> None:
        self.tensors: list[Tensor] = []
        self.ties: list[Tie] = []
        self.inferred: list[int] = []  # those that were made in inference_mode
        self.repeated = False  # whether one stands in the result twice

    def number(self, tensor: Tensor) -> tuple[int, bool]:
        """The number of a tensor, and whether it is new."""
        for k, known in enumerate(self.tensors):
            if known is tensor:
                self.repeated = True
                return k, False
        self.tensors.append(tensor)
        return len(self.tensors) - 1, True

    def places(self) -> list[tuple[str, Tensor]]:
        """Each with the expression under which a program finds it."""
        return [(f"results[{k}]", t) for k, t in enumerate(self.tensors)]

    @property
    def hang_together(self) -> bool:
        """Whether they are more than new tensors, one for each array."""
        return bool(self.ties or self.inferred or self.repeated)

    def end(self) -> None:
        """Let go of the tensors, on plain arrays."""
        for tensor in self.tensors:
            with_plain_memory(tensor)
        self.tensors = []

    def find_ties(self, record: Any, before: list[tuple[str, Tensor]]) -> None:
        """Find what each is tied to. A base that is not returned is made a result, too, for the views to be tied to."""
        bases: dict[int, str] = {}
        for place, tensor in [*before, *((p, t) for p, t in self.places() if t._base is None)]:
            bases.setdefault(id(tensor if tensor._base is None else tensor._base), place)
        counters = {id(t._counter): place for place, t in before if t._counter is not None}
        for k, tensor in enumerate(self.tensors):
            base, counter = tensor._base, tensor._counter
            if base is not None and id(base) not in bases and self._can_be_returned(record, tensor, base):
                bases[id(base)] = f"results[{len(self.tensors)}]"
                self.tensors.append(base)
                record.graph.outputs.append(base._array.place)
            if counter is INFERENCE:
                self.inferred.append(k)
            elif id(base) in bases:
                self.ties.append(Tie(k, bases[id(base)], True, tensor._refusal))
            elif counter is not None and id(counter) in counters:
                self.ties.append(Tie(k, counters[id(counter)], False, ""))
            counters.setdefault(id(counter), f"results[{k}]")
        views = {f"results[{t.result}]" for t in self.ties if t.is_view}
        self.ties.sort(key=lambda t: (t.other in views, t.is_view))

    def _can_be_returned(self, record: Any, view: Tensor, base: Tensor) -> bool:
        """Whether a view's base can be a result beside it. One that can be differentiated cannot: the view is as good alone, if no
        other result is in its way and it may be written to."""
        if view._counter is INFERENCE:
            return False
        if base._requires_grad or view._requires_grad:
            beside = [t for t in self.tensors if t._base is base and t is not view]
            if view._refusal or any(np.may_share_memory(array_of(t._array), array_of(view._array)) for t in beside):
                record.fail("it returns views of a tensor that can be differentiated, but not the tensor itself")
            return False
        if getattr(base._array, "place", -1) < 0 or not is_plain(base):
            record.fail("it returns a view of a tensor that it did not compute")
            return False
        return True


def tie(result: Tensor, other: Tensor, is_view: bool, refusal: str) -> None:
    """Tie a new tensor to another."""
    if is_view:
        other._adopt_view(result)
        result._refusal = refusal
    else:
        result._counter = other._counted()


def is_plain(value: Tensor) -> bool:
    """Whether a result shows what a new tensor shows: no gradient, no hooks, no flag that was set."""
    own = (value._retains_grad, value._hooks, value._leaf_hooks, value._post_accumulate_hooks, value._asked)
    is_leaf = value._requires_grad and value._grad_fn is None
    return type(value) is Tensor and value._grad is None and not any(own) and not is_leaf
