"""How a bucket of gradients travels: as it is, or in half precision, which halves the bytes and rounds.

A hook gets a state (here the process group, None: all processes) and a bucket, and returns a future whose result is the averaged flat
tensor. `ddp.register_comm_hook(None, fp16_compress_hook)`. Read next: `nn/parallel/reducer.py`, which calls it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import minitorch

from ... import distributed_c10d as dist
from ...grad_bucket import GradBucket

if TYPE_CHECKING:
    from minitorch.tensor import Tensor


def allreduce_hook(process_group: Any, bucket: GradBucket) -> Future[Tensor]:
    """The mean over the processes: what DDP does without a hook."""
    return _mean(process_group, bucket.buffer(), bucket.buffer().dtype)


def fp16_compress_hook(process_group: Any, bucket: GradBucket) -> Future[Tensor]:
    """The mean of the gradients as float16: half the bytes of float32."""
    return _mean(process_group, bucket.buffer(), minitorch.float16)


def bf16_compress_hook(process_group: Any, bucket: GradBucket) -> Future[Tensor]:
    """The mean of the gradients as bfloat16, which has float32's range."""
    return _mean(process_group, bucket.buffer(), minitorch.bfloat16)


def fp16_compress_wrapper(hook: Callable[[Any, GradBucket], Any]) -> Callable[[Any, GradBucket], Any]:
    """`hook`, which sees the gradients as float16."""
    return _wrapped(hook, minitorch.float16)


def bf16_compress_wrapper(hook: Callable[[Any, GradBucket], Any]) -> Callable[[Any, GradBucket], Any]:
    """`hook`, which sees the gradients as bfloat16."""
    return _wrapped(hook, minitorch.bfloat16)


def _mean(process_group: Any, buffer: Tensor, dtype: Any) -> Future[Tensor]:
    """Divided first, so that a sum in float16 does not overflow."""
    divided = (buffer if buffer.dtype == dtype else buffer.to(dtype)).div_(dist.get_world_size(process_group))
    work: Any = dist.all_reduce(divided, group=process_group, async_op=True)
    return then(work.get_future(), lambda outs: buffer.copy_(outs[0]))


def _wrapped(hook: Callable[[Any, GradBucket], Any], dtype: Any) -> Callable[[Any, GradBucket], Any]:
    def compressing(state: Any, bucket: GradBucket) -> Any:
        buffer = bucket.buffer()
        bucket.set_buffer(buffer.to(dtype))
        future = hook(state, bucket)
        bucket.set_buffer(buffer)
        return then(future, buffer.copy_)

    return compressing


def then(future: Future[Any], change: Callable[[Any], Any]) -> Future[Any]:
    """A future with `change` of this one's result."""
    made: Future[Any] = Future()

    def pass_on(ended: Future[Any]) -> None:
        try:
            with minitorch.no_grad():
                made.set_result(change(ended.result()))
        except BaseException as error:
            made.set_exception(error)

    future.add_done_callback(pass_on)
    return made
