"""What all losses share: how the losses of the elements become one, and the warnings and refusals about that.

Read next: `loss.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays.warning import warn
from .rearrange import broadcast_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean or sum of the elements' losses, or the losses themselves."""
    check_reduction(reduction)
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def weighted(loss: Tensor, weight: Tensor | None, input: Tensor, reduction: str) -> Tensor:
    """The losses times their weights, reduced; the mean divides by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    check_weight(weight, input)
    total = reduced(loss * weight, "sum" if reduction == "mean" else reduction)
    return total / weight.sum() if reduction == "mean" else total


def check_weight(weight: Tensor, input: Tensor) -> None:
    """ValueError unless there is a weight for each element."""
    if weight.shape != input.shape:
        raise ValueError(f"Weights and input must have the same size, got {tuple(weight.shape)} and {tuple(input.shape)}.")


def reduction_of(size_average: Any, reduce: Any, reduction: str) -> str:
    """`reduction`, or what the deprecated size_average and reduce mean if one is given."""
    if size_average is None and reduce is None:
        return reduction
    average, reduces = size_average is None or bool(size_average), reduce is None or bool(reduce)
    meant = "none" if not reduces else "mean" if average else "sum"
    warn(f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.")
    return meant


def check_reduction(reduction: str) -> None:
    """ValueError unless it is one of the three."""
    if not isinstance(reduction, str) or reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction; it is 'none', 'mean' or 'sum'")


def in_one_shape(input: Tensor, target: Tensor) -> tuple[Tensor, ...]:
    """The two, with a warning if they differ in shape: the commonest mistake that nobody hears of.

    If they differ in dtype too, they come in the shape they have together: then one without dimensions has its say in the dtype.
    """
    if input.shape == target.shape:
        return input, target
    warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely lead "
        "to incorrect results due to broadcasting. Please ensure they have the same size."
    )
    return (input, target) if input.dtype is target.dtype else broadcast_tensors(input, target)
