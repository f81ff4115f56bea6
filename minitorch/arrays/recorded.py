"""An array that computes and writes down what is done to it: what a step computes with while `compile` records it.

To what looks at it, a `Recorded` array is the NumPy array it holds. NumPy hands every function that is called with one over to it
(`__array_ufunc__`, `__array_function__`), its operators and methods come here anyway, and `library` makes new ones: nothing that is
computed goes unseen. Who wants a number of it (`item`, `bool`) gets that number, and the record says so: a program made of it would
hold for this number only. Read next: `compiler/record.py`, who writes.
"""

from __future__ import annotations

import functools
import operator
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .capturing import now
from .threads import of_each_thread


class Running(threading.local):
    """The record that this thread writes at the moment, if any."""

    record: Any = None


running = of_each_thread(Running())


def an_effect(method: Any) -> Any:
    """A method that changes more than arrays: in a recorded step it is an effect, which the program calls as it stands."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        recorder = running.record if now.capture is None else now.capture.effects
        if recorder is None:
            return method(self, *args, **options)
        name = f"{type(self).__name__}.{method.__name__}"
        return recorder.effect(name, functools.partial(method, self, *args, **options))

    return call


class Deviates(Exception):
    """A program finds that an op would take another course with these numbers than it took when it was recorded."""


class NotTraceable(Exception):
    """Within an op's forward: what it does cannot be written down step by step. The op is taken as one call then."""


def unrecordable(words: str) -> None:
    """What is about to happen would happen once only, in the step that is recorded: say so, if one is."""
    if running.record is not None:
        running.record.fail(words)


class Recorded:
    """An array and its place in a record. After the end of the record it computes on, and what comes of it is an array."""

    # (NumPy gives a number of its own, np.generic, where there are no dimensions; then that is the array.)
    __slots__ = ("__weakref__", "array", "place", "record")
    __array_priority__ = 100.0

    def __init__(self, array: np.ndarray, place: int, record: Any) -> None:
        self.array, self.place, self.record = array, place, record

    shape = property(lambda self: self.array.shape)
    ndim = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)
    itemsize = property(lambda self: self.array.itemsize)
    strides = property(lambda self: self.array.strides)
    size = property(lambda self: self.array.size)
    nbytes = property(lambda self: self.array.nbytes)
    base = property(lambda self: getattr(self.array, "base", None))
    flags = property(lambda self: self.array.flags)
    ctypes = property(lambda self: self.array.ctypes)
    T = property(lambda self: self.transpose())

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return _record_of(args, options).call(function, args, options)

    def __array_function__(self, function: Callable, types: Any, args: tuple, options: dict) -> Any:
        return _record_of(args, options).call(function, args, options)

    def __getattr__(self, name: str) -> Any:
        """A method of arrays: its call is recorded."""
        method = getattr(type(self.array), name)
        if not callable(method):
            raise AttributeError(name)
        return lambda *args, **options: self.record.call(method, (self, *args), options)

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Any:
        return (self[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        return self.record.call(operator.getitem, (self, key), {})

    def __setitem__(self, key: Any, value: Any) -> None:
        self.record.call(operator.setitem, (self, key, value), {})

    # ---- what looks at the numbers ----

    def _number(self, kind: Callable) -> Any:
        self.record.looked_at()
        return kind(self.array)

    def __bool__(self) -> bool:
        taken = self.record.course(self)
        return self._number(bool) if taken is None else taken

    def __int__(self) -> int:
        return self._number(int)

    def __float__(self) -> float:
        return self._number(float)

    def __index__(self) -> int:
        return self._number(operator.index)

    def item(self, *place: Any) -> Any:
        """The number, as Python's."""
        if not place and (number := self.record.number_of(self)) is not None:
            return number
        return self._number(lambda a: a.item(*place))

    def tolist(self) -> Any:
        """The numbers, as Python's."""
        return self._number(np.ndarray.tolist)

    def get(self) -> np.ndarray:
        """The array itself."""
        return self._number(lambda a: a)

    def __array__(self, *args: Any, **options: Any) -> Any:
        # NumPy asks for it where it cannot hand a call over, and may write to what it gets.
        return np.array(self.get(), *args)

    def nonzero(self) -> Any:
        """The places of what is not 0: how many there are depends on the numbers."""
        return tuple(self._number(np.nonzero))

    __hash__ = object.__hash__


class Number:
    """A Python number that changes from step to step: a learning rate, or a number of the state. What is computed of it is one too.

    Nothing may depend on which number it is, for a program is for all of them.
    """

    __slots__ = ("array", "is_positive", "place", "record")

    def __init__(self, value: float, place: int, record: Any, is_positive: bool = False) -> None:
        """is_positive: the program is for positive numbers only, which a condition of its own looks at."""
        self.array, self.place, self.record, self.is_positive = value, place, record, is_positive

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        found = first_of((args, options))
        if method != "__call__" or found is None:
            raise NotTraceable
        return found.record.call(ufunc, args, options)

    def _look(self, *args: Any) -> Any:
        raise NotTraceable

    def __bool__(self) -> bool:
        return self.is_positive or self._look()

    __float__ = __int__ = __index__ = __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _look
    __hash__ = object.__hash__


def _of_numbers(name: str, function: Callable) -> None:
    def compute(a: Any, b: Any) -> Any:
        return NotImplemented if isinstance(b, Recorded) else a.record.number(function, a, b)

    setattr(Number, f"__{name}__", compute)
    setattr(Number, f"__r{name}__", lambda a, b: a.record.number(function, b, a))


for _name in ("add", "sub", "mul", "truediv", "pow"):
    _of_numbers(_name, getattr(operator, _name))


def _binary(name: str, ufunc: Callable) -> None:
    setattr(Recorded, f"__{name}__", lambda a, b: _record_of((a, b), {}).call(ufunc, (a, b), {}))
    setattr(Recorded, f"__r{name}__", lambda a, b: _record_of((a, b), {}).call(ufunc, (b, a), {}))


def _in_place(name: str, ufunc: Any) -> None:
    def write(a: Any, b: Any) -> Any:
        if isinstance(a.array, np.generic):  # nobody writes to a number: a new one takes its name
            return _record_of((a, b), {}).call(ufunc, (a, b), {})
        return _record_of((a, b), {}).call(ufunc, (a, b), {"out": (a,)})

    setattr(Recorded, f"__i{name}__", write)


_OPERATORS = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "floordiv": np.floor_divide,
    "mod": np.remainder, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "lshift": np.left_shift,
    "rshift": np.right_shift, "matmul": np.matmul,
}  # fmt: skip
for _name, _ufunc in _OPERATORS.items():
    _binary(_name, _ufunc)
    _in_place(_name, _ufunc)
_binary("pow", operator.pow)  # (x ** 2 is a product to arrays, and not always the same number as np.power's)
_in_place("pow", np.power)
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal, "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    _binary(_name, _ufunc)
for _name, _ufunc in {"neg": np.negative, "abs": np.absolute, "invert": np.invert, "pos": np.positive}.items():
    setattr(Recorded, f"__{_name}__", lambda a, ufunc=_ufunc: a.record.call(ufunc, (a,), {}))


def _record_of(args: tuple, options: dict) -> Any:
    """The record of the first recorded array among the arguments."""
    return first_of((args, options)).record


def first_of(value: Any) -> Any:
    """The first recorded array in a value that may be a list, tuple or dict; None if there is none."""
    if isinstance(value, Recorded):
        return value
    if isinstance(value, (tuple, list, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            if (found := first_of(each)) is not None:
                return found
    return None


# ---- the library ----


class Library:
    """NumPy for recorded arrays: what it makes is recorded too."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function
        if isinstance(function, np.ufunc):
            return _RecordedUfunc(function)
        return lambda *args, **options: called(function, args, options)

    lib = SimpleNamespace(
        stride_tricks=SimpleNamespace(
            as_strided=lambda *args, **options: called(np.lib.stride_tricks.as_strided, args, options),
            sliding_window_view=lambda *args, **options: called(np.lib.stride_tricks.sliding_window_view, args, options),
        )
    )


class _RecordedUfunc:
    """A ufunc of the library, with its methods."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self.ufunc = ufunc

    def __call__(self, *args: Any, **options: Any) -> Any:
        return called(self.ufunc, args, options)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.ufunc, name)
        return (lambda *args, **options: called(method, args, options)) if callable(method) else method


library: Any = Library()


def followed(function: Callable, name: str) -> Callable:
    """function(xp, …) of recorded arrays, which belongs to an op: the record follows it step by step, or takes it as one call."""

    def run(xp: Any, *args: Any, **options: Any) -> Any:
        record = running.record
        if record is None:
            return function(np, *map(array_of, args), **options)
        return record.traced(function, name, xp, args, options)

    return run


def derivatives_followed(function: Callable, name: str, names: tuple[str, ...]) -> Callable:
    """The same for the derivatives of a node, which get lists of gradients and of what was saved, under these names."""

    def run(grads: list, saved: Any) -> Any:
        if running.record is None:
            return function(grads, saved)
        return running.record.derivatives(name, function, grads, saved, names)

    return run


def written_as(function: Callable) -> Callable:
    """A decorator: what an op's part does in several NumPy calls is, to loops, as good as one call of `function` with the same arguments."""

    def decorate(steps: Callable) -> Callable:
        @functools.wraps(steps)
        def run(x: Any, *args: Any, **options: Any) -> Any:
            if type(x) is Recorded and x.record is running.record and x.record.for_loops:
                return x.record.written(run, steps, (x, *args), options)
            return steps(x, *args, **options)

        run.means = function  # type: ignore[attr-defined]
        return run

    return decorate


def called(function: Callable, args: tuple, options: dict) -> Any:
    """What the function gives, recorded if this thread records."""
    found = first_of((args, options))
    record = running.record if found is None else found.record
    return function(*args, **options) if record is None else record.call(function, args, options)


def with_memory(value: Any) -> Any:
    """What may be a number of NumPy's or Python's, as an array; recorded, if it is."""
    if isinstance(value, Recorded):
        return value if isinstance(value.array, np.ndarray) else value.record.call(np.asarray, (value,), {})
    return np.asarray(value)


def array_of(value: Any) -> Any:
    """The array that a recorded one holds; anything else as it is."""
    kind = type(value)
    return value.array if kind is Recorded or kind is Number else value
