"""What it costs to make a program: the two calls that are recorded and all that is done with the records, counted in steps as they are.

A library of C loops is in the user's cache by then, as it is for every process but the first. Read next: `bench.py`, which has the rows.
"""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any

from .clock import Work

STEPS, PROGRAMS = 15, 5  # how many are timed


def in_steps(run: Any, library: Any) -> list[float]:
    """How many calls of the function itself a program of it takes to make, both by the time of the processors."""
    made = []
    step = statistics.median(seconds(run.function) for _ in range(STEPS))
    for _ in range(PROGRAMS):
        run.forget()
        gc.collect()  # what is forgotten holds nodes of leaves, whose age is the order in which a walk takes them
        made.append(seconds(run) + seconds(run))
        if not run.source:
            raise RuntimeError("two calls made no program")
    return [statistics.median(made) / step]


def seconds(work: Work) -> float:
    """What a call takes."""
    start = time.process_time()
    work()
    return time.process_time() - start
