"""A variational autoencoder of handwritten digits: a normal distribution for each, a sample of it, and the digit back from that.

The loss is what is lost of the digit, summed, and how far the distribution is from the standard one. Old default types, Adam, a sampler.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
import torch.utils.data
from torch import nn, optim
from torch.nn import functional as F

from minitorch.datasets import load_digits


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(64, 40)
        self.fc21 = nn.Linear(40, 6)
        self.fc22 = nn.Linear(40, 6)
        self.fc3 = nn.Linear(6, 40)
        self.fc4 = nn.Linear(40, 64)

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h1 = F.softplus(self.fc1(x))
        return self.fc21(h1), self.fc22(h1)

    def reparameterize(self, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.fc4(F.softplus(self.fc3(z))))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        mu, logvar = self.encode(x.view(-1, 64))
        return self.decode(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon_x: torch.Tensor, x: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
    bce = F.binary_cross_entropy(recon_x, x.view(-1, 64), reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def losses() -> Iterator[float]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--no-accel", action="store_true")
    args = parser.parse_args([])
    use_accel = not args.no_accel and torch.accelerator.is_available()
    device = torch.accelerator.current_accelerator() if use_accel else torch.device("cpu")
    more = {"num_workers": 1, "pin_memory": True} if use_accel else {}
    torch.use_deterministic_algorithms(True)
    torch.set_flush_denormal(False)
    try:
        images, _ = load_digits("train")
        x = torch.Tensor(images.numpy().tolist()).to(device) / 16
        train_loader = torch.utils.data.DataLoader(x, batch_size=args.batch_size, shuffle=True, **more)
        test_loader = torch.utils.data.DataLoader(x[:200], batch_size=100, shuffle=False, **more)
        model = VAE().to(device)
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        while True:
            model.train()
            for data in train_loader:
                optimizer.zero_grad()
                recon_batch, mu, logvar = model(data)
                loss = loss_function(recon_batch, data, mu, logvar)
                loss.backward()
                optimizer.step()
                yield loss.item() / len(data)
            model.eval()
            test_loss = 0.0
            with torch.no_grad():
                for data in test_loader:
                    test_loss += loss_function(
                        data.new_tensor(model(data)[0].tolist()), data, *model.encode(data.flatten(1))
                    ).item()
                sample = model.decode(torch.randn(8, 6).to(device)).cpu()
            yield test_loss / 200
            yield sample.view(8, 1, 8, 8).mean().item()
    finally:
        torch.use_deterministic_algorithms(False)
