"""Muon: for matrices, a step of the momentum whose singular values are all made about 1."""

from __future__ import annotations

import math
from typing import Any

from minitorch.arrays import dtypes
from minitorch.ops.matmul import addmm
from minitorch.optim.optimizer import Group, Optimizer, zeros_like
from minitorch.tensor import Tensor


class Muon(Optimizer):
    """b ← μ b + (1 − μ) g,   θ ← (1 − lr λ) θ − lr · s · O,   O ≈ U Vᵀ for U Σ Vᵀ = (1 − μ) g + μ b (with `nesterov`; else b)

    Of all steps of one spectral norm, U Vᵀ goes down the most. It is found without a decomposition: a polynomial in X Xᵀ, applied
    `ns_steps` times in bfloat16, drives all singular values of X = b/‖b‖ towards 1 (Newton–Schulz). `adjust_lr_fn`: s = √max(1, n/m)
    ("original", the default) or 0.2 √max(n, m) ("match_rms_adamw"). For matrices only. Jordan et al. (2024); Liu et al. (2025).
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, got shape {tuple(lr.shape)}")
        for name, value in {"Learning rate": lr, "momentum": momentum, "weight decay": weight_decay}.items():
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported; there are original, match_rms_adamw"
            )
        options = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov}
        newton_schulz = {"ns_coefficients": ns_coefficients, "eps": eps, "ns_steps": ns_steps}
        super().__init__(params, {**options, **newton_schulz, "adjust_lr_fn": adjust_lr_fn})
        for param in (param for group in self.param_groups for param in group["params"]):
            if param.ndim != 2:
                raise ValueError(f"Muon only supports 2D parameters whereas we found a parameter with size: {param.shape}")

    def _update(self, param: Tensor, group: Group) -> None:
        lr, λ, μ, g, state = float(group["lr"]), group["weight_decay"], group["momentum"], param.grad, self.state[param]
        b = state.setdefault("momentum_buffer", zeros_like(param))
        b.lerp_(g, 1 - μ)
        step = g.lerp(b, μ) if group["nesterov"] else b  # type: ignore[union-attr]
        step = orthogonalized(step, group["ns_coefficients"], group["ns_steps"], group["eps"])
        param *= 1 - lr * λ
        param.add_(step, alpha=-lr * _share(group["adjust_lr_fn"], *param.shape))


def orthogonalized(g: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """About U Vᵀ for g = U Σ Vᵀ, in bfloat16: X ← a X + (b A + c A²) X with A = X Xᵀ, from X = g/‖g‖.

    Each step is an odd polynomial σ ← a σ + b σ³ + c σ⁵ of the singular values. These coefficients are steep at 0, so that small ones
    grow fast; they do not converge to 1 but stay between 0.7 and 1.2, which is good enough.
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError(f"Coefficients must be a tuple of exactly 3 values, got {coefficients}")
    a, b, c = coefficients
    X = g.to(dtypes.bfloat16)
    tall = g.shape[0] > g.shape[1]
    X = X.T if tall else X  # so that A is the smaller of the two squares
    X = X / X.norm().clamp(min=eps)
    for _ in range(steps):
        A = X @ X.T
        X = addmm(X, addmm(A, A, A, beta=b, alpha=c), X, beta=a)
    return X.T if tall else X


def _share(adjust: str | None, n: int, m: int) -> float:
    """s, by the shape of the matrix"""
    return 0.2 * math.sqrt(max(n, m)) if adjust == "match_rms_adamw" else math.sqrt(max(1, n / m))
