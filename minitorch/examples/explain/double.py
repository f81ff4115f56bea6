"""The derivative of a derivative: with create_graph=True the first is recorded like any result."""

import minitorch

x = minitorch.tensor(3.0, requires_grad=True)
y = x**3
(loss,) = minitorch.autograd.grad(y, x, create_graph=True)  # 3 x² = 27; its own gradient is 6 x = 18
