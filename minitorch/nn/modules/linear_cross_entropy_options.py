"""How `linear_cross_entropy` goes about its rows in chunks."""

from __future__ import annotations

from dataclasses import dataclass

from minitorch.arrays import dtypes
from minitorch.tensor import Tensor

__all__ = ["LinearCrossEntropyOptions"]

POLICIES = ("auto", "accurate", "balanced", "compact")
FLOATS = (dtypes.float16, dtypes.bfloat16, dtypes.float32, dtypes.float64)


@dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """That `linear_cross_entropy` computes its scores for some rows at a time, so that (N, C) of them are never held.

    `batch_chunk_size` is the number of rows; or `chunking_method` finds it: "aspect_ratio" takes so many that their scores are about
    as large as the input, "aspect_ratio:k" a k-th of it. The other fields are torch's, and change nothing here: half precision is
    computed in float32 ("accurate"), and backward computes the scores again, so that it can be run twice.
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: dtypes.dtype | None = None

    def __post_init__(self) -> None:
        if self.acc_policy not in POLICIES:
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}; it is one of {', '.join(POLICIES)}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = self.chunking_method.partition(":")
            factor = factor if colon else "1"
            if not (name == "aspect_ratio" and factor.isdigit() and int(factor) > 0):
                raise ValueError(
                    f"invalid chunking_method: {self.chunking_method!r}; it is 'auto', 'aspect_ratio', 'aspect_ratio:2' … or None"
                )
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype is not None and self.acc_dtype not in FLOATS:
            raise ValueError(f"acc_dtype must be None or a dtype of floats, got {self.acc_dtype!r}")

    def _rows_at_a_time(self, count: int, in_features: int, classes: int, input: Tensor) -> int:
        """How many of the rows make a chunk; ValueError if the two fields that say so disagree."""
        size, method = self.batch_chunk_size, self.chunking_method
        if method == "auto":
            half_on_cpu = input.dtype.itemsize == 2 and input.is_cpu
            method = None if size is not None else "aspect_ratio" if half_on_cpu else "aspect_ratio:2"
        rows = min(size or count, count)
        if method is not None:
            at_most = -(-count // -(-classes // in_features))
            rows = min((1 << (at_most - 1).bit_length()) // int(method.partition(":")[2] or 1), count)
            if size is not None and size != rows:
                raise ValueError(
                    f"batch_chunk_size (={size}) and chunking_method ('{method}') give different chunk sizes ({size} vs {rows}); "
                    "pass only one."
                )
        return max(1, rows)
