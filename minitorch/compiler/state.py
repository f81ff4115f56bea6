"""What a step depends on beside its arguments: found by following what its code names, and checked before every run.

From the function one reaches its closure, the globals it names, modules, their parameters, lists of tensors, numbers. Tensors are
the states that a program reads and writes; everything else is burned in, so each becomes a condition of a guard: one expression,
`and` after `and`, that is True if the program still fits. Read next: `step.py`, which asks it.
"""

from __future__ import annotations

import dis
import functools
import operator
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device, shortcuts
from ..autograd import anomaly_mode
from ..autograd.grad_mode import grad_mode
from ..nn.modules import hooks
from ..nn.modules.module import Module
from ..nn.parameter import is_lazy
from ..op import autocast
from ..op.door import Op
from ..optim import Optimizer
from ..optim.lr_scheduler import LRScheduler
from ..random.generator import Generator
from ..tensor import Tensor
from . import updates

MANY = 1000  # a list or dict that is longer is a table of somebody's, and not followed
NUMBERS = (bool, int, float, str, bytes, type(None), dtypes.dtype, device, np.generic)
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_ANY_NAME = {"getattr", "vars", "__dict__"}  # by which code asks for names that do not stand in it
_KNOWN = {*vars(Module()), *hooks.Hooks.__annotations__} - {"training"}  # what every module has


class Compilation:
    """What has a function that it stands for."""

    function: Callable


def plain_of(function: Any) -> tuple[types.FunctionType | None, Any]:
    """The plain function under a method or a Module, and its object; None if there is none."""
    plain: Any
    if isinstance(function, types.MethodType):
        plain, me = function.__func__, function.__self__
    elif isinstance(function, Module):
        plain, me = getattr(type(function), "forward", None), function
    else:
        plain, me = function, None
    return (plain, me) if isinstance(plain, types.FunctionType) else (None, None)


class Guard:
    """The conditions under which a program holds, with the things they name."""

    def __init__(self) -> None:
        self.conditions: list[str] = []
        self.things: dict[str, Any] = {}
        self._names: dict[int, str] = {}
        self._compiled: tuple[int, Any] = (-1, None)
        self.told: dict[str, str] = {}  # of each condition, what it is about

    def thing(self, value: Any) -> str:
        """A name for a thing that conditions speak of."""
        if id(value) not in self._names:
            name = self._names[id(value)] = f"t{len(self.things)}"
            self.things[name] = value  # which keeps it alive, and its id its own
        return self._names[id(value)]

    def add(self, condition: str, about: str) -> None:
        """One more condition."""
        if condition not in self.told:
            self.conditions.append(condition)
            self.told[condition] = about

    def compiled(self) -> Callable[[tuple, dict], bool]:
        """The guard as one function."""
        if len(self.conditions) != self._compiled[0]:
            text = " and\n            ".join(self.conditions) or "True"
            namespace = dict(self.things)
            exec(_code_of(_GUARD.format(text)), namespace)
            self._compiled = len(self.conditions), namespace["holds"]
        return self._compiled[1]

    def broken(self, args: tuple, kwargs: dict) -> str:
        """What the first condition that does not hold is about; nothing if all hold."""
        if self.compiled()(args, kwargs):
            return ""
        for condition in self.conditions:
            try:
                if eval(f"lambda args, kwargs: {condition}", self.things)(args, kwargs):
                    continue
            except Exception:
                pass
            return self.told[condition]
        return ""


@functools.lru_cache(maxsize=64)
def _code_of(text: str) -> types.CodeType:
    """A guard's code: the second record of a step has the conditions of the first, and to compile them takes a step's time."""
    return compile(text, "<guard>", "exec")


_GUARD = """def holds(args, kwargs):
    try:
        return (
            {}
        )
    except (AttributeError, IndexError, KeyError, TypeError):  # what was there is there no more
        return False
"""


class State:
    """The tensors that a function and its arguments reach, by name, and the guard on all else that it reaches."""

    def __init__(self, with_optimizers: bool = False, around: Any = None) -> None:
        """with_optimizers: follow what optimizers know, for their rules will be part of the program. around: a function of which this
        is a piece, which is not followed."""
        self.with_optimizers = with_optimizers
        self.guard = Guard()
        self.tensors: dict[int, Tensor] = {}
        self.names: dict[int, str] = {}
        self.optimizers: list[Optimizer] = []
        self.refusal: str | None = None
        self._seen: dict[int, Any] = {id(around): around}
        self._last: list[tuple[Any, str, str]] = []  # optimizers: a parameter has its name from its module
        self._words = {"__call__"}  # all names that the code asks objects for
        self._objects: list[tuple[Any, str, set[str]]] = []  # of the user's classes: what of them has been followed
        self._modes()

    def reach(self, value: Any, place: str, name: str) -> None:
        """Follow a value that is found at `place`, an expression, and what it leads to."""
        self._visit(value, place, name)
        while self._look_into_objects():
            pass
        while self._last:
            optimizer, thing, called = self._last.pop(0)
            for inner, where, inner_name in self._parts(optimizer, thing, called):
                self._visit(inner, where, inner_name)

    def _modes(self) -> None:
        mode, ways, anomaly = self.guard.thing(grad_mode), self.guard.thing(shortcuts), self.guard.thing(anomaly_mode.state)
        for name in ("enabled", "inference"):
            self.guard.add(f"{mode}.{name} is {getattr(grad_mode, name)}", f"grad_mode.{name}")
        self.guard.add(f"{ways}.enabled is {shortcuts.enabled}", "op.plain()")
        self.guard.add(f"not {anomaly}.enabled", "anomaly mode")
        self._autocast()
        self.guard.add(f"not {self.guard.thing(hooks._some_of_all)}", "hooks of all modules")
        self.guard.add(
            f"{self.guard.thing(dtypes.get_default_dtype)}() is {self.guard.thing(dtypes.get_default_dtype())}",
            "the default dtype",
        )

    def _autocast(self) -> None:
        """A region around the call is refused: it keeps casts of weights, from before the call and for after it."""
        nesting, active, inside = (self.guard.thing(t) for t in (autocast.state, autocast.active, autocast.inside))
        around = f"({nesting}.nesting or {active}) and {inside}()"  # (mostly it is enough to see that nobody listens)
        self.guard.add(around if autocast.inside() else f"not ({around})", "whether it is called within autocast")
        if autocast.inside():
            self.refusal = "it is called within a region of autocast; enter the region inside the compiled function"

    def _visit(self, value: Any, place: str, name: str) -> None:
        """Follow a value that is found at `place`, an expression, and is called `name`."""
        if _is_of_numbers(value):
            self._number(value, place, name)
            return
        if _is_the_librarys(value) or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        thing = self.guard.thing(value)
        if place != thing:
            self.guard.add(f"{place} is {thing}", name)
        if isinstance(value, Optimizer):
            self.optimizers.append(value)
            self._last.append((value, thing, name))
            return
        for inner, where, called in self._parts(value, thing, name):
            self._visit(inner, where, called)

    def _look_into_objects(self) -> bool:
        """Follow what the code names of the objects met so far; whether there was anything new."""
        new = False
        for value, name, done in list(self._objects):
            held = vars(value)
            any_name = not _ANY_NAME.isdisjoint(self._words)
            for word in (self._words | held.keys() if any_name else self._words) - done:
                done.add(word)
                if word in held:
                    self._visit(held[word], f"{self.guard.thing(held)}[{word!r}]", f"{name}_{word}".strip("_"))
                    new = True
                    continue
                kind = next((c for c in type(value).__mro__ if word in vars(c)), None)
                if kind is not None and isinstance(vars(kind)[word], types.FunctionType):
                    self._visit(vars(kind)[word], f"{self.guard.thing(kind)}.{word}", word)
                    new = True
        return new

    def _number(self, value: Any, place: str, name: str) -> None:
        if value is None or isinstance(value, bool):
            self.guard.add(f"{place} is {value}", name)
        else:
            self.guard.add(f"{place} == {self.guard.thing(value)}", name)

    def _parts(self, value: Any, thing: str, name: str) -> Iterator[tuple[Any, str, str]]:
        """What is in a value: (part, expression, name)."""
        if isinstance(value, Tensor):
            self.tensor(value, thing, name)
        elif isinstance(value, Module):
            yield from self._of_module(value, thing, name)
        elif isinstance(value, Optimizer):
            for i, group in enumerate(value.param_groups):
                for j, param in enumerate(group["params"]):
                    yield param, f"{thing}.param_groups[{i}]['params'][{j}]", f"param_{j}"
            if self.with_optimizers and updates.is_plain(value):
                yield from self._of_optimizer(value, thing)
        elif isinstance(value, types.MethodType):
            yield value.__func__, f"{thing}.__func__", name
            yield value.__self__, f"{thing}.__self__", name
        elif isinstance(value, Compilation):
            yield value.function, f"{thing}.function", name
        elif isinstance(value, types.FunctionType):
            yield from self._of_function(value, thing)
        elif isinstance(value, functools.partial):
            yield from (
                (v, f"{thing}.{n}", n) for n, v in (("func", value.func), ("args", value.args), ("keywords", value.keywords))
            )
        elif isinstance(value, np.ndarray):
            if value.size > MANY:
                self.refusal = f"it reads a NumPy array, {name}, of {value.size} numbers; make a tensor of it"
            equal = self.guard.thing(np.array_equal)
            self.guard.add(f"{equal}({thing}, {self.guard.thing(value.copy())})", f"the numbers of {name}")
        elif isinstance(value, (list, tuple, dict)) and len(value) > MANY:
            return
        elif isinstance(value, (list, tuple)):
            self.guard.add(f"len({thing}) == {len(value)}", name)
            yield from ((v, f"{thing}[{k}]", f"{name}_{k}") for k, v in enumerate(value))
        elif isinstance(value, dict):
            self.guard.add(f"len({thing}) == {len(value)}", name)
            yield from ((v, f"{thing}[{k!r}]", f"{name}_{k}") for k, v in value.items() if isinstance(k, (str, int)))
        elif hasattr(value, "__dict__") and not isinstance(value, type) and not _is_the_librarys(type(value)):
            self._objects.append((value, name, set()))

    def _of_module(self, module: Module, thing: str, name: str) -> Iterator[tuple[Any, str, str]]:
        held = self.guard.thing(vars(module))  # a module has `__getattr__`: to ask it takes three times as long
        self.guard.add(f"not ({' or '.join(f'{held}[{h!r}]' for h in _HOOKS)})", f"hooks of {name or 'the module'}")
        lead = f"{name}_" if name else ""
        if module._modules:
            self.guard.add(f"len({held}['_modules']) == {len(module._modules)}", f"the layers of {name}")
        for kind in ("_parameters", "_buffers", "_modules"):
            yield from ((v, f"{held}[{kind!r}][{k!r}]", f"{lead}{k}") for k, v in getattr(module, kind).items())
        if all(
            kind in Module.__mro__ or not _is_the_librarys(kind) for kind in type(module).__mro__
        ):  # its code is the user's
            yield module.training, f"{held}['training']", f"{lead}training"
            self._objects.append((module, name, set(_KNOWN)))
        else:
            for k, v in list(vars(module).items()):
                if k not in _KNOWN:
                    yield v, f"{held}[{k!r}]", f"{lead}{k}"
        if not _is_the_librarys(type(module)):
            yield type(module).forward, f"{self.guard.thing(type(module))}.forward", name

    def _of_optimizer(self, optimizer: Optimizer, thing: str) -> Iterator[tuple[Any, str, str]]:
        """Its options but for the learning rate, which may change, and what it remembers of each parameter."""
        hooks = [f"{thing}._optimizer_step_{moment}_hooks" for moment in ("pre", "post")]
        self.guard.add(f"not ({' or '.join(hooks)})", "the optimizer's hooks")
        self.guard.add(f"len({thing}.param_groups) == {len(optimizer.param_groups)}", "the optimizer's groups")
        for i, group in enumerate(optimizer.param_groups):
            at = self.guard.thing(group)
            self.guard.add(f"{thing}.param_groups[{i}] is {at}", "the optimizer's groups")
            self.guard.add(f"len({at}['params']) == {len(group['params'])}", "the optimizer's parameters")
            self.guard.add(f"type({at}['lr']) is {self.guard.thing(type(group['lr']))}", "the kind of lr")
            moved = {option for option in ("momentum", "betas") if updates.is_moved(group, option)}
            if "momentum" in moved:
                self.guard.add(f"type({at}['momentum']) is float and {at}['momentum'] > 0", "the kind of momentum")
            if "betas" in moved:
                self.guard.add(f"type({at}['betas'][0]) is float", "the kind of the betas")
                yield group["betas"][1:], f"{at}['betas'][1:]", "betas"
            burned_in = {o: value for o, value in group.items() if o not in {"lr", *moved} and _is_of_numbers(value)}
            if burned_in:
                get = operator.itemgetter(*burned_in)
                told = f"the optimizer's {', '.join(burned_in)}"
                self.guard.add(f"{self.guard.thing(get)}({at}) == {self.guard.thing(get(burned_in))}", told)
            yield from (
                (value, f"{at}[{o!r}]", o)
                for o, value in group.items()
                if type(value) is tuple and o not in burned_in and o not in moved
            )
        kept, same = self.guard.thing([*optimizer.state.values()]), f"all(map({self.guard.thing(operator.is_)},"
        told = f"len({thing}.state) == {len(optimizer.state)} and {same} {thing}.state.values(), {kept}))"
        self.guard.add(told, "the optimizer's state")
        for param, memory in optimizer.state.items():
            if isinstance(param, Tensor):
                kept, of = self.guard.thing(memory), self.names.get(id(param), "param")
                for name, value in memory.items():
                    if isinstance(value, Tensor) and not value._requires_grad:  # nobody else's: to know its memory is enough
                        self.tensors[id(value)], self.names[id(value)] = value, f"{name}_of_{of}"
                        self.guard.add(
                            f"{kept}[{name!r}]._array is {self.guard.thing(value._array)}", f"the memory of {name}_of_{of}"
                        )
                    else:
                        yield value, f"{kept}[{name!r}]", f"{name}_of_{of}"

    def _of_function(self, function: Any, thing: str) -> Iterator[tuple[Any, str, str]]:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            try:
                yield cell.cell_contents, f"{self.guard.thing(cell)}.cell_contents", name
            except ValueError:  # it is empty
                continue
        for k, default in enumerate(function.__defaults__ or ()):
            yield default, f"{thing}.__defaults__[{k}]", f"default_{k}"
        known = function.__globals__
        self._words.update(_names_of(function.__code__))
        for name in _globals_of(function.__code__):
            if name in known:
                yield known[name], f"{self.guard.thing(known)}[{name!r}]", name

    def tensor(self, tensor: Tensor, thing: str, name: str) -> None:
        """A state of the step: it must stay in its memory, a leaf without hooks."""
        if is_lazy(tensor):
            self.refusal = f"{name} has no shape yet; the next call will be recorded"
            self.guard.add(f"type({thing}) is {self.guard.thing(type(tensor))}", f"the kind of {name}")
            return
        self.tensors[id(tensor)], self.names[id(tensor)] = tensor, name or "x"
        array = self.guard.thing(tensor._array)
        self.guard.add(f"{thing}._array is {array}", f"the memory of {name}")
        self.guard.add(f"{thing}._requires_grad is {tensor._requires_grad}", f"{name}.requires_grad")
        self.guard.add(f"{thing}._grad_fn is None", f"the history of {name}")
        if tensor._requires_grad:
            self.guard.add(f"not ({thing}._leaf_hooks or {thing}._post_accumulate_hooks)", f"hooks of {name}")


def _is_of_numbers(value: Any) -> bool:
    """Whether it is burned in as it is: a number, a name, or a tuple of them."""
    return isinstance(value, NUMBERS) or (isinstance(value, tuple) and all(isinstance(v, NUMBERS) for v in value))


def prints(function: types.FunctionType | None) -> bool:
    """Whether the code of a function calls Python's print."""
    return function is not None and "print" in _globals_of(function.__code__) and "print" not in function.__globals__


def has_hooks(module: Module) -> bool:
    """Whether anybody waits for a module's calls."""
    return any(getattr(module, name) for name in _HOOKS) or bool(hooks._some_of_all)


def _is_the_librarys(value: Any) -> bool:
    """Whether a function, class or module is minitorch's, NumPy's or Python's own: nothing of the user's is reached through it."""
    if isinstance(value, (types.ModuleType, types.BuiltinFunctionType, Op, Generator, LRScheduler)):
        return True
    if not isinstance(value, (type, types.FunctionType)):
        return False
    room = (getattr(value, "__module__", None) or "").split(".")
    return (room[0] in ("minitorch", "numpy") and "examples" not in room) or room[0] in sys.stdlib_module_names - {
        "__main__"
    }


@functools.cache
def _globals_of(code: types.CodeType) -> tuple[str, ...]:
    """The global names that code looks up, and the functions in it."""
    own = dict.fromkeys(i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    return (*own, *(name for inner in code.co_consts if isinstance(inner, types.CodeType) for name in _globals_of(inner)))


def _names_of(code: types.CodeType) -> Iterator[str]:
    """All names in code, and the functions in it: those of attributes, too."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from _names_of(inner)
