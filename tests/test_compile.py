"""`compile`: a step as a program does what the step does, to the last bit; and what cannot be a program runs as it is."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
import minitorch.nn.functional as F
from minitorch import nn
from minitorch.compiler.step import Compiled
from minitorch.kernels.cpu import blocks
from reference import compiled_steps, layers, optimizers
from reference.layers.run import Run
from reference.layers.run import flat as leaves_of
from reference.strategies import Source
from reference.table import Row, flat, table, tensors
from shares import mostly_slow, some_of_each

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CALLS = 4  # two are recorded, two run the program


def as_bytes(x: Any) -> Any:
    """What can be compared to the last bit; nan is nan."""
    if x is None or isinstance(x, (bool, int, float)):
        return repr(x)
    array = x.detach().numpy() if x.dtype is not minitorch.bfloat16 else x.detach().view(minitorch.int16).numpy()
    array = np.where(np.isnan(array), np.nan, array).astype(array.dtype) if array.dtype.kind == "f" else array
    return array.dtype, array.shape, array.tobytes()


def told(build: Callable[[], tuple], backend: str, calls: int = CALLS) -> tuple[list, Any]:
    """What can be seen after each of some calls of a step; and the step, compiled if a backend is named."""
    step, seen, between, *after = build()
    run = minitorch.compile(step, backend=backend) if backend else step
    story = []
    for k in range(calls):
        minitorch.manual_seed(k)
        between(k)
        out = run()
        for act in after:
            act(out)
        story.append([as_bytes(x) for x in [*leaves_of(out), *seen()]])
    return story, run


def assert_alike(build: Callable[[], tuple], calls: int = CALLS, backend: str = "numpy") -> Compiled:
    """The step and its program do the same. `build` gives (step, what can be seen after it, what changes before call k)."""
    (wanted, _), (found, run) = told(build, "", calls), told(build, backend, calls)
    for k, (a, b) in enumerate(zip(wanted, found)):
        alike = a == b if backend == "numpy" else len(a) == len(b) and all(map(close, a, b))
        assert alike, f"call {k} differs: {run.explain()}"
    return run


def one_weight(rows: int, columns: int) -> tuple:
    """A step of AdamW on one parameter of that shape, as `assert_alike` takes it."""
    minitorch.manual_seed(0)
    w, x = minitorch.randn(rows, columns).requires_grad_(), minitorch.randn(4, columns)
    optimizer = minitorch.optim.AdamW([w], 0.1)

    def step() -> None:
        optimizer.zero_grad()
        (x @ w.t()).square().sum().backward()
        optimizer.step()

    return step, lambda: [w, *optimizer.state[w].values()], lambda k: None


def close(a: Any, b: Any) -> bool:
    """Whether two of `as_bytes` are alike but for the last places: C adds up in another order than NumPy."""
    if a is None or isinstance(a, str) or a[:2] != b[:2]:
        return a == b
    dtype = a[0]
    one, two = (np.frombuffer(x[2], dtype) for x in (a, b))
    if dtype.kind != "f":
        return a == b
    relative = {8: 1e-9, 4: 1.3e-6}.get(dtype.itemsize, 1e-3)
    return np.allclose(one, two, relative, relative * np.abs(one[np.isfinite(one)]).max(initial=8.0), equal_nan=True)


def has_program(run: Compiled) -> bool:
    return any(v.program is not None for v in run.variants)


# ---- every op ----

# Ops of which all or some calls read a tensor's numbers (masks as indices, lengths, places to split), or whose rows seed the generator.
AS_THEY_ARE = {
    "allclose", "equal", "ctc_loss", "one_hot", "quantile", "nanquantile",
    "getitem", "setitem", "index_put (writing)", "index_put (adding)", "tensor_split", "lstm", "gru", "rnn_tanh", "rnn_relu",
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout", "gumbel_softmax", "rrelu",
}  # fmt: skip


def of_row(row: Row, seed: int, outside: bool) -> Callable[[], tuple]:
    """A step of a row's op and its derivative, which may be outside of it, on inputs that change."""
    case = row.draw(Source(seed))
    dtype = (np.float64, np.float32)[seed % 2]

    def build() -> tuple:
        made = tensors(case, minitorch, dtype, row.inputs())
        leaves = [t for n in row.inputs() for t in (made[n] if isinstance(made[n], list) else [made[n]])]
        first, ours = [t.detach().clone() for t in leaves], row.ours

        def step() -> list:
            for t in leaves:
                t.grad = None
            outs = [x for x in flat(row.call(ours, made)) if isinstance(x, minitorch.Tensor)]
            if outside:
                return outs
            differentiate(outs)
            return [x.detach() for x in outs]

        def between(k: int) -> None:
            for t, x in zip(leaves, first):
                if t.is_contiguous() and t.numel():
                    with minitorch.no_grad():
                        t.copy_(x.roll(k))

        return step, lambda: [t.grad for t in leaves], between, *([differentiate] if outside else [])

    return build


def differentiate(outs: list) -> None:
    """Send gradients that differ for each element."""
    parts = [x for x in outs if x.requires_grad]
    if parts:
        weights = [minitorch.arange(1.0, x.numel() + 1, dtype=x.dtype).reshape(x.shape) for x in parts]
        sum((x * w).sum() for x, w in zip(parts, weights)).backward()


def alike_unless_refused(build: Callable[[], tuple], calls: int = CALLS, backend: str = "numpy") -> Compiled | None:
    """The compiled step, which does what the step does; None if that is refused, as what writes to a leaf is."""
    try:
        told(build, "", 2)
    except Exception:
        return None
    return assert_alike(build, calls, backend)


def check_row(row: Row, backend: str) -> None:
    for seed, outside in ((0, False), (1, False), (0, True)):
        run = alike_unless_refused(of_row(row, seed, outside), backend=backend)
        assert run is None or has_program(run) or row.name in AS_THEY_ARE, run.explain()


@pytest.mark.parametrize("row", some_of_each(table(), 24))
def test_ops(row: Row) -> None:
    check_row(row, "numpy")


# ---- every layer and optimizer ----


def of_layer(row: Any, data: Any) -> Callable[[], tuple]:
    """Training steps of a layer: output, gradients, parameters and buffers."""
    options = data.draw(row.options)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    inputs = row.inputs(data.draw, rng, options)

    def build() -> tuple:
        run = Run(row, minitorch, options, inputs, "float64", 0)
        layer, given = run.layer, run.mapped(lambda x: x.detach(), run.tensors())

        def step() -> list:
            layer.zero_grad()
            outs = [x for x in leaves_of(run.output(given)) if isinstance(x, minitorch.Tensor)]
            parts = [x for x in outs if x.requires_grad]
            if parts:
                sum((x * x).sum() for x in parts).backward()
            with minitorch.no_grad():
                for p in layer.parameters():
                    if p.grad is not None:
                        p -= 0.1 * p.grad
            return [x.detach() for x in outs]

        return (
            step,
            lambda: [
                *layer.state_dict().values(),
                *(p.grad for p in layer.parameters()),
                *(p._version for p in layer.parameters()),
            ],
            lambda k: None,
        )

    return build


@pytest.mark.parametrize("row", mostly_slow(layers.ROWS, 10, slow=2))
@settings(max_examples=3)
@given(data=st.data())
def test_layers(row: Any, data: Any) -> None:
    alike_unless_refused(of_layer(row, data))


def of_optimizer(row: Any, data: Any) -> Callable[[], tuple]:
    """Steps with a learning rate that moves between them."""
    options = data.draw(row.options)

    def build() -> tuple:
        minitorch.manual_seed(0)
        params = [minitorch.randn(shape, dtype=minitorch.float64).requires_grad_() for shape in row.shapes]
        optimizer = row.build(minitorch, [{"params": params}], options)

        def step() -> Any:
            optimizer.zero_grad()
            loss = sum((p * p).sum() for p in params)
            loss.backward()
            optimizer.step()
            return loss

        def between(k: int) -> None:
            if "lr" in optimizer.param_groups[0]:
                optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)

        return step, lambda: params, between

    return build


@pytest.mark.parametrize("row", optimizers.ROWS, ids=lambda row: row.name)
@settings(max_examples=3)
@given(data=st.data())
def test_optimizers(row: Any, data: Any) -> None:
    run = alike_unless_refused(of_optimizer(row, data), 6)
    assert run is None or has_program(run)


def test_a_product_by_dot_is_matmuls() -> None:
    """To the last bit: programs say `dot` where a step says `matmul`."""
    sizes, rng = (2, 3, 4, 17, 33), np.random.default_rng(0)
    for dtype in ("float32", "float64"):
        for m, k, n in itertools.product(sizes, repeat=3):
            a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
            for x, y in itertools.product((a, np.asfortranarray(a)), (b, np.asfortranarray(b))):
                assert np.array_equal(np.dot(x, y), np.matmul(x, y))
            assert np.array_equal(np.dot(a, a.T), np.matmul(a, a.T))
    x, w = minitorch.randn(4, 3), minitorch.randn(3, 5)
    run = assert_alike(lambda: (lambda: x @ w, list, lambda k: None))
    assert "dot(x, w)" in run.source


# ---- whole programs, and what may change between calls ----


def small(seed: int = 0) -> nn.Module:
    minitorch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 3))


def data(k: int, n: int = 6) -> tuple[Any, Any]:
    rng = np.random.default_rng(k)
    return minitorch.tensor(rng.normal(size=(n, 4)).astype("float32")), minitorch.tensor(rng.integers(0, 3, n))


class Trainer:
    """A model, its optimizer, and a step of both as people write it."""

    def __init__(self, clear: bool = True, clip: bool = False, scheduled: bool = False, **options: Any) -> None:
        self.model = small()
        self.optimizer = minitorch.optim.Adam(self.model.parameters(), lr=0.01, **options)
        self.scheduler = minitorch.optim.lr_scheduler.StepLR(self.optimizer, 2, 0.5)
        self.clear, self.clip, self.scheduled = clear, clip, scheduled
        self.scale, self.ignored = 1.0, False

    def step(self, x: Any, y: Any) -> Any:
        if self.clear:
            self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y) * self.scale
        loss.backward()
        if self.clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), 0.1)
        self.optimizer.step()
        if self.scheduled:
            self.scheduler.step()
        return loss

    def seen(self) -> list:
        return [
            *self.model.state_dict().values(),
            *(p.grad for p in self.model.parameters()),
            self.optimizer.param_groups[0]["lr"],
        ]


def lr_changes(trainer: Trainer, k: int) -> None:
    trainer.optimizer.param_groups[0]["lr"] = 0.1 / (k + 1)


def modes_change(trainer: Trainer, k: int) -> None:
    trainer.model.train(k % 3 != 1)


def a_number_changes(trainer: Trainer, k: int) -> None:
    trainer.scale = 1.0 + k // 3


def a_parameter_is_frozen(trainer: Trainer, k: int) -> None:
    trainer.model[0].weight.requires_grad_(k < 4)


def a_parameter_is_replaced(trainer: Trainer, k: int) -> None:
    if k == 4:
        minitorch.manual_seed(9)
        trainer.model[4] = nn.Linear(8, 3)


def memory_is_replaced(trainer: Trainer, k: int) -> None:
    if k == 4:
        trainer.model[0].weight.data = trainer.model[0].weight.data.clone() * 0.5


def a_state_is_loaded(trainer: Trainer, k: int) -> None:
    if k == 4:
        trainer.model.load_state_dict(small(3).state_dict())


def a_class_is_ignored(trainer: Trainer, k: int) -> None:
    trainer.ignored = k % 4 == 3


def a_hook_comes(trainer: Trainer, k: int) -> None:
    if k == 4:
        trainer.model[0].register_forward_hook(lambda module, args, out: out * 2)


def a_gradient_hook_comes(trainer: Trainer, k: int) -> None:
    if k == 4:
        trainer.model[0].weight.register_hook(lambda g: g * 2)


def gradients_are_dropped(trainer: Trainer, k: int) -> None:
    if k % 3 == 0:
        trainer.optimizer.zero_grad()


CHANGES = [
    lr_changes, modes_change, a_number_changes, a_parameter_is_frozen, a_parameter_is_replaced, memory_is_replaced, a_state_is_loaded,
    a_hook_comes, a_gradient_hook_comes, a_class_is_ignored,
]  # fmt: skip


def train(options: dict, change: Callable, compiled: bool, sizes: tuple[int, ...] = (6,)) -> tuple[list, Any]:
    trainer = Trainer(**options)
    step = minitorch.compile(trainer.step) if compiled else trainer.step
    story = []
    for k in range(9):
        change(trainer, k)
        minitorch.manual_seed(k)
        x, y = data(k, sizes[k % len(sizes)])
        if trainer.ignored:
            y[0] = -100
        out = step(x, y)
        story.append([as_bytes(x) for x in [out, *trainer.seen()]])
    return story, step


@pytest.mark.parametrize("change", CHANGES, ids=lambda f: f.__name__)
def test_what_changes_between_calls_is_noticed(change: Callable) -> None:
    (wanted, _), (found, run) = train({}, change, False), train({}, change, True)
    assert [a == b for a, b in zip(wanted, found)] == [True] * 9, run.explain()
    assert has_program(run)


@pytest.mark.parametrize(
    "options", [{}, {"clear": False}, {"clip": True}, {"scheduled": True}, {"weight_decay": 0.1}], ids=str
)
@pytest.mark.parametrize("change", [lr_changes, gradients_are_dropped], ids=lambda f: f.__name__)
def test_steps_as_people_write_them(options: dict, change: Callable) -> None:
    (wanted, _), (found, run) = train(options, change, False), train(options, change, True)
    assert [a == b for a, b in zip(wanted, found)] == [True] * 9, run.explain()
    assert has_program(run), run.explain()


def test_each_shape_has_its_program() -> None:
    (wanted, _), (found, run) = (
        train({}, lambda trainer, k: None, False, (6, 4)),
        train({}, lambda trainer, k: None, True, (6, 4)),
    )
    assert wanted == found
    assert len([v for v in run.variants if v.program]) == 2


def test_what_is_handed_out_stays() -> None:
    trainer = Trainer()
    step = minitorch.compile(trainer.step)
    losses, grads = [], []
    for k in range(6):
        losses.append(step(*data(k)))
        grads.append(trainer.model[0].weight.grad)
    values = [x.item() for x in losses]
    assert len(set(values)) == 6 and len({as_bytes(g)[2] for g in grads}) == 6
    with pytest.raises(RuntimeError, match="second time"):
        losses[-1].backward()


def writes_through_views() -> tuple:
    step, state = compiled_steps.writes_through_views()
    return step, lambda: [*state, state[0]._version], lambda k: None


def reads_before_and_after_a_step() -> tuple:
    w = minitorch.ones(3, requires_grad=True)
    optimizer = minitorch.optim.SGD([w], lr=0.1)

    def step() -> list:
        optimizer.zero_grad()
        before = (w * 2).sum()
        (w * w).sum().backward()
        optimizer.step()
        with minitorch.no_grad():
            return [before.detach(), (w * 2).sum()]

    return step, lambda: [w, w.grad, w._version], lambda k: None


def counts_within_an_op() -> tuple:
    """Embedding's derivative adds up what goes to one row: how many rows that are depends on the indices."""
    layer, indices = nn.Embedding(9, 16), minitorch.zeros(40, dtype=minitorch.long)
    with minitorch.no_grad():
        layer.weight.copy_(minitorch.arange(144.0).reshape(9, 16) / 100)

    def step() -> Any:
        layer.zero_grad()
        loss = (layer(indices) ** 2).sum()
        loss.backward()
        return loss

    def between(k: int) -> None:
        indices.copy_(minitorch.arange(40) % (k + 1))

    return step, lambda: [layer.weight.grad], between


@pytest.mark.parametrize(
    "build", [writes_through_views, reads_before_and_after_a_step, counts_within_an_op], ids=lambda f: f.__name__
)
def test_memory_that_is_written_between_reads(build: Callable[[], tuple]) -> None:
    assert has_program(assert_alike(build, 6))


def test_an_argument_that_is_written_to() -> None:
    run = minitorch.compile(lambda x: x.mul_(2) + 1)
    for k in range(4):
        x = minitorch.full((3,), float(k))
        assert as_bytes(run(x)) == as_bytes(x + 1) and x[0].item() == 2 * k
    assert has_program(run)


# ---- what cannot be a program ----


def looks_at_a_number(x: Any) -> Any:
    return x * 2 if x.sum() > 0 else x


def returns_a_number(x: Any) -> Any:
    return x.sum().item()


def counts(x: Any) -> Any:
    counts.calls += 1  # type: ignore[attr-defined]
    return x * counts.calls  # type: ignore[attr-defined]


counts.calls = 0  # type: ignore[attr-defined]
KEPT: list = []
NUMBERS = itertools.count()


def returns_another_number(x: Any) -> Any:
    return x * 2, next(NUMBERS) / 2


def keeps(x: Any) -> Any:
    KEPT.append(x * 2)
    return x + 1


def seeds(x: Any) -> Any:
    minitorch.manual_seed(0)
    return x + minitorch.rand(3)


def depends_on_data(x: Any) -> Any:
    return x[x > 0]


def asks_numpy(x: Any) -> Any:
    return minitorch.from_numpy(np.sin(x.numpy()))


REFUSED = {
    looks_at_a_number: "looks at a number",
    returns_a_number: "looks at a number",
    counts: "did not do the same|changes what it depends on",
    returns_another_number: "what they return",
    keeps: "kept outside",
    seeds: "seeds a generator",
    depends_on_data: "looks at a number",
    asks_numpy: "looks at a number",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda f: f.__name__)
def test_what_cannot_be_a_program_runs_as_it_is(function: Callable) -> None:
    step = minitorch.compile(function)
    with pytest.warns(UserWarning, match=REFUSED[function]):
        for k in range(4):
            counts.calls = k  # type: ignore[attr-defined]
            x = minitorch.tensor([1.0, -2.0, 3.0]) * (-1) ** k
            found = step(x)
            counts.calls = k  # type: ignore[attr-defined]
            wanted = function(x)
            found, wanted = (v[0] if isinstance(v, tuple) else v for v in (found, wanted))
            assert found == wanted if isinstance(wanted, float) else as_bytes(found) == as_bytes(wanted)
    assert not has_program(step)


def test_fullgraph_raises_instead() -> None:
    with pytest.raises(RuntimeError, match="looks at a number"):
        minitorch.compile(looks_at_a_number, fullgraph=True)(minitorch.ones(3))


def test_an_error_in_the_recorded_step_is_the_steps_own() -> None:
    model = small()

    def step(x: Any) -> Any:
        return model(x)

    run = minitorch.compile(step)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        run(minitorch.ones(2, 5))
    assert type(model[0].weight._array) is np.ndarray
    with minitorch.no_grad():
        for _ in range(4):
            assert as_bytes(run(minitorch.ones(2, 4)))[1] == (2, 3)


def test_a_program_refuses_what_the_step_refuses() -> None:
    table_ = minitorch.arange(6.0).reshape(3, 2)
    run = minitorch.compile(lambda i: F.embedding(i, table_))
    for _ in range(3):
        run(minitorch.tensor([0, 2]))
    assert has_program(run)
    with pytest.raises(IndexError, match="index out of range"):
        run(minitorch.tensor([0, 3]))


def test_what_it_shows() -> None:
    trainer = Trainer()
    run = minitorch.compile(trainer.step)
    with pytest.raises(RuntimeError, match="less than twice"):
        _ = run.source
    for k in range(3):
        run(*data(k))
    assert run.source.startswith("def program(x0_new, x1_new):") and "# backward of linear" in run.source
    assert "linear_1: float32" in str(run.graph)
    assert "instructions recorded" in run.explain()


def test_arguments_may_be_models_and_optimizers() -> None:
    def step(model: nn.Module, optimizer: Any, batch: tuple) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    run, trainers = minitorch.compile(step), (Trainer(), Trainer())
    for k in range(5):
        minitorch.manual_seed(k)
        wanted = step(trainers[0].model, trainers[0].optimizer, data(k))
        minitorch.manual_seed(k)
        found = run(trainers[1].model, trainers[1].optimizer, data(k))
        assert as_bytes(wanted) == as_bytes(found)
    assert has_program(run), run.explain()


class Counter:
    def __init__(self) -> None:
        self.w, self.calls = minitorch.ones(3), 0

    @minitorch.compile
    def scaled(self, x: Any) -> Any:
        return x * self.w

    def call(self, x: Any) -> Any:
        self.calls += 1
        return self.scaled(x)


def test_methods_are_compiled_for_each_instance() -> None:
    one, two = Counter(), Counter()
    two.w = minitorch.full((3,), 2.0)
    for k in range(4):
        x = minitorch.full((3,), float(k))
        assert one.call(x).tolist() == [k] * 3 and two.call(x).tolist() == [2 * k] * 3
    assert len([v for v in Counter.scaled.variants if v.program]) == 2


def test_compiled_functions_within_compiled_functions() -> None:
    inner = minitorch.compile(lambda x: x * 2)
    outer = minitorch.compile(lambda x: inner(x) + 1)
    for k in range(4):
        assert inner(minitorch.full((2,), float(k))).tolist() == [2 * k] * 2
        assert outer(minitorch.full((2,), float(k))).tolist() == [2 * k + 1] * 2
    assert has_program(inner) and has_program(outer)


def test_within_a_vmap_it_is_the_function() -> None:
    run = minitorch.compile(lambda x: x * 2)
    for _ in range(4):
        assert minitorch.vmap(run)(minitorch.ones(3, 2)).tolist() == [[2.0, 2.0]] * 3
    assert not has_program(run) and "a vmap" in run.explain()


def test_numbers_in_numpy_arrays_are_noticed() -> None:
    weights = np.ones(3, np.float32)
    run = minitorch.compile(lambda x: x * minitorch.tensor(weights))
    for k in range(8):
        weights[:] = k // 4
        assert run(minitorch.ones(3)).tolist() == [k // 4] * 3
    assert has_program(run), run.explain()


def test_threads_may_call_it_at_once() -> None:
    run = minitorch.compile(lambda x: ((x @ x) * 2 + x).sum(0))
    xs = [minitorch.full((64, 64), float(k)) for k in range(8)]
    wanted = [as_bytes(((x @ x) * 2 + x).sum(0)) for x in xs]
    for x in xs[:3]:
        run(x)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            assert [as_bytes(y) for y in pool.map(run, xs)] == wanted


# ---- what is differentiated outside ----


def train_outside(compiled: bool, **how: Any) -> tuple[list, Any]:
    """A loop around a compiled module, in which everything but the module is as it was."""
    model = small()
    optimizer = minitorch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run = minitorch.compile(model) if compiled else model
    story = []
    for k in range(6):
        minitorch.manual_seed(k)
        (x, y), (other, _) = data(k), data(k + 10)
        x.requires_grad_(k != 4)
        out = run(x)
        if how.get("twice"):
            out = out + run(other)
        loss = F.cross_entropy(out, y)
        optimizer.zero_grad()
        loss.backward(retain_graph=how.get("retain"))
        if how.get("retain"):
            loss.backward()
        optimizer.step()
        story.append(
            [as_bytes(t) for t in [loss, x.grad, *(p.grad for p in model.parameters()), *model.state_dict().values()]]
        )
        if how.get("evaluate"):
            run.eval()
            with minitorch.no_grad():
                story[-1].append(as_bytes(run(x)))
            run.train()
    return story, run


@pytest.mark.parametrize("how", [{}, {"twice": True}, {"retain": True}, {"evaluate": True}], ids=str)
def test_a_module_that_is_differentiated_outside(how: dict) -> None:
    (wanted, _), (found, run) = train_outside(False, **how), train_outside(True, **how)
    assert [a == b for a, b in zip(wanted, found)] == [True] * 6, run.explain()
    assert has_program(run.compiled)
    assert [n.removeprefix("_orig_mod.") for n in run.state_dict()] == list(run._orig_mod.state_dict())


def test_module_compile_is_in_place() -> None:
    model, plain = small().eval(), small().eval()
    model.compile()
    for k in range(4):
        x = data(k)[0]
        assert as_bytes(model(x)) == as_bytes(plain(x))
    assert has_program(model.forward)
    assert list(model.state_dict()) == list(plain.state_dict())


def test_nobody_can_tell_that_backward_is_recorded() -> None:
    """Hooks hear of no backward that nobody called; what backward cannot do is no affair of the call's."""
    w, heard, kept = minitorch.ones(3, requires_grad=True), [], []

    def hooked(x: Any) -> Any:
        y = w * x
        y.register_hook(heard.append)
        return y

    run = minitorch.compile(hooked)
    for k in range(3):
        out = run(minitorch.ones(3))
        assert len(heard) == k
        out.sum().backward()
    without = minitorch.compile(lambda x: minitorch.igamma(w, x))
    for _ in range(3):
        with pytest.raises(NotImplementedError, match="igamma"):
            without(minitorch.ones(3)).sum().backward()
    keeping = minitorch.compile(lambda x: kept.append(x.detach()) or x * 2)
    keeping(minitorch.ones(3))
    assert type(kept[0]._array) is np.ndarray and "kept outside" in keeping.explain()


def test_what_backward_cannot_do_is_refused() -> None:
    w = minitorch.ones(3, requires_grad=True)
    run = minitorch.compile(lambda x: w * x * w)
    for _ in range(3):
        out = run(minitorch.ones(3))
    assert has_program(run) and out.grad_fn.name() == "CompiledFunctionBackward"
    with pytest.raises(RuntimeError, match="create_graph"):
        minitorch.autograd.grad(out.sum(), w, create_graph=True)
    out = run(minitorch.ones(3))
    with minitorch.no_grad():
        w += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()
    out = run(minitorch.ones(3))
    out.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        out.sum().backward()


# ---- arguments, results and what they share ----


def ones(**options: Any) -> Any:
    return minitorch.ones(3, **options)


def test_one_tensor_given_twice() -> None:
    run = minitorch.compile(lambda a, b: a - b)
    for x, y in ((ones(), ones()), (ones() * 2, ones())):
        for _ in range(3):
            assert run(x, x).tolist() == [0.0] * 3 and as_bytes(run(x, y)) == as_bytes(x - y)
    x, product = ones(requires_grad=True), minitorch.compile(lambda a, b: (a * b).sum())
    for _ in range(4):
        x.grad = None
        product(x, x).backward()
        assert x.grad.tolist() == [2.0] * 3
    assert has_program(run) and has_program(product)


def test_arguments_that_share_memory() -> None:
    """A write to one is seen in the other, as it is without a program."""

    def step(a: Any, b: Any) -> Any:
        a.add_(1)
        return a + b

    run, whole = minitorch.compile(step), minitorch.arange(6.0)
    for _ in range(3):
        run(ones(), ones())
    x = ones()
    assert run(x, x.view(3)).tolist() == [4.0] * 3
    for k in (0, 0, 0, 1, 1, 1, 2, 3):
        a, b = minitorch.arange(6.0), whole.clone()
        assert as_bytes(run(a[:3], a[k : k + 3])) == as_bytes(step(b[:3], b[k : k + 3]))
    counted = minitorch.compile(lambda a, b: (a.mul_(2), b.mul_(2), None)[2])
    for k in range(8):
        x = minitorch.ones(0 if k < 4 else 3, 2)
        counted(x, (x.data if k % 4 == 3 else x.detach()).unfold(-1, 2, 2))
        assert x._version == (1 if k % 4 == 3 else 2)


def test_a_result_that_is_tied_to_an_argument() -> None:
    run, held = minitorch.compile(lambda x, y: held.detach()), ones()
    for k in range(6):
        found = run(ones(), held.detach() if k < 3 else ones())
        held.add_(1)
        assert found._version == held._version == k + 1


def test_writes_to_arguments_and_gradients_are_counted() -> None:
    run = minitorch.compile(lambda x: x.mul_(2) + 1)
    for _ in range(4):
        x = ones()
        run(x)
        assert x._version == 1
    w = ones(requires_grad=True)
    backward = minitorch.compile(lambda: (w * w).sum().backward())
    w.grad = minitorch.zeros(3)
    for k in range(4):
        backward()
        assert w.grad._version == k + 1
    held = w.grad

    def holds() -> None:
        (w * w).sum().backward()
        held.mul_(2)

    for step in (holds, minitorch.compile(holds)):
        held = w.grad = minitorch.zeros(3)
        for k in range(4):
            step()
            assert w.grad is held and held._version == 2 * k + 2 and held.tolist() == [2 ** (k + 3) - 4.0] * 3
        w.grad = ones()
        step()
        assert w.grad.tolist() == [3.0] * 3 and held.tolist() == [2**7 - 8.0] * 3
    assert has_program(run) and has_program(backward) and has_program(step)


def test_an_argument_whose_history_changes() -> None:
    run = minitorch.compile(lambda x, w: x.mul_(w).sum().detach())
    for _ in range(4):
        x, w = ones() * 1, ones(requires_grad=True)
        run(x, w)
        x.sum().backward()
        assert w.grad.tolist() == [1.0] * 3
    assert "the history of an argument" in run.explain()


def test_an_argument_that_loses_its_history() -> None:
    whole = ones(requires_grad=True) * 1
    part, w = whole.unbind(0)[0], ones(requires_grad=True)
    out = minitorch.compile(lambda x: (x.detach().add_(1), w * 2)[1])(part)
    assert out.tolist() == [2.0] * 3
    with pytest.raises(RuntimeError, match="multiple views"):
        part * 2


class Returning:
    """Steps whose results lie in the memory of what was there, or of one another; and what is done to these then."""

    def __init__(self) -> None:
        minitorch.manual_seed(0)
        self.state, self.learned = minitorch.randn(2, 3), minitorch.randn(2, 3, requires_grad=True)

    def view_of_a_state(self, x: Any) -> list:
        return [self.state[0], self.state.detach()]

    def view_of_an_argument(self, x: Any) -> list:
        return [x[0], x.t()]

    def views_of_one_another(self, x: Any) -> list:
        y = x * 2
        return [y[0], y, y[1], y.detach(), y]

    def views_of_what_is_gone(self, x: Any) -> list:
        y = x * 2
        return [y[0], y.view(-1), y[:, 1]]

    def differentiable_views(self, x: Any) -> list:
        y = x * self.learned
        return [y[0], y]

    def several_views_of_one_call(self, x: Any) -> list:
        y = x * self.learned
        return [*y.unbind(0), y]

    def differentiable_views_of_what_is_gone(self, x: Any) -> list:
        y = x * self.learned
        return [y[0], y.view(-1)]

    def view_of_what_is_learned(self, x: Any) -> list:
        return [self.learned[0], self.learned.t()]

    def made_in_inference_mode(self, x: Any) -> list:
        with minitorch.inference_mode():
            return [x * 2]

    def a_new_leaf(self, x: Any) -> list:
        return [(x * 2).requires_grad_()]

    def another_new_leaf(self, x: Any) -> list:
        return [minitorch.ones(3, requires_grad=True)]

    def a_flag_of_its_own(self, x: Any) -> list:
        y = self.learned * 2
        y.retain_grad()
        minitorch.autograd.grad((y * y).sum(), self.learned)
        return [y]

    def a_gradient_of_its_own(self, x: Any) -> list:
        y = x * self.learned
        y.retain_grad()
        y.sum().backward()
        return [y]

    def differentiated_and_differentiable(self, x: Any) -> list:
        y = self.learned * 2
        (g,) = minitorch.autograd.grad((y * y).sum(), self.learned)
        return [y, g, self.learned * x]


def shown(result: list, x: Any) -> list:
    """What can be seen of the results of a step, before and after they are written to."""
    story: list = []
    for t in result:
        story += [as_bytes(t), t.requires_grad, t.is_leaf, t.is_inference(), t.retains_grad, [t is u for u in result]]
        story += [as_bytes(t.grad) if t.is_leaf or t.retains_grad else None, [t._base is u for u in [*result, x]]]
    for t in result:
        try:
            t.mul_(2)
        except RuntimeError as error:
            story.append(str(error)[:20])
        story += [[as_bytes(u), None if u.is_inference() else u._version] for u in [*result, x]]
    return story


@pytest.mark.parametrize("name", [n for n in vars(Returning) if not n.startswith("_")])
def test_what_results_share(name: str) -> None:
    plain, compiled = Returning(), Returning()
    run = minitorch.compile(getattr(compiled, name))
    for k in range(5):
        stories = []
        for which, step in ((plain, getattr(plain, name)), (compiled, run)):
            x = minitorch.full((2, 3), float(k + 1))
            result = step(x)
            stories.append([*shown(result, x), which.state._version])
            if result[-1].requires_grad and name.startswith("differentiable"):
                sum(t.sum() for t in result).backward()
            stories[-1] += [as_bytes(which.learned.grad), as_bytes(which.state)]
        assert stories[0] == stories[1], run.explain()
    refused = (
        "a_new_leaf",
        "another_new_leaf",
        "a_flag_of_its_own",
        "a_gradient_of_its_own",
        "differentiable_views_of_what_is_gone",
    )
    assert has_program(run) is (name not in refused), run.explain()


def test_an_optimizer_that_the_step_makes() -> None:
    w = minitorch.zeros(3, requires_grad=True)

    def step() -> None:
        w.grad = ones()
        minitorch.optim.SGD([w], lr=0.5, momentum=0.5).step()

    run = minitorch.compile(step)
    for k in range(5):
        run()
        assert w.tolist() == [-0.5 * (k + 1)] * 3


# ---- what backward outside looks at ----


def test_what_backward_does_not_read_may_be_written_to() -> None:
    run, w = minitorch.compile(lambda x: x + w), ones(requires_grad=True)
    for _ in range(4):
        x = ones(requires_grad=True) * 1
        out = run(x)
        x.mul_(2)
        out.sum().backward()
    assert has_program(run) and w.grad.tolist() == [4.0] * 3


@pytest.mark.parametrize("what", ["a constant", "an argument", "what is returned"])
def test_what_backward_reads_may_not_be_written_to(what: str) -> None:
    constant, w = ones(), ones(requires_grad=True)
    run = minitorch.compile(lambda x: (w * constant * x).exp())
    for _ in range(4):
        x = ones()
        out = run(x)
        {"a constant": constant, "an argument": x, "what is returned": out}[what].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            out.sum().backward()
    assert has_program(run)


def test_backward_that_needs_no_argument() -> None:
    run, w = minitorch.compile(lambda x, y: (w.exp(), x + y)), minitorch.zeros(3, requires_grad=True)
    for k in range(4):
        run(ones(), ones())[0].sum().backward()
        assert w.grad.tolist() == [k + 1.0] * 3
    assert has_program(run)


def test_backward_that_keeps_nothing_comes_as_often_as_one_likes() -> None:
    run, w = minitorch.compile(lambda x: w + x), ones(requires_grad=True)
    for _ in range(4):
        out = run(ones())
        out.sum().backward()
        out.sum().backward()
    assert has_program(run) and w.grad.tolist() == [8.0] * 3


def test_what_one_result_frees_another_may_need() -> None:
    """Three results, of which the first two have a way in common."""
    w = ones(requires_grad=True)

    def step(x: Any) -> tuple:
        y = w.exp()
        return y + x, y * x, w * x

    run = minitorch.compile(step)
    for _ in range(4):
        for f in (step, run):
            a, b, c = f(ones())
            a.sum().backward()
            c.sum().backward()
            for freed in (a, b, c):
                with pytest.raises(RuntimeError, match="second time"):
                    freed.sum().backward()
    assert has_program(run)


def test_what_no_gradient_reaches_has_none() -> None:
    """A result that takes no part in the loss."""
    v, w = ones(requires_grad=True), ones(requires_grad=True)
    run = minitorch.compile(lambda x: (v * x, w * x))
    for _ in range(4):
        v.grad = None
        run(ones())[0].sum().backward()
        assert w.grad is None and v.grad.tolist() == [1.0] * 3
    assert has_program(run)


def test_what_leads_to_an_argument_is_no_part_of_the_program() -> None:
    """It leads to a parameter of the program's by a way of its own; it may have been freed, and have hooks."""
    step = lambda x: x * w
    run, w = minitorch.compile(step), ones(requires_grad=True)
    for k in range(6):
        found = []
        for f in (step, run):
            w.grad = None
            x = w.exp() * (k + 1)
            if k < 2:
                x.sum().backward()
                w.grad = None
                with pytest.raises(RuntimeError, match="second time"):
                    f(x).sum().backward()
                continue
            f(x).sum().backward()
            found.append(as_bytes(w.grad))
        assert len(set(found)) <= 1
    assert has_program(run)


def test_each_parameter_has_a_gradient_of_its_own() -> None:
    v, w = ones(requires_grad=True), ones(requires_grad=True)
    for step in (lambda x: v + w + x, lambda x: (v + w).exp() * x):
        run = minitorch.compile(step)
        for _ in range(4):
            v.grad = w.grad = None
            run(ones()).sum().backward()
            before = w.grad.clone()
            v.grad.mul_(2)
            assert as_bytes(before) == as_bytes(w.grad)
        assert has_program(run)


def test_no_reference_to_a_dtype_is_lost() -> None:
    """A function of LAPACK's is not handed what no array can be made of: it would lose count of references."""
    x, dtype = minitorch.randn(2, 3, 3), np.dtype("float32")

    def record() -> None:
        compiled = minitorch.compile(minitorch.linalg.det)
        for _ in range(2):
            compiled(x)

    record()
    gc.collect()
    before = sys.getrefcount(dtype)
    for _ in range(20):
        record()
    gc.collect()
    assert sys.getrefcount(dtype) > before - 10


class AtOnce:
    """A pool whose threads have done all there is to do before this one begins."""

    def submit(self, work: Callable[[], None]) -> Any:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        done: Any = Future()
        done.set_result(None)
        return done


def test_what_several_threads_compute_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_pool", AtOnce)
    monkeypatch.setattr(blocks, "_threads", 2)
    x = minitorch.randn(600, 600)
    run = minitorch.compile(lambda x: F.gelu(x).softmax(-1) * 2, fullgraph=True)
    for _ in range(3):
        assert run(x).equal(F.gelu(x).softmax(-1) * 2)
    assert has_program(run)
