"""`python -m minitorch.distributed.run -n 4 train.py args…`: the script as four processes, which end together.

With `--backend mpi` (where mpi4py is installed) mpiexec starts them, on this machine or on several (`--hosts a,b`); with `--backend gloo`
they are started here, on this machine alone. Each finds RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT in its environment,
as from torchrun, whose options are taken too. When one fails the others are ended, and the last line names it.
Read next: `rank.py`, what mpiexec starts for each rank.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .rank import NAME, die_with_parent, ended

GRACE = 10.0  # seconds that ranks have after Ctrl-C, to save what they want to save
WAIT_FOR_MPIEXEC = 1.0
TOGETHER = 0.3
POLL = 0.05
FAILED = re.compile(rb"distributed\.run: (rank \d+ of \d+ failed \(pid \d+, (?:exit status (\d+)|killed by (\w+))\))")
Outcome = tuple[int, str]  # an exit status, and why
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the script as so many processes; returns the exit status of the first that failed, or 0."""
    args = parser().parse_args(argv)
    problem = unusable(args)
    if problem:
        print(f"{NAME}: {problem}", file=sys.stderr)
        return 2
    script = [*(["-m"] if args.module else []), args.script, *args.args]
    started: list[subprocess.Popen] = []
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        if args.backend == "mpi":
            status, why = supervised(started, start_by_mpiexec(args, script, started).failed)
        else:
            start_here(args, script, started)
            status, why = supervised(started, lambda: failed_of(started))
    finally:
        end(started, signal.SIGTERM, grace=1.0)
    if why:  # at the end, below what the others have said when they were ended
        print(f"{NAME}: {why}", file=sys.stderr, flush=True)
    return status


def parser() -> argparse.ArgumentParser:
    """The options; those of torchrun may be spelled with - or _."""
    made = argparse.ArgumentParser(
        prog="python -m minitorch.distributed.run", description="Run a script as several processes.", allow_abbrev=False
    )
    made.add_argument("-n", "-np", "--nproc-per-node", "--nproc_per_node", dest="n", type=processes, default=1, metavar="N",
                      help="how many processes, or auto: one for each core (default: 1)")  # fmt: skip
    made.add_argument("--backend", choices=("mpi", "gloo"), default=None,
                      help="who starts them: mpiexec, or this program (default: mpi where mpi4py and mpiexec are found)")  # fmt: skip
    made.add_argument("--hosts", metavar="A,B", help="the machines, for mpiexec, which reaches them by ssh")
    made.add_argument("--threads", type=int, metavar="T",
                      help="threads of each process's array library (default: the cores, shared out)")  # fmt: skip
    made.add_argument("-m", "--module", action="store_true", help="SCRIPT is the name of a module, as for python -m")
    made.add_argument("--master-addr", "--master_addr", default="127.0.0.1", help="what MASTER_ADDR is to be")
    made.add_argument("--master-port", "--master_port", type=int, help="what MASTER_PORT is to be (default: a free port)")
    torchruns = made.add_argument_group("taken as torchrun takes them, where one machine is meant")
    torchruns.add_argument("--standalone", action="store_true", help="on this machine alone, which is the default")
    torchruns.add_argument("--nnodes", default="1", help="1, or 1:1; for more machines give --hosts")
    torchruns.add_argument("--node-rank", "--node_rank", type=int, default=0, help="0")
    torchruns.add_argument("--max-restarts", "--max_restarts", type=int, default=0, help="0: nothing is started again")
    made.add_argument("script", metavar="SCRIPT", help="the script to run")
    made.add_argument("args", nargs=argparse.REMAINDER, metavar="ARGS", help="its arguments")
    return made


def processes(text: str) -> int:
    """A number of processes, as an option says it."""
    n = cores() if text in ("auto", "cpu") else int(text)
    if n < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1 process, got {n}")
    return n


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unusable(args: argparse.Namespace) -> str | None:
    """What is wrong with the options, in words; settles the backend where none was named."""
    missing = [*([] if importlib.util.find_spec("mpi4py") else ["mpi4py"]), *([] if mpiexec() else ["mpiexec"])]
    if args.backend is None:
        args.backend = "gloo" if missing and not args.hosts else "mpi"
    if args.backend == "mpi" and missing:
        return f"--backend mpi needs {' and '.join(missing)}, not found here; pip install 'minitorch[mpi]', or use --backend gloo"
    if args.hosts and args.backend == "gloo":
        return "--backend gloo is for one machine; leave out --hosts, or use --backend mpi"
    if args.nnodes not in ("1", "1:1") or args.node_rank:
        return f"--nnodes {args.nnodes}: on several machines mpiexec starts all from one; give --hosts A,B, with -n processes for each"
    if args.max_restarts:
        return f"--max-restarts {args.max_restarts}: nothing is started again here; resume from a checkpoint instead"
    if not args.module and not Path(args.script).is_file():
        return f"there is no script {args.script!r}"
    return None


def mpiexec() -> str | None:
    """The mpiexec beside this interpreter, as the wheel of mpich puts it, whether or not its venv is active; or the system's."""
    beside = Path(sys.executable).parent / "mpiexec"
    return str(beside) if beside.is_file() else shutil.which("mpiexec")


# ---- starting ----


def environment(args: argparse.Namespace) -> dict[str, str]:
    """What all ranks find in their environment."""
    threads = args.threads or max(1, cores() // args.n)
    shared = {name: str(threads) for name in THREADS if args.threads or name not in os.environ}
    port = args.master_port or free_port()
    return {**os.environ, **shared, "MASTER_ADDR": args.master_addr, "MASTER_PORT": str(port)}


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start_by_mpiexec(args: argparse.Namespace, script: list[str], started: list[subprocess.Popen]) -> Listener:
    """One process, mpiexec, which starts a `rank.py` for each rank."""
    machines = args.hosts.split(",") if args.hosts else []
    where = ["-hosts", args.hosts, "-ppn", str(args.n)] if machines else ["-launcher", "fork"]
    command = [mpiexec() or "mpiexec", *where, "-n", str(args.n * (len(machines) or 1)), sys.executable, "-P"]
    rank = str(Path(__file__).with_name("rank.py"))
    process = spawn([*command, rank, *script], environment(args), stderr=subprocess.PIPE)
    started.append(process)
    return Listener(process)


def start_here(args: argparse.Namespace, script: list[str], started: list[subprocess.Popen]) -> None:
    """A process for each rank."""
    common = environment(args)
    for rank in range(args.n):
        own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": args.n, "LOCAL_WORLD_SIZE": args.n, "GROUP_RANK": 0}
        started.append(spawn([sys.executable, *script], {**common, **{k: str(v) for k, v in own.items()}}))


def spawn(command: list[str], environ: dict[str, str], **options: Any) -> subprocess.Popen:
    """A process in a session of its own, so that Ctrl-C comes to it from here only; it ends when this one does."""
    return subprocess.Popen(command, env=environ, start_new_session=True, preexec_fn=die_with_parent, **options)


class Listener:
    """Hands on what comes from mpiexec's stderr, and remembers which rank failed first: `rank.py` says so there."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.pipe: Any = process.stderr
        self.named: re.Match[bytes] | None = None
        self.since = 0.0
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self) -> None:
        heard = b""
        while chunk := os.read(self.pipe.fileno(), 65536):
            sys.stderr.write(chunk.decode(errors="replace"))
            sys.stderr.flush()
            heard = (heard + chunk)[-100_000:]
            if self.named is None and (named := FAILED.search(heard)):
                self.named, self.since = named, time.monotonic()

    def failed(self) -> Outcome | None:
        """What is to be said if a rank has failed. mpiexec ends the others, but not before they have started MPI."""
        if not self.process.poll() and not (self.named and time.monotonic() > self.since + WAIT_FOR_MPIEXEC):
            return None
        self.thread.join(WAIT_FOR_MPIEXEC)
        if self.named is None:
            status = self.process.returncode
            return status, f"mpiexec ended with status {status}, and no rank has said why"
        text, number, name = self.named.groups()  # mpiexec's own status may be that of one that it has ended itself
        status = int(number) if number else 128 + signal.Signals[name.decode()]
        return status, f"all were ended, because {text.decode()}"


# ---- ending ----


def failed_of(started: list[subprocess.Popen]) -> Outcome | None:
    """What is to be said of the processes that have failed, and the status of one as a shell has it; None if none has.

    Who waits for one that has failed may be gone before it: so they are named together.
    """
    if not any(process.poll() for process in started):
        return None
    time.sleep(TOGETHER)
    failed = [(rank, p) for rank, p in enumerate(started) if p.poll()]
    status = failed[-1][1].returncode
    told = "; ".join(ended(rank, len(started), p.pid, p.returncode) for rank, p in failed)
    return (status if status > 0 else 128 - status), told


def supervised(started: list[subprocess.Popen], failed: Callable[[], Outcome | None]) -> Outcome:
    """Wait until all have ended well, or `failed` tells that one has not. Ctrl-C goes to all, who have GRACE seconds then."""
    interrupted = 0.0  # when
    while True:
        try:
            over = all(p.poll() is not None for p in started)
            if interrupted and (over or time.monotonic() > interrupted + GRACE):
                return 128 + signal.SIGINT, "interrupted"
            if not interrupted and (outcome := failed()) is not None:
                return outcome
            if over:
                return 0, ""
            time.sleep(POLL)
        except KeyboardInterrupt:
            if interrupted:
                return 128 + signal.SIGINT, "interrupted twice"
            interrupted = time.monotonic()
            send(started, signal.SIGINT)


def end(started: list[subprocess.Popen], number: int, grace: float) -> None:
    """End those that still run: by the signal, and after so many seconds by force."""
    send(started, number)
    limit = time.monotonic() + grace
    while any(p.poll() is None for p in started) and time.monotonic() < limit:
        time.sleep(POLL)
    for p in started:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(p.pid, signal.SIGKILL)  # with what it may have started
        p.wait()


def send(started: list[subprocess.Popen], number: Any) -> None:
    """A signal for those that still run."""
    for p in started:
        if p.poll() is None:
            p.send_signal(number)


if __name__ == "__main__":
    sys.exit(main())
