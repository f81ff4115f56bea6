"""Pruning: random programs of it on both libraries, from the same seed; files, copies, and what is refused."""

from __future__ import annotations

import importlib
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from both import Failure, agree, assert_same, assert_same_complaint, outcome
from minitorch.nn.utils import prune

importlib.import_module("torch.nn.utils.prune")  # (it is not there without being asked for, in neither library)

LAYERS = {
    "Linear": (lambda lib: lib.nn.Linear(5, 4, dtype=lib.float64), (3, 5), ["weight", "bias"]),
    "Conv2d": (lambda lib: lib.nn.Conv2d(3, 4, 2, dtype=lib.float64), (2, 3, 4, 4), ["weight", "bias"]),
    "LSTM": (lambda lib: lib.nn.LSTM(3, 4, dtype=lib.float64), (2, 2, 3), ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"]),
}
NAMES = st.sampled_from([0, 0, 0, 1, 2])  # of a layer's parameters the first most often: it is pruned again and again
AMOUNTS = st.sampled_from([1, 1, 1, 2, 2, 0.2, 0.25, 0.25, 0.5, 0, 0.0, 1.0])
NORMS = st.sampled_from([1, 2, float("inf"), -float("inf"), "fro"])
DIMS = st.sampled_from([0, 0, 1, -1, -2])
BAD = st.sampled_from([
    ("remove",), ("l1_unstructured", 100), ("random_unstructured", -1), ("l1_unstructured", 1.5), ("random_unstructured", "much"),
    ("random_structured", 1, 7), ("ln_structured", 9, 2, 0), ("random_structured", 9, 0), ("ln_structured", 1, 2, -7),
])  # fmt: skip

# What is done in turn: (function, its arguments but the module).
GOOD = st.one_of(
    st.tuples(st.sampled_from(["identity", "mask", "train"])),
    st.tuples(st.sampled_from(["random_unstructured", "l1_unstructured"]), AMOUNTS),
    st.tuples(st.just("random_structured"), AMOUNTS, DIMS),
    st.tuples(st.just("ln_structured"), AMOUNTS, NORMS, DIMS),
)
PROGRAMS = st.tuples(
    st.lists(st.tuples(NAMES, GOOD), min_size=2, max_size=6), st.lists(st.tuples(NAMES, BAD), max_size=2)
).map(lambda parts: parts[0] + parts[1])


def looked_at(lib: Any, m: Any, x: Any) -> Any:
    """All that can be seen of a module: its state, its hooks, what it gives, its gradients."""
    out = m(x)
    (out[0] if isinstance(out, tuple) else out).sin().sum().backward()
    grads = {name: p.grad for name, p in m.named_parameters()}
    hooks = [type(h).__name__ for h in m._forward_pre_hooks.values()]
    shown = dict(m.state_dict()), hooks, out, grads, lib.nn.utils.prune.is_pruned(m), repr(m)
    m.zero_grad()
    return shown


def pruned(lib: Any, kind: str, ties: bool, program: list[tuple]) -> Any:
    """What is seen after each call, up to the first that is refused, which is told by its type."""
    lib.manual_seed(3)
    make, shape, names = LAYERS[kind]
    m, x = make(lib), lib.randn(*shape, dtype=lib.float64)
    if ties:
        with lib.no_grad():
            for p in m.parameters():
                p.copy_((p * 10).round() / 10)
    seen = [looked_at(lib, m, x)]
    for which, (call, *told) in program:
        name = names[which % len(names)]
        try:
            if call == "train":
                with lib.no_grad():
                    for p in m.parameters():
                        p.add_(lib.linspace(-1, 1, p.numel(), dtype=lib.float64).view_as(p).sin(), alpha=0.1)
            elif call == "mask":
                given = lib.arange(getattr(m, name).numel()).view(getattr(m, name).shape) % 3 > 0
                lib.nn.utils.prune.custom_from_mask(m, name, given)
            else:
                getattr(lib.nn.utils.prune, call)(m, name, *told)
        except Exception as error:
            return [*seen, type(error).__name__]
        seen.append(looked_at(lib, m, x))
    return seen


@pytest.mark.parametrize("kind", LAYERS)
@given(ties=st.booleans(), program=PROGRAMS)
def test_a_module_is_pruned_as_by_torch(kind: str, ties: bool, program: list) -> None:
    assert not isinstance(assert_same(lambda lib: pruned(lib, kind, ties, program)), Failure)


@given(amount=st.sampled_from([0, 3, 0.3, 0.75, 1.0, 500]), method=st.sampled_from(["L1Unstructured", "RandomUnstructured"]),
       scored=st.booleans(), before=st.booleans())  # fmt: skip
def test_several_parameters_are_pruned_as_one_vector(amount: Any, method: str, scored: bool, before: bool) -> None:
    def scenario(lib):
        lib.manual_seed(1)
        first, second = lib.nn.Linear(6, 5), lib.nn.Linear(5, 2)
        places = [(first, "weight"), (first, "bias"), (second, "weight")]
        if before:
            lib.nn.utils.prune.l1_unstructured(first, "weight", 0.4)
        scores = {(first, "weight"): lib.linspace(0, 0.3, 30).view(5, 6)} if scored else None
        how = getattr(lib.nn.utils.prune, method)
        lib.nn.utils.prune.global_unstructured(places, how, importance_scores=scores, amount=amount)
        return dict(first.state_dict()), dict(second.state_dict()), lib.rand(1)

    agree(scenario)


def test_a_pruned_model_trains_and_its_zeros_stay() -> None:
    def scenario(lib):
        lib.manual_seed(0)
        model = lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.ReLU(), lib.nn.Linear(8, 2))
        lib.nn.utils.prune.ln_structured(model[0], "weight", 3, n=2, dim=0)
        lib.nn.utils.prune.random_unstructured(model[2], "weight", 0.5)
        opt, x = lib.optim.Adam(model.parameters(), lr=0.1), lib.randn(16, 4)
        for _ in range(5):
            opt.zero_grad()
            lib.nn.functional.cross_entropy(model(x), lib.arange(16) % 2).backward()
            opt.step()
        model(x)
        return dict(model.state_dict()), model[0].weight, (model[0].weight == 0).sum(), model[0].weight_orig.grad

    assert_same(scenario)


def test_state_dict_and_file_of_a_pruned_model() -> None:
    m = prune.l1_unstructured(minitorch.nn.Linear(4, 3), "weight", 5)
    file = io.BytesIO()
    minitorch.save(m.state_dict(), file)
    file.seek(0)
    other = prune.identity(minitorch.nn.Linear(4, 3), "weight")
    other.load_state_dict(minitorch.load(file))
    x = minitorch.randn(2, 4)
    assert minitorch.equal(other(x), m(x))
    prune.remove(other, "weight")
    assert int((other.weight == 0).sum()) == 5
    assert minitorch.equal(other(x), m(x))


@pytest.mark.filterwarnings("ignore:compile")
def test_a_pruned_module_gives_the_same_compiled() -> None:
    """(It runs as it is, and a warning says so: the weight that a hook sets is kept outside the step.)"""
    m = prune.l1_unstructured(minitorch.nn.Linear(4, 3), "weight", 5)
    step, x = minitorch.compile(lambda x: m(x)), minitorch.randn(2, 4)
    assert all(minitorch.equal(step(x), m(x)) for _ in range(4))
    assert "is kept outside it" in step.explain()


# ---- methods of one's own, and what is refused ----


def test_a_method_of_ones_own() -> None:
    def scenario(lib):
        class Every(lib.nn.utils.prune.BasePruningMethod):
            PRUNING_TYPE = "unstructured"

            def __init__(self, step):
                self.step = step

            def compute_mask(self, t, default_mask):
                mask = default_mask.clone()
                mask.view(-1)[:: self.step] = 0
                return mask

        lib.manual_seed(0)
        m = lib.nn.Linear(4, 3)
        first = Every.apply(m, "weight", 2)
        both = Every.apply(m, "weight", step=3)
        kinds = type(first).__name__, type(both).__name__, len(both), [h.step for h in both], both[0].step
        return kinds, m.weight_mask, Every(4).prune(lib.ones(6)), lib.nn.utils.prune.remove(m, "weight").weight

    assert_same(scenario)


def custom(lib, kind):
    """A method of this PRUNING_TYPE, without `dim`."""
    body = {"PRUNING_TYPE": kind, "compute_mask": lambda self, t, default_mask: default_mask}
    return type("Custom", (lib.nn.utils.prune.BasePruningMethod,), body)


@pytest.mark.parametrize("refused", [
    lambda lib, p, m: p.remove(m, "weight"),
    lambda lib, p, m: p.l1_unstructured(m, "nothing", 1),
    lambda lib, p, m: p.l1_unstructured(m, "weight", 1, importance_scores=lib.ones(2)),
    lambda lib, p, m: p.L1Unstructured(1).prune(lib.ones(3), importance_scores=lib.ones(2)),
    lambda lib, p, m: p.custom_from_mask(m, "weight", lib.ones(2)),
    lambda lib, p, m: p.ln_structured(m, "bias", 1, 2, 0),
    lambda lib, p, m: p.random_structured(m, "weight", 1, 5),
    lambda lib, p, m: p.global_unstructured(3, p.L1Unstructured, amount=1),
    lambda lib, p, m: p.global_unstructured([(m, "weight")], p.L1Unstructured, importance_scores=[1], amount=1),
    lambda lib, p, m: p.global_unstructured([(m, "weight")], p.LnStructured, amount=1, n=2),
    lambda lib, p, m: p.PruningContainer(p.Identity.apply(m, "weight")).add_pruning_method(3),
    lambda lib, p, m: p.BasePruningMethod(),
    lambda lib, p, m: p.RandomUnstructured("all"),
    lambda lib, p, m: p.RandomUnstructured(-0.5),
    lambda lib, p, m: (p.identity(m, "weight"), custom(lib, "structured").apply(m, "weight")),
    lambda lib, p, m: (p.identity(m, "weight"), custom(lib, "some").apply(m, "weight")),
])  # fmt: skip
def test_what_is_refused_changes_nothing(refused: Any) -> None:
    assert agree(lambda lib: refused(lib, lib.nn.utils.prune, lib.nn.Linear(4, 3))).kind
    m = minitorch.nn.Linear(4, 3)
    before, weight = list(m.state_dict()), m.weight
    with pytest.raises(Exception) as told:
        refused(minitorch, prune, m)
    assert len(str(told.value)) > 10
    if not prune.is_pruned(m):
        assert list(m.state_dict()) == before and m.weight is weight
    x = minitorch.randn(2, 4)
    assert minitorch.equal(m(x), minitorch.nn.functional.linear(x, weight, m.bias))


def test_a_second_pruning_that_is_refused_leaves_the_first() -> None:
    """(In torch it loses the hook: the weight is no longer computed from what is trained.)"""
    m = prune.l1_unstructured(minitorch.nn.Linear(4, 3), "weight", 5)
    mask = m.weight_mask.clone()
    with pytest.raises(ValueError, match="amount=8 should be smaller"):
        prune.l1_unstructured(m, "weight", 8)
    assert prune.is_pruned(m) and minitorch.equal(m.weight_mask, mask)
    with minitorch.no_grad():
        m.weight_orig.fill_(1.0)
    m(minitorch.ones(1, 4))
    assert minitorch.equal(m.weight, mask)


def test_words_are_torchs() -> None:
    assert_same_complaint(lambda lib: lib.nn.utils.prune.random_unstructured(lib.nn.Linear(2, 2), "weight", 1.5))
    assert_same_complaint(lambda lib: lib.nn.utils.prune.random_unstructured(lib.nn.Linear(2, 2), "weight", 5))
    assert_same_complaint(lambda lib: lib.nn.utils.prune.remove(lib.nn.Linear(2, 2), "weight"))
    ours, _ = outcome(lambda lib: lib.nn.utils.prune.L1Unstructured(1).remove(lib.nn.Linear(2, 2)), minitorch)
    assert "has to be pruned" in ours.words
