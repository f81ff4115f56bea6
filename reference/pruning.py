"""Random programs of pruning, run on both libraries from the same seed: which masks come out.

A program prunes a layer's parameters again and again, by every method, trains in between, and may end with a call that is refused.
"""

from __future__ import annotations

import importlib
from random import Random
from typing import Any

import torch

import minitorch

for _lib in ("minitorch", "torch"):
    importlib.import_module(f"{_lib}.nn.utils.prune")  # it is not there without being asked for, in neither library

LAYERS = {
    "Linear": (lambda lib: lib.nn.Linear(5, 4, dtype=lib.float64), (3, 5), ["weight", "bias"]),
    "Conv2d": (lambda lib: lib.nn.Conv2d(3, 4, 2, dtype=lib.float64), (2, 3, 4, 4), ["weight", "bias"]),
    "LSTM": (lambda lib: lib.nn.LSTM(3, 4, dtype=lib.float64), (2, 2, 3), ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]),
}
AMOUNTS = (1, 1, 1, 2, 2, 0.2, 0.25, 0.25, 0.5, 0, 0.0, 1.0)
NORMS = (1, 2, float("inf"), -float("inf"), "fro")
DIMS = (0, 0, 1, -1, -2)
BAD: tuple[tuple, ...] = (
    ("remove",), ("l1_unstructured", 100), ("random_unstructured", -1), ("l1_unstructured", 1.5), ("random_unstructured", "much"),
    ("random_structured", 1, 7), ("ln_structured", 9, 2, 0), ("random_structured", 9, 0), ("ln_structured", 1, 2, -7),
)  # fmt: skip

Program = list[tuple[int, tuple]]  # (which parameter, (what is done, its arguments))


def program(draw: Random) -> Program:
    """What is done in turn; most often to the first parameter, so that it is pruned again and again."""

    def good() -> tuple:
        return draw.choice([
            (draw.choice(["identity", "mask", "train"]),),
            (draw.choice(["random_unstructured", "l1_unstructured"]), draw.choice(AMOUNTS)),
            ("random_structured", draw.choice(AMOUNTS), draw.choice(DIMS)),
            ("ln_structured", draw.choice(AMOUNTS), draw.choice(NORMS), draw.choice(DIMS)),
        ])  # fmt: skip

    which = (0, 0, 0, 1, 2)
    done = [(draw.choice(which), good()) for _ in range(draw.randint(2, 6))]
    return done + [(draw.choice(which), draw.choice(BAD)) for _ in range(draw.randint(0, 2))]


def looked_at(lib: Any, m: Any, x: Any) -> Any:
    """All that can be seen of a module: its state, its hooks, what it gives, its gradients."""
    out = m(x)
    (out[0] if isinstance(out, tuple) else out).sin().sum().backward()
    grads = {name: p.grad for name, p in m.named_parameters()}
    hooks = [type(h).__name__ for h in m._forward_pre_hooks.values()]
    shown = dict(m.state_dict()), hooks, out, grads, lib.nn.utils.prune.is_pruned(m), repr(m)
    m.zero_grad()
    return shown


def pruned(lib: Any, kind: str, ties: bool, program: list[tuple]) -> Any:
    """What is seen after each call, up to the first that is refused, which is told by its type."""
    lib.manual_seed(3)
    make, shape, names = LAYERS[kind]
    m, x = make(lib), lib.randn(*shape, dtype=lib.float64)
    if ties:
        with lib.no_grad():
            for p in m.parameters():
                p.copy_((p * 10).round() / 10)
    seen = [looked_at(lib, m, x)]
    for which, (call, *told) in program:
        name = names[which % len(names)]
        try:
            if call == "train":
                with lib.no_grad():
                    for p in m.parameters():
                        p.add_(lib.linspace(-1, 1, p.numel(), dtype=lib.float64).view_as(p).sin(), alpha=0.1)
            elif call == "mask":
                given = lib.arange(getattr(m, name).numel()).view(getattr(m, name).shape) % 3 > 0
                lib.nn.utils.prune.custom_from_mask(m, name, given)
            else:
                getattr(lib.nn.utils.prune, call)(m, name, *told)
        except Exception as error:
            return [*seen, type(error).__name__]
        seen.append(looked_at(lib, m, x))
    return seen


def masks_alike(programs: int) -> tuple[int, int]:
    """(masks compared, those that are torch's) after each call of so many programs."""
    compared = same = 0
    for seed in range(programs):
        draw = Random(seed)
        kind, ties, done = draw.choice(list(LAYERS)), draw.random() < 0.5, program(draw)
        ours, theirs = (pruned(lib, kind, ties, done) for lib in (minitorch, torch))
        for a, b in zip(ours, theirs, strict=True):
            if isinstance(a, str) or isinstance(b, str):
                continue
            masks = [{name: m.tolist() for name, m in seen[0].items() if name.endswith("_mask")} for seen in (a, b)]
            compared += len(masks[1])
            same += sum(masks[0].get(name) == mask for name, mask in masks[1].items())
    return compared, same
