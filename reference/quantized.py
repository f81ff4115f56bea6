"""The integers of quantized tensors and layers, ours and torch's, for the same numbers.

Each kernel below is run on both libraries with arguments from one seed; its result is quantized, and what is compared are the integers,
the scale and the zero point. `EXACT` are the kernels whose integers must all be equal; of the others one in some thousands may differ, by one.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

import minitorch

KERNELS: dict[str, Callable[[Any, np.random.Generator], Any]] = {}
# torch computes these from the integers, or in whole registers otherwise than in the rest: then a number that lies at a tie, or just beside
# one, is rounded the other way.
NEARLY = ["curves", "functional", "LayerNorm", "GroupNorm", "InstanceNorm2d", "ELU", "LeakyReLU", "Hardswish"]
ENGINE = (
    "fbgemm"  # of torch's x86 and onednn a few integers in a million differ in convolutions; qnnpack adds the bias otherwise
)


def kernel(function: Callable) -> Callable:
    """Declare one."""
    KERNELS[function.__name__] = function
    return function


def nnq(lib: Any) -> Any:
    """The library's quantized layers."""
    return importlib.import_module(f"{lib.__name__}.ao.nn.quantized")


def nniq(lib: Any) -> Any:
    """The library's quantized layers with a ReLU in them."""
    return importlib.import_module(f"{lib.__name__}.ao.nn.intrinsic.quantized")


def drawn(lib: Any, rng: np.random.Generator, *shape: int, dtype: str = "quint8", low: int = 0, high: int = 255) -> Any:
    """A quantized tensor, most of whose numbers are not cut off."""
    if dtype == "qint8":
        low, high = -128, 127
    x = rng.normal(size=shape) * 10 ** rng.uniform(-2, 2)
    scale, zero_point = float(np.abs(x).max(initial=0.1) * rng.uniform(0.5, 2.5) / 255), int(rng.integers(low, high + 1))
    x = np.clip(x, (low - zero_point) * scale, (high - zero_point) * scale)
    return lib.quantize_per_tensor(lib.tensor(x.astype(np.float32)), scale, zero_point, getattr(lib, dtype))


def activation(lib: Any, rng: np.random.Generator, *shape: int) -> Any:
    """What a layer takes: integers up to 127, because torch's kernels add pairs of products in 16 bits on processors without VNNI."""
    return drawn(lib, rng, *shape, high=127)


def weight(lib: Any, rng: np.random.Generator, *shape: int, per_channel: bool | None = None, axis: int = 0) -> Any:
    """A weight of qint8, with one scale or one for each channel, its zero points 0 or not."""
    w = lib.tensor(rng.normal(size=shape).astype(np.float32))
    if rng.random() < 0.5 if per_channel is None else per_channel:
        scales = lib.tensor(rng.uniform(0.01, 0.03, shape[axis]))
        return lib.quantize_per_channel(w, scales, lib.zeros(shape[axis], dtype=lib.int64), axis, lib.qint8)
    return lib.quantize_per_tensor(w, float(rng.uniform(0.01, 0.03)), int(rng.choice([0, 0, 3])), lib.qint8)


def result(rng: np.random.Generator) -> tuple[float, int]:
    """A scale and a zero point for a result."""
    return float(10 ** rng.uniform(-2, 1)), int(rng.integers(0, 256))


# ---- from numbers to integers ----


@kernel
def quantize_per_tensor(lib: Any, rng: np.random.Generator) -> Any:
    """Numbers far beyond the ends too, and ties."""
    dtype, low, high = [("quint8", 0, 255), ("qint8", -128, 127), ("qint32", -1000, 1000)][rng.integers(3)]
    x = rng.normal(size=(int(rng.integers(0, 5)), 37)) * 10 ** rng.uniform(-3, 3)
    x = np.round(x * 2) / 2 if rng.random() < 0.3 else x
    scale = float(10 ** rng.uniform(-3, 2)) if rng.random() < 0.7 else 1.0
    return lib.quantize_per_tensor(
        lib.tensor(x.astype(np.float32)), scale, int(rng.integers(low, high + 1)), getattr(lib, dtype)
    )


@kernel
def quantize_per_channel(lib: Any, rng: np.random.Generator) -> Any:
    """Zero points of integers, or of floats."""
    x, axis = rng.normal(size=(3, 4, 5)).astype(np.float32) * 5, int(rng.integers(3))
    scales = lib.tensor(10 ** rng.uniform(-2, 1, x.shape[axis]))
    if rng.random() < 0.5:
        zero_points = lib.tensor(rng.integers(0, 256, x.shape[axis]))
    else:
        scales, zero_points = scales.float(), lib.tensor(rng.uniform(0, 255, x.shape[axis]).astype(np.float32))
    return lib.quantize_per_channel(lib.tensor(x), scales, zero_points, axis, lib.quint8)


@kernel
def quantize_per_tensor_dynamic(lib: Any, rng: np.random.Generator) -> Any:
    """Numbers on both sides of 0, or on one; very small ones."""
    x = rng.normal(size=29) * 10 ** rng.uniform(-9, 3)
    x = [x, np.abs(x), -np.abs(x), x * 0][rng.choice(4, p=[0.4, 0.25, 0.25, 0.1])]
    dtype = lib.quint8 if rng.random() < 0.6 else lib.qint8
    return lib.quantize_per_tensor_dynamic(lib.tensor(x.astype(np.float32)), dtype, bool(rng.random() < 0.5))


# ---- on the integers ----


@kernel
def comparing(lib: Any, rng: np.random.Generator) -> Any:
    """Functions that compare numbers."""
    F, x = lib.nn.functional, drawn(lib, rng, 3, 41, dtype=str(rng.choice(["quint8", "qint8"])))
    return [F.relu, F.relu6, F.hardtanh, lambda x: x.clamp(-1, 0.5)][rng.integers(4)](x)


@kernel
def curves(lib: Any, rng: np.random.Generator) -> Any:
    """Functions whose results have a known scale."""
    x = drawn(lib, rng, 3, 41, dtype=str(rng.choice(["quint8", "qint8"])))
    return [lib.sigmoid, lib.tanh, lib.nn.functional.hardsigmoid][rng.integers(3)](x)


@kernel
def max_pool2d(lib: Any, rng: np.random.Generator) -> Any:
    """Windows that overlap, padding."""
    return lib.nn.functional.max_pool2d(drawn(lib, rng, 2, 3, 7, 6), int(rng.integers(2, 4)), int(rng.integers(1, 3)), 1)


@kernel
def avg_pool2d(lib: Any, rng: np.random.Generator) -> Any:
    """Means."""
    x = drawn(lib, rng, 2, 3, 6, 6)
    return (
        lib.nn.functional.avg_pool2d(x, int(rng.integers(2, 4)))
        if rng.random() < 0.5
        else lib.nn.functional.adaptive_avg_pool2d(x, 2)
    )


@kernel
def moving(lib: Any, rng: np.random.Generator) -> Any:
    """Views, copies, cat and stack."""
    x = drawn(lib, rng, 3, 4)
    functions = [
        lambda: x.t().contiguous(), lambda: lib.cat([x, x], 1), lambda: lib.stack([x[0], x[1]]), lambda: x.flatten(), lambda: x[1:, ::2].clone(),
        lambda: x.reshape(2, 6).permute(1, 0), lambda: x.unsqueeze(0).squeeze(0), lambda: x.max(1)[0], lambda: x.sort()[0],
    ]  # fmt: skip
    return functions[rng.integers(len(functions))]()


# ---- layers ----


@kernel
def linear(lib: Any, rng: np.random.Generator) -> Any:
    """With and without a bias and a ReLU."""
    features, out = int(rng.integers(1, 70)), int(rng.integers(1, 30))
    layer = (nniq(lib).LinearReLU if rng.random() < 0.5 else nnq(lib).Linear)(features, out)
    bias = lib.tensor(rng.normal(size=out).astype(np.float32)) if rng.random() < 0.8 else None
    layer.set_weight_bias(weight(lib, rng, out, features), bias)
    layer.scale, layer.zero_point = result(rng)
    return layer(activation(lib, rng, int(rng.integers(1, 6)), features))


@kernel
def conv(lib: Any, rng: np.random.Generator) -> Any:
    """Over one to three dimensions, with strides, padding, dilation and groups."""
    n, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2]))
    channels, out = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    kernel, stride, padding, dilation = (int(rng.integers(*ends)) for ends in ((1, 4), (1, 3), (0, 2), (1, 3)))
    place = nniq(lib) if (relu := rng.random() < 0.5) else nnq(lib)
    kind = getattr(place, f"ConvReLU{n}d" if relu else f"Conv{n}d")
    layer = kind(channels, out, kernel, stride, padding, dilation, groups)
    bias = lib.tensor(rng.normal(size=out).astype(np.float32)) if rng.random() < 0.8 else None
    layer.set_weight_bias(weight(lib, rng, out, channels // groups, *[kernel] * n), bias)
    layer.scale, layer.zero_point = result(rng)
    return layer(activation(lib, rng, 2, channels, *[7] * n))


@kernel
def conv_transpose(lib: Any, rng: np.random.Generator) -> Any:
    """Transposed convolutions."""
    n = int(rng.integers(1, 3))
    channels, out, kernel, stride = (int(rng.integers(1, 4)) for _ in range(4))
    layer = getattr(nnq(lib), f"ConvTranspose{n}d")(channels, out, kernel, stride)
    layer.set_weight_bias(
        weight(lib, rng, channels, out, *[kernel] * n, per_channel=False),
        lib.tensor(rng.normal(size=out).astype(np.float32)),
    )
    layer.scale, layer.zero_point = result(rng)
    return layer(activation(lib, rng, 2, channels, *[4] * n))


@kernel
def functional(lib: Any, rng: np.random.Generator) -> Any:
    """Sums and products of two tensors, and with numbers."""
    both = nnq(lib).QFunctional()
    both.scale, both.zero_point = result(rng)
    a, b, c = drawn(lib, rng, 4, 33), drawn(lib, rng, 4, 33), float(rng.normal() * 10)
    calls = [
        lambda: both.add(a, b), lambda: both.mul(a, b), lambda: both.add_relu(a, b), lambda: both.cat([a, b], 1), lambda: both.add_scalar(a, c),
        lambda: both.mul_scalar(a, c), lambda: both.matmul(a, b.t()),
    ]  # fmt: skip
    return calls[rng.integers(len(calls))]()


def of_float_layer(name: str, shape: tuple[int, ...], *args: Any) -> None:
    """A kernel: the quantized layer that is made of a float one, with numbers for its parameters."""

    def call(lib: Any, rng: np.random.Generator) -> Any:
        layer = getattr(lib.nn, name)(*args).eval()
        for tensor in [*layer.parameters(), *layer.buffers()]:
            if tensor.is_floating_point():
                tensor.data = lib.tensor(rng.uniform(0.5, 2.0, tuple(tensor.shape)).astype(np.float32))
        x = drawn(lib, rng, *shape)
        scale, zero_point = float(np.float32(10 ** rng.uniform(-2, 0))), int(rng.integers(0, 256))
        place = importlib.import_module(f"{lib.__name__}.ao.quantization")
        layer.activation_post_process = place.FixedQParamsObserver(scale, zero_point)
        layer.qconfig = None
        return getattr(nnq(lib), name).from_float(layer)(x)

    call.__name__ = name
    KERNELS[name] = call


of_float_layer("BatchNorm2d", (2, 3, 4, 5), 3)
of_float_layer("LayerNorm", (3, 4, 5), [4, 5])
of_float_layer("GroupNorm", (2, 4, 5), 2, 4)
of_float_layer("InstanceNorm2d", (2, 3, 4, 5), 3)
of_float_layer("ELU", (3, 40))
of_float_layer("LeakyReLU", (3, 40))
of_float_layer("Hardswish", (3, 40))

EXACT = [name for name in KERNELS if name not in NEARLY]


def compare(name: str, seed: int) -> tuple[int, int, int]:
    """(integers, how many differ, the largest difference) of a kernel with the arguments of a seed. Other scales are an AssertionError."""
    with warnings.catch_warnings(), of_engine(ENGINE):
        warnings.simplefilter("ignore")  # (both say that quantized tensors are to go)
        ours, theirs = (KERNELS[name](lib, np.random.default_rng(seed)) for lib in (minitorch, torch))
    mine, its = parameters(ours), parameters(theirs)
    assert mine == its, f"{name}, seed {seed}: ours is quantized by {mine}, torch's by {its}"
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    a, b = ours.int_repr().numpy().astype(np.int64), theirs.int_repr().numpy().astype(np.int64)
    assert a.shape == b.shape, f"{name}, seed {seed}: {a.shape} and {b.shape}"
    apart = np.abs(a - b)
    return a.size, int((apart > 0).sum()), int(apart.max(initial=0))


@contextmanager
def of_engine(name: str) -> Iterator[None]:
    """In the block, both libraries compute as this engine of torch's does."""
    backends: list[Any] = [lib.backends.quantized for lib in (minitorch, torch)]
    before = [each.engine for each in backends]
    try:
        for each in backends:
            each.engine = name
        yield
    finally:
        for each, engine in zip(backends, before):
            each.engine = engine


def parameters(q: Any) -> Any:
    """The scale and the zero point, or those of each channel."""
    if str(q.qscheme()).endswith("per_tensor_affine"):
        return q.q_scale(), q.q_zero_point()
    return q.q_per_channel_scales().tolist(), q.q_per_channel_zero_points().tolist(), q.q_per_channel_axis()


def quantized_integers(count: int = 100) -> bool:
    """Print how many integers were compared and how many are equal; whether those are that must be."""
    counts = {}
    torch.set_warn_always(False)  # what it says of quantized tensors it says once
    for kind, names in (("exact", EXACT), ("nearly", NEARLY)):
        found = [compare(name, seed) for name in names for seed in range(count)]
        counts[kind] = sum(f[0] for f in found), sum(f[1] for f in found)
    (total, apart), (others, others_apart) = counts["exact"], counts["nearly"]
    print(
        f"quantized integers: {total - apart} of {total} are torch's in {len(EXACT)} kernels, and {others - others_apart} of {others} in "
        f"{len(NEARLY)} whose ties may go the other way"
    )
    return not apart
