"""From a trace to an ONNX model: each node of the trace by its entry in the table. Read next: `table.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import minitorch
from minitorch.jit.graph import Graph, Node, Value
from minitorch.jit.recording import NoName, Recorder
from minitorch.jit.trace import record
from minitorch.jit.types import INT
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

from .builder import Builder, Length, Ref
from .errors import OnnxExporterError, Unsupported, UnsupportedOperatorError
from .sizes import Dims
from .table import TABLE

OF_SIZES = {"aten::add": "Add", "aten::sub": "Sub", "aten::mul": "Mul", "aten::floordiv": "Div", "aten::remainder": "Mod"}


@dataclass
class Traced:
    """A trace of a function of tensors that gives a tuple of them, and what each value was."""

    graph: Graph
    tensors: dict[Value, Tensor]
    results: list[Value]

    @classmethod
    def of(cls, function: Callable, module: Module | None, tensors: list[Tensor], opset: int) -> Traced:
        """A function made of ops that the table does not have is looked into."""
        recorder = Recorder(module, knows=lambda kind: kind in TABLE or kind.removesuffix("_") in TABLE)
        try:
            graph, _ = record(function, module, tuple(tensors), {}, recorder=recorder)
        except NoName as error:
            raise UnsupportedOperatorError(error.within, opset) from None
        (result,) = graph.outputs
        made = next(node for node in reversed(graph.nodes) if result in node.outputs)
        return cls(graph, recorder.tensors, made.inputs)

    def check_same(self, other: Traced) -> None:
        """OnnxExporterError if the two are other calls, or hold other numbers."""
        for a, b in zip(self.graph.nodes, other.graph.nodes):
            if a.kind != b.kind or list(map(str, a.inputs)) != list(map(str, b.inputs)):
                raise OnnxExporterError(f"with other sizes the model calls something else: {a} became {b}")
            x, y = a.attributes.get("value"), b.attributes.get("value")
            if not _equal(x, y):
                user = next((n.kind for n in self.graph.nodes if a.outputs and a.outputs[0] in n.inputs), "the result")
                raise OnnxExporterError(
                    f"a number that depends on a dynamic size was burned in: {_told(x)} became {_told(y)} with other sizes, for {user}. "
                    "Compute it from x.shape, without int(), len(), range() or a tensor made outside"
                )
        if len(self.graph.nodes) != len(other.graph.nodes):
            raise OnnxExporterError(
                f"with other sizes the model makes {len(other.graph.nodes)} calls in place of {len(self.graph.nodes)}: a loop over a size was "
                "written out"
            )


def _equal(x: Any, y: Any) -> bool:
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return x.shape == y.shape and np.array_equal(x.detach().numpy(), y.detach().numpy(), equal_nan=x.is_floating_point())
    return type(x) is type(y) and (x == y or x is y or (x != x and y != y))


def _told(x: Any) -> str:
    return f"a constant of shape {tuple(x.shape)}" if isinstance(x, Tensor) else repr(x)


class Writer:
    """Walks a trace, and keeps what each of its values is: a `Ref`, a number, a `Length`, or a list of them."""

    def __init__(self, first: Traced, second: Traced, opset: int, module: Module | None) -> None:
        self.first, self.module = first, module
        self.b = Builder(opset)
        self.known: dict[Value, Any] = {}
        self.parameters: list[str] = []
        second_values = list(second.graph.inputs) + [v for n in second.graph.nodes for v in n.outputs]
        values = list(first.graph.inputs) + [v for n in first.graph.nodes for v in n.outputs]
        self.twin = dict(zip(values, second_values, strict=True))
        self.second = second
        self.last_use = {v: k for k, node in enumerate(first.graph.nodes) for v in node.inputs}
        self.unpacked = {
            node.inputs[0]: node for node in first.graph.nodes if node.kind in ("prim::TupleUnpack", "prim::ListUnpack")
        }

    def meta(self, value: Value, name: str = "") -> Ref:
        """dtype and shape of a value: None for the sizes that differ between the traces."""
        a, b = self.first.tensors[value], self.second.tensors[self.twin[value]]
        shape = tuple(n if n == m else None for n, m in zip(a._array.shape, b._array.shape))
        return Ref(name, a._array.dtype, shape)

    def model(
        self,
        inputs: list[str],
        outputs: list[str],
        dims: list[Dims],
        output_dims: dict[str, Dims],
        export_params: bool,
        initializers_as_inputs: bool,
    ) -> Any:
        """The finished model."""
        given = [v for v in self.first.graph.inputs if v in self.first.tensors]
        self.b.taken.update((*inputs, *outputs))
        self.export_params = export_params
        for value, name in zip(given, inputs):
            self.known[value] = self.meta(value, name)
        for k, node in enumerate(self.first.graph.nodes):
            self.write(node, k)
        for value, name in zip(self.first.results, outputs):
            self.give(self.known[value], name, outputs)
        self._drop_unused(outputs)
        helper, b = self.b.onnx.helper, self.b
        infos = [self._info(self.meta(v, n), dict(own)) for v, n, own in zip(given, inputs, dims)]
        names = self._dim_names(given, dims)
        results = [
            self._info(self.meta(v, n), {**self._named(v, names), **output_dims.get(n, {})})
            for v, n in zip(self.first.results, outputs)
        ]
        weights = [x for name, x in b.initializers.items() if export_params or name not in self.parameters]
        if not export_params or initializers_as_inputs:
            held = [name for name in b.initializers if name in self.parameters]
            infos += [
                helper.make_tensor_value_info(n, b.initializers[n].data_type, list(b.initializers[n].dims)) for n in held
            ]
        graph = helper.make_graph(b.nodes, "main_graph", infos, results, weights)
        opsets = [helper.make_opsetid("", b.opset)]
        version = helper.find_min_ir_version_for(opsets)
        return helper.make_model(
            graph,
            producer_name="minitorch",
            producer_version=minitorch.__version__,
            opset_imports=opsets,
            ir_version=version,
        )

    # ---- one node ----

    def write(self, node: Node, place: int) -> None:
        """What a node of the trace gives."""
        given = [self.known.get(v) for v in node.inputs]
        if node.kind == "prim::Constant":
            self.known[node.output] = self.held(node.attributes.get("value"), node.output, "")
        elif node.kind == "prim::GetAttr":
            self._attribute(node)
        elif node.kind == "prim::ListConstruct":
            self.known[node.output] = given
        elif node.kind == "prim::TupleConstruct":
            self.known[node.output] = tuple(given)
        elif node.kind == "aten::slice":
            self.known[node.output] = slice(*given)
        elif node.kind in ("prim::TupleUnpack", "prim::ListUnpack"):
            for part, x in zip(node.outputs, given[0] or ()):
                self.known[part] = x
        elif node.kind == "aten::size":
            self.known[node.output] = self.b.size(given[0], given[1])  # type: ignore[arg-type]
        elif node.outputs and node.output.type is INT and node.kind in OF_SIZES:
            self.known[node.output] = self._of_sizes(node, given)
        else:
            self._call(node, given, place)

    def _attribute(self, node: Node) -> None:
        owner = self.known.get(node.inputs[0], (self.module, ()))
        name = node.attributes["name"]
        held, path = getattr(owner[0], name), (*owner[1], name)
        self.known[node.output] = self.held(held, node.output, ".".join(path)) if isinstance(held, Tensor) else (held, path)

    def held(self, x: Any, value: Value, name: str) -> Any:
        """A parameter or a constant; a number as it is."""
        if not isinstance(x, Tensor):
            return x
        array = x.detach().cpu().numpy()
        given = self.b.fresh(name or "constant")
        self.b.initializer(given, array)
        if name:
            self.parameters.append(given)
        return Ref(given, array.dtype, array.shape, array if self.export_params or not name else None)

    def _of_sizes(self, node: Node, given: list[Any]) -> Any:
        """A sum, a product … of sizes."""
        if not any(isinstance(n, Length) for n in given):
            from minitorch.jit.operators import function_of

            return function_of(node.kind)(*given)  # type: ignore[misc]
        return Length(self.b.op(OF_SIZES[node.kind], *(self.b.ints([n]) for n in given)))

    def _call(self, node: Node, given: list[Any], place: int) -> None:
        """A call, by its entry in the table."""
        name = node.kind
        in_place = name.endswith("_") and name != "aten::_set_item" and not name.endswith("__")
        entry = TABLE.get(name) or (TABLE.get(name[:-1]) if in_place else None)
        if entry is None:
            why = f"it is the Function {node.attributes['name']}" if name == "prim::PythonOp" else ""
            raise UnsupportedOperatorError(name, self.b.opset, why)
        if in_place:
            self._check_alone(node, place)
        parts = self.unpacked[node.output].outputs if node.output in self.unpacked else [node.output]
        self.b.outs = [self.meta(v) for v in parts if v in self.first.tensors]
        self.b.out = self.b.outs[0]
        by_position = len(given) - len(node.names)
        named = {n: x for n, x in zip(node.names, given[by_position:]) if not (n == "dtype" and x is None)}
        try:
            found = entry(self.b, *given[:by_position], **named)
        except Unsupported as error:
            raise UnsupportedOperatorError(name, self.b.opset, str(error)) from None
        except TypeError as error:
            raise UnsupportedOperatorError(name, self.b.opset, f"with these arguments: {error}") from error
        if len(parts) == 1 and parts[0] is node.output:
            self.known[node.output] = self._named_result(found, node.output)
        else:
            self.known[node.output] = [
                self._named_result(x, v) if v in self.first.tensors else x for x, v in zip(found, parts)
            ]

    def _named_result(self, found: Any, value: Value) -> Ref:
        if isinstance(found, Ref):
            meta = self.meta(value, found.name)
            return Ref(meta.name, meta.dtype, meta.shape, found.value if found.shape == meta.shape else None)
        return self.meta(value, self.b.name_of(found))

    def _check_alone(self, node: Node, place: int) -> None:
        """A write is a new value in ONNX: nobody else may look at the same memory afterwards."""
        written = self.first.tensors.get(node.inputs[0])
        for value, tensor in self.first.tensors.items():
            later = self.last_use.get(value, -1) > place or value in self.first.results
            other = value not in (node.inputs[0], node.output) and tensor is not written and value in self.known
            if written is not None and other and later and np.may_share_memory(tensor._array, written._array):
                raise UnsupportedOperatorError(
                    node.kind,
                    self.b.opset,
                    "it writes into memory that another tensor shows too; use the form that does not write",
                )

    # ---- the ends ----

    def give(self, result: Any, name: str, outputs: list[str]) -> None:
        """Let an output of the model go by its name."""
        made = any(result.name in node.output for node in self.b.nodes)
        if not made or result.name in outputs:
            self.b.nodes.append(self.b.onnx.helper.make_node("Identity", [result.name], [name], name=name))
            return
        for node in self.b.nodes:
            for names in (node.input, node.output):
                for k, each in enumerate(names):
                    if each == result.name:
                        names[k] = name
        self.known = {
            v: Ref(name, x.dtype, x.shape) if isinstance(x, Ref) and x.name == result.name else x
            for v, x in self.known.items()
        }

    def _drop_unused(self, outputs: list[str]) -> None:
        """Leave out what no output needs."""
        needed, kept = set(outputs), []
        for node in reversed(self.b.nodes):
            if needed & set(node.output):
                needed.update(node.input)
                kept.append(node)
        self.b.nodes = kept[::-1]
        self.b.initializers = {name: x for name, x in self.b.initializers.items() if name in needed}

    def _info(self, x: Ref, named: Dims) -> Any:
        shape = [named.get(d) if n is None else n for d, n in enumerate(x.shape)]
        helper = self.b.onnx.helper
        return helper.make_tensor_value_info(x.name, helper.np_dtype_to_tensor_dtype(x.dtype), shape)

    def _dim_names(self, given: list[Value], dims: list[Dims]) -> dict[tuple[int, int], str]:
        """Names by what the size was in the two traces."""
        found = {}
        for value, own in zip(given, dims):
            for d, name in own.items():
                found[self._two_sizes(value, d)] = name
        return found

    def _two_sizes(self, value: Value, d: int) -> tuple[int, int]:
        return self.first.tensors[value]._array.shape[d], self.second.tensors[self.twin[value]]._array.shape[d]

    def _named(self, value: Value, names: dict[tuple[int, int], str]) -> Dims:
        pairs = {d: self._two_sizes(value, d) for d in range(self.first.tensors[value].ndim)}
        return {d: names[pair] for d, pair in pairs.items() if pair in names}
