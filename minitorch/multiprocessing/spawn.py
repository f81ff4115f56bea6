"""`spawn`: a function run by several processes at once, all of which end when one fails.

Each process has a pipe to tell why it failed. One that its parent has left behind ends by itself. Read next: `distributed/`, for what
such processes can do together.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

GRACE = 30.0  # seconds that a process has to end when it is asked to
LONGEST = 1 << 15  # bytes of a traceback: what a pipe holds though nobody reads yet


class ProcessException(Exception):
    """A process has failed: `error_index`, the how manieth, and `error_pid`, the system's number for it."""

    __module__ = "minitorch.multiprocessing"

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, error_pid

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """The function raised; the message has the traceback."""

    __module__ = "minitorch.multiprocessing"


class ProcessExitedException(ProcessException):
    """The process was killed by a signal (`signal_name`), or ended with an exit code that is not 0 (`exit_code`)."""

    __module__ = "minitorch.multiprocessing"

    def __init__(self, msg: str, error_index: int, error_pid: int, exit_code: int, signal_name: str | None = None) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name

    def __reduce__(self) -> Any:
        return type(self), (self.msg, self.error_index, self.error_pid, self.exit_code, self.signal_name)


class ProcessContext:
    """The processes that `spawn(…, join=False)` has started."""

    __module__ = "minitorch.multiprocessing"

    def __init__(self, processes: Sequence[Any], reports: Sequence[Any]) -> None:
        self.processes = list(processes)
        self.sentinels = {process.sentinel: index for index, process in enumerate(self.processes)}
        self._reports = list(reports)

    def pids(self) -> list[int]:
        """The system's numbers of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait, for so many seconds at most, until a process ends; whether all have ended well.

        If one has failed the others are ended (after `grace_period` seconds in which they may end by themselves), and a
        ProcessRaisedException or ProcessExitedException says which, and why.
        """
        if not self.sentinels:
            return True
        for sentinel in multiprocessing.connection.wait(list(self.sentinels), timeout):
            index = self.sentinels.pop(sentinel)  # type: ignore[arg-type]
            self.processes[index].join()
            if self.processes[index].exitcode != 0:
                self._end_all(grace_period)
                self._blame(index)
        return not self.sentinels

    def _end_all(self, grace: float | None) -> None:
        """First wait, then ask, then use force."""
        if grace is not None:
            self._join_all(grace)
        for process in self.processes:
            if process.is_alive():
                process.terminate()
        self._join_all(GRACE if grace is None else grace)
        for process in self.processes:
            if process.is_alive():
                process.kill()
            process.join()

    def _join_all(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, deadline - time.monotonic()))

    def _blame(self, index: int) -> NoReturn:
        process, report = self.processes[index], self._reports[index]
        try:
            told = report.recv_bytes().decode() if report.poll() else None
        except (EOFError, OSError):
            told = None
        if told is not None:
            message = f"\n\n-- Process {index} terminated with the following error:\n{told}"
            raise ProcessRaisedException(message, index, process.pid)
        code = process.exitcode
        if code >= 0:
            raise ProcessExitedException(f"process {index} terminated with exit code {code}", index, process.pid, code)
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"<Unknown signal {-code}>"
        raise ProcessExitedException(f"process {index} terminated with signal {name}", index, process.pid, code, name)


SpawnContext = ProcessContext


def spawn(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """Let `nprocs` processes call fn(i, *args), i from 0 on, and wait for them unless `join` is False.

    fn is to be found under its name in a module, and scripts call this below `if __name__ == "__main__":`, as with every new
    process of Python's. If one fails all others are ended, and a ProcessRaisedException has the traceback.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")


def start_processes(
    fn: Callable[..., Any],
    args: tuple[Any, ...] = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """`spawn` with another of Python's ways to start a process: "fork", "forkserver"."""
    context: Any = multiprocessing.get_context(start_method)
    processes, reports = [], []
    try:
        for index in range(nprocs):
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_run, args=(fn, index, args, sender), daemon=daemon)
            process.start()
            sender.close()
            processes.append(process)
            reports.append(receiver)
        started = ProcessContext(processes, reports)
        if not join:
            return started
        while not started.join():
            pass
    except BaseException:  # Ctrl-C, or one could not be started
        for process in processes:
            process.terminate()
        raise
    return None


def _run(fn: Callable[..., Any], index: int, args: tuple[Any, ...], report: Any) -> None:
    """A process's life."""
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        pass  # from a Ctrl-C, which the parent reports, or because the parent is gone
    except Exception:
        report.send_bytes(traceback.format_exc().encode()[-LONGEST:])
        sys.exit(1)


def _end_with_parent() -> None:
    """Interrupt this process when its parent is gone, then end it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(GRACE)
        os._exit(1)
