"""Two networks that learn to read digits, an MLP and a CNN: all of the training, without the command line around it.

The idea of every training loop: predict, measure the loss, let autograd find how each weight changed it, step. Every word is
torch's, too: `minitorch train --compare` runs this very text there, with "torch" where it says "minitorch".
Try `minitorch train`; read next `minitorch/cli/train.py`, which runs it, or `minitorch/autograd/engine.py`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import minitorch
from minitorch import Tensor, nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader, TensorDataset


class Training:
    """One run, epoch by epoch; everything random in it (weights, order of the images, dropout) follows from the seed."""

    def __init__(
        self,
        inputs: Tensor,
        labels: Tensor,
        *,
        model: str = "mlp",
        seed: int = 0,
        hidden: int = 128,
        dropout: float = 0.2,
        optimizer: str = "adam",
        lr: float = 0.01,
        batch_size: int = 64,
        epochs: int = 20,
    ) -> None:
        minitorch.manual_seed(seed)
        self.model = MODELS[model](hidden, dropout).to(inputs.device)
        self.optimizer, self.schedule = build_optimizer(optimizer, self.model, lr, epochs)
        # Batch norm takes its mean and variance over the batch: of one image there is no variance.
        alone = len(labels) % batch_size == 1
        self.batches = DataLoader(TensorDataset(inputs, labels), batch_size, shuffle=True, drop_last=alone)
        self.total, self.count = 0.0, 0  # of the losses in this epoch, and how many images they are of

    def epoch(self, after_batch: Callable[[], object] = lambda: None) -> float:
        """One pass over the images in a new order; the mean loss of an image."""
        self.model.train()
        for inputs, labels in self.batches:
            loss = self.step(inputs, labels)
            self.total += loss.item() * len(labels)
            self.count += len(labels)
            after_batch()
        self.schedule.step()
        mean, self.total, self.count = self.total / self.count, 0.0, 0
        return mean

    def step(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """One step on a batch: its loss."""
        loss = F.cross_entropy(self.model(inputs), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


def build_mlp(hidden: int = 128, dropout: float = 0.2) -> nn.Sequential:
    """64 pixels → `hidden` features → 10 scores, one for each digit."""
    layers = OrderedDict(
        hidden=nn.Linear(64, hidden),
        norm=nn.BatchNorm1d(hidden),
        relu=nn.ReLU(),
        dropout=nn.Dropout(dropout),
        scores=nn.Linear(hidden, 10),
    )
    return nn.Sequential(layers)


def build_cnn(hidden: int = 32, dropout: float = 0.2) -> nn.Sequential:
    """8×8 pixels → `hidden` pictures of 4×4 → twice as many of 2×2 → 10 scores; each picture shows where one pattern is."""

    def patterns(channels: int, out: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(), nn.MaxPool2d(2)]

    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        *patterns(1, hidden),
        *patterns(hidden, 2 * hidden),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(2 * hidden * 2 * 2, 10),
    )


MODELS: dict[str, Callable[[int, float], nn.Sequential]] = {"mlp": build_mlp, "cnn": build_cnn}


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


@minitorch.no_grad()
def predict(model: nn.Module, inputs: Tensor) -> Tensor:
    """The digit with the highest score for each row of `inputs`."""
    model.eval()
    return model(inputs).argmax(dim=1)


def accuracy(model: nn.Module, inputs: Tensor, labels: Tensor) -> float:
    """The share of images read correctly, in percent."""
    return 100 * (predict(model, inputs) == labels).float().mean().item()
