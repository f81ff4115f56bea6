"""A whole training step of a small classifier: forward, backward, and Adam's update."""

import minitorch
from minitorch import nn
from minitorch.nn import functional as F


class Block(nn.Module):
    """x + W₂ gelu(W₁ norm(x))"""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        return x + self.inner(self.norm(x))


minitorch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 12), Block(12), Block(12), nn.Linear(12, 3))
optimizer = minitorch.optim.Adam(model.parameters(), lr=0.01)
x, target = minitorch.randn(16, 8), minitorch.randint(0, 3, (16,))


def step(x, target):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), target)
    loss.backward()
    optimizer.step()
    return loss


loss = step(x, target)
