"""The layers and losses beside torch's: drawn options, the same seed, and every number and word compared.

A row names a layer, draws its options and its inputs. Both libraries build it after the same seed, which must give the same weights,
bit by bit. Then: the repr and the state dict's keys, the output of some training steps, the gradients of inputs and parameters in
each, the buffers after them, and the output in evaluation, recorded or not. An error counts as an outcome: its type must be torch's.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st

import minitorch

from ..far import Words
from .drawing import Arrays, Inner


class Row(NamedTuple):
    """A layer by its name in `nn`: how to draw its options, and its inputs for those options.

    Inputs are arrays, tuples of them, and whatever else the layer takes; a dict at the end holds those given by keyword.
    """

    name: str
    options: st.SearchStrategy[dict[str, Any]]
    inputs: Callable[[Any, np.random.Generator, dict[str, Any]], Arrays]

    def build(self, lib: Any, options: dict[str, Any], dtype: str) -> Any:
        return Inner(self.name, options).build(lib).to(getattr(lib, dtype))


STEPS = 3


def worst_error(row: Row, draw: Any, dtype: str = "float64", libraries: tuple[Any, Any] = (minitorch, torch)) -> float:
    """The largest difference of outputs, gradients and state, relative to each tensor's scale.

    AssertionError in words if the two libraries, ours and torch's, differ in kind. `draw` draws from a strategy
    (hypothesis's `data.draw`).
    """
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    rng = np.random.default_rng(seed)
    options = draw(row.options, label="options")
    inputs = row.inputs(draw, rng, options)
    ours, theirs = (Run(row, lib, options, inputs, dtype, seed) for lib in libraries)
    if libraries[0] is not minitorch:  # a GPU draws other numbers
        ours.drop_nothing()
        theirs.drop_nothing()
    about = f"{row.name}({options}) on {[getattr(x, 'shape', x) for x in inputs]}"
    if libraries[0] is minitorch:  # (a GPU draws other numbers)
        assert ours.state == theirs.state, f"{about}: from one seed other weights than torch's"
    ours.begin_as(theirs)
    upstream = int(rng.integers(0, 2**32))
    errors = [0.0]
    for (what, have), (same, want) in zip(list(ours.story(upstream)), list(theirs.story(upstream))):
        where = Words("{}, {}: ours {!r}, torch's {!r}".format, about, what, have, want)
        assert what == same, where
        if isinstance(want, Exception) or isinstance(have, Exception):
            assert isinstance(have, Exception) and isinstance(want, Exception) and issubclass(type(have), type(want)), where
            break
        if isinstance(want, np.ndarray) and isinstance(have, np.ndarray):
            assert have.shape == want.shape and have.dtype == want.dtype, where
            errors.append(difference(have, want))
        else:
            assert have == want, where
    return max(errors)


class Run:
    """One library's layer, and the story of what it does."""

    def __init__(self, row: Row, lib: Any, options: dict[str, Any], inputs: Arrays, dtype: str, seed: int) -> None:
        self.lib, self.inputs, self.dtype = lib, inputs, dtype
        lib.manual_seed(seed)
        self.layer = attempt(lambda: row.build(lib, options, dtype))

    def drop_nothing(self) -> None:
        """Set every probability of dropout to 0, those that are left to their defaults too."""
        for module in [] if isinstance(self.layer, Exception) else self.layer.modules():
            for name in ("p", "dropout"):
                if isinstance(value := getattr(module, name, None), (int, float)) and 0 < value < 1:
                    setattr(module, name, 0.0)

    @property
    def state(self) -> dict[str, bytes]:
        """The bytes of what the layer holds."""
        if isinstance(self.layer, Exception):
            return {}
        held = {name: self.plain(value) for name, value in self.layer.state_dict().items()}
        return {name: value.tobytes() for name, value in held.items() if isinstance(value, np.ndarray)}

    def begin_as(self, other: Run) -> None:
        """Take the other's parameters and buffers, all of them but those that have no shape yet."""
        if not isinstance(self.layer, Exception) and not isinstance(other.layer, Exception):
            held = other.layer.state_dict()
            there = {name: value for name, value in held.items() if not other.lib.nn.parameter.is_lazy(value)}
            state = {name: self.lib.from_numpy(np.array(other.plain(value))) for name, value in there.items()}
            self.layer.load_state_dict(state, strict=len(there) == len(held))

    def story(self, seed: Any) -> Iterator[tuple[str, Any]]:
        """What can be seen from outside, in order, as (what, value) pairs; the seed is for all that is drawn."""
        self.lib.manual_seed(seed)
        if isinstance(self.layer, Exception):
            yield "construction", self.layer
            return
        yield "repr", re.sub("minitorch", "torch", repr(self.layer))
        yield "state dict", list(self.layer.state_dict())
        rng = np.random.default_rng(seed)
        for step in range(STEPS):
            yield from self.training_step(f"step {step}", rng)
        for name, value in self.layer.state_dict().items():
            yield name, self.plain(value)  # a copy: evaluation may still change it (Embedding with max_norm does)
        self.layer.eval()
        yield from self.seen("evaluation", self.output(self.tensors()))
        with self.lib.no_grad():  # torch has other kernels where nothing is recorded
            yield from self.seen("inference", self.output(self.tensors()))

    def training_step(self, when: str, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
        leaves = self.tensors()
        out = self.output(self.mapped(lambda x: x * 1 if x.requires_grad else x, leaves))  # × 1: leaves are not written to
        yield from self.seen(f"{when}: output", out)
        outs = [x for x in flat(out) if isinstance(x, self.lib.Tensor) and x.requires_grad]
        if not outs:
            return
        self.layer.zero_grad()
        upstream = [self.lib.from_numpy(np.asarray(rng.standard_normal(tuple(x.shape)))).to(x.dtype) for x in outs]
        self.lib.autograd.backward(outs, upstream)
        for k, x in enumerate(flat(leaves)):
            if isinstance(x, self.lib.Tensor):
                yield f"{when}: gradient of input {k}", self.plain(x.grad)
        for name, param in self.layer.named_parameters():
            yield f"{when}: gradient of {name}", self.plain(param.grad)
            with self.lib.no_grad():
                if param.grad is not None:
                    param -= 0.1 * param.grad

    def seen(self, what: str, out: Any) -> Iterator[tuple[str, Any]]:
        """Every tensor of a result."""
        for k, x in enumerate(flat(out)):
            yield f"{what} {k}", self.plain(x)

    def output(self, inputs: list[Any]) -> Any:
        """What the layer returns or raises; on a GPU a bad index is raised once somebody looks at the numbers."""
        *first, named = inputs if inputs and isinstance(inputs[-1], dict) else (*inputs, {})

        def looked_at() -> Any:
            out = self.layer(*first, **named)
            list(self.seen("", out))
            return out

        return attempt(looked_at)

    def tensors(self) -> list[Any]:
        """The inputs; floats want a gradient."""

        def made(x: Any) -> Any:
            floating = x.dtype.kind == "f"
            tensor = self.lib.from_numpy(np.array(x.astype(self.dtype) if floating else x))
            return tensor.requires_grad_() if floating else tensor

        return self.mapped(made, self.inputs)

    def mapped(self, function: Callable[[Any], Any], tree: Any) -> Any:
        """The tree with function(x) for each of its arrays or tensors."""
        if isinstance(tree, (list, tuple)):
            return type(tree)(self.mapped(function, x) for x in tree)
        if isinstance(tree, dict):
            return {name: self.mapped(function, x) for name, x in tree.items()}
        return function(tree) if isinstance(tree, (np.ndarray, self.lib.Tensor)) else tree

    def plain(self, value: Any) -> Any:
        if self.lib.nn.parameter.is_lazy(value):
            return repr(value)
        return value.detach().cpu().numpy().copy() if isinstance(value, self.lib.Tensor) else value


def flat(tree: Any) -> Iterator[Any]:
    """The leaves of tuples, lists and dicts."""
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (list, tuple)):
        for each in tree:
            yield from flat(each)
    else:
        yield tree


def attempt(action: Callable[[], Any]) -> Any:
    """What the action returns, or the exception it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return action()
        except Exception as error:
            return error


def difference(have: np.ndarray, want: np.ndarray) -> float:
    """max |have − want| relative to the scale of `want`, at least 1; infinite if infinities or nans differ."""
    have, want = have.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(have[~finite], want[~finite], equal_nan=True) or not np.isfinite(have[finite]).all():
        return float("inf")
    if not finite.any():
        return 0.0
    return float(np.abs(have[finite] - want[finite]).max()) / max(1.0, float(np.abs(want[finite]).max()))
