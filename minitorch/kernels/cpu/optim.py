"""Small parameters side by side: the rule of an optimizer runs once over all of them, as one array.

On a small array a call costs more than its numbers, and Adam makes 13 calls for each parameter. A rule treats each number by
itself, so one run over many parameters gives the same numbers, bit by bit: no formula is written again here. Large parameters go
alone: to copy them costs more than it saves. Where there is a C compiler a run of Adam or SGD is one loop (`updates.py`).
Read next: `minitorch/optim/adam.py`, the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import pairwise
from operator import is_
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ...arrays.memory import address
from ...optim import ASGD, SGD, Adadelta, Adagrad, Adam, Adamax, NAdam, Optimizer, RAdam, RMSprop, Rprop
from .updates import updated

FEW = 3  # so many parameters are as fast one by one
SMALL = 16384  # bytes: a parameter that has as many goes alone
SERVED = (np.dtype("float32"), np.dtype("float64"))  # in half precision it is the numbers that cost

Row = tuple[np.ndarray, ...]  # the arrays of a parameter: what is remembered of it, then θ


@SGD.twin("cpu")
def sgd(optimizer: Optimizer, params: list[Any], group: dict[str, Any]) -> list[Any]:
    """Without momentum a parameter takes two calls, and nothing is gained side by side."""
    return (side_by_side if group["momentum"] else one_by_one)(optimizer, params, group)


def side_by_side(optimizer: Optimizer, params: list[Any], group: dict[str, Any]) -> list[Any]:
    """Update the parameters if all are on the CPU: together the small ones that are in the same step and of one dtype."""
    if any(type(param._array) is not np.ndarray for param in params):
        return params
    if len(params) <= FEW:
        return one_by_one(optimizer, params, group)
    known = len(optimizer.state)
    nows = [optimizer._begin(param, group) for param in params]
    rows = [(*optimizer._memory(param, group), param._array) for param in params]
    gs = [param._grad._array for param in params]
    trays, alone = _seating_of(optimizer, params, rows, nows).in_step_with(gs)
    for places, tray in trays:
        tray.step(partial(updated, optimizer, group, nows[places[0]]), [gs[k] for k in places])
    for k in alone:
        *memory, x = rows[k]
        updated(optimizer, group, nows[k], x, gs[k], *memory)
    for param in params:
        param._bump()
    if len(optimizer.state) == known + len(params):  # nobody has seen yet where what is remembered lies
        for places in _together(rows, nows):
            _lay_side_by_side([optimizer.state[params[k]] for k in places], [rows[k] for k in places])
    return []


def one_by_one(optimizer: Optimizer, params: list[Any], group: dict[str, Any]) -> list[Any]:
    """Update the parameters if all are on the CPU, one after the other."""
    if any(type(param._array) is not np.ndarray for param in params):
        return params
    for param in params:
        now, memory = optimizer._begin(param, group), optimizer._memory(param, group)
        updated(optimizer, group, now, param._array, param._grad._array, *memory)
        param._bump()
    return []


for _each in (ASGD, Adadelta, Adagrad, Adam, Adamax, NAdam, RAdam, RMSprop, Rprop):
    _each.twin("cpu")(side_by_side)

_seatings: WeakKeyDictionary[Optimizer, dict[int, Seating]] = WeakKeyDictionary()  # by the id of the first parameter


def _seating_of(optimizer: Optimizer, params: list[Any], rows: list[Row], nows: Sequence[Any]) -> Seating:
    """The seating of the last step, or a new one if something has another place now."""
    seatings = _seatings.setdefault(optimizer, {})
    seating = seatings.get(id(params[0]))
    if seating is None or not seating.holds(rows, nows):
        if len(seatings) > 64:  # parameters come and go
            seatings.clear()
        seating = seatings[id(params[0])] = Seating(rows, nows)
    return seating


class Seating:
    """Who goes together, of parameters with these arrays: by their places in the list.

    It is found when the same arrays come a second time: for arrays that change at each step it would not pay.
    """

    def __init__(self, rows: list[Row], nows: Sequence[Any]) -> None:
        self.rows = rows
        self.arrays = [a for row in rows for a in row]
        self.steps = list(map(nows.index, nows))  # for each, the place of the first that is in the same step
        self.came = 0

    def holds(self, rows: list[Row], nows: Sequence[Any]) -> bool:
        """Whether these are the arrays it was made for, and the same ones are in the same step."""
        return list(map(nows.index, nows)) == self.steps and all(map(is_, [a for row in rows for a in row], self.arrays))

    def in_step_with(self, gs: list[np.ndarray]) -> tuple[list[tuple[list[int], Tray]], Iterable[int]]:
        """(The trays and whom they take, who goes alone) when these are the gradients."""
        self.came += 1
        if self.came == 2:
            self._take_seats()
        if self.came > 1 and self._may_go_together(gs):
            return self.trays, self.alone
        return [], range(len(self.rows))

    def _take_seats(self) -> None:
        """Find who goes together: nobody, where the arrays share memory, for then the order matters."""
        groups = _together(self.rows, self.steps) if _lie_apart(self.arrays) else []
        self.trays = [(places, Tray([self.rows[k] for k in places])) for places in groups]
        self.alone = sorted(set(range(len(self.rows))).difference(*groups))
        self.like = [(row[-1].dtype, row[-1].shape) for row in self.rows]
        self.written = {None, *map(_owner, self.arrays)}

    def _may_go_together(self, gs: list[np.ndarray]) -> bool:
        """Whether the gradients are like their parameters, and lie in memory that the step does not write."""
        owners = {_owner(g) for g in gs}
        return [(g.dtype, g.shape) for g in gs] == self.like and self.written.isdisjoint(owners)


class Tray:
    """The arrays of some parameters, side by side: one array for each thing remembered, one for θ, one for g.

    Those that lie so already are taken as they are, others are copied in before a step and back after it.
    """

    def __init__(self, rows: list[Row]) -> None:
        columns = list(zip(*rows))
        wholes = [joined(column) for column in columns]
        copied = [column for column, whole in zip(columns, wholes) if whole is None]
        *room, self.g = self.room = np.empty((len(copied) + 1, sum(x.size for x in columns[-1])), columns[-1][0].dtype)
        self.copies = [pair for whole, column in zip(room, copied) for pair in zip(column, _cut(whole, column))]
        self.flat = [a.reshape(-1) for a, _ in self.copies]
        *self.memory, self.θ = [room.pop(0) if whole is None else whole for whole in wholes]
        self.room = self.room.reshape(-1)

    def step(self, rule: Callable[..., None], gs: Sequence[np.ndarray]) -> None:
        """Run the rule over all of them."""
        np.concatenate([*self.flat, *[g.reshape(-1) for g in gs]], out=self.room)
        rule(self.θ, self.g, *self.memory)
        for a, part in self.copies:
            a[...] = part


def _together(rows: list[Row], nows: Sequence[Any]) -> list[list[int]]:
    """The places of small parameters that may go together, where there are more than a few."""
    found: dict[Any, list[int]] = {}
    for k, row in enumerate(rows):
        x = row[-1]
        alike = all(a.dtype == x.dtype and a.shape == x.shape and a.flags.c_contiguous for a in row)
        if alike and 0 < x.nbytes < SMALL and x.dtype in SERVED:
            found.setdefault((nows[k], x.dtype), []).append(k)
    return [places for places in found.values() if len(places) > FEW]


def _lay_side_by_side(states: list[dict[str, Any]], rows: list[Row]) -> None:
    """Move what is remembered to memory where it lies one after another."""
    *memory, _ = zip(*rows)
    for column in memory:
        whole = np.concatenate([a.reshape(-1) for a in column])
        for state, a, part in zip(states, column, _cut(whole, column)):
            next(tensor for tensor in state.values() if tensor._array is a)._array = part


def _cut(whole: np.ndarray, column: Sequence[np.ndarray]) -> list[np.ndarray]:
    """An array of one dimension in parts of these shapes."""
    ends = np.cumsum([a.size for a in column])
    return [whole[end - a.size : end].reshape(a.shape) for end, a in zip(ends, column)]


def joined(column: Sequence[np.ndarray]) -> np.ndarray | None:
    """The arrays as one of one dimension, if they lie one after another in one array's memory."""
    owner = column[0].base
    if type(owner) is not np.ndarray or owner.ndim != 1 or any(a.base is not owner for a in column):
        return None
    starts = [(address(a) - address(owner)) // owner.itemsize for a in column]
    if any(start + a.size != after for start, a, after in zip(starts, column, starts[1:])):
        return None
    return owner[starts[0] : starts[-1] + column[-1].size]


def _lie_apart(arrays: list[np.ndarray]) -> bool:
    """Whether no two of these arrays share memory."""
    spans = sorted(np.lib.array_utils.byte_bounds(a) for a in arrays)
    return all(end <= start for (_, end), (start, _) in pairwise(spans))


def _owner(a: np.ndarray) -> int | None:
    """The id of what owns this memory; None if that is not sure, because it comes from elsewhere than NumPy or a file."""
    owner = a if a.base is None else a.base
    sure = type(owner) is bytes or (type(owner) is np.ndarray and owner.base is None)
    return id(owner) if sure else None
