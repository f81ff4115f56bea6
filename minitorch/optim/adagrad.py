"""Adagrad: steps in units of all gradients so far, so that rare features learn as fast as common ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import (
    Group,
    Optimizer,
    check_choice,
    check_not_negative,
    descent,
    number,
    scalar,
    xp_for,
    zeros_like,
)
from minitorch.tensor import Tensor


class Adagrad(Optimizer):
    """s ← s + g²,   θ ← θ − lr / (1 + (t − 1) η) · g / (√s + ε)        (η is `lr_decay`)

    s starts at `initial_accumulator_value`, and is there before the first step. It never forgets, so the steps shrink as 1/√t.
    Duchi, Hazan & Singer (2011).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative(
            lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, initial_accumulator_value=initial_accumulator_value, eps=eps
        )
        options = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        options["initial_accumulator_value"] = initial_accumulator_value
        choice = {"foreach": foreach, "maximize": maximize, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, **choice})
        check_choice(foreach, fused, differentiable)
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param].update(self._start(param, group))

    def _rule(self, group: Group, t: float, θ: Any, g: Any, s: Any) -> None:
        lr, η, ε, xp = number(group, group["lr"]), group["lr_decay"], group["eps"], xp_for(θ)
        g = descent(group, θ, g)
        s += g * g
        θ -= lr / (1 + (t - 1) * η) * g / (xp.sqrt(s) + ε)

    def _remembers(self, group: Group) -> Sequence[str]:
        return ("sum",)

    def _start(self, param: Tensor, group: Group) -> dict[str, Tensor]:
        """The state at first: t = 0 and s."""
        s = zeros_like(param)
        s._array.fill(group["initial_accumulator_value"])
        return {"step": scalar(0.0, group), "sum": s}

    def share_memory(self) -> None:
        """Move s to memory that other processes see when the optimizer is sent to them."""
        for state in self.state.values():
            state["sum"].share_memory_()
