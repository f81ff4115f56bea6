"""Binary cross-entropy from logits, stable

For a logit x and a target y between 0 and 1 the loss is

    -(y ln s + (1 - y) ln(1 - s))   with s = sigmoid(x)

Given x and y, float64 arrays of one shape, x up to 1000 in size, return the loss of each element, of the same shape. Every loss is
finite. NumPy alone; np.logaddexp may not be used.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "For x = 1000, s is exactly 1 as a float and ln(1 - s) is -inf. Put the sigmoid's formula in and simplify first.",
    "ln s = -ln(1 + e^-x) and ln(1 - s) = -x - ln(1 + e^-x), so the loss is x - x y + ln(1 + e^-x). That still overflows for x = -1000.",
    "max(x, 0) - x * y + ln(1 + exp(-|x|)); np.log1p(z) is ln(1 + z).",
)
FORBIDDEN = ("logaddexp",)


def inputs(s):
    return {
        "x": s.given(lambda case, source: source.choice([1, 300]) * s.floats("*")(source, case)),
        "y": s.floats("*", 0.0, 1.0),
    }


def bce_with_logits(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The loss of each element."""
    return np.maximum(x, 0) - x * y + np.log1p(np.exp(-np.abs(x)))


def expected(x, y):
    found = minitorch.nn.functional.binary_cross_entropy_with_logits(tensor(x), tensor(y).detach(), reduction="none")
    return found.detach().numpy()


def wrong_by_sigmoid(x, y):
    """The sigmoid is computed first: for a large logit it is exactly 0 or 1, and ln(0) is -inf. Simplify the formula first."""
    s = 1 / (1 + np.exp(-x))
    return -(y * np.log(s) + (1 - y) * np.log(1 - s))


def wrong_overflows(x, y):
    """exp(-x) overflows for x = -1000: the exponent must not become positive, so use exp(-|x|) and max(x, 0)."""
    return x - x * y + np.log1p(np.exp(-x))


def wrong_clipped(x, y):
    """The sigmoid is clipped. The loss is finite then, but wrong for large logits, and its gradient is 0 just where it is most needed."""
    s = np.clip(1 / (1 + np.exp(-x)), 1e-7, 1 - 1e-7)
    return -(y * np.log(s) + (1 - y) * np.log(1 - s))
