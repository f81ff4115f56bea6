"""Random numbers drawn on a GPU: torch's there, by the formula and by the kernel; its generator; nothing is copied nor waited for.

What torch prints on a GPU has been published by many; these numbers are here. No GPU has compared more than them.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.arrays.device import shortcuts
from minitorch.ops import gpu_draws
from minitorch.random import gpu
from minitorch.random.philox import philox
from reference.cuda_on_cpu import compiler
from reference.strict_cupy import copies_to_the_gpu, counting, cupy

executed = pytest.mark.skipif(compiler() is None, reason="executing kernels on the CPU needs g++, which is not installed")
pytestmark = [pytest.mark.usefixtures("gpu"), pytest.mark.shortcuts]
both_ways = pytest.mark.parametrize("with_kernel", [pytest.param(True, marks=executed), False])


@pytest.fixture(autouse=True)
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "with_kernel" in request.fixturenames:
        monkeypatch.setattr(shortcuts, "enabled", request.getfixturevalue("with_kernel"))


# ---- torch's numbers ----

# torch.manual_seed(0), and then on any card: rand(12); or rand(3, 3) twice; or randn(4, 8).
RAND = [0.3990, 0.5167, 0.0249, 0.9401, 0.9459, 0.7967, 0.4150, 0.8203, 0.2290, 0.9096, 0.1183, 0.0752]
RAND_AFTERWARDS = [0.9722, 0.7910, 0.4690, 0.3300, 0.3345, 0.3783, 0.7640]
RANDN = [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284, -1.0745, -0.3631, -1.6711, 2.2655, 0.3117, -0.1842,
         1.2866, 1.1820, -0.1271, 1.2169, 1.4353, 1.0605, -0.4941, -1.4244, -0.7244, -1.2973]  # fmt: skip


@both_ways
def test_what_torch_prints(with_kernel: bool) -> None:
    minitorch.manual_seed(0)
    assert np.round(minitorch.rand(12, device="cuda").tolist(), 4).tolist() == RAND
    assert np.round(minitorch.rand(7, device="cuda").tolist(), 4).tolist() == RAND_AFTERWARDS
    minitorch.cuda.manual_seed(0)
    assert np.round(minitorch.randn(3, 8, device="cuda").flatten().tolist(), 4).tolist() == RANDN


def test_which_thread_makes_which_number() -> None:
    """One by one, as torch's kernel does, for more numbers than the stand-in holds threads (1024)."""
    n, seed, offset = 5000, 9, 8
    minitorch.cuda.set_rng_state(minitorch.from_numpy(np.array([seed, offset], "<u8").view(np.uint8)))
    have = minitorch.randint(1 << 20, (n,), device="cuda").tolist()
    for i in (0, 1, 1023, 1024, 2047, 2048, 3000, 4095, 4096, 4999):
        call, rest = divmod(i, 4 * 1024)
        word, thread = divmod(rest, 1024)
        counter = (offset // 4 + call, 0, thread, 0)
        words = philox(tuple(np.array([c], np.uint64) for c in counter), seed)  # type: ignore[arg-type]
        assert have[i] == int(words[word][0]) % (1 << 20)
    assert minitorch.cuda.get_rng_state().numpy().view("<u8").tolist() == [seed, offset + 4 * 2]


@pytest.mark.parametrize(
    ("n", "each", "taken"), [(1, 4, 4), (1024, 4, 4), (1025, 4, 4), (4096, 4, 4), (4097, 4, 8), (2049, 2, 8)]
)
def test_how_far_the_stream_goes_on(n: int, each: int, taken: int, stand_in: Any) -> None:
    generator = minitorch.Generator("cuda")
    generator.draw(n, each)
    assert generator.get_offset() == taken


KINDS = {
    "uniform": (-1.0, 3.0), "normal": (1.0, 2.0), "log_normal": (0.0, 0.5), "exponential": (2.0, 0.0), "cauchy": (0.5, 2.0),
    "geometric": (0.3, 0.0), "bernoulli": (0.4, 0.0),
}  # fmt: skip
CLOSE = {"float64": 1e-12, "float32": 2e-6, "float16": 2e-3, "bfloat16": 1e-2}


@executed
@pytest.mark.parametrize("dtype", CLOSE)
def test_the_kernel_is_the_formula(dtype: str, stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    like = cupy.empty(300, getattr(minitorch, dtype).numpy)
    draw = gpu.Draw(2**63 + 5, 2**32 - 1, 64, 3, 2 if dtype == "float64" else 4)
    for kind in KINDS if dtype in ("float64", "float32") else ("uniform", "normal"):
        found = []
        for enabled in (True, False):
            monkeypatch.setattr(shortcuts, "enabled", enabled)
            found.append(gpu_draws.philox_floats.compute(cupy, like, kind, *KINDS[kind], *draw).get().astype("float64"))
        assert np.allclose(*found, rtol=CLOSE[dtype], atol=CLOSE[dtype]), kind


DRAWS: dict[str, Callable[..., Any]] = {
    "rand": lambda **k: minitorch.rand(20000, **k),
    "randn": lambda **k: minitorch.randn(20000, **k),
    "exponential_": lambda **k: minitorch.empty(20000, device="cuda").exponential_(0.5, generator=k.get("generator")),
    "log_normal_": lambda **k: minitorch.empty(20000, device="cuda").log_normal_(0, 0.5, generator=k.get("generator")),
    "geometric_": lambda **k: minitorch.empty(20000, device="cuda").geometric_(0.25, generator=k.get("generator")),
    "bernoulli_": lambda **k: minitorch.empty(20000, device="cuda").bernoulli_(0.3, generator=k.get("generator")),
    "bernoulli": lambda **k: minitorch.bernoulli(minitorch.full((20000,), 0.3, device="cuda"), generator=k.get("generator")),
    "randint": lambda **k: minitorch.randint(-3, 8, (20000,), **k).float(),
    "random_": lambda **k: minitorch.empty(20000, device="cuda", dtype=minitorch.int32).random_(1000, generator=k.get("generator")).float(),
    "uniform_": lambda **k: minitorch.empty(20000, device="cuda").uniform_(-2, 4, generator=k.get("generator")),
    "multinomial": lambda **k: minitorch.multinomial(minitorch.ones(20000, 4, device="cuda"), 1, generator=k.get("generator")).float(),
}  # fmt: skip
MEAN_AND_DEVIATION = {
    "rand": (0.5, 12**-0.5), "randn": (0, 1), "exponential_": (2, 2), "log_normal_": (1.1331, 0.6039), "geometric_": (4, 12**0.5),
    "bernoulli_": (0.3, 0.21**0.5), "bernoulli": (0.3, 0.21**0.5), "randint": (2, 10**0.5), "random_": (499.5, 288.67), "uniform_": (1, 3**0.5),
    "multinomial": (1.5, 1.25**0.5),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_means_and_deviations(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "enabled", False)  # (a thousand threads of the system otherwise)
    minitorch.manual_seed(3)
    x = DRAWS[name](device="cuda").double().cpu()
    mean, deviation = MEAN_AND_DEVIATION[name]
    assert abs(x.mean().item() - mean) < 5 * deviation / 141 and abs(x.std().item() / deviation - 1) < 0.05


@pytest.mark.parametrize("name", DRAWS)
def test_a_generator_of_the_gpu(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "enabled", False)
    generator, again = minitorch.Generator("cuda").manual_seed(7), minitorch.Generator(device="cuda").manual_seed(7)
    state = minitorch.cuda.get_rng_state()
    first = DRAWS[name](device="cuda", generator=generator)
    assert minitorch.equal(first, DRAWS[name](device="cuda", generator=again))
    assert not minitorch.equal(first, DRAWS[name](device="cuda", generator=again))
    assert minitorch.equal(state, minitorch.cuda.get_rng_state()), "the default generator has not moved"
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        DRAWS[name](device="cuda", generator=minitorch.Generator())


def test_nothing_is_copied_nor_waited_for(stand_in: Any) -> None:
    with counting() as waits, copies_to_the_gpu() as copies:
        for draw in list(DRAWS.values())[:-1]:
            draw(device="cuda")
        minitorch.randperm(50, device="cuda")
    assert waits == [] and copies == []


def test_rrelu_draws_its_slopes_there(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "enabled", False)
    x = minitorch.cat([-minitorch.ones(5000, device="cuda"), minitorch.ones(10, device="cuda")]).requires_grad_()
    with counting() as waits, copies_to_the_gpu() as copies:
        y = minitorch.nn.functional.rrelu(x, 0.125, 0.25, training=True)
        y.sum().backward()
    assert waits == copies == [] and minitorch.equal(x.grad, y / x)
    slopes = -y[:5000].detach().cpu()
    assert slopes.min() >= 0.125 and slopes.max() <= 0.25 and abs(slopes.mean() - 0.1875) < 0.003 and (y[5000:] == 1).all()


# ---- permutations ----


@pytest.mark.parametrize("n", [0, 1, 2, 10, 1000])
def test_permutations(n: int) -> None:
    minitorch.manual_seed(2)
    order = minitorch.randperm(n, device="cuda")
    assert order.is_cuda and sorted(order.tolist()) == list(range(n)) and (n < 10 or order.tolist() != list(range(n)))


def test_equal_keys_are_drawn_once_more(stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys without bits: all are alike, and their order must be chance."""
    monkeypatch.setattr(gpu, "bits_of_keys", lambda n: 0)
    minitorch.manual_seed(1)
    orders = [tuple(minitorch.randperm(4, device="cuda").tolist()) for _ in range(100)]
    assert all(sorted(order) == [0, 1, 2, 3] for order in orders) and len(set(orders)) == 24


def test_bits_of_keys_are_torchs() -> None:
    assert [gpu.bits_of_keys(n) for n in (2, 10, 1000, 10**6)] == [5, 9, 23, 43]


# ---- the generator ----


def test_its_state_goes_and_comes(stand_in: Any) -> None:
    generator = minitorch.Generator("cuda")
    assert isinstance(generator, minitorch.Generator) and str(generator.device) == "cuda:0"
    assert generator.initial_seed() == 67280421310721 and generator.get_offset() == 0
    generator.manual_seed(-1)
    minitorch.rand(5, device="cuda", generator=generator)
    state = generator.get_state()
    assert state.numpy().view("<u8").tolist() == [2**64 - 1, 4] and not state.is_cuda
    want = minitorch.rand(5, device="cuda", generator=generator)
    for other in (minitorch.Generator("cuda").set_state(state), pickle.loads(pickle.dumps(minitorch.Generator("cuda").set_state(state))),
                  copy.deepcopy(minitorch.Generator("cuda").set_state(state)), minitorch.Generator("cuda").set_state(state).clone_state()):  # fmt: skip
        assert minitorch.equal(minitorch.rand(5, device="cuda", generator=other), want)
    generator.set_state(state[:8].clone())
    assert generator.get_offset() == 0, "a seed alone"
    generator.set_offset(8)
    assert generator.get_offset() == 8 and generator.seed() == generator.initial_seed()


@pytest.mark.parametrize(("error", "wrong"), [
    (RuntimeError, lambda g: g.set_offset(3)), (RuntimeError, lambda g: g.set_offset(-4)), (TypeError, lambda g: g.set_state([1])),
    (RuntimeError, lambda g: g.set_state(minitorch.zeros(17, dtype=minitorch.uint8))), (RuntimeError, lambda g: g.manual_seed("1")),
    (TypeError, lambda g: g.set_state(minitorch.zeros(16))), (ValueError, lambda g: g.manual_seed(2**64)),
    (RuntimeError, lambda g: minitorch.rand(3, generator=g)),
])  # fmt: skip
def test_what_it_refuses_changes_nothing(error: type, wrong: Callable, stand_in: Any) -> None:
    generator = minitorch.Generator("cuda").manual_seed(3)
    with pytest.raises(error):
        wrong(generator)
    assert generator.get_state().numpy().view("<u8").tolist() == [3, 0]


def test_a_probability_outside_is_told_late(stand_in: Any) -> None:
    drawn = minitorch.bernoulli(minitorch.tensor([0.5, 1.5], device="cuda"))
    with pytest.raises(RuntimeError, match="Expected p_in >= 0"):
        drawn.tolist()


@pytest.mark.parametrize("fault", [
    lambda words: (words[1], words[0], *words[2:]), lambda words: tuple(w + np.uint64(1 << 12) for w in words),
])  # fmt: skip
def test_another_word_is_noticed(fault: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gpu.Draw.words
    monkeypatch.setattr(gpu.Draw, "words", lambda self, xp: fault(whole(self, xp)))
    with pytest.raises(AssertionError):
        monkeypatch.setattr(shortcuts, "enabled", False)
        test_what_torch_prints(False)
