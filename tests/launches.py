"""Scripts run as several processes by `minitorch.distributed.run`, with a limit of time after which all of them are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LIMIT = 100  # seconds


def launched(n: int, backend: str, *command: str, limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
    """`command`, a script and its arguments, as n processes."""
    start = [sys.executable, "-m", "minitorch.distributed.run", "-n", str(n), "--backend", backend, "--threads", "1"]
    return ended([*start, *command], limit)


def ended(command: list[str], limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
    """What a command leaves; AssertionError if it takes longer than its limit."""
    process = subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(), start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)  # the launcher then ends the ranks
        out, err = process.communicate(timeout=10)
        raise AssertionError(f"{command} took longer than {limit} s:\n{out[-2000:]}\n{err[-2000:]}") from None
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def environment() -> dict[str, str]:
    """This one, in which processes find the minitorch that is tested, wherever they start."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def results(file: Path, done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that rank 0 wrote."""
    assert file.exists(), f"status {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return json.loads(file.read_text())


def differences(mine: Any, theirs: Any, at: str = "", tolerance: float = 1e-9) -> list[str]:
    """Where two nests of dicts, lists and numbers differ."""
    if isinstance(mine, dict) and isinstance(theirs, dict) and set(mine) == set(theirs):
        return [d for k in mine for d in differences(mine[k], theirs[k], f"{at}.{k}", tolerance)]
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return [d for k, (a, b) in enumerate(zip(mine, theirs)) for d in differences(a, b, f"{at}[{k}]", tolerance)]
    numbers = isinstance(mine, (int, float)) and isinstance(theirs, (int, float))
    same = abs(mine - theirs) <= tolerance * max(1.0, abs(theirs)) if numbers else mine == theirs
    return [] if same else [f"{at}: {str(mine)[:60]} and {str(theirs)[:60]}"]
