"""Mixed precision: every row in a region of autocast, the switches, the cache of weights, GradScaler, and training runs beside torch's."""

from __future__ import annotations

import copy
import functools
import gc
import importlib
import pickle
import re
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planting import Fault, assert_noticed
from test_planted_faults import compare

import minitorch
from both import Scenarios, agree, outcome
from minitorch.amp import grad_scaler
from minitorch.op import Row, autocast, listening, ops, plain
from minitorch.op.autocast_lists import CUDA, FLOAT32, FLOAT32_RESULT, LISTS, LOWER, WIDEST
from minitorch.utils import checkpoint as checkpoints
from reference.strategies import Source
from reference.table import table
from reference.under_autocast import HALVES, under_autocast
from shares import more_seeds

pytest.importorskip("ml_dtypes")
scenarios = Scenarios()

# ---- every row ----

ROWS = list(table())


@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("half", HALVES)
def test_every_row_has_torchs_dtypes_in_a_region(half: str, mixed: bool) -> None:
    """One draw each, a quarter of the rows by turns; `--full` draws more of all."""
    turn = 2 * HALVES.index(half) + mixed
    found = [under_autocast(row, Source(k), half, mixed) for k, row in enumerate(ROWS) if k % 4 == turn]
    assert found.count("same") > 0.7 * len(found)


@pytest.mark.parametrize("seeds", more_seeds(range(2), range(16)))
@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("row", [pytest.param(row, id=f"{k}-{row}") for k, row in enumerate(ROWS)])
def test_row_in_a_region(row: Any, half: str, seeds: range) -> None:
    for seed in seeds:
        under_autocast(row, Source(seed), half, mixed=bool(seed % 2))


@pytest.mark.parametrize(("name", "word"), [("linear", LOWER), ("mse_loss", FLOAT32), ("index_copy", WIDEST)])
def test_an_op_that_leaves_its_list_is_noticed(name: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    thing = minitorch.op.registry[name]
    if isinstance(thing, minitorch.op.Op):
        monkeypatch.setattr(thing, "autocast", {})
    else:
        monkeypatch.setattr(listening, "concerned", lambda words, *call: None)
    with pytest.raises(AssertionError, match="in a region of bfloat16"):
        for row in (row for row in ROWS if row.name == name):
            for seed in range(40):
                under_autocast(row, Source(seed), "bfloat16", mixed=word != LOWER)


def test_what_is_cast_inside_though_nobody_sees_it_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product in half precision plus a bias in float32 is float32, but it has rounded."""
    monkeypatch.setattr(importlib.import_module("minitorch.ops.einsum"), "as_it_is", lambda function, *args: function(*args))
    with pytest.raises(AssertionError, match="ours has rounded on the way"):
        for row in (row for row in ROWS if row.name == "bilinear"):
            for seed in range(8):
                under_autocast(row, Source(seed), "bfloat16")


# ---- the lists ----

# torch has a kernel for these, and minitorch no function, or another name for it.
NOT_HERE = re.compile(
    r"fft_|stft|view_as_complex|polar|_|mkldnn|fake_quantize|multilabel_margin_loss_forward|cudnn|native_layer_norm|upsample_"
)
OTHER_NAMES = {"cross_entropy_loss": "cross_entropy", "nll_loss2d": "nll_loss"}
# What torch makes of ops that are in its lists is one op here, so it is in ours.
OURS = {
    "cpu": {"affine_grid_generator", "max_unpool1d", "lu"},
    "cuda": {"affine_grid_generator"} | {n for n in CUDA[FLOAT32].split() if n.startswith(("upsample", "native"))},
}


@pytest.mark.parametrize("device", LISTS)
def test_the_lists_have_what_torchs_have(device: str) -> None:
    key = f"Autocast{device.upper()}"
    has = torch._C._dispatch_has_kernel_for_dispatch_key
    every = {n.removeprefix("aten::").split(".")[0] for n in torch._C._dispatch_get_all_op_names() if has(n, key)}
    theirs = {OTHER_NAMES.get(n, n) for n in every if not NOT_HERE.match(n)}
    ours = {n for names in LISTS[device].values() for n in names.split()}
    assert theirs - ours == ({"binary_cross_entropy"} if device == "cuda" else set()), "torch has more"
    assert ours - theirs == OURS[device], "we have more"


def test_the_words_of_the_lists_for_a_gpu_are_torchs() -> None:
    """torch's header has them as macros; so they can be read where there is no GPU."""
    header = (Path(torch.__file__).parent / "include" / "ATen" / "autocast_mode.h").read_text(encoding="utf-8")
    macros = {"LOWER_PRECISION_FP": LOWER, "FP32": FLOAT32, "FP32_SET_OPT_DTYPE": FLOAT32_RESULT, "PROMOTE": WIDEST}
    theirs: dict[str, str] = {}
    for macro, word in macros.items():
        body = re.search(rf"#define AT_FORALL_{macro}\(_\)(.*?)(?:\n\n|#else)", header, re.DOTALL)
        assert body is not None
        theirs |= dict.fromkeys(re.findall(r"_\((\w+)", body[1]), word)
    ours = {name: word for word, names in CUDA.items() for name in names.split()}
    apart = {n: (w, theirs.get(OTHER_NAMES.get(n, n))) for n, w in ours.items() if theirs.get(n, w) != w}
    assert not apart
    assert set(ours) - set(theirs) == {"affine_grid_generator", "norm"}  # (norm: in a macro of its own)


def test_no_lane_has_a_word_on_the_cpu() -> None:
    """So that lanes, which never look whether autocast is on, need not."""
    assert not [op for op in ops if isinstance(op, Row) and op.autocast.get("cpu", WIDEST) != WIDEST]


def test_where_it_is_off_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any) -> Any:
        raise AssertionError("asked")

    monkeypatch.setattr(listening, "concerned", never)
    x = minitorch.ones(2, 2, requires_grad=True)
    minitorch.nn.functional.mse_loss(x @ x, x).backward()
    with minitorch.autocast("cpu"), pytest.raises(AssertionError, match="asked"):
        x @ x


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("word", CUDA)
def test_on_a_gpu_its_own_lists_hold(word: str) -> None:
    lib, x = minitorch, minitorch.ones(2, 2, device="cuda")
    half, whole = x.half(), lib.float32
    with lib.autocast("cuda"):
        called = {
            LOWER: [lib.mm(x, x), lib.mv(x, x[0]), lib.einsum("ij,jk", x, x), lib.nn.functional.linear(x, x)],
            FLOAT32: [half.exp(), half.pow(2), lib.nn.functional.softplus(half), lib.nn.functional.mse_loss(half, half)],
            FLOAT32_RESULT: [half.sum(), half.softmax(0), half.cumsum(0), half.prod(), lib.softmax(x, 0)],
            WIDEST: [lib.atan2(half, x), lib.addcmul(half, x, half), lib.dot(half[0], x[0])],
        }
        asked = [half.sum(dtype=lib.float16), lib.softmax(half, 0, dtype=lib.float64)]
        on_the_cpu = lib.mm(x.cpu(), x.cpu())
    assert {t.dtype for t in called[word]} == {lib.float16 if word == LOWER else whole}
    assert [t.dtype for t in asked] == [lib.float16, lib.float64]
    assert on_the_cpu.dtype is whole
    with lib.autocast("cpu"):
        assert lib.mm(x, x).dtype is whole


# ---- what is cast ----


def same_cast(a: Any, b: Any) -> bool:
    return a.grad_fn.next_functions[1][0] is b.grad_fn.next_functions[1][0]


def weight(lib: Any, *shape: int) -> Any:
    n = int(np.prod(shape))
    return (lib.arange(1.0, n + 1) / 7).reshape(shape).clone().requires_grad_()  # (a view is not cached)


@scenarios.add
def dtypes_of_calls(lib):
    F, x = lib.nn.functional, lib.ones(2, 2)
    image = lib.ones(1, 2, 4, 4)
    with lib.autocast("cpu"):
        h = lib.mm(x, x)
        return [h, x @ x, F.linear(x, x), lib.addmm(x, x, h), lib.bmm(x[None], x[None]), F.conv2d(image, lib.ones(2, 2, 3, 3)),
                F.mse_loss(h, h), F.cross_entropy(h, lib.tensor([0, 1])), h.prod(), lib.cat([h, x]), lib.stack([h, h]), h + x, h * 2,
                F.softmax(h, 0), h.exp(), h.sum(), F.layer_norm(h, (2,)), lib.linalg.inv(h + lib.eye(2)), F.gelu(h), lib.mv(x, x[0])]  # fmt: skip


@scenarios.add
def other_dtypes_are_left(lib):
    with lib.autocast("cpu"):
        return [lib.mm(lib.ones(2, 2, dtype=d), lib.ones(2, 2, dtype=d)).dtype is d for d in (lib.float64, lib.int64)]


@scenarios.add
def float64_beside_float32_is_refused(lib):
    with lib.autocast("cpu"):
        return lib.mm(lib.ones(2, 2, dtype=lib.float64), lib.ones(2, 2))


@scenarios.add
def the_other_half_is_refused_among_the_widest(lib):
    with lib.autocast("cpu"):
        return lib.cat([lib.ones(2).half(), lib.ones(2)])


@scenarios.add
def widest_of_many(lib):
    with lib.autocast("cpu"):
        kinds = (
            (lib.bfloat16, lib.float32),
            (lib.float64, lib.bfloat16),
            (lib.float64, lib.float32),
            (lib.int64, lib.bfloat16),
        )
        return [lib.cat([lib.ones(2, dtype=d) for d in each]) for each in kinds]


@scenarios.add
def in_place_and_out_are_left(lib):
    x, out = lib.ones(2, 2), lib.zeros(2, 2)
    with lib.autocast("cpu"):
        lib.mm(x * 1.001, x, out=out)
        return [out, lib.ones(2, 2).addmm_(x * 1.001, x), out.dtype == lib.float32]


@scenarios.add
def in_place_with_a_mixture_is_refused(lib):
    with lib.autocast("cpu"):
        lib.ones(2, 2).addmm_(lib.ones(2, 2).bfloat16(), lib.ones(2, 2))


@scenarios.add
def out_of_half_is_refused(lib):
    with lib.autocast("cpu"):
        lib.mm(lib.ones(2, 2), lib.ones(2, 2), out=lib.zeros(2, 2).bfloat16())


@scenarios.add
def a_dtype_that_is_asked_for(lib):
    with lib.autocast("cpu"):
        return [lib.ones(2).bfloat16().prod(0, dtype=lib.bfloat16).dtype == lib.bfloat16, lib.ones(2).bfloat16().prod()]


# ---- the casts of weights ----


@scenarios.add
def a_weight_is_cast_once(lib):
    x, w = lib.ones(2, 2), weight(lib, 2, 2)
    with lib.autocast("cpu"):
        a, b = lib.mm(x, w), lib.mm(x, w)
        with lib.autocast("cpu", enabled=False):
            c = lib.mm(x, w)
        d = lib.mm(x, w)
    with lib.autocast("cpu"):
        e = lib.mm(x, w)
    with lib.autocast("cpu", cache_enabled=False):
        f, g = lib.mm(x, w), lib.mm(x, w)
    return [same_cast(a, b), same_cast(a, d), same_cast(a, e), same_cast(f, g), c, a.grad_fn.next_functions[1][0].name()]


@scenarios.add
def what_is_no_weight_is_cast_each_time(lib):
    x, w = lib.ones(2, 2), weight(lib, 3, 2)
    with lib.autocast("cpu"):
        of_a_view = lib.arange(4.0).reshape(2, 2).requires_grad_()
        pairs = [[lib.mm(x, t), lib.mm(x, t)] for t in (w[:2], w[:2] * 1, of_a_view)]
        return [same_cast(*pair) for pair in pairs]


@scenarios.add
def a_cast_without_grad_serves_with_grad(lib):
    x, w = lib.ones(2, 2), weight(lib, 2, 2)
    with lib.autocast("cpu"):
        with lib.no_grad():
            a = lib.mm(x, w)
        with lib.inference_mode():
            lib.mm(x, w)
        b = lib.mm(x, w)
    b.sum().backward()
    return [a.requires_grad, w.grad]


@scenarios.add
def a_weight_that_changes_inside_is_not_seen(lib):
    x, w = lib.ones(2, 2), weight(lib, 2, 2)
    with lib.autocast("cpu"):
        before = lib.mm(x, w)
        with lib.no_grad():
            w.zero_()
        after = lib.mm(x, w)
        lib.clear_autocast_cache()
        return [before, after, lib.mm(x, w)]


@scenarios.add
def gradients_meet_in_half(lib):
    x, w = lib.ones(1, 1), lib.tensor([[1.0]], requires_grad=True)
    grads = []
    for cache in (True, False):
        w.grad = None
        with lib.autocast("cpu", cache_enabled=cache):
            y = lib.mm(x, w) * 256 + lib.mm(x, w)
        y.sum().backward()
        grads.append(w.grad)
    return grads


@scenarios.add
def gradients_have_the_weights_dtypes(lib):
    lib.manual_seed(0)
    layer, x = lib.nn.Linear(3, 2), lib.ones(4, 3, requires_grad=True)
    with lib.autocast("cpu"):
        y = layer(x)
    y.float().sum().backward()
    return [y, layer.weight.grad, layer.bias.grad, x.grad]


@scenarios.add
def backward_inside_a_region(lib):
    w = (lib.arange(1.0, 10.0) / 3).reshape(3, 3).requires_grad_()
    y = lib.mm(w / 7, w)
    with lib.autocast("cpu"):
        y.backward(w.detach() / 3)
    return w.grad


@scenarios.add
def a_second_derivative(lib):
    w = weight(lib, 2, 2)
    with lib.autocast("cpu"):
        y = lib.mm(w, w)
    (g,) = lib.autograd.grad(y, w, lib.ones(2, 2).bfloat16(), create_graph=True)
    g.sum().backward()
    return [g, w.grad]


# ---- the switches ----


def states(lib: Any) -> list:
    return [lib.is_autocast_enabled("cpu"), lib.get_autocast_dtype("cpu"), lib.is_autocast_cache_enabled()]


@scenarios.add
def regions_nest(lib):
    seen = [states(lib)]
    with lib.autocast("cpu", dtype=lib.float16):
        seen.append(states(lib))
        with lib.autocast("cpu", enabled=False, cache_enabled=False):
            seen.append(states(lib))
            with lib.autocast("cpu"):
                seen.append(states(lib))
        seen.append(states(lib))
    try:
        with lib.autocast("cpu"):
            raise KeyError
    except KeyError:
        return str([*seen, states(lib)])


@scenarios.add
def as_a_decorator(lib):
    @lib.autocast("cpu", dtype=lib.float16)
    def f(x):
        """its words"""
        return x @ x

    return [f(lib.ones(2, 2)), f.__doc__, f.__name__, states(lib)[0]]


@scenarios.add
def of_a_method(lib):
    class Net(lib.nn.Module):
        @lib.autocast("cpu")
        def forward(self, x):
            return x @ x

    return Net()(lib.ones(2, 2))


@scenarios.add
def by_hand(lib):
    lib.set_autocast_enabled("cpu", True)
    lib.set_autocast_dtype("cpu", lib.float16)
    lib.set_autocast_cache_enabled(False)
    try:
        return str([states(lib), lib.mm(lib.ones(1, 1), lib.ones(1, 1)).dtype])
    finally:
        lib.set_autocast_enabled("cpu", False)
        lib.set_autocast_dtype("cpu", lib.bfloat16)
        lib.set_autocast_cache_enabled(True)


@scenarios.add
def nesting_is_counted(lib):
    with lib.autocast("cpu"):
        return [lib.autocast_increment_nesting(), lib.autocast_decrement_nesting()]


@scenarios.add
def defaults(lib):
    out = [str(lib.get_autocast_dtype(d)) for d in ("cpu", "cuda")] + [
        lib.is_autocast_enabled(),
        lib.is_autocast_enabled("cuda"),
    ]
    return [*out, *(lib.amp.is_autocast_available(d) for d in ("cpu", "cuda", "meta"))]


@scenarios.add
def each_thread_has_its_own(lib):
    seen: list = []

    def look() -> None:
        seen.append([lib.is_autocast_enabled("cpu"), lib.mm(lib.ones(1, 1), lib.ones(1, 1)).dtype == lib.float32])

    with lib.autocast("cpu"):
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        look()
    return seen


@scenarios.add
def checkpoints_are_in_the_region_again(lib):
    grads = []
    for reentrant in (False, True):
        lib.manual_seed(0)
        layer, x = lib.nn.Linear(3, 3), (lib.arange(6.0) / 7).reshape(2, 3).requires_grad_()
        with lib.autocast("cpu"):
            y = lib.utils.checkpoint.checkpoint(lambda x: layer(lib.tanh(layer(x))), x, use_reentrant=reentrant)  # noqa: B023
        y.float().sum().backward()
        grads += [layer.weight.grad, x.grad, lib.is_autocast_enabled("cpu")]
    return grads


@scenarios.add
def a_layer_after_another(lib):
    lib.manual_seed(0)
    out = []
    for kind in (lib.nn.RNN, lib.nn.GRU, lib.nn.LSTM):
        linear, layer = lib.nn.Linear(3, 4), kind(4, 2, bidirectional=True)
        with lib.autocast("cpu"):
            y, _ = layer(linear(lib.ones(5, 2, 3)))
        y.float().sum().backward()
        out += [
            y.dtype == lib.bfloat16,
            linear.weight.grad.dtype == lib.float32,
            layer.weight_hh_l0.grad.dtype == lib.float32,
        ]
    return out


REFUSED: dict[str, Callable[[Any], Any]] = {
    "device": lambda lib: lib.autocast(lib.device("cpu")),
    "unknown device": lambda lib: lib.autocast("tpu"),
    "no device": lambda lib: lib.autocast(),
    "meta": lambda lib: lib.autocast("meta"),
    "not a function": lambda lib: lib.autocast("cpu")(3),
    "float32": lambda lib: lib.autocast("cpu", dtype=lib.float32)._enabled,
    "no dtype": lambda lib: lib.autocast("cpu", dtype="x")._enabled,
    "a number": lambda lib: lib.set_autocast_enabled("cpu", 1),
    "a number alone": lambda lib: lib.set_autocast_enabled(1),
    "an unknown switch": lambda lib: lib.set_autocast_enabled("blub", True),
    "is of a number": lambda lib: lib.is_autocast_enabled(3),
    "fwd's device": lambda lib: lib.amp.custom_fwd(lambda ctx: 1, device_type=3),
    "bwd's device": lambda lib: lib.amp.custom_bwd(lambda ctx: 1, device_type=3),
    "entered with no dtype": lambda lib: lib.autocast("cpu", dtype="x").__enter__(),
    "a dtype by name": lambda lib: lib.set_autocast_dtype("cpu", "x"),
    "growth": lambda lib: lib.amp.GradScaler("cpu", growth_factor=1.0),
    "backoff": lambda lib: lib.amp.GradScaler("cpu", backoff_factor=1.0),
    "scale of a number": lambda lib: lib.amp.GradScaler("cpu").scale(3),
    "scale of numbers": lambda lib: lib.amp.GradScaler("cpu").scale([3]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_or_warned_of_as_in_torch(name: str) -> None:
    agree(REFUSED[name])
    ours, theirs = (outcome(REFUSED[name], lib)[1] for lib in (minitorch, torch))
    assert [kind for kind, _ in ours] == [kind for kind, _ in theirs]


@pytest.mark.skipif(torch.cuda.is_available() or minitorch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_cast_for_one() -> None:
    for make in (lambda lib: lib.autocast("cuda")._enabled, lambda lib: lib.amp.GradScaler().is_enabled()):
        assert agree(make) is False
        with pytest.warns(UserWarning, match="CUDA is not available"):
            make(minitorch)


OLD: dict[str, Callable[[Any], Any]] = {
    "cpu.amp.autocast": lambda lib: lib.cpu.amp.autocast()._enabled,
    "cpu.amp.GradScaler": lambda lib: lib.cpu.amp.GradScaler(init_scale=8.0).get_scale(),
    "cuda.amp.autocast": lambda lib: lib.cuda.amp.autocast(enabled=False).device,
    "cuda.amp.GradScaler": lambda lib: lib.cuda.amp.GradScaler(enabled=False).get_scale(),
    "cuda.amp.custom_fwd": lambda lib: callable(lib.cuda.amp.custom_fwd(lambda ctx: 1)),
    "cuda.amp.custom_bwd": lambda lib: callable(lib.cuda.amp.custom_bwd(lambda ctx: 1)),
    "is_autocast_cpu_enabled": lambda lib: lib.is_autocast_cpu_enabled(),
    "get_autocast_cpu_dtype": lambda lib: str(lib.get_autocast_cpu_dtype()),
    "get_autocast_gpu_dtype": lambda lib: str(lib.get_autocast_gpu_dtype()),
    "set_autocast_cpu_dtype": lambda lib: lib.set_autocast_cpu_dtype(lib.bfloat16),
    "set_autocast_gpu_dtype": lambda lib: lib.set_autocast_gpu_dtype(lib.float16),
    "set_autocast_cpu_enabled": lambda lib: lib.set_autocast_cpu_enabled(False),
}


@pytest.mark.parametrize("name", OLD)
def test_an_old_name_still_works_and_warns(name: str) -> None:
    agree(OLD[name])
    kind = FutureWarning if "amp" in name else DeprecationWarning
    with pytest.warns(kind, match="is deprecated. Please use"):
        OLD[name](minitorch)


# ---- a Function of one's own ----


def product(lib: Any, **options: Any) -> Any:
    class Product(lib.autograd.Function):
        @staticmethod
        @lib.amp.custom_fwd(device_type="cpu", **options)
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a.mm(b)

        @staticmethod
        @lib.amp.custom_bwd(device_type="cpu")
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            seen.append(lib.is_autocast_enabled("cpu"))
            return g.mm(b.t()), a.t().mm(g)

    seen: list = []
    Product.seen = seen
    return Product


@scenarios.add
def custom_forward_and_backward(lib):
    out = []
    for options in ({}, {"cast_inputs": lib.float32}, {"cast_inputs": lib.float16}):
        for enabled in (True, False):
            a, b, Product = weight(lib, 2, 2), weight(lib, 2, 2), product(lib, **options)
            with lib.autocast("cpu", enabled=enabled):
                y = Product.apply(a, b)
            y.float().sum().backward()
            out.append([y, a.grad, b.grad, Product.seen])
    return out


# ---- GradScaler ----


def step_of(lib: Any, scaler: Any, optimizer: Any, w: Any, factor: Any) -> list:
    optimizer.zero_grad()
    scaler.scale((w * w * factor).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    return [w.detach().clone(), str(w.grad.tolist()), scaler.get_scale(), scaler.state_dict()]


@scenarios.add
def the_scale_moves(lib):
    w = lib.tensor([1.0, -2.0], requires_grad=True)
    optimizer = lib.optim.SGD([w], lr=0.01, momentum=0.9)
    scaler = lib.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3, backoff_factor=0.25, growth_factor=3.0)
    factors = [1.0, 1.0, 1.0, 1.0, float("inf"), 1.0, float("nan"), 1.0, 1.0, 1.0]
    return [step_of(lib, scaler, optimizer, w, factor) for factor in factors]


@scenarios.add
def one_infinite_element_is_enough(lib):
    w = lib.tensor([1.0, -2.0], requires_grad=True)
    scaler = lib.amp.GradScaler("cpu", init_scale=1024.0)
    return step_of(lib, scaler, lib.optim.SGD([w], lr=0.01), w, lib.tensor([1.0, float("inf")]))


@scenarios.add
def a_scale_that_would_overflow_stays(lib):
    w = lib.tensor([1e-30], requires_grad=True)
    scaler = lib.amp.GradScaler("cpu", init_scale=2.0**126, growth_interval=1, growth_factor=1e3)
    return [step_of(lib, scaler, lib.optim.SGD([w], lr=1.0), w, 1.0)[2:] for _ in range(3)]


@scenarios.add
def clipping_after_unscale(lib):
    w = lib.tensor([3.0, -4.0], requires_grad=True)
    optimizer, scaler = lib.optim.SGD([w], lr=0.5), lib.amp.GradScaler("cpu")
    scaler.scale((w * w).sum()).backward()
    scaler.unscale_(optimizer)
    norm = lib.nn.utils.clip_grad_norm_([w], 1.0)
    scaler.step(optimizer)
    scaler.update()
    return [norm, w, w.grad, scaler.get_scale()]


@scenarios.add
def a_penalty_on_gradients(lib):
    """The gradients of a scaled loss, unscaled by hand, are part of the loss."""
    w, x = lib.tensor([[1.0], [2.0]], requires_grad=True), lib.tensor([[0.5, 0.25]])
    optimizer, scaler = lib.optim.SGD([w], lr=0.125), lib.amp.GradScaler("cpu", init_scale=64.0)
    with lib.autocast("cpu", dtype=lib.float16):
        loss = lib.nn.functional.mse_loss(x @ w, lib.tensor([[2.0]]))
    (scaled,) = lib.autograd.grad(scaler.scale(loss), w, create_graph=True)
    with lib.autocast("cpu", dtype=lib.float16):
        penalized = loss + (scaled / scaler.get_scale()).pow(2).sum().sqrt()
    scaler.scale(penalized).backward()
    scaler.step(optimizer)
    scaler.update()
    return [scaled, penalized, w, w.grad]


@scenarios.add
def gradients_accumulate_scaled(lib):
    w = lib.tensor([3.0, -4.0], requires_grad=True)
    optimizer, scaler = lib.optim.SGD([w], lr=0.5), lib.amp.GradScaler("cpu", init_scale=4.0)
    for x in (1.0, 2.0):
        scaler.scale((w * w * x).sum() / 2).backward()
    before = w.grad.clone()
    scaler.step(optimizer)
    scaler.update()
    return [before, w, w.grad]


@scenarios.add
def each_optimizer_is_skipped_alone(lib):
    a, b = (lib.tensor([1.0], requires_grad=True) for _ in "ab")
    one, two, scaler = lib.optim.SGD([a], lr=0.5), lib.optim.SGD([b], lr=0.5), lib.amp.GradScaler("cpu", init_scale=4.0)
    for loss in scaler.scale([(a * a).sum(), (b * float("inf")).sum()]):
        loss.backward()
    scaler.step(one)
    scaler.step(two)
    scaler.update()
    return [a, b, scaler.get_scale()]


@scenarios.add
def what_scale_takes(lib):
    scaler, x = lib.amp.GradScaler("cpu", init_scale=4.0), lib.tensor([1.0])
    return [
        scaler.scale(x),
        scaler.scale([x, (x,)]),
        list(scaler.scale(iter([x]))),
        scaler.scale(x.half()),
        scaler.scale(x.double()),
    ]


@scenarios.add
def disabled_it_is_not_there(lib):
    w = lib.tensor([1.0], requires_grad=True)
    scaler, optimizer = lib.amp.GradScaler("cpu", enabled=False), lib.optim.SGD([w], lr=0.5)
    seen = step_of(lib, scaler, optimizer, w, 1.0)
    scaler.unscale_(optimizer)
    scaler.load_state_dict({})
    return [seen, scaler.is_enabled(), scaler.scale("x")]


@scenarios.add
def its_options(lib):
    scaler = lib.amp.GradScaler("cpu", growth_interval=7)
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.1)
    out = [scaler.get_growth_factor(), scaler.get_backoff_factor(), scaler.get_growth_interval(), scaler.get_scale()]
    scaler.set_growth_interval(9)
    return [*out, scaler.state_dict(), scaler.is_enabled()]


@scenarios.add
def a_saved_state_goes_on(lib):
    w = lib.tensor([1.0], requires_grad=True)
    optimizer = lib.optim.SGD([w], lr=0.01)
    first = lib.amp.GradScaler("cpu", init_scale=16.0, growth_interval=3)
    step_of(lib, first, optimizer, w, 1.0)
    begun = lib.amp.GradScaler("cpu")
    begun.scale(w)
    out = []
    for scaler in (lib.amp.GradScaler("cpu"), begun):
        scaler.load_state_dict(first.state_dict())
        out += [step_of(lib, scaler, optimizer, w, 1.0) for _ in range(3)]
    return [*out, step_of(lib, pickle.loads(pickle.dumps(first)), optimizer, w, 1.0)]


@scenarios.add
def a_new_scale(lib):
    w = lib.tensor([1.0], requires_grad=True)
    scaler = lib.amp.GradScaler("cpu")
    scaler.scale(w)
    scaler.update(8.0)
    out = [scaler.get_scale()]
    scaler.update(lib.tensor([4.0]))
    return [*out, scaler.get_scale()]


@scenarios.add
def a_step_returns_what_the_optimizer_does(lib):
    w = lib.tensor([1.0], requires_grad=True)
    scaler, optimizer = lib.amp.GradScaler("cpu", init_scale=2.0), lib.optim.SGD([w], lr=0.5)
    scaler.scale((w * w).sum()).backward()
    return scaler.step(optimizer, lambda: 7)


@scenarios.add
def gradients_of_bfloat16_are_unscaled(lib):
    w = (lib.arange(1.0, 20.0) / 7).bfloat16().requires_grad_()
    return step_of(lib, lib.amp.GradScaler("cpu", init_scale=24.0), lib.optim.SGD([w], lr=0.25), w, 1.1)


def misused(lib: Any, *calls: str) -> Any:
    w = lib.tensor([1.0], requires_grad=True)
    scaler, optimizer = lib.amp.GradScaler("cpu", init_scale=2.0), lib.optim.SGD([w], lr=0.5)
    can = {
        "backward": lambda: scaler.scale((w * w).sum()).backward(), "unscale": lambda: scaler.unscale_(optimizer),
        "step": lambda: scaler.step(optimizer), "update": lambda: scaler.update(), "closure": lambda: scaler.step(optimizer, closure=1),
        "scale": lambda: scaler.scale(w), "pickle": lambda: pickle.dumps(scaler) and None, "empty": lambda: scaler.load_state_dict({}),
        "two": lambda: scaler.update(lib.tensor([1.0, 2.0])), "grad": lambda: scaler.update(w),
        "half": lambda: scaler.scale((w.half() * 2).sum()).backward(), "other": lambda: scaler.load_state_dict({"scale": 3.0}),
    }  # fmt: skip
    for call in calls:
        can[call]()
    return [w, w.grad, scaler.get_scale()]


MISUSES = [
    "unscale", "step", "update", "backward unscale unscale", "backward step unscale", "backward step step", "backward update",
    "scale step", "backward closure", "backward step pickle", "empty", "scale two", "scale grad", "backward step update step",
    "backward unscale step update backward unscale step", "scale other", "half step", "scale unscale", "scale unscale step",
]  # fmt: skip


@pytest.mark.parametrize("calls", MISUSES)
def test_a_misuse_of_the_scaler_is_refused_as_in_torch(calls: str) -> None:
    agree(lambda lib: misused(lib, *calls.split()))


@scenarios.add
def weights_in_float16_are_refused(lib):
    w = lib.tensor([1.0], requires_grad=True, dtype=lib.float16)
    return step_of(lib, lib.amp.GradScaler("cpu", init_scale=2.0), lib.optim.SGD([w], lr=0.5), w, 1.0)


@scenarios.add
def an_optimizer_that_scales_itself(lib):
    class Own(lib.optim.SGD):
        _step_supports_amp_scaling = True

        def step(self, closure=None):
            seen.append([self.grad_scale, self.found_inf])

    seen: list = []
    w = lib.tensor([1.0], requires_grad=True)
    optimizer, scaler = Own([w], lr=0.5), lib.amp.GradScaler("cpu", init_scale=8.0)
    for unscale in (False, True):
        scaler.scale((w * w).sum()).backward()
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    return [seen, w.grad, hasattr(optimizer, "grad_scale")]


@scenarios.parametrize
def test_a_scenario_is_as_in_torch(scenario: Callable[[Any], Any]) -> None:
    agree(scenario)


@scenarios.parametrize
def test_and_through_the_plain_door(scenario: Callable[[Any], Any]) -> None:
    with plain():
        agree(scenario)


# ---- where ours is not torch's ----


def test_a_region_of_another_dtype_casts_weights_anew() -> None:
    """(In torch the inner region finds the outer one's cast, and refuses the mixture.)"""
    x, w = minitorch.ones(2, 2), weight(minitorch, 2, 2)
    with minitorch.autocast("cpu"):
        minitorch.mm(x, w)
        with minitorch.autocast("cpu", dtype=minitorch.float16):
            assert minitorch.mm(x, w).dtype is minitorch.float16


def test_a_decorated_function_may_call_itself() -> None:
    """(In torch autocast is on from then on: an instance remembers the last entry alone.)"""

    @minitorch.autocast("cpu")
    def f(n: int) -> Any:
        return f(n - 1) if n else minitorch.ones(1, 1) @ minitorch.ones(1, 1)

    assert f(2).dtype is minitorch.bfloat16
    assert not minitorch.is_autocast_enabled("cpu")
    assert not autocast.active


def test_a_region_leaves_no_cast_behind() -> None:
    w = weight(minitorch, 2, 2)
    with minitorch.autocast("cpu"):
        minitorch.mm(w, w)
        reference = weakref.ref(next(iter(autocast.state.cache.values()))[1])
    gc.collect()
    assert reference() is None
    assert not autocast.state.cache


def test_a_step_with_a_region_inside_compiles_and_one_around_it_is_refused_in_words() -> None:
    def train(compiled: bool, around: bool) -> tuple[list[float], Any]:
        minitorch.manual_seed(0)
        net = minitorch.nn.Sequential(minitorch.nn.Linear(4, 8), minitorch.nn.ReLU(), minitorch.nn.Linear(8, 3))
        optimizer = minitorch.optim.SGD(net.parameters(), lr=0.5)
        x, y = minitorch.randn(16, 4), minitorch.randint(0, 3, (16,))

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            with minitorch.autocast("cpu", dtype=minitorch.float16):
                loss = minitorch.nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = minitorch.compile(step) if compiled else step
        losses = []
        for _ in range(5):
            if around:
                with minitorch.autocast("cpu", enabled=False):
                    losses.append(run(x, y).item())
            else:
                losses.append(run(x, y).item())
        return losses, run

    eager, _ = train(False, False)
    losses, run = train(True, False)
    assert losses == eager
    assert "a program" in run.explain()
    with pytest.warns(UserWarning, match="enter the region inside the compiled function"):
        losses, run = train(True, True)
    assert losses == eager


def test_workers_of_a_loader_are_in_no_region() -> None:
    data = minitorch.utils.data.TensorDataset(minitorch.arange(4.0))
    with minitorch.autocast("cpu"):
        (batch,) = next(iter(minitorch.utils.data.DataLoader(data, batch_size=4)))
    assert batch.dtype is minitorch.float32


def test_vmap_and_grad_work_in_a_region() -> None:
    w, x = weight(minitorch, 2, 2).detach(), minitorch.ones(3, 2)

    def f(w: Any, x: Any) -> Any:
        return (w @ x).float().sum()

    with minitorch.autocast("cpu"):
        each = minitorch.func.vmap(minitorch.func.grad(f), in_dims=(None, 0))(w, x)
    assert each.dtype is minitorch.float32
    assert each.tolist() == minitorch.ones(3, 2, 2).tolist()


# ---- training ----


def training(
    lib: Any, half: str, steps: int = 12, accumulate: int = 1, clip: float = 0.0, init_scale: float = 2.0**16
) -> Any:
    """(losses, scales) of a small net in a region, with the scaler."""
    lib.manual_seed(0)
    nn = lib.nn
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 32), nn.LayerNorm(32),
                        nn.GELU(), nn.Linear(32, 5))  # fmt: skip
    optimizer = lib.optim.AdamW(net.parameters(), lr=0.01)
    scaler = lib.amp.GradScaler("cpu", init_scale=init_scale, growth_interval=4)
    x, y = lib.randn(steps * accumulate, 16, 1, 8, 8), lib.randint(0, 5, (steps * accumulate, 16))
    losses, scales = [], []
    for k in range(steps * accumulate):
        with lib.autocast("cpu", dtype=getattr(lib, half)):
            loss = nn.functional.cross_entropy(net(x[k % 3]), y[k % 3]) / accumulate
        scaler.scale(loss).backward()
        losses.append(loss.item())
        if (k + 1) % accumulate == 0:
            if clip:
                scaler.unscale_(optimizer)
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            scales.append(scaler.get_scale())
    return np.array(losses), scales


RUNS: dict[str, dict[str, Any]] = {
    "plainly": {},
    "two batches a step": {"accumulate": 2, "steps": 8},
    "clipped": {"clip": 0.5},
    "from a scale that overflows": {"init_scale": 2.0**30},
}


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("run", RUNS)
def test_losses_follow_torchs(run: str, half: str) -> None:
    (ours, scales), (theirs, their_scales) = (training(lib, half, **RUNS[run]) for lib in (minitorch, torch))
    assert scales == their_scales
    assert theirs[-1] < theirs[0]
    assert np.abs(ours - theirs).max() < (0.004 if half == "float16" else 0.03), (ours, theirs)
    if half == "float16" and "init_scale" in RUNS[run]:
        assert scales[0] < RUNS[run]["init_scale"]  # steps were skipped


@pytest.mark.usefixtures("stand_in")
def test_on_a_gpu_it_trains_as_on_the_cpu() -> None:
    """Products, relu and mse_loss are in the same lists on both."""

    def losses(device: str) -> list[float]:
        minitorch.manual_seed(0)
        net = minitorch.nn.Sequential(minitorch.nn.Linear(4, 8), minitorch.nn.ReLU(), minitorch.nn.Linear(8, 1)).to(device)
        optimizer, scaler = (
            minitorch.optim.SGD(net.parameters(), lr=0.1),
            minitorch.amp.GradScaler(device, init_scale=2.0**20),
        )
        x = minitorch.randn(16, 4).to(device)
        found = []
        for _ in range(8):
            optimizer.zero_grad()
            with minitorch.autocast(device, dtype=minitorch.float16):
                loss = minitorch.nn.functional.mse_loss(net(x), x.sum(1, keepdim=True))
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            minitorch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            found += [loss.item(), scaler.get_scale()]
        return found

    assert losses("cuda") == pytest.approx(losses("cpu"), abs=0.01)


# ---- do these notice? ----

FAULTS = [
    Fault(autocast.switch, "state.enabled[device] = enabled", "state.enabled['cpu'] = enabled or device == 'cpu'"),
    Fault(autocast.switch, "is_on_for_any()", "state.enabled['cuda']"),
    Fault(autocast.off.__exit__, "state.enabled.update(self.outside)", "pass"),
    Fault(autocast.concerned, 'kwargs.get("out") is not None', "False"),
    Fault(autocast.concerned, "if state.enabled[device]", ""),
    Fault(autocast.cast_first, "if word == LOWER", "if True"),
    Fault(autocast.cast_first, "float32 if word == FLOAT32 else", "float32 if True else"),
    Fault(autocast.cast_first, "with off(device):", "if True:"),
    Fault(autocast._widest, "float32 in (found, own)", "False"),
    Fault(autocast._widest, "elif own is not found:", "elif False:"),
    Fault(autocast._is_cast, " and dtype is not float64", ""),
    Fault(autocast._is_cast, "dtype.is_floating_point and ", ""),
    Fault(autocast._cast, "_cached(value, target) if is_weight and state.cache_enabled else _to(value, target)", "_to(value, target)"),
    Fault(autocast._cast, " and state.cache_enabled", ""),
    Fault(autocast._cast, " and _is_leaf(value)", ""),
    Fault(autocast._is_leaf, " and x._base is None", ""),
    Fault(autocast._cached, "with inference_mode(False), enable_grad():", "if True:"),
    Fault(autocast._cached, "if key not in state.cache:", "if True:"),
    Fault(autocast.as_it_was.__enter__, "self._set(*self.then)", "pass"),
    Fault(autocast.as_it_was.__exit__, "self._set(*self.outside)", "pass"),
    Fault(autocast.as_it_is, "with off():", "if True:"),
    Fault(minitorch.autocast.__exit__, "clear_autocast_cache()", "pass"),
    Fault(minitorch.autocast.__exit__, "autocast_decrement_nesting() == 0", "autocast_decrement_nesting() >= 0"),
    Fault(minitorch.autocast.__exit__, "self._set(*self._outside.pop())", "self._outside.pop()"),
    Fault(minitorch.autocast._set, "state.dtype[self.device], state.cache_enabled = dtype, cache_enabled", "state.dtype[self.device] = dtype"),
    Fault(minitorch.autocast._set, "state.dtype[self.device], state.cache_enabled = dtype, cache_enabled", "state.cache_enabled = cache_enabled"),
    Fault(minitorch.autocast.__init__, "state.cache_enabled if cache_enabled is None else cache_enabled", "cache_enabled is not False"),
    Fault(checkpoints._Rerun.__call__, "self.autocast, ", ""),
    Fault(checkpoints.CheckpointFunction.backward, ", ctx.autocast", ""),
    Fault(grad_scaler._unscaled.__wrapped__,  ".all()", ".any()"),
    Fault(grad_scaler._unscaled.__wrapped__,  "array[...] = wide * wide.dtype.type(factor)", "pass"),
    Fault(grad_scaler._unscaled.__wrapped__,  "wide * wide.dtype.type(factor)", "array * array.dtype.type(factor)"),
    Fault(minitorch.amp.GradScaler.unscale_, "scale.double().reciprocal().float()", "scale"),
    Fault(minitorch.amp.GradScaler.unscale_, 'of_this["stage"] = OptState.UNSCALED', "pass"),
    Fault(minitorch.amp.GradScaler.step, "if finite else None", ""),
    Fault(minitorch.amp.GradScaler.step, 'of_this["stage"] = OptState.STEPPED', "pass"),
    Fault(minitorch.amp.GradScaler.step, "if of_this[\"stage\"] is OptState.READY:", "if True:"),
    Fault(minitorch.amp.GradScaler.update, "self._per_optimizer_states = defaultdict(_fresh)", "pass"),
    Fault(minitorch.amp.GradScaler._moved, "self._backoff_factor", "0.5"),
    Fault(minitorch.amp.GradScaler._moved, "self._growth_factor", "2.0"),
    Fault(minitorch.amp.GradScaler._moved, "if np.isfinite(grown):", "if True:"),
    Fault(minitorch.amp.GradScaler._moved, "tracker.item() + 1 < self._growth_interval", "tracker.item() < self._growth_interval"),
    Fault(minitorch.amp.GradScaler._moved, "scale.fill_(_as_float32(scale.item() * self._backoff_factor))\n        tracker.zero_()",
          "scale.fill_(_as_float32(scale.item() * self._backoff_factor))"),
    Fault(minitorch.amp.GradScaler.load_state_dict, "self._growth_tracker.fill_(tracker)", "pass"),
    Fault(minitorch.amp.GradScaler._step_of_its_own, "del optimizer.grad_scale, optimizer.found_inf", "pass"),
    Fault(minitorch.amp.GradScaler._step_of_its_own, "own if is_unscaled else ", ""),
]  # fmt: skip


@functools.cache
def all_checks() -> list[Callable[[], Any]]:
    misuses = [functools.partial(_misused, calls=calls.split()) for calls in MISUSES]
    return [functools.partial(compare, scenario, outcome(scenario, torch)[0]) for scenario in (*scenarios, *misuses)]


def _misused(lib: Any, calls: list[str]) -> Any:
    return misused(lib, *calls)


@pytest.mark.slow
@pytest.mark.shortcuts
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_is_noticed(fault: Fault) -> None:
    before = copy.deepcopy((autocast.state.enabled, autocast.state.dtype)), autocast.state.cache_enabled

    def as_before() -> None:
        autocast.state.cache_enabled, autocast.state.nesting = before[1], 0
        autocast.state.enabled.update(before[0][0])
        autocast.state.dtype.update(before[0][1])
        autocast.state.cache.clear()
        autocast.active.clear()

    assert_noticed(fault, all_checks(), as_before)
