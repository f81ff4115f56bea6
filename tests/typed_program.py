"""A program as a user writes it, with the types that an editor shows: `mypy` checks it with the package, `test_stubs.py` runs it."""

from __future__ import annotations

from typing import assert_type

import minitorch
from minitorch import Tensor, nn

x = minitorch.randn(3, 4, requires_grad=True)

assert_type(minitorch.mul(x, 2.0), Tensor)
assert_type(minitorch.add(input=x, other=x, alpha=2), Tensor)
assert_type(minitorch.softmax(x, dim=-1), Tensor)
assert_type(minitorch.clip(x, min=0.0), Tensor)
assert_type(minitorch.cat([x, x], dim=1), Tensor)
assert_type(minitorch.split(x, 2), tuple[Tensor, ...])
assert_type(minitorch.sort(x).indices, Tensor)
assert_type(minitorch.exp(x.detach(), out=minitorch.empty(3, 4)), Tensor)
assert_type((x * 2 + x.exp()).sum(), Tensor)

model = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2))
optimizer = minitorch.optim.Adam(model.parameters(), lr=0.1)
loss = nn.functional.mse_loss(model(x), minitorch.zeros(3, 2))
optimizer.zero_grad()
with minitorch.autograd.watch() as forward:
    loss = nn.functional.mse_loss(model(x), minitorch.zeros(3, 2))
assert_type(minitorch.autograd.trace(loss, forward=forward).html(), str)
loss.backward()
optimizer.step()
assert_type(nn.functional.softmax(x, dim=1), Tensor)


def mistakes() -> None:
    """What a type checker refuses. (An ignore that nothing needs is an error here.)"""
    minitorch.mull(x, x)  # type: ignore[attr-defined]
    minitorch.mul(x, "two")  # type: ignore[arg-type]
    minitorch.mul(x)  # type: ignore[call-arg]
    minitorch.exp(x, dtype=None)  # type: ignore[call-arg]
    minitorch.transpose(x, 0, 1, out=x)  # type: ignore[call-arg]
    minitorch.sort(x).index_  # type: ignore[attr-defined]  # noqa: B018
