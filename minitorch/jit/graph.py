"""The graph of a script: nodes in their order, each with what it takes and gives; a branch and a loop have blocks of nodes of their own.

Each value is given once (static single assignment). What a loop changes from round to round, or two branches give differently, is an input or
an output of their blocks. The kinds of nodes bear torch's names: `aten::` what is computed, `prim::` what holds the program together.
A graph prints as torch's do. Read next: `interpreter.py`, which runs one; `frontend.py`, which makes them of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from minitorch.tensor import Tensor

from .types import Type


@dataclass(eq=False)
class Value:
    """What a node gives, a block begins with, or a function is called with."""

    name: str
    type: Type

    def __str__(self) -> str:
        return f"%{self.name}"

    def told(self) -> str:
        """With its type."""
        return f"%{self.name} : {self.type}"


@dataclass(eq=False)
class Node:
    """One step. `names`: the last inputs are given by these keywords."""

    kind: str
    inputs: list[Value] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    names: tuple[str, ...] = ()
    place: str = ""  # of the line that it is of: "file.py:12:8"

    @property
    def output(self) -> Value:
        """The only output."""
        (value,) = self.outputs
        return value

    def __str__(self) -> str:
        return "\n".join(self.lines(""))

    def lines(self, indent: str) -> Iterator[str]:
        """As it is printed, with its blocks below."""
        by_position = len(self.inputs) - len(self.names)
        given = [str(v) if k < by_position else f"{self.names[k - by_position]}={v}" for k, v in enumerate(self.inputs)]
        told = f"[{', '.join(f'{k}={_told(v)}' for k, v in self.attributes.items())}]" if self.attributes else ""
        results = ", ".join(v.told() for v in self.outputs)
        place = f" # {self.place}" if self.place else ""
        yield f"{indent}{results}{' = ' if results else ''}{self.kind}{told}({', '.join(given)}){place}"
        for k, block in enumerate(self.blocks):
            yield f"{indent}  block{k}({', '.join(v.told() for v in block.inputs)}):"
            yield from block.lines(f"{indent}    ")
            yield f"{indent}    -> ({', '.join(map(str, block.outputs))})"


@dataclass(eq=False)
class Block:
    """Nodes in their order; what they begin with, and what comes out."""

    inputs: list[Value] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    outputs: list[Value] = field(default_factory=list)

    def lines(self, indent: str) -> Iterator[str]:
        """The nodes, one below the other."""
        for node in self.nodes:
            yield from node.lines(indent)

    def all_nodes(self) -> Iterator[Node]:
        """Its nodes and those in their blocks."""
        for node in self.nodes:
            yield node
            for block in node.blocks:
                yield from block.all_nodes()


class Graph(Block):
    """The block of a whole function. It hands out names: `x`, then `x.1`, `x.2`; numbers to what has none."""

    def __init__(self) -> None:
        super().__init__()
        self._taken: dict[str, int] = {}

    def value(self, type: Type, name: str = "") -> Value:
        """A value that no node gives yet."""
        name = name if name.isidentifier() or not name else f"_{name}"  # (a number by itself is what has no name)
        n = self._taken[name] = self._taken.get(name, -1) + 1
        return Value(f"{name}.{n}" if name and n else name or str(n), type)

    def __str__(self) -> str:
        given = ",\n      ".join(v.told() for v in self.inputs)
        body = "\n".join(self.lines("  "))
        return f"graph({given}):\n{body}{chr(10) if body else ''}  return ({', '.join(map(str, self.outputs))})\n"

    __repr__ = __str__

    def findAllNodes(self, kind: str, recurse: bool = True) -> list[Node]:
        """The nodes of a kind."""
        return [node for node in (self.all_nodes() if recurse else self.nodes) if node.kind == kind]


def _told(value: Any) -> str:
    """An attribute as it is printed."""
    if isinstance(value, Tensor):
        return "<Tensor>" if value.numel() > 1 else f"{{{value.item()}}}"
    if value is True or value is False:
        return str(int(value))
    return f'"{value}"' if isinstance(value, str) else str(value)
