"""Errors: what a newcomer gets wrong, and thousands of drawn bad calls.

`mistakes.txt` is a transcript of mistakes with our words, to be read: does each say what came, what was expected, what to
do? The types are torch's, asked from torch when the test runs. The drawn calls spoil one argument of a good case of every
row of the reference table (`reference/spoil.py`): where torch raises, ours raises that type, in words of its own, and no
argument has changed; where torch does not mind, ours does not either.
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
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
import minitorch.op
from reference import layers, optimizers
from reference.spoil import EXCUSED, Built, Call, compare, kinds_of, method_rows, spoiled
from reference.strategies import Source
from reference.table import Row, table, tensors

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

# torch's products ask first what their shapes and libraries ask; round has a form with decimals and one without.
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
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dtype", [np.int64, np.bool_, np.uint8, np.int32])
def test_integers_and_bools_are_taken_or_refused_as_in_torch(dtype: Any) -> None:
    differ = []
    for row in table():
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


class Count:
    """What came of many calls."""

    def __init__(self) -> None:
        self.calls = self.raised = 0
        self.excuses: set[Any] = set()
        self.differences: list[str] = []

    def add(self, row: Any, call: Call | None) -> None:
        """Make the call on both libraries; a call that was bad before it was spoiled does not count."""
        if call is None:
            return
        verdict = compare(row, call)
        self.calls += 1
        self.raised += verdict.raised
        if verdict.excuse:
            self.excuses.add(verdict.excuse)
        elif verdict.difference:
            self.differences.append(verdict.difference)

    def report(self, what: str, record_property: Any) -> None:
        """Fail in words; else leave a line for the terminal."""
        assert not self.differences, "\n\n".join(self.differences[:20])
        record_property("bad calls", f"{what}: {self.calls} compared, {self.raised} raised on both sides")


def public() -> list[Row]:
    """The rows of what users can call: not of the ops inside, which get what their callers have checked."""
    inside = {op.__name__ for op in minitorch.op.ops} - set(minitorch.op.registry)
    return [row for row in table() if row.covers not in inside]


def drawn(rows: list[Row], grad: bool) -> Count:
    """The same calls for a row whatever other rows there are: its seeds come from its name."""
    count = Count()
    seen: collections.Counter = collections.Counter()
    for row in rows:
        first = zlib.crc32(f"{row.name} {seen[row.name]}".encode())
        seen[row.name] += 1
        for seed in range(first, first + settings().max_examples):
            count.add(row, spoiled(row, Source(seed), grad))
    return count


def test_functions_refuse_what_torch_refuses(record_property: Any) -> None:
    drawn(public(), grad=True).report("functions", record_property)


def test_methods_refuse_what_torch_refuses(record_property: Any) -> None:
    drawn(method_rows(public()), grad=False).report("methods", record_property)


@pytest.mark.parametrize("kind", ["layers", "optimizers"])
def test_modules_refuse_what_torch_refuses(kind: str, record_property: Any) -> None:
    count = Count()

    @settings(database=None)
    @given(data=st.data())
    def run(data: Any) -> None:
        for row in (layers if kind == "layers" else optimizers).ROWS:
            seed = data.draw(st.integers(0, 2**32 - 1))
            options = data.draw(row.options)
            if kind == "layers":
                built, inputs = Built.layer(row), row.inputs(data.draw, np.random.default_rng(seed), options)
            else:
                built, inputs = Built.optimizer(row), [[np.ones((2, 3)), np.ones(4)]]
            count.add(built, built.spoiled(inputs, options, Source(seed)))

    run()
    count.report(kind, record_property)


@pytest.mark.parametrize("excuse", EXCUSED, ids=str)
def test_excuse_is_still_needed(excuse: Any) -> None:
    rows = [row for row in (*table(), *method_rows(table())) if re.fullmatch(excuse[0], row.name.rstrip("_"))]
    calls = ((row, spoiled(row, Source(seed), grad)) for seed in range(1000) for row in rows for grad in (True, False))
    assert any(call and compare(row, call).excuse == excuse for row, call in calls), "nothing needs it any more"
