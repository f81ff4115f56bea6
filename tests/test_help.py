"""What a user sees who asks: `help`, `inspect` and IPython's `?` show each op as it is called, and its source with its derivatives."""

from __future__ import annotations

import functools
import inspect
import pydoc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.op import Array, Op, op, ops, registry
from minitorch.tensor.methods import TensorMethods
from reference.strategies import Source
from reference.table import Row, flat, table, tensors

pytestmark = pytest.mark.outside

NAMES = sorted(registry)


def shown(thing: Any) -> str:
    """What `help(thing)` prints."""
    return pydoc.render_doc(thing, renderer=pydoc.plaintext)


# ---- help ----


def test_help_of_an_op() -> None:
    title, _, signature, formula, *_ = shown(minitorch.mul).splitlines()
    assert title == "Python Library Documentation: Row in module minitorch.ops.elementwise"
    assert signature == (
        "mul(input: 'Tensor | Number', other: 'Tensor | Number', *, out: 'Tensor | None' = None) -> 'Tensor'"
    )
    assert formula.strip() == "a · b"


@pytest.mark.parametrize(
    ("name", "derivatives"),
    [
        ("mul", ["∂L/∂a = g * b", "∂L/∂b = g * a"]),
        ("exp", ["∂L/∂x = g * out"]),
        ("sum", ["∂L/∂x_i = g"]),
        ("softmax", ["∂L/∂x = p · (g − ⟨g, p⟩)"]),
        ("cat", ["∂L/∂xₖ = the part of g that came from xₖ"]),
        ("cross_entropy", ["∂L/∂x = h − p Σ h with h = ∂L/∂ln p"]),
    ],
)
def test_help_lists_the_derivatives(name: str, derivatives: list[str]) -> None:
    text = shown(getattr(minitorch, name))
    assert all(told in text for told in derivatives)


@pytest.mark.parametrize("name", NAMES)
def test_help_shows_the_call_and_the_formula(name: str) -> None:
    thing = getattr(minitorch, name)
    text = shown(thing)
    assert f"\n{thing.__name__}{inspect.signature(thing)}" in text
    assert inspect.getdoc(thing).splitlines()[0] in text


@pytest.mark.parametrize("name", [n for n in NAMES if inspect.isfunction(getattr(minitorch.Tensor, n, None))])
def test_help_of_a_method(name: str) -> None:
    method = getattr(minitorch.Tensor, name)
    text = shown(method)
    assert f"\n{method.__name__}(self" in text  # (moveaxis is movedim)
    assert inspect.getdoc(method).splitlines()[0] in text


def test_an_op_in_a_class_is_no_method() -> None:
    class Layer:
        activation = minitorch.exp

    assert Layer().activation(minitorch.zeros(2)).tolist() == [1.0, 1.0]


# ---- the signature ----


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (minitorch.add, "(input, other, *, alpha=1, out=None)"),
        (minitorch.cat, "(tensors, dim=0, *, out=None)"),
        (minitorch.gather, "(input, dim, index, *, out=None)"),
        (minitorch.clamp, "(input, min=None, max=None, *, out=None)"),
        (minitorch.transpose, "(input, dim0, dim1)"),  # a view
        (minitorch.softmax, "(input, dim, dtype=None)"),
        (minitorch.var, "(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None)"),
        (minitorch.Tensor.mul, "(self, other)"),
        (minitorch.Tensor.softmax, "(self, dim, dtype=None)"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_names_and_defaults(function: Callable, signature: str) -> None:
    found = inspect.signature(function)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in found.parameters.values()]
    assert str(inspect.Signature(bare)) == signature


def test_types() -> None:
    found = {n: p.annotation for n, p in inspect.signature(minitorch.clamp).parameters.items()}
    number = "Tensor | Number | None"
    assert found == {"input": "Tensor", "min": number, "max": number, "out": "Tensor | None"}
    assert inspect.signature(minitorch.sort).return_annotation == "tuple[Tensor, Tensor]"
    assert inspect.signature(minitorch.split).return_annotation == "tuple[Tensor, ...]"


def test_types_of_an_op_whose_annotations_are_no_strings() -> None:
    def forward(xp, x, n=1, rest=None):
        return x

    forward.__annotations__ = {"x": Array | None, "n": int | None}
    found = op(forward, public=False).declaration.signature()
    ops.pop()
    assert [p.annotation for p in found.parameters.values()] == ["Tensor | None", "int | None", "Any", "Tensor | None"]


def test_only_the_first_two_inputs_have_torchs_names() -> None:
    @op(public=False)
    def weighted(xp, x: Array, a: Array, b: Array):
        return x * a + b

    ops.pop()
    assert list(inspect.signature(weighted).parameters) == ["input", "a", "b", "out"]
    one = minitorch.ones(1)
    assert weighted(input=one, a=2 * one, b=3 * one).item() == 5


OPS = [row for row in table() if isinstance(registry.get(row.name), Op) and row._ours is None]


@pytest.mark.parametrize("row", OPS, ids=[f"{k}-{row}" for k, row in enumerate(OPS)])
def test_each_name_is_taken_as_a_keyword(row: Row) -> None:
    function = row.ours
    for seed in range(3):
        case = tensors(row.draw(Source(seed)), minitorch, np.float64, [])
        try:
            want = row.call(function, case)
        except Exception:
            continue
        by_place = [n for n in case if row.is_positional(n)]
        names = dict(zip(by_place, inspect.signature(function).parameters))
        if function.declaration.variadic:
            assert by_place[0] in ("x", "xs")
        have = function(**{names.get(n, n): value for n, value in case.items()})
        for a, b in zip(flat(have), flat(want)):
            assert np.array_equal(a.numpy(), b.numpy(), equal_nan=a.is_floating_point())


PUBLIC = {row.name: row for row in table() if registry.get(row.name) is row.ours}


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_out_is_in_the_signature_if_a_call_takes_it(name: str) -> None:
    row = PUBLIC[name]
    case = tensors(row.draw(Source(0)), minitorch, np.float64, [])
    with pytest.raises(Exception, match="out") as refusal:
        row.call(functools.partial(row.ours, out="no tensor"), case)
    takes = "argument 'out' must be Tensor" in str(refusal.value)
    assert ("out" in inspect.signature(row.ours).parameters) == takes


# ---- the source ----


def test_source_of_a_row() -> None:
    assert inspect.getsource(minitorch.mul) == (
        'mul = row("mul", "a · b", lambda xp, a, b: a * b, lambda g, b: g * b, lambda g, a: g * a, exact="a b", wraps_numbers=True)\n'
    )


def test_source_of_an_op_ends_in_its_derivatives() -> None:
    source = inspect.getsource(minitorch.logsumexp)
    assert source.startswith("@op(")
    assert "def logsumexp(xp: Any, x: Array" in source
    assert "@logsumexp.grad\ndef logsumexp_grad(" in source


def test_source_of_a_row_holds_the_functions_that_it_names() -> None:
    assert "sub = row(" in (source := inspect.getsource(minitorch.sub))
    assert "def _sub(xp" in source
    assert "def _steps(" in inspect.getsource(minitorch.floor)


def declared(file: str) -> Op:
    """An op declared in that file, as its code says."""
    made: dict[str, Any] = {"op": op, "Array": Array}
    exec(compile("@op(public=False)\ndef typed_in(xp, x: Array): return x", file, "exec"), made)
    ops.pop()
    return made["typed_in"]


def test_source_of_an_op_that_was_typed_in() -> None:
    with pytest.raises(OSError, match="source"):
        inspect.getsource(declared("<stdin>"))


def test_source_of_an_op_whose_file_is_being_edited(tmp_path: Path) -> None:
    (tmp_path / "op.py").write_text("@op(public=False)\ndef typed_in(xp, x: Arr")
    thing = declared(str(tmp_path / "op.py"))
    assert thing.__wrapped__ is thing.forward


@pytest.mark.parametrize("thing", ops, ids=lambda thing: thing.__name__)
def test_source_is_the_ops_own(thing: Op) -> None:
    source = inspect.getsource(thing)
    compile(source, "shown", "exec")
    file, line = inspect.getsourcefile(inspect.unwrap(thing)).rsplit(":", 1)
    with open(file, encoding="utf-8") as text:
        assert source.splitlines()[0].strip() in text.readlines()[int(line) - 1]
    for function in (thing.forward, *(d.function for d in thing.derivatives)):
        assert inspect.getsource(function).strip().splitlines()[0] in source


@pytest.mark.parametrize("name", [n for n in NAMES if not isinstance(registry[n], Op)])
def test_source_of_a_composite(name: str) -> None:
    assert inspect.getsource(registry[name]).lstrip().startswith("@composite")  # one may be made by a function


METHODS = [n for family in TensorMethods.__mro__[1:-1] for n, f in vars(family).items() if inspect.isfunction(f)]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_its_own_name(name: str) -> None:
    assert getattr(minitorch.Tensor, name).__name__ == name
