"""SGD and Adam over all parameters in one launch on a GPU: when that is chosen, what goes one by one, what is copied there.

The numbers are compared in tests/test_kernels.py, beside the plain rule, and in tests/test_device.py, beside torch.
"""

from __future__ import annotations

import math

import pytest

import minitorch
from minitorch.kernels.cuda import optim as kernels
from reference.cuda_on_cpu import compiler
from reference.strict_cupy import counting
from reference.strict_cupy.arrays import uploads

pytestmark = [
    pytest.mark.skipif(compiler() is None, reason="executing kernels on the CPU needs g++, which is not installed"),
    pytest.mark.shortcuts,
]
GROUPS = {
    "SGD": {"lr": 0.1, "weight_decay": 0.1},
    "SGD with momentum": {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    "Adam": {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True},
    "AdamW": {"lr": 0.1},
}


@pytest.fixture
def launches(stand_in, monkeypatch):
    """The rows of each launch of an optimizer's kernel, as it happens."""
    found = []

    def launch(kernel, rows, *args, **options):
        found.append([param for param, _ in rows])
        return whole(kernel, rows, *args, **options)

    whole = kernels.launch
    monkeypatch.setattr(kernels, "launch", launch)
    return found


def trained(name, params, steps=3, **options):
    """The optimizer after some steps on gradients that depend on the step alone."""
    optimizer = getattr(minitorch.optim, name.split()[0])(params, **{**GROUPS[name], **options})
    for k in range(steps):
        for i, param in enumerate(params):
            param.grad = (
                (minitorch.arange(param.numel()).reshape(param.shape) % 7 - 2.5 * k + i).to(param.dtype).to(param.device)
            )
        optimizer.step()
    return optimizer


def parameters(device, dtype="float32", sizes=((3, 2), (5000,), (), (1, 7))):
    made = [minitorch.linspace(-1, 1, math.prod(size), dtype=getattr(minitorch, dtype)).reshape(size) for size in sizes]
    return [value.to(device).requires_grad_() for value in made]


def numbers(optimizer):
    state = [(memory[key].cpu(), key) for memory in optimizer.state.values() for key in memory]
    return [p.detach().cpu() for group in optimizer.param_groups for p in group["params"]], state


@pytest.mark.parametrize("name", GROUPS)
def test_one_launch_for_all_parameters(name, launches):
    on_gpu, here = parameters("cuda"), parameters("cpu")
    with counting() as waits:
        optimizer = trained(name, on_gpu)
    assert [len(rows) for rows in launches] == [4, 4, 4] and waits == []
    assert all(param._version == 3 for param in on_gpu), "what backward would need of it is known to be overwritten"
    (have, have_state), (want, want_state) = numbers(optimizer), numbers(trained(name, here))
    assert all(minitorch.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(have, want))
    assert all(a[1] == b[1] and minitorch.allclose(a[0], b[0], rtol=1e-5, atol=1e-6) for a, b in zip(have_state, want_state))


@pytest.mark.parametrize(("options", "used"), [({}, True), ({"fused": True}, True), ({"fused": False}, False),
                                               ({"foreach": True}, False), ({"foreach": False}, False)])  # fmt: skip
def test_when_it_is_chosen(options, used, launches):
    trained("Adam", parameters("cuda"), **options)
    assert bool(launches) == used


@pytest.mark.parametrize("name", ["Adam", "SGD"])
def test_what_the_kernel_does_not_serve_goes_one_by_one(name, launches):
    params = parameters("cuda") + parameters("cpu", sizes=((4,),)) + parameters("cuda", sizes=((0,), (6,)))
    params.append(minitorch.ones(4, 3, device="cuda").t().requires_grad_())  # its memory is not in the order of its elements
    params += parameters("cuda", "float64") + parameters("cuda", "float16", sizes=((9,),))
    twin = [p.detach().cpu().clone().requires_grad_() for p in params]
    have, want = trained(name, params, steps=1), trained(name, twin, steps=1)
    assert [sum(p.numel() > 0 for p in rows) for rows in launches] == [5, 4, 1], "a launch for each dtype"
    for a, b in zip(numbers(have)[0], numbers(want)[0]):
        assert minitorch.allclose(a, b, rtol=2e-3 if a.dtype is minitorch.float16 else 1e-5, atol=1e-6)


@pytest.mark.parametrize("other", [lambda m: m.double(), lambda m: m.t().contiguous().t()])
def test_state_that_lies_otherwise_in_memory_goes_one_by_one(other, launches):
    found = []
    for device in ("cuda", "cpu"):
        params = parameters(device, sizes=((3, 2), (4,)))
        optimizer = trained("SGD with momentum", params)
        optimizer.state[params[0]]["momentum_buffer"] = other(optimizer.state[params[0]]["momentum_buffer"])
        optimizer.step()
        found.append(numbers(optimizer)[0])
    assert [len(rows) for rows in launches] == [2, 2, 2, 1]
    assert all(minitorch.allclose(a, b, rtol=1e-5) for a, b in zip(*found))


def test_a_parameter_given_twice_makes_two_steps(launches):
    found = []
    for device in ("cuda", "cpu"):
        (x,) = parameters(device, sizes=((5,),))
        with pytest.warns(UserWarning, match="duplicate parameters"):
            found.append(numbers(trained("SGD with momentum", [x, x])))
    assert [len(rows) for rows in launches] == [1, 1, 1]
    assert minitorch.allclose(found[0][0][0], found[1][0][0])


def test_parameters_that_have_made_other_numbers_of_steps(launches):
    late, early = parameters("cuda", sizes=((4,), (4,)))
    optimizer = minitorch.optim.Adam([late, early], lr=0.1)
    early.grad = minitorch.ones(4, device="cuda")
    optimizer.step()
    late.grad = minitorch.ones(4, device="cuda")
    optimizer.step()
    optimizer.step()
    assert [len(rows) for rows in launches] == [1, 1, 1, 1, 1]
    assert [optimizer.state[p]["step"].item() for p in (late, early)] == [2, 3]
    # With a constant gradient each step is lr, at any count: 1 / (1 − βᵗ) is what makes it so.
    start = minitorch.linspace(-1, 1, 4)
    assert minitorch.allclose(late.detach().cpu(), start - 0.2) and minitorch.allclose(early.detach().cpu(), start - 0.3)


def test_tables_are_copied_only_when_memory_moves(launches):
    params = parameters("cuda")
    optimizer = trained("AdamW", params)
    before = len(uploads)
    for _ in range(3):
        optimizer.step()
    assert len(uploads) == before
    for param in params:
        param.grad = param.grad.clone()
    optimizer.step()
    assert len(uploads) == before + 1


def test_a_step_count_on_the_gpu_is_brought_to_the_cpu(launches):
    optimizer = trained("Adam", parameters("cuda"))
    saved = optimizer.state_dict()
    for memory in saved["state"].values():
        memory["step"] = memory["step"].cuda()  # as torch's fused Adam saves it
    optimizer.load_state_dict(saved)
    with counting() as waits:
        optimizer.step()
    assert waits == [] and {memory["step"].item() for memory in optimizer.state.values()} == {4.0}
