"""Errors: what a newcomer gets wrong, and thousands of drawn bad calls.

`mistakes.txt` is a transcript of mistakes with our words, to be read: does each say what came, what was expected, what to
do? The types are torch's, asked from torch when the test runs. The drawn calls spoil one argument of a good call, of a row of the
reference table or as a user writes it (`reference/bad_calls.py`): where torch raises, ours raises that type, in words of its own, and
no argument has changed; where torch does not mind, ours does not either, and the result is the same.
"""

from __future__ import annotations

import collections
import copy
import re
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
import minitorch.op
from reference.bad_calls import (
    Call,
    compare,
    kinds_of,
    method_rows,
    public,
    spoiled,
)
from reference.excuses import ACCEPTED, DIFFERENT, EQUAL, OTHER_TYPE, REFUSED
from reference.good_calls import lines
from reference.strategies import Source
from reference.table import Row, tensors

TRANSCRIPT = (Path(__file__).parent / "mistakes.txt").read_text(encoding="utf-8")
MISTAKES = re.findall(r"^>>> (.+)\n((?:(?!>>> |# |$).*\n)+)", TRANSCRIPT, flags=re.M)


@pytest.mark.parametrize(("code", "told"), MISTAKES, ids=[code for code, _ in MISTAKES])
def test_mistake_is_told_in_words(code: str, told: str) -> None:
    ours, theirs = raised(code, minitorch), raised(code, torch)
    assert f"{type(ours).__name__}: {ours}".rstrip() == told.rstrip()
    assert isinstance(ours, kinds_of(theirs)), f"torch raises {theirs!r}"


def raised(code: str, lib: Any) -> Exception:
    """What the code raises with that library as `torch`."""
    names = {"torch": lib, "nn": lib.nn, "F": lib.nn.functional, "copy": copy}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(code, names)
        except Exception as error:
            return error
    raise AssertionError(f"{lib.__name__} does not mind: {code}")


# ---- dtypes ----

# torch's products ask first what their shapes and libraries ask; round has a form with decimals and one without; bernoulli_slope is
# made of others.
ASK_OTHERWISE = {
    "matmul",
    "mm",
    "mv",
    "bmm",
    "dot",
    "vdot",
    "inner",
    "tensordot",
    "linear",
    "addmm",
    "kthvalue",
    "round",
    "batch_norm",
    "bernoulli_slope",
    # Of two mistakes (integers, and shapes or options) torch tells the other; grid_sample computes with integers there, and is refused here.
    # histogram reads a range as numbers of the dtype before it refuses the dtype.
    *("affine_grid_generator", "grid_sample", "histogram", "linear_cross_entropy", "scaled_dot_product_attention"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.uint8, np.int32])
def test_integers_and_bools_are_taken_or_refused_as_in_torch(dtype: Any) -> None:
    differ = []
    for row in public():
        for seed in (1, 2):
            outcomes = [kind_of_outcome(row, lib, dtype, seed) for lib in (minitorch, torch)]
            if outcomes[0] != outcomes[1] and row.covers not in ASK_OTHERWISE and not row.ours_alone:
                differ.append(f"{row}: {outcomes}")
    assert not differ


def kind_of_outcome(row: Row, lib: Any, dtype: Any, seed: int) -> str:
    source = Source(seed)
    source.empty = False
    try:
        row.call(row.ours if lib is minitorch else row.theirs, tensors(row.draw(source), lib, dtype, []))
    except Exception as error:
        return type(error).__name__
    return "computed"


# ---- drawn bad calls ----


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Small calls are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


CALLS = 3  # of each function in this sample; `python -m reference badcalls` makes as many as it is told to
KINDS = {
    "functions": lambda: [(row, True) for row in public()],
    "methods": lambda: [(row, False) for row in method_rows(public())],
    "as users write them": lambda: [(line, False) for line in lines()],
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_torch_refuses_is_refused(kind: str, record_property: Any) -> None:
    """A row's calls are the same whatever other rows there are: seeds come from its name, and its place among rows of that name."""
    differences, counts, rows_of = [], collections.Counter(), collections.Counter()
    for row, grad in KINDS[kind]():
        first = zlib.crc32(f"{row} {rows_of[str(row)]}".encode())
        rows_of[str(row)] += 1
        for seed in range(first, first + CALLS):
            call = spoiled(row, Source(seed), grad)
            if call is not None:
                verdict = compare(row, call)
                counts[verdict.raised] += 1
                differences += [verdict.told] if verdict.told and not verdict.excuse else []
    assert not differences, "\n\n".join(differences[:20])
    record_property("bad calls", f"{kind}: {counts.total()} compared, {counts[True]} raised on both sides")


def test_a_difference_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the type of an error, in what is refused, in a value."""
    (flip,) = [line for line in lines() if line.text == "torch.flip(x, (0,))"]
    call = Call(flip.positional, {})
    assert compare(flip, call).outcome == EQUAL
    for wrong, outcome in ((ZeroDivisionError, REFUSED), (lambda x, dims: x, DIFFERENT)):
        monkeypatch.setattr(minitorch, "flip", wrong_flip(wrong))
        assert compare(flip, call).outcome == outcome
    bad = Call([flip.positional[0], "0"], {})
    monkeypatch.setattr(minitorch, "flip", wrong_flip(ZeroDivisionError))
    assert compare(flip, bad).outcome == OTHER_TYPE
    monkeypatch.setattr(minitorch, "flip", lambda x, dims: x)
    assert compare(flip, bad).outcome == ACCEPTED


def wrong_flip(what: Any) -> Any:
    def call(x: Any, dims: Any) -> Any:
        if isinstance(what, type):
            raise what
        return what(x, dims)

    return call
