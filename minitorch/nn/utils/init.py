"""Layers whose first weights nobody needs, because a state dict is loaded into them next."""

from __future__ import annotations

import inspect
from typing import Any

import minitorch
from minitorch.nn.modules.module import Module


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """`module_cls(*args, **kwargs)` without drawing its first numbers, so that the generator stays where it is.

    What stands in its parameters and buffers is arbitrary. RuntimeError unless the class is a Module's and takes `device`.
    (There are no tensors without memory here: the numbers are drawn after all, and the generator is put back.)
    """
    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    state = minitorch.get_rng_state()
    try:
        return module_cls(*args, **kwargs)
    finally:
        minitorch.set_rng_state(state)
