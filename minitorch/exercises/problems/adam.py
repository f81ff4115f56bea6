"""Adam, with its bias correction

    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g^2

m and v begin at 0, so they are too small at first: after t steps by the factors 1 - beta1^t and 1 - beta2^t. Adam divides by these:

    p = p - lr * m_corrected / (sqrt(v_corrected) + eps)

Given p, g, m, v (float64 arrays of one shape), t (the number of this step, from 1), lr, beta1, beta2 and eps, return (new p, new m,
new v). The corrected ones are not kept. Leave the old ones as they are. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "First the new m and v, then the corrected ones, then the step.",
    "m / (1 - beta1**t) and v / (1 - beta2**t).",
    "eps is added to the root of the corrected v.",
)
RETURNS = ("p", "m", "v")


def inputs(s):
    return {
        "p": s.floats("N"), "g": s.floats("N"), "m": s.floats("N"), "v": s.floats("N", 0.0, 3.0),
        "t": s.of(1, 2, 5), "lr": s.of(0.1, 0.01), "beta1": s.of(0.9, 0.5), "beta2": s.of(0.999, 0.9), "eps": s.of(1e-8, 0.1),
    }  # fmt: skip


def adam(
    p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, t: int, lr: float, beta1: float, beta2: float, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(new p, new m, new v)"""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    step = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return p - lr * step, m, v


def expected(p, g, m, v, t, lr, beta1, beta2, eps):
    parameter = tensor(p)
    parameter.grad = tensor(g).detach()
    optimizer = minitorch.optim.Adam([parameter], lr=lr, betas=(beta1, beta2), eps=eps)
    state = {"step": minitorch.tensor(t - 1.0), "exp_avg": tensor(m).detach(), "exp_avg_sq": tensor(v).detach()}
    optimizer.state[parameter].update(state)
    optimizer.step()
    return parameter.detach().numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()


def wrong_no_correction(p, g, m, v, t, lr, beta1, beta2, eps):
    """The bias correction is missing: divide m by 1 - beta1^t and v by 1 - beta2^t."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return p - lr * m / (np.sqrt(v) + eps), m, v


def wrong_eps_inside(p, g, m, v, t, lr, beta1, beta2, eps):
    """eps stands below the root here: it is added to the root."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g * g
    return p - lr * (m / (1 - beta1**t)) / np.sqrt(v / (1 - beta2**t) + eps), m, v


def wrong_corrected_is_kept(p, g, m, v, t, lr, beta1, beta2, eps):
    """The corrected m and v are returned, so the next step would correct them again: keep the plain ones."""
    new, m, v = adam(p, g, m, v, t, lr, beta1, beta2, eps)
    return new, m / (1 - beta1**t), v / (1 - beta2**t)
