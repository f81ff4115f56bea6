"""Kernels joined across ops (`compiler/cuda/fusing.py`): what comes of a program is what its ops give one by one, bit for bit, and takes fewer launches.

On the stand-in, which refuses whoever touches an array that a launch held back has still to write. Without g++ these tests are skipped.
`test_compile_gpu.py` has whole steps; `test_gpu_check.py` compiles joined kernels for GPUs.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joined_programs import (
    PROGRAMS,
    Program,
    added_from_the_left,
    arguments,
    beside_others,
    chain,
    holding_back,
    in_order,
    summed,
    turned,
)
from planting import Fault, fails

import minitorch
from minitorch import nn
from minitorch.arrays import blas, capturing
from minitorch.arrays.capturing import settle
from minitorch.compiler.cuda import formula, fusing, joining, twins
from minitorch.compiler.cuda.hearing import listening
from minitorch.kernels import cuda as kernels
from minitorch.nn import functional as F
from reference import captured
from reference.cuda_on_cpu import compiler
from reference.drawn import Drawn
from reference.on_device import OnDevice, forget_what_was_noted
from reference.strict_cupy import cupy, standing_in
from reference.strict_cupy.kernels import RawKernel
from reference.table import Row, table, tensors

pytestmark = [
    pytest.mark.shortcuts,
    pytest.mark.skipif(compiler() is None, reason="executing kernels on the CPU needs g++, which is not installed"),
]


@pytest.fixture(scope="module", autouse=True)
def gpu() -> Iterator[None]:
    with standing_in(generated=True):
        yield


# How many launches they make, and how many kernels come of these. (A mean and a sum are two: they are divided by different numbers.)
LAUNCHES = {
    "chain": (5, 1),
    "summed": (4, 2),
    "in_place": (8, 5),
    "turned": (5, 3),
    "in_order": (7, 3),
    "beside_others": (6, 4),
}


def both(program: Program, dtype: Any, seed: int = 0) -> tuple[Any, Any, fusing.Held]:
    """The bits that come of a program with its launches held back, and one by one."""
    with holding_back() as held:
        found = program(*arguments(dtype, seed))
    return bits(found), bits(program(*arguments(dtype, seed))), held


def bits(values: Any) -> list[bytes]:
    return [t._array.get().tobytes() for t in values]


def same(program: Program, dtype: Any = minitorch.float32, seed: int = 0) -> fusing.Held:
    have, want, held = both(program, dtype, seed)
    assert have == want
    return held


@pytest.mark.parametrize("name, launches", LAUNCHES.items())
def test_a_program_is_what_its_ops_are(name: str, launches: tuple[int, int]) -> None:
    held = same(PROGRAMS[name])
    assert (held.before, len(held.made)) == launches


@pytest.mark.parametrize("dtype", [minitorch.float16, minitorch.bfloat16, minitorch.float64])
@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == "chain" else [pytest.mark.slow]) for n in PROGRAMS])
def test_in_each_dtype(name: str, dtype: Any) -> None:
    if name == "chain" and dtype is minitorch.float64:
        pytest.skip("as float32")
    same(PROGRAMS[name], dtype)


def test_what_nobody_wants_is_not_written() -> None:
    _, _, held = both(chain, minitorch.float32)
    ((_, made),) = held.made
    assert len(made.formula.written()) == 2  # of five results
    assert made.formula.numbers == ("n1",)
    assert "product(" in made.printed[0]  # y is read by an op that adds to it
    assert made.printed[0].index("// mul") < made.printed[0].index("// add") < made.printed[0].index("// relu")


def test_halves_are_rounded_between_ops() -> None:
    _, _, held = both(chain, minitorch.float16)
    assert held.made[0][1].printed[0].count("(__half)(") == 5


# ---- who depends on a launch ----


def held_back(program: Callable[[Any, Any], Any]) -> list[str]:
    """What has been launched when the program ends."""
    with mock.patch.object(RawKernel, "_launch", lambda *args: None), holding_back() as held:
        kept = program(*arguments(minitorch.float32))
        launched = [name for name, _ in held.made]
    del kept
    return launched


def test_a_launch_waits_until_something_depends_on_it() -> None:
    assert held_back(lambda x, b: x * b) == []
    assert held_back(lambda x, b: (x * b).sum().item()) == ["mul total"]  # the host
    assert held_back(lambda x, b: (x * b, np.cumsum(x._array, 1), settle([x._array]))) == [
        "mul"
    ]  # CuPy, of which nobody knows
    assert held_back(lambda x, b: (x * b, settle([x._array], [b._array]))) == ["mul"]
    assert held_back(lambda x, b: (x * b, settle([x._array, b._array]))) == []
    assert held_back(lambda x, b: (x * b) @ (x + 1).t()) == []  # a product waits in its turn
    assert held_back(lambda x, b: (x * b).softmax(-1)) == []  # and a kernel by hand
    assert held_back(lambda x, b: (x * b).cumsum(0)) == ["mul"]


def test_too_much_is_not_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "BYTES", 1000)  # five times x
    assert held_back(lambda x, b: [x * k for k in range(8)]) == ["mul mul mul mul mul mul"]
    monkeypatch.setattr(fusing, "ARRAYS", 4)
    assert held_back(lambda x, b: ([x * k for k in range(4)], settle())) == ["mul mul", "mul mul"]


def test_whoever_touches_what_is_not_there_is_refused() -> None:
    x, _ = arguments(minitorch.float32)
    with (
        fusing.holding_back(cupy),
        pytest.raises(RuntimeError, match="touched before it is written: its launch is held back"),
    ):
        y = x * 2
        y._array += 1  # in place, so that no memory is asked for


def test_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "enabled", False)
    assert same(chain).before == 0


def test_an_error_leaves_what_was_computed() -> None:
    x, _ = arguments(minitorch.float32)
    kept = []
    with contextlib.suppress(ZeroDivisionError), fusing.holding_back(cupy):
        kept.append(x * 2)
        _ = 1 / 0
    assert kept[0].tolist() == (x * 2).tolist()
    assert capturing.now.held is None


# ---- steps ----


def test_a_step_takes_fewer_launches() -> None:
    """Which `explain()` tells, and `source` prints."""
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)).cuda()
    optimizer = minitorch.optim.Adam(model.parameters())
    y = minitorch.tensor([0, 1, 2, 0, 1, 2], device="cuda")

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    fast = minitorch.compile(step, fullgraph=True)
    with mock.patch.object(RawKernel, "_launch", lambda *args: None):
        for _ in range(3):
            fast(arguments(minitorch.float32)[0])
    assert "11 launches of generated kernels were joined to 8, which `.source` prints" in fast.explain()
    assert "launched 2 times\n" in fast.source  # the two hidden layers' backward
    assert "relu_backward_x_total_sums(" in fast.source


@pytest.mark.parametrize("fault", [False, True])
def test_what_makes_a_formula_is_not_heard(fault: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs of a step call the same ops, though in the first one formulas are followed, which calls ops too."""
    x, _ = arguments(minitorch.float32)
    x.requires_grad_()
    for generated in twins.made.values():
        monkeypatch.setattr(generated, "made", {})
    if fault:
        monkeypatch.setattr(formula, "unheard", contextlib.nullcontext)
    heard = []
    with mock.patch.object(RawKernel, "_launch", lambda *args: None):
        for _ in range(2):
            with listening(capturing.Warming()) as calls:
                x.relu().sum().backward()
            heard.append([name for name, _ in calls])
    assert (heard[0] != heard[1]) == fault


# ---- programs that nobody thought of ----


def drawn(seed: int) -> Program:
    """A program of some ops in a row, each of values that are there, or in place; some are forgotten."""
    draw = np.random.default_rng(seed)

    def program(x: Any, b: Any) -> list:
        draw = np.random.default_rng(seed)
        values = [x, b, x.t().contiguous().t()]
        for _ in range(9):
            k, v = draw.integers(12), values[draw.integers(len(values))]
            w = values[draw.integers(len(values))]
            if k < 4:
                values.append([v + w, v * w, v - w * 0.5, minitorch.maximum(v, w)][k])
            elif k < 8:
                values.append([v.relu(), v.sigmoid(), -v, v * 1.5][k - 4])
            elif k == 8 and v is not b and v.shape == (6, 8):
                v.mul_(w).add_(0.25)
            elif k == 9 and v.ndim == 2:
                values.append(v.sum(0))
            elif k == 10 and v.ndim == 2:
                v[1:, ::2].mul_(0.5)
            elif len(values) > 3:
                del values[3 + draw.integers(len(values) - 3)]
        return values[3:] or [x]

    del draw
    return program


@pytest.mark.parametrize(
    "seed", [pytest.param(k, marks=[pytest.mark.slow] if k < 4 else [pytest.mark.exhaustive]) for k in range(40)]
)
def test_drawn_programs(seed: int) -> None:
    same(drawn(seed), [minitorch.float32, minitorch.float16, minitorch.bfloat16, minitorch.float64][seed % 4], seed)


# ---- every row of the table ----

ROWS = [row for row in table() if row.name != "to_device"]


def touches_what_is_there(row: Row, source: Any) -> None:
    """Whatever the row does to arrays it announces, or asks for memory before: the stand-in refuses it else."""
    case = row.draw(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = tensors(case, OnDevice(), np.float32, row.inputs())
        leaves = [
            t for v in made.values() for t in (v if isinstance(v, list) else [v]) if getattr(t, "requires_grad", False)
        ]
        try:
            with mock.patch.object(RawKernel, "_launch", lambda *args: None), holding_back():
                captured.both_ways(row, made, leaves)
            forget_what_was_noted()
        except Exception as error:  # (others are the row's own, of arguments that it refuses)
            assert "touched before it is written" not in str(error), f"{row}: {error}"


@pytest.mark.parametrize("start", [0, *(pytest.param(k, marks=pytest.mark.slow) for k in range(1, 9))])
@settings(max_examples=1)
@given(data=st.data())
def test_rows_say_what_they_touch(start: int, data: Any) -> None:
    for row in ROWS[start :: 48 if start == 0 else 24]:
        touches_what_is_there(row, Drawn(data.draw))


# ---- faults ----


FAULTS = {
    Fault(fusing.Launch.needed, "mine = [sum(", "mine = [1 + sum("): chain,  # what is wanted is not written
    Fault(fusing.Held._dependences, "k if alike else k + 1", "k"): turned,
    Fault(fusing.Group.clashes, ", (self.reads, writes)", ""): in_order,
    Fault(fusing.Group.clashes, "(self.writes, writes), ", ""): in_order,
    Fault(fusing.Held.settle, "wanted |= {group, *group.after}", "wanted |= {group}"): beside_others,
    Fault(joining.Joint._stored, "else self._as(value, dtype, of)", "else value"): chain,
    Fault(joining.Joint.take, "self.values[key] = self._stored", "self._stored"): chain,
    Fault(joining.Joint._read, "self._round(self.values[key])", "pass"): chain,
    Fault(fusing.Group.takes, "(mine.lost, mine.dims, mine.over)", "(mine.lost, mine.dims, its.over)"): summed,
    Fault(fusing.Watched.malloc, "self.held.settle(None, ())", "pass"): added_from_the_left,
    Fault(blas._by_cublas, "[left.array, right.array], [out]", "[], [out]"): beside_others,
    Fault(kernels.Kernel._hold, "[x for x, _ in arrays]", "[]"): beside_others,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_planted_faults_are_found(fault: Fault) -> None:
    def check() -> None:
        for dtype in (minitorch.float32, minitorch.float16):
            held = same(FAULTS[fault], dtype)
        if FAULTS[fault] is chain:  # (no CPU joins a product and a sum to one instruction)
            assert "product(" in same(chain).made[0][1].printed[0]
        assert held.before

    check()
    with fault.planted():
        assert fails(check)
