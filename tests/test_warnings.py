"""A warning points at the line of the user that led to it, whether a function noticed or a layer that called it."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import minitorch

SCENES: dict[str, Callable[[Any], Any]] = {
    "a loss of mismatched shapes": lambda lib: lib.nn.functional.mse_loss(lib.ones(2, 1), lib.ones(2)),
    "a layer of it": lambda lib: lib.nn.MSELoss()(lib.ones(2, 1), lib.ones(2)),
    "smooth_l1_loss": lambda lib: lib.nn.functional.smooth_l1_loss(lib.ones(2, 1), lib.ones(2)),
    "HuberLoss": lambda lib: lib.nn.HuberLoss()(lib.ones(2, 1), lib.ones(2)),
    "size_average": lambda lib: lib.nn.functional.l1_loss(lib.ones(2), lib.ones(2), size_average=False),
    "kl_div": lambda lib: lib.nn.functional.kl_div(lib.zeros(2), lib.ones(2)),
    "a softmax without dim": lambda lib: lib.nn.functional.softmax(lib.ones(2)),
    "the gradient of no leaf": lambda lib: (lib.ones(2, requires_grad=True) * 2).grad,
    "a schedule before a step": lambda lib: schedule(lib).step(),
    "anomaly mode": lambda lib: lib.autograd.detect_anomaly(),
    "an empty initialisation": lambda lib: lib.nn.init.kaiming_uniform_(lib.ones(0, 2)),
}


def schedule(lib: Any) -> Any:
    return lib.optim.lr_scheduler.StepLR(lib.optim.SGD([lib.ones(1, requires_grad=True)], 0.1), 1)


@pytest.mark.parametrize("scene", SCENES)
def test_points_at_the_users_line(scene: str) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        SCENES[scene](minitorch)
    line = inspect.getsourcelines(SCENES[scene])[1]
    assert [(w.filename, w.lineno) for w in told] == [(__file__, line)]


@pytest.mark.parametrize("scene", SCENES)
def test_torch_warns_too(scene: str) -> None:
    with pytest.warns(UserWarning):
        SCENES[scene](torch)
