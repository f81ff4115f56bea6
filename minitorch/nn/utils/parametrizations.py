"""Weights in other terms: of a length and a direction, of a largest singular value 1, or orthogonal.

Each is a module for `parametrize.register_parametrization`, with the function that registers it. Read next: `parametrize.py`.
"""

from __future__ import annotations

from typing import Any

import minitorch
from minitorch.autograd import no_grad
from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.nn.utils import parametrize
from minitorch.ops.normalize import norm_except_dim, weight_norm_by
from minitorch.tensor import Tensor

__all__ = ["spectral_norm", "weight_norm"]


# ---- length and direction ----


class _WeightNorm(Module):
    """w = g v / ‖v‖, one norm for each index of `dim`, or one for all."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        return weight_norm_by(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """(g, v) that give this weight."""
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int = 0) -> Module:
    """w = g v / ‖v‖: train length and direction apart (Salimans and Kingma, 2016), a norm for each index of `dim`

    g and v are `parametrizations.<name>.original0` and `original1`. dim=None: one norm for all. Gives the module back.
    """
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)
    kept = f"parametrizations.{name}.original"

    def names_of_old(state_dict: dict, prefix: str, *more: Any) -> None:
        """State dicts that the old `weight_norm` wrote are taken too."""
        g, v = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if g in state_dict and v in state_dict:
            state_dict[f"{prefix}{kept}0"], state_dict[f"{prefix}{kept}1"] = state_dict.pop(g), state_dict.pop(v)

    module._register_load_state_dict_pre_hook(names_of_old)
    return module


# ---- the largest singular value ----


class _SpectralNorm(Module):
    """w / σ, σ = uᵀ W v for the singular vectors u and v; steps of the power method improve them in each training call."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.dim = dim % ndim
        self.eps = eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = self._as_matrix(weight)
            rows, columns = matrix.shape
            u = matrix.new_empty(rows).normal_(0, 1)
            v = matrix.new_empty(columns).normal_(0, 1)
            self.register_buffer("_u", F.normalize(u, dim=0, eps=eps))
            self.register_buffer("_v", F.normalize(v, dim=0, eps=eps))
            self._improve(matrix, 15)

    def _as_matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix with a row for each index of `dim`."""
        if self.dim != 0:
            weight = weight.permute(self.dim, *(d for d in range(weight.ndim) if d != self.dim))
        return weight.flatten(1)

    @no_grad()
    def _improve(self, matrix: Tensor, steps: int) -> None:
        """u ← W v / ‖W v‖, v ← Wᵀ u / ‖Wᵀ u‖, in the buffers' memory: copies of the module may share it."""
        for _ in range(steps):
            self._u.copy_(F.normalize(minitorch.mv(matrix, self._v), dim=0, eps=self.eps))
            self._v.copy_(F.normalize(minitorch.mv(matrix.T, self._u), dim=0, eps=self.eps))

    def forward(self, weight: Tensor) -> Tensor:
        if weight.ndim == 1:  # its only singular value is its length
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = self._as_matrix(weight)
        if self.training:
            self._improve(matrix, self.n_power_iterations)
        u, v = self._u.clone(), self._v.clone()  # the next call writes to the buffers, perhaps before backward
        return weight / minitorch.vdot(u, minitorch.mv(matrix, v))

    def right_inverse(self, value: Tensor) -> Tensor:
        """The weight itself, as near as one can say: its scale is lost."""
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> Module:
    """w / σ(w): a weight whose largest singular value is 1, so that the layer stretches nothing (Miyato et al., 2018)

    σ is found by the power method, `n_power_iterations` steps in each call in training. dim: of the outputs, by default the
    first (of transposed convolutions the second). Gives the module back.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if dim is None:
        nn = minitorch.nn
        dim = 1 if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)) else 0
    parametrize.register_parametrization(module, name, _SpectralNorm(weight, n_power_iterations, dim, eps))
    return module
