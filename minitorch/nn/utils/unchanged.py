"""`unchanged`: a forward for somebody who only looks, after which a training goes on as if nobody had.

A forward may write buffers (batch norm's running mean), and dropout draws from the random stream; a look at a model may switch its mode.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import is_lazy
from minitorch.random import fork_rng


@contextmanager
def unchanged(model: Module) -> Iterator[None]:
    """After the block the modes of all modules, their buffers, and the random stream are what they were before.

    ValueError of a lazy module, which a forward would give its shape.
    """
    lazy = [name for name, p in model.named_parameters() if is_lazy(p)]
    if lazy:
        raise ValueError(f"{lazy[0]} has no shape yet: run the model once on a batch, then look inside")
    modes = [(module, module.training) for module in model.modules()]
    buffers = [(module, name, b) for module in model.modules() for name, b in module._buffers.items() if b is not None]
    copies = {id(b): b.detach().clone() for _, _, b in buffers}
    # The forward writes to the copies: a graph may have kept the buffers, and would refuse a backward after any write to them.
    for module, name, buffer in buffers:
        module._buffers[name] = copies[id(buffer)]
    try:
        with fork_rng():
            yield
    finally:
        for module, training in modes:
            module.training = training
        for module, name, buffer in buffers:
            module._buffers[name] = buffer
