"""The loops written by hand for `compile(backend="c")`: convolution, max pooling, LSTM, products by BLAS. Random shapes give what eager gives."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from planting import Fault, fails
from test_c_twins import UNEVEN_WINDOWS

import minitorch
import minitorch.nn.functional as F
from minitorch import nn
from minitorch.arrays.device import shortcuts
from minitorch.compiler.c import handwritten, program
from minitorch.kernels.c import blas, toolchain
from minitorch.ops.through_time import gru_layer, lstm_layer, rnn_layer
from shares import share_of
from test_compile import assert_alike

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler"),
    pytest.mark.skipif(blas.blas() is None, reason="there is no BLAS to be called from C"),
]

Case = Callable[
    [random.Random], tuple[Callable[[], tuple], list[str]]
]  # (step and what it changes), the calls that must be in C


def convolution(rng: random.Random) -> tuple:
    n, groups, transposed = rng.choice([1, 2, 2, 3]), rng.choice([1, 1, 2, 3]), rng.random() < 0.35
    C, O, N = groups * rng.randint(1, 3), groups * rng.randint(1, 4), rng.randint(1, 5)
    kernel, dilation, padding = ([rng.randint(a, b) for _ in range(n)] for a, b in ((1, 3), (1, 2), (0, 3)))
    stride = [rng.choice([1, 1, 2, 3]) for _ in range(n)]
    reach = [d * (k - 1) for d, k in zip(dilation, kernel)]
    if transposed:
        padding = [min(p, r) for p, r in zip(padding, reach)]
    size = [rng.randint(max(1, r + 1 - 2 * p), 9) for r, p in zip(reach, padding)]
    turned, bias = rng.random() < 0.3, rng.random() < 0.6

    def build() -> tuple:
        layer = getattr(nn, f"Conv{'Transpose' * transposed}{n}d")(
            C, O, tuple(kernel), tuple(stride), tuple(padding), dilation=tuple(dilation), groups=groups, bias=bias
        )
        x = minitorch.randn(N, C, *size) if not turned else minitorch.randn(C, N, *size).transpose(0, 1)
        return _training(layer, x), lambda: [p.grad for p in layer.parameters()]

    return build, ["convolution_", "convolution_transposed_", "convolution_weight_"]


def pooling(rng: random.Random) -> tuple:
    n, N, ceil_mode, nans = rng.choice([1, 2, 2, 3]), rng.choice([2, 60]), rng.random() < 0.5, rng.random() < 0.5
    kernel, stride, dilation = ([rng.randint(1, most) for _ in range(n)] for most in (3, 3, 2))
    padding = [rng.randint(0, k // 2) for k in kernel]
    size = [rng.randint(d * (k - 1) + 1, 9) for k, d in zip(kernel, dilation)]
    if rng.random() < 0.3:  # windows that fill the rows
        stride, dilation, padding, size = kernel, [1] * n, [0] * n, [k * rng.randint(1, 4) for k in kernel]
    pool = getattr(F, f"max_pool{n}d")

    def build() -> tuple:
        x = minitorch.randint(0, 4, (N, 3, *size)).to(minitorch.get_default_dtype())  # with ties
        if nans:
            x[minitorch.rand(*x.shape) < 0.1] = float("nan")

        def layer(x: Any) -> Any:
            y, indices = pool(x, tuple(kernel), tuple(stride), tuple(padding), tuple(dilation), ceil_mode, True)
            return y * 1, indices * 1

        return _training(layer, x), list

    return build, ["max_pooling_", "max_pooling_backward_"]


def lstm(rng: random.Random) -> tuple:
    H, N, T, reverse = rng.randint(1, 20), rng.randint(1, 4), rng.randint(1, 5), rng.random() < 0.5
    sizes = (N, *sorted((rng.randint(1, N) for _ in range(T - 1)), reverse=True))  # of sequences that end at different steps
    asked = [rng.random() < 0.7 for _ in range(3)] if rng.random() < 0.8 else [True, False, False]
    asked[0] |= not any(asked)
    apart = rng.random() < 0.4

    def build() -> tuple:
        leaves = [minitorch.randn(*s).requires_grad_() for s in ((sum(sizes), 4 * H), (N, H), (N, H), (4 * H, H))]
        upstream = minitorch.randn(sum(sizes), 2 * H)

        def step() -> list:
            for leaf in leaves:
                leaf.grad = None
            out, h, c, *_ = lstm_layer(*leaves, None, sizes, reverse)
            wide = minitorch.cat([out, out.detach()], 1) if apart else out  # whose gradient's rows lie apart
            told = [(wide * upstream[:, : wide.shape[1]]).sum(), h.square().sum(), c.sin().sum()]
            sum((loss for loss, wanted in zip(told, asked) if wanted), minitorch.zeros(())).backward()
            return [out.detach(), h.detach(), c.detach()]

        return step, lambda: [leaf.grad for leaf in leaves]

    return build, ["lstm_", "lstm_backward_"]


def gru_or_rnn(rng: random.Random) -> tuple:
    H, N, T, reverse, gates = (
        rng.randint(1, 20),
        rng.randint(1, 4),
        rng.randint(1, 5),
        rng.random() < 0.5,
        rng.choice([1, 3]),
    )
    sizes = (N, *sorted((rng.randint(1, N) for _ in range(T - 1)), reverse=True))
    relu, biased, of_last = rng.random() < 0.5, rng.random() < 0.7, rng.random() < 0.5

    def build() -> tuple:
        shapes = [(sum(sizes), gates * H), (N, H), (gates * H, H), *([(3 * H,)] if gates == 3 and biased else [])]
        leaves = [(minitorch.randn(*shape) / 2).requires_grad_() for shape in shapes]
        upstream = minitorch.randn(sum(sizes), H)

        def step() -> list:
            for leaf in leaves:
                leaf.grad = None
            pre, h, w, *b = leaves
            out, h, *_ = (
                gru_layer(pre, h, w, *(b or [None]), sizes, reverse)
                if gates == 3
                else rnn_layer(pre, h, w, relu, sizes, reverse)
            )
            ((out * upstream).sum() + (h.square().sum() if of_last else 0)).backward()
            return [out.detach(), h.detach()]

        return step, lambda: [leaf.grad for leaf in leaves]

    return build, ["gru_", "gru_backward_"] if gates == 3 else ["rnn_", "rnn_backward_"]


def product(rng: random.Random) -> tuple:
    lead = [rng.randint(1, 3) for _ in range(rng.randint(0, 2))]
    rows, inner, columns = (rng.choice([1, 2, 45, 60]) for _ in range(3))
    of_b = rng.choice([lead, [1] * len(lead), []])
    lie = [rng.choice(["rows", "columns", "apart"]) for _ in range(2)]

    def build() -> tuple:
        a, b = _lying(lie[0], lead, rows, inner), _lying(lie[1], of_b, inner, columns)
        return _training(lambda a: a @ b, a), list

    small = not lead and rows * inner * columns <= 40_000
    return build, [] if small or min(rows, inner, columns) < 45 else ["product_"]


def attention(rng: random.Random) -> tuple:
    heads, L, S, E = rng.randint(1, 3), rng.randint(1, 6), rng.randint(1, 6), rng.randint(1, 5)
    causal, masked = rng.random() < 0.4, rng.random() < 0.4

    def build() -> tuple:
        k, v = minitorch.randn(2, heads, S, E), minitorch.randn(2, heads, S, E)
        mask = (minitorch.rand(L, S) < 0.6) if masked and not causal else None  # some rows of which hide all
        layer = lambda q: F.scaled_dot_product_attention(q, k, v, mask, is_causal=causal)
        return _training(layer, minitorch.randn(2, heads, L, E)), list

    return build, ["product_"]


def _lying(how: str, lead: list[int], rows: int, columns: int) -> Any:
    """Matrices that lie by rows, by columns, or with gaps between their rows."""
    if how == "columns":
        return minitorch.randn(*lead, columns, rows).transpose(-1, -2)
    return (
        minitorch.randn(*lead, rows, columns + 3)[..., :columns] if how == "apart" else minitorch.randn(*lead, rows, columns)
    )


def _training(layer: Callable, x: Any) -> Callable[[], list]:
    """A step forward and back through a layer, whose first result is squared."""
    x = x.detach().requires_grad_()

    def step() -> list:
        x.grad = None
        for p in layer.parameters() if isinstance(layer, nn.Module) else ():
            p.grad = None
        made = layer(x)
        y, *others = made if isinstance(made, tuple) else (made,)
        (y * y).sum().backward()
        return [y.detach() * 1, x.grad * 1, *(other for other in others if isinstance(other, minitorch.Tensor))]

    return step


def squares_that_lie_by_columns(rng: random.Random) -> tuple:
    """A batch of such matrices is no large one, though it is as long from one to the next as if it were."""
    w = lambda: minitorch.randn(1, 45, 45)
    return lambda: (_training(partial(minitorch.matmul, other=w()), minitorch.randn(2, 45, 45).transpose(1, 2)), list), [
        "product_"
    ]


def a_row_for_all(rng: random.Random) -> tuple:
    """A matrix whose rows are one and the same memory."""
    return lambda: (_training(lambda x: x @ minitorch.ones(60, 1).expand(60, 45), minitorch.randn(45, 60)), list), []


def batch_first(rng: random.Random) -> tuple:
    """The gradient's rows are not the same way apart."""

    def build() -> tuple:
        net = nn.LSTM(3, 5, batch_first=True)
        return _training(lambda x: net(x)[0].contiguous(), minitorch.randn(3, 4, 3)), list

    return build, ["lstm_"]


def uneven_windows(rng: random.Random) -> tuple:
    """Eight elements in three windows: these are not one step apart."""
    return lambda: (_training(lambda x: F.adaptive_max_pool2d(x, 3), minitorch.randn(2, 3, 8, 8)), list), []


SPECIAL: list[Case] = [squares_that_lie_by_columns, a_row_for_all, batch_first, uneven_windows]
CASES: list[Case] = [convolution, pooling, lstm, gru_or_rnn, product, attention]


def check(case: Case, seed: int, eager_too: bool = False) -> None:
    """Eager, in NumPy or in C too, and the program are alike, step by step, and what is to be in C is there."""
    rng = random.Random(f"{case.__name__} {seed}")
    make, calls = case(rng)
    dtype, before = rng.choice([minitorch.float32, minitorch.float64]), minitorch.get_default_dtype()

    def build() -> tuple:
        minitorch.manual_seed(seed)
        return *make(), lambda k: None

    minitorch.set_default_dtype(dtype)
    try:
        with minitorch.backends.c.flags(enabled=eager_too):
            run = assert_alike(build, 4, backend="c")
    finally:
        minitorch.set_default_dtype(before)
    if shortcuts.enabled:
        missing = [
            call
            for call in calls
            if f"    {call}{str(dtype)[10:].replace('32', '').replace('float64', 'double')}(" not in run.c_source
        ]
        assert not missing, f"{missing} not in C: {run.source}"


@pytest.mark.parametrize("seed", [pytest.param(k, marks=share_of(k, 2, 5)) for k in range(60)])
@pytest.mark.parametrize("case", CASES, ids=lambda f: f.__name__)
def test_random_shapes(case: Case, seed: int) -> None:
    check(case, seed, eager_too=seed % 2 == 1)


@pytest.mark.parametrize("case", SPECIAL, ids=lambda f: f.__name__)
def test_special_cases(case: Case) -> None:
    check(case, 0)


@pytest.mark.parametrize("threads", [2, 3])
def test_samples_are_shared_by_threads(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LARGE", 1)
    before = minitorch.get_num_threads()
    minitorch.set_num_threads(threads)
    try:
        check(convolution, 1)
        check(pooling, 1)
    finally:
        minitorch.set_num_threads(before)


def test_without_blas_products_are_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handwritten, "blas", lambda: None)
    x, w = minitorch.randn(50, 50), minitorch.randn(50, 50)
    run = minitorch.compile(lambda x: (x @ w).relu(), backend="c")
    for _ in range(3):
        y = run(x)
    assert "dot(" in run.source and "product" not in run.c_source
    assert minitorch.allclose(y, (x @ w).relu())


@pytest.mark.parametrize("find", [blas._of_numpy, blas._of_scipy])
def test_each_blas_multiplies(find: Callable) -> None:
    found = find("sgemm"), find("dgemm")
    assert None in found or (blas._multiplies(found[0], "float32") and blas._multiplies(found[1], "float64"))


# ---- planted faults ----

# (None of these writes, or reads, beside its arrays.)
FAULTS_IN_C = [
    ("blas.h", "before = adds", "before = 0"),
    ("convolution.h", "(size - 1 - offset) / stride + 1;", "(size - 1 - offset) / stride;"),
    ("convolution.h", "(-offset + stride - 1) / stride", "(-offset + stride) / stride"),
    ("convolution.h", "if (!back) memset(plane, 0, P[1] * P[2] * sizeof(T));", ""),
    ("convolution.h", "memset(plane + y1 * P[2], 0, (P[1] - y1) * P[2] * sizeof(T));", ""),
    ("convolution.h", "for (long px = 0; px < x0; px++) plane[py * P[2] + px] = 0;", ""),
    ("convolution.h", "b[g * O + o]", "b[o]"),
    ("convolution.h", "n > 0, sum", "0, sum"),
    ("pooling.h", "| (v != v)", ""),
    ("pooling.h", "(v > b)", "(v >= b)"),
    ("pooling.h", "s * end == w.size", "s * end <= w.size"),
    ("pooling.h", "dx[k * plane + indices[o]] += g[o]", "dx[k * plane + indices[o]] = g[o]"),
    ("recurrent.h", "const T *const c_before = r < n_before ?", "const T *const c_before = r < n_before && !reverse ?"),
    ("recurrent.h", "else memset(to, 0, n * sizeof(T));", "else memset(to, 63, n * sizeof(T));"),
    ("recurrent.h", "dh_r[j] = of_h * z[j]", "dh_r[j] = of_h"),
    ("recurrent.h", "state[j] <= 0 ? 0 : of_h", "state[j] < 1 ? 0 : of_h"),
    ("recurrent.h", "(h_n[r * H + j] - u) * z + u", "(h_n[r * H + j] - u) * z"),
    ("recurrent.h", "const T *const i = gates", "pitch = H; const T *const i = gates"),
]  # fmt: skip
FAULTS = [
    Fault(handwritten._lies, "line >= m * size", "True"),
    Fault(handwritten._steps, "0 if n == 1 else s // v.dtype.itemsize", "s // v.dtype.itemsize"),
    Fault(handwritten._product, 'of_a == "N" and', ""),
    Fault(handwritten._first_two, "s // size for", "plane for"),
    Fault(handwritten._pitch_of_rows, "any(s != n * t for (_, s), (n, t) in itertools.pairwise(lead))", "False"),
    UNEVEN_WINDOWS,
]


def all_checks() -> list[Callable[[], None]]:
    return [
        *(partial(check, case, 0) for case in SPECIAL),
        *(partial(check, case, seed) for seed in range(16) for case in CASES),
    ]


@pytest.mark.slow
@pytest.mark.skipif(not shortcuts.enabled, reason="formulas are all there is")
@pytest.mark.parametrize(("header", "was", "becomes"), FAULTS_IN_C)
def test_a_check_notices_in_c(header: str, was: str, becomes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in toolchain.HEADERS.glob("*.h"):
        text = each.read_text()
        if each.name == header:
            assert text.count(was) == 1, f"{was} is {text.count(was)} times in {header}"
            text = text.replace(was, becomes)
        (tmp_path / each.name).write_text(text)
    monkeypatch.setattr(toolchain, "HEADERS", tmp_path)
    cases = {
        "blas.h": [convolution],
        "convolution.h": [convolution],
        "pooling.h": [pooling],
        "recurrent.h": [lstm, gru_or_rnn],
    }[header]
    assert any(fails(partial(check, case, seed)) for seed in range(60) for case in cases)


@pytest.mark.slow
@pytest.mark.skipif(not shortcuts.enabled, reason="formulas are all there is")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_check_notices(fault: Fault) -> None:
    with fault.planted():
        assert any(map(fails, all_checks())), f"nothing needs the line that this changes: {fault}"
