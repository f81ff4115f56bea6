"""RMSprop: steps in units of the gradient's size of late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_not_negative, descent, number, xp_for


class RMSprop(Optimizer):
    """v ← α v + (1 − α) g²,   θ ← θ − lr · g / (√v + ε)

    `momentum` μ: b ← μ b + g / (√v + ε), θ ← θ − lr · b. `centered`: √(v − a²) instead of √v, the standard deviation, where a is
    the running average of g. Hinton's lecture 6e (Coursera, 2012); centered: Graves (2013).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        options = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered}
        choice = {"capturable": capturable, "foreach": foreach, "maximize": maximize, "differentiable": differentiable}
        super().__init__(params, {**options, "weight_decay": weight_decay, **choice})

    def _rule(self, group: Group, t: float, θ: Any, g: Any, v: Any, *more: Any) -> None:
        α, ε, μ, lr, xp = group["alpha"], group["eps"], group["momentum"], number(group, group["lr"]), xp_for(θ)
        g = descent(group, θ, g)
        v *= α
        v += (1 - α) * g * g
        variance = v
        if group["centered"]:
            a = more[-1]
            a *= α
            a += (1 - α) * g
            variance = v - a * a
        step = g / (xp.sqrt(variance) + ε)
        if μ > 0:
            b = more[0]
            b *= μ
            b += step
            step = b
        θ -= lr * step

    def _remembers(self, group: Group) -> Sequence[str]:
        momentum = ["momentum_buffer"] if group["momentum"] > 0 else []
        return ["square_avg", *momentum, *(["grad_avg"] if group["centered"] else [])]
