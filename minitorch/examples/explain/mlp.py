"""A network of two layers: backward runs from the last layer to the first."""

import minitorch
from minitorch import nn
from minitorch.nn import functional as F

minitorch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
x = minitorch.tensor([[1.0, -1.0], [0.5, 2.0]])
y = model(x)
target = minitorch.tensor([[1.0], [0.0]])
loss = F.mse_loss(y, target)
