"""The backend mpi, its launcher, and the backend nccl against a stand-in. Every launch has a limit of time, and leaves nothing behind."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from launches import differences, environment, launched, results

from minitorch.distributed import ReduceOp, mpi, run
from minitorch.distributed.nccl import NCCLCommunicator

pytestmark = pytest.mark.outside
SCRIPT = str(Path(__file__).with_name("mpi_cases.py"))
needs_mpi = pytest.mark.skipif(run.mpiexec() is None, reason="there is no mpiexec")


# ---- calls ----


@needs_mpi
def test_every_call_on_every_dtype(tmp_path: Path) -> None:
    done = launched(2, "mpi", SCRIPT, "calls", str(tmp_path / "wrong.json"))
    assert results(tmp_path / "wrong.json", done) == []
    assert done.returncode == 0, done.stderr


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 4])
def test_every_call_among_more(tmp_path: Path, n: int) -> None:
    done = launched(n, "mpi", SCRIPT, "calls", str(tmp_path / "wrong.json"))
    assert results(tmp_path / "wrong.json", done) == []
    assert done.returncode == 0, done.stderr


# ---- faults ----


@needs_mpi
def test_a_rank_that_hangs_is_named() -> None:
    done = launched(2, "mpi", SCRIPT, "hangs")
    assert done.returncode == 1
    assert "all_reduce, the group's call 2: rank 1 did not come to it within 1.5 seconds" in done.stderr
    assert_nothing_is_left(done)


@needs_mpi
@pytest.mark.slow
@pytest.mark.parametrize(("fault", "status", "told"), [
    ("dies", 137, r"rank 1 of 3 failed \(pid \d+, killed by SIGKILL\)"),
    ("silent", 1, "recv from rank 1: nothing came to pass within 1.5 seconds"),
    ("hangs", 1, "rank 1 did not come"),
])  # fmt: skip
def test_faults_end_all(fault: str, status: int, told: str) -> None:
    done = launched(3, "mpi", SCRIPT, fault)
    assert done.returncode == status
    assert re.search(told, done.stderr)
    assert_nothing_is_left(done)


def assert_nothing_is_left(done: subprocess.CompletedProcess[str]) -> None:
    """None of the ranks that were named is there any more."""
    for pid in re.findall(r"pid (\d+)", done.stderr):
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


@needs_mpi
@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(100))
def test_a_rank_killed_at_any_moment_ends_all(tmp_path: Path, seed: int) -> None:
    """While three train, one is killed: the launcher ends with its status, names it, and none is left."""
    moment = random.Random(seed)
    start = [
        sys.executable,
        "-m",
        "minitorch.distributed.run",
        "-n",
        "3",
        "--backend",
        "mpi",
        SCRIPT,
        "trains",
        str(tmp_path),
    ]
    process = subprocess.Popen(start, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        wait_until(lambda: len(started(tmp_path)) == 3)
        time.sleep(moment.random())
        victim = moment.randrange(3)
        pids = started(tmp_path)
        os.kill(int((tmp_path / str(victim)).read_text()), signal.SIGKILL)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 137
        assert f"all were ended, because rank {victim} of 3 failed" in err.splitlines()[-1]
        wait_until(lambda: not any(map(lives, pids)))
    finally:
        process.kill()
        process.communicate()


# ---- the launcher ----

FAILING = """
import os, sys, time
rank, how = int(os.environ["RANK"]), sys.argv[1]
if rank == 1:
    if how == "raise": raise ValueError("on purpose")
    if how == "exit": sys.exit(4)
    if how == "kill": os.kill(os.getpid(), 9)
if how == "fine":
    names = "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "OMP_NUM_THREADS"
    print(" ".join([*(os.environ[name] for name in names), *sys.argv[1:]]) + chr(10), end="", flush=True)  # in one piece
    sys.exit(0)
open(os.path.join(sys.argv[2], str(rank)), "w").write(str(os.getpid()))
try:
    time.sleep(60)
except KeyboardInterrupt:
    open(os.path.join(sys.argv[2], f"saved {rank}"), "w")
    raise
"""
BACKENDS = ["gloo", pytest.param("mpi", marks=[needs_mpi, pytest.mark.slow])]


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "script.py").write_text(FAILING)
    return str(tmp_path / "script.py")


@pytest.mark.parametrize("backend", BACKENDS)
def test_ranks_know_who_they_are(script: str, backend: str) -> None:
    done = launched(2, backend, script, "fine", "--flag", "x y")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"{r} 2 {r} 2 127.0.0.1 1 fine --flag x y" for r in (0, 1)]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("how", "status", "told"), [
    ("raise", 1, "exit status 1"),
    pytest.param("exit", 4, "exit status 4", marks=pytest.mark.slow),
    pytest.param("kill", 137, "killed by SIGKILL", marks=pytest.mark.slow),
])  # fmt: skip
def test_one_that_fails_ends_all(tmp_path: Path, script: str, backend: str, how: str, status: int, told: str) -> None:
    done = launched(2, backend, script, how, str(tmp_path), limit=30)
    assert done.returncode == status
    last = done.stderr.splitlines()[-1]
    assert "rank 1 of 2 failed" in last and told in last
    assert ("ValueError: on purpose" in done.stderr) == (how == "raise")
    assert [pid for pid in started(tmp_path) if lives(pid)] == []


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)])
def test_ranks_end_with_the_launcher(tmp_path: Path, script: str, backend: str, number: int) -> None:
    """Ctrl-C comes to every rank, which has time to save; and when the launcher is killed none is left."""
    command = [
        sys.executable,
        "-m",
        "minitorch.distributed.run",
        "-n",
        "2",
        "--backend",
        backend,
        script,
        "wait",
        str(tmp_path),
    ]
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_until(lambda: len(started(tmp_path)) == 2)
        process.send_signal(number)
        process.wait(timeout=20)
        wait_until(lambda: not any(map(lives, started(tmp_path))))
    finally:
        process.kill()
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert {p.name for p in tmp_path.glob("saved*")} == {"saved 0", "saved 1"}


def started(folder: Path) -> list[int]:
    return [int(p.read_text()) for p in folder.iterdir() if p.name in "012" and p.read_text()]


def lives(pid: int) -> bool:
    """Whether it runs; one that has ended and waits to be asked does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(is_so: Any, limit: float = 30.0) -> None:
    end = time.monotonic() + limit
    while not is_so():
        assert time.monotonic() < end, "it does not come to pass"
        time.sleep(0.05)


@pytest.mark.parametrize(("options", "problem"), [
    (["--backend", "gloo", "--hosts", "a,b"], "--backend gloo is for one machine"),
    (["--nnodes", "2", "--backend", "gloo"], "mpiexec starts all from one"),
    (["--max-restarts", "3", "--backend", "gloo"], "resume from a checkpoint"),
    (["--backend", "gloo"], "there is no script 'missing.py'"),
    (["--standalone", "--nproc_per_node", "2", "--backend", "gloo"], "there is no script 'missing.py'"),
])  # fmt: skip
def test_options_that_cannot_be(capsys: pytest.CaptureFixture[str], options: list[str], problem: str) -> None:
    args = run.parser().parse_args([*options, "missing.py", "--nnodes", "7"])
    assert args.args == ["--nnodes", "7"]  # the script's own
    assert problem in (run.unusable(args) or "")


def test_without_mpi_the_launcher_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "mpiexec", lambda: None)
    asked = run.unusable(run.parser().parse_args(["--backend", "mpi", SCRIPT]))
    assert "--backend mpi needs" in (asked or "") and "mpiexec, not found here; pip install 'minitorch[mpi]'" in (
        asked or ""
    )
    args = run.parser().parse_args([SCRIPT])
    assert run.unusable(args) is None and args.backend == "gloo"


def test_mpi_without_mpiexec_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process would be a world of its own."""
    alone = SimpleNamespace(Query_thread=lambda: 3, THREAD_MULTIPLE=3, COMM_WORLD=SimpleNamespace(size=1, rank=0))
    monkeypatch.setattr(mpi, "library", lambda: alone)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RuntimeError, match="it was not started by mpiexec"):
        mpi.connect(None, -1, -1, 1.0, [], "0")


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_a_number_of_processes(text: str) -> None:
    with pytest.raises(SystemExit):
        run.parser().parse_args(["-n", text, SCRIPT])
    assert run.parser().parse_args(["-n", "auto", SCRIPT]).n == run.cores()


# ---- nccl, which no machine here can run ----


class Recorder:
    """A stand-in for CuPy's NCCL among `size` ranks that all call the same with the same array: it writes down, and does it."""

    NCCL_UINT8, NCCL_INT32, NCCL_FLOAT16, NCCL_BFLOAT16, NCCL_FLOAT32, NCCL_FLOAT64 = (
        "u8",
        "i32",
        "f16",
        "bf16",
        "f32",
        "f64",
    )
    NCCL_SUM, NCCL_PROD, NCCL_MIN, NCCL_MAX = "sum", "prod", "min", "max"

    def __init__(self, size: int) -> None:
        self.size, self.calls, self.done = size, [], True

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.calls.append((name, *args))

    def allReduce(self, source: int, out: int, count: int, dtype: str, op: str, stream: int) -> None:
        import ctypes

        self.calls.append(("allReduce", count, dtype, op))
        if dtype == "f32" and op == "sum":
            numbers = (ctypes.c_float * count).from_address(out)
            numbers[:] = [x * self.size for x in numbers]


def test_nccl_makes_its_calls() -> None:
    cupy = pytest.importorskip("reference.strict_cupy").cupy
    nccl = Recorder(4)
    group = NCCLCommunicator(cupy, nccl, nccl, rank=1, size=4, timeout=1.0, ranks=range(4))
    x = cupy.asarray([1.0, 2.0, 3.0], dtype="float32")
    group.allreduce(x, ReduceOp.SUM)
    assert x.get().tolist() == [4.0, 8.0, 12.0]
    group.allreduce(x, ReduceOp.AVG)
    assert x.get().tolist() == [4.0, 8.0, 12.0]
    group.broadcast(x, 2)
    group.reduce(x, 0, ReduceOp.MAX)
    group.gather(None, x, 3)
    group.alltoall([x] * 4, [x] * 4)
    group.barrier()
    names = [call[0] for call in nccl.calls]
    moved = ["groupStart", *["send"] * 4, *["recv"] * 4, "groupEnd"]
    assert names == ["allReduce"] * 2 + ["bcast", "reduce", "groupStart", "send", "groupEnd", *moved, "allReduce"]
    assert nccl.calls[2][2:5] == (12, "u8", 2) and nccl.calls[3][3:7] == (3, "f32", "max", 0)
    with pytest.raises(ValueError, match=r"Cannot use ReduceOp\.BOR with NCCL"):
        group.allreduce(x, ReduceOp.BOR)
    with pytest.raises(TypeError, match="nccl reduces int8"):
        group.allreduce(x.astype("complex64"), ReduceOp.SUM)


def test_nccl_gives_up_after_the_timeout() -> None:
    cupy = pytest.importorskip("reference.strict_cupy").cupy
    nccl = Recorder(2)
    group = NCCLCommunicator(cupy, nccl, nccl, rank=0, size=2, timeout=0.01, ranks=range(2))
    group._mark = lambda: SimpleNamespace(done=False)  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match=r"all_reduce: not done within 0\.01 seconds"):
        group.allreduce(cupy.zeros(2, "float32"), ReduceOp.SUM)
    assert nccl.calls[-1] == ("abort",)


def test_differences_are_found() -> None:
    assert differences({"a": [1.0, 2.0]}, {"a": [1.0, 2.0 + 1e-8]}) == [".a[1]: 2.0 and 2.00000001"]
    assert differences({"a": None}, {"a": [1]}) and differences([1], [1, 2]) and not differences([1.0], [1.0 + 1e-12])
