"""Connectionist temporal classification by listing every alignment (Graves et al., 2006, equation 3): Cᵀ of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def says(alignment: Sequence[int], blank: int) -> list[int]:
    """The labels that an alignment stands for: repetitions merged, then blanks removed."""
    merged = [k for t, k in enumerate(alignment) if t == 0 or k != alignment[t - 1]]
    return [k for k in merged if k != blank]


def loss_and_gradient(log_probs: np.ndarray, target: Sequence[int], blank: int) -> tuple[float, np.ndarray]:
    """−ln of the probability of the target, for one sample (T, C); and its gradient by the logits.

    That is p − the probability of each label at each time, given that the whole says the target.
    """
    times, labels = log_probs.shape
    probability, said = 0.0, np.zeros((times, labels))
    for alignment in itertools.product(range(labels), repeat=times):
        if says(alignment, blank) == list(target):
            p = np.exp(sum(log_probs[t, k] for t, k in enumerate(alignment)))
            probability += p
            for t, k in enumerate(alignment):
                said[t, k] += p
    if not probability:
        return np.inf, np.full((times, labels), np.nan)
    return -np.log(probability), np.exp(log_probs) - said / probability
