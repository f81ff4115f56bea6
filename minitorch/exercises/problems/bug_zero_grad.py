"""Find the bug: the steps grow

This function should run `steps` steps of gradient descent on the mean of (x w - y)^2 and return the weights. The first step is right, the
second is not. Mend it: minitorch may be used as you like.
"""

import minitorch

from ..truth import arrays, tensor

HINTS = (
    "Print w.grad after each backward, and compare it with the gradient of that step alone.",
    "backward adds to .grad; it does not replace what is there.",
    "Set w.grad = None after each step (or before each backward).",
)


def inputs(s):
    return {"w": s.floats("I"), "x": s.floats("N I"), "y": s.floats("N"), "steps": s.of(1, 2, 3)}


def call(f, w, x, y, steps):
    return arrays(f(tensor(w), tensor(x).detach(), tensor(y).detach(), steps))


def bug_zero_grad(w: minitorch.Tensor, x: minitorch.Tensor, y: minitorch.Tensor, steps: int) -> minitorch.Tensor:
    """The weights after those steps, at a learning rate of 0.1."""
    for _ in range(steps):
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()
        with minitorch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None
    return w


def start(w: minitorch.Tensor, x: minitorch.Tensor, y: minitorch.Tensor, steps: int) -> minitorch.Tensor:
    """The weights after those steps, at a learning rate of 0.1."""
    for _ in range(steps):
        loss = ((x @ w - y) ** 2).mean()
        loss.backward()
        with minitorch.no_grad():
            w -= 0.1 * w.grad
    return w


def expected(w, x, y, steps):
    for _ in range(steps):
        w = w - 0.1 * 2 * x.T @ (x @ w - y) / len(y)
    return w


def wrong_once(w, x, y, steps):
    """Gradients still pile up from step to step: clear them in every step, not once before the loop."""
    w.grad = None
    return start(w, x, y, steps)


def wrong_before_the_step(w, x, y, steps):
    """The gradient is cleared between backward and the step, so that the weights never move."""
    for _ in range(steps):
        ((x @ w - y) ** 2).mean().backward()
        w.grad.zero_()
        with minitorch.no_grad():
            w -= 0.1 * w.grad
    return w
