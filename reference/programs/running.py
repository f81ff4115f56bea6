"""Run a program on one library from a seed, and see how far the losses of the two are apart."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch

import minitorch

from . import learners

DTYPES = ("float32", "float64")
STRANGERS = Path(__file__).parent / "strangers"


class Program(NamedTuple):
    """A program, how many losses of it are compared, and by what share of themselves they may differ in each dtype."""

    name: str
    losses: Callable[[Any], Iterator[float]]
    steps: int
    tolerance: dict[str, float]


def run(program: Program, lib: Any, dtype: str, seed: int = 0, steps: int | None = None) -> list[float]:
    """The losses of the first steps of `program`, run from `seed` with `dtype` as the default dtype."""
    before = lib.get_default_dtype()
    lib.set_default_dtype(getattr(lib, dtype))
    try:
        lib.manual_seed(seed)
        return [loss for loss, _ in zip(program.losses(lib), range(steps or program.steps))]
    finally:
        lib.set_default_dtype(before)


def difference(program: Program, dtype: str, seed: int = 0, steps: int | None = None) -> float:
    """max_t |ours_t − torch's_t| / |torch's_t| over the losses of all steps."""
    ours, theirs = (run(program, lib, dtype, seed, steps) for lib in (minitorch, torch))
    return max(abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True))


# ---- strangers' programs ----


def exchanged(text: str, library: str) -> str:
    """A program with another library imported where it imports torch; nothing else of it changes."""
    text = re.sub(r"^import torch$", f"import {library} as torch", text, flags=re.M)
    text = re.sub(r"^import torch((?:\.\w+)+)$", rf"import {library}\1", text, flags=re.M)
    return re.sub(r"^(import|from) torch\b", rf"\1 {library}", text, flags=re.M)


def stranger(name: str, lib: Any, **options: Any) -> Iterator[float]:
    """The losses of a stranger's program on a library."""
    return module_of(name, lib).losses(**options)


def module_of(name: str, lib: Any) -> Any:
    """A stranger's program as a module that uses a library."""
    module = ModuleType(f"{name}_on_{lib.__name__}")
    sys.modules[module.__name__] = module  # (where dataclasses look for it)
    file = STRANGERS / f"{name}.py"
    text = exchanged(file.read_text(encoding="utf-8"), lib.__name__)
    exec(compile(text, str(file), "exec"), vars(module))
    return module


ROUNDING = {"float32": 1e-4, "float64": 1e-9}  # (it differs, and training makes it grow)
LEARNERS = [Program(losses.__name__, losses, 300, ROUNDING) for losses in learners.PROGRAMS]
# (In a game of two nets rounding soon grows, and in a search that takes back what went too far.)
LENGTHS = {"gpt": 150, "char_rnn": 150, "dcgan": 40, "vae": 150, "time_sequence": 24}
STRANGE = [Program(name, partial(stranger, name), steps, ROUNDING) for name, steps in LENGTHS.items()]
PROGRAMS = LEARNERS + STRANGE


def report(seeds: int) -> int:
    """Print how far the loss curves are apart at worst; 1 if that is too far."""
    failed = False
    for program in PROGRAMS:
        for dtype, tolerance in program.tolerance.items():
            worst = max(difference(program, dtype, seed) for seed in range(seeds))
            failed |= not worst <= tolerance
            too_far = "" if worst <= tolerance else f"above {tolerance}"
            print(f"{program.name:28} {dtype}  {program.steps:3} losses  {worst:.1e}  {too_far}".rstrip())
    return int(failed)
