"""SGD with momentum, as torch does it

One step of torch.optim.SGD(lr, momentum, weight_decay). There are several formulas by the name of momentum; torch's is

    g = g + weight_decay * p
    v = momentum * v + g
    p = p - lr * v

Given p, its gradient g and the momentum buffer v, float64 arrays of one shape (v is 0 before the first step), return (new p, new v).
Leave the old ones as they are. NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "It is the three lines above.",
    "p -= ... and v *= ... write into the caller's arrays; p = p - ... makes a new one.",
    "The learning rate is not in v: it is multiplied at the very end.",
)
RETURNS = ("p", "v")


def inputs(s):
    return {
        "p": s.floats("N"), "g": s.floats("N"), "v": s.floats("N"),
        "lr": s.of(0.1, 0.5), "momentum": s.of(0.0, 0.9), "weight_decay": s.of(0.0, 0.1),
    }  # fmt: skip


def sgd_momentum(
    p: np.ndarray, g: np.ndarray, v: np.ndarray, lr: float, momentum: float, weight_decay: float
) -> tuple[np.ndarray, np.ndarray]:
    """(new p, new v)"""
    v = momentum * v + g + weight_decay * p
    return p - lr * v, v


def expected(p, g, v, lr, momentum, weight_decay):
    parameter = tensor(p)
    parameter.grad = tensor(g).detach()
    optimizer = minitorch.optim.SGD([parameter], lr=lr, momentum=momentum, weight_decay=weight_decay)
    optimizer.state[parameter]["momentum_buffer"] = tensor(v).detach()
    optimizer.step()
    kept = optimizer.state[parameter]["momentum_buffer"].numpy()
    return parameter.detach().numpy(), kept if momentum else g + weight_decay * p


def wrong_average(p, g, v, lr, momentum, weight_decay):
    """The gradient is multiplied by 1 - momentum, as Adam does. torch's SGD adds it whole."""
    v = momentum * v + (1 - momentum) * (g + weight_decay * p)
    return p - lr * v, v


def wrong_lr_in_v(p, g, v, lr, momentum, weight_decay):
    """The learning rate goes into v here. torch multiplies it at the end: when the rate changes, old gradients change with it."""
    v = momentum * v + lr * (g + weight_decay * p)
    return p - v, v


def wrong_in_place(p, g, v, lr, momentum, weight_decay):
    """The step writes into the caller's arrays: -= and *= do, p = p - ... does not."""
    v *= momentum
    v += g + weight_decay * p
    p -= lr * v
    return p, v
