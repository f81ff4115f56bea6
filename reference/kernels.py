"""Cases for CUDA kernels: `case(kernels, call, **inputs)` says which kernels a call launches on a GPU and what it is drawn from.

Each is compared with the same call on the CPU, computed by the plain op in float64: values, and gradients for a random
upstream gradient. Here are also the faults that are planted in kernels to see whether their case notices.
Used by tests/test_kernels.py. Read next: `strict_cupy/kernels.py`, which executes kernels on the CPU.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import importlib
import os
import pkgutil
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import minitorch
from minitorch.nn import functional as F
from minitorch.ops.dropout import philox_dropout
from minitorch.ops.gpu_draws import philox_floats, philox_integers

from .strategies import Source, laid_out
from .strict_cupy import cupy
from .strict_cupy.kernels import launched
from .table import flat

# Sizes around the borders: of a warp, of a thread's share of a warp's row, of two warps', of a block's numbers.
LENGTHS = (1, 2, 5, 31, 32, 33, 255, 256, 257, 500)
LONG = (512, 513, 1100)  # the first is what the registers of a block hold on the stand-in, which has 64 threads
TOLERANCE = {"float64": 1e-12, "float32": 2e-6, "float16": 4e-3, "bfloat16": 3e-2}  # of the output's scale


class Case(NamedTuple):
    """A call and the kernels that it launches on a GPU, forward and backward."""

    kernels: tuple[str, ...]
    call: Callable[..., Any]  # of tensors, by the inputs' names
    inputs: dict[str, Callable[[Source], np.ndarray]]
    dtypes: tuple[str, ...]

    def __repr__(self) -> str:
        return self.kernels[0]


cases: list[Case] = []


def case(kernels: str, call: Callable, dtypes: tuple[str, ...] = tuple(TOLERANCE), **inputs: Callable) -> None:
    """Declare a case; `kernels` are names, separated by spaces."""
    cases.append(Case(tuple(kernels.split()), call, inputs, dtypes))


def every_kernel() -> dict[str, Any]:
    """All kernels of the package by their names."""
    package = importlib.import_module("minitorch.kernels.cuda")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"minitorch.kernels.cuda.{module.name}")
    return {kernel.name: kernel for kernel in package.kernels}


# ---- what inputs are drawn from ----


def rows(source: Source, lengths: tuple[int, ...] = LENGTHS) -> np.ndarray:
    """Up to three rows of one of the lengths, of small or large numbers, some with −∞, ∞ or nan in them."""
    n = source.choice(lengths)
    shape = source.choice([(n,), (1, n), (3, n), (2, 1, n)])
    x = source.rng.standard_normal(shape) * source.choice([1, 1, 30, 1000])
    for row in x.reshape(-1, n):
        hurt = source.choice([None, None, None, "holes", "all", np.inf, np.nan])
        if hurt == "holes":
            row[source.rng.random(n) < 0.5] = -np.inf  # a mask, as in attention
        elif hurt == "all":
            row[:] = -np.inf
        elif hurt is not None:
            row[source.integer(0, n - 1)] = hurt
    return laid_out(source, x)


def long_rows(source: Source) -> np.ndarray:
    """The same, too long for the registers of a block."""
    return rows(source, LONG)


def numbers(source: Source) -> np.ndarray:
    """Numbers on which an elementwise function works one by one, in one block or several, with 0 and ±∞ among them."""
    x = source.rng.standard_normal(source.choice([*LENGTHS, 2100])) * source.choice([1, 3, 10])
    x[source.rng.random(x.shape) < 0.02] = source.choice([0.0, np.inf, -np.inf, np.nan])
    return x


def plain_rows(source: Source) -> np.ndarray:
    """Rows that are not nearly constant (1/√var magnifies rounding), of any scale: such as ε is next to, with a mean."""
    n = source.sizes["n"] = source.choice((1, *(n for n in LENGTHS if n > 2)))
    count = source.integer(1, 5)
    return (source.rng.standard_normal((count, n)) + source.choice([0, 3])) * source.choice([1, 100, 3e-3])


def logits(source: Source, lengths: tuple[int, ...] = LENGTHS) -> np.ndarray:
    """Rows in a matrix."""
    x = rows(source, lengths)
    x = x.reshape(-1, x.shape[-1])
    source.sizes["R"], source.sizes["n"] = x.shape
    return x


def long_logits(source: Source) -> np.ndarray:
    """The same, too long for the registers of a block."""
    return logits(source, LONG)


def many_logits(source: Source) -> np.ndarray:
    """More rows than a block has threads, whose losses are then added up by fewer."""
    source.sizes["R"], source.sizes["n"] = shape = (source.choice([63, 100, 513]), 3)
    return source.rng.standard_normal(shape)


def classes(source: Source) -> np.ndarray:
    """A class for each row, some of them −100."""
    target = source.rng.integers(0, source.sizes["n"], source.sizes["R"])
    target[source.rng.random(target.shape) < source.choice([0, 0.3])] = -100
    return target


def channels(source: Source) -> np.ndarray:
    """(N, C) or (N, C, L), with sizes around those of a slice and of 32 channels side by side."""
    n = source.sizes["n"] = source.choice([1, 3, 31, 33, 65])
    shape = source.choice([(8, n), (16, n), (17, n), (70, n), (8, n, 1), (2, n, 7), (3, n, 5, 4), (1, n, 600)])
    return (source.rng.standard_normal(shape) + source.choice([0, 3])) * source.choice([1, 100, 3e-3])


def parameter(source: Source) -> np.ndarray:
    """A number for each column, or channel."""
    return source.rng.standard_normal(source.sizes["n"])


def table_rows(source: Source) -> np.ndarray:
    """An embedding's table."""
    return source.rng.standard_normal((7, source.choice(LENGTHS)))


def row_numbers(source: Source) -> np.ndarray:
    """Rows of that table, with repetitions."""
    return source.rng.integers(0, 7, source.choice([(1,), (9,), (2, 5)]))


def batch_norm_and_its_memory(x: Any, w: Any, b: Any, training: bool) -> tuple:
    """The result, and the running statistics afterwards."""
    mean, var = (minitorch.full((x.shape[1],), value, dtype=x.dtype, device=x.device) for value in (0.5, 2.0))
    return F.batch_norm(x, mean, var, w, b, training), mean, var


# ---- the cases ----

case("softmax softmax_backward", lambda x: x.softmax(-1), x=rows)
case("softmax softmax_backward", lambda x: x.softmax(-1), x=long_rows)
case("log_softmax log_softmax_backward", lambda x: x.log_softmax(-1), x=rows)
case("log_softmax log_softmax_backward", lambda x: x.log_softmax(-1), x=long_rows)

NOT_FLOAT64 = ("float32", "float16", "bfloat16")
case("layer_norm layer_norm_backward", lambda x, w, b: F.layer_norm(x, w.shape, w, b), NOT_FLOAT64,
     x=plain_rows, w=parameter, b=parameter)  # fmt: skip
case("layer_norm layer_norm_backward", lambda x: F.layer_norm(x, x.shape[-1:]), NOT_FLOAT64, x=plain_rows)
case("layer_norm", lambda x, w, b: F.layer_norm(x.detach(), w.shape, w.detach(), b.detach()), x=plain_rows, w=parameter,
     b=parameter)  # fmt: skip
case("batch_norm_slices batch_norm_join batch_norm batch_norm_backward_slices batch_norm_backward",
     lambda x, w, b: batch_norm_and_its_memory(x, w, b, True), x=channels, w=parameter, b=parameter)  # fmt: skip
case("batch_norm batch_norm_backward_slices batch_norm_backward",
     lambda x, w, b: batch_norm_and_its_memory(x, w, b, False), x=channels, w=parameter, b=parameter)  # fmt: skip
for draw, reductions in ((logits, ("mean", "sum", "none")), (long_logits, ("mean",)), (many_logits, ("mean", "sum"))):
    for reduction in reductions:
        case("cross_entropy log_softmax cross_entropy_backward",
             functools.partial(F.cross_entropy, reduction=reduction), input=draw, target=classes)  # fmt: skip
case("embedding_backward", lambda x, weight: F.embedding(x, weight, padding_idx=2), x=row_numbers, weight=table_rows)


# The words of a counter that has more than 32 bits, of a key that has 64.
case("dropout", lambda x: philox_dropout(x, 0.3, 1 / 0.7, 2**63 + 12345, 2**32 - 100), x=numbers)


# ---- random numbers: in float64 alone, for float32 is made of other words (tests/test_philox.py has it) ----

# A counter of more than 32 bits, a key of 64; fewer threads than numbers, so that each makes several in several calls.
FAR = (2**63 + 12345, 2**32 - 1)


def of_uniforms_and_normals(x: Any) -> list[Any]:
    """As many numbers as x has."""
    draw = (*FAR, max(x.numel() // 5, 1), 8, 2)
    return [philox_floats(x, kind, 0.25, 0.5, *draw) for kind in ("uniform", "normal")]


def of_32_and_64_bits(x: Any) -> list[Any]:
    threads = max(x.numel() // 9, 1)
    return [philox_integers(x, -5, 1000, *FAR, threads, 16, 4), philox_integers(x, -(2**63), 2**64, *FAR, threads, 16, 2)]


case("philox_numbers", of_uniforms_and_normals, ("float64",), x=numbers)
case("integer_numbers", of_32_and_64_bits, ("float64",), x=numbers)


# ---- joined ----


def joined(x: Any) -> list[Any]:
    """Pieces of a matrix of which none is like the other, and pieces that are alike, along each dimension; more than go in a launch."""
    x = x.detach()  # the derivative is made of cuts and sums, which are no kernel's of this file
    x = x.reshape(-1)[:400].reshape(2, -1) if x.numel() >= 400 else x.reshape(1, -1).expand(2, x.numel())
    pieces = [x[:, k % 5 : k % 5 + k % 4] for k in range(70)]
    alike = [x[:, k % 3 : k % 3 + 2] for k in range(11)] if x.shape[1] > 4 else [x] * 11
    return [minitorch.cat(pieces, 1), minitorch.cat(alike, 0), minitorch.stack(alike, 1), minitorch.stack([x[0, 0]] * 9)]


case("join", joined, x=numbers)


# ---- optimizers ----


def gradients(source: Source) -> np.ndarray:
    """Parameters, or their gradients, one after another."""
    return source.rng.standard_normal(3000)


def steps(optimizer: str, **options: Any) -> Callable:
    """A call that makes three steps on parameters of several sizes; in the second one of them has no gradient.

    So some take more than one block, and some have made fewer steps than others.
    """

    def call(x: Any, g: Any) -> list[Any]:
        params = [part.detach().clone().requires_grad_() for part in x.split([1, 40, 2500, 59, 400])]
        made = getattr(minitorch.optim, optimizer)(params, **options)
        for k, scale in enumerate((1.0, -3.0, 0.5)):
            for i, (param, part) in enumerate(zip(params, g.split([1, 40, 2500, 59, 400]))):
                param.grad = None if (k, i) == (1, 3) else part.detach().roll(k) * scale
            made.step()
        memory = [state for param in params for state in made.state[param].values()]
        return [t.detach() for t in (*params, *memory)]

    return call


case("sgd", steps("SGD", lr=0.1, weight_decay=0.2, maximize=True), x=gradients, g=gradients)
case("sgd", steps("SGD", lr=0.1, momentum=0.8, dampening=0.4, weight_decay=0.1), x=gradients, g=gradients)
case("sgd", steps("SGD", lr=0.1, momentum=0.8, nesterov=True), x=gradients, g=gradients)
case("adam", steps("Adam", lr=0.1, eps=0.01, betas=(0.7, 0.8), weight_decay=0.2, maximize=True), x=gradients, g=gradients)
case("adam", steps("AdamW", lr=0.1, eps=0.01, betas=(0.7, 0.8), weight_decay=0.2, amsgrad=True), x=gradients, g=gradients)


# ---- comparing ----


def compare(case: Case, source: Source, dtype: str) -> None:
    """AssertionError unless the kernels' values and gradients are the plain op's in float64, and they were launched."""
    given = {name: draw(source) for name, draw in case.inputs.items()}
    seed = source.integer(0, 2**31)
    launched.clear()
    have = _run(case, given, dtype, "cuda", seed)
    names = {name for name, _ in launched}
    if minitorch.device("cuda").xp is cupy:  # CuPy itself keeps no list
        assert names == set(case.kernels), f"launched {names or 'nothing'}, the case names {case.kernels}"
    want = _run(case, given, dtype, "cpu", seed)
    for k, (a, b) in enumerate(zip(have, want, strict=True)):
        assert a.shape == b.shape, f"result {k} of {case}: shape {a.shape}, not {b.shape}"
        if b.dtype.kind != "f":
            assert np.array_equal(a, b), f"result {k} of {case}: {a}, not {b}"
            continue
        finite = np.isfinite(b)
        assert np.array_equal(np.where(finite, 0, b), np.where(np.isfinite(a), 0, a), equal_nan=True), (
            f"result {k} of {case} in {dtype}, shape {a.shape}: other nan or ∞ than the plain op"
        )
        # A gradient may cancel to much less than what it is the difference of: its scale is the upstream gradient's, about 1.
        error, scale = np.abs(a[finite] - b[finite]).max(initial=0), np.abs(b[finite]).max(initial=1)
        assert error <= TOLERANCE[dtype] * scale, f"result {k} of {case} in {dtype}: {error} off, of {scale}"


def _run(case: Case, given: dict, dtype: str, device: str, seed: int) -> list[np.ndarray]:
    """Outputs and gradients on the host, as float64; on the CPU computed in it, from the numbers as `dtype` has them."""
    rng = np.random.default_rng(seed)
    stored, computed = getattr(minitorch, dtype), minitorch.float64 if device == "cpu" else getattr(minitorch, dtype)
    place = lambda t: (t.to(stored).to(computed) if t.is_floating_point() else t).to(device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tensors = {n: place(minitorch.from_numpy(x)) for n, x in given.items()}
        wanted = [t.requires_grad_() for t in tensors.values() if t.is_floating_point()]
        outputs = flat(case.call(**tensors))
        roots = [t for t in outputs if t.requires_grad]
        upstream = [place(minitorch.from_numpy(np.asarray(rng.standard_normal(tuple(t.shape))))) for t in roots]
        grads = minitorch.autograd.grad(roots, wanted, upstream, allow_unused=True) if roots else ()
        found = [t.detach().cpu() for t in (*outputs, *grads) if t is not None]
        return [(t.double() if t.is_floating_point() else t).numpy() for t in found]


# ---- planted faults ----

FAULTS = {
    " + ": " - ",
    " - ": " + ",
    " * ": " + ",
    " > ": " < ",
    " += ": " = ",
    "exp(": "(",
    "log(": "(",
    "(LONG)": "(!LONG)",
}
LEFT_OUT = r"//.*|for \(int.*?\)|.*load\(.*"  # how a share is loaded is the helpers', the sanitizers look at its bounds


def mutants(source: str) -> list[tuple[str, str]]:
    """Each way to plant one fault in a kernel's code: (what was changed, the source)."""
    made = []
    for old, new in FAULTS.items():
        for found in re.finditer(re.escape(old), source):
            line = source[source.rfind("\n", 0, found.start()) + 1 : source.find("\n", found.end())]
            at = found.start() - source.rfind("\n", 0, found.start()) - 1
            if not any(m.start() <= at < m.end() for m in re.finditer(LEFT_OUT, line)):
                changed = (line[:at] + new + line[at + len(old) :]).strip()
                made.append((f"{line.strip()}  →  {changed}", source[: found.start()] + new + source[found.end() :]))
    return made


def in_a_child(check: Callable[[], bool | None]) -> bool | None:
    """What `check` answers of a broken kernel, in a process that may crash: that is noticed, too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks where there are threads
        child = os.fork()
    if not child:
        faulthandler.disable()  # a crash is an answer
        with contextlib.suppress(BaseException):
            os._exit(OUTCOMES.index(check()))
        os._exit(len(OUTCOMES))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True  # it read or wrote where there is no memory
    return OUTCOMES[os.WEXITSTATUS(status)]


OUTCOMES = (False, True, None)
