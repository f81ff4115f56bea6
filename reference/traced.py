"""Every op and layer traced: the graph that `jit.trace` makes of a call gives the call's results and gradients, bit for bit.

A row's callable runs eagerly, then it is traced and the graph runs on the same inputs. Read next: `exported.py`, the same by ONNX.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

import minitorch
from minitorch import Tensor, nn

from . import layers
from .layers.run import Run, attempt, flat
from .strategies import Source
from .table import Row, tensors

WITH_RANDOM_NUMBERS = (
    "dropout",
    "alpha_dropout",
    "feature_alpha_dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "rrelu",
    "gumbel_softmax",
)

WITHOUT_A_NAME = ("attention", "philox_dropout", "to_device", "bernoulli_slope")  # what public functions are made of


def is_public(row: Row) -> bool:
    """Whether a trace can call it by a name, and it draws no numbers after a seed of its own."""
    ours = row.ours
    hidden = isinstance(ours, minitorch.op.Op) and minitorch.op.registry.get(row.name) is not ours
    return not hidden and row.name not in (*WITH_RANDOM_NUMBERS, *WITHOUT_A_NAME)


def traced_op(row: Row, source: Source) -> bool:
    """Compare one drawn case; False if eager refuses it. AssertionError in words for a difference."""
    made = tensors(row.draw(source), minitorch, np.float64, row.inputs())
    want = quietly(lambda: row.call(row.ours, made))
    if isinstance(want, Exception):
        return False
    leaves = of_tensors(made)

    def function(*given: Tensor) -> tuple:
        return tuple(of_tensors(row.call(row.ours, replaced(made, iter(given)))))

    traced = quietly(lambda: minitorch.jit.trace(function, tuple(leaves), check_trace=False))
    assert not isinstance(traced, Exception), f"{row}: {traced!r}"
    have = quietly(lambda: list(traced(*leaves)))
    assert not isinstance(have, Exception), f"{row}: {have!r}"
    compare(str(row), of_tensors(want), have, [x for x in leaves if x.requires_grad])
    return True


def traced_layer(row: layers.Row, draw: Any) -> bool:
    """The same of a layer in training: the same random numbers, and buffers that end as eager's."""
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    rng = np.random.default_rng(seed)
    options = draw(row.options, label="options")
    inputs = row.inputs(draw, rng, options)
    eager, ours = (Run(row, minitorch, options, inputs, "float64", seed) for _ in range(2))
    if isinstance(eager.layer, Exception) or any(map(nn.parameter.is_lazy, eager.layer.state_dict().values())):
        return False
    leaves, copies = eager.tensors(), ours.tensors()
    minitorch.manual_seed(seed)
    want = eager.output(eager.mapped(_not_a_leaf, leaves))
    if isinstance(want, Exception):
        return False
    before = {name: value.clone() for name, value in ours.layer.state_dict().items()}
    given = of_tensors(copies)
    minitorch.manual_seed(seed)
    traced = quietly(
        lambda: minitorch.jit.trace(
            _Flat(ours.layer, copies), tuple(map(_not_a_leaf, given)), check_trace=False, strict=False
        )
    )
    about = f"{row.name}({options}) on {[getattr(x, 'shape', x) for x in flat(inputs)]}"
    assert not isinstance(traced, Exception), f"{about}: {traced!r}"
    ours.layer.load_state_dict(before)
    minitorch.manual_seed(seed)
    have = quietly(lambda: traced(*map(_not_a_leaf, given)))
    assert not isinstance(have, Exception), f"{about}: {have!r}"
    wanting = [x for x in of_tensors(leaves) if x.requires_grad] + list(eager.layer.parameters())
    having = [x for x in given if x.requires_grad] + list(ours.layer.parameters())
    compare(about, of_tensors(want), of_tensors(have), wanting, having)
    for (name, a), b in zip(eager.layer.named_buffers(), ours.layer.buffers()):
        assert np.array_equal(a.numpy(), b.numpy(), equal_nan=True), f"{about}: the buffer {name} is {b}, eager's {a}"
    return True


class _Flat(nn.Module):
    """A layer as a module of tensors alone."""

    def __init__(self, layer: Any, inputs: Any) -> None:
        super().__init__()
        self.layer, self.inputs = layer, (inputs,)

    def forward(self, *given: Tensor) -> Any:
        args = replaced(self.inputs[0], iter(given))
        *first, named = args if args and isinstance(args[-1], dict) else (*args, {})
        return self.layer(*first, **named)


def compare(about: str, want: list, have: list, leaves: list, others: list | None = None) -> None:
    """Results and the gradients of their sums, with respect to leaves; of what is traced with respect to `others`."""
    assert len(want) == len(have), f"{about}: {len(have)} results, eager's {len(want)}"
    for a, b in zip(want, have):
        assert same(a, b), f"{about}: {b}, eager's {a}"
        assert a.requires_grad == b.requires_grad, f"{about}: requires_grad is {b.requires_grad}, eager's {a.requires_grad}"
    results = [[x for x in each if x.requires_grad] for each in (want, have)]
    if not results[0] or not leaves:
        return
    first, second = (
        quietly(lambda r=r, of=of: minitorch.autograd.grad(r, of, [minitorch.ones_like(x) for x in r], allow_unused=True))
        for r, of in zip(results, (leaves, others or leaves))
    )
    if isinstance(first, Exception):
        return
    assert not isinstance(second, Exception), f"{about}: backward raises {second!r}"
    for a, b in zip(first, second):
        assert (a is None) == (b is None) and (a is None or same(a, b)), f"{about}: the gradient is {b}, eager's {a}"


def same(a: Tensor, b: Tensor) -> bool:
    floating = a.dtype.is_floating_point
    return a.dtype is b.dtype and np.array_equal(a.detach().numpy(), b.detach().numpy(), equal_nan=floating)


def _not_a_leaf(x: Any) -> Any:
    return x * 1 if x.requires_grad else x


def of_tensors(tree: Any) -> list[Tensor]:
    """The tensors in a result."""
    return [x for x in flat(tree) if isinstance(x, Tensor)]


def replaced(tree: Any, given: Iterator[Tensor]) -> Any:
    """The tree with the given tensors in the places of its own."""
    if isinstance(tree, Tensor):
        return next(given)
    if isinstance(tree, (list, tuple)):
        each = [replaced(part, given) for part in tree]
        return tree._make(each) if hasattr(tree, "_make") else type(tree)(each)
    return {name: replaced(part, given) for name, part in tree.items()} if isinstance(tree, dict) else tree


def quietly(action: Callable[[], Any]) -> Any:
    """What the action gives, or the exception it raises; warnings are not asked for here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return attempt(action)
