"""The walk: what happens in `loss.backward()`.

Every recorded op has left a `Node` (see `node.py`), born after the nodes of its inputs: birth order is a topological order.
The walk keeps a heap and always takes the youngest node that holds a gradient; by then all its consumers have contributed.
No recursion, so a chain of 100,000 nodes is as good as one of ten. Leaves end in an `AccumulateGrad` node, which adds into
`.grad`. Read next: `function.py` for derivatives of your own, `gradcheck.py` for how they are checked.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Any

from . import anomaly_mode
from .grad_mode import grad_mode


class Walk:
    """One run of `walk`, as those see it who must know which one asks: `utils/checkpoint.py` recomputes once for each."""

    __slots__ = ("__weakref__", "to_inputs")

    def __init__(self, to_inputs: bool) -> None:
        self.to_inputs = to_inputs  # whether it stops at given inputs, and so may skip nodes


class _Running(threading.local):
    walk: Walk | None = None


running = _Running()  # the innermost walk of this thread


def walk(
    roots: Sequence[tuple[tuple[Any, int], Any]],
    *,
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[tuple[Any, int]] | None = None,
    accumulate: bool = True,
) -> dict:
    """Send gradients from `roots` (edge, gradient) down the graph, youngest node first.

    inputs: edges to stop at; only nodes that lead to one of them run. accumulate: whether leaves add into `.grad`.
    Returns the gradient that arrived at each of `inputs`, by edge.
    """
    wanted = set(inputs or ())
    stops = {node for node, _ in wanted}
    needed: Any = _leading_to(stops, [edge[0] for edge, _ in roots]) if inputs is not None else None
    arrived: dict = {}
    pending: dict[Any, list] = {}  # the nodes that wait for their turn, and what has arrived for each of their outputs
    heap: list[tuple[int, Any]] = []  # the same nodes, the youngest first
    sums: set = set()  # the (node, output) whose gradient is a sum made here, which nobody else holds
    borrowed: set = set()  # the leaves whose gradient is memory that others hold too

    run = anomaly_mode.watched_run if anomaly_mode.state.enabled else None
    outer, running.walk = running.walk, Walk(inputs is not None)
    mode, grad_mode.enabled = grad_mode.enabled, create_graph
    sent: Any = roots  # (edge, gradient): what goes down the graph now
    grads: list = []
    may_share = True  # a root's gradient is the caller's
    try:
        while True:
            # What was sent arrives: it is added to what has arrived for that output, in the output's shape and dtype.
            for edge, g in sent:
                if edge is None or g is None or (needed is not None and edge[0] not in needed):
                    continue
                target, nr = edge
                shape, dtype = target.metas[nr]
                array = g._array
                if array.shape != shape or array.dtype is not dtype:
                    g = g._reduced_to(shape, dtype)
                if target not in pending:
                    held = pending[target] = [None] * len(target.metas)
                    held[nr] = g
                    heappush(heap, (-target.birth, target))
                else:
                    held = pending[target]
                    if held[nr] is None:
                        held[nr] = g
                    elif edge in sums:
                        held[nr]._array += g._array  # the sum is this walk's own: add into it
                    else:
                        held[nr] = held[nr] + g
                        if not create_graph:
                            sums.add(edge)
                # What becomes a leaf's .grad must be nobody else's memory.
                if not target.edges and (may_share or g._base is not None or any_is(g, grads)):
                    borrowed.add(target)
            if not heap:
                return arrived
            # The youngest node has all its gradients now: it runs.
            node = heappop(heap)[1]
            grads = pending.pop(node)
            hooks = node.hooks
            if hooks is not None:
                grads = hooks.before(grads)
                if not node.edges:  # a hook may hold what it has seen, and what it has put in its place
                    borrowed.add(node)
                    sums.discard((node, 0))
            if stops and node in stops:
                arrived.update({(node, nr): g for nr, g in enumerate(grads) if (node, nr) in wanted})
                if not needed[node] and not accumulate:
                    sent = ()
                    continue
            if borrowed and node in borrowed and (node, 0) not in sums:
                grads = [g if g is None else g.clone() for g in grads]
            results = node.run(grads) if run is None else run(node, grads)
            if hooks is not None:
                results = hooks.after(node, results, grads)
            if not retain_graph:
                node.release()
            sent = zip(node.edges, results)
            may_share = node.may_share or hooks is not None
    finally:
        running.walk, grad_mode.enabled = outer, mode


def any_is(g: Any, grads: list) -> bool:
    """Whether g is one of the tensors in `grads` (`in` would compare their elements)."""
    if len(grads) == 1:
        return g is grads[0]
    return any(g is h for h in grads)


def _leading_to(stops: set, roots: list) -> dict:
    """The nodes from which some node of `stops` can be reached; the value says whether a node has to run itself."""
    found, stack = set(roots), list(roots)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge[0] not in found:
                found.add(edge[0])
                stack.append(edge[0])
    needed: dict = {}
    for node in sorted(found, key=lambda n: n.birth):  # inputs before consumers
        runs = any(edge is not None and edge[0] in needed for edge in node.edges)
        if runs or node in stops:
            needed[node] = runs
    return needed
