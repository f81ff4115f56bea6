"""Optimizers and learning-rate schedules (torch's `torch.optim`)."""

from __future__ import annotations

from minitorch.kernels.cpu import optim as _on_cpu  # twins, which enter themselves
from minitorch.kernels.cuda import optim as _on_gpu
from minitorch.optim import lr_scheduler
from minitorch.optim.adam import Adam
from minitorch.optim.adamw import AdamW
from minitorch.optim.optimizer import Optimizer
from minitorch.optim.sgd import SGD

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
