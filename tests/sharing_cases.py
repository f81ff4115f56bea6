"""What runs in the processes of `tests/test_multiprocessing.py`: apart, so that they need not import torch."""

from __future__ import annotations

from typing import Any

import minitorch


def other_side(index: int, inbox: Any, outbox: Any, model: Any, done: Any) -> None:
    leaf, part, again, integers = inbox.get()
    facts = [leaf.is_shared(), leaf.requires_grad, leaf.is_leaf, type(model.weight).__name__, part.requires_grad, leaf.tag]
    with minitorch.no_grad():
        leaf.fill_(7)
        model.weight.fill_(3)
    made = minitorch.arange(4.0)
    outbox.put((facts, part, again is leaf, integers, model.weight, made[1:3]))
    done.wait(20)


def train(index: int, model: Any, data: Any, target: Any) -> None:
    optimizer = minitorch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        minitorch.nn.functional.mse_loss(model(data), target).backward()
        optimizer.step()
