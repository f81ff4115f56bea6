"""`write_pickle`: an object as a pickle, in the few instructions that `torch.load` and our own `unpickler.py` allow.

The idea: a pickle is a program for a small machine with a stack, and what it builds stands on top of it. Numbers, texts and containers
have instructions of their own; everything else is a `Call`: a name, arguments, and REDUCE, which calls what is named. What was written
once is remembered under a number (BINPUT) and fetched again (BINGET), so that one object stays one object.
Read next: `writing.py`, which says what the calls of a tensor are.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .unpickler import Name

_PROTOCOL = 2


class Call(NamedTuple):
    """What an object is in the file: the result of calling what is named with these arguments."""

    name: str
    arguments: tuple


class Made(NamedTuple):
    """What an object of a class is in the file: the class, arguments of its `__new__` or of a call, and then its state and its items."""

    maker: Any
    arguments: tuple
    state: Any = None
    pairs: Any = None
    called: bool = False


class Stored(NamedTuple):
    """Memory that lies beside the pickle."""

    reference: tuple


def write_pickle(obj: Any, described: Callable[[Any], Any]) -> bytes:
    """The pickle. described: what stands for an object that is neither number, text nor container; it raises if nothing does."""
    pickler = _Pickler(described)
    pickler.write(obj)
    return bytes(pickler.code + pickle.STOP)


class _Pickler:
    """The instructions so far, and the numbers under which objects are remembered."""

    def __init__(self, described: Callable[[Any], Any]) -> None:
        self.code = bytearray(pickle.PROTO + bytes([_PROTOCOL]))
        self._described = described
        self._numbers: dict[Any, int] = {}  # of an object's id, and of names and texts themselves
        self._kept: list[Any] = []  # what is remembered, alive: else another object could get its id
        self._open: set[int] = set()  # what is made after its content, and so cannot hold itself
        self._ways: dict[type, Callable[[Any], None]] = {
            type(None): lambda obj: self._add(pickle.NONE),
            Name: self._name,
            Call: self._call,
            Stored: self._stored,
            list: self._list,
            dict: self._dict,
            OrderedDict: self._ordered_dict,
            set: lambda obj: self._made_of(obj, Call("__builtin__.set", (list(obj),))),
            Counter: lambda obj: self._made_of(obj, Call("collections.Counter", (dict(obj),))),
            bytes: lambda obj: self._made_of(obj, Call("_codecs.encode", (obj.decode("latin1"), "latin1"))),
            bytearray: lambda obj: self._made_of(obj, Call("__builtin__.bytearray", (bytes(obj),))),
            complex: lambda obj: self._call(Call("__builtin__.complex", (obj.real, obj.imag))),
        }

    def write(self, obj: Any, in_key: bool = False) -> None:
        """Add the instructions that put `obj` onto the stack.

        in_key: a tuple is written out each time, because to hash one that holds another many times over takes for ever.
        """
        if isinstance(obj, np.generic):
            obj = obj.item()
        if isinstance(obj, bool):
            self._add(pickle.NEWTRUE if obj else pickle.NEWFALSE)
        elif isinstance(obj, int):
            self._int(int(obj))
        elif isinstance(obj, float):
            self._add(pickle.BINFLOAT, ">d", obj)
        elif isinstance(obj, str):
            self._text(str(obj))
        elif type(obj) is tuple and in_key:
            self._tuple(obj, in_key)
        elif id(obj) in self._numbers:
            self._fetch(id(obj))
        elif type(obj) is tuple:
            self._within(obj, lambda: self._tuple(obj, in_key))
            self._remember(id(obj), obj)
        else:
            kind = OrderedDict if isinstance(obj, OrderedDict) else type(obj)
            way = self._ways.get(kind)
            if way is not None:
                way(obj)
            elif isinstance(description := self._described(obj), Made):
                self._made(obj, description)
            else:
                self._made_of(obj, description)

    # ---- numbers, texts, names ----

    def _int(self, obj: int) -> None:
        if 0 <= obj < 1 << 8:
            self._add(pickle.BININT1, "<B", obj)
        elif 0 <= obj < 1 << 16:
            self._add(pickle.BININT2, "<H", obj)
        elif -(1 << 31) <= obj < 1 << 31:
            self._add(pickle.BININT, "<i", obj)
        else:
            code = pickle.encode_long(obj)  # type: ignore[attr-defined]
            if len(code) > 255:
                raise TypeError(
                    f"save: cannot save an integer of {len(code)} bytes; 255 are the most that such a file can have"
                )
            self._add(pickle.LONG1, "<B", len(code))
            self.code += code

    def _text(self, obj: str) -> None:
        if obj in self._numbers:
            return self._fetch(obj)
        code = obj.encode("utf-8", "surrogatepass")
        self._add(pickle.BINUNICODE, "<I", len(code))
        self.code += code
        self._remember(obj, obj)

    def _name(self, name: Name) -> None:
        if name in self._numbers:
            return self._fetch(name)
        module, _, attribute = name.text.rpartition(".")
        self.code += pickle.GLOBAL + f"{module}\n{attribute}\n".encode()
        self._remember(name, name)

    # ---- calls ----

    def _call(self, call: Call) -> None:
        self._name(Name(call.name))
        self._tuple(call.arguments)
        self._add(pickle.REDUCE)

    def _stored(self, stored: Stored) -> None:
        self._tuple(stored.reference)
        self._add(pickle.BINPERSID)

    def _made_of(self, obj: Any, description: Any) -> None:
        """The object by what stands for it."""
        self._within(obj, lambda: self.write(description))
        self._remember(id(obj), obj)

    def _made(self, obj: Any, made: Made) -> None:
        self.write(made.maker)
        self._tuple(made.arguments)
        self._add(pickle.REDUCE if made.called else pickle.NEWOBJ)
        self._remember(id(obj), obj)  # before its state, which may hold it
        if made.pairs is not None:
            self._fill(made.pairs)
        if made.state is not None:
            self.write(made.state)
            self._add(pickle.BUILD)

    # ---- containers ----

    def _tuple(self, obj: tuple, in_key: bool = False) -> None:
        short = {0: pickle.EMPTY_TUPLE, 1: pickle.TUPLE1, 2: pickle.TUPLE2, 3: pickle.TUPLE3}
        if len(obj) not in short:
            self._add(pickle.MARK)
        for item in obj:
            self.write(item, in_key)
        self._add(short.get(len(obj), pickle.TUPLE))

    def _list(self, obj: list) -> None:
        self._add(pickle.EMPTY_LIST)
        self._remember(id(obj), obj)  # before its content: it may hold itself
        self._add(pickle.MARK)
        for item in obj:
            self.write(item)
        self._add(pickle.APPENDS)

    def _dict(self, obj: dict) -> None:
        self._add(pickle.EMPTY_DICT)
        self._remember(id(obj), obj)
        self._fill(obj.items())

    def _ordered_dict(self, obj: OrderedDict) -> None:
        self._call(Call("collections.OrderedDict", ()))
        self._remember(id(obj), obj)
        self._fill(obj.items())
        if attributes := getattr(obj, "__dict__", None):  # such as the versions that a state dict carries
            self._dict(attributes)
            self._add(pickle.BUILD)

    def _fill(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        self._add(pickle.MARK)
        for key, value in pairs:
            self.write(key, in_key=True)
            self.write(value)
        self._add(pickle.SETITEMS)

    def _within(self, obj: Any, write: Callable[[], None]) -> None:
        """`write` the content of `obj`, which must not hold it."""
        if id(obj) in self._open:
            raise TypeError(f"save: cannot save a {type(obj).__name__} that holds itself")
        self._open.add(id(obj))
        write()
        self._open.discard(id(obj))

    # ---- the memo, the bytes ----

    def _remember(self, key: Any, obj: Any) -> None:
        number = self._numbers[key] = len(self._numbers)
        self._kept.append(obj)
        self._numbered(pickle.BINPUT, pickle.LONG_BINPUT, number)

    def _fetch(self, key: Any) -> None:
        self._numbered(pickle.BINGET, pickle.LONG_BINGET, self._numbers[key])

    def _numbered(self, short: bytes, long: bytes, number: int) -> None:
        if number < 1 << 8:
            self._add(short, "<B", number)
        else:
            self._add(long, "<I", number)

    def _add(self, instruction: bytes, form: str = "", *number: Any) -> None:
        self.code += instruction + struct.pack(form, *number)
