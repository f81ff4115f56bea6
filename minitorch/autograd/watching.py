"""`watch`: what the graph does not remember of a forward pass: each result, and the line of the program that asked for it.

A node keeps what its derivatives name and nothing else. In a `watch` block every recorded call leaves a `Call` as well: pictures of its
results, the user's source line, the modules around it, constant inputs, and what was written in place before it.
Read next: `tracing.py`, which puts this beside the backward pass.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from . import graph, node
from .pictures import Picture, picture_of

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_EXAMPLES = os.path.join(_PACKAGE, "examples") + os.sep
_LIBRARY = sysconfig.get_path("stdlib") + os.sep


class Line(NamedTuple):
    """A line of a program."""

    file: str
    nr: int
    text: str


class Layer(NamedTuple):
    """A call of a module: its name there, its class, and a key that another call of it does not have."""

    key: str
    name: str
    kind: str


class Constant(NamedTuple):
    """An input that wants no gradient."""

    input: str  # what the op calls it
    array: Any  # the memory that it lies in, by which it is known
    tensor: Any
    picture: Picture | None


class Write(NamedTuple):
    """A tensor was written to in place."""

    tensor: Any
    version: int  # that it had before
    line: Line | None


class Call(NamedTuple):
    """A recorded call of an op."""

    line: Line | None
    layers: tuple[Layer, ...]  # the modules whose forward it was made in, the outermost first
    outputs: tuple[Picture | None, ...]
    constants: tuple[Constant, ...]
    writes: tuple[Write, ...]  # since the call before


class watch:
    """In this block, remember of each recorded op its results, its source line and its modules; give it to `trace(…, forward=)`.

    >>> from minitorch.autograd import trace, watch
    >>> x = minitorch.tensor(3.0, requires_grad=True)
    >>> with watch() as forward:
    ...     y = x * x
    >>> trace(y, forward=forward)[0].call.outputs[0].numbers
    9.0
    """

    def __init__(self) -> None:
        self.calls: WeakKeyDictionary[Any, Call] = WeakKeyDictionary()
        self.names: dict[tuple[Any, int], str] = {}  # edges, by the variables that have held their tensors
        self._writes: list[Write] = []
        self._open: list[tuple[Any, Layer]] = []  # the frames of the forwards that the last call was made in
        self._count: dict[str, int] = {}

    def __enter__(self) -> watch:
        node.watchers.append(_nothing)  # nodes are announced at all only if somebody watches
        node.callers.append(self._called)
        graph.before_writes.append(self._written)
        return self

    def __exit__(self, *exc: Any) -> None:
        node.watchers.remove(_nothing)
        node.callers.remove(self._called)
        graph.before_writes.remove(self._written)
        self._open.clear()

    def _called(self, made: Any, args: Any, outs: Any) -> None:
        frames = _frames()
        line = line_of(next(iter(_users(frames)), None))
        self._note_names(frames)
        constants = () if made.__class__ is not node.OpNode else tuple(_constants(made, args))
        writes, self._writes = tuple(self._writes), []
        self.calls[made] = Call(line, self._layers(frames), tuple(map(picture_of, outs)), constants, writes)

    def _written(self, tensor: Any) -> None:
        self._writes.append(Write(tensor, tensor._version, line_of(next(iter(_users(_frames())), None))))

    def _note_names(self, frames: list[Any]) -> None:
        """The user's variables that hold a recorded tensor now: the first that a tensor is seen in is its name, but no parameter."""
        for frame in _users(frames):
            code = frame.f_code
            given = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            for name, value in frame.f_locals.items():
                made = None if name.startswith("_") or name in given else getattr(value, "_grad_fn", None)
                if made is not None and made in self.calls:
                    self.names.setdefault((made, value._output_nr), name)

    def _layers(self, frames: list[Any]) -> tuple[Layer, ...]:
        """The modules whose forward is being run. The same frame as at the last call is the same call of a module."""
        known = {id(frame): layer for frame, layer in self._open}
        found: list[tuple[Any, Layer]] = []
        outer, parent = None, None
        for frame in reversed(frames):
            module = frame.f_locals.get("self") if frame.f_code.co_name == "forward" else None
            if not hasattr(module, "_modules"):
                outer = frame if _is_users(frame.f_code.co_filename) else outer
                continue
            layer = known.get(id(frame)) or self._layer(module, parent, outer, found)
            found.append((frame, layer))
            parent = module
        self._open = found
        return tuple(layer for _, layer in found)

    def _layer(self, module: Any, parent: Any, frame: Any, around: list[tuple[Any, Layer]]) -> Layer:
        prefix = f"{around[-1][1].name}." if around else ""
        name = _name_of(module, dict(parent.named_modules()) if parent is not None else _variables(frame))
        full = f"{prefix}{name or type(module).__name__}"
        self._count[full] = count = self._count.get(full, 0) + 1
        return Layer(full if count == 1 else f"{full} #{count}", full, type(module).__name__)


def _name_of(thing: Any, names: Any) -> str:
    return next((name for name, other in names.items() if other is thing), "")


def _variables(frame: Any) -> dict[str, Any]:
    """The variables that a call sees: what its `self` holds, its file's, its own."""
    if frame is None:
        return {}
    return getattr(frame.f_locals.get("self"), "__dict__", {}) | frame.f_globals | frame.f_locals


def _nothing(made: Any) -> None:
    """Looks at nothing."""


def _frames() -> list[Any]:
    """The calls that are going on, the innermost first."""
    found, frame = [], sys._getframe(2)
    while frame is not None:
        found.append(frame)
        frame = frame.f_back  # type: ignore[assignment]
    return found


def users_frames() -> list[Any]:
    """The calls of the user's own code that are going on, the innermost first."""
    return _users(_frames())


def _users(frames: list[Any]) -> list[Any]:
    """Those of the user's own code."""
    return [frame for frame in frames if _is_users(frame.f_code.co_filename)]


def _is_users(file: str) -> bool:
    if file.startswith("<frozen ") or (file.startswith(_LIBRARY) and f"{os.sep}site-packages{os.sep}" not in file):
        return False
    return file.startswith(_EXAMPLES) or not file.startswith(_PACKAGE)


def line_of(frame: Any) -> Line | None:
    """Where a call is in its file now."""
    if frame is None:
        return None
    file, nr = frame.f_code.co_filename, frame.f_lineno
    return Line(file, nr, linecache.getline(file, nr, frame.f_globals).strip())


def _constants(made: Any, args: Any) -> list[Constant]:
    """The tensors among the arguments of a call that want no gradient."""
    op, found = made.op, []
    for place, x in enumerate(args):
        if hasattr(x, "_array") and not x._requires_grad:
            name = f"{op.inputs[0]}[{place}]" if op.declaration.variadic else op.parameters[place]
            found.append(Constant(name, memory_of(x._array), x, picture_of(x)))
    return found


def memory_of(array: Any) -> Any:
    """The array that owns the memory an array looks into."""
    owner = array
    while (array := getattr(array, "base", None)) is not None:
        owner = array if hasattr(array, "nbytes") and hasattr(array, "dtype") else owner
    return owner
