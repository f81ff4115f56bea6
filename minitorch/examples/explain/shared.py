"""A value used twice: its gradient is a sum, handed on only when the sum is complete."""

import minitorch

a = minitorch.tensor(2.0, requires_grad=True)
b = a * a
c = b * a
loss = b * c  # a⁵, so the gradient is 5 a⁴ = 80
