"""Layers and losses: `Module` and its kin hold state and defaults, the mathematics is in `minitorch/ops/`.

Read `modules/module.py` (registration, state dicts), then `modules/linear.py` and `modules/batchnorm.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minitorch.nn import functional, init, modules
from minitorch.nn.modules import *
from minitorch.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter
from minitorch.rooms import answer_for_what_is_missing as _answer_for_what_is_missing
from minitorch.rooms import when_used as _when_used

with _when_used(__name__):
    from minitorch.nn import attention, grad, intrinsic, parallel, qat, quantized, utils
    from minitorch.nn.parallel import DataParallel

for _module in (functional, init):
    _answer_for_what_is_missing(_module.__name__)

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
