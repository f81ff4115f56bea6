"""Where the graph ends: at each leaf an `AccumulateGrad`, which adds what arrives into `leaf.grad`; and the edges that lead there.

A leaf's node is made when an op first uses the leaf, so it is older than the op's. Read next: `engine.py`.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

from ..arrays.device import xp_of
from ..arrays.layout import copied
from ..arrays.memory import element_strides, is_dense
from .grad_mode import users_code
from .hooks import as_tensor, checked, hooks_of
from .node import Node, announce, birth, watchers

_latest = [-1, -1]  # the last leaf's serial number and birth
_one_at_a_time = threading.RLock()  # held where a leaf gets its node or another `.grad`: of two threads one would be lost


class AccumulateGrad(Node):
    """The end of the graph at a leaf: adds what arrives into `leaf.grad`."""

    __slots__ = ("birth", "hooks", "output_specs", "serial", "variable")
    edges: Sequence = ()
    places: Sequence = ()
    next_functions: tuple = ()
    versions: Sequence[int] = ()

    def __init__(self, variable: Any):
        self.variable = variable
        self.output_specs = ((variable._array.shape, variable._array.dtype),)
        self.hooks = None
        self.serial = birth()
        if self.serial != _latest[0] + 1:
            _latest[1] = self.serial
        _latest[0], self.birth = self.serial, _latest[1]  # leaves that one call is the first to use are of one age
        if watchers:
            announce(self)

    def __lt__(self, other: Any) -> bool:
        """Of leaves of one age the walk takes first what was used first."""
        return self.serial < other.serial

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def is_hooked(self) -> bool:  # type: ignore[override]
        """Whether users can tell when its turn is."""
        return self.hooks is not None or bool(self.variable._post_accumulate_hooks)

    def run(self, grads: list, recorded: bool) -> list:
        """Add what has arrived into the leaf's `.grad`."""
        g, leaf = grads[0], self.variable
        if leaf._grad_fn is not None and not leaf.is_leaf:
            raise RuntimeError(
                f"leaf variable has been moved into the graph interior: a tensor of shape {tuple(leaf.shape)} was used as a leaf, "
                f"then written to, and {leaf.grad_fn.name()} has made it since; write into a clone() instead"
            )
        if g is None or not leaf._requires_grad:
            pass  # the hooks are called all the same
        elif leaf._grad is None or recorded:
            with _one_at_a_time:
                _give_another(leaf, g, recorded)
        else:
            leaf._grad._accumulate(g)
        if leaf._post_accumulate_hooks:
            with users_code():
                for hook in list(leaf._post_accumulate_hooks.values()):
                    returned = hook(leaf)
                    if returned is not None and returned is not leaf:
                        checked(leaf, returned, hook)
                        raise RuntimeError("Tensor post accumulate grad hooks should return None.")
        return []

    def release(self) -> None:
        """Nothing is saved here."""


def _give_another(leaf: Any, g: Any, recorded: bool) -> None:
    """The leaf's first `.grad`, or one that is recorded; another thread may have been first meanwhile."""
    if leaf._grad is None:
        leaf._grad = as_tensor(g if g.shape == leaf._array.shape else _in_the_shape_of(leaf, g, recorded))
        if leaf._grad._array.strides != leaf._array.strides:
            _lay_out_as_its_leaf(leaf)
    elif recorded:
        leaf._grad = leaf._grad + g
    else:
        leaf._grad._accumulate(g)


def _lay_out_as_its_leaf(leaf: Any) -> None:
    """A first gradient that is not recorded lies in memory as its leaf does, if that has no gaps: an optimizer reads both alike."""
    grad, like = leaf._grad, leaf._array
    differs = any(n > 1 and have != want for n, have, want in zip(like.shape, grad._array.strides, like.strides))
    if differs and grad._grad_fn is None and grad._array.shape == like.shape and is_dense(like):
        leaf._grad = as_tensor(copied(xp_of(like), grad._array, like))


def _in_the_shape_of(leaf: Any, g: Any, recorded: bool) -> Any:
    """The gradient of a leaf that has got another shape since it was used (by `.data`, or in place).

    One that lies in memory as the leaf does is taken as it is, if nothing is recorded; any other is copied to fill the leaf.
    """
    from ..ops.elementwise import clone
    from ..ops.shape import expand

    shape, old = leaf._array.shape, tuple(g.shape)
    mine, its = leaf.stride(), element_strides(getattr(g, "_array", g))
    if not recorded and len(old) <= len(shape) and all(n == 1 or its[d] == mine[d] for d, n in enumerate(old)):
        return g
    if len(old) > len(shape) or any(n not in (1, m) for n, m in zip(old[::-1], shape[::-1])):
        raise RuntimeError(
            f"output with shape {list(shape)} cannot take in a gradient of shape {list(old)}: the leaf had that shape when it was "
            "used; has its .data been replaced since?"
        )
    return clone(expand(g, shape))


# ---- edges ----


def gradient_edge(x: Any) -> tuple[Any, int] | None:
    """Where the gradient of tensor `x` goes: (node, output number), or None if it wants none."""
    if not getattr(x, "_requires_grad", False):
        return None
    node = x._grad_fn
    if node is None:
        return accumulator(x), 0
    if node is STALE:
        node = x.grad_fn  # a view whose base was written to: made anew
        if node is None:  # none was recorded: nothing flows there, unless it was asked for itself
            return (accumulator(x), 0) if x._asked else None
    return node, x._output_nr


def accumulator(leaf: Any) -> AccumulateGrad:
    """The leaf's AccumulateGrad node. The leaf holds it weakly, it holds the leaf: no cycle, one per leaf."""
    node = leaf._accumulator and leaf._accumulator()
    return _made(leaf) if node is None else node


def _made(leaf: Any) -> AccumulateGrad:
    with _one_at_a_time:
        node = leaf._accumulator and leaf._accumulator()
        if node is None:
            node = AccumulateGrad(leaf)
            if leaf._leaf_hooks is not None:
                hooks_of(node).tensor[0] = leaf._leaf_hooks
            leaf._accumulator = weakref.ref(node)
        return node


STALE = object()  # the `_grad_fn` of a view that has to ask for its history: see `Tensor.grad_fn`
