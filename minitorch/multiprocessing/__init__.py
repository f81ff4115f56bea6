"""Python's `multiprocessing`, whose queues and pipes send tensors without copying them, and `spawn`, with torch's names.

A tensor that is sent (through a Queue, a Pipe, or as an argument of a Process) moves to shared memory, and both processes see what
either writes into it. Read next: `reductions.py`, how that is done; `spawn.py`.
"""

from collections.abc import Set as _Set
from multiprocessing import *
from multiprocessing import reduction as reducer

from ..rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from . import reductions as _reductions
from .spawn import (
    ProcessContext,
    ProcessException,
    ProcessExitedException,
    ProcessRaisedException,
    SpawnContext,
    spawn,
    start_processes,
)

_reductions.init_reductions()
_strategy = "file_descriptor"


def get_all_sharing_strategies() -> _Set[str]:
    """The names that `set_sharing_strategy` takes."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What `set_sharing_strategy` was told: "file_descriptor" at first."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Does nothing but remember: small tensors lie together in a block here, so that descriptors do not run out."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"a sharing strategy is one of {sorted(get_all_sharing_strategies())}, not {new_strategy!r}")
    _strategy = new_strategy


_answer_for_what_is_missing(__name__)
