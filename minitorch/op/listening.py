"""Who listens at the door: autocast, which casts what comes in, and a trace, which writes down what is called.

Both hear the calls of one thread at the level that users call: an op, or a function made of ops, whose own calls they do not hear. `active`
is empty while nobody listens anywhere, and to look at that is all that a call pays. Read next: `autocast.py`; `jit/recording.py`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from threading import get_ident
from typing import Any

from .autocast import active as active
from .autocast import cast_first, concerned, listen

recorders: dict[int, Any] = {}  # the trace of each thread that has one


def record_with(trace: Any) -> None:
    """Let a trace hear this thread's calls; None: let it hear no more."""
    listen("trace", trace is not None)
    if trace is None:
        del recorders[get_ident()]
    else:
        recorders[get_ident()] = trace


def recorder() -> Any:
    """The trace that writes down what this thread calls next; None if there is none, or it has written down the call that is running."""
    found = recorders.get(get_ident())
    return None if found is None or found.is_busy else found


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """In the block no trace hears this thread's calls: they are made to look at an op, and are none of the program's."""
    found = recorders.pop(get_ident(), None)
    try:
        yield
    finally:
        if found is not None:
            recorders[get_ident()] = found


def listener(function: Callable, words: dict[str, str], args: tuple, kwargs: dict) -> Callable | None:
    """Who takes this call over: autocast, if a list has a word for it, else a trace. Both make the call themselves."""
    if words and (device := concerned(words, args, kwargs)):
        return functools.partial(cast_first, words=words, device=device)
    found = recorder()
    return None if found is None or found.lets_pass(function) else found.call
