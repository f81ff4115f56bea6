"""`compile(backend="c")`: the same steps as in `test_compile.py`, with their loops in C, give the same numbers but for the last places."""

from __future__ import annotations

import operator
import shutil
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import Fault, assert_noticed
from scipy import special
from test_compile_programs import PROGRAMS, check_random_program

import minitorch
import minitorch.nn.functional as F
from minitorch.arrays.device import shortcuts
from minitorch.compiler import forms
from minitorch.compiler.c import nests, program, source
from minitorch.compiler.c.program import CProgram
from minitorch.compiler.calls import Calls
from minitorch.compiler.graph import Graph, Instruction, Ref, Value
from minitorch.compiler.record import Record
from minitorch.compiler.state import State
from minitorch.kernels.c import toolchain
from reference import layers, optimizers
from reference.table import Row, table
from shares import mostly_slow, share_of
from test_compile import alike_unless_refused, assert_alike, check_row, has_program, of_layer, of_optimizer

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler"),
]


@pytest.mark.parametrize("row", mostly_slow(table(), 96, slow=12))
def test_ops(row: Row) -> None:
    check_row(row, "c")


@pytest.mark.parametrize("row", mostly_slow(layers.ROWS, 60, slow=6))
@settings(max_examples=2)
@given(data=st.data())
def test_layers(row: Any, data: Any) -> None:
    alike_unless_refused(of_layer(row, data), backend="c")


@pytest.mark.parametrize("row", optimizers.ROWS, ids=lambda row: row.name)
@settings(max_examples=1)
@given(data=st.data())
def test_optimizers(row: Any, data: Any) -> None:
    run = alike_unless_refused(of_optimizer(row, data), 6, "c")
    assert run is None or has_program(run)


@pytest.mark.parametrize(
    "program", [pytest.param(p, id=p.__name__, marks=[pytest.mark.slow] if k % 3 else []) for k, p in enumerate(PROGRAMS)]
)
def test_programs(program: Callable) -> None:
    def build() -> tuple:
        minitorch.manual_seed(0)
        return *program(), lambda k: None

    before = minitorch.get_default_dtype()
    minitorch.set_default_dtype(minitorch.float64)  # (Adam makes a whole step of a gradient that is 0 but for rounding)
    try:
        assert has_program(assert_alike(build, 5, backend="c"))
    finally:
        minitorch.set_default_dtype(before)


@pytest.mark.parametrize("learns", ["", "inside", "outside"])
@pytest.mark.parametrize("seed", [pytest.param(k, marks=share_of(k, 3, 20)) for k in range(200)])
def test_random_programs(seed: int, learns: str) -> None:
    check_random_program(seed, learns, "c")


# ---- what C could do wrong ----


def compiled(function: Callable, *args: Any) -> Any:
    """The function as a program, after the calls that are recorded."""
    run = minitorch.compile(function, backend="c")
    for _ in range(3):
        run(*args)
    assert has_program(run)
    return run


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_large_arrays_are_shared_by_threads(threads: int) -> None:
    before, large = minitorch.get_num_threads(), program.LARGE
    minitorch.set_num_threads(threads)
    program.LARGE = 1 << 16
    try:
        w, b, upstream = minitorch.randn(700), minitorch.randn(700), minitorch.randn(301, 700)

        def build() -> tuple:
            minitorch.manual_seed(0)
            x, weight = minitorch.randn(301, 700).requires_grad_(), w.clone().requires_grad_()

            def step() -> list:
                x.grad = weight.grad = None
                y = F.layer_norm(x, (700,), weight, b)
                F.softmax(F.gelu(y), -1).backward(upstream)
                return [
                    y.detach().sum(),
                    y.detach().amax(),
                    (y.detach() > 0).all(),
                    y.detach().mean(0),
                    y.detach().relu() * 2,
                ]

            return step, lambda: [x.grad, weight.grad], lambda k: None

        assert has_program(assert_alike(build, 4, backend="c"))
    finally:
        program.LARGE = large
        minitorch.set_num_threads(before)


def test_nan_and_infinities_go_through() -> None:
    inf, nan = float("inf"), float("nan")
    x = minitorch.tensor([[1.0, nan, 2.0], [inf, 1.0, -inf], [0.0, -0.0, -inf], [3.0, 200.0, -200.0]])

    def build() -> tuple:
        steps = [
            F.relu,
            F.softmax,
            minitorch.tanh,
            minitorch.erf,
            minitorch.exp,
            lambda x, d: x.amax(d),
            lambda x, d: x.amin(d),
        ]
        everything = lambda: (
            [f(x, -1) if k in (1, 5, 6) else f(x) for k, f in enumerate(steps)] + [x.amax(), x.amin(), x.sign()]
        )
        return everything, list, lambda k: None

    assert has_program(assert_alike(build, 3, backend="c"))


@pytest.mark.parametrize(("function", "exact"), [("exp", np.exp), ("tanh", np.tanh), ("erf", special.erf)])
def test_own_functions_are_within_a_unit_and_a_half_of_the_last_place(function: str, exact: Any) -> None:
    low, high = {"exp": (-87.0, 88.7), "tanh": (-10.0, 10.0), "erf": (-5.0, 5.0)}[function]
    x = np.linspace(low, high, 400_001, dtype=np.float32)
    found = compiled(getattr(minitorch, function), minitorch.from_numpy(x))(minitorch.from_numpy(x)).numpy()
    wanted = exact(x.astype(np.float64))
    assert (np.abs(found - wanted) / np.spacing(np.abs(wanted).astype(np.float32))).max() <= 1.5


def test_an_index_out_of_bounds_is_refused() -> None:
    table = minitorch.arange(12.0).reshape(4, 3)
    run = compiled(lambda i: table[i] * 2, minitorch.tensor([0, 3, -4]))
    assert run(minitorch.tensor([-1, 0, 1])).tolist() == (table[[-1, 0, 1]] * 2).tolist()
    for wrong in (4, -5):
        with pytest.raises(IndexError):
            run(minitorch.tensor([0, wrong, 1]))
    assert run(minitorch.tensor([1, 1, 1])).tolist() == (table[[1, 1, 1]] * 2).tolist()


def test_the_last_of_several_writes_to_one_place_stays() -> None:
    def step(i: Any, values: Any) -> Any:
        out = minitorch.zeros(4)
        out[i] = values
        return out

    i, values = minitorch.tensor([1, 1, 3]), minitorch.tensor([5.0, 6.0, 7.0])
    assert compiled(step, i, values)(i, values).tolist() == [0.0, 6.0, 0.0, 7.0]


def test_what_is_handed_out_stays() -> None:
    large = minitorch.ones(300, 300)
    run = compiled(lambda x: (x * 2, x.sum(), large * x[0]), minitorch.ones(3))
    first = run(minitorch.full((3,), 2.0))
    run(minitorch.full((3,), 5.0))
    assert [t.flatten()[0].item() for t in first] == [4.0, 6.0, 2.0]


def test_a_learning_rate_is_an_input_and_other_options_are_not() -> None:
    def build() -> tuple:
        minitorch.manual_seed(0)
        w = minitorch.randn(5, dtype=minitorch.float64).requires_grad_()
        optimizer = minitorch.optim.AdamW([w], lr=0.1)

        def step() -> None:
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()

        def between(k: int) -> None:
            optimizer.param_groups[0].update(lr=0.1 / (k + 1), weight_decay=0.01 if k < 7 else 0.5)

        return step, lambda: [w, *optimizer.state[w].values()], between

    run = assert_alike(build, 12, backend="c")
    assert sum(v.program is not None for v in run.variants) == 2  # one for each weight_decay


def test_an_optimizers_rule_is_part_of_the_mathematics() -> None:
    w = minitorch.randn(3, requires_grad=True)
    optimizer = minitorch.optim.Adam([w])

    def step() -> None:
        optimizer.zero_grad()
        (w**2).sum().backward()
        optimizer.step()

    run = minitorch.compile(step, backend="c")
    for _ in range(4):
        run()
    text = run.mathematics
    assert "step_of_w[...] = step_of_w.item() + 1\nexp_avg_of_w[...] *= 0.9\n" in text
    assert "[...] *= lr / (1 - 0.9 ** number_" in text and "\nw[...] -= " in text


def test_a_rule_that_fails_to_be_recorded_leaves_no_trace() -> None:
    """RAdam asks how many steps there were, when it has changed its averages: they are put back, and it is called as it stands."""

    def build() -> tuple:
        minitorch.manual_seed(0)
        w = minitorch.randn(5, dtype=minitorch.float64).requires_grad_()
        optimizer = minitorch.optim.RAdam([w], lr=0.1)

        def step() -> None:
            optimizer.zero_grad()
            (w**2).sum().backward()
            optimizer.step()

        return step, lambda: [w, *optimizer.state[w].values()], lambda k: None

    assert has_program(assert_alike(build, 9, backend="c"))


def test_results_that_share_memory_go_on_sharing_it() -> None:
    y, transposed = compiled(lambda x: (lambda y: (y, y.t()))(x + 1), minitorch.ones(2, 3))(minitorch.ones(2, 3))
    y.add_(1)
    assert transposed.tolist() == [[3.0] * 2] * 3


def test_a_sum_of_rows_is_no_column() -> None:
    x = minitorch.arange(16.0).reshape(4, 4)
    assert compiled(lambda x: x * x.sum(1), x)(x).tolist() == (x * x.sum(1)).tolist()


def test_what_rows_share_is_written_to_after_they_have_read_it() -> None:
    def build() -> tuple:
        x, w = minitorch.arange(8.0).reshape(2, 4), minitorch.ones(2, 1)

        def step() -> Any:
            y = x * w + x.sum(1, keepdim=True)
            w.mul_(2)
            return y

        return step, lambda: [w], lambda k: None

    assert has_program(assert_alike(build, 4, backend="c"))


def program_of(*instructions: Instruction, outputs: list[int], **values: tuple) -> CProgram:
    """A program of a graph that no op records; values: (shape, dtype), of which those that no instruction makes are inputs."""
    made = {r for i in instructions for r in i.results}
    known = [
        Value(
            k,
            np.empty(shape, dtype).shape,
            np.dtype(dtype),
            np.empty(shape, dtype).strides,
            k,
            name,
            "computed" if k in made else "input",
        )
        for k, (name, (shape, dtype)) in enumerate(values.items())
    ]
    for i in instructions:
        if i.views:
            known[i.results[0]].memory = i.reads()[0]
    calls = Calls("[" + ", ".join(f"{{{k}}}" for k in range(len(outputs))) + "]")
    return CProgram(Graph(known, list(instructions), outputs), calls, bare=True)


def test_an_index_that_no_op_has_looked_at() -> None:
    pick = Instruction(operator.getitem, (Ref(0), Ref(1)), {}, (2,), "pick")
    run = program_of(pick, outputs=[2], x=((4,), "f8"), i=((2,), "i8"), y=((2,), "f8")).run
    x = np.arange(4.0)
    assert run(x, np.array([3, -4]))[0].tolist() == [3.0, 0.0]
    for wrong in (4, -5):
        with pytest.raises(IndexError, match="index out of bounds"):
            run(x, np.array([wrong, 0]))
    assert run(x, np.array([1, 2]))[0].tolist() == [1.0, 2.0]


def test_one_key_in_indices_that_leave_different_dimensions() -> None:
    rows = Instruction(operator.getitem, (Ref(0), Ref(2)), {}, (4,), "pick")
    numbers = Instruction(operator.getitem, (Ref(1), (Ref(2), Ref(3))), {}, (5,), "pick")
    both = Instruction(np.add, (Ref(4), Ref(5)), {}, (6,), "add")
    square, line = ((4, 4), "f8"), ((4,), "i8")
    shapes = {"x": square, "y": square, "i": line, "k": ((4, 4), "i8"), "rows": square, "numbers": square, "sum": square}
    run = program_of(rows, numbers, both, outputs=[6], **shapes).run
    x, i, k = np.arange(16.0).reshape(4, 4), np.array([2, 0, 1, 3]), np.arange(16).reshape(4, 4) % 3
    assert run(x, 3 * x, i, k)[0].tolist() == (x[i] + 3 * x[i, k]).tolist()


def test_a_long_row_is_kept_on_the_stack_as_far_as_there_is_room() -> None:
    """What each of 140 steps makes of a row is needed once more when the row's sum is known."""

    def step(x: Any) -> Any:
        made = [x]
        for _ in range(140):
            made.append(made[-1] * 1.001)
        total = made[-1].sum(-1, keepdim=True)
        return sum((v * total for v in made), minitorch.zeros(()))

    x = minitorch.randn(2, 4096, dtype=minitorch.float64)
    run = compiled(step, x)
    assert minitorch.allclose(run(x), step(x))
    assert 0 < run.c_source.count("double row_") * 4096 * 8 <= nests.KEPT


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_rule_may_divide_by_zero_in_silence() -> None:
    w = minitorch.zeros(3, requires_grad=True)
    optimizer = minitorch.optim.Adam([w], eps=0.0)

    def step() -> None:
        w.grad = minitorch.zeros(3)
        optimizer.step()

    run = minitorch.compile(step, backend="c")
    for _ in range(4):
        run()
    assert w.isnan().all()


def test_a_write_that_reads_what_it_writes_is_numpys() -> None:
    view = Instruction(operator.getitem, (Ref(0), slice(0, 5)), {}, (1,), "shift", views=True)
    write = Instruction(operator.setitem, (Ref(0), slice(1, 6), Ref(1)), {}, (), "shift", writes=0)
    run = program_of(view, write, outputs=[0], x=((6,), "f8"), part=((5,), "f8")).run
    assert run(np.arange(6.0))[0].tolist() == [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_part_is_written_to_after_the_whole_is_read() -> None:
    double = Instruction(np.multiply, (Ref(0), 2.0), {}, (1,), "double")
    write = Instruction(operator.setitem, (Ref(0), slice(None, None, -1), Ref(1)), {}, (), "reverse", writes=0)
    run = program_of(double, write, outputs=[0], x=((100,), "f8"), y=((100,), "f8")).run
    assert run(np.arange(100.0))[0].tolist() == (2 * np.arange(100.0))[::-1].tolist()


def test_without_a_compiler_the_step_is_a_numpy_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    run = minitorch.compile(lambda x: x * 3 + 1, backend="c")
    with pytest.warns(UserWarning, match="there is no C compiler 'no-such-compiler'; the step runs as a NumPy program"):
        for _ in range(3):
            run(minitorch.ones(3))
    assert "multiply" in run.source
    with pytest.raises(RuntimeError, match="runs as a NumPy program"):
        _ = run.c_source


def test_a_library_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled(lambda x: x * 5 + 2, minitorch.ones(3))
    monkeypatch.setattr(toolchain, "_make", lambda *args: pytest.fail("it was there"))
    assert compiled(lambda x: x * 5 + 2, minitorch.ones(3))(minitorch.ones(3)).tolist() == [7.0] * 3


# ---- planted faults ----

FAULTS = [
    Fault(forms._overlaps, "any(p != form.target or not in_place for p in same)", "False"),
    Fault(forms._of_a_view, "(*keys, Ellipsis)", "keys"),
    Fault(nests._Builder._disturbs, "nest.written.get(values[p].memory, {p}) != {p}", "False"),
    Fault(nests._Builder._disturbs, "bool(own - {target})", "False"),
    Fault(nests._Builder._disturbs, "return memory in nest.read or memory in nest.written", "return False"),
    Fault(nests._Builder._add, "any(s.role != role for s in touched)", "False"),
    Fault(nests._Builder._add, "(_is_alone(form) or _is_alone(nest.stages[0].form))", "False"),
    Fault(nests._Builder.take, "self.after if self._depends(i) else self.done", "self.done"),
    Fault(nests._level, '+ (stage.role == "row sum")', ""),
    Fault(nests._find_stored, "not within", "False"),
    Fault(nests._is_readable, 'stage.role in ("column sum", "total")', "False"),
    Fault(nests._is_readable, "shape == nest.row_shape", "True"),
    Fault(nests._handed_out_as_several, "memories.count(m) > 1", "False"),
    Fault(source._merged, "last.steps[n] == d.steps[n] * d.size for n in d.steps", "True for n in d.steps"),
    Fault(source.NestSource._literal, "np.all(", "np.any("),
    Fault(source.NestSource._of_sum, "{n} ? NAN : {s}", "{s}"),
    Fault(source.NestSource._picked, "< 0 ? {n} : 0;", "< 0 ? 0 : 0;"),
    Fault(source.NestSource._picked, "bad |=", "bad &="),
    Fault(source.NestSource._is_read_later, "s.level > stage.level", "False"),
    Fault(nests.Nest.reads, "stage.reads", "()"),
    Fault(program.CProgram._instruction, "self._flush()", "pass"),
    Fault(program._Found.__call__, "self._differs(array)", "False"),
    Fault(program.CProgram._refuse_index, "self.out_of_bounds[()] = 0", "pass"),
    Fault(Record._followed_update, "array_of(tensor._array)[...] = array", "pass"),
    Fault(Record._number, "self._append(function, args, {}, (place,))", "pass"),
    Fault(State._of_optimizer, "{self.guard.thing(get)}({at}) == {self.guard.thing(get(burned_in))}", "True"),
]


@cache
def all_checks() -> list[Callable[[], Any]]:
    names = [
        "layer_norm",
        "softmax",
        "gradient",
        "cov",
        "masked_scatter",
        "norm_except_dim",
        "kl_div",
        "gru_cell",
        "cumsum",
        "batch_norm",
    ]
    rows = [row for row in table() if row.name in names]
    return [
        test_an_index_that_no_op_has_looked_at,
        test_a_write_that_reads_what_it_writes_is_numpys,
        test_a_part_is_written_to_after_the_whole_is_read,
        test_results_that_share_memory_go_on_sharing_it,
        test_a_sum_of_rows_is_no_column,
        test_what_rows_share_is_written_to_after_they_have_read_it,
        test_the_last_of_several_writes_to_one_place_stays,
        test_nan_and_infinities_go_through,
        test_what_is_handed_out_stays,
        test_a_learning_rate_is_an_input_and_other_options_are_not,
        test_a_rule_that_fails_to_be_recorded_leaves_no_trace,
        partial(test_large_arrays_are_shared_by_threads, 2),
        *(partial(test_random_programs, seed, learns) for seed in range(25) for learns in ("", "inside", "outside")),
        *(partial(test_ops, row) for row in rows),
        *(partial(test_programs, p) for p in PROGRAMS),
    ]


@pytest.mark.slow
@pytest.mark.skipif(not shortcuts.enabled, reason="formulas are all there is")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_check_notices(fault: Fault) -> None:
    assert_noticed(fault, all_checks())
