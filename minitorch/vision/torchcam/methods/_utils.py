"""Which layer to take where the caller names none."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import minitorch
from minitorch import nn
from minitorch.nn.utils.unchanged import unchanged
from minitorch.tensor import Tensor

__all__ = ["locate_candidate_layer", "locate_linear_layer"]


def locate_candidate_layer(mod: nn.Module, input_shape: tuple[int, ...] = (3, 224, 224)) -> str | None:
    """The name of the last layer that still puts out a map: as many dimensions as the input, and more than one place in it.

    input_shape: of one input, without the batch. The model runs once, in evaluation mode, on zeros, and is left as it was.
    """
    first = next(mod.parameters())
    zeros = minitorch.zeros((1, *input_shape), dtype=first.dtype, device=first.device)
    return last_map(mod, zeros, len(input_shape) + 1)


def last_map(mod: nn.Module, inputs: Tensor, dims: int) -> str | None:
    """The last layer of all that run whose output has `dims` dimensions, the first two of which are the batch and the channels."""
    shapes: list[tuple[str, tuple[int, ...]]] = []

    def note(module: nn.Module, args: tuple[Tensor, ...], output: object, name: str) -> None:
        if isinstance(output, Tensor):
            shapes.append((name, tuple(output.shape)))

    with ExitStack() as stack:
        stack.enter_context(unchanged(mod))
        stack.enter_context(minitorch.no_grad())
        for name, module in mod.named_modules():
            stack.enter_context(module.register_forward_hook(partial(note, name=name)))
        mod.eval()(inputs)
    maps = (name for name, shape in reversed(shapes) if len(shape) == dims and any(n != 1 for n in shape[2:]))
    return next(maps, None)


def locate_linear_layer(mod: nn.Module) -> str | None:
    """The name of the first Linear; None if there is none."""
    return next((name for name, module in mod.named_modules() if isinstance(module, nn.Linear)), None)
