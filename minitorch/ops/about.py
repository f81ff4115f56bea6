"""Questions about a tensor that its array answers: whether it is one, of what kind, of how many elements; what dtype comes of two.

None of them computes with the numbers. Read next: `compare.py`, questions about the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arrays import dtypes
from ..op import composite, signature
from ..op.signature import checked
from .compare import isinf

if TYPE_CHECKING:
    from ..tensor import Tensor


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, signature.Tensor)


@composite
def numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


@composite
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is a float."""
    return input.dtype.is_floating_point


@composite
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex: no dtype here is."""
    return input.dtype.is_complex


@checked
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.dtype.is_signed


@checked
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.shape == other.shape


@checked
def get_device(input: Tensor) -> int:
    """The GPU's number, −1 on the CPU."""
    return input.get_device()


def is_distributed(input: Tensor) -> bool:
    """Whether it is in parts on several machines: False."""
    return False


def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of a tensor is not 0."""
    return bool(input)


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The dtype of `tensor1 + tensor2`, each a tensor or a number.

    >>> minitorch.result_type(minitorch.tensor([1, 2]), 1.0)
    minitorch.float32
    """
    ranks: tuple[list, list, list] = ([], [], [])
    for x in (tensor1, tensor2):
        if is_tensor(x):
            ranks[0 if x.ndim else 1].append(x.dtype)
        elif isinstance(x, (bool, int, float)):
            ranks[2].append(dtypes.scalar_dtype(x))
        else:
            raise TypeError(f"result_type(): expected tensors or numbers, got {type(x).__name__}")
    return dtypes.result_dtype(*ranks)


def detach(input: Tensor) -> Tensor:
    """The same memory without history: `input.detach()`."""
    return input.detach()


@composite(out=True)
def isposinf(input: Tensor) -> Tensor:
    """x is +∞"""
    return isinf(input) & (input > 0)


@composite(out=True)
def isneginf(input: Tensor) -> Tensor:
    """x is −∞"""
    return isinf(input) & (input < 0)
