"""A function of a function: each step multiplies by one more derivative."""

import minitorch

x = minitorch.tensor(0.5, requires_grad=True)
y = x * x
loss = y.exp().log1p()
