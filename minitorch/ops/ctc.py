"""Connectionist temporal classification (Graves et al., 2006): the loss of a sequence of labels without knowing when each is said.

At every time t the network says a label or a blank. An alignment is one choice for every time; it stands for the labels that are left
when repetitions are merged and blanks removed. The loss is −ln of the summed probability of all alignments that stand for the target.

There are too many to list (`reference/definitions/ctc.py` does it), but a recursion over time sums them. Its states are the target with
blanks around each label, l' = ␣ a ␣ b ␣. From one time to the next an alignment stays in its state, goes one on, or two where that
skips a blank between different labels. So the probability α_t(s) of all beginnings that are in state s at time t comes from α_{t−1}, and
that of all ends from there, β_t(s), from β_{t+1}. All is in logarithms, for the whole batch and all states at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.dtypes import SCALAR_NAMES, bool_, int64
from ..op import Array, Index, composite, op
from ..op.signature import Reduction, Sizes
from .dims import as_ints
from .elementwise import where
from .reducing import all_must_hold, check_reduction

if TYPE_CHECKING:
    from ..tensor import Tensor


# ---- forward: the beginnings ----


@op(promote=None, name="_ctc_loss", outputs=("out", "log_alpha"), public=False, only="floats", grad_fn="CtcLossBackward0")
def ctc(
    xp: Any,
    log_probs: Array,
    targets: Index,
    input_lengths: Index,
    target_lengths: Index,
    blank: int,
    zero_infinity: bool,
) -> tuple[Array, Array]:
    """−ln p(target | log_probs (T, N, C)) of each sample, targets padded to (N, S); also ln α (T, N, 2S + 1)."""
    labels = _with_blanks(xp, targets, blank)
    emitted = _of_labels(xp, log_probs, labels)
    log_alpha = xp.full(emitted.shape, -np.inf, emitted.dtype)
    log_alpha[0, :, :2] = emitted[0, :, :2]
    for t in range(1, len(emitted)):
        log_alpha[t] = _one_time_on(xp, log_alpha[t - 1], labels) + emitted[t]
    samples = xp.arange(labels.shape[0])
    last = log_alpha[xp.maximum(input_lengths - 1, 0), samples]
    on_the_blank = last[samples, 2 * target_lengths]
    on_the_label = xp.where(target_lengths > 0, last[samples, xp.maximum(2 * target_lengths - 1, 0)], -np.inf)
    loss = -_log_sum(xp, on_the_blank, on_the_label)
    without_time = xp.where(target_lengths > 0, np.inf, -0.0).astype(loss.dtype)
    return xp.where(input_lengths > 0, loss, without_time), log_alpha


def _with_blanks(xp: Any, targets: Array, blank: int) -> Array:
    """l' = ␣ l₁ ␣ l₂ ␣ …: (N, S) → (N, 2S + 1)"""
    n, s = targets.shape
    labels = xp.full((n, 2 * s + 1), blank, targets.dtype)
    labels[:, 1::2] = targets
    return labels


def _of_labels(xp: Any, log_probs: Array, labels: Array) -> Array:
    """What each state says, (T, N, C) → (T, N, 2S + 1)"""
    return log_probs[_places(xp, log_probs, labels)]


def _places(xp: Any, log_probs: Array, labels: Array) -> tuple:
    """Where the label of each state stands, at every time and for every sample."""
    times, samples = xp.arange(log_probs.shape[0]), xp.arange(log_probs.shape[1])
    return times[:, None, None], samples[:, None], labels


def _one_time_on(xp: Any, log_alpha: Array, labels: Array) -> Array:
    """ln of α(s) + α(s − 1), and + α(s − 2) where l'_s is another label than l'_(s−2): what comes into each state"""
    skips = xp.zeros(labels.shape, bool)
    skips[:, 2:] = labels[:, 2:] != labels[:, :-2]
    from_before = _moved(xp, log_alpha, 1)
    from_two_before = xp.where(skips, _moved(xp, log_alpha, 2), -np.inf)
    return _log_sum(xp, log_alpha, from_before, from_two_before)


def _moved(xp: Any, log_alpha: Array, by: int) -> Array:
    """The states, each in the place of one further on."""
    moved = xp.full(log_alpha.shape, -np.inf, log_alpha.dtype)
    moved[:, by:] = log_alpha[:, :-by]
    return moved


def _log_sum(xp: Any, *terms: Array) -> Array:
    """ln Σ e^x, shifted by the largest x; −∞ if all are."""
    largest = terms[0]
    for x in terms[1:]:
        largest = xp.maximum(largest, x)
    largest = xp.where(largest == -np.inf, xp.zeros((), largest.dtype), largest)
    return xp.log(sum(xp.exp(x - largest) for x in terms)) + largest


# ---- backward: the ends ----


@ctc.grad
def ctc_grad(
    g: Tensor,
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int,
    zero_infinity: bool,
    out: Tensor,
    log_alpha: Tensor,
) -> Tensor:
    """∂L/∂log_probs = g · (p − the share of the target's alignments that say the label then): of the logits, through log_softmax"""
    return ctc_backward(g, log_probs, targets, input_lengths, target_lengths, blank, zero_infinity, out, log_alpha)


@op(promote=None, name="_ctc_loss_backward", public=False)
def ctc_backward(
    xp: Any,
    g: Array,
    log_probs: Array,
    targets: Index,
    input_lengths: Index,
    target_lengths: Index,
    blank: int,
    zero_infinity: bool,
    loss: Index,
    log_alpha: Index,
) -> Array:
    """g · (p_t(k) − Σ_{s: l'_s = k} α_t(s) β_t(s) / (p_t(k) p(target))), 0 after the input's end; both α and β count p_t(k).

    As in torch, this is no gradient by log_probs themselves but what log_softmax hands on unchanged; so it has no derivative either.
    It is nan where the target has no alignment (without zero_infinity), and for labels that have no probability.
    """
    labels = _with_blanks(xp, targets, blank)
    emitted = _of_labels(xp, log_probs, labels)
    log_both = log_alpha + _ends(xp, emitted, labels, input_lengths, target_lengths)
    said = xp.full(log_probs.shape, -np.inf, log_probs.dtype)
    times, samples, _ = _places(xp, log_probs, labels)
    for s in reversed(range(labels.shape[1])):  # state by state, as several say the same label
        place = times[..., 0], samples[..., 0], labels[:, s]
        said[place] = _log_sum(xp, said[place], log_both[..., s])
    grad = g[:, None] * (xp.exp(log_probs) - xp.exp(said + loss[:, None] - log_probs))
    counts = xp.arange(len(grad))[:, None] < input_lengths
    if zero_infinity:
        counts = counts & (loss != np.inf)
    return xp.where(counts[..., None], grad, xp.zeros((), grad.dtype)).astype(log_probs.dtype)


def _ends(xp: Any, emitted: Array, labels: Array, input_lengths: Array, target_lengths: Array) -> Array:
    """ln β: the same recursion from the end, over the states backwards; it begins at each sample's last time."""
    states = xp.arange(labels.shape[1])
    final = (states == 2 * target_lengths[:, None]) | (states == 2 * target_lengths[:, None] - 1)
    log_beta = xp.full(emitted.shape, -np.inf, emitted.dtype)
    after = log_beta[0]
    for t in reversed(range(len(emitted))):
        going_on = _one_time_on(xp, after[:, ::-1], labels[:, ::-1])[:, ::-1]
        ending = xp.where(final, xp.zeros((), emitted.dtype), -np.inf)
        here = xp.where((input_lengths == t + 1)[:, None], ending, going_on) + emitted[t]
        after = log_beta[t] = xp.where((input_lengths > t)[:, None], here, -np.inf)
    return log_beta


# ---- what users call ----


@composite
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor | Sizes,
    target_lengths: Tensor | Sizes,
    blank: int = 0,
    reduction: Reduction = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """−ln Σ of the probabilities of all alignments of each target with its input (Graves et al., 2006); `log_probs` (T, N, C) or (T, C).

    Targets come padded, (N, S), or one after the other, (Σ lengths). The mean is that of the losses divided by the targets' lengths.
    Where an input is too short for its target the loss is infinite, or with `zero_infinity` 0, and so is its gradient.
    """
    reduction = check_reduction(reduction)
    if hasattr(input_lengths, "_array") != hasattr(target_lengths, "_array"):
        raise TypeError("ctc_loss(): input_lengths and target_lengths must both be Tensors or both be tuples of ints")
    batched = log_probs.unsqueeze(1) if log_probs.ndim == 2 else log_probs
    _check(batched, blank)
    lengths = [_lengths(n, x) for n, x in (("input_lengths", input_lengths), ("target_lengths", target_lengths))]
    _check_lengths(batched, *lengths)
    padded = _padded(targets.to(int64), lengths[1], blank)
    all_must_hold(
        (padded >= 0) & (padded < batched.shape[2]),
        f"ctc_loss(): the targets' labels must be numbered 0 … {batched.shape[2] - 1}, as log_probs has {batched.shape[2]} of them",
    )
    on_device = [targets.new_tensor(n, dtype=int64) for n in lengths]
    losses = ctc(batched, padded, *on_device, blank, zero_infinity)[0]
    if zero_infinity:
        losses = where(losses == float("inf"), 0.0, losses)
    if reduction == "mean":
        return (losses / on_device[1].clamp(min=1).to(losses.dtype)).mean()
    if reduction == "sum":
        return losses.sum()
    return losses.squeeze(0) if log_probs.ndim == 2 else losses


def _check(log_probs: Tensor, blank: int) -> None:
    """RuntimeError unless they are (T, N, C), not empty, of float32 or float64, and the blank is one of the labels."""
    if log_probs.ndim != 3:
        raise RuntimeError(
            f"Expected 3-dimensional tensor, but got {log_probs.ndim}-dimensional tensor for argument #1 'log_probs' of ctc_loss: "
            "it has a score for each time, sample and label"
        )
    if not log_probs.numel():
        raise RuntimeError("log_probs tensor must not be empty")
    if log_probs.dtype.itemsize < 4 and log_probs.is_floating_point():
        name = SCALAR_NAMES[log_probs.dtype.name]
        raise NotImplementedError(f"\"ctc_loss\" not implemented for '{name}': convert log_probs with .float()")
    if not 0 <= blank < log_probs.shape[2]:
        raise RuntimeError(f"blank must be in label range: 0 … {log_probs.shape[2] - 1}, got {blank}")


def _lengths(name: str, lengths: Any) -> list[int]:
    """Lengths, given as a Tensor or as ints."""
    if not hasattr(lengths, "_array"):
        return list(as_ints(lengths))
    if lengths.is_floating_point() or lengths.dtype is bool_:
        raise RuntimeError(f"{name} must be integral, got {lengths.dtype!r}")
    return list(lengths.reshape(-1).tolist())


def _check_lengths(log_probs: Tensor, input_lengths: Sequence[int], target_lengths: Sequence[int]) -> None:
    """RuntimeError unless there is one of each for every sample, none negative, none longer than the input."""
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if len(lengths) != log_probs.shape[1]:
            raise RuntimeError(f"{name} must be of size batch_size, {log_probs.shape[1]}, got {len(lengths)}")
        if min(lengths) < 0:
            raise RuntimeError(f"Expected {name} to have value at least 0, but got value {min(lengths)}")
    if max(input_lengths) > log_probs.shape[0]:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {log_probs.shape[0]}, but got value {max(input_lengths)}: log_probs has "
            "no more times"
        )


def _padded(targets: Tensor, lengths: Sequence[int], blank: int) -> Tensor:
    """Targets of any form as (N, the longest), with blanks after the end of each."""
    n, longest = len(lengths), max(lengths)
    if targets.ndim not in (1, 2):
        raise RuntimeError(
            f"Expected 1 to 2 dimensions, but got {targets.ndim}-dimensional tensor for argument #2 'targets'"
        )
    if targets.ndim == 1 and len(targets) != sum(lengths):
        raise RuntimeError(
            f"Expected tensor to have size {sum(lengths)} at dimension 0, the sum of target_lengths, but got size {len(targets)} "
            "for argument #2 'targets'"
        )
    if targets.ndim == 2 and (targets.shape[0] != n or targets.shape[1] < longest):
        raise RuntimeError(
            f"Expected tensor to have size {n} at dimension 0 and at least {longest} at dimension 1, but got sizes "
            f"{tuple(targets.shape)} for argument #2 'targets'"
        )
    within = np.arange(longest) < np.array(lengths)[:, None]
    mask = targets.new_tensor(within.tolist(), dtype=bool_).reshape(n, longest)
    if targets.ndim == 2:
        return where(mask, targets[:, :longest], blank)
    return targets.new_full((n, longest), blank).masked_scatter(mask, targets)
