"""`Unpickler`: a pickle as data. It can name only what stands in the table it is given, and nothing else is ever called.

The idea: a pickle is a program for a small machine with a stack. Most of its instructions build data; the dangerous ones name
an object of Python (GLOBAL) and call it (REDUCE). Here a name is only looked up in `calls`, never imported; a call runs the function of
ours that stands there; and an instruction that is not below is refused. These are the ones that `torch.load` allows.
Read next: `torch_files.py`, which has the table.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from .keys import Keys

_FIXED = {
    pickle.BININT: "<i", pickle.BININT1: "<B", pickle.BININT2: "<H", pickle.BINFLOAT: ">d"
}  # fmt: skip  # numbers of a fixed size
_CONSTANTS = {pickle.NONE: None, pickle.NEWTRUE: True, pickle.NEWFALSE: False, pickle.EMPTY_TUPLE: ()}
_TUPLES = {pickle.TUPLE1: 1, pickle.TUPLE2: 2, pickle.TUPLE3: 3}
# How much work a pickle may make, beside four times its length: a part of an argument or of a key counts one, and what takes more
# memory than its instructions counts more. An honest file makes less, or what it calls again and again would be worth saying once.
_WORK = 100_000
_CALL, _TENSOR, _OBJECT = 15, 60, 150
_DEEPEST = 500  # tuple in a tuple that is hashed: Python hashes them one in another, on a stack that ends


class Name(NamedTuple):
    """A name from the table; it can be called or handed to a call, but is no data."""

    text: str


class NoData:
    """What a call can be handed, but is no data."""


class Parts(tuple, NoData):
    """A tuple with something in it that is no data."""


class Unpickler:
    """Builds the objects that pickles build: `run` reads one, and the next time what follows it.

    calls: what a name is when it is called; values: what a name is as data; stored: what a reference out of the pickle is;
    classes: which other classes and functions may be named; encoding: of texts that Python 2 wrote. pickle.UnpicklingError names
    what is refused; a damaged pickle raises any error.
    """

    def __init__(
        self,
        data: bytes,
        calls: dict[str, Callable],
        values: dict[str, Any],
        stored: Callable,
        classes: Any,
        encoding: str = "utf-8",
    ) -> None:
        self._data, self.place = data, 0
        self._calls, self._values, self._stored, self._encoding = calls, values, stored, encoding
        self._classes = classes
        self._stack: list[Any] = []
        self._below: list[list[Any]] = []  # the stacks under the marks
        self._memo: dict[int, Any] = {}
        self._may_work = _WORK + 4 * len(data)
        self._keys = Keys()
        self._do: dict[bytes, Callable[[], None]] = {
            pickle.PROTO: self._protocol,
            pickle.GLOBAL: self._name,
            pickle.REDUCE: self._call,
            pickle.NEWOBJ: self._new,
            pickle.BUILD: self._attributes,
            pickle.BINPERSID: self._reference,
            pickle.MARK: self._mark,
            pickle.TUPLE: lambda: self._push_tuple(self._from_mark()),
            pickle.EMPTY_LIST: lambda: self._push([]),
            pickle.EMPTY_DICT: lambda: self._push({}),
            pickle.EMPTY_SET: lambda: self._push(set()),
            pickle.APPEND: lambda: self._extend([self._pop()]),
            pickle.APPENDS: lambda: self._extend(self._from_mark()),
            pickle.SETITEM: lambda: self._fill([self._pop(), self._pop()][::-1]),
            pickle.SETITEMS: lambda: self._fill(self._from_mark()),
            pickle.BINUNICODE: lambda: self._push(str(self._take(self._number("<I")), "utf-8", "surrogatepass")),
            pickle.SHORT_BINSTRING: lambda: self._push(self._text_of_python_2(self._take(self._number("<B")))),
            pickle.LONG1: lambda: self._push(int.from_bytes(self._take(self._number("<B")), "little", signed=True)),
            pickle.BINPUT: lambda: self._remember(self._number("<B")),
            pickle.LONG_BINPUT: lambda: self._remember(self._number("<I")),
            pickle.BINGET: lambda: self._push(self._memo[self._number("<B")]),
            pickle.LONG_BINGET: lambda: self._push(self._memo[self._number("<I")]),
        }

    def run(self) -> Any:
        """Each instruction in turn, until STOP."""
        self._stack, self._below, self._memo = [], [], {}
        while True:
            code = self._take(1)
            if code in _FIXED:
                self._push(self._number(_FIXED[code]))
            elif code in _CONSTANTS:
                self._push(_CONSTANTS[code])
            elif code in _TUPLES:
                n = _TUPLES[code]
                self._push_tuple([self._pop() for _ in range(n)][::-1])
            elif code == pickle.STOP:
                return _as_data(self._pop())
            elif code in self._do:
                self._do[code]()
            else:
                raise pickle.UnpicklingError(f"it has the instruction {_word(code)}, which a file of tensors does not need")

    # ---- the dangerous ones ----

    def knows(self, text: str) -> bool:
        """Whether a pickle may use that name."""
        return text in self._values or text in self._calls or self._classes.found(text) is not None

    def _name(self) -> None:
        text = f"{self._line()}.{self._line()}"
        if text in self._values:
            self._push(self._values[text])
        elif text in self._calls:
            self._push(Name(text))
        elif (found := self._classes.found(text)) is not None:
            self._push(found)
        else:
            raise pickle.UnpicklingError(
                f"it asks for {text!r}, which is not among the names that a file may use. If you trust it, allow it by "
                f"minitorch.serialization.add_safe_globals([{text}]); of modules alone, whose classes the program has imported, "
                "load(..., weights_only=False) makes objects again"
            )

    def _call(self) -> None:
        arguments, called = self._pop(), self._pop()
        trusted = self._classes.is_trusted(called)
        if not isinstance(arguments, tuple) or not (trusted or (isinstance(called, Name) and called.text in self._calls)):
            raise pickle.UnpicklingError(f"it calls {_kind(called)} with {_kind(arguments)}")
        for each in arguments:
            if isinstance(each, (str, bytes, list, tuple, dict)):
                self._work(each)
            if isinstance(each, list):  # what becomes a set
                among = Keys()
                self._count(sum(among.cost(0, item) for item in each))
        call = called if trusted else self._calls[called.text]
        self._count(_TENSOR if isinstance(called, Name) and called.text.startswith("torch._") else _CALL)
        self._push(call(*map(_as_data, arguments)) if trusted else call(*arguments))

    def _new(self) -> None:
        arguments, cls = self._pop(), self._pop()
        if type(arguments) is not tuple:
            raise pickle.UnpicklingError(f"it makes an object of {_kind(cls)} with {_kind(arguments)}")
        self._count(_OBJECT)
        self._push(self._classes.made(cls, arguments))

    def _attributes(self) -> None:
        state, made = self._pop(), self._stack[-1]
        if isinstance(state, (tuple, list, dict)):
            self._work(state)
        if type(made) in (OrderedDict, Counter) and type(state) is dict and all(type(name) is str for name in state):
            made.__dict__.update(state)
        elif not self._classes.give_state(made, _as_data(state)):
            raise pickle.UnpicklingError(f"it gives {_kind(made)} the state {_kind(state)}")

    def _reference(self) -> None:
        reference = self._pop()
        if not isinstance(reference, tuple):
            raise pickle.UnpicklingError(f"its memory is named by {_kind(reference)}, not by a tuple")
        self._push(self._stored(reference))

    # ---- containers ----

    def _extend(self, items: list) -> None:
        made = self._stack[-1]
        if type(made) is not list:
            raise pickle.UnpicklingError(f"it appends to {_kind(made)}")
        made.extend(_as_data(item) for item in items)

    def _fill(self, items: list) -> None:
        made = self._stack[-1]
        if type(made) not in (dict, OrderedDict, Counter) and not (
            isinstance(made, dict) and self._classes.is_trusted(type(made))
        ):
            raise pickle.UnpicklingError(f"it sets items of {_kind(made)}")
        self._work(items[::2])
        for key, value in zip(items[::2], items[1::2], strict=True):
            self._count(self._keys.cost(id(made), key))
            made[_as_data(key)] = _as_data(value)

    def _count(self, work: int) -> None:
        """UnpicklingError if a short pickle makes much work: it calls or hashes again and again what it wrote once."""
        self._may_work -= work
        if self._may_work < 0:
            raise pickle.UnpicklingError("it uses the same parts again and again, without end")

    def _work(self, items: Any) -> None:
        """Count these items and what is in the tuples among them, and refuse tuples that lie too deep in one another."""
        depth, level = 0, [items]
        while level:
            below: list[tuple] = []
            for each in level:
                self._count(len(each))
                if not isinstance(each, (str, bytes)):
                    below.extend(item for item in each if isinstance(item, tuple))
            depth, level = depth + 1, below
            if depth > _DEEPEST:
                raise pickle.UnpicklingError(
                    f"it has more than {_DEEPEST} tuples in one another, where they are to be hashed"
                )

    # ---- the stack, the memo, the bytes ----

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _push_tuple(self, items: list) -> None:
        self._push((Parts if any(isinstance(item, (Name, NoData)) for item in items) else tuple)(items))

    def _pop(self) -> Any:
        return self._stack.pop()

    def _mark(self) -> None:
        self._below.append(self._stack)
        self._stack = []

    def _from_mark(self) -> list:
        """What has come onto the stack since the last mark."""
        found, self._stack = self._stack, self._below.pop()
        return found

    def _remember(self, number: int) -> None:
        self._memo[number] = self._stack[-1]

    def _protocol(self) -> None:
        if (number := self._number("<B")) != 2:
            raise pickle.UnpicklingError(f"it is in version {number} of pickle, not 2")

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, n: int) -> bytes:
        taken = self._data[self.place : self.place + n]
        if len(taken) < n:
            raise EOFError("the pickle ends too early")
        self.place += n
        return taken

    def _text_of_python_2(self, taken: bytes) -> Any:
        return taken if self._encoding == "bytes" else taken.decode(self._encoding)

    def _line(self) -> str:
        end = self._data.index(b"\n", self.place)
        return str(self._take(end - self.place + 1), "utf-8")[:-1]


def _as_data(value: Any) -> Any:
    if isinstance(value, (Name, NoData)):
        raise pickle.UnpicklingError(f"it holds {_kind(value)}, which is no data")
    return value


def _kind(value: Any) -> str:
    return repr(value.text) if isinstance(value, Name) else f"a {type(value).__name__}"


def _word(code: bytes) -> str:
    """The name of an instruction, as the module pickle has it."""
    names = [name for name, value in vars(pickle).items() if name.isupper() and value == code]
    return names[0] if names else repr(code)
