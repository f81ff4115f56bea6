"""Running somebody's program for `minitorch explain`: watched, up to the backward that is to be shown.

A program that leaves its loss is traced at its end. One that calls `backward` itself is traced at that moment, the first time: the
tensors have the names of the variables that can be seen there, and the optimizer's step that follows is noted as well.
Read next: `explain.py`, which shows the trace.
"""

from __future__ import annotations

import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest import mock

from .. import Tensor, nn, optim
from ..autograd import watch
from ..autograd.pictures import picture_of
from ..autograd.tracing import Trace, trace
from ..autograd.watching import line_of, users_frames
from ..utils.page.data import Update
from .ends import UserError, did_you_mean


def traced(path: Path, variable: str | None, names: tuple[str, ...]) -> tuple[Trace, Update | None]:
    """Run the file and trace its variable (None: `loss`), or its first backward; whatever is wrong with either is a UserError."""
    run = _Run(may_stop=variable is None)
    namespace = run.of(path, names)
    wanted = variable or "loss"
    tensors = {name: value for name, value in _public(namespace) if isinstance(value, Tensor)}
    if wanted not in namespace:
        if variable is None and run.trace is not None:
            return run.trace, run.update
        found = f"its tensors are {', '.join(tensors)}" if tensors else "it leaves no tensor at all"
        raise UserError(f"{path} leaves no variable {wanted!r}; {found}; name one with --variable")
    root = namespace[wanted]
    if not isinstance(root, Tensor):
        raise UserError(f"{path}: {wanted} is of type {type(root).__name__}, expected a Tensor")
    try:
        if any(step.freed for step in trace(root)):
            if run.trace is not None and variable is None:
                return run.trace, run.update
            raise UserError(f"{path}: backward has already run from {wanted} and freed its graph; leave out .backward()")
        return trace(root, _names([namespace]), run=True, forward=run.forward, hooks=True), None
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: {wanted}: {error}") from None


class Enough(BaseException):
    """Ends a program of which all that is to be shown has been seen."""


class _Run:
    """A run of a program, and what is noted of it. may_stop: it is not needed to its end."""

    def __init__(self, may_stop: bool) -> None:
        self.may_stop = may_stop
        self.called: set[Any] = set()  # the lines that have called backward
        self.forward = watch()
        self.trace: Trace | None = None
        self.update: Update | None = None
        self.names: dict[str, Tensor] = {}
        self.before: dict[str, Any] = {}

    def of(self, path: Path, names: tuple[str, ...]) -> dict[str, Any]:
        """The variables that the program leaves."""
        backward, begin = Tensor.backward, optim.Optimizer.__init__
        run = self

        def noted_backward(tensor: Any, *args: Any, **kwargs: Any) -> None:
            run.note_backward(tensor)
            backward(tensor, *args, **kwargs)

        def noted_begin(optimizer: Any, *args: Any, **kwargs: Any) -> None:
            begin(optimizer, *args, **kwargs)
            optimizer.register_step_pre_hook(run.note_before)
            optimizer.register_step_post_hook(run.note_update)

        with suppress(Enough), ExitStack() as stack:
            stack.enter_context(mock.patch.object(Tensor, "backward", noted_backward))
            stack.enter_context(mock.patch.object(optim.Optimizer, "__init__", noted_begin))
            stack.enter_context(self.forward)
            return left_by(path, names)
        return {}  # it has been stopped

    def note_backward(self, tensor: Any) -> None:
        """Trace what is about to happen, if it is the first time and starts from a number."""
        if self.trace is None and tensor.numel() == 1 and tensor.requires_grad:
            self.names = _names([frame.f_locals for frame in reversed(users_frames())])
            self.trace = trace(tensor, self.names, run=True, forward=self.forward)
        here = line_of(next(iter(users_frames()), None))
        if here is not None and here in self.called and self.trace is not None and self.may_stop:
            raise Enough  # the program is in a loop, and its first pass is what is shown
        self.called.add(here)

    def note_before(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """The parameters before the first step."""
        if self.trace is not None and self.update is None:
            self.before = {name: picture_of(p) for name, p in self._parameters(optimizer)}

    def note_update(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """And after it."""
        if self.before and self.update is None:
            rows = tuple((name, self.before.get(name), picture_of(p)) for name, p in self._parameters(optimizer))
            usual = {
                k: v
                for k, v in optimizer.param_groups[0].items()
                if k in ("lr", "momentum", "betas", "weight_decay", "eps") and v
            }
            told = ", ".join(f"{k}={v}" for k, v in usual.items())
            self.update = Update(f"{type(optimizer).__name__}({told})", line_of(next(iter(users_frames()), None)), rows)

    def _parameters(self, optimizer: Any) -> Iterator[tuple[str, Tensor]]:
        known = {id(tensor): name for name, tensor in reversed(self.names.items())}
        for k, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
            yield known.get(id(p), f"parameter {k}"), p


# ---- names ----


def _names(namespaces: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Tensors by the variables that hold them, then those in models, lists, dicts and objects."""
    found: dict[str, Tensor] = {}
    for namespace in namespaces:
        found |= {name: value for name, value in _public(namespace) if isinstance(value, Tensor)}
    for namespace in namespaces:
        found |= {name: value for name, value in _inside(namespace) if name not in found}
    return found


def _public(namespace: dict[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in namespace.items() if not name.startswith("_")]


def _inside(namespace: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    """The tensors in models, lists and dicts: `model.0.weight`, `layers[1]`, `params['w']`."""
    for name, value in _public(namespace):
        if isinstance(value, nn.Module):
            yield from ((f"{name}.{inner}", parameter) for inner, parameter in value.named_parameters())
        elif isinstance(value, (list, tuple, dict)):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            yield from ((f"{name}[{key!r}]", item) for key, item in items if isinstance(item, Tensor))
        elif name == "self":
            held = {f"self.{key}": item for key, item in _public(getattr(value, "__dict__", {}))}
            yield from ((key, item) for key, item in held.items() if isinstance(item, Tensor))
            yield from _inside(held)


# ---- running a file ----


def left_by(path: Path, names: tuple[str, ...]) -> dict[str, Any]:
    """The variables that a file leaves when it is run as a program. names: the examples that there are beside files."""
    if not path.exists():
        near = did_you_mean(str(path), names)
        raise UserError(f"{path} is neither a file nor an example ({', '.join(names)}){near}")
    if not path.is_file():
        raise UserError(f"{path} is a folder; name a Python file")
    argv, sys.argv = sys.argv, [str(path)]
    sys.path.insert(0, str(path.parent))
    try:
        return runpy.run_path(str(path), run_name="__main__")
    except SystemExit as end:
        raise UserError(f"{path} ends the program itself: exit({end.code!r})") from None
    except Exception as error:
        raise UserError(f"{path}{_line(error, path)}: {type(error).__name__}: {error}") from None
    finally:
        sys.argv = argv
        sys.path.remove(str(path.parent))


def _line(error: Exception, path: Path) -> str:
    """The line of the file where it went wrong, if it did there."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f", line {line}" if line else ""
