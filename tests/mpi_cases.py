"""What `test_mpi.py` starts under mpiexec: `mpi_cases.py calls FILE`, all calls of the backend; `mpi_cases.py FAULT`, one that goes wrong."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from typing import Any

import minitorch
from minitorch import distributed as dist
from minitorch.distributed import ReduceOp

DTYPES = ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int8", "uint8", "bool")
SHORT = timedelta(seconds=1.5)


def calls(file: str) -> None:
    """Each call on each dtype against the same on lists of numbers."""
    rank, size = dist.get_rank(), dist.get_world_size()
    wrong: list[str] = []

    def check(what: str, got: Any, wanted: Any) -> None:
        if got != wanted:
            wrong.append(f"rank {rank}: {what}: {got}, not {wanted}")

    for name in DTYPES:
        dtype = getattr(minitorch, name)
        of = [minitorch.tensor([[r, 2, 5], [7, r + 1, 0]]).to(dtype) for r in range(size)]
        mine = of[rank]
        t = mine.clone()
        dist.broadcast(t, size - 1)
        check(f"broadcast {name}", t.tolist(), of[-1].tolist())
        outs = [minitorch.empty_like(t) for _ in of]
        dist.all_gather(outs, mine)
        check(f"all_gather {name}", [o.tolist() for o in outs], [x.tolist() for x in of])
        dist.gather(mine, outs if rank == 1 else None, 1)
        check(f"gather {name}", [o.tolist() for o in outs], [x.tolist() for x in of])
        dist.scatter(t, [(x + 1).to(dtype) for x in of] if rank == 0 else None, 0)
        check(f"scatter {name}", t.tolist(), (mine + 1).to(dtype).tolist())
        dist.all_to_all(outs, [(mine + r).to(dtype) for r in range(size)])
        check(f"all_to_all {name}", [o.tolist() for o in outs], [(x + rank).to(dtype).tolist() for x in of])
        for op, fold in FOLDS.items():
            if op in (ReduceOp.BAND, ReduceOp.BOR, ReduceOp.BXOR) and dtype.is_floating_point:
                continue
            wanted = minitorch.tensor(elementwise(fold, [x.tolist() for x in of])).to(dtype)
            t = mine.clone()
            dist.all_reduce(t, op)
            check(f"all_reduce {op} {name}", t.tolist(), wanted.tolist())
            t = mine.clone()
            dist.reduce(t, 1, op)
            check(f"reduce {op} {name}", t.tolist(), (wanted if rank == 1 else mine).tolist())
            dist.reduce_scatter(t, [mine] * size, op)
            check(f"reduce_scatter {op} {name}", t.tolist(), wanted.tolist())
    more(rank, size, check)
    gathered: list[Any] = [None] * size
    dist.all_gather_object(gathered, wrong)
    if rank == 0:
        with open(file, "w", encoding="utf-8") as out:
            json.dump([w for of_rank in gathered for w in of_rank], out)


FOLDS: dict[Any, Any] = {
    ReduceOp.SUM: lambda a, b: a + b if type(a) is not bool else a or b,
    ReduceOp.PRODUCT: lambda a, b: a * b if type(a) is not bool else a and b,
    ReduceOp.MIN: min,
    ReduceOp.MAX: max,
    ReduceOp.BAND: lambda a, b: a & b,
    ReduceOp.BOR: lambda a, b: a | b,
    ReduceOp.BXOR: lambda a, b: a ^ b,
}


def elementwise(fold: Any, lists: list[Any]) -> Any:
    """The fold of equally nested lists."""
    if isinstance(lists[0], list):
        return [elementwise(fold, list(parts)) for parts in zip(*lists)]
    result = lists[0]
    for x in lists[1:]:
        result = fold(result, x)
    return result


def more(rank: int, size: int, check: Any) -> None:
    """Means, messages, groups, calls under way, tensors that are no plain blocks, calls that do not match."""
    t = minitorch.tensor([float(rank), 3.0])
    dist.all_reduce(t, ReduceOp.AVG)
    check("AVG", t.tolist(), [(size - 1) / 2, 3.0])
    strided = minitorch.arange(6.0).reshape(2, 3).t()[1:]
    dist.all_reduce(strided)
    check("strided", strided.tolist(), (minitorch.arange(6.0).reshape(2, 3).t()[1:] * size).tolist())
    empty = minitorch.zeros(0)
    dist.all_reduce(empty)
    works = [dist.all_reduce(minitorch.full((1000,), float(k)), async_op=True) for k in range(5)]
    check("under way", [w.get_future().result()[0][0].item() for w in works], [float(k * size) for k in range(5)])
    if rank == 0:
        for tag in (7, 8):
            dist.send(minitorch.tensor([tag, 1]), 1, tag=tag)
        pending = dist.isend(minitorch.ones(3, dtype=minitorch.bfloat16), 1)
        pending.wait()
    elif rank == 1:
        got = [minitorch.zeros(2, dtype=minitorch.int64) for _ in range(2)]
        for tag, out in ((8, got[1]), (7, got[0])):
            dist.recv(out, 0, tag=tag)
        late = minitorch.zeros(3, dtype=minitorch.bfloat16)
        work = dist.irecv(late)
        work.wait()
        check("messages", [*(g.tolist() for g in got), late.tolist()], [[7, 1], [8, 1], [1.0] * 3])
    pair = dist.new_group([1, 0], sort_ranks=False)
    if rank < 2:
        check("a group's rank", dist.get_rank(pair), 1 - rank)
        t = minitorch.tensor([float(rank)])
        dist.broadcast(t, src=1, group=pair)
        check("a group's root", t.item(), 1.0)
        dist.destroy_process_group(pair)
    t = minitorch.zeros(2 + rank)
    try:
        dist.all_reduce(t)
    except dist.DistBackendError as error:
        check(
            "a mismatch is told",
            f"rank {1 - min(rank, 1)} calls all_reduce of {3 - min(rank, 1)} × float32" in str(error),
            True,
        )
    else:
        check("a mismatch", "nothing raised", "DistBackendError")


def main(what: str, *args: str) -> None:
    dist.init_process_group(timeout=SHORT if what != "calls" else None)
    assert dist.get_backend() == "mpi"
    if what == "calls":
        calls(*args)
    elif what == "trains":
        with open(os.path.join(*args, str(dist.get_rank())), "w") as out:
            out.write(str(os.getpid()))
        model = minitorch.nn.parallel.DistributedDataParallel(minitorch.nn.Linear(64, 64), bucket_cap_mb=0.001)
        while True:
            model(minitorch.randn(8, 64)).sum().backward()
    elif dist.get_rank() == 1:
        dist.barrier()
        if what == "hangs":
            time.sleep(60)
        elif what == "dies":
            os.kill(os.getpid(), 9)
    else:
        dist.barrier()
        if what == "silent":
            dist.recv(minitorch.zeros(1), 1)
        dist.all_reduce(minitorch.ones(3))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
