"""How error messages name the type of an object (torch's `torch.typename`)."""

from __future__ import annotations


def typename(obj: object) -> str:
    """The type of `obj` as text: `minitorch.FloatTensor` for a tensor, `module.Class` otherwise.

    >>> typename("a"), typename([1])
    ('str', 'list')
    """
    from minitorch.arrays.dtypes import SCALAR_NAMES
    from minitorch.tensor import Tensor

    if isinstance(obj, Tensor):
        return f"minitorch.{'cuda.' if obj.is_cuda else ''}{SCALAR_NAMES[obj.dtype.name]}Tensor"
    kind = type(obj)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
