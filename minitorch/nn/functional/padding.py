"""Padding. What each mode puts around a tensor is in `minitorch/ops/pad.py`."""

from __future__ import annotations

from collections.abc import Sequence

from minitorch.op.autocast import listed_as
from minitorch.op.signature import checked
from minitorch.ops.pad import MODES, constant_pad_nd, pad_from_inside
from minitorch.tensor import Tensor

__all__ = ["pad"]


@checked
def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """More around x: `pad` is (left, right) of the last dimension, then of the one before it, and so on. Negative sizes cut off.

    mode: "constant" (`value`, 0 unless given), "reflect", "replicate" or "circular"; the last three pad the last 1 to 3 dimensions.

    >>> minitorch.nn.functional.pad(minitorch.tensor([[1, 2]]), (1, 0, 0, 1))
    tensor([[0, 1, 2],
            [0, 0, 0]])
    >>> minitorch.nn.functional.pad(minitorch.tensor([[1, 2, 3]]), (2, 1), "reflect")
    tensor([[3, 2, 1, 2, 3, 2]])
    """
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else float(value))
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    kernel = f"{MODES[mode].lower()}_pad{len(pad) // 2}d" if mode in MODES else mode
    return listed_as(kernel, pad_from_inside)(input, pad, mode)
