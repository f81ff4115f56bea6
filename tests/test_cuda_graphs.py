"""CUDA graphs as users make them, torch's contract; and what a capture refuses. Run on the GPU of `--device`, as tests/test_device.py is."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import cuda, nn
from minitorch.arrays import cublas as past
from minitorch.nn import functional as F
from reference.strict_cupy import cublas, cupy, graphs

pytestmark = pytest.mark.usefixtures("gpu")
OPEN = past.loaded  # itself: the stand-in has another


def captured(work: Any, **options: Any) -> tuple[cuda.CUDAGraph, Any]:
    """The graph of some work, and what the work returned."""
    graph = cuda.CUDAGraph()
    with cuda.graph(graph, **options):
        result = work()
    return graph, result


def batch(k: int, shape: tuple[int, ...] = (6, 4)) -> Any:
    return minitorch.tensor(np.random.default_rng(k).standard_normal(shape).astype("f"), device="cuda")


# ---- capture and replay ----


def test_a_replay_reads_what_is_in_the_same_memory_now() -> None:
    x = minitorch.ones(3, device="cuda")
    graph, y = captured(lambda: (x * 2).relu())
    graph.replay()
    assert y.tolist() == [2, 2, 2]
    x.copy_(minitorch.tensor([1.0, -1.0, 5.0], device="cuda"))
    graph.replay()
    assert y.tolist() == [2, 0, 10]


def test_nothing_runs_while_it_is_captured() -> None:
    x = minitorch.zeros(3, device="cuda")
    graph, _ = captured(lambda: x.add_(1))
    assert x.tolist() == [0, 0, 0]
    for _ in range(3):
        graph.replay()
    assert x.tolist() == [3, 3, 3]


def test_a_number_of_the_host_is_in_the_graph_and_not_the_place_where_it_was() -> None:
    x = minitorch.zeros(3, device="cuda")
    number = [np.array(2.5, "f")]
    graph, y = captured(lambda: x + minitorch.tensor(number[0], device="cuda"))
    number.pop()[...] = 7
    gc.collect()
    graph.replay()
    assert y.tolist() == [2.5, 2.5, 2.5]


def test_whether_the_current_stream_captures() -> None:
    seen = [cuda.is_current_stream_capturing()]
    with cuda.graph(cuda.CUDAGraph()):
        seen.append(cuda.is_current_stream_capturing())
    assert [*seen, cuda.is_current_stream_capturing()] == [False, True, False]


def test_two_graphs_share_memory_and_a_stream() -> None:
    x, pool, stream = batch(0), cuda.graph_pool_handle(), cuda.Stream()
    first, y = captured(lambda: x * 3, pool=pool, stream=stream)
    second, z = captured(lambda: y + 1, pool=first.pool(), stream=stream)
    first.replay()
    second.replay()
    assert z.tolist() == (x * 3 + 1).tolist() and second.pool() is pool


def test_results_outlive_their_graph() -> None:
    x = batch(0)
    graph, y = captured(lambda: x * 3)
    graph.replay()
    graph.reset()
    del graph
    gc.collect()
    cuda.graph_pool_handle()  # which clears away the memory in which nothing lies
    assert y.tolist() == (x * 3).tolist()


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda: cuda.CUDAGraph().replay(), "Called CUDAGraph::replay without a preceding successful capture."),
        (lambda: cuda.CUDAGraph().pool(), "Called CUDAGraph::pool"),
        (lambda: cuda.CUDAGraph().capture_begin(), "CUDA graphs must be captured on a non-default stream."),
        (lambda: captured(lambda: None, capture_error_mode="strict"), "Unknown capture error mode. Expected `global`"),
        (lambda: captured(lambda: cuda.CUDAGraph().capture_begin()), "a capture is under way"),
        (lambda: captured(lambda: batch(0).sum()), "copied to the GPU"),
        (
            lambda: captured(lambda: minitorch.ones(2, device="cuda").sum().item()),
            "operation not permitted when stream is capturing",
        ),
        (lambda: captured(lambda: bool(minitorch.ones((), device="cuda"))), "not permitted"),
        (lambda: captured(cuda.synchronize), "the host would wait"),
        (lambda: cuda.CUDAGraph().raw_cuda_graph(), "keep_graph=true"),
    ],
)
def test_what_is_wrong_is_said(wrong: Any, words: str) -> None:
    with pytest.raises(RuntimeError, match=words):
        wrong()
    assert not cuda.is_current_stream_capturing()
    graph, y = captured(lambda: minitorch.ones(2, device="cuda"))  # and the next capture is as good as any
    graph.replay()
    assert y.tolist() == [1, 1]


def test_a_graph_is_captured_once() -> None:
    graph, _ = captured(lambda: minitorch.ones(2, device="cuda"))
    with pytest.raises(RuntimeError, match="already owns a captured graph"), cuda.graph(graph):
        pass


def test_random_numbers_go_on_from_replay_to_replay() -> None:
    x = minitorch.ones(2000, device="cuda")
    minitorch.manual_seed(5)
    want = [F.dropout(x, 0.5).tolist() for _ in range(3)]
    graph, y = captured(lambda: F.dropout(x, 0.5))
    minitorch.manual_seed(5)
    have = []
    for _ in range(3):
        graph.replay()
        have.append(y.tolist())
    assert have == want


def test_a_bad_index_is_noticed_when_the_host_waits() -> None:
    table, index = batch(0), minitorch.zeros(2, dtype=minitorch.int64, device="cuda")
    graph, rows = captured(lambda: F.embedding(index, table))
    graph.replay()
    assert rows.tolist() == [table[0].tolist()] * 2
    index.fill_(99)
    graph.replay()
    index.fill_(1)
    graph.replay()  # which finds nothing wrong, and takes nothing back
    with pytest.raises(IndexError, match=r"must be in \[0, 6\)"):
        cuda.synchronize()
    graph.replay()
    assert rows.tolist() == [table[1].tolist()] * 2


# ---- optimizers ----


@pytest.mark.shortcuts
@pytest.mark.parametrize("kind", ["Adam", "SGD"])
def test_an_optimizer_counts_and_reads_lr_at_each_replay(kind: str) -> None:
    def trained(with_a_graph: bool) -> list:
        w = minitorch.ones(5, device="cuda", requires_grad=True)
        options = {"Adam": {"capturable": True, "weight_decay": 0.1}, "SGD": {"momentum": 0.9}}[kind]
        optimizer = getattr(minitorch.optim, kind)([w], lr=0.1, **options)

        def step() -> None:
            optimizer.zero_grad()
            (w * w).sum().backward()
            optimizer.step()

        step()
        replay = captured(step)[0].replay if with_a_graph else step
        for k in range(4):
            optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)
            replay()
        return [w.tolist(), [float(s["step"]) for s in optimizer.state.values() if "step" in s]]

    assert trained(True) == trained(False)


def test_an_optimizer_that_a_graph_cannot_hold_is_refused() -> None:
    w = minitorch.ones(5, device="cuda", requires_grad=True)
    w.grad = minitorch.ones(5, device="cuda")
    with pytest.raises(
        RuntimeError, match=r"CUDA graph capture of step\(\) for an instance of Adam but param_groups' capturable is False"
    ):
        captured(minitorch.optim.Adam([w]).step)
    for optimizer in (minitorch.optim.RMSprop([w], capturable=True), minitorch.optim.Adam([w], capturable=True)):
        with pytest.raises(RuntimeError, match="after a first step"):
            captured(optimizer.step)


# ---- parts of a network ----


def network() -> nn.Module:
    minitorch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 3)).cuda()


def losses(call: Any, model: nn.Module) -> list[float]:
    minitorch.manual_seed(3)
    optimizer, found = minitorch.optim.SGD(model.parameters(), lr=0.1), []
    for k in range(4):
        optimizer.zero_grad()
        loss = call(batch(k)).square().mean()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def test_a_graphed_module_learns_as_it_did() -> None:
    model = network()
    want = losses(model, model)
    model = network()
    start = {k: v.clone() for k, v in model.state_dict().items()}
    assert cuda.make_graphed_callables(model, (batch(9),)) is model
    model.load_state_dict(start)
    assert losses(model, model) == want
    model.eval()
    assert model(batch(1)[:2]).shape == (2, 3), "evaluation is not what was captured: it runs as it is"


def test_graphed_functions_and_their_refusals() -> None:
    w = minitorch.ones(4, device="cuda", requires_grad=True)
    double, square = cuda.make_graphed_callables(
        (lambda x: {"y": x * 2}, lambda x: (x * x,)), ((batch(0).requires_grad_(),), (batch(0).requires_grad_(),))
    )
    (y,) = square(double(batch(1) * w)["y"])
    y.sum().backward()
    assert minitorch.allclose(w.grad, 8 * (batch(1) ** 2).sum(0))
    with pytest.raises(AssertionError, match="must contain only Tensors"):
        cuda.make_graphed_callables(lambda x: x, (1,))
    hooked = nn.Linear(2, 2).cuda()
    hooked.register_forward_hook(lambda *a: None)
    with pytest.raises(AssertionError, match="must not have hooks"):
        cuda.make_graphed_callables(hooked, (batch(0),))


# ---- the stand-in is as strict as CUDA ----


@pytest.mark.parametrize("work", [
    lambda x: x._array.get(), lambda x: x._array.item(), lambda x: cupy.cuda.Device().synchronize(), lambda x: x._array.set(np.ones(3)),
    lambda x: cupy.asarray(np.ones(3)), lambda x: cupy.matmul(x._array, x._array), lambda x: cupy.linalg.norm(x._array),
    lambda x: cupy.sort(x._array), lambda x: x._array[x._array > 0], lambda x: cupy.cuda.cublas.gemmEx(*[0] * 19),
])  # fmt: skip
def test_it_refuses_what_cuda_refuses(stand_in: Any, work: Any) -> None:
    x = minitorch.ones(3, device="cuda")
    with pytest.raises(RuntimeError, match="captur"):
        captured(lambda: work(x))


def test_it_refuses_memory_outside_the_pool_and_memory_that_is_gone(stand_in: Any) -> None:
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="outside the pool"):
            cupy.zeros(3)
        stream.end_capture()
    held = [minitorch.ones(3, device="cuda")]
    graph, _ = captured(lambda: held[0] * 2)
    graph.replay()
    held.clear()
    with pytest.raises(RuntimeError, match="memory that has been freed"):
        graph.replay()


def test_memory_of_the_pool_is_used_again(stand_in: Any) -> None:
    x = minitorch.ones(200, device="cuda")
    graph, y = captured(lambda: x + 1 + 1 + 1 + 1 + 1)
    graph.replay()
    assert y.tolist() == [6] * 200 and graph.pool()._made.total_bytes() <= 2 * 1024


def test_products_are_called_past_cupy_as_the_header_says(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = batch(0, (2, 6, 4)), batch(1, (2, 4, 5))
    with cuda.stream(cuda.Stream()):
        called = past.PastCuPy(cupy)
    before = len(cublas.calls)
    graph, y = captured(lambda: (a @ b, a[0] @ b[0]))
    graph.replay()
    assert [t.tolist() for t in y] == [(a @ b).tolist(), (a[0] @ b[0]).tolist()] and len(cublas.calls) > before
    monkeypatch.setattr(cublas.Function, "__call__", lambda self, *given: 7)
    with pytest.raises(RuntimeError, match="cublasSetStream_v2 failed with status 7"):
        called.gemmEx(*[0] * 19)
    with pytest.raises(RuntimeError, match=r"needs libcublas.so.1, which cannot be opened"):
        OPEN(10100)


def test_a_tensor_that_is_kept_is_seen(stand_in: Any) -> None:
    x = minitorch.ones(3, device="cuda")._array
    before = graphs.holders(x)
    view = x[:2]
    assert graphs.holders(x) > before and view is not None
