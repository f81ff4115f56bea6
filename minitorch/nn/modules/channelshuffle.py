"""Channels dealt among groups; the permutation is in `minitorch/ops/shuffle.py`."""

from __future__ import annotations

from minitorch.nn import functional as F
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """out[:, k groups + i] = x[:, i C / groups + k]: the channels of x (N, C, …) dealt from groups in turn

    Between grouped convolutions it lets each group see all others (Zhang et al., 2018).
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
