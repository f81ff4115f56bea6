"""ctc_loss beside its definition, which lists all alignments, and beside torch's where a row cannot go."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from minitorch.nn import functional as F
from reference.definitions.ctc import loss_and_gradient, says


def log_probabilities(*shape: int, seed: int = 0) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal(shape)
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_says_merges_repetitions_and_removes_blanks() -> None:
    assert says([1, 1, 0, 1, 2, 2, 0], 0) == [1, 1, 2]


@pytest.mark.parametrize(
    ("target", "blank"), [([1, 2], 0), ([1, 1], 0), ([0, 2, 0], 1), ([], 0), ([2], 1), ([1, 1, 1], 2)], ids=str
)
def test_sums_over_all_alignments(target: list[int], blank: int) -> None:
    log_probs = log_probabilities(4, 3)
    loss, gradient = loss_and_gradient(log_probs, target, blank)
    x = minitorch.from_numpy(log_probs[:, None]).requires_grad_()
    out = F.ctc_loss(x, minitorch.tensor([target], dtype=minitorch.int64), [4], [len(target)], blank, reduction="sum")
    out.backward()
    assert x.grad is not None
    assert np.allclose(out.item(), loss, rtol=1e-12)
    assert np.allclose(x.grad.numpy()[:, 0], gradient, atol=1e-12, equal_nan=True)  # [1, 1, 1] would need five times


@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_gradient_by_the_log_probabilities_is_torchs(masked: bool, zero_infinity: bool) -> None:
    """It is no gradient by them, as it takes them for the outcome of log_softmax; where one is −∞ it is nan."""
    log_probs = log_probabilities(6, 4, 5) * 0.7
    if masked:
        log_probs[2, :2, 1:3] = -np.inf

    def gradient(lib: Any) -> np.ndarray:
        x = lib.from_numpy(log_probs.copy()).requires_grad_()
        targets = lib.tensor([[1, 2, 2], [3, 1, 4], [4, 4, 1], [1, 1, 1]])
        lengths = lib.tensor([6, 5, 0, 3]), lib.tensor([3, 2, 0, 3])
        loss = lib.nn.functional.ctc_loss(x, targets, *lengths, reduction="none", zero_infinity=zero_infinity)
        loss.backward(lib.tensor([1.0, -2.0, 0.5, 3.0], dtype=lib.float64))
        return np.concatenate([loss.detach().numpy().ravel(), x.grad.numpy().ravel()])

    with np.errstate(invalid="ignore"):
        assert np.allclose(gradient(minitorch), gradient(torch), rtol=1e-9, atol=1e-12, equal_nan=True)


def test_second_derivative_is_refused() -> None:
    x = minitorch.from_numpy(log_probabilities(4, 1, 3)).requires_grad_()
    loss = F.ctc_loss(x, minitorch.tensor([[1]]), (4,), (1,))
    (g,) = minitorch.autograd.grad(loss, x, create_graph=True)
    with pytest.raises(RuntimeError, match="derivative for aten::_ctc_loss_backward is not implemented"):
        g.sum().backward()


def test_labels_that_are_not_there_are_refused() -> None:
    """torch reads beyond the scores."""
    x = minitorch.from_numpy(log_probabilities(4, 1, 3))
    with pytest.raises(RuntimeError, match="must be numbered 0 … 2"):
        F.ctc_loss(x, minitorch.tensor([[3]]), (4,), (1,))
    F.ctc_loss(x, minitorch.tensor([[1, 3, -1]]), (4,), (1,))  # what lies after a target's end is nobody's
