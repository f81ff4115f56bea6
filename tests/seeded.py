"""One scenario, run on both libraries from one seed: all that can be seen of it must be the same, to the bit.

(`both.py` compares rounded values and the words of errors as well; here it is exact values, error types, warnings, and where
the random generators stand afterwards.)
"""

from __future__ import annotations

import warnings
from collections import UserList, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

import minitorch


def observed(scenario: Callable[[Any], Any], lib: Any, seed: int) -> Any:
    """The scenario's outcome, the warnings, and where the default generator stands."""
    lib.manual_seed(seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = exact(scenario(lib), lib)
        except Exception as error:
            assert lib is torch or str(error), f"{type(error).__name__} without words"
            result = type(error).__name__
    return result, [w.category.__name__ for w in caught], exact(lib.get_rng_state(), lib)


def exact(value: Any, lib: Any) -> Any:
    """`value` to the bit, without anything that belongs to one library."""
    if isinstance(value, lib.Tensor):
        return "tensor", str(value.dtype).split(".")[-1], tuple(value.shape), value.detach().numpy().tobytes()
    if isinstance(value, lib.Generator):
        return exact(value.get_state(), lib)
    if isinstance(value, np.ndarray | np.generic):
        return "numpy", str(value.dtype), value.shape, value.tolist()
    if isinstance(value, Mapping):
        return type(value).__name__, [(key, exact(each, lib)) for key, each in value.items()]
    if isinstance(value, list | tuple | set | UserList | deque):
        return type(value).__name__, [exact(each, lib) for each in value]
    return type(value).__name__, value


def assert_same(scenario: Callable[[Any], Any], seed: int = 0) -> Any:
    """What torch did, after minitorch did the same."""
    ours, theirs = observed(scenario, minitorch, seed), observed(scenario, torch, seed)
    assert ours == theirs, f"\nours:   {ours[:2]}\ntheirs: {theirs[:2]}"
    return theirs


def attempt(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except Exception as error:
        return type(error).__name__
