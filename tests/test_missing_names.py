"""What torch has and minitorch has not: an AttributeError that says so and names what is near, and nothing else changes."""

from __future__ import annotations

import copy
import inspect
import pickle
import rlcompleter

import pytest
import torch

import minitorch
from minitorch.tensor import absent

F = minitorch.nn.functional


@pytest.mark.parametrize(
    ("place", "name", "near"),
    [
        (minitorch, "lobpcg", ""),
        (minitorch, "stft", ""),
        (minitorch, "sigmoyd", "sigmoid"),
        (minitorch.nn, "Conv2D", "Conv2d"),
        (minitorch.nn, "Liner", "Linear"),
        (minitorch.nn, "relu", "ReLU"),
        (F, "scaled_dot_product_atention", "scaled_dot_product_attention"),
        (F, "crossentropy", "cross_entropy"),
        (minitorch.optim, "SparseAdam", "Adam"),
        (minitorch.optim.lr_scheduler, "StepLr", "StepLR"),
        (minitorch.utils.data, "Dataloader", "DataLoader"),
        (minitorch.Tensor, "sspaddmm", "addmm"),
        (minitorch.ones(1), "sspaddmm", "addmm"),
        (minitorch.nn.Parameter(minitorch.ones(1)), "to_sparse", ""),
    ],
    ids=str,
)
def test_says_that_it_is_not_there_yet(place: object, name: str, near: str) -> None:
    assert not hasattr(place, name)
    assert getattr(place, name, "default") == "default"
    with pytest.raises(AttributeError, match=f"has no attribute '{name}': if torch has it, it is not there yet") as caught:
        getattr(place, name)
    assert near in str(caught.value)


def test_methods_of_torchs_that_are_not_there_are_known() -> None:
    missing = {n for n in dir(torch.Tensor) if not n.startswith("_") and not hasattr(minitorch.Tensor, n)}
    assert missing <= set(absent.NAMES)


@pytest.mark.parametrize("cls", [minitorch.Tensor, minitorch.nn.Parameter, *minitorch.Tensor.__mro__[1:-1]])
def test_editors_do_not_offer_them(cls: type) -> None:
    """`dir` of the class and of its bases, completion and what `help` reads list only what is there."""
    names = {*dir(cls), *rlcompleter.get_class_members(cls)}
    assert [name for name in absent.NAMES if name in names and not hasattr(cls, name)] == []
    assert [name for name in names if not hasattr(cls, name) and name != "__abstractmethods__"] == []
    assert "to_sparse" not in {name for name, *_ in inspect.classify_class_attrs(cls)}


def test_they_are_in_nobodys_way() -> None:
    x = minitorch.ones(1)
    assert not set(dir(x)) & {"sspaddmm", "to_sparse"}
    assert {"sum", "tag"} - set(dir(x)) == {"tag"}
    x.q_scale = x.tag = "weight"
    assert {"q_scale", "tag"} <= set(dir(x))
    assert [x.q_scale, copy.deepcopy(x).q_scale, pickle.loads(pickle.dumps(x)).q_scale] == ["weight"] * 3

    class Own(minitorch.Tensor):
        def to_sparse(self) -> str:
            return "mine"

    assert Own([1.0]).to_sparse() == "mine"
    assert "to_sparse" in dir(Own([1.0]))


def test_a_dunder_is_nothing_of_torchs() -> None:
    with pytest.raises(AttributeError, match=r"^module 'minitorch' has no attribute '__path_of__'$"):
        _ = minitorch.__path_of__
