"""A graph as Python that one can read: `.code`. It shows what a graph does and is not read back.

A value that is used once, by the next statement, is written where it is used; the others have names.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from minitorch.tensor import Tensor

from .graph import Block, Graph, Node, Value
from .types import NONE

INDENT, LONG = "  ", 60


def of_graph(graph: Graph, name: str) -> str:
    """def name(…) -> …: and the statements."""
    return _Printer(graph).function(name)


class _Printer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.uses = Counter(v for node in graph.all_nodes() for v in node.inputs)
        self.uses.update(v for block in _blocks(graph) for v in block.outputs)
        self.texts: dict[Value, str] = {}  # how a value is written where it is used
        self.constants = 0

    def function(self, name: str) -> str:
        given = []
        for value in self.graph.inputs:
            self.texts[value] = _identifier(value.name)
            is_self = value is self.graph.inputs[0] and value.type.name.startswith("__torch__")
            given.append("self" if is_self else f"{self.texts[value]}: {value.type.annotation}")
        of = self.graph.outputs[0].type if self.graph.outputs else NONE
        lines = [f"def {name}({(',' + chr(10) + '    ').join(given)}) -> {of.annotation}:"]
        lines += self.block(self.graph, INDENT)
        lines.append(f"{INDENT}return {', '.join(self.texts[v] for v in self.graph.outputs)}")
        return "\n".join(lines) + "\n"

    def block(self, block: Block, indent: str) -> list[str]:
        lines: list[str] = []
        for k, node in enumerate(block.nodes):
            text = self.expression(node)
            if not node.outputs:
                lines.append(f"{indent}{text}")
            elif len(node.outputs) > 1 or node.kind.endswith("Unpack"):
                names = [self.named(v) for v in node.outputs]
                lines.append(f"{indent}{', '.join(names)}{',' if len(names) == 1 else ''} = {text}")
            elif len(text) > LONG or self.stands_alone(node, block.nodes[k + 1 :]):
                lines.append(f"{indent}{self.named(node.output)} = {text}")
            else:
                self.texts[node.output] = text
        return lines

    def stands_alone(self, node: Node, rest: list[Node]) -> bool:
        """Whether the value gets a name: it is used more than once, or not by the next node that computes something."""
        if node.kind in (
            "prim::Constant",
            "prim::GetAttr",
            "aten::size",
            "prim::ListConstruct",
            "prim::TupleConstruct",
            "aten::slice",
        ):
            return False
        if self.uses[node.output] != 1 or node.kind.endswith("_"):
            return True
        following = next(
            (
                n
                for n in rest
                if n.kind not in ("prim::Constant", "prim::GetAttr", "prim::ListConstruct", "prim::TupleConstruct")
            ),
            None,
        )
        return following is not None and node.output not in following.inputs

    def named(self, value: Value) -> str:
        self.texts[value] = _identifier(value.name)
        return self.texts[value]

    def expression(self, node: Node) -> str:
        given = [self.texts.get(v, _identifier(v.name)) for v in node.inputs]
        if node.kind == "prim::Constant":
            return self.constant(node)
        if node.kind == "prim::GetAttr":
            name = node.attributes["name"]
            return f"{given[0]}.{name}" if name.isidentifier() else f'getattr({given[0]}, "{name}")'
        if node.kind == "prim::SetAttr":
            return f"{given[0]}.{node.attributes['name']} = {given[1]}"
        if node.kind == "prim::ListConstruct":
            return f"[{', '.join(given)}]"
        if node.kind == "prim::TupleConstruct":
            return f"({', '.join(given)}{',' if len(given) == 1 else ''})"
        if node.kind == "prim::DictConstruct":
            return "{" + ", ".join(f"{k}: {v}" for k, v in zip(given[::2], given[1::2])) + "}"
        if node.kind in ("prim::TupleUnpack", "prim::ListUnpack"):
            return given[0]
        if node.kind == "prim::data":
            return f"{given[0]}.data"
        space, _, name = node.kind.partition("::")
        if node.kind == "aten::__getitem__":
            return f"{given[0]}[{_without_brackets(given[1])}]"
        if node.kind == "aten::_set_item":
            return f"{given[0]}[{_without_brackets(given[1])}] = {given[2]}"
        by_position = len(given) - len(node.names)
        shown = given[:by_position] + [f"{n}={v}" for n, v in zip(node.names, given[by_position:])]
        place = {"aten": "torch", "functional": "torch.nn.functional"}.get(space, space)
        return f"{'slice' if node.kind == 'aten::slice' else f'{place}.{name}'}({', '.join(shown)})"

    def constant(self, node: Node) -> str:
        value: Any = node.attributes.get("value")
        if isinstance(value, Tensor):
            self.constants += 1
            return f"CONSTANTS.c{self.constants - 1}"
        return str(value).replace("minitorch.", "torch.") if "minitorch" in type(value).__module__ else repr(value)


def _without_brackets(text: str) -> str:
    return text[1:-1].rstrip(",") if text.startswith("(") and text.endswith(")") and text != "()" else text


def _identifier(name: str) -> str:
    return f"_{name}" if name[0].isdigit() else name.replace(".", "_")


def _blocks(block: Block) -> list[Block]:
    return [block, *(b for node in block.nodes for inner in node.blocks for b in _blocks(inner))]
