"""`Reducer`: the gradients of all processes averaged in buckets, while backward still runs.

A hook on each parameter is called when its gradient is complete. It copies the gradient into its bucket; when a bucket is full, and those
before it are on their way, its all-reduce starts, beside the rest of backward. Buckets are sent in the same order by every process,
whichever gradient comes first. When backward has ended, what is still on its way is awaited, and the means go back into `.grad`.
Read next: `distributed.py`, who makes it; `minitorch/autograd/leaves.py`, who calls the hooks.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import minitorch
from minitorch import distributed as dist
from minitorch.autograd.leaves import accumulator
from minitorch.autograd.variable import Variable
from minitorch.distributed import GradBucket
from minitorch.tensor import Tensor


class Reducer:
    """The buckets of a module's parameters, and what has become of each in this backward."""

    def __init__(
        self,
        names: Sequence[str],
        parameters: Sequence[Tensor],
        group: Any,
        caps: tuple[int, int],
        find_unused: bool = False,
        as_views: bool = False,
        static_graph: bool = False,
    ) -> None:
        """names, parameters: those that want a gradient, in the module's order; caps: bytes in the first bucket and in the others, at most."""
        self.names, self.parameters, self.group = list(names), list(parameters), group
        self.caps, self.find_unused, self.as_views, self.static_graph = caps, find_unused, as_views, static_graph
        self.divisor = self.size = dist.get_world_size(group)
        self.hook: Callable[[Any, GradBucket], Any] | None = None
        self.hook_state: Any = None
        self.expecting = self.started = False  # whether the next backward is to be averaged; whether it has begun
        self.may_rebuild = not find_unused or static_graph
        self.rebuilt = False
        self.came: list[int] = []  # the parameters whose hooks have come in this backward, in order
        self.order: list[int] = []  # the same of the first backward
        self.times = [1] * len(parameters)  # how often each one's hook comes in a backward
        self.first_of_static = static_graph
        self.arrange(range(len(parameters))[::-1])
        ref = weakref.ref(self)
        self.handles = [p.register_post_accumulate_grad_hook(_calling(ref, i)) for i, p in enumerate(parameters)]

    def arrange(self, order: Iterable[int]) -> None:
        """Fill the buckets with parameters in this order."""
        order = list(order)
        groups = list(assigned([self.parameters[i] for i in order], *self.caps))
        self.members = [[order[k] for k in group] for group in groups]
        self.buckets = [
            GradBucket(b, [self.parameters[i] for i in group], last=b == len(groups) - 1)
            for b, group in enumerate(self.members)
        ]
        self.place = {i: (b, k) for b, group in enumerate(self.members) for k, i in enumerate(group)}

    # ---- forward ----

    def prepare(self) -> None:
        """Before a forward: the last backward must have brought all gradients."""
        missing = [name for name, n in zip(self.names, self.to_come) if n] if self.expecting and self.started else []
        if missing:
            raise RuntimeError(self._unfinished(missing))
        if self.may_rebuild and not self.rebuilt and self.order:
            self._rebuild()

    def expect(self, outputs: Sequence[Tensor]) -> None:
        """After a forward: the backward from these outputs is to be averaged. Which parameters it will reach is read off the graph."""
        self.expecting, self.started = True, False
        self.came = []
        self.used = [True] * len(self.parameters)
        if self.find_unused and not self.static_graph:
            reached = _reached(outputs)
            self.used = [accumulator(p) in reached for p in self.parameters]
        self.to_come = list(self.times)
        self.pending = [len(group) for group in self.members]
        self.next = 0  # the bucket to be sent next
        self.under_way: list[Any] = []

    # ---- backward ----

    def arrived(self, i: int) -> None:
        """The gradient of parameter i is complete."""
        if not self.expecting:
            return
        if not self.started:
            self._start()
        nothing = self.parameters[i].grad is None  # the loss leaves out the outputs that it is part of
        if self.find_unused and nothing:
            self.used[i] = False
        if self.static_graph and nothing:
            return
        self.came.append(i)
        if self.first_of_static:  # all is sent at the end, when it is known what there is
            return
        if self.to_come[i] == 0:
            raise RuntimeError(self._twice(i))
        self.to_come[i] -= 1
        if self.to_come[i] == 0:
            self._put(i)

    def _start(self) -> None:
        """The first gradient of this backward: those that will not come count as there."""
        self.started = True
        if self.first_of_static:
            Variable._execution_engine.queue_callback(self._end_of_first)
            return
        for i, used in enumerate(self.used):
            if not used or not self.times[i]:
                self.to_come[i] = 0
                self._put(i)

    def _put(self, i: int) -> None:
        """The gradient into its bucket, and full buckets on their way."""
        b, k = self.place[i]
        view, grad = self.buckets[b].gradients()[k], self.parameters[i].grad
        with minitorch.no_grad():
            if grad is None:
                view.zero_()
            elif self.hook is not None:
                if grad is not view:
                    view.copy_(grad)
            else:
                minitorch.mul(grad.detach(), 1.0 / self.divisor, out=view)
        self.pending[b] -= 1
        while self.next < len(self.buckets) and self.pending[self.next] == 0:
            self.under_way.append(self.send(self.buckets[self.next]))
            self.next += 1
        if self.next == len(self.buckets):
            Variable._execution_engine.queue_callback(self._end)

    def send(self, bucket: GradBucket) -> Any:
        """Start its all-reduce; the future's result is what it brings."""
        if self.hook is not None:
            return self.hook(self.hook_state, bucket)
        work: Any = dist.all_reduce(bucket.buffer(), group=self.group, async_op=True)
        return work.get_future()

    def _end(self) -> None:
        """Backward has ended: wait for what is on its way, and give every parameter its mean."""
        self.expecting = False
        used = self.used_anywhere()
        for bucket, group, future in zip(self.buckets, self.members, self.under_way):
            result = _value(future)
            with minitorch.no_grad():
                if result is not None and result is not bucket.buffer():
                    bucket.buffer().copy_(result)
                for i, view in zip(group, bucket.gradients()):
                    if used[i]:
                        self._give(self.parameters[i], view)
        if not self.rebuilt and not self.order:
            self.order = list(self.came)

    def _give(self, parameter: Tensor, view: Tensor) -> None:
        if self.as_views:
            parameter.grad = view
        elif parameter.grad is None:
            parameter.grad = view.clone()
        else:
            parameter.grad.copy_(view)

    def used_anywhere(self) -> list[bool]:
        """Which parameters some process has used: `.grad` of the others stays as it is."""
        if not self.find_unused or self.static_graph:
            return [bool(times) for times in self.times]
        used = minitorch.tensor(self.used, dtype=minitorch.int32)
        if self.parameters[0].device.type != "cpu":
            used = used.to(self.parameters[0].device)
        dist.all_reduce(used, group=self.group)
        return [bool(n) for n in used.tolist()]

    def _end_of_first(self) -> None:
        """The first backward of a static graph: how often each hook has come is how often it will come."""
        self.first_of_static = False
        self.times = [self.came.count(i) for i in range(len(self.parameters))]
        for i in range(len(self.parameters)):
            self.to_come[i] = 0
        for group in self.members:
            for i in group:
                self._put(i)

    # ---- the order in which gradients come ----

    def _rebuild(self) -> None:
        """The buckets in the order in which the gradients came at rank 0, once: the first then fill first."""
        self.rebuilt = True
        came = dict.fromkeys([*self.order, *range(len(self.parameters))[::-1]])  # the last is for those that never come
        order = minitorch.tensor(list(came), dtype=minitorch.int64)
        if self.parameters[0].device.type != "cpu":
            order = order.to(self.parameters[0].device)
        dist.broadcast(order, group=self.group, group_src=0)
        self.arrange(order.tolist())

    def shadow(self) -> None:
        """The calls of one backward, for a process that has no inputs: gradients of 0, used by nobody here."""
        with minitorch.no_grad():
            for bucket in self.buckets:
                bucket.buffer().zero_()
        for future in [self.send(bucket) for bucket in self.buckets]:
            _value(future)
        self.used = [False] * len(self.parameters)
        self.used_anywhere()

    # ---- errors ----

    def _unfinished(self, missing: list[str]) -> str:
        return (
            "Expected to have finished reduction in the prior iteration before starting a new one. This error indicates that your "
            f"module has parameters that were not used in producing loss: rank {dist.get_rank(self.group)} has had no gradient for "
            f"{', '.join(missing)}. Either let every output of forward take part in the loss, and every parameter in the outputs; or "
            "give find_unused_parameters=True to DistributedDataParallel, which looks for such parameters after each forward"
        )

    def _twice(self, i: int) -> str:
        return (
            f"Expected to mark a variable ready only once: the gradient of {self.names[i]} came twice in one backward. Either the "
            "parameter is used outside of the module's forward, or in several checkpoints (use_reentrant=True). If the graph is the "
            "same in every iteration, give static_graph=True to DistributedDataParallel"
        )


def assigned(parameters: Sequence[Tensor], first: int, cap: int) -> Iterable[list[int]]:
    """Consecutive parameters in buckets of one dtype and device, each at most so many bytes, or of one parameter."""
    open_: dict[Any, tuple[list[int], int]] = {}
    limits = dict.fromkeys({(p.dtype, p.device) for p in parameters}, first)
    for i, p in enumerate(parameters):
        kind = p.dtype, p.device
        indices, size = open_.get(kind, ([], 0))
        open_[kind] = [*indices, i], size + p.numel() * p.element_size()
        if open_[kind][1] >= limits[kind]:
            yield open_.pop(kind)[0]
            limits[kind] = cap
    yield from (indices for indices, _ in open_.values())


def _calling(ref: Any, i: int) -> Callable[[Tensor], None]:
    """A hook that does not keep its reducer alive."""

    def hook(parameter: Tensor) -> None:
        reducer = ref()
        if reducer is not None:
            reducer.arrived(i)

    return hook


def _reached(outputs: Sequence[Tensor]) -> set:
    """All nodes of the graph that these tensors were computed by."""
    found = {t.grad_fn for t in outputs if t.grad_fn is not None}
    todo = list(found)
    while todo:
        for edge in todo.pop().edges:
            if edge is not None and edge[0] not in found:
                found.add(edge[0])
                todo.append(edge[0])
    return found | {accumulator(t) for t in outputs if t.is_leaf and t.requires_grad}


def _value(future: Any) -> Tensor | None:
    """What a hook brings: the result of its future, a tensor or a list of one."""
    result = future.result() if hasattr(future, "result") else future.wait() if hasattr(future, "wait") else future
    return result[0] if isinstance(result, (list, tuple)) else result
