"""What each thread has of its own: modes, the default device, the walk it is in. And how work goes on in a new thread, with all of it.

Read next: `autograd/grad_mode.py`; `autograd/engine.py`, where a backward deep inside others goes on in a new thread.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

State = TypeVar("State", bound=threading.local)
_states: list[threading.local] = []


def of_each_thread(state: State) -> State:
    """Remember this state, for `in_a_thread`."""
    _states.append(state)
    return state


def in_a_thread(function: Callable[[], Any]) -> Any:
    """What `function` returns or raises, called in a new thread that has this one's states, while this one waits."""
    states = [(state, dict(vars(state))) for state in _states]
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        for state, values in states:
            vars(state).update(values)
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
