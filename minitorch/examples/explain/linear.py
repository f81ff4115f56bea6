"""A linear layer and a squared error: what a product sends to weight and bias."""

import minitorch
from minitorch.nn import functional as F

x = minitorch.tensor([[1.0, 2.0]])
weight = minitorch.tensor([[0.5, -1.0], [1.5, 0.0]], requires_grad=True)
bias = minitorch.tensor([0.0, 1.0], requires_grad=True)
y = F.linear(x, weight, bias)
target = minitorch.tensor([[1.0, 2.0]])
loss = F.mse_loss(y, target)
