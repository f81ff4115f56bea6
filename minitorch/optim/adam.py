"""Adam: a gradient step in units of the gradient's own size, estimated by running averages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.optim.optimizer import Group, Optimizer, check_betas, check_choice, check_not_negative, number, xp_for
from minitorch.tensor import Tensor


class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,   θ ← θ − lr · m̂ / (√v̂ + ε)

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo the start at zero: without them the first steps would be far too small
    (m) or large (v). ε stands outside the root. `weight_decay` λ adds λθ to g; with `decoupled_weight_decay` (AdamW) it
    shrinks θ by lr·λ instead, so that v does not divide it. `amsgrad` uses the largest v so far.
    Kingma & Ba (2015); Reddi et al. (2018).

    >>> x = minitorch.tensor([1.0, 100.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> Adam([x], lr=0.1).step()
    >>> x.grad, x  # the size of a gradient does not matter, only its sign and how steady it is
    (tensor([  2., 200.]), tensor([ 0.9000, 99.9000], requires_grad=True))
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        for name, value in {"lr": lr, "betas[0]": betas[0], "betas[1]": betas[1]}.items():
            if isinstance(value, Tensor) and foreach and not capturable:
                raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
            if isinstance(value, Tensor) and value.numel() != 1:
                raise ValueError(f"Tensor {name} must be 1-element, got shape {tuple(value.shape)}")
        check_not_negative(lr=lr, eps=eps, weight_decay=weight_decay)
        check_betas(betas)
        if not any(all(isinstance(beta, kind) for beta in betas) for kind in (float, Tensor)):
            raise ValueError("betas must be either both floats or both Tensors")
        betas = tuple(beta.squeeze() if isinstance(beta, Tensor) else beta for beta in betas)  # type: ignore[assignment]
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        choice = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        flags = {"maximize": maximize, **choice, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, {**options, **flags})
        check_choice(foreach, fused, differentiable)

    def _rule(self, group: Group, t: float, θ: Any, g: Any, m: Any, v: Any, largest: Any = None) -> None:
        # (What follows from lr and the betas alone is computed in their dtype, if they are tensors.)
        (β1, β2), ε, lr, λ, xp = group["betas"], group["eps"], group["lr"], group["weight_decay"], xp_for(θ)
        if group["maximize"]:
            g = -g
        if λ and group["decoupled_weight_decay"]:
            θ *= number(group, 1 - lr * λ)
        elif λ:
            g = g + λ * θ
        # In one piece of memory: a new one for each operation would cost as much again.
        room = None if group["differentiable"] else xp.empty_like(v)
        m *= number(group, β1)
        m += xp.multiply(g, 1 - number(group, β1), out=room)
        v *= number(group, β2)
        change = xp.multiply(g, number(group, 1 - β2), out=room)
        v += xp.multiply(change, g, out=room)
        if largest is not None:
            v = xp.maximum(largest * 1, v)  # (× 1: of what is written to, backward needs a copy)
            largest[...] = v
        # θ ← θ − lr · m̂ / (√v̂ + ε)
        change = xp.sqrt(v, out=room)  # √v
        change = xp.divide(change, number(group, (1 - β2**t) ** 0.5), out=room)  # √v̂
        change = xp.add(change, ε, out=room)  # √v̂ + ε
        change = xp.divide(m, change, out=room)  # m / (√v̂ + ε)
        change = xp.multiply(change, number(group, lr / (1 - β1**t)), out=room)  # lr · m̂ / (√v̂ + ε)
        θ -= change

    def _remembers(self, group: Group) -> Sequence[str]:
        return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")[: 3 if group["amsgrad"] else 2]
