"""Devices as a user meets them: made there, moved, mixed, saved and loaded, the default device, `minitorch.cuda`, no GPU at all.

Run on the GPU of `--device`, as tests/test_device.py is.
"""

from __future__ import annotations

import copy
import inspect
import io
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from test_init import OF_A_MATRIX

import minitorch
from minitorch import nn
from minitorch.arrays.device import shortcuts
from minitorch.nn import functional as F
from reference import layers, programs
from reference.programs import running
from reference.strict_cupy import counting, cupy

pytestmark = pytest.mark.usefixtures("gpu")

MIXED = "Expected all tensors to be on the same device, but found at least two devices, cuda:0 and cpu!"


def alike(a: Any, b: Any) -> bool:
    """Equal but for the rounding of float32 arithmetic, which a GPU may do otherwise."""
    return np.allclose(a.cpu().numpy(), b.cpu().numpy(), rtol=1e-5, atol=1e-6)


# ---- devices ----


@pytest.mark.parametrize("given", [("cuda", 0), ("cuda:0",), ("cpu",), ("cpu", 0), ("cuda:0", 0), ("cuda", -1), ("cuda:-1",),
                                   ("cuda:",), ("gpu",), ("float32",), ("",)])  # fmt: skip
def test_device_takes_and_refuses_what_torchs_does(given: tuple) -> None:
    try:
        want = str(torch.device(*given))
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match=re.escape(str(error).split(":")[0]) if len(given) == 2 else None):
            minitorch.device(*given)
    else:
        assert str(minitorch.device(*given)) == want
        assert eval(repr(minitorch.device(*given)), {"device": minitorch.device}) == minitorch.device(*given)


def test_a_number_is_a_gpu() -> None:
    assert minitorch.device(0) == minitorch.device("cuda:0") == minitorch.device(minitorch.device("cuda", 0))
    assert minitorch.ones(2, device=0).device == minitorch.device("cuda", 0)
    assert minitorch.ones(2).new_zeros(3, device=0).is_cuda and minitorch.empty_like(minitorch.ones(2), device=0).is_cuda


@pytest.mark.filterwarnings("ignore:To copy construct")
def test_the_default_device() -> None:
    assert minitorch.get_default_device() == minitorch.device("cpu")
    with minitorch.device("cuda"):
        assert str(minitorch.get_default_device()) == "cuda:0"
        made = [minitorch.zeros(2), minitorch.tensor([1.0]), minitorch.randn(2), nn.Linear(2, 2).weight, minitorch.arange(3)]
        assert all(t.is_cuda for t in made)
        assert minitorch.zeros(2, device="cpu").is_cpu and minitorch.tensor(minitorch.zeros(2, device="cpu")).is_cpu
        with minitorch.device("cpu"):
            assert minitorch.zeros(2).is_cpu
        minitorch.set_default_device("cpu")
        assert minitorch.zeros(2).is_cpu
    assert minitorch.zeros(2).is_cpu
    minitorch.set_default_device("cuda")
    assert minitorch.zeros(2).is_cuda
    minitorch.set_default_device(None)
    assert minitorch.zeros(2).is_cpu


@pytest.mark.usefixtures("drawn_on_the_cpu")
@pytest.mark.parametrize("program", running.LEARNERS, ids=lambda program: program.name)
@pytest.mark.parametrize("dtype", running.DTYPES)
def test_whole_programs_have_torchs_losses(
    program: programs.Program, dtype: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their text names no device; what they draw is drawn on the CPU here, but for dropout's masks, which are left out."""
    for lib in (minitorch, torch):
        monkeypatch.setattr(lib.nn, "Dropout", lambda p, lib=lib: lib.nn.Identity())
    steps = program.steps
    if request.config.getoption("device") != "cuda":
        steps = 10
        monkeypatch.setattr(shortcuts, "enabled", False)  # the stand-in takes a CPU thread for each thread of a kernel
    with minitorch.device("cuda"):
        ours = programs.run(program, minitorch, dtype, steps=steps)
    theirs = programs.run(program, torch, dtype, steps=steps)
    assert len(ours) == steps and np.allclose(ours, theirs, rtol=program.tolerance[dtype], atol=0)


# ---- made there ----


def takes_device(function: Any) -> bool:
    try:
        return "device" in inspect.signature(function).parameters
    except ValueError:  # torch's own are compiled: their signature is the first line of the docstring
        return False


def test_whatever_takes_a_device_in_torch_does_here() -> None:
    named = [n for n in dir(torch) if "device=None" in str(getattr(getattr(torch, n), "__doc__", "")).partition("->")[0]]
    makers = [n for n in named if hasattr(minitorch, n)]
    assert len(makers) >= 20 and [n for n in makers if not takes_device(getattr(minitorch, n))] == []
    methods = [n for n in dir(torch.Tensor) if n.startswith("new_") and hasattr(minitorch.Tensor, n)]
    assert len(methods) >= 5 and [n for n in methods if not takes_device(getattr(minitorch.Tensor, n))] == []
    modules = [row.name for row in layers.ROWS if takes_device(getattr(torch.nn, row.name))]
    assert len(modules) >= 10 and [n for n in modules if not takes_device(getattr(nn, n))] == []


@pytest.mark.parametrize("make", [
    lambda **k: minitorch.tensor([1.0, 2.0], **k), lambda **k: minitorch.zeros(2, 3, **k), lambda **k: minitorch.ones(2, **k),
    lambda **k: minitorch.full((2,), 3.0, **k), lambda **k: minitorch.arange(5, **k), lambda **k: minitorch.eye(3, **k),
    lambda **k: minitorch.linspace(0, 1, 4, **k), lambda **k: minitorch.logspace(0, 1, 4, **k),
    lambda **k: minitorch.as_tensor([1, 2], **k), lambda **k: minitorch.zeros_like(minitorch.ones(2), **k),
    lambda **k: minitorch.full_like(minitorch.ones(2), 2.0, **k), lambda **k: minitorch.rand(3, **k),
    lambda **k: minitorch.randn(3, **k), lambda **k: minitorch.randint(9, (3,), **k), lambda **k: minitorch.randperm(5, **k),
    lambda **k: minitorch.rand_like(minitorch.ones(2), **k), lambda **k: minitorch.normal(0.0, 1.0, (3,), **k),
    lambda **k: minitorch.ones(2).new_zeros(2, **k), lambda **k: minitorch.ones(2).new_tensor([1.0], **k),
    lambda **k: minitorch.tril_indices(3, 4, -1, **k), lambda **k: minitorch.triu_indices(3, 4, **k),
    lambda **k: minitorch.tensor(minitorch.ones(2), **k), lambda **k: minitorch.randint_like(minitorch.ones(2), 5, **k),
])  # fmt: skip
@pytest.mark.usefixtures("drawn_on_the_cpu")
@pytest.mark.filterwarnings("ignore:To copy construct")
def test_made_on_the_device(make: Callable[..., Any]) -> None:
    minitorch.manual_seed(1)
    want = make()
    minitorch.manual_seed(1)
    have = make(device="cuda")
    assert str(have.device) == "cuda:0" and have.get_device() == 0
    assert have.dtype is want.dtype and alike(have, want)


# ---- mixed ----


@pytest.mark.parametrize("call", [
    lambda a, b: a + b, lambda a, b: minitorch.cat([a, b]), lambda a, b: minitorch.stack([a, b]), lambda a, b: a @ b,
    lambda a, b: F.mse_loss(a, b), lambda a, b: minitorch.where(a > 0, b, b), lambda a, b: a.mul_(b), lambda a, b: a.lerp(b, 0.5),
    lambda a, b: minitorch.add(a, a, out=b), lambda a, b: minitorch.equal(a, b), lambda a, b: a.masked_fill(b > 0, 1.0),
    lambda a, b: F.linear(a, b), lambda a, b: F.layer_norm(a, (2,), b), lambda a, b: minitorch.einsum("i,i->", a, b),
    lambda a, b: a.gather(0, b.long()), lambda a, b: F.embedding(a.long(), b[:, None]),
])  # fmt: skip
def test_mixed_devices_are_refused_as_torch_does(call: Callable[[Any, Any], Any]) -> None:
    here, there = minitorch.ones(2), minitorch.ones(2, device="cuda")
    for pair in ((here, there), (there, here)):
        with pytest.raises(RuntimeError, match=MIXED):
            call(*pair)
        assert here.tolist() == there.tolist() == [1.0, 1.0]


def test_other_refusals_name_the_devices() -> None:
    here, there = minitorch.ones(2), minitorch.ones(2, device="cuda", requires_grad=True)
    with pytest.raises(RuntimeError, match="indices should be either on cpu or on the same device"):
        here[minitorch.tensor([0], device="cuda")]
    assert there[minitorch.tensor([1])].is_cuda, "indices may stay on the CPU"
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        there.detach().numpy()
    with pytest.raises(RuntimeError, match="expected device cuda:0 but got cpu"):
        (there * 2).backward(here)
    with pytest.raises(RuntimeError, match="attempting to assign a gradient with device"):
        there.grad = here


def test_a_cpu_tensor_without_dimensions_counts_as_a_number() -> None:
    x = minitorch.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    b = minitorch.tensor(3.0, requires_grad=True)
    for call in (lambda a, n: a * n, lambda a, n: n - a, lambda a, n: a.where(a > 1, n), lambda a, n: a.clamp(max=n),
                 lambda a, n: a.detach().clone().mul_(n), lambda a, n: a.masked_fill(a > 1, n), lambda a, n: a**n):  # fmt: skip
        x.grad = b.grad = None
        out = call(x, b)
        out.sum().backward()
        want_x, want_b = (torch.tensor(v.detach().tolist(), requires_grad=True) for v in (x, b))
        want = call(want_x, want_b)
        want.sum().backward()
        assert out.is_cuda and out.tolist() == want.tolist()
        assert b.grad.is_cpu and b.grad.item() == pytest.approx(want_b.grad.item())
        assert want_x.grad is None or np.allclose(x.grad.tolist(), want_x.grad.tolist())
    for refused in (lambda: b.detach().mul_(x.detach()[0]), lambda: x @ b, lambda: minitorch.cat([x, b])):
        with pytest.raises(RuntimeError):
            refused()


# ---- moved ----


@pytest.mark.filterwarnings("ignore:To copy construct")
def test_tensors_move_and_gradients_come_back() -> None:
    x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    (x.cuda() ** 2).sum().backward()
    assert x.grad.tolist() == [2.0, 4.0] and str(x.grad.device) == "cpu"
    y = x.detach().to(0)
    assert y.to("cuda") is y and y.cpu().tolist() == [1.0, 2.0] and copy.deepcopy(y).is_cuda
    assert pickle.loads(pickle.dumps(y)).is_cuda and minitorch.tensor(y).is_cuda and minitorch.tensor(y, device="cpu").is_cpu
    assert y.cuda(0, non_blocking=True) is y and y.is_cuda and not y.is_cpu
    assert repr(y) == "tensor([1., 2.], device='cuda:0')"
    y[0] = 5
    y += 1
    assert y.tolist() == [6.0, 3.0] and minitorch.tensor([y[0], 2.0]).tolist() == [6.0, 2.0]


def test_foreign_memory_is_adopted_where_it_lies(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Foreign:
        def __dlpack_device__(self) -> tuple[int, int]:
            return 2, 0  # DLPack's number for CUDA

    monkeypatch.setattr(cupy, "from_dlpack", lambda foreign: cupy.ones(3))
    assert minitorch.from_dlpack(Foreign()).is_cuda
    assert not minitorch.from_dlpack(np.ones(3)).is_cuda


def test_copies_cross_devices() -> None:
    here, there = minitorch.zeros(2), minitorch.tensor([1.0, 2.0], device="cuda")
    assert here.copy_(there).tolist() == [1.0, 2.0] and str(here.device) == "cpu"
    assert there.copy_(here * 3).tolist() == [3.0, 6.0] and there.is_cuda
    there[0] = minitorch.tensor(9.0)
    assert there.tolist() == [9.0, 6.0]
    trained, fresh = nn.BatchNorm1d(3), nn.BatchNorm1d(3).cuda()
    trained(minitorch.randn(4, 3))
    fresh.load_state_dict(trained.state_dict())
    assert fresh.running_mean.is_cuda and np.array_equal(fresh.running_mean.cpu().numpy(), trained.running_mean.numpy())


@pytest.mark.usefixtures("drawn_on_the_cpu")
@pytest.mark.parametrize(("name", "options"), OF_A_MATRIX)
def test_initialisations(name: str, options: dict[str, Any]) -> None:
    made = []
    for device in ("cpu", "cuda"):
        minitorch.manual_seed(0)
        made.append(getattr(nn.init, name)(minitorch.empty(8, 6, device=device), **options))
    assert made[1].is_cuda and alike(*made)


def test_state_dicts_go_where_map_location_says() -> None:
    model = nn.Linear(2, 2).cuda()
    optimizer = minitorch.optim.Adam(model.parameters())
    model(minitorch.ones(1, 2, device="cuda")).sum().backward()
    optimizer.step()
    file = io.BytesIO()
    minitorch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
    to_cpu = lambda tensor, saved_on: tensor if saved_on == "cuda:0" else None
    for place, device in ((None, "cuda:0"), ("cpu", "cpu"), ("cuda", "cuda:0"), (0, "cuda:0"), ({"cuda:0": "cpu"}, "cpu"),
                          ({"cpu": "cuda"}, "cuda:0"), (to_cpu, "cpu"), (lambda tensor, saved_on: None, "cuda:0")):  # fmt: skip
        file.seek(0)
        loaded = minitorch.load(file, map_location=place)
        assert {str(t.device) for t in loaded["model"].values()} == {device}
        again = minitorch.optim.Adam(model.parameters())
        again.load_state_dict(loaded["optimizer"])
        state = again.state[model.weight]
        assert state["exp_avg"].is_cuda and not state["step"].is_cuda, "state follows its parameter, the step count does not"


# ---- minitorch.cuda ----


def test_cuda_module() -> None:
    cuda = minitorch.cuda
    assert cuda.is_available() and cuda.is_initialized() and cuda.device_count() > cuda.current_device() >= 0
    cuda.init()
    properties = cuda.get_device_properties()
    assert cuda.get_device_name("cuda:0") and cuda.get_device_capability() == (properties.major, properties.minor)
    assert cuda.is_bf16_supported() == (cuda.get_device_capability() >= (8, 0))
    assert 0 <= cuda.memory_allocated() <= cuda.memory_reserved()
    free, total = cuda.mem_get_info()
    assert 0 <= free <= total == properties.total_memory or total > 0
    cuda.empty_cache()
    with pytest.raises(RuntimeError, match=r"choose it first, with minitorch.cuda.set_device\(9\)"):
        minitorch.zeros(2, device="cuda:9")


def test_streams_and_events() -> None:
    cuda = minitorch.cuda
    stream, start, end = cuda.Stream(), cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    assert cuda.current_stream() == cuda.default_stream() != stream and cuda.default_stream().cuda_stream == 0
    with cuda.stream(stream):
        assert cuda.current_stream() == stream
        start.record()
        x = minitorch.ones(3, device="cuda") * 2
        end.record()
    with stream, cuda.stream(None):
        assert cuda.current_stream() == stream
    cuda.set_stream(stream)
    assert cuda.current_stream() == stream
    cuda.set_stream(cuda.default_stream())
    cuda.current_stream().wait_stream(stream)
    end.wait(stream)
    for waiting in (stream.synchronize, end.synchronize, cuda.synchronize):
        waiting()
    assert stream.query() and end.query() and start.elapsed_time(end) >= 0 and x.tolist() == [2.0] * 3


def test_synchronizing_waits(stand_in: Any) -> None:
    with counting() as waits:
        minitorch.cuda.Stream().synchronize()
        minitorch.cuda.Event().synchronize()
        minitorch.cuda.synchronize()
    assert len(waits) == 3


def test_without_a_gpu_one_line_says_what_is_missing() -> None:
    code = """
import sys
sys.modules["cupy"] = None
import minitorch
assert not minitorch.cuda.is_available() and minitorch.cuda.device_count() == 0
minitorch.cuda.empty_cache()
for name in ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"):  # as torch's: nothing is held
    assert getattr(minitorch.cuda, name)() == 0
assert minitorch.cuda.memory_stats() == minitorch.cuda.memory_stats_as_nested_dict() == {}
for call in (lambda: minitorch.zeros(2, device="cuda"), minitorch.cuda.synchronize, minitorch.cuda.Stream,
             minitorch.cuda.current_device, minitorch.cuda.mem_get_info, minitorch.nn.Linear(2, 2).cuda):
    try:
        call()
    except RuntimeError as error:
        assert "pip install cupy-cuda13x" in str(error) and "\\n" not in str(error), error
    else:
        raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
