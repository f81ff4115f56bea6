"""Which classes and functions a file may name beside what a tensor needs, and how an object is made again from its class and attributes.

There are two ways to more than tensors. Whoever trusts a class or a function says so by `add_safe_globals`: then a file may have it called.
And `load(..., weights_only=False)` makes modules again, of classes that the running program has imported itself, from the class and the
attributes alone: no `__init__`, and no method or function that anybody but minitorch wrote, is called, and nothing is imported.
Read next: `unpickler.py`, which asks here.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import minitorch

from ..nn.modules.module import Module
from .pickler import Call, Made
from .unpickler import Name

_NEVER = ("sys", "os", "posix", "nt")  # modules that torch refuses even if somebody says that they are safe
_OWN_METHODS = ("__new__", "__setstate__", "__reduce__", "__reduce_ex__")  # what makes an object again


# Where torch has a class elsewhere.
_MOVED = {"minitorch.nn.modules.attention.MultiheadAttention": "torch.nn.modules.activation.MultiheadAttention"}


# ---- what users say is safe ----

_safe: set[Any] = set()


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let files name these classes and functions: a load may then call them. An item may be (object, the name that files have for it).

    >>> class Settings:
    ...     depth = 3
    >>> minitorch.serialization.add_safe_globals([Settings])
    >>> Settings in minitorch.serialization.get_safe_globals()
    True
    >>> minitorch.serialization.clear_safe_globals()
    """
    _safe.update(safe_globals)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` has been told."""
    return list(_safe)


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` has been told."""
    _safe.clear()


class safe_globals:
    """`with safe_globals([Settings]):` files may name these classes and functions within the block."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *error: Any) -> None:
        _safe.difference_update(self.safe_globals)


def _safe_by_name() -> dict[str, Any]:
    """What is safe, by the names that files may have for it."""
    found: dict[str, Any] = {}
    for item in _safe:
        if isinstance(item, tuple):
            if len(item) != 2:
                raise ValueError(
                    f"Expected tuple of length 2 (global, str of callable full path), but got tuple of length: {len(item)}"
                )
            if type(item[1]) is not str:
                raise TypeError(f"Expected second item in tuple to be str of callable full path, but got: {type(item[1])}")
            found[item[1]] = item[0]
        else:
            path = f"{item.__module__}.{item.__qualname__}"
            found |= {path: item, _in_torch(path): item}
            if name := _function_name(item):
                found[name] = item
    return found


def _in_torch(path: str) -> str:
    """The name that a class of ours has in torch, and any other as it is."""
    return _MOVED.get(path, path[len("mini") :] if path.startswith("minitorch.") else path)


# ---- what a file may name ----


class Classes:
    """What a file may name. Modules of classes that have been imported are among it unless `weights_only`."""

    def __init__(self, weights_only: bool) -> None:
        self._with_modules = not weights_only
        self._safe = _safe_by_name()
        self._trusted = {id(thing) for thing in self._safe.values()}

    def found(self, text: str) -> Any:
        """What a file means by a name: a Name for a class that may be made again, or the class or function itself; None if nothing."""
        if text.partition(".")[0] in _NEVER:
            return None
        if (thing := self._safe.get(text.replace("__builtin__.", "builtins."))) is not None:
            return thing
        if not self._with_modules:
            return None
        return Name(text) if _module_class(text) else _function_named(text)

    def is_trusted(self, thing: Any) -> bool:
        """Whether users say that a class or function is safe."""
        return id(thing) in self._trusted

    def made(self, cls: Any, arguments: tuple) -> Any:
        """A new object, without a call of its `__init__`."""
        if self.is_trusted(cls) and isinstance(cls, type):
            return cls.__new__(cls, *arguments)
        known = _module_class(cls.text) if isinstance(cls, Name) and self._with_modules else None
        if known is None or arguments:
            raise pickle.UnpicklingError(f"it makes an object of {getattr(cls, 'text', cls)!r}")
        if own := _own_method(known):
            raise pickle.UnpicklingError(f"it holds a {_path(known)}, {own}")
        return object.__new__(known)

    def give_state(self, made: Any, state: Any) -> bool:
        """Give an object the attributes that it had; False if no file may."""
        if self.is_trusted(type(made)):
            _set_state(made, state)
        elif not isinstance(made, Module) or type(state) is not dict or any(type(name) is not str for name in state):
            return False
        else:
            made.__setstate__(state)  # minitorch's own: `made` has seen to that
        return True

    def attribute(self, owner: Any, name: Any) -> Any:
        """What torch's files mean by getattr: a function of torch's own, or a class within another."""
        if not isinstance(owner, Name) or type(name) is not str:
            raise pickle.UnpicklingError("it asks for an attribute of something that is no class")
        thing = self.found(f"torch.{name}" if owner.text == FUNCTIONS else f"{owner.text}.{name}")
        if thing is None:
            raise pickle.UnpicklingError(f"it asks for {name!r} of {owner.text!r}")
        return thing


def _set_state(made: Any, state: Any) -> None:
    """As pickle does."""
    if hasattr(made, "__setstate__"):
        made.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        made.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(made, name, value)


def _module_class(text: str) -> Any:
    """The class of modules of that name, if it has been imported. A name of torch's is that of our class."""
    return next((cls for cls in _things(text) if isinstance(cls, type) and issubclass(cls, Module)), None)


def _things(text: str) -> Iterator[Any]:
    """What the modules that have been imported have under a name such as "package.module.Outer.Inner"."""
    parts = text.split(".")
    if parts[0] == "torch":
        parts[0] = "minitorch"
        if parts[1:2] != ["ao"]:  # there, layers of integers have the names of layers of floats
            yield vars(minitorch.nn).get(parts[-1])
    for k in range(len(parts) - 1, 0, -1):
        thing: Any = sys.modules.get(".".join(parts[:k]))
        for name in parts[k:]:
            thing = _within(thing, name)
        yield thing


def _within(thing: Any, name: str) -> Any:
    """What a module or class has under a name. It is not asked: a module that imports when it is asked would do so."""
    try:
        return object.__getattribute__(thing, "__dict__").get(name)
    except AttributeError:
        return None


def _own_method(cls: type) -> str:
    """In words, what of a class's own would have to run to make an object again; "" if nothing."""
    for base in cls.__mro__:
        if base.__module__.partition(".")[0] in ("minitorch", "builtins"):
            continue
        for name in _OWN_METHODS:
            if name in vars(base):
                return (
                    f"whose class has a {name} of its own, which minitorch would not run; if you trust it, say so by "
                    "minitorch.serialization.add_safe_globals"
                )
    return ""


# ---- functions ----

FUNCTIONS = "torch._C._VariableFunctionsClass"  # the class that torch's own functions are methods of


def _function_name(thing: Any) -> str:
    """The name that a function of ours, one of mathematics alone, has in torch; "" if it is none."""
    name = getattr(thing, "__name__", "")
    for place in ("torch.nn.functional", "torch"):
        if _function_named(f"{place}.{name}") is thing:
            return f"{place}.{name}"
    return ""


def _function_named(text: str) -> Any:
    """The function of ours by its name in torch, one of mathematics alone; None if there is none."""
    place, _, name = text.rpartition(".")
    where: Any = {
        "torch": minitorch,
        "torch.nn.functional": minitorch.nn.functional,
        "torch._C._nn": minitorch.nn.functional,
    }.get(place)
    thing = vars(where).get(name) if where is not None else None
    from_here = str(getattr(thing, "__module__", "")).startswith(("minitorch.ops", "minitorch.nn.functional"))
    return thing if from_here and callable(thing) and not isinstance(thing, type) else None


# ---- what is written of an object ----


def described(obj: Any) -> Made | Name | None:
    """What stands in a file for a module, for a function of ours, or for an object whose class is safe; None for all else."""
    cls, is_safe = type(obj), _safe_by_name().values()
    if name := _function_name(obj):
        return Name(name)
    if any(obj is thing for thing in is_safe):
        return _named(obj)
    if any(cls is thing for thing in is_safe):
        return _reduced(obj)
    if isinstance(obj, (type, types.FunctionType)):
        _named(obj)  # raises what pickle would, for what has no name
    if not isinstance(obj, Module):
        return None
    state = obj.__getstate__()  # type: ignore[misc]
    if own := _own_method(cls):
        raise TypeError(f"save: cannot save a {_path(cls)}, {own}")
    if type(state) is not dict:
        raise TypeError(f"save: cannot save a {_path(cls)}, whose state is a {type(state).__name__}, not a dict")
    return Made(_named(cls), (), state)


def _path(cls: Any) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _named(thing: Any) -> Any:
    """A class or function by its name, under which it must be found again. One within another is asked for as its attribute."""
    if "<locals>" in thing.__qualname__:
        raise AttributeError(f"Can't pickle local object {thing.__qualname__!r}")
    if not any(found is thing for found in _things(_path(thing))):
        raise pickle.PicklingError(
            f"Can't pickle {thing!r}: attribute lookup {thing.__qualname__} on {thing.__module__} failed"
        )
    outer, *inner = thing.__qualname__.split(".")
    named: Any = Name(_in_torch(f"{thing.__module__}.{outer}"))
    for name in inner:
        named = Call("__builtin__.getattr", (named, name))
    return named


def _reduced(obj: Any) -> Made:
    """What pickle would write of it."""
    make: Callable
    make, arguments, *more = obj.__reduce_ex__(2)
    state, items, pairs = (*more, None, None, None)[:3]
    if items is not None:
        raise TypeError(f"save: cannot save a {_path(type(obj))}, which is a list and not of Python's own")
    if make is copyreg.__newobj__:  # type: ignore[attr-defined]
        return Made(_named(arguments[0]), arguments[1:], state, pairs)
    return Made(_named(make), arguments, state, pairs, called=True)
