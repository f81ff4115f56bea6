"""Softmax and the logarithm of the right share: the gradient of the scores is p − (0, 1, 0)."""

import minitorch

scores = minitorch.tensor([1.0, 2.0, 0.5], requires_grad=True)
p = scores.softmax(dim=0)
loss = -p[1].log()
