"""What a graph keeps for its backward, whose memory that is, and what the user calls the tensors: a part of `tracing.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from .function import FunctionNode
from .leaves import AccumulateGrad, gradient_edge
from .node import PACKED, Node
from .watching import memory_of


class Saved(NamedTuple):
    """A tensor that a node keeps for its derivatives."""

    name: str  # what the derivatives call it
    tensor: str  # the name it has for the user, if any
    shape: tuple[int, ...]
    nbytes: int  # of the memory that is kept alive
    part: bool  # whether it is a view that shows only a part of that memory, or some of it several times
    held: str = ""  # "leaf", "result" or "constant" (no recorded op made it): memory not kept for backward alone
    same_as: int = 0  # an earlier step that keeps the same memory, or 0
    freed_at: int = 0  # the step after which nobody keeps it any more, if it is kept for backward alone


class Names:
    """What the user calls the tensors of a graph."""

    def __init__(self, names: Any, result: Any, seen: dict[tuple[Node, int], str]) -> None:
        self.edges: dict[tuple[Node, int], str] = {}
        self.memory: dict[int, str] = {}
        self.result = result
        for name, tensor in dict(names).items():
            edge = gradient_edge(tensor)
            if edge is not None:
                self.edges.setdefault(edge, name)
            self.memory.setdefault(id(memory_of(tensor._array)), name)
        for edge, name in seen.items():
            self.edges.setdefault(edge, name)

    def of_output(self, node: Node, nr: int) -> str:
        return self.edges.get((node, nr), "")

    def of_value(self, value: Value) -> str:
        edge = gradient_edge(value.tensor)
        return self.memory.get(id(memory_of(value.array)), "") if edge is None else self.edges.get(edge, "")


# ---- memory ----


class Memory:
    """Who keeps which memory: that of leaves, constants and the result is only referred to, the rest is kept."""

    def __init__(self, nodes: list[Node], known: Names) -> None:
        self.known = known
        self.first: dict[int, int] = {}  # memory → the first step that keeps it
        self.last = {id(memory_of(v.array)): k for k, node in enumerate(nodes, start=1) for v in values_of(node)}
        self.held_bytes = 0
        leaves = [node.variable for node in nodes if isinstance(node, AccumulateGrad)]
        self.kind = {id(memory_of(known.result._array)): "result", **{id(memory_of(x._array)): "leaf" for x in leaves}}
        values = [value for node in nodes for value in values_of(node)]
        made = {id(memory_of(value.array)) for value in values if value.made}
        for value in values:
            memory = id(memory_of(value.array))
            if memory not in made:
                self.kind.setdefault(memory, "constant")

    def saved(self, node: Node, step: int) -> tuple[Saved, ...]:
        """What the node keeps, and whose it is."""
        result = []
        for value in values_of(node):
            root = memory_of(value.array)
            held, same_as = self.kind.get(id(root), ""), self.first.get(id(root), 0)
            if id(root) not in self.first:
                self.first[id(root)] = step
                self.held_bytes += root.nbytes if held else 0
            name = self.known.of_output(node, value.output) if value.output >= 0 else self.known.of_value(value)
            part = value.array.size * value.array.itemsize != root.nbytes
            shape, freed_at = tuple(value.array.shape), 0 if held else self.last[id(root)]
            result.append(Saved(value.name, name, shape, root.nbytes, part, held, same_as, freed_at))
        return tuple(result)


class Value(NamedTuple):
    """Something with memory that a node has saved."""

    name: str
    tensor: Any
    array: Any
    output: int  # which output of the node it is, −1 for an input
    made: bool  # whether a recorded op made it


def values_of(node: Any) -> Iterator[Value]:
    """The tensors and arrays among what a node has saved."""
    if isinstance(node, AccumulateGrad) or node.saved is None:
        return
    if isinstance(node, FunctionNode):
        outputs = dict(node._saved_outputs)
        names = [node.saved_name(k) for k in range(len(node.saved))]
    else:
        outputs = dict(enumerate(node.plan.outputs, start=len(node.plan.arguments)))
        names = _spread(node)
    for k, (value, name) in enumerate(zip(node.saved, names)):
        packed = k < len(node.versions) and node.versions[k] == PACKED  # what a saved-tensor hook made of it
        value = value.value if packed else value
        for part in value if isinstance(value, (tuple, list)) else (value,):
            array = getattr(part, "_array", part)
            if hasattr(array, "nbytes") and hasattr(array, "ndim"):
                made = packed or k in outputs or not getattr(part, "is_leaf", True)
                yield Value(name, part, array, outputs.get(k, -1), made)


def _spread(node: Any) -> list[str]:
    """A name for each saved value; a list op's inputs are saved one by one."""
    names = list(node.plan.names)
    several = len(node.saved) - len(names)
    if several:
        names[:1] = [f"{names[0]}[{i}]" for i in range(several + 1)]
    return names
