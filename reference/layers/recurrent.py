"""Rows of recurrent nets and their cells. Packed sequences are in `tests/test_recurrent.py`."""

from __future__ import annotations

from typing import Any

import numpy as np

from .drawing import Arrays, flags, one_of, required
from .run import Row

sizes = {"input_size": 3, "hidden_size": 4, "num_layers": one_of([1, 2, 3])}
usual: dict[str, Any] = {"bias": flags, "batch_first": flags, "bidirectional": flags, "dropout": one_of([0, 0.5, 1.0])}


def sequences(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """An input of a size, sometimes a wrong one, and the hidden state or states if they are given."""
    L, N = choose(one_of([(5, 2), (1, 1), (4, 3), (2, 0), (0, 2)]))
    features = choose(one_of([3, 3, 3, 3, 3, 3, 2]))
    batched, given = choose(flags), choose(flags)
    lead: tuple[int, ...] = ((N, L) if options.get("batch_first") else (L, N)) if batched else (L,)
    x = rng.standard_normal((*lead, features))
    if not given:
        return [x] if choose(flags) else [x, None]
    count = options["num_layers"] * (2 if options.get("bidirectional") else 1)
    out = options.get("proj_size") or 4
    wrong = choose(one_of([0, 0, 0, 0, 0, 1]))
    of_batch = (N,) if batched != bool(choose(one_of([0, 0, 0, 0, 0, 1]))) else ()
    h, c = (rng.standard_normal((count, *of_batch, n)) for n in (out + wrong, 4))
    return [x, (h, c) if "proj_size" in options else h]


def vectors(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """One step's input and hidden state."""
    lead = choose(one_of([(), (2,), (1,), (0,), (2, 1)]))
    x = rng.standard_normal((*lead, choose(one_of([3, 3, 3, 3, 2]))))
    if not choose(flags):
        return [x]
    lead = choose(one_of([lead, lead, lead, lead, (3,), ()]))
    return [x, rng.standard_normal((*lead, choose(one_of([4, 4, 4, 4, 3]))))]


def states(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """The same for an LSTM, whose hidden state is (h, c)."""
    x, *hidden = vectors(choose, rng, options)
    return [x, *((h, rng.standard_normal(h.shape)) for h in hidden)]


cell = required({"input_size": 3, "hidden_size": 4}, bias=flags)

ROWS = [
    Row("RNN", required(sizes, nonlinearity=one_of(["tanh", "relu", "sigmoid"]), **usual), sequences),
    Row("LSTM", required({**sizes, "proj_size": one_of([0, 0, 2, 5])}, **usual), sequences),
    Row("GRU", required(sizes, **usual), sequences),
    Row("RNNCell", required({"input_size": 3, "hidden_size": 4}, bias=flags, nonlinearity=one_of(["relu", "tan"])), vectors),
    Row("LSTMCell", cell, states),
    Row("GRUCell", cell, vectors),
]
