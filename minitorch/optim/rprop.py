"""Rprop: only the sign of a gradient counts; each number has a step size of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_not_negative, xp_for
from minitorch.tensor import Tensor


class Rprop(Optimizer):
    """Δ ← Δ · η⁺ where g has kept its sign, Δ · η⁻ where it has changed, within `step_sizes`;   θ ← θ − sign(g) · Δ

    `etas` are (η⁻, η⁺), and Δ starts at lr. Where the sign has changed, a minimum was passed: there g counts as 0 in this step and
    as the one before in the next. For full batches: noise changes signs too. Riedmiller & Braun (1993).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        options = {"lr": lr, "etas": etas, "step_sizes": step_sizes, "foreach": foreach, "maximize": maximize}
        super().__init__(params, {**options, "differentiable": differentiable, "capturable": capturable})

    def _rule(self, group: Group, t: float, θ: Any, g: Any, before: Any, size: Any) -> None:
        (η_minus, η_plus), (least, most), xp = group["etas"], group["step_sizes"], xp_for(θ)
        if group["maximize"]:
            g = -g
        same = g * (before * 1)  # (× 1: of what is written to, backward needs a copy)
        turned = same < 0
        size[...] = xp.clip(xp.where(turned, η_minus * size, xp.where(same > 0, η_plus * size, size)), least, most)
        g = xp.where(turned, xp.zeros_like(g), g)
        θ -= xp.sign(g) * size
        before[...] = g

    def _remembers(self, group: Group) -> Sequence[str]:
        return "prev", "step_size"

    def _start(self, param: Tensor, group: Group) -> dict[str, Tensor]:
        state = super()._start(param, group)
        state["step_size"]._array.fill(float(group["lr"]))
        return state
