"""What processes do together: `all_reduce`, `broadcast`, `all_gather`, … on tensors, as users call them.

Each function checks what it is given, and hands the tensors' arrays to the group's communicator. Results are written into tensors'
memory, past autograd: nothing is recorded, a leaf that requires grad may be written to, and `_version` counts what torch counts (the
writes that it makes by an op of its own: into lists of outputs). With `async_op=True` the call returns a `Work` at once, and the
tensors are in use until its `wait()`. Read next: `messages.py`, what two processes do; `process_group.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from ..arrays.device import xp_of
from ..arrays.dtypes import QUANTIZED
from ..tensor import Tensor
from .groups import (
    _canonicalize_group_rank,
    _checked_timeout,
    _group_or_default_group,
    _rank_not_in_group,
    _warn_not_in_group,
    get_backend,
)
from .process_group import Communicator, ProcessGroup, Work
from .reduce_op import ReduceOp


def all_reduce(
    tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: ProcessGroup | None = None, async_op: bool = False
) -> Work | None:
    """tensor = the sum (`op`) of all ranks' tensors, on every rank, to the bit the same."""
    _check_single_tensor(tensor, "tensor")
    if _rank_not_in_group(group):
        return _warn_not_in_group("all_reduce")
    _check_op(op, tensor)
    wrote = 1 if op is ReduceOp.AVG else 0
    return _call("all_reduce", group, async_op, [tensor], wrote, lambda c, x: c.allreduce(x[0], op))


def broadcast(
    tensor: Tensor,
    src: int | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """tensor = rank src's tensor. `group_src`: the rank counted in the group."""
    _check_single_tensor(tensor, "tensor")
    if _rank_not_in_group(group):
        return _warn_not_in_group("broadcast")
    root = _root("broadcast", group, src, group_src)
    return _call("broadcast", group, async_op, [tensor], 0, lambda c, x: c.broadcast(x[0], root))


def reduce(
    tensor: Tensor,
    dst: int | None = None,
    op: ReduceOp = ReduceOp.SUM,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """On rank dst: tensor = the sum (`op`) of all ranks' tensors. On others it stays as it is (in torch: anything)."""
    _check_single_tensor(tensor, "tensor")
    if _rank_not_in_group(group):
        return _warn_not_in_group("reduce")
    _check_op(op, tensor)
    root = _root("reduce", group, dst, group_dst)
    return _call("reduce", group, async_op, [tensor], 0, lambda c, x: c.reduce(x[0], root, op))


def all_gather(
    tensor_list: list[Tensor], tensor: Tensor, group: ProcessGroup | None = None, async_op: bool = False
) -> Work | None:
    """tensor_list[r] = rank r's tensor; all have one shape."""
    _check_tensor_list(tensor_list, "tensor_list")
    _check_single_tensor(tensor, "tensor")
    _ensure_all_tensors_same_dtype(tensor_list, tensor)
    if _rank_not_in_group(group):
        return _warn_not_in_group("all_gather")
    _check_sizes("allgather", "output", tensor_list, tensor, group)
    source = _Memory(tensor)
    return _call("all_gather", group, async_op, tensor_list, 1, lambda c, x: c.allgather(x, source.array))


def all_gather_single(
    output_tensor: Tensor, input_tensor: Tensor, group: ProcessGroup | None = None, async_op: bool = False
) -> Work | None:
    """output_tensor = all ranks' input tensors, one after the other along dimension 0."""
    _check_single_tensor(input_tensor, "input_tensor")
    _check_single_tensor(output_tensor, "output_tensor")
    if _rank_not_in_group(group):
        return _warn_not_in_group("all_gather_single")
    size = _group_or_default_group(group).size()
    expected = (input_tensor.shape[0] * size, *input_tensor.shape[1:]) if input_tensor.ndim else (size,)
    if tuple(output_tensor.shape) != expected:
        raise RuntimeError(
            f"ProcessGroup::allgather: invalid tensor size at index 0 (expected {expected}, got {tuple(output_tensor.shape)}): the output "
            f"holds the inputs of {size} ranks"
        )
    if output_tensor.dtype is not input_tensor.dtype:
        raise RuntimeError(f"all_gather_single: the input is {input_tensor.dtype}, the output {output_tensor.dtype}")
    source = _Memory(input_tensor)

    def call(c: Communicator, x: list[Any]) -> None:
        c.allgather(list(x[0].reshape(size, -1)), source.array.reshape(-1))

    return _call("all_gather_single", group, async_op, [output_tensor], size, call)


all_gather_into_tensor = all_gather_single


def gather(
    tensor: Tensor,
    gather_list: list[Tensor] | None = None,
    dst: int | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:
    """On rank dst (0 unless told): gather_list[r] = rank r's tensor. Other ranks give no list."""
    _check_single_tensor(tensor, "tensor")
    if gather_list:
        _check_tensor_list(gather_list, "gather_list")
    _ensure_all_tensors_same_dtype(tensor, gather_list or [])
    if _rank_not_in_group(group):
        return _warn_not_in_group("gather")
    root = _root("gather", group, 0 if dst is None and group_dst is None else dst, group_dst)
    is_root = _group_or_default_group(group).rank() == root
    _validate_output_list_for_rank(is_root, gather_list)
    if is_root:
        _check_sizes("gather", "output", gather_list or [], tensor, group)
    source = _Memory(tensor)
    return _call(
        "gather", group, async_op, gather_list or [], 1, lambda c, x: c.gather(x if is_root else None, source.array, root),
        device=tensor,
    )  # fmt: skip


def _validate_output_list_for_rank(is_root: bool, gather_list: list[Any] | None) -> None:
    if is_root and not gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    if not is_root and gather_list:
        raise ValueError("Argument ``gather_list`` must NOT be specified on non-destination ranks.")


def scatter(
    tensor: Tensor,
    scatter_list: list[Tensor] | None = None,
    src: int | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
    group_src: int | None = None,
) -> Work | None:
    """tensor = scatter_list[this rank] of rank src (0 unless told). Other ranks give no list."""
    _check_single_tensor(tensor, "tensor")
    if scatter_list:
        _check_tensor_list(scatter_list, "scatter_list")
    _ensure_all_tensors_same_dtype(tensor, scatter_list or [])
    if _rank_not_in_group(group):
        return _warn_not_in_group("scatter")
    root = _root("scatter", group, 0 if src is None and group_src is None else src, group_src)
    is_root = _group_or_default_group(group).rank() == root
    if is_root and not scatter_list:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    if not is_root and scatter_list:
        raise ValueError("Argument ``scatter_list`` must NOT be specified on non-source ranks.")
    if is_root:
        _check_sizes("scatter", "input", scatter_list or [], tensor, group)
    sources = [_Memory(each).array for each in scatter_list or []]
    return _call("scatter", group, async_op, [tensor], 0, lambda c, x: c.scatter(x[0], sources or None, root))


def reduce_scatter(
    output: Tensor,
    input_list: list[Tensor],
    op: ReduceOp = ReduceOp.SUM,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """output = the sum (`op`) of all ranks' input_list[this rank]."""
    _check_single_tensor(output, "output")
    _check_tensor_list(input_list, "input_list")
    _ensure_all_tensors_same_dtype(output, input_list)
    if _rank_not_in_group(group):
        return _warn_not_in_group("reduce_scatter")
    _check_op(op, output)
    if len(input_list) != _group_or_default_group(group).size():
        raise RuntimeError("invalid input tensor list size, must be world size")
    for each in input_list:
        if each.shape != output.shape:
            raise RuntimeError(
                f"reduce_scatter: every input is to have the output's shape {output.shape}, one has {each.shape}"
            )
    sources = [_Memory(each).array for each in input_list]
    return _call("reduce_scatter", group, async_op, [output], 1, lambda c, x: c.reduce_scatter(x[0], sources, op))


def reduce_scatter_single(
    output: Tensor,
    input: Tensor,
    op: ReduceOp = ReduceOp.SUM,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """output = this rank's piece, along dimension 0, of the sum (`op`) of all ranks' inputs."""
    _check_single_tensor(output, "output")
    _check_single_tensor(input, "input")
    if _rank_not_in_group(group):
        return _warn_not_in_group("reduce_scatter_single")
    _check_op(op, output)
    size = _group_or_default_group(group).size()
    if output.dtype is not input.dtype:
        raise RuntimeError(f"reduce_scatter_single: the input is {input.dtype}, the output {output.dtype}")
    if output.numel() * size != input.numel():
        raise RuntimeError(
            f"reduce_scatter_single: an input of shape {input.shape} has not {size} pieces (one for each rank) of the output's shape "
            f"{output.shape}"
        )
    pieces = list(_Memory(input).array.reshape(size, -1))
    return _call(
        "reduce_scatter_single", group, async_op, [output], 1, lambda c, x: c.reduce_scatter(x[0].reshape(-1), pieces, op)
    )


reduce_scatter_tensor = reduce_scatter_single


def all_to_all(
    output_tensor_list: list[Tensor],
    input_tensor_list: list[Tensor],
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """output_tensor_list[r] = rank r's input_tensor_list[this rank]; each may have a shape of its own."""
    _check_tensor_list(output_tensor_list, "output_tensor_list")
    _check_tensor_list(input_tensor_list, "input_tensor_list")
    _ensure_all_tensors_same_dtype(output_tensor_list, input_tensor_list)
    if _rank_not_in_group(group):
        return _warn_not_in_group("all_to_all")
    size = _group_or_default_group(group).size()
    for name, tensors in ("input", input_tensor_list), ("output", output_tensor_list):
        if len(tensors) != size:
            raise RuntimeError(
                f"ProcessGroup::alltoall: {name} tensor list size {len(tensors)} does not match world size {size}"
            )
    sources = [_Memory(each).array for each in input_tensor_list]
    return _call("all_to_all", group, async_op, output_tensor_list, 1, lambda c, x: c.alltoall(x, sources))


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:
    """Piece r of the input, along dimension 0, goes to rank r, whose piece for this rank becomes piece r of the output.

    The pieces are equal unless their sizes are told.
    """
    _check_single_tensor(output, "output")
    _check_single_tensor(input, "input")
    _ensure_all_tensors_same_dtype(output, input)
    if _rank_not_in_group(group):
        return _warn_not_in_group("all_to_all_single")
    if not (output.is_contiguous() and input.is_contiguous()):
        raise ValueError("Tensors must be contiguous")
    size = _group_or_default_group(group).size()
    ends = _ends(output, output_split_sizes, size)
    sources = np.split(input._array, _ends(input, input_split_sizes, size))
    return _call("all_to_all_single", group, async_op, [output], 0, lambda c, x: c.alltoall(np.split(x[0], ends), sources))


def _ends(tensor: Tensor, sizes: Sequence[int] | None, ranks: int) -> list[int]:
    """Where the pieces but the last end."""
    if not sizes:
        if tensor.shape[0] % ranks:
            raise RuntimeError(f"Tensor's dim 0 does not divide equally across group size: {tensor.shape[0]} by {ranks}")
        sizes = [tensor.shape[0] // ranks] * ranks
    if len(sizes) != ranks:
        raise RuntimeError("Number of tensor splits not equal to group size")
    if sum(sizes) != tensor.shape[0]:
        raise RuntimeError("Split sizes doesn't match total dim 0 size")
    return np.cumsum(sizes)[:-1].tolist()


def barrier(
    group: ProcessGroup | None = None, async_op: bool = False, device_ids: Any = None, timeout: timedelta | None = None
) -> Work | None:
    """Wait until every process of the group has come here."""
    if _rank_not_in_group(group):
        return _warn_not_in_group("barrier")
    return _call("barrier", group, async_op, [], 0, lambda c, x: c.barrier())


def monitored_barrier(
    group: ProcessGroup | None = None, timeout: timedelta | float | None = None, wait_all_ranks: bool = False
) -> None:
    """`barrier`, which raises within the timeout, and names who has not come. (Every call of gloo's does both here.)"""
    if _rank_not_in_group(group):
        return _warn_not_in_group("monitored_barrier")
    if get_backend(group) not in ("gloo", "undefined"):
        raise ValueError("monitored_barrier is only implemented for GLOO backend.")
    made = _group_or_default_group(group).communicator("cpu")
    usual = made.timeout
    if isinstance(timeout, float):
        timeout = timedelta(seconds=timeout)
    if timeout is not None:
        made.timeout = _checked_timeout(timeout).total_seconds()
    try:
        barrier(group)
    finally:
        made.timeout = usual
    return None


# ---- tensors and their memory ----


class _Memory:
    """A tensor's numbers as a contiguous array: its own where that is one, else a copy, which `give_back` puts in place."""

    def __init__(self, tensor: Tensor) -> None:
        if tensor.dtype in QUANTIZED:
            raise RuntimeError(f"Invalid scalar type: {tensor.dtype!r} tensors cannot be sent; send their int_repr()")
        self._tensor = tensor
        own = tensor._array
        self.array = own if own.flags.c_contiguous else xp_of(own).ascontiguousarray(own)

    def give_back(self, wrote: int) -> None:
        """The array has been written to, which counts as so many writes."""
        if self.array is not self._tensor._array:
            self._tensor._array[...] = self.array
        for _ in range(wrote):
            self._tensor._bump()


def _call(
    name: str,
    group: ProcessGroup | None,
    async_op: bool,
    outputs: Sequence[Tensor],
    wrote: int,
    call: Callable[[Communicator, list[Any]], None],
    device: Tensor | None = None,
) -> Work | None:
    """Make the call with the arrays of `outputs`; `wrote`: how many writes of each are counted."""
    members = _group_or_default_group(group)
    like = device if device is not None else outputs[0] if outputs else None
    communicator = members.communicator(next(iter(members.devices)) if like is None else like.device.type)
    memories = [_Memory(each) for each in outputs]
    if any(not getattr(each.array.flags, "writeable", True) for each in memories):
        raise RuntimeError(f"{name}: the NumPy array a tensor was made from is not writable; clone() the tensor first")

    def run() -> None:
        call(communicator, [each.array for each in memories])
        for each in memories:
            each.give_back(wrote)

    work = members.call(name, run, async_op, outputs)
    return work if async_op else None


# ---- checks ----


def _check_single_tensor(param: Any, name: str) -> None:
    if not isinstance(param, Tensor):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type minitorch.Tensor but got {type(param)} instead."
        )


def _check_tensor_list(param: Any, name: str) -> None:
    if not isinstance(param, list):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[minitorch.Tensor] but got {type(param)} instead."
        )
    if not all(isinstance(each, Tensor) for each in param):
        raise TypeError(
            f"Invalid function argument. Expected parameter `{name}` of type List[minitorch.Tensor] but got {type(param)} with elements "
            f"of type {[type(each) for each in param]}."
        )


def _ensure_all_tensors_same_dtype(*given: Any) -> None:
    tensors = [each for one in given for each in (one if isinstance(one, list) else [one])]
    for each in tensors:
        if each.dtype is not tensors[0].dtype:
            raise ValueError(f"Invalid usage of tensors with different dtypes: found {tensors[0].dtype} and {each.dtype}")


def _check_op(op: Any, tensor: Tensor) -> None:
    if not isinstance(op, ReduceOp):
        raise TypeError(f"the reduction is to be a minitorch.distributed.ReduceOp, such as ReduceOp.SUM, not {op!r}")
    if op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR) and tensor.dtype.is_floating_point:
        raise RuntimeError(f"Cannot use ReduceOp.{op.name} with non-integral dtype")
    if op is ReduceOp.AVG and not tensor.dtype.is_floating_point:
        raise RuntimeError(
            f"result type Float can't be cast to the desired output type of {tensor.dtype}: an average is no integer"
        )


def _check_sizes(call: str, side: str, tensors: Sequence[Tensor], like: Tensor, group: ProcessGroup | None) -> None:
    size = _group_or_default_group(group).size()
    if len(tensors) != size:
        raise RuntimeError(
            f"ProcessGroup::{call}: invalid {side} tensor list at index 0 (expected length {size}, got {len(tensors)})"
        )
    for index, each in enumerate(tensors):
        if each.shape != like.shape:
            raise RuntimeError(
                f"ProcessGroup::{call}: invalid tensor size at index {index} (expected {tuple(like.shape)}, got {tuple(each.shape)})"
            )


def _root(call: str, group: ProcessGroup | None, rank: int | None, group_rank: int | None) -> int:
    members = _group_or_default_group(group)
    root = _canonicalize_group_rank(members, rank, group_rank)
    if not 0 <= root < members.size():
        raise RuntimeError(f"ProcessGroup::{call}: invalid root rank: {root}")
    return root
