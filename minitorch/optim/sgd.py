"""Stochastic gradient descent, with momentum (torch's form: the learning rate multiplies the velocity)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.arrays.capturing import NotCapturable
from minitorch.optim.optimizer import Group, Optimizer, check_choice, check_one_element, descent, number, zeros_like
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
        for name, value in {"learning rate": lr, "momentum value": momentum, "weight_decay value": weight_decay}.items():
            if check_one_element("lr", value) < 0.0:  # nan passes, as in torch
                raise ValueError(f"Invalid {name}: {value}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        choice = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize, **choice})
        check_choice(foreach, fused, differentiable)

    def _rule(self, group: Group, first: bool, θ: Any, g: Any, b: Any = None) -> None:
        μ, τ, lr = group["momentum"], group["dampening"], number(group, group["lr"])
        g = descent(group, θ, g)
        if μ:
            if first:
                b[...] = g
            else:
                b *= μ
                b += (1 - τ) * g
            g = g + μ * b if group["nesterov"] else b
        θ -= lr * g

    def _remembers(self, group: Group) -> Sequence[str]:
        return ["momentum_buffer"] if group["momentum"] else []

    def _begin(self, param: Tensor, group: Group) -> bool:
        """Whether this is the first step, which fills the velocity b."""
        state = self.state[param] if group["momentum"] else {}
        if not group["momentum"] or state.get("momentum_buffer") is not None:
            return False
        state["momentum_buffer"] = zeros_like(param)
        return True

    def _will_begin(self, param: Tensor, group: Group) -> bool:
        if group["momentum"] and self.state.get(param, {}).get("momentum_buffer") is None:
            raise NotCapturable("the first step of SGD fills its momentum; make a step before the capture")
        return False
