"""Generated kernels that write into memory that is there (in place, `out=`, copies), and those that sum what was broadcast.

Executed on the CPU, compared with the plain formulas, broken on purpose. `test_generated_kernels.py` has the plain forms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from broken_kernels import hold_nothing, survivors

import minitorch
from minitorch.compiler.cuda import launching, layouts, sums, twins
from minitorch.nn import functional as F
from minitorch.op import ops
from reference import generated
from reference.cuda_on_cpu import compiler, sanitized
from reference.strict_cupy import arrays, standing_in
from reference.strict_cupy.kernels import launched, launches

pytestmark = [
    pytest.mark.shortcuts,
    pytest.mark.skipif(compiler() is None, reason="executing kernels on the CPU needs g++, which is not installed"),
]
DTYPES = ("float32", "float16", "bfloat16", "float64", "int64")

with standing_in(generated=True):
    OPS = {op.__name__: op for op in ops if (op, ()) in twins.made and generated.can_be_called(op)}
BINARY = {name: op for name, op in OPS.items() if len(op.inputs) > 1 and op.derivatives}


@pytest.fixture
def on_gpu() -> Any:
    with standing_in(generated=True):
        yield


def some(table: Any, always: int) -> list:
    """The first of a table in each run, the others in a slow one: each kernel is compiled by itself."""
    return [pytest.param(each, marks=[] if k < always else [pytest.mark.slow]) for k, each in enumerate(table)]


# ---- every op ----


@pytest.mark.exhaustive
@pytest.mark.parametrize("op", OPS.values(), ids=OPS)
def test_in_place_is_as_the_plain_formula(op: Any) -> None:
    assert generated.compare_calls(call for dtype in DTYPES for call in generated.in_place(op, dtype))


@pytest.mark.exhaustive
@pytest.mark.parametrize("op", BINARY.values(), ids=BINARY)
def test_sums_are_as_the_plain_formula(op: Any) -> None:
    assert generated.compare_calls(call for dtype in DTYPES[:4] for call in generated.broadcast(op, dtype))


def test_some_of_each() -> None:
    """What the two above do in full."""
    mul, fill = OPS["mul"], OPS["masked_fill"]
    calls = [
        *generated.in_place(mul, "float32", ("rows", "part"), ("a row", "its first row")),
        *generated.in_place(fill, "float16", ("gaps",), ("as many",)),
        *generated.broadcast(mul, "float32", [((6, 8), (8,)), ((3, 4, 5, 8), (3, 1, 5, 1))], ("rows",)),
        *generated.broadcast(OPS["add"], "bfloat16", [((6, 8), (6, 1))], ("rows", "turned")),
    ]
    assert generated.compare_calls(calls)


# ---- where results go ----

IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "x += y": lambda x, y: x.__iadd__(y),
    "out= of an input": lambda x, y: minitorch.add(x, y, out=x),
    "relu_": lambda x, y: x.relu_(),
    "mul_ by a number": lambda x, y: x.mul_(2.5),
    "mul_ by itself": lambda x, y: x.mul_(x),
    "masked_fill_": lambda x, y: x.masked_fill_(y.bool(), 2.0),
    "of a view": lambda x, y: x[:, ::2].exp_(),
    "out=": lambda x, y: minitorch.add(y, y, out=x),
}


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("name", some(IN_PLACE, 2))
def test_the_result_is_written_at_once(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = minitorch.rand(6, 8, device="cuda"), minitorch.ones(6, 8, device="cuda")
    if name == "masked_fill_":
        y = y.bool()
    with minitorch.op.plain():
        want = x.clone()
        IN_PLACE[name](want, y)
    monkeypatch.setattr(launching, "empty", None)  # no memory is made
    assert len(launches(lambda: IN_PLACE[name](x, y))) == 1
    assert minitorch.allclose(x.cpu(), want.cpu())


X = np.arange(36.0, dtype=np.float32).reshape(6, 6)
# What is read beside memory that is written to, and whether that may be done by one kernel.
BESIDE: dict[str, tuple[np.ndarray, np.ndarray, bool]] = {
    "itself": (X, X, True),
    "other memory": (X, X.copy(), True),
    "rows before it": (X[3:], X[:3], True),
    "a row of it": (X, X[2], False),
    "it, turned": (X, X.T, False),
    "rows that reach into it": (X[1:], X[:-1], False),
    "columns between its own": (X[:, ::2], X[:, 1::2], False),
    "its bits": (X, X.view(np.int32), False),
    "its first number, repeated": (X, np.broadcast_to(X[:1, :1], (6, 6)), False),
}


@pytest.mark.parametrize("name", BESIDE)
def test_memory_that_is_read_elsewhere_is_not_written_at_once(name: str) -> None:
    """Each thread would read what another has written."""
    into, read, may = BESIDE[name]
    assert layouts.may_write(into, [X.copy(), read]) is may


def test_memory_that_holds_a_number_twice_is_not_written_at_once() -> None:
    windows = np.lib.stride_tricks.sliding_window_view(X[0], 3, writeable=True)
    assert not layouts.may_write(windows, []) and not layouts.may_write(np.broadcast_to(X[0], (6, 6)), [])


@pytest.mark.usefixtures("on_gpu")
def test_the_stand_in_refuses_a_kernel_that_writes_where_another_thread_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = minitorch.arange(12.0, device="cuda")
    x, row = memory.view(3, 4)[:, ::2], memory[4:8:2]  # with gaps, which torch does not look into
    want = x.cpu() + row.cpu()
    before = memory.clone()
    x += row
    assert (x.cpu() == want).all()
    memory.copy_(before)
    monkeypatch.setattr(launching, "may_write", lambda into, reads: True)
    with pytest.raises(ValueError, match="overlaps another argument"):
        x += row


@pytest.mark.usefixtures("on_gpu")
def test_backward_has_what_was_there_before() -> None:
    leaf, other = (minitorch.rand(5, device="cuda", requires_grad=True) for _ in range(2))
    before = leaf.detach().cpu()
    x = leaf * 1
    x.mul_(other)
    x.sum().backward()
    assert minitorch.allclose(other.grad.cpu(), before)


@pytest.mark.usefixtures("on_gpu")
def test_what_is_refused_changes_nothing() -> None:
    x = minitorch.zeros(4, device="cuda")
    for call in (
        lambda: x.add_(minitorch.ones(3, 4, device="cuda")),
        lambda: minitorch.add(x, 1.0, out=x.expand(2, 4)),
        lambda: x.long().add_(1.5),
        lambda: x[1:].copy_(x[:-1]),
        lambda: x.copy_(minitorch.ones(3, device="cuda")),
    ):
        with pytest.raises(RuntimeError):
            call()
        assert x.cpu().tolist() == [0.0] * 4


# ---- copies ----


def test_what_lies_alike_is_copied_by_the_card(on_gpu: Any) -> None:
    x = minitorch.rand(6, 8, device="cuda")
    y = minitorch.empty_like(x)
    for call in (lambda: y.copy_(x), lambda: x.clone(), lambda: y[2:].copy_(x[1:5]), lambda: y.t().copy_(x.t())):
        before = len(arrays.copies)
        assert launches(call) == [] and len(arrays.copies) == before + 1
    assert (y[2:].cpu() == x.cpu()[2:]).all() and (x.clone().cpu() == x.cpu()).all()


@pytest.mark.usefixtures("on_gpu")
def test_numbers_are_filled_in() -> None:
    x = minitorch.rand(6, 8, device="cuda")
    assert x.zero_().tolist() == [[0.0] * 8] * 6
    assert x[:, ::2].fill_(2.5).tolist() == [[2.5] * 4] * 6 and x[0, 1] == 0
    assert np.signbit(x.fill_(-0.0).cpu().numpy()).all()


COPIES: dict[str, Callable[[Any], Any]] = {
    "turned": lambda x: minitorch.empty(8, 6, device="cuda").copy_(x.t()),
    "cast": lambda x: minitorch.empty(6, 8, device="cuda", dtype=minitorch.float16).copy_(x),
    "repeated": lambda x: minitorch.empty(3, 6, 8, device="cuda").copy_(x),
    "into gaps": lambda x: minitorch.zeros(6, 16, device="cuda")[:, ::2].copy_(x),
    "contiguous": lambda x: x.t().contiguous(),
    "reshape": lambda x: x.t().reshape(48),
    "half": lambda x: x.half(),
    "double of a view": lambda x: x[:, 1:].double(),
    "channels last": lambda x: x.view(2, 3, 4, 2).contiguous(memory_format=minitorch.channels_last),
}


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("name", some(COPIES, 2))
def test_a_copy_is_one_pass(name: str) -> None:
    x = minitorch.rand(6, 8, device="cuda")
    found: list = []
    assert len(launches(lambda: found.append(COPIES[name](x)))) == 1
    with minitorch.op.plain():
        want = COPIES[name](x)
    assert found[0].stride() == want.stride() and (found[0].cpu() == want.cpu()).all()


# ---- sums ----


@pytest.mark.usefixtures("on_gpu")
def test_the_gradient_of_what_was_broadcast_is_summed_where_it_is_computed() -> None:
    x, scale = minitorch.rand(6, 8, device="cuda", requires_grad=True), minitorch.rand(8, device="cuda", requires_grad=True)
    out = x * scale
    (source,) = launches(lambda: out.backward(minitorch.ones_like(out)))
    assert "KERNEL_OF_256 mul_backward_a_b_sums" in source and "db_sum[K] += db_now" in source
    assert minitorch.allclose(scale.grad, x.detach().sum(0)) and x.grad.shape == x.shape


@pytest.mark.usefixtures("on_gpu")
def test_a_layers_bias_is_one_launch() -> None:
    layer = minitorch.nn.Linear(4, 8, device="cuda", dtype=minitorch.float16)
    out = layer(minitorch.rand(5, 4, device="cuda", dtype=minitorch.float16))
    upstream = minitorch.rand(5, 8, device="cuda", dtype=minitorch.float16)
    (source,) = launches(lambda: out.backward(upstream))
    assert "const __half* x, __half* out" in source and "float out_sum[8]" in source, "halves are added in float"
    assert minitorch.allclose(layer.bias.grad.cpu(), upstream.cpu().float().sum(0).half())


@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("case", some([((700, 12), 0, 2), ((40, 12), 0, 1), ((3, 50), 1, 1), ((9000,), None, 2)], 1))
def test_few_outputs_are_added_in_parts(case: tuple[tuple, int | None, int]) -> None:
    shape, dim, count = case
    x = minitorch.rand(*shape, device="cuda")
    found: list = []
    assert len(launches(lambda: found.append(x.mean(dim)))) == count
    assert minitorch.allclose(found[0].cpu().double(), x.cpu().double().mean(dim), rtol=1e-6)
    assert (x.mean(dim) == found[0]).all(), "the same each time"


def test_every_number_has_its_share() -> None:
    for outputs in (1, 2, 3, 31, 32, 33, 1000, 10**6):
        for length in (1, 2, 5, 100, 4097, 10**7):
            for by_rows in (False, True):
                s = sums.shared_out(outputs, length, by_rows, 1024)
                assert s.threads % s.lanes == 0 and s.lanes & (s.lanes - 1) == 0 and s.threads <= sums.THREADS
                assert s.part * s.parts >= length > s.part * (s.parts - 1)
                assert s.blocks == -(-outputs // (s.threads // s.lanes)) * s.parts
                assert s.parts == 1 or s.blocks <= sums.BLOCKS


@pytest.mark.slow
@pytest.mark.usefixtures("on_gpu")
def test_what_is_no_sum_here_goes_on_as_before() -> None:
    x = minitorch.arange(6, device="cuda").reshape(2, 3)
    assert x.sum(0).tolist() == [3, 5, 7]
    assert minitorch.ones(3, 0, device="cuda").sum(1).tolist() == [0.0] * 3
    assert minitorch.ones(2, 3, device="cuda").sum(0, dtype=minitorch.float64).dtype is minitorch.float64
    a, b = (minitorch.rand(*s, device="cuda", requires_grad=True) for s in ((5, 1), (1, 7)))
    minitorch.copysign(a.detach(), b).sum().backward()  # zeros, of nothing that is read
    assert b.grad.tolist() == [[0.0] * 7]
    b.grad = None
    (a * b).sum().backward()  # over one dimension each: the second is summed after
    assert minitorch.allclose(a.grad, b.detach().sum().expand(5, 1)) and b.grad.shape == (1, 7)


@pytest.mark.slow
@pytest.mark.usefixtures("on_gpu")
def test_gradients_that_meet_are_added_by_a_kernel() -> None:
    x = minitorch.rand(6, 8, device="cuda", dtype=minitorch.float16, requires_grad=True)
    h = x * 1.0
    out = h * 2.0 + h.exp() + h.sin()
    names = [text for text in launches(lambda: out.backward(minitorch.ones_like(out))) if "add_kernel" in text]
    assert len(names) == 2 and "const __half* a, const __half* b" in names[0]
    first, place = x.grad.clone(), x.grad.data_ptr()
    sources = launches(lambda: (x * 1.0).backward(x.detach()))
    assert "add_kernel" in sources[-1] and x.grad.data_ptr() == place, "into the memory of .grad"
    assert minitorch.allclose(x.grad.cpu(), (first + x.detach()).cpu(), rtol=2e-3)


# ---- watched, and broken on purpose ----

# In more than one part, of which the last is shorter, so that no place is computed in vain.
BROKEN: dict[str, Callable[[], Any]] = {
    "by columns, in packs": lambda: [_rand(1101, 16).half().sum(0)],
    "by columns, number by number": lambda: _gradients((1101, 7), (7,)),
    "by rows, in packs": lambda: _gradients((2, 9004), (2, 1)),
    "into a part": lambda: [_rand(6, 11)[1:5, 2:10].mul_(_rand(8, 4).t())],
}


def _rand(*shape: int) -> Any:
    return minitorch.from_numpy(np.random.default_rng(3).uniform(0.5, 1.5, shape).astype(np.float32)).cuda()


def _gradients(first: tuple, second: tuple) -> list:
    x, scale = _rand(*first).requires_grad_(), _rand(*second).requires_grad_()
    return list(minitorch.autograd.grad(x * scale, [x, scale], _rand(*first)))


@pytest.mark.slow
@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize("sanitizer", ["thread", "address"])
def test_under_a_sanitizer(sanitizer: str) -> None:
    if reason := sanitized.missing(sanitizer):
        pytest.skip(f"no {sanitizer} sanitizer: {reason.splitlines()[0]}")
    launched.clear()
    for call in BROKEN.values():
        call()
    assert len(launched) >= 5
    for (name, text), launch in launched.items():
        assert not (found := sanitized.report(text, name, *launch, sanitizer)), found
    if sanitizer == "thread":
        (name, text), launch = next((key, launch) for key, launch in launched.items() if "sum_of_lanes" in key[1])
        start = text.index("__syncthreads();", text.index("A sum_of_lanes"))
        assert "data race" in sanitized.report(text[:start] + text[start + 16 :], name, *launch, sanitizer)


@pytest.mark.skipif(bool(sanitized.missing("address")), reason="no address sanitizer")
@pytest.mark.usefixtures("on_gpu")
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.exhaustive if k else pytest.mark.slow) for k, n in enumerate(BROKEN)]
)
def test_faults_are_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hold_nothing(monkeypatch)
    want = [t.cpu() for t in BROKEN[name]()]
    launched.clear()
    texts = launches(BROKEN[name])
    source = next((text for text in texts if "sum_of_lanes" in text), texts[-1])
    call = BROKEN[name]
    left = survivors(
        source, lambda: all((t.cpu() == w).all() for t, w in zip(call(), want)), monkeypatch
    )  # the same sum each time
    launch = next(launch for (_, code), launch in launched.items() if code == source)
    kernel = next(kernel for kernel, code in launched if code == source)
    if name.startswith("by rows"):  # there a block has one output if it takes a part: OUT_HERE is 0
        left = [(what, broken) for what, broken in left if "OUTS - OUT_HERE" not in what]
    unseen = [what for what, broken in left if not sanitized.report(broken, kernel, *launch, "address")]
    assert unseen == [], "\n".join(unseen)


@pytest.mark.slow
def test_gelu_is_no_exception(on_gpu: Any) -> None:
    """A layer of half precision, in place and with its bias: as many launches as there are results."""
    x = _rand(6, 8).half().requires_grad_()
    bias = _rand(8).half().requires_grad_()
    out = F.gelu(x + bias)
    found = launches(lambda: out.backward(minitorch.ones_like(out)))
    assert len(found) == 2 and "gelu_backward" in found[0] and "add_backward_a_b_sums" in found[1]
