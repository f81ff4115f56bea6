"""Adadelta: steps in units of the gradient's size, and of the size of earlier steps, so that no learning rate is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_not_negative, descent, number, xp_for


class Adadelta(Optimizer):
    """v ← ρ v + (1 − ρ) g²,   Δ = √(u + ε) / √(v + ε) · g,   u ← ρ u + (1 − ρ) Δ²,   θ ← θ − lr · Δ

    √u has the unit of θ and g/√v none, so Δ has the unit of θ, whatever the loss is measured in; `lr` is 1 in the paper.
    Zeiler (2012).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative(eps=eps, weight_decay=weight_decay)
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, {**options, "capturable": capturable, "foreach": foreach, "differentiable": differentiable})

    def _rule(self, group: Group, t: float, θ: Any, g: Any, v: Any, u: Any) -> None:
        ρ, ε, xp = group["rho"], group["eps"], xp_for(θ)
        g = descent(group, θ, g)
        v *= ρ
        v += (1 - ρ) * g * g
        change = xp.sqrt(u + ε) / xp.sqrt(v + ε) * g
        u *= ρ
        u += (1 - ρ) * change * change
        θ -= number(group, group["lr"]) * change

    def _remembers(self, group: Group) -> Sequence[str]:
        return "square_avg", "acc_delta"
