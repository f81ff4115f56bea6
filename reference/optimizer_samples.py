"""`python -m reference optimizers`: torch's own samples of optimizers, run on both libraries.

`optim_db`, which torch's test suite uses, says with which options each optimizer is made, beside which schedules, and which mistakes it
refuses. Each sample trains a small model in both libraries from the same numbers: compared are the losses and parameters step by step
(`steps`), the text, groups and state afterwards (`state`), going on from the other library's state half-way (`exchange`), the same with
a schedule (`schedules`), gradients through the step itself where the option says `differentiable` (`through`), and who refuses what,
in torch's words (`errors`). Read next: `module_samples.py`.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch

import minitorch

from .opinfo import Tally, difference, lines, noting
from .opinfo_calls import Call, LeftOut, Side, entries, ours
from .optimizers import ROWS, convert

DTYPES = ("float64", "float32")
SUITES = ("steps", "state", "exchange", "schedules", "through", "errors")
STEPS = 4
COARSE = {row.name: row.allowed for row in ROWS if row.allowed > 1e-6}  # what is computed in bfloat16


def optimizers(only: str | None = None) -> int:
    """Run, print; 1 if a sample differs, else 0."""
    from tqdm import tqdm

    chosen = [entry for entry in optim_db() if only is None or only in entry.name]
    if not chosen:
        raise SystemExit(f"reference optimizers: no optimizer's name contains {only!r}")
    tallies = [run(entry) for entry in tqdm(chosen, unit="optimizer", leave=False, disable=None)]
    print("\n".join(lines(tallies, SUITES)))
    there = [entry for entry in chosen if hasattr(minitorch.optim, entry.name)]
    print(f"samples of torch's: {sum(len(samples(entry)) for entry in there)} of {len(there)} optimizers")
    return int(any(tally.first for tally in tallies))


def optim_db() -> list[Any]:
    """torch's list of optimizers."""
    return entries("common_optimizers", "optim_db")


def samples(entry: Any) -> list[Any]:
    """What torch's tests make the optimizer with."""
    return entry.optim_inputs_func(device="cpu")


def run(entry: Any, dtypes: tuple[str, ...] = DTYPES, most: int | None = None) -> Tally:
    """All suites on one optimizer. most: how many samples, and schedules beside each."""
    tally = Tally(entry.name)
    if not hasattr(minitorch.optim, entry.name):
        tally.left_out["there are no sparse tensors" if entry.only_supports_sparse_grads else "no such optimizer"] += 1
        return tally
    for dtype in dtypes:
        for sample in samples(entry)[:most]:
            with noting(tally), default_dtype(dtype):
                _compare(tally, entry, sample.kwargs, dtype, most)
    for mistake in entry.optim_error_inputs_func(device="cpu", dtype=torch.float64):
        with noting(tally):
            tally.count("errors", _refusal(entry, mistake))
    return tally


@contextlib.contextmanager
def default_dtype(name: str) -> Iterator[None]:
    """In both libraries: in it they keep the number of the step, and what follows from it."""
    for lib in (minitorch, torch):
        lib.set_default_dtype(getattr(lib, name))
    try:
        yield
    finally:
        for lib in (minitorch, torch):
            lib.set_default_dtype(lib.float32)


def _compare(tally: Tally, entry: Any, options: dict[str, Any], dtype: str, most: int | None) -> None:
    """One sample, alone and with each of the flags that exclude one another, and beside the schedules."""
    if entry.step_requires_closure and dtype == "float32":
        raise LeftOut("in float32 rounding decides when a search near the minimum ends")
    count = lambda suite, mine, theirs: tally.count(suite, _apart(entry, mine, theirs))
    flags = [flag for flag in entry.supported_impls if flag in ("foreach", "fused")]
    for more in ({}, *({flag: True} for flag in flags)):
        mine, theirs = (Training(lib, entry, {**options, **more}, dtype) for lib in (minitorch, torch))
        count("steps", mine.steps(), theirs.steps())
        count("state", mine.seen(), theirs.seen())
        to_mine, to_theirs = convert(theirs.optimizer.state_dict(), minitorch), convert(mine.optimizer.state_dict(), torch)
        mine.optimizer.load_state_dict(to_mine)
        theirs.optimizer.load_state_dict(to_theirs)
        count("exchange", mine.steps(), theirs.steps())
    for schedules in entry.scheduler_inputs[:most]:
        mine, theirs = (Training(lib, entry, options, dtype, schedules) for lib in (minitorch, torch))
        count("schedules", [mine.steps(), mine.seen()], [theirs.steps(), theirs.seen()])
    if "differentiable" in entry.supported_impls and dtype == "float64":
        count("through", *(_gradients_through_a_step(lib, entry, options) for lib in (minitorch, torch)))


def _apart(entry: Any, mine: Any, theirs: Any) -> str:
    """The difference in words; coarsely of what is computed in bfloat16."""
    found = difference(mine, theirs)
    if found and entry.name in COARSE and "times what is allowed" in found:
        pairs = zip(_numbers(mine), _numbers(theirs), strict=True)
        if all(
            float((a - b).abs().nan_to_num().max()) <= COARSE[entry.name] * max(float(b.abs().max()), 1.0) for a, b in pairs
        ):
            return ""
    return found


def _numbers(value: Any) -> Iterator[torch.Tensor]:
    """All tensors in a nested value, as torch's of float64."""
    if isinstance(value, (torch.Tensor, minitorch.Tensor)):
        yield torch.tensor(value.tolist(), dtype=torch.float64)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _numbers(each)


# ---- one training ----


class Training:
    """A small model, y = x A + z B (+ c), its optimizer and the schedules beside it, in one library.

    Its loss has one minimum: elsewhere a second-order method would make rounding grow.
    """

    def __init__(self, lib: Any, entry: Any, options: dict[str, Any], dtype: str, schedules: Any = ()) -> None:
        self.lib, self.entry = lib, entry
        kind = getattr(torch, dtype)
        torch.manual_seed(0)
        shapes = [(5, 3), (5, 3)] if entry.name == "Muon" else [(5, 3), (5, 3), (3,)]
        drawn = [torch.randn(shape, dtype=kind) for shape in shapes]
        data = [torch.randn(40, n, dtype=kind) for n in (5, 5, 3)]
        side = Side(lib, Call((*data, *drawn), options))
        self.x, self.z, self.y, *values = side.args
        self.params = [lib.nn.Parameter(value) for value in values]
        self.optimizer = getattr(lib.optim, entry.name)(groups(entry, self.params), **side.kwargs)
        self.schedules = [(make if lib is torch else ours(make))(self.optimizer) for make in schedules]
        self.calls = 0

    def steps(self) -> list[Any]:
        """What some steps give."""
        return [self.step() for _ in range(STEPS)]

    def step(self) -> list[Any]:
        """One step: the loss, how often it was asked for, the parameters."""

        def closure() -> Any:
            self.calls += 1
            self.optimizer.zero_grad()
            out = self.x @ self.params[0] + self.z @ self.params[1] + sum(self.params[2:])
            loss = (out - self.y).pow(2).mean() + 0.1 * sum(param.pow(2).sum() for param in self.params)
            loss.backward()
            return loss

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loss = self.optimizer.step(closure)
            for schedule in self.schedules:
                if isinstance(schedule, self.lib.optim.lr_scheduler.ReduceLROnPlateau):
                    schedule.step(loss.detach())
                else:
                    schedule.step()
        return [loss.detach(), self.calls, [param.detach() for param in self.params]]

    def seen(self) -> list[Any]:
        """What can be seen of the optimizer and its schedules: text, groups and state."""
        states = [each.state_dict() for each in (self.optimizer, *self.schedules)]
        return [repr(self.optimizer), self._listed(states)]

    def _listed(self, value: Any) -> Any:
        """A state dict as lists, by name; floats as tensors, which are compared up to rounding."""
        if isinstance(value, dict):
            return [[key, self._listed(value[key])] for key in sorted(value, key=str) if not callable(value[key])]
        if isinstance(value, (list, tuple)):
            return [self._listed(each) for each in value]
        return self.lib.tensor(value, dtype=self.x.dtype) if isinstance(value, float) else value


def groups(entry: Any, params: list[Any]) -> list[Any]:
    """The parameters as they are given: the last one in a group of its own, if there may be several."""
    return [{"params": params[:-1]}, {"params": params[-1:]}] if entry.supports_param_groups else params


def _gradients_through_a_step(lib: Any, entry: Any, options: dict[str, Any]) -> Any:
    """∂⟨θ after a step, c⟩ by θ before it and by what the gradient was made of.

    One step: torch cannot go back through several of most optimizers, for it overwrites what it has recorded.
    """
    torch.manual_seed(0)
    drawn = tuple(torch.rand(3, 2, dtype=torch.float64) + 0.5 for _ in range(3))
    side = Side(lib, Call(drawn, options))
    start, given, c = side.args
    leaves = [each.requires_grad_() for each in (start, given)]
    param = start.clone()
    optimizer = getattr(lib.optim, entry.name)([param], **side.kwargs, differentiable=True)
    param.grad = given * given
    optimizer.step()
    if entry.name == "SGD" and options.get("momentum"):
        raise LeftOut("gradients through the first velocity, which torch cuts off from its gradient")
    return list(lib.autograd.grad((param * c).sum(), leaves, allow_unused=True))


# ---- mistakes ----


def _refusal(entry: Any, mistake: Any) -> str:
    """A mistake that torch's tests expect to be refused: ours must be of its type, and in words that they look for."""
    made = mistake.optimizer_error_input
    told = [_attempt(lib, entry, made) for lib in (minitorch, torch)]
    if not isinstance(told[1], Exception):
        raise LeftOut("a mistake that torch does not mind on the CPU")
    if found := difference(*told):
        return found
    return "" if re.search(mistake.error_regex, str(told[0])) else f"{told[0]}; torch's words: {mistake.error_regex}"


def _attempt(lib: Any, entry: Any, made: Any) -> Exception | None:
    """What making the optimizer, and a step with it, raises; warnings are errors."""
    if made.params is None:
        params: Any = [torch.nn.Parameter(torch.ones(2, 2))]
    else:
        params = made.params
    side = ParameterSide(lib, Call((params,), made.kwargs))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            optimizer = getattr(lib.optim, entry.name)(*side.args, **side.kwargs)
            closure: Callable | None = (lambda: lib.ones(())) if entry.step_requires_closure else None
            optimizer.step(closure)
        except (Exception, Warning) as error:
            return error
    return None


class ParameterSide(Side):
    """Arguments among which there are parameters, with their gradients."""

    def _own(self, given: torch.Tensor) -> Any:
        return self.library.nn.Parameter(super()._own(given)) if given.is_floating_point() else super()._own(given)
