"""Rows of `ops/recurrent.py`: cells, and nets of one and two layers, in one and both directions, of padded and packed sequences."""

from __future__ import annotations

import functools
from typing import Any

import torch

import minitorch

from ..strategies import floats, of
from ..table import COPIES
from ..table import pair as any_pair

# Where torch's LSTM in float16 is oneDNN's, it rounds after each step.
pair = functools.partial(any_pair, half=4)
NETS = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}  # with the number of gates
IN, H = 2, 3


def on_both(call: Any, *given: Any) -> tuple[Any, Any]:
    """A function of the library and other things, as torch's and as ours."""
    return functools.partial(call, torch, *given), functools.partial(call, minitorch, *given)


def step(lib: Any, name: str, x: Any, *others: Any) -> Any:
    """A cell on its input, state or states, and weights."""
    if name == "lstm":
        h, c, *others = others  # type: ignore[assignment]
        return lib.lstm_cell(x, (h, c), *others)
    return getattr(lib, f"{name}_cell")(x, *others)


def net(
    lib: Any, name: str, sizes: list[int] | None, shape: dict[str, Any], x: Any, *others: Any, batch_first: bool = False
) -> Any:
    """A net on its input, state or states, and weights; of a packed sequence if there are sizes."""
    hx: Any = others[0]
    if name == "lstm":
        hx, others = others[:2], others[1:]
    options = {"has_biases": True, "num_layers": 1, "dropout": 0.0, "train": True, "bidirectional": False} | shape
    if sizes is None:
        return getattr(lib, name)(x, hx, list(others[1:]), *options.values(), batch_first)
    return getattr(lib, name)(x, lib.tensor(sizes), hx, list(others[1:]), *options.values())


def weights(gates: int, columns: int, biases: bool = True, out: int = H) -> list[str]:
    """The patterns of a layer's weights."""
    rows = gates * H
    return [f"{rows} {columns}", f"{rows} {out}", *[f"{rows}"] * 2 * biases]


def drawn(patterns: list[str]) -> dict[str, Any]:
    return {f"w{k}": floats(pattern, -1, 1) for k, pattern in enumerate(patterns)}


def states(name: str, *pattern: str) -> dict[str, Any]:
    """h, or h and c."""
    return {state: floats(" ".join(pattern)) for state in (("h", "c") if name == "lstm" else ("h",))}


for name, gates in NETS.items():
    for biases in (True, False):
        pair(f"{name}_cell", *on_both(step, name), x=floats(f"N {IN}"), **states(name, "N", f"{H}"),
            **drawn(weights(gates, IN, biases)))  # fmt: skip
    # Infinities and nans are left out: torch's float32 and float64 spread them in ways of their own.
    whole = functools.partial(pair, name, special=False, empty=False)
    whole(*on_both(net, name, None, {}), x=floats(f"A B {IN}"), **states(name, "1", "B", f"{H}"),
        **drawn(weights(gates, IN)), keeps_more=COPIES)  # fmt: skip
    whole(*on_both(net, name, None, {"num_layers": 2, "has_biases": False}), x=floats(f"2 3 {IN}"),
        **{k: floats(f"2 2 {H}") for k in states(name)}, **drawn(weights(gates, IN, False) + weights(gates, H, False)),
        batch_first=of(True), keeps_more=COPIES)  # fmt: skip
    for sizes in ([3, 2, 1, 1], [2, 2, 2]):
        whole(*on_both(net, name, sizes, {"bidirectional": True}), x=floats(f"{sum(sizes)} {IN}"), **states(name, "2", f"{sizes[0]}", f"{H}"),
            **drawn(weights(gates, IN) * 2))  # fmt: skip
pair("lstm", *on_both(net, "lstm", None, {}), x=floats(f"A B {IN}"), h=floats("1 B 2"), c=floats(f"1 B {H}"),
    **drawn([*weights(4, IN, out=2), f"2 {H}"]), special=False, empty=False, batch_first=of(False),
    keeps_more=COPIES)  # fmt: skip
few = {"x": f"2 2 {IN}", "h": f"1 2 {H}"} | {f"w{k}": pattern for k, pattern in enumerate(weights(1, IN))}
pair("rnn_relu", *on_both(net, "rnn_relu", None, {}), **{n: floats(p, -1, 1, ties=True) for n, p in few.items()},
    smooth={n: floats(p, -1, 1) for n, p in few.items()}, special=False, second_order=False, keeps_more=COPIES)  # fmt: skip
