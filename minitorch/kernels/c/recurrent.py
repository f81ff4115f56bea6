"""The walks of `recurrent.h` on NumPy arrays: an LSTM's, a GRU's and an RNN's, forward and backward.

Each makes the arrays of its results and calls C once for all steps; it returns None where C is not to be had. What lies otherwise than
row by row is copied first. The twins in `kernels/cpu/recurrent.py` try these first. Read next: `recurrent.h`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .blas import by_one_thread
from .library import address, kernel

Results = Any  # a tuple of arrays, or None


def lstm(pre: np.ndarray, h: np.ndarray, c: np.ndarray, w: np.ndarray, sizes: tuple, reverse: bool) -> Results:
    """out, h_n, c_n, and the states, cells and gates of all steps."""
    walk, H = _kernel("lstm", pre), c.shape[1]
    if walk is None:
        return None
    out, states, cells, gates = (np.empty((sum(sizes), n), pre.dtype) for n in (H, H, H, 4 * H))
    made = out, np.empty_like(c, order="C"), np.empty_like(c, order="C"), states, cells, gates
    _call(walk, [*_steps(sizes, reverse), *c.shape], [pre, h, c, w, *made, np.empty_like(w)])
    return (out.reshape(*pre.shape[:-1], H), *made[1:])


def lstm_backward(
    g: Any, g_h: Any, g_c: Any, h: Any, c: Any, w: Any, states: Any, cells: Any, gates: Any, sizes: tuple, reverse: bool
) -> Results:
    """The gradients of pre (row by row), h, c and w."""
    walk = _kernel("lstm_backward", c)
    if walk is None:
        return None
    made = np.empty(gates.shape, c.dtype), *(np.empty(x.shape, c.dtype) for x in (h, c, w))
    before = np.empty(states.shape, c.dtype)
    _call(walk, [*_steps(sizes, reverse), *c.shape, g, c.shape[1]], [g_h, g_c, h, c, w, states, cells, gates, *made, before])
    return made


def gru(pre: np.ndarray, h: np.ndarray, w: np.ndarray, b: np.ndarray | None, sizes: tuple, reverse: bool) -> Results:
    """out, h_n, and the states, gates and u's m of all steps."""
    walk, (N, H) = _kernel("gru", pre), h.shape
    if walk is None:
        return None
    out, states, inner, gates = (np.empty((sum(sizes), n), pre.dtype) for n in (H, H, H, 3 * H))
    h_n, room = np.empty((N, H), pre.dtype), np.empty((N + H, 3 * H), pre.dtype)
    _call(walk, [*_steps(sizes, reverse), N, H], [pre, h, w, b, out, h_n, states, gates, inner, room])
    return out.reshape(*pre.shape[:-1], H), h_n, states, gates, inner


def gru_backward(
    g: Any, g_h: Any, h: Any, w: Any, has_bias: bool, states: Any, gates: Any, inner: Any, sizes: tuple, reverse: bool
) -> Results:
    """The gradients of pre (row by row), h, w and, if there is one, the bias."""
    walk, (N, H) = _kernel("gru_backward", h), h.shape
    if walk is None:
        return None
    made = [np.empty(gates.shape, h.dtype), np.empty((N, H), h.dtype), np.empty(w.shape, h.dtype)]
    db = np.empty(3 * H, h.dtype) if has_bias else None
    room = np.empty(4 * states.size, h.dtype)
    _call(walk, [*_steps(sizes, reverse), N, H, g, H], [g_h, h, w, states, gates, inner, *made, db, room])
    return *made, db


def rnn(pre: np.ndarray, h: np.ndarray, w: np.ndarray, relu: bool, sizes: tuple, reverse: bool) -> Results:
    """out, h_n, and the states of all steps."""
    walk, H = _kernel("rnn", pre), h.shape[1]
    if walk is None:
        return None
    out, states = (np.empty((sum(sizes), H), pre.dtype) for _ in range(2))
    h_n = np.empty(h.shape, pre.dtype)
    _call(walk, [*_steps(sizes, reverse), int(relu), *h.shape], [pre, h, w, out, h_n, states, np.empty_like(w)])
    return out.reshape(*pre.shape[:-1], H), h_n, states


def rnn_backward(g: Any, g_h: Any, h: Any, w: Any, relu: bool, states: Any, sizes: tuple, reverse: bool) -> Results:
    """The gradients of pre (row by row), h and w."""
    walk, (N, H) = _kernel("rnn_backward", h), h.shape
    if walk is None:
        return None
    made = tuple(np.empty(shape, h.dtype) for shape in (states.shape, (N, H), w.shape))
    _call(
        walk, [*_steps(sizes, reverse), int(relu), N, H, g, H], [g_h, h, w, states, *made, np.empty(states.shape, h.dtype)]
    )
    return made


def is_there(name: str, x: Any) -> bool:
    """Whether C has this walk for numbers such as x's."""
    return x.size != 0 and kernel("recurrent", name, x.dtype) is not None


def _kernel(name: str, x: np.ndarray) -> Callable[..., None] | None:
    return kernel("recurrent", name, x.dtype) if x.size else None


def _steps(sizes: tuple, reverse: bool) -> list[Any]:
    """What each walk begins with."""
    return [len(sizes), longs(sizes), int(reverse)]


def _call(walk: Callable[..., None], first: Sequence[Any], arrays: Sequence[Any]) -> None:
    """Call it with the addresses of these arrays, or of copies that lie row by row."""
    told = [
        np.ascontiguousarray(a) if isinstance(a, np.ndarray) else a for a in (*first, *arrays)
    ]  # they live until it returns
    with by_one_thread():
        walk(*(address(a) if isinstance(a, np.ndarray) else a for a in told))


@lru_cache(64)
def longs(numbers: tuple[int, ...]) -> Any:
    """Numbers as C takes them: `const long *`."""
    return (ctypes.c_long * len(numbers))(*numbers)
