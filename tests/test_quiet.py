"""∞ and nan come without a word from NumPy, whatever filters a user has set; and the user's own NumPy code warns as before."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch import nn
from minitorch.kernels.cpu import blocks
from minitorch.op import Array, op

EXTREMES = [0.0, -0.0, 1e30, -1e30, math.inf, -math.inf, math.nan, -1.0, 3e-39, 70000.0]


def x(dtype: Any = None, **options: Any) -> Any:
    return minitorch.tensor(EXTREMES, dtype=dtype, **options)


def trained(optimizer: Any) -> None:
    p = nn.Parameter(minitorch.tensor([1e30, -1e30]))
    steps = optimizer([p], lr=1e30)
    for _ in range(2):
        p.grad = minitorch.tensor([1e30, math.inf])
        steps.step()


def backward() -> None:
    leaf = x(requires_grad=True)
    (leaf.log() * leaf.exp() / leaf.sqrt() + leaf**2.5).sum().backward()
    leaf.grad += leaf.grad * 1e30


def again(create_graph: bool) -> None:
    leaf = x(requires_grad=True)
    (g,) = minitorch.autograd.grad((leaf.log() * leaf.exp()).sum(), leaf, create_graph=create_graph)
    if create_graph:
        g.sum().backward()


SCENARIOS: dict[str, Callable[[], Any]] = {
    "operators": lambda: [x() * 1e30, x() / 0, x() % 0, x() // 0, x() ** 30, 0 / x(), x() - x(), x() + 1e39],
    "tensors of one dtype": lambda: [x() * x(), x() / x(), x() - x(), x().fmod(x())],
    "of two dtypes": lambda: [x() * x(minitorch.float64), x(minitorch.float16) * x(), x().half() * minitorch.arange(10)],
    "functions": lambda: [
        getattr(x(), f)()
        for f in ["exp", "log", "sqrt", "rsqrt", "reciprocal", "acos", "atanh", "lgamma", "erfinv", "tan", "sinh"]
    ],
    "reductions": lambda: [getattr(x(), f)() for f in ["sum", "mean", "std", "var", "prod", "norm", "nansum"]],
    "of nothing": lambda: [
        minitorch.empty(0).mean(),
        minitorch.nn.functional.mse_loss(minitorch.empty(0), minitorch.empty(0)),
    ],
    "casts": lambda: [
        x().to(d) for d in (minitorch.float16, minitorch.bfloat16, minitorch.int8, minitorch.int64, minitorch.bool)
    ],
    "casts from float64": lambda: [x(minitorch.float64).float(), x(minitorch.float64).half(), x(minitorch.float64).long()],
    "data": lambda: [minitorch.tensor([1e39]), minitorch.tensor(np.array([1e39]), dtype=minitorch.float32)],
    "data of a tensor": lambda: minitorch.tensor(x(minitorch.float64).detach().numpy(), dtype=minitorch.int32),
    "in place": lambda: [
        x().mul_(1e30),
        x().div_(0),
        x().add_(x(minitorch.float64) * 1e300),
        x().copy_(x(minitorch.float64)),
    ],
    "assignment": lambda: x().__setitem__(slice(None), x(minitorch.float64)),
    "out=": lambda: minitorch.mul(x(minitorch.float64), 1e300, out=x()),
    "softmax and losses": lambda: [
        x().softmax(0),
        x().log_softmax(0),
        nn.functional.binary_cross_entropy_with_logits(x(), x()),
    ],
    "normalization": lambda: [nn.LayerNorm(10)(x()), nn.BatchNorm1d(3)(minitorch.full((4, 3), 1e30)), nn.RMSNorm(10)(x())],
    "matrices": lambda: [x().outer(x()), x().reshape(2, 5) @ x().reshape(5, 2), x() @ x()],
    "scans": lambda: [x().cumsum(0), x().cumprod(0), x().logcumsumexp(0)],
    "backward": backward,
    "grad": lambda: again(False),
    "second order": lambda: again(True),
    "SGD": lambda: trained(minitorch.optim.SGD),
    "Adam": lambda: trained(minitorch.optim.Adam),
    "AdamW": lambda: trained(minitorch.optim.AdamW),
    "clipping": lambda: nn.utils.clip_grad_norm_([nn.Parameter(x())], 1.0),
    "sequences of numbers": lambda: [
        minitorch.logspace(0, 100, 3),
        minitorch.linspace(-1e308, 1e308, 3, dtype=minitorch.float64),
    ],
}


@pytest.mark.parametrize("action", ["error", "always"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_numpy_says_nothing(name: str, action: Any) -> None:
    for _ in range(2):  # through the door, then by the lane it has opened
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter(action)
            SCENARIOS[name]()
        assert [str(w.message) for w in caught if w.category is RuntimeWarning] == []


def test_users_own_state_stays() -> None:
    before = np.geterr()
    with np.errstate(over="raise", divide="print"):
        inside = np.geterr()
        SCENARIOS["operators"](), backward()
        assert np.geterr() == inside
        with pytest.raises(FloatingPointError):
            np.float32([1e30]) * np.float32(1e30)
    assert np.geterr() == before
    with pytest.warns(RuntimeWarning, match="overflow"):
        np.float32([1e30]) * np.float32(1e30)


def test_in_several_threads_at_once() -> None:
    """The context is one: who finds it in use goes another way."""
    failed: list[Any] = []
    big = minitorch.full((100_000,), 1e30)  # large enough for NumPy to let other threads run

    def work() -> None:
        try:
            for _ in range(50):
                assert (big * big).exp().isinf().all()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_inside_another_forward() -> None:
    """A forward that is interrupted by code of the user's, which computes too."""

    @op(public=False)
    def interrupted(xp: Any, a: Array) -> Any:
        return (minitorch.tensor(a) * 1e30).numpy()

    assert interrupted(minitorch.tensor([1e30])).isinf().all()


def test_threads_that_help_are_as_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What NumPy is told is told to one thread; large arrays are computed by several."""
    monkeypatch.setattr(blocks, "_threads", 2)
    monkeypatch.setattr(blocks, "LEAST", 64)
    numbers = np.zeros((512, 16), np.float32)
    numbers[:, 3] = math.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            assert minitorch.softmax(minitorch.from_numpy(numbers), 1).isnan().any()
