"""Small training programs, each written once: `lib` is minitorch or torch, and the text is the same for both.

Every kind of random draw a learner meets is in one of them: initial weights, splits, shuffles, weighted sampling, dropout, noise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from minitorch.datasets import load_digits


def classifier(lib: Any) -> Iterator[float]:
    """Digits by a perceptron with batch norm and dropout, on shuffled mini-batches, tested after each epoch; Adam.

    Two things would turn rounding into chance: a ReLU (what lies within rounding of its kink may fall on either side), and a
    bias before batch norm (its true gradient is 0, and of what rounding leaves Adam makes full steps).
    """
    nn, data = lib.nn, lib.utils.data
    model = nn.Sequential(
        nn.Linear(64, 48, bias=False), nn.BatchNorm1d(48), nn.GELU(), nn.Dropout(0.3),
        nn.Linear(48, 32, bias=False), nn.BatchNorm1d(32), nn.GELU(), nn.Dropout(0.2),
        nn.Linear(32, 10),
    )  # fmt: skip
    training, held_out = data.random_split(data.TensorDataset(*digits(lib)), [0.8, 0.2])
    optimizer = lib.optim.Adam(model.parameters(), lr=3e-3)
    lowest = float("inf")
    batches = data.DataLoader(training, batch_size=32, shuffle=True, drop_last=True)
    while True:
        model.train()
        for x, y in batches:
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()
        model.eval()
        with lib.no_grad():
            losses = [nn.functional.cross_entropy(model(x), y).item() for x, y in data.DataLoader(held_out, batch_size=100)]
        if sum(losses) > lowest:  # no longer better: shorter steps
            optimizer.param_groups[0]["lr"] /= 2
        lowest = min(lowest, sum(losses))


def autoencoder(lib: Any) -> Iterator[float]:
    """Digits with noise on them through a bottleneck of 8 numbers, to come out without it; AdamW."""
    nn, data = lib.nn, lib.utils.data

    class Autoencoder(nn.Module):
        def __init__(self, features: int, code: int) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Linear(features, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, code))
            self.decoder = nn.Sequential(nn.Linear(code, 32), nn.Tanh(), nn.Dropout(0.1), nn.Linear(32, features))
            for layer in (self.encoder[0], self.decoder[0]):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

        def forward(self, x: Any) -> Any:
            return self.decoder(self.encoder(x)).sigmoid()

    images, _ = digits(lib)
    model = Autoencoder(64, 8)
    optimizer = lib.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=1e-3)
    batches = data.DataLoader(images, batch_size=50, shuffle=True, generator=lib.Generator().manual_seed(7))
    while True:
        for x in batches:
            noisy = x + 0.2 * lib.randn_like(x)
            loss = nn.functional.mse_loss(model(noisy), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss.item()


def weighted_softmax_regression(lib: Any) -> Iterator[float]:
    """Digits of which the higher ones are rare, drawn as if all were equally frequent; SGD on one linear layer."""
    nn, data = lib.nn, lib.utils.data
    images, labels = digits(lib)
    kept = lib.rand(len(labels)) < 1 / (1 + labels)  # digit d is kept with probability 1 / (1 + d)
    images, labels = images[kept], labels[kept]
    weights = 1 / lib.bincount(labels, minlength=10)[labels]
    model = nn.Linear(64, 10)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-4, nesterov=True)
    sampler = data.WeightedRandomSampler(weights, num_samples=len(labels))
    while True:
        for x, y in data.DataLoader(data.TensorDataset(images, labels), batch_size=40, sampler=sampler):
            loss = nn.functional.cross_entropy(model(x), y, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            yield loss.item()


def digits(lib: Any) -> tuple[Any, Any]:
    """The digits that ship with minitorch: (N, 64) between 0 and 1 in the default dtype, and (N,) int64."""
    images, labels = load_digits()
    pixels = lib.tensor(images.flatten(1).numpy(), dtype=lib.get_default_dtype())
    return pixels / 16, lib.tensor(labels.numpy())


PROGRAMS = [classifier, autoencoder, weighted_softmax_regression]
