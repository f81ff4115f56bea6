"""How near vectors are; all are ops."""

from minitorch.ops.distance import pdist
from minitorch.ops.similarity import cosine_similarity, pairwise_distance

__all__ = ["cosine_similarity", "pairwise_distance", "pdist"]
