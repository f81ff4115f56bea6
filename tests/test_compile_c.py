"""`compile(backend="c")`: the same steps as in `test_compile.py`, with their loops in C, give the same numbers but for the last places."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_compile_programs import PROGRAMS, differentiate, random_program

import minitorch
from reference import layers, optimizers
from reference.table import Row, table
from test_compile import AS_THEY_ARE, assert_alike, has_program, mostly_slow, of_layer, of_optimizer, of_row, told

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler"),
]


@pytest.mark.parametrize("row", mostly_slow(table(), 48))
def test_ops(row: Row) -> None:
    for seed, outside in ((0, False), (1, False), (0, True)):
        build = of_row(row, seed, outside)
        try:
            told(build, "", 2)
        except Exception:  # refused, or a leaf that may not be written to
            continue
        run = assert_alike(build, backend="c")
        assert has_program(run) or row.name in AS_THEY_ARE, run.explain()


@pytest.mark.parametrize("row", mostly_slow(layers.ROWS, 30))
@settings(max_examples=2)
@given(data=st.data())
def test_layers(row: Any, data: Any) -> None:
    build = of_layer(row, data)
    try:
        told(build, "", 2)
    except Exception:
        return
    assert_alike(build, backend="c")


@pytest.mark.parametrize("row", optimizers.ROWS, ids=lambda row: row.name)
@settings(max_examples=2)
@given(data=st.data())
def test_optimizers(row: Any, data: Any) -> None:
    build = of_optimizer(row, data)
    try:
        told(build, "", 2)
    except Exception:
        return
    assert has_program(assert_alike(build, 6, backend="c"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(program: Callable) -> None:
    def build() -> tuple:
        minitorch.manual_seed(0)
        return *program(), lambda k: None

    before = minitorch.get_default_dtype()
    minitorch.set_default_dtype(minitorch.float64)  # (Adam makes a whole step of a gradient that is 0 but for rounding)
    try:
        assert has_program(assert_alike(build, 5, backend="c"))
    finally:
        minitorch.set_default_dtype(before)


@pytest.mark.parametrize("learns", ["", "inside", "outside"])
@pytest.mark.parametrize("seed", [pytest.param(k, marks=[pytest.mark.slow] if k >= 5 else []) for k in range(60)])
def test_random_programs(seed: int, learns: str) -> None:
    def build() -> tuple:
        minitorch.manual_seed(seed)
        after = [differentiate] if learns == "outside" else []
        return *random_program(seed, learns)(), lambda k: None, *after

    try:
        told(build, "")
    except RuntimeError:  # what is written overlaps with what is read
        return
    run = assert_alike(build, 5, backend="c")
    assert has_program(run) or "requires_grad" in run.explain(), run.explain()
