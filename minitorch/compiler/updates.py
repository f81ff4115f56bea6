"""An optimizer's step, recorded as what its rule does to each parameter: for backends that put all of it into a few loops.

Numbers that change from step to step, the learning rate and the count of steps, stay numbers that change (`arrays/recorded.Number`). A
rule that asks which number it is, or an optimizer with a step of its own, is called as it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..arrays.recorded import array_of
from ..autograd.grad_mode import no_grad
from ..kernels.cpu.updates import has_loop
from ..optim import Optimizer

LARGE = 1 << 18  # bytes of a parameter


def can_be_followed(call: Callable) -> bool:
    """Whether a call is the step of an optimizer that does nothing but its rule, on the CPU, without a closure."""
    if not isinstance(call, partial) or len(call.args) != 1 or call.keywords or not isinstance(call.args[0], Optimizer):
        return False
    return is_plain(call.args[0])


def has_a_loop(call: partial) -> bool:
    """Whether a step is best called as it stands by a NumPy program: it goes over large parameters once each, by loops in C."""
    optimizer = call.args[0]
    arrays = [array_of(p._array) for group in optimizer.param_groups for p in group["params"]]
    return any(a.nbytes >= LARGE and has_loop(optimizer, a.dtype) for a in arrays)


def is_plain(optimizer: Optimizer) -> bool:
    """Whether the optimizer's step is nothing but its rule, for each parameter."""
    kind = type(optimizer)
    if kind.step is not Optimizer.step or kind._update is not Optimizer._update:
        return False
    if optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks:
        return False
    return all(_is_a_plain_group(group) for group in optimizer.param_groups)


def _is_a_plain_group(group: dict[str, Any]) -> bool:
    return type(group.get("lr")) is float and not any(group.get(name) for name in ("differentiable", "capturable", "fused"))


def options_of(optimizers: list[Optimizer]) -> list[dict[str, Any]]:
    """The numbers among the options of all groups."""
    numbers = (bool, int, float, tuple)
    return [{k: v for k, v in group.items() if isinstance(v, numbers)} for o in optimizers for group in o.param_groups]


def is_moved(group: dict[str, Any], option: str) -> bool:
    """Whether a schedule moves an option beside the learning rate: the momentum, or the first of the betas (OneCycleLR, CyclicLR)."""
    if "max_momentum" not in group:
        return False
    return (
        type(group[option][0]) is float
        if option == "betas" and "betas" in group
        else type(group.get(option)) is float and group[option] > 0
    )


def follow(record: Any, optimizer: Optimizer) -> bool:
    """Run the rule on recorded arrays; False, and nothing done, if a parameter has no state yet: the next step will be another one."""
    todo = [(p, group) for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if any(optimizer._start_is_needed(p, group) for p, group in todo):
        return False
    began = len(record.graph.instructions)
    with no_grad(), np.errstate(all="ignore"):
        for param, group in todo:
            record.part = began, getattr(param._array, "place", -1)
            now = optimizer._begin(param, group)
            told = {**group, "lr": record.option(group, "lr")}
            if is_moved(group, "momentum"):
                told["momentum"] = record.option(group, "momentum", is_positive=True)
            if is_moved(group, "betas"):
                told["betas"] = (record.option(group, "betas", 0), *group["betas"][1:])
            optimizer._rule(told, now, param._array, param.grad._array, *optimizer._memory(param, group))
            param._bump()
    optimizer._opt_called = True
    return True
