"""`DataParallel` splits a batch among GPUs. Here all is on one device, as where torch finds no GPU: the module is just called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from minitorch.nn.modules.module import Module


class DataParallel(Module):
    """module(x): programs that wrap their model in it run, and find the model in `.module` and its keys under `module.`"""

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list[Any] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Sequence[Any] | None = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """Refused: what it would split the batch among is not there, as where torch finds no GPU."""
    raise RuntimeError("device type could not be determined: there is no second device; call the module itself")
