"""The benchmarks' works in JAX, with `jit`, as its users would write them: for the table of `bench.py` where JAX is installed.

JAX is imported in a worker process only. Each work waits for its result (`block_until_ready`), for JAX answers before it has computed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np

from .clock import Work


def is_installed() -> bool:
    """Whether there is JAX; it is not imported."""
    return importlib.util.find_spec("jax") is not None


def chain(jax: Any) -> Work:
    """y ← y · w + b, five hundred times, and the gradient of the sum."""
    w, b = (jax.numpy.full(8, v, "float32") for v in (0.999, 0.001))

    def total(x: Any) -> Any:
        y = x
        for _ in range(500):
            y = y * w + b
        return y.sum()

    return _waiting(jax.jit(jax.value_and_grad(total)), jax.numpy.ones(8, "float32"))


def softmax_gelu_norm(jax: Any) -> Work:
    """softmax(gelu(layer_norm(x))) on 4096 × 1024, forward and backward."""
    numbers = jax.numpy.asarray(np.random.default_rng(0).standard_normal((4096, 1024), dtype=np.float32))

    def f(x: Any) -> Any:
        x = (x - x.mean(-1, keepdims=True)) / jax.numpy.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return jax.nn.softmax(jax.nn.gelu(x, approximate=False), axis=-1)

    def both(x: Any, g: Any) -> tuple:
        y, back = jax.vjp(f, x)
        return y, back(g)[0]

    return _waiting(jax.jit(both), numbers, numbers)


def training_step(jax: Any, parameters: list[np.ndarray], x: np.ndarray, labels: np.ndarray) -> Work:
    """Forward, cross-entropy, backward and Adam of an MLP; what changes is given and handed back, as JAX wants it."""
    state = [
        [jax.numpy.asarray(p) for p in parameters],
        *([jax.numpy.zeros(p.shape, "float32") for p in parameters] for _ in range(2)),
    ]
    x, labels, count = jax.numpy.asarray(x), jax.numpy.asarray(labels), 0

    def loss_of(parameters: list, x: Any, labels: Any) -> Any:
        for k, (w, b) in enumerate(zip(parameters[::2], parameters[1::2])):
            x = x @ w.T + b
            x = jax.nn.relu(x) if 2 * k + 2 < len(parameters) else x
        return -jax.numpy.take_along_axis(jax.nn.log_softmax(x), labels[:, None], 1).mean()

    @jax.jit
    def update(state: list, count: Any, x: Any, labels: Any) -> tuple:
        loss, grads = jax.value_and_grad(loss_of)(state[0], x, labels)
        first = [0.9 * m + 0.1 * g for m, g in zip(state[1], grads)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(state[2], grads)]
        c1, c2 = 1 - 0.9**count, (1 - 0.999**count) ** 0.5
        moved = [p - 1e-3 / c1 * m / (jax.numpy.sqrt(v) / c2 + 1e-8) for p, m, v in zip(state[0], first, second)]
        return loss, [moved, first, second]

    def step() -> Any:
        nonlocal state, count
        count += 1
        loss, state = update(state, float(count), x, labels)
        return loss.block_until_ready()

    return step


def _waiting(function: Callable, *args: Any) -> Work:
    def run() -> Any:
        result = function(*args)
        result[-1].block_until_ready()
        return result

    return run
