"""`python -m reference bench` and its clock: libraries do not meet, work by turns with the threads they are given, do the same work.

Its times mean nothing here, and nothing is said of them. Workers import this file: so no library is imported at its top.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reference import bench, bench_jax, clock
from reference.__main__ import main
from reference.bench import ROWS, Row, result_of
from reference.clock import POOLS, Turn, Worker, by_turns, quietest

STEP = partial(bench.training_step, sizes=(6, 8, 3), batch=4)


# ---- what workers report of themselves, in place of times ----


def facts(work: Any, library: Any) -> list[Any]:
    """What is loaded, how many threads there are and should be, and where the library is."""
    work()
    print("this is not an answer")
    threads = library.get_num_threads() if library.__name__ == "torch" else None
    tasks = len(list(Path("/proc/self/task").glob("*")))
    loaded = sorted({"minitorch", "torch"} & sys.modules.keys())
    return [loaded, {name: os.environ.get(name) for name in POOLS}, threads, tasks, library.__file__, os.getpid()]


def loop(library: Any) -> Any:
    """Work without a graph, that needs no pool of threads."""
    return partial(sum, range(100))


def spinning(work: Any, library: Any) -> list[Any]:
    """Leave a thread that spins for a while, as pools do; when the one before had ended, if there was one."""
    ended: list[float] = work.__dict__.setdefault("ended", [])

    def spin() -> None:
        end = time.perf_counter() + 0.2
        while time.perf_counter() < end:
            pass
        ended.append(time.perf_counter())

    threading.Thread(target=spin).start()
    return list(ended)


def both(library: Any) -> Any:
    """The old fault, torch beside minitorch in one process; an empty module will do, and is sooner there."""
    sys.modules["torch"] = type(sys)("torch")
    return loop(library)


def broken(library: Any) -> Any:
    print("some warning", file=sys.stderr)
    raise ZeroDivisionError("prepared badly")


@pytest.fixture(scope="module")
def workers() -> Iterator[list[Worker]]:
    """One of each library, with two threads (pytest's own processes have one, see conftest.py)."""
    with (
        Worker("minitorch", STEP, facts, 2) as ours,
        Worker("torch", STEP, facts, 2) as theirs,
        Worker("numpy", STEP, facts, 2) as hand,
    ):
        yield [ours, theirs, hand]


# ---- processes ----


def test_each_library_is_alone_in_its_process(workers: list[Worker]) -> None:
    told = [worker.turn().figures for worker in workers]
    assert [loaded for loaded, *_ in told] == [["minitorch"], ["torch"], []]
    assert len({pid for *_, pid in told} | {os.getpid()}) == 4
    import minitorch

    assert told[0][4] == minitorch.__file__  # the one that is tested


def test_a_library_that_meets_the_other_is_refused() -> None:
    with pytest.raises(RuntimeError, match="that of minitorch has imported torch too"):
        Worker("minitorch", both)


def test_threads_are_what_was_asked_for(workers: list[Worker]) -> None:
    for worker in workers:
        _, environment, threads, tasks, *_ = worker.turn().figures
        assert environment == dict.fromkeys(POOLS, "2")
        if worker.library == "torch":
            assert threads == 2
        elif sys.platform == "linux" and (os.cpu_count() or 1) > 1 and openblas():
            assert tasks == 2


def openblas() -> bool:
    """Whether NumPy's pool is one that stands from the import on."""
    return "openblas" in np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"]  # type: ignore[index, call-overload]


def test_one_works_at_a_time(workers: list[Worker]) -> None:
    rounds = by_turns(workers, 3)
    timeline = [worker.first for worker in workers] + [turn for turns in rounds for turn in turns]
    assert [turn.library for turn in timeline] == ["minitorch", "torch", "numpy"] * (1 + len(rounds))
    assert all(turn.start < turn.end for turn in timeline)
    assert all(after.start >= before.end for before, after in itertools.pairwise(timeline))


@pytest.mark.skipif(sys.platform != "linux", reason="looks at other processes' threads in /proc")
def test_nobody_is_asked_while_a_thread_of_another_spins() -> None:
    with Worker("numpy", loop, spinning) as first, Worker("numpy", loop) as second:
        (_, between), (again, _) = by_turns([first, second], 2)[:2]
        (ended,) = again.figures
        assert ended <= between.start


def test_nothing_that_is_printed_gets_among_the_answers_or_out(
    workers: list[Worker], capfd: pytest.CaptureFixture[str]
) -> None:
    for worker in workers:
        assert len(worker.turn().figures) == 6
    assert capfd.readouterr() == ("", "")
    workers[0].said.seek(0)
    assert b"this is not an answer" in workers[0].said.read()


def test_a_worker_that_fails_says_why_and_none_is_left() -> None:
    with pytest.raises(
        RuntimeError, match=r"(?s)worker of numpy ended with code 1:\nsome warning.*ZeroDivisionError: prepared badly"
    ):
        Worker("numpy", broken)
    with Worker("numpy", loop) as worker:
        assert worker.process.poll() is None
    assert worker.process.poll() == 0


def test_memory_is_kept_unless_the_user_has_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    assert int(clock.settings(1)["MALLOC_TRIM_THRESHOLD_"]) > 2**30
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    assert clock.settings(1)["MALLOC_TRIM_THRESHOLD_"] == "131072"


# ---- figures ----


def test_the_first_calls_are_not_timed_and_each_other_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    calls: list[float] = []

    def work() -> None:
        nonlocal now
        calls.append(now)
        now += 0.004 if len(calls) < 5 else 0.008

    monkeypatch.setattr(clock.time, "perf_counter", lambda: now)
    figures = clock.times(work, None)
    assert figures == pytest.approx([8.0] * 5) and len(calls) == 9  # 4 of 4 ms fill LEAD, 5 of 8 ms BATCH
    slow: list[float] = []

    def slow_work() -> None:
        nonlocal now
        slow.append(now)
        now += 10.0

    assert clock.times(slow_work, None) == pytest.approx([1e4] * clock.LEAST) and len(slow) == 1 + clock.LEAST


def turn(library: str, figure: float, waited: float = 0.0) -> Turn:
    return Turn(library, 0.0, 1.0, waited, [figure / 2, figure, 9 * figure])


def test_a_ratio_is_taken_within_a_round() -> None:
    rounds = [[turn("minitorch", a), turn("torch", b), turn("numpy", 1.0)] for a, b in ((1, 1), (8, 4), (9, 3))]
    result = result_of(Row("r", loop, 1.5), rounds)
    assert result.figures == {"minitorch": 8, "torch": 3, "numpy": 1}
    assert result.ratios == [1, 2, 3] and result.compared == 2 and result.verdict == "missed"
    assert result_of(Row("r", loop, 2.5), rounds).verdict == result_of(Row("r", loop), rounds).verdict == ""
    alone = result_of(Row("r", loop, 8.5, ("minitorch",)), [turns[:1] for turns in rounds])
    assert alone.compared == 8 and alone.verdict == "" and bench.spread(alone.ratios) == ""


def test_disturbed_rounds_are_taken_again_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "PAUSE", 0.0)

    class Other:
        def __init__(self, library: str, *waited: float):
            self.library, self.waited = library, iter(waited)

        def turn(self) -> Turn:
            return turn(self.library, 1.0, next(self.waited))

        def awake(self) -> bool:
            return False

    done = by_turns([Other("minitorch", 0, 0.5, 0, 0, 0), Other("torch", 0, 0, 0.5, 0, 0)], 2)  # type: ignore[list-item]
    assert [[t.waited for t in turns] for turns in done] == [[0, 0], [0.5, 0], [0, 0.5], [0, 0]]
    assert quietest(done, 2) == [done[0], done[3]]
    always = by_turns([Other("minitorch", *[0.5] * 9)], 2)  # type: ignore[list-item]
    assert len(always) == 6
    assert result_of(Row("r", loop, 0.5, ("minitorch",)), quietest(always, 2)).verdict == "disturbed"


def test_a_peak_is_counted_over_what_stands_before() -> None:
    import torch

    def work(library: Any) -> Any:
        sizes = itertools.chain([2**20], itertools.repeat(2**18))  # the first step is not that which counts
        kept: list[Any] = []

        def run() -> None:
            kept.clear()  # 1 MiB less than before
            kept.append(library.zeros(2**18, dtype=library.float32))  # as much as before
            library.zeros(next(sizes), dtype=library.float32)  # 1 MiB more

        return run

    assert bench.peak_of_numpy(work(np)) == pytest.approx(2**20, rel=0.01)
    theirs = work(torch)
    theirs()
    assert bench.peak_of_torch(theirs, torch) == 2**20


# ---- the rows ----


def test_a_training_step_is_the_same_in_all_three() -> None:
    import torch

    import minitorch

    losses = [[step().item() for _ in range(5)] for step in map(STEP, (minitorch, torch, np))]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5) and losses[2] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0][4] < losses[0][0]


@pytest.mark.parametrize("row", [row for row in ROWS if row.measure is clock.times], ids=lambda row: row.name)
def test_a_row_gives_the_same_shape_in_both(row: Row) -> None:
    import torch

    import minitorch

    ours, theirs = (row.prepare(library)() for library in (minitorch, torch))
    assert (ours is None and theirs is None) or tuple(ours.shape) == tuple(theirs.shape)


def test_import_is_timed_in_a_new_interpreter() -> None:
    (milliseconds,) = bench.told(bench.fresh_import(None), None)
    assert milliseconds > 0


# ---- the command ----


def test_a_line_is_printed_for_each_row_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", "--only", "compiled: training step 4-16", "--rounds", "1", "--threads", "1"])
    head, *_, line = capsys.readouterr().out.splitlines()
    assert "1 thread" in head and line.startswith("compiled: training step 4-16-16-3, batch 16 ")
    assert line.count(" ms") == 3 and line.split("%")[1].split()[0] == "0.12"


def test_an_unknown_row_is_refused_with_those_there_are() -> None:
    with pytest.raises(SystemExit, match=r"no benchmark's name contains 'nothing'; there are: 1,000 chained"):
        bench.bench(1, only="nothing")


def test_spread_is_that_of_the_middle_half() -> None:
    assert bench.spread([1.0, 2.0, 3.0, 4.0, 5.0]) == "2.00–4.00"
    assert bench.spread([1.0]) == ""


@pytest.mark.skipif(not bench_jax.is_installed(), reason="JAX is not installed")
def test_jax_does_the_same_work() -> None:
    """In a process of its own, for the libraries are not to meet."""
    code = """
import numpy as np, jax
from reference import bench, bench_jax
sizes, batch = (6, 8, 3), 4
ours, theirs = bench.training_step(np, sizes, batch), bench.training_step(jax, sizes, batch)
for _ in range(5):
    assert abs(float(ours()) - float(theirs())) < 1e-5
"""
    subprocess.run([sys.executable, "-c", code], check=True)
