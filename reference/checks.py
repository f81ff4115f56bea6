"""What every row must pass: each check is a function of a row and a `Source` that raises AssertionError in words.

Parity is judged in float64 within 1e-9 of the output's scale, in float32 by torch.testing.assert_close's defaults with the
absolute part scaled by the output. Read next: `report.py`, which measures the same errors instead of judging them.
"""

from __future__ import annotations

import doctest
import itertools
import warnings
from typing import Any

import numpy as np
import torch

import minitorch
import minitorch.op

from .far import Words, describe, too_far, worst_error
from .hanging import what_gradients_hang_on
from .overwriting import refuses_or_is_right
from .strategies import Source
from .table import Row, copied, flat, tensors

# ---- values ----


def values(row: Row, source: Source, dtype: Any = np.float64) -> None:
    """The outputs have torch's shapes, dtypes and values."""
    case = row.draw(source)
    compare_calls(row, case, dtype)


def values_float32(row: Row, source: Source) -> None:
    """The same in float32."""
    values(row, source, np.float32)


def special_values(row: Row, source: Source) -> None:
    """The same on 0, −0, ±1, ±∞ and nan."""
    source.special = row.special
    try:
        values(row, source)
    finally:
        source.special = False


def compare_calls(
    row: Row, case: dict, dtype: Any, library: Any = minitorch, margin: float = 1.0, least: float = 1.0
) -> None:
    """Both libraries (ours may be `OnDevice`) on one case: the same error type, or equal outputs."""
    ours, theirs = attempt(row, row.ours, case, library, dtype), attempt(row, row.theirs, case, torch, dtype)
    if isinstance(theirs, Exception) or isinstance(ours, Exception):
        same = isinstance(ours, Exception) and isinstance(theirs, Exception) and issubclass(type(ours), type(theirs))
        assert same, f"{row}: ours {ours!r}, torch's {theirs!r}\n{describe(case)}"
        return
    compare(row, flat(ours), flat(theirs), dtype, case, "value", margin, least)


def attempt(row: Row, function: Any, case: dict, library: Any, dtype: Any, wants_grad: Any = ()) -> Any:
    """The result of the call, or the exception it raised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return row.call(function, tensors(case, library, dtype, list(wants_grad)))
    except Exception as error:
        return error


def compare(
    row: Row, ours: list, theirs: list, dtype: Any, case: dict, what: str, margin: float = 1.0, least: float = 1.0
) -> None:
    """Shapes, dtypes and numbers of two lists of tensors (None where there is no gradient)."""
    assert len(ours) == len(theirs), f"{row}: {len(ours)} {what}s, torch has {len(theirs)}"
    for k, (a, b) in enumerate(zip(ours, theirs)):
        if wrong := _differ(a, b, dtype, margin, least):
            raise AssertionError(f"{row}: {what} {k}\n{describe(case)}\nours   {a}\ntorch's {b}\n{wrong}")


def _differ(ours: Any, theirs: Any, dtype: Any, margin: float, least: float) -> str:
    """How two tensors differ, in words; "" where they do not. (They may be None, or numbers.)"""
    if ours is None or not isinstance(theirs, torch.Tensor):
        return "" if ours is theirs or (theirs is not None and ours == theirs) else "one is not the other"
    if tuple(ours.shape) != tuple(theirs.shape):
        return "shapes differ"
    if str(ours.dtype).split(".")[1] != str(theirs.dtype).split(".")[1]:
        return f"dtypes differ: {ours.dtype}, {theirs.dtype}"
    error = worst_error(ours.detach().cpu().numpy(), theirs.detach().numpy(force=True), dtype, least)
    return "" if error <= margin else too_far(error)


def far_from_one(row: Row, source: Source) -> None:
    """Values and first gradients in float32 on numbers of about 1e±20, 1e±25 and 1e±30, whose squares overflow or vanish.

    They are positive and not all equal, so that the digits that are left after a subtraction mean something.
    """
    if row.name in OVERFLOW_ON_THE_WAY:
        return
    factor = 10.0 ** source.choice((-30, -25, -20, 20, 25, 30))
    source.layout = 0
    case = {n: _scaled(v, factor) for n, v in row.draw(source).items()}
    source.layout = None
    compare_calls(row, case, np.float32, least=LEAST, margin=10.0)
    compare_gradients(row, case, source, np.float32, second=False, least=LEAST, margin=10.0)


LEAST = 2.0**-126 / 2.0**-23  # what is computed from smaller float32 numbers has lost digits
# Here one of both overflows on the way, because it adds or multiplies in another order (torch's cross multiplies and subtracts in
# one instruction, so that only one of both products can overflow); or a difference of roundings is all there is;
# or torch's formula in the row takes probabilities alone. (histc of one number has a range of ± 1 around it, which is nothing there.)
OVERFLOW_ON_THE_WAY = {
    "histc",
    "matmul", "mm", "bmm", "mv", "inner", "tensordot", "cov", "cross", "igammac", "igammac (b)", "linear", "bilinear",
    "addmm", "addmv", "addr", "baddbmm", "addbmm", "einsum", "grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d",
    "layer_norm", "group_norm", "batch_norm", "instance_norm", "prod", "cumprod", "gelu", "cross_entropy",
    "rnn_relu", "rsqrt", "bernoulli_slope", "scaled_dot_product_attention", "attention", "multi_margin_loss",
    "binary_cross_entropy_with_logits", "cosine_embedding_loss", "gaussian_nll_loss", "ctc_loss", "linear_cross_entropy",
    "renorm", "linalg_solve", "inverse", "det", "cholesky", "svd", "linalg_eigh", "matrix_exp", "orgqr",
}  # fmt: skip


def _scaled(value: Any, factor: float) -> Any:
    """The case's floats, multiplied."""
    if isinstance(value, list):
        return [_scaled(v, factor) for v in value]
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        return value
    return np.asarray(np.abs(value) * factor)


# ---- derivatives ----


def gradients(row: Row, source: Source, dtype: Any = np.float64) -> None:
    """First gradients equal torch's for a random upstream, and so do gradients of gradients."""
    case = row.draw(source)
    compare_gradients(row, case, source, dtype)


def gradients_float32(row: Row, source: Source) -> None:
    """The same in float32, first order."""
    case = row.draw(source)
    compare_gradients(row, case, source, np.float32, second=False)


def recorded(row: Row, source: Source) -> None:
    """Where every float wants a gradient, the same outputs are recorded, under torch's refusals too."""
    case = row.draw(source)
    floats = [n for n, v in case.items() if _holds_floats(v)]
    ours, theirs = (
        attempt(row, f, case, lib, np.float64, floats) for f, lib in ((row.ours, minitorch), (row.theirs, torch))
    )
    if isinstance(theirs, Exception):
        return
    assert not isinstance(ours, Exception), f"{row}: ours {ours!r}\n{describe(case)}"
    asks, should = ([getattr(t, "requires_grad", None) for t in flat(found)] for found in (ours, theirs))
    assert asks == should, f"{row}: requires_grad {asks}, torch's {should}\n{describe(case)}"


def _holds_floats(value: Any) -> bool:
    first = value[0] if isinstance(value, list) and value else value
    return isinstance(first, np.ndarray) and first.dtype.kind == "f"


def special_gradients(row: Row, source: Source) -> None:
    """First gradients on 0, −0, ±1, ±∞ and nan."""
    source.special = row.special
    try:
        compare_gradients(row, row.draw(source), source, np.float64, second=False)
    finally:
        source.special = False


def compare_gradients(
    row: Row,
    case: dict,
    source: Source,
    dtype: Any,
    second: bool = True,
    library: Any = minitorch,
    margin: float = 1.0,
    least: float = 1.0,
) -> None:
    """Draw one upstream and compare what backward returns."""
    if not row.inputs():
        return
    seed = source.integer(0, 2**31)
    second = second and row.second_order
    ours = differentiate(row, row.ours, case, library, dtype, seed, second)
    theirs = differentiate(row, row.theirs, case, torch, dtype, seed, second)
    if theirs is None:  # torch refuses the call (see `values`) or has no derivative
        return
    assert ours is not None, f"{row}: torch gives a gradient here\n{describe(case)}"
    compare(row, ours[0], theirs[0], dtype, case, "gradient", margin, least)
    # torch lacks some second derivatives (None here); ours are then checked by differences alone.
    if ours[1] and theirs[1]:
        compare(row, ours[1], theirs[1], dtype, case, "second derivative", margin=10.0 if dtype is np.float32 else 1.0)


def differentiate(
    row: Row, function: Any, case: dict, library: Any, dtype: Any, seed: int, second: bool, upstream_dtype: Any = np.float64
) -> Any:
    """(first gradients, second gradients) of ⟨outputs, random⟩; None if the call raises or nothing requires grad.

    Where torch has a value but no derivative, that is None too; ours may not raise.
    """
    names = row.inputs()
    made = tensors(case, library, dtype, names)
    leaves = [t for n in names for t in (made[n] if isinstance(made[n], list) else [made[n]])]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = [t for t in flat(row.call(function, made)) if getattr(t, "requires_grad", False)]
    except Exception:
        return None
    if not outputs:
        return None
    rng = np.random.default_rng(seed)
    if len(outputs) > 1 and rng.random() < 0.3:  # an output that nobody uses sends no gradient
        del outputs[rng.integers(len(outputs))]
    return derivatives(outputs, leaves, library, rng, second, upstream_dtype)


def derivatives(
    outputs: list, leaves: list, library: Any, rng: np.random.Generator, second: bool, upstream_dtype: Any = np.float64
) -> Any:
    """(first gradients, second gradients) of ⟨outputs, random⟩; None where torch has no derivative."""

    def random_like(t: Any) -> Any:
        numbers = np.asarray(rng.standard_normal(tuple(t.shape))).astype(upstream_dtype).astype(np.float64)
        return library.from_numpy(numbers).to(t.dtype)

    upstream = [random_like(o).requires_grad_(second) for o in outputs]
    try:
        first = library.autograd.grad(outputs, leaves, upstream, create_graph=second, allow_unused=True)
    except RuntimeError:
        if library is not torch:
            raise
        return None
    more: list = []
    seeds = [(g, random_like(g)) for g in first if g is not None]  # drawn for all, so that both libraries draw alike
    roots = [(g, v) for g, v in seeds if g.requires_grad]
    if second and roots:
        try:
            ends, vectors = zip(*roots)
            more = list(library.autograd.grad(ends, [*leaves, *upstream], vectors, allow_unused=True))
        except (RuntimeError, NotImplementedError):
            if library is not torch:
                raise
    # A second derivative that is identically zero is None in one library and zeros in the other: both mean zero.
    return list(first), [_zeros_if_none(g, t) for g, t in zip(more, [*leaves, *upstream])]


def derivatives_there_are(outputs: list, leaves: list, library: Any, seed: int, second: bool) -> Any:
    """The same, or the first alone where a second is refused, as torch refuses some: who compares sees that none came."""
    try:
        return derivatives(outputs, leaves, library, np.random.default_rng(seed), second)
    except RuntimeError as error:
        if not second or "is not implemented" not in str(error):
            raise
        return derivatives(outputs, leaves, library, np.random.default_rng(seed), False)


def _zeros_if_none(g: Any, like: Any) -> Any:
    return g if g is not None else like.detach() * 0


# ---- half precision ----

KINKED = ("rnn_relu",)  # a rounding on one side of 0 changes a gradient altogether
# The dtype → its relative error in torch.testing.assert_close, and its rounding of the largest number: sums cancel.
HALF = {"float16": (1e-3, 2.0**-11), "bfloat16": (1.6e-2, 2.0**-8)}


def half_precision(row: Row, source: Source) -> None:
    """Values and first gradients in float16 or bfloat16 are torch's, or the exact ones, or about as far from these as torch's.

    Exact is torch in float64 on the same numbers. Torch itself often rounds between steps where ours rounds once.
    """
    if row.half == np.inf:
        return
    case, name, seed = row.draw(source), source.choice(list(HALF)), source.integer(0, 2**31)
    dtype = getattr(minitorch, name).numpy
    case = {n: rounded(v, dtype) for n, v in case.items()}
    theirs = attempt(row, row.theirs, case, torch, dtype)
    if isinstance(theirs, Exception):
        return  # torch has no kernel for it, or refuses the call in any dtype: see `values`
    ours, exact = attempt(row, row.ours, case, minitorch, dtype), attempt(row, row.theirs, case, torch, np.float64)
    assert not isinstance(ours, Exception), f"{row} in {name}: ours {ours!r}, torch's {theirs}\n{describe(case)}"
    _compare_rounded(f"{row} in {name}: value", case, flat(ours), flat(theirs), flat(exact), dtype, row.half)
    if not row.inputs() or row.name in KINKED:
        return
    try:
        _gradients_rounded(row, name, case, dtype, seed)
    except AssertionError:
        # Where many large numbers of an upstream gradient add up to a small one, their roundings do not. A wrong derivative is as
        # wrong for others.
        for other in (seed + 1, seed + 2):
            _gradients_rounded(row, name, case, dtype, other)


def _gradients_rounded(row: Row, name: str, case: dict, dtype: Any, seed: int) -> None:
    """The first gradients of a case, for the upstream gradient of a seed."""
    theirs = differentiate(row, row.theirs, case, torch, dtype, seed, False, dtype)
    if theirs is None:
        return
    ours = differentiate(row, row.ours, case, minitorch, dtype, seed, False, dtype)
    assert ours is not None, f"{row} in {name}: torch gives a gradient here\n{describe(case)}"
    exact = differentiate(row, row.theirs, case, torch, np.float64, seed, False, dtype)
    _compare_rounded(f"{row} in {name}: gradient", case, ours[0], theirs[0], exact[0] if exact else [], dtype, row.half)


def rounded(value: Any, dtype: Any) -> Any:
    """The case's floats, as numbers that the dtype has."""
    if isinstance(value, list):
        return [rounded(v, dtype) for v in value]
    is_floats = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return copied(copied(value, dtype), np.float64) if is_floats else value


def _compare_rounded(what: str, case: dict, ours: list, theirs: list, exact: list, dtype: Any, margin: float) -> None:
    """Shapes, dtypes and numbers of two lists of half-precision tensors, beside what they would be without rounding."""
    assert len(ours) == len(theirs), f"{what}: {len(ours)} of them, torch has {len(theirs)}"
    for a, b, c in itertools.zip_longest(ours, theirs, exact[: len(ours)]):
        where = Words("{}\n{}\nours   {}\ntorch's {}\nexact  {}".format, what, Words(describe, case), a, b, c)
        if not isinstance(b, torch.Tensor):
            assert a == b, where
            continue
        assert a is not None and tuple(a.shape) == tuple(b.shape), where
        assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1], where
        if not b.is_floating_point():
            assert np.array_equal(a.numpy(), b.numpy(force=True)), where
            continue
        with np.errstate(all="ignore"):
            error = error_in_half(a.detach().double().numpy(), b.detach().double().numpy(force=True), c, dtype)
        assert error <= margin, f"{where}\n{too_far(error)}"


def error_in_half(ours: np.ndarray, theirs: np.ndarray, exact: Any, dtype: Any) -> float:
    """How far ours is from torch's or from the exact, whichever is nearer, over what is allowed; 0 if torch's is as far."""
    relative, of_largest = HALF[dtype.name]

    def apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        size = np.abs(b)
        error = np.abs(a - b) / (relative * size + of_largest * size.max(initial=0, where=np.isfinite(size)) + 1e-5)
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        return np.where(same, 0.0, np.where(np.isfinite(error) & np.isfinite(b), error, np.inf))

    error = apart(ours, theirs)
    if isinstance(exact, torch.Tensor) and exact.shape == theirs.shape:
        truth = (
            exact.detach().numpy(force=True).astype(dtype).astype(np.float64)
        )  # what is too large for the dtype is infinite in it
        error = np.minimum(error, apart(ours, truth))
        if np.abs(ours - truth).max(initial=0) <= 2 * np.abs(theirs - truth).max(initial=0):
            return 0.0  # both went by the same numbers, rounded: exp(x − out) for one
    return float(error.max(initial=0))


# ---- manners ----


def leaves_arguments_alone(row: Row, source: Source) -> None:
    """Nothing is mutated, and only views share memory with an input."""
    case = row.draw(source)
    made = tensors(case, minitorch, np.float64, [])
    before = [t.numpy().copy() for t in flat(list(made.values())) if isinstance(t, minitorch.Tensor)]
    try:
        outputs = [t for t in flat(row.call(row.ours, made)) if isinstance(t, minitorch.Tensor)]
    except Exception:
        outputs = []
    arguments = [t for t in flat(list(made.values())) if isinstance(t, minitorch.Tensor)]
    for old, t in zip(before, arguments):
        assert np.array_equal(old, t.numpy(), equal_nan=old.dtype.kind == "f"), (
            f"{row} changed an argument\n{describe(case)}"
        )
    for out in outputs:
        for t in arguments:
            shares = np.shares_memory(out.numpy(), t.numpy())
            assert not shares or out is t or out._is_view(), (
                f"{row}: an output shares memory but is no view\n{describe(case)}"
            )


def keeps_only_what_it_names(row: Row, source: Source) -> None:
    """The node keeps the values its derivatives name, and no others."""
    case = row.draw(source)
    try:
        outputs = flat(row.call(row.ours, tensors(case, minitorch, np.float64, row.inputs())))
    except Exception:
        return
    for out in outputs:
        node = getattr(out, "grad_fn", None)
        if node is None or not hasattr(node, "plan"):
            continue
        named = {n for d in (*node.op.derivatives, *itertools.chain(*node.op.twin_derivatives.values())) for n in d.names}
        named |= {*node.op.grad_fn_asks}  # what the node's name depends on
        assert set(node.plan.names) <= named, f"{row} keeps {set(node.plan.names) - named} without being asked"
        if not node.op.declaration.variadic:
            assert len(node.saved) == len(node.plan.names), f"{row}: {len(node.saved)} values for {node.plan.names}"


def dtypes(row: Row, source: Source) -> None:
    """Other dtypes promote, or are refused, as in torch: integers, bool, float16, mixed."""
    case = row.draw(source)
    kinds = {n: source.choice([np.float16, np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_]) for n in case}
    changed = {
        n: np.asarray(v.clip(0, 3)).astype(kinds[n]) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v
        for n, v in case.items()
    }
    ours = _attempt_as_is(row, row.ours, changed, minitorch)
    theirs = _attempt_as_is(row, row.theirs, changed, torch)
    if isinstance(theirs, Exception):
        return  # torch has no kernel for many dtypes that NumPy has
    nothing_out = not any(b.numel() for b in flat(theirs) if isinstance(b, torch.Tensor))
    nothing_in = any(not v.size for v in changed.values() if isinstance(v, np.ndarray))
    if isinstance(ours, RuntimeError) and (nothing_out or nothing_in):
        return  # torch does not look at the dtypes when there is nothing to compute
    assert not isinstance(ours, Exception), f"{row}: ours {ours!r}, torch's {theirs}\n{describe(changed)}"
    for a, b in zip(flat(ours), flat(theirs)):
        if isinstance(b, torch.Tensor):
            same = str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
            assert same, f"{row}: {a.dtype}, torch's {b.dtype}\n{describe(changed)}"


def _attempt_as_is(row: Row, function: Any, case: dict, library: Any) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = {n: library.from_numpy(np.array(v)) if isinstance(v, np.ndarray) else v for n, v in case.items()}
            return row.call(function, made)
    except Exception as error:
        return error


def in_place(row: Row, source: Source) -> None:
    """`x.op_()` gives what `op(x)` gives, in x's memory, and counts a version."""
    method = f"{row.name}_"
    if not hasattr(minitorch.Tensor, method) or not hasattr(torch.Tensor, method):
        return
    case = row.draw(source)
    first, *rest = case
    if not isinstance(case[first], np.ndarray):
        return
    made, fresh = tensors(case, minitorch, np.float64, []), tensors(case, minitorch, np.float64, [])
    out = attempt(row, row.ours, case, minitorch, np.float64)
    if isinstance(out, Exception) or tuple(out.shape) != made[first].shape or out.dtype is not made[first].dtype:
        return
    array = made[first]._array
    if 0 in array.strides and array.size:
        return  # a write to one element would be a write to several: both libraries refuse
    by_position = [n for n in rest if row.is_positional(n)]
    arguments, options = [made[n] for n in by_position], {n: made[n] for n in rest if n not in by_position}
    returned = getattr(made[first], method)(*arguments, **options)
    assert returned is made[first], f"{method} made another tensor"
    assert np.shares_memory(returned._array, array) or not array.size, f"{method} wrote into other memory"
    assert returned._version == fresh[first]._version + 1, f"{method} did not count a version"
    assert worst_error(returned.numpy(), out.numpy(), np.float64) <= 1, f"{method} differs from {row.name}\n{describe(case)}"


def documented(row: Row, source: Source) -> None:
    """The op has a docstring, and its examples print what they say."""
    thing = minitorch.op.registry.get(row.covers, row.ours)
    text = (thing.declaration.doc if isinstance(thing, minitorch.op.Op) else thing.__doc__) or ""
    assert text.strip(), f"{row} has no docstring"
    example = doctest.DocTestParser().get_doctest(text, {"minitorch": minitorch}, row.name, None, 0)
    if example.examples:
        lines: list[str] = []
        result = doctest.DocTestRunner(verbose=False).run(example, out=lines.append)
        assert result.failed == 0, "".join(lines)


CHECKS = (
    values, values_float32, special_values, far_from_one, gradients, gradients_float32, special_gradients, recorded,
    what_gradients_hang_on,
    leaves_arguments_alone, keeps_only_what_it_names, refuses_or_is_right, dtypes, in_place, documented,
)  # fmt: skip
