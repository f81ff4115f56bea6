"""Filling a tensor with random numbers: checks of the arguments, then one line that draws.

Each op ignores what its input holds and takes its shape, dtype and memory order: `Tensor.uniform_` writes the result into
the tensor, `minitorch.rand` calls the op on an empty one. The gradient of what was there before is 0. A refusal comes before
the first word is drawn, except where torch's does not. Read next: `minitorch/random/`, the arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import device_of, to_numpy, xp_of
from ..arrays.layout import laid_out_like, memory_order
from ..arrays.warning import warn
from ..op import Array, Index, op
from ..random import discrete, gpu, normal, rejection, uniform
from ..random.exact import fma, library_for, rounded
from ..random.generator import Generator, chosen
from ..random.gpu import GpuGenerator
from . import gpu_draws
from .inplace import nothing

if TYPE_CHECKING:
    from ..tensor import Tensor

AnyGenerator = Generator | None


@op(promote=None, name="uniform", public=False, elementwise=True)
def uniform_(xp: Any, x: Array, a: float, b: float, generator: AnyGenerator) -> Array:
    """x_i ← a + (b − a) u_i, in [a, b)"""
    if x.dtype.kind not in "fV":
        raise _unsupported("check_uniform_bounds", x)
    largest = dtypes.finfo(dtypes.from_numpy_dtype(x.dtype)).max
    for name, limit in (("from", a), ("to", b)):
        if not -largest <= limit <= largest:
            raise RuntimeError(f"{name} is out of bounds for {x.dtype}: {limit}")
    if a > b:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}")
    if b - a > largest:
        raise RuntimeError(f"uniform_ expects to-from to be at most {largest} in {x.dtype}, but found from={a}, to={b}")
    return _drawn(xp, x, generator, "uniform", a, b, lambda g: uniform.uniform(g, x.size, x.dtype, a, b))


@op(promote=None, name="normal", public=False, elementwise=True)
def normal_(xp: Any, x: Array, mean: float, std: float, generator: AnyGenerator) -> Array:
    """x_i ← mean + std z_i, z standard normal. Row-major tensors of 16 elements and more have a stream of their own."""
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")
    _supported("normal_kernel_cpu", x)

    def on_the_cpu(g: Generator) -> np.ndarray:
        if x.size >= 16 and x.flags.c_contiguous:
            return normal.block_normals(g, x.size, x.dtype, mean, std)
        return rounded(fma(normal.scalar_normals(g, x.size, library_for(x.dtype)), std, mean), x.dtype)

    return _drawn(xp, x, generator, "normal", mean, std, on_the_cpu)


@op(promote=None, name="exponential", public=False, elementwise=True)
def exponential_(xp: Any, x: Array, lambd: float, generator: AnyGenerator) -> Array:
    """x_i ← −ln(1 − u_i) / λ"""
    if x.size:
        _continuous("Exponential", x)
    _positive("exponential_", "lambda", lambd)
    return _drawn(xp, x, generator, "exponential", lambd, 0.0, lambda g: uniform.exponential(g, x.size, x.dtype, lambd))


@op(promote=None, name="cauchy", public=False, elementwise=True)
def cauchy_(xp: Any, x: Array, median: float, sigma: float, generator: AnyGenerator) -> Array:
    """x_i ← median + σ tan(π (u_i − ½))"""
    _continuous("Cauchy", x)
    _positive("cauchy_", "sigma", sigma)
    return _drawn(xp, x, generator, "cauchy", median, sigma, lambda g: uniform.cauchy(g, x.size, x.dtype, median, sigma))


@op(promote=None, name="log_normal", public=False, grad_fn="LogNormalBackward0", elementwise=True)
def log_normal_(xp: Any, x: Array, mean: float, std: float, generator: AnyGenerator) -> Array:
    """x_i ← exp(mean + std z_i), z standard normal"""
    _positive("log_normal_", "std", std)
    _supported("log_normal_cpu", x)
    return _drawn(xp, x, generator, "log_normal", mean, std, lambda g: uniform.log_normal(g, x.size, x.dtype, mean, std))


@op(promote=None, name="geometric", public=False, elementwise=True)
def geometric_(xp: Any, x: Array, p: float, generator: AnyGenerator) -> Array:
    """x_i ← the number of trials until one of probability p succeeds: ⌈ln u_i / ln(1 − p)⌉"""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    _supported("geometric_cpu", x, "fiu")
    return _drawn(xp, x, generator, "geometric", p, 0.0, lambda g: uniform.geometric(g, x.size, x.dtype, p))


# ---- 0 or 1 ----


@op(promote=None, name="bernoulli_number", public=False, grad_fn="BernoulliBackward2", elementwise=True)
def bernoulli_number(xp: Any, x: Array, p: float, generator: AnyGenerator) -> Array:
    """x_i ← 1 with probability p, else 0"""
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    return _drawn(xp, x, generator, "bernoulli", p, 0.0, lambda g: uniform.bernoulli(g, x.size, p).astype(x.dtype))


@op(promote=None, name="bernoulli_tensor", public=False, grad_fn="BernoulliBackward1", elementwise=True)
def bernoulli_tensor(xp: Any, x: Array, p: Index, generator: AnyGenerator) -> Array:
    """x_i ← 1 with probability p_i, else 0; drawn in the memory order of x, not of p"""
    _supported("bernoulli_tensor_cpu_p_", p)
    g = _chosen(generator, x)
    on_gpu = isinstance(g, GpuGenerator)
    try:
        p = xp.broadcast_to(p, x.shape) if on_gpu else np.broadcast_to(to_numpy(p), x.shape)
    except ValueError:
        raise RuntimeError(
            f"The expanded size of the tensor {x.shape} must match the existing size {p.shape} of p"
        ) from None
    p = p.transpose(memory_order(x)).reshape(-1)
    if isinstance(g, GpuGenerator):
        return laid_out_like(x, gpu_draws.by_probability(g, xp, p.astype(gpu.width(x.dtype))).astype(x.dtype))
    bad = np.flatnonzero(~((p >= 0) & (p <= 1)))
    if bad.size:
        uniform.bernoulli(g, int(bad[0]), p[: bad[0]])  # torch finds out when it comes there
        raise RuntimeError(f"Expected p_in >= 0 && p_in <= 1 to be true, but got the probability {p[bad[0]]}")
    return _laid_out(xp, x, uniform.bernoulli(g, x.size, p).astype(x.dtype))


@op(promote=None, name="bernoulli", public=False, elementwise=True)
def bernoulli(xp: Any, p: Array, generator: AnyGenerator) -> Array:
    """1 with probability p_i, else 0, row-major"""
    return bernoulli_tensor.forward(xp, xp.empty(p.shape, p.dtype), p, generator)


def bernoulli_out(input: Any, p: float | None, generator: AnyGenerator) -> Tensor:
    """The new tensor that `minitorch.bernoulli(input, p)` and the method make."""
    if p is None:
        return bernoulli(input, generator)
    return bernoulli_number(input.new_empty(input.shape), p, generator)


# ---- counts ----


@op(promote=None, name="poisson", public=False, takes_out=False)
def poisson(xp: Any, x: Array, generator: AnyGenerator) -> Array:
    """k with probability x_iᵏ e^(−x_i) / k!, row-major"""
    _supported("poisson_cpu", x)
    drawn = rejection.poisson(_chosen(generator, x).on_the_host(), to_numpy(x).reshape(-1).astype(np.float64))
    return xp.asarray(drawn.reshape(x.shape).astype(x.dtype))


@op(promote=None, name="binomial", public=False, takes_out=False, grad_fn="torch::autograd::NotImplemented")
def binomial(xp: Any, count: Array, prob: Array, generator: AnyGenerator) -> Array:
    """how many of count_i trials succeed, each with probability prob_i; row-major"""
    if count.dtype.kind not in "fV" or prob.dtype.kind not in "fV":
        raise ValueError(
            f"binomial only supports floating-point dtypes for count and prob, got {count.dtype} and {prob.dtype}"
        )
    if count.dtype != prob.dtype:
        raise RuntimeError(f"Found dtype {prob.dtype} but expected {count.dtype}: count and prob must have the same")
    if count.dtype.itemsize == 2:
        raise NotImplementedError(f"\"binomial_cpu\" not implemented for '{count.dtype}'; convert both with .float()")
    pairs = np.broadcast_arrays(*(to_numpy(given).astype(np.float64) for given in (count, prob)))
    drawn = rejection.binomial(_chosen(generator, count).on_the_host(), *(given.reshape(-1) for given in pairs))
    return xp.asarray(drawn.reshape(pairs[0].shape).astype(count.dtype))


# ---- normal numbers with means and deviations of their own ----


@op(promote=None, name="normal_each", public=False, grad_fn="NormalBackward3", elementwise=True)
def normal_each(xp: Any, mean: Array | float, std: Array | float, generator: AnyGenerator) -> Array:
    """mean_i + std_i z_i, row-major, rounded after the product and after the sum; either may be a number"""
    tensors: list[Array] = [t for t in (mean, std) if hasattr(t, "dtype")]
    numpy_dtype, shape = tensors[0].dtype, np.broadcast_shapes(*(t.shape for t in tensors))
    each = hasattr(std, "dtype")  # whether each element has its own standard deviation
    if each and bool(xp.any(std < 0)):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    z = normal_.forward(xp, xp.empty(shape, numpy_dtype), 0.0, 1.0 if each else std, generator)
    if each:
        z = (z * std).astype(numpy_dtype)
    return (z + mean).astype(numpy_dtype)


# ---- integers ----


@op(promote=None, name="random", public=False, grad_fn="RandomBackward0", elementwise=True)
def random_(xp: Any, x: Array, low: int | None, high: int | None, generator: AnyGenerator) -> Array:
    """x_i ← an integer in [low, high). No high: to the largest of the dtype; no low either: from 0 to there.

    A float's largest is the last integer up to which it holds all: 2²⁴ for float32.
    """
    digits = DIGITS.get(x.dtype.name, 0)
    if low is None:
        low = 0
        span, two_words = discrete.random_range(x.dtype, digits)
    elif high is None and low == -(2**63):
        if x.size and x.dtype.name not in ("int64", "float64", "float32", "bfloat16"):
            error = RuntimeError if x.dtype.kind in "iu" else NotImplementedError
            raise error(f"random_ over all 64 bits handles only int64, float64, float32 and bfloat16, not {x.dtype}")
        low, span, two_words = 0, 2**64, True
    else:
        low, span = _range(x.dtype, digits, low, high)
        two_words = span >= 2**28
    g = _chosen(generator, x)
    if isinstance(g, GpuGenerator):
        whole = gpu_draws.integers(g, xp, x, low, span, two_words)
        return laid_out_like(x, (whole.astype("float32") if x.dtype.itemsize == 2 and digits else whole).astype(x.dtype))
    return _laid_out(xp, x, rounded(discrete.integers(g, x.size, low, span, two_words), x.dtype))


def limits(*given: int | None, **named: int | None) -> tuple[int | None, int | None]:
    """(low, high) as `random_` means its arguments: none, (to), or (from, to); either may be named."""
    given += tuple(named.pop(name) for name in ("from", "to") if name in named)
    if named or len(given) > 2 or any(v is not None and not hasattr(v, "__index__") for v in given):
        raise TypeError(f"random_() takes (), (int to) or (int from, int to), got {given} {named or ''}")
    if not given:
        return None, None
    low, high = (0, *given) if len(given) == 1 else given
    if low is None:
        raise TypeError("random_(): from must be an int, not None")
    return low, high


DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def _range(dtype: Any, digits: int, low: int, high: int | None) -> tuple[int, int]:
    """(low, number of values) of a range that the dtype holds."""
    for limit in (low, high):
        if limit is not None and not -(2**63) <= limit < 2**63:
            raise ValueError(f"Overflow when unpacking long long: {limit}")
    last = 2**digits if digits else 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    if high is None and digits:
        if low == 2**63 - 1:  # torch loops for ever: low + 1 is no int64
            raise RuntimeError(f"random_ expects 'from' to be less than {last} in {dtype}, but got from={low}")
        low, _ = discrete.inward(low, 1, dtype, digits)
        if low >= last:
            raise RuntimeError(f"random_ expects 'from' to be less than {last} in {dtype}, but got from={low}")
    elif high is not None:
        if low >= high:
            raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
        if digits:
            low, high = discrete.inward(low, high, dtype, digits)
            if low >= high:
                raise RuntimeError(f"random_: no value of {dtype} lies in the range, which is rounded to [{low}, {high})")
        last = high - 1
    _in_bounds(dtype, digits, {"from": low, "to - 1": last})
    return low, last - low + 1


def _in_bounds(dtype: Any, digits: int, limits: dict[str, int]) -> None:
    kind = dtypes.from_numpy_dtype(dtype)
    if kind.name == "bool":
        smallest, largest = 0.0, 1.0
    else:
        info: Any = dtypes.finfo(kind) if digits else dtypes.iinfo(kind)
        smallest, largest = info.min, info.max
    for name, value in limits.items():
        if not smallest <= value <= largest:
            raise RuntimeError(f"{name} is out of bounds for {kind.name}: {value}")
        if digits and abs(value) > 2**digits:
            warn(f"{name} is out of bounds [-(2^{digits}), 2^{digits}]: {kind.name} does not hold every integer beyond it")


# ---- by weight ----


@op(promote=None, public=False, elementwise=True)
def multinomial(xp: Any, weights: Index, num_samples: int, replacement: bool, generator: AnyGenerator) -> Array:
    """Indices in proportion to the weights: (c,) → (num_samples,), (m, c) → (m, num_samples).

    Without replacement, each index waits a time of exponential distribution with its weight as rate; the earliest win.
    """
    g = _chosen(generator, weights)
    if isinstance(g, GpuGenerator) and (replacement and num_samples > 1):
        g = g.on_the_host()
    w = weights if isinstance(g, GpuGenerator) else to_numpy(weights)
    if w.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, got {w.ndim}")
    if w.dtype.kind not in "fV":
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {w.dtype}")
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > w.shape[-1]:
        raise RuntimeError(
            f"cannot sample n_sample > prob_dist.size(-1) samples without replacement: {num_samples} of {w.shape[-1]}"
        )
    if replacement and num_samples > 1:
        rows = [_with_replacement(g, row, num_samples) for row in np.atleast_2d(w)]
        return xp.asarray(np.array(rows, np.int64).reshape(*w.shape[:-1], num_samples))
    if w.size and not (xp_of(w).isfinite(w).all() and w.min() >= 0):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not w.shape[-1] or (w.sum(-1) == 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if isinstance(g, GpuGenerator):
        waiting = laid_out_like(w, gpu_draws.floats(g, xp, w, "exponential", 1.0, 0.0))
        return xp.ascontiguousarray(xp.argsort(-(w / waiting), axis=-1, kind="stable")[..., :num_samples])
    waiting = laid_out_like(w, uniform.exponential(g, w.size, w.dtype, 1.0))
    order = np.argsort(-(w / waiting), axis=-1, kind="stable")
    return xp.asarray(np.ascontiguousarray(order[..., :num_samples]))


def _with_replacement(g: Generator, weights: np.ndarray, n: int) -> np.ndarray:
    """One row. torch checks a row when it comes to it, so those before have been drawn."""
    if (weights < 0).any():
        raise RuntimeError("invalid multinomial distribution (encountering probability entry < 0)")
    if not np.isfinite(weights).all():
        raise RuntimeError("invalid multinomial distribution (encountering probability entry = infinity or NaN)")
    if not weights.sum() > 0:
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    return discrete.by_weight(g, weights, n)


# ---- what they share ----

for drawn in (
    uniform_,
    normal_,
    exponential_,
    cauchy_,
    log_normal_,
    geometric_,
    bernoulli_number,
    bernoulli_tensor,
    random_,
):
    drawn.grad("x")(nothing)
bernoulli.grad("p")(nothing)
poisson.grad("x")(nothing)
for argument in ("mean", "std"):
    normal_each.grad(argument)(nothing)


def _chosen(generator: AnyGenerator, x: Array) -> Generator:
    return chosen(generator, device_of(x))


def _drawn(xp: Any, x: Array, generator: AnyGenerator, kind: str, a: float, b: float, on_the_cpu: Callable) -> Array:
    """Numbers in the memory order of x, of a GPU's generator there, of the CPU's by `on_the_cpu(generator)`."""
    g = _chosen(generator, x)
    if isinstance(g, GpuGenerator):
        return laid_out_like(x, gpu_draws.floats(g, xp, x, kind, a, b))
    return _laid_out(xp, x, on_the_cpu(g))


def _laid_out(xp: Any, x: Array, numbers: np.ndarray) -> Array:
    return laid_out_like(x, xp.asarray(numbers))


def _supported(kernel: str, x: Array, kinds: str = "f") -> None:
    """torch has a kernel for some dtypes only; `kinds` are NumPy's letters (ml_dtypes' bfloat16 is a V)."""
    if x.size and x.dtype.kind not in kinds + "V":
        raise _unsupported(kernel, x)


def _unsupported(kernel: str, x: Array) -> NotImplementedError:
    name = dtypes.SCALAR_NAMES[dtypes.from_numpy_dtype(x.dtype).name]
    return NotImplementedError(f"\"{kernel}\" not implemented for '{name}': convert with .float()")


def _continuous(name: str, x: Array) -> None:
    if x.dtype.kind not in "fV":
        raise RuntimeError(
            f"{name} distribution is a continuous probability distribution. dtype must be a floating point but you "
            f"specified {x.dtype}"
        )


def _positive(function: str, name: str, value: float) -> None:
    if not value > 0 or math.isnan(value):
        raise RuntimeError(f"{function} expects {name} > 0.0, but found {name}={value}")
