"""The same seed gives torch's numbers: every draw equal in every bit, and the generator's state after it.

A call is written once, as an expression on a library `t` and a generator `g`; it runs on both libraries from one seed.
"""

from __future__ import annotations

import copy
import hashlib
import pickle
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from minitorch._sampling.exact import fma
from reference.layers import ROWS, Row

LIBRARIES = (minitorch, torch)

seeds = st.integers(-(2**63), 2**64 - 1) | st.integers(0, 100)
sizes = st.sampled_from([(), (0,), (1,), (2,), (15,), (16,), (17,), (31,), (32,), (100,), (3, 5), (4, 4), (2, 3, 4), (0, 3)])
floats = st.sampled_from(["float32", "float64", "float16"])
integers = st.sampled_from(["int64", "int32", "int16", "int8", "uint8", "bool"])
dtypes = floats | integers
numbers = st.sampled_from([0.5, 1.0, 0.0, -0.3, 2.7, 0.1, 1e-3])
positive = st.sampled_from([0.5, 1.0, 2.7, 0.1, 1e-3])
shares = st.sampled_from([0.0, 1.0, 0.5]) | st.integers(1, 999).map(
    lambda k: k / 1000
)  # 0.237 is no float32: roundings show


# ---- running a call on both ----


def outcome(lib: Any, call: Callable[[Any, Any], Any], g: Any) -> Any:
    """What the call returns, as arrays; or the type of what it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(lib, call(lib, g))
        except Exception as error:
            return error


def plain(lib: Any, value: Any) -> Any:
    """Tensors as (dtype, whether row-major, array)."""
    if isinstance(value, lib.Tensor):
        array = value.detach().numpy()
        return str(value.dtype).split(".")[1], value.is_contiguous(), array
    return [plain(lib, v) for v in value] if isinstance(value, (list, tuple)) else value


def same(ours: Any, theirs: Any) -> bool:
    """Whether two outcomes agree in every bit (−0 is 0)."""
    if isinstance(ours, Exception) or isinstance(theirs, Exception):
        return isinstance(ours, Exception) and isinstance(theirs, Exception) and issubclass(type(ours), type(theirs))
    if isinstance(theirs, tuple):
        (kind, contiguous, x), (their_kind, their_contiguous, y) = ours, theirs
        equal = x.shape == y.shape and np.array_equal(x, y, equal_nan=y.dtype.kind == "f")
        return equal and kind == their_kind and (contiguous == their_contiguous or x.size < 2)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)


def generators(seed: int) -> list[Any]:
    """A generator of each library."""
    return [lib.Generator().manual_seed(seed) for lib in LIBRARIES]


def assert_same(call: Callable[[Any, Any], Any], seed: int = 0, pair: Any = None) -> Any:
    """Run the call on both, on the default generators and two others; what torch did."""
    pair = pair or generators(seed + 1 if seed < 2**64 - 1 else 0)
    for lib in LIBRARIES:
        lib.manual_seed(seed)
    ours, theirs = (outcome(lib, call, g) for lib, g in zip(LIBRARIES, pair))
    assert same(ours, theirs), f"ours {ours}, torch's {theirs}"
    for a, b in [(minitorch.get_rng_state(), torch.get_rng_state()), tuple(g.get_state() for g in pair)]:
        assert a.numpy().tobytes() == b.numpy().tobytes(), "the streams stand at different places"
    return theirs


# ---- the calls ----


@st.composite
def fills(draw: Any, kinds: Any = dtypes) -> tuple[str, list[Any]]:
    """An in-place method and its arguments."""
    name = draw(
        st.sampled_from(["uniform_", "normal_", "exponential_", "cauchy_", "log_normal_", "geometric_", "bernoulli_"])
    )
    if name == "uniform_":
        return name, sorted([draw(numbers), draw(numbers)])
    if name in ("normal_", "cauchy_", "log_normal_"):
        return name, [draw(numbers), draw(positive)]
    if name == "exponential_":
        return name, [draw(positive)]
    return name, [draw(shares)]


@st.composite
def ranges(draw: Any) -> list[Any]:
    """Arguments of `random_`: limits near which the rule changes or a dtype ends."""
    edges = [0, 1, 2, 100, 127, 128, 255, 256, 2**11, 2**24, 2**28, 2**31, 2**53, 2**62, 2**63 - 1]
    near = st.builds(lambda e, d, s: s * (e + d), st.sampled_from(edges), st.integers(-2, 2), st.sampled_from([1, -1]))
    count = draw(st.integers(0, 2))
    limits: list[Any] = [draw(near) for _ in range(count)]
    if count == 2 and draw(st.booleans()):
        return sorted(limits)
    if count == 2 and draw(st.booleans()):
        return [limits[0], None]
    return limits


@st.composite
def strided(draw: Any) -> Callable[[Any, Any], Any]:
    """Makes a float tensor that is a view: permuted, sliced, and perhaps expanded."""
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    order = draw(st.permutations(range(len(shape))))
    steps = [slice(draw(st.integers(0, 1)), None, draw(st.integers(1, 2))) for _ in shape]

    def make(lib: Any, dtype: Any) -> Any:
        return lib.zeros(shape, dtype=dtype).permute(*order)[tuple(steps)]

    return make


def method(name: str, arguments: list[Any]) -> Callable[[Any], Any]:
    return lambda tensor: getattr(tensor, name)(*arguments)


# ---- properties ----


@given(fill=fills(), size=sizes, dtype=dtypes, seed=seeds)
def test_fill(fill: Any, size: Any, dtype: str, seed: int) -> None:
    assert_same(lambda t, g: method(*fill)(t.zeros(size, dtype=getattr(t, dtype))), seed)


@given(limits=ranges(), size=sizes, dtype=dtypes, seed=seeds)
def test_integers(limits: Any, size: Any, dtype: str, seed: int) -> None:
    assert_same(lambda t, g: t.zeros(size, dtype=getattr(t, dtype)).random_(*limits, generator=g), seed)


@given(fill=fills(), make=strided(), dtype=floats, seed=seeds)
def test_fill_of_a_view_goes_by_memory(fill: Any, make: Any, dtype: str, seed: int) -> None:
    assert_same(lambda t, g: method(*fill)(make(t, getattr(t, dtype))), seed)


@given(make=strided(), lead=st.integers(1, 3), dtype=floats, seed=seeds, name=st.sampled_from(["rand", "randn", "randint"]))
def test_like(make: Any, lead: int, dtype: str, seed: int, name: str) -> None:
    def call(t: Any, g: Any) -> Any:
        x = make(t, getattr(t, dtype))
        wide = x.expand(lead, *x.shape)
        limits = [9] if name == "randint" else []
        return [getattr(t, f"{name}_like")(v, *limits) for v in (x, wide)]

    assert_same(call, seed)


@given(make=strided(), dtype=floats, other=floats, seed=seeds, p=shares)
def test_what_is_drawn_row_by_row(make: Any, dtype: str, other: str, seed: int, p: float) -> None:
    """Whatever the layout of the input: bernoulli, normal with tensors; and `bernoulli_(P)` by the filled tensor's."""

    def call(t: Any, g: Any) -> Any:
        x = make(t, getattr(t, dtype)).uniform_(generator=g)
        y = t.rand(x.shape, dtype=getattr(t, other), generator=g)
        return [
            t.bernoulli(x), t.bernoulli(x, p), t.normal(x, 0.7), t.normal(0.7, x), t.normal(x, y),
            make(t, getattr(t, other)).bernoulli_(x), x.bernoulli(generator=g),
        ]  # fmt: skip

    assert_same(call, seed)


@given(size=sizes, dtype=floats, seed=seeds)
def test_factories(size: Any, dtype: str, seed: int) -> None:
    def call(t: Any, g: Any) -> Any:
        kind = {"dtype": getattr(t, dtype)}
        return [
            t.rand(size, **kind), t.randn(size, generator=g, **kind), t.randn(*size, **kind), t.rand(size, generator=g),
            t.normal(0.5, 2.0, size, **kind), t.randint(-3, 2**20, size), t.randint(2**40, size, generator=g, **kind),
        ]  # fmt: skip

    assert_same(call, seed)


@given(n=st.integers(0, 300), seed=seeds, dtype=dtypes)
def test_randperm(n: int, seed: int, dtype: str) -> None:
    assert_same(lambda t, g: t.randperm(n, dtype=getattr(t, dtype), generator=g), seed)


@given(rows=st.integers(0, 4), columns=st.integers(1, 6), k=st.integers(1, 6), seed=seeds, dtype=floats, data=st.data())
def test_multinomial(rows: int, columns: int, k: int, seed: int, dtype: str, data: Any) -> None:
    replacement, transposed = data.draw(st.booleans()), data.draw(st.booleans())
    zero = data.draw(st.none() | st.integers(0, columns - 1))
    if not replacement and dtype == "float16":
        dtype = "float32"  # float16 makes ties, and which of two equals is drawn first torch leaves to its sorting

    def call(t: Any, g: Any) -> Any:
        w = t.rand((columns, rows) if transposed else (rows, columns), dtype=getattr(t, dtype), generator=g)
        w = w.t() if transposed else w
        if zero is not None and (replacement or k < columns):
            w[:, zero] = 0
        return [t.multinomial(w, k, replacement), *[row.multinomial(k, replacement, generator=g) for row in w]]

    assert_same(call, seed)


# ---- where the last bit decides ----


def test_fma_rounds_once() -> None:
    """2¹⁰⁶ + 2¹⁰⁴ + 2⁵³ + 1 lies a hair above the middle of two floats; rounded twice, it would go down."""
    x = np.array([2.0**52 + 1])
    assert fma(x, x[0], 2.0**106)[0] == 2.0**106 + 2.0**104 + 2.0**54
    y = np.array([1 + 2.0**-12], np.float32)  # y² = 1 + 2⁻¹¹ + 2⁻²⁴, the middle of two float32, and a hair more
    assert fma(y, y[0], np.float32(2.0**-60))[0] == np.float32(1 + 2.0**-11 + 2.0**-23)


@given(
    a=st.floats(width=32), b=st.floats(-1e3, 1e3, width=32), c=st.floats(-1e3, 1e3, width=32), scale=st.sampled_from([1, 3])
)
def test_fma_is_the_exact_result_rounded(a: float, b: float, c: float, scale: int) -> None:
    a, b = a / scale if abs(a) < 1e30 else 1.5, b / scale
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    assert fma(np.array([a]), b, c)[0] == float(exact)


@given(seed=seeds, dtype=floats)
def test_bernoulli_is_0_where_the_draw_equals_p(seed: int, dtype: str) -> None:
    def call(t: Any, g: Any) -> Any:
        p = t.rand(20, dtype=t.float64 if dtype == "float64" else t.float32, generator=g)
        again = t.Generator().manual_seed(g.initial_seed())
        first = t.rand(1, dtype=t.float64, generator=t.Generator().manual_seed(g.initial_seed())).item()
        return [t.bernoulli(p, generator=again), t.empty(1).bernoulli_(first, generator=again.manual_seed(g.initial_seed()))]

    zeros, zero = assert_same(call, seed)
    assert not zeros[2].any()
    assert not zero[2].any()


@given(dtype=floats, start=st.integers(0, 2**10 - 1), steps=st.integers(0, 3), seed=seeds)
def test_uniform_never_reaches_its_upper_bound(dtype: str, start: int, steps: int, seed: int) -> None:
    """In a range of a few floats, half the draws round up to the bound; they become the lower one."""
    kind = np.dtype(dtype).type
    low = kind(1 + start * 2.0**-10)
    high = low + steps * np.spacing(low)

    def call(t: Any, g: Any) -> Any:
        return [t.empty(40, dtype=getattr(t, dtype)).uniform_(float(low), float(high)), t.rand(3000, dtype=t.float16)]

    assert_same(call, seed)


@given(dtype=floats, low=st.integers(-3, 6), size=st.integers(1, 6), sign=st.sampled_from([1, -1]), seed=seeds)
def test_integers_that_a_float_does_not_hold(dtype: str, low: int, size: int, sign: int, seed: int) -> None:
    edge = {"float64": 2**53, "float32": 2**24, "float16": 2**11}[dtype]
    limits = sorted([sign * (edge + low), sign * (edge + low + size)])
    assert_same(lambda t, g: t.empty(50, dtype=getattr(t, dtype)).random_(*limits), seed)
    assert_same(lambda t, g: t.empty(50, dtype=getattr(t, dtype)).random_(limits[0], None), seed)


@given(low=st.integers(-(2**62), 2**62), more=st.integers(-2, 2), dtype=st.sampled_from(["int64", "float32"]), seed=seeds)
def test_a_long_range_takes_two_words(low: int, more: int, dtype: str, seed: int) -> None:
    assert_same(lambda t, g: t.randint(low, low + 2**28 + more, (3,), dtype=getattr(t, dtype)), seed)


# ---- mixed programs ----


@st.composite
def steps(draw: Any) -> Callable[[Any, Any], Any]:
    """One random call of any kind on the generator `g`."""
    kind = draw(st.sampled_from(["fill", "view", "random", "perm", "normal", "bernoulli", "multinomial", "init", "seed"]))
    size, dtype = draw(sizes), draw(floats)
    if kind == "fill" or kind == "view":
        (name, arguments), make = draw(fills()), draw(strided())
        if kind == "view":
            return lambda t, g: getattr(make(t, getattr(t, dtype)), name)(*arguments, generator=g)
        return lambda t, g: getattr(t.zeros(size, dtype=getattr(t, dtype)), name)(*arguments, generator=g)
    if kind == "random":
        limits, whole = draw(ranges()), draw(dtypes)
        return lambda t, g: t.zeros(size, dtype=getattr(t, whole)).random_(*limits, generator=g)
    if kind == "init":
        name = draw(st.sampled_from(["xavier_normal_", "kaiming_uniform_", "trunc_normal_"]))
        return lambda t, g: getattr(t.nn.init, name)(t.empty(3, 4), generator=g)
    seed = draw(seeds)
    calls: dict[str, Callable[[Any, Any], Any]] = {
        "perm": lambda t, g: t.randperm(len(size) * 7, generator=g),
        "normal": lambda t, g: t.randn(size, dtype=getattr(t, dtype), generator=g),
        "bernoulli": lambda t, g: t.bernoulli(t.full(size, 0.4, dtype=getattr(t, dtype)), generator=g),
        "multinomial": lambda t, g: t.multinomial(t.tensor([0.2, 0.5, 0.3]), 2, generator=g),
        "seed": lambda t, g: g.manual_seed(seed) and None if seed % 3 == 0 else g.initial_seed(),
    }
    return calls[kind]


@given(program=st.lists(steps(), min_size=2, max_size=12), seed=seeds)
def test_a_mixed_program_on_one_generator(program: list[Any], seed: int) -> None:
    pair = generators(seed)
    for call in program:
        assert_same(call, seed, pair)


@given(program=st.lists(steps(), min_size=1, max_size=4), after=steps(), seed=seeds)
def test_states_are_exchanged(program: list[Any], after: Any, seed: int) -> None:
    """Draw with one library, go on with the other; both ways. A copy goes on as its original would."""
    ours, theirs = generators(seed)
    for call in program:
        outcome(minitorch, call, ours)
        outcome(torch, call, theirs)
    to_torch = torch.Generator().set_state(torch.from_numpy(ours.get_state().numpy()))
    to_us = minitorch.Generator().set_state(minitorch.from_numpy(theirs.get_state().numpy()))
    others = [copy.deepcopy(to_us), pickle.loads(pickle.dumps(to_us)), to_us.clone_state()]
    want = outcome(torch, after, to_torch)
    for g in (to_us, *others):
        assert same(outcome(minitorch, after, g), want)
        assert g.get_state().numpy().tobytes() == to_torch.get_state().numpy().tobytes()


# ---- dropout ----


@given(
    make=strided(), p=shares, dtype=floats, seed=seeds, name=st.sampled_from(["dropout", "alpha_dropout"]), data=st.data()
)
def test_dropout_and_its_gradient(make: Any, p: float, dtype: str, seed: int, name: str, data: Any) -> None:
    inplace = data.draw(st.booleans())

    def call(t: Any, g: Any) -> Any:
        leaf = make(t, getattr(t, dtype)).normal_(generator=g).requires_grad_()
        x = leaf * 1 if inplace else leaf
        out = getattr(t.nn.functional, name)(x, p, True, inplace)
        out.backward(t.ones_like(out).normal_(generator=g))
        return [out, leaf.grad.tolist()]

    assert_same(call, seed)


@given(
    name=st.sampled_from(["dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]),
    shape=st.lists(st.integers(1, 4), min_size=0, max_size=5),
    p=shares,
    dtype=floats,
    seed=seeds,
)
def test_dropout_of_channels(name: str, shape: list[int], p: float, dtype: str, seed: int) -> None:
    def call(t: Any, g: Any) -> Any:
        x = t.randn(shape, dtype=getattr(t, dtype), generator=g)
        return [getattr(t.nn.functional, name)(y, p, True, y is x) for y in (x.clone(), x)]

    assert_same(call, seed)


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=3), hard=st.booleans(), seed=seeds, dtype=st.just("float64"))
def test_gumbel_softmax(shape: list[int], hard: bool, seed: int, dtype: str) -> None:
    """The noise is torch's; the softmax is our own."""
    results = []
    for lib in LIBRARIES:
        lib.manual_seed(seed)
        logits = lib.zeros(shape, dtype=getattr(lib, dtype))
        results.append(lib.nn.functional.gumbel_softmax(logits, 0.7, hard).numpy())
    assert np.allclose(*results, rtol=0, atol=1e-12)
    assert minitorch.get_rng_state().numpy().tobytes() == torch.get_rng_state().numpy().tobytes()


# ---- initial weights ----

INITS = [
    ("uniform_", {}), ("uniform_", {"a": -0.3, "b": 0.1}), ("normal_", {}), ("normal_", {"mean": 1.0, "std": 0.3}),
    ("xavier_uniform_", {}), ("xavier_uniform_", {"gain": 1.7}), ("xavier_normal_", {"gain": 1.7}),
    ("kaiming_uniform_", {"a": 5**0.5}), ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "tanh"}),
    ("kaiming_normal_", {}), ("kaiming_normal_", {"mode": "fan_out", "nonlinearity": "relu"}),
    ("trunc_normal_", {}), ("trunc_normal_", {"a": -0.5, "b": 0.5}), ("trunc_normal_", {"a": 1.5, "b": 3.0}),
    ("trunc_normal_", {"mean": 0.1, "std": 0.02}), ("sparse_", {"sparsity": 0.4}), ("sparse_", {"sparsity": 0.0, "std": 2.0}),
]  # fmt: skip
shapes = st.lists(st.integers(1, 9), min_size=2, max_size=4)


@pytest.mark.parametrize(("name", "options"), INITS)
@given(shape=shapes, dtype=st.sampled_from(["float32", "float64"]), seed=seeds, own=st.booleans())
def test_init(name: str, options: Any, shape: list[int], dtype: str, seed: int, own: bool) -> None:
    def call(t: Any, g: Any) -> Any:
        chosen = {"generator": g} if own else {}
        return getattr(t.nn.init, name)(t.empty(shape, dtype=getattr(t, dtype)), **options, **chosen)

    assert_same(call, seed)


@given(shape=shapes, groups=st.integers(1, 3))
def test_init_without_draws(shape: list[int], groups: int) -> None:
    assert_same(lambda t, g: t.nn.init.dirac_(t.empty(shape), groups))
    assert_same(lambda t, g: t.nn.init.eye_(t.empty(shape)))


@given(shape=shapes, seed=seeds, gain=positive)
def test_orthogonal_init(shape: list[int], seed: int, gain: float) -> None:
    """The draws are torch's; the QR decomposition is LAPACK's own."""
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
        made = []
        for lib, g in zip(LIBRARIES, generators(seed)):
            made.append(lib.nn.init.orthogonal_(lib.empty(shape, dtype=getattr(lib, dtype)), gain, generator=g).numpy())
        assert np.allclose(*made, rtol=0, atol=tolerance * gain)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@given(data=st.data(), seed=seeds, dtype=st.sampled_from(["float32", "float64"]))
def test_a_layer_starts_as_torchs(row: Row, data: Any, seed: int, dtype: str) -> None:
    options = data.draw(row.options)

    def call(t: Any, g: Any) -> Any:
        t.set_default_dtype(getattr(t, dtype))
        try:
            state = row.build(t, options, dtype).state_dict()
        finally:
            t.set_default_dtype(t.float32)
        return [[name, value] for name, value in state.items()]

    assert_same(call, seed)


# ---- the generator ----


@given(seed=seeds)
def test_seeds(seed: int) -> None:
    def call(t: Any, g: Any) -> Any:
        other = t.manual_seed(seed)
        return [other.initial_seed(), t.initial_seed(), g.manual_seed(seed).initial_seed(), t.Generator().initial_seed()]

    assert_same(call, seed)


def test_fork_and_restore() -> None:
    def call(t: Any, g: Any) -> Any:
        before = t.get_rng_state()
        with t.random.fork_rng():
            inside = t.rand(3)
        with t.random.fork_rng(enabled=False):
            kept = t.randn(3)
        after = t.rand(3)
        t.set_rng_state(before)
        return [inside, kept, after, t.rand(3)]

    assert_same(call, 5)


def test_an_unseeded_generator_is_not_predictable() -> None:
    g = minitorch.Generator()
    assert len({g.seed() for _ in range(4)} | {minitorch.seed() for _ in range(4)}) == 8
    assert g.seed() == g.initial_seed()
    minitorch.manual_seed(0)


def test_gradient_of_what_was_overwritten_is_zero() -> None:
    def call(t: Any, g: Any) -> Any:
        x = t.ones(3, requires_grad=True)
        mean = t.ones(3, requires_grad=True)
        y = (x * 2).uniform_(generator=g)
        z = t.normal(mean, 1.0) + t.bernoulli(mean * 0.5)
        (y + z).sum().backward()
        return [y, z, x.grad, mean.grad, y.grad_fn.name()]

    assert_same(call, 3)


# ---- test vectors of the specification, float32 unless noted, seeds 0, 42 and 2³² + 1 ----

VECTORS: list[tuple[Callable[[Any], Any], list[str]]] = [
    (lambda t: t.rand(4), ["0.4962566 0.7682218 0.08847743 0.13203049", "0.88226926 0.91500396 0.38286376 0.95930564",
                           "0.7576316 0.27931088 0.40306926 0.73468447"]),
    (lambda t: t.rand(2, dtype=t.float64), ["0.9700530018065531 0.707819864399788",
                                            "0.05815448596142969 0.06291016742457756",
                                            "0.06105327471962363 0.2245545065676504"]),
    (lambda t: t.randn(5), ["1.5409961 -0.2934289 -2.1787894 0.56843126 -1.0845224",
                            "0.33669037 0.1288094 0.23446237 0.23033303 -1.1228564",
                            "0.66135216 0.2669241 0.06167726 0.6213173 -0.45190597"]),
    (lambda t: t.randn(16)[[0, 1, 8, 15]], ["-1.1258398 -1.1523602 0.32227492 -0.24727815",
                                            "1.9269153 1.4872841 -0.7521353 0.7624454",
                                            "-1.5255959 -0.7502318 -0.7121446 0.4676355"]),
    (lambda t: t.randn(20)[[0, 3, 4, 19]], ["-1.1258398 -0.4338788 0.59883946 0.053736903",
                                            "1.9269153 -2.105521 -0.75813115 -0.6215954",
                                            "-1.5255959 -1.6094848 0.8656924 1.7163026"]),
    (lambda t: t.randint(0, 100, (8,)), ["44 39 33 60 63 79 27 3", "42 67 76 14 26 35 20 24", "45 39 24 68 63 13 91 41"]),
    (lambda t: t.randint(0, 2**28, (3,)), ["130329135 136432832 195187451", "199900595 250975502 127521863",
                                           "256344299 247206984 13419401"]),
    (lambda t: t.randperm(10), ["4 1 7 5 3 9 0 8 6 2", "2 6 1 8 4 5 0 9 3 7", "5 6 1 2 0 8 9 3 7 4"]),
    (lambda t: t.empty(16).bernoulli_(0.3), ["0 0 0 0 0 0 1 0 0 1 0 1 0 0 0 0", "1 1 1 1 0 0 0 0 1 1 1 0 0 0 0 0",
                                             "1 1 1 1 0 1 0 0 0 0 0 0 0 0 1 1"]),
    (lambda t: t.empty(3).exponential_(), ["3.5083263 1.2303847 0.6150441", "0.059914015 0.064976126 0.13191678",
                                           "0.06299654 0.25431758 0.2669028"]),
    (lambda t: t.multinomial(t.tensor([0.1, 0.2, 0.3, 0.4]), 8, True), ["3 3 2 3 3 3 1 2", "0 0 1 0 2 2 3 3",
                                                                        "0 1 1 1 2 1 2 3"]),
    (lambda t: t.nn.Linear(3, 2).weight, ["-0.0043225177 0.30971584 -0.47518533 -0.4248946 -0.22236897 0.15482073",
                                          "0.44140652 0.47920528 -0.13525727 0.53036046 -0.1264995 0.11650391",
                                          "0.29748735 -0.25482982 -0.11192598 0.27099028 -0.5435388 0.34624693"]),
    (lambda t: t.empty(4).uniform_(-0.0361, 0.0361), ["-0.0002702742 0.019365614 -0.02971193 -0.0265674"]),
    (lambda t: t.empty(3).cauchy_(), ["10.59773 0.7647673 -0.12829934"]),
    (lambda t: t.empty(3).log_normal_(), ["59.263416 1.51156 0.03481946"]),
    (lambda t: t.empty(6).geometric_(0.3), ["1 1 3 1 2 1"]),
    (lambda t: t.nn.functional.alpha_dropout(t.ones(4), 0.5, True), ["-0.77919394 -0.77919394 1.6655989 -0.77919394"]),
    (lambda t: t.nn.init.trunc_normal_(t.empty(4), 0, 1, 1.5, 3), ["2.1834419 1.8654873 1.6327162 1.5475793"]),
]  # fmt: skip


@pytest.mark.parametrize(("call", "wanted"), VECTORS, ids=range(len(VECTORS)))
def test_vectors(call: Any, wanted: list[str]) -> None:
    for seed, numbers in zip((0, 42, 2**32 + 1), wanted):
        minitorch.manual_seed(seed)
        have = call(minitorch).detach().numpy().reshape(-1)
        assert have.tolist() == np.array(numbers.split(), have.dtype).tolist()


DIGESTS: dict[str, Callable[[Any], Any]] = {
    "c92d742c61e64442": lambda t: t.rand(10**6),
    "46aae2c14787e572": lambda t: t.randn(10**6),
    "f8adc42c9a954fc7": lambda t: t.empty(10**6).uniform_(-0.1, 0.3),
    "7404012540bd9c17": lambda t: t.empty(10**6, dtype=t.uint8).bernoulli_(0.3),
    "27df463fc2ed34f1": lambda t: t.randperm(10**5),
    "dbb3b3bd6caa39b7": lambda t: t.randint(0, 1000, (10**5,)),
}


@pytest.mark.parametrize("digest", DIGESTS)
def test_digests(digest: str) -> None:
    minitorch.manual_seed(0)
    assert hashlib.sha256(DIGESTS[digest](minitorch).numpy().tobytes()).hexdigest().startswith(digest)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_many_normals(dtype: str) -> None:
    """Enough for several blocks, two threads and an incomplete last block."""
    assert_same(lambda t, g: t.randn(300_005, dtype=getattr(t, dtype)), 11)
    assert_same(lambda t, g: t.empty(200_003, dtype=getattr(t, dtype)).normal_(-1.5, 0.3), 12)


# ---- refusals ----

REFUSALS: list[Callable[[Any, Any], Any]] = [
    lambda t, g: t.manual_seed(2**64), lambda t, g: t.manual_seed(-(2**63) - 1), lambda t, g: g.manual_seed(1.5),
    lambda t, g: g.manual_seed("1"), lambda t, g: g.set_state(t.zeros(5056, dtype=t.uint8)),
    lambda t, g: g.set_state(t.zeros(5, dtype=t.uint8)), lambda t, g: g.set_state(t.zeros(5056)),
    lambda t, g: g.set_state([1]), lambda t, g: t.set_rng_state(t.zeros(5056)), lambda t, g: spoiled(t, g, 8, 0),
    lambda t, g: spoiled(t, g, 9, 9), lambda t, g: spoiled(t, g, 12, 0), lambda t, g: spoiled(t, g, 17, 200),
    lambda t, g: t.rand(2, generator=1), lambda t, g: t.empty(2).normal_(generator="g"), lambda t, g: t.Generator("meta?"),
    lambda t, g: t.randperm(3, generator=0), lambda t, g: t.multinomial(t.ones(3), 1, generator=0),
    lambda t, g: t.empty(3).uniform_(1, 0), lambda t, g: t.empty(3).uniform_(-3e38, 3e38),
    lambda t, g: t.empty(3, dtype=t.float16).uniform_(0, 1e6), lambda t, g: t.empty(3).uniform_(float("nan"), 1),
    lambda t, g: t.empty(3).normal_(0, -1), lambda t, g: t.empty(3).normal_(0, float("nan")),
    lambda t, g: t.normal(t.zeros(2), -1.0), lambda t, g: t.normal(t.zeros(2), t.tensor([1.0, -1.0])),
    lambda t, g: t.normal(0.0, 1.0), lambda t, g: t.normal(0.0, 1.0, 2), lambda t, g: t.normal(0.0, -1.0, (2,)),
    lambda t, g: t.normal(t.zeros(2), t.ones(3)), lambda t, g: t.normal(t.zeros(2, dtype=t.int64), 1.0),
    lambda t, g: t.empty(3).exponential_(0), lambda t, g: t.empty(3).exponential_(float("nan")),
    lambda t, g: t.empty(3).cauchy_(0, 0), lambda t, g: t.empty(3).log_normal_(0, 0),
    lambda t, g: t.empty(3).geometric_(0), lambda t, g: t.empty(0).geometric_(1), lambda t, g: t.empty(3).bernoulli_(2),
    lambda t, g: t.empty(3).bernoulli_(float("nan")), lambda t, g: t.empty(3).bernoulli_(t.tensor(2.0)),
    lambda t, g: t.empty(3).bernoulli_(t.tensor([0.5, 0.5])), lambda t, g: t.empty(3).bernoulli_(t.tensor([1, 0, 1])),
    lambda t, g: t.bernoulli(t.tensor([0.5, 0.5, 2.0])), lambda t, g: t.bernoulli(t.tensor([0.5, float("nan")])),
    lambda t, g: t.bernoulli(t.tensor([1, 0])), lambda t, g: t.bernoulli(t.ones(2), -1.0),
    lambda t, g: t.randint(5, 5, (2,)), lambda t, g: t.randint(0, (2,)), lambda t, g: t.randint(0, 5, 2),
    lambda t, g: t.randint(0.5, 3, (2,)), lambda t, g: t.empty(3).random_(1.5), lambda t, g: t.empty(3).random_(0, 2**63),
    lambda t, g: t.randint(0, 300, (2,), dtype=t.uint8), lambda t, g: t.randint_like(t.ones(2), 5, 5),
    lambda t, g: t.randperm(-1), lambda t, g: t.randperm(3.0), lambda t, g: t.randperm(300, dtype=t.uint8),
    lambda t, g: t.randperm(3000, dtype=t.float16), lambda t, g: t.randperm(3, dtype=t.bool), lambda t, g: t.rand(-1),
    lambda t, g: t.rand_like(t.ones(2, dtype=t.int64)), lambda t, g: t.randn(2, dtype=t.int64),
    lambda t, g: t.multinomial(t.tensor([0.5, -1.0, 2.0]), 1), lambda t, g: t.multinomial(t.tensor([0.5, -1.0]), 2, True),
    lambda t, g: t.multinomial(t.tensor([[0.5, 1.0], [0.0, 0.0]]), 2, True), lambda t, g: t.multinomial(t.zeros(2), 1),
    lambda t, g: t.multinomial(t.tensor([[0.5, 1.0], [1.0, -1.0]]), 2, True), lambda t, g: t.multinomial(t.ones(2), 3),
    lambda t, g: t.multinomial(t.tensor([0.5, float("inf")]), 2, True), lambda t, g: t.multinomial(t.ones(2), 0),
    lambda t, g: t.multinomial(t.ones(2, 2, 2), 1), lambda t, g: t.multinomial(t.ones(2, dtype=t.int64), 1),
    lambda t, g: t.multinomial(t.ones(0), 1), lambda t, g: t.multinomial(t.tensor(1.0), 1),
    lambda t, g: t.nn.functional.dropout(t.ones(3), 1.5), lambda t, g: t.dropout(t.ones(3), 1.5, True),
    lambda t, g: t.nn.functional.dropout(t.ones(3, dtype=t.int64), 0.5), lambda t, g: t.nn.Dropout(-0.1),
    lambda t, g: t.nn.functional.alpha_dropout(t.ones(3, dtype=t.int64), 0.5, True),
    lambda t, g: t.nn.functional.dropout1d(t.ones(2)), lambda t, g: t.nn.functional.dropout2d(t.ones(2)),
    lambda t, g: t.ones(2, requires_grad=True).uniform_(), lambda t, g: t.ones(1).expand(3).uniform_(),
    lambda t, g: t.nn.init.xavier_uniform_(t.empty(3)), lambda t, g: t.nn.init.sparse_(t.empty(3), 0.1),
    lambda t, g: t.nn.init.trunc_normal_(t.empty(3), 0, 1, 2, -2), lambda t, g: t.nn.init.dirac_(t.empty(3, 3)),
]  # fmt: skip


def spoiled(lib: Any, g: Any, byte: int, value: int) -> Any:
    """Set a state with one byte changed."""
    state = g.get_state().numpy().copy()
    state[byte] = value
    return g.set_state(lib.from_numpy(state))


@pytest.mark.parametrize("number", range(len(REFUSALS)))
def test_refusal(number: int) -> None:
    """The same type of error, and the stream stands where torch's stands then."""
    assert isinstance(assert_same(REFUSALS[number], 1), Exception), "torch does not complain"


def test_a_refused_fill_writes_nothing() -> None:
    x = minitorch.arange(4.0)
    for refused in (method("uniform_", [1, 0]), method("bernoulli_", [minitorch.tensor([0.5, 0.5, 2.0, 0.5])])):
        with pytest.raises(RuntimeError):
            refused(x)
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert x._version == 0


def test_a_generator_of_another_device_is_refused() -> None:
    g = minitorch.Generator()
    g.device = minitorch.device("cuda")
    for draw in (lambda: minitorch.rand(2, generator=g), lambda: minitorch.randperm(2, generator=g)):
        with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
            draw()
