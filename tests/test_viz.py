"""Looking inside: the numbers behind each picture against plain torch and NumPy, what the figure carries, and what a look leaves unchanged."""

from __future__ import annotations

import contextlib
import copy
import doctest
import importlib
import math
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planting import plant

import minitorch
from minitorch import nn, optim, viz
from minitorch.viz.histories import smoothed

pytestmark = pytest.mark.outside
pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'minitorch[viz]'")
NAN, INF = math.nan, math.inf


@pytest.fixture(autouse=True)
def _no_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    """No picture goes through pyplot's list of figures."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)


def labels(figure: Any) -> list[str]:
    """What the legends say, of all panels and of the figure."""
    legends = [*figure.legends, *(ax.get_legend() for ax in figure.axes if ax.get_legend())]
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def lines(ax: Any) -> dict[str, tuple[list[float], list[float]]]:
    """label → x and y of each line that the legend names."""
    named = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
    return {line.get_label(): (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in named}


def same(a: Any, b: Any) -> bool:
    return np.array_equal(np.asarray(a, float), np.asarray(b, float), equal_nan=True)


# ---- curves ----

LOGGED = """epoch,step,train_loss,val_loss,val_acc
0,49,0.9,,
0,99,0.7,,
0,99,,0.8,0.5
1,149,0.4,,
1,199,,nan,0.75
"""


def test_curves_of_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    history = {
        "train_loss": [1.0, 0.5, NAN, 0.25],
        "val_loss": minitorch.tensor([1.0, INF, 0.75, 0.8]),
        "val_acc": np.array([10, 60, 90, 80]),
    }
    figure = viz.curves(history, title="A title")
    loss, accuracy = figure.axes
    found = lines(loss)
    assert list(found) == ["train_loss (lowest 0.25 at 4)\nnot finite at 3", "val_loss (lowest 0.75 at 3)\nnot finite at 2"]
    assert same(next(iter(found.values())), [[1, 2, 3, 4], [1, 0.5, NAN, 0.25]])
    assert same(list(found.values())[1][1], minitorch.tensor([1.0, NAN, 0.75, 0.8]).numpy())
    assert list(lines(accuracy)) == ["val_acc (highest 90 at 3)"]
    assert (loss.get_ylabel(), accuracy.get_ylabel(), loss.get_xlabel()) == ("loss", "accuracy (%)", "epoch")
    assert figure._suptitle.get_text() == "A title"
    assert labels(viz.curves([3.0, 2.0])) == ["loss (lowest 2 at 2)"]
    assert same(viz.histories(minitorch.tensor([3.0, 2.0]))[""]["loss"].y, [3, 2])
    assert same(viz.histories({"loss": [None, 2.0, None, 1.0]})[""]["loss"].x, [2, 4])
    assert labels(viz.curves([2.0, 0.0, 1.0], log=True)) == ["loss (lowest 1 at 3)\nnot a finite number above 0 at 2"]
    assert viz.curves(history, log=True).axes[0].get_yscale() == "log" != viz.curves(history, log=True).axes[1].get_yscale()


def test_curves_of_rows_and_files(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    file.write_text(LOGGED)
    rows = [
        {"step": 49, "epoch": 0, "train_loss": 0.9}, {"step": 99, "epoch": 0, "train_loss": 0.7}, {"step": 99, "epoch": 0, "val_loss": 0.8, "val_acc": 0.5},
        {"step": 149, "epoch": 1, "train_loss": 0.4}, {"step": 199, "epoch": 1, "val_loss": NAN, "val_acc": 0.75},
    ]  # fmt: skip
    for history in (file, str(file), rows):
        run = viz.histories(history)[""]
        assert list(run) == ["train_loss", "val_loss", "val_acc"]
        assert same(run["train_loss"].x, [49, 99, 149]) and same(run["train_loss"].y, [0.9, 0.7, 0.4])
        assert same(run["val_loss"].y, [0.8, NAN]) and run["val_loss"].x_name == "step"
        assert same(viz.histories(history, x="epoch")[""]["val_acc"].x, [0, 1])
    assert same(viz.histories([{"a": 1.0}, {"b": 3.0}, {"a": 2.0}])[""]["a"].x, [1, 3])  # numbers of the rows
    assert same(viz.histories([{"a": 1.0, "step": ""}, {"a": 3.0, "step": 7}])[""]["a"].x, [7])
    figure = viz.curves({"a": file, "b": {"train_loss": [2.0, 1.0]}, "c": rows}, x=None)
    assert labels(figure)[:3] == [
        "a: train_loss (lowest 0.4 at 149)",
        "a: val_loss (lowest 0.8 at 99)\nnot finite at 199",
        "b: train_loss (lowest 1 at 2)",
    ]
    colours = {line.get_label()[0]: set() for line in figure.axes[0].get_lines()}
    for line in figure.axes[0].get_lines():
        colours[line.get_label()[0]].add(line.get_color())
    assert all(len(colours[run]) == 1 for run in "abc") and len(set.union(*(colours[run] for run in "abc"))) == 3
    assert figure.axes[1].get_ylabel() == "val_acc"  # of two runs; a share, not percent


@given(st.lists(st.floats(-5, 5) | st.just(NAN), max_size=12), st.sampled_from([0.0, 0.5, 0.9]))
def test_smoothing_is_adams_running_mean(values: list[float], weight: float) -> None:
    seen: list[float] = []
    for value, found in zip(values, smoothed(np.array(values, float), weight)):
        if math.isnan(value):
            assert math.isnan(found)
            continue
        seen.append(value)
        weights = [weight ** (len(seen) - 1 - i) for i in range(len(seen))]
        assert math.isclose(found, sum(w * v for w, v in zip(weights, seen)) / sum(weights), rel_tol=1e-9, abs_tol=1e-12)


def test_smoothed_curves_show_the_values_too() -> None:
    raw, smooth, *_ = viz.curves([1.0, 3.0, 2.0], smooth=0.5).axes[0].get_lines()
    assert same(raw.get_ydata(), [1, 3, 2]) and np.allclose(smooth.get_ydata(), [1, 7 / 3, (0.25 + 1.5 + 2) / 1.75])


# ---- learning rates ----


def test_learning_rates_are_those_that_the_schedule_sets() -> None:
    from reference.schedules import EPOCHS, SCHEDULES, rates

    losses = [max(0.0, 10.0 - epoch) for epoch in range(EPOCHS)]
    for call, make in SCHEDULES.items():
        w = minitorch.zeros(1, requires_grad=True)
        optimizer = optim.SGD([w], lr=1.0, momentum=0.9)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schedule = make(optimizer)
        before = copy.deepcopy((schedule.state_dict(), optimizer.state_dict()))
        assert viz.learning_rates(schedule, EPOCHS, losses) == [rates(make)], call
        assert repr((schedule.state_dict(), optimizer.state_dict())) == repr(before), call
    halving = optim.lr_scheduler.StepLR(optim.SGD([w], 0.3), 2, 0.5)
    figure = viz.learning_rate(halving, 5, unit="step")
    assert same(lines(figure.axes[0])["StepLR"], [[0, 1, 2, 3, 4], [0.3, 0.3, 0.15, 0.15, 0.075]])


# ---- gradients ----


def mlp(lib: Any) -> Any:
    lib.manual_seed(0)
    return lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.BatchNorm1d(8), lib.nn.Sigmoid(), lib.nn.Linear(8, 3, bias=False))


def test_gradient_magnitudes_are_torchs() -> None:
    models = []
    for lib in (minitorch, torch):
        model = mlp(lib).to(lib.float64)
        lib.nn.functional.cross_entropy(model(lib.randn(6, 4, dtype=lib.float64)), lib.tensor([0, 1, 2, 0, 1, 2])).backward()
        models.append(model)
    wanted = {name: p.grad.abs().mean().item() for name, p in models[1].named_parameters()}
    every = viz.gradient_magnitudes(models[0], every=True)
    assert list(every) == list(wanted) and np.allclose(list(every.values()), list(wanted.values()), rtol=1e-9, atol=1e-15)
    assert viz.gradient_magnitudes(models[0]) == {name: every[name] for name in ("0.weight", "3.weight")}
    ax = viz.gradient_flow({"sigmoid": models[0], "given": {"0.weight": 0.0, "3.weight": INF}}).axes[0]
    assert lines(ax)["sigmoid"] == ([1, 2], [every["0.weight"], every["3.weight"]])
    assert [same(y, [NAN, NAN]) for name, (x, y) in lines(ax).items() if "given" in name] == [True]
    assert ax.get_yscale() == "log" and [text.get_text() for text in ax.get_xticklabels()] == ["0.weight", "3.weight"]
    models[0][3].weight.grad = None
    assert labels(viz.gradient_flow({"a": models[0], "b": {"w": 0.0, "v": INF}})) == [
        "a\nno gradient came to: 3.weight", "b\nexactly 0: w\nnot finite: v"
    ]  # fmt: skip


# ---- histograms and activations ----


@given(
    st.lists(st.floats(-3, 3) | st.sampled_from([NAN, INF, 0.0]), max_size=30),
    st.integers(1, 9),
    st.sampled_from([None, (-1.0, 2.0)]),
)
def test_a_histogram_counts_every_value_once(values: list[float], bins: int, limits: Any) -> None:
    found = viz.histogram(minitorch.tensor(values, dtype=minitorch.float64), bins, limits)
    finite = [v for v in values if math.isfinite(v)]
    assert found.counts.sum() + found.outside == found.finite == len(finite) and found.not_finite == len(values) - len(
        finite
    )
    inside = [sum(low <= v < high for v in finite) for low, high in zip(found.edges, found.edges[1:])]
    inside[-1] += sum(v == found.edges[-1] for v in finite)
    assert found.counts.tolist() == inside
    if finite:
        assert math.isclose(found.std, np.std(finite), abs_tol=1e-12) and (limits is not None or not found.outside)


def test_histograms_show_the_counts() -> None:
    model = mlp(minitorch).eval()
    figure = viz.weight_histograms(model, bins=7, most=5)
    assert [ax.get_title().split("\n")[0] for ax in figure.axes[:5]] == [
        "0.weight  8 × 4", "0.bias  8", "1.weight  8", "1.bias  8", "3.weight  3 × 8"
    ]  # fmt: skip
    found = viz.histogram(model[0].weight, 7)
    assert same(figure.axes[0].patches[0].get_data().values, 100 * found.counts / 32) and same(
        figure.axes[0].patches[0].get_data().edges, found.edges
    )
    assert "all are 0" in figure.axes[3].get_title() and figure._suptitle.get_text() == "Weights"
    assert (
        len(viz.weight_histograms(model, layers="3").axes) == 1
        and "the first 1 of 5" in viz.weight_histograms(model, most=1)._suptitle.get_text()
    )
    x = minitorch.randn(6, 4)
    compared = viz.activation_histograms({"one": model, "two": mlp(minitorch)}, x, layers=nn.Linear, limits=(-1, 1))
    outputs = viz.activations(model, x, layers=nn.Linear)
    for ax, values in zip(compared.axes, outputs.values()):
        assert same(ax.patches[0].get_data().values, 100 * viz.histogram(values, 40, (-1, 1)).counts / values.numel())
    assert "in training mode: batch norm uses this batch" in compared._suptitle.get_text()
    assert len(viz.activation_histograms(model, x).axes) == 4


class Twice(nn.Module):
    """A layer that runs twice, one that never does, and an LSTM, whose output is a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.relu, self.idle = nn.LSTM(3, 4), nn.ReLU(inplace=True), nn.Linear(2, 2)

    def forward(self, x):
        return self.relu(self.relu(self.lstm(x)[0]) - 0.1)


def test_activations_are_what_the_layers_put_out() -> None:
    found = []
    for lib in (minitorch, torch):
        model, x = mlp(lib).eval(), lib.randn(5, 4)
        outputs = [x]
        with lib.no_grad():
            for layer in model:
                outputs.append(layer(outputs[-1]))
        found.append([each.numpy() for each in outputs[1:]])
        if lib is minitorch:
            assert all(same(a.numpy(), b) for a, b in zip(viz.activations(model, x).values(), found[0], strict=True))
            assert list(viz.activations(model, x, layers=[model[3], "0"])) == ["0", "3"]  # as they run
    assert all(np.allclose(a, b, rtol=1e-5, atol=1e-6) for a, b in zip(*found))
    minitorch.manual_seed(0)
    twice, x = Twice(), minitorch.randn(2, 1, 3)
    outputs = viz.activations(twice, x)
    assert list(outputs) == ["lstm", "relu", "relu#2"]
    assert (outputs["lstm"] < 0).any() and (
        outputs["relu#2"] == twice(x)
    ).all()  # the ReLU, in place, wrote to a copy's original
    assert same(outputs["relu"].numpy(), outputs["lstm"].relu().numpy()) and not outputs["lstm"].requires_grad


# ---- filters, feature maps, heat maps ----


def cnn(channels: int = 1) -> nn.Sequential:
    minitorch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(inplace=True), nn.Conv2d(5, 4, 3), nn.Flatten(), nn.Dropout(), nn.Linear(64, 3)
    ).eval()  # fmt: skip


def images_in(figure: Any) -> list[np.ndarray]:
    return [ax.images[0].get_array().data for ax in figure.axes if ax.images]


def test_filters() -> None:
    model = cnn()
    weight = model[0].weight.detach().numpy()
    assert same(viz.filter_images(model), weight[:, 0])
    figure = viz.filters(model)
    assert all(same(a, b) for a, b in zip(images_in(figure), weight[:, 0], strict=True))
    low, high = figure.axes[0].images[0].get_clim()
    assert -low == high == abs(weight).max() and figure._suptitle.get_text() == "Filters of Conv2d '0'"
    assert same(viz.filter_images(model, "3", channel=2), model[3].weight[:, 2].detach().numpy())
    assert viz.filters(model, "3", channel=2)._suptitle.get_text().endswith("channel 2 of 5")
    assert same(viz.filter_images(model, model[6], shape=(4, 16))[1], model[6].weight[1].detach().view(4, 16).numpy())
    colours = viz.filter_images(cnn(3))
    w = cnn(3)[0].weight.detach().numpy()
    assert colours.shape == (5, 3, 3, 3) and np.allclose(colours[..., 1], (w[:, 1] - w.min()) / (w.max() - w.min()))
    assert len(images_in(viz.filters(cnn(3), most=2))) == 2


def test_feature_maps() -> None:
    model, x = cnn(), minitorch.randn(2, 1, 6, 6)
    wanted = model[0](x)[1].detach().numpy()
    assert same(viz.feature_maps_of(model, x, index=1), wanted) and same(viz.feature_maps_of(model, x, index=-1), wanted)
    seen, *maps = images_in(viz.feature_maps(model, x, index=1))
    assert all(same(a, b) for a, b in zip(maps, wanted, strict=True))
    assert same(seen, ((x[1, 0] - x[1].min()) / (x[1].max() - x[1].min())).double().numpy()) or np.allclose(
        seen, ((x[1, 0] - x[1].min()) / (x[1].max() - x[1].min())).numpy()
    )
    after = viz.feature_maps(model, x, "2", images=x[:, 0])
    assert after.axes[1].images[0].get_cmap().name == "viridis"


def test_heat_maps_are_those_of_gradcam() -> None:
    from minitorch.vision.torchcam.methods import GradCAM

    model, x = cnn().requires_grad_(False), minitorch.randn(2, 1, 6, 6)
    found = viz.heat_maps(model, x)
    with GradCAM(model, "3") as cam:
        scores = model(x.clone().requires_grad_())
        (wanted,) = cam(scores.argmax(1).tolist(), scores)
    assert found.layer == "3" and found.classes == scores.argmax(1).tolist() and same(found.maps, wanted.numpy())
    assert np.allclose(found.shares, scores.softmax(1).amax(1).detach().numpy())
    figure = viz.grad_cam(model, x, class_idx=1, classes=["a", "b", "c"])
    large = torch.nn.functional.interpolate(
        torch.tensor(viz.heat_maps(model, x, class_idx=[1, 1]).maps)[:, None], (6, 6), mode="bilinear"
    )
    drawn = [ax.images[1].get_array().data for ax in figure.axes if len(ax.images) == 2]
    assert np.allclose(drawn, large[:, 0], atol=1e-6) and figure.axes[0].get_title().startswith("b\n")
    assert "at layer '3'; chosen class" in figure._suptitle.get_text()
    with minitorch.inference_mode():
        assert same(viz.heat_maps(model, x).maps, found.maps)
    assert len(viz.grad_cam(model, x, class_idx=[0, 2], most=1).axes) == 3


# ---- classes and features ----


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=20))
def test_confusion_counts(pairs: list[tuple[int, int]]) -> None:
    true, predicted = zip(*pairs)
    found = viz.confusion_counts(minitorch.tensor(true), list(predicted), 5)
    assert found.tolist() == [[pairs.count((i, j)) for j in range(5)] for i in range(5)]


def test_what_is_not_finite_is_said() -> None:
    model, x = cnn(), minitorch.randn(2, 1, 6, 6)
    x[0, 0, 3, 3] = NAN
    assert "1 of the predictions are not finite" in viz.grad_cam(model, x)._suptitle.get_text().replace("\n", " ")
    assert "numbers are not finite: white" in viz.feature_maps(model, x)._suptitle.get_text().replace("\n", " ")
    assert "not finite" in viz.activation_histograms(model, x).axes[0].get_title()
    assert "1 rows are not finite" in viz.embedding(minitorch.cat([x[:, 0, 3], x[:, 0, 2]]))._suptitle.get_text()


def test_confusion_matrix() -> None:
    figure = viz.confusion_matrix([0, 0, 1, 2], [0, 1, 1, 1], classes=["cat", "dog", "bird"])
    ax = figure.axes[0]
    assert same(ax.images[0].get_array(), [[0.5, 0.5, 0], [0, 1, 0], [0, 1, 0]])
    assert [(t.get_position(), t.get_text()) for t in ax.texts] == [
        ((0, 0), "1"),
        ((1, 0), "1"),
        ((1, 1), "1"),
        ((1, 2), "1"),
    ]
    assert [t.get_text() for t in ax.get_yticklabels()] == [
        "cat",
        "dog",
        "bird",
    ] and "2 of 4 right, 50.00 %" in figure._suptitle.get_text()
    assert viz.confusion_matrix([0, 0], [0, 1], normalize=True).axes[0].texts[0].get_text() == "50"


@given(st.integers(0, 1000))
def test_pca_keeps_the_most_variance(seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(12, 5)) @ np.diag([5, 3, 1, 0.5, 0.1])
    points, shares = viz.pca(minitorch.tensor(x), 2)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    wanted = (x - x.mean(0)) @ vectors[:, ::-1][:, :2]
    assert np.allclose(np.abs(points), np.abs(wanted), rtol=1e-9, atol=1e-9) and np.allclose(
        shares, values[::-1][:2] / values.sum(), rtol=1e-9
    )
    flipped, _ = viz.pca(minitorch.tensor(np.vstack([x, [[NAN] * 5]])), 2)
    assert np.allclose(flipped[:-1], points) and np.isnan(flipped[-1]).all()
    direction = np.linalg.lstsq(x - x.mean(0), points, rcond=None)[0]
    assert (direction[np.abs(direction).argmax(0), [0, 1]] > 0).all()


def test_embedding() -> None:
    x, y = minitorch.randn(9, 4), minitorch.tensor([0, 1, 2] * 3)
    figure = viz.embedding(x, y)
    points, shares = viz.pca(x)
    drawn = {each.get_label(): each.get_offsets().data for each in figure.axes[0].collections}
    assert list(drawn) == ["0", "1", "2"] and same(drawn["1"], points[1::3])
    assert figure.axes[0].get_xlabel() == f"component 1 ({100 * shares[0]:.0f} % of the variance)"
    assert len(viz.embedding(x).axes[0].collections) == 1


@pytest.mark.slow
def test_tsne_is_scikit_learns() -> None:
    manifold = pytest.importorskip("sklearn.manifold", reason="t-SNE is scikit-learn's, which the tests do not install")
    x = np.random.default_rng(0).normal(size=(20, 4))
    wanted = manifold.TSNE(2, perplexity=5, random_state=3, init="pca").fit_transform(x)
    assert same(viz.tsne(minitorch.tensor(x), seed=3, perplexity=5), wanted)
    assert same(viz.embedding(x, method="tsne", seed=3, perplexity=5).axes[0].collections[0].get_offsets(), wanted)


# ---- the loss around the weights ----


def test_landscape() -> None:
    from minitorch.viz.landscape import random_direction

    model, x, y = cnn(), minitorch.randn(4, 1, 6, 6), minitorch.tensor([0, 1, 2, 0])
    before = state(model)
    places, losses = viz.landscape(model, lambda net: nn.functional.cross_entropy(net(x), y), steps=3, extent=0.5, seed=7)
    assert state(model) == before and places.tolist() == [-0.5, 0.0, 0.5]
    generator = minitorch.Generator().manual_seed(7)
    directions = [random_direction(model, generator) for _ in range(2)]
    for direction in directions:
        for name, p in model.named_parameters():
            w, d = p.detach().numpy(), direction[name].numpy()
            flat = w.reshape(len(w), -1), d.reshape(len(d), -1)
            wanted = np.linalg.norm(flat[0], axis=1) if w.ndim > 1 else np.zeros(len(w))
            assert np.allclose(np.linalg.norm(flat[1], axis=1), wanted, atol=1e-6)
    for i, a in enumerate(places):
        for j, b in enumerate(places):
            moved = copy.deepcopy(model)
            with minitorch.no_grad():
                for name, p in moved.named_parameters():
                    p += a * directions[0][name] + b * directions[1][name]
            assert math.isclose(losses[i, j], nn.functional.cross_entropy(moved(x), y).item(), rel_tol=1e-5)
    figure = viz.loss_landscape(model, lambda net: nn.functional.cross_entropy(net(x), y), steps=3)
    assert faults_of_layout(figure) == [] and figure.axes[1].get_ylabel() == "loss"


# ---- what a look leaves unchanged ----


class Raises(nn.Module):
    def forward(self, x):
        raise ZeroDivisionError


def looked_at() -> dict[str, tuple[nn.Module, Any]]:
    x, picture = minitorch.randn(4, 4), minitorch.randn(2, 1, 6, 6)
    half = cnn().train()
    half[1].eval()
    frozen = cnn().train().requires_grad_(False)
    return {
        "an MLP": (mlp(minitorch), x), "in evaluation": (mlp(minitorch).eval(), x), "a CNN": (cnn().train(), picture),
        "half of it in evaluation": (half, picture), "frozen": (frozen, picture), "runs twice": (Twice(), minitorch.randn(2, 1, 3)),
        "attention": (nn.TransformerEncoderLayer(4, 2, 8), x[None]), "an error": (nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(), Raises()), x),
        "spectral norm": (nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), x),
    }  # fmt: skip


def state(model: nn.Module) -> Any:
    hooks = [len(hooks) for m in model.modules() for hooks in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks)]
    tensors = [
        (id(t), t.requires_grad, id(t.grad), t.detach().numpy().tobytes()) for t in (*model.parameters(), *model.buffers())
    ]
    grads = [p.grad.numpy().tobytes() for p in model.parameters() if p.grad is not None]
    return [m.training for m in model.modules()], hooks, tensors, grads, minitorch.get_rng_state().numpy().tobytes()


LOOKS = {
    "activations": viz.activations,
    "activation_histograms": viz.activation_histograms,
    "feature_maps": lambda model, x: viz.feature_maps(model, x, "0"),
    "grad_cam": lambda model, x: viz.heat_maps(model, x, "0"),
}


def leaves_a_trace(model: nn.Module, x: Any, look: str) -> bool:
    for p in model.parameters():
        p.grad = minitorch.ones_like(p) if p.requires_grad else None
    before = state(model)
    with_gradient = minitorch.is_grad_enabled()
    with contextlib.suppress(ZeroDivisionError, ValueError, RuntimeError):  # a layer that raises, a model without pictures
        LOOKS[look](model, x)
    return state(model) != before or minitorch.is_grad_enabled() != with_gradient


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_changes_nothing(look: str) -> None:
    assert [name for name, (model, x) in looked_at().items() if leaves_a_trace(model, x, look)] == []


def test_a_look_between_forward_and_backward() -> None:
    model, x = mlp(minitorch).eval(), minitorch.randn(4, 4)
    loss = model(x).sum()
    viz.activations(model, x)
    viz.activations(model.train(), x)
    model.eval()
    loss.backward()  # no version of what it kept has changed


FAULTS = (
    ("nn.utils.unchanged", "unchanged", "with fork_rng():", "if True:", "a CNN"),
    ("nn.utils.unchanged", "unchanged", "= copies[id(buffer)]", "= buffer", "an MLP"),
    ("viz.looking", "activations", "stack.enter_context(hook)", "pass", "an MLP"),
    ("viz.looking", "activations", "stack.enter_context(unchanged(model))", "pass", "an error"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[1]} {fault[3]} {fault[4]}")
def test_a_trace_is_noticed(fault: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, piece, broken, case = fault
    if name == "unchanged":
        plant_in_context(monkeypatch, piece, broken)
    else:
        plant(monkeypatch, module, name, piece, broken)
    assert leaves_a_trace(*looked_at()[case], "activations")


def plant_in_context(monkeypatch: pytest.MonkeyPatch, piece: str, broken: str) -> None:
    """`plant`, for `unchanged`: the function that a decorator wraps, where it is used."""
    import inspect

    home = importlib.import_module("minitorch.nn.utils.unchanged")
    source = inspect.getsource(home)
    assert source.count(piece) == 1
    made: dict[str, Any] = {}
    exec(compile(source.replace(piece, broken), home.__file__, "exec"), made)
    monkeypatch.setattr(importlib.import_module("minitorch.viz.looking"), "unchanged", made["unchanged"])


# ---- bad input ----

BAD = {
    "no gradients yet": (lambda: viz.gradient_flow(mlp(minitorch)), ValueError, r"call loss\.backward\(\) first"),
    "no weights": (lambda: viz.gradient_magnitudes(nn.BatchNorm1d(3)), ValueError, "every=True"),
    "a list of models": (lambda: viz.gradient_flow([cnn()]), TypeError, "got list"),
    "a tensor for a model": (lambda: viz.weight_histograms(cnn()[0].weight), TypeError, "got Parameter"),
    "a tensor for a layer": (lambda: viz.filters(cnn()[0].weight), TypeError, "got Parameter"),
    "nothing to compare": (lambda: viz.gradient_flow({}), ValueError, "no gradients"),
    "no such layer": (lambda: viz.activations(cnn(), minitorch.zeros(1, 1, 6, 6), layers="00"), ValueError, "no layer '00'; it has '0'"),
    "far from all names": (lambda: viz.filters(cnn(), "features"), ValueError, "it has '0', '1', '2'"),
    "no layer of the class": (lambda: viz.activations(cnn(), 0, layers=nn.LSTM), ValueError, "no layer of class LSTM"),
    "another model's layer": (lambda: viz.activations(cnn(), 0, layers=nn.ReLU()), ValueError, "no part of the Sequential"),
    "no layer at all": (lambda: viz.activations(cnn(), 0, layers=[3]), TypeError, "got int"),
    "a layer that does not run": (lambda: viz.activations(Twice(), minitorch.zeros(2, 1, 3), layers="idle"), ValueError, "'idle' did not run"),
    "a lazy model": (lambda: viz.activations(nn.LazyLinear(3), minitorch.zeros(2, 2)), ValueError, "run the model once"),
    "an empty history": (lambda: viz.curves([]), ValueError, "is empty"),
    "an empty run": (lambda: viz.curves({"a": {"loss": [1.0]}, "b": {"loss": []}}), ValueError, "history of 'b' is empty"),
    "an empty dict": (lambda: viz.curves({}), ValueError, "is empty"),
    "words for numbers": (lambda: viz.curves({"loss": ["low"]}), TypeError, "loss holds 'low'"),
    "a number": (lambda: viz.curves(3), TypeError, "got int"),
    "no such column": (lambda: viz.curves([{"loss": 1.0}], x="step"), ValueError, "no column 'step'.*there are loss"),
    "too smooth": (lambda: viz.curves([1.0], smooth=1), ValueError, "smooth must be in"),
    "no schedule": (lambda: viz.learning_rates(optim.SGD([minitorch.zeros(1)], 1.0), 3), TypeError, "got SGD"),
    "no steps": (lambda: viz.learning_rates(None, 0), ValueError, "at least 1"),
    "a plateau without metrics": (
        lambda: viz.learning_rates(optim.lr_scheduler.ReduceLROnPlateau(optim.SGD([minitorch.zeros(1)], 1.0)), 3), ValueError, "pass metrics"),
    "no convolution": (lambda: viz.filters(mlp(minitorch)), ValueError, "has no convolution"),
    "filters of a ReLU": (lambda: viz.filters(cnn(), "2"), ValueError, "weights of ReLU '2'"),
    "no shape for a Linear": (lambda: viz.filters(cnn(), "6"), ValueError, "64 inputs: pass shape="),
    "no such channel": (lambda: viz.filters(cnn(), "3", channel=5), ValueError, "no channel 5"),
    "flat feature maps": (lambda: viz.feature_maps(cnn(), minitorch.zeros(1, 1, 6, 6), "4"), ValueError, "before flattening"),
    "an index outside": (lambda: viz.feature_maps(cnn(), minitorch.zeros(1, 1, 6, 6), index=1), IndexError, "batch of 1"),
    "no map for Grad-CAM": (lambda: viz.grad_cam(mlp(minitorch), minitorch.zeros(2, 4), images=minitorch.zeros(2, 2, 2)), ValueError, "a convolution"),
    "no pictures": (lambda: viz.grad_cam(cnn(), minitorch.zeros(1, 36)), ValueError, "pass images="),
    "scores for classes": (lambda: viz.confusion_matrix([0], minitorch.zeros(1, 3)), ValueError, r"argmax\(1\)"),
    "too few predictions": (lambda: viz.confusion_matrix([0, 1], [0]), ValueError, "got 1 and 2"),
    "a class too many": (lambda: viz.confusion_matrix([0], [3], classes=["a", "b"]), ValueError, "from 0 to 1"),
    "an unknown method": (lambda: viz.embedding(minitorch.zeros(3, 2), method="umap"), ValueError, "umap"),
    "no panels": (lambda: viz.filters(cnn(), most=0), ValueError, "nothing to draw"),
    "no pictures to explain": (lambda: viz.grad_cam(cnn(), minitorch.zeros(1, 1, 6, 6), most=0), ValueError, "nothing to draw"),
    "one step": (lambda: viz.landscape(cnn(), len, steps=1), ValueError, "at least 2"),
    "a loss below 0": (lambda: viz.loss_landscape(cnn(), lambda net: -1.0, steps=2), ValueError, "above 0"),
    "a model for features": (lambda: viz.embedding(cnn()), TypeError, r"embedding: expected features \(N, D\) .*, got Sequential"),
    "no features": (lambda: viz.pca([]), ValueError, "got 0 rows"),
    "one row": (lambda: viz.pca(minitorch.zeros(1, 2)), ValueError, "at least 2 finite rows"),
    "labels missing": (lambda: viz.embedding(minitorch.zeros(3, 2), [0]), ValueError, "3 rows, 1 labels"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_in_words(name: str) -> None:
    call, kind, words = BAD[name]
    with pytest.raises(kind, match=words):
        call()


def test_without_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=re.escape("needs the package matplotlib: pip install 'minitorch[viz]'")):
        viz.curves([1.0])
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        viz.embedding(minitorch.zeros(3, 2), method="tsne")


@pytest.mark.parametrize("module", ["looking", "histories", "gradients", "histograms", "filters", "classes", "landscape"])
def test_examples(module: str) -> None:
    assert (
        doctest.testmod(importlib.import_module(f"minitorch.viz.{module}"), extraglobs={"minitorch": minitorch}).failed == 0
    )


def test_tensors_on_a_gpu(gpu: Any) -> None:
    with minitorch.op.plain():
        model, x = mlp(minitorch).cuda(), minitorch.randn(4, 4)
        outputs = viz.activations(model, x.cuda())
        assert all(
            np.allclose(a.numpy(), b.cpu().numpy(), atol=1e-6)
            for a, b in zip(viz.activations(copy.deepcopy(model).cpu(), x).values(), outputs.values())
        )
        model(x.cuda()).sum().backward()
        assert viz.gradient_flow(model).axes[0].get_lines() and viz.weight_histograms(model) and viz.embedding(outputs["0"])
        pictures, net = minitorch.randn(1, 1, 6, 6).cuda(), cnn().cuda()
        assert viz.filters(net) and viz.feature_maps(net, pictures) and viz.grad_cam(net, pictures)


# ---- layout ----


def faults_of_layout(figure: Any) -> list[str]:
    """Words that overlap other words, or leave the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    texts = [
        t for t in figure.findobj(lambda artist: type(artist).__name__ == "Text") if t.get_text().strip() and t.get_visible()
    ]
    shown = [(t.get_text(), t.get_window_extent(), t) for t in texts if t.axes is None or t.axes.axison]
    ticks = {id(label): ax for ax in figure.axes for axis, low_high in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim()))
             for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()) for label in (tick.label1, tick.label2)
             if not (min(low_high) <= tick.get_loc() <= max(low_high))}  # fmt: skip
    shown = [(text, box.padded(-1), t) for text, box, t in shown if id(t) not in ticks]
    found = [f"{a!r} overlaps {b!r}" for i, (a, box, t) in enumerate(shown) for b, other, u in shown[:i]
             if box.overlaps(other) and not (t.get_rotation() % 90 and u.get_rotation() % 90)]  # fmt: skip
    width, height = figure.bbox.width, figure.bbox.height
    return found + [
        f"{text!r} is cut"
        for text, box, _ in shown
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def test_words_do_not_overlap() -> None:
    minitorch.manual_seed(0)
    model = cnn()
    flow = {"a network with a long name": {f"features.{i}.weight": 10.0**-i for i in range(12)}, "another": {"w": 1.0}}
    drawn = {
        "curves": viz.curves(
            {
                "first run": {"train_loss": [3.0, 2], "val_loss": [3.0, NAN], "lr": [1.0, 0.1]},
                "second run": {"train_loss": [2.0, 1]},
            }
        ),
        "flow": viz.gradient_flow({"a": flow["a network with a long name"]}),
        "two flows": viz.gradient_flow(flow),
        "weights": viz.weight_histograms(model, most=6),
        "maps": viz.feature_maps(model, minitorch.randn(1, 1, 6, 6)),
        "cam": viz.grad_cam(model.train(), minitorch.randn(3, 1, 6, 6)),
        "confusion": viz.confusion_matrix([0, 1, 2], [0, 1, 1], classes=["airplane", "automobile", "bird"]),
        "embedding": viz.embedding(minitorch.randn(20, 3), minitorch.arange(20) % 10),
    }
    assert {name: faults_of_layout(figure) for name, figure in drawn.items() if faults_of_layout(figure)} == {}
    drawn["flow"].axes[0].text(1, 1, "something")
    drawn["flow"].axes[0].text(1, 1, "over it")
    assert len(faults_of_layout(drawn["flow"])) >= 1


@pytest.mark.slow
def test_the_pictures_of_the_page_are_clear() -> None:
    from reference.pictures import PAGE, figures

    made = figures()
    assert len(made) >= 4
    for name, figure in made.items():
        assert faults_of_layout(figure) == [], name
        assert (PAGE.parent / name).stat().st_size < 100_000, name
