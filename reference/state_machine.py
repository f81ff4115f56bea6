"""Random programs, one step at a time on both libraries: ops, views, writes, detach, no_grad, hooks, backward, grad.

After each step everything that can be seen is compared: values, versions, `requires_grad`, leaves, views, gradients, and
which call raised. A step that raises must have changed nothing. `tests/test_state_machine.py` lets hypothesis choose the
steps; `python -m reference machine` runs as many as wanted.
"""

from __future__ import annotations

import collections
import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from minitorch.compiler.halves import DOUBLE

from .pieces import Accident, Piece
from .steps import CREATES, DIFFERENTIATES, GIVES_GRADIENTS, LIBRARIES, STEPS, TURNS, VIEWS, is_leaf, undefined, writes
from .strategies import Source

SHAPES = [(3,), (2, 3), (), (1, 3), (2, 1), (0, 3)]
MOST = 8  # tensors alive in a program
torch.set_warn_always(True)  # one of its warnings counts as a refusal here, each time


class Difference(AssertionError):
    """The two libraries did not do the same."""


# ---- the machine ----


class Lockstep:
    """One program: for each tensor ours and torch's; `step` does the next thing to both and compares."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        self.views: list[bool] = []  # whether a view step made it: whether torch's matmul ends in a view is its own affair
        self.born: list[tuple[int, int]] = []  # the versions at which the pairs were first seen: a gradient may have any
        self.recording = True
        self.created = False  # whether a backward has been recorded
        self.over = False  # a failed backward has freed half a graph: nothing after it would be comparable
        self.pieces: list[Piece] = []
        self.log: list[str] = []

    def leaf(self, source: Source) -> None:
        """A new leaf, or a constant."""
        shape = source.choice(SHAPES)
        values = np.round(np.random.default_rng(source.integer(0, 9)).uniform(-2, 2, shape), 2)
        wants = source.integer(0, 3) > 0
        self.log.append(f"leaf {values.tolist()} requires_grad={wants}")
        ours, theirs = (lib.tensor(values).requires_grad_(wants) for lib in LIBRARIES)
        self.add((ours, theirs))

    def add(self, pair: tuple[Any, Any], is_view: bool = False) -> None:
        """Keep a pair; the oldest goes when there are too many."""
        if len(self.pairs) == MOST:
            self.pairs.pop(0)
            self.born.pop(0), self.views.pop(0)
        self.pairs.append(pair)
        self.views.append(is_view)
        self.born.append((pair[0]._version, pair[1]._version))

    def step(self, source: Source, name: str) -> str:
        """Do one step to both: "same", or "raised" if both raised."""
        if name == "leaf" or not self.pairs:
            self.leaf(source)
            return "same"
        if name == "mode":
            self.recording = not self.recording
            self.log.append(f"recording: {self.recording}")
            return "same"
        if name == "piece":
            return self.piece(source)
        i, j, k = (source.integer(0, len(self.pairs) - 1) for _ in range(2)), None, source.integer(0, 3)
        i, j = tuple(i)
        self.log.append(f"{name} t={i} u={j} k={k}")
        (mine, theirs), (mine_too, theirs_too) = self.pairs[i], self.pairs[j]
        if name in TURNS and theirs.retains_grad:
            return "skipped"  # torch leaves that with the old node, and stumbles over it after the next write
        if undefined(name, theirs, theirs_too) or self.is_torchs_own({name}, [self.pairs[i]]):
            return "skipped"
        before = self.seen(0)
        results = [
            self.attempt(0, lambda: STEPS[name](LIBRARIES[0], mine, mine_too, k)),
            self.attempt(1, lambda: STEPS[name](LIBRARIES[1], theirs, theirs_too, k)),
        ]
        outcome = self.outcome([name], results)
        if outcome == "raised" and not self.over:
            self.compare(before, self.seen(0), "a step that raised changed")
        return outcome

    def piece(self, source: Source) -> str:
        """Some steps as one function, called several times, with other steps between; what came of the last of them."""
        piece, outcome = Piece(source, self.pairs), "skipped"
        self.pieces.append(piece)
        for _ in range(source.integer(3, 5)):
            self.log.append(
                f"piece {len(self.pieces) - 1} of {self.called(piece.held)} and {self.called(piece.given)}: {piece}"
            )
            outcome = self.call(piece)
            if not self.over and source.integer(0, 2) == 0:
                outcome = self.step(source, source.choice(BETWEEN))
            if self.over:
                break
            piece.change(source, self.pairs)
        return outcome

    def call(self, piece: Piece) -> str:
        """One call of a piece, on torch's side first: it stops where there is nothing to compare."""
        if self.is_torchs_own(piece.names, [*piece.held, *piece.given]):
            return "skipped"
        theirs = self.attempt(1, lambda: piece.call(1))
        if isinstance(theirs, (Accident, OverflowError)):
            self.over = True
            return "torch's own affair"
        return self.outcome(piece.taken, [self.attempt(0, lambda: piece.call(0)), theirs])

    def outcome(self, names: list[str], results: list[Any]) -> str:
        """Compare what the libraries made of some steps, the last of which may have raised; and keep the tensors that they give."""
        self.created = self.created or not CREATES.isdisjoint(names)
        keeps_more = self.created and "modified by an inplace operation" in str(results[1])  # in a derivative's derivative
        if torch_fails(names[-1], results[1]) or (keeps_more and not isinstance(results[0], Exception)):
            self.over = True
            return "torch fails"
        if DOUBLE in str(results[0]):
            self.over = True
            return "not twice"
        raised = [isinstance(r, Exception) for r in results]
        if raised[0] != raised[1] or (raised[0] and not alike(names[-1], *results)):
            raise Difference(f"ours: {results[0]!r}\ntorch: {results[1]!r}\n{self}")
        if raised[0]:
            self.over = names[-1] in DIFFERENTIATES or isinstance(results[1], UserWarning)
        else:
            self.keep(names, results)
        if not self.over:
            self.compare(self.seen(0), self.seen(1), "the libraries differ in")
        return "raised" if raised[0] else "same"

    def keep(self, names: list[str], results: list[Any]) -> None:
        """Keep the tensors that some steps have given."""
        tensors = [
            [x for x in (r if isinstance(r, list) else [r]) if isinstance(x, lib.Tensor)]
            for r, lib in zip(results, LIBRARIES)
        ]
        if len(tensors[0]) != len(tensors[1]):
            raise Difference(f"ours: {results[0]!r}\ntorch: {results[1]!r}\n{self}")
        for ours, theirs in zip(*tensors):
            # Whether a gradient that is zero whatever happens (of floor, of relu's mask) requires grad is torch's own affair.
            doubtful = not GIVES_GRADIENTS.isdisjoint(names) and ours.requires_grad != theirs.requires_grad
            if not doubtful and not any(theirs is pair[1] for pair in self.pairs):
                self.add((ours, theirs), names[0] in VIEWS and not isinstance(results[0], list))

    def called(self, pairs: list[tuple[Any, Any]]) -> list[int | None]:
        """The numbers of some pairs; None of those that have gone."""
        return [next((k for k, pair in enumerate(self.pairs) if pair[1] is one[1]), None) for one in pairs]

    def is_torchs_own(self, names: set[str], written: list[tuple[Any, Any]]) -> bool:
        """Whether what steps that write find is torch's own affair: it decides whether a gradient is a view, or lies expanded, and
        from that follows whether it, or a view of it, may be written to."""
        if "write_data" in names and (self.created or not CREATES.isdisjoint(names)):
            return True  # it is not counted, and what a derivative's own derivative keeps is each library's affair
        return any(map(writes, names)) and any(
            self.base_of(pair, 0) != self.base_of(pair, 1)
            or any((0 in ours.stride()) != (0 in theirs.stride()) for ours, theirs in self.beside(pair))
            for pair in written
        )

    def base_of(self, pair: tuple[Any, Any], side: int) -> int | None:
        """Which pair is the base of a view, −1 if it is none of them; None for what is no view."""
        base = pair[side]._base
        return None if base is None else next((k for k, each in enumerate(self.pairs) if each[side] is base), -1)

    def beside(self, pair: tuple[Any, Any]) -> list[tuple[Any, Any]]:
        """The pairs that lie in the memory of a pair, on our side."""
        memory = pair[0].detach().numpy()
        return [each for each in self.pairs if np.may_share_memory(each[0].detach().numpy(), memory)]

    def attempt(self, side: int, act: Any) -> Any:
        """What is done to one library: its result, or what it raised."""
        try:
            with LIBRARIES[side].set_grad_enabled(self.recording):
                return act()
        except Exception as error:
            return error

    def seen(self, side: int) -> list[tuple]:
        """What can be seen of each tensor on one side."""
        ids = [id(pair[side]) for pair in self.pairs]
        return [
            (
                t.requires_grad, is_leaf(t), t._version - born[side], t.retains_grad, is_view and t._is_view(),
                ids.index(id(t._base)) if is_view and t._is_view() and id(t._base) in ids else None,
                np.array(t.detach().numpy()), grad_of(t),
            )
            for t, born, is_view in zip((pair[side] for pair in self.pairs), self.born, self.views)
        ]  # fmt: skip

    def compare(self, ours: list[tuple], theirs: list[tuple], what: str) -> None:
        names = ("requires_grad", "is_leaf", "_version", "retains_grad", "_is_view()", "_base", "value", "grad")
        for n, (a, b) in enumerate(zip(ours, theirs)):
            for name, x, y in zip(names, a, b):
                unknown = name == "_base" and None in (x, y)  # it has gone, or is a tensor inside an op
                if not unknown and not same(x, y):
                    raise Difference(f"{what} {name} of tensor {n}: {x!r} and {y!r}\n{self}")

    def __str__(self) -> str:
        return "\n".join(self.log)


def alike(name: str, ours: Exception, theirs: Exception) -> bool:
    """The same type. Where torch warns that it will refuse a write to an expanded tensor, ours refuses already; of two
    mistakes in one call either may be named."""
    kinds = {type(ours).__name__, type(theirs).__name__}
    lost = "its base or another view of its base" in str(theirs)
    two_mistakes = kinds == {"IndexError", "RuntimeError"} and (lost or name in ("index_put_", "set_index"))
    return len(kinds) == 1 or two_mistakes or isinstance(theirs, UserWarning)


def torch_fails(name: str, error: Any) -> bool:
    """Whether torch stumbles over itself: an assertion that asks to be reported, or a derivative (of `zero_` on an expanded
    view) that writes where it may not."""
    inside = "more than one element of the written-to tensor" in str(error) and name in DIFFERENTIATES
    return "INTERNAL ASSERT" in str(error) or inside


def grad_of(t: Any) -> Any:
    """The gradient as an array, if it would not warn to ask."""
    g = t.grad if is_leaf(t) is True or t.retains_grad else None
    return None if g is None else np.array(g.detach().numpy())


def same(x: Any, y: Any) -> bool:
    """Equal; arrays within 1e-9 of their scale, nan equal to nan."""
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        return x is y if x is None or y is None else bool(x == y)
    if x.shape != y.shape:
        return False
    scale = max(1.0, float(np.abs(y[np.isfinite(y)]).max(initial=0.0)))
    return bool(np.allclose(x, y, rtol=0.0, atol=1e-9 * scale, equal_nan=True))


# ---- many programs ----

BETWEEN = [*STEPS, "leaf", "leaf", "leaf", "mode"]
NAMES = [*BETWEEN, "piece"]


def program(source: Source, length: int, pieces: int) -> collections.Counter:
    """One program of at most `length` steps; how its steps ended. pieces: how often one is drawn, beside the other names."""
    names = [*BETWEEN, *["piece"] * pieces]
    machine, counts = Lockstep(), collections.Counter()
    with warnings_that_refuse():
        for _ in range(length):
            counts[machine.step(source, source.choice(names))] += 1
            if machine.over:
                break
    counts["pieces"] = len(machine.pieces)
    counts["compiled"] = sum(piece.has_program for piece in machine.pieces)
    return counts


@contextlib.contextmanager
def warnings_that_refuse() -> Iterator[None]:
    """Where torch warns that it will refuse a write, it counts as refused; its other warnings are not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "Use of .* on expanded tensors is deprecated")
        yield


def programs(count: int, length: int, seed: int, pieces: int) -> int:
    """Run many; print how many steps ran, how many raised on both sides, and how many pieces became programs of compile's."""
    from tqdm import tqdm

    total: collections.Counter = collections.Counter()
    for n in tqdm(range(seed, seed + count), unit="program", disable=None):
        try:
            total += program(Source(n), length, pieces)
        except Difference as difference:
            print(f"program {n} differs:\n{difference}")
            return 1
    print(
        f"{count} programs of up to {length} steps: {total['same']} steps alike, {total['raised']} raised on both sides, no difference;"
        f" {total['compiled']} of {total['pieces']} pieces became programs"
    )
    return 0
