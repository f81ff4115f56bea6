"""Tensors between processes: who sees what either writes, what is refused, what is left over; and `spawn`."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing
from planting import plant

import minitorch
import minitorch.multiprocessing as mp
from both import assert_runs_the_same
from minitorch.tensor import sharing
from sharing_cases import other_side, train

pytestmark = pytest.mark.outside


# ---- in one process ----


def views_move_along(lib: Any) -> Any:
    x = lib.arange(6.0)
    row, turned, same = x[1:3], x.view(2, 3).t(), x.detach()
    whole, leaf = lib.nn.Linear(2, 2), lib.ones(2, requires_grad=True)
    before = [t.is_shared() for t in (x, row, turned, same)]
    row.share_memory_()
    x.add_(1)
    return (
        before,
        [t.is_shared() for t in (x, row, turned, same)],
        [x, row, turned, same, x.storage_offset(), row.storage_offset(), turned.stride(), x.untyped_storage().nbytes()],
        x.untyped_storage().data_ptr() == same.untyped_storage().data_ptr(),
        [p.is_shared() for p in whole.share_memory().parameters()],
        leaf.share_memory_() is leaf,
        (leaf * 2).sum().backward(),
        leaf.grad.is_shared(),
        lib.empty(0).share_memory_().is_shared(),
        lib.tensor(3).share_memory_(),
    )


def test_share_memory_is_torchs() -> None:
    assert_runs_the_same(views_move_along)


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x.data,
        lambda x: x.detach()[1:].detach(),
        lambda x: minitorch.nn.Parameter(x.detach()),
        lambda x: x.as_strided((2,), (2,)),
        lambda x: x[1:].as_strided((2,), (1,)),
        lambda x: x.expand(3, 5).data,
        lambda x: minitorch.from_numpy(x.detach().numpy()),
    ],
)
def test_whatever_shows_the_memory_moves_along(make: Any) -> None:
    for first in range(2):
        x = minitorch.ones(5, requires_grad=True)
        others = [make(x), make(x)]
        (x if first else others[0]).share_memory_()
        with minitorch.no_grad():
            x.zero_()
        assert x.is_shared() and all(each.is_shared() and float(each.abs().sum()) == 0 for each in others)


def test_a_holder_that_is_overlooked_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, "tensor.sharing", "_nobody_else_holds", "_holders(cell) == owning + len(showing)", "True")
    x = minitorch.ones(5)
    other = x.detach()
    x.share_memory_()
    assert not other.is_shared()


def test_nobody_is_looked_for_where_nobody_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing.gc, "get_objects", None)  # which takes long
    x = minitorch.ones(5)
    part = x[1:]
    minitorch.ones(3).share_memory_(), x.share_memory_()
    assert part.is_shared()


def test_small_tensors_take_few_descriptors() -> None:
    before = len(os.listdir("/dev/fd"))
    tensors = [minitorch.ones(100).share_memory_() for _ in range(300)]
    assert len(os.listdir("/dev/fd")) - before <= 4
    del tensors


def test_memory_is_given_back() -> None:
    before = len(os.listdir("/dev/fd"))
    for _ in range(20):
        minitorch.ones(1 << 19).share_memory_()  # a block of its own
    assert len(os.listdir("/dev/fd")) == before


def test_what_cannot_be_sent() -> None:
    for lib, pickler in (torch, torch.multiprocessing.reducer), (minitorch, mp.reducer):
        with pytest.raises(RuntimeError, match="Cowardly refusing to serialize non-leaf tensor which requires_grad"):
            pickler.ForkingPickler.dumps(lib.ones(2, requires_grad=True) * 2)


def test_strategies() -> None:
    assert mp.get_sharing_strategy() == torch.multiprocessing.get_sharing_strategy() == "file_descriptor"
    for lib in torch.multiprocessing, mp:
        assert lib.get_all_sharing_strategies() == {"file_descriptor", "file_system"}
        with pytest.raises(AssertionError):
            lib.set_sharing_strategy("what")
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    mp.set_sharing_strategy("file_descriptor")


def test_names_are_torchs() -> None:
    missing = set(torch.multiprocessing.__all__) - set(dir(mp))
    assert missing == set()
    assert {n for n in dir(torch.multiprocessing) if n[0].isupper() and n[1].islower()} - set(dir(mp)) == set()


# ---- between processes ----


def send_all(start_method: str) -> None:
    context: Any = mp.get_context(start_method)
    inbox, outbox, done, model = context.Queue(), context.Queue(), context.Event(), minitorch.nn.Linear(2, 2)
    started: Any = mp.start_processes(other_side, (inbox, outbox, model, done), join=False, start_method=start_method)
    x = minitorch.zeros(3, requires_grad=True)
    x.tag = "hung on"
    part, integers = x.detach()[1:], minitorch.tensor([True, False])
    inbox.put((x, part, x, integers))
    facts, part_back, same, integers_back, weight, made = outbox.get(timeout=30)
    assert facts == [True, True, True, "Parameter", False, "hung on"] and same
    assert x.tolist() == [7.0] * 3 and part.tolist() == part_back.tolist() == [7.0] * 2
    assert part_back.untyped_storage() == x.untyped_storage()  # it is the same memory in this process too
    assert integers_back.tolist() == [True, False] and integers_back.dtype is minitorch.bool
    assert made.tolist() == [1.0, 2.0] and made.untyped_storage().nbytes() == 16
    if start_method != "fork":  # a fork's model is a copy
        assert float(model.weight.sum()) == 12 and weight.untyped_storage() == model.weight.untyped_storage()
    done.set()
    while not started.join():
        pass
    assert made.tolist() == [1.0, 2.0]  # though its maker has ended


@pytest.mark.parametrize("method", ["spawn", *(pytest.param(m, marks=pytest.mark.slow) for m in ("fork", "forkserver"))])
def test_both_sides_see_what_either_writes(method: str) -> None:
    send_all(method)


@pytest.mark.slow
def test_hogwild() -> None:
    """Two processes train one model without waiting for each other (Recht et al., 2011)."""
    minitorch.manual_seed(0)
    model = minitorch.nn.Linear(4, 1)
    data = minitorch.randn(64, 4)
    target = data.sum(1, keepdim=True)
    before = float(minitorch.nn.functional.mse_loss(model(data), target))
    model.share_memory()
    mp.spawn(train, (model, data, target), nprocs=2)
    assert float(minitorch.nn.functional.mse_loss(model(data), target)) < 0.01 * before


# ---- one that fails ----


def fails(index: int, how: str) -> None:
    if index == 1:
        if how == "raises":
            raise ValueError("on purpose")
        if how == "exits":
            os._exit(3)
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


@pytest.mark.parametrize(
    ("how", "kind", "words"),
    [
        ("raises", "ProcessRaisedException", "-- Process 1 terminated with the following error:\nTraceback"),
        ("exits", "ProcessExitedException", "process 1 terminated with exit code 3"),
        ("dies", "ProcessExitedException", "process 1 terminated with signal SIGKILL"),
    ],
)
def test_if_one_fails_all_end(how: str, kind: str, words: str) -> None:
    for lib in torch.multiprocessing, mp:
        context: Any = lib.start_processes(fails, (how,), nprocs=3, join=False, start_method="fork")
        with pytest.raises(getattr(lib, kind)) as caught:
            while not context.join(30):
                pass
        assert words in str(caught.value) and ("ValueError: on purpose" in str(caught.value)) == (how == "raises")
        assert caught.value.error_index == 1 and caught.value.error_pid == context.pids()[1]
        assert not any(process.is_alive() for process in context.processes)


def a_family(index: int, pids: Any) -> None:
    pids.put(os.getpid())
    time.sleep(60)


def a_parent(pids: Any) -> None:
    mp.start_processes(a_family, (pids,), nprocs=2, start_method="fork")


def test_whose_parent_is_killed_ends() -> None:
    context: Any = mp.get_context("fork")
    pids = context.SimpleQueue()
    parent = context.Process(target=a_parent, args=(pids,))
    parent.start()
    children = [pids.get(), pids.get()]
    parent.kill()
    parent.join()
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(_runs(pid) for pid in children)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] not in "ZX"
    except FileNotFoundError:
        return False
