"""`detect_anomaly`: find the line of the forward pass whose derivative went wrong.

While it is on, every new node remembers the call that recorded it, and backward looks at what each derivative returns. When one
raises, or returns nan, a warning shows where its op was called. Slow on purpose: for debugging only.
Read next: `engine.py`.
"""

from __future__ import annotations

import os
from typing import Any

from ..arrays.warning import warn
from . import node as graph_node


class _State:
    enabled = False
    check_nan = True
    running: Any = None  # the node whose derivative is running: the parent of the nodes it records


state = _State()


class set_detect_anomaly:
    """Turn anomaly detection on or off from this call on; as a context manager, until the block ends."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = state.enabled, state.check_nan
        _switch(bool(mode), check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: Any) -> None:
        _switch(*self._before)


class detect_anomaly:
    """In this block, backward names the forward line of a derivative that raises, and refuses nan.

    >>> x = minitorch.tensor([0.0, 1.0], requires_grad=True)
    >>> with detect_anomaly():                             # doctest: +SKIP
    ...     (x.sqrt() * 0).sum().backward()
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check_nan = check_nan
        warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging."
        )

    def __enter__(self) -> None:
        self._before = state.enabled, state.check_nan
        _switch(True, self._check_nan)

    def __exit__(self, *exc: Any) -> None:
        _switch(*self._before)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return state.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether it also looks for nan."""
    return state.check_nan


def _switch(enabled: bool, check_nan: bool) -> None:
    if enabled != state.enabled:
        (graph_node.watchers.append if enabled else graph_node.watchers.remove)(_remember)
    state.enabled, state.check_nan = enabled, check_nan


# ---- while recording ----


def _remember(node: Any) -> None:
    """Note the call stack down to the line that called into this package."""
    import traceback

    frames = traceback.extract_stack()
    while len(frames) > 1 and os.path.abspath(frames[-1].filename).startswith(_PACKAGE):
        frames.pop()
    node.metadata["traceback_"] = traceback.format_list(frames)
    if state.running is not None:
        node.metadata["parent_"] = state.running


_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


# ---- while walking ----


def watched_run(node: Any, grads: list, recorded: bool) -> list:
    """`node.run(grads, recorded)`; if that raises or gives nan, warn with the forward line first."""
    before, state.running = state.running, node
    try:
        results = node.run(grads, recorded)
        for place, g in zip(node.places, results):
            if state.check_nan and g is not None and _has_nan(getattr(g, "_array", g)):
                raise RuntimeError(f"Function '{node.name()}' returned nan values in its {place}th output.")
        return results
    except Exception:
        warn(_story(node))
        raise
    finally:
        state.running = before


def _has_nan(array: Any) -> bool:
    return bool((array != array).any())


def _story(node: Any) -> str:
    """Where the node was recorded and, for one that a derivative recorded, where that derivative's op was."""
    lines = node.metadata.get("traceback_")
    if lines is None:
        told = " No forward pass information available. Enable detect anomaly during forward pass for more information."
    else:
        told = " Traceback of forward call that caused the error:\n" + "".join(lines)
    parent = node.metadata.get("parent_")
    if parent is not None:
        told += f"\nIt was recorded while {parent.name()} ran backward.{_story(parent).partition('.')[2]}"
    return f"Error detected in {node.name()}.{told}"
