"""`device="cuda"`: every row, layer, loss and optimizer, and training, beside torch; indices, devices, files, `minitorch.cuda`.

The GPU is CuPy's with `pytest --device cuda`. Else it is `reference/strict_cupy`, which has no more than CuPy's names, keywords,
dtypes and manners, and counts how often the host would have waited. How they are compared: `reference/on_device.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawing import each_drawn
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch import nn
from minitorch.arrays.device import shortcuts
from minitorch.cli.commands import main
from minitorch.datasets import load_digits
from minitorch.examples import digits
from minitorch.nn import functional as F
from reference import compare_training, layers, on_device, optimizers
from reference.programs import running
from reference.strategies import Source
from reference.strict_cupy import copies_to_the_gpu, counting
from reference.table import Row, table

pytestmark = pytest.mark.usefixtures("gpu")

# ---- the table ----

# Not to_device, which names devices, nor dropout, whose numbers on a GPU are its own (tests/test_philox.py), nor what has another order.
ROWS = [
    pytest.param(row, id=f"{k}-{row}")
    for k, row in enumerate(table())
    if not re.search("to_device|dropout", row.name) and row.gpu != "another order"
]
LAYERS = [row for row in layers.ROWS if "Dropout" not in row.name]

# The size of their result, or a Python value, depends on the numbers; torch waits in these as well.
WAITING = {
    "allclose", "argwhere", "bincount", "ctc_loss", "cumprod", "cumprod_ (dtype)", "equal", "gaussian_nll_loss", "getitem", "masked_scatter", "masked_select",
    "nonzero", "one_hot", "prod", "repeat_interleave", "setitem", "tensor_split",
}  # fmt: skip


# What they copy to the GPU, forward or backward, and why.
COPYING = {
    "ctc_loss": "lengths that are numbers, and targets that are in a row, are laid out on the host",
    "getitem": "lists and CPU tensors as indices",
    "setitem": "lists and CPU tensors as indices",
    "fake_quantize_per_tensor_affine (tensors)": "the row makes a scale of a number",
    "binomial": "is drawn on the CPU",
    "poisson": "is drawn on the CPU",
    "gumbel_softmax": "is drawn on the CPU in this test",
}


@pytest.mark.usefixtures("drawn_on_the_cpu")
@pytest.mark.parametrize("row", ROWS)
def test_row_beside_torch(row: Row, gpu: Any) -> None:
    each_drawn(lambda source: on_device.beside_torch(row, source, gpu), str(row), share=0.3)


@pytest.mark.usefixtures("drawn_on_the_cpu")
@pytest.mark.parametrize("row", ROWS)
def test_row_beside_the_cpu(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "enabled", False)  # the plain ops; beside torch the kernels stand in for some

    def alike(source: Source) -> None:
        dtype = source.choice([np.float64, np.float16, minitorch.bfloat16.numpy, np.int64, np.uint8])
        waits, copies = on_device.beside_the_cpu(row, source, dtype)
        assert not waits or row.gpu == "waits" or row.name.removesuffix("_") in WAITING, (
            f"{row} makes the host wait: {waits}"
        )
        assert not copies or row.name.removesuffix("_") in COPYING, f"{row} copies something to the GPU: {copies}"

    each_drawn(alike, str(row), share=0.3)


@pytest.mark.usefixtures("drawn_on_the_cpu")
@pytest.mark.parametrize("row", LAYERS, ids=lambda row: row.name)
@settings(max_examples=settings.default.max_examples // 4)  # each runs on two sides, op by op as the rows do
@given(data=st.data())
def test_layer(row: layers.Row, data: Any, gpu: Any) -> None:
    dtype, limit = data.draw(st.sampled_from([("float64", 1e-9), ("float32", 2e-5)]))
    assert layers.worst_error(row, data.draw, dtype, libraries=(gpu, torch)) <= limit


@pytest.mark.parametrize("row", optimizers.ROWS, ids=lambda row: row.name)
@given(data=st.data())
def test_optimizer(row: optimizers.Row, data: Any, gpu: Any) -> None:
    # (Muon's products in bfloat16 are rounded before a sum there, not after it, and small singular values amplify that.)
    assert optimizers.worst_error(row, data.draw, libraries=(gpu, torch)) <= max(1e-9, 10 * row.allowed)


@pytest.mark.parametrize("layout", [
    lambda x: x, np.asfortranarray, lambda x: x.transpose(1, 0, 2).copy().transpose(1, 0, 2), lambda x: x[1:2, :, 3],
    lambda x: np.repeat(x, 2, -1)[..., ::2], lambda x: np.broadcast_to(x[:, :1], x.shape), lambda x: x[:0], lambda x: x[0, 0, 0],
])  # fmt: skip
def test_arrays_lie_on_the_gpu_as_they_were_drawn(layout: Callable[[np.ndarray], np.ndarray]) -> None:
    x = np.asarray(layout(np.arange(24.0).reshape(2, 3, 4)))
    on_gpu = on_device.laid_out_alike(x)
    assert on_gpu.dtype == x.dtype and np.array_equal(on_gpu.get(), x)
    if x.shape == (2, 3, 4):  # which dimension is outside which, where nothing is repeated, how far neighbours are apart
        (a, b) = ([s // x.itemsize for s in array.strides] for array in (on_gpu, x))
        assert np.argsort(a).tolist() == np.argsort(b).tolist() and min(a) == min(b) and sorted(a)[1] == sorted(b)[1]


def test_half_precision_may_round_otherwise_but_not_be_far_off() -> None:
    exact = np.array([1.0, 2.0, np.inf])
    want = exact.astype(np.float16)
    nearby = np.array([1.0, np.nextafter(np.float16(2), np.float16(3)), np.inf], np.float16)
    far_off = np.array([1.0, 2.0078125, np.inf], np.float16)
    assert on_device.rounds_as_well(want, want, exact) and on_device.rounds_as_well(nearby, want, exact)
    assert not on_device.rounds_as_well(far_off, want, exact) and on_device.rounds_as_well(far_off, far_off, exact)
    assert not on_device.rounds_as_well(np.array([1.0, 2.0, 9.0], np.float16), want, exact)


def test_of_several_nan_the_first_is_found(gpu: Any) -> None:
    numbers = np.array([[1.0, np.nan, np.nan], [np.nan, 2.0, np.nan], [1.0, 2.0, 3.0]])
    ours, theirs = gpu.from_numpy(numbers), torch.from_numpy(numbers)
    for call in (lambda x: x.argmax(), lambda x: x.argmin(1), lambda x: x.max(1)[1], lambda x: x.min(0)[1]):
        assert call(ours).tolist() == call(theirs).tolist()


# ---- training ----


def inputs_and_labels() -> tuple[Any, Any]:
    images, labels = load_digits("train")
    return digits.pixels(images)[:300], labels[:300]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_has_torchs_losses(optimizer: str) -> None:
    inputs, labels = inputs_and_labels()
    settings = {"hidden": 32, "optimizer": optimizer, "lr": 0.01, "epochs": 2, "batch_size": 100, "dropout": 0.0}
    theirs = compare_training.training("digits", inputs, labels, **settings)
    want = [theirs.epoch() for _ in range(2)]
    ours = digits.Training(inputs.cuda(), labels.cuda(), **settings)
    have = [ours.epoch() for _ in range(2)]
    assert np.allclose(have, want, rtol=running.ROUNDING["float32"]), (have, want)
    assert all(value.is_cuda for value in ours.model.state_dict().values())


def test_training_waits_only_for_the_loss(stand_in: Any) -> None:
    inputs, labels = inputs_and_labels()
    with counting() as waits:
        run = digits.Training(inputs.cuda(), labels.cuda(), hidden=32, epochs=1)
        run.epoch()
    assert len(waits) == 2 * len(run.batches), "for each loss.item() the flags of what must hold, and the number"


def test_a_training_step_does_not_wait(stand_in: Any) -> None:
    model = nn.Sequential(nn.Embedding(9, 4, padding_idx=0), nn.Flatten(), nn.Linear(12, 8), nn.LayerNorm(8), nn.GELU(),
                          nn.Dropout(0.1), nn.Linear(8, 3)).cuda()  # fmt: skip
    optimizer = minitorch.optim.AdamW(model.parameters(), lr=0.01, amsgrad=True)
    x, y = minitorch.tensor([[0, 1, 2], [3, 4, 8]], device="cuda"), minitorch.tensor([0, 2], device="cuda")
    with counting() as waits, copies_to_the_gpu() as copies:
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y, label_smoothing=0.1)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
    assert waits == []
    assert len(copies) <= 4 and all("kernels/cuda/optim.py" in place for place in copies), (
        "all that is copied to the GPU is where the optimizer's tensors lie"
    )
    assert loss.item() > 0


def test_train_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(tmp_path / "digits.pt")
    losses = []
    for device in ("cpu", "cuda"):
        options = ["--epochs", "2", "--batch-size", "360", "--hidden", "8", "--dropout", "0", "--out", file]
        assert main(["train", "--device", device, *options]) == 0
        said = capsys.readouterr().out
        losses.append([float(loss) for loss in re.findall(r"loss ([\d.]+)", said)])
    # The accuracies may differ: of the gradient of a bias before batch norm, which is 0, Adam makes full steps of what
    # rounding leaves, and the running mean that evaluation subtracts comes after.
    assert len(losses[0]) == 2 and np.allclose(*losses, atol=2e-4), losses
    for device in ("cuda", "cpu"):
        assert main(["evaluate", file, "--device", device]) == 0
        assert (
            said.rpartition("test accuracy ")[2].split()[0] == capsys.readouterr().out.split("test accuracy ")[1].split()[0]
        )


def test_compare_on_a_gpu_asks_for_no_dropout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--device", "cuda", "--compare"]) != 0
    assert "--compare on a GPU needs --dropout 0" in capsys.readouterr().err


def test_the_tools_of_autograd() -> None:
    x = minitorch.tensor([0.5, 2.0], dtype=minitorch.float64, device="cuda", requires_grad=True)
    assert minitorch.autograd.gradcheck(lambda t: t.sigmoid() * t, (x,))
    assert minitorch.autograd.gradgradcheck(lambda t: t.exp().sum(), (x,))
    with minitorch.autograd.graph.save_on_cpu():
        y = (x * x).exp().sum()
    y.backward()
    want = x.grad.clone()
    x.grad = None
    minitorch.utils.checkpoint.checkpoint(lambda t: (t * t).exp().sum(), x, use_reentrant=False).backward()
    assert x.grad.is_cuda and want.is_cuda and x.grad.tolist() == want.tolist()


# ---- indices out of range ----

OUT_OF_RANGE: dict[str, tuple[type, Callable[[Any, Any], Any]]] = {
    "x[index]": (IndexError, lambda x, i: x[i]),
    "x[index] = 0": (IndexError, lambda x, i: x.__setitem__(i, 0)),
    "take": (IndexError, lambda x, i: x.take(i)),
    "index_select": (IndexError, lambda x, i: x.index_select(0, i)),
    "gather": (RuntimeError, lambda x, i: x.gather(0, i.unsqueeze(1))),
    "scatter": (RuntimeError, lambda x, i: x.scatter(0, i.unsqueeze(1), 1.0)),
    "index_add": (RuntimeError, lambda x, i: x.index_add(0, i, x)),
    "embedding": (IndexError, lambda x, i: F.embedding(i, x)),
    "nll_loss": (IndexError, lambda x, i: F.nll_loss(x, i)),
    "one_hot": (RuntimeError, lambda x, i: F.one_hot(i, 3)),
    "binary_cross_entropy": (RuntimeError, lambda x, i: F.binary_cross_entropy(x + 7, x)),
    "integer division": (RuntimeError, lambda x, i: i // (i - i)),
    "masked_scatter": (RuntimeError, lambda x, i: x.masked_scatter(x >= 0, x[0])),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
@pytest.mark.parametrize("ask", [lambda t: t.item(), lambda t: t.tolist(), lambda t: minitorch.cuda.synchronize()])
def test_what_is_wrong_on_the_gpu_is_raised_when_the_host_waits(name: str, ask: Callable[[Any], Any]) -> None:
    error, call = OUT_OF_RANGE[name]
    x, index = minitorch.zeros(3, 3, device="cuda"), minitorch.tensor([0, 9, 1], device="cuda")
    with pytest.raises(error):
        call(x.cpu(), index.cpu())
    with counting() as waits:
        call(x, index)
    assert waits == []
    with pytest.raises(error, match="in an earlier op"):
        ask(x.sum())
    assert x.sum().tolist() == x.sum().tolist(), "it is raised once"


def test_indices_in_range_raise_nothing_and_hide_nothing() -> None:
    x, index = minitorch.zeros(3, 3, device="cuda"), minitorch.tensor([0, -1, 2], device="cuda")
    assert x[index].sum().item() == 0
    x[index + 7]
    out = x[index]
    with pytest.raises(IndexError, match="out of bounds for dimension 0 with size 3"):
        out.cpu()


def test_an_op_that_fails_after_a_bad_index_tells_of_the_index() -> None:
    x, index = minitorch.zeros(3, 3, device="cuda"), minitorch.tensor([0, 9], device="cuda")
    picked = x[index]
    with pytest.raises(IndexError, match="in an earlier op"):
        picked + minitorch.zeros(5, device="cuda")
