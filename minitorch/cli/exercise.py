"""`minitorch exercise`: list the exercises, write a file to fill in, judge it, give hints, show the solution.

A learner's file is judged in a process of its own, which has a time limit: whatever it does, this one goes on. The judge is
`reference/grading.py`; the exercises are the files of `minitorch/exercises/problems/`. Read next: `exercises/exercise.py`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from ..exercises import NAMES, TOPICS
from ..exercises.exercise import Exercise, path_of
from ..exercises.progress import FILE, Damaged, Progress
from ..utils.files import replacing
from .ends import UserError, did_you_mean

MEMORY = 4 << 30  # bytes that a learner's file may have


def exercise(args: argparse.Namespace) -> int:
    """What the options ask for; the exit status, which is 1 for an answer that is not right."""
    try:
        progress = Progress()
    except Damaged as damaged:
        raise UserError(str(damaged)) from None
    except OSError as error:
        raise UserError(f"{FILE}: {error.strerror}") from None
    if args.force and not args.start:
        raise UserError("--force goes with --start")
    if args.name is None:
        if args.start or args.hint or args.solution:
            raise UserError("name an exercise; minitorch exercise lists them")
        print(listing(progress, args.program))
        return 0
    chosen = named(args.name)
    action = start if args.start else hint if args.hint else solution if args.solution else judge
    try:
        return action(chosen, progress, args)
    except RuntimeError as error:  # `replacing` could not write
        if not str(error).startswith("save: "):
            raise
        raise UserError(str(error).removeprefix("save: ")) from None


def named(text: str) -> Exercise:
    """The exercise of that name, with or without .py."""
    name = text.removesuffix(".py")
    if name not in NAMES:
        near = did_you_mean(name, NAMES) or did_you_mean(name.replace("-", "_"), NAMES)
        raise UserError(f"there is no exercise {text!r}{near or '; minitorch exercise lists them'}")
    return Exercise(name)


# ---- the list ----


def listing(progress: Progress, program: str) -> str:
    """All exercises by topic, with what has been done."""
    solved = sum(progress.of(name)["solved"] for name in NAMES)
    width = max(map(len, NAMES))
    lines = [
        f"{solved} of {len(NAMES)} exercises solved.",
        f"  {program} exercise NAME --start     write NAME.py, a file to fill in",
        f"  {program} exercise NAME             judge it",
        f"  {program} exercise NAME --hint      the next of three hints",
        f"  {program} exercise NAME --solution  show the solution",
    ]
    for topic, names in TOPICS.items():
        lines += ["", topic]
        lines += [f"  {progress.sign(n)} {n:<{width}}  {Exercise(n).title}{_done(progress.of(n))}" for n in names]
    return "\n".join(lines)


def _done(entry: dict[str, Any]) -> str:
    """`(3 tries, 1 hint)`, nothing if nothing was done."""
    counted = [f"{entry[key]} {word if entry[key] == 1 else plural}" for key, word, plural in _COUNTED if entry[key]]
    told = counted + ["solution seen"] * entry["solution"]
    return f" ({', '.join(told)})" if told else ""


_COUNTED = (("tries", "try", "tries"), ("hints", "hint", "hints"))


# ---- to begin, and to be helped ----


def start(chosen: Exercise, progress: Progress, args: argparse.Namespace) -> int:
    """Write the file to fill in, unless there is one."""
    path = path_of(chosen.name)
    if os.path.lexists(path) and not args.force:
        raise UserError(f"{path} exists, and was left as it is; to begin anew and lose what is in it, add --force")
    with replacing(path) as file:
        file.write(chosen.file().encode())
    print(f"wrote {path}: {chosen.title}")
    what = "mend it" if chosen.has_a_bug else "fill it in"
    print(f"{what}, then: {args.program} exercise {chosen.name}")
    return 0


def hint(chosen: Exercise, progress: Progress, args: argparse.Namespace) -> int:
    """The next hint; after the last one, all of them again."""
    hints, seen = chosen.hints, progress.of(chosen.name)["hints"]
    if seen < len(hints):
        shown = [seen]
        progress.note(chosen.name, hints=seen + 1)
    else:
        shown = list(range(len(hints)))
    for k in shown:
        print(textwrap.fill(f"hint {k + 1} of {len(hints)}: {hints[k]}", 100, subsequent_indent="  "))
    if seen >= len(hints):
        print(f"these are all; the solution: {args.program} exercise {chosen.name} --solution")
    return 0


def solution(chosen: Exercise, progress: Progress, args: argparse.Namespace) -> int:
    """Show the solution; the list tells that it was seen."""
    progress.note(chosen.name, solution=True)
    print(chosen.solution(), end="")
    return 0


# ---- to be judged ----


def judge(chosen: Exercise, progress: Progress, args: argparse.Namespace) -> int:
    """Judge the learner's file, tell what was found, and note it."""
    path = path_of(chosen.name)
    if not path.exists():
        raise UserError(f"there is no {path} in this folder; to begin: {args.program} exercise {chosen.name} --start")
    verdict = verdict_on(chosen, path, args.seconds)
    print("\n".join([f"{chosen.name}: {verdict['lines'][0]}", *(f"  {line}".rstrip() for line in verdict["lines"][1:])]))
    entry = progress.of(chosen.name)
    if verdict["kind"] != "empty":
        progress.note(chosen.name, tries=entry["tries"] + 1, solved=entry["solved"] or verdict["kind"] == "right")
    if verdict["kind"] == "right":
        following = chosen.following
        print(f"the next one: {args.program} exercise {following} --start" if following else "that was the last one")
    elif entry["hints"] < len(chosen.hints):
        print(f"a hint: {args.program} exercise {chosen.name} --hint")
    else:
        print(f"the hints again: {args.program} exercise {chosen.name} --hint; the solution: --solution")
    return 0 if verdict["kind"] == "right" else 1


CHILD = "import json, sys; r = json.loads(sys.argv[1]); sys.path[:] = r.pop('path'); from reference import grading; grading.in_a_child(**r)"


def verdict_on(chosen: Exercise, path: Path, seconds: float) -> dict[str, Any]:
    """What the judge says, in a process of its own; a file that takes too long or ends the process is wrong."""
    _check_the_judge_is_there()
    request = {"path": sys.path, "name": chosen.name, "filename": str(path), "seconds": seconds, "memory": MEMORY}
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "minitorch" / "hypothesis"
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "0",
        "PYTHONIOENCODING": "utf-8",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(cache),
    }
    environment |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", CHILD, json.dumps(request)],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds + 20, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _too_slow(path, seconds, "")
    errors = done.stderr.decode(errors="replace")
    if done.returncode == 0 and done.stdout:
        return json.loads(done.stdout)
    if "Timeout (" in errors:
        return _too_slow(path, seconds, errors)
    lines = [f"the process that judged it ended with status {done.returncode}, before it could say anything"]
    return {"kind": "wrong", "lines": [*lines, *errors.strip().splitlines()[-5:]]}


def _too_slow(path: Path, seconds: float, errors: str) -> dict[str, Any]:
    """The verdict on a file that was stopped, with the line that it was in."""
    lines = [f"stopped after {seconds:g} seconds: is there a loop that does not end? (--seconds gives it more time)"]
    where = re.search(rf'File "{re.escape(str(path))}", line (\d+)', errors)
    if where:
        number = int(where[1])
        code = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        lines += [f"it was in {path}, line {number}:", *(f"    {line.strip()}" for line in code[number - 1 : number])]
    return {"kind": "wrong", "lines": lines}


def _check_the_judge_is_there() -> None:
    if importlib.util.find_spec("reference") is None:
        raise UserError("judging needs the project's checkout: run pip install -e '.[test]' in it")
    if importlib.util.find_spec("hypothesis") is None:
        raise UserError("judging needs hypothesis, which draws the inputs: pip install -e '.[test]' (or hypothesis alone)")
