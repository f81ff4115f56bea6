"""AdamW: Adam whose weight decay does not pass through the running averages."""

from __future__ import annotations

from typing import Any

from minitorch.optim.adam import Adam


class AdamW(Adam):
    """θ ← θ − lr · λ · θ,   then the step of Adam        (λ is `weight_decay`)

    In Adam the term λθ is part of g and so is divided by √v̂: weights with large gradients hardly decay. Here every
    weight decays at the same rate. Loshchilov & Hutter (2019).

    >>> x = minitorch.tensor([1.0], requires_grad=True)
    >>> x.grad = minitorch.tensor([0.0])
    >>> AdamW([x], lr=0.1, weight_decay=0.5).step()
    >>> x
    tensor([0.9500], requires_grad=True)
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, foreach=foreach, capturable=capturable,
            differentiable=differentiable, fused=fused, decoupled_weight_decay=True,
        )  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As in Optimizer; the state of an Adam loads too, and decays as AdamW from then on."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
