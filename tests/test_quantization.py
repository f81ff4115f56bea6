"""Quantization beside torch's: integers, scales, observers, whole models in three ways, files; what is refused; what is won on the digits."""

from __future__ import annotations

import copy
import functools
import importlib
import inspect
import io
import pickle
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch import nn
from minitorch.examples.digits import Training, accuracy, pixels
from minitorch.op import Op, registry
from reference import quantized as kernels

tq: Any = importlib.import_module("torch.ao.quantization")
mq: Any = importlib.import_module("minitorch.ao.quantization")
LIBS = (minitorch, torch)
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*deprecated", "ignore:Please use quant_min", "ignore:must run observer", "ignore:None of the submodule"
)
SEEDS = st.integers(0, 2**31)


def place(lib: Any) -> Any:
    """The library's `ao.quantization`."""
    return mq if lib is minitorch else tq


# ---- integers ----


@pytest.mark.parametrize("name", kernels.EXACT)
@settings(max_examples=25)
@given(seed=SEEDS)
def test_integers_are_torchs(name: str, seed: int) -> None:
    total, apart, _ = kernels.compare(name, seed)
    assert apart == 0, f"{name}, seed {seed}: {apart} of {total} integers differ"


@pytest.mark.parametrize("name", kernels.NEARLY)
def test_integers_are_nearly_torchs(name: str) -> None:
    found = [kernels.compare(name, seed) for seed in range(40)]
    assert max(apart for _, _, apart in found) <= 1
    assert sum(apart for _, apart, _ in found) <= 3


@pytest.mark.slow
@pytest.mark.parametrize("name", kernels.KERNELS)
def test_many_integers_are_torchs(name: str) -> None:
    found = [kernels.compare(name, seed) for seed in range(40, 1000)]
    assert sum(apart for _, apart, _ in found) <= (0 if name in kernels.EXACT else sum(f[0] for f in found) // 5000)


@pytest.mark.parametrize("engine", ["qnnpack", "x86"])
def test_integers_of_the_other_engines(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "ENGINE", engine)
    found = [kernels.compare(name, seed) for name in ("linear", "conv") for seed in range(40)]
    # torch's x86 leaves convolutions to oneDNN on some processors, which rounds a few otherwise
    assert sum(apart for _, apart, _ in found) <= (0 if engine == "qnnpack" else 2)


# ---- the arithmetic, broken: the integers must tell ----

FAULTS = [
    ("arrays.quantized", "quantized", "f32(1) / scale", "scale"),
    ("arrays.quantized", "quantized", "+ zero_point).astype", "- zero_point).astype"),
    ("arrays.quantized", "quantized", "np.rint(x * inverse", "np.floor(x * inverse"),
    (
        "arrays.quantized",
        "quantized",
        "np.float64(inverse) + zero_point).astype(f32))",
        "np.float64(inverse)).astype(f32)) + zero_point",
    ),
    ("arrays.quantized", "QArray.dequantized", " - np.asarray(zero_point, f32)", ""),
    ("ops.quantized", "chosen_between", "q_max - high / scale", "q_max - low / scale"),
    ("ops.quantized", "chosen_between", "error_below < error_above", "error_below > error_above"),
    ("ops.quantized", "chosen_between", "max(high, 0.0)", "high"),
    ("ops.quantized", "chosen_for", "int(q_max / 2)", "q_max"),
    ("ops.quantized", "centred", " - np.asarray(zero_point, dtype)", ""),
    ("ops.quantized", "requantized", "total + share", "total"),
    ("ops.quantized", "requantized", "np.rint(total", "np.floor(total"),
    ("ops.quantized", "requantized", "+ out.zero_point", ""),
    ("ops.quantized", "requantized", "low = max(low, out.zero_point)", "pass"),
    ("ops.quantized", "requantized", "np.clip(places, low, high)", "places"),
    ("ops.quantized", "scales_of", "f32(x.params.scale) * ", ""),
    ("ops.quantized", "mul", "* (f32(1) / f32(out.scale))", ""),
    ("ops.quantized", "add_scalar", "zero_point - int", "zero_point + int"),
    ("ops.quantized", "mul_scalar", "low + high - a.integers", "a.integers"),
    ("ops.quantized", "batch_norm", "bias - mean * invert", "bias"),
    ("op.quantized", "relu", "x.params.zero_point", "0"),
    ("op.quantized", "average", "np.rint(mean + np.float32(x.params.zero_point))", "np.rint(mean) + x.params.zero_point"),
    ("op.quantized", "clamp", "(np.maximum, np.minimum)", "(np.minimum, np.maximum)"),
]


@pytest.mark.parametrize(
    ("module", "name", "line", "broken"), FAULTS, ids=[f"{f[1]}: {f[3] or 'without ' + f[2]}" for f in FAULTS]
)
def test_a_fault_in_the_arithmetic_is_noticed(
    module: str, name: str, line: str, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = importlib.import_module(f"minitorch.{module}")
    function = functools.reduce(getattr, name.split("."), home)
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(line) == 1
    made: dict[str, Any] = dict(vars(home))
    exec(
        compile(
            "from __future__ import annotations\n" + source.replace(line, broken), function.__code__.co_filename, "exec"
        ),
        made,
    )
    monkeypatch.setattr(function, "__code__", made[function.__name__].__code__)
    assert any(differs(kernel, seed) for seed in range(30) for kernel in kernels.EXACT + ["functional"])


def differs(kernel: str, seed: int) -> bool:
    """Whether a kernel gives other integers than torch's, or fails."""
    try:
        return kernels.compare(kernel, seed)[1] > 0
    except (AssertionError, TypeError, ValueError, NameError, RuntimeError, IndexError):
        return True


# ---- tensors ----


def q(lib: Any = minitorch, *shape: int) -> Any:
    """A quantized tensor."""
    numbers = np.linspace(-2, 4, int(np.prod(shape or (2, 3))), dtype=np.float32).reshape(shape or (2, 3))
    return lib.quantize_per_tensor(lib.tensor(numbers), 0.1, 30, lib.quint8)


def per_channel(lib: Any, zero_points: Any = (0, 3)) -> Any:
    """A tensor that is quantized by channel."""
    x = lib.tensor(np.linspace(-2, 4, 6, dtype=np.float32).reshape(2, 3))
    return lib.quantize_per_channel(x, lib.tensor([0.1, 0.2]), lib.tensor(zero_points), 0, lib.qint8)


@pytest.mark.parametrize(
    "make", [q, per_channel, lambda lib: per_channel(lib, (0.5, 3.0)), lambda lib: q(lib)[0, 0], lambda lib: q(lib)[:0]]
)
def test_printed_copied_and_stored_as_torchs(make: Callable) -> None:
    ours, theirs = make(minitorch), make(torch)
    assert repr(ours).replace("minitorch", "torch") == repr(theirs)
    for again in (copy.copy(ours), copy.deepcopy(ours), pickle.loads(pickle.dumps(ours)), ours.clone(), ours.detach()):
        assert repr(again) == repr(ours)
    stored = io.BytesIO()
    minitorch.save({"q": ours, "dtype": ours.dtype, "scheme": ours.qscheme()}, stored)
    stored.seek(0)
    assert repr(torch.load(stored)["q"]) == repr(theirs)
    stored = io.BytesIO()
    torch.save((theirs, theirs.qscheme()), stored)
    stored.seek(0)
    again, scheme = minitorch.load(stored)
    assert repr(again) == repr(ours) and scheme is ours.qscheme()


def test_views_share_memory_and_versions() -> None:
    x = q()
    part = x[0]
    x.relu_()
    assert part.int_repr().tolist() == x.int_repr()[0].tolist()
    assert part.int_repr().min() == 30 and part._version == x._version == 1
    assert x.t().stride() == (1, 3) and x.element_size() == 1 and x.untyped_storage().nbytes() == 6


@pytest.mark.parametrize(
    "name", sorted(n for n, thing in registry.items() if isinstance(thing, Op) and len(thing.inputs) <= 2)
)
def test_no_op_takes_the_integers_for_numbers(name: str) -> None:
    """Each op of a quantized tensor gives what it gives of the numbers, up to a step, or refuses."""
    thing: Any = registry[name]
    x = q(minitorch, 4, 4)
    arguments = [x] * max(1, len(thing.inputs))
    try:
        out = thing(*arguments)
    except (NotImplementedError, RuntimeError, TypeError, ValueError, IndexError):
        return
    expected = thing(*[a.dequantize() for a in arguments])
    for mine, its in zip(*[o if isinstance(o, tuple) else (o,) for o in (out, expected)]):
        mine = mine.dequantize() if mine.is_quantized else mine
        assert minitorch.allclose(mine.float(), its.float(), atol=0.11), name


def test_what_makes_an_array_of_it_refuses() -> None:
    for call in (np.asarray, lambda x: x.numpy(), lambda x: x.tolist()):
        with pytest.raises((RuntimeError, TypeError), match=r"dequantize\(\)|int_repr"):
            call(q())
    assert [q()[0, 1].item(), float(q()[0, 1]), bool(q()[0, 1])] == [float(q().dequantize()[0, 1])] * 2 + [True]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda lib: q(lib) + q(lib), "QuantizedCPU"),
        (lambda lib: q(lib).sum(), "QuantizedCPU"),
        (lambda lib: lib.tensor([1.0]).int_repr(), "int_repr"),
        (lambda lib: lib.tensor([1.0]).q_scale(), "q_scale"),
        (lambda lib: per_channel(lib).q_scale(), "qscheme"),
        (lambda lib: q(lib).q_per_channel_axis(), "qscheme"),
        (lambda lib: lib.quantize_per_tensor(lib.tensor([1]), 0.1, 0, lib.quint8), "only works on Float Tensor"),
        (lambda lib: lib.quantize_per_tensor(lib.tensor([1.0]), 0.1, 300, lib.quint8), "above upper bound"),
        (lambda lib: lib.quantize_per_tensor(lib.tensor([1.0]), 0.1, -1, lib.quint8), "below lower bound"),
        (lambda lib: lib.quantize_per_tensor(lib.tensor([1.0]), 0.1, 0, lib.int8), "not supported"),
        (lambda lib: lib.quantize_per_tensor(q(lib), 0.1, 0, lib.quint8), "QuantizedCPU"),
        (lambda lib: lib.quantize_per_channel(lib.ones(2, 3), lib.ones(3), lib.zeros(3), 0, lib.qint8), "length of scales"),
        (lambda lib: lib.quantize_per_channel(lib.ones(2, 3), lib.ones(2), lib.zeros(3), 0, lib.qint8), "must match"),
        (lambda lib: lib.quantize_per_channel(lib.ones(2, 3), lib.ones(2), lib.zeros(2), 2, lib.qint8), "out of range"),
        (lambda lib: lib.promote_types(lib.quint8, lib.float32), "promote"),
        (lambda lib: q(lib).requires_grad_(), "floating point"),
        (lambda lib: kernels.nnq(lib).Linear(3, 2)(lib.ones(1, 3)), "arguments from the 'CPU' backend"),
        (lambda lib: kernels.nnq(lib).Linear(3, 2).set_weight_bias(lib.ones(2, 3), None), "q|Q"),
        (lambda lib: kernels.nnq(lib).FloatFunctional()(1), "not intended"),
        (lambda lib: setattr(lib.backends.quantized, "engine", "abacus"), "engine"),
    ],
)
def test_refused_as_by_torch(call: Callable, words: str) -> None:
    raised = []
    for lib in LIBS:
        with pytest.raises(Exception, match=words) as caught:
            call(lib)
        raised.append(type(caught.value).__name__)
    assert raised[0] == raised[1]


# ---- observers and fake quantizers ----

SYMMETRIC, AFFINE = "per_tensor_symmetric", "per_tensor_affine"
OBSERVERS: list[tuple[str, dict[str, Any]]] = [
    ("MinMaxObserver", {}),
    ("MinMaxObserver", {"dtype": "qint8", "qscheme": SYMMETRIC}),
    ("MinMaxObserver", {"qscheme": SYMMETRIC, "quant_min": 0, "quant_max": 127}),
    ("MinMaxObserver", {"reduce_range": True, "dtype": "qint8"}),
    ("MovingAverageMinMaxObserver", {"averaging_constant": 0.3}),
    ("PerChannelMinMaxObserver", {"ch_axis": 1}),
    ("PerChannelMinMaxObserver", {"dtype": "qint8", "qscheme": "per_channel_symmetric"}),
    ("PerChannelMinMaxObserver", {"qscheme": "per_channel_affine_float_qparams"}),
    ("MovingAveragePerChannelMinMaxObserver", {"averaging_constant": 0.2, "quant_min": 0, "quant_max": 15}),
    ("HistogramObserver", {"bins": 128}),
    ("HistogramObserver", {"bins": 64, "reduce_range": True}),
    ("HistogramObserver", {"bins": 64, "qscheme": SYMMETRIC, "dtype": "qint8"}),
    ("FixedQParamsObserver", {"scale": 0.5, "zero_point": 3}),
]


def of_library(lib: Any, options: dict[str, Any]) -> dict[str, Any]:
    """The options with the library's dtypes and schemes for their names."""
    return {n: getattr(lib, v) if isinstance(v, str) else v for n, v in options.items()}


@pytest.mark.parametrize(("name", "options"), OBSERVERS, ids=[f"{n}-{'-'.join(map(str, o.values()))}" for n, o in OBSERVERS])
@settings(max_examples=12)
@given(seed=SEEDS, count=st.integers(0, 3))
def test_observers_find_torchs_scales(name: str, options: dict, seed: int, count: int) -> None:
    made = [getattr(place(lib), name)(**of_library(lib, options)) for lib in LIBS]
    rng = np.random.default_rng(seed)
    for _ in range(count):
        x = (rng.normal(size=(3, 4)) * 10 ** rng.uniform(-2, 2) + rng.normal()).astype(np.float32)
        x = x if rng.random() < 0.9 else x[:0]
        for observer, lib in zip(made, LIBS):
            observer(lib.tensor(x))
    found = [[p.numpy() for p in observer.calculate_qparams()] for observer in made]
    for mine, its in zip(*found):
        assert mine.shape == its.shape
        np.testing.assert_allclose(mine, its, rtol=2e-7, atol=1e-7)
    states = [observer.state_dict() for observer in made]
    assert list(states[0]) == list(states[1])
    assert repr(made[0]) == repr(made[1]) or name == "HistogramObserver" or count > 0
    fresh = getattr(mq, name)(**of_library(minitorch, options))
    fresh.load_state_dict(states[0])
    assert [p.tolist() for p in fresh.calculate_qparams()] == [p.tolist() for p in found[0]]


FAKES = ["default_fake_quant", "default_weight_fake_quant", "default_per_channel_weight_fake_quant", "default_fused_act_fake_quant",
         "default_fused_wt_fake_quant", "default_fused_per_channel_wt_fake_quant", "default_histogram_fake_quant",
         "default_fixed_qparams_range_0to1_fake_quant", "fused_wt_fake_quant_range_neg_127_to_127"]  # fmt: skip


@pytest.mark.parametrize("name", FAKES)
@settings(max_examples=6)
@given(seed=SEEDS)
def test_fake_quantizers_round_as_torchs(name: str, seed: int) -> None:
    made = [getattr(place(lib), name)() for lib in LIBS]
    rng = np.random.default_rng(seed)
    for step in range(4):
        x = (rng.normal(size=(3, 4)) * 10 ** rng.uniform(-1, 1)).astype(np.float32)
        outs, grads = [], []
        for fake, lib in zip(made, LIBS):
            if step == 2:
                fake.apply(place(lib).disable_observer)
            if step == 3:
                fake.apply(place(lib).disable_fake_quant)
            given = lib.tensor(x, requires_grad=True)
            out = fake(given)
            out.sin().sum().backward()
            outs.append(out.detach().numpy())
            grads.append(given.grad.numpy())
        np.testing.assert_allclose(outs[0], outs[1], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(grads[0], grads[1], rtol=1e-5, atol=1e-6)
    assert list(made[0].state_dict()) == list(made[1].state_dict())


def test_configurations_are_torchs() -> None:
    for backend in mq.qconfig.BACKENDS:
        for get, versions in (("get_default_qconfig", [0]), ("get_default_qat_qconfig", [0, 1])):
            for version in versions:
                shown = []
                for lib in LIBS:
                    pair = getattr(place(lib), get)(backend, version)
                    shown.append([told(maker()) for maker in pair])
                assert shown[0] == shown[1], (backend, get, version)
    names = [n for n in vars(mq) if n.endswith("_qconfig") and not n.startswith("get")]
    assert len(names) > 15
    for name in names:
        pairs = [getattr(place(lib), name) for lib in LIBS]
        assert [told(m()) for m in pairs[0]] == [told(m()) for m in pairs[1]], name


def told(observer: Any) -> list:
    """What an observer or fake quantizer is, in words."""
    names = (
        "dtype",
        "qscheme",
        "quant_min",
        "quant_max",
        "reduce_range",
        "ch_axis",
        "eps",
        "averaging_constant",
        "bins",
        "is_dynamic",
    )
    inner = getattr(observer, "activation_post_process", None)
    said = [str(getattr(observer, n, "")).replace("minitorch", "torch") for n in names]
    return [type(observer).__name__, *said, told(inner) if inner is not None else []]


# ---- whole models ----


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


@contextmanager
def engine(name: str) -> Iterator[None]:
    """In the block both libraries compute so."""
    with kernels.of_engine(name):
        yield


@pytest.mark.parametrize("backend", ["fbgemm", "qnnpack"])
def test_static_quantization(backend: str) -> None:
    with engine(backend):
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
    with engine("fbgemm"):
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
    with engine("fbgemm"):
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


NOT_HERE = {
    "graph mode, which needs torch.fx": """MatchAllNode Pattern QConfigMapping get_default_qconfig_mapping get_default_qat_qconfig_mapping
        get_default_qconfig_dict get_default_qat_qconfig_dict get_fuser_method_new QuantType QConfigDynamic""",
    "TorchScript": """convert_dynamic_jit convert_jit fuse_conv_bn_jit prepare_dynamic_jit prepare_jit quantize_dynamic_jit quantize_jit
        script_qconfig script_qconfig_dict""",
    "4 bits": "default_embedding_fake_quant_4bit default_float_qparams_observer_4bit",
    "sparse tensors": "get_default_dynamic_sparse_quant_module_mappings get_default_static_sparse_quant_module_mappings",
    "what torch moves to torchao": """AffineQuantizedObserverBase Granularity MappingType PerAxis PerBlock PerGroup PerRow PerTensor PerToken
        TorchAODType ZeroPointDomain get_block_size""",
    "reference modules and custom ones": """get_default_custom_config_dict get_default_static_quant_reference_module_mappings
        no_observer_set get_quantized_operator get_default_float_to_quantized_operator_mappings get_default_compare_output_module_list""",
    "words for types, and what torch keeps for itself": "ObserverOrFakeQuantize default_eval_fn get_combined_dict",
}


def test_every_public_name_is_here_or_said_not_to_be() -> None:
    missing = {name for name in tq.__all__ if not hasattr(mq, name)}
    assert missing == {name for names in NOT_HERE.values() for name in names.split()}


PUBLIC = [
    (path, name)
    for path in ("ao.quantization", "ao.nn.quantized", "ao.nn.quantized.dynamic", "ao.nn.intrinsic", "ao.nn.qat")
    for name, thing in vars(importlib.import_module(f"minitorch.{path}")).items()
    if callable(thing) and getattr(thing, "__module__", "").startswith("minitorch.ao") and name[0] != "_"
]


@pytest.mark.parametrize(("path", "name"), PUBLIC)
def test_docstring_and_arguments_are_torchs(path: str, name: str) -> None:
    ours = getattr(importlib.import_module(f"minitorch.{path}"), name)
    theirs = getattr(importlib.import_module(f"torch.{path}"), name, None)
    if isinstance(ours, mq.observer_base._PartialWrapper):
        return
    assert (ours.__doc__ or "").strip()
    if theirs is None or not inspect.isfunction(ours):
        return
    mine, its = (list(inspect.signature(f).parameters) for f in (ours, theirs))
    assert [n for n in its if n in mine] == mine or not set(mine) <= set(its), (name, mine, its)


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
