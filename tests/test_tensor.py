"""Tensors beside torch's: creation, promotion, indexing of every kind, and the ways in and out to NumPy."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import minitorch
from both import agree, leaf

# ---- creation ----

CREATIONS = [
    "tensor([1, 2])", "tensor([1.0, 2])", "tensor(True)", "tensor([True, 2])", "tensor([])", "tensor([[1], [2]])", "tensor([[1], [2, 3]])",
    "tensor('a')", "tensor([None])", "tensor(2.5, dtype=lib.int64)", "tensor([lib.tensor(1), lib.tensor(2.5)])", "zeros(2, 3)",
    "zeros((2, 3), dtype=lib.int32)", "zeros(())", "ones([2])", "ones(2, 0)", "zeros(-1)", "zeros(2.5)", "full((2, 2), 7)",
    "full((2,), 0.5)", "full((), True)", "eye(3)", "eye(2, 3)", "eye(-1)", "arange(5)", "arange(1, 6, 2)", "arange(0, 1, 0.25)",
    "arange(5, 0, -2)", "arange(0)", "arange(1, 0)", "arange(3, dtype=lib.float64)", "arange(0, 1, 0)", "arange(2.5)",
    "linspace(0, 1, 5)", "linspace(3, -3, 7)", "linspace(0, 1, 0)", "linspace(0, 1, 1)", "zeros_like(lib.ones(2, 3))",
    "ones_like(lib.tensor([1, 2]))", "full_like(lib.ones(2), 3)", "tril_indices(3, 3)", "triu_indices(2, 3)",
    "zeros(2, requires_grad=True).requires_grad", "zeros(2, dtype=lib.int64, requires_grad=True)", "ones(2).new_zeros(3)",
    "tensor([1]).new_tensor([2.5])", "ones(2).new_full((2,), 4)", "empty(2, 3).shape", "ones(2, 3).size(1)", "ones(2, 3).stride()",
    "ones(2, 3).t().stride()", "ones(2, 3).t().is_contiguous()", "ones(3).to(lib.int64)", "ones(3).long().dtype", "tensor(3.7).int()",
    "tensor([1.0]).item()", "tensor([1.0, 2.0]).item()", "tensor([[1, 2]]).tolist()", "tensor(1.5).tolist()", "len(lib.ones(2, 3))",
    "len(lib.tensor(1))", "list(lib.tensor([1, 2]))", "list(lib.tensor(1))", "bool(lib.tensor([0.5]))", "bool(lib.ones(2))",
    "bool(lib.ones(0))", "int(lib.tensor(3.7))", "float(lib.tensor(3))", "2 in lib.tensor([1, 2])", "[10, 20, 30][lib.tensor(1)]",
    "[10, 20][lib.tensor(1.0)]", "f'{lib.tensor(1.2345):.2f}'", "tensor([1]) == None", "tensor([1.0]) + 'a'", "ones(2) + lib.ones(3)",
    "ones(2, 2).sum(0, keepdim=True)", "ones(2, 2).sum((0, 1))", "ones(2).view(3)", "ones(2).foo",
    "finfo(lib.float32).eps", "iinfo(lib.int8).max", "promote_types(lib.int64, lib.float16)", "can_cast(lib.float32, lib.int64)",
]  # fmt: skip


@pytest.mark.parametrize("code", CREATIONS)
def test_expressions(code: str) -> None:
    starts_with_a_function = code.split("(")[0].isidentifier() and code.split("(")[0] not in (
        "len",
        "list",
        "bool",
        "int",
        "float",
    )
    source = f"lib.{code}" if starts_with_a_function else code
    agree(lambda lib: (lambda value: str(value) if "dtype" in type(value).__name__ else value)(eval(source, {"lib": lib})))


# ---- promotion ----

KINDS = ["uint8", "int8", "int16", "int32", "int64", "bool", "float16", "float32", "float64"]


def operand(lib: Any, kind: str, form: str) -> Any:
    if form == "number":
        return True if kind == "bool" else 3 if "int" in kind else 2.5
    return lib.ones([2] if form == "dims" else [], dtype=getattr(lib, kind))


@pytest.mark.parametrize("left", KINDS)
def test_promotion_of_every_pair(left: str) -> None:
    operations = [
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a / b,
        lambda a, b: a > b,
        lambda a, b: a - b,
        lambda a, b: a**b,
    ]
    for right in KINDS:
        for form in ("dims", "0-d", "number"):
            for other_form in ("dims", "0-d"):
                for operation in operations:
                    pair = ((left, other_form), (right, form))
                    for one, two in (pair, pair[::-1]):
                        agree(lambda lib: str(operation(operand(lib, *one), operand(lib, *two)).dtype))  # noqa: B023


def test_default_dtype() -> None:
    def scenario(lib: Any) -> Any:
        lib.set_default_dtype(lib.float64)
        try:
            return [
                str(x.dtype) for x in (lib.tensor(1.5), lib.ones(1), lib.tensor([1]) / 2, lib.ones(1, dtype=lib.int64) * 0.5)
            ]
        finally:
            lib.set_default_dtype(lib.float32)

    agree(scenario)


# ---- NumPy ----


def test_numpy_scalars_on_either_side_keep_the_tensor() -> None:
    def scenario(lib: Any) -> Any:
        x = leaf(lib, 1.0, 2.0)
        y = np.float32(2) * x + np.float64(1) - (np.int64(3) - x) / np.float64(2)
        y.sum().backward()
        return y, x.grad

    agree(scenario)


def test_memory_is_shared_with_numpy() -> None:
    def scenario(lib: Any) -> Any:
        array = np.arange(4.0)
        t = lib.from_numpy(array)
        array[0] = 10
        t[1] = 20
        t.numpy()[2] = 30
        copied = lib.tensor(array)
        array[3] = 40
        return t, copied, np.asarray(t).tolist(), array.tolist(), np.from_dlpack(t).tolist(), lib.from_dlpack(array)

    agree(scenario)


def test_numpy_refuses_what_requires_grad() -> None:
    agree(lambda lib: leaf(lib, 1.0).numpy())
    agree(lambda lib: leaf(lib, 1.0).numpy(force=True).tolist())
    agree(lambda lib: lib.from_numpy([1.0]))
    agree(lambda lib: lib.from_numpy(np.array(["a"])))
    agree(lambda lib: lib.from_numpy(np.arange(3)[::-1]))


def test_views_share_memory() -> None:
    def scenario(lib: Any) -> Any:
        x = lib.arange(12).reshape(3, 4)
        views = [
            x.t(),
            x[1:],
            x.view(-1),
            x.unsqueeze(0),
            x.flatten(),
            x[:, 1],
            x.diagonal(),
            x.expand(2, 3, 4),
            x.permute(1, 0),
        ]
        copies = [x[[0, 1]], x[x > 3], x.clone(), x + 0, x.t().reshape(-1), x.flip(0), x.repeat(1, 1)]
        x.mul_(10)
        return views, copies

    agree(scenario)


def test_copies_of_objects() -> None:
    def scenario(lib: Any) -> Any:
        x = leaf(lib, 1.0, 2.0)
        x.sum().backward()
        deep, pickled = copy.deepcopy(x), pickle.loads(pickle.dumps(x))
        return deep, deep.requires_grad, deep.grad, pickled, pickled.requires_grad

    agree(scenario)
    agree(lambda lib: copy.deepcopy(leaf(lib, 1.0) * 2))


# ---- indexing ----


@st.composite
def keys(draw: Any) -> tuple[tuple[int, ...], Any]:
    """A shape and a key for it: basic, advanced, or both mixed, now and then out of bounds."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    kind = draw(st.sampled_from(["basic", "arrays", "mask", "mixed"]))
    if kind == "basic":
        return shape, draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    if kind == "arrays":
        return shape, tuple(draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3))))
    if kind == "mask":
        return shape, draw(hnp.arrays(bool, shape[: draw(st.integers(1, len(shape)))]))
    parts: list[Any] = [slice(None), 0, None, [0, -1], -1, slice(0, 2), Ellipsis, [True] * shape[0], 3]
    return shape, tuple(draw(st.lists(st.sampled_from(parts), max_size=len(shape) + 1)))


def in_library(lib: Any, key: Any) -> Any:
    if isinstance(key, tuple):
        return tuple(in_library(lib, k) for k in key)
    return lib.from_numpy(np.array(key)) if isinstance(key, np.ndarray) else key


@given(keys())
def test_reading_at_a_key(drawn: tuple) -> None:
    shape, key = drawn

    def scenario(lib: Any) -> Any:
        x = (lib.arange(int(np.prod(shape))).reshape(shape).double() + 1).requires_grad_()
        y = x[in_library(lib, key)]
        (y * y).sum().backward()
        return y, x.grad, tuple(y.shape), (x * 1)[in_library(lib, key)]._is_view()

    agree(scenario)


@given(keys(), st.sampled_from(["number", "tensor", "same"]))
def test_writing_at_a_key(drawn: tuple, kind: str) -> None:
    shape, key = drawn

    def scenario(lib: Any) -> Any:
        x = (lib.arange(int(np.prod(shape))).reshape(shape).double() + 1).requires_grad_()
        v = lib.tensor(7.0, dtype=lib.float64, requires_grad=True)
        y = x * 1
        where = in_library(lib, key)
        if kind == "number":
            y[where] = 5
        elif kind == "tensor":
            y[where] = v
        else:
            y[where] = y.detach()[where] * 2 + v
        (y * y).sum().backward()
        return y, x.grad, v.grad, y._version

    agree(scenario)


def test_negative_steps_are_refused() -> None:
    agree(lambda lib: lib.arange(4)[::-1])
    agree(lambda lib: lib.arange(4)[1.5])
    agree(lambda lib: lib.arange(4)[lib.tensor([4])])
    agree(lambda lib: lib.arange(4)[0, 0])
    with pytest.raises(IndexError, match="index 5 is out of bounds for dimension 0 with size 3"):
        minitorch.ones(3)[5]


def test_versions_of_the_oracle() -> None:
    assert torch.__version__.startswith("2.13.0"), "parity is claimed against torch 2.13.0"
