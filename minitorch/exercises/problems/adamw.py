"""AdamW: where the weight decay goes

Adam divides each step by the size of the gradients. Weight decay that is added to the gradient would be divided too. AdamW keeps it
apart, and shrinks the weights first:

    p = p - lr * weight_decay * p
    m = beta1 * m + (1 - beta1) * g,    v = beta2 * v + (1 - beta2) * g^2
    p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

with beta1 = 0.9, beta2 = 0.999, eps = 1e-8. Given p, g, m, v, t (from 1), lr and weight_decay, return (new p, new m, new v). Leave the
old ones as they are. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "The three lines above, in their order.",
    "The decay is multiplied by lr, so that a schedule moves both.",
    "The gradient that goes into m and v knows nothing of the decay.",
)
RETURNS = ("p", "m", "v")


def inputs(s):
    return {
        "p": s.floats("N"), "g": s.floats("N"), "m": s.floats("N"), "v": s.floats("N", 0.0, 3.0),
        "t": s.of(1, 2, 5), "lr": s.of(0.1, 0.01), "weight_decay": s.of(0.0, 0.5),
    }  # fmt: skip


def adamw(
    p: np.ndarray, g: np.ndarray, m: np.ndarray, v: np.ndarray, t: int, lr: float, weight_decay: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(new p, new m, new v)"""
    m = 0.9 * m + 0.1 * g
    v = 0.999 * v + 0.001 * g * g
    step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return p - lr * weight_decay * p - lr * step, m, v


def expected(p, g, m, v, t, lr, weight_decay):
    parameter = tensor(p)
    parameter.grad = tensor(g).detach()
    optimizer = minitorch.optim.AdamW([parameter], lr=lr, weight_decay=weight_decay)
    state = {"step": minitorch.tensor(t - 1.0), "exp_avg": tensor(m).detach(), "exp_avg_sq": tensor(v).detach()}
    optimizer.state[parameter].update(state)
    optimizer.step()
    return parameter.detach().numpy(), state["exp_avg"].numpy(), state["exp_avg_sq"].numpy()


def wrong_l2(p, g, m, v, t, lr, weight_decay):
    """The decay is added to the gradient, as in Adam with weight_decay: Adam then divides it by the size of the gradients."""
    return adamw(p, g + weight_decay * p, m, v, t, lr, 0.0)


def wrong_without_lr(p, g, m, v, t, lr, weight_decay):
    """The decay is not multiplied by the learning rate."""
    return adamw(p, g, m, v, t, lr, weight_decay / lr)


def wrong_decay_last(p, g, m, v, t, lr, weight_decay):
    """The decay comes after the step here, and shrinks the step too: it comes first."""
    new, m, v = adamw(p, g, m, v, t, lr, 0.0)
    return new - lr * weight_decay * new, m, v
