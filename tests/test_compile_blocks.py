"""Groups of instructions done a block of rows at a time, and writes as new values: the same numbers, to the last bit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from planting import Fault, assert_noticed
from test_compile_programs import check_random_program

import minitorch
import minitorch.nn.functional as F
from minitorch import Tensor
from minitorch.arrays.device import shortcuts
from minitorch.backends import c
from minitorch.compiler import blocked, new_values, numpy_blocks
from minitorch.kernels.cpu import blocks
from shares import share_of
from test_compile import assert_alike, differentiate, has_program, one_weight

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(not shortcuts.enabled, reason="rows are gone through by the ops' faster forms"),
]


@pytest.fixture(autouse=True, params=[1, 3], ids=["one thread", "three threads"])
def small_blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Eight numbers are a block, so that small arrays have many. NumPy computes: loops in C are calls, which no block is made of."""
    monkeypatch.setattr(blocks, "LEAST", 8)
    monkeypatch.setattr(blocks, "BLOCK", 16)
    monkeypatch.setattr(blocks, "SMALL", 1)
    monkeypatch.setattr(blocked, "LARGE", 16)
    monkeypatch.setattr(blocks, "_threads", request.param)
    with c.flags(enabled=False):
        yield


def of(function: Callable[[Tensor], Any], *shape: int, outside: bool = False, dtype: Any = None) -> Callable[[], tuple]:
    """Steps of a function of one tensor and its derivative; numbers change between them."""

    def build() -> tuple:
        minitorch.manual_seed(0)
        x = minitorch.randn(*(shape or (12, 6)), dtype=dtype).requires_grad_()

        def step() -> Any:
            x.grad = None
            out = function(x)
            if outside:
                return out
            differentiate([out])
            return out.detach()

        def between(k: int) -> None:
            with minitorch.no_grad():
                x.copy_(minitorch.randn(x.shape, dtype=x.dtype))

        return step, lambda: [x, x.grad], between, *([lambda out: differentiate([out])] if outside else [])

    return build


rows, columns = minitorch.arange(12.0).reshape(12, 1) * 0.1, minitorch.arange(6.0) - 2


def writes(x: Tensor) -> Tensor:
    """In the step's own memory: all of it, some rows of it, and rows further down in rows further up."""
    y = x * 2
    y.add_(rows)
    y[3:5] = 0
    z = y * 1
    z[1:].add_(z[:-1] * 0.5)
    y.mul_(z).sub_(columns)
    return y + z.flip(0)


def writes_by_columns(x: Tensor) -> Tensor:
    """In memory of the step that lies column by column: sums add in that order."""
    y = x.t().clone().mul_(x.t()).add_(0.1)
    return y.sum() * x.exp()


FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "rowwise": lambda x: F.softmax(F.gelu(F.layer_norm(x, (6,))), -1),
    "tanh form": lambda x: F.log_softmax(F.gelu(x * 3, approximate="tanh"), 1),
    "of columns": lambda x: (x - x.mean(0)) * F.softmax(x, 0),
    "broadcast": lambda x: (x * columns + rows).exp().tanh() / (x * x + 1).sum(1, keepdim=True),
    "choices": lambda x: F.relu(minitorch.where(x > rows, x, -x) * columns).clamp(max=1.5),
    "writes": writes,
    "writes by columns": writes_by_columns,
    "views": lambda x: (x.reshape(4, 18) * 2).tanh().reshape(12, 6) * x.t().exp().t(),
    "flat": lambda x: (x.flatten().sigmoid() * x.flatten()).reshape(6, 12).softmax(1) + x.reshape(6, 12),
    "steps": lambda x: ((x * 2 + 1) @ x.t() * 0.1).tanh() * 2 + (x.exp() * 0.5 - 1).sum(),
    "dtypes": lambda x: (x.double() * 2).float() * (x > 0) + x.abs().sqrt(),
    "norm with weights": lambda x: F.layer_norm(x * 2, (6,), (columns + 3).to(x.dtype), columns.to(x.dtype)) * 2 + 1,
    "batch norm": lambda x: F.batch_norm(x * 2, None, None, columns.to(x.dtype), training=True).relu() * 2,
    "repetition": lambda x: F.gelu(x) * F.gelu(x) + F.gelu(x * 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    for dtype in (minitorch.float32, minitorch.float64):
        run = assert_alike(of(FUNCTIONS[name], dtype=dtype))
        assert has_program(run), run.explain()
        assert "in_blocks_of_" in run.source


@pytest.mark.parametrize("name", ["rowwise", "writes", "repetition"])
def test_functions_differentiated_outside(name: str) -> None:
    assert has_program(assert_alike(of(FUNCTIONS[name], outside=True)))


def test_a_large_parameter_is_updated_in_blocks() -> None:
    program = assert_alike(lambda: one_weight(10, 12), 6)
    assert "\n        exp_avg_of_w_ = exp_avg_of_w[lo:hi]\n" in program.source


def test_one_group_goes_forward_and_back() -> None:
    run = assert_alike(of(FUNCTIONS["rowwise"]))
    assert run.source.count("def block") == 1
    assert run.source.count("tanh(") == 1  # of gelu, whose derivative needs it again


def test_nothing_is_said_of_infinity() -> None:
    with np.errstate(all="warn"):
        assert_alike(of(lambda x: (x * 1e30).exp() * 0 + x))


def test_threads_have_the_callers_way_with_infinity() -> None:
    """All of them: a block waits until there are two."""
    seen, together = [], threading.Barrier(blocks.get_num_threads())

    def block(lo: int, hi: int, room: list) -> None:
        if lo < 2 * blocks.get_num_threads():
            together.wait(10)
        seen.append(np.geterr()["invalid"])

    with np.errstate(all="ignore"):
        numpy_blocks._Runner(12, 96, [])(block)
    assert seen == ["ignore"] * len(seen)


def test_an_error_in_a_block_is_the_callers() -> None:
    runner = numpy_blocks._Runner(8, 64, [])

    def block(lo: int, hi: int, room: list) -> None:
        raise ValueError(str(lo))

    with pytest.raises(ValueError):
        runner(block)


SEEDS = [pytest.param(k, marks=share_of(k, 3, 12)) for k in range(200)]


@pytest.mark.parametrize("learns", ["", "inside", "outside"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed: int, learns: str) -> None:
    check_random_program(seed, learns, "numpy")


FAULTS = [
    Fault(blocked._Grouping._are_apart, "len(ranges | read.get(m, set())) == 1", "True"),
    Fault(blocked._Grouping._add, "any(n % parts for n in cut)", "False"),
    Fault(blocked._Grouping._rows_of_a_sum, "type(a) is int and a % values[0].ndim for a in axes", "True for a in axes"),
    Fault(
        blocked._Grouping.take,
        "elif lone and not depends and self.open.instructions",
        "elif lone and self.open.instructions",
    ),
    Fault(blocked._find_what_stays_inside, "users[m] == {id(step)} and ", ""),
    Fault(blocked._find_what_stays_inside, " and m not in stays", ""),
    Fault(numpy_blocks._Block._take_over, "and self.last[memory] == k", ""),
    Fault(numpy_blocks._Block._take_over, "r.memory not in self.group.inside", "False"),
    Fault(numpy_blocks._Block._let_go, "if self.last[m] == k", ""),
    Fault(numpy_blocks._Runner.__call__, "contextvars.copy_context().run, take, room", "take, room"),
    Fault(new_values._Renewal._serves, "self.graph.handed_out()", "set()"),
    Fault(new_values._Renewal._serves, " and values[m].is_in_rows", ""),
    Fault(new_values._Renewal._serves, "self.same[v.place] != v.memory or ", ""),
    Fault(blocks._recorded, "raise NotTraceable", "pass"),
]


@cache
def all_checks() -> list[Callable[[], Any]]:
    """The tests of this file."""
    return [
        *(lambda name=name: test_functions(name) for name in FUNCTIONS),
        *(lambda name=name: test_functions_differentiated_outside(name) for name in ("rowwise", "writes")),
        test_a_large_parameter_is_updated_in_blocks,
        test_one_group_goes_forward_and_back,
        test_nothing_is_said_of_infinity,
        test_threads_have_the_callers_way_with_infinity,
        *(lambda k=k, how=how: test_random_programs(k, how) for k in range(12) for how in ("", "inside", "outside")),
    ]


@pytest.mark.parametrize("small_blocks", [3], indirect=True)
@pytest.mark.parametrize("fault", [pytest.param(f, id=str(f), marks=share_of(k % 5, 0, 1)) for k, f in enumerate(FAULTS)])
def test_a_check_notices(fault: Fault) -> None:
    assert_noticed(fault, all_checks())
