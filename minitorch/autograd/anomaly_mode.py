"""`detect_anomaly`: find the line of the forward pass whose derivative went wrong.

While it is on, every new node remembers the call that recorded it, and backward looks at what each derivative returns. When one
raises, or returns nan, a warning shows where its op was called. Slow on purpose: for debugging only.
Read next: `engine.py`.
"""

from __future__ import annotations

import contextlib
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
        _switch(mode, check_nan)

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


def set_anomaly_enabled(enabled: bool, check_nan: bool = True) -> None:
    """Turn anomaly detection on or off."""
    _switch(enabled, check_nan)


def _switch(enabled: bool, check_nan: bool) -> None:
    for position, (name, value) in enumerate([("enabled", enabled), ("check_nan", check_nan)], start=1):
        if not isinstance(value, bool):
            raise TypeError(
                f"set_anomaly_enabled(): argument '{name}' (position {position}) must be bool, not {type(value).__name__}"
            )
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


def watching(node: Any) -> Any:
    """Around what a node and its hooks do: in anomaly mode, warn where the node was recorded if something raises."""
    return _Watching(node) if state.enabled else _unwatched


_unwatched = contextlib.nullcontext()


class _Watching:
    def __init__(self, node: Any) -> None:
        self.node = node

    def __enter__(self) -> None:
        self.before, state.running = state.running, self.node

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        state.running = self.before
        if isinstance(error, Exception):
            warn(f"Error detected in {_story(self.node, 'caused the error')}")
            parent = self.node.metadata.get("parent_")
            while parent is not None:
                told = _story(parent, "induced the previous calculation")
                warn(f"\n\nPrevious calculation was induced by {told}")
                parent = parent.metadata.get("parent_")


def refuse_nan(node: Any, results: list) -> None:
    """In anomaly mode: RuntimeError if a gradient that a node gives holds a nan."""
    for place, g in zip(node.places, results) if state.enabled and state.check_nan else ():
        if g is not None and _has_nan(getattr(g, "_array", g)):
            raise RuntimeError(f"Function '{node.name()}' returned nan values in its {place}th output.")


def _has_nan(array: Any) -> bool:
    return bool((array != array).any())


def _story(node: Any, did_what: str) -> str:
    """The node's name, and where it was recorded."""
    lines = node.metadata.get("traceback_")
    if lines is None:
        return f"{node.name()}. No forward pass information available. Enable detect anomaly during forward pass for more information."
    return f"{node.name()}. Traceback of forward call that {did_what}:\n" + "".join(lines)
