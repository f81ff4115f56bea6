"""One scenario, run on both libraries: what it returns or raises must be the same.

A scenario is a function of the library that returns anything built of tensors, numbers, strings and containers. An
exception counts as an outcome too: its type and its words.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import torch

import minitorch


def outcome(scenario: Callable[[Any], Any], lib: Any) -> Any:
    """What `scenario` returns on `lib`, in plain Python; or what it raises, as (type, words)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = plain(scenario(lib), lib)
        except Exception as error:
            result = type(error).__name__, named_alike(str(error))
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


def assert_same(scenario: Callable[[Any], Any]) -> None:
    ours, theirs = outcome(scenario, minitorch), outcome(scenario, torch)
    assert ours == theirs, f"\nours:   {ours}\ntheirs: {theirs}"
