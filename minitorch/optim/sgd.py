"""Stochastic gradient descent, with momentum (torch's form: the learning rate multiplies the velocity)."""

from __future__ import annotations

from typing import Any

from minitorch.arrays.device import xp_of
from minitorch.optim.optimizer import Group, Optimizer, check_choice
from minitorch.tensor import Tensor


class SGD(Optimizer):
    """b ← μ b + (1 − τ) g,   θ ← θ − lr · b        (without momentum: θ ← θ − lr · g)

    μ `momentum`, τ `dampening`; `weight_decay` λ adds λθ to g; `nesterov` steps along g + μb; `maximize` ascends.
    The first b is g itself, undampened. Sutskever et al. (2013) put lr inside b instead.

    >>> x = minitorch.tensor([1.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> SGD([x], lr=0.1).step()
    >>> x
    tensor([0.8000], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        choice = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize, **choice})
        check_choice(foreach, fused, differentiable)

    def _rule(self, group: Group, first: bool, θ: Any, g: Any, b: Any = None) -> None:
        μ, τ, λ = group["momentum"], group["dampening"], group["weight_decay"]
        if group["maximize"]:
            g = -g
        if λ:
            g = g + λ * θ
        if μ:
            if first:
                b[...] = g
            else:
                b *= μ
                b += (1 - τ) * g
            g = g + μ * b if group["nesterov"] else b
        θ -= float(group["lr"]) * g

    def _begin(self, param: Tensor, group: Group) -> tuple[bool, tuple]:
        """Whether this is the first step, and the velocity b, which the first step fills."""
        if not group["momentum"]:
            return False, ()
        state = self.state[param]
        first = state.get("momentum_buffer") is None
        if first:
            state["momentum_buffer"] = Tensor._wrap(xp_of(param._array).zeros_like(param._array))
        return first, (state["momentum_buffer"]._array,)
