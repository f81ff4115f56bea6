"""NAdam: Adam whose momentum looks one step ahead, as Nesterov's does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import (
    Group,
    Optimizer,
    check_betas,
    check_not_negative,
    descent,
    number,
    scalar,
    xp_for,
)
from minitorch.tensor import Tensor


class NAdam(Optimizer):
    """θ ← θ − lr · (μₜ₊₁ m / (1 − Πμ · μₜ₊₁) + (1 − μₜ) g / (1 − Πμ)) / (√v̂ + ε),   m, v, v̂ as in Adam

    The momentum grows with the step: μₜ = β₁ (1 − ½ · 0.96^(ψ t)), ψ = `momentum_decay`; Πμ is the product of those so far.
    Adam steps along the average m of this step; here the next step's share of it is taken already, and the gradient at its own.
    Dozat (2016).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps)
        check_betas(betas)
        check_not_negative(weight_decay=weight_decay, momentum_decay=momentum_decay)
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        flags = {"decoupled_weight_decay": decoupled_weight_decay, "maximize": maximize, "foreach": foreach}
        super().__init__(params, {**options, **flags, "capturable": capturable, "differentiable": differentiable})

    def _rule(self, group: Group, now: tuple[float, float], θ: Any, g: Any, m: Any, v: Any) -> None:
        (t, product), (β1, β2), ε, lr, xp = now, group["betas"], group["eps"], number(group, group["lr"]), xp_for(θ)
        if group["decoupled_weight_decay"]:
            θ *= 1 - lr * group["weight_decay"]
        g = descent(group, θ, g, decays=not group["decoupled_weight_decay"])
        m *= β1
        m += (1 - β1) * g
        v *= β2
        v += (1 - β2) * g * g
        root = xp.sqrt(v / (1 - β2**t)) + ε  # √v̂ + ε
        μ, ahead = self._momentum(group, t), self._momentum(group, t + 1)
        θ -= lr * (1 - μ) / (1 - product) * g / root
        θ -= lr * ahead / (1 - product * ahead) * m / root

    def _momentum(self, group: Group, t: float) -> float:
        """μₜ"""
        return group["betas"][0] * (1 - 0.5 * 0.96 ** (t * group["momentum_decay"]))

    def _remembers(self, group: Group) -> Sequence[str]:
        return "exp_avg", "exp_avg_sq"

    def _start(self, param: Tensor, group: Group) -> dict[str, Tensor]:
        step, *averages = super()._start(param, group).items()
        return dict([step, ("mu_product", scalar(1.0, group)), *averages])

    def _begin(self, param: Tensor, group: Group) -> tuple[float, float]:
        """The number of the step, and Πμ."""
        t = super()._begin(param, group)
        product = self.state[param]["mu_product"]._array
        product *= self._momentum(group, t)
        return t, product.item()
