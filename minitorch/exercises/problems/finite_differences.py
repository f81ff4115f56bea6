"""A gradient by finite differences

The judge of judges: compare a derivative with (f(x + h) - f(x - h)) / 2h, one element at a time. (f(x + h) - f(x)) / h is simpler,
but its error shrinks only like h, that of the central difference like h^2.

Given f, a function from an array to a float, x, a float64 array, and a step h, return the central difference for each element of x:
an array of x's shape. Leave x as it is. NumPy alone.
"""

import numpy as np

HINTS = (
    "np.ndindex(x.shape) goes through all indices, whatever the shape.",
    "For each index: copy x, add h to that one element, and call f; the same with -h.",
    "A step that was added has to be taken back before the next element: a fresh copy for each does that.",
)


def inputs(s):
    return {"x": s.floats("*"), "a": s.number(), "h": s.of(0.5, 0.25)}


def call(f, x, a, h):
    def function(z):
        return float((a * z**3 + np.sin(z)).sum() + z.sum() ** 2)

    return f(function, x, h)


def finite_differences(f, x: np.ndarray, h: float) -> np.ndarray:
    """(f(x + h e) - f(x - h e)) / 2h for each element's unit vector e."""
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += h
        below[index] -= h
        found[index] = (f(above) - f(below)) / (2 * h)
    return found


def expected(x, a, h):
    return call(finite_differences, x, a, h)


def wrong_forward_difference(f, x, h):
    """This is the one-sided difference (f(x + h) - f(x)) / h, whose error is much larger: use both sides."""
    found = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        above = x.copy()
        above[index] += h
        found[index] = (f(above) - f(x)) / h
    return found


def wrong_not_halved(f, x, h):
    """The two points are 2h apart: divide by 2h, not by h."""
    return 2 * finite_differences(f, x, h)


def wrong_all_at_once(f, x, h):
    """Here h is added to all elements at once, which gives the sum of the gradient's elements: move one element at a time."""
    return np.full(x.shape, (f(x + h) - f(x - h)) / (2 * h))
