"""A module as the graph that TensorBoard draws: a box for each module, which opens; in it one for each op, joined by what flows.

One idea: a trace (`minitorch.jit`) writes down each op that a call makes, in order, so all that is written between the beginning and the end
of a submodule's call is of that submodule. TensorBoard makes boxes of the parts of a name: `Net/Sequential[body]/Linear[0]/3`, as torch names
them. Unlike torch's, each input of a node is a node of the graph, and a parameter has its shape. Read next: `minitorch/jit/recording.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.config_pb2 import RunMetadata
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.step_stats_pb2 import DeviceStepStats, StepStats
from tensorboard.compat.proto.versions_pb2 import VersionDef

from minitorch.tensor import Tensor

from .summary import shape_of

if TYPE_CHECKING:  # from rooms above this one
    from minitorch.jit.graph import Node, Value
    from minitorch.jit.recording import Recorder
    from minitorch.nn import Module


def graph(model: Module, inputs: Any, verbose: bool = False, strict: bool = True) -> tuple[GraphDef, RunMetadata]:
    """The graph of model(*inputs), in evaluation mode, and the name of a device, which TensorBoard wants to know."""
    from minitorch.jit.recording import Recorder
    from minitorch.jit.trace import as_tuple, record, with_signature
    from minitorch.nn import Module

    if not isinstance(model, Module):
        raise TypeError(f"add_graph takes a module, got {type(model).__name__}")
    if not isinstance(inputs, (Tensor, tuple, list, dict)):
        raise TypeError(
            f"add_graph runs the model once: input_to_model is a tensor or a tuple of them, got {type(inputs).__name__}"
        )
    recorder = Recorder(model)
    scopes: dict[int, str] = {}
    with _in_evaluation(model), _watched(model, recorder, scopes):
        call = with_signature(model, "forward", model)
        traced, _ = record(call, model, as_tuple(inputs), {}, strict, recorder)
    if verbose:
        print(traced)
    nodes = _Nodes(model, recorder)
    for value in traced.inputs[1:]:  # the first is the module itself
        nodes.add(value, f"input/{value.name}", "IO Node", [])
    for k, node in enumerate(traced.nodes):
        nodes.add_step(node, scopes.get(k, type(model).__name__))
    for k, value in enumerate(traced.outputs):
        nodes.add(None, f"output/output.{k + 1}", "IO Node", [value])
    device = StepStats(dev_stats=[DeviceStepStats(device="/device:CPU:0")])
    return GraphDef(node=nodes.made, versions=VersionDef(producer=22)), RunMetadata(step_stats=device)


def scope_names(model: Module) -> dict[str, str]:
    """The box of each submodule by its path: {"body.0": "Net/Sequential[body]/Linear[0]"}."""
    names = {"": type(model).__name__}
    for path, module in model.named_modules():
        if path:
            owner, _, name = path.rpartition(".")
            names[path] = f"{names[owner]}/{type(module).__name__}[{name}]"
    return names


@contextlib.contextmanager
def _in_evaluation(model: Module) -> Iterator[None]:
    """Every submodule back in its own mode afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@contextlib.contextmanager
def _watched(model: Module, recorder: Recorder, scopes: dict[int, str]) -> Iterator[None]:
    """While this lasts, each node that a submodule's call writes is noted, by its number, with the submodule's box."""
    names = scope_names(model)
    begun: list[int] = []
    written = recorder.graph.nodes

    def enter(module: Module, args: Any) -> None:
        begun.append(len(written))

    def leaving(path: str) -> Any:
        def leave(module: Module, args: Any, result: Any) -> None:
            for k in range(begun.pop(), len(written)):
                scopes.setdefault(k, names[path])  # what is inside left first, and has told its own

        return leave

    handles = [module.register_forward_pre_hook(enter) for module in model.modules()]
    handles += [module.register_forward_hook(leaving(path)) for path, module in model.named_modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Nodes:
    """The messages made so far, and the name of each value's node."""

    def __init__(self, model: Module, recorder: Recorder) -> None:
        self.scopes = scope_names(model)
        self.tensors = recorder.tensors
        self.paths = {recorder.self_value: ""}  # of the modules that attributes are taken from
        self.names: dict[Value, str] = {}
        self.made: list[NodeDef] = []

    def add_step(self, node: Node, scope: str) -> None:
        """A node of the trace: an op or a constant in its module's box; a parameter in the box of the module that has it."""
        if node.kind == "prim::GetAttr":
            (owner,), value = node.inputs, node.output
            path = ".".join(filter(None, [self.paths[owner], node.attributes["name"]]))
            if path in self.scopes:  # a module is no node
                self.paths[value] = path
                return
            box = self.scopes[self.paths[owner]]
            self.add(value, f"{box}/{node.attributes['name']}", node.kind, [], node.attributes)
            return
        inputs = [v for v in node.inputs if v not in self.paths]  # prim::SetAttr writes into a module
        outputs: list[Any] = [*node.outputs] or [None]
        for value in outputs:
            name = f"{scope}/{value.name}" if value else f"{scope}/set_{node.attributes['name']}"
            self.add(value, name, node.kind.replace("functional::", "aten::"), inputs, node.attributes)

    def add(self, value: Value | None, name: str, op: str, inputs: list[Value], attributes: Any = None) -> None:
        """One node, which gives this value."""
        attr = {}
        if value is not None:
            self.names[value] = name
            if value in self.tensors:
                attr["_output_shapes"] = AttrValue(list=AttrValue.ListValue(shape=[shape_of(self.tensors[value].shape)]))
        if attributes is not None:
            told = ", ".join(f" {key} : {x} " for key, x in attributes.items())
            attr["attr"] = AttrValue(s=f"{{{told}}}".encode())
        self.made.append(NodeDef(name=name, op=op, input=[self.names[v] for v in inputs], attr=attr))
