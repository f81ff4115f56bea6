"""How near two vectors are."""

from __future__ import annotations

from minitorch.arrays.dtypes import promote_types
from minitorch.op.signature import checked
from minitorch.ops.distance import pdist
from minitorch.ops.elementwise import clamp_min
from minitorch.ops.rearrange import broadcast_tensors
from minitorch.tensor import Tensor

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]


@checked
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """⟨x₁, x₂⟩ / (max(‖x₁‖, ε) max(‖x₂‖, ε)) along `dim`"""
    if not eps >= 0:
        raise RuntimeError(f"eps must be non-negative, got: {eps}")
    dtype = promote_types(x1.dtype, x2.dtype)
    x1, x2 = broadcast_tensors(x1.to(dtype), x2.to(dtype))

    def at_least_eps(x: Tensor) -> Tensor:  # as in torch, the gradient of the norm passes even where it is clamped
        norm = x.norm(2, dim, keepdim=True)
        return norm + clamp_min(eps - norm.detach(), 0.0)

    return ((x1 / at_least_eps(x1)) * (x2 / at_least_eps(x2))).sum(dim)


@checked
def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """‖x₁ − x₂ + ε‖_p along the last dimension"""
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)
