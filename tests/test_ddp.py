"""DistributedDataParallel: several processes give the losses, gradients and parameters of one that has the whole batch, and torch's.

The processes run `ddp_cases.py`, all cases in one launch. Everything is in float64, to 1e-9.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import ddp_cases
import pytest
from launches import differences, launched, results

import minitorch
from minitorch import nn
from minitorch.nn.parallel.reducer import assigned

pytestmark = pytest.mark.outside
SCRIPT = str(Path(ddp_cases.__file__))
NOT_ALONE = {"buffers", "uneven", "half", "amp"}  # one process has another thing, or (amp) another rounding


def of_processes(tmp_path: Path, n: int, backend: str, library: str = "minitorch", *cases: str) -> dict[str, Any]:
    file = tmp_path / "results.json"
    done = launched(n, backend, SCRIPT, library, backend, str(file), *cases)
    found = results(file, done)
    assert library == "torch" or done.returncode == 0, done.stderr[-3000:]
    return found


def wrong_beside_one_process(found: dict[str, Any]) -> list[str]:
    """What differs from one process with the whole batch."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = ddp_cases.World("minitorch", None)
        alone = {name: case(one) for name, case in ddp_cases.CASES.items() if name not in NOT_ALONE}
    return [d for name, wanted in alone.items() for d in differences(found[name], wanted, name)]


def test_two_processes_are_one_with_the_whole_batch(tmp_path: Path) -> None:
    found = of_processes(tmp_path, 2, "gloo")
    assert wrong_beside_one_process(found) == []
    assert_of_ours(found)
    assert_errors_in_words(found["errors"])
    assert_faults_are_noticed(found)


def assert_of_ours(found: dict[str, Any]) -> None:
    """SyncBatchNorm, differentiable calls, what is sent when, samplers and copies."""
    joined = ddp_cases.synchronized(ddp_cases.World("minitorch", None))
    assert differences(found["synchronized"], joined) == []
    assert [worst for rank in found["differentiable"] for worst in rank.items() if worst[1] > 1e-8] == []
    trace, differ = found["overlapped"]
    in_backward, quiet = trace[: trace.index("no_sync")], trace[trace.index("no_sync") + 1 :]
    assert in_backward == ["gradient", "gradient", "bucket"] * 3  # each bucket leaves as soon as it is full
    assert "bucket" not in quiet and differ
    assert [rank[0] for rank in found["sampled"]] == [[0, 2, 4, 6, 8], [1, 3, 5, 7, 9]]
    assert all(rank[1:] == [[True, True], "module.0.weight", 2] for rank in found["sampled"])
    first, second = found["buffers"]["shared"]
    assert first[:2] == second[:2]


def assert_errors_in_words(errors: dict[str, list[str]]) -> None:
    kinds = {name: kind for name, (kind, _) in errors.items()}
    runtime = dict.fromkeys(("shapes", "numbers", "no gradient", "lazy", "unused"), "RuntimeError")
    assert kinds == {**runtime, "device_ids": "ValueError"}
    assert "0.weight, in rank 1 with sizes (4, 2)" in errors["shapes"][1] and "process 0: (3, 2)" in errors["shapes"][1]
    assert "rank 1 alone has 1.weight; rank 1 alone has 1.bias" in errors["numbers"][1]
    assert "no gradient for b.weight, b.bias, idle.weight, idle.bias" in errors["unused"][1]


def assert_faults_are_noticed(found: dict[str, Any]) -> None:
    """Each planted fault is told from what is right by the comparison that the tests make, or raises."""
    right = {"buffers not from rank 0": "buffers", "buckets out of order": "many_buckets"}
    assert len(found["faults"]) == 7
    for fault, broken in found["faults"].items():
        assert differences(broken, found[right.get(fault, "plain")]), fault
    assert "ranks do not call the same" in found["faults"]["buckets out of order"]


@pytest.mark.slow
@pytest.mark.parametrize(("n", "backend"), [(4, "gloo"), (4, "mpi"), (2, "mpi")])
def test_more_processes_are_one_with_the_whole_batch(tmp_path: Path, n: int, backend: str) -> None:
    assert wrong_beside_one_process(of_processes(tmp_path, n, backend, "minitorch", *ddp_cases.CASES)) == []


@pytest.mark.slow
def test_torch_gives_the_same_on_two_processes(tmp_path: Path) -> None:
    ours = of_processes(tmp_path, 2, "gloo", "minitorch", *ddp_cases.CASES)
    (tmp_path / "results.json").unlink()
    theirs = of_processes(tmp_path, 2, "gloo", "torch", *ddp_cases.CASES)
    assert set(theirs) == set(ddp_cases.CASES)
    assert differences(ours, theirs) == []


# ---- without processes ----


def test_buckets_hold_one_dtype_and_so_many_bytes() -> None:
    def of(*sizes: int, dtype: Any = minitorch.float32) -> list[Any]:
        return [minitorch.zeros(n, dtype=dtype) for n in sizes]

    assert list(assigned(of(1, 1, 1, 1, 1, 9, 1), 4, 12)) == [[0], [1, 2, 3], [4, 5], [6]]
    mixed = [*of(2), *of(1, dtype=minitorch.float64), *of(2), *of(1, dtype=minitorch.float64)]
    assert list(assigned(mixed, 16, 16)) == [[0, 2], [1, 3]]


def test_ddp_wants_a_process_group() -> None:
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        nn.parallel.DistributedDataParallel(nn.Linear(2, 2))


def test_the_sampler_says_what_it_lacks() -> None:
    with pytest.raises(ValueError, match="give num_replicas and rank"):
        minitorch.utils.data.DistributedSampler(range(4))


def test_sync_batch_norm_without_processes_is_batch_norm() -> None:
    x = minitorch.randn(4, 3, 2, dtype=minitorch.float64)
    plain, synchronized = nn.BatchNorm1d(3).double(), nn.SyncBatchNorm(3).double()
    assert plain(x).equal(synchronized(x))
    assert plain.running_var.equal(synchronized.running_var)
