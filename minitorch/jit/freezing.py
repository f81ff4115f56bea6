"""`jit.freeze`: a module in evaluation as it is from now on: its parameters are constants, and a batch norm is folded into what is before it.

In evaluation a batch norm is the same affine map for each image, and so is a convolution, so one can do what both do
(`nn/utils/fusion.py`). What is folded: layers that follow one another in a Sequential, calls of a layer on what another gives, and, in a
trace, `conv2d` and `batch_norm` on the same value, where nobody else reads what is between.
"""

from __future__ import annotations

import copy
from typing import Any

import minitorch
from minitorch.nn.modules.container import Sequential
from minitorch.nn.modules.module import Module
from minitorch.nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval
from minitorch.tensor import Tensor

from . import interpreter, types
from .function import Function
from .graph import Block, Graph, Node, Value
from .script import ScriptModule

_FOLDED: dict[str, Any] = {
    "Conv1d": fuse_conv_bn_eval, "Conv2d": fuse_conv_bn_eval, "Conv3d": fuse_conv_bn_eval, "Linear": fuse_linear_bn_eval,
}  # fmt: skip


def freeze(mod: Any, preserved_attrs: list[str] | None = None, optimize_numerics: bool = True) -> Any:
    """A frozen copy of a ScriptModule that is in evaluation: it has no parameters to train, and the same results, up to rounding.

    RuntimeError for a module in training. `preserved_attrs` is taken for torch's sake: attributes stay. `optimize_numerics=False` folds nothing.
    """
    if not isinstance(mod, ScriptModule):
        raise RuntimeError(
            f"Freezing expects a ScriptModule as input. Please use jit.script or jit.trace to script your 'nn.Module', got {type(mod).__name__}"
        )
    if mod.training:
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module before freezing."
        )
    frozen = copy.deepcopy(mod)
    for module in list(frozen.modules()):
        if optimize_numerics and type(module) is Sequential:
            _fold_in_a_row(module)
        for name, function in module.__dict__.get("_methods", {}).items():
            graph = copy.deepcopy(function.graph)
            if optimize_numerics:
                _fold_calls(graph, module)
            _make_constant(graph, module)
            if optimize_numerics:
                _fold_functions(graph)
            module._methods[name] = Function(function.name, graph, function.parameters, function.returns)
    for module in frozen.modules():
        for name, p in list(module._parameters.items()):
            del module._parameters[name]
            module.__dict__[name] = None if p is None else p.detach()
    return frozen


# ---- folding ----


def _can_fold(layer: Any, norm: Any) -> bool:
    """Whether a batch norm can be folded into the layer before it."""
    is_norm = type(norm).__name__.startswith("BatchNorm") and getattr(norm, "running_mean", None) is not None
    return type(layer).__name__ in _FOLDED and is_norm and not norm.training


def _fold_in_a_row(row: Sequential) -> None:
    """In a Sequential: the norm becomes the identity."""
    for (name, layer), (next_name, norm) in zip(list(row._modules.items()), list(row._modules.items())[1:]):
        if _can_fold(layer, norm):
            row._modules[name] = _FOLDED[type(layer).__name__](layer, norm)
            row._modules[next_name] = minitorch.nn.Identity().eval()


def _fold_calls(graph: Graph, module: Module) -> None:
    """`self.norm(self.conv(x))`: the call of the norm goes, and the convolution is another one."""
    made_by, uses = _makers_and_uses(graph)
    for node in list(graph.nodes):
        before = made_by.get(node.inputs[1]) if node.kind == "prim::CallMethod" and len(node.inputs) == 2 else None
        if before is None or before.kind != "prim::CallMethod" or uses.get(before.output, 0) != 1:
            continue
        layers = [made_by.get(n.inputs[0]) for n in (before, node)]
        names = [
            n.attributes["name"]
            for n in layers
            if n is not None and n.kind == "prim::GetAttr" and n.inputs[0] is graph.inputs[0]
        ]
        if len(names) == 2 and uses[before.inputs[0]] == 1 and _can_fold(*(module._modules.get(n) for n in names)):
            layer, norm = (module._modules[n] for n in names)
            module._modules[names[0]] = _FOLDED[type(layer).__name__](layer, norm)
            graph.nodes.remove(node)
            _replace(graph, node.output, before.output)


def _fold_functions(graph: Graph) -> None:
    """`batch_norm(conv2d(x, w, b), …)` with constants: new constants, and no batch norm."""
    made_by, uses = _makers_and_uses(graph)
    for node in list(graph.nodes):
        before = made_by.get(node.inputs[0]) if node.kind.endswith("::batch_norm") and node.inputs else None
        if (
            before is None
            or before.kind not in ("aten::conv1d", "aten::conv2d", "aten::conv3d")
            or uses.get(before.output, 0) != 1
        ):
            continue
        given = [_constant(made_by, v) for v in (*before.inputs[1:3], *node.inputs[1:])]
        if not isinstance(given[0], Tensor) or any(v is _UNKNOWN for v in given) or len(given) < 9 or given[6]:
            continue
        w, b, mean, var, gamma, beta, _, _, eps = given[:9]
        with minitorch.no_grad():
            fused = fuse_conv_bn_weights(w, b, mean, var, eps, gamma, beta)
        for k, tensor in enumerate(fused, start=1):
            made = Node("prim::Constant", [], [graph.value(types.TENSOR)], {"value": tensor.detach()})
            graph.nodes.insert(graph.nodes.index(before), made)
            before.inputs[k] = made.output
        graph.nodes.remove(node)
        _replace(graph, node.output, before.output)


_UNKNOWN = object()


def _constant(made_by: dict[Value, Node], value: Value) -> Any:
    node = made_by.get(value)
    return node.attributes.get("value") if node is not None and node.kind == "prim::Constant" else _UNKNOWN


# ---- constants ----


def _make_constant(graph: Graph, module: Module) -> None:
    """What the graph reads of the module, tensors and plain values alike, becomes part of it."""
    if not graph.inputs:
        return
    written = {n.attributes["name"] for n in graph.all_nodes() if n.kind == "prim::SetAttr"}
    found: dict[Value, Any] = {graph.inputs[0]: module}
    for block in _blocks(graph):
        for node in block.nodes:
            if node.kind != "prim::GetAttr" or node.inputs[0] not in found or node.attributes["name"] in written:
                continue
            value = interpreter.attribute(found[node.inputs[0]], node.attributes["name"])
            if isinstance(value, Module):
                found[node.output] = value
            else:
                node.kind, node.inputs = "prim::Constant", []
                node.attributes = {"value": value.detach() if isinstance(value, Tensor) else value}


# ---- graphs ----


def _blocks(block: Block) -> list[Block]:
    """The block, and those in it."""
    return [block, *(inner for node in block.nodes for b in node.blocks for inner in _blocks(b))]


def _makers_and_uses(graph: Graph) -> tuple[dict[Value, Node], dict[Value, int]]:
    """The node that gives each value, and how often each is read."""
    made_by = {v: node for node in graph.all_nodes() for v in node.outputs}
    uses: dict[Value, int] = {}
    for v in [v for node in graph.all_nodes() for v in node.inputs] + [v for b in _blocks(graph) for v in b.outputs]:
        uses[v] = uses.get(v, 0) + 1
    return made_by, uses


def _replace(graph: Graph, old: Value, new: Value) -> None:
    """Read another value wherever this one is read."""
    for block in _blocks(graph):
        block.outputs = [new if v is old else v for v in block.outputs]
        for node in block.nodes:
            node.inputs = [new if v is old else v for v in node.inputs]
