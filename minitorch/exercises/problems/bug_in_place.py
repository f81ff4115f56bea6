"""Find the bug: a write before backward

For a tensor x this function should return (dL/dx, e + 1) for e = exp(x) and L = sum of e^2. It raises instead. Why? Mend it: minitorch
may be used as you like.
"""

import minitorch

from ..truth import arrays, tensor

HINTS = (
    "What did e * e keep for its derivative? Read the error: it names what was overwritten.",
    "The derivative of e * e needs e, and so does that of exp, which keeps its output. e += 1 writes into that very memory.",
    "shifted = e + 1 makes a new tensor; or write after backward has run.",
)
RETURNS = ("dL/dx", "e + 1")


def inputs(s):
    return {"x": s.floats("*")}


def call(f, x):
    return arrays(f(tensor(x)))


def bug_in_place(x: minitorch.Tensor) -> tuple[minitorch.Tensor, minitorch.Tensor]:
    """(dL/dx, e + 1)"""
    e = x.exp()
    loss = (e * e).sum()
    shifted = e + 1
    loss.backward()
    return x.grad, shifted


def start(x: minitorch.Tensor) -> tuple[minitorch.Tensor, minitorch.Tensor]:
    """(dL/dx, e + 1)"""
    e = x.exp()
    loss = (e * e).sum()
    e += 1
    loss.backward()
    return x.grad, e


def expected(x):
    t = tensor(x)
    (t.exp() ** 2).sum().backward()
    return t.grad.numpy(), (t.exp() + 1).detach().numpy()


def wrong_data(x):
    """.data hides the write from autograd: nothing is raised, and the gradient is silently wrong."""
    e = x.exp()
    loss = (e * e).sum()
    e.data += 1
    loss.backward()
    return x.grad, e


def wrong_detached(x):
    """What backward needs is still overwritten (detach(), for one, shares its memory with e): write into a clone, or compute e + 1."""
    e = x.exp()
    loss = (e * e).sum()
    shifted = e.detach()
    shifted += 1
    loss.backward()
    return x.grad, shifted


def wrong_before_the_loss(x):
    """The loss is computed from the shifted e here: it should be of e itself."""
    e = x.exp() + 1
    (e * e).sum().backward()
    return x.grad, e
