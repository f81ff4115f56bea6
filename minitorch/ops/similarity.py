"""How near the vectors of one tensor are to those of another, vector by vector; both functions are made of other ops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..arrays.dtypes import promote_types
from ..op import composite
from .elementwise import clamp_min
from .rearrange import broadcast_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """⟨x₁, x₂⟩ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`"""
    if not eps >= 0:
        raise RuntimeError(f"eps must be non-negative, got: {eps}")
    dtype = promote_types(x1.dtype, x2.dtype)
    x1, x2 = (x if x.is_floating_point() else x.to(dtype) for x in (x1, x2))  # the norm of each is one in its own dtype
    x1, x2 = broadcast_tensors(x1, x2)

    def at_least_eps(x: Tensor) -> Tensor:  # as in torch, the gradient of the norm passes even where it is clamped
        norm = x.norm(2, dim, keepdim=True)
        return norm + clamp_min(eps - norm.detach(), 0.0)

    return ((x1 / at_least_eps(x1)) * (x2 / at_least_eps(x2))).sum(dim)


@composite
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖_p along the last dimension"""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)
