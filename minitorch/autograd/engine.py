"""The walk: what happens in `loss.backward()`.

Every recorded op has left a `Node` (see `node.py`), born after the nodes of its inputs: birth order is a topological order.
So the youngest node that holds a gradient has everything it will get: it runs, and sends gradients on. No recursion: a chain of
100,000 nodes is as good as one of ten. Leaves end in an `AccumulateGrad` node, which adds into `.grad`.

Unless the walk is recorded itself (`create_graph=True`), what it carries are bare arrays: derivatives are written in operators and ops,
so the same line computes with arrays and with Tensors. Read next: `function.py` for derivatives of your own, `gradcheck.py`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from ..arrays.dtypes import from_numpy_dtype
from ..arrays.layout import add_to, sum_of
from ..arrays.threads import in_a_thread, of_each_thread
from . import anomaly_mode
from .grad_mode import grad_mode, users_code
from .hooks import as_tensor

Edge = tuple[Any, int]  # a node, and which of its outputs
SOONEST = 2**62  # before every birth
DEEPEST = 20  # so many walks, each within the last, go on in one thread: Python refuses calls some hundred deep


def start(
    roots: Sequence[tuple[Edge, Any]],
    *,
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[Edge] | None = None,
    accumulate: bool = True,
) -> dict:
    """Send gradients from `roots` (edge, gradient) down the graph. Hooks and Functions may start walks within walks, however deep.

    inputs: edges to stop at; only nodes that lead to one of them run. accumulate: whether leaves add into `.grad`.
    Returns the gradient that arrived at each of `inputs`, by edge.
    """
    this = Walk(inputs is not None, Goal(roots, inputs, accumulate))
    if this.depth % DEEPEST == 0:
        return in_a_thread(lambda: walk(roots, this, retain_graph=retain_graph, create_graph=create_graph))
    return walk(roots, this, retain_graph=retain_graph, create_graph=create_graph)


def walk(roots: Sequence[tuple[Edge, Any]], this: Walk, *, retain_graph: bool, create_graph: bool) -> dict:
    """From the roots on, youngest node first: run the node, send what it gives to the nodes of its inputs."""
    goal = this.goal
    pending = Pending(goal, recorded=create_graph)
    careful = anomaly_mode.state.enabled
    with _Mode(create_graph, this):
        for edge, g in roots:
            pending.add(edge, g if create_graph else g._array, None)
        while pending.heap:
            node, grads = pending.youngest()
            if node in goal.stops and goal.reached(node, grads):
                continue
            if node.hooks is None and not careful:
                results = node.run(grads, create_graph)
            else:
                results = pending.run_between_hooks(node, grads)
            if not retain_graph:
                node.release()
            for edge, g in zip(node.edges, results):
                if edge is not None and g is not None:
                    pending.add(edge, g, None if node.may_share or node.hooks is not None else grads)
                elif edge is not None:
                    pending.expect(edge)
                    careful = True  # an op cannot run on nothing
        this.end()
    return goal.arrived


class Pending:
    """The nodes that wait for their turn, and what has arrived for each of their outputs: what meets there is added up."""

    def __init__(self, goal: Goal, recorded: bool) -> None:
        self.goal, self.needed, self.accumulate, self.recorded = goal, goal.needed, goal.accumulate, recorded
        self.grads: dict[Any, list] = {}
        self.heap: list[tuple[int, Any]] = []  # the same nodes, the youngest first
        self.sums: set[Edge] = set()  # where a sum was made here, which nobody else holds
        self.borrowed: set = set()  # the leaves whose gradient is memory that others hold too
        self.to_come: dict[Any, int] = {}  # for leaves with hooks: how many edges have still to bring something
        self.complete = 0  # how many of those have had all

    def add(self, edge: Edge, g: Any, held: list | None) -> None:
        """g, for an output of a node; it may be the memory of one in `held`, or, if that is None, anybody's."""
        node, nr = edge
        if self.needed is not None and node not in self.needed:
            return
        array = g._array if self.recorded else g
        shape, dtype = node.output_specs[nr]
        if array.shape != shape or array.dtype is not dtype:
            before, g = g, reduced(g, shape, dtype)
            held = held if g is before else []  # (it is not new where dtypes differ in identity alone)
        waiting = self.grads.get(node)
        if waiting is None:
            waiting = self.grads[node] = [None] * len(node.output_specs)
            heappush(self.heap, (-node.birth, node))
        if not node.edges and not self._is_own(g, held):
            self.borrowed.add(node)
        if waiting[nr] is None:
            waiting[nr] = g
        elif self.recorded:
            waiting[nr] = waiting[nr] + g
        elif edge in self.sums and type(g) is type(waiting[nr]):  # (within a vmap one may be of many samples)
            waiting[nr] = add_to(waiting[nr], g)
        else:
            waiting[nr] = sum_of(waiting[nr], g)
            self.sums.add(edge)
        if not node.edges and node.is_hooked:
            self._count(node)

    def _count(self, leaf: Any) -> None:
        """A leaf with hooks is next as soon as all has arrived that this walk brings, as in torch, whose hooks see that order."""
        if not self.to_come:
            for node in self.goal.roots:
                self.to_come[node] = self.to_come.get(node, 0) + 1
            for node in _reached_from(self.goal.roots):  # (what leads to a leaf that is wanted is wanted too)
                for edge in node.edges:
                    if edge is not None:
                        self.to_come[edge[0]] = self.to_come.get(edge[0], 0) + 1
        self.to_come[leaf] -= 1
        if self.to_come[leaf] == 0 and (-leaf.birth, leaf) in self.heap:
            self.heap.remove((-leaf.birth, leaf))
            heapify(self.heap)
            self.complete += 1
            heappush(self.heap, (self.complete - SOONEST, leaf))

    def expect(self, edge: Edge) -> None:
        """No gradient comes along this edge; its node has its turn all the same, for its hooks and a user's Function are told so."""
        node = edge[0]
        if node not in self.grads and (self.needed is None or node in self.needed):
            self.grads[node] = [None] * len(node.output_specs)
            heappush(self.heap, (-node.birth, node))
        if node in self.grads and not node.edges and node.is_hooked:
            self._count(node)

    def youngest(self) -> tuple[Any, list]:
        """The youngest node and the gradients of its outputs: all that it will get has arrived."""
        node = heappop(self.heap)[1]
        grads = self.grads.pop(node)
        if not node.edges and self.accumulate and not self._is_free(node):  # what becomes a .grad must be nobody else's
            grads = [g if g is None else g.clone() if self.recorded else g.copy() for g in grads]
        return node, grads

    def run_between_hooks(self, node: Any, grads: list) -> list:
        """What a node gives, through its hooks before and after; in anomaly mode it is watched meanwhile."""
        with anomaly_mode.watching(node):
            if node.hooks is not None:
                grads = node.hooks.before(node, grads)
            nothing = node.edges and not node.runs_on_nothing and all(g is None for g in grads)
            results = [None] * len(node.edges) if nothing else self._fitted(node.edges, node.run(grads, self.recorded))
            if node.hooks is not None:
                results = node.hooks.after(node, results, grads)
            anomaly_mode.refuse_nan(node, results)
            return results

    def _fitted(self, edges: Sequence, results: Sequence) -> list:
        """What a node gives, as its receivers will have it: in their shapes and dtypes, and None where nobody needs it."""
        unused = [edge is None or (self.needed is not None and edge[0] not in self.needed) for edge in edges]
        return [
            None if skip or g is None else reduced(g, *edge[0].output_specs[edge[1]])
            for skip, edge, g in zip(unused, edges, results)
        ]

    def _is_free(self, leaf: Any) -> bool:
        """Whether nobody else holds what has arrived for a leaf."""
        return leaf not in self.borrowed or (leaf, 0) in self.sums

    def _is_own(self, g: Any, held: list | None) -> bool:
        """Whether the memory of g is its own: not a view, and none of those it may be."""
        array = getattr(g, "_array", g)
        if held is None or array.base is not None:
            return False
        return not any(h is not None and getattr(h, "_array", h) is array for h in held)


def reduced(g: Any, shape: tuple, dtype: Any) -> Any:
    """A gradient in its receiver's shape and dtype: the adjoint of copying is adding, so what was broadcast is summed."""
    from ..ops.elementwise import to
    from ..ops.reduce import sum_
    from ..ops.shape import reshape

    new = max(g.ndim - len(shape), 0)  # dimensions that broadcasting put in front
    ones = [i + new for i, n in enumerate(shape) if n == 1 and i + new < g.ndim and g.shape[i + new] != 1]
    if new or ones:
        g = sum_(g, (*range(new), *ones), keepdim=bool(ones))
    if tuple(g.shape) != shape:
        if math.prod(g.shape) != math.prod(shape):
            raise RuntimeError(
                f"invalid gradient - got {list(g.shape)} but expected shape compatible with {list(shape)}: the receiver had this "
                "shape when it was used; has its .data been replaced since?"
            )
        g = reshape(g, shape)
    return g if getattr(g, "_array", g).dtype == dtype else to(g, from_numpy_dtype(dtype))


class Goal:
    """Where the walk is to end: at all leaves, or at given edges, whose gradients are kept."""

    def __init__(self, roots: Sequence[tuple[Edge, Any]], inputs: Sequence[Edge] | None, accumulate: bool) -> None:
        self.wanted = set(inputs or ())
        self.stops = {node for node, _ in self.wanted}
        self.roots = [edge[0] for edge, _ in roots]
        self.needed = None if inputs is None else _leading_to(self.stops, self.roots)
        self.idle = self.needed is not None and len(roots) == 1 and self.roots[0] not in self.needed
        if self.idle:  # as in torch, one root alone has its turn, for the hooks of its tensor, though it leads to no input
            self.stops.add(self.roots[0])
            self.needed[self.roots[0]] = False  # type: ignore[index]
        self.accumulate = accumulate
        self.arrived: dict[Edge, Any] = {}
        self.given = {id(g._array): g for _, g in roots}  # what comes down to an end as it was given is that tensor itself

    def reached(self, node: Any, grads: list) -> bool:
        """Keep what was asked for of a node to stop at; whether the node itself need not run.

        If so, the hooks of its tensors change what is kept; if it runs, they do so later. Its own hooks never do.
        """
        stops = not self.needed[node] and (self.idle or not self.accumulate)  # type: ignore[index]
        if stops and node.hooks is not None:
            with anomaly_mode.watching(node):
                grads = node.hooks.arrived(grads)
        for nr, g in enumerate(grads):
            if (node, nr) in self.wanted:
                self.arrived[node, nr] = self.given[id(g)] if id(g) in self.given else as_tensor(g)
        return stops


def _reached_from(roots: list) -> set:
    """All nodes of the graph above these."""
    found, stack = set(roots), list(roots)
    while stack:
        for edge in stack.pop().edges:
            if edge is not None and edge[0] not in found:
                found.add(edge[0])
                stack.append(edge[0])
    return found


def _leading_to(stops: set, roots: list) -> dict:
    """The nodes from which some node of `stops` can be reached; the value says whether a node has to run itself."""
    needed: dict = {}
    for node in sorted(_reached_from(roots), key=lambda n: n.birth):  # inputs before consumers
        runs = any(edge is not None and edge[0] in needed for edge in node.edges)
        if runs or node in stops:
            needed[node] = runs
    return needed


class Walk:
    """Identifies one run of `walk`: `utils/checkpoint.py` recomputes once for each, and hooks ask what it will do."""

    __slots__ = ("__weakref__", "_nodes", "callbacks", "depth", "goal", "to_inputs")

    def __init__(self, to_inputs: bool, goal: Any = None) -> None:
        self.to_inputs = to_inputs  # whether it stops at given inputs, and so may skip nodes
        self.goal = goal
        self.depth: int = 1 if running.walk is None else running.walk.depth + 1
        self.callbacks: list[Callable[[], Any]] = []  # what users want called when no node waits any more
        self._nodes: Any = None

    def includes(self, node: Any) -> bool:
        """Whether it comes to this node."""
        if self._nodes is None:
            self._nodes = _reached_from(self.goal.roots) if self.goal.needed is None else self.goal.needed
        return node in self._nodes

    def end(self) -> None:
        """Call what was queued for the end; what that queues in its turn, too."""
        for callback in self.callbacks:
            with users_code():
                callback()


class _Running(threading.local):
    walk: Walk | None = None


running = of_each_thread(_Running())  # the innermost walk of this thread


class _Mode:
    """Within a walk: whether ops are recorded, what derivatives compute with, which walk it is, and that NumPy says nothing."""

    def __init__(self, recorded: bool, walk: Walk) -> None:
        self.inside = recorded, not recorded, walk
        self.errors = np.errstate(all="ignore")  # what NumPy would say of ∞ and nan in derivatives

    def __enter__(self) -> None:
        self.outside = grad_mode.enabled, grad_mode.on_arrays, running.walk
        grad_mode.enabled, grad_mode.on_arrays, running.walk = self.inside
        self.errors.__enter__()

    def __exit__(self, *exc: Any) -> None:
        grad_mode.enabled, grad_mode.on_arrays, running.walk = self.outside
        self.errors.__exit__(*exc)
