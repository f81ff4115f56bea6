"""What processes do together, in torch's words: each case is run by every rank, on either library, and returns plain Python.

The numbers are eighths, whose sums are exact in every dtype, so that both libraries must agree to the bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any

Case = Callable[[Any, Any, int, int], Any]
CASES: dict[str, Case] = {}
DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64")
OPS = ("SUM", "AVG", "PRODUCT", "MIN", "MAX", "BAND", "BOR", "BXOR")


def case(function: Case) -> Case:
    """Put a case into the table."""
    CASES[function.__name__] = function
    return function


def run_all(rank: int, world_size: int, lib_name: str, path: str, names: list[str] | None = None) -> dict[str, Any]:
    """What each case gives on this rank."""
    import importlib

    lib, dist = importlib.import_module(lib_name), importlib.import_module(f"{lib_name}.distributed")
    dist.init_process_group("gloo", f"file://{path}", timedelta(seconds=20), world_size, rank)
    results = {}
    for name in names or CASES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results[name] = CASES[name](lib, dist, rank, world_size)
        dist.all_reduce(lib.zeros(1))  # (torch's barrier raises again what calls before it have raised)
    dist.destroy_process_group()
    return results


def numbers(lib: Any, rank: int, shape: tuple[int, ...], dtype: str) -> Any:
    """Other numbers on each rank: eighths, or small integers."""
    count = 1
    for n in shape:
        count *= n
    values = [((7 * i + 3 * rank) % 11 - 3 * ("u" not in dtype)) for i in range(count)]
    made = lib.tensor(values if "float" not in dtype else [v / 8 for v in values])
    return (made % 2 == 1 if dtype == "bool" else made.to(getattr(lib, dtype))).reshape(shape)


def attempt(call: Callable[[], Any]) -> Any:
    """What a call returns, or the type of what it raises."""
    try:
        return call()
    except Exception as error:
        return ["raised", "RuntimeError" if isinstance(error, RuntimeError) else type(error).__name__]


def plain(*tensors: Any) -> list[Any]:
    return [
        [str(t.dtype).split(".")[-1], list(t.shape), t.detach().double().reshape(-1).tolist(), t._version] for t in tensors
    ]


def alike(lib: Any, tensor: Any, count: int) -> list[Any]:
    return [lib.zeros_like(tensor) for _ in range(count)]


# ---- every dtype and reduction ----


@case
def all_reduce(lib: Any, dist: Any, rank: int, n: int) -> Any:
    def one(dtype: str, op: str, size: int) -> Any:
        x = numbers(lib, rank, (size,), dtype)
        dist.all_reduce(x, getattr(dist.ReduceOp, op))
        return plain(x)

    table = [(dtype, op, 7) for dtype in DTYPES for op in OPS] + [
        (dtype, "SUM", 6001) for dtype in ("bool", "float16", "float64")
    ]
    return {str(row): attempt(lambda row=row: one(*row)) for row in table}


@case
def reduce(lib: Any, dist: Any, rank: int, n: int) -> Any:
    def one(dtype: str, op: str, root: int) -> Any:
        x = numbers(lib, rank, (2, 3), dtype)
        dist.reduce(x, root, getattr(dist.ReduceOp, op))
        return plain(x) if rank == root else None  # elsewhere torch leaves anything

    table = [(dtype, op, n - 1) for dtype in DTYPES for op in OPS if op != "AVG"]
    return {str(row): attempt(lambda row=row: one(*row)) for row in table}


@case
def reduce_scatter(lib: Any, dist: Any, rank: int, n: int) -> Any:
    def one(dtype: str, op: str) -> Any:
        x = numbers(lib, rank, (n, 3), dtype)
        out, single = x[0] * 1, x[:1] * 1
        dist.reduce_scatter(out, list(x), getattr(dist.ReduceOp, op))
        dist.reduce_scatter_single(single, x, getattr(dist.ReduceOp, op))
        return plain(out, single, x)

    table = [(dtype, op) for dtype in ("int32", "float32", "bfloat16") for op in ("SUM", "MIN", "PRODUCT")]
    return {str(row): attempt(lambda row=row: one(*row)) for row in table}


@case
def moving(lib: Any, dist: Any, rank: int, n: int) -> Any:
    """All that only moves numbers, in every dtype."""

    def one(dtype: str, call: Callable[[Any], list[Any]]) -> Any:
        return plain(*call(numbers(lib, rank, (2, 3), dtype)))

    def broadcast(x: Any) -> list[Any]:
        dist.broadcast(x, n - 1)
        return [x]

    def all_gather(x: Any) -> list[Any]:
        outs = alike(lib, x, n)
        dist.all_gather(outs, x)
        return outs

    def all_gather_single(x: Any) -> list[Any]:
        out = lib.zeros(2 * n, 3).to(x.dtype)
        before = out._version
        dist.all_gather_single(out, x)
        return [out, lib.tensor(out._version - before)]

    def gather(x: Any) -> list[Any]:
        outs = alike(lib, x, n) if rank == n - 1 else None
        dist.gather(x, outs, n - 1)
        return outs or []

    def scatter(x: Any) -> list[Any]:
        dist.scatter(x, [x + i if x.dtype != lib.bool else x for i in range(n)] if rank == 0 else None)
        return [x]

    def all_to_all(x: Any) -> list[Any]:
        pieces = [x.reshape(-1)[i : i + 2].clone() for i in range(n)]
        outs = [x.new_zeros(2) for _ in range(n)]
        dist.all_to_all(outs, pieces)
        return outs

    def all_to_all_single(x: Any) -> list[Any]:
        y = x.repeat(n, 1)
        out = lib.zeros_like(y)
        dist.all_to_all_single(out, y)
        return [out]

    def uneven(x: Any) -> list[Any]:
        y = x.reshape(-1).repeat(4)[: n * (n + 1) // 2].contiguous()
        out = x.new_zeros(n * (rank + 1))
        dist.all_to_all_single(out, y, [rank + 1] * n, list(range(1, n + 1)))
        return [out]

    calls = broadcast, all_gather, all_gather_single, gather, scatter, all_to_all, all_to_all_single, uneven
    return {f"{call.__name__} {dtype}": attempt(lambda c=call, d=dtype: one(d, c)) for call in calls for dtype in DTYPES}


# ---- memory and autograd ----


@case
def memory(lib: Any, dist: Any, rank: int, n: int) -> Any:
    """What is not contiguous, has no elements or no dimension, shows another's memory, requires grad."""
    turned, base, leaf = numbers(lib, rank, (2, 3), "float32").t(), numbers(lib, rank, (4, 3), "float32"), lib.ones(2)
    leaf.requires_grad_()
    made = leaf * 2
    empty, scalar = lib.zeros(0, 3), lib.tensor(float(rank))
    for tensor in turned, base[1:3], base.t(), leaf, made, empty, scalar:
        dist.all_reduce(tensor)
    dist.broadcast(turned, 0)
    outs = [lib.zeros(2, 3).t() for _ in range(n)]
    dist.all_gather(outs, turned)
    made.sum().backward()
    return plain(turned, base, leaf, made, empty, scalar, *outs, leaf.grad), str(made.grad_fn.name())


@case
def without_waiting(lib: Any, dist: Any, rank: int, n: int) -> Any:
    """Calls that run beside the program, and keep their order."""
    tensors = [numbers(lib, rank, (size,), "float64") for size in (3, 4000, 1, 20000)]
    works = [dist.all_reduce(tensor, async_op=True) for tensor in tensors]
    last = numbers(lib, rank, (2,), "float32")
    dist.all_reduce(last)
    waited = [work.wait() for work in reversed(works)]
    barrier = dist.barrier(async_op=True)
    barrier.wait()
    future = dist.broadcast(last, 0, async_op=True).get_future()
    done = [work.is_completed() for work in works]
    return (
        plain(*tensors, last),
        waited,
        done,
        plain(*getattr(future, "result" if lib.__name__ == "minitorch" else "wait")()),
    )


# ---- messages ----


@case
def messages(lib: Any, dist: Any, rank: int, n: int) -> Any:
    """Around the ring, both ways, with tags, all at once, from anybody."""
    if n == 1:
        return None
    right, left = (rank + 1) % n, (rank - 1) % n
    results = []
    for size, dtype in (3, "float32"), (70000, "float64"), (5, "bool"), (4, "bfloat16"):
        x = numbers(lib, rank, (size,), dtype)
        first, second = lib.zeros_like(x), lib.zeros_like(x)
        works = [
            dist.irecv(second, left, tag=2),
            dist.irecv(first, left, tag=1),
            dist.isend(x, right, tag=1),
            dist.isend(x.clone() if dtype == "bool" else x + 1, right, tag=2),
        ]
        for work in works:
            work.wait()
        results += plain(first, second)
    back = lib.zeros(2)
    x = numbers(lib, rank, (2,), "float32")
    for work in dist.batch_isend_irecv([dist.P2POp(dist.isend, x, left), dist.P2POp(dist.irecv, back, right)]):
        work.wait()
    dist.barrier()
    senders = []
    if rank == 0:
        for _ in range(n - 1):
            senders.append(dist.recv(back))
    else:
        dist.send(x, 0)
    return results, plain(back) if rank else None, sorted(senders)


@case
def objects(lib: Any, dist: Any, rank: int, n: int) -> Any:
    mine = {"rank": rank, "long": "x" * (10 * rank), "none": None}
    gathered: list[Any] = [None] * n
    dist.all_gather_object(gathered, mine)
    at_root: list[Any] | None = [None] * n if rank == 0 else None
    dist.gather_object(mine, at_root, 0)
    broadcast = [mine, rank] if rank == n - 1 else [None, None]
    dist.broadcast_object_list(broadcast, n - 1)
    scattered: list[Any] = [None]
    dist.scatter_object_list(scattered, [(i, "y" * i) for i in range(n)] if rank == 0 else None, 0)
    received: list[Any] = [None, None]
    if n > 1 and rank == 0:
        dist.send_object_list([mine, [1, 2]], 1)
    if rank == 1:
        source = dist.recv_object_list(received, 0)
        assert source == 0
    return gathered, at_root, broadcast, scattered, received


# ---- groups ----


@case
def groups(lib: Any, dist: Any, rank: int, n: int) -> Any:
    """Groups of some, in another order, and of neighbours."""
    results: list[Any] = []
    for ranks in [n - 1], list(range(n)), list(range(0, n, 2)):
        group = dist.new_group(ranks)
        x = numbers(lib, rank, (3,), "float32")
        dist.all_reduce(x, group=group)
        results += [plain(x), dist.get_rank(group), dist.get_world_size(group)]
    turned = dist.new_group(list(range(n))[::-1], sort_ranks=False)
    x = numbers(lib, rank, (3,), "float32")
    dist.broadcast(x, group_src=0, group=turned)
    outs = alike(lib, x, n)
    dist.all_gather(outs, numbers(lib, rank, (3,), "float32"), group=turned)
    results += [
        plain(x, *outs),
        dist.get_rank(turned),
        dist.get_process_group_ranks(turned),
        dist.get_global_rank(turned, 0),
    ]
    mine, everybodys = dist.new_subgroups(1)
    results += [dist.get_process_group_ranks(mine), [each == dist.GroupMember.NON_GROUP_MEMBER for each in everybodys]]
    results += [dist.get_backend(turned), dist.is_initialized(), dist.get_rank(), dist.get_world_size()]
    dist.barrier(turned)
    dist.destroy_process_group(turned)
    return results


# ---- mistakes, found before anything is sent ----


@case
def mistakes(lib: Any, dist: Any, rank: int, n: int) -> Any:
    x = lib.zeros(4)
    turned = lib.zeros(3, 2).t()
    sum_ = dist.ReduceOp.SUM
    calls: list[Callable[[], Any]] = [
        lambda: dist.all_reduce([x]),
        lambda: dist.all_reduce(x, "sum"),
        lambda: dist.all_reduce(x, dist.ReduceOp.BAND),
        lambda: dist.all_reduce(lib.zeros(2, dtype=lib.int64), dist.ReduceOp.AVG),
        lambda: dist.all_reduce(lib.zeros(2, dtype=lib.int16)),
        lambda: dist.broadcast(x),
        lambda: dist.broadcast(x, 99),
        lambda: dist.broadcast(x, 0, group_src=0),
        lambda: dist.reduce(x, 99),
        lambda: dist.all_gather(x, x),
        lambda: dist.all_gather([x] * (n + 1), x),
        lambda: dist.all_gather([lib.zeros(3)] * n, x),
        lambda: dist.all_gather([lib.zeros(4, dtype=lib.float64)] * n, x),
        lambda: dist.all_gather_single(lib.zeros(4 * n + 1), x),
        lambda: dist.gather(x, [x] * n, dst=(rank + 1) % n) if n > 1 else dist.gather(x, [], dst=0),
        lambda: dist.scatter(x, None, src=rank),
        lambda: dist.scatter(x, [lib.zeros(3)] * n, src=rank),
        lambda: dist.reduce_scatter(x, [x] * (n + 1), sum_),
        lambda: dist.reduce_scatter(x, [lib.zeros(3)] * n, sum_),
        lambda: dist.reduce_scatter_single(x, lib.zeros(4 * n + 1), sum_),
        lambda: dist.all_to_all([x] * (n + 1), [x] * (n + 1)),
        lambda: dist.all_to_all_single(lib.zeros(4 * n), lib.zeros(4 * n), [1] * n, [4] * n),
        lambda: dist.all_to_all_single(turned, turned),
        lambda: dist.send(x, rank),
        lambda: dist.send(turned, (rank + 1) % n),
        lambda: dist.P2POp(dist.send, x, 0),
        lambda: dist.batch_isend_irecv([x]),
        lambda: dist.new_group([0, n]),
        lambda: dist.new_group([0, 0]),
        lambda: dist.new_subgroups(n + 1),
        lambda: dist.get_group_rank("group", 0),
        lambda: dist.scatter_object_list([], [1] * n, 0),
        lambda: dist.init_process_group("gloo"),
        lambda: dist.init_process_group("gloo", "env://", store=dist.HashStore()),
        lambda: dist.monitored_barrier(timeout=3),
    ]
    return [attempt(call) for call in calls]


@case
def not_a_member(lib: Any, dist: Any, rank: int, n: int) -> Any:
    """Calls with a group that this process is not in do nothing."""
    nobody, x = dist.GroupMember.NON_GROUP_MEMBER, lib.ones(2)
    calls = [
        dist.all_reduce(x, group=nobody),
        dist.broadcast(x, 0, group=nobody) if lib.__name__ == "minitorch" else None,
        dist.all_gather([x] * n, x, group=nobody),
        dist.barrier(nobody),
        dist.get_rank(nobody),
        dist.get_world_size(nobody),
        dist.recv(x, 0, group=nobody),
    ]
    return [*calls, attempt(lambda: dist.get_backend(nobody)), plain(x)]
