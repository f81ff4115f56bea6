"""CUDA kernels executed: compared with the plain ops, watched by sanitizers, broken on purpose; and when they are chosen.

Without a GPU they are executed by g++ and `reference/cuda_on_cpu`; without g++ these tests are skipped. What each kernel is
compared on is in `reference/kernels.py`; `test_gpu_check.py` compiles them for GPUs.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from drawing import each_drawn
from hypothesis import settings

import minitorch
from minitorch.arrays.device import shortcuts
from minitorch.kernels.cuda.softmax import LOG_SOFTMAX, SOFTMAX
from minitorch.nn import functional as F
from reference import kernels
from reference.cuda_on_cpu import compiled, compiler, sanitized
from reference.kernels import Case, cases, compare, in_a_child, mutants
from reference.strategies import Source
from reference.strict_cupy import counting, standing_in
from reference.strict_cupy.kernels import launched
from shares import by_turns

pytestmark = pytest.mark.shortcuts

KERNELS = kernels.every_kernel()
executed = pytest.mark.skipif(compiler() is None, reason="executing kernels on the CPU needs g++, which is not installed")


def named(objects: Any) -> list[Any]:
    return [pytest.param(thing, id=f"{k}-{thing!r}") for k, thing in enumerate(objects)]


# ---- executed ----


def test_every_kernel_has_a_case() -> None:
    assert set(KERNELS) == {name for case in cases for name in case.kernels}


@executed
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("case", named(cases))
def test_equals_the_plain_op(case: Case) -> None:
    each_drawn(lambda source: compare(case, source, source.choice(case.dtypes)), repr(case))


@executed
@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("sanitizer", ["thread", "address"])
def test_under_a_sanitizer(name: str, sanitizer: str) -> None:
    if reason := sanitized.missing(sanitizer):
        pytest.skip(f"no {sanitizer} sanitizer: {reason.splitlines()[0]}")
    source = KERNELS[name].source
    if sanitizer == "thread" and not re.search("block_|over_block|__shared__|atomic", source):
        pytest.skip("its threads share nothing")
    case = [case for case in cases if name in case.kernels][-1]
    compare(case, Source(1), case.dtypes[0])
    for (launched_name, text), launch in list(launched.items()):
        if launched_name == name:
            assert not (found := sanitized.report(text, name, *launch, sanitizer)), found


@executed
@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("name", by_turns(KERNELS, 4))
def test_planted_faults_are_noticed(name: str, monkeypatch: pytest.MonkeyPatch, record_property: Any) -> None:
    kernel, survivors, count = KERNELS[name], [], 0
    planted = mutants(kernel.source)
    for change, source in planted[:: 1 if settings.default is settings.get_profile("thorough") else 1 + len(planted) // 4]:
        monkeypatch.setattr(kernel, "source", source)
        monkeypatch.setattr(kernel, "_compiled", {})
        if (noticed := _noticed(name)) is not None:
            count += 1
            survivors += [] if noticed else [change]
    record_property("mutants", f"kernel {name}: {count - len(survivors)} of {count}")
    assert count and not survivors, "\n".join(survivors)


def _noticed(name: str) -> bool | None:
    """Whether the kernel's cases notice that it is broken; None if it is no longer C++."""
    return in_a_child(lambda: _compared(name))


def _compared(name: str) -> bool | None:
    for case in [c for c in cases if name in c.kernels]:
        for seed in range(20):
            try:
                compare(case, Source(seed), case.dtypes[0])
            except (AssertionError, IndexError):
                return True
            except RuntimeError as error:
                assert "g++ refuses" in str(error)
                return None
    return False


HELPERS = {
    "i < n ? ACC(from[i]) : beyond": "i <= n ? ACC(from[i]) : beyond",
    "if (i < n) to[i]": "if (i <= n) to[i]",
    "i < blockDim.x; i += few": "i < blockDim.x - 1; i += few",
    "threadIdx.x < few": "threadIdx.x < few - 1",
    "int i = 1; i < few": "int i = 2; i < few",
    "a > b ? a : b": "a",
    "at < (LONG ? n : 1)": "at < 1",
}


@executed
@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("old", HELPERS)
def test_faults_in_the_helpers_are_noticed(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = minitorch.kernels.cuda.HELPERS.replace(old, HELPERS[old])
    assert broken != minitorch.kernels.cuda.HELPERS
    monkeypatch.setattr(minitorch.kernels.cuda, "HELPERS", broken)
    for kernel in (SOFTMAX, LOG_SOFTMAX):
        monkeypatch.setattr(kernel, "_compiled", {})
    assert _noticed("softmax") is True


@executed
@pytest.mark.parametrize("nth", [0, 1])
def test_a_removed_barrier_is_a_race(nth: int) -> None:
    if reason := sanitized.missing("thread"):
        pytest.skip(f"no thread sanitizer: {reason.splitlines()[0]}")
    parts = SOFTMAX.text("float32", LONG=0).split("__syncthreads();")
    assert len(parts) == 3
    barriers = ["__syncthreads();", "__syncthreads();"]
    barriers[nth] = ""
    x = np.ones((4, 500), "float32")
    broken = parts[0] + barriers[0] + parts[1] + barriers[1] + parts[2]
    assert "data race" in sanitized.report(broken, "softmax", 4, 64, (x, x.copy(), 500), "thread")


@executed
def test_a_read_past_the_end_is_reported() -> None:
    if reason := sanitized.missing("address"):
        pytest.skip(f"no address sanitizer: {reason.splitlines()[0]}")
    broken = SOFTMAX.text("float32", LONG=0).replace("i < n ? ACC", "i <= n ? ACC")
    x = np.ones((4, 500), "float32")
    assert "heap-buffer-overflow" in sanitized.report(broken, "softmax", 4, 64, (x, x.copy(), 500), "address")


def test_constants_are_those_that_are_compiled_in_advance() -> None:
    with pytest.raises(ValueError, match="kernel softmax declares the constants"):
        SOFTMAX.text("float32", LONG=2)


@executed
def test_arguments_are_what_the_kernel_says() -> None:
    launch = compiled(SOFTMAX.text("float32", LONG=0), "softmax")
    x = np.ones((2, 8), "float32")
    launch(2, 32, (x, x.copy(), 8))
    for wrong in [(x, x.astype("float64"), 8), (x, x.copy(), 8.0), (x, x.copy(), np.int32(8)), (x, 8, 8), (x, x.copy(), x)]:
        with pytest.raises(TypeError, match="kernel softmax: a parameter of type"):
            launch(2, 32, wrong)
    with pytest.raises(ValueError, match="not contiguous"):
        launch(2, 32, (x, np.ones((8, 2), "float32").T, 8))
    with pytest.raises(IndexError, match="wrote outside an array"):
        launch(3, 32, (np.ones((3, 8), "float32"), x.copy(), 8))


# ---- chosen ----

NOT_SERVED = {
    "another dimension": lambda m: m.randn(3, 4).softmax(0),
    "no dimension": lambda m: m.tensor(1.0).softmax(0),
    "nothing to do": lambda m: m.randn(0, 4).softmax(-1),
    "longer than a block": lambda m: F.layer_norm(m.randn(2, 513), (513,)),
    "groups with parameters": lambda m: F.group_norm(m.randn(2, 4, 3), 2, m.randn(4)),
    "class weights": lambda m: F.cross_entropy(m.randn(2, 5), m.randn(2, 5).argmax(1), m.randn(5).exp()),
}


@executed
@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("name", NOT_SERVED)
def test_the_plain_op_runs_where_no_kernel_serves(name: str) -> None:
    launched.clear()
    minitorch.manual_seed(0)
    want = NOT_SERVED[name](minitorch)
    minitorch.manual_seed(0)
    have = NOT_SERVED[name](OnGpu())
    assert have.is_cuda and not launched
    assert np.allclose(have.cpu().numpy(), want.numpy(), atol=1e-6)


class OnGpu:
    """minitorch, whose tensors are on the GPU."""

    def randn(self, *shape: int) -> Any:
        return minitorch.randn(*shape).cuda()

    def tensor(self, value: float) -> Any:
        return minitorch.tensor(value).cuda()


@executed
@pytest.mark.usefixtures("stand_in")
def test_a_mistake_has_the_same_words_with_a_kernel() -> None:
    calls = [
        lambda x: x.softmax(2),
        lambda x: x.long().softmax(0),
        lambda x: F.layer_norm(x, (3,), x[0].double()),
        lambda x: F.batch_norm(x, None, None, training=False),
        lambda x: F.cross_entropy(x, x[:, 0]),
        lambda x: F.cross_entropy(x, x[:, 0].long(), reduction="some"),
        lambda x: F.cross_entropy(x.long(), x[:, 0].long()),
    ]
    for call in calls:
        with pytest.raises(Exception) as want:
            call(minitorch.randn(2, 3))
        with pytest.raises(type(want.value)) as have:
            call(minitorch.randn(2, 3).cuda())
        assert str(have.value) == str(want.value)


@executed
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_norm_of_large_numbers_does_not_cancel(dtype: str) -> None:
    """A mean of 10⁴ costs four digits. Σx²/n − mean² would cost eight, which is all that float32 has."""
    x = (np.random.default_rng(0).standard_normal((40, 200)) + 1e4).astype(dtype)
    for norm in (lambda t: F.layer_norm(t, (200,)), lambda t: F.batch_norm(t, None, None, training=True)):
        want = norm(minitorch.from_numpy(x.astype("float64"))).numpy()
        have = norm(minitorch.from_numpy(x).cuda()).cpu().numpy()
        assert np.abs(have - want).max() < 1e4 * 8 * np.finfo(dtype).eps


@executed
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("wrong", [3, -1])
def test_a_class_that_there_is_not_is_noticed_late(wrong: int) -> None:
    x, y = minitorch.randn(2, 3).cuda().requires_grad_(), minitorch.tensor([0, wrong]).cuda()
    loss = F.cross_entropy(x, y)
    loss.backward()
    with pytest.raises(IndexError, match="Target is out of bounds: 3 classes are numbered from 0"):
        loss.item()


@executed
@pytest.mark.usefixtures("gpu")
def test_one_op_goes_by_the_name_that_torchs_has() -> None:
    x = minitorch.randn(4, 3).cuda().requires_grad_()
    made = {
        "NativeLayerNormBackward0": F.layer_norm(x, (3,)),
        "NativeBatchNormBackward0": F.batch_norm(x, None, None, training=True),
        "NllLossBackward0": F.cross_entropy(x, minitorch.tensor([0, 1, 2, 0]).cuda()),
    }
    for name, out in made.items():
        assert out.grad_fn.name() == name
        assert out.grad_fn.next_functions[0][0].name() == "torch::autograd::AccumulateGrad"


@executed
@pytest.mark.usefixtures("stand_in")
def test_a_recorded_backward_uses_the_derivative_that_can_be_differentiated() -> None:
    x = minitorch.randn(2, 5, dtype=minitorch.float64).cuda().requires_grad_()
    launched.clear()
    (g,) = minitorch.autograd.grad(x.softmax(-1).square().sum(), x, create_graph=True)
    assert {name for name, _ in launched} == {"softmax"}
    (again,) = minitorch.autograd.grad(g.square().sum(), x)
    here = x.detach().cpu().requires_grad_()
    (g,) = minitorch.autograd.grad(here.softmax(-1).square().sum(), here, create_graph=True)
    (want,) = minitorch.autograd.grad(g.square().sum(), here)
    assert np.allclose(again.cpu().numpy(), want.numpy(), rtol=1e-9)


PENALIZED = {
    "layer_norm": lambda x: F.layer_norm(x, (5,)).tanh().sum(),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True).tanh().sum(),
    "cross_entropy": lambda x: F.cross_entropy(x, minitorch.tensor([0, 4, 1, 1], device=x.device)),
}


@executed
@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", PENALIZED)
def test_a_loss_and_the_norm_of_its_gradient_in_one_backward(name: str) -> None:
    """Where what backward used of forward gets a gradient too, no kernel may overlook it."""

    def gradient(device: str) -> Any:
        minitorch.manual_seed(0)
        x = minitorch.randn(4, 5).to(device).requires_grad_()
        loss = PENALIZED[name](x)
        (g,) = minitorch.autograd.grad(loss, x, create_graph=True)
        (loss + g.square().sum()).backward()
        return x.grad.cpu().numpy()

    assert np.allclose(gradient("cuda"), gradient("cpu"), rtol=1e-5, atol=1e-5)


@executed
@pytest.mark.usefixtures("stand_in")
def test_kernels_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    x = minitorch.randn(2, 5).cuda().requires_grad_()
    monkeypatch.setattr(shortcuts, "enabled", False)
    launched.clear()
    x.softmax(-1).square().sum().backward()
    assert not launched


@executed
@pytest.mark.usefixtures("stand_in")
def test_a_launch_does_not_wait() -> None:
    x = minitorch.randn(2, 5).cuda().requires_grad_()
    with counting() as waits:
        x.log_softmax(-1).sum().backward()
    assert waits == []


def test_a_fused_derivative_names_what_there_is() -> None:
    from minitorch.ops.activation import softmax_kernel

    with pytest.raises(NameError, match="names 'y'"):
        softmax_kernel.twin_grad("cuda")(lambda xp, g, y: None)


def test_without_a_compiler_the_plain_ops_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reference.strict_cupy.compiler", lambda: None)
    with standing_in():
        launched.clear()
        assert minitorch.zeros(1, 2, device="cuda").softmax(-1).tolist() == [[0.5, 0.5]]
        assert not launched
