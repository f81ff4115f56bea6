"""`functional_call` under its path of old; read `minitorch/func/functional_call.py`."""

from __future__ import annotations

from typing import Any

from minitorch.arrays.warning import warn
from minitorch.nn.modules.module import Module
from minitorch.tensor import Tensor

__all__ = ["functional_call"]


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Tensor],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """`minitorch.func.functional_call`, with a warning that it stands there now."""
    warn(
        "`minitorch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 and will be removed in a future version of "
        "PyTorch. Please use `minitorch.func.functional_call` instead which is a drop-in replacement.",
        FutureWarning,
    )
    from minitorch.func import functional_call as call  # a room above this one

    return call(module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict)
