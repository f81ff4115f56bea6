"""Known random numbers, known digests of many, and what is refused: the same type of error, at the same place of the stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from streams import assert_same

import minitorch

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
    for refused in (lambda: x.uniform_(1, 0), lambda: x.bernoulli_(minitorch.tensor([0.5, 0.5, 2.0, 0.5]))):
        with pytest.raises(RuntimeError):
            refused()
    assert x.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert x._version == 0


def test_a_generator_of_another_device_is_refused() -> None:
    g = minitorch.Generator()
    g.device = minitorch.device("cuda")
    for draw in (lambda: minitorch.rand(2, generator=g), lambda: minitorch.randperm(2, generator=g)):
        with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
            draw()
