"""The stand-in for CuPy is as strict as CuPy is: what it refuses, has no name for, wraps around, leaves undefined, counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from reference.strict_cupy import counting, cupy, cupyx

pytestmark = pytest.mark.usefixtures("stand_in")

x, host = cupy.arange(6.0).reshape(2, 3), np.ones((2, 3))

REFUSED: dict[str, Callable[[], Any]] = {
    "np.asarray(x)": lambda: np.asarray(x),
    "x + host": lambda: x + host,
    "host + x": lambda: host + x,
    "x += host": lambda: x.__iadd__(host),
    "np.add(host, x)": lambda: np.add(host, x),
    "exp(host)": lambda: cupy.exp(host),
    "exp(list)": lambda: cupy.exp([1.0]),
    "sum(host)": lambda: cupy.sum(host),
    "concatenate": lambda: cupy.concatenate([x, host]),
    "x[host]": lambda: x[np.array([0])],
    "x[...] = host": lambda: x.__setitem__(..., host),
    "host[...] = x": lambda: host.__setitem__(..., x),
    "sum(where=)": lambda: x.sum(where=x > 0),
    "max(initial=)": lambda: x.max(initial=0),
    "exp(where=)": lambda: cupy.exp(x, where=x > 0),
    "clip(min=)": lambda: cupy.clip(x, min=0),
    "std(correction=)": lambda: cupy.std(x, correction=1),
    "argsort(stable=)": lambda: cupy.argsort(x, stable=True),
    "take(mode=)": lambda: x.take(cupy.arange(2), mode="clip"),
    "zeros(device=)": lambda: cupy.zeros(3, device="cpu"),
    "object": lambda: cupy.array(np.array([None])),
    "str": lambda: cupy.array(np.array(["a"])),
    "repeat by an array": lambda: cupy.repeat(x, cupy.arange(6)),
    "add(x, None)": lambda: cupy.add(x, None),
    "x as an index": lambda: [1, 2][cupy.array(np.array(0))],
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises((TypeError, ValueError)):
        REFUSED[name]()


@pytest.mark.parametrize(
    "name", ["vecdot", "matvec", "einsum_path", "unstack", "insert", "geomspace", "spacing", "asmatrix"]
)
def test_names_that_only_numpy_has(name: str) -> None:
    with pytest.raises(AttributeError):
        getattr(cupy, name)


def test_ufunc_methods_that_only_numpy_has() -> None:
    for call in (lambda: cupy.maximum.accumulate(x), lambda: cupy.logaddexp.reduce(x), lambda: cupy.multiply.at(x, 0, 1.0)):
        with pytest.raises(NotImplementedError):
            call()


def test_indices_wrap_around_and_results_are_arrays() -> None:
    i = cupy.array(np.array([7, -7]))
    assert cupy.arange(5)[i].tolist() == [2, 3]
    assert cupy.arange(5).take(i).tolist() == [2, 3]
    y = cupy.zeros(5)
    y[i] = 1.0
    cupy.add.at(y, i, cupy.ones(2))
    assert y.tolist() == [0, 0, 2, 2, 0]
    with pytest.raises(IndexError):
        y[7]
    assert isinstance(x.sum(), cupy.ndarray) and isinstance(x[0, 0], cupy.ndarray) and x.sum().ndim == 0


def test_what_is_not_defined_is_other_than_numpys() -> None:
    i = cupy.array(np.array([1, 1, 0]))
    y = cupy.zeros(2)
    y[i] = cupy.array(np.array([5.0, 6.0, 7.0]))
    assert y.tolist() == [7, 5], "of repeated indices any value may stay"
    y = cupy.zeros(2, "float16")
    cupy.add.at(y, i * 0, cupy.array(np.array([2048, 1, 1], "float16")))
    assert y.tolist() == [2050, 0], "sums of repeated indices may round in any order"  # 2048 + 1 is 2048 in float16
    nan = cupy.array(np.array([[0.0, np.nan, np.nan], [3.0, 4.0, 5.0]]))
    assert nan.argmax(1).tolist() == [2, 2] and nan.argmin().tolist() == 2, "of several nan any may be found"


def test_denormals_of_float32_are_flushed() -> None:
    tiny = cupy.array(np.array([1e-39, -1e-39, 1.0], "float32"))
    assert (tiny * 2).tolist() == [0, 0, 2] and np.signbit((tiny * 2).get()).tolist() == [False, True, False]
    assert (cupy.array(np.array([1e-20], "float32")) ** 2).tolist() == [0]
    assert (tiny.astype("float64") * 2).tolist()[0] > 0


def test_dtypes_are_cupys() -> None:
    byte = cupy.array(np.array([True]))
    assert cupy.signbit(cupy.arange(3)).dtype == bool and (byte * 2).dtype == "int64"
    assert (cupy.ones(1, "float32") * 2.0).dtype == "float32" and (
        cupy.ones(1, "float32") * np.float64(2)
    ).dtype == "float64"
    with pytest.raises(TypeError, match="Wrong type"):
        cupy.bitwise_and(x, x)
    for dtype in ("bool", "int64", "int8", minitorch.bfloat16.numpy):
        with pytest.raises(TypeError, match="scatter_add only supports"):
            cupy.add.at(cupy.zeros(1, dtype), cupy.arange(1), cupy.zeros(1, dtype))


def test_bfloat16_is_not_moved_as_it_is() -> None:
    """`where` has no loop for it, and what is made of `where` none either."""
    for size in (0, 2):
        half = cupy.zeros((size, size), minitorch.bfloat16.numpy)
        assert (half + half).dtype == half.dtype
        for made in (cupy.where(half == 0, half, half), cupy.triu(half), cupy.tril(half, 1)):
            assert made.dtype == "float32" and made.shape == half.shape


def test_what_is_filled_loses_the_sign_of_zero() -> None:
    """What equals 0 is written by memset, and so is an array of no dimensions that comes from the host."""
    minus = np.array([-0.0, 1.0])
    y = cupy.ones(2)
    y.fill(-0.0)
    z = cupy.ones(2)
    z[:1] = -0.0
    for zero in (cupy.array(minus[0]), cupy.asarray(-0.0), cupy.asarray(np.array(-0.0)), y, z[:1]):
        assert not np.signbit(zero.get()).any()
    for kept in (cupy.asarray(minus), cupy.full(2, -0.0), cupy.zeros(2) * -1.0):
        assert np.signbit(kept.get())[0]


def test_names_that_are_going_are_refused() -> None:
    for call in (lambda: cupyx.scatter_add, lambda: x.scatter_add, lambda: cupyx.scatter_max):
        with pytest.raises(DeprecationWarning, match="deprecated"):
            call()


def test_a_host_array_first_is_not_refused_in_torchs_words() -> None:
    """A function that calls the method of its first argument ends in NumPy, which asks for `__array__`."""
    for call in (lambda: cupy.dot(host[0], x[0]), lambda: np.dot(host[0], x[0])):
        with pytest.raises(DeprecationWarning, match="__array__"):
            call()


@pytest.mark.parametrize("wait", [bool, float, int, complex, repr, lambda a: a.get(), lambda a: a.item(), lambda a: a.tolist(),
                                  lambda a: a.reshape(1).nonzero(), lambda a: cupy.unique(a), lambda a: cupy.where(a.reshape(1)),
                                  lambda a: a.reshape(1)[a.reshape(1) > 0]])  # fmt: skip
def test_waits_are_counted(wait: Callable[[Any], Any]) -> None:
    a = cupy.ones(())
    with counting() as waits:
        wait(a)
    assert len(waits) == 1 and "test_strict_arrays.py" in waits[0]
