"""`GradBucket`: gradients that travel together, as a communication hook of DistributedDataParallel sees them.

Read next: `nn/parallel/reducer.py`, which fills them; `algorithms/ddp_comm_hooks/default_hooks.py`, hooks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import minitorch

if TYPE_CHECKING:
    from minitorch.tensor import Tensor


class GradBucket:
    """A flat tensor, and views of it in the shapes of the parameters whose gradients lie there, one after the other."""

    __module__ = "minitorch.distributed"

    def __init__(self, index: int, parameters: Sequence[Tensor], last: bool) -> None:
        self._index, self._parameters, self._last = index, list(parameters), last
        first = parameters[0]
        self._views: list[Tensor] = []
        self.set_buffer(minitorch.zeros(sum(p.numel() for p in parameters), dtype=first.dtype, device=first.device))

    def index(self) -> int:
        """Its place among the buckets: 0 is reduced first."""
        return self._index

    def is_last(self) -> bool:
        """Whether it is the one that is reduced last."""
        return self._last

    def buffer(self) -> Tensor:
        """The flat tensor."""
        return self._buffer

    def gradients(self) -> list[Tensor]:
        """Its parts, each in the shape of its parameter: they share its memory."""
        return self._views

    def parameters(self) -> list[Tensor]:
        """The parameters, in the order of their gradients."""
        return self._parameters

    def set_buffer(self, tensor: Tensor) -> None:
        """Another flat tensor in its place."""
        self._buffer = tensor
        sizes = [p.numel() for p in self._parameters]
        with minitorch.no_grad():
            self._views = [part.view(p.shape) for part, p in zip(tensor.split(sizes), self._parameters)]
