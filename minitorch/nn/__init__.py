"""Layers and losses: `Module` and its kin hold state and defaults, the mathematics is in `minitorch/ops/`.

Read `modules/module.py` (registration, state dicts), then `modules/linear.py` and `modules/batchnorm.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minitorch.nn import attention, functional, grad, init, modules, utils
from minitorch.nn.modules import *
from minitorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

if not TYPE_CHECKING:
    __all__ = [
        "Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "attention", "functional", "grad", "init", "utils",
        *modules.__all__,
    ]  # fmt: skip
