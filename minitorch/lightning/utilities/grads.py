"""`grad_norm`: how large the gradients are, of each parameter and of all, to log in `on_before_optimizer_step`."""

from __future__ import annotations

import minitorch
from minitorch import nn
from minitorch.tensor import Tensor

__all__ = ["grad_norm"]


def grad_norm(module: nn.Module, norm_type: float | int | str, group_separator: str = "/") -> dict[str, Tensor]:
    """The p-norm (Σ |g|^p)^(1/p) of each parameter's gradient, and of all of them as one vector, by the names that a logger shows.

    norm_type: p above 0, or "inf" for the largest |g|; ValueError otherwise. Parameters without a gradient are left out.
    """
    p = float(norm_type)
    if p <= 0:
        raise ValueError(f"`norm_type` must be a positive number or 'inf' (infinity norm). Got {p}")
    norms = {
        f"grad_{p}_norm{group_separator}{name}": parameter.grad.detach().norm(p)
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    if norms:
        norms[f"grad_{p}_norm_total"] = minitorch.stack(list(norms.values())).norm(p)
    return norms
