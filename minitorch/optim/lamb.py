"""LAMB: Adam for very large batches, with a step per layer in proportion to the layer's weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_betas, check_not_negative, number, xp_for


class LAMB(Optimizer):
    """u = m̂ / (√v̂ + ε) + λ θ,   θ ← θ − lr · ‖θ‖ / ‖u‖ · u        (m̂, v̂ as in Adam; the ratio is 1 where a norm is 0)

    Each parameter moves by the same share `lr` of its norm, however large its gradient is, so that a learning rate which is right for
    one layer does not upset another. You et al. (2020), algorithm 2 with φ(z) = z. torch has none.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "maximize": maximize, "differentiable": differentiable})

    def _rule(self, group: Group, t: float, θ: Any, g: Any, m: Any, v: Any) -> None:
        (β1, β2), ε, λ, lr, xp = group["betas"], group["eps"], group["weight_decay"], number(group, group["lr"]), xp_for(θ)
        if group["maximize"]:
            g = -g
        m *= β1
        m += (1 - β1) * g
        v *= β2
        v += (1 - β2) * g * g
        u = (m / (1 - β1**t)) / (xp.sqrt(v / (1 - β2**t)) + ε) + λ * θ
        sizes = [xp.sqrt((x * x).sum()) for x in (θ * 1, u)]  # (× 1: of what is written to, backward needs a copy)
        ratio = sizes[0] / sizes[1] if all(size > 0 for size in sizes) else 1.0
        θ -= lr * ratio * u

    def _remembers(self, group: Group) -> Sequence[str]:
        return "exp_avg", "exp_avg_sq"
