"""The hooks of a node, as a trace tells them: which there are, in the order of their calls, and what each made of the gradient."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .leaves import AccumulateGrad
from .pictures import Picture, picture_of
from .watching import Line

KINDS = {
    "tensor": "hook of the tensor, when its gradient is complete",
    "retain": "the gradient is put into the tensor's .grad",
    "pre": "hook of the node, before it runs",
    "post": "hook of the node, after it has run",
    "accumulated": "hook of the leaf, when its .grad has been added to",
}


class HookCall(NamedTuple):
    """A hook; with the gradient that it was given and the one that it left, if it has been called."""

    kind: str  # one of KINDS
    name: str
    line: Line | None
    called: bool = False
    before: tuple[Picture | None, ...] = ()
    after: tuple[Picture | None, ...] = ()


def hooks_on(node: Any) -> list[HookCall]:
    """The hooks of a node, none of them called."""
    found = [_told(kind, hook) for kind, _, hook in _places(node)]
    leaf = node.variable if isinstance(node, AccumulateGrad) else None
    return found + [_told("accumulated", hook) for hook in (getattr(leaf, "_post_accumulate_hooks", None) or {}).values()]


def _places(node: Any) -> Iterator[tuple[str, dict, Any]]:
    """(kind, the dictionary that holds it, hook), in the order of the calls."""
    hooks = node.hooks
    if hooks is not None:
        yield from (("tensor", where, hook) for where in hooks.tensor.values() for hook in where.values())
        yield from (("retain", hooks.retain, hook) for hook in hooks.retain.values())
        yield from (("pre", hooks.pre, hook) for hook in hooks.pre.values())
        yield from (("post", hooks.post, hook) for hook in hooks.post.values())


def _told(kind: str, hook: Any) -> HookCall:
    code = getattr(hook, "__code__", None)
    name = (
        "retain_grad" if kind == "retain" else getattr(hook, "__qualname__", type(hook).__name__).rpartition("<locals>.")[2]
    )
    return HookCall(kind, name, None if code is None else _line(code))


def _line(code: Any) -> Line:
    import linecache

    return Line(code.co_filename, code.co_firstlineno, linecache.getline(code.co_filename, code.co_firstlineno).strip())


@contextlib.contextmanager
def noting(node: Any, told: list[HookCall]) -> Iterator[None]:
    """In this block each hook of the node that is called leaves in `told` what it was given and what it gave."""
    replaced = []
    for place, (kind, where, hook) in enumerate(list(_places(node))):
        key = next(key for key, value in where.items() if value is hook)
        if kind == "retain":
            told[place] = told[place]._replace(called=True)
            continue
        where[key] = _noting_hook(hook, kind, told, place)
        replaced.append((where, key, hook))
    try:
        yield
    finally:
        for where, key, hook in replaced:
            if key in where:  # (a hook may have removed itself)
                where[key] = hook


def _noting_hook(hook: Callable, kind: str, told: list[HookCall], place: int) -> Callable:
    def noted(*given: Any) -> Any:
        before = _pictures(given[0])
        result = hook(*given)
        after = before if result is None else _pictures(result)
        told[place] = told[place]._replace(called=True, before=before, after=after)
        return result

    noted.__name__ = getattr(hook, "__name__", kind)
    return noted


def _pictures(gradients: Any) -> tuple[Picture | None, ...]:
    return tuple(map(picture_of, gradients if isinstance(gradients, tuple) else (gradients,)))
