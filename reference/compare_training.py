"""The torch side of `minitorch train --compare`: the same script, run in real torch from the same seed.

Nothing is handed over but the data: initial weights, the order of the samples and the dropout masks are each library's own
draws. So a loss curve that is the same shows that the draws are, and what still differs is rounding.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import minitorch


def training(script: ModuleType, inputs: minitorch.Tensor, targets: minitorch.Tensor, **settings: Any) -> Any:
    """The script's `Training` of the same arguments, in torch on the CPU."""
    arrays = (tensor.cpu().numpy() for tensor in (inputs, targets))
    return in_torch(script).Training(*map(torch.from_numpy, arrays), **settings)


def in_torch(script: ModuleType) -> ModuleType:
    """The module that the script's text makes with `torch` in place of `minitorch`."""
    text = re.sub(r"\bminitorch\b", "torch", Path(script.__file__ or "").read_text(encoding="utf-8"))
    made = ModuleType(script.__name__.replace("minitorch", "torch"))
    exec(compile(text, f"{script.__file__} (in torch)", "exec"), vars(made))
    return made
