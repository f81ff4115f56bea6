"""Learning-rate schedules and averaged models: rates, momenta, states, warnings and errors are torch's, to the last bit."""

from __future__ import annotations

import copy
import io
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from both import Scenarios, assert_runs_the_same, assert_same_complaint
from minitorch.nn.modules.batchnorm import _BatchNorm
from reference import schedules


class Halving:
    """A function of the epoch with a state, as an object that can be called."""

    def __init__(self, share: float) -> None:
        self.share = share

    def __call__(self, epoch: float) -> float:
        return self.share**epoch


def s(lib: Any) -> Any:
    return lib.optim.lr_scheduler


SCHEDULES = {
    "LambdaLR": lambda lib, opt: s(lib).LambdaLR(opt, lambda epoch: 1 / (epoch + 1)),
    "LambdaLR, several": lambda lib, opt: s(lib).LambdaLR(opt, [Halving(0.5), lambda epoch: 0.9**epoch]),
    "MultiplicativeLR": lambda lib, opt: s(lib).MultiplicativeLR(opt, Halving(0.99)),
    "StepLR": lambda lib, opt: s(lib).StepLR(opt, 3, gamma=0.5),
    "MultiStepLR": lambda lib, opt: s(lib).MultiStepLR(opt, [7, 2, 7], gamma=0.3),
    "ConstantLR": lambda lib, opt: s(lib).ConstantLR(opt, 0.3, 4),
    "LinearLR": lambda lib, opt: s(lib).LinearLR(opt, 0.1, 0.7, 6),
    "ExponentialLR": lambda lib, opt: s(lib).ExponentialLR(opt, 0.9),
    "PolynomialLR": lambda lib, opt: s(lib).PolynomialLR(opt, 6, 1.7),
    "CosineAnnealingLR": lambda lib, opt: s(lib).CosineAnnealingLR(opt, 4, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda lib, opt: s(lib).CosineAnnealingWarmRestarts(opt, 3, 2, 0.01),
    "CosineAnnealingWarmRestarts, alike": lambda lib, opt: s(lib).CosineAnnealingWarmRestarts(opt, 3),
    "CyclicLR": lambda lib, opt: s(lib).CyclicLR(opt, 0.01, 0.1, 3, 4),
    "CyclicLR, triangular2": lambda lib, opt: s(lib).CyclicLR(opt, [0.01, 0.02], [0.1, 0.3], 2, mode="triangular2"),
    "CyclicLR, exp_range": lambda lib, opt: s(lib).CyclicLR(opt, 0.01, 0.1, 3, mode="exp_range", gamma=0.9),
    "CyclicLR, own scale": lambda lib, opt: s(lib).CyclicLR(
        opt, 0.01, 0.1, 3, scale_fn=Halving(0.7), scale_mode="iterations", cycle_momentum=False
    ),
    "OneCycleLR": lambda lib, opt: s(lib).OneCycleLR(opt, 0.5, total_steps=20),
    "OneCycleLR, straight": lambda lib, opt: s(lib).OneCycleLR(
        opt, [0.5, 0.1], epochs=5, steps_per_epoch=4, anneal_strategy="linear", three_phase=True, pct_start=0.2
    ),
    "SequentialLR": lambda lib, opt: s(lib).SequentialLR(
        opt, [s(lib).ConstantLR(opt, 0.1, 3), s(lib).ExponentialLR(opt, 0.9), s(lib).StepLR(opt, 2)], [4, 9]
    ),
    "SequentialLR, from the second": lambda lib, opt: s(lib).SequentialLR(
        opt, [s(lib).LinearLR(opt), s(lib).CosineAnnealingLR(opt, 5)], [0]
    ),
    "SequentialLR of SequentialLR": lambda lib, opt: s(lib).SequentialLR(
        opt,
        [s(lib).SequentialLR(opt, [s(lib).LinearLR(opt), s(lib).StepLR(opt, 2)], [3]), s(lib).ExponentialLR(opt, 0.5)],
        [6],
    ),
    "ChainedScheduler": lambda lib, opt: s(lib).ChainedScheduler(
        [s(lib).ConstantLR(opt, 0.1, 3), s(lib).ExponentialLR(opt, 0.9)]
    ),
    "SWALR": lambda lib, opt: lib.optim.swa_utils.SWALR(opt, 0.05, anneal_epochs=4),
    "SWALR, straight": lambda lib, opt: lib.optim.swa_utils.SWALR(opt, [0.05, 0.2], 3, "linear"),
    "SWALR, at once": lambda lib, opt: lib.optim.swa_utils.SWALR(opt, 0.05, 0),
}
SHORT = 21  # epochs, as many as OneCycleLR has


def leaf(lib: Any, *values: float) -> Any:
    return lib.tensor(list(values or (1.0, 2.0)), requires_grad=True)


def optimizer_of(lib: Any, kind: str = "SGD", tensors: bool = False) -> Any:
    """An optimizer of two groups with rates of their own, which may be tensors."""
    rates = [lib.tensor(0.1, dtype=lib.float64), lib.tensor(0.3, dtype=lib.float64)] if tensors else [0.1, 0.3]
    more = {"momentum": 0.9} if kind == "SGD" else {}
    groups = [{"params": leaf(lib), "lr": rates[0]}, {"params": leaf(lib), "lr": rates[1]}]
    return getattr(lib.optim, kind)(groups, **more)


def made(name: str, lib: Any, optimizer: Any) -> Any:
    """The schedule; what it warns of when it is made is looked at elsewhere."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SCHEDULES[name](lib, optimizer)


def seen(optimizer: Any) -> list[Any]:
    """Rates and momenta, as numbers."""
    return [
        [float(g["lr"]), *(float(x) for x in g.get("betas", ())), *([g["momentum"]] if "momentum" in g else [])]
        for g in optimizer.param_groups
    ]


def told(schedule: Any, optimizer: Any, epochs: int = SHORT) -> list[Any]:
    """What the groups hold in each epoch."""
    history = []
    for _ in range(epochs - 1):
        history.append(seen(optimizer))
        optimizer.step()
        schedule.step()
        assert [float(lr) for lr in schedule.get_last_lr()] == [float(g["lr"]) for g in optimizer.param_groups]
    return [*history, seen(optimizer)]


def plain(state: Any) -> Any:
    """A state with tensors as numbers."""
    if isinstance(state, dict):
        return {key: plain(value) for key, value in state.items() if key != "anneal_func"}
    if isinstance(state, (list, tuple)):
        return [plain(value) for value in state]
    return state.item() if isinstance(state, (minitorch.Tensor, torch.Tensor)) else state


@pytest.mark.parametrize("tensors", [False, True], ids=["numbers", "tensors"])
@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_rates_and_states_equal_torchs_exactly(name: str, kind: str, tensors: bool) -> None:
    if tensors and name.startswith("CyclicLR"):
        tensors = False  # torch writes a list of rates there, not tensors
    results = []
    for lib in (minitorch, torch):
        optimizer = optimizer_of(lib, kind, tensors)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            schedule = SCHEDULES[name](lib, optimizer)
        history = [len(caught), *told(schedule, optimizer)]
        results.append((history, plain(schedule.state_dict())))
    (ours, our_state), (theirs, their_state) = results
    assert ours == theirs
    assert our_state == their_state


@pytest.mark.parametrize(
    "name", [name for name in SCHEDULES if "SWALR" not in name and "Sequential" not in name and "Chained" not in name]
)
def test_a_step_to_an_epoch_is_the_closed_form(name: str) -> None:
    results = []
    for lib in (minitorch, torch):
        optimizer = optimizer_of(lib)
        schedule, history = SCHEDULES[name](lib, optimizer), []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for epoch in (5, 2, 11, 0, 3, 3):
                optimizer.step()
                schedule.step(epoch)
                history.append(seen(optimizer))
        results.append((history, [warning.category for warning in caught]))
    assert results[0] == results[1]


@pytest.mark.parametrize("name", SCHEDULES)
def test_states_load_in_either_library(name: str) -> None:
    """Half-way each goes on from the other's state."""
    halves = {}
    for lib in (minitorch, torch):
        optimizer = optimizer_of(lib)
        schedule = made(name, lib, optimizer)
        told(schedule, optimizer, 8)
        halves[lib] = schedule.state_dict(), [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups]
    results = []
    for lib, other in ((minitorch, torch), (torch, minitorch)):
        state, groups = copy.deepcopy(halves[other])
        optimizer = optimizer_of(lib)
        schedule = made(name, lib, optimizer)
        schedule.load_state_dict(state)
        for group, options in zip(optimizer.param_groups, groups):
            group.update(options)
        results.append(told(schedule, optimizer, 12))
    assert results[0] == results[1]


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("threshold_mode", ["rel", "abs"])
def test_plateaus_are_torchs(mode: str, threshold_mode: str) -> None:
    rng = np.random.default_rng(0)
    metrics = [3.0, 2.0, 2.0, 1.99, 2.5, 2.5, *rng.standard_normal(40).round(1).tolist(), float("nan"), 1.0, 1.0]
    options = {"mode": mode, "threshold_mode": threshold_mode, "factor": 0.5, "patience": 1, "threshold": 0.1, "cooldown": 2}
    results = []
    for lib in (minitorch, torch):
        optimizer, history = optimizer_of(lib), []
        schedule = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options, min_lr=[1e-3, 0.05], eps=1e-3)
        for metric in metrics:
            schedule.step(lib.tensor(metric) if metric == 2.0 else metric)
            history.append((seen(optimizer), schedule.in_cooldown, schedule.get_last_lr()))
        results.append((history, schedule.state_dict()))
        fresh = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
        fresh.load_state_dict(schedule.state_dict())
        assert fresh.state_dict() == schedule.state_dict()
    assert results[0] == results[1]


# ---- what is refused ----

BAD = {
    "not an optimizer": lambda lib, opt: s(lib).StepLR(leaf(lib), 2),
    "one factor for two groups": lambda lib, opt: s(lib).LambdaLR(opt, [lambda epoch: 1.0]),
    "a factor that is no function": lambda lib, opt: s(lib).MultiplicativeLR(opt, [0.5, 0.5]),
    "a constant factor above 1": lambda lib, opt: s(lib).ConstantLR(opt, 1.5),
    "a start of 0": lambda lib, opt: s(lib).LinearLR(opt, 0.0),
    "an end above 1": lambda lib, opt: s(lib).LinearLR(opt, end_factor=1.1),
    "T_0 of 0": lambda lib, opt: s(lib).CosineAnnealingWarmRestarts(opt, 0),
    "T_mult of 0": lambda lib, opt: s(lib).CosineAnnealingWarmRestarts(opt, 2, 0),
    "eta_min as text": lambda lib, opt: s(lib).CosineAnnealingWarmRestarts(opt, 2, 1, "x"),
    "a step before 0": lambda lib, opt: s(lib).CosineAnnealingWarmRestarts(opt, 2).step(-1),
    "one base rate for two groups": lambda lib, opt: s(lib).CyclicLR(opt, [0.1], 0.2),
    "an unknown mode": lambda lib, opt: s(lib).CyclicLR(opt, 0.1, 0.2, mode="square"),
    "no momentum": lambda lib, opt: s(lib).CyclicLR(lib.optim.Adagrad([leaf(lib)]), 0.1, 0.2),
    "no number of steps": lambda lib, opt: s(lib).OneCycleLR(opt, 0.1),
    "no steps": lambda lib, opt: s(lib).OneCycleLR(opt, 0.1, total_steps=0),
    "epochs of 1.5": lambda lib, opt: s(lib).OneCycleLR(opt, 0.1, epochs=1.5, steps_per_epoch=2),
    "a share above 1": lambda lib, opt: s(lib).OneCycleLR(opt, 0.1, total_steps=5, pct_start=1.5),
    "an unknown way down": lambda lib, opt: s(lib).OneCycleLR(opt, 0.1, total_steps=5, anneal_strategy="sine"),
    "too many steps": lambda lib, opt: told(s(lib).OneCycleLR(opt, 0.1, total_steps=3), opt, 6),
    "a plateau's factor of 1": lambda lib, opt: s(lib).ReduceLROnPlateau(opt, factor=1.0),
    "a plateau's mode": lambda lib, opt: s(lib).ReduceLROnPlateau(opt, mode="mean"),
    "a plateau's threshold mode": lambda lib, opt: s(lib).ReduceLROnPlateau(opt, threshold_mode="mean"),
    "a plateau's least rates": lambda lib, opt: s(lib).ReduceLROnPlateau(opt, min_lr=[0.1]),
    "no schedules": lambda lib, opt: s(lib).SequentialLR(opt, [], []),
    "a chain of none": lambda lib, opt: s(lib).ChainedScheduler([]),
    "too many milestones": lambda lib, opt: s(lib).SequentialLR(opt, [s(lib).StepLR(opt, 2)], [3]),
    "a plateau in a chain": lambda lib, opt: s(lib).ChainedScheduler([s(lib).ReduceLROnPlateau(opt)]),
    "SWALR's way": lambda lib, opt: lib.optim.swa_utils.SWALR(opt, 0.1, anneal_strategy="sine"),
    "SWALR's epochs": lambda lib, opt: lib.optim.swa_utils.SWALR(opt, 0.1, -1),
    "a decay above 1": lambda lib, opt: lib.optim.swa_utils.get_ema_avg_fn(1.5),
    "two averages": lambda lib, opt: lib.optim.swa_utils.AveragedModel(lib.nn.Linear(1, 1), None, len, len),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_calls_fail_as_in_torch(name: str) -> None:
    def build(lib: Any) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            BAD[name](lib, optimizer_of(lib))
        return "no error"

    assert_same_complaint(build)


@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "ExponentialLR", "LinearLR", "PolynomialLR", "MultiStepLR"])
def test_schedules_resume_at_an_epoch(name: str) -> None:
    """From the optimizer's state and `last_epoch` alone."""

    def resumed(lib: Any) -> list[Any]:
        optimizer = optimizer_of(lib)
        told(SCHEDULES[name](lib, optimizer), optimizer, 6)
        fresh = optimizer_of(lib)
        fresh.load_state_dict(optimizer.state_dict())
        options = {"MultiStepLR": {"milestones": [7, 9]}, "ExponentialLR": {"gamma": 0.9}, "StepLR": {"step_size": 3}}
        given = options.get(name, {"T_max": 4} if name == "CosineAnnealingLR" else {})
        return told(getattr(s(lib), name)(fresh, **given, last_epoch=5), fresh, 6)

    assert resumed(minitorch) == resumed(torch)


def test_resuming_without_the_optimizers_state_is_refused() -> None:
    for lib in (minitorch, torch):
        with pytest.raises(KeyError, match="initial_lr"):
            s(lib).StepLR(optimizer_of(lib), 2, last_epoch=3)


def test_stepping_the_schedule_first_warns() -> None:
    for lib in (minitorch, torch):
        schedule = s(lib).StepLR(optimizer_of(lib), 2)
        with pytest.warns(UserWarning, match="before `optimizer.step"):
            schedule.step()
        with pytest.warns(UserWarning, match="get_last_lr"):
            schedule.get_lr()


# ---- averaged models ----

scenarios = Scenarios()


def batch_norm_model(lib: Any) -> Any:
    lib.manual_seed(0)
    return lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.ReLU(), lib.nn.Linear(4, 2)).double()


def averaged(lib: Any, **options: Any) -> Any:
    """The states of an averaged model while a model trains."""
    model = batch_norm_model(lib)
    average, states = lib.optim.swa_utils.AveragedModel(model, **options), []
    for step in range(4):
        with lib.no_grad():
            for param in model.parameters():
                param.mul_(0.5).add_(step)
            model(lib.arange(12, dtype=lib.float64).reshape(4, 3) * (step + 1))
        average.update_parameters(model)
        states.append({name: value.clone() for name, value in average.state_dict().items()})
    return states


@scenarios.add
def the_mean_of_all(lib):
    return averaged(lib)


@scenarios.add
def a_moving_average(lib):
    return averaged(lib, avg_fn=lib.optim.swa_utils.get_ema_avg_fn(0.9))


@scenarios.add
def averages_of_many(lib):
    return averaged(lib, multi_avg_fn=lib.optim.swa_utils.get_ema_multi_avg_fn(0.9)), averaged(
        lib, multi_avg_fn=lib.optim.swa_utils.get_swa_multi_avg_fn()
    )


@scenarios.add
def buffers_too(lib):
    return averaged(lib, use_buffers=True)


@scenarios.add
def statistics_of_batch_norms_anew(lib):
    model = batch_norm_model(lib)
    batches = [
        lib.arange(12, dtype=lib.float64).reshape(4, 3),
        (lib.ones(4, 3, dtype=lib.float64) * lib.arange(4).unsqueeze(1), "a label"),
    ]
    model.eval()
    lib.optim.swa_utils.update_bn(batches, model)
    lib.optim.swa_utils.update_bn(batches, lib.nn.Linear(3, 1))
    return model.state_dict(), model.training, model[1].momentum


@scenarios.parametrize
def test_behaves_as_torch(scenario):
    assert_runs_the_same(scenario)


def test_batch_norms_are_found_by_their_base() -> None:
    assert issubclass(minitorch.nn.BatchNorm2d, _BatchNorm)


def test_a_state_of_a_schedule_goes_through_a_file() -> None:
    optimizer = optimizer_of(minitorch)
    schedule = SCHEDULES["SequentialLR"](minitorch, optimizer)
    file = io.BytesIO()
    minitorch.save(schedule.state_dict(), file)
    file.seek(0)
    assert minitorch.load(file) == schedule.state_dict()


def test_the_page_and_its_picture_are_current_and_show_every_schedule() -> None:
    assert (schedules.DOCS / "schedules.svg").read_text(encoding="utf-8") == schedules.picture()
    assert (schedules.DOCS / "schedules.md").read_text(encoding="utf-8") == schedules.page()
    shown = {call.split("(")[0].removeprefix("swa_utils.") for call in schedules.SCHEDULES}
    assert shown == {*minitorch.optim.lr_scheduler.__all__, "SWALR"} - {"LRScheduler"}
