"""A bias stretched over the rows: each copy contributed, so its gradient is their sum."""

import minitorch

x = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
bias = minitorch.tensor([0.5, -0.5], requires_grad=True)
y = x + bias
loss = (y * y).sum()
