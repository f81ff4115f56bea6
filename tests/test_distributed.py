"""Processes that compute together: every call beside torch's gloo, and what happens when one of them does not do its part.

Read next: `collective_cases.py`, the calls; `processes.py`, how they are run.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch.distributed  # before the forks
from planting import plant

import collective_cases
import minitorch
import minitorch.distributed as dist
import processes

pytestmark = pytest.mark.outside
slow = pytest.mark.slow
SECONDS = timedelta(seconds=0.8)  # that a call waits for the others, where one is not going to come


# ---- the same as torch ----


def everything(lib: str, world_size: int, folder: Path, names: list[str] | None = None) -> list[dict[str, Any]]:
    """What all cases give on every rank."""

    def run(where: str, start: str) -> list[processes.Outcome]:
        return processes.run(collective_cases.run_all, world_size, lib, str(folder / where), names, seconds=120, start=start)

    outcomes = run(lib, "fork")
    if any("autograd's threading" in outcome.words for outcome in outcomes):  # a test before has made torch start threads
        outcomes = run(f"{lib} once more", "forkserver")
    assert [outcome.how for outcome in outcomes] == ["returned"] * world_size, outcomes
    return [outcome.value for outcome in outcomes]


@pytest.mark.parametrize("world_size", [1, 2, 3, pytest.param(4, marks=slow), pytest.param(5, marks=slow)])
def test_every_call_gives_what_torchs_gives(world_size: int, tmp_path: Path) -> None:
    ours = everything("minitorch", world_size, tmp_path)
    theirs = everything("torch", world_size, tmp_path)
    for rank in range(world_size):
        for name in collective_cases.CASES:
            assert ours[rank][name] == theirs[rank][name], (name, rank)


FAULTS = [  # (the case that must differ, the function, a piece of it, what stands there instead)
    ("all_reduce", "gloo", "Gloo._combine", "range(1, self.size)", "range(2, self.size)"),
    ("all_reduce", "gloo", "Gloo._combine", "total /= self.size", "total /= self.size + 1"),
    ("all_reduce", "reduce_op", "ReduceOp.combine", "into, other, out=into", "into, into, out=into"),
    ("all_reduce", "collectives", "all_reduce", "1 if op is ReduceOp.AVG else 0", "0"),
    ("reduce", "gloo", "Gloo.reduce", "self._combine(array, theirs, op)", "self._combine(array, theirs, op.SUM)"),
    ("reduce_scatter", "gloo", "Gloo.reduce_scatter", "ins[self.rank]", "ins[0]"),
    ("moving", "gloo", "Gloo.allgather", "outs[self.rank][...] = array", "pass"),
    ("moving", "gloo", "Gloo.scatter", "ins[root]", "ins[-1 - root]"),
    ("moving", "collectives", "all_gather", "tensor_list, 1,", "tensor_list, 0,"),
    ("moving", "collectives", "_ends", "np.cumsum(sizes)[:-1]", "np.cumsum(sizes[::-1])[:-1]"),
    ("memory", "collectives", "_Memory.give_back", "self._tensor._array[...] = self.array", "pass"),
    ("without_waiting", "gloo", "Gloo.allreduce", "pieces[self.rank]", "pieces[0].copy()"),
    ("messages", "post", "_fits", "wanted.tag == tag and", ""),
    ("messages", "messages", "recv", "get_global_rank(_group_or_default_group(group), work.source_rank())", "0"),
    ("objects", "objects", "broadcast_object_list", "np.cumsum(lengths)", "np.cumsum(lengths[::-1])"),
    ("groups", "groups", "_checked_ranks", "if sort:", "if not sort:"),
    ("groups", "groups", "get_global_rank", "group.ranks[group_rank]", "group_rank"),
    ("mistakes", "collectives", "_root", "0 <= root < members.size()", "True"),
]


@pytest.mark.parametrize(
    "fault", [pytest.param(f, marks=[] if i < 3 else slow) for i, f in enumerate(FAULTS)], ids=lambda f: f"{f[2]}"
)
def test_a_planted_fault_is_noticed(fault: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, module, name, piece, broken = fault
    theirs = everything("torch", 3, tmp_path, [case])
    plant(monkeypatch, f"distributed.{module}", name, piece, broken)
    try:
        ours = everything("minitorch", 3, tmp_path, [case])
    except AssertionError:
        return
    assert ours != theirs


# ---- what torch has no answer to ----


def joined(rank: int, world_size: int, path: str, timeout: timedelta = timedelta(seconds=15)) -> None:
    dist.init_process_group("gloo", f"file://{path}", timeout, world_size, rank)


def hurry() -> None:
    """Calls wait for 0.8 seconds from now on; to join may take longer, on a busy machine."""
    world = dist.group.WORLD
    assert world is not None
    world.timeout = world.communicator("cpu").timeout = SECONDS.total_seconds()


def all_the_same_bits(rank: int, world_size: int, path: str) -> bytes:
    joined(rank, world_size, path)
    minitorch.manual_seed(rank)
    small, large = minitorch.randn(100), minitorch.randn(70_001)
    dist.all_reduce(small)
    dist.all_reduce(large)
    return small.numpy().tobytes() + large.numpy().tobytes()


def test_all_ranks_have_the_same_bits(tmp_path: Path) -> None:
    outcomes = processes.run(all_the_same_bits, 3, str(tmp_path / "store"))
    assert outcomes[0].how == "returned"
    assert outcomes[0].value == outcomes[1].value == outcomes[2].value


def pieces_of_any_size(rank: int, world_size: int, path: str) -> Any:
    joined(rank, world_size, path)
    outs = [minitorch.zeros(rank + 1) for _ in range(world_size)]
    dist.all_to_all(outs, [minitorch.full((i + 1,), 10.0 * rank + i) for i in range(world_size)])
    return [out.tolist() for out in outs]


def test_all_to_all_takes_pieces_of_any_size(tmp_path: Path) -> None:
    """As torch's nccl does; its gloo does not."""
    outcomes = processes.run(pieces_of_any_size, 2, str(tmp_path / "store"))
    assert [outcome.value for outcome in outcomes] == [[[0.0], [10.0]], [[1.0, 1.0], [11.0, 11.0]]]


def one_run_after_the_other(rank: int, world_size: int, url: str) -> Any:
    results = []
    for _ in range(3):
        dist.init_process_group("gloo", url, timedelta(seconds=15), world_size, rank)
        x = minitorch.ones(2)
        dist.all_reduce(x)
        results.append(x.tolist())
        dist.destroy_process_group()
        assert not dist.is_initialized()
    return results


def test_one_run_after_the_other(tmp_path: Path) -> None:
    for url in f"file://{tmp_path / 'store'}", f"tcp://127.0.0.1:{free_port()}":
        assert [o.value for o in processes.run(one_run_after_the_other, 2, url)] == [[[2.0, 2.0]] * 3] * 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


SCRIPT = """
import minitorch, minitorch.distributed as dist
dist.init_process_group("gloo")
x = minitorch.tensor([dist.get_rank() + 1.0])
dist.all_reduce(x)
print(dist.get_rank(), dist.get_world_size(), x.item())
dist.destroy_process_group()
"""


FAILING = """
import minitorch, minitorch.distributed as dist
dist.init_process_group("gloo")
if dist.get_rank() == 1:
    raise ValueError("on purpose")
dist.barrier()
"""


def start(script: str, **options: Any) -> list[subprocess.Popen[str]]:
    """Two ranks, each a Python of its own."""
    environment = {**os.environ, "MASTER_ADDR": "localhost", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    return [
        subprocess.Popen([sys.executable, "-c", script], env={**environment, "RANK": str(r)}, text=True, **options)
        for r in range(2)
    ]


@slow
def test_a_program_that_fails_tells_the_others_why() -> None:
    first, second = [each.communicate(timeout=60)[1] for each in start(FAILING, stderr=subprocess.PIPE)]
    assert (
        "[rank0]: minitorch.distributed.DistBackendError: barrier: rank 1 has left the group: its program has ended by ValueError: on"
        in first
    )
    assert second.startswith("[rank1]: Traceback") and second.endswith("[rank1]: ValueError: on purpose\n")


UNFINISHED = """
import minitorch, minitorch.distributed as dist, time
dist.init_process_group("gloo")
if dist.get_rank() == 1:
    time.sleep(3)
    raise SystemExit
dist.all_reduce(minitorch.ones(1), async_op=True)
raise KeyboardInterrupt
"""


@slow
def test_a_program_ends_though_a_call_has_not() -> None:
    started = start(UNFINISHED, stderr=subprocess.PIPE)
    assert "KeyboardInterrupt" in started[0].communicate(timeout=60)[1]  # and not after half an hour
    started[1].communicate(timeout=60)


@slow
def test_processes_of_their_own_find_each_other_by_the_environment() -> None:
    started = start(SCRIPT, stdout=subprocess.PIPE)
    try:
        assert sorted(each.communicate(timeout=60)[0] for each in started) == ["0 2 3.0\n", "1 2 3.0\n"]
    finally:
        for each in started:
            each.kill()


# ---- one does not do its part ----


def faulty(rank: int, world_size: int, path: str, fault: str) -> None:
    """The last rank does something else than the others, after a call in which all was well."""
    joined(rank, world_size, path)
    x = minitorch.ones(50_000 if "large" in fault else 3)
    dist.all_reduce(x)
    hurry()
    if rank == world_size - 1:
        if fault == "dies, a child lives on" and not os.fork():
            time.sleep(1.2)  # and holds copies of the sockets
            os._exit(0)
        if fault.startswith("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.startswith("stops"):
            os.kill(os.getpid(), signal.SIGSTOP)
        if fault == "computes":
            time.sleep(60)
        if fault == "raises":
            raise KeyError("its own")
        if fault == "leaves":
            dist.destroy_process_group()
            return
        if fault == "shape":
            x = minitorch.ones(4)
        if fault == "dtype":
            x = minitorch.ones(3, dtype=minitorch.int64)
        if fault == "another call":
            dist.barrier()
        if fault == "another root":
            dist.broadcast(x, 0)
        if fault == "another op":
            dist.all_reduce(x, dist.ReduceOp.MAX)
    if fault == "another root":
        dist.broadcast(x, 1)
    dist.all_reduce(x)
    dist.barrier()


ENDS = {  # what the others' errors say
    "dies": "rank 2 has died",
    "dies, a child lives on": "rank 2 has died",
    "dies, large": "rank 2 has died",
    "stops": r"no end after 0.8 seconds: rank 2 did not answer",
    "stops, large": r"no end after 0.8 seconds: rank 2 did not answer",
    "computes": r"no end after 0.8 seconds: rank 2 is alive but has not come; its last call was all_reduce SUM of 3 × float32",
    "raises": "rank 2 has left the group: its program has ended",
    "leaves": "rank 2 has left the group",
    "shape": "rank 2 called all_reduce SUM of 4 × float32|rank 2 all_reduce SUM of 4 × float32",
    "dtype": "rank 2 called all_reduce SUM of 3 × int64|rank 2 all_reduce SUM of 3 × int64",
    "another call": "rank 2 called barrier|rank 2 barrier",
    "another root": "rank 2 called broadcast from rank 0|rank 2 broadcast from rank 0",
    "another op": "rank 2 called all_reduce MAX|rank 2 all_reduce MAX",
}


@pytest.mark.parametrize(
    "fault", [pytest.param(f, marks=slow if f in ("stops, large", "another op", "dies, large") else []) for f in ENDS]
)
def test_a_rank_that_does_not_do_its_part_is_named_by_all_others(fault: str, tmp_path: Path) -> None:
    outcomes = processes.run(faulty, 3, str(tmp_path / "store"), fault, never_ends=None if fault == "raises" else 2)
    for outcome in outcomes[:2]:
        assert re.search(ENDS[fault], outcome.is_error_of), outcome
        assert "Every rank makes the same calls" in outcome.words or "called" not in outcome.words


def messages_go_wrong(rank: int, world_size: int, path: str, fault: str) -> None:
    joined(rank, world_size, path)
    hurry()
    if rank == 0:
        if fault == "never sent":
            dist.recv(minitorch.zeros(3), 1)
        dist.recv(minitorch.zeros(3), 1 if fault == "sender dies" else None)
    elif fault == "sender dies":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "other size":
        dist.send(minitorch.zeros(4), 0)
    else:
        time.sleep(2.5)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("sender dies", "recv from rank 1: rank 1 has died"),
        ("other size", r"rank 1 sent 4 × float32, and this is a tensor of 3 × float32 \(tag 0\)"),
        ("never sent", "recv from rank 1: no end after 0.8 seconds: rank 1 is alive but has called nothing yet"),
    ],
)
def test_a_message_that_does_not_come(fault: str, words: str, tmp_path: Path) -> None:
    assert re.search(words, processes.run(messages_go_wrong, 2, str(tmp_path / "store"), fault)[0].is_error_of)


def late(rank: int, world_size: int, path: str) -> None:
    joined(rank, world_size, path)
    if rank == 1:
        dist.recv(minitorch.zeros(1), 0)
    dist.monitored_barrier(timeout=timedelta(seconds=0.3))


def test_monitored_barrier_has_a_timeout_of_its_own(tmp_path: Path) -> None:
    first, _ = processes.run(late, 2, str(tmp_path / "store"))
    assert "barrier: no end after 0.3 seconds: rank 1 is alive but has called nothing yet" in first.is_error_of


def interrupted(rank: int, world_size: int, path: str) -> None:
    joined(rank, world_size, path)
    if rank == 0:
        threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT]).start()
        dist.barrier()  # rank 1 does not come
    dist.recv(minitorch.zeros(1), 0)


def test_ctrl_c_ends_a_call_and_the_others_hear_of_it(tmp_path: Path) -> None:
    first, second = processes.run(interrupted, 2, str(tmp_path / "store"))
    assert first.value == "KeyboardInterrupt"
    assert "rank 0 has given up: KeyboardInterrupt in barrier" in second.is_error_of


def killed_at_random(rank: int, world_size: int, path: str) -> None:
    joined(rank, world_size, path, timedelta(seconds=4))
    for round in range(10**6):
        sizes = [3, 5000, 200_000]
        dist.all_reduce(minitorch.ones(sizes[round % 3]))
        dist.broadcast(minitorch.ones(1000), round % world_size)
        work = dist.isend(minitorch.ones(10), (rank + 1) % world_size)
        dist.recv(minitorch.ones(10), (rank - 1) % world_size)
        assert work is not None
        work.wait()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=slow) for seed in range(1, 6))])
def test_a_rank_killed_at_a_random_moment_ends_the_run(seed: int, tmp_path: Path) -> None:
    """What `python -m reference ranks` does a hundred times."""
    import random

    chance = random.Random(seed)
    victim = chance.randrange(3)

    def kill(pids: list[int]) -> None:
        time.sleep(chance.uniform(0.05, 0.6))
        os.kill(pids[victim], signal.SIGKILL)

    outcomes = processes.run(killed_at_random, 3, str(tmp_path / "store"), meanwhile=kill)
    for rank, outcome in enumerate(outcomes):
        if rank != victim:
            assert re.search(rf"rank {victim}\b|missing: {victim}|rank\(s\) {victim}", outcome.is_error_of), outcome


# ---- joining ----


def join_only(rank: int, world_size: int, url: str, ranks: list[int], world_sizes: list[int]) -> None:
    dist.init_process_group("gloo", url, SECONDS, world_sizes[rank], ranks[rank])


@pytest.mark.parametrize(
    ("ranks", "sizes", "words"),
    [
        ([0, 1], [3, 3], r"Timed out after 0.8 seconds waiting for ranks. 2/3 came; missing: 2"),
        ([0, 1], [2, 3], "was started with world_size"),
        ([0, 0], [2, 2], "rank 0 has come already|two were started as rank 0"),
        ([0, 5], [2, 2], "missing: 1|rank 5 does not exist in a world of 2"),
    ],
)
@pytest.mark.parametrize("scheme", ["file", pytest.param("tcp", marks=slow)])
def test_who_does_not_fit_is_told(scheme: str, ranks: list[int], sizes: list[int], words: str, tmp_path: Path) -> None:
    url = f"file://{tmp_path / 'store'}" if scheme == "file" else f"tcp://127.0.0.1:{free_port()}"
    outcomes = processes.run(join_only, 2, url, ranks, sizes)
    assert any(re.search(words, outcome.is_error_of) for outcome in outcomes), outcomes
    assert all(outcome.how == "raised" for outcome in outcomes)


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name in "MASTER_ADDR", "MASTER_PORT", "RANK", "WORLD_SIZE":
            patch.delenv(name, raising=False)
        for name, value in variables.items():
            patch.setenv(name, value)
        yield


FULL = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


@pytest.mark.parametrize("missing", FULL)
def test_a_missing_variable_is_named(missing: str) -> None:
    with environment(**{name: value for name, value in FULL.items() if name != missing}):
        for lib in minitorch, torch:
            with pytest.raises(ValueError, match=f"env:// rendezvous: environment variable {missing} expected, but not set"):
                lib.distributed.init_process_group("gloo")


@pytest.mark.parametrize(
    "url",
    [
        "tcp://localhost",
        "tcp://localhost:1",
        "tcp://localhost:1?rank=0",
        "file://",
        "file:///x",
        "what://x",
        3,
        "env://?rank=0",
    ],
)
def test_an_address_that_says_too_little_is_refused_as_torch_refuses_it(url: Any) -> None:
    said = []
    with environment():
        for lib in torch, minitorch:
            with pytest.raises((ValueError, RuntimeError)) as caught:
                lib.distributed.init_process_group("gloo", init_method=url)
            said.append((type(caught.value), str(caught.value).replace("minitorch", "torch")))
    assert said[0] == said[1]


def test_before_and_after() -> None:
    for call in (
        lambda lib: lib.distributed.get_rank(),
        lambda lib: lib.distributed.all_reduce(lib.ones(1)),
        lambda lib: lib.distributed.barrier(),
        lambda lib: lib.distributed.new_group([0]),
        lambda lib: lib.distributed.get_backend(),
    ):
        said = []
        for lib in torch, minitorch:
            with pytest.raises(ValueError) as caught:
                call(lib)
            said.append(str(caught.value))
        assert said[0] == said[1]
    assert dist.is_available() and not dist.is_initialized()


def test_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(dist.DistNetworkError, match=rf"port: {port}.*EADDRINUSE.*another process uses the port"):
            dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", SECONDS, 2, 0)
    assert not dist.is_initialized()


def test_nobody_answers() -> None:
    with pytest.raises(dist.DistNetworkError, match=r"nobody answers at 127\.0\.0\.1"):
        dist.TCPStore("127.0.0.1", free_port(), 2, False, timedelta(seconds=0.2))
