"""A training step as a program: forward, backward and Adam's step of a network of three layers."""

import minitorch
from minitorch import nn
from minitorch.nn import functional as F

minitorch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
optimizer = minitorch.optim.Adam(model.parameters(), lr=0.01)
x, target = minitorch.randn(32, 4), minitorch.randint(0, 3, (32,))


def step(x, target):
    """One step on a batch."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), target)
    loss.backward()
    optimizer.step()
    return loss
