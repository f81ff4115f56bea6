"""`jit.script`: functions and modules whose code has become a graph, so that they run, print and are saved without it.

A module of the user's becomes a `ScriptModule`: its parameters, buffers and plain attributes, and a graph for `forward` and each method that is
called. Layers of minitorch's own stay what they are; a graph calls them whole. Read next: `frontend.py`, how code becomes a graph; `saving.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from minitorch.nn.modules.container import Sequential
from minitorch.nn.modules.module import Module

from . import types
from .frontend import compiled, left_to_python
from .function import Function
from .graph import Value
from .types import TENSOR, Type, optional, tuple_of

_KNOWN = {*vars(Module())}  # what every module has
_RETURNS: dict[str, Type] = {  # of layers that give more than a tensor
    "LSTM": tuple_of(TENSOR, tuple_of(TENSOR, TENSOR)), "GRU": tuple_of(TENSOR, TENSOR), "RNN": tuple_of(TENSOR, TENSOR),
    "LSTMCell": tuple_of(TENSOR, TENSOR), "MultiheadAttention": tuple_of(TENSOR, optional(TENSOR)),
}  # fmt: skip


class ScriptFunction:
    """A function that runs its graph: `graph` and `code` show it, `save` writes it to a file."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self.__name__ = self.name = function.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(args, kwargs)

    graph = property(lambda self: self._function.graph)
    inlined_graph = property(lambda self: self._function.graph)
    code = property(lambda self: self._function.code)
    schema = property(lambda self: str(self._function).removeprefix("Declaration: "))

    def save(self, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
        """Write it to a file that `jit.load` reads."""
        from .saving import save

        save(self, f, _extra_files)

    def __repr__(self) -> str:
        return f"<minitorch.jit.ScriptFunction {self.schema}>"


class ScriptModule(Module):
    """A module that runs graphs. What it holds is the original's: the same parameters, the same buffers."""

    def __init__(self, original_name: str = "ScriptModule") -> None:
        super().__init__()
        self.__dict__.update(original_name=original_name, _plain={}, _methods={}, _types={}, _of=None)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the graph of `forward`."""
        return self._call_method("forward", args, kwargs)

    def _call_method(self, name: str, args: Any, kwargs: dict[str, Any]) -> Any:
        if name not in self._methods:
            raise RuntimeError(
                f"{self.original_name} has no compiled method {name!r}: its code was neither called by forward nor exported"
            )
        return self._methods[name](tuple(args), kwargs, of=self)

    def __getattr__(self, name: str) -> Any:
        if name in (plain := self.__dict__.get("_plain", {})):
            return plain[name]
        if name in self.__dict__.get("_methods", {}):
            return functools.partial(_method, self, name)
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__dict__.get("_plain", {}):
            known = self._types.get(name) or types.of_value(self._plain[name])
            if not types.fits(types.of_value(value), known):
                raise RuntimeError(f"{self.original_name}.{name} is a {known.annotation}, got {type(value).__name__}")
            self._plain[name] = value
        else:
            super().__setattr__(name, value)

    def _forward(self) -> Function:
        if "forward" not in self._methods:
            raise AttributeError(f"{self.original_name} has no graph: its forward was not compiled")
        return self._methods["forward"]

    graph = property(lambda self: self._forward().graph)
    inlined_graph = property(lambda self: self._forward().graph)
    code = property(lambda self: self._forward().code)

    def save(self, f: Any, _extra_files: dict[str, Any] | None = None) -> None:
        """Write it to a file that `jit.load` reads."""
        from .saving import save

        save(self, f, _extra_files)

    def extra_repr(self) -> str:
        return f"original_name={self.original_name}"

    def _get_name(self) -> str:
        return type(self).__name__ if type(self) is not ScriptModule else "RecursiveScriptModule"


def _method(of: ScriptModule, name: str, *args: Any, **kwargs: Any) -> Any:
    return of._call_method(name, args, kwargs)


# ---- to make them ----


def script(obj: Any, optimize: Any = None, _frames_up: int = 0, _rcb: Any = None, example_inputs: Any = None) -> Any:
    """Compile a function, or a module with all that its forward calls. Branches and loops that depend on data stay what they are.

    A script is a part of Python: numbers, strings, tensors, lists, tuples and dicts of them, `if`, `for`, `while`, functions. Parameters are
    tensors unless they are annotated. What is outside of it is refused with the line, and what to write instead.

    >>> def clipped(x, most: float = 1.0):
    ...     if x.norm() > most:
    ...         x = x / x.norm() * most
    ...     return x
    >>> scripted = script(clipped)  # doctest: +SKIP
    """
    if isinstance(obj, (ScriptFunction, ScriptModule)):
        return obj
    if isinstance(obj, Module):
        return _Compilation().module(obj)
    if inspect.isclass(obj):
        raise RuntimeError(f"classes are not compiled, got {obj.__name__}: script a function or a module")
    if inspect.isfunction(obj):
        return ScriptFunction(_Compilation().function(obj, RuntimeError))
    raise RuntimeError(f"script takes a function or a module, got a {type(obj).__name__}")


class _Compilation:
    """What one call of `script` has compiled so far."""

    def __init__(self) -> None:
        self.functions: dict[Any, Function] = {}
        self.modules: dict[int, Module] = {}
        self.at_work: set[Any] = set()

    # ---- functions ----

    def function(self, function: Any, error: Callable[[str], Exception]) -> Function:
        """The compiled form of a function that a script calls."""
        if isinstance(function, ScriptFunction):
            return function._function
        function = inspect.unwrap(function) if callable(function) else function
        name = getattr(function, "__name__", type(function).__name__)
        if _stays(function):
            return left_to_python(function, self, refused=_stays(function) == "unused")
        if not inspect.isfunction(function):
            raise error(
                f"Python builtin {function!r} is currently not supported in a script"
                if callable(function)
                else f"{name} cannot be called"
            )
        if (getattr(function, "__module__", None) or "").startswith("minitorch."):
            raise error(f"minitorch's {name} cannot be called in a script: it is no function of tensors")
        if function in self.at_work:
            raise error(f"function '{name}' is called recursively. Recursive calls are not supported")
        if function not in self.functions:
            self.at_work.add(function)
            try:
                self.functions[function] = compiled(function, self)
            finally:
                self.at_work.discard(function)
        return self.functions[function]

    # ---- modules ----

    def module(self, module: Module) -> Module:
        """The module as a script has it: minitorch's own with its children compiled, the user's as a ScriptModule."""
        if id(module) in self.modules or isinstance(module, ScriptModule):
            return self.modules.get(id(module), module)
        if _is_the_librarys(type(module)):
            made = _copied(module)
            self.modules[id(module)] = made
            made._modules = {k: None if m is None else self.module(m) for k, m in module._modules.items()}
            return made
        script = ScriptModule(type(module).__name__)
        self.modules[id(module)] = script
        self._fill(script, module)
        for name in ("forward", *_exported(type(module))):
            if not _stays(getattr(type(module), name)):
                self.method(script, name, RuntimeError)
        script.__dict__["_of"] = None
        return script

    def _fill(self, script: ScriptModule, module: Module) -> None:
        """Give a script what the module holds."""
        script.__dict__.update(_parameters=module._parameters, _buffers=module._buffers, _of=type(module))
        script.__dict__["training"] = module.training
        script._non_persistent_buffers_set = set(module._non_persistent_buffers_set)
        script._modules = {k: None if m is None else self.module(m) for k, m in module._modules.items()}
        script._types.update(_annotated(type(module)))
        for name, value in vars(module).items():
            if name in _KNOWN:
                continue
            if isinstance(value, Attribute):
                script._types[name], value = types.of_annotation(value.type), value.value
            try:
                types.of_value(value)
            except TypeError:
                continue  # it is of no use to a script, which will say so if it asks for it
            script._plain[name] = value
        for name in getattr(module, "__constants__", ()):
            if name not in script._plain and hasattr(type(module), name):
                script._plain[name] = getattr(module, name)

    def method(self, script: ScriptModule, name: str, error: Callable[[str], Exception]) -> Function:
        """The compiled form of a method of a module."""
        if name not in script._methods:
            function = inspect.unwrap(inspect.getattr_static(script._of, name))
            if _stays(function):  # its self is the script
                script._methods[name] = left_to_python(function, self, script, refused=_stays(function) == "unused")
                return script._methods[name]
            key = (id(script), name)
            if key in self.at_work:
                raise error(f"function '{name}' is called recursively. Recursive calls are not supported")
            self.at_work.add(key)
            try:
                script._methods[name] = compiled(function, self, of=script)
            finally:
                self.at_work.discard(key)
        return script._methods[name]

    # ---- what the front end asks ----

    def has_method(self, module: Module, name: str) -> bool:
        return isinstance(module, ScriptModule) and (
            name in module._methods or inspect.isfunction(getattr(module._of, name, None))
        )

    def method_type(
        self, module: Module, name: str, given: list[Type], names: list[str], error: Callable[[str], Exception]
    ) -> Function | Type:
        """What a call of a module's method is: the compiled function, or of a layer of minitorch's own the type of its result."""
        if isinstance(module, ScriptModule):
            return self.method(module, name, error)
        if name != "forward":
            raise error(f"{type(module).__name__}.{name} cannot be called in a script: layers are called themselves")
        if isinstance(module, Sequential) and len(module):
            last = self.method_type(module[-1], "forward", given, names, error)
            return last.returns if isinstance(last, Function) else last
        return (
            tuple_of(TENSOR, TENSOR)
            if getattr(module, "return_indices", False)
            else _RETURNS.get(type(module).__name__, TENSOR)
        )

    def attribute_type(self, module: Module, name: str) -> Type | None:
        """The type that a module's class declares for an attribute."""
        return getattr(module, "_types", {}).get(name) if isinstance(module, ScriptModule) else None


def _is_the_librarys(kind: type) -> bool:
    return kind.__module__.startswith("minitorch.") and ".examples" not in kind.__module__


def _copied(module: Module) -> Module:
    """A module of the same class that holds the same tensors, in dicts of its own."""
    made = type(module).__new__(type(module))
    made.__dict__.update({k: dict(v) if k in ("_parameters", "_buffers") else v for k, v in vars(module).items()})
    return made


def _annotated(kind: type) -> dict[str, Type]:
    """The attributes whose types a class declares, as far as scripts know these."""
    found: dict[str, Type] = {}
    for c in reversed(kind.__mro__):
        if _is_the_librarys(c) or c is object:
            continue
        try:
            declared = inspect.get_annotations(c, eval_str=True)
        except NameError:
            continue
        for name, annotation in declared.items():
            try:
                found[name] = types.of_annotation(annotation)
            except TypeError:
                continue
    return found


def _exported(kind: type) -> list[str]:
    return [n for n in dir(kind) if getattr(inspect.getattr_static(kind, n), "_jit_export", False)]


# ---- marks ----


class Attribute:
    """`self.x = jit.Attribute(value, type)`: an attribute with the type that it is to have in a script."""

    def __init__(self, value: Any, type: Any) -> None:
        self.value, self.type = value, type


def export(function: Callable) -> Callable:
    """Mark a method to be compiled although forward does not call it."""
    function._jit_export = True  # type: ignore[attr-defined]
    return function


def _stays(function: Any) -> str:
    """How a function is marked that is not compiled: "ignored", or "unused"."""
    return getattr(function, "_jit_stays", "")


def unused(function: Callable) -> Callable:
    """Mark a function or method not to be compiled: a script that calls it raises."""
    function._jit_stays = "unused"  # type: ignore[attr-defined]
    return function


def ignore(drop: Any = False, **kwargs: Any) -> Callable:
    """Leave a function or method to Python: a script calls it as it stands, and cannot be saved. `ignore(drop=True)` is `unused`."""

    def mark(function: Callable) -> Callable:
        function._jit_stays = "ignored"  # type: ignore[attr-defined]
        return function

    return mark(drop) if callable(drop) else unused if drop else mark


def is_scripting() -> bool:
    """False in Python; a script takes it for True."""
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """The value; to a script, of that type: `annotate(List[int], [])`."""
    return the_value


__all__ = [
    "Attribute",
    "ScriptFunction",
    "ScriptModule",
    "Value",
    "annotate",
    "export",
    "ignore",
    "is_scripting",
    "script",
    "unused",
]
