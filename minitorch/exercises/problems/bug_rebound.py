"""Find the bug: a parameter that is another one after the first step

This function should take `steps` steps of gradient descent on sum of (w - 1)^2: w, the parameter that the caller holds, has to move. It
raises in the second step. Mend it: minitorch may be used as you like. Nothing is returned.
"""

import minitorch

from ..truth import tensor

HINTS = (
    "w = w - ... makes a new tensor and gives it the name w; the caller's parameter stays where it was.",
    "Under no_grad that new tensor does not require grad, so the second backward has nothing to do.",
    "w -= ... writes into the parameter itself, which is allowed under no_grad.",
)
RETURNS = ("the caller's w", "its requires_grad")


def inputs(s):
    return {"w": s.floats("N"), "steps": s.of(1, 2, 3)}


def call(f, w, steps):
    parameter = tensor(w)
    f(parameter, steps)
    return parameter.detach().numpy(), parameter.requires_grad


def bug_rebound(w: minitorch.Tensor, steps: int) -> None:
    """Move w, at a learning rate of 0.1."""
    for _ in range(steps):
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        with minitorch.no_grad():
            w -= 0.1 * w.grad
        w.grad = None


def start(w: minitorch.Tensor, steps: int) -> None:
    """Move w, at a learning rate of 0.1."""
    for _ in range(steps):
        loss = ((w - 1) ** 2).sum()
        loss.backward()
        with minitorch.no_grad():
            w = w - 0.1 * w.grad
        w.grad = None


def expected(w, steps):
    for _ in range(steps):
        w = w - 0.1 * 2 * (w - 1)
    return w, True


def wrong_requires_grad_again(w, steps):
    """Nothing is raised now, but w is still a new tensor in each step: the caller's parameter does not move. Write into it: w -= ..."""
    for _ in range(steps):
        ((w - 1) ** 2).sum().backward()
        w = (w - 0.1 * w.grad).detach().requires_grad_()


def wrong_without_no_grad(w, steps):
    """Outside of no_grad a write to a parameter would be recorded, and a leaf must not be: autograd refuses it."""
    for _ in range(steps):
        ((w - 1) ** 2).sum().backward()
        w -= 0.1 * w.grad
        w.grad = None
