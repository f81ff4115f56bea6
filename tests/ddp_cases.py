"""What `test_ddp.py` starts as several processes, of minitorch or of torch: each case trains something, and rank 0 writes what came of it.

`ddp_cases.py LIBRARY BACKEND FILE [CASE…]`. Without a process group (`alone`) the same cases run on the whole batch.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

BATCH = 8
CASES: dict[str, Callable[[Any], Any]] = {}  # of both libraries
OURS: dict[str, Callable[[Any], Any]] = {}
warnings.simplefilter("ignore")


class World:
    """A library, and this process's place among those that run it; one process has all of every batch."""

    def __init__(self, name: str, backend: str | None) -> None:
        self.lib = importlib.import_module(name)
        self.nn, self.F = self.lib.nn, self.lib.nn.functional
        self.dist = importlib.import_module(f"{name}.distributed")
        self.rank, self.size = 0, 1
        if backend is not None:
            self.dist.init_process_group(backend)
            self.rank, self.size = self.dist.get_rank(), self.dist.get_world_size()

    def numbers(self, *shape: int, seed: int = 0) -> Any:
        """The same numbers in every process and both libraries."""
        n = 1
        for size in shape:
            n *= size
        k = self.lib.arange(n, dtype=self.lib.float64) + 97 * seed
        return ((k * 7919 % 1009) / 504 - 1).reshape(shape)

    def share(self, x: Any) -> Any:
        """This process's part of a batch."""
        return x[self.rank :: self.size]

    def model(self, *layers: Any, seed: int = 1) -> Any:
        """Layers with known weights; ranks begin with different ones, to be made equal by DDP."""
        made = self.nn.Sequential(*layers).double()
        with self.lib.no_grad():
            for k, p in enumerate(made.parameters()):
                p.copy_(self.numbers(*p.shape, seed=seed + k + 50 * self.rank))
        return made

    def ddp(self, module: Any, **options: Any) -> Any:
        alone = not self.dist.is_initialized()
        return module if alone else self.nn.parallel.DistributedDataParallel(module, **options)

    def mean(self, x: Any) -> float:
        """The mean over the processes."""
        x = x.detach().clone()
        if self.size > 1:
            self.dist.all_reduce(x)
        return float(x) / self.size

    def trained(
        self, model: Any, steps: int = 4, accumulate: int = 1, opt: Any = None, loss: Any = None, zeroed: bool = False
    ) -> dict[str, Any]:
        """Losses, and gradients and parameters at the end."""
        optimizer = opt(model.parameters()) if opt else self.lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        losses = []
        for step in range(steps):
            optimizer.zero_grad(set_to_none=not zeroed)
            for part in range(accumulate):
                x = self.share(self.numbers(BATCH, 6, seed=step * 10 + part))
                y = self.share(self.numbers(BATCH, 3, seed=step * 10 + part + 5))
                last = part == accumulate - 1
                with contextlib.nullcontext() if last or not hasattr(model, "no_sync") else model.no_sync():
                    l = loss(model, x, y, step) if loss else self.F.mse_loss(model(x), y)
                    (l / accumulate).backward()
            losses.append(self.mean(l))
            optimizer.step()
        inner = getattr(model, "module", model)
        state = {n: v.tolist() for n, v in inner.state_dict().items()}
        return {"losses": losses, "grads": {n: grad_of(p) for n, p in inner.named_parameters()}, "state": state}


def grad_of(p: Any) -> Any:
    return None if p.grad is None else p.grad.tolist()


def case(function: Callable[[World], Any]) -> Callable[[World], Any]:
    CASES[function.__name__] = function
    return function


def mlp(w: World) -> Any:
    nn = w.nn
    return w.model(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3))


@case
def plain(w: World) -> Any:
    return w.trained(w.ddp(mlp(w)))


@case
def many_buckets(w: World) -> Any:
    """Buckets of a few bytes."""
    return w.trained(w.ddp(mlp(w), bucket_cap_mb=0.00005))


@case
def adam(w: World) -> Any:
    return w.trained(w.ddp(mlp(w)), opt=lambda ps: w.lib.optim.Adam(ps, lr=0.05, weight_decay=0.01))


@case
def accumulated(w: World) -> Any:
    return w.trained(w.ddp(mlp(w)), accumulate=3)


@case
def as_views(w: World) -> Any:
    return w.trained(w.ddp(mlp(w), gradient_as_bucket_view=True), accumulate=2)


@case
def as_zeroed_views(w: World) -> Any:
    return w.trained(w.ddp(mlp(w), gradient_as_bucket_view=True), zeroed=True)


@case
def static(w: World) -> Any:
    return w.trained(w.ddp(mlp(w), static_graph=True))


@case
def frozen(w: World) -> Any:
    model = mlp(w)
    model[2].requires_grad_(False)
    return w.trained(w.ddp(model))


class Branches:
    """Two heads, of which a forward uses one."""

    @staticmethod
    def of(w: World) -> Any:
        class Net(w.nn.Module):  # type: ignore[name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.trunk, self.a, self.b, self.idle = (
                    w.nn.Linear(6, 4),
                    w.nn.Linear(4, 3),
                    w.nn.Linear(4, 3),
                    w.nn.Linear(2, 2),
                )

            def forward(self, x: Any, a: bool) -> Any:
                h = self.trunk(x).tanh()
                return self.a(h) if a else self.b(h)

        net = Net().double()
        with w.lib.no_grad():
            for k, p in enumerate(net.parameters()):
                p.copy_(w.numbers(*p.shape, seed=k))
        return net


@case
def unused(w: World) -> Any:
    """Which head is used changes from step to step; `idle` never is, and keeps grad None."""
    return w.trained(
        w.ddp(Branches.of(w), find_unused_parameters=True),
        loss=lambda m, x, y, step: w.F.mse_loss(m(x, step % 2 == 0), y),
        steps=3,
    )


@case
def two_outputs(w: World) -> Any:
    """An output that the loss leaves out."""
    net = Branches.of(w)
    net.forward = lambda x: {"a": net.a(net.trunk(x).tanh()), "rest": [net.b(net.trunk(x).tanh())]}
    return w.trained(w.ddp(net, find_unused_parameters=True), loss=lambda m, x, y, step: w.F.mse_loss(m(x)["a"], y), steps=2)


@case
def clipped(w: World) -> Any:
    def opt(ps: Any) -> Any:
        ps = list(ps)
        optimizer = w.lib.optim.SGD(ps, lr=0.1)
        step = optimizer.step
        optimizer.step = lambda: (w.nn.utils.clip_grad_norm_(ps, 0.5), step())
        return optimizer

    return w.trained(w.ddp(mlp(w)), opt=opt)


# ---- those that only several processes have ----


@case
def buffers(w: World) -> Any:
    """Each rank's BatchNorm moves its own statistics; before each forward rank 0's come to all."""
    model = w.ddp(w.model(w.nn.Linear(6, 4), w.nn.BatchNorm1d(4), w.nn.Linear(4, 3)))
    found = w.trained(model)
    model.eval()
    model(w.share(w.numbers(BATCH, 6)))
    found["shared"] = everyones(w, [b.tolist() for b in model.buffers()])
    return found


@case
def uneven(w: World) -> Any:
    """Rank r has 2 + r batches."""
    model = w.ddp(mlp(w))
    optimizer = w.lib.optim.SGD(model.parameters(), lr=0.1)
    found: list[Any] = []
    for by_all in (True, False):
        with model.join(divide_by_initial_world_size=by_all):
            for step in range(2 + w.rank):
                optimizer.zero_grad()
                w.F.mse_loss(model(w.numbers(4, 6, seed=step + 10 * w.rank)), w.numbers(4, 3, seed=step)).backward()
                optimizer.step()
        found.append(everyones(w, [p.tolist() for p in model.parameters()]))
    return found


@case
def half(w: World) -> Any:
    """Gradients travel as float16."""
    hooks = importlib.import_module(f"{w.lib.__name__}.distributed.algorithms.ddp_comm_hooks.default_hooks")
    model = w.ddp(mlp(w))
    model.register_comm_hook(None, hooks.fp16_compress_hook)
    return w.trained(model, steps=1)["grads"]


@case
def amp(w: World) -> Any:
    """Autocast, and a scaler of gradients."""
    scaler = w.lib.amp.GradScaler("cpu", init_scale=1024.0)
    model = w.ddp(mlp(w).float())
    optimizer = w.lib.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for step in range(3):
        optimizer.zero_grad()
        with w.lib.autocast("cpu", dtype=w.lib.bfloat16):
            out = model(w.share(w.numbers(BATCH, 6, seed=step)).float())
        l = w.F.mse_loss(out.float(), w.share(w.numbers(BATCH, 3, seed=step)).float())
        scaler.scale(l).backward()
        scaler.step(optimizer)
        scaler.update()
        losses.append(w.mean(l))
    return losses


@case
def checkpointed(w: World) -> Any:
    """A part of the forward is computed again in backward."""
    module = importlib.import_module(f"{w.lib.__name__}.utils.checkpoint")

    class Net(w.nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.inner = mlp(w)

        def forward(self, x: Any) -> Any:
            return module.checkpoint(self.inner, x, use_reentrant=False)

    return w.trained(w.ddp(Net()))


def everyones(w: World, mine: Any) -> list[Any]:
    theirs: list[Any] = [None] * w.size
    w.dist.all_gather_object(theirs, mine)
    return theirs


# ---- of ours alone: torch's SyncBatchNorm wants GPUs, its DistributedSampler is compared elsewhere ----


def ours(function: Callable[[World], Any]) -> Callable[[World], Any]:
    OURS[function.__name__] = function
    return function


@ours
def synchronized(w: World) -> Any:
    """SyncBatchNorm in float64, of a batch that is dealt out unequally: (out, grad of x, running statistics, mean gradients)."""
    nn = w.nn
    model = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 2, 2)).double()
    with w.lib.no_grad():
        for k, p in enumerate(model.parameters()):
            p.copy_(w.numbers(*p.shape, seed=k))
    whole = w.numbers(7, 3, 4, 4)
    begin, end = ((0, 7), (0, 2), (2, 7))[w.rank + 1 if w.size == 2 else 0]
    x = whole[begin:end].clone().requires_grad_()
    if w.size > 1:
        model = w.ddp(nn.SyncBatchNorm.convert_sync_batchnorm(model))
    for _ in range(2):
        model.zero_grad()
        x.grad = None
        out = model(x)
        ((out**3).sum() * w.size).backward()  # times the size, for DDP divides by it
    inner = getattr(model, "module", model)
    mine = [out.tolist(), (x.grad / w.size).tolist()]
    joined = [[x for part in parts for x in part] for parts in zip(*everyones(w, mine))] if w.size > 1 else mine
    return [*joined, [b.tolist() for b in inner.buffers()], [p.grad.tolist() for p in inner.parameters()]]


@ours
def differentiable(w: World) -> Any:
    """The gradient of each collective call against the central difference of the sum of all ranks' losses."""
    f, worst = importlib.import_module("minitorch.distributed.nn.functional"), {}
    calls = {
        "all_reduce": lambda x: f.all_reduce(x),
        "reduce": lambda x: f.reduce(x, 1),
        "broadcast": lambda x: f.broadcast(x, 1),
        "gather": lambda x: w.lib.cat(f.gather(x, 1)),
        "all_gather": lambda x: w.lib.cat(f.all_gather(x)),
        "scatter": lambda x: f.scatter(list(x.chunk(w.size)), 0),
        "reduce_scatter": lambda x: f.reduce_scatter(x[: 4 // w.size], list(x.chunk(w.size))),
        "all_to_all": lambda x: w.lib.cat(f.all_to_all(list(x.chunk(w.size)), list(x.chunk(w.size)))),
        "all_to_all_single": lambda x: f.all_to_all_single(w.lib.empty_like(x), x),
    }
    for name, call in calls.items():
        x = w.numbers(4, seed=w.rank).requires_grad_()
        only = 1.0 if name not in ("reduce", "gather") or w.rank == 1 else 0.0  # the others' result is no result

        def loss(x: Any, call: Any = call, only: float = only) -> Any:
            return only * ((w.rank + 1) * call(x) ** 2).sum()

        loss(x).backward()
        grad, wanted = x.grad.tolist(), []
        for i in range(4 * w.size):
            sides = []
            for e in (1e-5, -1e-5):
                moved = x.detach().clone()
                if i // 4 == w.rank:
                    moved[i % 4] += e
                sides.append(w.size * w.mean(loss(moved)))
            if i // 4 == w.rank:
                wanted.append((sides[0] - sides[1]) / 2e-5)
        worst[name] = max(abs(a - b) for a, b in zip(grad, wanted))
    return everyones(w, worst)


@ours
def overlapped(w: World) -> Any:
    """What happens in a backward, in order: the gradient of a parameter is there, a bucket is sent; and what no_sync leaves out."""
    reducer = importlib.import_module("minitorch.nn.parallel.reducer").Reducer
    arrived, send, trace = reducer.arrived, reducer.send, []
    told = lambda name, call: lambda self, *x: (trace.append(name), call(self, *x))[1]
    model = w.ddp(mlp(w), bucket_cap_mb=0.00005)
    with replaced(reducer, "arrived", told("gradient", arrived)), replaced(reducer, "send", told("bucket", send)):
        model(w.numbers(3, 6, seed=w.rank)).sum().backward()
        trace.append("no_sync")
        model.zero_grad()
        with model.no_sync():
            model(w.numbers(3, 6, seed=w.rank)).sum().backward()
    grads = everyones(w, [p.grad.tolist() for p in model.parameters()])
    return trace, grads[0] != grads[1]


@ours
def sampled(w: World) -> Any:
    """The defaults of DistributedSampler, and a copy of a DDP."""
    import copy
    import pickle

    sampler = w.lib.utils.data.DistributedSampler(range(10), shuffle=False)
    model = w.ddp(mlp(w))
    again = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    x = w.numbers(3, 6, seed=w.rank)
    for each in (model, *again):
        each(x).sum().backward()
    same = [each.module[0].weight.grad.equal(model.module[0].weight.grad) for each in again]
    return everyones(w, [list(sampler), same, next(iter(model.state_dict())), model._get_ddp_logging_data()["world_size"]])


def refused(call: Callable[[], Any]) -> list[str]:
    try:
        call()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return ["", "nothing was raised"]


@ours
def errors(w: World) -> Any:
    nn, ddp = w.nn, w.nn.parallel.DistributedDataParallel
    found = {
        "shapes": refused(lambda: ddp(nn.Sequential(nn.Linear(2, 3 + w.rank), nn.Linear(2, 2)))),
        "numbers": refused(lambda: ddp(nn.Sequential(nn.Linear(2, 2), *[nn.Linear(2, 2)] * w.rank))),
        "no gradient": refused(lambda: ddp(nn.Linear(2, 2).requires_grad_(False))),
        "lazy": refused(lambda: ddp(nn.LazyLinear(2))),
        "device_ids": refused(lambda: ddp(nn.Linear(2, 2), device_ids=[0])),
    }
    net = ddp(Branches.of(w))
    net(w.numbers(4, 6), True).sum().backward()
    found["unused"] = refused(lambda: net(w.numbers(4, 6), True))
    return found


# ---- faults ----


@contextlib.contextmanager
def replaced(owner: Any, name: str, fault: Any) -> Iterator[None]:
    old = getattr(owner, name)
    setattr(owner, name, fault)
    try:
        yield
    finally:
        setattr(owner, name, old)


@ours
def faults(w: World) -> Any:
    """What comes of the cases when DDP is broken in some place."""
    parallel = importlib.import_module("minitorch.nn.parallel.distributed")
    reducer = importlib.import_module("minitorch.nn.parallel.reducer").Reducer
    arrange, put = reducer.arrange, reducer._put

    def out_of_order(self: Any, order: Any) -> None:
        """Rank 1 has its buckets in another order."""
        arrange(self, sorted(order, reverse=w.rank == 0))

    broken = {
        "no averaging": (plain, reducer, "send", lambda self, bucket: bucket.buffer()),
        "a sum": (plain, reducer, "_put", lambda self, i: (setattr(self, "divisor", 1), put(self, i))),
        "parameters not from rank 0": (plain, parallel.DistributedDataParallel, "_share_state", lambda *_, **__: None),
        "buffers not from rank 0": (
            buffers,
            parallel.DistributedDataParallel,
            "will_sync_module_buffers",
            lambda self: False,
        ),
        "a hook is missing": (plain, reducer, "_put", lambda self, i: i == 3 or put(self, i)),
        "the last is not awaited": (plain, reducer, "_end", lambda self: setattr(self, "expecting", False)),
        "buckets out of order": (
            many_buckets,
            reducer,
            "arrange",
            out_of_order,
        ),  # the last: the group is of no use after it
    }
    found = {}
    for name, (case, owner, attribute, fault) in broken.items():
        with replaced(owner, attribute, fault):
            try:
                found[name] = case(w)
            except Exception as error:
                found[name] = f"{type(error).__name__}: {error}"
    return found


def main(library: str, backend: str, file: str, *cases: str) -> None:
    world = World(library, backend)
    known = CASES | OURS if library == "minitorch" else CASES
    found = {name: known[name](world) for name in cases or known}
    if world.rank == 0:
        with open(file, "w", encoding="utf-8") as out:
            json.dump(found, out)
    world.dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
