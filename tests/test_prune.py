"""Pruning: random programs of it on both libraries, from the same seed; files, copies, and what is refused."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from both import Failure, agree, assert_same, assert_same_complaint, outcome
from minitorch.nn.utils import prune
from reference.pruning import LAYERS, masks_alike, program, pruned


@pytest.mark.parametrize("kind", LAYERS)
@given(ties=st.booleans(), seed=st.integers(0, 10**6))
def test_a_module_is_pruned_as_by_torch(kind: str, ties: bool, seed: int) -> None:
    done = program(Random(seed))
    assert not isinstance(assert_same(lambda lib: pruned(lib, kind, ties, done)), Failure)


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
    assert all(minitorch.equal(step(x), m(x)) for _ in range(2))
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


def test_the_report_counts_masks() -> None:
    compared, same = masks_alike(10)
    assert compared == same > 10
