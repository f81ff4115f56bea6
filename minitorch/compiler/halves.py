"""A function whose result is differentiated outside of it: a program forward, and one backward that a node of the graph runs.

`model = compile(model)` is the commonest. While it is recorded, backward is recorded after it, from gradients of its results to those of
parameters and arguments; what the second half reads of the first is handed over by the node, as saved tensors are.
Read next: `step.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..arrays.quiet import quiet, quiet_again
from ..arrays.recorded import Recorded, array_of
from ..autograd.engine import start
from ..autograd.function import FunctionNode
from ..autograd.leaves import gradient_edge
from ..autograd.node import Node, OpNode, birth
from ..tensor import Tensor
from ..tensor.writing import Version
from .graph import Graph, Value, mapped

DOUBLE = (
    "compile does not differentiate the gradients of a compiled function: call the function itself for create_graph=True"
)


@dataclass
class Halves:
    """How what a step returns is differentiated outside of it."""

    gradients: list[int | None] = field(default_factory=list)  # the values that are gradients of parameters and arguments
    reached: list[list[bool]] = field(default_factory=list)  # of each output, which of them its gradient leads to
    watched: list[str] = field(default_factory=list)  # where the tensors are found that may not be written to before
    are_apart: bool = True  # whether each gradient is in memory of its own
    held: list[set[int]] = field(default_factory=list)  # of each output, the nodes above it that let go of what they saved


def differentiate(record: Any, outputs: list[Tensor], wanted: list[Tensor], tensors: list[tuple[str, Tensor]]) -> Halves:
    """Record backward: the gradients of `wanted`, from gradients of the outputs.

    Nobody has called it, so nobody may tell that it runs: where hooks wait there is no program.
    tensors: those that can be reached outside, with where they are found.
    """
    roots = [edge for out in outputs if (edge := gradient_edge(out)) is not None]
    within = [list(nodes_above(node, since=record.born)) for node, _ in roots]
    nodes = {node: None for found in within for node in found}
    if any(node.hooks is not None for node in nodes):
        record.fail("hooks wait for a backward through what it returns")
        return Halves()
    made = [node for node in nodes if node.birth > record.born and isinstance(node, (OpNode, FunctionNode))]
    kept = [value for node in made for value in node.saved or () if isinstance(value, Tensor)]
    theirs = {id(of) for value in kept for of in (value, value._counter) if of is not None}
    watched = [place for place, t in tensors if not theirs.isdisjoint((id(t), id(t._counter)))]
    record.late = True
    upstream = [record.lift(np.ones_like(array_of(out._array)), "upstream", "grad_of_result") for out in outputs]
    edges = [gradient_edge(t) for t in wanted]
    starts = [(root, Tensor._wrap(g)) for root, g in zip(roots, upstream)]
    ends = [edge for edge in edges if edge is not None]
    try:
        with _ends(node for node in nodes if node.birth < record.born):
            found = start(starts, retain_graph=True, create_graph=False, inputs=ends, accumulate=False)
    except Exception as error:  # it is for the user's own backward to raise
        record.fail(f"its backward raises {type(error).__name__}: {error}")
        return Halves()
    gradients = [None if edge is None else found.get(edge) for edge in edges]
    places = [None if g is None else getattr(g._array, "place", -1) for g in gradients]
    if any(place is not None and place < 0 for place in places):
        record.fail("a gradient is an array that the step did not compute")
    reached = [[edge is not None and edge[0] in set(found) for edge in edges] for found in within]
    held = [{n for n, node in enumerate(made) if node in set(found) and _is_freed_by_backward(node)} for found in within]
    memories = [record.graph.memory(place) for place in places if place is not None]
    are_new = all(record.graph.values[memory].kind == "computed" for memory in memories)
    return Halves(places, reached, watched, are_new and len(set(memories)) == len(memories), held)


@contextmanager
def _ends(nodes: Iterable[Any]) -> Iterator[None]:
    """In this block the graph ends at these nodes: what led to an argument is walked when backward is called, and no part of the program."""
    edges = [(node, node.edges) for node in nodes if node.edges]
    for node, _ in edges:
        node.edges = ()
    try:
        yield
    finally:
        for node, its in edges:
            node.edges = its


def _is_freed_by_backward(node: Any) -> bool:
    return node.plan.holds_memory if isinstance(node, OpNode) else bool(node.saved)


def halved(graph: Graph, count: int) -> tuple[Graph, Graph, list[int]]:
    """The graph forward, whose results are the first `count` outputs, that of backward, and what the first hands to the second."""
    results, gradients = graph.outputs[:count], graph.outputs[count:]
    first = [i for i in graph.instructions if not i.late]
    second = [i for i in graph.instructions if i.late]
    made = {r for i in second for r in i.results} | {v.place for v in graph.values if v.kind in ("state", "upstream")}
    read = [place for i in second for place in i.reads()] + gradients
    crossing = sorted({place for place in read if place not in made})
    saved = {*crossing, *(v.place for v in graph.values if v.kind == "upstream")}
    return (
        replace(graph, instructions=first, outputs=[*results, *crossing]),
        replace(graph, instructions=second, outputs=gradients, values=[_in_backward(v, saved) for v in graph.values]),
        crossing,
    )


def _in_backward(v: Value, saved: set[int]) -> Value:
    """A value as the program of backward knows it: it gets what is saved, and has no other inputs."""
    if v.place in saved:
        return v.changed(kind="saved", array=None, owner=v.kind)
    return v.changed(kind="computed") if v.kind == "input" else v


class CompiledNode(Node):
    """The node of a compiled function: it runs the program of its backward."""

    __slots__ = (
        "backward",
        "birth",
        "edges",
        "freed",
        "halves",
        "hooks",
        "likes",
        "may_share",
        "output_specs",
        "walked",
        "watched",
    )

    def __init__(self, backward: Callable, halves: Halves, inputs: list[Tensor], likes: list[Value], saved: list) -> None:
        self.backward, self.halves, self.saved, self.versions, self.hooks = backward, halves, saved, (), None
        self.may_share = not halves.are_apart
        self.edges = [gradient_edge(t) for t in inputs]
        self.likes = likes  # the outputs, as they were recorded
        self.output_specs = tuple((v.shape, v.dtype) for v in likes)
        self.watched: list[tuple[Version, int]] = []
        self.walked: set[int] = set()  # the nodes that it stands for, by the last backward
        self.freed: set[int] = set()  # and by all that kept nothing
        self.birth = birth()

    def watch(self, tensors: list[Tensor]) -> None:
        """Nobody may write to these from now on until backward."""
        self.watched = [(t._counted(), t._version) for t in tensors if not t.is_inference()]

    def name(self) -> str:
        return "CompiledFunctionBackward"

    @property
    def next_functions(self) -> tuple:
        return tuple(edge or (None, 0) for edge in self.edges)

    @property
    def places(self) -> range:
        return range(len(self.edges))

    def run(self, grads: list, recorded: bool) -> list:
        """The gradients of parameters and arguments."""
        self.walked = set().union(*(held for held, g in zip(self.halves.held, grads) if g is not None))
        if self.saved is None or not self.walked.isdisjoint(self.freed):
            raise RuntimeError(self._freed())
        if recorded:
            raise RuntimeError(DOUBLE)
        for counter, version in self.watched:
            if counter.n != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: a tensor "
                    f"that the compiled function read or returned is at version {counter.n}; expected version {version} instead"
                )
        given = [_laid_out(g, like) for g, like in zip(grads, self.likes)]
        try:
            found = quiet(self.backward, *self.saved, *given)
        except RuntimeError as error:
            found = quiet_again(error, self.backward, *self.saved, *given)
        reached = [any(leads) for leads in zip(*(r for r, g in zip(self.halves.reached, grads) if g is not None))]
        return [g if there else None for g, there in zip(found, reached)]

    def release(self) -> None:
        """Drop what the forward program handed over, if no output is left whose gradient could come."""
        self.freed |= self.walked
        if not any(held.isdisjoint(self.freed) for held in self.halves.held):
            self.saved = None


def _laid_out(g: Any, like: Value) -> np.ndarray:
    """A gradient in memory as its output is, for which backward was recorded; zeros if there is none."""
    if getattr(g, "strides", None) == like.strides:
        return np.asarray(g)
    laid = like.empty()
    laid[...] = 0 if g is None else g
    return laid


def nodes_above(*first: Any, since: int = -1) -> Iterator[Any]:
    """These nodes, and all of the graph above them, up to what was made before a birth."""
    stack = list(first)
    seen = set(stack)
    while stack:
        node = stack.pop()
        yield node
        for edge in node.edges if node.birth > since else ():
            if edge is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])


def unwrapped(tensors: list[Tensor]) -> None:
    """What the graph above these tensors has saved gets plain arrays."""
    for node in nodes_above(*(edge[0] for t in tensors if (edge := gradient_edge(t)) is not None)):
        if getattr(node, "saved", None) is not None:
            node.saved = mapped(_plain, node.saved)


def _plain(value: Any) -> Any:
    """What was saved: a tensor on a plain array, an index without its record, anything else as it is."""
    with_plain_memory(value)
    return array_of(value)


def with_plain_memory(tensor: Any) -> None:
    """Give a tensor, and what it is a view of, plain arrays in place of recorded ones."""
    while isinstance(tensor, Tensor):
        if isinstance(tensor._array, Recorded):
            tensor._array = tensor._array.array
        tensor = tensor._base
