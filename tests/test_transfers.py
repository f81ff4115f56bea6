"""No number travels to the GPU alone: what the stand-in counts as a copy, and that layers, losses, optimizers and training make none.

The ops' rows are counted where they are run, in tests/test_device.py; what an op may copy is a table of words there. A number goes as an
argument of a kernel, or fills an array; a table that depends on sizes alone is copied once and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch import nn
from minitorch.arrays import device
from minitorch.nn import functional as F
from reference import layers, optimizers
from reference.layers.run import Run, attempt
from reference.strict_cupy import copies_to_the_gpu, cupy, not_counted

pytestmark = pytest.mark.usefixtures("stand_in")

# ---- what counts ----

ONE = cupy.ones(3)
COPIED: list[tuple[str, int, Callable[[], Any]]] = [
    ("a number fills an array", 0, lambda: cupy.asarray(2.5)),
    ("… a NumPy array without dimensions, too", 0, lambda: cupy.asarray(np.array(2.5))),
    ("what has no elements", 0, lambda: cupy.asarray(np.empty((0, 3)))),
    ("a host array", 1, lambda: cupy.asarray(np.ones(3))),
    ("a list of numbers", 1, lambda: cupy.array([1, 2])),
    ("an array that is there", 0, lambda: cupy.asarray(ONE)),
    ("a list of arrays that are there", 0, lambda: cupy.array([ONE, ONE])),
    ("a number beside an array is a kernel's argument", 0, lambda: ONE * 2 + np.float32(3)),
    ("in `where`, too", 0, lambda: cupy.where(ONE > 0, np.float64(1), ONE)),
    ("as is what is assigned", 0, lambda: ONE.__setitem__(slice(None), 1.0)),
    ("full, arange, zeros", 0, lambda: (cupy.full(3, 7), cupy.arange(4), cupy.zeros(2))),
    ("a list of places", 1, lambda: cupy.take(ONE, [0, 1])),
    ("eight arrays are copied one by one", 0, lambda: cupy.concatenate([ONE] * 8)),
    ("nine by a table of their addresses", 1, lambda: cupy.concatenate([ONE] * 9)),
    ("of another dtype, one by one", 0, lambda: cupy.concatenate([ONE] * 8 + [cupy.arange(2)])),
    ("set", 1, lambda: ONE.set(np.ones(3))),
]


@pytest.mark.parametrize(("_", "want", "call"), COPIED, ids=[what for what, _, _ in COPIED])
def test_what_cupy_copies(_: str, want: int, call: Callable[[], Any]) -> None:
    with copies_to_the_gpu() as copies:
        call()
    assert len(copies) == want


def test_a_table_is_copied_once() -> None:
    device._kept_table.cache_clear()
    before = len(minitorch.arrays.device._kept_table.cache_info())
    host = np.arange(6.0).reshape(2, 3)
    first, again = device.as_table(cupy, host), device.as_table(cupy, host.copy())
    assert first is again and first.get().tolist() == host.tolist() and before
    assert device.as_table(cupy, host, "float32") is not first and device.as_table(cupy, host.T).shape == (3, 2)
    with minitorch.cuda.stream(minitorch.cuda.Stream()):
        assert device.as_table(cupy, host) is not first, "another stream would not wait for the copy"
    assert device.as_table(np, host) is host, "on the CPU nothing is kept"


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16", "int64", "bool"])
def test_numbers_arrive_as_they_are(dtype: str) -> None:
    kind = getattr(minitorch, dtype).numpy
    for value in (0.0, -0.0, 1.5, -3.0, float("inf"), float("nan"))[: None if "float" in dtype else 1]:
        with copies_to_the_gpu() as copies:
            made, number = device.as_array(cupy, value, kind), device.as_number(cupy, value, kind)
        assert copies == [] and made.dtype == number.dtype == kind and isinstance(number, np.generic)
        bits = np.asarray(value, kind).tobytes()
        assert made.get().tobytes() == np.asarray(number).tobytes() == bits


# ---- layers, losses, optimizers ----

# What a layer copies in each step, and why.
LAYERS_THAT_COPY = {"CTCLoss": "lengths and targets are laid out on the host"}


@pytest.mark.parametrize("row", layers.ROWS, ids=lambda row: row.name)
@settings(max_examples=1, derandomize=True)
@given(data=st.data())
def test_layers(row: layers.Row, data: Any, gpu: Any) -> None:
    rng, options = np.random.default_rng(0), data.draw(row.options)
    run = Run(row, gpu, options, row.inputs(data.draw, rng, options), "float32", 0)
    if isinstance(run.layer, Exception):
        return
    with copies_to_the_gpu() as copies:
        for _ in range(2):
            outs = attempt(lambda: run.layer(*run.tensors()))
            if isinstance(outs, Exception):
                return
            outs = [x for x in layers.run.flat(outs) if isinstance(x, minitorch.Tensor) and x.requires_grad]
            minitorch.autograd.backward(outs, [minitorch.ones_like(x) for x in outs])
    assert copies == [] or row.name in LAYERS_THAT_COPY


@pytest.mark.parametrize("row", optimizers.ROWS, ids=lambda row: row.name)
@settings(max_examples=1, derandomize=True)
@given(data=st.data())
def test_optimizers(row: optimizers.Row, data: Any, gpu: Any) -> None:
    run = optimizers.Run(row, gpu, [np.ones(shape, "float32") for shape in row.shapes], data.draw(row.options), {})
    gradients = [np.full(shape, 0.5, "float32") for shape in row.shapes]
    run.step(gradients)
    with copies_to_the_gpu() as copies:
        for _ in range(3):
            with not_counted():
                for param in run.params:
                    param.grad.mul_(0.5)
            run.optimizer.step()
    assert copies == []


# ---- training ----


def of_images() -> tuple[nn.Module, Any, Any]:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout2d(0.2),
                          nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 5), nn.LeakyReLU(), nn.Linear(5, 3))  # fmt: skip
    return model, minitorch.rand(4, 3, 8, 8), minitorch.tensor([0, 2, 1, 1])


def of_sequences() -> tuple[nn.Module, Any, Any]:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.lstm, self.out = nn.Embedding(7, 6), nn.LSTM(6, 5, 2, batch_first=True), nn.Linear(5, 7)

        def forward(self, x: Any) -> Any:
            return self.out(self.lstm(self.letters(x))[0]).flatten(0, 1)

    letters = minitorch.randint(7, (2, 6))
    return Reader(), letters, minitorch.randint(7, (12,))


def of_tokens() -> tuple[nn.Module, Any, Any]:
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True, activation="gelu", norm_first=True)
    model = nn.Sequential(
        nn.Embedding(9, 8), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 9), nn.Flatten(0, 1)
    )
    return model, minitorch.randint(9, (2, 5)), minitorch.randint(9, (10,))


@pytest.mark.shortcuts
@pytest.mark.parametrize(("made", "optimizer"), [(of_images, "AdamW"), (of_sequences, "SGD"), (of_tokens, "RMSprop")])
def test_training(made: Callable, optimizer: str) -> None:
    minitorch.manual_seed(0)
    model, x, y = made()
    model, x, y = model.cuda(), x.cuda(), y.cuda()
    stepping = getattr(minitorch.optim, optimizer)(model.parameters(), lr=0.01)
    schedule = minitorch.optim.lr_scheduler.CosineAnnealingLR(stepping, 10)
    for step in range(3):
        with copies_to_the_gpu() as copies:
            stepping.zero_grad(set_to_none=False)
            loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            stepping.step()
            schedule.step()
        assert step == 0 or copies == []
    assert loss.item() > 0


@pytest.mark.parametrize("fault", [
    lambda xp, value, dtype: xp.asarray(np.full(1, value, dtype)),
    lambda xp, value, dtype: xp.array([value], dtype),
])  # fmt: skip
def test_a_number_that_travels_is_noticed(fault: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from minitorch.ops import masked, reduce

    for module in (masked, reduce):
        monkeypatch.setattr(module, "as_number", fault)
    for call in (lambda x: x.mean(), lambda x: x.masked_fill(x > 0, 2.0), lambda x: x.var()):
        with copies_to_the_gpu() as copies:
            call(minitorch.ones(4, 4, device="cuda"))
        assert copies
