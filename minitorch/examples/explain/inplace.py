"""Writing into part of a tensor: what was overwritten gets no gradient, what was written does."""

import minitorch

x = minitorch.tensor([1.0, 2.0, 3.0], requires_grad=True)
s = minitorch.tensor(10.0, requires_grad=True)
y = x * x
y[0] = 5 * s
loss = y.sum()
