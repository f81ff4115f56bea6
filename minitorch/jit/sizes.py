"""Sizes that know where they come from, so that a trace holds `x.shape[0] * 2` and not the number that it happened to be.

A size is an int with a note: the node that would compute it, which is written into the graph when the size is used as an argument. Sums,
products and quotients of sizes are sizes. What Python itself does with one (a loop over `range(n)`, a comparison) the graph cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .types import INT
from .warned import warn_user

if TYPE_CHECKING:
    from .graph import Value
    from .recording import Recorder


class TracedInt(int):
    """An int, and the node that computes it: its kind, and its arguments."""

    kind: str
    given: tuple
    recorder: Recorder

    def __new__(cls, value: int, kind: str, given: tuple, recorder: Recorder) -> TracedInt:
        made = super().__new__(cls, value)
        # The arguments as they are now: a tensor that is written into later is another value then.
        made.kind, made.recorder, made._value = kind, recorder, None
        made.given = tuple(recorder.values.get(id(x), x) if not isinstance(x, int) else x for x in given)
        return made

    _value: Value | None

    def value_in(self, recorder: Recorder) -> Value:
        """Its value in the graph; one of an ended trace is a constant."""
        if recorder is not self.recorder:
            return recorder.constant(int.__int__(self))
        if self._value is None:
            inputs = [recorder.value_of(x) if isinstance(x, int) else x for x in self.given]
            self._value = recorder.node(self.kind, inputs, INT)
        return self._value

    # A copy is an int: nothing of the trace goes with it.
    def __reduce_ex__(self, protocol: Any) -> Any:
        return int, (int.__int__(self),)

    def __copy__(self) -> int:
        return int.__int__(self)

    def __deepcopy__(self, memo: dict) -> int:
        return int.__int__(self)

    __hash__ = int.__hash__

    def __int__(self) -> int:
        warn_user("integer")
        return int.__add__(self, 0)

    def __float__(self) -> float:
        warn_user("float")
        return int.__float__(self)

    def __bool__(self) -> bool:
        warn_user("boolean")
        return int.__bool__(self)


def _arithmetic(name: str, kind: str, reflected: bool) -> Callable:
    plain = getattr(int, name)

    def method(self: TracedInt, other: Any) -> Any:
        result = plain(self, other)
        if type(other) not in (int, TracedInt) or result is NotImplemented:
            return result
        return TracedInt(result, kind, (other, self) if reflected else (self, other), self.recorder)

    return method


for _name, _kind in {"add": "add", "sub": "sub", "mul": "mul", "floordiv": "floordiv", "mod": "remainder"}.items():
    setattr(TracedInt, f"__{_name}__", _arithmetic(f"__{_name}__", f"aten::{_kind}", False))
    setattr(TracedInt, f"__r{_name}__", _arithmetic(f"__r{_name}__", f"aten::{_kind}", True))


def _told(name: str, what: str) -> Callable:
    plain = getattr(int, name)

    def method(self: TracedInt, *args: Any) -> Any:
        warn_user(what)
        return plain(self, *args)

    return method


for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(TracedInt, f"__{_name}__", _told(f"__{_name}__", "boolean"))
for _name in ("truediv", "rtruediv"):
    setattr(TracedInt, f"__{_name}__", _told(f"__{_name}__", "float"))
