"""float16 and bfloat16: every row against torch, and what is made, printed, saved and trained in them."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from drawing import each_drawn

import minitorch
from reference import checks
from reference.checks import half_precision
from reference.strategies import Source
from reference.strict_cupy import standing_in
from reference.table import Row, table

pytestmark = pytest.mark.formulas

HALVES = ["float16", "bfloat16"]
ROWS = [pytest.param(row, id=f"{k}-{row}") for k, row in enumerate(table())]


@pytest.mark.parametrize("row", ROWS)
def test_row(row: Row) -> None:
    each_drawn(lambda source: half_precision(row, source), str(row), share=0.5)


FACTORS = {"a tenth too much": 1.1, "a tenth too little": 0.9, "missing": 0.0}


@pytest.mark.parametrize("wrong", FACTORS)
@pytest.mark.parametrize("name", ["mul", "linear", "softmax", "cumsum", "conv2d"])
def test_a_gradient_that_is_wrong_is_noticed(name: str, wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In both dtypes, whatever is drawn. (A smaller fault of a formula is seen in float32, where the same formula runs.)"""

    def broken(row: Row, function: Any, case: dict, library: Any, *rest: Any) -> Any:
        found = right(row, function, case, library, *rest)
        if library is torch or found is None:
            return found
        nonlocal shows
        sizes = [float(g.abs().max()) for g in found[0] if g is not None and g.numel()]
        shows = any(0.1 < size < float("inf") for size in sizes)  # (less may be nothing but rounding)
        return [None if g is None else (g.double() * FACTORS[wrong]).to(g.dtype) for g in found[0]], found[1]

    row, right, count = next(row for row in table() if row.name == name), checks.differentiate, 0
    monkeypatch.setattr(checks, "differentiate", broken)
    for seed in range(8):
        shows = False
        try:
            half_precision(row, Source(seed))
        except AssertionError:
            count += 1
        else:
            assert not shows, f"the gradient of seed {seed}"
    assert count > 1


# ---- the same words from both libraries ----


def pair(lib: Any, dtype: Any) -> Any:
    """A small tensor, no number of which is exact in half precision."""
    return lib.tensor([1.1, -2.2, 3.3, -7.7], dtype=dtype)


def written_to(lib: Any, dtype: Any) -> Any:
    x = pair(lib, dtype)
    x.mul_(0.3).add_(1).div_(7).sub_(0.1)
    x[0] = 0.3
    x[x > 0.2] = 0.7
    x[1:3] = lib.tensor([9.1, 8.1], dtype=dtype)
    return x.index_put_((lib.tensor([0, 0]),), lib.tensor([1.0, 2.0], dtype=dtype), accumulate=True)


def drawn(lib: Any, dtype: Any) -> Any:
    lib.manual_seed(0)
    return [lib.rand(3, dtype=dtype), lib.randn(17, dtype=dtype), lib.empty(3, dtype=dtype).uniform_(),
            lib.nn.functional.dropout(lib.ones(6, dtype=dtype), 0.5), lib.bernoulli(lib.full((5,), 0.5, dtype=dtype)),
            lib.multinomial(lib.tensor([0.2, 0.3, 0.5], dtype=dtype), 5, True)]  # fmt: skip


def beside(lib: Any, dtype: Any) -> Any:
    """The dtypes of products with others."""
    others = [2, 2.0, True, lib.ones(4), lib.ones(4, dtype=lib.float64), lib.ones(4, dtype=lib.int64), lib.tensor(2.0),
              lib.ones(4, dtype=lib.float16), lib.tensor(1.0, dtype=lib.bfloat16)]  # fmt: skip
    return [(pair(lib, dtype) * other).dtype for other in others] + [(pair(lib, dtype)[0] * o).dtype for o in others]


def as_default(lib: Any, dtype: Any) -> Any:
    lib.set_default_dtype(dtype)
    try:
        return [lib.tensor([1.5]), lib.ones(2) / 3, lib.tensor([1, 2]) / 3, lib.nn.Linear(2, 2).weight.dtype]
    finally:
        lib.set_default_dtype(lib.float32)


def graded(lib: Any, dtype: Any) -> Any:
    x = pair(lib, dtype).requires_grad_()
    (x * x).sum().backward()
    (x.float() * 3.3).sum().backward()
    return [x, x.grad, (x * 2).sum()]


SAID: dict[str, Callable[[Any, Any], Any]] = {
    "made": lambda lib, d: [lib.zeros(2, dtype=d), lib.full((2,), 3.3, dtype=d), lib.arange(0, 2, 0.3, dtype=d), lib.eye(2, dtype=d),
                            lib.full_like(pair(lib, d), 1.1), pair(lib, d).new_tensor([1.1]), lib.zeros(0, dtype=d)],
    "printed": lambda lib, d: [lib.tensor([[1e-3, 1000.0], [3.14159, -2]], dtype=d), lib.tensor([1e-8, 1], dtype=d),
                               lib.tensor([float("nan"), float("inf"), 1], dtype=d), lib.arange(2000, dtype=d)],
    "read": lambda lib, d: [pair(lib, d).tolist(), pair(lib, d)[0].item(), float(pair(lib, d)[1]), lib.finfo(d).eps, lib.finfo(d).max],
    "converted": lambda lib, d: [t.to(d).to(o) for t in [lib.tensor([1.00390625, 2.7, -3.5, 300.7, 65519.9])]
                                 for o in (d, lib.float32, lib.float64, lib.int32, lib.bool, lib.float16, lib.bfloat16)],
    "promoted": beside,
    "written": written_to,
    "drawn": drawn,
    "default": as_default,
    "graded": graded,
    "numbers": lambda lib, d: [pair(lib, d) + 0.1, pair(lib, d) - 0.1, pair(lib, d) * 0.3, pair(lib, d) / 0.3, pair(lib, d) % 0.7,
                               pair(lib, d) // 0.3, pair(lib, d) == 1.1, 2 ** pair(lib, d), pair(lib, d).clamp(-0.1, 2.1), lib.xlogy(pair(lib, d), 1.0)],
    "sorted": lambda lib, d: [list(f(lib.tensor([1.1, float("nan"), 3.3, 0.0, -7], dtype=d)))
                              for f in (lib.sort, lambda x: lib.topk(x, 2), lambda x: lib.kthvalue(x, 2), lambda x: lib.max(x, 0))],
    "summed": lambda lib, d: [lib.full((5000,), 0.1, dtype=d).sum(), lib.full((5000,), 0.1, dtype=d).mean(),
                              lib.full((70, 70), 0.1, dtype=d).sum(0), lib.full((5000,), 0.1, dtype=d).cumsum(0)[-1]],
    "indexed": lambda lib, d: [pair(lib, d)[pair(lib, d) > 1], pair(lib, d)[[0, 2]], pair(lib, d).take(lib.tensor([3])),
                               lib.where(pair(lib, d) > 1, pair(lib, d), 0.3), pair(lib, d).masked_fill(pair(lib, d) > 1, 0.1)],
    "joined": lambda lib, d: [lib.cat([pair(lib, d), lib.ones(1)]), lib.stack([pair(lib, d)] * 2), lib.signbit(-pair(lib, d) * 0)],
    "copied": lambda lib, d: [copy.deepcopy(pair(lib, d)), pickle.loads(pickle.dumps(pair(lib, d)))],
}  # fmt: skip


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", SAID)
def test_both_libraries_say_the_same(name: str, dtype: str) -> None:
    ours, theirs = (str(SAID[name](lib, getattr(lib, dtype))) for lib in (minitorch, torch))
    assert ours.replace("minitorch.", "torch.") == theirs


@pytest.mark.parametrize("dtype", HALVES)
def test_sums_do_not_stop_growing(dtype: str) -> None:
    kind = getattr(minitorch, dtype)
    many = minitorch.full((5000,), 0.1, dtype=kind)
    here = minitorch.zeros(1, dtype=kind).index_add(0, minitorch.zeros(5000, dtype=minitorch.int64), many)
    assert here.item() == many.sum().item(), "torch's stops where adding 0.1 rounds to nothing"


@pytest.mark.parametrize("dtype", HALVES)
def test_a_derivative_is_rounded_once_whatever_ran_before(dtype: str) -> None:
    x = torch.linspace(-4, 4, 500).to(getattr(torch, dtype))
    minitorch.tanh.recipes.clear(), minitorch.tanh.lane.clear()
    for kind in (minitorch.float32, getattr(minitorch, dtype)):
        mine = minitorch.tensor(x.tolist(), dtype=kind).requires_grad_()
        minitorch.tanh(mine).sum().backward()
    out = np.array(minitorch.tanh(mine.detach()).tolist())
    want = minitorch.from_numpy(1 - out * out).to(getattr(minitorch, dtype))
    assert mine.grad.tolist() == want.tolist()


# ---- training ----


def trained(lib: Any, dtype: str, device: str = "cpu") -> tuple[list[float], dict[str, str]]:
    """Losses of ten steps, and the dtypes of the parameters and buffers."""
    lib.manual_seed(0)
    nn, kind = lib.nn, getattr(lib, dtype)
    model = nn.Sequential(nn.Linear(16, 32), nn.LayerNorm(32), nn.GELU(), nn.Linear(32, 32), nn.BatchNorm1d(32), nn.ReLU(),
                          nn.Linear(32, 5)).to(device).to(kind)  # fmt: skip
    x, y = lib.randn(64, 16).to(kind).to(device), lib.randint(0, 5, (64,)).to(device)
    optimizer = lib.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, {name: str(value.dtype).split(".")[1] for name, value in model.state_dict().items()}


@pytest.mark.parametrize(("dtype", "rounding"), [("float16", 2**-9), ("bfloat16", 2**-6)])
def test_training_follows_torch(dtype: str, rounding: float) -> None:
    ours, theirs = trained(minitorch, dtype), trained(torch, dtype)
    with standing_in():
        there = trained(minitorch, dtype, "cuda")
    assert ours[1] == theirs[1] == there[1] and ours[0][-1] < 0.8 * ours[0][0]
    assert np.abs(np.subtract(ours[0], theirs[0])).max() <= rounding, "two steps of the loss's dtype"
    assert np.abs(np.subtract(ours[0], there[0])).max() <= rounding


@pytest.mark.parametrize("dtype", HALVES)
def test_state_dicts_come_back(dtype: str) -> None:
    kind = getattr(minitorch, dtype)
    model = minitorch.nn.Sequential(minitorch.nn.Linear(3, 4), minitorch.nn.BatchNorm1d(4)).to(kind)
    file = io.BytesIO()
    minitorch.save(model.state_dict(), file)
    file.seek(0)
    for name, value in minitorch.load(file).items():
        want = model.state_dict()[name]
        assert value.dtype is want.dtype and value.tolist() == want.tolist(), name
    plain = minitorch.nn.Sequential(minitorch.nn.Linear(3, 4), minitorch.nn.BatchNorm1d(4))
    plain.load_state_dict(model.state_dict())
    assert plain[0].weight.dtype is minitorch.float32 and plain[0].weight.tolist() == model[0].weight.tolist()
