"""An optimizer's step as part of a program: its rule, once over all small parameters, to the last bit what the optimizer does."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from planting import Fault, assert_noticed

import minitorch
import minitorch.nn.functional as F
import test_compile as checks
from minitorch import Tensor, nn
from minitorch.compiler import calls, side_by_side, state, step
from minitorch.compiler.numpy_source import Program
from minitorch.compiler.record import Record
from minitorch.optim import SGD, Adam, AdamW, NAdam, Optimizer, RAdam, lr_scheduler
from shares import share_of
from test_compile import assert_alike, data, has_program

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
Change = Callable[[int, Any, Optimizer], Any]


def nothing(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    """Nothing changes between steps."""


def training(make: Callable[[Any], Optimizer], change: Change = nothing, schedule: Any = None) -> Callable[[], tuple]:
    """Steps of a small net. What can be seen: parameters, gradients, all that the optimizer remembers."""

    def build() -> tuple:
        minitorch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, 3))
        optimizer = make(model.parameters())
        scheduler = schedule and schedule(optimizer)
        x, y = data(0)

        def step() -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            if scheduler is not None and scheduler.last_epoch % 2:  # before the optimizer's step as well as after it
                scheduler.step()
            optimizer.step()
            return loss

        def between(k: int) -> None:
            change(k, model, optimizer)
            if scheduler is not None:
                scheduler.step()

        def seen() -> list:
            kept = [t for memory in optimizer.state.values() for t in memory.values()]
            return [
                *model.parameters(),
                *(p.grad for p in model.parameters()),
                *(p._version for p in model.parameters()),
                *kept,
            ]

        return step, seen, between

    return build


def loaded(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    """What is remembered is loaded: it does not lie in one array any more."""
    if k == 4:
        optimizer.load_state_dict(optimizer.state_dict())
    if k == 8:
        for memory in optimizer.state.values():
            memory["exp_avg"] = memory["exp_avg"].clone()


def steps_differ(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    if k == 5:
        optimizer.state[model[0].bias]["step"].fill_(1.0)


def a_group_is_added(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    if k == 5:
        model[0].scale = nn.Parameter(minitorch.ones(3))
        optimizer.add_param_group({"params": [model[0].scale]})
        model[0].scale.grad = minitorch.ones(3)


def a_parameter_rests(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    model[2].weight.requires_grad_(k not in (5, 6, 7))


def a_hook_comes(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    if k == 5:
        optimizer.register_step_pre_hook(lambda *_: setattr(model[0].bias, "grad", None))


def an_option_changes(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    if k == 5:
        optimizer.param_groups[0]["eps"] = 0.1


def lr_is_a_tensor(k: int, model: nn.Module, optimizer: Optimizer) -> None:
    if k == 5:
        optimizer.param_groups[0]["lr"] = minitorch.tensor(0.01)


CHANGES: list[Change] = [
    loaded, steps_differ, a_group_is_added, a_parameter_rests, a_hook_comes, an_option_changes, lr_is_a_tensor,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_what_changes_between_steps_is_noticed(change: Change) -> None:
    run = assert_alike(training(lambda params: Adam(params, 0.01), change), 12)
    assert has_program(run), run.explain()


MAKERS: dict[str, Callable[[Any], Optimizer]] = {
    "decay": lambda params: Adam(params, 0.01, weight_decay=0.1),
    "AdamW": lambda params: AdamW(params, 0.01, amsgrad=True),
    "momentum": lambda params: SGD(params, 0.1, momentum=0.9, nesterov=True),
    "SGD": lambda params: SGD(params, 0.1),
    "foreach": lambda params: Adam(params, 0.01, foreach=True),
    "fused": lambda params: Adam(params, 0.01, fused=True),
    "numbers": NAdam,
    "looks": RAdam,
    "groups": lambda params: Adam([{"params": [p], "lr": 0.1 / n} for n, p in enumerate(params, 1)]),
}


@pytest.mark.parametrize("name", MAKERS)
def test_optimizers(name: str) -> None:
    run = assert_alike(training(MAKERS[name]), 6)
    assert has_program(run), run.explain()


@pytest.mark.shortcuts  # it is the twin that keeps what Adam remembers side by side
def test_a_rule_runs_once_over_all_small_parameters() -> None:
    run = assert_alike(training(lambda params: Adam(params, 0.01)), 6)
    lines = run.source.split("# Adam.step\n")[-1].splitlines()
    assert sum("sqrt(" in line for line in lines) == 1
    assert sum(line.strip().startswith("subtract(") for line in lines) == 6  # each parameter where it lies
    assert sum("concatenate(" in line for line in lines) == 1
    assert "Adam_step()" not in run.source


def test_a_learning_rate_that_is_scheduled_within_the_step() -> None:
    assert_alike(training(lambda params: Adam(params, 0.01), schedule=lambda o: lr_scheduler.StepLR(o, 1, 0.5)), 9)


def test_options_that_change_at_each_step_need_no_program_each() -> None:
    def change(k: int, model: Any, optimizer: Optimizer) -> None:
        optimizer.param_groups[0]["weight_decay"] = 0.01 * k

    run = assert_alike(training(lambda params: Adam(params, 0.01), change), 16)
    assert "Adam_step()" in run.source
    assert len(run.variants) < run.limit


def test_options_that_a_schedule_moves_are_inputs() -> None:
    def cycle(optimizer: Optimizer) -> Any:
        return lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=40)

    run = assert_alike(training(lambda params: Adam(params, 0.01), schedule=cycle), 16)
    assert len(run.variants) == 1


def test_parameters_that_share_memory_go_one_after_another() -> None:
    def build() -> tuple:
        minitorch.manual_seed(0)
        memory = minitorch.randn(8)
        params = [memory[k : k + 4].detach().requires_grad_() for k in (0, 1, 2, 3, 4)]
        optimizer = AdamW(params, 0.1)

        def step() -> None:
            optimizer.zero_grad()
            sum((p * p).sum() for p in params).backward()
            optimizer.step()

        return step, lambda: [memory], lambda k: None

    assert_alike(build, 6)


def test_two_steps_of_parameters_that_two_optimizers_share() -> None:
    """What the second does comes after what it reads: a gradient that is made when the first has been here."""

    def build() -> tuple:
        minitorch.manual_seed(0)
        params = [minitorch.randn(3).requires_grad_() for _ in range(5)]
        optimizers = Adam(params, 0.1), AdamW(params, 0.2)

        def step() -> None:
            for optimizer in optimizers:
                optimizer.zero_grad()
                sum((p * p * p).sum() for p in params).backward()
                optimizer.step()

        return step, lambda: params, lambda k: None

    assert has_program(assert_alike(build, 6))


def test_an_argument_that_is_read_when_a_state_has_changed() -> None:
    """It may come to lie in that state's memory, and shows what was written then."""
    w = minitorch.zeros(4)

    @minitorch.compile
    def step(x: Tensor) -> Tensor:
        w.add_(1)
        return x * 1

    for _ in range(3):
        step(minitorch.ones(4))
    assert step(w.view(4)).tolist() == w.tolist() == [4.0] * 4


class Halving(Optimizer):
    """Half a step of steepest descent and half of its sign; there is no learning rate in it."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": 0.0})

    def _rule(self, group: dict, t: float, θ: Any, g: Any) -> None:
        θ -= 0.1 * g
        θ *= 1 - 0.1 / t
        θ += 0.01 * (g > 0) - 0.005


def test_two_optimizers_of_one_rule() -> None:
    """The second's gradients are made when the first has been here."""

    def build() -> tuple:
        minitorch.manual_seed(0)
        params = [minitorch.randn(3).requires_grad_() for _ in range(4)]
        optimizers = Halving(params[:2]), Halving(params[2:])

        def step() -> None:
            for optimizer in optimizers:
                optimizer.zero_grad()
                (params[0] * params[1] * params[2] * params[3]).sum().backward()
                optimizer.step()

        return step, lambda: params, lambda k: None

    assert has_program(assert_alike(build, 6))


def test_gradients_stay_as_they_are_handed_out() -> None:
    w = [minitorch.ones(2, requires_grad=True) for _ in range(5)]
    optimizer = Adam(w, 0.1)

    @minitorch.compile
    def step() -> None:
        optimizer.zero_grad()
        sum((p * p).sum() for p in w).backward()
        optimizer.step()

    for _ in range(4):
        step()
    kept, before = w[0].grad, w[0].grad.tolist()
    step()
    assert kept.tolist() == before != w[0].grad.tolist()


FAULTS = [
    Fault(side_by_side._Merger._each_number, "{i.writes: target}", "{}"),
    Fault(side_by_side._Merger._is_changed_alone, "len(uses) == len(in_place) <= 2", "True"),
    Fault(
        side_by_side._Merger.run, "if any(i.writes == self.first.columns[n] for i in self.first.instructions)", "if False"
    ),
    Fault(side_by_side._Merger._part_of, "self.ends[k - 1] if k else 0", "0"),
    Fault(side_by_side._lie_apart, "return all(len(owners[memory]) == 1 for memory in written)", "return True"),
    Fault(side_by_side.in_one_step, "step.item() != first", "False"),
    Fault(side_by_side.side_by_side, "(which, *part.key)", "(part.key[0][0], *part.key)"),
    Fault(Record.effect, "not any(i.effect for i in self.graph.instructions)", "True"),
    Fault(Program._changing_number, 'self.lines.append(f"{name}[()] = {number}")', "pass"),
    Fault(state.State._of_optimizer, "len({thing}.param_groups) == {len(optimizer.param_groups)}", "True"),
    Fault(state.State._of_optimizer, "f\"not ({' or '.join(hooks)})\"", '"True"'),
    Fault(state.State._of_optimizer, "{self.guard.thing(get)}({at}) == {self.guard.thing(get(burned_in))}", "True"),
    Fault(step.Compiled._recorded, "< RESTLESS", "< 99"),
    Fault(calls._reads_what_may_be_written, "not inputs.isdisjoint(graph.memory(place) for place in i.reads())", "False"),
    Fault(calls._reads_what_may_be_written, 'if target == "input":', "if False:"),
]


@cache
def all_checks() -> list[Callable[[], Any]]:
    """The tests of this file."""
    tables: list[tuple[Callable, Any]] = [(test_what_changes_between_steps_is_noticed, CHANGES), (test_optimizers, MAKERS)]
    rest = [
        test_a_rule_runs_once_over_all_small_parameters,
        test_a_learning_rate_that_is_scheduled_within_the_step,
        test_options_that_change_at_each_step_need_no_program_each,
        test_parameters_that_share_memory_go_one_after_another,
        test_two_steps_of_parameters_that_two_optimizers_share,
        test_two_optimizers_of_one_rule,
        test_an_argument_that_is_read_when_a_state_has_changed,
        test_gradients_stay_as_they_are_handed_out,
        checks.test_arguments_that_share_memory,
    ]
    return [*rest, *(lambda f=f, x=x: f(x) for f, rows in tables for x in rows)]


@pytest.mark.shortcuts  # one of the tests is about a twin
@pytest.mark.parametrize("fault", [pytest.param(f, id=str(f), marks=share_of(k % 4, 0, 1)) for k, f in enumerate(FAULTS)])
def test_a_check_notices(fault: Fault) -> None:
    assert_noticed(fault, all_checks())
