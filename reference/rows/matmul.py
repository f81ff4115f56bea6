"""Rows of `ops/matmul.py`: every combination of ranks, mismatched sizes, size 0, and transposed operands."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import minitorch

from ..strategies import bools, floats, given, ints, of
from ..table import COPIES, pair

# ---- two operands ----

for a, b in [("K", "K"), ("N K", "K"), ("K", "K M"), ("N K", "K M"), ("B N K", "K"), ("K", "B K M"), ("B N K", "K M"),
             ("N K", "B K M"), ("B N K", "B K M"), ("A B N K", "B K M"), ("B N K", "1 K M"),
             ("A 1 N K", "B K M")]:  # fmt: skip
    pair("matmul", torch.matmul, a=floats(a), b=floats(b), empty=not ("A" in a or "B" in a + b), keeps_more=COPIES)
pair("matmul", torch.matmul, a=ints("B N 0"), b=ints("B 0 M"))
pair("matmul", torch.matmul, a=ints("0 N K"), b=ints("K M"))
pair("matmul", torch.matmul, a=ints("N K"), b=ints("K M"))
pair("matmul", torch.matmul, a=floats("2 3"), b=floats("4 5"))
pair("matmul", torch.matmul, a=floats(""), b=floats("3"))
pair("mm", torch.mm, a=floats("N K"), b=floats("K M"))
pair("mm", torch.mm, a=ints("N K"), b=ints("K M"))
pair("mm", torch.mm, a=floats("*"), b=floats("*"))
pair("bmm", torch.bmm, a=floats("B N K"), b=floats("B K M"), empty=False)
pair("bmm", torch.bmm, a=floats("B N K"), b=floats("N K M"), empty=False)
pair("bmm", torch.bmm, a=ints("B N 0"), b=ints("B 0 M"))
pair("mv", torch.mv, a=floats("N K"), v=floats("K"))
pair("mv", torch.mv, a=floats("N K"), v=floats("N"))
for name in ["dot", "vdot"]:
    pair(name, getattr(torch, name), a=floats("N"), b=floats("N"))
    pair(name, getattr(torch, name), a=floats("N"), b=floats("M"))
    pair(name, getattr(torch, name), a=ints("N"), b=ints("N"))
for name in ["outer", "ger"]:
    pair(name, getattr(torch, name), a=floats("N"), b=floats("M"))
for a, b in [("N K", "M K"), ("K", "M K"), ("A N K", "K"), ("", "N K"), ("N", "M")]:
    pair("inner", torch.inner, a=floats(a), b=floats(b), keeps_more=COPIES)
for a, b in [("N M", "A B"), ("N", "A B"), ("A B C", "N")]:
    pair(
        "kron",
        lambda a, b: torch.kron(a.contiguous(), b.contiguous()),
        minitorch.kron,
        a=floats(a),
        b=floats(b),
        keeps_more=COPIES,
    )
pair("tensordot", torch.tensordot, a=floats("A B C"), b=floats("B C D"), dims=of(2), keeps_more=COPIES)
pair(
    "tensordot",
    torch.tensordot,
    a=floats("A B C"),
    b=floats("C B D"),
    dims=of(([1, 2], [1, 0]), ([-1, 1], [0, -2]), ([2], [0]), 0),
    keeps_more=COPIES,
)
pair("tensordot", torch.tensordot, a=floats("A B"), b=floats("C D"), dims=of(1, 2), keeps_more=COPIES)

# ---- a layer's product ----

for x in ("N I", "I", "A N I"):
    pair("linear", F.linear, minitorch.nn.functional.linear, x=floats(x), weight=floats("O I"), keeps_more=COPIES)
    pair(
        "linear",
        F.linear,
        minitorch.nn.functional.linear,
        x=floats(x),
        weight=floats("O I"),
        bias=floats("O"),
        keeps_more=COPIES,
    )
for x in ("N I", "I", "A N I"):
    pair("linear", F.linear, minitorch.nn.functional.linear, x=floats(x), weight=floats("I"), keeps_more=COPIES)
pair("linear", F.linear, minitorch.nn.functional.linear, x=floats("N I"), weight=floats("O M"), bias=floats("O"))
pair(
    "bilinear",
    F.bilinear,
    minitorch.nn.functional.bilinear,
    a=floats("N I"),
    b=floats("N J"),
    weight=floats("O I J"),
    bias=floats("O"),
    empty=False,
)

# ---- with something added ----

scales: Any = {"beta": of(1, 0.5, 0, 2), "alpha": of(1, -0.5, 2)}
for added in ("N M", "M", "1 M", ""):
    pair("addmm", torch.addmm, input=floats(added), a=floats("N K"), b=floats("K M"), **scales)
pair("addmv", torch.addmv, input=floats("N"), a=floats("N K"), v=floats("K"), **scales)
pair("addr", torch.addr, input=floats("N M"), a=floats("N"), b=floats("M"), **scales)
pair("baddbmm", torch.baddbmm, input=floats("B N M"), a=floats("B N K"), b=floats("B K M"), empty=False, **scales)
pair("addbmm", torch.addbmm, input=floats("N M"), a=floats("B N K"), b=floats("B K M"), empty=False, **scales)
# Integers: the factors lose their fractions, or are refused; sums go round in 8 bits.
factors: Any = {"beta": of(1, 0, 2, 0.6, -1.5, True, 300), "alpha": of(1, -1, 1.7, 2.5, False)}
for dtype in (np.int64, np.uint8):
    small = functools.partial(ints, low=0, high=9, dtype=dtype)
    pair("addmm", torch.addmm, input=small("N M"), a=small("N K"), b=small("K M"), empty=False, **factors)
    pair("addmv", torch.addmv, input=small("N"), a=small("N K"), v=small("K"), empty=False, **factors)
    pair("addr", torch.addr, input=small("N M"), a=small("N"), b=small("M"), empty=False, **factors)
    pair("baddbmm", torch.baddbmm, input=small("B N M"), a=small("B N K"), b=small("B K M"), empty=False, **factors)
    pair("addbmm", torch.addbmm, input=small("N M"), a=small("B N K"), b=small("B K M"), empty=False, **factors)
for first in (ints("N M"), bools("N M")):
    pair("addr", torch.addr, input=first, a=bools("N"), b=bools("M"), empty=False, **factors)

# ---- einsum ----


def einsum(equation: str, *patterns: str, strategy: Any = floats) -> None:
    """A row for one equation on operands of these shapes."""
    pair(
        "einsum",
        lambda *xs: torch.einsum(equation, *xs),
        lambda *xs: minitorch.einsum(equation, *xs),
        **{f"x{k}": strategy(p) for k, p in enumerate(patterns)},
        empty=False,
    )


for equation, *patterns in [
    ("ij,jk->ik", "N K", "K M"), ("ij,jk", "N K", "K M"), ("bij,bjk->bik", "B N K", "B K M"), ("i,i->", "N", "N"),
    ("i,j->ij", "N", "M"), ("ij->ji", "N M"), ("ij->", "N M"), ("ij->j", "N M"), ("ii->i", "N N"), ("ii", "N N"),
    ("ba", "N M"),
    ("iij->j", "N N M"), ("bhqd,bhkd->bhqk", "A B N D", "A B M D"), ("...ij,...jk->...ik", "A N K", "A K M"),
    ("...ij,jk->...ik", "A B N K", "K M"), ("ij,...->...ij", "N M", "A"), ("ij,jk,kl->il", "N K", "K M", "M D"),
    ("i,i,i->i", "N", "N", "N"), ("ij,ij->ij", "N M", "N M"), ("i...->...", "N A B"), ("ij,kj->ik", "N K", "M K"),
    ("bij,bij->b", "B N K", "B N K"), ("ij,kl->", "N M", "A B"), ("Ab,bA->A", "N M", "M N"), ("ij , jk -> ik", "N K", "K M"),
    ("ij,j", "N K", "K"), ("ij,jk->ijj", "N K", "K M"), ("ij,jk->iz", "N K", "K M"), ("ij,jkl->ik", "N K", "K M"),
    ("ij->ij", "N M"), ("i", "N"), ("a...,b...->ab...", "N A", "M A"),
]:  # fmt: skip
    einsum(equation, *patterns)

einsum("ij,jk->ik", "3 0", "0 2", strategy=ints)
einsum("bij,bkj->bik", "0 3 4", "0 2 4", strategy=ints)

# ---- sums long enough to round ----

long = given(lambda case, source: source.rng.standard_normal((3, 700)))
long.is_array = True  # type: ignore[attr-defined]
pair("linear", F.linear, minitorch.nn.functional.linear, x=long, weight=long, differentiable=False)
