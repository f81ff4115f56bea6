"""How variables move together: `cov`, `corrcoef`; rows are variables, columns observations. Read next: `reduce.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..arrays.warning import warn
from ..op import composite
from .diagonals import diag
from .elementwise import clamp, sqrt, true_div
from .matmul import mm
from .shape import reshape, squeeze, t, unsqueeze

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite
def cov(input: Tensor, *, correction: int = 1, fweights: Tensor | None = None, aweights: Tensor | None = None) -> Tensor:
    """C_ij = Σ_k w_k (x_ik − x̄_i) (x_jk − x̄_j) / (Σ w − correction), where x̄_i = Σ_k w_k x_ik / Σ w

    fweights: how often each observation was made. aweights: how much each counts. w is their product.
    """
    _at_most_a_matrix("cov", input)
    if input.dtype is dtypes.bool_:
        raise RuntimeError("cov(): bool dtype is not supported for input; convert with .float()")
    x = reshape(input, (1, -1)) if input.ndim < 2 else input
    n = x.shape[1]
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None:
            _check_weights(name, weights, n)
    given = [weights for weights in (fweights, aweights) if weights is not None]
    w: Any = given[0] * given[1] if len(given) > 1 else given[0] if given else 1
    total: Any = w.sum() if given else n
    if given and float(total) == 0:
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    weighted = x * w if given else x
    degrees = total - correction
    if aweights is not None and correction:
        degrees = total - correction * (w * aweights).sum() / total
    if float(degrees) <= 0:
        warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.")
        degrees = degrees * 0
    centred = x - unsqueeze(true_div(weighted.sum(1), total if given or n else input.new_zeros(())), 1)
    product = mm(centred, t(centred * w if given else centred))
    return squeeze(true_div(product, degrees if given or degrees else input.new_zeros(())))


def _at_most_a_matrix(name: str, x: Tensor) -> None:
    if x.ndim > 2:
        raise RuntimeError(
            f"{name}(): expected input to have two or fewer dimensions but got an input with {x.ndim} dimensions"
        )


def _check_weights(name: str, weights: Tensor, n: int) -> None:
    """Refuse weights that are not one number ≥ 0 for each observation."""
    if weights.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim} dimensions"
        )
    floating = weights.is_floating_point()
    if floating is (name == "fweights") or weights.dtype is dtypes.bool_:
        kind = "integral" if name == "fweights" else "floating point"
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {weights.dtype!r} dtype")
    if weights.numel() != n:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.numel()} != {n}"
        )
    if n and float(weights.min()) < 0:
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite
def corrcoef(input: Tensor) -> Tensor:
    """C_ij / √(C_ii C_jj), C being the covariances: how far the variables are linear functions of each other, from −1 to 1."""
    _at_most_a_matrix("corrcoef", input)
    c = cov(input)
    if not c.ndim:
        return c / c
    deviation = sqrt(diag(c))
    return clamp(c / unsqueeze(deviation, 1) / deviation, -1, 1)
