"""Random numbers on a GPU: Philox as published and the same in CUDA; dropout by it; where its stream stands, and what sets it."""

from __future__ import annotations

import math
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from minitorch.arrays.device import shortcuts
from minitorch.nn import functional as F
from minitorch.ops.dropout import limit
from minitorch.random import philox
from minitorch.random.gpu import default_generator
from minitorch.utils.checkpoint import checkpoint
from reference.cuda_on_cpu import compiled, compiler
from reference.strict_cupy import counting
from reference.strict_cupy.arrays import uploads

executed = pytest.mark.skipif(compiler() is None, reason="executing kernels on the CPU needs g++, which is not installed")
words32 = st.integers(0, 2**32 - 1)
words64 = st.integers(0, 2**64 - 1)

# ---- the generator ----

# Of the paper's library (Random123, kat_vectors): counter, key, four words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
ONE = r"""
KERNEL one(unsigned* c, unsigned k0, unsigned k1) {
    unsigned words[4] = {c[0], c[1], c[2], c[3]};
    philox(words, k0, k1);
    for (int k = 0; k < 4; k++) c[k] = words[k];
}
"""


def in_numpy(counter: list[int], key: list[int]) -> list[int]:
    arrays = tuple(np.array([c], np.uint64) for c in counter)
    return [int(word[0]) for word in philox.philox(arrays, key[0] | key[1] << 32)]  # type: ignore[arg-type]


def in_cuda(counter: list[int], key: list[int]) -> list[int]:
    words = np.array(counter, np.uint32)
    compiled('#define KERNEL extern "C" __global__ void\n' + philox.CUDA + ONE, "one")(1, 1, (words, *map(np.uint32, key)))
    return words.tolist()


@pytest.mark.parametrize("words", [in_numpy, pytest.param(in_cuda, marks=executed)])
@pytest.mark.parametrize(("counter", "key", "want"), KNOWN)
def test_known_answers(words: Any, counter: str, key: str, want: str) -> None:
    assert words(*([int(word, 16) for word in text.split()] for text in (counter, key))) == [
        int(w, 16) for w in want.split()
    ]


@executed
@given(st.tuples(*[words32] * 4), st.tuples(*[words32] * 2))
def test_cuda_and_numpy_agree(counter: tuple, key: tuple) -> None:
    assert in_cuda(list(counter), list(key)) == in_numpy(list(counter), list(key))


@given(st.integers(1, 5000), words64, st.integers(0, 2**40))
def test_a_tile_is_four_words_of_each_of_its_counters(n: int, seed: int, counter: int) -> None:
    found = philox.words(np, n, seed, counter)
    i = n - 1
    tile, within = divmod(i, 1024)
    c = counter + 256 * tile + within % 256
    four = in_numpy([c & philox.LOW, c >> 32, 0, 0], [seed & philox.LOW, seed >> 32])
    assert found.shape == (n,) and int(found[i]) == four[within // 256]


def test_words_are_uniform_and_independent() -> None:
    words = philox.words(np, 1 << 20, 1, 0)
    counts = np.bincount(words >> 24, minlength=256)
    expected = len(words) / 256
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - 255) < 5 * math.sqrt(2 * 255)
    x = words / 2**32 - 0.5
    for lag in (1, 4, 256, 1024):
        assert abs((x[:-lag] * x[lag:]).mean()) < 5 / 12 / math.sqrt(len(x)), f"words {lag} apart are correlated"
    bits = np.unpackbits(words.astype("<u4").view(np.uint8))
    assert abs(bits.mean() - 0.5) < 5 * 0.5 / math.sqrt(len(bits))


# ---- dropout on a GPU ----


def expected(x: Any, p: float, seed: int, counter: int) -> np.ndarray:
    """Dropout of x by NumPy alone, in x's dtype."""
    wide = np.float64 if x.dtype is minitorch.float64 else np.float32
    kept = philox.words(np, x.numel(), seed, counter).reshape(x.shape) < limit(p)
    host = x.detach().cpu().to(getattr(minitorch, np.dtype(wide).name)).numpy()
    return minitorch.from_numpy(host * np.where(kept, wide(1 / (1 - p)), wide(0))).to(x.dtype).double().numpy()


@pytest.mark.parametrize("with_kernel", [pytest.param(True, marks=executed), False])
@given(
    st.sampled_from(["float64", "float32", "float16", "bfloat16"]),
    st.sampled_from([(1,), (5, 7), (1024,), (3, 1025), (2, 0)]),
    st.sampled_from([0.1, 0.5, 0.97]),
    words64,
)
def test_dropout_is_numpys_philox(gpu: Any, with_kernel: bool, dtype: str, shape: tuple, p: float, seed: int) -> None:
    x = minitorch.randn(shape).to(getattr(minitorch, dtype)).cuda().requires_grad_()
    minitorch.manual_seed(seed)
    with mock.patch.object(shortcuts, "enabled", with_kernel):
        for counter in (0, 256 * philox.tiles_for(x.numel())):
            y = F.dropout(x, p)
            g = minitorch.randn(shape, dtype=minitorch.float64).to(x.dtype).cuda()
            (dx,) = minitorch.autograd.grad(y, x, g)
            for have, source in ((y, x), (dx, g)):
                assert have.is_cuda and have.dtype is x.dtype
                assert np.array_equal(have.detach().cpu().double().numpy(), expected(source, p, seed, counter))


@pytest.mark.usefixtures("gpu")
def test_nothing_is_kept_nor_copied_nor_waited_for(stand_in: Any) -> None:
    x = minitorch.randn(30, 50).cuda().requires_grad_()
    before = len(uploads)
    with counting() as waits:
        y = F.dropout(x, 0.4)
        assert y.grad_fn.saved and not any(isinstance(v, minitorch.Tensor) for v in y.grad_fn.saved)
        y.sum().backward()
    assert waits == [] and len(uploads) == before
    assert y.grad_fn.name() == "NativeDropoutBackward0"


@pytest.mark.usefixtures("gpu")
def test_the_mask_does_not_depend_on_the_memory_layout() -> None:
    x = minitorch.rand(40, 60).cuda() + 1
    masks = []
    for laid_out in (x, x.t().contiguous().t(), x[:1].expand(40, 60)):
        minitorch.manual_seed(3)
        masks.append((F.dropout(laid_out, 0.5) == 0).tolist())
    assert masks[0] == masks[1] == masks[2]


@pytest.mark.usefixtures("gpu")
def test_its_derivative_can_be_differentiated() -> None:
    x = minitorch.randn(3, 2, dtype=minitorch.float64).cuda().requires_grad_()

    def dropped(x: Any) -> Any:
        minitorch.cuda.manual_seed(1)
        return F.dropout(x * x, 0.3)

    assert minitorch.autograd.gradcheck(dropped, (x,)) and minitorch.autograd.gradgradcheck(dropped, (x,))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("p", [0.05, 0.5, 0.9])
def test_the_share_dropped_and_the_mean(p: float) -> None:
    n = 100_000
    y = F.dropout(minitorch.ones(n, device="cuda"), p).cpu().numpy()
    deviation = math.sqrt(p * (1 - p) / n)
    assert abs((y == 0).mean() - p) < 5 * deviation and abs(y.mean() - 1) < 5 * deviation / (1 - p)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / (1 - p))}


@pytest.mark.usefixtures("gpu")
def test_channels_are_dropped_whole_and_alpha_dropout_keeps_the_moments() -> None:
    x = minitorch.randn(40, 50, 6, 4).cuda()
    y = F.dropout2d(x, 0.5)
    zero = (y == 0).flatten(2).double().mean(2)
    assert set(zero.flatten().tolist()) == {0.0, 1.0} and abs(zero.mean().item() - 0.5) < 0.06
    for function in (F.alpha_dropout, F.feature_alpha_dropout):
        y = function(minitorch.randn(200, 300).cuda(), 0.3)
        assert abs(y.mean().item()) < 0.02 and abs(y.var().item() - 1) < 0.03


@pytest.mark.usefixtures("gpu")
def test_certain_calls_and_mistakes() -> None:
    x = minitorch.ones(3, device="cuda")
    place = default_generator.place
    assert (
        F.dropout(x, 0.5, training=False) is x
        and F.dropout(x, 1.0).tolist() == [0, 0, 0]
        and F.dropout(x, 0.0).tolist() == [1] * 3
    )
    assert default_generator.place == place, "nothing is drawn where nothing is left to chance"
    with pytest.raises(RuntimeError, match="dropout is for floats"):
        F.dropout(minitorch.ones(3, dtype=minitorch.int64, device="cuda"))


# ---- where the stream stands ----


@pytest.fixture
def a_draw(gpu: Any) -> Any:
    """A function that draws on the GPU."""
    x = minitorch.ones(200, device="cuda")
    return lambda: F.dropout(x, 0.5).tolist()


def test_a_seed_starts_the_stream_again(a_draw: Any) -> None:
    minitorch.manual_seed(5)
    first, second = a_draw(), a_draw()
    assert first != second
    for seed in (minitorch.cuda.manual_seed, minitorch.cuda.manual_seed_all, minitorch.manual_seed):
        seed(5)
        assert minitorch.cuda.initial_seed() == 5 and a_draw() == first and a_draw() == second
    minitorch.cuda.manual_seed(-1)
    assert minitorch.cuda.initial_seed() == 2**64 - 1 and a_draw() != first


def test_seeding_the_gpu_leaves_the_cpu_alone(a_draw: Any) -> None:
    minitorch.manual_seed(5)
    want = minitorch.rand(3).tolist()
    minitorch.manual_seed(5)
    minitorch.cuda.manual_seed(6)
    a_draw()
    assert minitorch.rand(3).tolist() == want


def test_seeds_nobody_knows(a_draw: Any) -> None:
    found = set()
    for seed in (minitorch.cuda.seed, minitorch.cuda.seed_all, minitorch.seed):
        seed()
        found.add(minitorch.cuda.initial_seed())
    assert len(found) == 3 and minitorch.cuda.initial_seed() == minitorch.initial_seed()


def test_states_go_and_come(a_draw: Any) -> None:
    minitorch.cuda.manual_seed(2**63 + 1)
    a_draw()
    state, states = minitorch.cuda.get_rng_state(), minitorch.cuda.get_rng_state_all()
    assert state.dtype is minitorch.uint8 and state.numel() == 16 and not state.is_cuda
    assert state.numpy().view("<u8").tolist() == [2**63 + 1, 1024]
    want = a_draw()
    minitorch.cuda.set_rng_state(state, "cuda:0")
    assert a_draw() == want
    minitorch.cuda.set_rng_state_all(states)
    assert a_draw() == want
    for error, wrong in ((TypeError, [1]), (TypeError, minitorch.zeros(16)), (RuntimeError, minitorch.get_rng_state()),
                         (RuntimeError, minitorch.ones(16, dtype=minitorch.uint8))):  # fmt: skip
        with pytest.raises(error):
            minitorch.cuda.set_rng_state(wrong)


def test_a_fork_keeps_both_streams(a_draw: Any) -> None:
    both = lambda: (minitorch.rand(2).tolist(), a_draw())
    minitorch.manual_seed(1)
    want = both()
    for options, kept in (({}, True), ({"devices": [0]}, True), ({"devices": []}, False), ({"device_type": "xpu"}, False)):
        minitorch.manual_seed(1)
        with minitorch.random.fork_rng(**options):
            both()
        have = both()
        assert have[0] == want[0] and (have[1] == want[1]) == kept, options


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_checkpoint_drops_the_same_again(a_draw: Any, reentrant: bool) -> None:
    block = lambda x: F.dropout(x * x, 0.5) * x
    found = []
    for run in (block, lambda x: checkpoint(block, x, use_reentrant=reentrant)):
        minitorch.manual_seed(4)
        x = (minitorch.arange(500) + 1.0).cuda().requires_grad_()
        y = run(x)
        a_draw()  # the stream goes on between forward and backward
        y.sum().backward()
        found.append((y.tolist(), x.grad.tolist(), a_draw()))
    assert found[0] == found[1]


def test_without_a_gpu_seeds_are_taken_and_states_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    if minitorch.cuda.is_available():
        pytest.skip("there is a GPU")
    minitorch.cuda.manual_seed(1)
    minitorch.cuda.seed_all()
    for ask in (minitorch.cuda.get_rng_state, minitorch.cuda.initial_seed):
        with pytest.raises(RuntimeError, match="device 'cuda'"):
            ask()
