"""A value used twice: its gradient is a sum, handed on only when the sum is complete."""

import minitorch

x = minitorch.tensor(2.0, requires_grad=True)
square = x * x
cube = square * x
loss = square * cube  # x⁵, so the gradient is 5 x⁴ = 80
