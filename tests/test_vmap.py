"""`vmap`: a function of one sample on many, against torch's and against a loop over the samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minitorch
from both import agree
from minitorch.func import functional_call, grad, vmap
from minitorch.op import batching
from minitorch.op.declaring import ops
from reference.strategies import Source
from reference.table import Row, _tensor, flat, table

pytestmark = pytest.mark.formulas


def rows(lib: Any) -> Any:
    """Two samples of three numbers."""
    return lib.arange(6.0).reshape(2, 3)


SCENARIOS: list[Callable] = [
    lambda lib: lib.func.vmap(lambda a: a)(lib.tensor(1.0)),
    lambda lib: lib.func.vmap(lambda a: a)(3),
    lambda lib: lib.func.vmap(lambda: lib.ones(2))(),
    lambda lib: lib.func.vmap(lambda a, b: a)(lib.ones(2), lib.ones(3)),
    lambda lib: lib.func.vmap(lambda a: a, in_dims=(0, 0))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, in_dims="a")(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, in_dims=None)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, in_dims=(None,))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, in_dims=5)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, in_dims=-1)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a, b: a * b, in_dims=(0, 0))(rows(lib), 3),
    lambda lib: lib.func.vmap(lambda a, b: a * b, in_dims=(0, None))(rows(lib), 3),
    lambda lib: lib.func.vmap(lambda a: a, out_dims=1)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, out_dims=-1)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, out_dims=3)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, out_dims=(0, 1))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, out_dims=(0,))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: lib.ones(3), out_dims=None)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, out_dims=None)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a, out_dims="a")(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: lib.ones(3))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: (a, a + 1), out_dims=(0, 1))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: {"a": a, "b": (a.sum(),)})(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: {"a": a, "b": a}, out_dims={"a": 0, "b": 1})(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: [a, a])(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: 3)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: None)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.sum().item())(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a if a.sum() > 0 else -a)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: float(a.sum()))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: int(a.sum()))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.tolist())(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.numpy())(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.nonzero())(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a[a > 1])(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a + lib.rand(3))(rows(lib)),
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.rand(3), randomness="same")(rows(lib)))[1],
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.rand(3), randomness="different")(rows(lib)))[1],
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.randn(20), randomness="different")(rows(lib)))[1],
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.randn_like(a), randomness="different")(rows(lib)))[1],
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.randn_like(a), randomness="same")(rows(lib)))[1],
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.bernoulli(a / 9), randomness="different")(rows(lib)))[1],
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.multinomial(a + 1, 2), randomness="different")(rows(lib)))[
        1
    ],
    lambda lib: (lib.manual_seed(0), lib.func.vmap(lambda a: lib.randint(0, 9, (3,)), randomness="different")(rows(lib)))[1],
    lambda lib: lib.func.vmap(lambda a: lib.rand(3), randomness="x")(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: lib.nn.functional.dropout(a))(rows(lib)),
    lambda lib: (
        lib.manual_seed(0),
        lib.func.vmap(lambda a: lib.nn.functional.dropout(a + 1), randomness="same")(rows(lib)),
    )[1],
    lambda lib: (
        lib.manual_seed(0),
        lib.func.vmap(lambda a: lib.nn.functional.dropout(a + 1), randomness="different")(rows(lib)),
    )[1],
    lambda lib: lib.func.vmap(lambda a: a * 2, chunk_size=1)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.sum().backward())(rows(lib).requires_grad_()),
    lambda lib: lib.func.vmap(lambda a: (a * 2, a.sum()), out_dims=(1, 0), chunk_size=2)(rows(lib).t()),
    lambda lib: lib.func.vmap(lambda a: a * 2, chunk_size=0)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.add_(1))(rows(lib).clone()),
    lambda lib: (lambda y: lib.func.vmap(lambda a: y.add_(a))(rows(lib)))(lib.zeros(3)),
    lambda lib: lib.func.vmap(lambda d: d["a"] * d["b"], in_dims=({"a": 0, "b": None},))({"a": rows(lib), "b": lib.ones(3)}),
    lambda lib: lib.func.vmap(lambda a: a * 2)(lib.ones(0, 3)),
    lambda lib: lib.func.vmap(lambda a: a.sum())(lib.ones(0, 3)),
    lambda lib: lib.func.vmap(lambda a: (a * a).sum())(rows(lib).clone().requires_grad_()).sum(),
    lambda lib: lib.func.vmap(lambda a, b=None: a * b)(rows(lib), b=lib.ones(3)),
    lambda lib: lib.func.vmap(lambda a, b=None: a * b)(rows(lib), b=lib.ones(2, 3)),
    lambda lib: lib.func.vmap(3)(rows(lib)),
    lambda lib: lib.func.vmap(lambda a, b: a * b, in_dims=[0, 0])(rows(lib), rows(lib)),
    lambda lib: lib.func.vmap(
        lib.func.vmap(lib.func.vmap(lambda a, b, c: a * b + c, in_dims=(None, None, 0)), in_dims=(None, 0, None)),
        in_dims=(0, None, None),
    )(lib.arange(2.0), lib.arange(3.0), lib.arange(2.0)),
    lambda lib: lib.func.vmap(lib.func.grad(lambda a: (a**3).sum()))(rows(lib)),
    lambda lib: lib.func.grad(lambda a: lib.func.vmap(lambda r: (r**3).sum())(a).sum())(rows(lib)),
    lambda lib: lib.func.grad(
        lambda w: (lib.func.vmap(lib.func.grad(lambda a: ((w * a) ** 2).sum()))(rows(lib)) ** 2).sum()
    )(lib.ones(3)),
    lambda lib: lib.func.vmap(lib.func.jacfwd(lambda a: a.sin() * a))(rows(lib)),
    lambda lib: lib.func.vmap(lib.func.jacrev(lambda a: a.softmax(0)))(rows(lib)),
    lambda lib: lib.func.jacrev(lib.func.vmap(lib.func.jacrev(lambda a: a**2)))(rows(lib)).shape,
    lambda lib: lib.func.vmap(lambda a, b: lib.func.jvp(lib.sin, (a,), (b,))[1])(rows(lib), rows(lib)),
    lambda lib: lib.func.vmap(lambda a: lib.func.vjp(lib.sin, a)[1](a)[0])(rows(lib)),
    lambda lib: lib.func.vmap(lambda a, b: lib.stack([a, b]))(rows(lib), rows(lib)),
    lambda lib: lib.func.vmap(lib.outer)(rows(lib), rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.expand(2, 3).t().reshape(-1))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.view(3, 1).squeeze()[None].permute(1, 0).unsqueeze(-1))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.max(0))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.var())(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: lib.where(a > 2, a, 0.0))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: a.cumsum(0).flip(0).roll(1))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: lib.einsum("i,j->ij", a, a))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a: lib.nn.functional.layer_norm(a, (3,)))(rows(lib)),
    lambda lib: lib.func.vmap(lambda a, b: lib.nn.functional.linear(a, b), in_dims=(None, 0))(
        lib.ones(3), lib.arange(12.0).view(2, 2, 3)
    ),
    lambda lib: lib.func.vmap(lambda a, b: lib.nn.functional.cross_entropy(a[None], b[None]))(rows(lib), lib.tensor([0, 2])),
    lambda lib: lib.func.vmap(lambda a: lib.nn.functional.mse_loss(a, a * 0))(rows(lib)),
    lambda lib: lib.func.linearize(lambda a: a**2, rows(lib))[1](lib.ones(2, 3)),
    lambda lib: lib.func.stack_module_state([]),
    lambda lib: lib.func.stack_module_state([lib.nn.Linear(1, 1), lib.nn.ReLU()]),
    lambda lib: lib.func.stack_module_state([lib.nn.Linear(1, 1), lib.nn.Linear(1, 1).eval()]),
]


def test_what_has_a_rule_is_an_op() -> None:
    assert {*batching.rules, *batching.CROSSING, *batching.DYNAMIC} <= {op.__name__ for op in ops}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=range(len(SCENARIOS)))
def test_is_torchs(scenario: Callable) -> None:
    agree(scenario)


# ---- every op: the loop ----

# Why one result for all samples cannot be computed, or is another than the loop's.
OTHERWISE = {
    "philox_dropout": "its place in the stream is an option, and so the same for each sample of the loop",
    "ctc_loss": "the lengths are read",
    "one_hot": "the classes are counted",
    "masked_select": "the shape depends on the sample",
    "masked_scatter": "the shape of what is used depends on the sample",
    "nonzero": "the shape depends on the sample",
    "argwhere": "the shape depends on the sample",
    "bincount": "the shape depends on the sample",
    "unique": "the shape depends on the sample",
    "unique_consecutive": "the shape depends on the sample",
    "combinations": "the shape depends on the sample, for all masked_select knows",
    "getitem": "the shape depends on the sample, where a key is a mask",
    "setitem": "the shape depends on the sample, where a key is a mask",
    "instance_norm": "it writes to what is the same for all",
    "allclose": "a bool comes of it",
    "equal": "a bool comes of it",
    "quantile": "q is looked at",
    "nanquantile": "q is looked at",
    "tensor_split": "the indices are read",
    "sort": "equal elements of a long row may be in another order",
}
ROWS = [row for row in table() if row.name not in OTHERWISE]


def samples(value: np.ndarray) -> np.ndarray:
    """Three arrays of the same elements, in other places."""
    return np.stack([np.roll(value.reshape(-1), k).reshape(value.shape) for k in range(3)])


class Case:
    """A row's function of the arrays of a case, some of which are batched."""

    def __init__(self, row: Row, seed: int, smooth: bool = False) -> None:
        self.row, self.case = row, row.draw(Source(seed), smooth=smooth)
        self.arrays = [n for n, v in self.case.items() if isinstance(v, np.ndarray)]
        batched = self.arrays if seed % 2 == 0 else self.arrays[:1]
        self.dims = tuple(0 if n in batched else None for n in self.arrays)
        self.given = [samples(self.case[n]) if n in batched else np.array(self.case[n]) for n in self.arrays]

    def call(self, *tensors: Any) -> list:
        """The tensors that come of it."""
        others = {n: _tensor(v, minitorch, np.float64, False) for n, v in self.case.items() if n not in self.arrays}
        given = others | dict(zip(self.arrays, tensors))
        results = flat(self.row.call(self.row.ours, {n: given[n] for n in self.case}))
        return [x for x in results if isinstance(x, minitorch.Tensor)]

    def total(self, *tensors: Any) -> Any:
        """A number to differentiate: each element counts differently."""
        parts = [x for x in self.call(*tensors) if x.requires_grad]
        return sum((x * minitorch.arange(1.0, x.numel() + 1).double().reshape(x.shape)).sum() for x in parts)

    def tensors(self) -> list:
        return [minitorch.from_numpy(np.ascontiguousarray(v)) for v in self.given]

    def one_by_one(self, function: Callable) -> list[np.ndarray] | None:
        """What a loop over the samples gives, stacked; None where the function refuses the case."""
        try:
            results = [
                function(*[x if d is None else x[k].clone() for x, d in zip(self.tensors(), self.dims)]) for k in range(3)
            ]
            return [np.stack([each.detach().numpy() for each in column]) for column in zip(*results)]
        except Exception:
            return None


def assert_equal(found: list, wanted: list[np.ndarray]) -> None:
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        assert a.numpy().shape == b.shape and a.numpy().dtype == b.dtype
        np.testing.assert_allclose(a.numpy().astype(float), b.astype(float), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_is_a_loop(row: Row) -> None:
    for seed in (0, 1):
        case = Case(row, seed)
        if case.arrays and (wanted := case.one_by_one(case.call)) is not None:
            assert_equal(vmap(case.call, case.dims, randomness="same")(*case.tensors()), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.differentiable], ids=str)
def test_gradients_are_those_of_a_loop(row: Row) -> None:
    """Within: one for each sample. Around: what all have in common gets the sum."""
    case = Case(row, 1, smooth=True)
    by = tuple(case.arrays.index(n) for n in case.arrays if n in row.inputs())
    gradient = grad(case.total, by)
    if not by or (wanted := case.one_by_one(gradient)) is None:
        return
    assert_equal(list(vmap(gradient, case.dims, randomness="same")(*case.tensors())), wanted)
    total = grad(lambda *tensors: vmap(case.total, case.dims, randomness="same")(*tensors).sum(), by)
    assert_equal(list(total(*case.tensors())), [g if case.dims[i] == 0 else g.sum(0) for i, g in zip(by, wanted)])


# ---- uses ----


def test_gradients_of_each_sample() -> None:
    minitorch.manual_seed(0)
    net = minitorch.nn.Sequential(minitorch.nn.Linear(3, 4), minitorch.nn.Tanh(), minitorch.nn.Linear(4, 2))
    params = {name: p.detach() for name, p in net.named_parameters()}
    x, y = minitorch.randn(5, 3), minitorch.randint(0, 2, (5,))

    def loss(params: Any, x: Any, y: Any) -> Any:
        return minitorch.nn.functional.cross_entropy(functional_call(net, params, (x[None],)), y[None])

    each = vmap(grad(loss), in_dims=(None, 0, 0))(params, x, y)
    for k in range(5):
        for name, g in grad(loss)(params, x[k], y[k]).items():
            np.testing.assert_allclose(each[name][k].numpy(), g.numpy(), rtol=1e-5, atol=1e-6)


def test_an_ensemble() -> None:
    models = [minitorch.nn.Linear(3, 2) for _ in range(4)]
    params, buffers = minitorch.func.stack_module_state(models)
    x = minitorch.randn(5, 3)
    out = vmap(lambda p, x: functional_call(models[0], p, (x,)), in_dims=(0, None))(params, x)
    np.testing.assert_allclose(out.detach().numpy(), np.stack([m(x).detach().numpy() for m in models]), rtol=1e-5, atol=1e-6)
    out.sum().backward()
    assert params["weight"].grad.shape == (4, 2, 3) and not buffers


def test_it_prints_what_it_stands_for(capsys: pytest.CaptureFixture[str]) -> None:
    vmap(lambda row: print(row) or row)(rows(minitorch))
    assert "BatchedTensor(lvl=1, bdim=0, value=" in capsys.readouterr().out
