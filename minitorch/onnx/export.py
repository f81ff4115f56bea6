"""`export`: a model in the file format of ONNX, which runs without Python.

The model is traced (`jit.trace`), and each call of the trace becomes the nodes that the table has for it. Where sizes may differ from run to
run it is traced a second time with other sizes: the two graphs must be the same, and the dimensions that differ between them are those that the
file leaves open. A number that differs was burned in by Python, and is refused. Read next: `table.py`, which nodes; `builder.py`.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import minitorch
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor
from minitorch.utils.files import replacing
from minitorch.utils.optional import needed

from . import sizes
from .errors import OnnxExporterError
from .writing import Traced, Writer

DEFAULT_OPSET, OPSETS = 18, range(18, 22)


class ONNXProgram:
    """A model as ONNX has it: `model_proto`."""

    def __init__(self, model_proto: Any) -> None:
        self.model_proto = model_proto

    def save(self, destination: Any) -> None:
        """Write it: the whole file, or none."""
        data = self.model_proto.SerializeToString()
        if hasattr(destination, "write"):
            destination.write(data)
            return
        with replacing(destination) as file:
            file.write(data)

    def __repr__(self) -> str:
        graph = self.model_proto.graph
        return f"ONNXProgram({len(graph.node)} nodes, inputs {[x.name for x in graph.input]}, outputs {[x.name for x in graph.output]})"


def export(
    model: Any,
    args: Any = (),
    f: Any = None,
    *,
    kwargs: dict[str, Any] | None = None,
    verbose: bool | None = None,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    opset_version: int | None = None,
    dynamic_shapes: Any = None,
    export_params: bool = True,
    keep_initializers_as_inputs: bool = False,
    dynamic_axes: Mapping[str, Any] | None = None,
    do_constant_folding: bool = True,
    **others: Any,
) -> ONNXProgram:
    """The model as an ONNX file, by what it calls when it runs on `args`; written to `f`, a path or a file, if given.

    args: a tensor, or a tuple of arguments; what is no tensor is fixed. The model is exported as `eval()` has it. dynamic_axes: the sizes
    that may differ, by the names of inputs and outputs, {"x": {0: "batch"}} or {"x": [0]}; dynamic_shapes: by the names of arguments.
    export_params: False leaves the parameters out, as inputs. opset_version: 18 to 21. do_constant_folding is left to the runtime.

    UnsupportedOperatorError names a call that ONNX has no node for; then no file is written. It needs the extra `onnx`.
    """
    onnx = _onnx()
    opset = DEFAULT_OPSET if opset_version is None else opset_version
    if opset not in OPSETS:
        raise ValueError(f"opset_version must be from {OPSETS.start} to {OPSETS.stop - 1}, got {opset_version}")
    if not callable(model):
        raise TypeError(f"export() takes a module or a function, got {type(model).__name__}")
    _check_others(others)
    call = _Call(model, args, kwargs or {}, opset)
    inputs = _names("input", input_names, sizes.names_of(call.arguments))
    with _in_evaluation(model), minitorch.no_grad():
        first = call.traced(call.tensors)
        outputs = _names(
            "output",
            output_names,
            ["output"] if len(first.results) == 1 else [f"output_{k}" for k in range(len(first.results))],
        )
        dims: list[sizes.Dims] = [{} for _ in inputs]
        output_dims: dict[str, sizes.Dims] = {}
        if dynamic_axes:
            dims, output_dims = sizes.from_axes(dynamic_axes, inputs, outputs)
        if dynamic_shapes:
            dims = sizes.from_shapes(dynamic_shapes, call.arguments)
        named = sizes.check(call.tensors, dims, inputs)
        second = _with_other_sizes(call, dims, first) if named else first
    writer = Writer(first, second, opset, model if isinstance(model, Module) else None)
    proto = writer.model(inputs, outputs, dims, output_dims, export_params, keep_initializers_as_inputs)
    try:
        onnx.checker.check_model(proto, full_check=True)
    except Exception as error:  # a dtype that an ONNX operator does not take, most often
        raise OnnxExporterError(f"ONNX does not take what came out: {error}") from error
    program = ONNXProgram(proto)
    if verbose:
        print(onnx.printer.to_text(proto))
    if f is not None:
        program.save(f)
    return program


def _onnx() -> Any:
    onnx = needed("onnx", "onnx", by="minitorch.onnx.export")
    needed("onnx.checker", "onnx", by="minitorch.onnx.export")
    needed("onnx.printer", "onnx", by="minitorch.onnx.export")
    return onnx


# What torch's export takes too and this one does the same with, whatever is said; of `training` only evaluation.
IGNORED = {
    "dynamo",
    "external_data",
    "optimize",
    "report",
    "verify",
    "profile",
    "artifacts_dir",
    "autograd_inlining",
    "operator_export_type",
}


def _check_others(others: dict[str, Any]) -> None:
    for name, value in others.items():
        if name == "training" and str(value).rpartition(".")[2] not in ("EVAL", "None", "0"):
            raise ValueError("training: a model is exported as eval() has it; what draws random numbers has no counterpart")
        if name not in IGNORED | {"training"}:
            raise TypeError(f"export() got an unexpected keyword argument {name!r}")


def _names(what: str, given: Sequence[str] | None, otherwise: list[str]) -> list[str]:
    """The names that are given, as far as they reach."""
    given = list(given or ())
    if len(given) > len(otherwise):
        raise ValueError(f"{len(given)} {what}_names for {len(otherwise)} {what}s")
    if len(set(given)) < len(given):
        raise ValueError(f"{what}_names has one name twice: {', '.join(given)}")
    return given + otherwise[len(given) :]


@contextlib.contextmanager
def _in_evaluation(model: Any) -> Iterator[None]:
    """The model in eval() here; each module as it was after."""
    modules = list(model.modules()) if isinstance(model, Module) else []
    before = [m.training for m in modules]
    for m in modules:
        m.training = False
    try:
        yield
    finally:
        for m, training in zip(modules, before):
            m.training = training


class _Call:
    """A call as a function of its tensors alone, which gives a tuple of tensors."""

    def __init__(self, model: Any, args: Any, kwargs: dict[str, Any], opset: int) -> None:
        self.opset = opset
        given = tuple(args) if isinstance(args, (tuple, list)) else (args,)
        self.model = model
        signature = inspect.signature(model.forward if isinstance(model, Module) else model)
        self.bound = signature.bind(*given, **kwargs)
        self.arguments: dict[str, Any] = {}
        for name, x in self.bound.arguments.items():
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                self.arguments |= x
            else:
                self.arguments[name] = x
        self.tensors = list(sizes.flat(self.arguments))
        if not self.tensors:
            raise ValueError("export() needs example tensors: args is a tensor, or a tuple with one")

    def traced(self, tensors: list[Tensor]) -> Traced:
        """The trace of a run on copies of these, which the model may write into."""
        tensors = [x.detach().clone() for x in tensors]
        return Traced.of(self.function, self.model if isinstance(self.model, Module) else None, tensors, self.opset)

    def function(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        again = iter(tensors)
        arguments = {name: sizes.rebuilt(x, again) for name, x in self.bound.arguments.items()}
        bound = inspect.BoundArguments(self.bound.signature, arguments)  # type: ignore[arg-type]
        found = tuple(sizes.flat(self.model(*bound.args, **bound.kwargs)))
        if not found:
            raise OnnxExporterError("the model gives no tensor")
        return found


def _with_other_sizes(call: _Call, dims: list[sizes.Dims], first: Traced) -> Traced:
    """A second trace, in which each dynamic dimension has another size; the graph must be the same."""
    reasons = []
    for other in sizes.OTHER_SIZES:
        examples = [sizes.resized(x, own, other) for x, own in zip(call.tensors, dims)]
        if all(a.shape == b.shape for a, b in zip(examples, call.tensors)):
            continue
        try:
            second = call.traced(examples)
        except Exception as error:
            reasons.append(f"with {[tuple(x.shape) for x in examples]}: {error}")
            continue
        first.check_same(second)
        return second
    raise OnnxExporterError("the model does not run with other sizes of its dynamic dimensions: " + "; ".join(reasons[:2]))
