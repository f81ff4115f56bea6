"""`python -m reference modules`: torch's own samples of layers and losses, run on both libraries, in training and in evaluation.

`module_db`, which torch's test suite uses, says how each class of `torch.nn` is made and called. Both libraries make the module after the
same seed; its initial state must be torch's bit by bit. Then torch's state is loaded, and compared are: text and keys (`state`), what the
module returns (`values`), the gradients of inputs and parameters (`gradients`), their gradients (`second`), and who refuses what
(`errors`). Read next: `opinfo.py`, whose tallies these are.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

import minitorch

from .checks import derivatives_there_are
from .opinfo import Tally, difference, lines, noting
from .opinfo_calls import Call, LeftOut, Side, entries, ours
from .table import flat

DTYPES = ("float64", "float32")
SUITES = ("state", "values", "gradients", "second", "errors")


def modules(only: str | None = None) -> int:
    """Run, print; 1 if a sample differs that is not known to, else 0."""
    from tqdm import tqdm

    chosen = [entry for entry in module_db() if only is None or only in entry.name]
    if not chosen:
        raise SystemExit(f"reference modules: no layer's name contains {only!r}")
    tallies = [run(entry) for entry in tqdm(chosen, unit="layer", leave=False, disable=None)]
    print("\n".join(lines(tallies, SUITES)))
    return int(any(tally.differing() for tally in tallies))


def module_db() -> list[Any]:
    """torch's list of modules."""
    return entries("common_modules", "module_db")


def run(entry: Any, dtypes: tuple[str, ...] = DTYPES, most: int | None = None) -> Tally:
    """All suites on one layer. most: how many samples of each dtype and mode."""
    tally = Tally(entry.name)
    if not hasattr(minitorch.nn, entry.module_cls.__name__):
        tally.left_out["no such layer"] += 1
        return tally
    for name in dtypes:
        dtype = getattr(torch, name)
        for training in (True, False):
            for sample in samples(entry.module_inputs_func, entry, dtype, training)[:most]:
                with noting(tally):
                    _compare(tally, entry, sample, dtype, training)
    if entry.module_error_inputs_func is not None:
        for mistake in samples(entry.module_error_inputs_func, entry, torch.float64, True):
            with noting(tally):
                _count_refusal(tally, entry, mistake.module_error_input)
    return tally


def _compare(tally: Tally, entry: Any, sample: Any, dtype: torch.dtype, training: bool) -> None:
    """One sample: first the modules, then what they return, then the gradients."""
    theirs, mine = (made(entry, sample, library, dtype, training) for library in (torch, minitorch))
    if sample.forward_input is None:
        tally.count("state", difference(_text(mine), _text(theirs)))
        return
    call = Call(sample.forward_input.args, sample.forward_input.kwargs)
    found = [_outcome(module, library, call) for module, library in ((mine, minitorch), (theirs, torch))]
    # (A lazy module has its state only now.)
    tally.count("state", difference(_text(mine), _text(theirs)))
    tally.count("values", difference(found[0][0], found[1][0]))
    if isinstance(mine, Exception) or isinstance(theirs, Exception):
        return
    mine.load_state_dict({name: minitorch.from_numpy(value.numpy().copy()) for name, value in theirs.state_dict().items()})
    second = dtype is torch.float64 and entry.supports_gradgrad
    found = [_outcome(module, library, call, second) for module, library in ((mine, minitorch), (theirs, torch))]
    tally.count("values", difference(found[0][0], found[1][0]))
    (_, had), (_, expected) = found
    if expected is None or isinstance(expected, Exception):
        return
    if had is None or isinstance(had, Exception):
        tally.count("gradients", f"{had!r}")
        return
    tally.count("gradients", difference(had[0], expected[0]))
    if second and expected[1]:
        tally.count("second", difference(had[1], expected[1]))


def _outcome(module: Any, library: Any, call: Call, second: bool = False) -> tuple[Any, Any]:
    """What the module returns or raises, and the gradients of ⟨that, random⟩, if there are any."""
    if isinstance(module, Exception):
        return module, None
    side = ModuleSide(library, call, wants_grad=True)
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = module(*side.args, **side.kwargs)
        except LeftOut:
            raise
        except Exception as error:
            return error, None
        outputs = [t for t in flat(result) if getattr(t, "requires_grad", False)]
        leaves = [*side.leaves, *(p for p in module.parameters() if p.requires_grad)]
        if not outputs or not leaves:
            return result, None
        try:
            return result, derivatives_there_are(outputs, leaves, library, 0, second)
        except Exception as error:
            return result, error


def _text(module: Any) -> Any:
    """What can be seen of a module: its text, and the names, shapes and numbers of its state."""
    if isinstance(module, Exception):
        return module
    state = module.state_dict()
    return [repr(module).replace("minitorch.", "torch."), list(state), list(state.values())]


def _count_refusal(tally: Tally, entry: Any, sample: Any) -> None:
    """A sample that torch refuses, when the module is made or when it is called."""
    told = []
    for library in (minitorch, torch):
        module = made(entry, sample, library, torch.float64, True)
        if isinstance(module, Exception) or sample.forward_input is None:
            told.append(module)
            continue
        told.append(_outcome(module, library, Call(sample.forward_input.args, sample.forward_input.kwargs))[0])
    if not isinstance(told[1], Exception):
        raise LeftOut("a mistake that torch does not mind on the CPU")
    tally.count("errors", difference(*told))


# ---- modules and their arguments ----


def made(entry: Any, sample: Any, library: Any, dtype: torch.dtype, training: bool) -> Any:
    """The sample's module, after a seed; or the exception that making it raises."""
    given = sample.constructor_input
    side = ModuleSide(library, Call(given.args, given.kwargs))
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = getattr(library.nn, entry.module_cls.__name__)(*side.args, **side.kwargs)
        except Exception as error:
            return error
        return module.to(getattr(library, str(dtype).removeprefix("torch."))).train(training)


class ModuleSide(Side):
    """Arguments among which there may be modules, which are made anew, and functions."""

    def _converted(self, value: Any) -> Any:
        if self.library is torch:
            return value if isinstance(value, torch.nn.Module) else super()._converted(value)
        if isinstance(value, torch.nn.Module):
            args, kwargs = value.made_with
            again = ModuleSide(self.library, Call(args, kwargs))
            mine = getattr(self.library.nn, type(value).__name__)(*again.args, **again.kwargs)
            mine.load_state_dict({name: self._converted(tensor) for name, tensor in value.state_dict().items()})
            return mine.train(value.training)
        if isinstance(value, Callable) and not isinstance(value, type):
            return ours(value)
        return super()._converted(value)


def samples(make: Callable, entry: Any, dtype: torch.dtype, training: bool) -> list[Any]:
    """What torch's tests make and call the module with; the numbers are the same each time."""
    torch.manual_seed(0)
    with warnings.catch_warnings(), _noting_how_modules_are_made():
        warnings.simplefilter("ignore")
        return make(entry, device="cpu", dtype=dtype, requires_grad=True, training=training)


@contextlib.contextmanager
def _noting_how_modules_are_made() -> Iterator[None]:
    """While samples are made, each layer keeps what it was made with."""
    classes = [each for each in vars(torch.nn).values() if isinstance(each, type) and issubclass(each, torch.nn.Module)]
    kept = [(each, vars(each)["__init__"]) for each in set(classes) - {torch.nn.Module} if "__init__" in vars(each)]
    for each, init in kept:
        each.__init__ = _noting(init)
    try:
        yield
    finally:
        for each, init in kept:
            each.__init__ = init


def _noting(init: Callable) -> Callable:
    @functools.wraps(init)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        self.__dict__.setdefault("made_with", (args, kwargs))
        init(self, *args, **kwargs)

    return __init__
