"""How results lie in memory: what torch gives in row-major order, and so can be viewed flat, ours gives so too."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import minitorch
from reference.strategies import Source
from reference.table import Row, flat, table, tensors

# With inputs of different layouts each library's loop chooses one, and einsum's result comes as its product left it.
CHOSEN = {"pow", "einsum"}


@pytest.mark.parametrize("row", [r for r in table() if not r.broadcast and r.covers not in CHOSEN], ids=str)
def test_what_torch_can_view_flat_so_can_we(row: Row) -> None:
    for seed in range(12):
        case = row.draw(Source(seed))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs = flat(row.call(row.theirs, tensors(case, torch, np.float64, [])))
            except Exception:
                continue
            ours = flat(row.call(row.ours, tensors(case, minitorch, np.float64, [])))
        for a, b in zip(ours, theirs):
            if isinstance(b, torch.Tensor) and b.is_contiguous():
                assert a.is_contiguous(), f"{row}, seed {seed}: strides {a.stride()}, torch's {b.stride()}"


@pytest.mark.parametrize("copy", [lambda x: x.clone(), lambda x: x.double(), lambda x: x + 1, lambda x: x.exp()])
def test_a_copy_of_an_expanded_tensor_can_be_viewed_flat(copy) -> None:
    for lib in (minitorch, torch):
        x = lib.arange(6.0).reshape(2, 3).expand(2, 2, 3)
        assert copy(x).view(-1).shape == (12,)
        assert copy(lib.zeros(2, 4, 3).transpose(1, 2)).stride() == (12, 1, 3)


def test_expanding_keeps_the_strides_of_what_it_does_not_expand() -> None:
    strides = [
        [x.expand(*sizes).stride() for sizes in [(2, 1), (3, 2, 1), (2, 4), (1, 2, 1)]]
        for x in (lib.zeros(2, 1) for lib in (minitorch, torch))
    ]
    assert strides[0] == strides[1]
