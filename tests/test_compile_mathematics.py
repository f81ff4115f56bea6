"""A program as mathematics is true: its text, run by Python with NumPy's names, gives what the program gives."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
import minitorch.nn.functional as F
from minitorch import Tensor, nn
from minitorch.compiler.calls import Calls
from minitorch.compiler.explanation import held_before, traffic
from minitorch.compiler.graph import Graph, Instruction, Ref, Value
from minitorch.compiler.mathematics import Mathematics
from minitorch.compiler.step import Compiled, Variant
from reference.layers.run import flat as leaves_of
from reference.table import Row, table
from shares import some_of_each
from test_compile import has_program, of_row

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def namespace(variant: Variant, inputs: list[np.ndarray], text: Mathematics) -> dict[str, Any]:
    """What the text may name: NumPy's functions, whole ops, and copies of the arrays that the step finds."""
    names = {**vars(np), "bool": bool, **text.things}
    for i in variant.graph.instructions:
        if i.effect:
            names[i.of.replace(".", "_")] = lambda: None
    given = iter(inputs)
    arrays: dict[Any, np.ndarray] = {}
    for v in variant.graph.values:
        if v.kind == "state":
            arrays[v.place] = v.array
        elif v.kind == "input":
            arrays[v.place] = next(given)
        elif v.kind == "gradient" and v.owner._grad is not None:
            arrays[v.place] = v.owner._grad._array
        elif v.kind == "option":
            group, key, index = v.owner
            names[v.name] = group[key] if index is None else group[key][index]
        elif v.kind == "upstream":
            names[v.name] = ones = v.empty()  # laid out as it comes: products of another layout may round otherwise
            ones[...] = 1
    for memory in {variant.graph.memory(place) for place in arrays}:
        there = [place for place in arrays if variant.graph.memory(place) == memory]
        names.update(zip((variant.graph.values[p].name for p in there), copies([arrays[p] for p in there])))
    return names


def copies(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Copies of arrays in one memory, laid out in one memory as they are."""
    bounds = [np.lib.array_utils.byte_bounds(a) for a in arrays]
    start, end = min(low for low, _ in bounds), max(high for _, high in bounds)
    memory = bytearray(ctypes.string_at(start, end - start))
    places = [a.__array_interface__["data"][0] - start for a in arrays]
    return [np.ndarray(a.shape, a.dtype, memory, at, a.strides) if a.size else a for a, at in zip(arrays, places)]


def assert_true(run: Compiled, *args: Tensor) -> Mathematics:
    """The next call of a compiled function does what its text says."""
    variant = run._latest
    text = Mathematics(variant.short, variant.calls)  # type: ignore[arg-type]
    names = namespace(variant, [t._array for t in args], text)
    with np.errstate(all="ignore"):
        exec(text.text, names)
    out = run(*args)
    results = [t for t in leaves_of(out) if isinstance(t, Tensor)]
    alive = [t for t in results if t.requires_grad]
    if variant.calls.alive_at:
        minitorch.autograd.backward(alive, [minitorch.ones_like(t) for t in alive])
    told = names["result"]
    told = list(leaves_of(told)) if isinstance(told, (list, tuple, dict)) else [told]
    assert len(told) == len(results)
    for t, found in zip(results, told):
        same(t._array, found)
    effects = any(i.effect for i in variant.graph.instructions)
    for v in variant.graph.values:
        if v.kind == "state" and not effects:
            same(v.array, names[v.name])
        if v.kind == "gradient" and v.owner._grad is not None and v.name in names:
            same(v.owner._grad._array, names[v.name])
    return text


def same(wanted: np.ndarray, found: Any) -> None:
    found = getattr(found, "_array", found)
    assert np.shape(found) == wanted.shape and np.asarray(found).dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


def compiled(step: Callable, *args: Tensor) -> Compiled:
    """A compiled function that has its program."""
    run = minitorch.compile(step)
    for _ in range(4):
        run(*args)
    return run


@pytest.mark.parametrize("row", some_of_each(table(), 32))
def test_ops(row: Row) -> None:
    for seed, outside in ((0, False), (1, False), (0, True), (1, True)):
        step, _, between, *after = of_row(row, seed, outside)()
        run = minitorch.compile(step)
        try:
            for k in range(3):
                minitorch.manual_seed(0)
                between(k)
                out = run()
                for act in after:
                    act(out)
        except Exception:  # refused, or a leaf that may not be written to
            continue
        if has_program(run):
            for t in (t for v in run._latest.graph.values if (t := v.owner) is not None):
                t.grad = None
            minitorch.manual_seed(0)
            assert_true(run)


# ---- programs ----


def classifier() -> Compiled:
    """A network of 4, 16, 16 and 3 features, trained with Adam."""
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    optimizer = minitorch.optim.Adam(model.parameters(), lr=0.01)

    def step(x: Tensor, target: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), target)
        loss.backward()
        optimizer.step()
        return loss

    return compiled(step, *batch())


def batch() -> tuple[Tensor, Tensor]:
    return minitorch.randn(8, 4), minitorch.randint(0, 3, (8,))


@pytest.mark.shortcuts  # it shows the ops' faster forms
def test_a_step_with_an_optimizer() -> None:
    text = assert_true(classifier(), *batch()).text
    assert "linear_2 = x0 @ model_0_weight.T + model_0_bias" in text
    assert "grad_of_model_4_bias = cross_entropy_20.sum(0)" in text
    rule = text.split("# Adam.step\n")[1]
    assert "exp_avg_of_model_4_bias[...] *= 0.9\n" in rule and " *= lr / (1 - 0.9 ** number_" in rule
    assert "out=" not in text and "copyto" not in text


def test_writes_stay_writes() -> None:
    norm, mean = nn.BatchNorm1d(3), minitorch.zeros(3)
    w = minitorch.randn(3, requires_grad=True)

    def step(x: Tensor) -> Any:
        loss = norm(x * w).sum() + minitorch.sin(w).sum()
        loss.backward()
        with minitorch.no_grad():
            w.sub_(w.grad * 0.1)
            mean[1:].add_(w.grad[1:])
        return loss.detach(), w.grad.clone()

    text = assert_true(compiled(step, minitorch.randn(5, 3)), minitorch.randn(5, 3)).text
    assert "w[...] -= grad_of_w * 0.1" in text
    assert "norm_running_mean[...] = " in text
    assert "grad_of_w[...] += " in text


def test_what_is_overwritten_is_read_before() -> None:
    """What is held back for its use has its line before memory that it reads is written to."""
    w = minitorch.ones(3)

    def step(x: Tensor) -> Tensor:
        before = w * x
        doubled = x + x
        w.add_(1)
        with_w = w * 2
        w.mul_(doubled)
        return before + with_w * w

    assert_true(compiled(step, minitorch.randn(3)), minitorch.randn(3))


def test_both_halves_of_a_module() -> None:
    run = compiled(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), minitorch.randn(5, 4)).compiled
    x = minitorch.randn(5, 4)
    text = assert_true(run, x).text
    forward, backward = text.split("# ---- backward ----\n")
    assert forward.startswith("# ---- forward ----\n# linear\n") and "result = tanh_1 @ " in forward
    assert "grad_of_0_weight = " in backward and "grad_of_result" not in forward
    assert "tanh_1 * tanh_1" in backward


@pytest.mark.shortcuts  # it shows the ops' faster forms
def test_whole_ops_are_called_by_name() -> None:
    text = assert_true(compiled(lambda x: F.conv2d(x, x), minitorch.randn(1, 1, 3, 3)), minitorch.randn(1, 1, 3, 3))
    assert "result = conv(x, x, None, " in text.text and list(text.things)[-1] == "conv"


def test_an_input_may_have_the_name_of_a_function() -> None:
    run = minitorch.compile(lambda exp: minitorch.exp(exp))
    for _ in range(3):
        run(exp=minitorch.zeros(2))
    assert run.mathematics.split("  #")[0] == "# exp\nresult = np.exp(exp)"


def test_an_input_may_be_called_result() -> None:
    run = minitorch.compile(lambda result: result + 1)
    for _ in range(3):
        run(result=minitorch.zeros(2))
    assert run.mathematics.split("  #")[0] == "# add\nnew_result = result + 1"


def test_a_value_that_is_an_operand_twice() -> None:
    x, y = minitorch.randn(3), minitorch.randn(3)
    assert "(mse_loss_1 * mse_loss_1)" in assert_true(compiled(F.mse_loss, x, y), x, y).text


def test_numbers_keep_shape_and_dtype() -> None:
    """A constant is Python's number only where nothing is lost: not beside fewer numbers, nor beside another dtype."""
    assert_true(compiled(lambda x: minitorch.ones(2, 3) * x, minitorch.randn(1)), minitorch.randn(1))
    single, double = np.dtype("float32"), np.dtype("float64")
    x, one = Value(0, (3,), single, (4,), 0, "x", "input"), Value(1, (), double, (), 1, "one")
    graph = Graph([x, one, Value(2, (3,), double, (8,), 2, "add_1")], outputs=[2])
    graph.instructions += [
        Instruction(np.asarray, (1.0, double), {}, (1,), "step"),
        Instruction(np.add, (Ref(0), Ref(1)), {}, (2,), "add"),
    ]
    calls = Calls("{0}")
    calls.results = [2]
    assert Mathematics(graph, calls).text.split("  #")[0] == "# add\nresult = x + float64(1)"


# ---- explain ----


@pytest.mark.shortcuts  # it shows the ops' faster forms
def test_what_explain_says() -> None:
    said = classifier().explain().replace("\n   ", " ")
    assert re.fullmatch(
        r"1\. a program: \d+ instructions recorded, \d+ left, of which \d+ are views "
        r"left out by the passes: 2 without_repetition, 1 without_the_dead; computed once, with the program: \d+ "
        r"passages over memory: \d+ NumPy calls "
        r"memory: \d+ bytes of buffers, which stay from run to run "
        r"a run reads \d+ bytes and writes \d+: [\d.]+ times the 5060 bytes of its inputs and states "
        r"103 conditions, looked at before each run: memory 24, numbers and modes 22, identity 15, .*, shape 2, .*",
        said,
    ), said


def test_bytes_that_a_run_reads_and_writes() -> None:
    """A product of 6 numbers with 3, a sum of 2 of these, which is copied twice, then written; all float32."""
    total = minitorch.zeros(1)

    def step(x: Tensor, w: Tensor) -> None:
        total.copy_((x * w)[0, :2].sum().reshape(1))

    run = compiled(step, minitorch.randn(2, 3), minitorch.randn(3))
    (read, written), held = traffic([run._latest.program]), held_before(run._latest.short)
    assert held == 4 * (6 + 3 + 1)
    assert read == 4 * (6 + 3 + 2 + 1 + 1 + 1)
    assert written == 4 * (6 + 1 + 1 + 1 + 1)
