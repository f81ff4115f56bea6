"""DataLoader's worker processes beside torch's: the same batches in the same order, the same draws in the workers, the same errors.

Then what torch cannot be asked: that batches lie in shared memory, that a killed worker is an error at once, that nothing is left.
`python -m reference workers` does this a hundred times, at random moments and with every way to start a process.
"""

from __future__ import annotations

import collections
import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from seeded import assert_same, attempt

import minitorch
from minitorch.utils import data
from minitorch.utils.data._utils import shared
from shares import by_turns

pytestmark = pytest.mark.outside

Point = collections.namedtuple("Point", ["x", "y"])


def drawing(lib: Any, n: int) -> Any:
    """A dataset that says where and with which random numbers a sample was made."""

    class Drawing(lib.utils.data.Dataset):
        def __len__(self):
            return n

        def __getitem__(self, i):
            info = lib.utils.data.get_worker_info()
            return i, info.id, info.num_workers, info.seed, lib.rand(2), random.random(), np.random.rand(), lib.randn(1)

    return Drawing()


def share(lib: Any, n: int, length: int | None = None, pieces: int = 2) -> Any:
    """A stream of which each worker gives its share; the first also what others leave."""

    class Share(lib.utils.data.IterableDataset):
        def __iter__(self):
            info = lib.utils.data.get_worker_info()
            return iter([(i, lib.rand(1)) for i in range(n) if (i % pieces) % info.num_workers == info.id])

    if length is not None:
        Share.__len__ = lambda self: length
    return Share()


def loaders(lib: Any) -> Iterator[Any]:
    """(loader, how much is taken of each pass)"""
    d = lib.utils.data
    g = lib.Generator().manual_seed(7)
    all_of_it, twice, left = [10**6], [10**6, 10**6], [2, 10**6, 1, 3]
    yield d.DataLoader(drawing(lib, 11), 2, shuffle=True, num_workers=2), twice
    yield d.DataLoader(drawing(lib, 11), 2, True, num_workers=2, persistent_workers=True, generator=g), left
    yield d.DataLoader(drawing(lib, 5), None, num_workers=1, prefetch_factor=1, generator=g), left
    yield d.DataLoader(drawing(lib, 9), 2, num_workers=2, drop_last=True, prefetch_factor=5), all_of_it
    yield d.DataLoader(share(lib, 9), 2, num_workers=2), twice
    yield d.DataLoader(share(lib, 9, pieces=5), 2, num_workers=2, persistent_workers=True), left
    yield d.DataLoader(share(lib, 9, length=3), 2, num_workers=2, drop_last=True), all_of_it
    yield d.DataLoader(list(range(7)), batch_sampler=[[3, 3], [], [1]], num_workers=1, collate_fn=str), all_of_it
    yield d.DataLoader(drawing(lib, 0), 2, num_workers=2), all_of_it


@pytest.mark.parametrize("which", range(9))
def test_batches_order_and_draws(which: int) -> None:
    def scenario(lib):
        lib.manual_seed(3)
        loader, counts = next(itertools.islice(loaders(lib), which, None))
        length = attempt(len, loader)
        for count in counts:
            passed = []
            for batch, _ in zip(loader, range(count)):
                passed.append((batch, lib.rand(1)))
            yield length, passed, loader.generator or "default"

    assert_same(lambda lib: list(scenario(lib)))


def test_how_far_the_sampler_is_asked_ahead() -> None:
    def scenario(lib):
        asked = []

        def order():
            for i in range(9):
                asked.append(i)
                yield i

        loader = lib.utils.data.DataLoader(list(range(9)), None, sampler=order(), num_workers=2, prefetch_factor=2)
        return [(len(asked), int(i)) for i in loader]

    assert_same(scenario)


SAMPLES = [
    {"a": 1, "b": [2.5, "text", b"bytes"], "c": (True, None)},
    Point(np.arange(3, dtype=np.int16), np.float32(2)),
    np.zeros((0, 3)),
    collections.OrderedDict(x=np.ones((40, 50), np.float64)[:, ::2]),
]


def test_batches_of_every_make() -> None:
    def scenario(lib):
        tensors = [
            lib.arange(2000.0).reshape(40, 50).t(),
            lib.tensor(3, dtype=lib.bfloat16),
            lib.ones(2, 0),
            lib.tensor(True),
        ]
        for sample in SAMPLES + tensors:
            loader = lib.utils.data.DataLoader([sample], None, num_workers=1)
            for given in loader:
                if isinstance(given, lib.Tensor):
                    given.add_(0)  # it can be written to
                    yield given.shape == sample.shape, given.dtype == sample.dtype, given.tolist(), given.is_contiguous()
                else:
                    yield given

    assert_same(lambda lib: list(scenario(lib)))


# ---- errors in a worker ----


class Odd(Exception):
    """It takes more than a message."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)


class Worded(Exception):
    message = "the class has a message"

    def __init__(self, message: str) -> None:
        super().__init__(f"<{message}>")


def raised(call: Callable[[], Any]) -> Any:
    """What comes back, or the error's type, the head of its message and the end of it; the traceback between is each library's."""
    try:
        return call()
    except StopIteration:
        raise
    except Exception as error:
        lines = str(error).splitlines()
        return type(error).__name__, lines[:2], lines[-1].partition(";")[0]


def failing(lib: Any, error: Callable[[], BaseException]) -> Any:
    class Failing(lib.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            if i == 2:
                raise error()
            return i

    return Failing()


ERRORS = [
    lambda: ValueError("two"),
    lambda: KeyError("two"),
    lambda: Odd(2, "two"),
    lambda: Worded("two"),
    lambda: type("Nowhere", (ValueError,), {})("two"),
]


@pytest.mark.parametrize("error", ERRORS[:-1])
def test_an_error_comes_with_its_traceback_and_the_next_batch_after_it(error: Callable[[], Exception]) -> None:
    def scenario(lib):
        batches = iter(lib.utils.data.DataLoader(failing(lib, error), 2, num_workers=2))
        return [raised(lambda: next(batches)) for _ in range(3)], next(batches, "over")

    assert "in DataLoader worker process 1." in str(assert_same(scenario)[0])


def test_an_error_of_a_class_that_cannot_be_sent() -> None:
    """torch's worker then says nothing, for ever."""
    batches = iter(data.DataLoader(failing(minitorch, ERRORS[-1]), 2, num_workers=1))
    next(batches)
    with pytest.raises(
        RuntimeError, match=r"Caught Nowhere in DataLoader worker process 0[^|]*__getitem__[^|]*Nowhere: two"
    ):
        next(batches)


def test_a_batch_that_cannot_be_sent() -> None:
    loader = data.DataLoader([1], None, collate_fn=lambda x: lambda: x, num_workers=1)
    with pytest.raises(AttributeError, match=r"Caught AttributeError in DataLoader worker process 0"):
        list(loader)


def test_errors_before_the_first_batch() -> None:
    def scenario(lib):
        d = lib.utils.data

        def init(worker_id):
            raise OSError(f"worker {worker_id}")

        class Stream(d.IterableDataset):
            def __iter__(self):
                raise ZeroDivisionError("no stream")

        yield raised(lambda: next(iter(d.DataLoader([1, 2], num_workers=1, worker_init_fn=init))))
        yield raised(lambda: next(iter(d.DataLoader(Stream(), num_workers=1))))
        yield raised(lambda: next(iter(d.DataLoader([1, object()], 2, num_workers=1))))

    assert_same(lambda lib: list(scenario(lib)))


def test_what_init_fn_does_stays_in_its_worker() -> None:
    def scenario(lib):
        def init(worker_id):
            lib.utils.data.get_worker_info().dataset[0] = 10 + worker_id
            lib.manual_seed(worker_id)

        rows = [0, 0]
        loader = lib.utils.data.DataLoader(
            rows, 2, sampler=[0, 1, 0, 1], num_workers=2, worker_init_fn=init, collate_fn=lambda b: (b, lib.rand(1))
        )
        return list(loader), rows, lib.utils.data.get_worker_info()

    assert_same(scenario)


def test_a_batch_that_takes_too_long() -> None:
    def scenario(lib):
        class Slow(lib.utils.data.Dataset):
            def __len__(self):
                return 1

            def __getitem__(self, i):
                time.sleep(1.5)
                return i

        batches = iter(lib.utils.data.DataLoader(Slow(), num_workers=1, timeout=0.1))
        return raised(lambda: next(batches))

    assert_same(scenario)


def test_as_they_are_ready() -> None:
    def scenario(lib):
        class Uneven(lib.utils.data.Dataset):
            def __len__(self):
                return 6

            def __getitem__(self, i):
                time.sleep(0.7 * (i == 0))
                return i

        batches = [b.item() for b in lib.utils.data.DataLoader(Uneven(), num_workers=2, in_order=False, prefetch_factor=1)]
        return batches[0] != 0, sorted(batches)

    assert_same(scenario)


# ---- what is refused, and warned of ----


REFUSED = [
    lambda d, lib: d.DataLoader([1], num_workers=1, multiprocessing_context="thread"),
    lambda d, lib: d.DataLoader([1], num_workers=1, multiprocessing_context=3),
    lambda d, lib: d.DataLoader([1], multiprocessing_context="fork"),
    lambda d, lib: setattr(d.DataLoader([1]), "multiprocessing_context", "fork"),
    lambda d, lib: d.DataLoader([1], num_workers="two"),
    lambda d, lib: list(d.DataLoader([1], collate_fn=lambda b: b, num_workers=1, multiprocessing_context="spawn")),
]


@pytest.mark.parametrize("call", REFUSED)
def test_refused_with_torchs_error(call: Callable[[Any, Any], Any]) -> None:
    outcome = assert_same(lambda lib: call(lib.utils.data, lib))[0]
    assert isinstance(outcome, str), f"torch accepts it: {outcome}"


def test_nothing_would_be_fetched() -> None:
    """torch refuses it too, and then complains of its own clearing up."""
    with pytest.raises(AssertionError, match="prefetch_factor=0"):
        iter(data.DataLoader([1], num_workers=1, prefetch_factor=0))


def test_attributes_and_a_warning_of_too_many() -> None:
    def scenario(lib):
        loader = lib.utils.data.DataLoader([1], num_workers=1000, multiprocessing_context="fork")
        context = loader.multiprocessing_context.get_start_method()
        loader.multiprocessing_context = None
        return context, loader.multiprocessing_context, loader.prefetch_factor, loader.num_workers, loader.in_order

    assert assert_same(scenario)[1] == ["UserWarning"]


# ---- pinned memory ----


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_in_pinned_memory_where_there_is_a_gpu(gpu: Any, workers: int) -> None:
    numbers = minitorch.arange(6.0, device="cpu").reshape(3, 2).t().to(minitorch.bfloat16)
    sample = {"a": (numbers, "text"), "b": Point(1, [numbers])}
    (batch,) = data.DataLoader([sample], None, pin_memory=True, num_workers=workers, collate_fn=lambda sample: sample)
    assert str(batch) == str(sample)
    assert batch["a"][0].is_pinned()
    assert batch["b"].y[0].is_pinned()
    assert batch["a"][0].to("cuda").tolist() == numbers.tolist()


def test_tensors_in_pinned_memory(gpu: Any) -> None:
    x = minitorch.arange(6.0, device="cpu").reshape(3, 2).t()
    y = x.pin_memory()
    made = minitorch.zeros(2, device="cpu", pin_memory=True, requires_grad=True)
    assert [x.is_pinned(), y.is_pinned(), y[0].is_pinned(), made.is_pinned(), y.pin_memory() is y] == [False, *[True] * 4]
    assert [y.untyped_storage().is_pinned(), x.untyped_storage().is_pinned()] == [True, False]
    assert (y.stride(), made.requires_grad, made.is_leaf) == (x.stride(), True, True)
    assert y.tolist() == x.tolist()
    assert not y.to("cuda").is_pinned()


def test_what_is_on_the_gpu_cannot_be_pinned(gpu: Any) -> None:
    with pytest.raises(RuntimeError, match="only tensors on the CPU can be pinned"):
        list(data.DataLoader([minitorch.zeros(2, device="cuda")], None, pin_memory=True))


# ---- shared memory ----


def images(n: int = 64) -> Any:
    return data.TensorDataset(minitorch.arange(n * 1000.0).reshape(n, 1000), minitorch.arange(n))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


def mapped() -> int:
    """How many blocks of memory are shared with workers."""
    return sum(ref() is not None for ref in shared._mapped)


def test_batches_lie_in_shared_memory_for_as_long_as_they_are_used() -> None:
    before = descriptors(), mapped()
    batches = [batch for batch, _ in data.DataLoader(images(400), 2, num_workers=2)]
    assert mapped() == shared.MAPPED_AT_MOST  # further ones were copied: descriptors are few
    assert [batch[0, 0].item() for batch in batches] == [2000.0 * k for k in range(200)]
    child = os.fork()
    if child == 0:  # the memory is the same there
        batches[0][0, 0] = 5
        os._exit(0)
    os.waitpid(child, 0)
    assert batches[0][0, 0].item() == 5
    del batches
    gc.collect()
    assert descriptors() <= before[0] and mapped() <= before[1]


def test_many_large_indices_ahead_do_not_block() -> None:
    sampler = [list(range(k, k + 3000)) for k in range(1500)]
    loader = data.DataLoader(range(5000), batch_sampler=sampler, num_workers=1, prefetch_factor=1500, collate_fn=sum)
    batches = iter(loader)
    time.sleep(0.1)
    assert [next(batches) for _ in range(700)] == [sum(indices) for indices in sampler[:700]]


# ---- workers that die, and loaders that are left ----


def gone(pids: list[int]) -> bool:
    """Whether none of our children has one of these numbers."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        return False
    return True


def endless() -> Any:
    class Endless(data.IterableDataset):
        def __iter__(self):
            return (minitorch.full((500,), float(i)) for i in itertools.count())

    return Endless()


def pids_of(batches: Any) -> list[int]:
    return [worker.pid for worker in batches._workers]


@pytest.mark.parametrize("persistent", [False, True])
def test_a_killed_worker_is_an_error_that_names_it(persistent: bool) -> None:
    loader = data.DataLoader(endless(), 4, num_workers=2, persistent_workers=persistent)
    batches = iter(loader)
    next(batches)
    pids = pids_of(batches)
    os.kill(pids[1], signal.SIGKILL)
    start = time.monotonic()
    for _ in range(2):  # also when it is asked again
        with pytest.raises(RuntimeError, match=rf"pid\(s\) {pids[1]}\) exited unexpectedly .*killed by signal: Killed"):
            collections.deque(batches, 0)
    assert time.monotonic() - start < 20  # at once, but where other programs have the processors
    assert gone(pids)
    assert next(iter(loader))[0, 0].item() == 0  # a new pass has new workers


def test_a_worker_that_ends_itself() -> None:
    batches = iter(data.DataLoader([1], num_workers=1, collate_fn=lambda batch: os._exit(3)))
    with pytest.raises(RuntimeError, match=r"exited unexpectedly \(\d+: exit code 3\)"):
        next(batches)


@pytest.mark.parametrize("how", by_turns(["collected in a cycle", "exhausted", "error", "left"], 2))
def test_nothing_is_left(how: str) -> None:
    before = descriptors()
    dataset = failing(minitorch, ERRORS[0]) if how == "error" else images()
    batches = iter(data.DataLoader(dataset, 4, num_workers=2))
    pids = pids_of(batches)
    if how == "collected in a cycle":
        batches.itself = batches  # type: ignore[attr-defined]
    elif how == "error":
        attempt(list, batches)
    else:
        collections.deque(itertools.islice(batches, 2 if how == "left" else None), 0)
    del batches
    gc.collect()
    assert gone(pids)
    assert descriptors() == before


def test_a_forked_copy_of_a_loader_leaves_its_workers_alone() -> None:
    batches = iter(data.DataLoader(images(), 4, num_workers=2))
    child = os.fork()
    if child == 0:
        del batches
        gc.collect()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(batches)) == 16


AT_EXIT = """
import minitorch, os, signal, time
from minitorch.utils.data import DataLoader
signal.signal(signal.SIGTERM, lambda *_: None)
forks = []
os.register_at_fork(before=lambda: forks.append(1), after_in_child=lambda: time.sleep(0.7 * (len(forks) - 1)))  # the second is late
loader = DataLoader([minitorch.zeros(2000)] * 100, 2, num_workers=2, persistent_workers=True)
batches = iter(loader)
next(batches)
print(*(worker.pid for worker in batches._workers))
"""


def test_the_interpreter_ends_while_workers_work() -> None:
    run = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stderr) == (0, "")
    for pid in map(int, run.stdout.split()):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_other_ways_to_start_a_process(method: str) -> None:
    def scenario(lib):
        numbers = lib.arange(3000.0).reshape(3, 1000)
        loader = lib.utils.data.DataLoader(
            lib.utils.data.TensorDataset(numbers), 2, shuffle=True, num_workers=1, multiprocessing_context=method
        )
        return [batch for (batch,) in loader]

    assert_same(scenario)
