"""ONNX files: what onnxruntime computes from them is what minitorch computes, at sizes that the example did not have."""

from __future__ import annotations

import io
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch import nn
from minitorch.jit import TracerWarning
from minitorch.onnx import (
    OnnxExporterError,
    UnsupportedOperatorError,
    elementwise,
    export,
    indexing,
    pooling,
    recurrent,
    shapes,
    table,
)
from reference.exported import ANY_OF_EQUAL_ONES, Model, exported_layer, exported_model, exported_op, session
from reference.layers import ROWS, Row
from reference.onnx_models import MODELS, NETS
from reference.table import table as table_of_ops
from reference.traced import is_public
from shares import more_seeds


def model(name: str) -> Model:
    return next(each for each in MODELS if each.name == name)


@pytest.mark.parametrize("each", MODELS, ids=lambda each: each.name)
def test_a_model_gives_its_numbers_at_every_size(each: Model) -> None:
    exported_model(each)


@pytest.mark.slow
@pytest.mark.parametrize("opset", [19, 20, 21])
@pytest.mark.parametrize("each", MODELS, ids=lambda each: each.name)
def test_in_later_opsets(each: Model, opset: int) -> None:
    program = exported_model(each, opset)
    assert program.model_proto.opset_import[0].version == opset


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=2)
@given(data=st.data())
def test_a_layer_gives_its_numbers_or_is_refused(row: Row, data: Any) -> None:
    exported_layer(row, data.draw)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@settings(max_examples=16)
@given(data=st.data())
def test_a_layer_with_many_options(row: Row, data: Any) -> None:
    exported_layer(row, data.draw)


@pytest.mark.parametrize(
    "row", [row for row in table_of_ops() if is_public(row) and row.name not in ANY_OF_EQUAL_ONES], ids=str
)
def test_an_op_gives_its_numbers_or_is_refused(row: Any) -> None:
    exported_op(row, 0)


@pytest.mark.parametrize("seeds", more_seeds(range(1, 5), range(20)))
@pytest.mark.parametrize(
    "row", [row for row in table_of_ops() if is_public(row) and row.name not in ANY_OF_EQUAL_ONES], ids=str
)
def test_an_op_with_many_arguments(row: Any, seeds: range) -> None:
    for seed in seeds:
        exported_op(row, seed)


# ---- the file ----


def test_names_sizes_and_parameters_are_in_the_file(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    path = tmp_path / "net.onnx"
    axes = {"features": {0: "batch"}, "classes": {0: "batch"}}
    export(net, minitorch.randn(2, 4), path, input_names=["features"], output_names=["classes"], dynamic_axes=axes)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    (x,), (y,) = proto.graph.input, proto.graph.output
    assert [x.name, y.name] == ["features", "classes"]
    assert [d.dim_param or d.dim_value for d in x.type.tensor_type.shape.dim] == ["batch", 4]
    assert [d.dim_param or d.dim_value for d in y.type.tensor_type.shape.dim] == ["batch", 3]
    assert {w.name for w in proto.graph.initializer} == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert [n.op_type for n in proto.graph.node] == ["Gemm", "Relu", "Gemm"]
    assert proto.producer_name == "minitorch" and proto.opset_import[0].version == 18
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_a_list_of_axes_and_names_that_reach_to_some() -> None:
    program = export(
        lambda x, y: (x + y, x * y),
        (minitorch.ones(2), minitorch.ones(2)),
        input_names=["a"],
        dynamic_axes={"a": [0], "y": {0: "n"}},
    )
    shapes_of = [[d.dim_param for d in x.type.tensor_type.shape.dim] for x in program.model_proto.graph.input]
    assert shapes_of == [["a_dynamic_axes_1"], ["n"]]
    assert [x.name for x in program.model_proto.graph.output] == ["output_0", "output_1"]


def test_without_dynamic_sizes_all_are_fixed_and_no_size_is_computed() -> None:
    program = export(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), minitorch.randn(2, 5, 8))
    assert "Shape" not in [n.op_type for n in program.model_proto.graph.node]
    assert [d.dim_value for d in program.model_proto.graph.output[0].type.tensor_type.shape.dim] == [2, 5, 8]


def test_parameters_may_be_left_out_or_be_inputs_too() -> None:
    net, x = nn.Linear(3, 2), minitorch.randn(2, 3)
    bare = export(net, x, export_params=False).model_proto.graph
    assert [i.name for i in bare.input] == ["input", "weight", "bias"] and not bare.initializer
    both = export(net, x, keep_initializers_as_inputs=True).model_proto.graph
    assert [i.name for i in both.input] == ["input", "weight", "bias"] and len(both.initializer) == 2


def test_a_file_object_a_traced_module_keywords_and_nested_arguments() -> None:
    net, buffer = nn.Linear(3, 2), io.BytesIO()
    traced = minitorch.jit.trace(net, minitorch.randn(2, 3))
    export(traced, minitorch.randn(2, 3), buffer)
    assert onnx.load_from_string(buffer.getvalue()).graph.node[0].op_type == "Gemm"

    def function(pair: Any, scale: float, by_name: Any) -> Any:
        return {"sum": pair[0] + pair[1] * scale, "product": [pair[0] * by_name]}

    args = ((minitorch.ones(2), minitorch.ones(2)), 3.0)
    program = export(function, args, kwargs={"by_name": minitorch.full((2,), 5.0)})
    assert [x.name for x in program.model_proto.graph.input] == ["pair_0", "pair_1", "by_name"]
    have = session(program).run(
        None, {name: np.full(2, k, np.float32) for k, name in enumerate(["pair_0", "pair_1", "by_name"], start=1)}
    )
    assert have[0].tolist() == [7.0, 7.0] and have[1].tolist() == [3.0, 3.0]


def test_the_model_is_exported_in_evaluation_and_left_as_it_was() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3), nn.ReLU(inplace=True)).train()
    net[2].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = minitorch.randn(4, 3)
    copy = x.clone()
    program = export(net, x)
    assert [m.training for m in net.modules()] == [True, True, True, False, True]
    assert all(minitorch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert minitorch.equal(x, copy)
    want = net.eval()(x.clone()).detach().numpy()
    np.testing.assert_allclose(session(program).run(None, {"input": copy.numpy()})[0], want, rtol=1e-5, atol=1e-6)


def test_weights_in_float64_integers_and_an_input_that_is_an_output() -> None:
    program = export(lambda x, i: (x, x * 2, i + 1), (minitorch.ones(2, dtype=minitorch.float64), minitorch.tensor([1, 2])))
    have = session(program).run(None, {"x": np.array([1.0, 2.0]), "i": np.array([3, 4])})
    assert [a.dtype.name for a in have] == ["float64", "float64", "int64"]
    assert [a.tolist() for a in have] == [[1.0, 2.0], [2.0, 4.0], [4, 5]]


# ---- what is refused, and leaves no file ----


def refused(path: Path, function: Any, *args: Any, **options: Any) -> str:
    with pytest.raises((OnnxExporterError, ValueError, TypeError)) as caught:
        export(function, args, path, **options)
    assert not list(path.parent.iterdir())
    return str(caught.value)


def test_what_has_no_counterpart_is_named(tmp_path: Path) -> None:
    path, x = tmp_path / "x.onnx", minitorch.randn(2, 4, 4)
    with pytest.raises(UnsupportedOperatorError, match="'aten::linalg_inv' to ONNX opset version 18 is not supported"):
        export(minitorch.linalg.inv, x, path)
    assert "mask picks" in refused(path, lambda x: x[x > 0], x)
    assert "another tensor shows" in refused(path, lambda x: (lambda y: (y[0], y.add_(1)))(x * 1), x)
    assert "with proj_size" in refused(path, nn.LSTM(4, 4, proj_size=2), x)
    assert "return_indices" in refused(path, nn.MaxPool1d(2, return_indices=True), x)
    assert "max_norm" in refused(path, nn.Embedding(5, 2, max_norm=1.0), minitorch.tensor([1]))

    class Double(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    assert "the Function Double" in refused(path, Double.apply, x)


def test_a_write_of_a_part_is_refused_by_name(tmp_path: Path) -> None:
    def function(x: Any) -> Any:
        y = x * 1
        y[x > 0] = 2.0
        return y

    assert "aten::_set_item" in refused(tmp_path / "x.onnx", function, minitorch.ones(3))


@pytest.mark.filterwarnings("ignore::minitorch.jit.TracerWarning")
def test_a_size_that_python_burned_in_is_noticed(tmp_path: Path) -> None:
    path, x, shapes_ = tmp_path / "x.onnx", minitorch.ones(3, 4), {"x": {0: "n"}}
    assert "burned in: 3 became 6" in refused(path, lambda x: x * len(x), x, dynamic_shapes=shapes_)
    assert "with other sizes" in refused(
        path, lambda x: x + minitorch.tensor(list(range(x.shape[0]))).unsqueeze(1), x, dynamic_shapes=shapes_
    )
    assert "calls" in refused(path, lambda x: sum(x[k] for k in range(x.shape[0])), x, dynamic_shapes=shapes_)
    assert "does not run with other sizes" in refused(path, lambda x: x + minitorch.ones(3, 4), x, dynamic_shapes=shapes_)
    assert export(lambda x: x * len(x), x) is not None  # with fixed sizes it is what it says


def test_bad_arguments_are_told(tmp_path: Path) -> None:
    path, x = tmp_path / "x.onnx", minitorch.ones(2, 3)
    net = nn.Linear(3, 2)
    assert "opset_version must be from 18 to 21, got 9" in refused(path, net, x, opset_version=9)
    assert "no input or output 'y'" in refused(path, net, x, dynamic_axes={"y": {0: "n"}})
    assert "no dimension 5" in refused(path, net, x, dynamic_axes={"input": {5: "n"}})
    assert "there is no argument 'y'" in refused(path, net, x, dynamic_shapes={"y": {0: "n"}})
    assert "'n' is 2 in one input and 3 in another" in refused(
        path, lambda a, b: a + b.sum(), x, x, dynamic_shapes=({0: "n"}, {1: "n"})
    )
    assert "2 input_names for 1 inputs" in refused(path, net, x, input_names=["a", "b"])
    assert "one name twice" in refused(path, lambda a, b: a + b, x, x, input_names=["a", "a"])
    assert "example tensors" in refused(path, lambda a: a, 3)
    assert "takes a module or a function" in refused(path, 3, x)
    assert "exported as eval()" in refused(path, net, x, training="TrainingMode.TRAINING")
    assert "unexpected keyword argument 'opset'" in refused(path, net, x, opset=18)


def test_a_failing_model_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    with pytest.raises(UnsupportedOperatorError):
        export(minitorch.linalg.inv, minitorch.eye(2), path)
    assert path.read_bytes() == b"old"


def test_without_the_package_the_extra_is_named() -> None:
    code = """
        import sys
        sys.modules["onnx"] = None
        import minitorch
        import minitorch.onnx
        try:
            minitorch.onnx.export(minitorch.nn.Linear(1, 1), minitorch.ones(1, 1))
        except ImportError as error:
            print(error)
    """
    found = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert "pip install 'minitorch[onnx]'" in found.stdout


def test_a_warning_of_the_trace_is_the_users() -> None:
    with pytest.warns(TracerWarning, match="Python boolean"):
        export(lambda x: x * 2 if x.sum() > 0 else x, minitorch.ones(2))


# ---- planted faults: each must make a model's numbers differ, or its file be refused ----


def _other_gates(kind: str, order: tuple) -> dict[str, tuple]:
    return {**recurrent.ORDER, kind: order}


FAULTS: dict[str, tuple[str, Any, str, Any]] = {
    "gates of an LSTM in torch's order": ("LSTM", recurrent, "ORDER", _other_gates("LSTM", (0, 1, 2, 3))),
    "gates of a GRU in torch's order": ("GRU", recurrent, "ORDER", _other_gates("GRU", (0, 1, 2))),
    "a difference that is a sum": ("arithmetic", table.TABLE, "aten::sub", elementwise.arithmetic("Add")),
    "round for floor": ("arithmetic", table.TABLE, "aten::floor_divide", elementwise.divide),
    "a lower triangle for an upper one": ("making", table.TABLE, "aten::triu", shapes.triangle(0)),
    "the mean of the sum": ("sums", table.TABLE, "aten::sum", table.TABLE["aten::mean"]),
    "padding that is not counted": ("AvgPool2d(kernel_size=3, stride=2, padding=1)", table.TABLE, "functional::avg_pool2d", pooling.max_pool(2)),
    "edges without order": ("CircularPad2d(padding=(1, 2, 0, 3))", shapes, "_wrapped", lambda b, x, before, after: shapes.pad(b, x, [1, 2, 0, 3], "reflect")),
    "a softmax that is not one": ("MultiheadAttention", table.TABLE, "functional::softmax", elementwise.node("Sigmoid")),
    "a transposed product": ("products", table.TABLE, "aten::matmul", lambda b, x, y: b.op("MatMul", x, x)),
    "slices that begin at 0": ("indexing", indexing, "END", 2),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_faults_are_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, holder, what, other = FAULTS[fault]
    (monkeypatch.setitem if isinstance(holder, dict) else monkeypatch.setattr)(holder, what, other)
    with pytest.raises((AssertionError, Exception)):
        exported_model(model(name))


def test_sizes_taken_from_one_trace_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the second trace the first, the file would hold the example's sizes."""
    from minitorch.onnx import export as module  # noqa: F401

    monkeypatch.setattr(sys.modules["minitorch.onnx.export"], "_with_other_sizes", lambda call, dims, first: first)
    failed = 0
    for each in NETS:
        try:
            exported_model(each)
        except Exception:
            failed += 1
    assert failed >= len(NETS) - 1
