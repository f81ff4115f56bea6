"""Weights in other terms: of a length and a direction, of a largest singular value 1, or orthogonal.

Each is a module for `parametrize.register_parametrization`, with the function that registers it. Read next: `parametrize.py`.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import minitorch
from minitorch import linalg
from minitorch.autograd import no_grad
from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.nn.utils import parametrize
from minitorch.ops.normalize import norm_except_dim, weight_norm_by
from minitorch.ops.products import geqrf
from minitorch.tensor import Tensor

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


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


# ---- orthogonal ----


class _OrthMaps(Enum):
    """How any matrix becomes an orthogonal one."""

    matrix_exp = auto()
    cayley = auto()
    householder = auto()


class _Orthogonal(Module):
    """Q = base · f(X): e^A or (I − A/2)⁻¹ (I + A/2) with A = X − Xᵀ of X's lower triangle, or reflections at its columns."""

    def __init__(self, weight: Tensor, orthogonal_map: _OrthMaps, *, use_trivialization: bool = True) -> None:
        super().__init__()
        self.shape = weight.shape
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)  # where X = 0 is

    def forward(self, X: Tensor) -> Tensor:
        wide = X.shape[-2] < X.shape[-1]
        X = X.mT if wide else X
        n, k = X.shape[-2:]
        if self.orthogonal_map is _OrthMaps.householder:
            reflections = X.tril(-1)
            tau = 2.0 / (1.0 + (reflections * reflections).sum(-2))
            Q = linalg.householder_product(reflections, tau) * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            lower = X.tril()
            if n != k:
                lower = minitorch.cat([lower, X.new_zeros(n, n - k).expand(*X.shape[:-2], -1, -1)], -1)
            Q = self._rotation(lower - lower.mT)[..., :k]
        if hasattr(self, "base"):
            Q = self.base @ Q
        return Q.mT if wide else Q

    def _rotation(self, A: Tensor) -> Tensor:
        """The orthogonal matrix of a skew-symmetric one."""
        if self.orthogonal_map is _OrthMaps.matrix_exp:
            return linalg.matrix_exp(A)
        identity = minitorch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
        return linalg.solve(identity - A / 2, identity + A / 2)

    @no_grad()
    def right_inverse(self, Q: Tensor) -> Tensor:
        """X that gives this orthogonal matrix; with a base, that becomes Q, and X what stands for the identity."""
        if Q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of shape {Q.shape}."
            )
        wide = Q.shape[-2] < Q.shape[-1]
        tall = Q.mT if wide else Q
        n, k = tall.shape[-2:]
        if not hasattr(self, "base"):
            if self.orthogonal_map is not _OrthMaps.householder:
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations when "
                    "use_trivialization=False."
                )
            A, tau = geqrf(tall)
            diagonal = A.diagonal(dim1=-2, dim2=-1)
            diagonal.copy_(diagonal.sign() * minitorch.where(tau == 0.0, -1.0, 1.0))  # type: ignore[attr-defined]
            return A.mT if wide else A
        if n != k:  # any columns that fill it up
            more = minitorch.randn(*tall.shape[:-2], n, n - k, dtype=Q.dtype, device=Q.device)
            tall = _made_orthogonal(minitorch.cat([tall, more], -1))
        else:
            tall = tall.clone() if _is_orthogonal(tall) else _made_orthogonal(tall)
        self.base = tall
        start = minitorch.zeros_like(Q)  # type: ignore[attr-defined]
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start


def _is_orthogonal(Q: Tensor) -> bool:
    identity = minitorch.eye(Q.shape[-1], dtype=Q.dtype, device=Q.device)
    return minitorch.allclose(Q.mT @ Q, identity, atol=10.0 * Q.shape[-2] * minitorch.finfo(Q.dtype).eps)


def _made_orthogonal(A: Tensor) -> Tensor:
    """Q of A = Q R with a positive diagonal in R."""
    X, tau = geqrf(A)
    return linalg.householder_product(X, tau) * X.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *, use_trivialization: bool = True
) -> Module:
    """A weight with orthonormal columns, or rows if it is wider than tall: Qᵀ Q = I (Lezcano-Casado, 2019)

    orthogonal_map: "matrix_exp" (square ones by default), "cayley" or "householder" (the others). use_trivialization: around a
    base, so that any orthogonal weight can be assigned. Gives the module back.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        orthogonal_map = "matrix_exp" if weight.shape[-2] == weight.shape[-1] else "householder"
    if orthogonal_map not in _OrthMaps.__members__:
        raise ValueError(f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}')
    made = _Orthogonal(weight, _OrthMaps[orthogonal_map], use_trivialization=use_trivialization)
    return parametrize.register_parametrization(module, name, made, unsafe=True)
