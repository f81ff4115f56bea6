"""The truth for exercises: minitorch's own functions on float64 arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch


def tensor(x: Any) -> minitorch.Tensor:
    """A leaf with a copy of the numbers; floats want a gradient."""
    made = minitorch.from_numpy(np.array(x))
    return made.requires_grad_() if made.is_floating_point() else made


def value(f: Callable, *xs: Any) -> np.ndarray:
    """f of the arrays."""
    return f(*map(tensor, xs)).detach().numpy()


def gradients(f: Callable, g: Any, *xs: Any) -> Any:
    """∂⟨g, f(xs)⟩/∂x for each float array: one array, or a tuple of them."""
    made = [tensor(x) for x in xs]
    f(*made).backward(minitorch.from_numpy(np.array(g)))
    found = tuple(x.grad.numpy() for x in made if x.requires_grad)
    return found[0] if len(found) == 1 else found


def arrays(result: Any) -> Any:
    """A result with its Tensors as arrays; whatever else is in it stays."""
    if isinstance(result, minitorch.Tensor):
        return result.detach().numpy()
    if isinstance(result, (tuple, list)):
        return type(result)(map(arrays, result))
    return result
