"""Kernels made of formulas (`minitorch/compiler/cuda`): executed on the CPU for every row, compared, broken on purpose.

Without g++ these tests are skipped. `test_gpu_check.py` compiles such kernels for GPUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from broken_kernels import hold_nothing, survivors

import minitorch
from minitorch.compiler.cuda import launching, twins
from minitorch.nn import functional as F
from minitorch.op import ops
from minitorch.ops import elementwise
from reference import generated
from reference.cuda_on_cpu import compiler, sanitized
from reference.strict_cupy import standing_in
from reference.strict_cupy.kernels import launched, launches, noting
from reference.table import Row, table

pytestmark = [
    pytest.mark.shortcuts,
    pytest.mark.skipif(compiler() is None, reason="executing kernels on the CPU needs g++, which is not installed"),
]


ELEMENTWISE = {op.__name__ for op in ops if op.declaration.elementwise}
# (As in test_device.py: to_device names devices, and dropout draws other numbers on a GPU.)
LEFT_OUT = {"to_device", "dropout"}
ROWS = [row for row in table() if ELEMENTWISE.intersection(row.covers.split()) - LEFT_OUT]
HALVES = (np.float16, minitorch.bfloat16.numpy)


def some_rows(every: int, slow: int) -> list:
    """Groups of rows, which are compiled together: one of `every` always, one of `slow` in a slow run."""
    groups = [ROWS[k::every] for k in range(every)]
    marks = [[] if k == 0 else [pytest.mark.slow if k % slow == 0 else pytest.mark.exhaustive] for k in range(every)]
    return [pytest.param(group, id=f"{k}", marks=marks[k]) for k, group in enumerate(groups)]


@pytest.mark.parametrize("rows", some_rows(24, 6))
def test_rows_are_as_on_the_cpu(rows: list[Row]) -> None:
    cases = [
        (row, k, dtype) for row in rows for k, dtype in enumerate((np.float64, np.float32, *HALVES, np.int64, np.float32))
    ]
    assert generated.compare(cases)


# ---- what a kernel is, and when it runs ----


@pytest.fixture
def on_gpu() -> Any:
    with standing_in(generated=True):
        yield


@pytest.mark.usefixtures("on_gpu")
def test_a_formula_is_one_launch() -> None:
    x = minitorch.randn(100, device="cuda")
    (source,) = launches(lambda: F.silu(x))
    assert "exp_float" in source or "sigmoid_float" in source


@pytest.mark.usefixtures("on_gpu")
def test_both_gradients_are_one_launch() -> None:
    a, b = (minitorch.randn(100, device="cuda", requires_grad=True) for _ in range(2))
    out = a / b
    upstream = minitorch.ones_like(out)
    (source,) = launches(lambda: out.backward(upstream))
    assert "true_divide_backward_a_b" in source


@pytest.mark.usefixtures("on_gpu")
def test_numbers_are_arguments_of_the_kernel() -> None:
    x = minitorch.randn(100, device="cuda")
    one, two = launches(lambda: x * 2.5), launches(lambda: x * 3.5)
    assert one == two and len(one) == 1 and "2.5" not in one[0]


ALPHAS = [k + 0.125 for k in range(2, 5 + launching.NUMBERS)]


@pytest.mark.usefixtures("on_gpu")
def test_what_is_asked_about_a_number_is_burned_in() -> None:
    twins.made[elementwise.add, ()].made.clear()
    x = minitorch.randn(100, device="cuda")
    assert "a + b" in launches(lambda: x.add(x))[0]
    sources = [launches(lambda alpha=alpha: x.add(x, alpha=alpha)) for alpha in ALPHAS]
    assert [len(each) for each in sources] == [1] * launching.NUMBERS + [0] * 3, "further numbers get no kernel of their own"
    assert all(str(alpha) in source for alpha, (source, *_) in zip(ALPHAS[: launching.NUMBERS], sources))
    for alpha in ALPHAS:
        assert minitorch.allclose(x.add(x, alpha=alpha), (1 + alpha) * x)


@pytest.mark.usefixtures("on_gpu")
def test_whole_numbers_are_burned_in_as_long_as_they_are_few() -> None:
    twins.made[elementwise.mul, ()].made.clear()  # what other tests have multiplied by
    x = minitorch.randn(100, device="cuda")
    counts = [len(launches(lambda k=k: x * k)) for k in range(2, 5 + launching.NUMBERS)]
    assert counts == [1] * launching.NUMBERS + [0] * 3
    assert all(minitorch.allclose((x * k).cpu(), x.cpu() * k) for k in range(2, 5 + launching.NUMBERS))


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("dtype, called", [("float16", "__half"), ("bfloat16", "__nv_bfloat16")])
def test_halves_are_read_and_written_as_such(dtype: str, called: str) -> None:
    x = minitorch.randn(100, device="cuda", dtype=getattr(minitorch, dtype))
    (source,) = launches(lambda: x.tanh())
    assert (
        f"const {called}* x, {called}* out" in source
        and f"Pack<{called}, 8>" in source
        and "formula(float x, float& out)" in source
    )


@pytest.mark.usefixtures("on_gpu")
def test_a_cast_is_one_launch() -> None:
    x = minitorch.randn(100, device="cuda")
    (source,) = launches(lambda: x.half())
    assert "const float* x, __half* out" in source
    assert x.half().float().cpu().tolist() == x.cpu().half().float().tolist()


@pytest.mark.usefixtures("on_gpu")
def test_wide_loads_where_memory_allows() -> None:
    x = minitorch.randn(101, device="cuda")
    wide, narrow = launches(lambda: x.exp()), launches(lambda: x[1:].exp())
    assert "Pack<float, 4>*>(x + I)" in wide[0] and "exp_kernel" in wide[0]
    assert "exp_strided" in narrow[0], "memory that does not begin at a multiple of 16 bytes is read number by number"
    assert (x[1:].exp() == x.exp()[1:]).all()


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda x: x,
    "columns": lambda x: x.transpose(0, 2).contiguous().transpose(0, 2),
    "two swapped": lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
    "gaps": lambda x: minitorch.cat([x, x], 2)[..., : x.shape[2]],
    "repeated": lambda x: x[:, :1].expand(x.shape),
    "one": lambda x: x[:1, :, :1],
    "few dimensions": lambda x: x[0, 0],
}


@pytest.mark.usefixtures("on_gpu")
def test_results_lie_as_those_of_the_plain_formula() -> None:
    x, y = minitorch.randn(3, 4, 5, device="cuda"), minitorch.randn(3, 4, 5, device="cuda")
    made = [LAYOUTS[a](x) for a in LAYOUTS], [LAYOUTS[b](y) for b in LAYOUTS]
    with noting():
        pairs = [(a, b, a.maximum(b)) for a in made[0] for b in made[1]]
    for a, b, out in pairs:
        with minitorch.op.plain():
            plain = a.maximum(b)
        assert out.stride() == plain.stride(), (a.stride(), b.stride())


@pytest.mark.usefixtures("on_gpu")
def test_a_mistake_has_the_same_words() -> None:
    x = minitorch.randn(2, 3)
    for call in (
        lambda x: F.gelu(x, approximate="tan"),
        lambda x: x - (x > 0).bool() if x.dtype == minitorch.bool else x & x,
    ):
        with pytest.raises(Exception) as want:
            call(x)
        with pytest.raises(type(want.value)) as have:
            call(x.cuda())
        assert str(have.value).replace("cuda", "cpu") == str(want.value)


@pytest.mark.usefixtures("on_gpu")
def test_shapes_that_do_not_fit_are_refused_as_ever() -> None:
    with pytest.raises(RuntimeError, match="must match the size of tensor b"):
        minitorch.ones(3, device="cuda") * minitorch.ones(4, device="cuda")


def test_nothing_is_generated_where_twins_are_off(on_gpu: Any) -> None:
    x = minitorch.randn(10, device="cuda")
    with minitorch.op.plain():
        assert launches(lambda: x.tanh()) == []


# ---- broken on purpose ----

BROKEN: dict[str, Callable[[Any, Any], Any]] = {
    "mul of a transposed": lambda x, y: x.t() * y,
    "silu": lambda x, y: F.silu(x),
    "lerp in half precision": lambda x, y: minitorch.lerp(x.half(), y.half(), x.sigmoid().half()),
}


@pytest.mark.skipif(bool(sanitized.missing("address")), reason="no address sanitizer")
@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("name", BROKEN)
def test_faults_are_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = (minitorch.randn(31, 31, device="cuda") for _ in range(2))  # which are several blocks
    hold_nothing(monkeypatch)
    with minitorch.op.plain():
        want = BROKEN[name](x, y).cpu()
    source = launches(lambda: BROKEN[name](x, y))[-1]
    call = BROKEN[name]
    left = survivors(source, lambda: minitorch.allclose(call(x, y).cpu(), want, rtol=1e-3), monkeypatch)
    # A number read outside of an array is nan on the CPU, and may be written back where it was.
    name, launch = next((name, launch) for (name, code), launch in launched.items() if code == source)
    assert [what for what, broken in left if not sanitized.report(broken, name, *launch, "address")] == []


@pytest.mark.usefixtures("on_gpu")
def test_out_of_bounds_under_a_sanitizer() -> None:
    if reason := sanitized.missing("address"):
        pytest.skip(f"no address sanitizer: {reason.splitlines()[0]}")
    x = minitorch.randn(7, 9, device="cuda")
    launched.clear()
    for call in (lambda: x.tanh(), lambda: x.t() * x[:, :1].t(), lambda: x.half()[:, 1::3].exp()):
        call()
    assert len(launched) >= 3
    for (name, text), launch in launched.items():
        assert not (found := sanitized.report(text, name, *launch, "address")), found
