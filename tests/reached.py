"""Which check runs which line: only those that run a line can notice a fault in it, so they are asked first.

Read next: `planting.py#assert_noticed`.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType, FunctionType
from typing import Any

Line = tuple[str, int]


def lines_of(function: FunctionType, piece: str) -> set[Line]:
    """Where a piece of a function's text stands."""
    above, _, _ = textwrap.dedent(inspect.getsource(function)).partition(piece)
    first = function.__code__.co_firstlineno + above.count("\n")
    return {(function.__code__.co_filename, first + k) for k in range(piece.count("\n") + 1)}


def lines_run(checks: Iterable[Callable[[], Any]], functions: Iterable[FunctionType]) -> Iterator[set[Line]]:
    """Of each check the lines that it runs, in this thread, of these functions and of those defined in them."""
    spans: dict[str, list[range]] = {}
    for function in functions:
        lines, first = inspect.getsourcelines(function)
        spans.setdefault(function.__code__.co_filename, []).append(range(first, first + len(lines)))
    known: dict[CodeType, bool] = {}
    found: set[Line] = set()

    def at_line(frame: FrameType, event: str, arg: Any) -> Any:
        found.add((frame.f_code.co_filename, frame.f_lineno))
        return at_line

    def at_call(frame: FrameType, event: str, arg: Any) -> Any:
        code = frame.f_code
        if code not in known:
            known[code] = any(code.co_firstlineno in span for span in spans.get(code.co_filename, ()))
        return at_line if known[code] else None

    for check in checks:
        found.clear()
        before = sys.gettrace()
        sys.settrace(at_call)
        try:
            check()
        finally:
            sys.settrace(before)
        yield set(found)
