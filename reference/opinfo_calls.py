"""torch's own samples made ready for both libraries: which function of ours an entry means, and its arguments on either side.

torch's wheel carries what its test suite calls each function with: `op_db`, a list of entries (an op, or one form of it) that make
samples for a dtype. An entry names its function as torch has it; ours is what stands under the same name. Read next: `opinfo.py`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import operator
import sys
import types
import unittest
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from hypothesis import settings

import minitorch

PLACES = ("", "Tensor", "nn.functional", "special", "linalg", "fft")  # where functions stand in both libraries
TESTING = "torch.testing._internal"  # the modules in which torch's samples are made


class LeftOut(Exception):
    """A sample that has no counterpart here: complex numbers, sparse tensors, a function that is not there."""


class Call(NamedTuple):
    """One sample: the arguments as torch's tensors, of which those that want a gradient say so."""

    args: tuple
    kwargs: dict
    determined: Callable[[Any], Any] = lambda result: result  # of a result that is known up to a sign, what is known


@functools.cache
def entries(module: str = "common_methods_invocations", name: str = "op_db") -> list[Any]:
    """One of torch's lists: of ops, of modules."""
    if "expecttest" not in sys.modules and importlib.util.find_spec("expecttest") is None:
        stub = types.ModuleType("expecttest")  # torch's test classes build on it; the samples do not
        stub.TestCase = unittest.TestCase  # type: ignore[attr-defined]
        sys.modules["expecttest"] = stub
    with _own_settings():
        return getattr(importlib.import_module(f"{TESTING}.{module}"), name)


@contextlib.contextmanager
def _own_settings() -> Iterator[None]:
    """What torch's test modules set when they are imported stays as it was.

    They load profiles of hypothesis, one of them called `dev` as ours is, and forbid to set the switches of `torch.backends`.
    """
    current = settings.get_current_profile_name()
    ours = settings.get_profile(current)
    try:
        with mock.patch.object(torch.backends, "disable_global_flags", lambda: None):
            yield
    finally:
        settings.register_profile(current, ours)
        settings.load_profile(current)


def name_of(entry: Any) -> str:
    """How the report calls an entry: `F.pad.reflect`, `norm.nuc`."""
    name = entry.name.replace("nn.functional.", "F.")
    return f"{name}.{entry.variant_test_name}" if entry.variant_test_name else name


def samples(entry: Any, dtype: torch.dtype, wants_grad: bool) -> list[Call]:
    """What torch's tests call the entry with; the numbers are the same each time."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = list(entry.sample_inputs("cpu", dtype, requires_grad=wants_grad))
    return [
        Call((sample.input, *sample.args), sample.kwargs, sample.output_process_fn_grad)
        for sample in made
        if not sample.broadcasts_input
    ]


def mistakes(entry: Any) -> list[Call]:
    """The calls that torch's tests expect to be refused."""
    torch.manual_seed(0)
    if entry.error_inputs_func is None:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = [mistake.sample_input for mistake in entry.error_inputs("cpu")]
    return [Call((sample.input, *sample.args), sample.kwargs) for sample in found]


# ---- the function ----


def ours(theirs: Callable) -> Callable:
    """Our function or method for one of torch's; LeftOut if there is none."""
    if isinstance(theirs, functools.partial):
        return functools.partial(ours(theirs.func), *theirs.args, **theirs.keywords)
    name = getattr(theirs, "__name__", "")
    if (getattr(theirs, "__module__", "") or "").startswith(TESTING):
        return _rebound(theirs)
    if getattr(operator, name, None) is theirs:
        return theirs
    for place, known in _places_of(theirs, name):
        found = getattr(_look_up(minitorch, place), known, None)
        if found is not None:
            return found
    raise LeftOut(f"no {getattr(theirs, '__qualname__', name)}")


def _places_of(theirs: Callable, name: str) -> Iterator[tuple[str, str]]:
    """(place, name) wherever torch has the function; some are made under another name than they are known by."""
    for place in PLACES:
        there = _look_up(torch, place)
        if getattr(there, name, None) is theirs:
            yield place, name
        if place in ("nn.functional", "linalg"):
            yield from ((place, known) for known, thing in vars(there).items() if thing is theirs)


def _look_up(library: Any, path: str) -> Any:
    for part in path.split(".") if path else ():
        library = getattr(library, part, None)
    return library


def _rebound(function: Any) -> Callable:
    """A small function of torch's tests, with minitorch where it says torch."""
    known = function.__globals__
    schedules = vars(minitorch.optim.lr_scheduler)  # which such a function knows by their own names
    ours_too = {name: schedules[name] for name in function.__code__.co_names if name in known and name in schedules}
    names = known | ours_too | {"torch": minitorch, "wrapper_set_seed": _with_seed}
    copy = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return copy(*args, **kwargs)
        except AttributeError as error:
            raise LeftOut(f"{error.name}") from error

    return call


def _with_seed(op: Callable, *args: Any, **kwargs: Any) -> Any:
    """What torch's tests do about random numbers, which are the same in both libraries."""
    minitorch.manual_seed(42)
    return op(*args, **kwargs)


# ---- its arguments ----


class Side:
    """The arguments of a call, made for one library: in memory of their own, laid out as torch's sample is."""

    def __init__(self, library: Any, call: Call, wants_grad: bool = False, dtype: torch.dtype | None = None):
        self.library, self.wants_grad, self.dtype = (
            library,
            wants_grad,
            dtype,
        )  # dtype: what floats become instead of their own
        self.leaves: list[Any] = []
        self.determined = call.determined if library is torch else _rebound(call.determined)
        self._made: dict[int, Any] = {}  # one tensor given twice stays one
        self.args = tuple(map(self._converted, call.args))
        self.kwargs = {name: self._converted(value) for name, value in call.kwargs.items()}

    def _converted(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            if id(value) not in self._made:
                self._made[id(value)] = self._tensor(value)
            return self._made[id(value)]
        if isinstance(value, torch.Size):
            return self.library.Size(value)
        if isinstance(value, (tuple, list)):
            return type(value)(map(self._converted, value))
        if isinstance(value, dict):
            return {key: self._converted(each) for key, each in value.items()}
        if isinstance(value, complex):
            raise LeftOut("complex numbers")
        if isinstance(value, torch.dtype):
            return self._of_ours(value, str(value).removeprefix("torch."))
        if isinstance(value, torch.device):
            return self.library.device(value.type)
        if isinstance(value, torch.nn.Module):  # a distance, made without options
            return getattr(self.library.nn, type(value).__name__)()
        if dataclasses.is_dataclass(value) and not isinstance(value, type):  # options of a layer
            options = {each.name: self._converted(getattr(value, each.name)) for each in dataclasses.fields(value)}
            return getattr(self.library.nn, type(value).__name__)(**options)
        if isinstance(value, (torch.memory_format, torch.layout, torch.Generator)):
            return self._of_ours(value, str(value).removeprefix("torch."))
        return value

    def _of_ours(self, value: Any, name: str) -> Any:
        if self.library is torch:
            return value
        if not hasattr(minitorch, name):
            raise LeftOut(f"torch.{name}")
        return getattr(minitorch, name)

    def _tensor(self, given: torch.Tensor) -> Any:
        if given.is_complex() or given.layout is not torch.strided or given.device.type != "cpu" or given.is_quantized:
            raise LeftOut("complex numbers" if given.is_complex() else "sparse and other tensors that are no CPU arrays")
        if given.ndim > 64:
            raise LeftOut("more dimensions than NumPy's 64")
        wants = given.requires_grad and self.wants_grad
        if self.dtype is not None and given.is_floating_point():
            given = given.to(self.dtype)
        made = self._own(given.detach())
        if wants:
            self.leaves.append(made.requires_grad_())
        return made

    def _own(self, given: torch.Tensor) -> Any:
        """The same numbers and strides (gaps and repetitions included), in new memory."""
        if self.library is torch:
            return torch.as_strided(_memory(given).clone(), given.shape, given.stride())
        array = as_numpy(_memory(given)).copy()
        strides = [n * array.itemsize for n in given.stride()]
        view = np.lib.stride_tricks.as_strided(array, given.shape, strides) if array.size else array.reshape(given.shape)
        return self.library.from_numpy(view)


def _memory(given: torch.Tensor) -> torch.Tensor:
    """All that lies between a tensor's first and last element, in one row."""
    size = 1 + sum((n - 1) * stride for n, stride in zip(given.shape, given.stride())) if given.numel() else 0
    return given.as_strided((size,), (1,))


def as_numpy(tensor: torch.Tensor) -> np.ndarray:
    """A torch tensor's numbers; bfloat16 as ml_dtypes has it."""
    if tensor.dtype is torch.bfloat16:
        return tensor.detach().contiguous().view(torch.int16).numpy().view(minitorch.bfloat16.numpy)
    return tensor.detach().numpy(force=True)


def spread_over(calls: list[Call], most: int | None) -> Iterator[Call]:
    """At most so many of the calls, from first to last."""
    step = 1 if most is None else max(1, -(-len(calls) // most))
    yield from calls[::step]
