"""How an op computes all samples of a `vmap` at once.

An op that gets a `Batched` array sees a sample's shape. What it does with the hidden dimension depends on its kind: an elementwise op
broadcasts, so the samples are aligned and that is all; a reduction or a shape goes one dimension further; a product of matrices has
batches anyway. Every other op runs once for each sample, and the results are stacked: that is right for all ops, and slow.
A rule returns samples, or None where it does not serve. Read next: `arrays/batched.py`, `func/mapping.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.batched import Batched, Level, aligned, deepest, for_all, is_at, not_one_sample
from ..arrays.device import xp_of
from .recipe import forward_of

if TYPE_CHECKING:
    from .door import Op

Rule = Callable[["Call"], Any]
rules: dict[str, Rule] = {}
# Ops between what is batched and what is not (`ops/batches.py`): they see `Batched` arrays as they are.
CROSSING = ("into_batch", "out_of_batch", "same_for_batch", "summed")
DYNAMIC = ("argwhere", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "bincount")


class Call:
    """An op and what it is called with, at one level: by the names of the parameters."""

    def __init__(self, op: Op, half: bool, args: Sequence, level: Level) -> None:
        self.op, self.half, self.args, self.level = op, half, args, level
        self.given = dict(zip(op.parameters, args))

    def inputs(self) -> list[str]:
        """The names of the inputs that are there."""
        return [n for n in self.op.inputs if getattr(self.given.get(n), "ndim", None) is not None]

    def again(self, **changed: Any) -> Any:
        """The same op on samples, and whatever else has changed."""
        return run(self.op, self.half, [changed.get(n, self.given[n]) for n in self.op.parameters])


def run(op: Op, half: bool, args: Sequence) -> Any:
    """The op's forward on arrays, some of which may be `Batched`."""
    level = deepest(args)
    if level is None or op.__name__ in CROSSING:
        xp = xp_of(next(a for a in args if hasattr(a, "strides")))
        return forward_of(op, xp, half)(xp, *args)
    if op.__name__ in DYNAMIC:
        raise not_one_sample(
            "We do not support batching operators that can output dynamic shape. Attempted to vmap over "
            f"{op.__name__}: its results may be of other shapes for other samples"
        )
    out = None
    if not op.declaration.variadic:
        call = Call(op, half, args, level)
        rule = rules.get(op.__name__) or (elementwise if op.declaration.elementwise else None)
        out = None if rule is None else rule(call)
    if out is None:
        out = one_by_one(op, half, args, level)
    if type(out) in (tuple, list):
        return type(out)(Batched(_laid_out(op, o), level) for o in out)
    return Batched(_laid_out(op, out), level)


def _laid_out(op: Op, out: Any) -> Any:
    """The samples as an array, in row-major order where the op's results are."""
    out = _array(out)
    return out if op.keeps_layout or out.flags.c_contiguous else out.copy("C")


def _array(out: Any) -> Any:
    return out if hasattr(out, "strides") and not isinstance(out, np.generic) else np.asarray(out)


# ---- every op ----


def one_by_one(op: Op, half: bool, args: Sequence, level: Level, before: Callable = lambda: None) -> Any:
    """The results for each sample, stacked. Of no samples: what one of zeros would give, of which there are none.

    before: what is done before each.
    """
    if not level.size:
        none = [_of_zeros(a, level) for a in args]
        made = run(op, half, none)
        return type(made)(o[None][:0] for o in made) if type(made) in (tuple, list) else _array(made)[None][:0]
    made = []
    for k in range(level.size):
        before()
        made.append(run(op, half, [sample(a, level, k) for a in args]))
    if type(made[0]) in (tuple, list):
        return type(made[0])(map(stacked, zip(*made)))
    return stacked(made)


def derivative_of_all(
    run_on: Callable[[list, Sequence], list], level: Level, wrap: Callable
) -> Callable[[list, Sequence], list]:
    """The derivatives on arrays of all samples; where they want to know the numbers of one, sample by sample.

    wrap: makes a Tensor of an array.
    """

    def on_arrays(grads: list, saved: Sequence) -> list:
        try:
            return run_on(grads, saved)
        except (RuntimeError, TypeError) as error:
            if isinstance(error, RuntimeError) and not hasattr(error, "asks_for_one_sample"):
                raise
            found = [run_on(*_of_sample(grads, saved, level, k, wrap)) for k in range(level.size)]
            return [None if g[0] is None else stacked_at(list(g), level) for g in zip(*found)]

    return on_arrays


def _of_sample(grads: list, saved: Sequence, level: Level, k: int, wrap: Callable) -> tuple[list, list]:
    """What came, and what was saved, for sample k."""
    kept = [wrap(sample(v._array, level, k)) if hasattr(v, "_array") else sample(v, level, k) for v in saved]
    return [sample(g, level, k) for g in grads], kept


def stacked_at(arrays: list, level: Level) -> Any:
    """One array for each sample, as samples."""
    return Batched(stacked([_array(a) for a in arrays]), level)


def sample(value: Any, level: Level, k: int) -> Any:
    """Sample k of what is batched at this level, also of those in a tuple; anything else as it is."""
    if is_at(value, level):
        return value.samples[k, ...]
    return type(value)(sample(v, level, k) for v in value) if type(value) in (tuple, list) else value


def _of_zeros(value: Any, level: Level) -> Any:
    return np.zeros(value.shape, value.dtype) if is_at(value, level) else value


def stacked(arrays: Sequence) -> Any:
    """Arrays of one shape in a new first dimension."""
    level = deepest(arrays)
    if level is None:
        return xp_of(arrays[0]).stack(arrays)
    return Batched(stacked_second([for_all(a, level) for a in arrays]), level)


def stacked_second(arrays: Sequence) -> Any:
    """The same in a new second dimension."""
    made = stacked(arrays)
    return made.transpose(1, 0, *range(2, made.ndim))


# ---- kinds of ops ----


def rule(*names: str) -> Callable[[Rule], Rule]:
    """`@rule("view")`: the rule of these ops."""

    def add(function: Rule) -> Rule:
        for name in names:
            rules[name] = function
        return function

    return add


def elementwise(call: Call) -> Any:
    """Samples broadcast with one another and with what all have in common."""
    names = call.inputs()
    ndim = max(call.given[n].ndim for n in names)
    samples = aligned([call.given[n] for n in names], ndim, call.level)
    return call.again(**dict(zip(names, samples)))


@rule("masked_fill")
def with_one_number(call: Call) -> Any:
    """Elementwise too, but if its number differs."""
    return None if isinstance(call.given["value"], Batched) else elementwise(call)


@rule("prod", "argmax", "argmin", "max", "min", "aminmax", "median", "nanmedian", "mode", "kthvalue", "sort", "topk", "flip")
@rule("softmax", "log_softmax", "cumsum", "cumprod", "logcumsumexp", "cummax", "cummin", "gather", "scatter", "scatter_add")
def along(call: Call) -> Any:
    """What goes along `dim`, or `dims`: one dimension further. All inputs have the same dimensions."""
    name = "dim" if "dim" in call.given else "dims"
    return None if call.given.get(name) is None else _along(call, name, call.given[name])


@rule("sum", "mean", "amax", "amin", "all", "any", "count_nonzero", "logsumexp")
def along_some(call: Call) -> Any:
    """The same; no dimension at all stands for all of them."""
    dim = call.given["dim"]
    every = dim is None or (isinstance(dim, (tuple, list)) and not dim)
    return _along(call, "dim", tuple(range(call.given[call.inputs()[0]].ndim)) if every else dim)


def _along(call: Call, name: str, dim: Any) -> Any:
    ndims = {call.given[n].ndim for n in call.inputs()}
    if len(ndims) != 1 or 0 in ndims:
        return None
    ndim = ndims.pop()
    further = tuple(_further(d, ndim) for d in dim) if isinstance(dim, (tuple, list)) else _further(dim, ndim)
    return call.again(**{name: further}, **_samples(call))


def _further(dim: int, ndim: int) -> int:
    if not -ndim <= dim < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim % ndim + 1


def _samples(call: Call) -> dict[str, Any]:
    """The inputs with the dimension of the samples in front."""
    return {n: for_all(call.given[n], call.level) for n in call.inputs()}


@rule("view", "copied_view")
def of_shape(call: Call) -> Any:
    """The shape, with the samples in front. (Its −1 is of a sample's size.)"""
    x, shape = call.given[call.op.parameters[0]], tuple(call.given[call.op.parameters[1]])
    if -1 in shape:
        known = int(np.prod([n for n in shape if n != -1]))
        shape = tuple(x.size // known if n == -1 else n for n in shape) if known else shape
    if -1 in shape or int(np.prod(shape)) != x.size:
        return None  # (what is wrong with it, the op says)
    return call.again(**_samples(call), **{call.op.parameters[1]: (call.level.size, *shape)})


@rule("expand")
def of_size(call: Call) -> Any:
    """The size, with the samples in front."""
    x, size = call.given["x"], call.given["size"]
    size = tuple(size) if isinstance(size, (tuple, list)) else (size,)
    if len(size) < x.ndim:
        return None
    (samples,) = aligned([x], len(size), call.level)
    return call.again(x=samples, size=(call.level.size, *size))


@rule("permute")
def in_order(call: Call) -> Any:
    """The samples' dimension stays in front."""
    x, dims = call.given["x"], call.given["dims"]
    if len(dims) != x.ndim:
        return None
    return call.again(x=x.samples, dims=(0, *(_further(d, x.ndim) for d in dims)))


@rule("transpose", "diagonal")
def of_two_dims(call: Call) -> Any:
    """Two dimensions, each one further."""
    x, names = call.given["x"], [n for n in call.op.parameters if n.startswith("dim")]
    return call.again(x=x.samples, **{n: _further(call.given[n], x.ndim) for n in names}) if x.ndim else None


@rule("t")
def transposed(call: Call) -> Any:
    """The last two dimensions change places."""
    x = call.given["x"]
    return x.samples.swapaxes(1, 2) if x.ndim == 2 and not isinstance(x.samples, Batched) else None


@rule("squeeze")
def without_ones(call: Call) -> Any:
    """Of the dimensions that are meant, those of size 1 in a sample."""
    x, dim = call.given["x"], call.given["dim"]
    meant = range(x.ndim) if dim is None else dim if isinstance(dim, (tuple, list)) else (dim,)
    if not x.ndim:
        return None
    places = [_further(d, x.ndim) for d in meant]
    return call.again(x=x.samples, dim=tuple(d for d in places if x.samples.shape[d] == 1))


@rule("unsqueeze")
def with_a_new_one(call: Call) -> Any:
    """The new dimension stands one further."""
    x = call.given["x"]
    return call.again(x=x.samples, dim=_further(call.given["dim"], x.ndim + 1))


@rule("basic_index", "index")
def at_key(call: Call) -> Any:
    """All samples at the key. (Arrays with something between them would bring their dimensions to the front.)"""
    x, key = call.given["x"], call.given["key"]
    return call.again(x=x.samples, key=(slice(None), *key)) if _is_simple(key) and is_at(x, call.level) else None


@rule("placed")
def placed_at_key(call: Call) -> Any:
    """The same back again."""
    x, shape, key = (call.given[n] for n in ("x", "shape", "key"))
    if key[-1] is Ellipsis and x.ndim == len(shape):
        return None
    return call.again(x=x.samples, shape=(call.level.size, *shape), key=(slice(None), *key))


@rule("put_at")
def put_at_key(call: Call) -> Any:
    """Samples put where the key says in each."""
    x, values, key = (call.given[n] for n in ("x", "values", "key"))
    if not _is_simple(key) or not hasattr(values, "ndim"):
        return None
    x = for_all(x, call.level)
    ndim = x[(slice(None), *key)].ndim - 1
    return call.again(x=x, values=aligned([values], ndim, call.level)[0], key=(slice(None), *key))


def _is_simple(key: tuple) -> bool:
    """Whether a key's arrays stand beside each other and are the same for all samples."""
    places = [k for k, part in enumerate(key) if hasattr(part, "strides")]
    return not places or (deepest(key) is None and places[-1] - places[0] == len(places) - 1)


# ---- products ----


def _product(call: Call, a: Any, b: Any) -> Any:
    """Matrices in the last two dimensions; the others broadcast."""
    from .declaring import ops

    batched = next(op for op in ops if op.__name__ == "matmul" and "b" in op.parameters)
    return run(batched, call.half, [a, b])


@rule("mm", "bmm", "matmul")
def of_matrices(call: Call) -> Any:
    """Batches of matrices, aligned."""
    a, b = (call.given[n] for n in call.op.parameters[:2])
    if min(a.ndim, b.ndim) < 2 or a.shape[-1] != b.shape[-2] or a.dtype != b.dtype:
        return None
    return _product(call, *aligned([a, b], max(a.ndim, b.ndim), call.level))


@rule("mv", "dot")
def of_vectors(call: Call) -> Any:
    """Vectors as matrices of one column, and of one row."""
    a, b = (call.given[n] for n in call.op.parameters[:2])
    if b.ndim != 1 or a.shape[-1] != b.shape[0] or a.dtype != b.dtype:
        return None
    rows = a.reshape(1, a.shape[0]) if a.ndim == 1 else a
    product = _product(call, *aligned([rows, b.reshape(b.shape[0], 1)], 2, call.level))
    return product.reshape(call.level.size, *a.shape[:-1])


@rule("linear")
def of_rows(call: Call) -> Any:
    """x Wᵀ + b: as it is if only x differs; else a product of matrices for each sample."""
    x, weight, bias = (call.given[n] for n in ("x", "weight", "bias"))
    if not is_at(weight, call.level) and not is_at(bias, call.level) and x.ndim:
        return call.again(x=x.samples)
    if weight.ndim != 2 or not x.ndim or x.shape[-1] != weight.shape[1] or x.dtype != weight.dtype:
        return None
    rows = x.reshape(int(np.prod(x.shape[:-1])), x.shape[-1])
    y = _product(call, *aligned([rows, weight.transpose(1, 0)], 2, call.level))
    if bias is not None:
        y = y + aligned([bias], 2, call.level)[0]
    return y.reshape(call.level.size, *x.shape[:-1], weight.shape[0])


@rule("embedding")
def rows_of(call: Call) -> Any:
    """Rows of a table that all have in common."""
    if is_at(call.given["weight"], call.level):
        return None
    return call.again(indices=call.given["indices"].samples)
