"""One scenario, run on both libraries: what it returns or raises must be the same.

A scenario is a function of the library that returns anything built of tensors, numbers, strings and containers. An
exception counts as an outcome too: its type and its words.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch

import minitorch


class Failure(NamedTuple):
    """What a scenario raised."""

    kind: str
    words: str


def outcome(scenario: Callable[[Any], Any], lib: Any) -> Any:
    """What `scenario` returns on `lib`, in plain Python; or what it raises; with the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(scenario(lib), lib)
        except Exception as error:
            result = Failure(type(error).__name__.removeprefix("_"), named_alike(str(error)))
    return result, [(w.category.__name__, named_alike(str(w.message))) for w in caught]


def plain(value: Any, lib: Any) -> Any:
    """`value` without anything that belongs to one library."""
    if isinstance(value, lib.Tensor):
        return ["tensor", str(value.dtype).removeprefix(f"{lib.__name__}."), *rounded(value.detach().tolist())]
    if isinstance(value, dict):
        return {key: plain(each, lib) for key, each in value.items()}
    if isinstance(value, lib.nn.Module):
        return named_alike(repr(value))
    if isinstance(value, list | tuple | set):
        return type(value).__name__, [plain(each, lib) for each in value]
    return named_alike(value) if isinstance(value, str) else value


def rounded(values: Any) -> list[Any]:
    flat = values if isinstance(values, list) else [values]
    return [rounded(v) if isinstance(v, list) else round(v, 5) if isinstance(v, float) else v for v in flat]


def named_alike(text: str) -> str:
    """Text in which the two libraries have one name, and no addresses."""
    text = re.sub(r"\bminitorch\b", "torch", text)
    return re.sub(r" at 0x[0-9a-f]+", "", text)


def assert_same(scenario: Callable[[Any], Any]) -> Any:
    """Run `scenario` on both; what torch returned or raised."""
    ours, theirs = outcome(scenario, minitorch), outcome(scenario, torch)
    assert ours == theirs, f"\nours:   {ours}\ntheirs: {theirs}"
    return theirs[0]


def agree(scenario: Any) -> Any:
    """Run on both libraries: equal results, or the same type of error. Returns torch's."""
    (ours, _), (theirs, _) = outcome(scenario, minitorch), outcome(scenario, torch)
    assert alike(ours, theirs), f"\nours: {ours}\ntorch's: {theirs}"
    return theirs


def alike(ours: Any, theirs: Any) -> bool:
    """Whether two outcomes are equal results, or errors of one type."""
    if isinstance(ours, Failure) and isinstance(theirs, Failure):
        return ours.kind == theirs.kind
    return bool(ours == theirs)


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(list(values), dtype=lib.float64, requires_grad=True)


def assert_same_complaint(scenario: Callable[[Any], Any]) -> None:
    """`scenario` must raise or warn, alike on both."""
    theirs = assert_same(scenario)
    assert isinstance(theirs, Failure) or outcome(scenario, torch)[1], "torch does not complain"


class Scenarios(list):
    """The scenarios of a test module: `@scenarios.add` collects them, `@scenarios.parametrize` runs a test on each."""

    def add(self, scenario: Callable[[Any], Any]) -> Callable[[Any], Any]:
        self.append(scenario)
        return scenario

    def parametrize(self, test: Callable[[Any], None]) -> Any:
        return pytest.mark.parametrize("scenario", self, ids=lambda scenario: scenario.__name__)(test)


def assert_runs_the_same(scenario: Callable[[Any], Any]) -> None:
    """As `assert_same`; a scenario that fails on both sides by a mistake of its own would prove nothing."""
    theirs = assert_same(scenario)
    assert not (isinstance(theirs, Failure) and theirs.kind in ("AttributeError", "NameError")), theirs


def affine(lib, n=2):
    """y = w x + b, with a persistent and a non-persistent buffer."""

    class Affine(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = lib.nn.Parameter(lib.arange(1.0, n + 1.0))
            self.bias = lib.nn.Parameter(lib.zeros(n))
            self.register_buffer("count", lib.tensor(0))
            self.register_buffer("scratch", lib.ones(n), persistent=False)

        def forward(self, x, scale=1):
            return self.weight * x * scale + self.bias

        def extra_repr(self):
            return f"n={len(self.weight)}"

    return Affine()


def net(lib):
    """Two affine maps, the second twice."""
    root = lib.nn.Module()
    root.first = affine(lib)
    root.block = lib.nn.Module()
    root.block.second = affine(lib)
    root.block.again = root.block.second
    root.empty = None
    return root
