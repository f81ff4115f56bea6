"""Every row inside `autocast("cpu")`: the dtypes of results and gradients are torch's, and the numbers, as far as half precision tells.

Inputs come in float32, or each in float32 or in half precision by chance, as in the middle of a net. What is compared first are
dtypes: they show to which list an op belongs, and what it is made of. Numbers are compared as those of half precision are: with
torch's, or with the exact ones, or they are about as far from these as torch's. Where torch's are as good as float32's, ours must be
so too, or something inside was cast that should not be. Read next: `../minitorch/op/autocast_lists.py`.
"""

from __future__ import annotations

import contextlib
import itertools
import warnings
from typing import Any

import numpy as np
import torch

import minitorch

from .checks import KINKED, error_in_half, rounded
from .far import Words, describe, scale_of
from .strategies import Source
from .table import Row, flat, tensors

HALVES = ("bfloat16", "float16")
OF_OPS = ("bernoulli_slope",)  # rows of what a derivative calls
# torch casts the form with numbers to float32, and not the one with tensors. Ours, one function for both, is not cast.
ONE_OF_TWO_FORMS = ("fake_quantize_per_tensor_affine",)
MOST = 4.0  # times what one op in half precision may differ by
# torch's LSTM of padded sequences in float16: whether oneDNN has one depends on the processor; ours computes.
ONE_OF_THE_PROCESSORS = "could not create a primitive descriptor"


def under_autocast(row: Row, source: Source, half: str, mixed: bool = False, most: float = MOST) -> str:
    """Compare one drawn case; "same", or "refused" where torch raises. AssertionError in words if ours differ."""
    if row.ours_alone or row.name in (*OF_OPS, *ONE_OF_TWO_FORMS):
        return "refused"  # a formula stands for it, which is another thing to autocast; or the line above tells
    numbers = getattr(minitorch, half).numpy
    case, seed = {n: rounded(v, numbers) for n, v in row.draw(source).items()}, source.integer(0, 2**31)
    halves = {n for n in case if mixed and source.integer(0, 2) == 0}
    theirs = _attempt(row, row.theirs, case, torch, half, halves, seed)
    ours = _attempt(row, row.ours, case, minitorch, half, halves, seed)
    told = f"{row} in a region of {half}, in {half} comes {sorted(halves) or 'nothing'}"
    where = Words("{}\n{}".format, told, Words(describe, case))
    if isinstance(theirs, Exception):
        # Half precision that torch has no kernel for is none of autocast's affairs; what it refuses in float32 is.
        excused = halves or ONE_OF_THE_PROCESSORS in str(theirs)
        assert excused or isinstance(ours, Exception), f"{where}\ntorch raises {theirs!r}, ours gives {ours}"
        return "refused"
    assert not isinstance(ours, Exception), f"{where}\nours raises {ours!r}, torch gives {theirs}"
    exact = _attempt(row, row.theirs, case, torch, "", set(), seed)
    truth = ([], []) if isinstance(exact, Exception) else exact
    for what, mine, their, true in zip(("results", "gradients"), ours, theirs, truth):
        if their is None:
            continue  # torch lacks this derivative
        assert mine is not None, f"{where}\ntorch has gradients here"
        assert _dtypes(mine) == _dtypes(their), f"{where}\n{what} in {_dtypes(mine)}, torch's in {_dtypes(their)}"
        if row.half != np.inf and not (what == "gradients" and row.name in KINKED):
            _compare(mine, their, true or [], numbers, most * row.half, Words("{}\n{}".format, where, what))
    return "same"


def _dtypes(outputs: list) -> list:
    return [str(t.dtype).split(".")[1] if hasattr(t, "dtype") else t for t in outputs]


def _compare(ours: list, theirs: list, exact: list, numbers: Any, margin: float, where: Words) -> None:
    """The numbers of float tensors; what they would be without rounding stands beside them."""
    for a, b, c in itertools.zip_longest(ours, theirs, exact[: len(theirs)]):
        if isinstance(b, torch.Tensor) and b.is_floating_point():
            with np.errstate(all="ignore"):
                error = error_in_half(*(x.detach().double().numpy() for x in (a, b)), c, numbers)
            said = Words("{}\nours {}\ntorch's {}\n".format, where, a, b)
            assert error <= margin, f"{said}{error:.3g} times what one op may have"
            whole = b.dtype is torch.float32 and _is_near(b, c, 1e-6)
            assert not whole or _is_near(a, c, 1e-4), (
                f"{said}torch computes this in float32, and ours has rounded on the way"
            )


def _is_near(found: Any, exact: Any, allowed: float) -> bool:
    """Whether the numbers are, within `allowed` times the largest, what they are without rounding."""
    if not isinstance(exact, torch.Tensor) or exact.shape != tuple(found.shape) or not torch.isfinite(exact).all():
        return False
    truth = exact.detach().numpy(force=True)
    gap = np.abs(found.detach().double().numpy() - truth)
    return bool(gap.max(initial=0.0) <= allowed * scale_of(truth))


def _attempt(row: Row, function: Any, case: dict, library: Any, half: str, halves: set, seed: int) -> Any:
    """(results, gradients of the inputs) in a region, or the exception; backward runs outside of it. No half: in float64."""
    usual, numpy_half = (np.float32, getattr(minitorch, half).numpy) if half else (np.float64, None)
    wanting = row.inputs()
    made: dict = {}
    for n, value in case.items():
        made |= tensors({n: value}, library, numpy_half if n in halves else usual, wanting)
    library.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with library.autocast("cpu", dtype=getattr(library, half)) if half else contextlib.nullcontext():
                results = flat(row.call(function, made))
        except Exception as error:
            return error
        return results, _gradients(results, flat([made[n] for n in wanting]), library, seed)


def _gradients(results: list, inputs: list, library: Any, seed: int) -> list | None:
    """The gradients of ⟨results, random⟩; None if there is no such derivative."""
    roots = [t for t in results if getattr(t, "requires_grad", False)]
    if not roots:
        return []
    rng = np.random.default_rng(seed)
    upstream = [library.from_numpy(rng.uniform(-1, 1, tuple(t.shape)).astype(np.float32)).to(t.dtype) for t in roots]
    try:
        return list(library.autograd.grad(roots, inputs, upstream, allow_unused=True))
    except (RuntimeError, NotImplementedError):
        return None
