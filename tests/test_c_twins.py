"""Recurrent layers, convolution and pooling in C compute what their formulas say; and where no C is to be had, NumPy computes.

The check and the calls are those of `test_twins.py`: odd layouts, nan and infinity, ties, packed sequences, groups and dilation.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import test_twins
from planting import Fault
from test_twins import CALLS, TWINS, Draw, compare, cut, tupled

import minitorch
from minitorch.arrays.device import shortcuts
from minitorch.kernels.c import blas, convolution, library, pooling, toolchain
from minitorch.op import Op
from minitorch.ops.fold import Sliding

pytestmark = [
    pytest.mark.skipif(not shortcuts.enabled, reason="formulas are all there is"),
    pytest.mark.skipif(
        not library.is_available() or blas.blas() is None, reason="there is no C compiler, or no BLAS that C can call"
    ),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
NAMES = ("lstm_layer", "gru_layer", "rnn_layer", "conv", "conv_transpose", "conv_weight", "max_pool")
IN_C = [op for op in TWINS if op.__name__ in NAMES]
HEADERS = {"conv": "convolution", "conv_transpose": "convolution", "conv_weight": "convolution", "max_pool": "pooling"}


def check(op: Op, seed: int, dtype: str, block: int = 3, threads: int = 2) -> int:
    few = mock.patch.multiple(convolution, WIDE=[1, 64][seed % 2], LARGE=[3, 1 << 17][seed // 2 % 2])
    with cut(block, threads), few:
        return compare(op, Draw(seed, dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("op", IN_C, ids=lambda op: op.__name__)
def test_c_gives_what_the_formula_gives(op: Op, dtype: str) -> None:
    for seed in range(20):
        check(op, seed, dtype, block=[1, 3, 16, 1 << 17][seed % 4], threads=1 + seed % 3)


@pytest.mark.parametrize("op", IN_C, ids=lambda op: op.__name__)
def test_c_serves_most_calls(op: Op) -> None:
    twins = len(op.twin_derivatives.get("cpu", ())) + 1
    served = sum(check(op, seed, "float32") for seed in range(30))
    assert served > 30 * twins * 0.5
    header = HEADERS.get(op.__name__, "recurrent")
    assert any(of == header and function is not None for (of, *_), function in library._functions.items()), "C was asked"


@pytest.mark.parametrize("op", IN_C, ids=lambda op: op.__name__)
def test_the_number_of_threads_changes_no_bit(op: Op) -> None:
    for seed in range(8):
        args = CALLS[op.__name__](Draw(seed, "float32"))
        found = []
        for threads in (1, 2, 3):
            with cut(1, threads), mock.patch.object(convolution, "LARGE", 1):
                found.append(tupled(op.twins["cpu"](np, *args.values())))
        for other in found[1:]:
            assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found[0], other) if a is not None)


def test_arrays_without_numbers() -> None:
    x = minitorch.zeros((0, 2, 5, 5), requires_grad=True)
    y = minitorch.nn.functional.conv2d(x, minitorch.zeros(3, 2, 3, 3))
    minitorch.nn.functional.max_pool2d(y, 2).sum().backward()
    assert x.grad.shape == (0, 2, 5, 5)
    out, _ = minitorch.nn.LSTM(2, 3)(minitorch.zeros(4, 0, 2))
    assert out.shape == (4, 0, 3)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_a_derivative_is_differentiated_by_the_formula(kind: str) -> None:
    """The second derivative is the same with C and without."""

    def found() -> list:
        minitorch.manual_seed(0)
        net = getattr(minitorch.nn, kind)(2, 3, dtype=minitorch.float64)
        x = minitorch.randn(4, 2, 2, dtype=minitorch.float64, requires_grad=True)
        out = net(x)[0]
        (gradient,) = minitorch.autograd.grad(out.square().sum(), x, create_graph=True)
        (gradient.square().sum() + out.sum()).backward()
        return [x.grad.numpy(), *(p.grad.numpy() for p in net.parameters())]

    with minitorch.backends.c.flags(enabled=False):
        want = found()
    assert all(np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(found(), want, strict=True))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_convolution_holds_few_columns(threads: int) -> None:
    for samples, channels, size in [(32, 8, 28), (2, 64, 28), (1, 16, 64)]:
        test_twins.test_a_convolution_holds_few_columns(samples, channels, size, threads)


def test_channels_that_are_one_memory() -> None:
    x, w = np.broadcast_to(np.arange(4.0).reshape(2, 1, 2), (2, 3, 2)), np.arange(6.0).reshape(2, 3, 1)
    found = convolution.convolution(x, w, None, Sliding.over((2,), (1,), (1,), (0,), (1,)), 1)
    assert np.array_equal(found, np.einsum("oc,ncp->nop", w[:, :, 0], x))


# ---- the library ----


@pytest.fixture
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no kernel had been asked for."""
    monkeypatch.setattr(library, "_functions", {})
    monkeypatch.setattr(library.state, "reason", "")
    yield


def lstm() -> Any:
    return library.kernel("recurrent", "lstm", np.dtype("float32"))


@pytest.mark.usefixtures("nothing_loaded")
def test_the_switch() -> None:
    assert minitorch.backends.c.enabled and minitorch.backends.c.is_available() and lstm() is not None
    with minitorch.backends.c.flags(enabled=False):
        assert lstm() is None and not minitorch.backends.c.enabled
    minitorch.backends.c.enabled = False
    try:
        assert lstm() is None
    finally:
        minitorch.backends.c.enabled = True
    assert lstm() is not None
    with pytest.raises(RuntimeError, match="expects a bool"):
        minitorch.backends.c.enabled = 1  # type: ignore[assignment]


@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize("lacks", ["a compiler", "a folder", "BLAS", "a library that loads"])
def test_without_c_numpy_computes(lacks: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    want = minitorch.nn.functional.conv2d(minitorch.ones(2, 3, 5, 5), minitorch.ones(4, 3, 3, 3))
    library._functions.clear()
    if lacks == "a compiler":
        monkeypatch.setenv("CC", "a-compiler-that-is-not-there")
    elif lacks == "a folder":
        monkeypatch.setattr(toolchain, "kept_in", lambda: None)
    elif lacks == "BLAS":
        monkeypatch.setattr(blas, "blas", lambda: None)
    else:
        (tmp_path / "text.so").write_text("this is no library")
        monkeypatch.setattr(toolchain, "_place", lambda *_: tmp_path / "text.so")
    assert lstm() is None and library.state.reason and not minitorch.backends.c.is_available()
    net = minitorch.nn.GRU(3, 4)
    net(minitorch.randn(5, 2, 3))[0].sum().backward()
    have = minitorch.nn.functional.conv2d(minitorch.ones(2, 3, 5, 5), minitorch.ones(4, 3, 3, 3))
    assert minitorch.equal(have, want)


@pytest.mark.usefixtures("nothing_loaded")
def test_ctrl_c_while_it_compiles_leaves_all_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(toolchain, "library", mock.Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lstm()
    assert lstm() is not None and not library.state.reason


@pytest.mark.slow
def test_several_processes_make_a_library_at_once(tmp_path: Path) -> None:
    code = "import minitorch; minitorch.nn.LSTM(2, 3)(minitorch.zeros(5, 1, 2)); from minitorch.kernels.c import library as l; print(len(l._functions))"
    told = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    each = [subprocess.Popen([sys.executable, "-c", code], env=told, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert {process.communicate(timeout=100)[0].strip() for process in each} == {"12"}  # six functions, of two types
    assert len(list((tmp_path / "minitorch").iterdir())) == 1


def test_blas_has_its_threads_back() -> None:
    told = blas._threads_of_numpy()
    if told is None:
        pytest.skip("NumPy is not linked with OpenBLAS")
    before = told[0]()
    with blas.by_one_thread(), blas.by_one_thread():
        assert told[0]() == 1
        if hasattr(os, "fork"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks where there are threads
                child = os.fork()
            if not child:
                os._exit(int(told[0]() != before))
            assert os.waitpid(child, 0)[1] == 0, "a forked process is not in the block"
    assert told[0]() == before


# ---- planted faults ----

UNEVEN_WINDOWS = Fault(
    pooling.line, "not (np.array_equal(all_windows[inside], windows) and np.array_equal(seen[inside], elements))", "False"
)
FAULTS_IN_C = [
    ("recurrent.h", "k > 0 ? sizes[before] : 0", "sizes[t]"),
    ("recurrent.h", "to[c * rows + r] =", "to[r * columns + c] ="),
    ("recurrent.h", "reverse ? at.begin + at.n :", "reverse ? at.begin :"),
    ("convolution.h", "n > 0, sum", "0, sum"),
    ("convolution.h", "b[g * O + o]", "b[o]"),
    ("pooling.h", "(v > b)", "(v >= b)"),
    ("pooling.h", "dx[k * plane + indices[o]] += g[o]", "dx[k * plane + indices[o]] = g[o]"),
]
FAULTS = [
    Fault(convolution._planes, "x if lies and apart and whole else", "x if apart and whole else"),
    Fault(convolution._ways, "s // x.itemsize for", "math.prod(x.shape[2:]) for"),
    Fault(convolution.convolution_weight, "sums.sum(0)", "sums[0]"),
    Fault(convolution.shared, "count * k // threads", "count * k // (threads + 1)"),
    UNEVEN_WINDOWS,
    Fault(pooling.max_pooling, "not x.flags.c_contiguous", "False"),
]


def noticed(headers: tuple[str, ...]) -> bool:
    ops = [op for op in IN_C if HEADERS.get(op.__name__, "recurrent") in headers]
    return any(fails(partial(check, op, seed, "float32")) for seed in range(60) for op in ops)


def fails(run: Callable[[], Any]) -> bool:
    try:
        run()
    except AssertionError:
        return True
    return False


@pytest.mark.slow
@pytest.mark.usefixtures("nothing_loaded")
@pytest.mark.parametrize(("header", "was", "becomes"), FAULTS_IN_C)
def test_a_fault_in_c_is_noticed(
    header: str, was: str, becomes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in toolchain.HEADERS.glob("*.h"):
        text = each.read_text()
        if each.name == header:
            assert text.count(was) == 1, f"{was} is {text.count(was)} times in {header}"
            text = text.replace(was, becomes)
        (tmp_path / each.name).write_text(text)
    monkeypatch.setattr(toolchain, "HEADERS", tmp_path)
    assert noticed((header.removesuffix(".h"),))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_noticed(fault: Fault) -> None:
    with fault.planted():
        assert noticed(("convolution", "pooling"))


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one number for all places": lambda x: np.broadcast_to(x[..., :1], x.shape),
    "one sample for all": lambda x: np.broadcast_to(x[:1], x.shape),
    "one channel for all": lambda x: np.broadcast_to(x[:, :1], x.shape),
    "every second place": lambda x: np.repeat(x, 2, -1)[..., ::2],
    "places first": lambda x: np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1),
    "in rows": np.ascontiguousarray,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shape", [(3, 2, 7), (1, 1, 7), (2, 2, 5, 6)])
def test_a_convolution_of_planes_that_lie_otherwise(layout: str, shape: tuple[int, ...]) -> None:
    """Strided arrays are read as they lie, or copied; either way the result is that of their copy."""
    rng = np.random.default_rng(len(layout))
    x, dims = LAYOUTS[layout](rng.normal(size=shape)), len(shape) - 2
    w, how = rng.normal(size=(3, shape[1], *[3] * dims)), as_sliding(shape[2:])
    y = LAYOUTS[layout](rng.normal(size=(shape[0], 3, *how.places)))
    for made, copied in [
        (convolution.convolution(x, w, None, how, 1), convolution.convolution(x.copy(), w, None, how, 1)),
        (
            convolution.convolution_transposed(y, w, None, how, 1),
            convolution.convolution_transposed(y.copy(), w, None, how, 1),
        ),
        (convolution.convolution_weight(x, y, how, 1), convolution.convolution_weight(x.copy(), y.copy(), how, 1)),
    ]:
        assert np.array_equal(made, copied)


def as_sliding(size: tuple[int, ...]) -> Sliding:
    """Of kernels of three places a dimension, without padding."""
    n = len(size)
    return Sliding(size, (3,) * n, (1,) * n, (0,) * n, (1,) * n, tuple(k - 2 for k in size))
