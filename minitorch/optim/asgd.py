"""ASGD: gradient descent whose answer is the average of where it went."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_not_negative, descent, scalar
from minitorch.tensor import Tensor


class ASGD(Optimizer):
    """θ ← (1 − λ η) θ − η g,   a ← a + μ (θ − a),   η = lr / (1 + λ lr t)^α,   μ = 1 / max(1, t − t₀)

    λ is `lambd`. a, `state["ax"]`, is the average of all θ after step t₀ (before, θ itself): the noise of the gradients cancels in it.
    Polyak & Juditsky (1992).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, weight_decay=weight_decay)
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        choice = {"foreach": foreach, "maximize": maximize, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**options, **choice})

    def _rule(self, group: Group, now: tuple[float, float], θ: Any, g: Any, a: Any) -> None:
        (η, μ), λ = now, group["lambd"]
        g = descent(group, θ, g)
        θ *= 1 - λ * η
        θ -= η * g
        a += μ * (θ - a)

    def _remembers(self, group: Group) -> Sequence[str]:
        return ("ax",)

    def _start(self, param: Tensor, group: Group) -> dict[str, Tensor]:
        numbers = {"step": scalar(0.0, group), "eta": scalar(float(group["lr"]), group), "mu": scalar(1.0, group)}
        return {**numbers, "ax": super()._start(param, group)["ax"]}

    def _begin(self, param: Tensor, group: Group) -> tuple[float, float]:
        """η and μ of this step; the state gets those of the next."""
        t, state = super()._begin(param, group), self.state[param]
        now = state["eta"].item(), state["mu"].item()
        lr, λ = float(group["lr"]), group["lambd"]
        number = state["step"] if group["foreach"] else t  # (all at once torch computes η in the dtype of the state)
        after = {"eta": float(lr / (1 + λ * lr * number) ** group["alpha"]), "mu": 1 / max(1, t - group["t0"])}
        for name, value in after.items():  # rounded as numbers of the state are, also where a loaded state is finer
            state[name]._array.fill(scalar(value, group).item())
        return now
