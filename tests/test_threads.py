"""Several threads at once: no random number is drawn twice, no addition is lost, as in torch. They take turns as often as they can."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import minitorch

THREADS, TIMES = 4, 300


@pytest.fixture(autouse=True)
def taking_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(work: Callable[[], Any], times: int = TIMES) -> list:
    """What `work` returns in each of many calls from several threads, which start at once."""
    results: list = []
    all_here = threading.Barrier(THREADS)

    def run() -> None:
        all_here.wait()
        results.extend(work() for _ in range(times))

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


DRAWS: dict[str, Callable[[Any], Any]] = {
    "rand": lambda g: minitorch.rand(3, generator=g),
    "rand, float64": lambda g: minitorch.rand(3, generator=g, dtype=minitorch.float64),
    "randn, few": lambda g: minitorch.randn(3, generator=g),
    "randn, many": lambda g: minitorch.randn(35, generator=g),
    "randint": lambda g: minitorch.randint(0, 100, (4,), generator=g),
    "randperm": lambda g: minitorch.randperm(5, generator=g),
    "bernoulli": lambda g: minitorch.full((60,), 0.5).bernoulli_(generator=g),
    "log_normal_": lambda g: minitorch.empty(3).log_normal_(generator=g),
    "its state": lambda g: minitorch.empty(1).uniform_(generator=g.clone_state()) * 0,
}


@pytest.mark.parametrize("draw", DRAWS)
def test_each_draws_a_piece_of_one_stream(draw: str) -> None:
    shared, alone = minitorch.Generator().manual_seed(0), minitorch.Generator().manual_seed(0)
    drawn = together(lambda: DRAWS[draw](shared).tolist())
    expected = [DRAWS[draw](alone).tolist() for _ in range(THREADS * TIMES)]
    if draw != "randn, few":  # (of three normals one is kept for whoever comes next)
        assert sorted(drawn) == sorted(expected)
    assert shared.get_state().tolist() == alone.get_state().tolist()


def test_dropout_of_the_default_generator() -> None:
    minitorch.manual_seed(0)
    drawn = together(lambda: minitorch.nn.functional.dropout(minitorch.ones(8)).tolist())
    minitorch.manual_seed(0)
    assert sorted(drawn) == sorted(
        minitorch.nn.functional.dropout(minitorch.ones(8)).tolist() for _ in range(THREADS * TIMES)
    )


WRITES: dict[str, Callable[[Any], Any]] = {
    "add_": lambda z: z.add_(1),
    "through views": lambda z: z[:1].add_(1),
    "other views": lambda z: z.view(2, 1)[0].add_(1),
    "detached": lambda z: z.detach().add_(1),
    "index_add_": lambda z: z.index_add_(0, minitorch.tensor([0]), minitorch.ones(1)),
    "composite": lambda z: z.addcmul_(minitorch.ones(2), minitorch.ones(2)),
}


@pytest.mark.parametrize("write", WRITES)
def test_no_addition_is_lost(write: str) -> None:
    for times in [TIMES, *[3] * 50]:  # a tensor is written to for the first time once
        z = minitorch.zeros(2)
        together(lambda z=z: WRITES[write](z), times)
        assert z[0].item() == z._version == THREADS * times


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.filterwarnings("ignore:Using backward")
def test_no_gradient_is_lost(create_graph: bool) -> None:
    for _ in range(300):  # a leaf has its first gradient once
        x = minitorch.ones(2, requires_grad=True)
        together(lambda x=x: (x * 1).sum().backward(create_graph=create_graph), times=3)
        assert x.grad.tolist() == [THREADS * 3] * 2


def test_threads_that_read_what_the_others_write_do_not_wait_for_each_other() -> None:
    a, b = minitorch.zeros(2), minitorch.zeros(2)
    together(lambda: (a.add_(b), b.add_(a)))
    assert a._version == b._version == THREADS * TIMES
