"""Find the bug: a loss that is a number, and wrong

A network gives prediction of shape (N, 1); target has shape (N,). This function should return the mean squared error. It returns a number,
training goes down, and the model learns nothing but the mean. Mend it: minitorch may be used as you like.
"""

import minitorch

from ..truth import arrays, tensor

HINTS = (
    "What is the shape of prediction - target?",
    "(N, 1) minus (N,) is (N, N): every prediction is compared with every target.",
    "prediction.squeeze(1), or target.unsqueeze(1).",
)


def inputs(s):
    return {"prediction": s.floats("N 1"), "target": s.floats("N")}


def call(f, prediction, target):
    return arrays(f(tensor(prediction), tensor(target).detach()))


def bug_broadcast(prediction: minitorch.Tensor, target: minitorch.Tensor) -> minitorch.Tensor:
    """mean of (prediction_n - target_n)^2"""
    return ((prediction.squeeze(1) - target) ** 2).mean()


def start(prediction: minitorch.Tensor, target: minitorch.Tensor) -> minitorch.Tensor:
    """mean of (prediction_n - target_n)^2"""
    return ((prediction - target) ** 2).mean()


def expected(prediction, target):
    return minitorch.nn.functional.mse_loss(tensor(prediction), tensor(target).detach()[:, None]).detach().numpy()


def wrong_row(prediction, target):
    """Every prediction is still compared with every target: (1, N) broadcasts against (N, 1) as (N,) does. Both need one shape."""
    return ((prediction - target.unsqueeze(0)) ** 2).mean()


def wrong_sum(prediction, target):
    """The pairs are right, but this is their sum: the mean was asked for."""
    return ((prediction.squeeze(1) - target) ** 2).sum()


def wrong_divided(prediction, target):
    """Dividing does not help: (N, 1) minus (N,) still compares every prediction with every target."""
    return ((prediction - target) ** 2).sum() / len(target)
