"""What all losses share: how the losses of the elements become one, and the warnings and refusals about that.

Read next: `regression_loss.py`.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from ..arrays.batched import of_all_samples
from ..arrays.device import must_hold
from ..arrays.warning import warn
from ..autograd.grad_mode import is_grad_enabled
from ..op.declaration import SignatureLater
from .rearrange import broadcast_tensors

if TYPE_CHECKING:
    from ..tensor import Tensor


def reduced(loss: Tensor, reduction: str) -> Tensor:
    """The mean or sum of the elements' losses, or the losses themselves."""
    reduction = check_reduction(reduction)
    if reduction == "none":
        return loss
    return loss.mean() if reduction == "mean" else loss.sum()


def weighted(loss: Tensor, weight: Tensor | None, input: Tensor, reduction: str) -> Tensor:
    """The losses times their weights, reduced; the mean divides by the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    check_weight(weight, input)
    reduction = check_reduction(reduction)
    total = reduced(loss * weight, "sum" if reduction == "mean" else reduction)
    return total / weight.sum() if reduction == "mean" else total


def check_weight(weight: Tensor, input: Tensor) -> None:
    """ValueError unless there is a weight for each element."""
    if weight.shape != input.shape:
        raise ValueError(f"Weights and input must have the same size, got {tuple(weight.shape)} and {tuple(input.shape)}.")


def no_gradient(function: str, **constants: Tensor | None) -> None:
    """RuntimeError if somebody wants a gradient where torch has none: for the weights of classes, for one."""
    for name, x in constants.items():
        if x is not None and x.requires_grad and is_grad_enabled():
            raise RuntimeError(
                f"The function '{function}' is not differentiable with respect to argument '{name}'. This input cannot have "
                "requires_grad True: detach() it."
            )


def all_must_hold(condition: Tensor, words: str) -> None:
    """RuntimeError in those words unless it is True everywhere; on a GPU that is noticed later, so that nobody waits for it."""
    must_hold(of_all_samples(condition._array).all(), RuntimeError, words)


def takes_size_average(function: Any = None, *, before: str = "reduce") -> Any:
    """A function with a `reduction` that also takes its old names, `size_average` and `reduce`, at torch's places.

    `reduce` has its place before `reduction`, and size_average has its own before that one, or before another parameter.
    """
    if function is None:
        return functools.partial(takes_size_average, before=before)
    signature = SignatureLater(lambda: _with_old_names(inspect.signature(function), before))
    names = inspect.unwrap(function).__code__.co_varnames
    first = names.index("reduction" if before == "reduce" else before)  # where size_average will be

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if len(args) > first or "size_average" in kwargs or "reduce" in kwargs:
            kwargs, args = bound(function, signature, args, kwargs), ()
            size_average, reduce = kwargs.pop("size_average", None), kwargs.pop("reduce", None)
            if size_average is not None or reduce is not None:
                kwargs["reduction"] = _meant(size_average, reduce)
        return function(*args, **kwargs)

    made: Any = call
    made.__signature__ = signature
    return made


def bound(function: Any, signature: inspect.Signature, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments by name."""
    try:
        return signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"{function.__name__}(): {error}; it takes {', '.join(signature.parameters)}") from None


def _with_old_names(signature: inspect.Signature, before: str) -> inspect.Signature:
    """The signature with the two parameters at their places."""
    parameters = list(signature.parameters.values())
    for name, follower in (("reduce", "reduction"), ("size_average", before)):
        place = [p.name for p in parameters].index(follower)
        old = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation="Flag | None")
        parameters.insert(place, old)
    return signature.replace(parameters=parameters)


def _meant(size_average: Any, reduce: Any) -> str:
    """The reduction that the two say; what is not given counts as True."""
    average, reduces = size_average is None or bool(size_average), reduce is None or bool(reduce)
    meant = "none" if not reduces else "mean" if average else "sum"
    warn(f"size_average and reduce args will be deprecated, please use reduction='{meant}' instead.")
    return meant


def check_reduction(reduction: str) -> str:
    """The reduction; ValueError unless it is one of the three. "elementwise_mean" is an old name of the mean."""
    if reduction == "elementwise_mean":
        warn("reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.")
        return "mean"
    if not isinstance(reduction, str) or reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction; it is 'none', 'mean' or 'sum'")
    return reduction


def check_reduction_name(reduction: str) -> str:
    """As `check_reduction`, in functions that torch writes in Python: what is no text at all is a TypeError there."""
    if not isinstance(reduction, str):
        raise TypeError(f"reduction must be the text 'none', 'mean' or 'sum', not {type(reduction).__name__}")
    return check_reduction(reduction)


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
