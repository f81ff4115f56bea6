"""`DistributedDataParallel`: a module that several processes train together, each on its share of the batch.

Every process holds the whole module. They begin with rank 0's parameters and buffers; each backward leaves the mean of all processes'
gradients in `.grad`; so equal steps keep them equal. If losses are means over equal shares, this is training on the whole batch in one
process. Read next: `reducer.py`, how the gradients are averaged while backward runs; `docs/distributed.md`.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import minitorch
from minitorch import distributed as dist
from minitorch.arrays.warning import warn
from minitorch.autograd import Function
from minitorch.distributed.algorithms.join import Join, Joinable, JoinHook
from minitorch.distributed.groups import _get_default_group
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import UninitializedBuffer, UninitializedParameter
from minitorch.tensor import Tensor

from .reducer import Reducer

MEGABYTE = 1024 * 1024


class DistributedDataParallel(Module, Joinable):
    """module(x), whose gradients backward averages over the processes of a group (Li et al., 2020).

    The input is this process's share: nothing is split here (`DistributedSampler` does). Forward and backward are collective: every process
    runs them equally often (`join` for uneven inputs, `no_sync` to leave out the averaging). Keys of the state begin with `module.`.

    process_group: None, all processes. bucket_cap_mb: how many MiB of gradients travel together: 25, in the first bucket 1.
    forward_sync_buffers (True): rank 0's buffers come to all before each forward; `broadcast_buffers` is its old name.
    find_unused_parameters: look after each forward for parameters that it has not used; without it they are an error in the next forward.
    gradient_as_bucket_view: `.grad` is a view of its bucket, which saves a copy. static_graph: the graph is the same in every iteration.
    Errors: RuntimeError where processes have different parameters, where none wants a gradient, where a gradient did not come.
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: Any = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        *,
        forward_sync_buffers: bool | None = None,
    ) -> None:
        super().__init__()
        Joinable.__init__(self)
        self.process_group = _get_default_group() if process_group is None else process_group
        self.module = module
        self.parameters_to_ignore = set(getattr(module, "_ddp_params_and_buffers_to_ignore", ()))
        parameters: dict[str, Tensor] = {n: p for n, p in module.named_parameters() if n not in self.parameters_to_ignore}
        _refuse(module, parameters, device_ids, output_device)
        if check_reduction:
            warn("The `check_reduction` argument in `DistributedDataParallel` module is deprecated.", FutureWarning)
        self.device = next(iter(parameters.values())).device
        self.device_type, self.dim = self.device.type, dim
        self.device_ids = None if self.device_type == "cpu" or not device_ids else list(device_ids)
        self.output_device = output_device if self.device_ids is None or output_device is not None else self.device_ids[0]
        self.forward_sync_buffers = _with_the_old_name(forward_sync_buffers, broadcast_buffers)
        self.find_unused_parameters, self.static_graph = find_unused_parameters, static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        self.bucket_bytes_cap = int((25 if bucket_cap_mb is None else bucket_cap_mb) * MEGABYTE)
        # Unless it is told, the first bucket is small, so that the first message leaves soon.
        self.first_bucket_bytes_cap = MEGABYTE if bucket_cap_mb is None else self.bucket_bytes_cap
        if init_sync:
            self._refuse_different(parameters)
            self._share_state(buffers=forward_sync_buffers is not None or self.forward_sync_buffers)
        self._start()

    def _start(self) -> None:
        """The reducer of the parameters that want a gradient."""
        wanting = {n: p for n, p in self.module.named_parameters() if p.requires_grad and n not in self.parameters_to_ignore}
        self.reducer = Reducer(
            list(wanting),
            list(wanting.values()),
            self.process_group,
            (self.first_bucket_bytes_cap, self.bucket_bytes_cap),
            self.find_unused_parameters,
            self.gradient_as_bucket_view,
            self.static_graph,
        )
        self.logger = Logger(self)

    # ---- the same everywhere ----

    def _refuse_different(self, parameters: dict[str, Tensor]) -> None:
        """RuntimeError that names the parameters in which processes differ."""
        mine = {n: (tuple(p.shape), str(p.dtype), p.requires_grad) for n, p in parameters.items()}
        theirs: list[Any] = [None] * dist.get_world_size(self.process_group)
        dist.all_gather_object(theirs, mine, group=self.process_group)
        for rank, other in enumerate(theirs):
            if problem := _difference(theirs[0], rank, other):
                raise RuntimeError(f"DDP expects same model across all ranks, but {problem}")

    def _share_state(self, buffers: bool, src: int = 0) -> None:
        """Parameters and buffers as the process `src` of the group has them."""
        shared = [p.detach() for n, p in self.module.named_parameters() if n not in self.parameters_to_ignore]
        _broadcast(self.process_group, [*shared, *(self._buffers_to_share() if buffers else [])], src)

    def _buffers_to_share(self) -> list[Tensor]:
        return [b.detach() for n, b in self.module.named_buffers() if n not in self.parameters_to_ignore]

    def will_sync_module_buffers(self) -> bool:
        """Whether this forward begins with rank 0's buffers."""
        return self.require_forward_param_sync and self.forward_sync_buffers and bool(self._buffers_to_share())

    @property
    def broadcast_buffers(self) -> bool:
        """The old name of `forward_sync_buffers`."""
        return self.forward_sync_buffers

    # ---- forward ----

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        averaged = minitorch.is_grad_enabled() and self.require_backward_grad_sync
        if averaged:
            self.reducer.prepare()
        active = Join.notify_join_context(self)
        if active is not None:
            self.reducer.divisor = self.reducer.size if self.divides_by_all else active
        if self.will_sync_module_buffers():
            _broadcast(self.process_group, self._buffers_to_share(), self._rank_whose_buffers_count())
        if self._join_config.enable:
            self._tell_whether_averaged(averaged)
        if self.device_ids:
            inputs, kwargs = _moved((inputs, kwargs), self.device)
        output = self.module(*inputs, **kwargs)
        self.require_forward_param_sync = averaged
        if not averaged:
            return output
        tensors = list(_tensors(output))
        self.reducer.expect(tensors)
        if (self.find_unused_parameters and not self.static_graph) or self.reducer.first_of_static:
            return _through_sink(self, output)
        return output

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Forwards within it are followed by backwards that add to `.grad` here alone; the next one outside averages all of it."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def train(self, mode: bool = True) -> DistributedDataParallel:
        super().train(mode)
        return self

    # ---- hooks on what travels ----

    def register_comm_hook(self, state: object, hook: Callable[[Any, Any], Any]) -> None:
        """`hook(state, bucket)` in place of the all-reduce of each bucket, a `GradBucket`: its future gives the flat mean.

        See `minitorch.distributed.algorithms.ddp_comm_hooks.default_hooks`. One can be registered, before the first backward.
        """
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
        if self.reducer.hook is not None:
            raise RuntimeError("register_comm_hook or register_builtin_comm_hook can only be called once.")
        self.reducer.hook, self.reducer.hook_state = hook, state

    # ---- uneven inputs ----

    def join(
        self, divide_by_initial_world_size: bool = True, enable: bool = True, throw_on_early_termination: bool = False
    ) -> Join:
        """Within it processes may have different numbers of inputs: who has no more answers the others' calls, with gradients of 0.

        divide_by_initial_world_size: False divides by the number of processes that still have inputs. Afterwards all have the state of
        the last. throw_on_early_termination: RuntimeError in all processes as soon as the first has no more.
        """
        return Join([self], enable, throw_on_early_termination, divide_by_initial_world_size=divide_by_initial_world_size)

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What `Join` asks for: how a process without inputs answers."""
        return _Shadow(self, kwargs.get("divide_by_initial_world_size", True))

    @property
    def join_device(self) -> Any:
        return self.device

    @property
    def join_process_group(self) -> Any:
        return self.process_group

    def _rank_whose_buffers_count(self) -> int:
        """0; within `join` the last process that still has inputs."""
        return self._common_rank(True) if self._join_config.enable else 0

    def _common_rank(self, am_candidate: bool) -> int:
        rank = minitorch.tensor([dist.get_rank(self.process_group) if am_candidate else -1], device=self.device)
        dist.all_reduce(rank, op=dist.ReduceOp.MAX, group=self.process_group)
        return int(rank.item())

    def _tell_whether_averaged(self, averaged: bool) -> bool:
        """Whether some process that has inputs will average its gradients."""
        does = minitorch.tensor([int(averaged)], device=self.device)
        dist.all_reduce(does, group=self.process_group)
        return bool(does.item())

    # ---- copies ----

    def __getstate__(self) -> dict[str, Any]:
        """A copy, or a pickle, joins the default group of its process."""
        state = dict(self.__dict__)
        for name in ("process_group", "reducer", "logger"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.process_group = _get_default_group()
        self._start()

    @staticmethod
    def _set_params_and_buffers_to_ignore_for_model(module: Module, params_and_buffers_to_ignore: Iterable[str]) -> None:
        """Names of parameters and buffers of `module` that a DistributedDataParallel made of it leaves alone."""
        module._ddp_params_and_buffers_to_ignore = list(params_and_buffers_to_ignore)

    def _get_ddp_logging_data(self) -> dict[str, Any]:
        return self.logger._get_ddp_logging_data()


class Logger:
    """What is known of a DistributedDataParallel, for whoever looks for a fault."""

    def __init__(self, ddp: DistributedDataParallel) -> None:
        self.ddp = weakref.proxy(ddp)

    def _get_ddp_logging_data(self) -> dict[str, Any]:
        ddp, reducer = self.ddp, self.ddp.reducer
        return {
            "module_name": type(ddp.module).__name__,
            "backend_name": dist.get_backend(ddp.process_group),
            "rank": dist.get_rank(ddp.process_group),
            "world_size": reducer.size,
            "num_parameter_tensors": len(reducer.parameters),
            "total_parameter_size_bytes": sum(p.numel() * p.element_size() for p in reducer.parameters),
            "bucket_cap_bytes": ddp.bucket_bytes_cap,
            "bucket_sizes": ", ".join(str(b.buffer().numel() * b.buffer().element_size()) for b in reducer.buckets),
            "has_rebuilt_buckets": int(reducer.rebuilt),
            "find_unused_parameters": int(ddp.find_unused_parameters),
            "gradient_as_bucket_view": int(ddp.gradient_as_bucket_view),
            "broadcast_buffers": int(ddp.forward_sync_buffers),
            "static_graph": int(ddp.static_graph),
            "comm_hook": getattr(reducer.hook, "__name__", ""),
        }


class _Shadow(JoinHook):
    """The calls of a process that has no more inputs, to match those of the others."""

    def __init__(self, ddp: DistributedDataParallel, divide_by_initial_world_size: bool) -> None:
        self.ddp = ddp
        ddp.divides_by_all = divide_by_initial_world_size

    def main_hook(self) -> None:
        """One iteration of the others."""
        ddp, reducer = self.ddp, self.ddp.reducer
        if reducer.may_rebuild and not reducer.rebuilt and reducer.order:
            reducer._rebuild()
        if ddp.will_sync_module_buffers():
            _broadcast(ddp.process_group, ddp._buffers_to_share(), ddp._common_rank(False))
        ddp.require_forward_param_sync = ddp._tell_whether_averaged(False)
        if ddp.require_forward_param_sync:
            reducer.shadow()

    def post_hook(self, is_last_joiner: bool) -> None:
        """At the end all have the state of the last."""
        ddp = self.ddp
        ddp._share_state(ddp.forward_sync_buffers, ddp._common_rank(is_last_joiner))


class _Sink(Function):
    """The identity on outputs. Outputs that the loss leaves out send on that nothing came, so that every hook is called."""

    @staticmethod
    def forward(ctx: Any, ddp: Any, *outputs: Any) -> Any:
        ctx.set_materialize_grads(False)
        ctx.reducer = weakref.ref(ddp.reducer)
        return tuple(x.clone() if isinstance(x, Tensor) else x for x in outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *grads)


def _through_sink(ddp: DistributedDataParallel, output: Any) -> Any:
    with_history = [t for t in _tensors(output) if t.grad_fn is not None]
    if not with_history:
        return output
    passed = iter(_Sink.apply(ddp, *with_history))
    return _mapped(output, lambda t: t if t.grad_fn is None else next(passed))


# ---- helpers ----


def _refuse(module: Module, parameters: dict[str, Tensor], device_ids: Any, output_device: Any) -> None:
    """What cannot be wrapped, in words."""
    if any(isinstance(t, (UninitializedParameter, UninitializedBuffer)) for t in (*parameters.values(), *module.buffers())):
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DistributedDataParallel`. Run a dummy forward pass to "
            "correctly initialize the modules"
        )
    if not any(p.requires_grad for p in parameters.values()):
        raise RuntimeError(
            "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a gradient."
        )
    kinds = {p.device.type for p in parameters.values()}
    if len(kinds) != 1:
        raise ValueError(
            "DistributedDataParallel's input module must be on the same type of devices, but input module parameters locate in "
            f"{kinds}."
        )
    if device_ids is not None and len(device_ids) > 1:
        raise ValueError("device_ids can only be None or contain a single element.")
    if kinds == {"cpu"} and (device_ids or output_device):
        raise ValueError(
            "DistributedDataParallel device_ids and output_device arguments only work with single-device/multiple-device GPU "
            f"modules or CPU modules, but got device_ids {device_ids}, output_device {output_device}, and module parameters {kinds}."
        )


def _difference(first: dict[str, tuple], rank: int, other: dict[str, tuple]) -> str | None:
    """In what a rank's parameters (shape, dtype, whether they want a gradient) differ from rank 0's."""
    if list(other) != list(first):
        only = [f"rank 0 alone has {n}" for n in first if n not in other] + [
            f"rank {rank} alone has {n}" for n in other if n not in first
        ]
        return (
            f"Rank 0 has {len(first)} params, while rank {rank} has inconsistent {len(other)} params: "
            f"{'; '.join(only) or 'they have another order'}"
        )
    for number, (name, mine) in enumerate(other.items()):
        if mine != first[name]:
            told = [
                f"{shape} of {dtype}{'' if wants else ', without a gradient'}" for shape, dtype, wants in (mine, first[name])
            ]
            return (
                f"params[{number}], {name}, in rank {rank} with sizes {told[0]}, appears not to match sizes of the same param in "
                f"process 0: {told[1]}"
            )
    return None


def _with_the_old_name(forward_sync_buffers: bool | None, broadcast_buffers: bool | None) -> bool:
    if broadcast_buffers is not None:
        warn("`broadcast_buffers` is deprecated. Use `forward_sync_buffers` instead.", FutureWarning)
    if forward_sync_buffers is not None:
        return forward_sync_buffers
    return broadcast_buffers is None or broadcast_buffers


def _broadcast(group: Any, tensors: Sequence[Tensor], src: int) -> None:
    """The tensors of rank `src` of the group to all, those of one dtype together."""
    with minitorch.no_grad():
        for kind in dict.fromkeys((t.dtype, t.device) for t in tensors):
            same = [t for t in tensors if (t.dtype, t.device) == kind and t.numel()]
            if not same:
                continue
            flat = minitorch.cat([t.reshape(-1) for t in same])
            dist.broadcast(flat, group=group, group_src=src)
            for t, part in zip(same, flat.split([t.numel() for t in same])):
                t._array[...] = part._array.reshape(t._array.shape)  # not counted as a write: what was saved stays valid


def _tensors(x: Any) -> Iterator[Tensor]:
    """All tensors in a nest of lists, tuples, dicts and dataclasses."""
    if isinstance(x, Tensor):
        yield x
    elif isinstance(x, dict):
        yield from (t for value in x.values() for t in _tensors(value))
    elif isinstance(x, (list, tuple)):
        yield from (t for value in x for t in _tensors(value))
    elif dataclasses.is_dataclass(x):
        yield from (t for field in dataclasses.fields(x) for t in _tensors(getattr(x, field.name)))


def _mapped(x: Any, f: Callable[[Tensor], Any]) -> Any:
    """The nest with `f` of each tensor in it."""
    if isinstance(x, Tensor):
        return f(x)
    if isinstance(x, dict):
        made = copy.copy(x)
        made.update({k: _mapped(v, f) for k, v in x.items()})
        return made
    if isinstance(x, (list, tuple)):
        values = [_mapped(v, f) for v in x]
        return type(x)(*values) if hasattr(x, "_fields") else type(x)(values)
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        return dataclasses.replace(x, **{field.name: _mapped(getattr(x, field.name), f) for field in dataclasses.fields(x)})
    return x


def _moved(nest: Any, device: Any) -> Any:
    return _mapped(nest, lambda t: t.to(device))
