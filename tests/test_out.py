"""`out=`: wherever torch's function takes it, ours does, with the same result and the same refusals."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from reference.far import worst_error
from reference.strategies import Source
from reference.table import Row, flat, table, tensors

pytestmark = pytest.mark.formulas

UNDOCUMENTED = {
    "avg_pool2d",
    "avg_pool3d",
    "gelu",
    "hardshrink",
    "logsigmoid",
    "softplus",
    "softshrink",
}  # layers' functions that happen to take it
# Into another dtype their forms go each its own way in torch: with tensors or numbers, with a dim or without, of 0-d tensors.
OTHER_DTYPES = {
    "pow", "to_device", "any", "all", "clamp", "clamp_min", "clamp_max", "lerp", "max", "min", "inner", "nansum", "nanmean", "diff",
    "ldexp",  # of whole exponents torch fails an assertion of its own
}  # fmt: skip
OTHER_LAYOUT = {"diff"}  # with n = 0 it is a copy, which lies as the input does, but in torch not into `out=`
TENSOR = {minitorch: minitorch.Tensor, torch: torch.Tensor}


def call(row: Row, lib: Any, seed: int, change: str) -> Any:
    """What `row` writes into `out=` tensors of its results' dtypes, or the type of what it raises; None: it has no result."""
    function = row.ours if lib is minitorch else row.theirs
    case = tensors(row.draw(Source(seed)), lib, np.float64, [])
    result = row.call(function, case)
    if not isinstance(flat(result)[0], TENSOR[lib]):
        return None
    made = wholes = [lib.zeros(tuple(t.shape), dtype=t.dtype) for t in flat(result)]
    if change == "empty":
        made = [lib.empty(0, dtype=t.dtype) for t in made]
    elif change == "beginning of another":  # it grows into the memory behind it
        wholes = [lib.zeros(t.numel() + 3, dtype=t.dtype) for t in made]
        made = [whole[1:2] for whole in wholes]
    elif change == "requires_grad":
        case = tensors(row.draw(Source(seed)), lib, np.float64, row.inputs())
    elif change in ("int64", "float32", "bool"):
        made = wholes = [lib.zeros(tuple(t.shape), dtype=getattr(lib, change)) for t in made]
    out = tuple(made) if isinstance(result, tuple) else made[0]
    before = [t._version for t in made]
    try:
        returned = row.call(lambda *args, **kw: function(*args, **kw, out=out), case)
    except Exception as error:
        assert [t._version for t in made] == before, "a refused out= was written to"
        return type(error).__name__
    assert all(a is b for a, b in zip(flat(returned), made)), "out= is not what is returned"
    return [(list(t.shape), t.numpy()) for t in (*made, *wholes)]


CHANGES = ["same", "empty", "beginning of another", "requires_grad", "int64", "float32", "bool"]
ROWS = [row for row in table() if row.covers not in UNDOCUMENTED]


def cases() -> list:
    """Each row with an `out=` as it should be and with one of the other kinds; in a slow run with one more, the others with -m exhaustive."""

    def marks(row: int, change: int) -> list:
        turn = (change - 1 - row) % (len(CHANGES) - 1)
        return [] if change == 0 or turn == 0 else [pytest.mark.slow if turn == 1 else pytest.mark.exhaustive]

    return [
        pytest.param(row, change, marks=marks(k, n), id=f"{row}-{change}")
        for k, row in enumerate(ROWS)
        for n, change in enumerate(CHANGES)
    ]


@pytest.mark.parametrize(("row", "change"), cases())
def test_out(row: Row, change: str) -> None:
    if row.covers in OTHER_DTYPES and change in ("int64", "float32", "bool"):
        return
    if row.covers in OTHER_LAYOUT and change == "beginning of another":
        return
    for seed in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs = call(row, torch, seed, change)
            except Exception:
                continue
            if theirs is None or theirs == "TypeError":  # torch's takes no out=
                continue
            ours = call(row, minitorch, seed, change)
        if isinstance(ours, str) or isinstance(theirs, str):
            assert ours == theirs
            continue
        for (shape, a), (expected, b) in zip(ours, theirs):
            assert shape == expected
            assert worst_error(a, b, np.float32 if change == "float32" else np.float64) <= 1


def test_resizing_what_holds_numbers_warns() -> None:
    with pytest.warns(UserWarning, match=r"resized since it had shape \[2\].*required output shape \[3\]"):
        minitorch.exp(minitorch.zeros(3), out=minitorch.zeros(2))
