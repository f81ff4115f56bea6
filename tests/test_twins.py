"""Twins on the CPU compute what their formulas say: one check for every op that has one, values and gradients, on arrays.

A twin is called as it stands, and so are the op's forward and derivatives; neither the door nor the graph is asked. Arrays are cut
into blocks of a few numbers and given to several threads, so that small ones meet what otherwise only large ones do.
Here NumPy computes; `test_c_twins.py` asks the same of the loops in C.
"""

from __future__ import annotations

import os
import tracemalloc
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

import minitorch
import minitorch.nn.functional as F
from minitorch.kernels.cpu import blocks, convolution, gelu, pieces, relu, softmax
from minitorch.op import Op, ops
from minitorch.ops import pooling
from minitorch.ops.activation import softmax_kernel
from minitorch.ops.class_loss import nll_of_logits
from minitorch.ops.fold import Sliding
from minitorch.ops.normalize import norm
from reference.far import Words

TWINS = [op for op in ops if "cpu" in op.twins or "cpu" in op.twin_derivatives]
IN_NUMPY = [op for op in TWINS if op.__name__ not in ("gru_layer", "rnn_layer")]  # those are in C alone

# ---- what they are called with ----


class Draw:
    """Arrays of one dtype, of numbers and in layouts that give trouble."""

    def __init__(self, seed: int, dtype: str):
        self.rng, self.dtype = np.random.default_rng(seed), dtype

    def one_of(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def size(self) -> int:
        return self.one_of(1, 2, 3, 5, 8, 13)

    def numbers(self, *shape: int, special: bool = True) -> np.ndarray:
        """Of any scale; some of them equal, some infinite or nan."""
        x = np.asarray(self.rng.standard_normal(shape) * self.one_of(1, 1, 4, 0.01) + self.one_of(0, 0, 3))
        if self.rng.random() < 0.2:
            x = np.asarray(np.round(x))
        if special and self.rng.random() < 0.2:
            x[self.rng.random(shape) < 0.2] = self.one_of(np.inf, -np.inf, np.nan, 0.0)
        return self.laid_out(x.astype(self.dtype))

    def laid_out(self, x: np.ndarray) -> np.ndarray:
        """In memory in one of several ways: by rows, by columns, with gaps, backwards, repeated."""
        way = self.one_of("rows", "rows", "columns", "gaps", "backwards", "repeated")
        if not x.ndim or way == "rows":
            return x
        if way == "columns":
            return np.asfortranarray(x)
        if way == "gaps":
            return np.repeat(x, 2, axis=-1)[..., ::2]
        if way == "backwards":
            return np.ascontiguousarray(x[::-1])[::-1]
        return np.broadcast_to(x[:1], x.shape)

    def shape(self, least: int = 1) -> tuple[int, ...]:
        return tuple(self.size() for _ in range(self.rng.integers(least, 5)))


def in_rows(draw: Draw) -> dict:
    x = draw.numbers(*draw.shape())
    return {"x": x, "dim": int(draw.rng.integers(-x.ndim, x.ndim))}


def normalised(draw: Draw) -> dict:
    """As layer, group, instance and batch norm do."""
    A, N, C, L = (draw.size() for _ in range(4))
    shape, dims, of = draw.one_of(
        ((N, C), (1,), (C,)), ((A, N, C), (2,), (C,)), ((A, N, C), (1, 2), (N, C)), ((N, C), (0, 1), (N, C)),
        ((A, N, C, L), (2, 3), (N, C, 1)), ((A, N, L), (2,), (N, 1)), ((N, C), (0,), (C,)), ((A, C, L), (0, 2), (C, 1)),
        ((A, C, N, L), (0, 2, 3), (C, 1, 1)), ((A, N, C), (1,), (N, 1)), ((A, N, C), (0, 2), (C,)), ((A, N, C), (2,), (N, C)),
    )  # fmt: skip
    x = draw.numbers(*shape)
    weight, bias = (draw.one_of(None, draw.numbers(*of, special=False)) for _ in "wb")
    return {"x": x, "weight": weight, "bias": bias, "dims": dims, "eps": draw.one_of(1e-5, 0.1)}


def joined(draw: Draw) -> dict:
    out, n = draw.size(), draw.size()
    x = draw.numbers(*draw.shape()[:3], n)
    bias = draw.one_of(None, draw.numbers(out), draw.numbers(1), draw.numbers(*(1,) * (x.ndim - 1), out))
    return {"x": x, "weight": draw.numbers(out, n), "bias": bias}


def classified(draw: Draw) -> dict:
    N, C = draw.size(), draw.size()
    target, ignored = draw.rng.integers(0, C, N), draw.one_of(-100, 1)
    if draw.rng.random() < 0.5:
        target[draw.rng.random(N) < 0.3] = -100 if ignored == -100 else 0
    weight = draw.one_of(None, None, np.abs(draw.numbers(C, special=False)))
    reduction, smoothing = draw.one_of("mean", "sum", "none"), draw.one_of(0.0, 0.0, 0.1)
    return {"x": draw.numbers(N, C), "target": target, "weight": weight, "reduction": reduction, "ignore_index": ignored,
            "smoothing": smoothing}  # fmt: skip


def pooled(draw: Draw) -> dict:
    """Planes of one to three dimensions; windows beside each other, over each other, with gaps, over the edges, adaptive ones."""
    n = draw.one_of(1, 2, 2, 3)
    x = draw.numbers(*(draw.size() for _ in range(draw.one_of(1, 2))), *(draw.size() for _ in range(n)))
    windows = []
    for size in x.shape[-n:]:
        kernel, stride, dilation = (draw.one_of(*sizes) for sizes in ((1, 2, 3), (1, 2, 3), (1, 1, 2)))
        padding, ceil_mode = draw.one_of(0, kernel // 2), draw.one_of(False, True)
        given = (size, kernel, stride, padding, dilation, ceil_mode)
        fits = pooling.how_many(*given) > 0 and 0 not in pooling.sliding(*given).sizes
        windows.append(pooling.sliding(*given) if fits and draw.rng.random() < 0.9 else pooling.adaptive(size, draw.size()))
    return {"x": x, "windows": tuple(windows)}


def attending(draw: Draw) -> dict:
    batch, L, S, E = draw.shape()[:2], draw.size(), draw.size(), draw.size()
    scores, hidden = (*batch, L, S), draw.one_of((), (S,), (L, S), (1, *batch[1:], 1, S), (*batch, L, S))
    seen = draw.rng.random(hidden) < 0.7
    mask = draw.one_of(None, seen, np.where(seen, 0, -np.inf).astype(draw.dtype), draw.numbers(*hidden, special=False))
    noise = draw.one_of(None, None, np.zeros((), draw.dtype), (2.0 * (draw.rng.random(scores) < 0.5)).astype(draw.dtype))
    fused, causal = draw.one_of(True, False), draw.one_of(True, False)
    query, key = draw.numbers(*batch, L, E), draw.numbers(*batch, S, E)
    value = draw.numbers(*batch, S, E if fused else draw.size())
    return {"query": query, "key": key, "value": value, "mask": mask, "noise": noise, "scale": draw.one_of(1.0, 0.3), "causal": causal,
            "fused": fused}  # fmt: skip


def in_steps(draw: Draw) -> dict:
    """A packed sequence, forward or backward in time."""
    sizes = sorted((draw.size() for _ in range(draw.size())), reverse=True)
    N, H = sizes[0], draw.size()
    states = {state: draw.numbers(N, H, special=False) for state in "hc"}
    return {"pre": draw.numbers(sum(sizes), 4 * H), **states, "w_hh": draw.numbers(4 * H, H, special=False), "w_hr": None,
            "sizes": tuple(sizes), "reverse": draw.one_of(False, True)}  # fmt: skip


def with_gates(draw: Draw, gates: int, b_hh: bool = False, **more: Any) -> dict:
    """The same of a layer without cells."""
    sizes = sorted((draw.size() for _ in range(draw.size())), reverse=True)
    N, H = sizes[0], draw.size()
    bias = {"b_hh": draw.one_of(None, draw.numbers(gates * H, special=False))} if b_hh else {}
    return {"pre": draw.numbers(sum(sizes), gates * H), "h": draw.numbers(N, H, special=False),
            "w_hh": draw.numbers(gates * H, H, special=False), **bias, **more, "sizes": tuple(sizes), "reverse": draw.one_of(False, True)}  # fmt: skip


def convolved(draw: Draw, *operands: str) -> dict:
    """Two of an image, what a kernel makes of it, and the kernel; with b where there is a weight."""
    n, groups = draw.one_of(1, 2, 2, 3), draw.one_of(1, 1, 2)
    kernel, stride, padding, dilation = (
        tuple(draw.one_of(*sizes) for _ in range(n)) for sizes in ((1, 2, 3), (1, 1, 1, 2), (0, 1), (1, 1, 2))
    )
    size = tuple(d * (k - 1) + draw.one_of(1, 2, 5) for k, d in zip(kernel, dilation))
    how = Sliding.over(size, kernel, stride, padding, dilation)
    N, C, O = draw.one_of(1, 2, 5), groups * draw.one_of(1, 3), groups * draw.one_of(1, 2)
    shapes = {"image": (N, C, *size), "made": (N, O, *how.places), "weight": (O, C // groups, *kernel)}
    x, other = (draw.numbers(*shapes[each]) for each in operands)
    if operands[1] == "made":
        return {"x": x, "y": other, "how": how, "groups": groups}
    bias = draw.one_of(None, draw.numbers(O if operands[0] == "image" else C, special=False))
    return {"x": x, "weight": other, "bias": bias, "how": how, "groups": groups}


CALLS: dict[str, Callable[[Draw], dict]] = {
    "softmax": in_rows,
    "log_softmax": in_rows,
    "gelu": lambda draw: {"x": draw.numbers(*draw.shape()), "approximate": draw.one_of("none", "tanh")},
    "max_pool": pooled,
    "relu": lambda draw: {"x": draw.numbers(*draw.shape())},
    "norm": normalised,
    "linear": joined,
    "cross_entropy": classified,
    "attention": attending,
    "lstm_layer": in_steps,
    "gru_layer": lambda draw: with_gates(draw, 3, b_hh=True),
    "rnn_layer": lambda draw: with_gates(draw, 1, relu=draw.one_of(False, True)),
    "conv": lambda draw: convolved(draw, "image", "weight"),
    "conv_transpose": lambda draw: convolved(draw, "made", "weight"),
    "conv_weight": lambda draw: convolved(draw, "image", "made"),
}


# ---- the check ----


def lies(x: np.ndarray) -> list[int]:
    """How an array lies in memory: the strides of what is longer than 1."""
    return [stride for stride, n in zip(x.strides, x.shape) if n > 1]


def compare(op: Op, draw: Draw) -> int:
    """AssertionError unless the op's twins give what its formulas give on one call; how many of them served it."""
    args = CALLS[op.__name__](draw)
    exact = {n: v.astype("float64") if getattr(v, "dtype", None) in blocks._SERVED else v for n, v in args.items()}
    outputs, true_outputs = (tupled(op.forward(np, *given.values())) for given in (args, exact))
    number = 0
    if "cpu" in op.twins and (found := op.twins["cpu"](np, *args.values())) is not None:
        number += 1
        for name, *both in zip(op.declaration.outputs, tupled(found), outputs, true_outputs, strict=True):
            assert_close(f"{op.__name__}: {name}", args, *both)
            if op.keeps_layout and not op.declaration.format_of and name == "out":
                assert lies(both[0]) == lies(outputs[0]) or min(first_of(args).strides) <= 0, "laid out in another way"
    first = np.asarray(outputs[0])
    g = draw.numbers(*first.shape)
    values, true_values = (
        {
            **given,
            **dict(zip(op.declaration.outputs, outs)),
            **{f"{n}_shape": getattr(given[n], "shape", ()) for n in op.inputs},
            "g": up,
        }
        for given, outs, up in ((args, outputs, g), (exact, true_outputs, g.astype("float64")))
    )
    want, true = (gradients_by_formula(op, v) for v in (values, true_values))
    for derivative in op.twin_derivatives.get("cpu", ()):
        found = derivative.function(np, *(values.get(n) for n in derivative.parameters))
        if found is None:
            continue
        number += 1
        for name, gradient in zip(derivative.of, tupled(found), strict=True):
            if args[name] is not None:
                gradient = summed_to(args[name].shape, gradient)
                assert_close(f"{op.__name__}: gradient of {name}", {**args, "g": g}, gradient, want[name], true[name])
    return number


def gradients_by_formula(op: Op, values: dict) -> dict[str, np.ndarray]:
    """The op's own derivatives, by the inputs that want one."""
    tensors = {n: minitorch.Tensor._wrap(v) if isinstance(v, (np.ndarray, np.generic)) else v for n, v in values.items()}
    found = {}
    for derivative in op.derivatives:
        with minitorch.no_grad():
            gradients = derivative.function(*(tensors.get(n) for n in derivative.parameters))
        for name, gradient in zip(derivative.of, tupled(gradients), strict=True):
            if values[name] is not None:
                found[name] = summed_to(values[name].shape, gradient.numpy())
    return found


def first_of(args: dict) -> np.ndarray:
    """The first input."""
    return next(iter(args.values()))


def summed_to(shape: tuple, g: np.ndarray) -> np.ndarray:
    """A gradient in the shape of what was broadcast."""
    extra = g.ndim - len(shape)
    dims = (*range(extra), *(d + extra for d, n in enumerate(shape) if n == 1 and g.shape[d + extra] != 1))
    return g.sum(dims, keepdims=True).reshape(shape) if dims else g.reshape(shape)


def assert_close(what: str, args: dict, have: np.ndarray, want: np.ndarray, exact: np.ndarray) -> None:
    """As near to what float64 gives as the formula is, in its own dtype; inf and nan where the formula has them."""
    have, want, exact = (np.asarray(a) for a in (have, want, exact))
    where = Words("{}\n{}\nhave {}\nwant {}".format, what, args, have, want)
    assert have.shape == want.shape and have.dtype == want.dtype, str(where)
    finite = np.isfinite(want) & np.isfinite(exact)
    assert np.array_equal(np.isfinite(have), np.isfinite(want)), str(where)
    assert np.array_equal(have[~np.isfinite(want)], want[~np.isfinite(want)], equal_nan=True), str(where)
    error, of_formula = (np.abs(a[finite].astype("float64") - exact[finite]).max(initial=0) for a in (have, want))
    allowed = (1e-5 if have.dtype == np.float32 else 1e-10) * np.abs(exact[finite]).max(initial=1)
    assert error <= allowed + 2 * of_formula, f"{where}\n{error} off, the formula {of_formula}"


def tupled(found: Any) -> tuple:
    return found if isinstance(found, tuple) else (found,)


def cut(block: int, threads: int) -> Any:
    """Blocks of so many numbers, and so many threads."""
    return mock.patch.multiple(blocks, BLOCK=block, LEAST=block, _threads=threads)


@pytest.fixture(autouse=True)
def small_arrays_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SMALL", 1)
    for name, few in (("AT_ONCE", 30), ("LEAST", 1), ("MANY", 1)):
        monkeypatch.setattr(pieces, name, few)
    for name in ("SOME", "MANY"):
        monkeypatch.setattr(relu, name, 1)


@pytest.fixture(autouse=True)
def numpy_computes() -> Iterator[None]:
    with minitorch.backends.c.flags(enabled=False):
        yield


def test_every_twin_is_called() -> None:
    assert {op.__name__ for op in TWINS} == set(CALLS)


@pytest.mark.parametrize("op", IN_NUMPY, ids=lambda op: op.__name__)
@given(
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from(["float32", "float64"]),
    block=st.sampled_from([1, 3, 16, 1 << 17]),
    threads=st.integers(1, 3),
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_twin_gives_what_its_formula_gives(op: Op, seed: int, dtype: str, block: int, threads: int) -> None:
    with cut(block, threads):
        for k in range(4):
            compare(op, Draw(seed + k, dtype))


@pytest.mark.parametrize("op", IN_NUMPY, ids=lambda op: op.__name__)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_twin_serves_most_calls(op: Op) -> None:
    twins = len(op.twin_derivatives.get("cpu", ())) + ("cpu" in op.twins)
    served = [compare(op, Draw(seed, "float32")) for seed in range(30)]
    assert sum(served) > 30 * twins // 3


@pytest.mark.parametrize("op", IN_NUMPY, ids=lambda op: op.__name__)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_wrong_twin_is_noticed(op: Op, monkeypatch: pytest.MonkeyPatch) -> None:
    twins = [*([op.twins] if "cpu" in op.twins else []), *op.twin_derivatives.get("cpu", ())]
    for twin in twins:
        with monkeypatch.context() as patch:
            if twin is op.twins:
                patch.setitem(twin, "cpu", slightly_wrong(twin["cpu"]))
            else:
                patch.setattr(twin, "function", slightly_wrong(twin.function))
            with pytest.raises(AssertionError):
                for seed in range(60):
                    compare(op, Draw(seed, "float32"))


def slightly_wrong(twin: Callable) -> Callable:
    """The twin with its last number one part in a thousand too large."""

    def wrong(*args: Any) -> Any:
        found = twin(*args)
        if found is None:
            return None
        first = np.array(tupled(found)[0])
        first[(-1,) * first.ndim] *= 1.001
        return (first, *found[1:]) if isinstance(found, tuple) else first

    return wrong


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_row_left_out_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_the_last(work: Callable, like: np.ndarray, *scratch: Any) -> list:
        return in_blocks(work, like[:-1] if len(like) > 1 else like, *scratch)

    in_blocks = softmax.in_blocks
    monkeypatch.setattr(softmax, "in_blocks", without_the_last)
    with pytest.raises(AssertionError):
        for seed in range(60):
            compare(softmax_kernel, Draw(seed, "float32"))


# ---- what a twin must leave alone ----


def test_what_is_not_served_is_left_to_the_formula() -> None:
    x, g = np.ones((3, 4), "float32"), np.ones((3, 4), "float64")
    for twin, args in [
        (softmax.softmax, (x.astype("float16"), -1)),
        (softmax.softmax, (x.astype("int64"), -1)),
        (softmax.softmax, (x, 2)),
        (softmax.softmax, (x, None)),
        (softmax.softmax, (x[:0], -1)),
        (softmax.softmax_grad, (g, x, -1)),
        (gelu.forward, (x, "tan")),
        (gelu.forward, (x[:, ::2], "none")),
        (gelu.backward, (g, x, "none")),
    ]:
        assert twin(np, *args) is None


def test_a_gradient_of_the_moments_is_left_to_the_formula() -> None:
    """Where backward is differentiated, what it used of forward gets gradients too: no twin may overlook them."""
    x, g = np.ones((3, 4), "float32"), np.ones((3, 1), "float32")
    moments = {"x": x, "weight": None, "bias_shape": (), "mean": g, "var": g, "dims": (1,), "eps": 1e-5}
    (derivative,) = norm.twin_derivatives["cpu"]
    for more in ({"g": x, "g_mean": g, "g_var": g}, {"g": None, "g_mean": g, "g_var": g}):
        assert derivative.function(np, *({**moments, **more}[n] for n in derivative.parameters)) is None
    (derivative,) = nll_of_logits.twin_derivatives["cpu"]
    given = {
        "log_p": x,
        "target": np.zeros(3, "int64"),
        "weight": None,
        "reduction": "sum",
        "ignore_index": -100,
        "smoothing": 0.0,
    }
    for more in ({"g": x[0, 0], "g_log_p": x}, {"g": None, "g_log_p": x}):
        values = {**given, **more, "total_weight": x[0, 0]}
        assert derivative.function(np, *(values[n] for n in derivative.parameters)) is None


PENALIZED: dict[str, Callable[[Any, Any, Any], Any]] = {
    "layer_norm": lambda lib, x, w: lib.nn.functional.layer_norm(x, (5,), w[0], w[1]).tanh().sum(),
    "batch_norm": lambda lib, x, w: lib.nn.functional.batch_norm(x, None, None, w[0], w[1], True).tanh().sum(),
    "cross_entropy": lambda lib, x, w: lib.nn.functional.cross_entropy(x, lib.tensor([0, 4, 1, 1]), w[0].detach().abs()),
    "softmax": lambda lib, x, w: (lib.nn.functional.softmax(x, -1) * w[0]).square().sum(),
    "gelu": lambda lib, x, w: lib.nn.functional.gelu(x).square().sum(),
    "linear": lambda lib, x, w: lib.nn.functional.linear(x, w, w[:, 0]).tanh().sum(),
}


@pytest.mark.parametrize("name", PENALIZED)
def test_a_loss_and_the_norm_of_its_gradient_in_one_backward(name: str) -> None:
    """The outputs get a gradient, and so does what backward used of forward, in one walk that records nothing."""

    def gradients(lib: Any) -> list:
        rng = np.random.default_rng(0)
        x, w = (
            lib.tensor(rng.standard_normal(shape).tolist(), dtype=lib.float64).requires_grad_() for shape in ((4, 5), (2, 5))
        )
        loss = PENALIZED[name](lib, x, w)
        (gradient,) = lib.autograd.grad(loss, x, create_graph=True)
        (loss + gradient.square().sum()).backward()
        return [x.grad.tolist()] + ([] if w.grad is None else [w.grad.tolist()])

    for ours, theirs in zip(gradients(minitorch), gradients(torch), strict=True):
        assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_elementwise_results_lie_as_their_inputs_do() -> None:
    x = minitorch.randn(5, 3).t()
    assert x.stride() == F.gelu(x).stride() == (1, 3)


def test_gelu_in_float32_is_within_its_claim() -> None:
    x = np.linspace(-9, 9, 400_001, dtype=np.float32)
    exact = x.astype(float) * ndtr(x.astype(float))
    error = np.abs(gelu.forward(np, x, "none") - exact)
    assert (error <= 2e-7 * np.maximum(np.abs(x), 1)).all(), error.max()


def test_sums_of_long_rows_keep_their_digits() -> None:
    x = np.full((2, 3_000_001), 0.1, "float32")
    for have, exact in (
        (blocks.along_rows(x), x.sum(1, dtype=float)),
        (blocks.along_rows(x, x), (x.astype(float) ** 2).sum(1)),
    ):
        assert have.shape == (2, 1) and np.allclose(have[:, 0], exact, rtol=3e-6)


# ---- blocks and threads ----


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_blocks_are_whole_rows_and_results_come_in_their_order(threads: int) -> None:
    seen: list[tuple] = []

    def work(rows: slice, scratch: np.ndarray) -> int:
        seen.append(scratch.shape)
        return rows.start

    with cut(10, threads):
        assert blocks.in_blocks(work, np.ones((7, 4)), bool) == [0, 3, 6]
        assert sorted(seen) == [(1, 4), (3, 4), (3, 4)]
        assert blocks.in_blocks(work, np.ones((2, 4)), bool) == [0]


def test_small_arrays_meet_no_thread() -> None:
    with mock.patch.multiple(blocks, _threads=4, _pool=None):
        assert blocks.in_blocks(lambda rows: rows.stop, np.ones((2, blocks.LEAST // 2))) == [2]
        with pytest.raises(TypeError):
            blocks.in_blocks(lambda rows: rows.stop, np.ones((2, blocks.LEAST)))


@pytest.mark.parametrize("where", [0, 5])
def test_an_error_in_a_block_is_raised(where: int) -> None:
    def work(rows: slice) -> None:
        if rows.start == where:
            raise ArithmeticError(where)

    with cut(1, 2), pytest.raises(ArithmeticError):
        blocks.in_blocks(work, np.ones(6))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    x = np.ones((64, 4), "float32")
    with cut(16, 2), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks where there are threads
        want = softmax.softmax(np, x, -1)
        child = os.fork()
        if not child:
            os._exit(int(not np.array_equal(softmax.softmax(np, x, -1), want)))
    assert os.waitpid(child, 0)[1] == 0


def test_the_number_of_threads_is_asked_for_and_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_threads", blocks._threads)
    minitorch.set_num_threads(3)
    assert minitorch.get_num_threads() == 3
    for wrong in (0, -1, 2.0, True, "2", None):
        for library in (torch, minitorch):
            with pytest.raises(RuntimeError, match="set_num_threads expects"):
                library.set_num_threads(wrong)


@pytest.mark.parametrize(("environment", "threads"), [({}, 4), ({"OMP_NUM_THREADS": "2"}, 2), ({"OMP_NUM_THREADS": "0"}, 4),
    ({"OPENBLAS_NUM_THREADS": "1"}, 1), ({"OMP_NUM_THREADS": "many"}, 4), ({"OMP_NUM_THREADS": "9"}, 4)])  # fmt: skip
def test_the_environment_says_how_many_threads_there_are(environment: dict, threads: int) -> None:
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(os, "sched_getaffinity", lambda pid: range(4)),
    ):
        assert blocks._threads_at_first() == threads


@pytest.mark.parametrize(
    ("samples", "size", "groups", "served"),
    [(2, 3, 1, False), (2, 12, 1, True), (2, 3, 16, True), (1 << 18, 3, 1, True)],
    ids=["few places", "many places", "channel by channel", "columns of too many samples"],
)
def test_a_convolution_of_few_places_is_left_to_the_formula(samples: int, size: int, groups: int, served: bool) -> None:
    how = Sliding.over((size, size), (3, 3), (1, 1), (1, 1), (1, 1))
    weight = (32, 32 // groups, 3, 3)
    assert convolution._few_places(samples, weight, how, groups) is not served
    if samples > 2:
        return  # the rule alone: the images would be large
    rng = np.random.default_rng(0)
    x, y, w = (rng.standard_normal(shape) for shape in ((samples, 32, size, size), (samples, 32, *how.places), weight))
    for twin, arguments in (
        (convolution.forward, (x, w, None)),
        (convolution.transposed, (y, w, None)),
        (convolution.of_weight, (x, y)),
    ):
        assert (twin(np, *arguments, how, groups) is not None) is served


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("samples", "channels", "size"), [(32, 8, 28), (2, 64, 28), (1, 16, 64)])
def test_a_convolution_holds_few_columns(samples: int, channels: int, size: int, threads: int) -> None:
    """At most twice those of a batch that is a single sample, and of others those of some samples: never the batch's."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((samples, n, size, size), "float32") for n in (channels, 16))
    w = rng.standard_normal((16, channels, 3, 3), "float32")
    how = Sliding.over((size, size), (3, 3), (1, 1), (1, 1), (1, 1))
    columns = 4 * 9 * size * size * max(channels, 16)  # of a sample, forward or backward
    room = threads * (2 * columns + 16 * blocks.BLOCK)
    for call in (
        lambda: convolution.forward(np, x, w, None, how, 1),
        lambda: convolution.of_all(np, y, x, w, (16,), how, 1),
    ):
        with mock.patch.object(blocks, "_threads", threads):
            call()  # (threads are started once)
            tracemalloc.start()
            results = call()
            peak = tracemalloc.get_traced_memory()[1] - sum(a.nbytes for a in tupled(results))
            tracemalloc.stop()
        assert peak <= min(room, 2 * samples * columns + (1 << 16))


def test_a_derivative_of_a_convolution_knows_where_its_kernel_stood() -> None:
    """Padding, dilation and groups: each flipped kernel is compared with the formula, and one that is not flipped differs."""
    rng = np.random.default_rng(1)
    how = Sliding.over((6, 5), (3, 2), (1, 1), (2, 0), (1, 2))
    x, w = rng.standard_normal((3, 4, 6, 5)), rng.standard_normal((6, 2, 3, 2))
    g = rng.standard_normal((3, 6, *how.places))
    have = convolution.of_all(np, g, x, w, (), how, 2)
    want = minitorch.ops.convolution.conv_transpose.forward(np, g, w, None, how, 2)
    assert np.allclose(have[0], want, rtol=1e-12, atol=1e-12)
    with mock.patch.object(np, "flip", lambda a, axes: a):
        assert not np.allclose(convolution.of_all(np, g, x, w, (), how, 2)[0], want)
