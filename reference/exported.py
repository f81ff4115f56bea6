"""Every layer as an ONNX file, run by onnxruntime beside minitorch: the same numbers, or refused by name.

`models()` are those that `python -m reference report` counts; `exported_layer` draws a layer's options. Read next: `traced.py`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import minitorch
from minitorch import nn
from minitorch.onnx import OnnxExporterError, UnsupportedOperatorError, export

from . import layers
from .layers.run import Run, flat
from .strategies import Source
from .table import Row, tensors
from .traced import of_tensors, quietly, replaced

RTOL, ATOL = 1.3e-6, 1e-5  # assert_close's of float32; rtol grows with the length of sums


def session(program: Any) -> Any:
    """The file in onnxruntime; one thread, for with several it dies of an empty batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(program.model_proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def compare(running: Any, program: Any, inputs: list, want: list, about: str, looseness: float = 10.0) -> None:
    """AssertionError in words if what the file gives is not what minitorch gave."""
    names = [x.name for x in program.model_proto.graph.input]
    needed = {x.name for x in running.get_inputs()}
    given = {name: x.detach().numpy() for name, x in zip(names, inputs) if name in needed}
    have = running.run(None, given)
    assert len(have) == len(want), f"{about}: {len(have)} results, minitorch's {len(want)}"
    for a, b in zip(have, (x.detach().numpy() for x in want)):
        assert a.shape == b.shape and a.dtype == b.dtype, f"{about}: {a.dtype} {a.shape}, minitorch's {b.dtype} {b.shape}"
        finite = b[np.isfinite(b)] if b.dtype.kind == "f" else b
        scale = max(1.0, float(np.abs(finite).max())) if finite.size else 1.0
        equal = np.allclose(a, b, rtol=RTOL * looseness, atol=ATOL * scale, equal_nan=b.dtype.kind == "f")
        assert equal, f"{about}: {a.ravel()[:8]}, minitorch's {b.ravel()[:8]}"


def exported_layer(row: layers.Row, draw: Any) -> str:
    """A layer with drawn options: "same", "refused" by name, or "none": no layer, or nothing to run."""
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    options = draw(row.options, label="options")
    inputs = row.inputs(draw, np.random.default_rng(seed), options)
    run = Run(row, minitorch, options, inputs, "float32", seed)
    if isinstance(run.layer, Exception) or any(map(nn.parameter.is_lazy, run.layer.state_dict().values())):
        return "none"
    run.layer.eval()
    given = run.tensors()
    with minitorch.no_grad():
        want = run.output(given)
    given = run.tensors()  # (the layer may have written into the first)
    *first, named = given if given and isinstance(given[-1], dict) else (*given, {})
    arguments = inspect.signature(run.layer.forward).bind(*first, **named).arguments
    tensors = of_tensors(arguments)
    if isinstance(want, Exception) or not tensors or not all(x.numel() for x in tensors):
        return "none"
    program = quietly(lambda: export(run.layer, tuple(first), kwargs=named))
    if isinstance(program, UnsupportedOperatorError):
        return "refused"
    about = f"{row.name}({options}) on {[getattr(x, 'shape', x) for x in flat(inputs)]}"
    assert not isinstance(program, Exception), f"{about}: {program!r}"
    running = quietly(lambda: session(program))
    assert not isinstance(running, Exception), f"{about}: {running!r}"
    compare(running, program, tensors, of_tensors(want), about, 100.0)
    return "same"


ANY_OF_EQUAL_ONES = ("sort", "argsort", "topk", "msort")  # places of equal numbers may be others
OF_DTYPES = "ONNX does not take what came out"  # integers in a convolution, for example


def exported_op(row: Row, seed: int) -> str:
    """One case of an op in float32: "same", "refused", or "none"."""
    made = tensors(row.draw(Source(seed)), minitorch, np.float32, [])
    leaves = of_tensors(made)
    want = quietly(lambda: row.call(row.ours, made))
    if isinstance(want, Exception) or not leaves or not of_tensors(want) or not all(x.numel() for x in leaves):
        return "none"

    def function(*given: Any) -> tuple:
        return tuple(of_tensors(row.call(row.ours, replaced(made, iter(given)))))

    program = quietly(lambda: export(function, tuple(leaves)))
    if isinstance(program, UnsupportedOperatorError) or (
        isinstance(program, OnnxExporterError) and OF_DTYPES in str(program)
    ):
        return "refused"
    assert not isinstance(program, Exception), f"{row}: {program!r}"
    running = quietly(lambda: session(program))
    assert not isinstance(running, Exception), f"{row}: {running!r}"
    compare(running, program, leaves, of_tensors(want), str(row), 1000.0)
    return "same"


# ---- models with sizes that differ from run to run ----


class Model(NamedTuple):
    """A model, its inputs for some sizes, the names of the sizes that may differ, and the sizes it is tried with."""

    name: str
    build: Callable[[], Any]
    inputs: Callable[..., tuple]
    dynamic: tuple
    sizes: tuple


def exported_model(model: Model, opset: int | None = None) -> Any:
    """Export it with its first sizes, and compare at all of them; the program."""
    minitorch.manual_seed(0)
    built = model.build()
    if isinstance(built, nn.Module):
        built.eval()
    program = quietly(
        lambda: export(built, model.inputs(*model.sizes[0]), dynamic_shapes=model.dynamic, opset_version=opset)
    )
    assert not isinstance(program, Exception), f"{model.name}: {program!r}"
    running = session(program)
    for sizes in model.sizes:
        inputs = model.inputs(*sizes)
        with minitorch.no_grad():
            want = of_tensors(built(*inputs))
        compare(running, program, of_tensors(inputs), want, f"{model.name} at {sizes}")
    return program


def report(models: list[Model]) -> bool:
    """Print how many ran alike; whether all did."""
    counts: Counter = Counter()
    for model in models:
        try:
            exported_model(model)
            counts["alike"] += 1
            counts["runs"] += len(model.sizes)
        except AssertionError as error:
            print(f"ONNX: {error}")
    print(
        f"ONNX: {counts['alike']} of {len(models)} models exported; onnxruntime gives minitorch's numbers in {counts['runs']} runs of other sizes"
    )
    return counts["alike"] == len(models)
