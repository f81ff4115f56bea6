"""Products with weights; they are ops of `minitorch/ops/`."""

from minitorch.ops.einsum import bilinear
from minitorch.ops.matmul import linear

__all__ = ["bilinear", "linear"]
