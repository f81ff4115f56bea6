"""Tensors print as torch's do, character for character."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

import minitorch

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
SPECIAL = [0.0, -0.0, math.nan, math.inf, -math.inf, 1.0, 1000.0, 1001.0, 1e-4, 1e8, 9.99999]


@contextmanager
def printing(**options: object) -> Iterator[None]:
    """The same print options in both libraries; back to the usual ones afterwards."""
    minitorch.set_printoptions(**options)
    torch.set_printoptions(**options)
    try:
        yield
    finally:
        minitorch.set_printoptions(profile="default")
        torch.set_printoptions(profile="default")


@contextmanager
def default_dtype(name: str) -> Iterator[None]:
    minitorch.set_default_dtype(getattr(minitorch, name))
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        minitorch.set_default_dtype(minitorch.float32)
        torch.set_default_dtype(torch.float32)


@st.composite
def arrays(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES) -> np.ndarray:
    """Arrays of every kind that prints differently: whole, wide-ranging, tiny, huge, special, empty, long."""
    name = np.dtype(draw(st.sampled_from(dtypes)))
    long = st.sampled_from([(1000,), (1001,), (40, 40), (3, 400), (400, 3), (11, 10, 10), (2000, 1), (1, 2000)])
    shape = draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9) | long)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if name.kind == "b":
        return np.asarray(random.random(shape) < 0.5)
    if name.kind in "iu":
        low = draw(st.sampled_from([0, np.iinfo(name).min]))
        high = draw(st.sampled_from([0, 9, 100, np.iinfo(name).max]))
        return np.asarray(random.integers(low, high, shape, dtype=name, endpoint=True))
    magnitude = draw(st.sampled_from([0, 1, 4, 8, 30, -4, -6, -30]))
    spread = draw(st.sampled_from([0, 1, 3, 6]))
    values = random.standard_normal(shape) * 10.0 ** (magnitude + spread * random.standard_normal(shape))
    values = np.round(values) if draw(st.booleans()) else values
    special = draw(st.lists(st.sampled_from(SPECIAL), min_size=1))
    values = np.where(random.random(shape) < draw(st.sampled_from([0, 0.3, 1])), random.choice(special, shape), values)
    with np.errstate(all="ignore"):
        return np.asarray(values, dtype=name)


def assert_prints_alike(ours: minitorch.Tensor, theirs: torch.Tensor) -> None:
    assert repr(ours) == repr(theirs).replace("torch.", "minitorch.")


@given(arrays(), st.sampled_from(["float16", "float32", "float64"]))
def test_prints_as_torch(array: np.ndarray, default: str) -> None:
    with default_dtype(default):
        assert_prints_alike(minitorch.from_numpy(array), torch.from_numpy(array))


@given(arrays(dtypes=("float32", "float64")))
def test_says_what_autograd_knows(array: np.ndarray) -> None:
    ours, theirs = minitorch.from_numpy(array).requires_grad_(), torch.from_numpy(array).requires_grad_()
    assert_prints_alike(ours, theirs)
    assert_prints_alike(ours * 1, theirs * 1)
    assert repr(minitorch.nn.Parameter(ours.detach())).startswith("Parameter containing:\ntensor(")
    assert_prints_alike(minitorch.nn.Parameter(ours.detach()), torch.nn.Parameter(theirs.detach()))


options = st.fixed_dictionaries(
    {
        "precision": st.integers(0, 7),
        "edgeitems": st.integers(0, 4),
        "threshold": st.sampled_from([0, 5, 1000, 3000]),
        "linewidth": st.integers(10, 120),
        "sci_mode": st.sampled_from([None, True, False]),
    }
)


@given(arrays(), options)
def test_print_options(array: np.ndarray, options: dict[str, object]) -> None:
    with printing(**options):
        assert_prints_alike(minitorch.from_numpy(array), torch.from_numpy(array))


@pytest.mark.parametrize("profile", ["short", "default", "full"])
def test_profiles(profile: str) -> None:
    array = np.linspace(0, 1, 1200, dtype=np.float32)
    with printing(linewidth=50, precision=1), printing(profile=profile):
        assert_prints_alike(minitorch.from_numpy(array), torch.from_numpy(array))


def test_options_that_are_not_named_stay() -> None:
    array = np.array([3.14159, 2.71828], dtype=np.float32)
    with printing(precision=2):
        minitorch.set_printoptions(linewidth=12)
        torch.set_printoptions(linewidth=12)
        assert_prints_alike(minitorch.from_numpy(array), torch.from_numpy(array))


def test_unknown_profile_is_refused() -> None:
    with pytest.raises(ValueError, match="default, short, full, got 'tiny'"):
        minitorch.set_printoptions(profile="tiny")


def test_prints_the_name_of_the_users_own_function() -> None:
    class Double(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = minitorch.tensor([1.0], requires_grad=True)
    assert repr(Double.apply(x)) == "tensor([2.], grad_fn=<DoubleBackward>)"


def test_printing_leaves_the_graph_alone() -> None:
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    before = y.grad_fn, y._version
    repr(y)
    assert (y.grad_fn, y._version) == before
    y.sum().backward()
    assert x.grad.tolist() == [2.0, 4.0]
