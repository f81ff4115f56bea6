"""The weights of convolutions in another memory format, and nothing else of a model."""

from __future__ import annotations

from typing import Any, TypeVar

from minitorch.arrays.layout import memory_format
from minitorch.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from minitorch.nn.modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]

M = TypeVar("M", bound=Module)


def convert_conv2d_weight_memory_format(module: M, memory_format: memory_format) -> M:
    """Lay out the weight of every `Conv2d` and `ConvTranspose2d` in a module as `memory_format` says; returns the module."""
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: M, memory_format: memory_format) -> M:
    """Lay out the weight of every `Conv3d` and `ConvTranspose3d` in a module as `memory_format` says; returns the module."""
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)


def _convert(module: M, kinds: tuple[type, ...], memory_format: memory_format) -> M:
    for each in module.modules():
        if isinstance(each, kinds):
            weight: Any = each.weight
            weight.data = weight.detach().clone(memory_format=memory_format)
    return module
