"""Clip the norm of all gradients together

    total  = the norm of all gradients, taken as one long vector
    factor = max_norm / (total + 1e-6), but at most 1

Given grads, a list of float64 arrays of several shapes, and max_norm, return (total, a list of the gradients times factor). Leave the
old ones as they are. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "The norm of one long vector: the root of the sum of all squares.",
    "One factor for all: the direction of the step stays what it was.",
    "min(1.0, max_norm / (total + 1e-6)): small gradients are not made larger.",
)
RETURNS = ("total", "the list")


def inputs(s):
    return {"grads": s.several(s.floats("N C"), along=True), "max_norm": s.of(1.0, 5.0, 100.0)}


def clip_grad_norm(grads: list[np.ndarray], max_norm: float) -> tuple[float, list[np.ndarray]]:
    """(total, clipped gradients)"""
    total = np.sqrt(sum((g * g).sum() for g in grads))
    factor = min(1.0, max_norm / (total + 1e-6))
    return total, [g * factor for g in grads]


def expected(grads, max_norm):
    parameters = [tensor(g) for g in grads]
    for parameter, g in zip(parameters, grads):
        parameter.grad = tensor(g).detach()
    total = minitorch.nn.utils.clip_grad_norm_(parameters, max_norm)
    return total.item(), [parameter.grad.numpy() for parameter in parameters]


def wrong_one_by_one(grads, max_norm):
    """Each gradient is clipped by its own norm, which turns the step: there is one norm and one factor for all."""
    total = np.sqrt(sum((g * g).sum() for g in grads))
    return total, [g * min(1.0, max_norm / (np.sqrt((g * g).sum()) + 1e-6)) for g in grads]


def wrong_always(grads, max_norm):
    """Small gradients are made larger here: the factor is at most 1."""
    total = np.sqrt(sum((g * g).sum() for g in grads))
    return total, [g * max_norm / (total + 1e-6) for g in grads]


def wrong_by_value(grads, max_norm):
    """This clips each number by itself, as clip_grad_value_ does: here all are multiplied by one factor."""
    total = np.sqrt(sum((g * g).sum() for g in grads))
    return total, [np.clip(g, -max_norm, max_norm) for g in grads]
