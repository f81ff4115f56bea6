"""The torch side of `minitorch train --compare`: the same script, run in real torch from the same seed.

Nothing is handed over but the data: initial weights, the order of the samples and the dropout masks are each library's own
draws. So a loss curve that is the same shows that the draws are, and what still differs is rounding.
"""

from __future__ import annotations

from typing import Any

import torch

import minitorch

from .examples import example


def training(name: str, inputs: minitorch.Tensor, targets: minitorch.Tensor, **settings: Any) -> Any:
    """The `Training` of a script of `minitorch/examples/`, with the same arguments, in torch on the CPU."""
    arrays = (tensor.cpu().numpy() for tensor in (inputs, targets))
    return example(name, torch).Training(*map(torch.from_numpy, arrays), **settings)
