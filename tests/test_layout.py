"""How results lie in memory: in the order of dimensions that torch's have, so that what can be viewed flat there can be here."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from reference.strategies import COLUMN_MAJOR, Source
from reference.table import Row, flat, table, tensors

# Where the layout is another than torch's, and why.
OURS = {
    "pow": "with inputs of different layouts each library's loop chooses one",
    "local_response_norm": "the same",
    "einsum": "it comes as its product left it",
    "getitem": "with indices torch reorders the dimensions of its loop",
    "to": "the same: the row calls the op, which copies; the method does not",
    "to_device": "the same",
    "put": "ours is in row-major order",
    "philox_dropout": "torch's own dropout is not this op",
    "feature_alpha_dropout": "the noise has a layout of its own",
}
BROADCAST = {
    "pow",
    "addr",
    "binary_cross_entropy_with_logits",
}  # of inputs of several shapes each library's loop chooses a layout


@pytest.mark.parametrize("row", [r for r in table() if not r.broadcast and r.covers not in OURS], ids=str)
def test_a_result_lies_in_memory_as_torchs_does(row: Row) -> None:
    for seed in range(60):
        source, dtype = Source(seed), np.float64 if seed < 40 else np.int64
        source.layout = None if seed < 20 else COLUMN_MAJOR
        case = row.draw(source)
        if row.covers in BROADCAST and len({v.shape for v in case.values() if isinstance(v, np.ndarray)}) > 1:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs = flat(row.call(row.theirs, tensors(case, torch, dtype, [])))
            except Exception:
                continue
            ours = flat(row.call(row.ours, tensors(case, minitorch, dtype, [])))
        for a, b in zip(ours, theirs):
            if isinstance(b, torch.Tensor) and b.numel():
                assert steps(a) == steps(b), f"{row}, seed {seed}: strides {a.stride()}, torch's {b.stride()}"


def steps(x: Any) -> list[int]:
    """The strides of the dimensions that have more than one element; those of the others mean nothing."""
    return [stride for stride, n in zip(x.stride(), x.shape) if n > 1]


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
