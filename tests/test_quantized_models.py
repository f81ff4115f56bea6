"""Whole models, quantized in three ways beside torch's: states, outputs, files; what is refused; what is won on the digits."""

from __future__ import annotations

import copy
import importlib
import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import test_quantization as beside
import torch
from planting import plant

import minitorch
from minitorch import nn
from minitorch.examples.digits import Training, accuracy, pixels
from reference.quantized import of_engine

tq: Any = importlib.import_module("torch.ao.quantization")
mq: Any = importlib.import_module("minitorch.ao.quantization")
LIBS = (minitorch, torch)
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*deprecated", "ignore:Please use quant_min", "ignore:must run observer", "ignore:None of the submodule"
)


def place(lib: Any) -> Any:
    """The library's `ao.quantization`."""
    return mq if lib is minitorch else tq


def network(lib: Any, qconfig: Any = None) -> Any:
    """A CNN with everything that is fused."""
    layers, ao = lib.nn, place(lib)
    model = layers.Sequential(
        ao.QuantStub(), layers.Conv2d(1, 4, 3, padding=1), layers.BatchNorm2d(4), layers.ReLU(), layers.MaxPool2d(2),
        layers.Conv2d(4, 6, 3, stride=2, bias=False), layers.BatchNorm2d(6), layers.Flatten(), layers.Linear(6, 5), layers.ReLU(),
        layers.Dropout(0.0), layers.Linear(5, 3), ao.DeQuantStub(),
    )  # fmt: skip
    model.qconfig = qconfig
    return model


FUSED = [["1", "2", "3"], ["5", "6"], ["8", "9"]]


def pair(make: Callable) -> list[Any]:
    """The model on both libraries, with the same numbers."""
    torch.manual_seed(0)
    ours, theirs = make(minitorch), make(torch)
    ours.load_state_dict({name: minitorch.tensor(v.numpy()) for name, v in theirs.state_dict().items()})
    return [ours, theirs]


def images(seed: int, n: int = 16) -> np.ndarray:
    """Random images."""
    return np.random.default_rng(seed).normal(size=(n, 1, 7, 7)).astype(np.float32)


def assert_same_state(ours: dict, theirs: dict) -> None:
    """The same names; numbers up to rounding, integers up to one in ten thousand."""
    assert list(ours) == list(theirs)
    for name in ours:
        for a, b in zip(leaves(ours[name]), leaves(theirs[name]), strict=True):
            if a is None or not hasattr(a, "shape"):
                assert str(a).replace("minitorch", "torch") == str(b)
            elif a.is_quantized:
                assert np.abs(a.int_repr().numpy().astype(int) - b.int_repr().numpy()).max() <= 1
                assert np.mean(a.int_repr().numpy() != b.int_repr().numpy()) < 0.02
            else:
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-5, atol=2e-6)


def leaves(value: Any) -> Iterator:
    """What is in tuples."""
    if isinstance(value, tuple):
        for each in value:
            yield from leaves(each)
    else:
        yield value


@pytest.mark.parametrize("backend", ["fbgemm", "qnnpack"])
def test_static_quantization(backend: str) -> None:
    with of_engine(backend):
        models = pair(lambda lib: network(lib, place(lib).get_default_qconfig(backend)))
        before = repr(models[0]), copy.deepcopy(models[0].state_dict())
        made = []
        for model, lib in zip(models, LIBS):
            ao = place(lib)
            prepared = ao.prepare(ao.fuse_modules(model.eval(), FUSED))
            for seed in range(3):
                prepared(lib.tensor(images(seed)))
            made.append(ao.convert(prepared))
        assert repr(models[0]) == before[0] and all((models[0].state_dict()[n] == v).all() for n, v in before[1].items())
        assert [type(m).__name__ for m in made[0].modules()] == [type(m).__name__ for m in made[1].modules()]
        assert_same_state(made[0].state_dict(), made[1].state_dict())
        made[0].load_state_dict(
            through_a_file(made[1].state_dict(), torch, minitorch)
        )  # torch's file, so the same scales to the bit
        outs = [model(lib.tensor(images(9, 64))).numpy() for model, lib in zip(made, LIBS)]
        np.testing.assert_array_equal(*outs)
        made[1].load_state_dict(through_a_file(made[0].state_dict(), minitorch, torch))
        np.testing.assert_array_equal(made[1](torch.tensor(images(9, 64))).numpy(), outs[0])


def through_a_file(state: Any, writer: Any, reader: Any) -> Any:
    """What another library reads of a file."""
    stored = io.BytesIO()
    writer.save(state, stored)
    stored.seek(0)
    return reader.load(stored)


@pytest.mark.parametrize("version", [0, 1])
def test_aware_training(version: int) -> None:
    with of_engine("fbgemm"):
        models = pair(lambda lib: network(lib, place(lib).get_default_qat_qconfig("fbgemm", version)))
        models = [place(lib).prepare_qat(place(lib).fuse_modules_qat(m.train(), FUSED)) for m, lib in zip(models, LIBS)]
        assert list(models[0].state_dict()) == list(models[1].state_dict())
        optimizers = [lib.optim.SGD(m.parameters(), lr=0.05, momentum=0.5) for m, lib in zip(models, LIBS)]
        for step in range(6):
            labels = np.random.default_rng(step).integers(0, 3, 16)
            losses = []
            for model, optimizer, lib in zip(models, optimizers, LIBS):
                loss = lib.nn.functional.cross_entropy(model(lib.tensor(images(step))), lib.tensor(labels))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                if step == 3:
                    model.apply(place(lib).disable_observer)
                    model.apply(importlib.import_module(f"{lib.__name__}.ao.nn.intrinsic.qat").freeze_bn_stats)
            assert losses[0] == pytest.approx(losses[1], rel=2e-5)
        assert_same_state(models[0].state_dict(), models[1].state_dict())
        models[0].load_state_dict(through_a_file(models[1].state_dict(), torch, minitorch))
        made = [place(lib).convert(m.eval()) for m, lib in zip(models, LIBS)]
        assert [type(m).__name__ for m in made[0].modules()] == [type(m).__name__ for m in made[1].modules()]
        assert_same_state(made[0].state_dict(), made[1].state_dict())


LAYERS = [
    ("Linear", (7, 5), {}, (3, 4, 7)),
    ("LSTM", (5, 6, 2), {"bidirectional": True, "batch_first": True}, (3, 4, 5)),
    ("GRU", (5, 6), {}, (3, 4, 5)),
    ("LSTMCell", (5, 6), {}, (4, 5)),
    ("GRUCell", (5, 6), {}, (4, 5)),
    ("RNNCell", (5, 6), {"nonlinearity": "relu"}, (4, 5)),
]


@pytest.mark.parametrize("dtype", ["qint8", "float16"])
@pytest.mark.parametrize(("name", "sizes", "options", "shape"), LAYERS, ids=[case[0] for case in LAYERS])
def test_dynamic_quantization(name: str, sizes: tuple, options: dict, shape: tuple, dtype: str) -> None:
    models = pair(lambda lib: lib.nn.Sequential(getattr(lib.nn, name)(*sizes, **options)))
    with of_engine("fbgemm"):
        made = [place(lib).quantize_dynamic(m, dtype=getattr(lib, dtype)) for m, lib in zip(models, LIBS)]
        assert repr(made[0]).replace("minitorch", "torch") == repr(made[1])
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        outs = [list(leaves(m(lib.tensor(x)))) for m, lib in zip(made, LIBS)]
        for a, b in zip(*outs, strict=True):
            np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-5, atol=1e-6)
    if name == "Linear":
        assert_same_state(made[0].state_dict(), made[1].state_dict())
    again = place(minitorch).quantize_dynamic(
        getattr(nn, name)(*sizes, **options), dtype=getattr(minitorch, dtype), mapping={}
    )
    assert type(again) is getattr(nn, name)
    fresh = mq.quantize_dynamic(nn.Sequential(getattr(nn, name)(*sizes, **options)), dtype=getattr(minitorch, dtype))
    fresh.load_state_dict(through_a_file(made[0].state_dict(), minitorch, minitorch))
    for a, b in zip(leaves(fresh(minitorch.tensor(x))), outs[0], strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("name", ["Embedding", "EmbeddingBag"])
def test_embeddings_of_8_bits(name: str) -> None:
    models = pair(lambda lib: lib.nn.Sequential(getattr(lib.nn, name)(9, 8)))
    made = [place(lib).quantize_dynamic(m, dtype=lib.quint8) for m, lib in zip(models, LIBS)]
    assert_same_state(made[0].state_dict(), made[1].state_dict())
    calls = [(lib.tensor([1, 8, 0, 3]), *([lib.tensor([0, 3])] if name.endswith("Bag") else [])) for lib in LIBS]
    outs = [m[0](*call).numpy() for m, call in zip(made, calls)]
    np.testing.assert_allclose(*outs, rtol=1e-5, atol=1e-5)


# ---- what is refused, and leaves the model as it was ----


class Calls(nn.Module):
    """A model with an operation between its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.LSTM(3, 3)
        self.both = minitorch.ao.nn.quantized.FloatFunctional()

    def forward(self, x: Any) -> Any:
        return self.both.add(self.first(x), self.second(x)[0])


def test_without_stubs_a_converted_model_refuses_floats() -> None:
    model = nn.Sequential(nn.Linear(3, 2))
    model.qconfig = mq.get_default_qconfig("fbgemm")
    prepared = mq.prepare(model.eval())
    prepared(minitorch.ones(1, 3))
    converted = mq.convert(prepared)
    with pytest.raises(NotImplementedError, match="QuantStub"):
        converted(minitorch.ones(1, 3))


def test_what_cannot_be_done_leaves_the_model_as_it_was() -> None:
    model = Calls()
    model.qconfig = mq.get_default_qconfig("fbgemm")
    shown = repr(model), sorted(vars(model.first))
    with pytest.raises(NotImplementedError, match="second is a LSTM"):
        mq.prepare(model, inplace=True)
    wrong = mq.QConfig(mq.default_observer, mq.MinMaxObserver.with_args(dtype=minitorch.quint8))
    with pytest.raises(AssertionError, match="qint8"):
        mq.quantize_dynamic(model, {nn.Linear: wrong, nn.LSTM: mq.default_dynamic_qconfig}, inplace=True)
    with pytest.raises(ValueError, match=r"Don't know how to quantize"):
        mq.quantize_dynamic(model, dtype=minitorch.int8, inplace=True)
    with pytest.raises(NotImplementedError, match="Cannot fuse modules: Linear, LSTM"):
        mq.fuse_modules(model, [["first", "second"]], inplace=True)
    with pytest.raises(AttributeError, match="no layer 'third'"):
        mq.fuse_modules(model, [["first", "third"]], inplace=True)
    with pytest.raises(AssertionError, match="training mode"):
        mq.prepare_qat(model.eval(), inplace=True)
    del model.qconfig
    assert (repr(model.train()), sorted(vars(model.first))) == shown


def test_a_model_is_prepared_once_and_converted_once() -> None:
    model = network(minitorch, mq.get_default_qconfig("fbgemm")).eval()
    prepared = mq.prepare(model)
    with pytest.raises(RuntimeError, match="has observers already"):
        mq.prepare(prepared)
    prepared(minitorch.tensor(images(0)))
    converted = mq.convert(prepared)
    with pytest.warns(UserWarning, match="quantized already"):
        again = mq.convert(converted)
    assert repr(again) == repr(converted)
    assert not any(hasattr(m, "qconfig") or m._forward_hooks for m in converted.modules())


def test_nothing_of_the_preparation_is_left() -> None:
    """Nor behind layers that stay as they are, such as a sigmoid, whose range is known."""
    model = nn.Sequential(mq.QuantStub(), nn.Linear(3, 2), nn.Sigmoid(), mq.DeQuantStub()).eval()
    model.qconfig = mq.get_default_qconfig("fbgemm")
    prepared = mq.prepare(model)
    assert isinstance(prepared[2].activation_post_process, mq.FixedQParamsFakeQuantize)
    prepared(minitorch.ones(1, 3))
    converted = mq.convert(prepared)
    assert [type(m).__name__ for m in converted.modules()] == [
        "Sequential",
        "Quantize",
        "Linear",
        "LinearPackedParams",
        "Sigmoid",
        "DeQuantize",
    ]
    assert not any(m._forward_hooks or hasattr(m, "qconfig") for m in converted.modules())
    assert abs(converted(minitorch.ones(1, 3)) - model(minitorch.ones(1, 3))).max() < 0.05


@pytest.mark.filterwarnings("default")
def test_warnings_are_of_torchs_kinds() -> None:
    for lib in LIBS:
        ao = place(lib)
        with pytest.warns(DeprecationWarning):
            ao.quantize_dynamic(lib.nn.Sequential(lib.nn.Linear(2, 2)))
        model = lib.nn.Sequential(lib.nn.Linear(2, 2)).eval()
        with pytest.warns(UserWarning, match="None of the submodule got qconfig applied"), pytest.warns(DeprecationWarning):
            ao.prepare(model)
        model.qconfig = ao.get_default_qconfig("qnnpack")
        with pytest.warns(UserWarning, match="must run observer"), pytest.warns(DeprecationWarning):
            ao.convert(ao.prepare(model))


def test_the_old_names_are_the_new_ones() -> None:
    assert importlib.import_module("minitorch.quantization").prepare is mq.prepare
    assert minitorch.nn.quantized.Linear is minitorch.ao.nn.quantized.Linear
    assert importlib.import_module("minitorch.nn.intrinsic").ConvReLU2d is minitorch.ao.nn.intrinsic.ConvReLU2d
    assert minitorch.nn.qat.Linear is minitorch.ao.nn.qat.Linear
    assert minitorch.nn.quantized.dynamic.LSTM is minitorch.ao.nn.quantized.dynamic.LSTM


# ---- the digits ----


@pytest.fixture(scope="module")
def digits() -> Any:
    """A CNN that reads digits after a short training; images and labels to train on and to test with."""
    (seen, labels), (unseen, answers) = (minitorch.datasets.load_digits(split) for split in ("train", "test"))
    run = Training(pixels(seen), labels, model="cnn", hidden=16, epochs=3)
    for _ in range(3):
        run.epoch()
    return run.model, pixels(seen), labels, lambda model: accuracy(model, pixels(unseen), answers)


PATTERNS = [[f"module.{n}" for n in names] for names in (("1", "2", "3"), ("5", "6", "7"))]


def size_of(model: Any) -> int:
    """Bytes of the file of its state dict."""
    stored = io.BytesIO()
    minitorch.save(model.state_dict(), stored)
    return stored.tell()


def test_a_quantized_cnn_reads_digits(digits: Any) -> None:
    model, seen, _, accuracy = digits
    floats = accuracy(model)
    ready = mq.fuse_modules(mq.QuantWrapper(copy.deepcopy(model).eval()), PATTERNS)
    ready.qconfig = mq.get_default_qconfig("fbgemm")
    prepared = mq.prepare(ready)
    prepared(seen[:256])
    converted = mq.convert(prepared)
    assert floats > 95 and accuracy(converted) > floats - 1
    weights = [n for n in ready.state_dict() if n.endswith("weight")]
    numbers = sum(ready.state_dict()[n].numel() for n in weights)
    assert (
        numbers > 5000 and size_of(ready) - size_of(converted) > 2 * numbers
    )  # of 3 bytes that each is smaller, scales take some


def test_aware_training_reads_digits(digits: Any) -> None:
    model, seen, labels, accuracy = digits
    floats = accuracy(model)
    ready = mq.QuantWrapper(copy.deepcopy(model).train())
    ready.qconfig = mq.get_default_qat_qconfig("fbgemm")
    prepared = mq.prepare_qat(mq.fuse_modules_qat(ready, PATTERNS))
    optimizer = minitorch.optim.SGD(prepared.parameters(), lr=0.01)
    for part in range(0, 1400, 100):
        loss = nn.functional.cross_entropy(prepared(seen[part : part + 100]), labels[part : part + 100])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    converted = mq.convert(prepared.eval())
    assert accuracy(converted) > floats - 1


def test_the_file_gets_about_four_times_smaller() -> None:
    model = nn.Sequential(mq.QuantStub(), nn.Linear(300, 400), nn.ReLU(), nn.Linear(400, 10), mq.DeQuantStub()).eval()
    whole = size_of(model)
    assert whole / size_of(mq.quantize_dynamic(model)) == pytest.approx(4, abs=0.2)
    model.qconfig = mq.get_default_qconfig("fbgemm")
    prepared = mq.prepare(model)
    prepared(minitorch.randn(8, 300))
    assert whole / size_of(mq.convert(prepared)) == pytest.approx(4, abs=0.35)


def test_a_quantized_model_is_saved_whole() -> None:
    model = network(minitorch, mq.get_default_qconfig("fbgemm")).eval()
    prepared = mq.prepare(mq.fuse_modules(model, FUSED))
    x = minitorch.tensor(images(0))
    prepared(x)
    recurrent = mq.quantize_dynamic(nn.Sequential(nn.LSTM(3, 4)))
    for made, given in ((mq.convert(prepared), x), (recurrent, minitorch.ones(2, 1, 3))):
        stored = io.BytesIO()
        minitorch.save(made, stored)
        stored.seek(0)
        again = minitorch.load(stored, weights_only=False)
        assert repr(again) == repr(made)
        for a, b in zip(leaves(again(given)), leaves(made(given)), strict=True):
            assert (a == b).all()


# ---- the code that chooses scales and swaps layers, broken: a test above, or one of observers, must tell ----

OBSERVING, QAT = "ao.quantization.observer", "ao.nn.intrinsic.qat.modules.conv_fused"
BASE, HISTOGRAM, RECURRENT = (
    "ao.quantization.observer_base",
    "ao.quantization.histogram",
    "ao.nn.quantized.dynamic.modules.rnn",
)
CHOOSING = "UniformQuantizationObserverBase._calculate_qparams"
FAULTS = [
    (BASE, CHOOSING, "(steps / 2)", "steps"),
    (BASE, CHOOSING, "max_val.clamp(min=0)", "max_val"),
    (BASE, CHOOSING, "self.quant_min - minitorch.round", "minitorch.round"),
    (OBSERVING, "MinMaxObserver.forward", "minitorch.min(low, self.min_val)", "low"),
    (OBSERVING, "MovingAverageMinMaxObserver.forward", "(low - self.min_val)", "low"),
    (OBSERVING, "PerChannelMinMaxObserver._extremes", "transpose(0, self.ch_axis)", "transpose(0, 0)"),
    (HISTOGRAM, "HistogramObserver._best_range", "left - first > last - right", "left - first < last - right"),
    (HISTOGRAM, "HistogramObserver._best_range", "error > least", "error < least"),
    (HISTOGRAM, "HistogramObserver._error", "half = step / 2", "half = step"),
    (HISTOGRAM, "HistogramObserver._spread", " + 0.5 * width", ""),
    ("ao.quantization.fake_quantize", "FusedMovingAvgObsFakeQuantize.forward", "self.is_symmetric_quant", "False"),
    ("ops.quantized", "chosen_between", "(q_min + q_max) / 2", "q_max"),
    ("ops.quantized", "linear_dynamic", "quint8, reduce_range)", "quint8, False)"),
    (QAT, "_ConvBn.forward", " / factor.reshape(1, -1, *after)", ""),
    (QAT, "_ConvBn.forward", "self.weight * factor.reshape(-1, 1, *after)", "self.weight"),
    (QAT, "FreezesItsNorm.freeze_bn_stats", "self.bn.training = False", "pass"),
    ("ao.quantization.fuse_modules", "fuse_conv_bn_relu", "not is_qat", "is_qat"),
    ("ao.quantization.quantize", "_remove_qconfig", "del module.activation_post_process", "pass"),
    (RECURRENT, "gru_step", "(h - n) * z + n", "(n - h) * z + h"),
    (RECURRENT, "lstm_step", "f.sigmoid() * c", "c"),
    (RECURRENT, "RNNBase._one_way", "outs[::-1] if backwards else outs", "outs"),
    (RECURRENT, "RNNBase._run", "direction == 1", "False"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name", "line", "broken"), FAULTS, ids=[f"{f[1]}: {f[3] or 'without ' + f[2]}" for f in FAULTS]
)
def test_a_fault_is_noticed(module: str, name: str, line: str, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, module, name, line, broken)
    checks: list[Callable] = [lambda: test_aware_training(1), lambda: test_static_quantization("qnnpack")]
    checks += [lambda case=case: test_dynamic_quantization(*case, "qint8") for case in LAYERS]  # type: ignore[misc]
    checks += [lambda case=case: beside.test_observers_find_torchs_scales(*case) for case in beside.OBSERVERS]  # type: ignore[misc]
    checks += [test_nothing_of_the_preparation_is_left, beside.test_histograms_are_torchs]
    assert any(map(fails, checks))


def fails(check: Callable) -> bool:
    """Whether a check fails."""
    try:
        check()
    except BaseException:
        return True
    return False
