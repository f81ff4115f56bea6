"""Sums over chosen indices: `einsum`, `tensordot`, `inner`, `bilinear`, all made of matrix products.

The one idea: of two operands each letter is of the batch (both have it and it stays), summed (both have it and it goes) or one
operand's own. Put in that order and flattened, they are a batched matrix product. Read next: `normalize.py`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..op import composite
from ..op.autocast import as_it_is
from ..op.signature import tensor_list
from .dims import as_ints, canonical_dim
from .matmul import bmm, mm

if TYPE_CHECKING:
    from ..tensor import Tensor


@composite
def einsum(equation: Any = "", *operands: Any) -> Tensor:
    """Einstein's sum: `einsum("ij,jk->ik", a, b)` multiplies, and sums over the letters missing on the right.

    Or with a list of numbers after each operand, and one for the result: `einsum(a, [0, 1], b, [1, 2], [0, 2])`.

    Without `->` the letters that occur once, in alphabetical order, are the result. `...` broadcasts.
    Several operands are multiplied from left to right, as in torch (unless the package opt_einsum is installed beside it).
    """
    if hasattr(equation, "_array") and operands:
        equation, operands = _in_letters(equation, *operands)
    tensors = tuple(operands[0]) if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    if not tensors:
        raise ValueError(
            "einsum(): must specify the equation string and at least one operand, or operands and their subscripts"
        )
    if not isinstance(equation, str):
        raise TypeError(f"einsum(): the equation must be a string, got {type(equation).__name__}")
    tensors = tensor_list("einsum", tensors)
    terms, result = _parsed(equation.replace(" ", ""), tensors)
    total, letters = _diagonals(tensors[0], terms[0])
    for k in range(1, len(tensors)):
        later = set(result).union(*(_wide(x, term) for x, term in zip(tensors[k + 1 :], terms[k + 1 :])))
        total, letters = _contract(total, letters, *_diagonals(tensors[k], terms[k]), later)
    return _arranged(total, letters, result)


def _in_letters(*operands: Any) -> tuple[str, tuple]:
    """The equation of `einsum(a, [0, 1], b, [1, 2], [0, 2])`: subscript 0 is A, 26 is a; and the tensors."""
    terms = ["".join(map(_letter, subscripts)) for subscripts in operands[1::2]]
    result = "->" + "".join(map(_letter, operands[-1])) if len(operands) % 2 else ""
    return ",".join(terms) + result, operands[0 : 2 * len(terms) : 2]


def _letter(subscript: Any) -> str:
    if subscript is ...:
        return "..."
    if not 0 <= subscript < 52:
        raise ValueError(f"einsum(): subscript {subscript} is not within the valid range [0, 52)")
    return chr(ord("A") + subscript) if subscript < 26 else chr(ord("a") + subscript - 26)


def _parsed(equation: str, tensors: tuple) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with `...` spelled out in Greek letters."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if not tensors or len(terms) != len(tensors):
        raise RuntimeError(f"einsum(): {len(terms)} terms in {equation!r} but {len(tensors)} operands were given")
    spare = [chr(c) for c in range(0x3B1, 0x3B1 + 24)]
    widest = 0
    for i, (term, x) in enumerate(zip(terms, tensors)):
        named = len(term.replace("...", ""))
        extra = x.ndim - named
        if extra < 0 or (extra and "..." not in term):
            raise RuntimeError(
                f"einsum(): the number of subscripts in the equation ({named}) does not match the number of dimensions "
                f"({x.ndim}) for operand {i}"
            )
        terms[i] = term.replace("...", "".join(spare[24 - extra :] if extra else ""))
        widest = max(widest, extra if "..." in term else 0)
    for letter in set("".join(terms)):
        if not letter.isalpha():
            raise RuntimeError(f"einsum(): invalid subscript given: {letter!r} in {equation!r}; subscripts are letters")
    dots = "".join(spare[24 - widest :] if widest else "")
    if not arrow:
        plain = "".join(terms)
        right = dots + "".join(sorted(c for c in set(plain) - set(dots) if plain.count(c) == 1))
    right = right.replace("...", dots)
    for c in right:
        if right.count(c) > 1 or not any(c in t for t in terms):
            raise RuntimeError(
                f"einsum(): output subscript {c} does not appear once in the output and in an input of {equation!r}"
            )
    return terms, right


def _diagonals(x: Tensor, letters: str) -> tuple[Tensor, str]:
    """Repeated letters of one operand are its diagonal."""
    for c in dict.fromkeys(letters):
        while letters.count(c) > 1:
            i = letters.index(c)
            j = letters.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise RuntimeError(
                    f"einsum(): subscript {c} is repeated but the sizes don't match, {x.shape[j]} != {x.shape[i]}"
                )
            x = x.diagonal(0, i, j)
            letters = letters[:i] + letters[i + 1 : j] + letters[j + 1 :] + c
    return x, letters


def _contract(a: Tensor, la: str, b: Tensor, lb: str, later: set) -> tuple[Tensor, str]:
    """Multiply two operands and sum over the letters they share that nobody needs later: one batched product."""
    alone = (set(la) | set(lb)) - later - (_wide(a, la) & _wide(b, lb))
    (a, la), (b, lb) = _without(a, la, alone), _without(b, lb, alone)
    sizes = {c: n for letters, x in ((la, a), (lb, b)) for c, n in zip(letters, x.shape) if n != 1}
    for c, n in [*zip(la, a.shape), *zip(lb, b.shape)]:
        if n not in (1, sizes.get(c, 1)):
            raise RuntimeError(f"einsum(): subscript {c} has size {n} which does not broadcast with {sizes[c]}")
    both = [c for c in la if c in lb]
    batch = [c for c in both if c in later]
    summed = [c for c in both if c not in later]
    only_a, only_b = [c for c in la if c not in lb], [c for c in lb if c not in la]

    def arranged(x: Tensor, letters: str, rows: list, columns: list) -> Tensor:
        order = [*batch, *rows, *columns]
        x = x.permute(*(letters.index(c) for c in order)) if order else x
        x = x.expand([sizes.get(c, 1) for c in order])
        return x.reshape([math.prod(sizes.get(c, 1) for c in group) for group in (batch, rows, columns)])

    left, right = arranged(a, la, only_a, summed), arranged(b, lb, summed, only_b)
    product = bmm(left, right) if summed else left * right  # as in torch, only the former asks for one dtype
    letters = [*batch, *only_a, *only_b]
    return product.reshape([sizes.get(c, 1) for c in letters]), "".join(letters)


def _wide(x: Tensor, letters: str) -> set[str]:
    """The letters of its dimensions that are not of size 1, which broadcast."""
    return {c for c, n in zip(letters, x.shape) if n != 1}


def _without(x: Tensor, letters: str, drop: set) -> tuple[Tensor, str]:
    """Sum over these letters. Those of size 1 just go: a sum would make int64 of smaller integers, which torch does not."""
    wide = [i for i, c in enumerate(letters) if c in drop and x.shape[i] != 1]
    x = x.sum(wide, keepdim=True) if wide else x
    return x.squeeze([i for i, c in enumerate(letters) if c in drop]), "".join(c for c in letters if c not in drop)


def _summed(x: Tensor, letters: str, drop: set) -> tuple[Tensor, str]:
    dims = [i for i, c in enumerate(letters) if c in drop]
    return (x.sum(dims) if dims else x), "".join(c for c in letters if c not in drop)


def _arranged(x: Tensor, letters: str, result: str) -> Tensor:
    x, letters = _summed(x, letters, set(letters) - set(result))
    return x.permute(*(letters.index(c) for c in result)) if result else x


# ---- chosen by number ----


@composite(out=True)
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Σ over pairs of dimensions: the last `dims` of a with the first of b, or the two lists in `dims`."""
    if hasattr(dims, "_array"):
        dims = int(dims.item()) if dims.numel() == 1 else dims.tolist()
    if isinstance(dims, (tuple, list)) and len(dims) != 2:
        raise ValueError(f"tensordot(): dims must be two lists of ints, one for each tensor, but got {len(dims)}: {dims}")
    if not isinstance(dims, (int, tuple, list)):
        raise RuntimeError(
            f"tensordot expects dims to be int or tuple[list[int], list[int]] or list[list[int]] containing two lists, but got "
            f"dims={dims}"
        )
    if not isinstance(dims, int) and isinstance(dims[0], int) is not isinstance(dims[1], int):
        raise TypeError(f"tensordot(): dims must be two lists of ints, got {dims}")
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(
                f"tensordot expects dims <= {min(a.ndim, b.ndim)}, which both tensors have, but got dims={dims}"
            )
        dims = (list(range(a.ndim - dims, a.ndim)), list(range(dims)))
    if a.dtype is not b.dtype:
        raise RuntimeError(f"tensordot(): both inputs should have same dtype, got {a.dtype!r} and {b.dtype!r}")
    of_a = [canonical_dim(d, a.ndim) for d in as_ints(dims[0])]
    of_b = [canonical_dim(d, b.ndim) for d in as_ints(dims[1])]
    if (of_a and not a.ndim) or (of_b and not b.ndim):
        raise IndexError(f"tensordot: a tensor without dimensions has none to sum over, got dims={dims}")
    if len(of_a) != len(of_b):
        raise RuntimeError(f"both dimension lists should have same length, got {of_a} and {of_b}")
    for i, j in zip(of_a, of_b):
        if a.shape[i] == b.shape[j]:
            continue
        if a.shape[i] == 1 or b.shape[j] == 1:  # broadcast: the other one is summed on its own
            a, b = a.sum(i, keepdim=True, dtype=a.dtype), b.sum(j, keepdim=True, dtype=b.dtype)
        else:
            raise RuntimeError(
                f"contracted dimensions need to match, but first has size {a.shape[i]} in dim {i} and second has size "
                f"{b.shape[j]} in dim {j}"
            )
    free_a = [d for d in range(a.ndim) if d not in of_a]
    free_b = [d for d in range(b.ndim) if d not in of_b]
    n, k, m = (
        math.prod(s) for s in ([a.shape[d] for d in free_a], [a.shape[d] for d in of_a], [b.shape[d] for d in free_b])
    )
    left = a.permute(*free_a, *of_a).reshape(n, k) if a.ndim else a.reshape(1, 1)
    right = b.permute(*of_b, *free_b).reshape(k, m) if b.ndim else b.reshape(1, 1)
    product = as_it_is(mm, left, right) if n == m == 1 else mm(left, right)  # one number is no product to autocast
    return product.reshape([*(a.shape[d] for d in free_a), *(b.shape[d] for d in free_b)])


@composite(out="cast")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Σ_k a_…k b_…k over the last dimension of both."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    return tensordot(input, other, ([-1], [-1]))


@composite(same_dtype="input1 input2 weight bias")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x₁ᵀ W_k x₂ + b_k: x₁ (…, I), x₂ (…, J), W (K, I, J), y (…, K)."""
    if input1.ndim != input2.ndim or input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(f"bilinear(): batch dimensions do not match: got {list(input1.shape)} and {list(input2.shape)}")
    if (input1.shape[-1], input2.shape[-1]) != tuple(weight.shape[1:]):
        raise RuntimeError(
            f"bilinear(): input sizes {input1.shape[-1]}, {input2.shape[-1]} do not match weight {list(weight.shape)}"
        )
    if bias is not None and bias.shape[:1] != weight.shape[:1]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {list(bias.shape)}, expected {weight.shape[0]}"
        )
    out = as_it_is(einsum, "...i,kij,...j->...k", input1, weight, input2)  # no product to autocast, on the CPU
    return out if bias is None else out + bias
