"""The GPU's memory as users see it: what is held and was held, no more of it, pinned memory and copies that nobody waits for, other libraries."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from minitorch import nn
from minitorch.arrays import gpu_memory, transfers
from minitorch.utils import data
from reference.strict_cupy import counting, cupy, memory_of

pytestmark = pytest.mark.usefixtures("stand_in")
cuda = minitorch.cuda


@pytest.fixture
def small(stand_in: Any) -> Any:
    """A GPU of one MiB, nothing of which is held."""
    gc.collect()
    gpu_memory.meters.clear()
    with memory_of(1 << 20):
        yield


# ---- what is held ----


def test_what_arrays_hold_and_the_most_they_held(small: Any) -> None:
    assert cuda.memory_allocated() == cuda.max_memory_allocated() == 0
    x = minitorch.zeros(1000, device="cuda")  # 4000 bytes: a block of 4096
    assert cuda.memory_allocated() == 4096
    y = x[10:].view(99, 10).t()
    del x
    assert cuda.memory_allocated() == 4096, "a view holds the memory"
    z = y.contiguous() * 2
    del y, z
    assert cuda.memory_allocated() == 0 and cuda.max_memory_allocated() == 3 * 4096 == cuda.memory_reserved()
    cuda.reset_peak_memory_stats()
    assert cuda.max_memory_allocated("cuda:0") == 0 and cuda.max_memory_reserved(0) == 3 * 4096
    cuda.empty_cache()
    assert cuda.memory_reserved() == 0


def test_the_stats_have_torchs_names(small: Any) -> None:
    kept = [minitorch.ones(200, device="cuda") for _ in range(3)]
    kept.pop()
    stats = cuda.memory_stats()
    assert stats["allocated_bytes.all.current"] == 2048 and stats["allocated_bytes.all.peak"] == 3072
    assert stats["allocation.all.allocated"] == 3 and stats["allocation.all.freed"] == 1 and stats["num_ooms"] == 0
    assert cuda.memory_stats_as_nested_dict()["allocated_bytes"]["all"]["freed"] == 1024
    cuda.reset_accumulated_memory_stats()
    assert cuda.memory_stats()["allocation.all.allocated"] == cuda.memory_stats()["allocated_bytes.all.freed"] == 0
    assert [
        line
        for line in cuda.memory_summary().splitlines()
        if re.match(r"\| Allocated memory +\| 2.00 KiB +\| 3.00 KiB", line)
    ]
    assert (
        minitorch.accelerator.max_memory_allocated() == 3072 and minitorch.accelerator.memory_stats() == cuda.memory_stats()
    )
    assert {name for name in dir(torch.cuda) if "memory_stats" in name and "host" not in name} <= set(dir(cuda))


@pytest.mark.parametrize("fault", [
    lambda held: setattr(gpu_memory.Held, "__del__", lambda self: None),
    lambda held: setattr(gpu_memory.Held, "__init__", lambda self, block, size, meter: held(self, block, size // 2, meter)),
])  # fmt: skip
def test_a_block_that_is_forgotten_is_noticed(fault: Callable, small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    held, gone = gpu_memory.Held.__init__, gpu_memory.Held.__del__
    monkeypatch.setattr(gpu_memory.Held, "__init__", held)
    monkeypatch.setattr(gpu_memory.Held, "__del__", gone)
    fault(held)
    with pytest.raises(AssertionError):
        test_what_arrays_hold_and_the_most_they_held.__wrapped__(small) if hasattr(
            test_what_arrays_hold_and_the_most_they_held, "__wrapped__"
        ) else test_what_arrays_hold_and_the_most_they_held(small)


# ---- no more of it ----


def is_refused(call: Callable[[], Any]) -> bool:
    """Whether there is no memory for it. The error is not kept, nor what its frames hold."""
    try:
        call()
    except minitorch.OutOfMemoryError:
        return True
    return False


def test_there_is_no_more_in_torchs_words(small: Any) -> None:
    assert cuda.OutOfMemoryError is minitorch.OutOfMemoryError and issubclass(minitorch.OutOfMemoryError, RuntimeError)
    assert issubclass(torch.OutOfMemoryError, RuntimeError) and minitorch.OutOfMemoryError.__module__ == "minitorch"
    kept = minitorch.zeros(100_000, device="cuda")
    with pytest.raises(minitorch.OutOfMemoryError) as told:
        minitorch.zeros(1 << 20, device="cuda")
    assert str(told.value) == (
        "CUDA out of memory. Tried to allocate 4.00 MiB. GPU 0 has a total capacity of 1.00 MiB of which 633.00 KiB is free. Of the "
        "allocated memory 391.00 KiB is allocated by minitorch, and 0 bytes is reserved by minitorch but unallocated."
    )
    assert kept.sum().item() == 0 and cuda.memory_stats()["num_ooms"] == 1


@pytest.mark.parametrize("call", [
    lambda x: x.add_(minitorch.ones(80_000, device="cuda") * 2), lambda x: x.mul_(x.exp().log()), lambda x: x[:].copy_(x.double() + 1),
    lambda x: x.to(minitorch.float64), lambda x: minitorch.cat([x, x, x]),
])  # fmt: skip
def test_what_finds_no_memory_changes_nothing(call: Callable, small: Any) -> None:
    x = minitorch.ones(80_000, device="cuda")
    filling = minitorch.ones(100_000, device="cuda")
    version = x._version
    assert is_refused(lambda: call(x))
    assert x._version == version and (x.cpu() == 1).all() and filling.is_cuda
    del filling
    gc.collect()  # (an error's frames may be a circle)
    assert cuda.memory_allocated() == 320_000, "what was begun is given back"


def test_a_step_that_finds_no_memory_can_be_made_again(small: Any) -> None:
    model = nn.Linear(100, 100).cuda()
    x = minitorch.ones(64, 100, device="cuda")
    filling = minitorch.zeros(150_000, device="cuda")
    before = model.weight.detach().cpu()
    outputs: list[Any] = []
    assert is_refused(lambda: [outputs.append(model(x)) for _ in range(20)])
    del filling
    outputs.clear()
    model(x).sum().backward()
    assert model.weight.grad is not None and minitorch.equal(model.weight.detach().cpu(), before)


def test_the_cpu_is_no_gpu() -> None:
    for ask in (cuda.memory_allocated, cuda.memory_stats, cuda.reset_peak_memory_stats, cuda.mem_get_info):
        with pytest.raises(ValueError, match="Expected a cuda device, but got: cpu"):
            ask("cpu")


def test_sizes_in_words() -> None:
    assert [gpu_memory.in_words(n) for n in (512, 2048, 20 << 20, 5 << 28)] == [
        "512 bytes",
        "2.00 KiB",
        "20.00 MiB",
        "1.25 GiB",
    ]


# ---- pinned memory, and copies that nobody waits for ----


def test_a_copy_from_pinned_memory_is_waited_for_unless_told() -> None:
    here, plain = minitorch.arange(6.0).reshape(2, 3).pin_memory(), minitorch.arange(6.0)
    for copy, waiting in ((lambda: here.to("cuda"), True), (lambda: here.cuda(), True), (lambda: here.to("cuda", non_blocking=True), False),
                          (lambda: here.cuda(non_blocking=True), False), (lambda: plain.to("cuda"), False),
                          (lambda: minitorch.empty(2, 3, device="cuda").copy_(here, non_blocking=True), False),
                          (lambda: minitorch.empty(2, 3, device="cuda").copy_(here), True),
                          (lambda: here[:, 1:].to("cuda", minitorch.float64, True), False)):  # fmt: skip
        with counting() as waits:
            there = copy()
        assert there.is_cuda and bool(waits) == waiting


def test_numbers_on_their_way_are_there_after_waiting() -> None:
    there = minitorch.arange(4.0, device="cuda")
    with counting() as waits:
        here = there.to("cpu", non_blocking=True)
    assert waits == [] and here.is_pinned() and transfers._in_use[-1][1][1] is here._array, "it stays until the copy is done"
    here_again = minitorch.zeros(4).copy_(there)
    cuda.synchronize()
    assert here.tolist() == here_again.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_pins_its_batches_and_the_next_is_copied_beside_the_work(workers: int) -> None:
    loader = data.DataLoader(list(np.arange(8.0, dtype="float32")), 4, pin_memory=True, num_workers=workers)
    copying = cuda.Stream()
    sums = []
    for batch in loader:
        assert batch.is_pinned()
        with cuda.stream(copying):
            there = batch.to("cuda", non_blocking=True)
        cuda.current_stream().wait_stream(copying)
        there.record_stream(cuda.current_stream())
        sums.append(there.sum().item())
    assert sums == [6.0, 22.0]


def test_what_another_stream_uses_stays_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    transfers._in_use.clear()
    used, x = cuda.Stream(), minitorch.ones(3, device="cuda")
    array = x._array
    x.record_stream(used)
    assert transfers._in_use == []
    del x
    assert [kept is array for _, kept in transfers._in_use] == [True]
    transfers.keep_until_done("another", used._made)
    assert [kept for _, kept in transfers._in_use] == ["another"], "what is done has gone"
    with pytest.raises(NotImplementedError, match="record_stream"):
        minitorch.ones(3).record_stream(used)
    with pytest.raises(TypeError, match=r"takes a minitorch\.cuda\.Stream"):
        minitorch.ones(3, device="cuda").record_stream("another")


# ---- other libraries ----


class Foreign:
    """Somebody else's array on the GPU."""

    def __init__(self, array: Any):
        self.array = array

    @property
    def __cuda_array_interface__(self) -> Any:
        return self.array.__cuda_array_interface__


def test_the_memory_of_others_is_shared() -> None:
    theirs = Foreign(cupy.ones((2, 3), "float32"))
    for share in (minitorch.as_tensor, minitorch.asarray):
        x = share(theirs)
        assert x.is_cuda and x.shape == (2, 3)
        x.add_(1)
        x.sub_(1)
    x[0, 0] = 5
    assert theirs.array.get()[0, 0] == 5
    y = minitorch.tensor(theirs, requires_grad=True)
    theirs.array.fill(9)
    assert y.tolist() == [[5, 1, 1], [1, 1, 1]] and y.requires_grad and y.is_cuda
    assert minitorch.as_tensor(theirs, dtype=minitorch.float64, device="cpu").tolist() == [[9.0] * 3] * 2
    transposed = Foreign(theirs.array.T)
    assert minitorch.as_tensor(transposed).stride() == (1, 3)


def test_ours_is_shared_with_others() -> None:
    x = minitorch.arange(6.0, device="cuda").reshape(2, 3)
    told = x.__cuda_array_interface__
    assert told["shape"] == (2, 3) and told["typestr"] == "<f4" and told["version"] >= 2 and told["data"][0] == x.data_ptr()
    assert x.t().__cuda_array_interface__["strides"] == (4, 12)
    assert not hasattr(minitorch.ones(2), "__cuda_array_interface__") and not hasattr(
        torch.ones(2), "__cuda_array_interface__"
    )
    with pytest.raises(RuntimeError, match=r"use var\.detach"):
        x.requires_grad_().__cuda_array_interface__  # noqa: B018 — a property that refuses
