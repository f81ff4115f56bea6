"""Sequences of different lengths: padded to one length, or packed without padding (`PackedSequence`).

Packed, the rows of a batch lie one after the other by time: step 0 of all sequences, step 1 of those that have one, and so on. The
sequences are sorted by length, so that those that a step has are always the first ones; `sorted_indices` remembers their order.
Read next: `ops/through_time.py`, which walks over packed rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import minitorch
from minitorch.op.signature import checked
from minitorch.tensor import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    """The fields of a `PackedSequence`."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(PackedSequence_):
    """Sequences without padding: data (rows, *), and how many sequences each step has, batch_sizes (L), on the CPU.

    sorted_indices: which sequence of the user's is first, second, …; unsorted_indices: the way back. None: they were sorted.
    `pack_sequence` and `pack_padded_sequence` make it; all recurrent nets take it.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            assert isinstance(data, (list, tuple)) and len(data) == 2, "Expected data to be a list or tuple of length 2"
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError("batch_sizes should always be on CPU; pack_sequence and pack_padded_sequence make it so")
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with its data on another device or of another dtype; itself, if there is nothing to do."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (None if i is None else i.to(data.device) for i in (self.sorted_indices, self.unsorted_indices))
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on a GPU."""
        return self._to("cuda", *args, **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same on the CPU."""
        return self._to("cpu", *args, **kwargs)

    def _to(self, kind: str, *args: Any, **kwargs: Any) -> PackedSequence:
        there = self.data.new_empty(()).to(*args, **kwargs).device.type == kind
        return self.to(*args, **kwargs) if there else self.to(*args, **{**kwargs, "device": kind})

    def double(self) -> PackedSequence:
        return self.to(dtype=minitorch.float64)

    def float(self) -> PackedSequence:
        return self.to(dtype=minitorch.float32)

    def half(self) -> PackedSequence:
        return self.to(dtype=minitorch.float16)

    def long(self) -> PackedSequence:
        return self.to(dtype=minitorch.int64)

    def int(self) -> PackedSequence:
        return self.to(dtype=minitorch.int32)

    def short(self) -> PackedSequence:
        return self.to(dtype=minitorch.int16)

    def char(self) -> PackedSequence:
        return self.to(dtype=minitorch.int8)

    def byte(self) -> PackedSequence:
        return self.to(dtype=minitorch.uint8)

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return self.data.is_cuda


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The way back: p[invert_permutation(p)] is 0, 1, 2, …

    >>> invert_permutation(minitorch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places = minitorch.arange(permutation.numel(), device=permutation.device)
    return minitorch.empty_like(permutation).scatter_(0, permutation, places)


# ---- packed ----


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The first lengths[b] steps of each sequence b of input (L, N, *), or (N, L, *) with batch_first, packed.

    enforce_sorted: RuntimeError unless they come sorted, the longest first; else they are sorted here.

    >>> pack_padded_sequence(minitorch.tensor([[1, 2, 3], [4, 5, 0]]), [3, 2], batch_first=True).data
    tensor([1, 4, 2, 5, 3])
    """
    if isinstance(lengths, Tensor):
        steps, order = lengths.to(minitorch.int64), None
    else:
        steps, order = minitorch.as_tensor(lengths, dtype=minitorch.int64, device="cpu"), None
    if not enforce_sorted:
        steps, order = steps.sort(descending=True)
        order = order.to(input.device)
        input = input.index_select(0 if batch_first else 1, order)
    by_time = input.transpose(0, 1) if batch_first else input
    _check_lengths(by_time, steps)
    there = np.arange(int(steps[0]))[:, None] < steps.numpy()  # (steps, N): whether a sequence has a step
    data = _rows(by_time).index_select(0, _places(there, input))
    return PackedSequence(data, minitorch.from_numpy(there.sum(1)), order)


def _check_lengths(by_time: Tensor, lengths: Tensor) -> None:
    """RuntimeError unless there is a length for each sequence, from the longest to the shortest, and none is 0."""
    L, N = by_time.size(0), by_time.size(1)
    if lengths.ndim != 1 or not lengths.is_cpu:
        raise RuntimeError(
            f"'lengths' argument should be a 1D CPU int64 tensor, but got {lengths.ndim}D {lengths.device.type} tensor"
        )
    if not by_time.numel():
        raise RuntimeError(f"Cannot pack empty tensors: got shape {tuple(by_time.shape)}")
    if len(lengths) != N:
        raise RuntimeError(f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} (batch_size={N})")
    given = lengths.tolist()
    if given != sorted(given, reverse=True):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            f"`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence; got {given}"
        )
    if given[-1] <= 0:
        raise RuntimeError(
            f"Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0: {given}"
        )
    if given[0] > L:
        raise RuntimeError(f"a length of {given[0]} is more than the {L} steps that the padded sequences have")


def _rows(x: Tensor) -> Tensor:
    """x (L, N, *) as (L · N, *)."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def _places(there: np.ndarray, like: Tensor) -> Tensor:
    """The numbers of the rows that are there, beside `like`."""
    return minitorch.from_numpy(np.flatnonzero(there)).to(like.device)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """The way back: (padded (L, N, *), or (N, L, *) with batch_first, lengths (N)), in the user's order.

    total_length: an L that is larger than the longest sequence needs.
    """
    sizes = sequence.batch_sizes.numpy()
    L, N = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < L:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {L}"
            )
        L = total_length
    there = np.arange(N) < sizes[:, None]
    data, lengths = sequence.data, minitorch.from_numpy(there.sum(0))
    rows = data.new_full((L * N, *data.shape[1:]), padding_value).index_copy(0, _places(there, data), data)
    padded = rows.reshape(L, N, *data.shape[1:])
    padded = padded.transpose(0, 1) if batch_first else padded
    if sequence.unsorted_indices is None:
        return padded, lengths
    back = sequence.unsorted_indices
    return padded.index_select(0 if batch_first else 1, back), lengths[back.cpu()]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences (Lₖ, *) packed, the longest first; with enforce_sorted=False in any order.

    >>> pack_sequence([minitorch.tensor([1, 2, 3]), minitorch.tensor([4, 5]), minitorch.tensor([6])]).data
    tensor([1, 4, 6, 2, 5, 3])
    """
    lengths = minitorch.as_tensor([v.size(0) for v in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The way back: the sequences, in the user's order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


# ---- padded ----


def pad_sequence(
    sequences: Iterable[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (Lₖ, *) in one tensor (L, N, *), or (N, L, *) with batch_first: L is the longest, the others are padded.

    >>> pad_sequence([minitorch.tensor([1, 2, 3]), minitorch.tensor([4])], batch_first=True)
    tensor([[1, 2, 3],
            [4, 0, 0]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}")
    return _padded(tuple(sequences), batch_first, padding_value, padding_side)


@checked
def _padded(sequences: Any, batch_first: bool, padding_value: float, padding_side: str) -> Tensor:
    for i, x in enumerate(sequences):
        if not isinstance(x, Tensor):
            raise TypeError(f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"Expected padding_side to be one of left or right, but got {padding_side}.")
    if any(x.ndim == 0 for x in sequences):
        raise RuntimeError("pad_sequence: a sequence has at least one dimension, its steps; got a tensor without any")
    first, longest = sequences[0], max(len(x) for x in sequences)
    rows = []
    for x in sequences:
        padding = first.new_full((longest - len(x), *first.shape[1:]), padding_value)
        parts = [x.to(first.dtype).expand(len(x), *first.shape[1:]), padding]
        rows.append(minitorch.cat(parts if padding_side == "right" else parts[::-1]))  # type: ignore[attr-defined]
    return minitorch.stack(rows, 0 if batch_first else 1)  # type: ignore[attr-defined]


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The first lengths[b] steps of each sequence b of a tensor (L, N, *), or (N, L, *) with batch_first.

    Without batch_first the tensor that came is transposed itself, in place: so does torch.
    """
    if not batch_first:
        padded_sequences.transpose_(0, 1)
    steps = minitorch.arange(padded_sequences.shape[1], device=lengths.device)
    return [x[steps < length] for x, length in zip(padded_sequences, lengths, strict=True)]
