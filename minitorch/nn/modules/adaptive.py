"""Softmax over very many classes, the rare ones in clusters with small scores of their own."""

from __future__ import annotations

import itertools
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

import minitorch
from minitorch.nn import functional as F
from minitorch.nn.modules.container import ModuleList, Sequential
from minitorch.nn.modules.linear import Linear
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """ln p(y) = ln p(y | head) for frequent y, ln p(cluster | head) + ln p(y | cluster) for others (Grave et al., 2017)

    Classes are numbered from the most frequent. Those below cutoffs[0] have a place in the head, the others, between one cutoff and the
    next, in a cluster, whose input has in_features / div_valueⁱ features. Only the clusters that a batch's targets lie in are computed.
    Input (N, in_features) or (in_features), target (N) or (); returns (output, loss): ln p of each target, and minus their mean.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        if not cutoffs:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        ascending = all(a < b for a, b in itertools.pairwise([0, *cutoffs, n_classes]))
        if not ascending or any(int(c) != c for c in cutoffs):
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing order, where each value is "
                f"between 1 and n_classes-1, got {cutoffs} for {n_classes} classes"
            )
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = cutoffs[0]
        self.n_clusters = len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, bias=head_bias, device=device, dtype=dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            hidden = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, device=device, dtype=dtype),
                    Linear(hidden, high - low, bias=False, device=device, dtype=dtype),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew, in the order in which they were made."""
        for linear in (self.head, *itertools.chain.from_iterable(self.tail)):
            linear.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        _check(input_, target_)
        input, target = (input_, target_) if target_.ndim else (input_.unsqueeze(0), target_.unsqueeze(0))
        if bool(((target < 0) | (target >= self.n_classes)).any()):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range [{target.min().item()}, "
                f"{target.max().item()}] were found."
            )
        place, in_cluster = target, input.new_zeros(len(target))  # in the head, and ln p(y | cluster)
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            samples = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if not len(samples):
                continue
            place = place.index_fill(0, samples, self.shortlist_size + i)
            log_p = F.log_softmax(self.tail[i](input.index_select(0, samples)), dim=1)
            own = log_p.gather(1, (target[samples] - low).unsqueeze(1)).squeeze(1)
            in_cluster = in_cluster.index_copy(0, samples, own)
        head = F.log_softmax(self.head(input), dim=1)
        output = in_cluster + head.gather(1, place.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if target_.ndim else output.squeeze(0), loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """ln p of all classes, (N, in_features) → (N, n_classes)"""
        return self._all_log_probs(input, self.head(input))

    def _all_log_probs(self, input: Tensor, head: Tensor) -> Tensor:
        head = F.log_softmax(head, dim=1)
        clusters = [
            F.log_softmax(cluster(input), dim=1) + head[:, self.shortlist_size + i].unsqueeze(1)
            for i, cluster in enumerate(self.tail)
        ]
        return minitorch.cat([head[:, : self.shortlist_size], *clusters], 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each sample: log_prob(input).argmax(1); clusters are computed where the head's best is one."""
        head = self.head(input)
        best = head.argmax(1)
        is_cluster = best >= self.shortlist_size
        if bool(is_cluster.any()):
            best[is_cluster] = self._all_log_probs(input[is_cluster], head[is_cluster]).argmax(1)
        return best


def _check(input: Tensor, target: Tensor) -> None:
    """RuntimeError unless there is one target for each sample."""
    if target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim and input.shape[:1] != target.shape:
        raise RuntimeError("Input and target should have the same size in the batch dimension.")
    if input.ndim != target.ndim + 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with size {input.size()}"
        )
