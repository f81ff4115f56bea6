"""The torch side of `minitorch train --compare`: the same model, trained in real torch on the same batches.

Same weights to begin with, same order of images and the same dropout masks, so that whatever differs in the end is
rounding. The masks come from minitorch's generator, put back to where it stood when minitorch began the epoch.
"""

from __future__ import annotations

from collections import OrderedDict

import torch

import minitorch


class TorchTwin:
    """A copy in torch of a minitorch model that is about to be trained with the named optimizer."""

    def __init__(self, model: minitorch.nn.Sequential, optimizer: str, lr: float, epochs: int) -> None:
        hidden, inputs = model.hidden.weight.shape
        self.model = torch.nn.Sequential(
            OrderedDict(
                hidden=torch.nn.Linear(inputs, hidden),
                norm=torch.nn.BatchNorm1d(hidden),
                relu=torch.nn.ReLU(),
                dropout=SameDropout(model.dropout),
                scores=torch.nn.Linear(hidden, 10),
            )
        )
        self.model.load_state_dict({name: _to_torch(value).clone() for name, value in model.state_dict().items()})
        if optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr, momentum=0.9)
        else:
            kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[optimizer]
            self.optimizer = kind(self.model.parameters(), lr=lr)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, epochs)

    def train_epoch(
        self,
        inputs: minitorch.Tensor,
        labels: minitorch.Tensor,
        batches: list[minitorch.Tensor],
        random_state: minitorch.Tensor,
    ) -> float:
        """Repeat minitorch's epoch, from the random state in which that began; the mean loss of an image."""
        minitorch.set_rng_state(random_state)
        x, y = _to_torch(inputs), _to_torch(labels)
        total = 0.0
        for rows in map(_to_torch, batches):
            loss = torch.nn.functional.cross_entropy(self.model(x[rows]), y[rows])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(rows)
        self.schedule.step()
        return total / sum(len(rows) for rows in batches)


class SameDropout(torch.nn.Module):
    """Multiplies by what minitorch's dropout makes of ones: 0 where it drops, 1/(1−p) where it keeps."""

    def __init__(self, dropout: minitorch.nn.Dropout) -> None:
        super().__init__()
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """x · mask / (1 − p)"""
        return x * _to_torch(minitorch.nn.functional.dropout(minitorch.ones(*x.shape), self.dropout.p))


def _to_torch(tensor: minitorch.Tensor) -> torch.Tensor:
    return torch.from_numpy(tensor.detach().cpu().numpy())
