"""`python -m reference opinfo`: torch's own samples, run on both libraries.

The rows of the table are our choice of what matters; `op_db`, the samples that torch's test suite uses, is torch's. Each entry whose
function we have is called in every way torch's tests call it. Printed are the samples passed of all, suite by suite, and of every
entry the first difference. What is left out is counted, with its reason; `STAYS` lists the differences that stay. Read next:
`opinfo_calls.py`.
"""

from __future__ import annotations

import contextlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import numpy as np
import torch

import minitorch

from .checks import HALF, derivatives_there_are, error_in_half
from .far import worst_error
from .opinfo_calls import Call, LeftOut, Side, as_numpy, entries, mistakes, name_of, ours, samples, spread_over
from .table import flat

DTYPES = ("float64", "float32", "int64", "bool", "float16", "bfloat16")
SUITES = ("values", "gradients", "second", "forms", "out", "errors")

# Patterns of name and suite → why the difference stays.
STAYS = {
    ("__r*__", "errors"): "a number in the place of self, which only a call by hand can put there",
    ("softmax*", "out"): "out= is nowhere documented",
    ("log_softmax*", "out"): "out= is nowhere documented",
    ("F.*", "out"): "out= is nowhere documented: functions of layers that happen to take it",
    ("narrow_copy", "out"): "torch writes past the gaps of an out= that has some",
    ("as_strided_scatter", "gradients"): "torch's gradient of x is g where src was put, 0 elsewhere: the wrong way round",
    ("as_strided_scatter", "second"): "torch's gradient of x is g where src was put, 0 elsewhere: the wrong way round",
    ("cov", "gradients"): "of two observations the weights cancel: their gradient is 0, and in float32 both have roundings",
    ("kron", "out"): "out= is not written",
    ("multinomial", "out"): "out= is not written",
    ("bernoulli", "*"): "out= is not written",
    ("*stack", "out"): "that int64 cannot hold the result is a TypeError in torch, as nowhere else",
    ("cat", "out"): "that int64 cannot hold the result is a TypeError in torch, as nowhere else",
    ("nan*", "out"): "an out= of int64 beside floats is told otherwise",
    ("normal", "out"): "an out= of int64 beside floats is told otherwise",
    ("kthvalue", "errors"): "out= that is an input: ours is computed first, and right",
    ("masked_select", "errors"): "out= that is an input: ours is computed first, and right",
    ("cat", "errors"): "out= that is an input: ours is computed first, and right",
    ("index_*", "errors"): "out= that is an input: ours is computed first, and right",
    ("take", "errors"): "out= that is an input: ours is computed first, and right",
    ("gather", "errors"): "out= that is an input: ours is computed first, and right",
    ("*inear*ross*ntropy*", "second"): "in chunks, torch takes the gradients for constants, which gives zeros; ours refuses",
    ("linspace*", "values"): "torch cuts integers and halves in the middle of a vector register: it depends on the CPU",
}

# Their numbers are whatever was in memory: only shape and dtype can be compared.
UNSPECIFIED = ("empty", "empty_like", "new_empty", "empty_strided", "new_empty_strided", "empty_permuted")


@dataclass
class Tally:
    """How many samples of an entry passed, by suite; the first differences; what was left out, with reasons."""

    name: str
    passed: Counter = field(default_factory=Counter)
    total: Counter = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    left_out: Counter = field(default_factory=Counter)

    def count(self, suite: str, difference: str) -> None:
        """One sample more; the difference is "" if there is none."""
        self.total[suite] += 1
        self.passed[suite] += not difference
        if difference:
            self.first.setdefault(suite, difference)

    def differing(self) -> list[str]:
        """The suites with a difference that is not known to stay."""
        return [suite for suite in self.first if not self.why_it_stays(suite)]

    def why_it_stays(self, suite: str) -> str:
        """The reason why a difference is known to stay, or ""."""
        return next((why for (name, of), why in STAYS.items() if fnmatch(self.name, name) and fnmatch(suite, of)), "")


def opinfo(only: str | None = None, dtype: str | None = None, most: int | None = None) -> int:
    """Run, print; 1 if a sample differs that is not known to, else 0."""
    from tqdm import tqdm

    chosen = [entry for entry in entries() if only is None or only in name_of(entry)]
    if not chosen:
        raise SystemExit(f"reference opinfo: no entry's name contains {only!r}")
    tallies = [
        run(entry, (dtype,) if dtype else DTYPES, most) for entry in tqdm(chosen, unit="entry", leave=False, disable=None)
    ]
    print("\n".join(lines(tallies)))
    return int(any(tally.differing() for tally in tallies))


def run(entry: Any, dtypes: tuple[str, ...] = DTYPES, most: int | None = None) -> Tally:
    """All suites on one entry. most: how many samples of each dtype, spread over all."""
    tally = Tally(name_of(entry))
    try:
        function = ours(entry.op)
    except LeftOut:
        tally.left_out["no such function"] += 1
        return tally
    for name in dtypes:
        dtype = getattr(torch, name)
        if dtype in entry.supported_dtypes("cpu"):
            _of_dtype(tally, entry, function, dtype, most)
    for call in spread_over(mistakes(entry), most):
        with noting(tally):
            tally.count("errors", _values(entry.op, function, call, only_errors=True))
    return tally


def _of_dtype(tally: Tally, entry: Any, function: Callable, dtype: torch.dtype, most: int | None) -> None:
    differentiated = dtype in (torch.float64, torch.float32) and dtype in entry.supported_backward_dtypes("cpu")
    half = dtype in (torch.float16, torch.bfloat16)
    compare = _shapes if entry.name in UNSPECIFIED else difference
    for k, call in enumerate(spread_over(samples(entry, dtype, differentiated and entry.supports_autograd), most)):
        with noting(tally):
            tally.count("values", _values(entry.op, function, call, compare, half))
        if half:
            continue
        if differentiated and entry.supports_autograd:
            with noting(tally):
                _count_gradients(tally, entry.op, function, call, dtype is torch.float64 and entry.supports_gradgrad)
        if entry.supports_out and entry.name not in UNSPECIFIED:
            with noting(tally):
                tally.count("out", _out(entry.op, function, call, k == 0))
        for theirs, mine, changes in _forms(tally, entry):
            if not changes:
                with noting(tally):
                    tally.count("forms", _values(theirs, mine, call, compare))
                continue
            with noting(tally):
                tally.count("forms", _values(_on_a_copy(theirs), _on_a_copy(mine), call, compare))
            if differentiated and entry.supports_inplace_autograd:
                with noting(tally):
                    _count_gradients(tally, _on_a_copy(theirs), _on_a_copy(mine), call, False)


@contextlib.contextmanager
def noting(tally: Tally) -> Iterator[None]:
    """Count what is left out, with its reason."""
    try:
        yield
    except LeftOut as reason:
        tally.left_out[str(reason)] += 1


def _forms(tally: Tally, entry: Any) -> Iterator[tuple[Callable, Callable, bool]]:
    """The other ways to call it: as a method, in place, as an operator, by its other names; and whether it changes its input."""
    ways = [(entry.method_variant, False), (entry.inplace_variant, True)]
    ways += [(entry.operator_variant, False), (entry.inplace_operator_variant, True)]
    for alias in entry.aliases:
        ways += [(alias.op, False), (alias.method_variant, False), (alias.inplace_variant, True)]
    for theirs, changes in ways:
        if theirs is None:
            continue
        with noting(tally):
            yield theirs, ours(theirs), changes


def _on_a_copy(function: Callable) -> Callable:
    """A function that writes to its input, called with a copy of it: a leaf may not be written to."""
    return lambda first, *args, **kwargs: function(first.clone(), *args, **kwargs)


# ---- one sample ----


def outcome(function: Callable, side: Side, **more: Any) -> Any:
    """What the call returns, as far as it is determined, or the exception it raises."""
    side.library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = function(*side.args, **side.kwargs, **more)
            return result if more else side.determined(result)
        except LeftOut:
            raise
        except Exception as error:
            return error


def _values(
    theirs: Callable, mine: Callable, call: Call, compare: Any = None, half: bool = False, only_errors: bool = False
) -> str:
    expected = outcome(theirs, Side(torch, call))
    if only_errors and not isinstance(expected, Exception):
        raise LeftOut("a mistake that torch does not mind on the CPU")
    exact = outcome(theirs, Side(torch, call, dtype=torch.float64)) if half else None
    return (compare or difference)(outcome(mine, Side(minitorch, call)), expected, exact)


def _count_gradients(tally: Tally, theirs: Callable, mine: Callable, call: Call, second: bool) -> None:
    """First gradients, and those of the gradients if `second`, of ⟨outputs, random⟩."""
    found = []
    for function, library in ((mine, minitorch), (theirs, torch)):
        side = Side(library, call, wants_grad=True)
        result = outcome(function, side)
        if library is torch and any(isinstance(t, torch.Tensor) and t.is_complex() for t in flat(result)):
            raise LeftOut("complex numbers")
        outputs = [] if isinstance(result, Exception) else [t for t in flat(result) if getattr(t, "requires_grad", False)]
        made = None
        if outputs:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    made = derivatives_there_are(outputs, side.leaves, library, 0, second)
                except Exception as error:
                    made = error
        found.append((len(outputs), made))
    (n, made), (n_expected, expected) = found
    if not n_expected or expected is None or isinstance(expected, Exception):
        return
    if n != n_expected or isinstance(made, Exception):
        told = f"{made!r}" if isinstance(made, Exception) else f"{n} outputs require grad, torch's {n_expected}"
        tally.count("gradients", told)
        return
    tally.count("gradients", difference(made[0], expected[0]))
    if second and expected[1]:
        tally.count("second", difference(made[1], expected[1]))


def _out(theirs: Callable, mine: Callable, call: Call, all_targets: bool) -> str:
    """`out=` of the result's own shape and dtype; and of others, if `all_targets`."""
    result = outcome(theirs, Side(torch, call._replace(determined=lambda result: result)))
    if not all(isinstance(t, torch.Tensor) and not t.is_complex() for t in flat(result)):
        raise LeftOut("out= where the result is no tensor")
    several = isinstance(result, (tuple, list))
    for target in TARGETS if all_targets else TARGETS[:1]:
        told: list[Any] = []
        for function, library in ((mine, minitorch), (theirs, torch)):
            side = Side(library, call)
            made = [target(library, t) for t in flat(result)]
            given = outcome(function, side, out=tuple(made) if several else made[0])
            same = [a is b for a, b in zip(flat(given), made)]
            told.append(given if isinstance(given, Exception) else [side.determined(given), same])
        if found := difference(*told):
            return f"out={target.__name__}: {found}"
    return ""


def the_right_one(library: Any, result: torch.Tensor) -> Any:
    """A tensor of the result's shape and dtype."""
    return library.zeros(result.shape, dtype=_dtype(library, result))


def an_empty_one(library: Any, result: torch.Tensor) -> Any:
    """A tensor of no elements, which is resized."""
    return library.zeros(0, dtype=_dtype(library, result))


def a_long_one(library: Any, result: torch.Tensor) -> Any:
    """One of integers, to which floats cannot be cast."""
    return library.zeros(result.shape, dtype=library.int64)


def one_with_gaps(library: Any, result: torch.Tensor) -> Any:
    """A view of every other element of a longer tensor."""
    return library.zeros((*result.shape, 2), dtype=_dtype(library, result))[..., 0]


TARGETS = (the_right_one, an_empty_one, a_long_one, one_with_gaps)


def _dtype(library: Any, tensor: torch.Tensor) -> Any:
    return getattr(library, str(tensor.dtype).removeprefix("torch."))


# ---- comparing ----


def difference(mine: Any, theirs: Any, exact: Any = None) -> str:
    """How ours differs from torch's, in words; "" if it does not. exact: torch's in float64, beside half precision."""
    if any(isinstance(t, torch.Tensor) and t.is_complex() for t in flat(theirs)):
        raise LeftOut("complex numbers")
    if isinstance(theirs, Exception) or isinstance(mine, Exception):
        return "" if _kind(mine) == _kind(theirs) else f"{_told(mine)}; torch's: {_told(theirs)}"
    if isinstance(theirs, (tuple, list)):
        if not isinstance(mine, (tuple, list)) or len(mine) != len(theirs):
            return f"{_told(mine)}; torch's: {_told(theirs)}"
        parts = exact if isinstance(exact, (tuple, list)) and len(exact) == len(theirs) else [None] * len(theirs)
        return next(filter(None, map(difference, mine, theirs, parts)), "")
    if not isinstance(theirs, torch.Tensor):
        same = str(mine).replace("minitorch.", "torch.") == str(theirs) or mine == theirs
        return "" if same else f"{_told(mine)}; torch's: {_told(theirs)}"
    return _shapes(mine, theirs) or _numbers(mine, theirs, exact)


def _kind(outcome: Any) -> str:
    """The type of an outcome, by its name: either library has a LinAlgError of its own."""
    return type(outcome).__name__.removeprefix("_")


def _shapes(mine: Any, theirs: Any, exact: Any = None) -> str:
    if not isinstance(theirs, torch.Tensor):
        return difference(mine, theirs)
    same = isinstance(mine, minitorch.Tensor) and tuple(mine.shape) == tuple(theirs.shape)
    return "" if same and str(mine.dtype) == f"mini{theirs.dtype}" else f"{_told(mine)}; torch's: {_told(theirs)}"


def _numbers(mine: Any, theirs: torch.Tensor, exact: Any) -> str:
    b = as_numpy(theirs)
    if b.dtype.name not in HALF:
        error = worst_error(mine.detach().numpy(), b, b.dtype.type)
    else:
        exact = exact if isinstance(exact, torch.Tensor) and exact.dtype is torch.float64 else None
        error = error_in_half(mine.detach().double().numpy(), b.astype(np.float64), exact, b.dtype)
    return "" if error <= 1 else f"{_told(mine)}; torch's: {_told(theirs)}; {error:.3g} times what is allowed"


def _told(value: Any) -> str:
    """A result in a few words."""
    if isinstance(value, Exception):
        return f"{type(value).__name__}: {str(value).splitlines()[0][:100] if str(value) else ''}"
    if isinstance(value, (torch.Tensor, minitorch.Tensor)):
        numbers = " ".join(str(value.detach().reshape(-1)[:6].tolist()).split())
        return f"{str(value.dtype).split('.')[1]} {list(value.shape)} {numbers}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_told, value))})"[:300]
    return repr(value)[:100]


# ---- the report ----


def lines(tallies: list[Tally], suites: tuple[str, ...] = SUITES) -> list[str]:
    """Every entry that was run, the totals, what was left out and what stays."""
    run_ones = [tally for tally in tallies if tally.total]
    width = max((len(tally.name) for tally in run_ones), default=4)
    text = [f"{'entry':<{width}}  " + "  ".join(f"{suite:>11}" for suite in suites)]
    for tally in run_ones:
        counts = "  ".join(f"{_share(tally.passed[s], tally.total[s]):>11}" for s in suites)
        told = [f"{suite}: {difference}" for suite, difference in tally.first.items()]
        text.append(f"{tally.name:<{width}}  {counts}" + "".join(f"\n    {line}" for line in told))
    passed, total = (sum((getattr(t, of) for t in tallies), Counter()) for of in ("passed", "total"))
    text += [
        "",
        "passed of total: " + ", ".join(f"{suite} {passed[suite]}/{total[suite]}" for suite in suites if total[suite]),
    ]
    text += ["", *_left_out(tallies)]
    known = [(tally.name, suite, tally.why_it_stays(suite)) for tally in tallies for suite in tally.first]
    return text + [f"stays: {name}, {suite}: {why}" for name, suite, why in known if why]


def _share(passed: int, total: int) -> str:
    return f"{passed}/{total}" if total else "-"


def _left_out(tallies: list[Tally]) -> list[str]:
    """What was left out, by reason."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for tally in tallies:
        for reason in tally.left_out:
            by_reason[reason].append(tally.name)
    return [f"left out ({reason}): {', '.join(names)}" for reason, names in sorted(by_reason.items())]
