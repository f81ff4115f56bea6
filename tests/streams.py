"""A call that draws random numbers, on both libraries from one seed: all bits must agree, and so must the generators' states."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import minitorch

LIBRARIES = (minitorch, torch)


def outcome(lib: Any, call: Callable[[Any, Any], Any], g: Any) -> Any:
    """What the call returns, as arrays; or the type of what it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(lib, call(lib, g))
        except Exception as error:
            return error


def plain(lib: Any, value: Any) -> Any:
    """Tensors as (dtype, whether row-major, array)."""
    if isinstance(value, lib.Tensor):
        array = value.detach().numpy()
        return str(value.dtype).split(".")[1], value.is_contiguous(), array
    return [plain(lib, v) for v in value] if isinstance(value, (list, tuple)) else value


def same(ours: Any, theirs: Any) -> bool:
    """Whether two outcomes agree in every bit (−0 is 0)."""
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        return isinstance(ours, Exception) and isinstance(theirs, Exception) and issubclass(type(ours), type(theirs))
    if isinstance(theirs, tuple):
        (kind, contiguous, x), (their_kind, their_contiguous, y) = ours, theirs
        equal = x.shape == y.shape and np.array_equal(x, y, equal_nan=y.dtype.kind == "f")
        return equal and kind == their_kind and (contiguous == their_contiguous or x.size < 2)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def generators(seed: int) -> list[Any]:
    """A generator of each library."""
    return [lib.Generator().manual_seed(seed) for lib in LIBRARIES]


def assert_same(call: Callable[[Any, Any], Any], seed: int = 0, pair: Any = None) -> Any:
    """Run the call on both, on the default generators and two others; what torch did."""
    pair = pair or generators(seed + 1 if seed < 2**64 - 1 else 0)
    for lib in LIBRARIES:
        lib.manual_seed(seed)
    ours, theirs = (outcome(lib, call, g) for lib, g in zip(LIBRARIES, pair))
    assert same(ours, theirs), f"ours {ours}, torch's {theirs}"
    for a, b in [(minitorch.get_rng_state(), torch.get_rng_state()), tuple(g.get_state() for g in pair)]:
        assert a.numpy().tobytes() == b.numpy().tobytes(), "the streams stand at different places"
    return theirs
