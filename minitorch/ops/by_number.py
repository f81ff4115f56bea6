"""The losses that torch has at its top level too: there the reduction is a number, 0 for none, 1 for the mean, 2 for the sum.

Not to reduce is the default of these, as it is of torch's. They are the functions of `nn.functional`, called in another way.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..op.declaration import SignatureLater
from ..op.signature import checked
from .ctc import ctc_loss
from .margin_loss import cosine_embedding_loss, hinge_embedding_loss, margin_ranking_loss, triplet_margin_loss
from .probability_loss import binary_cross_entropy_with_logits, kl_div
from .rearrange import broadcast_shapes
from .reducing import bound
from .regression_loss import poisson_nll_loss
from .shape import expand

REDUCTIONS = {1: "mean", 2: "sum"}


def by_number(loss: Callable, names: str, required: str = "", by_keyword: str = "", prepare: Callable = dict) -> Callable:
    """The loss with these parameters, in this order. required: those that have no default here. prepare: what is done to them first."""
    signature = SignatureLater(lambda: _signature(loss, names.split(), required.split(), by_keyword.split()))

    @functools.wraps(loss, assigned=("__module__", "__name__", "__qualname__"), updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        given = prepare(bound(loss, signature, args, kwargs))
        return loss(**given | {"reduction": REDUCTIONS.get(given.get("reduction", 0), "none")})

    call.__doc__ = f"{(loss.__doc__ or '').splitlines()[0]} The reduction is a number: 0 none, 1 the mean, 2 the sum."
    call.__signature__ = signature  # type: ignore[attr-defined]
    del call.__wrapped__  # its signature is another
    made = checked(call)
    made.__module__, made.__qualname__ = "minitorch", loss.__name__  # where it is found, so that it can be pickled by name
    return made


def _signature(loss: Callable, names: list[str], required: list[str], by_keyword: list[str]) -> inspect.Signature:
    """These parameters of the loss, with a reduction that is a number."""
    of_loss = inspect.signature(loss).parameters
    parameters = [of_loss[name].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in names]
    parameters += [of_loss[name].replace(kind=inspect.Parameter.KEYWORD_ONLY) for name in by_keyword]
    new: dict[str, Any] = {"reduction": {"default": 0, "annotation": "int"}}
    for name in required:
        new[name] = new.get(name, {}) | {"default": inspect.Parameter.empty}
    return inspect.Signature([p.replace(**new.get(p.name, {})) for p in parameters], return_annotation="Tensor")


def _logits_for_targets(given: dict[str, Any]) -> dict[str, Any]:
    """The logits broadcast to the targets, which nn.functional refuses; RuntimeError if they cannot, or if there is a pos_weight."""
    input, target = given["input"], given["target"]
    if input.shape == target.shape:
        return given
    broadcast = broadcast_shapes(input.shape, target.shape)
    written = input if target.shape == broadcast and given.get("pos_weight") is not None else target  # by torch, in place
    if written.shape != broadcast:
        raise RuntimeError(
            f"output with shape {list(written.shape)} doesn't match the broadcast shape {list(broadcast)}: give a logit for each "
            "target"
        )
    return given | {"input": expand(input, broadcast)}


BY_NUMBER = {
    made.__name__: made
    for made in (
        by_number(binary_cross_entropy_with_logits, "input target weight pos_weight reduction", prepare=_logits_for_targets),
        by_number(cosine_embedding_loss, "input1 input2 target margin reduction"),
        by_number(ctc_loss, "log_probs targets input_lengths target_lengths blank reduction zero_infinity"),
        by_number(hinge_embedding_loss, "input target margin reduction"),
        by_number(kl_div, "input target reduction", by_keyword="log_target"),
        by_number(margin_ranking_loss, "input1 input2 target margin reduction"),
        by_number(poisson_nll_loss, "input target log_input full eps reduction", required="log_input full eps reduction"),
        by_number(triplet_margin_loss, "anchor positive negative margin p eps swap reduction"),
    )
}
