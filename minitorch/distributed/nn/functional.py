"""Collective calls that have derivatives: `y = all_reduce(x)`, and what comes back into y goes on to every process's x.

The loss is the sum of all processes' losses. Then the derivative of each call is another call: of a broadcast a sum, of a gather
a scatter, of an all_reduce an all_reduce. So backward is collective too: all processes must run it. Nothing is written in place.
Read next: `../distributed_c10d.py`, the calls themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import minitorch
from minitorch.autograd import Function
from minitorch.tensor import Tensor

from .. import distributed_c10d as dist
from ..reduce_op import ReduceOp

__all__ = [
    "all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "reduce", "reduce_scatter", "scatter",
]  # fmt: skip


def broadcast(tensor: Tensor, src: int, group: Any = None) -> Tensor:
    """Rank src's tensor, on every rank; back comes the sum of all gradients to src."""
    return _Broadcast.apply(src, group, tensor)


def reduce(tensor: Tensor, dst: int, op: ReduceOp = ReduceOp.SUM, group: Any = None) -> Tensor:
    """On rank dst the sum (or `op`) of all; back comes dst's gradient to every rank."""
    return _Reduce.apply(dst, op, group, tensor)


def all_reduce(tensor: Tensor, op: ReduceOp = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The sum (or `op`) of all ranks' tensors, on every rank; back comes the same `op` of the gradients."""
    return _AllReduce.apply(op, group, tensor)


def gather(tensor: Tensor, dst: int = 0, group: Any = None) -> tuple[Tensor, ...]:
    """On rank dst all ranks' tensors, elsewhere zeros."""
    return _Gather.apply(dst, group, tensor)


def scatter(tensors: Sequence[Tensor], src: int = 0, group: Any = None) -> Tensor:
    """The one of rank src's tensors that is for this rank."""
    return _Scatter.apply(src, group, *tensors)


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """All ranks' tensors, on every rank; back comes the sum of the gradients of this rank's."""
    return _AllGather.apply(group, tensor)


def reduce_scatter(output: Tensor, input_list: Sequence[Tensor], op: ReduceOp = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The sum (or `op`) of what all ranks have for this one; `output` says its shape and dtype."""
    return _ReduceScatter.apply(op, group, output, *input_list)


def all_to_all(
    output_tensor_list: Sequence[Tensor], input_tensor_list: Sequence[Tensor], group: Any = None
) -> tuple[Tensor, ...]:
    """Piece r goes to rank r; what comes has the shapes of `output_tensor_list`."""
    return _AllToAll.apply(group, tuple(output_tensor_list), *input_tensor_list)


def all_to_all_single(
    output: Tensor,
    input: Tensor,
    output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None,
    group: Any = None,
) -> Tensor:
    """`all_to_all` of pieces along dimension 0, of the sizes told or of equal ones."""
    n = dist.get_world_size(group)
    out = output.detach().split(output_split_sizes or output.shape[0] // n)
    return minitorch.cat(all_to_all(out, input.split(input_split_sizes or input.shape[0] // n), group))


class _Broadcast(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, x: Tensor) -> Tensor:
        ctx.src, ctx.group = src, group
        out = x.clone()
        dist.broadcast(out, src, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        gx = _Reduce.apply(ctx.src, ReduceOp.SUM, ctx.group, g)
        return None, None, gx if dist.get_rank() == ctx.src else minitorch.zeros_like(gx)


class _Reduce(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, op: ReduceOp, group: Any, x: Tensor) -> Tensor:
        ctx.dst, ctx.group = dst, group
        out = x.clone()
        dist.reduce(out, dst, op=op, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return None, None, None, _Broadcast.apply(ctx.dst, ctx.group, g)


class _AllReduce(Function):
    @staticmethod
    def forward(ctx: Any, op: ReduceOp, group: Any, x: Tensor) -> Tensor:
        ctx.op, ctx.group = op, group
        out = x.clone()
        dist.all_reduce(out, op=op, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return None, None, _AllReduce.apply(ctx.op, ctx.group, g.contiguous())


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, group: Any, x: Tensor) -> Any:
        ctx.dst, ctx.group = dst, group
        outs = [minitorch.zeros_like(x) for _ in range(dist.get_world_size(group))]
        dist.gather(x.contiguous(), outs if dist.get_rank() == dst else None, dst, group=group)
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *gs: Tensor) -> Any:
        return None, None, _Scatter.apply(ctx.dst, ctx.group, *gs)


class _Scatter(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, *xs: Tensor) -> Tensor:
        ctx.src, ctx.group = src, group
        out = minitorch.zeros_like(xs[dist.get_rank(group)])
        dist.scatter(out, [x.contiguous() for x in xs] if dist.get_rank() == src else None, src, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return None, None, *_Gather.apply(ctx.src, ctx.group, g)


class _AllGather(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, x: Tensor) -> Any:
        ctx.group = group
        outs = [minitorch.empty_like(x) for _ in range(dist.get_world_size(group))]
        dist.all_gather(outs, x.contiguous(), group=group)
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *gs: Tensor) -> Any:
        return None, _ReduceScatter.apply(ReduceOp.SUM, ctx.group, gs[0], *gs)


class _ReduceScatter(Function):
    @staticmethod
    def forward(ctx: Any, op: ReduceOp, group: Any, like: Tensor, *xs: Tensor) -> Tensor:
        ctx.group = group
        mine = xs[dist.get_rank(group)]
        out = minitorch.empty_like(mine)
        dist.reduce_scatter(out, [x.contiguous() for x in xs], op=op, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        return None, None, None, *_AllGather.apply(ctx.group, g)


class _AllToAll(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, like: Any, *xs: Tensor) -> Any:
        ctx.group, ctx.shapes = group, [x.shape for x in xs]
        outs = [minitorch.empty_like(o) for o in like]
        dist.all_to_all(outs, [x.contiguous() for x in xs], group=group)
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *gs: Tensor) -> Any:
        like = tuple(gs[0].new_empty(shape) for shape in ctx.shapes)
        return None, None, *_AllToAll.apply(ctx.group, like, *gs)
