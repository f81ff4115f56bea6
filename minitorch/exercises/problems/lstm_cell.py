"""One step of an LSTM

    i, f, g, o = the four parts of x W^T + h U^T + b, each (N, H), in this order (torch's)
    i, f, o go through a sigmoid, g through tanh
    c' = f * c + i * g
    h' = o * tanh(c')

Given x (N, I), h and c (N, H), W (4H, I), U (4H, H) and b (4H,), return (h', c'). NumPy alone.
"""

import numpy as np

import minitorch

from ..truth import tensor

HINTS = (
    "np.split(gates, 4, axis=1) gives the four parts.",
    "f decides what is kept of the old c, i what is taken of the new g.",
    "The new c goes into h', not the old one.",
)
RETURNS = ("h'", "c'")


def inputs(s):
    def rows(columns):
        return s.given(lambda case, source: s.floats(f"{4 * source.size('H')} {columns}")(source, case))

    return {"x": s.floats("N I"), "h": s.floats("N H"), "c": s.floats("N H"), "W": rows("I"), "U": rows("H"), "b": rows("")}


def lstm_cell(
    x: np.ndarray, h: np.ndarray, c: np.ndarray, W: np.ndarray, U: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(h', c')"""
    i, f, g, o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
    c = f * c + i * np.tanh(g)
    return o * np.tanh(c), c


def expected(x, h, c, W, U, b):
    cell = minitorch.nn.LSTMCell(x.shape[1], h.shape[1], dtype=minitorch.float64)
    weights = {"weight_ih": W, "weight_hh": U, "bias_ih": b, "bias_hh": np.zeros_like(b)}
    cell.load_state_dict({name: tensor(w).detach() for name, w in weights.items()})
    h2, c2 = cell(tensor(x), (tensor(h), tensor(c)))
    return h2.detach().numpy(), c2.detach().numpy()


def wrong_gate_order(x, h, c, W, U, b):
    """The order of the gates is i, f, o, g here. torch's is i, f, g, o."""
    i, f, o, g = np.split(x @ W.T + h @ U.T + b, 4, axis=1)
    i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
    c = f * c + i * np.tanh(g)
    return o * np.tanh(c), c


def wrong_old_c(x, h, c, W, U, b):
    """h' is computed from the old c: it should be o * tanh(c'), of the new one."""
    o = np.split(x @ W.T + h @ U.T + b, 4, axis=1)[3]
    return np.tanh(c) / (1 + np.exp(-o)), lstm_cell(x, h, c, W, U, b)[1]


def wrong_no_tanh(x, h, c, W, U, b):
    """The tanh of c' is missing in h'."""
    new = lstm_cell(x, h, c, W, U, b)[1]
    return new / (1 + np.exp(-np.split(x @ W.T + h @ U.T + b, 4, axis=1)[3])), new
