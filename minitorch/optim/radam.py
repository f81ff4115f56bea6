"""RAdam: Adam that steps by momentum alone until its estimate of the gradient's size can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_betas, check_not_negative, descent, number, xp_for


class RAdam(Optimizer):
    """θ ← θ − lr · m̂ · r · √(1 − β₂ᵗ) / (√v + ε)   once ρₜ > 5,   θ ← θ − lr · m̂   before

    ρₜ = ρ∞ − 2t β₂ᵗ / (1 − β₂ᵗ) with ρ∞ = 2 / (1 − β₂) − 1 says how many gradients v is an average of; with few of them 1/√v is so
    uncertain that r = √((ρₜ − 4)(ρₜ − 2) ρ∞ / ((ρ∞ − 4)(ρ∞ − 2) ρₜ)) must hold it back. That does what a warm-up of lr does.
    Liu et al. (2020).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        choice = {"foreach": foreach, "capturable": capturable}
        last = {"decoupled_weight_decay": decoupled_weight_decay, "differentiable": differentiable}
        super().__init__(params, {**options, **choice, **last})

    def _rule(self, group: Group, t: float, θ: Any, g: Any, m: Any, v: Any) -> None:
        (β1, β2), ε, lr, xp = group["betas"], group["eps"], number(group, group["lr"]), xp_for(θ)
        if group["decoupled_weight_decay"]:
            θ *= 1 - lr * group["weight_decay"]
        g = descent(group, θ, g, decays=not group["decoupled_weight_decay"])
        m *= β1
        m += (1 - β1) * g
        v *= β2
        v += (1 - β2) * g * g
        step = lr * (m / (1 - β1**t))  # lr · m̂
        ρ_inf = 2 / (1 - β2) - 1
        ρ = ρ_inf - 2 * t * β2**t / (1 - β2**t)
        if ρ > 5:
            r = ((ρ - 4) * (ρ - 2) * ρ_inf / ((ρ_inf - 4) * (ρ_inf - 2) * ρ)) ** 0.5
            step = step * (r * (1 - β2**t) ** 0.5 / (xp.sqrt(v) + ε))
        θ -= step

    def _remembers(self, group: Group) -> Sequence[str]:
        return "exp_avg", "exp_avg_sq"
