"""`register_multi_grad_hook`: one hook for the gradients of several tensors, once all of them, or the first, are known.

Read next: `engine.py`, whose `Walk` knows which nodes a backward will come to.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .engine import Walk, running
from .leaves import gradient_edge


def register_multi_grad_hook(tensors: Sequence[Any], fn: Callable[[Any], Any], *, mode: str = "all") -> Any:
    """In each backward: `fn(gradients)` once all that this backward computes are there, None for others; or `fn(gradient)` on the first.

    mode: "all" or "any". What fn returns is ignored. `.remove()` of the result takes the hook away.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if mode == "any":
        first = _First(fn)
        return _Handles([t.register_hook(first) for t in tensors if t.requires_grad])
    if not all(t.requires_grad for t in tensors):
        raise AssertionError("Expected gradient function to be set: all tensors must require grad")
    together = _Together(tensors, fn)
    return _Handles([t.register_hook(together.hook_of(i)) for i, t in enumerate(tensors)])


class _First:
    """A hook of several tensors that calls `fn` once in each walk."""

    def __init__(self, fn: Callable[[Any], Any]) -> None:
        self.fn = fn
        self.done: weakref.WeakSet[Walk] = weakref.WeakSet()

    def __call__(self, g: Any) -> None:
        walk: Any = running.walk
        if walk not in self.done:
            self.done.add(walk)
            self.fn(g)


class _Together:
    """Hooks of several tensors, the last of which calls `fn` with all gradients."""

    def __init__(self, tensors: Sequence[Any], fn: Callable[[Any], Any]) -> None:
        self.fn = fn
        # A leaf's node is made when it is used; other nodes stay what they are.
        self.ends = [weakref.ref(t) if t.is_leaf else gradient_edge(t) for t in tensors]
        self.seen: weakref.WeakKeyDictionary[Walk, dict[int, Any]] = weakref.WeakKeyDictionary()

    def hook_of(self, i: int) -> Callable[[Any], None]:
        def hook(g: Any) -> None:
            walk: Any = running.walk
            seen = self.seen.setdefault(walk, {})
            seen[i] = g
            if len(seen) == sum(walk.includes(self._node(end)) for end in self.ends):
                self.fn([seen.get(k) for k in range(len(self.ends))])

        return hook

    def _node(self, end: Any) -> Any:
        if not isinstance(end, weakref.ref):
            return end[0]
        leaf = end()
        edge = None if leaf is None else gradient_edge(leaf)
        return None if edge is None else edge[0]


class _Handles:
    """Removes several hooks."""

    def __init__(self, handles: list[Any]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()

    def __enter__(self) -> _Handles:
        return self

    def __exit__(self, *exc: Any) -> None:
        self.remove()
