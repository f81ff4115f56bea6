"""nn.utils.parametrize and its parametrizations: scenarios run on both libraries."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

import minitorch
from both import Scenarios, agree, assert_same
from minitorch import linalg

scenarios = Scenarios()


def modules(lib: Any) -> Any:
    """Some parametrizations."""

    class Symmetric(lib.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).T

        def right_inverse(self, x):
            return x.triu()

    class Twice(lib.nn.Module):
        def forward(self, x):
            return 2 * x

    class Sum(lib.nn.Module):
        def forward(self, a, b):
            return a + b

        def right_inverse(self, x):
            return x / 2, x / 2

    class Wider(lib.nn.Module):
        def forward(self, x):
            return lib.cat([x, x])

    class Single(lib.nn.Module):
        def forward(self, x):
            return x.float()

    class Broken(lib.nn.Module):
        def forward(self, x):
            return 3

        def right_inverse(self, x):
            return 3

    class NoInverse(Twice):
        def right_inverse(self, x):
            raise NotImplementedError

    class Odd(Twice):
        def right_inverse(self, x):
            return x.float()

    return {c.__name__: c for c in (Symmetric, Twice, Sum, Wider, Single, Broken, NoInverse, Odd)}


def layer(lib: Any, *names: str, **options: Any) -> Any:
    """A square layer with parametrizations of its weight, one after the other."""
    lib.manual_seed(0)
    made = lib.nn.Linear(3, 3).double()  # in float32 the fifth digit may be rounded otherwise
    for name in names:
        lib.nn.utils.parametrize.register_parametrization(made, "weight", modules(lib)[name](), **options)
    return made


def told(lib: Any, made: Any) -> Any:
    """What can be seen of a module."""
    of = lib.nn.utils.parametrize
    x = lib.arange(6.0).double().reshape(2, 3)
    made.zero_grad()
    out = made(x)
    out.sum().backward()
    state = dict(made.state_dict())
    return [
        made, type(made).__name__, of.type_before_parametrizations(made).__name__, of.is_parametrized(made),
        of.is_parametrized(made, "weight"), of.is_parametrized(made, "bias"), state, out,
        {k: p.grad for k, p in made.named_parameters()}, type(made.weight).__name__, list(dict(made.named_modules())),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "names", [("Symmetric",), ("Twice",), ("Sum",), ("Symmetric", "Twice"), ("Sum", "Twice"), ("NoInverse",), ()]
)
def test_what_is_seen(names: tuple) -> None:
    assert_same(lambda lib: told(lib, layer(lib, *names)))


@pytest.mark.parametrize(
    "names", [("Wider",), ("Single",), ("Broken",), ("Odd",), ("Twice", "Wider"), ("Twice", "Single"), ("Twice", "Sum")]
)
@pytest.mark.parametrize("unsafe", [False, True])
def test_bad_parametrizations(names: tuple, unsafe: bool) -> None:
    agree(lambda lib: [k for k, _ in layer(lib, *names, unsafe=unsafe).named_parameters()])


@pytest.mark.parametrize("names", [("Symmetric",), ("Twice",), ("Sum",), ("Symmetric", "Twice"), ("Sum", "Symmetric")])
def test_assigning_copying_removing(names: tuple) -> None:
    def assigned(lib: Any) -> Any:
        made = layer(lib, *names)
        made.weight = lib.ones(3, 3).double()
        return told(lib, made)

    def assigned_otherwise(lib: Any) -> Any:
        made = layer(lib, *names)
        made.weight = lib.ones(3, 3, dtype=lib.float32)
        return made

    def copied(lib: Any) -> Any:
        made = layer(lib, *names)
        copies = [copy.deepcopy(made), copy.deepcopy([made, made])]
        with lib.no_grad():
            made.bias += 1
        return told(lib, copies[0]), copies[1][0] is copies[1][1], told(lib, copies[1][0])

    def pickled(lib: Any) -> Any:
        return pickle.dumps(layer(lib, *names))

    def removed(lib: Any) -> Any:
        made = layer(lib, *names)
        same = lib.nn.utils.parametrize.remove_parametrizations(made, "weight") is made
        return same, told(lib, made)

    def removed_bare(lib: Any) -> Any:
        return told(lib, lib.nn.utils.parametrize.remove_parametrizations(layer(lib, *names), "weight", False))

    def loaded(lib: Any) -> Any:
        made = layer(lib, *names)
        state = {k: v + 1 for k, v in made.state_dict().items()}
        return str(made.load_state_dict(state)), told(lib, made)

    def trained(lib: Any) -> Any:
        made = layer(lib, *names)
        optimizer = lib.optim.SGD(made.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (made(lib.ones(2, 3).double()) ** 2).sum().backward()
            optimizer.step()
        return told(lib, made)

    def transferred(lib: Any) -> Any:
        of, other = lib.nn.utils.parametrize, lib.nn.Linear(3, 3).double()
        same = of.transfer_parametrizations_and_params(layer(lib, *names), other) is other
        return same, told(lib, other)

    for scenario in (assigned, assigned_otherwise, copied, pickled, removed, removed_bare, loaded, trained, transferred):
        agree(scenario)


@scenarios.add
def cached_within_a_block(lib):
    made, of = layer(lib, "Twice"), lib.nn.utils.parametrize
    with of.cached():
        first = made.weight
        with of.cached():
            again = made.weight
        still = made.weight
    return first is again, first is still, first is made.weight


@scenarios.add
def a_buffer_is_parametrized(lib):
    made = lib.nn.BatchNorm1d(3)
    lib.nn.utils.parametrize.register_parametrization(made, "running_mean", modules(lib)["Twice"]())
    return made, list(made.state_dict()), made.running_mean, [k for k, _ in made.named_buffers()]


@scenarios.add
def several_parameters(lib):
    of, made = lib.nn.utils.parametrize, layer(lib, "Symmetric")
    of.register_parametrization(made, "bias", modules(lib)["Twice"]())
    seen = told(lib, made)
    of.remove_parametrizations(made, "weight")
    return seen, told(lib, made), type(of.remove_parametrizations(made, "bias")).__name__


@scenarios.add
def a_name_that_is_not_there(lib):
    return lib.nn.utils.parametrize.register_parametrization(lib.nn.Linear(2, 2), "wait", modules(lib)["Twice"]())


@scenarios.add
def nothing_to_remove(lib):
    return lib.nn.utils.parametrize.remove_parametrizations(lib.nn.Linear(2, 2), "weight")


@scenarios.add
def an_empty_list(lib):
    return lib.nn.utils.parametrize.ParametrizationList([], lib.nn.Linear(2, 2).weight)


@scenarios.add
def the_mode_is_the_modules(lib):
    made, f = lib.nn.Linear(2, 2).eval(), modules(lib)["Twice"]()
    lib.nn.utils.parametrize.register_parametrization(made, "weight", f)
    return f.training, made.train().parametrizations.weight[0].training


# ---- weight_norm, spectral_norm ----


def normed(lib: Any, kind: str, made: Any, **options: Any) -> Any:
    return getattr(lib.nn.utils.parametrizations, kind)(made, **options)


@pytest.mark.parametrize("dim", [0, 1, None, -1, 5])
def test_weight_norm(dim: int | None) -> None:
    def scenario(lib: Any) -> Any:
        lib.manual_seed(0)
        made = normed(lib, "weight_norm", lib.nn.Linear(3, 3).double(), dim=dim)
        return told(lib, made), made.weight.grad_fn.name()

    agree(scenario)


@pytest.mark.parametrize("kind", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize("name", ["Conv1d", "Conv2d", "ConvTranspose2d"])
def test_norms_of_convolutions(kind: str, name: str) -> None:
    def scenario(lib: Any) -> Any:
        lib.manual_seed(0)
        made = normed(lib, kind, getattr(lib.nn, name)(2, 3, 2).double())
        x = lib.arange(2.0 * 4 * (1 if name.endswith("1d") else 4)).reshape(1, 2, *([4] if name.endswith("1d") else [4, 4]))
        made(x.double()).sum().backward()
        return dict(made.state_dict()), {k: p.grad for k, p in made.named_parameters()}, made.weight, made.eval().weight

    agree(scenario)


@pytest.mark.parametrize(
    "options", [{}, {"n_power_iterations": 3}, {"dim": 1}, {"dim": 2}, {"eps": 0.1}, {"n_power_iterations": 0}], ids=str
)
def test_spectral_norm(options: dict) -> None:
    def scenario(lib: Any) -> Any:
        lib.manual_seed(0)
        made = normed(lib, "spectral_norm", lib.nn.Linear(3, 3).double(), **options)
        return told(lib, made), told(lib, made.eval()), lib.rand(1)

    agree(scenario)


@scenarios.add
def spectral_norm_of_a_vector(lib):
    lib.manual_seed(0)
    return told(lib, normed(lib, "spectral_norm", lib.nn.Linear(3, 3).double(), name="bias"))


@scenarios.add
def spectral_norm_of_nothing(lib):
    return normed(lib, "spectral_norm", lib.nn.Linear(3, 3), name="wait")


@scenarios.add
def weights_that_the_old_weight_norm_saved(lib):
    made = normed(lib, "weight_norm", lib.nn.Linear(2, 2))
    state = {"weight_g": lib.ones(2, 1), "weight_v": lib.ones(2, 2), "bias": lib.zeros(2)}
    return str(made.load_state_dict(state)), made.weight


@pytest.mark.parametrize("trivial", [False, True])
@pytest.mark.parametrize("kind", ["matrix_exp", "cayley", "householder", None, "other"])
@pytest.mark.parametrize("sizes", [(3, 3), (2, 4), (4, 2)])
def test_orthogonal(sizes: tuple, kind: str | None, trivial: bool) -> None:
    def scenario(lib: Any) -> Any:
        lib.manual_seed(0)
        made = lib.nn.Linear(*sizes).double()
        normed(lib, "orthogonal", made, orthogonal_map=kind, use_trivialization=trivial)
        first = dict(made.state_dict()), made.weight, made
        made.parametrizations.weight.original.data.add_(lib.arange(sizes[0] * sizes[1]).reshape(made.weight.shape) / 7.0)
        (made.weight * lib.arange(sizes[0] * sizes[1]).reshape(made.weight.shape)).sum().backward()
        return first, made.weight, made.parametrizations.weight.original.grad

    def assigned(lib: Any) -> Any:
        lib.manual_seed(0)
        made = normed(lib, "orthogonal", lib.nn.Linear(*sizes).double(), orthogonal_map=kind, use_trivialization=trivial)
        made.weight = lib.eye(5)[: sizes[1], : sizes[0]].double()
        return made.weight, dict(made.state_dict())

    agree(scenario)
    agree(assigned)


@pytest.mark.parametrize("name", ["matrix_exp", "householder_product", "solve"])
@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_what_orthogonal_matrices_are_made_of(name: str, scale: float) -> None:
    """Values, gradients and gradients of gradients of one, and of a batch."""

    def scenario(lib: Any) -> Any:
        theirs = {"matrix_exp": torch.matrix_exp, "householder_product": torch.linalg.householder_product}
        function = getattr(linalg, name) if lib is minitorch else theirs.get(name, torch.linalg.solve)
        seen = []
        for shape in ((3, 3), (2, 3, 3)):
            lib.manual_seed(0)
            size = shape if name == "solve" else shape[:-1]
            x = (lib.randn(shape, dtype=lib.float64) * scale).requires_grad_()
            y = () if name == "matrix_exp" else (lib.rand(size, dtype=lib.float64).requires_grad_(),)
            out = function(x, *y)
            first = lib.autograd.grad(out, (x, *y), lib.rand(shape, dtype=lib.float64), create_graph=True)
            second = lib.autograd.grad(sum((g * g).sum() for g in first), (x, *y))
            seen.append([(t / t.abs().max()) for t in (out, *first, *second)])
        return seen

    agree(scenario)


@scenarios.add
def orthogonal_of_a_vector(lib):
    return normed(lib, "orthogonal", lib.nn.Linear(3, 3), name="bias")


@scenarios.parametrize
def test_scenario(scenario: Any) -> None:
    agree(scenario)
