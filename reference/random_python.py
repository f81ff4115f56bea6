"""Random Python functions of tensors that look at numbers, branch, loop and call: compiled, they run in pieces and must do what they do.

What is compared is all that a function leaves: its result, a list that it fills, the error it raises. Read next: the machine of
`state_machine.py`, whose programs are of ops; `minitorch/compiler/pieces.py`, which is checked here.
"""

from __future__ import annotations

import linecache
import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import minitorch

NAMES = ("a", "b", "c", "d")
CALLS = 6


def source(seed: int) -> str:
    """The text of a function `step(a, b, k, log)`."""
    writer = _Writer(random.Random(seed))
    writer.block(1, ["a", "b"], 7, 0)
    writer.lines.append("    return [a, b, f]")
    return "\n".join(["def step(a, b, k, log, *, f=0.5):", *writer.lines, ""])


class _Writer:
    """Writes statements; `known` are the tensors that are bound for sure, mostly."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.lines, self.made = rng, [], 0

    def block(self, depth: int, known: list[str], count: int, loops: int) -> list[str]:
        known = list(known)
        for _ in range(count):
            self.statement(depth, known, loops)
        return known

    def say(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def tensor(self, known: list[str]) -> str:
        """A variable that is bound; once in a while one that may not be."""
        return self.rng.choice(NAMES) if self.rng.random() < 0.02 else self.rng.choice(known)

    def formula(self, known: list[str]) -> str:
        x, y = self.tensor(known), self.tensor(known)
        return self.rng.choice([
            f"({x} * {y} - 0.5).tanh()", f"({x} + {y}).sigmoid() * 2 - {x}", f"{x}.cos() + {y} / 2", f"({x} - {y}.mean()).tanh() + f / 8",
            f"sum([v * 0.3 for v in ({x}, {y})])", f"({x} + k).sin() + {y} * 0.1", f"helper({x}, {y})",
        ])  # fmt: skip

    def statement(self, depth: int, known: list[str], loops: int) -> None:
        kinds = [self.assign] * 8 + [
            self.change,
            self.look,
            self.look,
            self.tell,
            self.count,
            self.inner,
            self.write,
            self.unpack,
        ]
        if depth < 4:
            kinds += [self.branch, self.branch, self.branch_on_k, self.loop, self.loop_while, self.quiet, self.attempt]
        if loops:
            kinds += [self.leave_loop]
        if depth > 1:
            kinds += [self.leave]
        self.rng.choice(kinds)(depth, known, loops)

    def assign(self, depth: int, known: list[str], loops: int) -> None:
        name = self.rng.choice(NAMES)
        self.say(depth, f"{name} = {self.formula(known)}")
        if name not in known:
            known.append(name)

    def unpack(self, depth: int, known: list[str], loops: int) -> None:
        one, two = self.rng.sample(NAMES, 2)
        self.say(depth, f"{one}, ({two}, *rest) = {self.formula(known)}, [{self.formula(known)}, k]")
        known += [n for n in (one, two) if n not in known]

    def change(self, depth: int, known: list[str], loops: int) -> None:
        name = self.tensor(known)
        self.say(depth, self.rng.choice([f"{name} += 0.25", f"{name}.mul_(0.5)", f"{name} = {name} * 1"]))

    def write(self, depth: int, known: list[str], loops: int) -> None:
        self.say(depth, f"{self.tensor(known)}[{self.rng.randrange(3)}] = {self.tensor(known)}[0] * 0.5")

    def look(self, depth: int, known: list[str], loops: int) -> None:
        x = self.tensor(known)
        self.say(depth, self.rng.choice([
            f"f = {x}.sum().item()", f"f += ({self.formula(known)}).mean().item()", f"f = float({x}[0]) * 0.5", f"log.append({x}.tolist())",
            f"log.append(int(({self.formula(known)}).argmax()))",
        ]))  # fmt: skip

    def tell(self, depth: int, known: list[str], loops: int) -> None:
        self.say(
            depth,
            self.rng.choice(
                ["log.append(f)", f"print({self.tensor(known)}.shape)", f"log.append({self.tensor(known)} + 0)"]
            ),
        )

    def count(self, depth: int, known: list[str], loops: int) -> None:
        self.say(
            depth, self.rng.choice(["k += 1", "k = k % 3", "STATE.n += 1", "global n; n = k" if depth == 9 else "k = k + 2"])
        )

    def inner(self, depth: int, known: list[str], loops: int) -> None:
        self.made += 1
        name, x, y = f"g{self.made}", self.tensor(known), self.rng.choice(NAMES)
        if self.rng.random() < 0.5:
            self.say(depth, f"{name} = lambda: ({x} * 2 - 1).tanh()")
        else:
            self.say(depth, f"def {name}():")
            self.say(depth + 1, f"return ({x} * 2 - 1).tanh()")
        self.assign(depth, known, loops)
        self.say(depth, f"{y} = {name}()")
        if y not in known:
            known.append(y)

    def branch(self, depth: int, known: list[str], loops: int) -> None:
        x = self.tensor(known)
        self._two(
            depth,
            known,
            loops,
            self.rng.choice([f"{x}.sum() > 0", f"{x}.mean() < f and k", "f > 0.3", f"bool({x}[1] > {x}[0])"]),
        )

    def branch_on_k(self, depth: int, known: list[str], loops: int) -> None:
        self._two(depth, known, loops, self.rng.choice(["k % 2", "k > 3", "k == 1 or a.shape[0] > 2"]))

    def _two(self, depth: int, known: list[str], loops: int, test: str) -> None:
        self.say(depth, f"if {test}:")
        one = self.block(depth + 1, known, self.rng.randint(1, 4), loops)
        two = known
        if self.rng.random() < 0.5:
            self.say(depth, "else:")
            two = self.block(depth + 1, known, self.rng.randint(1, 3), loops)
        known += [n for n in one if n in two and n not in known]

    def loop(self, depth: int, known: list[str], loops: int) -> None:
        self.say(depth, f"for {self.rng.choice(['i', 'k'])} in range({self.rng.randint(1, 3)}):")
        self.block(depth + 1, known, self.rng.randint(1, 4), loops + 1)
        if self.rng.random() < 0.2:
            self.say(depth, "else:")
            self.block(depth + 1, known, 1, loops)

    def loop_while(self, depth: int, known: list[str], loops: int) -> None:
        x = self.tensor(known)
        self.made += 1
        n = f"n{self.made}"
        self.say(depth, f"{n} = 0")
        self.say(depth, f"while {self.rng.choice([f'{x}.sum() > 0', 'f < 2'])} and {n} < 3:")
        self.say(depth + 1, f"{n} += 1")
        self.block(depth + 1, known, self.rng.randint(1, 3), loops + 1)

    def quiet(self, depth: int, known: list[str], loops: int) -> None:
        self.say(depth, "with minitorch.no_grad():")
        inside = self.block(depth + 1, known, self.rng.randint(1, 3), loops)
        known += [n for n in inside if n not in known]

    def attempt(self, depth: int, known: list[str], loops: int) -> None:
        self.say(depth, "try:")
        self.block(depth + 1, known, self.rng.randint(1, 3), loops)
        self.say(depth + 1, self.rng.choice([f"{self.tensor(known)}.view(7)", "1 / (k % 2)", "pass"]))
        self.say(depth, "except (RuntimeError, ZeroDivisionError) as error:")
        self.say(depth + 1, "log.append(type(error).__name__)")

    def leave_loop(self, depth: int, known: list[str], loops: int) -> None:
        self.say(depth, f"if {self.tensor(known)}.mean() > 0.2:")
        self.say(depth + 1, self.rng.choice(["break", "continue"]))

    def leave(self, depth: int, known: list[str], loops: int) -> None:
        self.say(depth, f"if {self.tensor(known)}.mean() > 0.4:")
        self.say(depth + 1, f"return {self.formula(known)}, f, k")


class State:
    """What a function counts in."""

    n = 0


def helper(x: Any, y: Any) -> Any:
    """A function that is part of a program where it is called."""
    return (x - y * 0.5).tanh() + x


def function(text: str, name: str) -> tuple[Callable, Any]:
    """The function of a text, whose lines Python can find; and its state."""
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    state = State()
    namespace = {"minitorch": minitorch, "helper": helper, "STATE": state, "print": lambda *words: None}
    exec(compile(text, name, "exec"), namespace)
    return namespace["step"], state


def story(run: Callable, state: Any) -> list:
    """All that some calls leave."""
    found = []
    for k in range(CALLS):
        rng = np.random.default_rng(k)
        a, b = (minitorch.tensor(rng.normal(size=3)) for _ in range(2))
        log: list = []
        try:
            out = run(a, b, k % 2, log)
        except Exception as error:
            out = type(error).__name__
        found.append(seen([out, log, a, b, state.n]))
    return found


def seen(value: Any) -> Any:
    """What can be compared of a result."""
    if isinstance(value, (list, tuple)):
        return [seen(v) for v in value]
    return value.detach().numpy().tobytes() if isinstance(value, minitorch.Tensor) else repr(value)


def check(seed: int) -> tuple[int, str]:
    """How many pieces of a random function have become programs, and how it differs from itself; nothing if it does not."""
    text = source(seed)
    wanted = story(*function(text, f"<random {seed}>"))
    step, state = function(text, f"<random {seed}>")
    run = minitorch.compile(step)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = story(run, state)
    variants = [*run.variants, *(v for piece in (run.pieces.of_it if run.pieces else ()) for v in piece.variants)]
    count = sum(v.program is not None for v in variants)
    for k, (one, two) in enumerate(zip(wanted, found)):
        if one != two:
            return count, f"seed {seed}, call {k}: {one} became {two}\n{text}\n{run.explain()}"
    return count, ""
