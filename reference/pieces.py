"""Pieces of random programs: some steps as one function, which ours runs through `minitorch.compile` and torch as it is.

A piece is called several times, and other steps come between: what it depends on changes.
Read next: `state_machine.py`, which calls them and compares what they leave.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from functools import partial
from typing import Any

import minitorch
from minitorch.kernels.c import toolchain

from .steps import GIVES_GRADIENTS, LIBRARIES, STEPS, TURNS, is_leaf, tame, undefined
from .strategies import Source

Pair = tuple[Any, Any]  # a tensor of ours, and torch's
LEARNING = ["learn", "clear"]  # the optimizer's step, and its zero_grad
IN_PIECES = [*STEPS, *(["backward", *LEARNING] * 3)]


class Accident(Exception):
    """What torch does here is an accident, or its own affair."""


class Piece:
    """Some steps as one function of tensors that it holds, of arguments, and of what the steps before have made."""

    def __init__(self, source: Source, pairs: list[Pair]) -> None:
        leaves = [
            pair for pair in pairs if is_leaf(pair[1]) is True
        ]  # (of others, which have a history, there is no program)
        self.held = [source.choice(leaves or pairs) for _ in range(source.integer(1, 2))]
        self.given = [source.choice(pairs) for _ in range(source.integer(0, 2))]
        self.plan = [
            (source.choice(IN_PIECES), source.integer(0, 5), source.integer(0, 5), source.integer(0, 3))
            for _ in range(source.integer(1, 5))
        ]
        self.gives = source.choice(["all", "last", "detached", "nothing"])
        self.optimizers = [_optimizer(side, self.held) for side in (0, 1)]
        self.taken: list[str] = []  # the steps that torch's side took in the last call
        backend = "c" if source.integer(0, 3) == 0 and has_compiler() else "numpy"
        self.functions = minitorch.compile(self._function(0), backend=backend), self._function(1)

    @property
    def names(self) -> set[str]:
        """Its steps."""
        return {name for name, *_ in self.plan}

    @property
    def has_program(self) -> bool:
        """Whether ours has become a program."""
        return any(v.program is not None for v in self.functions[0].variants)

    def change(self, source: Source, pairs: list[Pair]) -> None:
        """Before a call: other arguments of the same shapes, another learning rate."""
        alike = [[pair for pair in pairs if pair[1].shape == given[1].shape] or [given] for given in self.given]
        self.given = [source.choice(each) if source.integer(0, 3) == 0 else given for each, given in zip(alike, self.given)]
        rate = source.choice([0.1, 0.1, 0.2])
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = rate

    def call(self, side: int) -> Any:
        """One call on one library: a list of tensors."""
        if side == 1:
            self.taken = []
        return self.functions[side](*(pair[side] for pair in self.given))

    def _function(self, side: int) -> Callable[..., list]:
        library, gives, held = LIBRARIES[side], self.gives, [pair[side] for pair in self.held]
        plan = [(self._step(side, name), name not in GIVES_GRADIENTS, *operands) for name, *operands in self.plan]

        def piece(*given: Any) -> list:
            tensors, made = [*held, *given], []
            for step, is_operand, i, j, k in plan:
                out = step(library, tensors[i % len(tensors)], tensors[j % len(tensors)], k)
                if isinstance(out, library.Tensor) and not any(out is t for t in tensors):
                    made.append(out)
                    if is_operand:
                        tensors.append(out)
            if gives == "detached":
                return [t.detach() for t in made]
            return made if gives == "all" else made[-1:] if gives == "last" else []

        return piece

    def _step(self, side: int, name: str) -> Callable[[Any, Any, Any, int], Any]:
        optimizer = self.optimizers[side]
        if name == "learn":
            step = lambda lib, t, u, k: optimizer.step()
        elif name == "clear":
            step = lambda lib, t, u, k: optimizer.zero_grad(set_to_none=k > 0)
        else:
            step = STEPS[name]
        return partial(self._judged, name, step) if side == 1 else step

    def _judged(self, name: str, step: Callable, lib: Any, t: Any, u: Any, k: int) -> Any:
        """A step on torch's side, which comes first: where its answer would be an accident, or explode, neither side goes on."""
        self.taken.append(name)
        if undefined(name, t, u) or (name in TURNS and t.retains_grad):
            raise Accident
        return step(lib, tame(t), tame(u), k)

    def __str__(self) -> str:
        return f"held {len(self.held)}, given {len(self.given)}: {self.plan} gives {self.gives}"


@functools.cache
def has_compiler() -> bool:
    """Whether a C compiler is found, for pieces with loops in C."""
    try:
        return bool(toolchain.compiler())
    except toolchain.NoCompiler:
        return False


def _optimizer(side: int, held: list[Pair]) -> Any:
    """One for the first leaf that the piece holds."""
    leaves = [pair[side] for pair in held if is_leaf(pair[1]) is True]
    return LIBRARIES[side].optim.SGD(leaves[:1] or [LIBRARIES[side].zeros(1)], lr=0.1, momentum=0.5)
