"""Running a graph: node after node, a value for each name. What the nodes call records itself, so a script has gradients like any code."""

from __future__ import annotations

from typing import Any

from minitorch.nn.modules.module import Module

from . import operators
from .graph import Block, Graph, Node, Value

Values = dict[Value, Any]


class ScriptError(RuntimeError):
    """What a script itself raises."""


def run(graph: Graph, args: tuple) -> Any:
    """What the graph gives for these arguments: one value."""
    values: Values = dict(zip(graph.inputs, args, strict=True))
    (result,) = _block(graph, values)
    return result


def _block(block: Block, values: Values) -> list[Any]:
    for node in block.nodes:
        results = _node(node, values)
        if len(node.outputs) == 1:
            values[node.outputs[0]] = results
        elif node.outputs:
            values.update(zip(node.outputs, results, strict=True))
    return [values[v] for v in block.outputs]


def _node(node: Node, values: Values) -> Any:
    """What one node gives: the value, or a tuple of them if it has several outputs."""
    special = SPECIAL.get(node.kind)
    if special is not None:
        return special(node, values)
    if node.kind == "prim::PythonOp":  # (not in the table: a file may not name one)
        return _python(node, values)
    function = operators.function_of(node.kind)
    if function is None:
        raise RuntimeError(f"a graph has a node of kind {node.kind!r}, which this version does not know")
    given = [values[v] for v in node.inputs]
    by_position = len(given) - len(node.names)
    try:
        return function(*given[:by_position], **dict(zip(node.names, given[by_position:])))
    except Exception as error:
        if node.place:
            error.add_note(f"in the script, {node.place}: {node.kind}")
        raise


def _constant(node: Node, values: Values) -> Any:
    return node.attributes.get("value")


def _if(node: Node, values: Values) -> Any:
    chosen = _block(node.blocks[0] if values[node.inputs[0]] else node.blocks[1], values)
    return chosen[0] if len(node.outputs) == 1 else chosen


def _loop(node: Node, values: Values) -> Any:
    """inputs: the most rounds, whether there is a first one, what is carried; the block: (round, carried) → (go on?, carried)."""
    most, go_on, *carried = (values[v] for v in node.inputs)
    (body,) = node.blocks
    k = 0
    while go_on and k < most:
        values.update(zip(body.inputs, [k, *carried], strict=True))
        go_on, *carried = _block(body, values)
        k += 1
    return carried[0] if len(node.outputs) == 1 else carried


def _get_attribute(node: Node, values: Values) -> Any:
    return attribute(values[node.inputs[0]], node.attributes["name"])


def attribute(module: Module, name: str) -> Any:
    """What a module holds under a name: a parameter, a buffer, a module or a plain value; nothing else can be reached."""
    for kind in ("_parameters", "_buffers", "_modules", "_plain"):
        if name in (held := module.__dict__.get(kind, {})):
            return held[name]
    if name in module.__dict__ and not name.startswith("_"):
        return module.__dict__[name]
    raise AttributeError(f"{type(module).__name__} has no attribute {name!r}")


def _set_attribute(node: Node, values: Values) -> None:
    module, value = (values[v] for v in node.inputs)
    name = node.attributes["name"]
    attribute(module, name)
    setattr(module, name, value)


def _call_method(node: Node, values: Values) -> Any:
    module, *args = (values[v] for v in node.inputs)
    by_position = len(args) - len(node.names)
    return module._call_method(node.attributes["name"], args[:by_position], dict(zip(node.names, args[by_position:]))) if hasattr(
        module, "_call_method"
    ) else module(*args[:by_position], **dict(zip(node.names, args[by_position:])))  # fmt: skip


def _call_function(node: Node, values: Values) -> Any:
    return run(node.attributes["function"].graph, tuple(values[v] for v in node.inputs))


def _unpack(node: Node, values: Values) -> Any:
    found = values[node.inputs[0]]
    if len(found) != len(node.outputs):
        raise ScriptError(f"{node.place}: provided {len(found)} values, but {len(node.outputs)} names take them")
    return found[0] if len(found) == 1 else found


def _python(node: Node, values: Values) -> Any:
    """A Function of the user's, or a function that a script leaves to Python: only a graph of this process can hold it."""
    function = node.attributes["function"]
    return getattr(function, "apply", function)(*(values[v] for v in node.inputs))


def _dict(node: Node, values: Values) -> dict:
    given = [values[v] for v in node.inputs]
    return dict(zip(given[::2], given[1::2]))


def _raise(node: Node, values: Values) -> None:
    raise ScriptError(str(values[node.inputs[0]]))


def _print(node: Node, values: Values) -> None:
    print(*(values[v] for v in node.inputs))


SPECIAL = {
    "prim::Constant": _constant,
    "prim::Uninitialized": lambda node, values: None,
    "prim::If": _if,
    "prim::Loop": _loop,
    "prim::GetAttr": _get_attribute,
    "prim::SetAttr": _set_attribute,
    "prim::CallMethod": _call_method,
    "prim::CallFunction": _call_function,
    "prim::ListConstruct": lambda node, values: [values[v] for v in node.inputs],
    "prim::TupleConstruct": lambda node, values: tuple(values[v] for v in node.inputs),
    "prim::DictConstruct": _dict,
    "prim::TupleUnpack": _unpack,
    "prim::ListUnpack": _unpack,
    "prim::RaiseException": _raise,
    "prim::Print": _print,
    "prim::unchecked_cast": lambda node, values: values[node.inputs[0]],
}
