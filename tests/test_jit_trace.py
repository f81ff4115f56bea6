"""`jit.trace`: what a graph holds of a function, what it warns of, and that it computes what the function does."""

from __future__ import annotations

import io
import pickle
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch import jit, nn
from minitorch.jit import hearing, recording
from minitorch.nn import functional as F
from minitorch.op import autocast, listening
from reference import layers
from reference.exported import Model
from reference.onnx_models import NETS, STRANGERS
from reference.strategies import Source
from reference.table import Row, table
from reference.traced import compare, is_public, of_tensors, quietly, traced_layer, traced_op
from shares import more_seeds

OPS = [row for row in table() if is_public(row)]


@pytest.mark.parametrize("row", OPS, ids=str)
def test_every_op(row: Row) -> None:
    traced_op(row, Source(0))


@pytest.mark.parametrize("seeds", more_seeds(range(1, 8), range(40)))
@pytest.mark.parametrize("row", OPS, ids=str)
def test_every_op_often(row: Row, seeds: range) -> None:
    for seed in seeds:
        traced_op(row, Source(seed))


@pytest.mark.parametrize("row", layers.ROWS, ids=lambda row: row.name)
@settings(max_examples=2)
@given(data=st.data())
def test_every_layer(row: layers.Row, data: Any) -> None:
    traced_layer(row, data.draw)


@pytest.mark.slow
@pytest.mark.parametrize("row", layers.ROWS, ids=lambda row: row.name)
@settings(max_examples=12)
@given(data=st.data())
def test_every_layer_often(row: layers.Row, data: Any) -> None:
    traced_layer(row, data.draw)


@pytest.mark.parametrize("each", [*NETS, *STRANGERS], ids=lambda each: each.name)
def test_nets_at_sizes_that_the_example_did_not_have(each: Model) -> None:
    """Values to the last bit, and the gradients of all parameters."""
    minitorch.manual_seed(0)
    built = each.build()
    built.eval()
    traced = quietly(lambda: jit.trace(built, each.inputs(*each.sizes[0])))
    assert not isinstance(traced, Exception), repr(traced)
    for sizes in each.sizes:
        inputs = each.inputs(*sizes)
        want, have = of_tensors(built(*inputs)), of_tensors(traced(*inputs))
        compare(each.name, want, have, list(built.parameters()))


# ---- the graph ----


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x).relu()).view(x.size(0), -1)


def test_a_graph_and_its_code() -> None:
    traced = jit.trace(Net(), minitorch.ones(2, 3))
    assert (
        str(traced.graph)
        == """graph(%self : __torch__.Net,
      %x : Tensor):
  %first : __torch__.Linear = prim::GetAttr[name="first"](%self)
  %weight : Tensor = prim::GetAttr[name="weight"](%first)
  %bias : Tensor = prim::GetAttr[name="bias"](%first)
  %0 : Tensor = aten::linear(%x, %weight, %bias)
  %1 : Tensor = aten::relu(%0)
  %second : __torch__.Linear = prim::GetAttr[name="second"](%self)
  %weight.1 : Tensor = prim::GetAttr[name="weight"](%second)
  %bias.1 : Tensor = prim::GetAttr[name="bias"](%second)
  %2 : Tensor = aten::linear(%1, %weight.1, %bias.1)
  %3 : int = prim::Constant[value=0]()
  %4 : int = aten::size(%x, %3)
  %5 : int = prim::Constant[value=-1]()
  %6 : int[] = prim::ListConstruct(%4, %5)
  %7 : Tensor = aten::view(%2, %6)
  return (%7)
"""
    )
    assert (
        traced.code
        == """def forward(self,
    x: Tensor) -> Tensor:
  _0 = torch.relu(torch.linear(x, self.first.weight, self.first.bias))
  _1 = torch.view(torch.linear(_0, self.second.weight, self.second.bias), [torch.size(x, 0), -1])
  return _1
"""
    )


@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated:DeprecationWarning")
@pytest.mark.parametrize("library", [minitorch, torch], ids=["minitorch", "torch"])
def test_the_same_nodes_as_torch(library: Any) -> None:
    """The nodes that compute something, in their order and by torch's names."""

    def function(x: Any) -> Any:
        y = library.nn.functional.relu(x @ x.transpose(0, 1)) + x.exp().sum(0)
        y = library.cat([y.sigmoid(), library.softmax(y, 1)], 1).transpose(0, 1)
        y.mul_(2)
        return y.mean(), library.max(y, 1)[0], y.view(y.size(0), -1)

    graph = library.jit.trace(function, library.eye(3)).graph
    nodes = graph.nodes() if library is torch else graph.nodes
    kinds = [(n.kind() if library is torch else n.kind).split("::") for n in nodes]
    found = [name for space, name in kinds if space != "prim" and name not in ("Int", "NumToTensor")]
    assert found == [
        "transpose",
        "matmul",
        "relu",
        "exp",
        "sum",
        "add",
        "sigmoid",
        "softmax",
        "cat",
        "transpose",
        "mul_",
        "mean",
        "max",
        "size",
        "view",
    ]


def test_sizes_are_values_so_another_batch_works() -> None:
    def function(x: Any) -> Any:
        n, width = x.shape
        half = x.shape[1] // 2
        rows = x.view(n * width).reshape(x.size(0), half, 2)
        return rows.permute(1, 0, 2).reshape(half, -1) + minitorch.arange(2 * n) + x.numel(), minitorch.zeros(
            *x.shape[:1], half + 1
        )

    traced = jit.trace(function, minitorch.randn(2, 4))
    x = minitorch.randn(5, 6)
    for a, b in zip(traced(x), function(x)):
        assert a.shape == b.shape and minitorch.equal(a, b)


def test_a_size_is_an_int_like_any_other() -> None:
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jit.trace(
            lambda x: (found.append((x.shape, x.shape[0] + 1, -x.size(1))), x * 1)[1],
            minitorch.ones(2, 3),
            check_trace=False,
        )
    shape, more, less = found[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert shape == (2, 3) and more == 3 and less == -3 and hash(more) == hash(3) and [0, 1, 2, 3][more] == 3
        assert type(pickle.loads(pickle.dumps(more))) is int and repr(shape) == "minitorch.Size([2, 3])"
    assert minitorch.zeros(more, 2).shape == (3, 2)  # after the trace


def test_parts_of_modules_and_values_from_outside() -> None:
    outside = minitorch.tensor([1.0, 2.0])
    traced = jit.trace(lambda x: x * outside, minitorch.ones(2))
    outside += 1  # the constant is the tensor itself, as in torch
    assert traced(minitorch.ones(2)).tolist() == [2.0, 3.0]
    weight = minitorch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Cannot insert a Tensor that requires grad as a constant"):
        jit.trace(lambda x: x * weight, minitorch.ones(2))


def test_writes_in_place_are_in_the_graph() -> None:
    def function(x: Any) -> Any:
        y = x * 1
        y += 1
        y[0] = 5.0
        y[1:].mul_(3)
        z = F.relu(y - 4, inplace=True)
        y.sub_(1, alpha=2)
        return y, z

    traced = jit.trace(function, minitorch.zeros(4))
    x = minitorch.arange(4.0)
    assert [a.tolist() for a in traced(x)] == [a.tolist() for a in function(x)]


def test_arguments_and_results_that_hold_tensors() -> None:
    def function(pair: Any, by_name: Any, *, last: Any) -> Any:
        (a, b), c = pair, by_name["c"]
        return a + b, (c * last, [a])

    args = (minitorch.ones(2), minitorch.ones(2)), {"c": minitorch.ones(2)}
    traced = jit.trace(function, args, example_kwarg_inputs={"last": minitorch.ones(2)}, strict=False)
    two = minitorch.full((2,), 2.0)
    first, (second, rest) = traced((two, two), {"c": two}, last=two)
    assert first.tolist() == second.tolist() == [4.0, 4.0] and rest[0].tolist() == [2.0, 2.0]
    as_dict = jit.trace(lambda x: {"y": x + 1}, two, strict=False)
    assert as_dict(two)["y"].tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="Encountering a dict at the output of the tracer"):
        jit.trace(lambda x: {"y": x + 1}, two)


@pytest.mark.parametrize("bad", [3, "a", None, [1]])
def test_an_argument_that_is_no_tensor_is_refused(bad: Any) -> None:
    with pytest.raises(RuntimeError, match="cannot be traced"):
        jit.trace(lambda x: x, (bad,))
    with pytest.raises(RuntimeError, match="Only tensors, lists, tuples of tensors"):
        jit.trace(lambda x: 3, minitorch.ones(1))


# ---- modules ----


def test_a_traced_module_has_the_originals_parameters_and_keeps_its_mode() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3)).eval()
    traced = jit.trace(net, minitorch.randn(4, 3))
    assert getattr(traced, "0").weight is net[0].weight
    assert list(traced.state_dict()) == list(net.state_dict()) and not traced.training
    x = minitorch.randn(4, 3)
    assert minitorch.equal(traced.train()(x), net(x)), "what was traced in eval() stays so"
    assert traced.training
    traced.load_state_dict({name: value * 0 for name, value in net.state_dict().items()})
    assert net[0].weight.abs().sum().item() == 0.0
    assert repr(traced).startswith("Sequential(\n  original_name=Sequential\n  (0): TracedModule(original_name=Linear)")
    with pytest.raises(RuntimeError, match="Linear has no compiled method 'forward'"):
        getattr(traced, "0")(x)


def test_gradients_and_training_through_a_graph() -> None:
    minitorch.manual_seed(0)
    net = Net()
    traced = jit.trace(net, minitorch.randn(2, 3))
    x = minitorch.randn(5, 3, requires_grad=True)
    net(x).square().sum().backward()
    want, of_x = [p.grad.clone() for p in net.parameters()], x.grad.clone()
    net.zero_grad()
    x.grad = None
    traced(x).square().sum().backward()
    assert all(map(minitorch.equal, want, (p.grad for p in traced.parameters()))) and minitorch.equal(x.grad, of_x)
    optimizer = minitorch.optim.SGD(traced.parameters(), 0.1)
    optimizer.step()
    assert minitorch.equal(traced(x), net(x))


def test_several_methods_and_a_method_alone() -> None:
    class Two(Net):
        def twice(self, x: Any, y: Any) -> Any:
            return self.first(x) * 2 + y

    net = Two()
    x, y = minitorch.randn(2, 3), minitorch.randn(2, 4)
    traced = jit.trace_module(net, {"forward": x, "twice": (x, y)})
    assert minitorch.equal(traced(x), net(x)) and minitorch.equal(traced.twice(x, y=y), net.twice(x, y))
    alone = jit.trace(net.twice, (x, y))
    assert minitorch.equal(alone.twice(x, y), net.twice(x, y))
    with pytest.raises(RuntimeError, match="Two has no compiled method 'forward'"):
        alone(x)
    with pytest.raises(AttributeError, match="as the first argument"):
        jit.trace_module(lambda x: x, {"forward": x})


def test_a_buffer_that_is_set_is_set_by_the_graph() -> None:
    class Counter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", minitorch.zeros(2))

        def forward(self, x: Any) -> Any:
            self.total = self.total + x
            return self.total * 2

    traced = jit.trace(Counter(), minitorch.ones(2), check_trace=False)
    assert traced(minitorch.ones(2)).tolist() == [4.0, 4.0]
    assert traced(minitorch.ones(2)).tolist() == [6.0, 6.0] and traced.total.tolist() == [3.0, 3.0]


def test_a_lazy_module_is_run_first() -> None:
    with pytest.raises(RuntimeError, match="call it once on an example first"):
        jit.trace(nn.LazyLinear(2), minitorch.ones(1, 3))


def test_functions_of_the_users_own_derivative_and_no_grad() -> None:
    class Clipped(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.round()

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 10

    def function(x: Any) -> Any:
        with minitorch.no_grad():
            scale = x.abs().max()
        return Clipped.apply(x) / scale

    traced = jit.trace(function, minitorch.tensor([1.2, 2.0]))
    x = minitorch.tensor([1.2, 4.0], requires_grad=True)
    (g,) = minitorch.autograd.grad(traced(x).sum(), x)
    assert g.tolist() == [2.5, 2.5]


def test_a_net_in_training_draws_anew_each_time() -> None:
    traced = jit.trace(nn.Dropout(0.5).train(), minitorch.ones(100))  # the check runs both from one state of the generator
    assert not minitorch.equal(traced(minitorch.ones(100)), traced(minitorch.ones(100)))


def test_results_that_differ_are_warned_of() -> None:
    seeds = iter(range(100))

    def function(x: Any) -> Any:
        minitorch.manual_seed(next(seeds))
        return F.dropout(x, 0.5)

    with pytest.warns(jit.TracerWarning, match="Output nr 1. of the traced function does not match"):
        jit.trace(function, minitorch.ones(100))


def test_a_traced_function_within_another_trace_is_written_out() -> None:
    inner = jit.trace(lambda x: x.exp() + 1, minitorch.ones(2))
    outer = jit.trace(lambda x: inner(x) * 2, minitorch.ones(2))
    assert [n.kind for n in outer.graph.nodes if n.kind.startswith("aten")] == ["aten::exp", "aten::add", "aten::mul"]
    with pytest.warns(UserWarning, match="already a ScriptModule"):
        assert jit.trace(inner, minitorch.ones(2)) is inner


# ---- files, freezing ----


@pytest.mark.parametrize("each", [*NETS, *STRANGERS], ids=lambda each: each.name)
def test_a_trace_in_a_file_needs_none_of_the_code(each: Model) -> None:
    minitorch.manual_seed(0)
    built = each.build()
    built.eval()
    traced = quietly(lambda: jit.trace(built, each.inputs(*each.sizes[0]), check_trace=False))
    file = io.BytesIO()
    jit.save(traced, file)
    file.seek(0)
    loaded = jit.load(file)
    assert str(loaded.graph).splitlines()[1:] == str(traced.graph).splitlines()[1:]
    inputs = each.inputs(*each.sizes[1])
    assert all(map(minitorch.equal, of_tensors(loaded(*inputs)), of_tensors(built(*inputs))))


def test_a_function_of_the_users_own_is_in_no_file() -> None:
    class Double(minitorch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2

    traced = jit.trace(Double.apply, minitorch.ones(2))
    assert [n.kind for n in traced.graph.nodes] == ["prim::PythonOp"]
    with pytest.raises(RuntimeError, match="Double"):
        jit.save(traced, io.BytesIO())


def test_a_frozen_trace_has_its_norms_folded() -> None:
    minitorch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).train()
    for _ in range(3):
        net(minitorch.randn(4, 1, 5, 5) * 2 + 1)
    x = minitorch.randn(2, 1, 5, 5)
    frozen = jit.freeze(jit.trace(net.eval(), x))
    assert minitorch.allclose(frozen(x), net(x), atol=1e-6) and not list(frozen.parameters())
    assert "functional::batch_norm" not in [n.kind for n in frozen.graph.nodes]


# ---- what Python looked at ----

LOOKS = {
    "Python boolean": lambda x: x * 2 if x.sum() > 0 else x,
    "Python integer": lambda x: x * int(x.sum()),
    "Python float": lambda x: x * float(x.sum()),
    "Python number": lambda x: x * x.sum().item(),
    "Python list": lambda x: x * x.tolist()[0],
    "NumPy array": lambda x: x * float(x.numpy()[0]),
    "Using len to get tensor shape": lambda x: x * len(x),
    "Iterating over a tensor": lambda x: sum(part for part in x),
}


@pytest.mark.parametrize("words", LOOKS)
def test_a_number_that_python_looks_at_is_warned_of(words: str) -> None:
    with pytest.warns(jit.TracerWarning, match=words) as told:
        jit.trace(LOOKS[words], minitorch.ones(2), check_trace=False)
    assert all(w.filename == __file__ for w in told)


@pytest.mark.filterwarnings("ignore:.torch.jit.trace. is deprecated:DeprecationWarning")
def test_torch_warns_of_the_same() -> None:
    for words, function in LOOKS.items():
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            torch.jit.trace(function, torch.ones(2), check_trace=False)
        texts = [str(w.message) for w in told if issubclass(w.category, torch.jit.TracerWarning)]
        assert any(words in text for text in texts), (words, texts)


def test_a_branch_on_a_size_is_warned_of_but_not_the_librarys_own_checks() -> None:
    with pytest.warns(jit.TracerWarning, match="Python boolean"):
        jit.trace(lambda x: x * 2 if x.shape[0] > 1 else x, minitorch.ones(2), check_trace=False)
    jit.trace(nn.MultiheadAttention(4, 2), (minitorch.ones(2, 1, 4),) * 3)  # warns of nothing


def test_numbers_looked_at_outside_of_the_trace_are_nobodys_affair() -> None:
    scale = minitorch.tensor(2.0)
    traced = jit.trace(lambda x: x * scale.item(), minitorch.ones(2))
    assert traced(minitorch.ones(2)).tolist() == [2.0, 2.0]


# ---- the check ----


def test_another_graph_the_second_time_is_an_error() -> None:
    calls = []

    def function(x: Any) -> Any:
        calls.append(x)
        return x + 1 if len(calls) % 2 else x * 2

    with pytest.raises(jit.TracingCheckError, match="Graphs differed across invocations"):
        jit.trace(function, minitorch.ones(2))
    assert jit.trace(function, minitorch.ones(2), check_trace=False)(minitorch.ones(2)) is not None


@pytest.mark.filterwarnings("ignore::minitorch.jit.TracerWarning")
def test_other_inputs_for_the_check() -> None:
    def function(x: Any) -> Any:
        return x * 2 if x.sum() > 0 else x - 1

    with pytest.raises(jit.TracingCheckError, match="aten::sub"):
        jit.trace(function, minitorch.ones(2), check_inputs=[(minitorch.ones(2),), (-minitorch.ones(2),)])


# ---- who listens ----


def test_what_another_thread_calls_is_not_recorded() -> None:
    go, done = threading.Event(), threading.Event()
    seen: list = []

    def other() -> None:
        go.wait(10)
        x = minitorch.ones(3)
        for _ in range(5):
            x = (x.exp() + 1).log()
            x += 1
            seen.append(type(x.shape[0]))
        done.set()

    thread = threading.Thread(target=other)
    thread.start()

    def function(x: Any) -> Any:
        go.set()
        assert done.wait(10)
        return x * 2

    traced = jit.trace(function, minitorch.ones(2), check_trace=False)
    thread.join()
    assert seen == [int] * 5
    assert [n.kind for n in traced.graph.nodes] == ["prim::Constant", "aten::mul"]


def test_nobody_listens_afterwards_whatever_happened() -> None:
    before = dict(vars(minitorch.Tensor))

    def fails(x: Any) -> Any:
        assert jit.is_tracing()
        raise KeyError("x")

    with pytest.raises(KeyError):
        jit.trace(fails, minitorch.ones(2))
    assert not autocast.active and not listening.recorders and not jit.is_tracing()
    assert dict(vars(minitorch.Tensor)) == before
    with pytest.raises(RuntimeError, match="within another one"):
        jit.trace(lambda x: jit.trace(lambda y: y, x)(x), minitorch.ones(2))
    assert not autocast.active and dict(vars(minitorch.Tensor)) == before


def test_the_casts_of_an_autocast_region_are_in_the_graph() -> None:
    def function(x: Any) -> Any:
        with minitorch.autocast("cpu"):
            return x @ x + 1

    traced = jit.trace(function, minitorch.eye(2))
    assert traced(minitorch.eye(2)).dtype is minitorch.bfloat16
    assert "aten::to" in [n.kind for n in traced.graph.nodes]


def test_a_backward_within_is_refused_in_words() -> None:
    def function(x: Any) -> Any:
        y = x.detach().requires_grad_()
        return x * minitorch.autograd.grad((y**2).sum(), y)[0]

    with pytest.raises(RuntimeError, match="a trace cannot follow backward"):
        jit.trace(function, minitorch.ones(2))
    function(minitorch.ones(2))  # and outside of a trace nothing has changed


def test_out_is_refused_in_words() -> None:
    with pytest.raises(RuntimeError, match="a trace cannot follow out="):
        jit.trace(lambda x: minitorch.matmul(x, x, out=minitorch.empty(())), minitorch.ones(2))


def test_every_method_in_place_is_heard() -> None:
    """Each writes into its tensor, so one that is not in the graph would be lost without a word."""
    unheard = [n for n in dir(minitorch.Tensor) if n.endswith("_") and not n.startswith("_") and n not in hearing._heard()]
    assert set(unheard) <= set(hearing.NOT_WRITES)
    with pytest.raises(RuntimeError, match="a trace cannot follow apply_"):
        jit.trace(lambda x: (x * 1).apply_(lambda n: n + 1), minitorch.ones(2))


# ---- planted faults ----


def plant(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "sizes are numbers":
        monkeypatch.setattr(recording.Recorder, "shape_of", lambda self, x: x.shape)
    elif name == "what runs inside is heard too":
        monkeypatch.setattr(
            recording.Recorder, "is_busy", property(lambda self: False, lambda self, value: None), raising=False
        )
    elif name == "no write is heard":
        monkeypatch.setattr(hearing, "_heard", dict)
    elif name == "gradients pass no_grad":
        monkeypatch.setattr(
            recording.Recorder, "has_gradients", property(lambda self: False, lambda self, value: None), raising=False
        )
    elif name == "buffers stay":
        monkeypatch.setattr(recording.Recorder, "_write_buffers", lambda self: None)
    elif name == "other threads are heard":
        monkeypatch.setattr(listening, "recorders", _ForAll())


class _ForAll(dict):
    """Recorders that forget which thread they are of."""

    def get(self, key: Any, default: Any = None) -> Any:
        return next(iter(self.values()), default)


@pytest.mark.parametrize(
    ("fault", "test"),
    [
        ("sizes are numbers", test_sizes_are_values_so_another_batch_works),
        ("what runs inside is heard too", test_a_graph_and_its_code),
        ("no write is heard", test_writes_in_place_are_in_the_graph),
        ("gradients pass no_grad", test_functions_of_the_users_own_derivative_and_no_grad),
        ("buffers stay", test_a_buffer_that_is_set_is_set_by_the_graph),
        ("other threads are heard", test_what_another_thread_calls_is_not_recorded),
    ],
)
def test_planted_faults_are_noticed(fault: str, test: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(fault, monkeypatch)
    with pytest.raises((AssertionError, Exception)):
        test()


def test_numbers_of_the_graph_are_those_of_numpy() -> None:
    traced = jit.trace(lambda x, y: minitorch.einsum("ij,jk->ik", x, y).tanh(), (minitorch.ones(2, 3), minitorch.ones(3, 2)))
    x, y = np.arange(6.0).reshape(2, 3), np.arange(6.0).reshape(3, 2)
    assert np.allclose(traced(minitorch.tensor(x), minitorch.tensor(y)).numpy(), np.tanh(x @ y))
