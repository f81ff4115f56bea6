"""The same seed gives torch's numbers: every draw equal in every bit, and the generator's state after it.

A call is written once, as a function of a library `t` and a generator `g`; `streams.py` runs it on both from one seed.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from streams import LIBRARIES, assert_same, generators, outcome, same

import minitorch
from minitorch.random.exact import fma
from reference.layers import ROWS, Row

seeds = st.integers(-(2**63), 2**64 - 1) | st.integers(0, 100)
sizes = st.sampled_from([(), (0,), (1,), (2,), (15,), (16,), (17,), (31,), (32,), (100,), (3, 5), (4, 4), (2, 3, 4), (0, 3)])
floats = st.sampled_from(["float32", "float64", "float16"])
integers = st.sampled_from(["int64", "int32", "int16", "int8", "uint8", "bool"])
dtypes = floats | integers
numbers = st.sampled_from([0.5, 1.0, 0.0, -0.3, 2.7, 0.1, 1e-3])
positive = st.sampled_from([0.5, 1.0, 2.7, 0.1, 1e-3])
thousandths = st.integers(1, 999).map(lambda k: k / 1000)  # most are no float32, so that roundings show
shares = st.sampled_from([0.0, 1.0, 0.5]) | thousandths


# ---- the calls ----


@st.composite
def fills(draw: Any) -> tuple[str, list[Any]]:
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
    if limits == [2**63 - 1, None] and dtype.startswith("float"):
        limits = [2**63 - 2, None]  # for the other, torch looks for a larger float for ever; ours refuses
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


@given(seed=seeds, dtype=st.sampled_from(["float32", "float64"]), size=st.lists(st.floats(-3, 12), min_size=1, max_size=9))
def test_counts(seed: int, dtype: str, size: list[float]) -> None:
    """Poisson and binomial numbers, small ones and large: each takes as many words as its tries."""

    def call(t: Any, g: Any) -> Any:
        rate = t.tensor(size, dtype=getattr(t, dtype)).exp()
        share = t.rand(len(size), generator=g, dtype=rate.dtype)
        return [
            t.poisson(rate, g),
            t.binomial(rate.ceil(), share, g),
            t.binomial(rate.ceil(), share**6, g),
            t.rand(2, generator=g),
        ]

    assert_same(call, seed)


@given(seed=seeds, dtype=floats)
def test_many_samples_by_weight(seed: int, dtype: str) -> None:
    """Enough to meet the roundings of the running sums, which are in float32 for float16 weights."""
    assert_same(lambda t, g: t.multinomial(t.rand(50, dtype=getattr(t, dtype)), 3000, True), seed)


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


def test_fma_of_many_blocks_rounds_once() -> None:
    """A few of 200,000 sums end between two float32 once they are rounded to float64: they are rounded from the exact sum."""
    c, b = np.float32(2.0**23 + 1), np.float32(0.5 - 2.0**-24)
    a = np.random.default_rng(0).random(200_000, np.float32)
    a[::50_000] = 1 + 2.0**-23  # a b = ½ − 2⁻⁴⁷: the sum is a hair below the middle, whose even neighbour is above
    found, twice = fma(a, b, c), (a.astype(np.float64) * float(b) + float(c)).astype(np.float32)
    assert (found[::50_000] == c).all()
    assert np.flatnonzero(found != twice).tolist() == [0, 50_000, 100_000, 150_000]


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
        limits, whole = draw(ranges()), draw(integers)
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
