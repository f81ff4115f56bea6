"""Collating: a list of samples becomes one sample whose leaves are batches.

Tensors are stacked, numbers and NumPy arrays become tensors, strings stay a list; what is in mappings and sequences is
collated place by place. `default_collate_fn_map` says what to do with which type of leaf; `collate` walks the containers.
Read next: `../dataloader.py`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ....arrays import dtypes
from ....ops.rearrange import stack
from ....tensor import Tensor, creation

CollateFns = dict[type | tuple[type, ...], Callable[..., Any]]


def default_collate(batch: Any) -> Any:
    """The batch's samples as one, with a new first dimension in every tensor.

    >>> minitorch.utils.data.default_collate([{"x": 1.5, "name": "a"}, {"x": 2.5, "name": "b"}])
    {'x': tensor([1.5000, 2.5000], dtype=minitorch.float64), 'name': ['a', 'b']}
    >>> minitorch.utils.data.default_collate([(0, [1, 2]), (3, [4, 5])])
    [tensor([0, 3]), [tensor([1, 4]), tensor([2, 5])]]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: CollateFns | None = None) -> Any:
    """As `default_collate`, with a table of your own: the sample's exact type first, then the first type it is an instance of.

    An entry is called as `function(batch, collate_fn_map=collate_fn_map)`. The first sample decides for all of them.
    """
    sample = batch[0]
    table = collate_fn_map or {}
    leaf = table.get(type(sample)) or next((fn for kind, fn in table.items() if isinstance(sample, kind)), None)
    if leaf is not None:
        return leaf(batch, collate_fn_map=collate_fn_map)
    if isinstance(sample, Mapping):
        values = {key: collate([each[key] for each in batch], collate_fn_map=collate_fn_map) for key in sample}
        return mapping_like(sample, values)
    if isinstance(sample, Sequence):
        named = hasattr(sample, "_fields")
        if not named and any(len(each) != len(sample) for each in batch):
            lengths = sorted({len(each) for each in batch})
            raise RuntimeError(f"default_collate: samples must have equally many elements, got {lengths}; pad them first")
        return sequence_like(sample, [collate(column, collate_fn_map=collate_fn_map) for column in zip(*batch)])
    raise TypeError(_WRONG_TYPE.format(type(sample)))


def default_convert(data: Any) -> Any:
    """One sample, not a batch: NumPy arrays and numbers in it become tensors; the rest stays as it is.

    >>> import numpy as np
    >>> minitorch.utils.data.default_convert({"x": np.array([1, 2]), "n": 3})
    {'x': tensor([1, 2]), 'n': 3}
    """
    if isinstance(data, (np.ndarray, np.generic)):
        return data if data.dtype.kind in _NO_NUMBERS else creation.as_tensor(data)
    if isinstance(data, (Tensor, str, bytes)):
        return data
    if isinstance(data, Mapping):
        return mapping_like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, Sequence):
        return sequence_like(data, [default_convert(each) for each in data])
    return data


_NO_NUMBERS = "SUO"  # NumPy's kinds for bytes, strings and objects
_WRONG_TYPE = "default_collate: expected tensors, numpy arrays, numbers, strings, dicts or lists in the batch, found {}"


# ---- containers: the same kind as the sample's, so that a subclass keeps what else it holds ----


def mapping_like(sample: Mapping, values: dict) -> Any:
    """`values` in a mapping of the sample's class; in a dict where that class allows no copy."""
    try:
        if not isinstance(sample, MutableMapping):
            return type(sample)(values)  # type: ignore[call-arg]
        made = copy.copy(sample)
        made.update(values)
        return made
    except TypeError:  # a mapping that cannot be copied, or made from a dict
        return values


def sequence_like(sample: Sequence, values: list) -> Any:
    """`values` in a sequence of the sample's class; in a list where that class allows no copy."""
    if isinstance(sample, tuple):
        return type(sample)(*values) if hasattr(sample, "_fields") else values  # a tuple becomes a list, as in torch
    try:
        if not isinstance(sample, MutableSequence):
            return type(sample)(values)  # type: ignore[call-arg]
        made = copy.copy(sample)
        for i, value in enumerate(values):
            made[i] = value
        return made
    except TypeError:  # a sequence that cannot be copied, written to or made from a list: range
        return values


# ---- leaves ----


def collate_tensor_fn(batch: Sequence[Tensor], *, collate_fn_map: CollateFns | None = None) -> Tensor:
    """Stacked along a new first dimension."""
    return stack(batch, 0)


def collate_numpy_array_fn(batch: Sequence[np.ndarray], *, collate_fn_map: CollateFns | None = None) -> Any:
    """Each as a tensor, then as tensors are."""
    if batch[0].dtype.kind in _NO_NUMBERS:
        raise TypeError(_WRONG_TYPE.format(batch[0].dtype))
    if _fit_together(batch):
        return creation.as_tensor(np.concatenate(batch).reshape(len(batch), *batch[0].shape))
    return collate([creation.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def _fit_together(batch: Sequence[Any]) -> bool:
    """Whether they can be joined before they become tensors, which is sooner done: of one shape and dtype, in order in memory.

    (What lies otherwise may be something that a tensor cannot be made of, and then each has its own error.)
    """
    first = batch[0]
    if not first.ndim or not first.dtype.isnative:
        return False
    shape, dtype = first.shape, first.dtype
    return all(type(a) is np.ndarray and a.shape == shape and a.dtype == dtype and a.flags.carray for a in batch)


def collate_numpy_scalar_fn(batch: Sequence[np.generic], *, collate_fn_map: CollateFns | None = None) -> Tensor:
    """One tensor of their dtype."""
    return creation.as_tensor(batch)


def collate_float_fn(batch: Sequence[float], *, collate_fn_map: CollateFns | None = None) -> Tensor:
    """Python's floats are float64, and stay so."""
    return creation.tensor(batch, dtype=dtypes.float64)


def collate_int_fn(batch: Sequence[int], *, collate_fn_map: CollateFns | None = None) -> Tensor:
    """int64; bools, which are ints too, stay bool."""
    return creation.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateFns | None = None) -> Any:
    """Left as they are."""
    return batch


default_collate_fn_map: CollateFns = {
    Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
