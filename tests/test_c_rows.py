"""Ops' rows and optimizers' rules as loops in C: beside their formulas, on numbers that give trouble, and when they are called.

The check and the calls are those of `test_twins.py`. Faults are planted in the C too. Results may not depend on how many threads there
are, nor a rule's on who computes it: there it is the last bit that counts.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from test_compile_blocks import FUNCTIONS, of
from test_twins import TWINS, Draw, compare, cut
from test_twins import test_a_loss_and_the_norm_of_its_gradient_in_one_backward as differentiated_again

import minitorch
import minitorch.nn.functional as F
from minitorch.arrays.device import shortcuts
from minitorch.backends import c
from minitorch.kernels.c import library, toolchain
from minitorch.kernels.cpu import attention, blocks, norm, softmax, updates
from minitorch.op import Op
from test_compile import assert_alike, has_program, one_weight

pytestmark = [
    pytest.mark.skipif(not c.is_available(), reason="there is no C compiler"),
    pytest.mark.shortcuts,
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
OF_ROWS = [op for op in TWINS if op.__name__ in ("softmax", "log_softmax", "gelu", "norm", "cross_entropy", "attention")]
OFFERED = {
    header: library._OFFERED.findall((toolchain.HEADERS / f"{header}.h").read_text()) for header in ("rows", "updates")
}


@pytest.fixture(autouse=True)
def small_arrays_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SMALL", 1)


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the loops that are asked for."""
    names: list[str] = []

    def kernel(header: str, name: str, dtype: Any) -> Any:
        names.append(name)
        return library.kernel(header, name, dtype)

    monkeypatch.setattr(blocks, "kernel", kernel)
    monkeypatch.setattr(attention, "kernel", kernel)
    monkeypatch.setattr(updates, "kernel", kernel)
    return names


# ---- beside the formulas ----


@pytest.mark.parametrize("op", OF_ROWS, ids=lambda op: op.__name__)
def test_a_loop_gives_what_its_formula_gives(op: Op) -> None:
    for seed in range(60):
        with cut((1, 3, 16, 1 << 17)[seed % 4], 1 + seed % 3):
            compare(op, Draw(seed, ("float32", "float64")[seed % 2]))


def test_every_loop_is_called(called: list[str]) -> None:
    for op, seed in itertools.product(OF_ROWS, range(30)):
        compare(op, Draw(seed, "float32"))
    assert {name for name, _ in OFFERED["rows"]} == set(called)


@pytest.mark.parametrize("name", ["layer_norm", "softmax", "gelu"])
def test_a_derivative_is_differentiated_again(name: str, called: list[str]) -> None:
    differentiated_again(name)
    assert called


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_number_of_threads_makes_no_difference(dtype: str) -> None:
    x, g = (np.random.default_rng(k).standard_normal((1000, 70)).astype(dtype) for k in range(2))
    w = np.linspace(-1, 2, 70, dtype=dtype)

    def run() -> list[bytes]:
        out, mean, var = norm.forward(np, x, w, w, (1,), 1e-5)
        gradients = norm.backward(np, g, None, None, x, w, w.shape, mean, var, (1,), 1e-5)
        return [a.tobytes() for a in (out, mean, var, *gradients, softmax.softmax_grad(np, g, softmax.softmax(np, x, 1), 1))]

    with cut(1 << 12, 1):
        want = run()
    for block, threads in ((1 << 12, 3), (100, 2), (1 << 20, 1)):
        with cut(block, threads):
            assert run() == want


def test_rows_of_equal_numbers_have_no_variance() -> None:
    for dtype, value in itertools.product((minitorch.float32, minitorch.float64), (0.0, 3.1, -1e4, 1e-30)):
        x = minitorch.full((50, 333), value, dtype=dtype)
        assert F.layer_norm(x, (333,)).abs().max() < 2e-3 * max(abs(value), 1) * (1 if dtype is minitorch.float32 else 1e-9)
        assert np.allclose(F.softmax(x, -1).numpy(), 1 / 333, rtol=1e-7)


def test_long_rows_keep_their_digits() -> None:
    x = np.random.default_rng(0).random((1, 400_001), "float32") + 7
    exact = x.astype(float)
    _, mean, var = norm.forward(np, x, None, None, (1,), 1e-5)
    assert abs(mean.item() - exact.mean()) < 4e-7 and abs(var.item() / exact.var() - 1) < 3e-7
    e = np.exp(exact - exact.max())
    assert np.allclose(softmax.softmax(np, x, 1), e / e.sum(), rtol=1e-6, atol=0)


def test_gelu_far_out() -> None:
    numbers = [0.0, -0.0, 1e-30, -1e-30, 5.0, -5.0, 13.0, -13.0, 1e18, -1e18, np.inf, -np.inf, np.nan]
    for dtype, approximate in itertools.product(("float32", "float64"), ("none", "tanh")):
        x = minitorch.tensor(numbers * 400, dtype=getattr(minitorch, dtype)).requires_grad_()
        out = F.gelu(x, approximate=approximate)
        out.sum().backward()
        with c.flags(enabled=False), mock.patch.object(shortcuts, "enabled", False):
            y = x.detach().requires_grad_()
            want = F.gelu(y, approximate=approximate)
            want.sum().backward()
        for have, plain in ((out.detach(), want.detach()), (x.grad, y.grad)):
            assert np.allclose(have.numpy(), plain.numpy(), rtol=1e-5, atol=1e-6, equal_nan=True)


def test_an_infinite_score_is_left_to_the_formula() -> None:
    """Hidden, it is ∞ − ∞."""
    query, key = np.ones((1, 3, 1), "float32"), np.array([[[1], [np.inf], [1]]], "float32")
    for causal in (True, False):
        assert attention.forward(np, query, key, np.ones_like(key), None, None, 1.0, causal, False) is None


def test_exp_in_float64_is_within_a_last_place() -> None:
    x = np.concatenate([np.linspace(-750, 0, 100_001), [-np.inf, -1e-20]])
    rows = np.stack([np.zeros_like(x), x], 1)
    out = softmax.log_softmax_grad(np, -np.ones_like(rows), rows, 1)  # −1 + 2 exp(row)
    with np.errstate(under="ignore"):
        want = -1 + 2 * np.exp(x)
    assert np.abs(out[:, 1] - want).max() <= 3e-16 and (out[:, 0] == 1).all()


# ---- planted faults ----

FAULTS = {
    "softmax": [("x[i] - largest", "x[i] - largest + (T)0.01 * (i == n - 1)"), ("p[i] *= share", "p[i] *= share * (1 + (T)1e-4)"),
                ("found = x[i] > found ? x[i] : found", "found = x[0]"), ("p[i] * (g[i] - mean)", "p[i] * g[i] - mean")],
    "attention": [("scale * (p[i]", "(p[i]"), ("seen = L ? SMALLER(from % L + 1, n) : n", "seen = n"), ("all == 0 ? 0 :", ""),
                  ("if (others) *fails = 1", "")],
    "log_softmax": [("x[i] - top - rest", "x[i] - rest"), ("NAMED(exp)(log_p[i]) * all", "NAMED(exp)(log_p[i])")],
    "norm": [("(out[i] - lost) * scale * w[i] + b[i]", "(out[i] - lost) * scale * w[i]"), ("variance + (T)eps", "variance"),
             ("h - level - centred * slope", "h - centred * slope"), ("db[i] += g[i]", "db[i] = g[i]"),
             ("w && k < to", "w && k < from + 1"), ("dw[i] += g[i] * (centred * scale)", "dw[i] += g[i] * centred")],
    "gelu": [("phi + x[i] * density", "phi + density"), ("(T)0.044715 *", "(T)0.0447 *"), ("(T)0.134145 * square", "(T)0.134145 * x[i]"),
             ("1 + NAMED(erf)", "1 - NAMED(erf)")],
}  # fmt: skip
EACH = [(op, *pair) for op, pairs in FAULTS.items() for pair in pairs]


@pytest.fixture
def headers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder of headers to be spoilt, of which libraries are made that nobody finds afterwards."""
    for header in toolchain.HEADERS.glob("*.h"):
        shutil.copy(header, tmp_path)
    monkeypatch.setattr(toolchain, "HEADERS", tmp_path)
    monkeypatch.setattr(toolchain, "_folder", lambda: tmp_path)
    monkeypatch.setattr(library, "_functions", {})
    yield tmp_path


@pytest.mark.parametrize(
    ("name", "was", "becomes"), [pytest.param(*each, marks=[pytest.mark.slow] if k else []) for k, each in enumerate(EACH)]
)
def test_a_fault_in_a_loop_is_noticed(name: str, was: str, becomes: str, headers: Path) -> None:
    spoil(headers / "rows.h", was, becomes)
    (op,) = [op for op in OF_ROWS if op.__name__ == name]
    with cut(1 << 17, 1), mock.patch.object(norm, "SOME", 2), pytest.raises(AssertionError):
        for seed in range(120):
            compare(op, Draw(seed, "float32"))


def spoil(header: Path, was: str, becomes: str) -> None:
    text = header.read_text()
    assert was in text
    header.write_text(text.replace(was, becomes))


# ---- the rules of optimizers ----


def trained(kind: str, options: dict[str, Any], dtype: str, by_loops: bool) -> list[np.ndarray]:
    """Parameters and what is remembered of them after some steps, in which numbers of any size come, and some that are none."""
    rng = np.random.default_rng(0)
    params = [
        minitorch.from_numpy(rng.standard_normal(shape).astype(dtype)).requires_grad_() for shape in ((90, 70), (5,), (0, 3))
    ]
    if rng.random() < 0.5:
        params.append(minitorch.from_numpy(np.asfortranarray(rng.standard_normal((80, 60)).astype(dtype))).requires_grad_())
    optimizer = getattr(minitorch.optim, kind)(params, **options)
    with c.flags(enabled=by_loops), np.errstate(all="ignore"):
        for k in range(4):
            for p in params:
                g = (rng.standard_normal(p.shape) * 10.0 ** rng.integers(-6, 5, p.shape)).astype(dtype)
                if k == 2:
                    g.reshape(-1)[:4] = [np.inf, -np.inf, np.nan, 0][: g.size]
                p.grad = minitorch.from_numpy(g)
            optimizer.step()
    return [p.detach().numpy() for p in params] + [
        t.numpy() for state in optimizer.state.values() for t in state.values() if t is not None
    ]


def every_combination(**choices: tuple) -> list[dict[str, Any]]:
    return [dict(zip(choices, values)) for values in itertools.product(*choices.values())]


AVERAGING = every_combination(weight_decay=(0, 0.1), amsgrad=(False, True), maximize=(False, True), betas=((0.8, 0.99),))
FALLING = [
    options
    for options in every_combination(
        momentum=(0, 0.9), dampening=(0, 0.3), nesterov=(False, True), weight_decay=(0, 0.1), maximize=(False, True)
    )
    if not options["nesterov"] or (options["momentum"] and not options["dampening"])
]
RULES = {"Adam": AVERAGING, "AdamW": AVERAGING, "SGD": FALLING}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", RULES)
def test_a_rule_gives_the_same_numbers_bit_by_bit(kind: str, dtype: str, called: list[str]) -> None:
    for options in RULES[kind]:
        have, want = (trained(kind, {"lr": 0.01, **options}, dtype, by_loops) for by_loops in (True, False))
        assert all(map(same, have, want)), options
    assert {"Adam": "adam", "AdamW": "adam", "SGD": "sgd"}[kind] in called


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Bit by bit; but a nan may have another sign, which IEEE leaves open."""
    return np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a)[a == a], np.signbit(b)[b == b])


RULE_FAULTS = [
    ("gradient * rest2 * gradient", "gradient * gradient * rest2"), ("/ (NAMED(root)(under) / root + eps) * rate", "* rate / (NAMED(root)(under) / root + eps)"),
    ("m[i] * b1 + gradient * rest1", "fma(m[i], b1, gradient * rest1)"), ("decays ? g_i + decay * x[i] : g_i", "g_i"),
    ("before - mean", "x[i] - mean"), ("first ? gradient : b[i]", "b[i]"), ("gradient + mu * velocity", "gradient"),
    ("largest[i] != largest[i] ? largest[i] : square", "largest[i] != largest[i] ? square : square"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("was", "becomes"), RULE_FAULTS)
def test_a_fault_in_a_rule_is_noticed(was: str, becomes: str, headers: Path, called: list[str]) -> None:
    spoil(headers / "updates.h", was, becomes)
    with pytest.raises(AssertionError):
        for kind in RULES:
            test_a_rule_gives_the_same_numbers_bit_by_bit(kind, "float32", called)


def one_step(spoilt: Callable[[Any, Any], None], **options: Any) -> list[bytes]:
    """A step of a parameter of which something is unusual, and what it leaves."""
    rng = np.random.default_rng(0)
    p = minitorch.from_numpy(rng.standard_normal((90, 70))).requires_grad_()
    p.grad = minitorch.from_numpy(rng.standard_normal((90, 70)))
    optimizer = minitorch.optim.Adam([p], **{"lr": 0.1, "weight_decay": 0.1, **options})
    optimizer.step()
    spoilt(p, optimizer.state[p])
    optimizer.step()
    return [a.detach().numpy().tobytes() for a in (p, *optimizer.state[p].values())]


def leave(p: Any, state: dict) -> None:
    pass


def take_the_parameter_as_gradient(p: Any, state: dict) -> None:
    p.grad = p.detach()


def share_memory(p: Any, state: dict) -> None:
    memory = np.linspace(0, 1, 90 * 70 + 5)
    state["exp_avg"], state["exp_avg_sq"] = (minitorch.from_numpy(memory[k : k + 6300].reshape(90, 70)) for k in (0, 5))


def turn_what_is_remembered(p: Any, state: dict) -> None:
    state["exp_avg"] = state["exp_avg"].t().contiguous().t()


def read_only_gradient(p: Any, state: dict) -> None:
    p.grad = minitorch.ones((), dtype=p.dtype).expand(p.shape)


@pytest.mark.parametrize("options", [{}, {"eps": np.float64(0.1)}, {"lr": minitorch.tensor(0.2)}], ids=["", "eps", "lr"])
@pytest.mark.parametrize(
    "spoilt", [leave, take_the_parameter_as_gradient, share_memory, turn_what_is_remembered, read_only_gradient]
)
def test_what_lies_otherwise_is_updated_by_the_rule(spoilt: Callable, options: dict[str, Any]) -> None:
    have = one_step(spoilt, **options)
    with c.flags(enabled=False):
        assert have == one_step(spoilt, **options)


# ---- in compiled steps ----


@pytest.mark.parametrize("name", ["rowwise", "tanh form", "norm with weights"])
def test_a_program_in_numpy_calls_the_same_loops(name: str, called: list[str]) -> None:
    run = assert_alike(of(FUNCTIONS[name]))
    assert has_program(run), run.explain()
    del called[:]
    run()
    assert called, run.source


def test_a_program_in_c_has_loops_of_its_own(called: list[str]) -> None:
    run = assert_alike(of(FUNCTIONS["rowwise"]), backend="c")
    assert has_program(run), run.explain()
    del called[:]
    run()
    assert not called and run.c_source.count("erf_float(") >= 1


@pytest.mark.parametrize("size", [20, 300])
def test_a_program_in_numpy_steps_by_loops_where_parameters_are_large(size: int) -> None:
    assert ("AdamW_step()" in assert_alike(lambda: one_weight(size, 300), 6).source) is (size == 300)
