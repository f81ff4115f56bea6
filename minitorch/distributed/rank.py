"""What `mpiexec` starts for each rank: it names the rank in the environment, runs the script in a child, and says how that ended.

The parent does nothing but wait, so that it is there to tell when the child cannot any more (`kill -9`, a crash in C); it leaves with
the same status, and mpiexec then ends the other ranks. A script that raises ends at once: MPI's own end would wait for the others.
It imports no minitorch, so that the parents stay small. Read next: `run.py`, which starts it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import runpy
import signal
import sys

# How the launchers of MPI tell a process who it is: (rank, world size, rank on this machine, ranks on this machine).
LAUNCHERS = (
    ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),  # MPICH, Intel MPI
    (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ),
    ("PMIX_RANK", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"),
)
NAME = "minitorch.distributed.run"
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    """`rank.py script.py args…`, or `rank.py -m module args…`"""
    environ = os.environ
    names = next((names for names in LAUNCHERS if names[0] in environ and names[1] in environ), None)
    if names is None:
        sys.exit(
            "rank.py: it is started by mpiexec, which tells each process its rank; use python -m minitorch.distributed.run"
        )
    for name, theirs in zip(("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"), names):
        environ.setdefault(name, environ.get(theirs, "0"))
    child = os.fork()
    if child == 0:
        die_with_parent()
        run_script(sys.argv[1:])

    def hand_on(number: int, frame: object) -> None:
        with contextlib.suppress(ProcessLookupError):  # it may have ended
            os.kill(child, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, hand_on)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        print(f"{NAME}: {ended(environ['RANK'], environ['WORLD_SIZE'], child, status)}", file=sys.stderr, flush=True)
    sys.exit(status if status >= 0 else 128 - status)


def ended(rank: int | str, of: int | str, pid: int, status: int) -> str:
    """A line on a rank that failed; a negative status is the number of the signal that ended it."""
    how = f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
    return f"rank {rank} of {of} failed (pid {pid}, {how})"


def die_with_parent() -> None:
    """No orphans: on Linux the kernel ends this process when its parent ends, in whichever way."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def run_script(args: list[str]) -> None:
    """The script as Python would run it; it does not come back."""
    status = 1
    try:
        if args[0] == "-m":
            sys.argv = args[1:]
            sys.path.insert(0, os.getcwd())
            runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = args
            sys.path.insert(0, os.path.dirname(os.path.abspath(args[0])))
            runpy.run_path(args[0], run_name="__main__")
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            status = leaving.code or 0
        else:
            print(leaving.code, file=sys.stderr)
        if status == 0:
            raise SystemExit(0) from None
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
    else:
        raise SystemExit(0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # not through MPI's end, which would wait for ranks that wait for this one


if __name__ == "__main__":
    main()
