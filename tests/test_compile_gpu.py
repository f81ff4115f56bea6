"""`compile` on a GPU: a step as one CUDA graph gives what the step gives, to the last bit, and leaves what it leaves.

On a stand-in, whose captures refuse what CUDA refuses (`reference/strict_cupy/graphs.py`), or on the GPU of `--device`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from planting import Fault, fails

import minitorch
from minitorch import nn
from minitorch.arrays import blas, capturing, device
from minitorch.compiler.cuda import captured, fusing, outside
from minitorch.kernels.cuda import optim as kernels
from minitorch.nn import functional as F
from minitorch.random.gpu import GpuGenerator
from reference.programs import running

pytestmark = [pytest.mark.usefixtures("gpu"), pytest.mark.shortcuts]
Step = Callable[..., Any]


def on_gpu(array: np.ndarray) -> Any:
    return minitorch.tensor(array, device="cuda")


def numbers(k: int, *shape: int) -> Any:
    return on_gpu(np.random.default_rng(k).standard_normal(shape).astype("f"))


def classes(k: int, count: int, *shape: int) -> Any:
    return on_gpu(np.random.default_rng(k).integers(0, count, shape))


# ---- programs: each makes (a step, its arguments at call k, what it changes) ----


def perceptron(kind: str = "Adam", **options: Any) -> tuple[Step, Callable[[int], tuple], Any, Any]:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)).cuda()
    optimizer = getattr(minitorch.optim, kind)(model.parameters(), **{"lr": 0.05, **options})
    return stepped(model, optimizer), lambda k: (numbers(k, 6, 4), classes(k, 3, 6)), model, optimizer


def stepped(model: nn.Module, optimizer: Any, schedule: Any = None) -> Step:
    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        if schedule is not None:
            schedule.step()
        return loss

    return step


def convolutions() -> tuple[Step, Callable[[int], tuple], Any, Any]:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.GELU(), nn.Flatten(), nn.Linear(8, 3)).cuda()
    optimizer = minitorch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    return stepped(model, optimizer), lambda k: (numbers(k, 3, 1, 4, 4), classes(k, 3, 3)), model, optimizer


class Letters(nn.Module):
    """A small transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm, self.out = nn.Embedding(9, 8), nn.LayerNorm(8), nn.Linear(8, 9)
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))

    def forward(self, x: Any) -> Any:
        x = self.table(x)
        q, k, v = (layer(self.norm(x)).unflatten(-1, (2, 4)).transpose(1, 2) for layer in (self.q, self.k, self.v))
        return self.out(x + F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)).flatten(0, 1)


def transformer() -> tuple[Step, Callable[[int], tuple], Any, Any]:
    model = Letters().cuda()
    optimizer = minitorch.optim.AdamW(model.parameters(), lr=0.01)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return {"loss": loss, "detached": (loss.detach() * 2, 3)}

    return step, lambda k: (classes(k, 9, 2, 5), classes(k + 99, 9, 10)), model, optimizer


def scheduled() -> tuple[Step, Callable[[int], tuple], Any, Any]:
    _, args, model, optimizer = perceptron()
    return stepped(model, optimizer, minitorch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)), args, model, optimizer


PROGRAMS: dict[str, Callable[[], Any]] = {
    "Adam": perceptron, "SGD": lambda: perceptron("SGD", momentum=0.9, nesterov=True), "scheduled": scheduled,
    "RMSprop": lambda: perceptron("RMSprop"), "NAdam": lambda: perceptron("NAdam"), "convolutions": convolutions,
    "transformer": transformer,
}  # fmt: skip


def seen(program: Callable[[], Any], compiled: bool, calls: int = 5, between: Callable | None = None) -> tuple[list, Any]:
    """What can be seen after each call, and the step."""
    minitorch.manual_seed(1)
    step, args, model, optimizer = program()
    step = minitorch.compile(step, fullgraph=True) if compiled else step
    found = []
    for k in range(calls):
        if between is not None:
            between(k, model, optimizer)
        result = step(*args(k))
        told = shown(result)
        state = [v.tolist() for v in model.state_dict().values()]
        gradients = [None if p.grad is None else p.grad.tolist() for p in model.parameters()]
        kept = [t.tolist() for memory in optimizer.state.values() for t in memory.values()]
        found.append(
            (told, state, gradients, kept, [p._version for p in model.parameters()], optimizer.param_groups[0]["lr"])
        )
    return found, step


def flat(value: Any) -> list:
    if isinstance(value, dict):
        return flat(list(value.values()))
    return [leaf for each in value for leaf in flat(each)] if isinstance(value, (tuple, list)) else [value]


def compare(program: Callable[[], Any], **options: Any) -> Any:
    """Both ways of running it give and leave the same; the compiled step."""
    have, step = seen(program, True, **options)
    want, _ = seen(program, False, **options)
    assert have == want
    assert "captured as" in step.explain()
    return step


MORE = {"SGD", "NAdam", "convolutions", "scheduled"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in MORE)) for name in PROGRAMS])
def test_a_captured_step_is_the_step(name: str) -> None:
    step = compare(PROGRAMS[name])
    assert "gradients are copied" not in step.explain(), "nobody keeps them"
    assert ("1 graph," in step.explain()) == (name not in ("RMSprop", "NAdam")), "these make their step between two graphs"


def test_what_is_changed_between_the_calls_is_read_anew() -> None:
    def between(k: int, model: Any, optimizer: Any) -> None:
        optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
        if k == 4:
            with minitorch.no_grad():
                model[0].weight.mul_(0.5)
            minitorch.manual_seed(77)

    compare(perceptron, between=between)


@pytest.mark.slow
def test_a_state_that_is_loaded_is_another_graph() -> None:
    def between(k: int, model: Any, optimizer: Any) -> None:
        if k == 4:
            optimizer.load_state_dict(optimizer.state_dict())
        if k == 5:
            model.load_state_dict({name: value * 0.5 for name, value in model.state_dict().items()})

    compare(perceptron, between=between, calls=9)


TAKEN: list[Callable[[Any], Any]] = [
    lambda w: w.grad,
    lambda w: w.grad[1:],
    lambda w: w.grad.detach().view(-1),
    lambda w: dropped(w),
]


@pytest.mark.parametrize("take", [TAKEN[1], *(pytest.param(t, marks=pytest.mark.slow) for t in (TAKEN[0], *TAKEN[2:]))])
def test_gradients_and_results_are_the_users_own(take: Callable[[Any], Any]) -> None:
    def kept(compiled: bool, take: Callable[[Any], Any]) -> list:
        minitorch.manual_seed(1)
        step, args, model, _ = perceptron("SGD")
        step = minitorch.compile(step) if compiled else step
        found = [(step(*args(k)), take(model[0].weight)) for k in range(5)]
        return [[t.tolist() for t in pair] for pair in found]

    assert kept(True, take) == kept(False, take)


def dropped(w: Any) -> Any:
    """The gradient, which the parameter has no more."""
    g, w.grad = w.grad, None
    return g


def test_another_shape_is_another_graph_and_evaluation_too() -> None:
    minitorch.manual_seed(1)
    step, args, model, _ = perceptron()
    fast = minitorch.compile(step)
    for n in (6, 4):
        for k in range(4):
            fast(args(k)[0][:n], args(k)[1][:n])
    model.eval()
    assert fast(*args(1)).item() != fast(*args(1)).item(), "it is a third kind of call, and learns"
    assert fast.explain().count("captured as") == 2 and "it has run" in fast.explain()


def test_random_numbers_of_the_gpu_go_on() -> None:
    def noise(x: Any) -> Any:
        return x + minitorch.randn(5, device="cuda"), minitorch.randint(0, 9, (5,), device="cuda"), x.clone().uniform_()

    found = []
    for step in (noise, minitorch.compile(noise, fullgraph=True)):
        minitorch.manual_seed(5)
        found.append([shown(step(numbers(0, 5))) for _ in range(5)])
    assert found[0] == found[1] and len({str(each) for each in found[0]}) == 5


def test_forward_alone_under_no_grad() -> None:
    minitorch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh()).cuda().eval()
    fast = minitorch.compile(model)
    with minitorch.no_grad():
        have = [fast(numbers(k, 3, 4)).tolist() for k in range(5)]
        assert have == [model(numbers(k, 3, 4)).tolist() for k in range(5)] and "captured as" in fast.explain()


def test_a_bad_index_is_raised_late() -> None:
    step, args, _, _ = transformer()
    fast = minitorch.compile(step)
    for k in range(4):
        fast(*args(k))
    fast(args(0)[0] + 50, args(0)[1])
    with pytest.raises(IndexError, match="must be in"):
        fast(*args(0))["loss"].item()


# ---- what is differentiated outside ----


def learned(compiled: bool, calls: int = 6, at_once: int = 1) -> list:
    """The losses, gradients and states of a network whose loss is computed outside; `at_once` forwards before a backward."""
    minitorch.manual_seed(1)
    first = nn.Linear(4, 4).cuda()
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3)).cuda()
    optimizer, found = minitorch.optim.Adam([*first.parameters(), *model.parameters()], lr=0.01), []
    run = minitorch.compile(model, fullgraph=True) if compiled else model
    for k in range(calls):
        losses = [F.cross_entropy(run(first(numbers(k + 9 * n, 6, 4))), classes(k, 3, 6)) for n in range(at_once)]
        sum(losses).backward()
        found.append(
            [
                [p.grad.tolist() for g in optimizer.param_groups for p in g["params"]],
                shown(losses),
                shown(model.state_dict()),
            ]
        )
        optimizer.step()
        optimizer.zero_grad()
    assert not compiled or "captured as" in run.explain()
    return found


def test_a_module_learns_as_it_did_with_forward_and_backward_as_graphs() -> None:
    assert learned(True) == learned(False)


def test_a_second_forward_before_backward_runs_as_it_is() -> None:
    have, want = learned(True, at_once=2), learned(False, at_once=2)
    for a, b in zip(have, want):  # (of two, the graph's gradients arrive in another order)
        assert np.allclose(flat(a[0])[:4], flat(b[0])[:4], atol=1e-5) and np.allclose(flat(a[1]), flat(b[1]), atol=1e-5)


def test_a_backward_that_comes_too_late_is_refused() -> None:
    w = minitorch.ones(3, device="cuda", requires_grad=True)
    fast = minitorch.compile(lambda x: (w * x).tanh())
    for k in range(4):
        kept = fast(numbers(k, 3))
        kept.sum().backward(retain_graph=True)
    before = w.grad.clone()
    kept.sum().backward(retain_graph=True)  # again is as good, as long as no other forward has come
    assert minitorch.allclose(w.grad - before, numbers(3, 3) * (1 - (w * numbers(3, 3)).tanh() ** 2))
    fast(numbers(5, 3))
    with pytest.raises(RuntimeError, match="called again since"):
        kept.sum().backward()


# ---- whole programs ----


@pytest.mark.slow
@pytest.mark.parametrize("name", ["classifier", "autoencoder", "weighted_softmax_regression", "dcgan"])
def test_programs_learn_as_they_did_with_their_modules_captured(
    stand_in: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every module that a program calls, as it is written, is compiled; those within others are part of them."""
    program = next(p for p in running.PROGRAMS if p.name == name)
    call, compiled = nn.Module.__call__, {}

    def as_a_graph(self: Any, *args: Any, **kwargs: Any) -> Any:
        if capturing.now.warming is not None or capturing.now.capture is not None:
            return call(self, *args, **kwargs)
        if self not in compiled:
            compiled[self] = minitorch.compile(lambda *args, **kwargs: call(self, *args, **kwargs))
        return compiled[self](*args, **kwargs)

    monkeypatch.setattr(device.shortcuts, "enabled", False)  # the stand-in takes a CPU thread for each thread of a kernel
    with minitorch.device("cuda"):
        want = running.run(program, minitorch, "float32", steps=6)
        monkeypatch.setattr(nn.Module, "__call__", as_a_graph)
        assert running.run(program, minitorch, "float32", steps=6) == want
    assert compiled and all("captured as" in step.explain() for step in compiled.values())


# ---- what cannot be captured ----


def refused(make: Callable[[], tuple[Step, tuple]]) -> str:
    """The reason why a step runs as it is. It is told once, and the step gives what it gives all the same."""
    minitorch.manual_seed(1)
    step, args = make()
    want = [flat(step(*args)) for _ in range(5)]
    minitorch.manual_seed(1)
    step, args = make()
    fast = minitorch.compile(step)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        have = [flat(fast(*args)) for _ in range(5)]
    assert shown(have) == shown(want)
    assert len(told) == 1 and "runs as it is, not as a graph" in str(told[0].message)
    minitorch.manual_seed(1)
    step, args = make()
    strict = minitorch.compile(step, fullgraph=True)
    with pytest.raises(RuntimeError, match="fullgraph=True"):
        for _ in range(5):
            strict(*args)
    return fast.explain()


def shown(values: Any) -> list:
    return [t.tolist() if isinstance(t, minitorch.Tensor) else t for t in flat(values)]


def counting_step() -> tuple[Step, tuple]:
    calls = [0]

    def step(x: Any) -> Any:
        calls[0] += 1
        return x * calls[0]

    return step, (numbers(0, 3),)


def hidden_count() -> tuple[Step, tuple]:
    class Count:
        __slots__ = ("n",)

    count = Count()
    count.n = 0

    def step(x: Any) -> Any:
        count.n += 1
        return x * count.n

    return step, (numbers(0, 3),)


ON_THE_CPU = minitorch.ones(2)


def beside_the_cpu(x: Any) -> Any:
    return x * 2, ON_THE_CPU * 1


def accumulating() -> tuple[Step, tuple]:
    w = minitorch.ones(3, device="cuda", requires_grad=True)

    def step(x: Any) -> Any:
        (w * x).sum().backward()
        return w.grad * 1

    return step, (numbers(0, 3),)


REFUSED: dict[str, tuple[Callable[[], tuple[Step, tuple]], str]] = {
    "a number": (lambda: (lambda x: x / x.norm() if x.norm() > 0 else x, (numbers(0, 3),)), "the host would wait"),
    "data": (
        lambda: (lambda x: x * minitorch.tensor([1.0, 2.0, 3.0], device="cuda"), (numbers(0, 3),)),
        "copied to the GPU",
    ),
    "random numbers of the CPU": (lambda: (lambda x: x * minitorch.rand(3).cuda(), (numbers(0, 3),)), "drawn on the CPU"),
    "nonzero": (lambda: (lambda x: x[x > 0], (numbers(0, 3),)), "waiting for the GPU"),
    "a count": (counting_step, "changes what it depends on"),
    "a count that nothing leads to": (hidden_count, "did not do the same"),
    "an argument of the CPU": (lambda: (lambda x, y: x * y, (numbers(0, 3), minitorch.tensor(2.0))), "is on the CPU"),
    "work of the CPU": (lambda: (beside_the_cpu, (numbers(0, 3),)), "a tensor of the CPU"),
    "an argument given back": (lambda: (lambda x: x, (numbers(0, 3),)), "returns its argument"),
    "a write to an argument": (lambda: (lambda x: x.mul_(0.5) * 1, (numbers(0, 3),)), "writes to its argument"),
    "an old gradient": (accumulating, "adds to a gradient"),
    "views of one another": (lambda: (lambda x: (y := x * 2, y[1:]), (numbers(0, 3),)), "share memory"),
    "a thing": (lambda: (lambda x: (x * 1, {1}), (numbers(0, 3),)), "it returns a set"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_captured_runs_as_it_is(stand_in: Any, name: str) -> None:
    make, words = REFUSED[name]
    assert words in refused(make)


# ---- planted faults ----


FAULTS = [
    Fault(
        kernels.Numbers.of_each_replay, "return rule(group, steps[0])", "return rule(self.group, self.now)"
    ),  # a count burned in
    Fault(
        kernels.Numbers.of_each_replay, "group = optimizer.param_groups[place]", "group = {**self.group, 'lr': 0.05}"
    ),  # a stale lr
    Fault(capturing.Capture.replay, "block.copy()", "pass"),
    Fault(capturing.Capture.numbers, "self.changing.append(", "str("),
    Fault(capturing.Capture.lasting, "self.outside", "self.pool.malloc"),  # memory that others have had
    Fault(capturing.Capture._end, "array.set(host)", "pass"),
    Fault(GpuGenerator.advance, "lambda: self.advance(by)", "lambda: (1, 0)"),
    Fault(blas._by_cublas, "now.capture is not None", "False"),
    Fault(device.must_hold, "if now.capture is not None:", "if False:"),
    Fault(device.replay, "for flag in capture.flags:", "for flag in ():"),
    Fault(captured.CapturedStep.launch, "self.xp.copyto(fixed, new)", "pass"),
    Fault(captured.CapturedStep.launch, "tensor._bump()", "pass"),
    Fault(captured.CapturedStep._left, "- v - n for", "- v for"),
    Fault(captured.CapturedStep.effect, "self.parts += [handed.give, call]", "self.parts += [handed.give]"),
    Fault(captured.CapturedStep._guard_gradients, "if was is None:", "if False:"),
    Fault(outside.Outside.replayed, "if self.latest() is not token:", "if False:"),
    Fault(outside.Outside.replayed, "self.step.xp.copyto(fixed, given._array)", "pass"),
    Fault(outside.Outside.call, "waiting is not None and not waiting.was_here", "False"),
    Fault(captured.Result.of, "arrays[self.number].copy()", "arrays[self.number]"),
    Fault(captured.Handed.are_kept, "not self.copies and any(", "False and any("),
    Fault(captured.Handed.give, "if self.copies else array", "if False else array"),
]


def everything() -> None:
    """What the faults must break."""
    for program in (perceptron, convolutions, PROGRAMS["RMSprop"]):
        compare(program)
    test_what_is_changed_between_the_calls_is_read_anew()
    for take in TAKEN:
        test_gradients_and_results_are_the_users_own(take)
    test_a_bad_index_is_raised_late()
    test_a_module_learns_as_it_did_with_forward_and_backward_as_graphs()
    test_a_second_forward_before_backward_runs_as_it_is()
    test_a_backward_that_comes_too_late_is_refused()
    test_the_gradient_of_the_step_before_counts()


def test_the_gradient_of_the_step_before_counts() -> None:
    def found(compiled: bool) -> list:
        w = minitorch.ones(3, device="cuda", requires_grad=True)

        def micro(x: Any) -> None:
            (w * x).sum().backward()

        fast = minitorch.compile(micro) if compiled else micro
        told = []
        for k in range(9):
            if k % 5 != 4:
                w.grad = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fast(numbers(k, 3))
            told.append(w.grad.tolist())
        return told

    assert found(True) == found(False)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_planted_faults_are_noticed(stand_in: Any, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    # (Held back, launches hold their memory, of which less is used twice. Faults of that are in test_joined_kernels.py.)
    monkeypatch.setattr(fusing, "enabled", False)
    with fault.planted():
        assert fails(everything), fault
