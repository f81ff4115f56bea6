"""`autograd.trace` lists exactly what backward then does: order, sums, numbers, bytes."""

from __future__ import annotations

import tracemalloc
import weakref
from collections import Counter
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from minitorch.autograd import Function, trace
from minitorch.autograd.tracing import Trace
from minitorch.nn import functional as F


def text(listing: str) -> str:
    return dedent(listing).strip("\n")


def leaf(*values: float) -> minitorch.Tensor:
    return minitorch.tensor(values if len(values) > 1 else values[0], requires_grad=True)


# ---- the text ----


def shared() -> tuple[minitorch.Tensor, dict[str, minitorch.Tensor]]:
    a = leaf(2.0)
    b = a * a
    d = b * (b * a)
    return d, {"a": a, "b": b, "d": d}


def test_a_value_used_twice() -> None:
    assert str(trace(*shared())) == text("""
        backward of d: 4 steps

        step  node            op   gradient of  from       adds to  keeps
           1  MulBackward0    mul  d ()         start      a → 3    b (), 4 B
                                                           b → 2    a is b (), 4 B
           2  MulBackward0    mul  ()           1          a → 3    b is a (), 4 B, leaf
                                                           b → 4    a is b (), 4 B, as step 1
           3  MulBackward0    mul  b ()         1 + 2      a → 4    b is a (), 4 B, leaf
                                                           b → 4    a is a (), 4 B, leaf
           4  AccumulateGrad       a ()         2 + 3 + 3  a.grad

        Kept until backward has passed: 8 bytes (what several steps keep is counted once; it would be 12)
        Only referred to: 4 bytes of leaves
        """)


def test_the_numbers() -> None:
    d, names = shared()
    assert str(trace(d, names, run=True)) == text("""
        backward of d: 4 steps

        step  node            op   gradient of  from       adds to     keeps
           1  MulBackward0    mul  d () = 1     start      a → 3 = 8   b (), 4 B
                                                           b → 2 = 4   a is b (), 4 B
           2  MulBackward0    mul  () = 4       1          a → 3 = 8   b is a (), 4 B, leaf
                                                           b → 4 = 16  a is b (), 4 B, as step 1
           3  MulBackward0    mul  b () = 16    1 + 2      a → 4 = 32  b is a (), 4 B, leaf
                                                           b → 4 = 32  a is a (), 4 B, leaf
           4  AccumulateGrad       a () = 80    2 + 3 + 3  a.grad

        Kept until backward has passed: 8 bytes (what several steps keep is counted once; it would be 12)
        Only referred to: 4 bytes of leaves
        """)
    d.backward()
    assert names["a"].grad.item() == 80


def test_a_network_with_the_names_of_its_parameters() -> None:
    model = minitorch.nn.Sequential(minitorch.nn.Linear(4, 8), minitorch.nn.ReLU(), minitorch.nn.Linear(8, 3))
    loss = F.cross_entropy(model(minitorch.ones(5, 4)), minitorch.tensor([0, 1, 2, 0, 1]))
    assert str(trace(loss, model.named_parameters())) == text("""
        backward of the result: 8 steps

        step  node              op             gradient of      from   adds to        keeps
           1  NllLossBackward0  cross_entropy  ()               start  x → 2          target (5,), 40 B, constant
                                                                                      log_p (5, 3), 60 B
                                                                                      total_weight (), 4 B
           2  AddmmBackward0    linear         (5, 3)           1      bias → 3       weight is 2.weight (3, 8), 96 B, leaf
                                                                       x → 5          x (5, 8), 160 B
                                                                       weight → 4
           3  AccumulateGrad                   2.bias (3,)      2      2.bias.grad
           4  AccumulateGrad                   2.weight (3, 8)  2      2.weight.grad
           5  ReluBackward0     relu           (5, 8)           2      x → 6          out (5, 8), 160 B, as step 2
           6  AddmmBackward0    linear         (5, 8)           5      bias → 7       x (5, 4), 80 B, constant
                                                                       weight → 8
           7  AccumulateGrad                   0.bias (8,)      6      0.bias.grad
           8  AccumulateGrad                   0.weight (8, 4)  6      0.weight.grad

        Kept until backward has passed: 224 bytes (what several steps keep is counted once; it would be 384)
        Only referred to: 216 bytes of leaves and constants (which go too if nobody else holds them)
        """)


def test_views_and_writing_in_place() -> None:
    x, s = leaf(1.0, 2.0, 3.0), leaf(10.0)
    y = x * 2
    part = y[1:]
    y[0].mul_(s)  # `part` is made anew from what y is now
    loss = (y[:2] * part).sum()
    assert str(trace(loss, {"x": x, "s": s, "y": y, "part": part}, run=True)) == text("""
        backward of the result: 10 steps

        step  node                op           gradient of           from   adds to                keeps
           1  SumBackward0        sum          () = 1                start  x → 2 = [1, 1]
           2  MulBackward0        mul          (2,) = [1, 1]         1      a → 4 = [4, 6]         b is part (2,), view of 12 B
                                                                            b → 3 = [20, 4]        a (2,), view of 12 B, as step 2
           3  AsStridedBackward0  strided      part (2,) = [20, 4]   2      x → 5 = [0, 20, 4]
           4  SliceBackward0      basic_index  (2,) = [4, 6]         2      x → 5 = [4, 6, 0]
           5  CopySlices          write_view   y (3,) = [4, 26, 4]   3 + 4  base → 9 = [0, 26, 4]
                                                                            value → 6 = 4
           6  MulBackward0        mul          () = 4                5      a → 8 = 40             b is s (), 4 B, leaf
                                                                            b → 7 = 8              a (), 4 B
           7  AccumulateGrad                   s () = 8              6      s.grad
           8  AsStridedBackward0  strided      () = 40               6      x → 9 = [40, 0, 0]
           9  MulBackward0        mul          (3,) = [40, 26, 4]    5 + 8  a → 10 = [80, 52, 8]
          10  AccumulateGrad                   x (3,) = [80, 52, 8]  9      x.grad

        Kept until backward has passed: 16 bytes
        Only referred to: 4 bytes of leaves
        """)


def test_several_outputs() -> None:
    x = leaf(1.0, 2.0, 3.0, 4.0)
    a, b, c = x.split([1, 2, 1])
    loss = (minitorch.cat([c, a]) * b).sum()
    assert str(trace(loss, {"x": x, "b": b}, run=True)) == text("""
        backward of the result: 5 steps

        step  node                     op     gradient of            from   adds to               keeps
           1  SumBackward0             sum    () = 1                 start  x → 2 = [1, 1]
           2  MulBackward0             mul    (2,) = [1, 1]          1      a → 3 = [2, 3]        b is b (2,), view of 16 B, leaf
                                                                            b → 4 [1] = [4, 1]    a (2,), 8 B
           3  CatBackward0             cat    (2,) = [2, 3]          2      xs[0] → 4 [2] = [2]
                                                                            xs[1] → 4 = [3]
           4  SplitWithSizesBackward0  split  [0] (1,) = [3]         3      x → 5 = [3, 4, 1, 2]
                                              [1] b (2,) = [4, 1]    2
                                              [2] (1,) = [2]         3
           5  AccumulateGrad                  x (4,) = [3, 4, 1, 2]  4      x.grad

        Kept until backward has passed: 8 bytes
        Only referred to: 16 bytes of leaves
        """)


class Scale(Function):
    """x · k, and |x|."""

    @staticmethod
    def forward(ctx: Any, x: Any, k: float) -> Any:
        size = x.abs()
        ctx.save_for_backward(x, size)
        ctx.k = k
        return x * k, size

    @staticmethod
    def backward(ctx: Any, g_scaled: Any, g_size: Any) -> Any:
        x, _ = ctx.saved_tensors
        return g_scaled * ctx.k + g_size * x.sign(), None


def test_a_function_of_the_users() -> None:
    x = leaf(-1.0, 2.0)
    scaled, size = Scale.apply(x * 1, 3.0)
    assert str(trace((scaled * size).sum(), {"x": x, "size": size}, run=True)) == text("""
        backward of the result: 5 steps

        step  node            op     gradient of              from   adds to              keeps
           1  SumBackward0    sum    () = 1                   start  x → 2 = [1, 1]
           2  MulBackward0    mul    (2,) = [1, 1]            1      a → 3 = [1, 2]       b is size (2,), 8 B
                                                                     b → 3 [1] = [-3, 6]  a (2,), 8 B
           3  ScaleBackward   Scale  [0] (2,) = [1, 2]        2      x → 4 = [6, 12]      saved_tensors[0] (2,), 8 B
                                     [1] size (2,) = [-3, 6]  2                           saved_tensors[1] is size (2,), 8 B, as step 2
           4  MulBackward0    mul    (2,) = [6, 12]           3      a → 5 = [6, 12]
           5  AccumulateGrad         x (2,) = [6, 12]         4      x.grad

        Kept until backward has passed: 24 bytes (what several steps keep is counted once; it would be 32)
        """)


# ---- any program ----

Tensors = list[minitorch.Tensor]


def written(x: minitorch.Tensor, y: minitorch.Tensor) -> minitorch.Tensor:
    """x with its second row overwritten by y's mean."""
    x = x + 0
    row = x[1]
    row.copy_(y.mean())
    return x * row


def constant(x: minitorch.Tensor) -> minitorch.Tensor:
    """x, which somebody goes on holding."""
    constants.append(x)
    return x


constants: Tensors = []
OPS: list[Callable[[minitorch.Tensor, minitorch.Tensor], minitorch.Tensor]] = [
    lambda x, y: x * y,
    lambda x, y: x + y.sum(0),
    lambda x, y: x * y.mean(),
    lambda x, y: x.sin(),
    lambda x, y: x.softmax(1),
    lambda x, y: constant(x.detach() * 2) * y,
    lambda x, y: x @ y.t() @ y,
    lambda x, y: minitorch.cat([y[1:], x[:1].tanh()]),
    lambda x, y: x.chunk(2, dim=1)[1] * y.sum(1, keepdim=True) + y,
    lambda x, y: minitorch.where(constant(x > 0), x, y * y),
    lambda x, y: Scale.apply(x, 0.5)[0] + y,
    lambda x, y: Scale.apply(y, 0.5)[1],
    lambda x, y: (x + 0).mul_(y).exp_(),
    written,
]


@st.composite
def programs(draw: st.DrawFn, wanted: Any = None) -> Callable[[], tuple[minitorch.Tensor, Tensors]]:
    """A function that runs a random program on new leaves; it returns the result and the leaves that it depends on."""
    steps = draw(st.lists(st.tuples(st.sampled_from(OPS), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8))
    wanted = wanted or draw(st.lists(st.booleans(), min_size=3, max_size=3).filter(any))

    def program() -> tuple[minitorch.Tensor, Tensors]:
        values = np.random.default_rng(0).normal(size=(3, 2, 2))
        leaves = [minitorch.tensor(v, requires_grad=w) for v, w in zip(values, wanted)]
        pool = leaves + [leaves[wanted.index(True)] * 0.5]
        for op, i, j in steps:
            pool.append(op(pool[i % len(pool)], pool[-1 - j % len(pool)]))
        total = pool[3].sum()
        for x in pool[4:]:
            total = total + x.sum() * 0.5
        return total * 1, leaves

    return program


def nodes_of(result: minitorch.Tensor) -> list[Any]:
    found, stack = [], [result.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and all(node is not other for other in found):
            found.append(node)
            stack += [following for following, _ in node.next_functions]
    return found


@given(programs())
def test_the_schedule_is_the_order_in_which_backward_runs(program: Callable) -> None:
    result, _ = program()
    listed, computed = trace(result), trace(result, run=True)
    ran: list[tuple[Any, list]] = []
    nodes = nodes_of(result)
    for node in nodes:
        node.register_prehook(lambda grads, node=node: ran.append((node, [g if g is None else g.tolist() for g in grads])))
    result.backward()
    number = {node: k for k, (node, _) in enumerate(ran, start=1)}
    for steps in (listed, computed):
        assert [step.number for step in steps] == list(range(1, len(ran) + 1))
        for step, (node, _) in zip(steps, ran, strict=True):
            assert step.node == node.name().rpartition("::")[2]
            edges = [(number[following], nr) for following, nr in node.next_functions if following is not None]
            assert Counter((sent.to, sent.output) for sent in step.sends) == Counter(edges)
            assert all(s < step.number for arrival in step.arrivals for s in arrival.sources)
            assert all(steps[sent.to - 1].arrivals and sent.to > step.number for sent in step.sends)
    for step, (_, gradients) in zip(computed, ran, strict=True):
        seen = {arrival.output: arrival.value for arrival in step.arrivals}
        for nr, g in enumerate(gradients):
            assert g == pytest.approx(seen.get(nr)) if g is None or not isinstance(g, list) else np.allclose(g, seen[nr])
        sources = Counter(s for arrival in step.arrivals for s in arrival.sources)
        assert sources - Counter([0]) == Counter(s.number for s in computed for sent in s.sends if sent.to == step.number)


@given(programs(), st.booleans())
def test_a_trace_changes_nothing(program: Callable, numbers: bool) -> None:
    (result, leaves), (alone, expected) = program(), program()
    text = str(trace(result, run=numbers))
    assert all(x.grad is None for x in leaves)
    assert str(trace(result, run=numbers)) == text == str(trace(alone, run=numbers))
    result.backward()
    alone.backward()
    for x, y in zip(leaves, expected):
        assert (x.grad is None and y.grad is None) or minitorch.equal(x.grad, y.grad)


def allocated() -> int:
    """The bytes of all NumPy arrays made since tracemalloc was started."""
    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    return sum(block.size for block in tracemalloc.take_snapshot().filter_traces([arrays]).traces)


def freed(program: Callable) -> tuple[Trace, int]:
    """The trace of a program, and how many bytes are then freed by its backward."""
    tracemalloc.start()
    try:
        result, leaves = program()
        listed = trace(result)
        before = allocated()
        minitorch.autograd.grad(result, [x for x in leaves if x.requires_grad], allow_unused=True)
        return listed, before - allocated()
    finally:
        tracemalloc.stop()
        constants.clear()


@given(programs(wanted=[True, True, True]))
def test_saved_bytes_are_what_backward_frees(program: Callable) -> None:
    listed, count = freed(program)
    assert listed.saved_bytes == count


@given(programs())
def test_constants_that_nobody_else_holds_are_freed_too(program: Callable) -> None:
    listed, count = freed(program)
    assert listed.saved_bytes <= count <= listed.saved_bytes + listed.held_bytes


# ---- corners ----


def test_the_structure() -> None:
    d, names = shared()
    listed = trace(d, names)
    first, *_, last = listed
    assert (len(listed), listed.root, listed.saved_bytes, listed.shared_bytes, listed.held_bytes) == (4, "d", 8, 4, 4)
    assert [step.saved_bytes for step in listed] == [8, 4, 0, 0]
    assert (first.number, first.node, first.op, first.formula, first.leaf) == (1, "MulBackward0", "mul", "a · b", None)
    assert [(sent.input, sent.to, sent.shape) for sent in first.sends] == [("a", 3, ()), ("b", 2, ())]
    assert [(kept.name, kept.tensor, kept.held, kept.same_as) for kept in listed[1].saved] == [
        ("b", "a", "leaf", 0),
        ("a", "b", "", 1),
    ]
    assert (last.leaf, last.sends, last.arrivals[0].sources, last.arrivals[0].value) == ("a", (), (2, 3, 3), None)


def test_broadcasting_is_undone_on_the_way() -> None:
    x, bias = minitorch.ones(4, 3, requires_grad=True), leaf(1.0, 2.0, 3.0)
    add = trace((x + bias).sum(), {"bias": bias}, run=True)[1]
    (sent,) = (sent for sent in add.sends if sent.input == "b")
    assert (sent.shape, sent.unreduced, sent.value) == ((3,), (4, 3), [4, 4, 4])


def test_what_nobody_sends_does_not_run() -> None:
    class Stop(Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return None

    result = Stop.apply(leaf(1.0) * 2)
    assert [step.node for step in trace(result)] == ["StopBackward", "MulBackward0", "AccumulateGrad"]
    assert [step.node for step in trace(result, run=True)] == ["StopBackward"]


def test_a_list_of_inputs_is_kept_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minitorch.op, "ops", [])  # not to be taken for an op of the library

    @minitorch.op.op(public=False)
    def product(xp: Any, *xs: minitorch.op.Array) -> Any:
        return np.prod(xs, axis=0)

    @product.grad
    def product_grad(g: Any, xs: list) -> list:
        return [g * product([x for x in xs if x is not y]) for y in xs]

    a, b, c = leaf(2.0), leaf(3.0), leaf(5.0)
    first, *ends = trace(product([a, b, c]), {"a": a, "b": b, "c": c}, run=True)
    assert (first.op, first.formula) == ("product", "")
    assert [(kept.name, kept.tensor) for kept in first.saved] == [("xs[0]", "a"), ("xs[1]", "b"), ("xs[2]", "c")]
    assert {sent.input: sent.value for sent in first.sends} == {"xs[0]": 15, "xs[1]": 10, "xs[2]": 6}
    assert {end.leaf: end.arrivals[0].value for end in ends} == {"a": 15, "b": 10, "c": 6}


def test_what_saved_tensor_hooks_keep_is_counted() -> None:
    x = minitorch.ones(8, requires_grad=True)
    with minitorch.autograd.graph.saved_tensors_hooks(
        lambda t: t.numpy().astype("float16"), lambda a: minitorch.tensor(a).float()
    ):
        y = x.exp() * minitorch.ones(8)
    assert [(s.name, s.shape, s.nbytes, s.held) for step in trace(y) for s in step.saved] == [
        ("b", (8,), 16, ""),
        ("out", (8,), 16, ""),
    ]


def test_the_result_is_not_kept_for_backward() -> None:
    listed = trace(leaf(1.0).exp())
    assert (listed[0].saved[0].held, listed.saved_bytes, listed.held_bytes) == ("result", 0, 4)


def test_four_numbers_are_shown_and_five_are_not() -> None:
    for count, shown in [(4, [1.0] * 4), (5, None)]:
        last = trace((minitorch.ones(count, requires_grad=True) * 1).sum(), run=True)[-1]
        assert last.arrivals[0].value == shown


class Both(Function):
    """x + y and x · y, in the form without a ctx in forward."""

    @staticmethod
    def forward(x: Any, y: Any) -> Any:
        return x + y, x * y

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        x, y = ctx.saved_tensors
        return gradients[0] + gradients[1] * y, gradients[0] + gradients[1] * x


def test_what_a_function_calls_its_inputs_and_gradients() -> None:
    x, y = leaf(2.0), leaf(3.0)
    total, product = Both.apply(x, y)
    step = trace(total + product, {"x": x, "y": y}, run=True)[1]
    assert [(a.gradient, a.value) for a in step.arrivals] == [("gradients[0]", 1), ("gradients[1]", 1)]
    assert [(sent.input, sent.value) for sent in step.sends] == [("x", 4), ("y", 3)]
    assert (step.op, step.formula) == ("Both", "x + y and x · y, in the form without a ctx in forward.")


def test_index_arrays_are_counted() -> None:
    x = minitorch.ones(8, requires_grad=True)
    step = trace(x[minitorch.tensor([1, 2, 3])].sum())[1]
    assert [(kept.shape, kept.nbytes) for kept in step.saved] == [((3,), 24)]


def test_hooks_are_named_and_not_called() -> None:
    x = leaf(1.0)
    y = x * 2
    called: list[Any] = []
    y.register_hook(called.append)
    y.retain_grad()
    listed = trace(y * 3, run=True)
    assert str(listed).endswith("\nHooks at step 2 may change what passes; they are not called here.")
    assert called == []
    assert y.grad is None


def test_a_graph_that_has_been_walked() -> None:
    y = leaf(2.0).exp()
    y.backward()
    assert str(trace(y)) == text("""
        backward of the result: 2 steps

        step  node            op   gradient of  from   adds to    keeps
           1  ExpBackward0    exp  ()           start  x → 2      freed
           2  AccumulateGrad       ()           1      leaf.grad

        Kept until backward has passed: 0 bytes
        An earlier backward has freed what was saved: backward would raise.
        """)
    with pytest.raises(RuntimeError, match="second time"):
        trace(y, run=True)


def test_a_leaf_alone() -> None:
    assert [step.node for step in trace(leaf(1.0), run=True)] == ["AccumulateGrad"]


def test_a_long_chain() -> None:
    x = y = leaf(1.0)
    for _ in range(20_000):
        y = y + 1
    listed = trace(y, run=True)
    assert (len(listed), listed[-1].arrivals[0].value) == (20_001, 1)
    assert x.grad is None


def test_the_trace_does_not_hold_the_graph() -> None:
    result, names = shared()
    released = weakref.ref(result.grad_fn)
    listed = trace(result, names, run=True)
    del result, names
    assert released() is None
    assert len(listed) == 4


def test_there_must_be_a_graph_and_for_numbers_a_single_number() -> None:
    with pytest.raises(RuntimeError, match="nothing to trace"):
        trace(minitorch.ones(2))
    assert len(trace(leaf(1.0, 2.0) * 2)) == 2
    with pytest.raises(RuntimeError, match=r"a single number, got shape \(2,\); reduce it"):
        trace(leaf(1.0, 2.0) * 2, run=True)
