"""Programs as people write them, compiled: transforms, Functions, checkpoints, hooks, recurrent nets, attention, averages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

import minitorch
import minitorch.nn.functional as F
from minitorch import Tensor, func, nn
from minitorch.optim.swa_utils import AveragedModel
from minitorch.utils.checkpoint import checkpoint
from shares import share_of
from test_compile import assert_alike, differentiate, has_program, told

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Program = tuple[Callable[[], Any], Callable[[], list]]  # a step, and what can be seen after it


def per_sample() -> Program:
    layer, x = nn.Linear(3, 3), minitorch.randn(4, 3)
    return (lambda: func.vmap(lambda a: layer(a).tanh())(x).detach()), list


def functional_gradient() -> Program:
    w, x = minitorch.randn(3), minitorch.randn(4, 3)
    return (lambda: func.grad(lambda v: (x @ v).tanh().sum())(w)), list


def second_order() -> Program:
    w = minitorch.randn(3, requires_grad=True)

    def step() -> Tensor:
        (g,) = minitorch.autograd.grad((w**3).sum(), w, create_graph=True)
        (g * g).sum().backward()
        found = w.grad.clone()
        w.grad = None
        return found

    return step, lambda: [w.grad]


class Square(minitorch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * g


def function() -> Program:
    w = minitorch.randn(3, requires_grad=True)

    def step() -> Tensor:
        w.grad = None
        Square.apply(w).sum().backward()
        return w.grad * 1

    return step, lambda: [w.grad]


def function_outside() -> Program:
    w = minitorch.randn(3, requires_grad=True)
    return (lambda: Square.apply(w).sum()), list


def checkpointed() -> Program:
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3)), minitorch.randn(2, 3)

    def step() -> Tensor:
        model.zero_grad()
        checkpoint(model, x, use_reentrant=False).sum().backward()
        return model[0].weight.grad.clone()

    return step, lambda: [p.grad for p in model.parameters()]


def hooked_within() -> Program:
    w = minitorch.randn(3, requires_grad=True)

    def step() -> tuple:
        w.grad = None
        y = w * 2
        y.register_hook(lambda g: g * 3)
        y.retain_grad()
        (y * y).sum().backward()
        return y.grad, y.detach()

    return step, lambda: [w.grad]


def random_numbers() -> Program:
    x = minitorch.full((5,), 0.5)

    def step() -> tuple:
        noise = minitorch.rand(5) + minitorch.randn(5) * x + minitorch.randint(0, 5, (5,)) + minitorch.randn_like(x)
        return noise, minitorch.bernoulli(x), F.dropout(x, 0.5), x.clone().normal_(), F.gumbel_softmax(x)

    return step, list


def recurrent() -> Program:
    net, x = nn.GRU(3, 4, num_layers=2, dropout=0.2, bidirectional=True), minitorch.randn(5, 2, 3)
    optimizer = minitorch.optim.RMSprop(net.parameters())

    def step() -> Tensor:
        optimizer.zero_grad()
        y, h = net(x)
        (y.sum() + h.sum()).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        return y.detach()

    return step, lambda: list(net.parameters())


def transformer() -> Program:
    layer, x = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), minitorch.randn(2, 5, 8)
    optimizer = minitorch.optim.AdamW(layer.parameters())

    def step() -> Tensor:
        optimizer.zero_grad()
        y = layer(x)
        y.pow(2).mean().backward()
        optimizer.step()
        return y.detach()

    return step, lambda: list(layer.parameters())


def masked_attention() -> Program:
    layer, x, mask = nn.MultiheadAttention(8, 2), minitorch.randn(5, 2, 8), nn.Transformer.generate_square_subsequent_mask(5)
    return (lambda: layer(x, x, x, attn_mask=mask)[0].sum()), list


def bags() -> Program:
    layer, indices, offsets = nn.EmbeddingBag(10, 4), minitorch.tensor([1, 2, 4, 5, 4, 3]), minitorch.tensor([0, 4])
    return (lambda: layer(indices, offsets).sum()), list


def running_total() -> Program:
    w, total = minitorch.randn(3, requires_grad=True), minitorch.zeros(())

    def step() -> Tensor:
        w.grad = None
        loss = (w * w).sum()
        loss.backward()
        total.add_(loss.detach())
        return loss

    return step, lambda: [total, w.grad]


def weight_normalized() -> Program:
    layer, x = nn.utils.parametrizations.weight_norm(nn.Linear(3, 3)), minitorch.randn(2, 3)
    return (lambda: layer(x).sum()), list


def spectrally_normalized() -> Program:
    layer, x = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)), minitorch.randn(2, 3)
    return (lambda: layer(x).sum()), lambda: list(layer.buffers())


def half_precision() -> Program:
    layer, x = nn.Linear(3, 3).bfloat16(), minitorch.randn(2, 3).bfloat16()
    return (lambda: layer(x).float().sum().detach()), list


def inference() -> Program:
    layer, x = nn.Linear(3, 3), minitorch.randn(2, 3)

    def step() -> Tensor:
        with minitorch.inference_mode():
            return layer(x)

    return step, list


def several_results() -> Program:
    x = minitorch.randn(3)
    return (lambda: {"a": x * 2, "b": [x + 1, (x - 1, 3, None, 1.5)]}), list


PROGRAMS = [
    per_sample, functional_gradient, second_order, function, function_outside, checkpointed, hooked_within, random_numbers, recurrent,
    transformer, masked_attention, bags, running_total, weight_normalized, spectrally_normalized, half_precision, inference,
    several_results,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_programs(program: Callable[[], Program]) -> None:
    def build() -> tuple:
        minitorch.manual_seed(0)
        return *program(), lambda k: None

    run = assert_alike(build, 5)
    assert has_program(run), run.explain()


# ---- what reads numbers runs as it is ----


def cumulative_batch_norm() -> Program:
    layer, x = nn.BatchNorm1d(3, momentum=None), minitorch.randn(4, 3)
    return (lambda: layer(x).detach()), lambda: list(layer.buffers())


def averaged() -> Program:
    model = nn.Linear(3, 3)
    average = AveragedModel(model)

    def step() -> None:
        with minitorch.no_grad():
            for p in model.parameters():
                p.add_(0.1)
        average.update_parameters(model)

    return step, lambda: list(average.parameters())


def line_search() -> Program:
    w = minitorch.randn(3, requires_grad=True)
    optimizer = minitorch.optim.LBFGS([w])

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        return loss

    return (lambda: optimizer.step(closure)), lambda: [w]


@pytest.mark.parametrize("program", [cumulative_batch_norm, averaged, line_search], ids=lambda f: f.__name__)
def test_programs_that_run_as_they_are(program: Callable[[], Program]) -> None:
    def build() -> tuple:
        minitorch.manual_seed(0)
        return *program(), lambda k: None

    assert not has_program(assert_alike(build, 5))


# ---- random programs ----

MAKING: list[Callable[[Tensor, Tensor], Tensor]] = [
    lambda a, b: a + b,
    lambda a, b: a * b,
    lambda a, b: a - b,
    lambda a, b: a @ b * 0.1,
    lambda a, b: a.tanh(),
    lambda a, b: a * 2,
    lambda a, b: a.t(),
    lambda a, b: a.clone(),
    lambda a, b: a.double().float(),
    lambda a, b: minitorch.where(a > 0, a, b),
    lambda a, b: a.sum(0, keepdim=True) + b,
    lambda a, b: a.softmax(-1),
    lambda a, b: a[[2, 0, 1, 3]],
    lambda a, b: minitorch.cat([a[:2], b[2:]]),
    lambda a, b: minitorch.zeros(4, 4) + a[0],
    lambda a, b: minitorch.full_like(a, 0.5),
]
WRITING: list[Callable[[Tensor, Tensor], Any]] = [
    lambda a, b: a.add_(b, alpha=0.5),
    lambda a, b: a[1:3].mul_(0.5),
    lambda a, b: a.t()[0].add_(1),
    lambda a, b: a[:, 0].copy_(b[:, 1]),
    lambda a, b: a.view(16)[3:7].fill_(0.25),
    lambda a, b: a.zero_(),
]


def random_program(seed: int, learns: str = "") -> Callable[[], Program]:
    """Twenty ops on what is there and what they make, some of which write; several say the same twice.

    learns: two of the tensors that are there want gradients, and backward is called "inside" the step or "outside".
    """

    def program() -> Program:
        rng = random.Random(seed)
        states = [minitorch.randn(4, 4, requires_grad=bool(learns) and k < 2) for k in range(3)]
        plan: list[tuple[Callable, int, int]] = []
        for k in range(20):
            if plan and rng.random() < 0.2:
                plan.append(rng.choice(plan))
                continue
            ops = WRITING if rng.random() < 0.25 else MAKING
            plan.append((rng.choice(ops), rng.randrange(3 + k), rng.randrange(3 + k)))
        kept = [rng.randrange(23) for _ in range(4)]

        def step() -> list[Tensor]:
            if learns == "inside":
                states[0].grad = None  # of the other they add up
            values = [t * 1 if t.requires_grad else t for t in states]
            for op, i, j in plan:
                made = op(values[i % len(values)], values[j % len(values)])
                values.append(made if made.shape == (4, 4) else values[i % len(values)])
            results = [values[k] * 1 for k in kept] + [values[k].sum() for k in kept]
            if learns == "inside":
                differentiate(results)
            return results if learns == "outside" else [t.detach() for t in results]

        seen = lambda: [*states, *(t._version for t in states), *(t.grad for t in states)]
        return (step if learns else minitorch.no_grad()(step)), seen

    return program


SEEDS = [pytest.param(k, marks=share_of(k, 10, 100)) for k in range(300)]


def check_random_program(seed: int, learns: str, backend: str) -> None:
    def build() -> tuple:
        minitorch.manual_seed(seed)
        after = [differentiate] if learns == "outside" else []
        return *random_program(seed, learns)(), lambda k: None, *after

    try:
        told(build, "")
    except RuntimeError:  # what is written overlaps with what is read
        return
    run = assert_alike(build, 5, backend)
    # (What a write makes of a tensor that was there before the step, a part of the graph, it is still after the step.)
    assert has_program(run) or "requires_grad" in run.explain(), run.explain()


@pytest.mark.parametrize("learns", ["", "inside", "outside"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed: int, learns: str) -> None:
    check_random_program(seed, learns, "numpy")
