"""What CuPy and NVRTC say without a GPU: every kernel compiles for three generations, and the stand-in's list is CuPy's.

    pip install '.[gpu-check]' && pytest tests/test_gpu_check.py

Where they are not installed, these tests are skipped. `test_kernels.py` executes the kernels.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import itertools
import pkgutil
import re
from pathlib import Path

import joined_programs
import pytest

import minitorch
from minitorch.kernels import cuda as kernels
from minitorch.kernels.cuda import Kernel
from minitorch.op import ops
from reference.cuda_on_cpu import one_file
from reference.strict_cupy import cupy, standing_in
from reference.strict_cupy.collect import collected
from reference.strict_cupy.kernels import noting
from reference.strict_cupy.namespace import NAMES


def _missing(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is None
    except ModuleNotFoundError:
        return True


NEEDED = {"cupy": "cupy-cuda13x", "nvidia.cu13": "nvidia-cuda-nvrtc, nvidia-cuda-runtime", "ml_dtypes": "ml_dtypes"}
MISSING = [package for module, package in NEEDED.items() if _missing(module)]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}; pip install '.[gpu-check]'")

for _module in pkgutil.iter_modules(kernels.__path__):
    importlib.import_module(f"minitorch.kernels.cuda.{_module.name}")


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_90"])
@pytest.mark.parametrize("kernel", [pytest.param(kernel, id=kernel.name) for kernel in kernels.kernels])
def test_compiles(kernel: Kernel, architecture: str) -> None:
    """Without errors, and without "spills": what it works on fits into registers. Each dtype, on sm_90 with all constants."""
    choices = list(itertools.product(*kernel.constants.values()))
    for dtype, choice in itertools.product(kernel.dtypes, choices if architecture == "sm_90" else choices[-1:]):
        constants = dict(zip(kernel.constants, choice))
        said = compiled(kernel.text(dtype, **constants), architecture)
        assert "0 bytes spill stores, 0 bytes spill loads" in said, f"{kernel}, {dtype}, {constants}: {said}"


SECOND = {
    "alike": (4, 8),
    "transposed": (4, 8),
    "a row": (8,),
    "a column": (4, 1),
}  # the second input of an op, beside (4, 8)


def made_of_formulas(dtype: str, layout: str) -> dict[tuple[str, str], int]:
    """(source, name) of the kernels of every elementwise op that needs no options, forward and backward."""
    with standing_in(generated=True), noting() as met:
        for op in ops:
            declaration = op.declaration
            if op.twins.get("cuda") is None or set(declaration.names) - {*declaration.inputs, *declaration.defaults}:
                continue
            shapes = dict.fromkeys((*declaration.inputs, *declaration.outputs, "g"), (4, 8))
            shapes |= dict.fromkeys(declaration.inputs[1:], SECOND[layout])
            made = {n: cupy.ones(shape, dtype) for n, shape in shapes.items()}
            if layout == "transposed":
                made[declaration.inputs[0]] = cupy.ones((8, 4), dtype).T
            values = {**declaration.defaults, **made, **{f"{n}_shape": shapes[n] for n in declaration.inputs}}
            with contextlib.suppress(Exception):  # (some refuse floats)
                op.twins["cuda"](cupy, *(values[n] for n in declaration.names))
            for derivative in op.twin_derivatives.get("cuda", ()):
                run, given = derivative.function, [values[n] for n in derivative.parameters]
                if hasattr(run, "in_shapes"):
                    run.in_shapes(cupy, [shapes[n] for n in derivative.of], *given)
                else:
                    run(cupy, *given)
    return met


@pytest.mark.parametrize(
    "dtype, architecture, layout",
    [
        ("float32", "sm_75", "alike"), ("float64", "sm_80", "transposed"), ("float16", "sm_90", "alike"),
        ("bfloat16", "sm_90", "transposed"), ("float16", "sm_75", "a row"), ("float32", "sm_80", "a column"),
        ("float64", "sm_90", "a row"), ("bfloat16", "sm_80", "a row"),
    ],
)  # fmt: skip
def test_kernels_made_of_formulas_compile(dtype: str, architecture: str, layout: str) -> None:
    """Without spills, all together: each in a namespace of its own. Those of what is broadcast sum gradients, too."""
    found = made_of_formulas(dtype, layout)
    assert any(name.startswith("mul") and name.endswith("_sums") for _, name in found) == (layout in ("a row", "a column"))
    assert len(found) > 100
    said = compiled(one_file(source for source, _ in found), architecture)
    assert said.count("Compiling entry function") == len(found)
    assert {*re.findall(r"\d+ bytes spill stores, \d+ bytes spill loads", said)} == {
        "0 bytes spill stores, 0 bytes spill loads"
    }


@pytest.mark.parametrize(
    "dtype, architecture", [("float32", "sm_75"), ("float16", "sm_80"), ("bfloat16", "sm_90"), ("float64", "sm_90")]
)
def test_joined_kernels_compile(dtype: str, architecture: str) -> None:
    """Those of the programs in joined_programs.py, without spills; no product is added to in one instruction with it."""
    found = joined(dtype)
    said = compiled(one_file(code for code, _ in found), architecture)
    assert said.count("Compiling entry function") == len(found) > 10
    assert {*re.findall(r"\d+ bytes spill stores, \d+ bytes spill loads", said)} == {
        "0 bytes spill stores, 0 bytes spill loads"
    }


@pytest.mark.parametrize("fault", [False, True])
def test_a_product_is_rounded_before_another_op_adds_to_it(fault: bool) -> None:
    code = next(code for code, name in joined("float32") if name.startswith("mul_and_3_more"))
    code = (
        code.replace("product(float a, float b) { return __fmul_rn(a, b)", "product(float a, float b) { return a * b")
        if fault
        else code
    )
    # (Without .rn ptxas is free to join it to one instruction with an addition.)
    assert bool(re.search(r"\bmul\.f32", assembled(code))) == fault


def joined(dtype: str) -> dict[tuple[str, str], int]:
    """(source, name) of the kernels that come of programs of ops."""
    with standing_in(generated=True), noting() as met:
        for program in joined_programs.PROGRAMS.values():
            with joined_programs.holding_back():
                _kept = program(*joined_programs.arguments(getattr(minitorch, dtype)))
    return met


def assembled(source: str) -> str:
    """The instructions of a virtual machine that NVRTC makes of it."""
    from cupy.cuda.compiler import _NVRTCProgram

    made = _NVRTCProgram(source, "kernel.cu")
    text = made.compile(("-arch=compute_80", "-std=c++17"))
    return (text[0] if isinstance(text, tuple) else text).decode()


def test_what_is_wrong_does_not_compile() -> None:
    kernel = next(kernel for kernel in kernels.kernels if kernel.name == "softmax")
    with pytest.raises(Exception, match='"mine" is undefined'):
        compiled(kernel.text("float32", LONG=0).replace("Share mine;", ""), "sm_90")


def compiled(source: str, architecture: str) -> str:
    """What ptxas says of a source; an exception that holds the errors if it is no CUDA C++."""
    from cupy.cuda.compiler import _NVRTCProgram  # CuPy's public function asks for a GPU first

    spec = importlib.util.find_spec("nvidia.cu13")
    headers = Path(next(iter(spec.submodule_search_locations))) / "include"  # type: ignore[union-attr, arg-type]
    said = io.StringIO()
    options = (f"-arch={architecture}", "-std=c++17", f"-I{headers}", "--ptxas-options=-v")
    _NVRTCProgram(source, "kernel.cu").compile(options, said)
    return said.getvalue()


def test_the_list_of_names_is_that_of_the_installed_cupy() -> None:
    cupy = importlib.import_module("cupy")
    if not NAMES.read_text().startswith(f"# CuPy {cupy.__version__}:"):
        pytest.skip(f"CuPy {cupy.__version__} is installed, the list is of another version")
    assert list(collected()) == NAMES.read_text().splitlines()
