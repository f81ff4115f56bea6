"""Quantization beside torch's: integers, tensors, scales, observers, fake quantizers; the arithmetic broken; what is refused."""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import plant

import minitorch
from minitorch.op import Op, registry
from reference import quantized as kernels
from shares import more_seeds

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


@pytest.mark.parametrize("seeds", more_seeds(range(40, 400), range(1000)))
@pytest.mark.parametrize("name", kernels.KERNELS)
def test_many_integers_are_torchs(name: str, seeds: range) -> None:
    found = [kernels.compare(name, seed) for seed in seeds]
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
    plant(monkeypatch, module, name, line, broken)
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


def test_histograms_are_torchs() -> None:
    """Of skewed numbers with outliers, in batches that reach further each time; the ends that are cut off."""
    for seed in range(4):
        made = [place(lib).HistogramObserver(bins=256) for lib in LIBS]
        rng = np.random.default_rng(seed)
        for batch in range(1 + 2 * (seed % 2)):
            x = np.concatenate([rng.normal(size=2000), rng.uniform(-8, 20, 40)]).astype(np.float32) * (1 + batch)
            x = x if seed < 3 else -x
            for observer, lib in zip(made, LIBS):
                observer(lib.tensor(x))
            np.testing.assert_array_equal(made[0].histogram.numpy(), made[1].histogram.numpy())
        (scale, zero_point), (its_scale, its_zero_point) = (
            [p.item() for p in observer.calculate_qparams()] for observer in made
        )
        assert scale == pytest.approx(its_scale, rel=1e-6) and zero_point == its_zero_point
        assert scale < (made[0].max_val - made[0].min_val).item() / 255 * 0.9999  # something was cut off


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
