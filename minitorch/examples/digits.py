"""A network that learns to read digits: all of the training, without the command line around it.

The idea of every training loop: predict, measure the loss, let autograd find how each weight changed it, step.
Try `minitorch train`; read next `minitorch/cli.py`, which calls these functions, or `minitorch/autograd/engine.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import minitorch
from minitorch import Tensor, nn, optim
from minitorch.nn import functional as F


def build_model(hidden: int = 128, dropout: float = 0.2) -> nn.Sequential:
    """64 pixels → `hidden` features → 10 scores, one for each digit."""
    layers = OrderedDict(
        hidden=nn.Linear(64, hidden),
        norm=nn.BatchNorm1d(hidden),
        relu=nn.ReLU(),
        dropout=nn.Dropout(dropout),
        scores=nn.Linear(hidden, 10),
    )
    return nn.Sequential(layers)


def build_optimizer(
    name: str, model: nn.Module, lr: float, epochs: int
) -> tuple[optim.Optimizer, optim.lr_scheduler.LRScheduler]:
    """The optimizer "adam", "adamw" or "sgd" (with momentum), and the schedule that lets its steps shrink to nothing.

    Without the schedule the last steps are as long as the first and the accuracy jumps about by one percent.
    """
    optimizer: optim.Optimizer
    if name == "sgd":
        optimizer = optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    else:
        optimizer = {"adam": optim.Adam, "adamw": optim.AdamW}[name](model.parameters(), lr=lr)
    return optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)


def pixels(images: Tensor) -> Tensor:
    """Images (N, 8, 8) with ink 0 to 16 as rows (N, 64) between 0 and 1, which is what the model takes."""
    return images.flatten(1) / 16


def shuffled_batches(count: int, batch_size: int) -> list[Tensor]:
    """The numbers 0 … count−1 in random order, `batch_size` at a time; a last batch of one is left out.

    (Batch norm takes its mean and variance over the batch: of one image there is no variance.)
    """
    return [rows for rows in minitorch.randperm(count).split(batch_size) if len(rows) > 1]


def train_epoch(
    model: nn.Module,
    optimizer: optim.Optimizer,
    inputs: Tensor,
    labels: Tensor,
    batches: list[Tensor],
    after_batch: Callable[[], object] = lambda: None,
) -> float:
    """One pass over the batches; the mean loss of an image."""
    model.train()
    total = 0.0
    for rows in batches:
        loss = F.cross_entropy(model(inputs[rows]), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
        after_batch()
    return total / sum(len(rows) for rows in batches)


@minitorch.no_grad()
def predict(model: nn.Module, inputs: Tensor) -> Tensor:
    """The digit with the highest score for each row of `inputs`."""
    model.eval()
    return model(inputs).argmax(dim=1)


def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """The share of images read correctly, in percent."""
    return 100 * (predict(model, inputs) == labels).float().mean().item()
