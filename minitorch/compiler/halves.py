"""A function whose result is differentiated outside of it: a program forward, and one backward that a node of the graph runs.

`model = compile(model)` is the commonest. While it is recorded, backward is recorded after it, from gradients of its results to those of
parameters and arguments; what the second half reads of the first is handed over by the node, as saved tensors are.
Read next: `step.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays.quiet import quiet, quiet_again
from ..arrays.recorded import Recorded, array_of
from ..autograd.engine import start
from ..autograd.leaves import gradient_edge
from ..autograd.node import Node, birth
from ..tensor import Tensor
from .graph import Graph, Value, mapped

DOUBLE = (
    "compile does not differentiate the gradients of a compiled function: call the function itself for create_graph=True"
)


def differentiate(record: Any, outputs: list[Tensor], wanted: list[Tensor]) -> list[int | None]:
    """Record backward: the gradients of `wanted`, from gradients of the outputs; their places, None where none comes.

    Nobody has called it, so nobody may tell that it runs: where hooks wait there is no program.
    """
    if any(node.hooks is not None for node in nodes_above(*(out._grad_fn for out in outputs))):
        record.fail("hooks wait for a backward through what it returns")
        return []
    record.late = True
    upstream = [record.lift(np.ones_like(array_of(out._array)), "upstream", "grad_of_result") for out in outputs]
    edges = [gradient_edge(t) for t in wanted]
    roots = [((out._grad_fn, out._output_nr), Tensor._wrap(g)) for out, g in zip(outputs, upstream)]
    ends = [edge for edge in edges if edge is not None]
    try:
        found = start(roots, retain_graph=True, create_graph=False, inputs=ends, accumulate=False)
    except Exception as error:  # it is for the user's own backward to raise
        record.fail(f"its backward raises {type(error).__name__}: {error}")
        return []
    gradients = [None if edge is None else found.get(edge) for edge in edges]
    places = [None if g is None else getattr(g._array, "place", -1) for g in gradients]
    if any(place is not None and place < 0 for place in places):
        record.fail("a gradient is an array that the step did not compute")
    return places


def halved(graph: Graph, count: int) -> tuple[Graph, Graph, list[int]]:
    """The graph forward, whose results are the first `count` outputs, that of backward, and what the first hands to the second."""
    results, gradients = graph.outputs[:count], graph.outputs[count:]
    first = [i for i in graph.instructions if not i.late]
    second = [i for i in graph.instructions if i.late]
    made = {r for i in second for r in i.results} | {v.place for v in graph.values if v.kind in ("state", "upstream")}
    read = [place for i in second for place in i.reads()] + gradients
    crossing = sorted({place for place in read if place not in made})
    values = [_as_saved(v) if v.place in crossing or v.kind == "upstream" else v for v in graph.values]
    return (
        replace(graph, instructions=first, outputs=[*results, *crossing]),
        replace(graph, instructions=second, outputs=gradients, values=values),
        crossing,
    )


def _as_saved(v: Value) -> Value:
    return replace(v, kind="saved", array=None)


class CompiledNode(Node):
    """The node of a compiled function: it runs the program of its backward."""

    __slots__ = ("backward", "birth", "edges", "hooks", "likes", "output_specs", "written")

    def __init__(self, backward: Callable, inputs: list[Tensor], likes: list[Value], saved: list) -> None:
        self.backward, self.saved, self.versions, self.hooks = backward, saved, (), None
        self.edges = [gradient_edge(t) for t in inputs]
        self.likes = likes  # the outputs, as they were recorded
        self.output_specs = tuple((v.shape, v.dtype) for v in likes)
        self.written = [(t, t._version) for t in inputs]
        self.birth = birth()

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
        if self.saved is None:
            raise RuntimeError(self._freed())
        if recorded:
            raise RuntimeError(DOUBLE)
        for tensor, version in self.written:
            if tensor._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: a tensor of "
                    f"shape {tuple(tensor.shape)} is at version {tensor._version}; expected version {version} instead"
                )
        given = [_laid_out(g, like) for g, like in zip(grads, self.likes)]
        try:
            return quiet(self.backward, *self.saved, *given)
        except RuntimeError as error:
            return quiet_again(error, self.backward, *self.saved, *given)

    def release(self) -> None:
        """Drop what the forward program handed over."""
        self.saved = None


def _laid_out(g: Any, like: Value) -> np.ndarray:
    """A gradient in memory as its output is, for which backward was recorded; zeros if there is none."""
    if getattr(g, "strides", None) == like.strides:
        return np.asarray(g)
    laid = like.empty()
    laid[...] = 0 if g is None else g
    return laid


def nodes_above(*first: Any) -> Iterator[Any]:
    """These nodes, and all of the graph above them."""
    stack = list(first)
    seen = set(stack)
    while stack:
        node = stack.pop()
        yield node
        for edge in node.edges:
            if edge is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])


def unwrapped(tensors: list[Tensor]) -> None:
    """What the graph above these tensors has saved gets plain arrays."""
    for node in nodes_above(*(t._grad_fn for t in tensors)):
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
