"""Layers and losses: `Module` and its kin hold state and defaults, the mathematics is in `minitorch/ops/`.

Read `modules/module.py` (registration, state dicts), then `modules/linear.py` and `modules/batchnorm.py`.
"""

from __future__ import annotations

from minitorch.nn import functional, init, utils
from minitorch.nn.modules import *
from minitorch.nn.modules import __all__ as _modules
from minitorch.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "functional", "init", "utils", *_modules]
