"""CONTRIBUTING.md is all there is to do for an op: here its own blocks add one, which torch lacks, and every check runs on it.

The op is as public as any other for as long as a test runs; then it is taken out again.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import test_completeness
import test_layout

import minitorch
import reference.rows.activation
from minitorch.op import Op, ops, registry
from reference import derivatives, mutation, stubs
from reference.checks import CHECKS, half_precision
from reference.numerical import agrees
from reference.strategies import Source
from reference.table import Row, rows
from shares import by_turns

PAGE = Path(__file__).parent.parent / "CONTRIBUTING.md"
DECLARATION, PAIR = map(textwrap.dedent, re.findall(r"^   ```python\n(.*?)^   ```", PAGE.read_text(), re.M | re.S))
Add = Callable[..., tuple[Op, Row]]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Run both blocks, as if they stood in the files that the page names."""
    before = [(kept, kept.copy()) for kept in (ops, rows)]

    def run(declaration: str = DECLARATION, pair: str = PAIR) -> tuple[Op, Row]:
        for name, text, family in [("op", declaration, minitorch.ops.activation), ("row", pair, reference.rows.activation)]:
            file = tmp_path / f"{name}.py"
            file.write_text(text)
            exec(compile(text, str(file), "exec"), dict(vars(family)))
        monkeypatch.setattr(minitorch, "softcap", registry["softcap"], raising=False)
        return registry["softcap"], rows[-1]

    yield run
    registry.pop("softcap", None)
    for kept, content in before:
        kept[:] = content


def layout(row: Row, source: Source) -> None:
    test_layout.test_a_result_lies_in_memory_as_torchs_does(row)


def order_1(row: Row, source: Source) -> None:
    agrees(row, source, 1)


def order_2(row: Row, source: Source) -> None:
    agrees(row, source, 2)


EVERY = (*CHECKS, half_precision, layout, order_1, order_2)


def failed(row: Row) -> set[str]:
    """The checks that fail on some draw."""
    found = set()
    for check in EVERY:
        for seed in range(30):
            try:
                check(row, Source(seed))
            except Exception:
                found.add(check.__name__)
                break
    return found


def test_the_recipe_is_all(add: Add) -> None:
    op, row = add()
    assert failed(row) == set()
    test_completeness.test_every_op_has_a_row()
    test_completeness.test_op_has_a_docstring_and_torchs_name("softcap")
    assert str(inspect.signature(op)) == "(input: 'Tensor', c: 'float', *, out: 'Tensor | None' = None) -> 'Tensor'"
    assert inspect.getsource(op) == DECLARATION
    entry = "c · tanh(x / c): x, held softly within (−c, c) | x | ∂L/∂x = g · (1 − (out/c)²) | `out` (c) |"
    assert f"| [`softcap`](../minitorch/ops/activation.py) | {entry}" in derivatives.page()
    assert "\ndef softcap(input: Tensor, c: float, *, out: Tensor | None = None) -> Tensor:\n" in stubs.stub()


@pytest.mark.slow
def test_every_mutant_of_its_derivative_is_caught(add: Add, capsys: pytest.CaptureFixture) -> None:
    add()
    assert mutation.mutate(op="softcap") == 0
    caught, made = re.search(r"(\d+) of +(\d+) caught, 0 mean the same", capsys.readouterr().out).groups()
    assert caught == made and int(made) > 5


WRONG = {
    "the derivative": ("1 - (out / c)", "1 + (out / c)", {"gradients", "special_gradients", "order_1", "order_2"}),
    "how it is written": ("g * (1 -", "g.mul(1 -", {"gradients"}),
    "the value": ("return c * xp", "return 2 * xp", {"values", "values_float32", "special_values"}),
    "the dtypes": ('promote="float"', 'only="floats"', {"dtypes"}),
    "half precision": ('promote="float"', 'promote="float", in_float32=False', {"half_precision"}),
    "the layout": ('promote="float"', 'promote="float", keeps_layout=False', {"layout"}),
    "the argument": ("return c * xp.tanh(x / c)", "x /= c; return c * xp.tanh(x)", {"leaves_arguments_alone"}),
    "the docstring": ('    """c · tanh(x / c): x, held softly within (−c, c)"""\n', "", {"documented"}),
}


@pytest.mark.parametrize("what", by_turns(WRONG, 4))
@pytest.mark.filterwarnings("ignore")
def test_a_mistake_is_noticed(what: str, add: Add) -> None:
    right, wrong, noticed = WRONG[what]
    assert right in DECLARATION
    _, row = add(DECLARATION.replace(right, wrong))
    assert failed(row) >= noticed


def test_an_op_that_torch_lacks_must_say_so(add: Add) -> None:
    add(pair=re.sub(r", ours_alone=.*\)", ")", PAIR))
    with pytest.raises(AssertionError, match="torch has no softcap: its row must say why, ours_alone="):
        test_completeness.test_op_has_a_docstring_and_torchs_name("softcap")


def test_an_op_without_a_row_is_noticed(add: Add) -> None:
    add()
    rows.pop()
    with pytest.raises(AssertionError, match="softcap"):
        test_completeness.test_every_op_has_a_row()


def test_what_torch_has_is_not_ours_alone(add: Add) -> None:
    reference.rows.activation.pair("relu", np.tanh, ours_alone="a lie")
    with pytest.raises(AssertionError, match="torch has relu"):
        test_completeness.test_op_has_a_docstring_and_torchs_name("relu")
