"""Adamax: Adam with the largest gradient of late, instead of the root of the mean square."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_betas, check_not_negative, descent, number, xp_for


class Adamax(Optimizer):
    """m ← β₁ m + (1 − β₁) g,   u ← max(β₂ u, |g| + ε),   θ ← θ − lr / (1 − β₁ᵗ) · m / u

    u is the limit of (Σ β₂ᵖ |g|ᵖ)^(1/p) for p → ∞; it starts at the first gradient, so that only m needs a correction.
    Kingma & Ba (2015), section 7.1.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay)
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "foreach": foreach}
        super().__init__(
            params, {**options, "maximize": maximize, "differentiable": differentiable, "capturable": capturable}
        )

    def _rule(self, group: Group, t: float, θ: Any, g: Any, m: Any, u: Any) -> None:
        (β1, β2), ε, xp = group["betas"], group["eps"], xp_for(θ)
        g = descent(group, θ, g)
        m *= β1
        m += (1 - β1) * g
        u[...] = xp.maximum(β2 * u, xp.abs(g) + ε)
        θ -= number(group, group["lr"]) / (1 - β1**t) * m / u

    def _remembers(self, group: Group) -> Sequence[str]:
        return "exp_avg", "exp_inf"
