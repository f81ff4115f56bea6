"""Layers and losses: `Module` and its kin hold state and defaults, the mathematics is in `minitorch/ops/`.

Read `modules/module.py` (registration, state dicts), then `modules/linear.py` and `modules/batchnorm.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minitorch.nn import attention, functional, grad, init, modules, parallel, utils
from minitorch.nn.modules import *
from minitorch.nn.parallel import DataParallel
from minitorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

if not TYPE_CHECKING:
    __all__ = [
        "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter", "attention", "factory_kwargs",
        "functional", "grad", "init", "parallel", "utils", *modules.__all__,
    ]  # fmt: skip


def factory_kwargs(kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """The options for `empty` and its like among a layer's keyword arguments; those in `factory_kwargs` count as well.

    TypeError if there are others, or one is there twice.

    >>> factory_kwargs({"device": "cpu", "factory_kwargs": {"dtype": minitorch.float64}})
    {'dtype': minitorch.float64, 'device': 'cpu'}
    """
    if kwargs is None:
        return {}
    known = {"device", "dtype", "memory_format"}
    if unexpected := kwargs.keys() - known - {"factory_kwargs"}:
        raise TypeError(f"unexpected kwargs {unexpected}")
    inner, outer = kwargs.get("factory_kwargs", {}), {name: kwargs[name] for name in known & kwargs.keys()}
    for name in outer.keys() & inner.keys():
        raise TypeError(f"{name} specified twice, in **kwargs and in factory_kwargs")
    return {**inner, **outer}
