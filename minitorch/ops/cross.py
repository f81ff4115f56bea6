"""The vector product: `cross`. Its derivatives are vector products again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.warning import warn_once
from ..op import Array, composite, op
from .dims import canonical_dim
from .matrices import function

if TYPE_CHECKING:
    from ..tensor import Tensor


@op(name="cross", public=False, promote=None, same_dtype="a b", only="numbers", grad_fn="LinalgCrossBackward0")
def cross_along(xp: Any, a: Array, b: Array, dim: int) -> Array:
    """a × b of the vectors along `dim`: (a₁b₂ − a₂b₁, a₂b₀ − a₀b₂, a₀b₁ − a₁b₀)"""
    if a.ndim != b.ndim:
        raise RuntimeError(f"linalg.cross: inputs must have the same number of dimensions, got {a.ndim} and {b.ndim}")
    axis = canonical_dim(dim, a.ndim)
    if not a.ndim or a.shape[axis] != 3 or b.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got shapes {list(a.shape)} and {list(b.shape)}"
        )
    a1, a2, b1, b2 = (xp.roll(x, by, axis) for x in (a, b) for by in (-1, -2))
    return a1 * b2 - a2 * b1


@cross_along.grad("a")
def cross_grad_a(g: Tensor, b: Tensor, dim: int) -> Tensor:
    """∂L/∂a = b × g"""
    return cross_along(b, g, dim)


@cross_along.grad("b")
def cross_grad_b(g: Tensor, a: Tensor, dim: int) -> Tensor:
    """∂L/∂b = g × a"""
    return cross_along(g, a, dim)


@composite(out=True)
def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """a × b of the vectors along `dim`, of three elements; by default along the first dimension that has three."""
    if dim is None:
        warn_once(
            "Using torch.cross without specifying the dim arg is deprecated. Give it dim, or call linalg.cross, whose default is "
            "-1: here it is the first dimension of size 3."
        )
        dim = next((d for d, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError(f"no dimension of size 3 in input, got shape {list(input.shape)}")
    return cross_along(input, other, dim)


@function(out=True)
def linalg_cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """a × b of the vectors along `dim`, of three elements; the other dimensions broadcast."""
    return cross_along(input, other, dim)
