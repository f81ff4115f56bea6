"""A graph as code again: what `.code` shows. A value that is used once stands where it is used; another has a line and a name of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .graph import Block, Graph, Node, Value
from .types import Type

_INFIX = {
    "aten::__and__": "and", "aten::__is__": "is", "aten::__isnot__": "is not",
}  # fmt: skip
LONG = 60  # an expression that is longer gets a line of its own
_EFFECTS = ("prim::SetAttr", "prim::Print", "prim::RaiseException")
_NEVER_INLINE = ("prim::CallMethod", "prim::CallFunction", "prim::If", "prim::Loop", "prim::TupleUnpack", "prim::ListUnpack")


def code_of(name: str, graph: Graph, parameters: list[str], returns: Type) -> str:
    """The function that a graph is, as Python code with its types."""
    is_method = len(graph.inputs) > len(parameters)
    writer = _Writer(graph)
    body = [*writer.block(graph, 1), f"  return {writer.text(graph.outputs[0])}"]
    given = ",\n    ".join((["self"] if is_method else []) + parameters)
    return f"def {name}({given}) -> {returns.annotation}:\n" + "\n".join(body) + "\n"


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self.uses: dict[Value, int] = {}
        self.names: dict[Value, str] = {}
        self.taken: dict[str, int] = {}
        self._count(graph)
        is_method = bool(graph.inputs) and graph.inputs[0].name == "self"
        for k, v in enumerate(graph.inputs):
            self.names[v] = "self" if k == 0 and is_method else self._named(v)
        for v in graph.outputs:
            self.uses[v] = self.uses.get(v, 0) + 1

    def _count(self, block: Block) -> None:
        for node in block.nodes:
            for v in node.inputs:
                self.uses[v] = self.uses.get(v, 0) + 1
            if _writes(node):  # what is written into has a name
                self.uses[node.inputs[0]] += 1
            for inner in node.blocks:
                self._count(inner)
                for v in inner.outputs:
                    self.uses[v] = self.uses.get(v, 0) + 2  # (such a value has a line of its own)

    def _named(self, v: Value) -> str:
        """A name in the code: that of the user's variable if there is one."""
        base = v.name.partition(".")[0]
        base = base if base.isidentifier() else "_"
        n = self.taken[base] = self.taken.get(base, -1) + 1
        return f"{base}{n}" if n or base == "_" else base

    def text(self, v: Value) -> str:
        return self.names[v]

    def block(self, block: Block, depth: int) -> Iterator[str]:
        """The lines of a block."""
        indent = "  " * depth
        for node in block.nodes:
            if node.kind == "prim::If":
                yield from self._if(node, depth)
            elif node.kind == "prim::Loop":
                yield from self._loop(node, depth)
            elif node.kind in _EFFECTS:
                yield indent + self._effect(node)
            elif node.kind in ("prim::TupleUnpack", "prim::ListUnpack"):
                for v in node.outputs:
                    self.names[v] = self._named(v)
                yield f"{indent}{''.join(f'{self.names[v]}, ' for v in node.outputs)}= {self.text(node.inputs[0])}"
            else:
                yield from self._assign(node, indent)

    def _assign(self, node: Node, indent: str) -> Iterator[str]:
        expression, v = self._expression(node), node.output
        writes = _writes(node)
        mutates = node.kind.startswith(("list::", "dict::")) and v.type.name == "NoneType"
        simple = node.kind in ("prim::Constant", "prim::GetAttr", "prim::Uninitialized")
        if writes or mutates:
            self.names[v] = self.names.get(node.inputs[0], "None") if writes else "None"
            yield f"{indent}{expression}"
        elif simple or (
            self.uses.get(v, 0) == 1
            and node.kind not in _NEVER_INLINE
            and not v.name.partition(".")[0].isidentifier()
            and (len(expression) <= LONG or node.kind.endswith("Construct"))
        ):
            self.names[v] = expression
        elif self.uses.get(v, 0) == 0:
            self.names[v] = "_"
            yield f"{indent}_ = {expression}"
        else:
            self.names[v] = self._named(v)
            yield f"{indent}{self.names[v]} = {expression}"

    def _expression(self, node: Node) -> str:
        given = [self.text(v) for v in node.inputs]
        space, _, name = node.kind.partition("::")
        if node.kind == "prim::Constant":
            return _constant(node.attributes.get("value"))
        if node.kind == "prim::GetAttr":
            name = node.attributes["name"]
            return f"{given[0]}.{name}" if name.isidentifier() else f'getattr({given[0]}, "{name}")'
        if node.kind == "prim::CallMethod":
            return f"({given[0]}).{node.attributes['name']}({self._listed(given[1:], node.names)})"
        if node.kind == "prim::CallFunction":
            return f"{node.attributes['function'].name}({self._listed(given, node.names)})"
        if node.kind == "prim::ListConstruct":
            return f"[{', '.join(given)}]"
        if node.kind == "prim::TupleConstruct":
            return f"({', '.join(given)}{',' * (len(given) == 1)})"
        if node.kind == "prim::DictConstruct":
            return f"{{{', '.join(f'{k}: {v}' for k, v in zip(given[::2], given[1::2]))}}}"
        if node.kind == "prim::Uninitialized":
            return "uninitialized()"
        if node.kind == "prim::unchecked_cast":
            return f"unchecked_cast({node.output.type.annotation}, {given[0]})"
        if node.kind in _INFIX:
            return f"{given[0]} {_INFIX[node.kind]} {given[1]}"
        if node.kind == "aten::__getitem__":
            return f"{given[0]}[{_as_key(given[1])}]"
        if node.kind == "aten::__not__":
            return f"not {given[0]}"
        if node.kind == "aten::_set_item":
            return f"{given[0]}[{_as_key(given[1])}] = {given[2]}"
        if node.kind == "aten::slice" and len(given) == 3:
            start, stop, step = ("" if text == "None" else text for text in given)
            return f"{start}:{stop}{':' if step else ''}{step}"
        if node.kind == "aten::format":
            return f"{given[0]}.format({', '.join(given[1:])})"
        if space in ("list", "dict", "str"):
            return f"{given[0]}.{name}({', '.join(given[1:])})"
        called = {
            "aten::Bool": "bool",
            "aten::Int": "int",
            "aten::Float": "float",
            "aten::str": "str",
            "aten::len": "len",
        }.get(node.kind)
        prefix = {"aten": "torch.", "functional": "F.", "math": "math.", "prim": ""}[space]
        if space == "prim" and len(given) == 1 and name not in ("min", "max", "abs", "sum", "round"):
            return f"{given[0]}.{name}"
        return f"{called or prefix + name}({self._listed(given, node.names)})"

    def _listed(self, given: list[str], names: tuple[str, ...]) -> str:
        by_position = len(given) - len(names)
        return ", ".join([*given[:by_position], *(f"{n}={v}" for n, v in zip(names, given[by_position:]))])

    def _effect(self, node: Node) -> str:
        given = [self.text(v) for v in node.inputs]
        if node.kind == "prim::SetAttr":
            return f"{given[0]}.{node.attributes['name']} = {given[1]}"
        return f"print({', '.join(given)})" if node.kind == "prim::Print" else f"raise Exception({given[0]})"

    def _if(self, node: Node, depth: int) -> Iterator[str]:
        indent = "  " * depth
        for v in node.outputs:
            self.names[v] = self._named(v)
        for word, block in zip((f"if {self.text(node.inputs[0])}:", "else:"), node.blocks):
            lines = [*self.block(block, depth + 1)]
            lines += [f"{indent}  {self.names[v]} = {self.text(given)}" for v, given in zip(node.outputs, block.outputs)]
            if lines or word != "else:":
                yield f"{indent}{word}"
                yield from lines or [f"{indent}  pass"]

    def _loop(self, node: Node, depth: int) -> Iterator[str]:
        """`for` if only the count ends it, else `while`."""
        indent, (body,) = "  " * depth, node.blocks
        most, go_on, *carried = node.inputs
        for v, inner, given in zip(node.outputs, body.inputs[1:], carried):
            self.names[v] = self.names[inner] = self._named(v)
            yield f"{indent}{self.names[v]} = {self.text(given)}"
        self.names[body.inputs[0]] = self._named(body.inputs[0])
        always = self.text(body.outputs[0]) == "True" if body.outputs[0] in self.names else False
        going = ""
        if always and self.text(go_on) == "True":
            yield f"{indent}for {self.names[body.inputs[0]]} in range({self.text(most)}):"
        else:
            self.taken["_going"] = n = self.taken.get("_going", -1) + 1
            going = f"_going{n or ''}"
            yield f"{indent}{going} = {self.text(go_on)}"
            yield f"{indent}while {going}:"
        yield from self.block(body, depth + 1)
        if going:
            yield f"{indent}  {going} = {self.text(body.outputs[0])}"
        changed = [(self.names[v], self.text(given)) for v, given in zip(node.outputs, body.outputs[1:])]
        changed = [(name, given) for name, given in changed if name != given]
        if changed:
            yield f"{indent}  {', '.join(n for n, _ in changed)} = {', '.join(g for _, g in changed)}"


def _writes(node: Node) -> bool:
    return (node.kind.endswith("_") and not node.kind.endswith("__")) or node.kind in (
        "aten::_set_item",
        "aten::__delitem__",
    )


def _as_key(text: str) -> str:
    """What stands in brackets: a tuple without its own."""
    return text[1:-1].rstrip(",") if text.startswith("(") and text.endswith(")") and len(text) > 2 else text


def _constant(value: Any) -> str:
    if hasattr(value, "numel"):
        return "CONSTANT"
    return repr(value).replace("minitorch.", "torch.")
