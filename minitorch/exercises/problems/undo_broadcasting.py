"""Undo broadcasting

When NumPy computes a + b and b has the smaller shape, b is repeated. Whatever was repeated contributes to the loss many times, so its
gradient is the sum over the repetitions. In minitorch this is done in one place, for every op.

Given g, a gradient of the shape of the result, and the shape that an operand had before it was broadcast, return the gradient of that
operand: an array of that shape. Dimensions may have been added in front, and dimensions of size 1 may have been stretched.
NumPy alone.
"""

import numpy as np

from ..truth import gradients

HINTS = (
    "Two things happen in broadcasting: missing leading dimensions are added, and dimensions of size 1 are stretched. Undo both.",
    "First sum over the leading dimensions that the shape does not have: there are g.ndim - len(shape) of them.",
    "Then, for each dimension where the shape has 1, sum with keepdims=True.",
)


def inputs(s):
    def shape(case, source):
        kept = [1 if source.integer(0, 1) else n for n in case["g"].shape]
        return tuple(kept[source.integer(0, len(kept)) :])

    return {"g": s.floats("*"), "shape": s.given(shape)}


def undo_broadcasting(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """g, summed to that shape."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    stretched = tuple(d for d, n in enumerate(shape) if n == 1)
    return g.sum(stretched, keepdims=True)


def expected(g, shape):
    return gradients(lambda x: x.expand(g.shape), g, np.zeros(shape))


def wrong_leading_only(g, shape):
    """Only the added dimensions are summed. A dimension of size 1 was stretched as well: sum over it, with keepdims=True."""
    return g.sum(tuple(range(g.ndim - len(shape))))


def wrong_mean(g, shape):
    """This takes means. What was used n times has n contributions to its gradient, and they add up."""
    g = g.mean(tuple(range(g.ndim - len(shape))))
    return g.mean(tuple(d for d, n in enumerate(shape) if n == 1), keepdims=True)


def wrong_reshape(g, shape):
    """This takes one of the copies. Each copy contributes: sum them."""
    index = tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)
    return g[(0,) * (g.ndim - len(shape))][index].copy()


def wrong_no_keepdims(g, shape):
    """The stretched dimensions are gone: sum over them with keepdims=True, so that each keeps its size of 1."""
    g = g.sum(tuple(range(g.ndim - len(shape))))
    return g.sum(tuple(d for d, n in enumerate(shape) if n == 1))
