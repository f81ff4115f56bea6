"""The command line: `minitorch train` trains on real data, `evaluate` reads a checkpoint back, `predict` names what is in images, `explain` shows
backward, `exercise` judges, `quiz` asks.

Here are only options and the way to what does the work: `train.py`, `evaluate.py` (and `predict`), `explain.py`, `exercise.py`, `quiz.py`. The
rule for errors: whatever the user can get wrong is found before work starts and answered in one line, with nothing written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import minitorch

from . import evaluate, train
from .ends import Parser, UserError, as_typed, ending_well
from .options import positive, whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: the process's own); returns the exit status."""
    return ending_well("minitorch", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.error("name a command: train, evaluate, predict, explain, exercise or quiz; minitorch --help tells more")
    args.saved = "; nothing was saved"
    args.program = "minitorch" if argv is not None else as_typed()
    try:
        return args.run(args) or 0
    except UserError as error:
        text = str(error).rpartition("UserError: ")[2]  # from a worker process it comes with its traceback
        print(f"minitorch {args.command}: error: {' '.join(text.split())}", file=sys.stderr)  # on one line
        return 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith("can't allocate memory"):
            raise
        smaller = "; try a smaller --hidden or --batch-size" if args.command == "train" else ""
        print(f"minitorch {args.command}: error: not enough memory{smaller} ({error})", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"minitorch {args.command}: interrupted{args.saved}", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="minitorch", description="A small deep-learning framework to read. Start with: minitorch train")
    parser.add_argument("--version", action="version", version=f"minitorch {minitorch.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    train.add(commands)
    evaluate.add(commands)
    evaluate.add_predict(commands)
    _add_explain(commands)
    _add_exercise(commands)
    _add_quiz(commands)
    return parser


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser("explain", help="show step by step how backward runs through a small program")
    explain.description = (
        "Run a small program and show how backward goes through the graph it left: which node runs when, what came in, what "
        "it keeps, what each derivative (with its source) sends to whom. With --compiled: show what compile makes of a step."
    )
    explain.add_argument(
        "what",
        metavar="NAME|FILE|OP",
        nargs="?",
        help="an example, a Python file, or an op such as gelu (default: list the examples)",
    )
    explain.add_argument("--compiled", action="store_true",
                         help="show the program that minitorch.compile makes of the file's function `step`, which is called with the file's "
                              "variables of the names of its parameters (see docs/compile.md)")  # fmt: skip
    explain.add_argument("--variable", metavar="NAME",
                         help="the tensor to start from (default: loss); with --compiled, the function (default: step)")  # fmt: skip
    explain.add_argument("--html", metavar="FILE",
                         help="write a page instead, which steps through forward and backward in a browser and needs no network")  # fmt: skip
    explain.add_argument("--cuda", action="store_true",
                         help="show the CUDA kernels that are made of an op's formula and derivative: explain gelu --cuda")  # fmt: skip
    explain.set_defaults(run=_explain, parser=explain)


def _add_exercise(commands: Any) -> None:
    exercise = commands.add_parser("exercise", help="write small pieces of a framework yourself, and have them judged")
    exercise.description = (
        "Exercises from the derivative of the sigmoid to attention. Without a name: list them, and what has been solved. With a name: "
        "judge NAME.py in this folder on inputs that hypothesis draws, and show the smallest that it gets wrong."
    )
    exercise.add_argument("name", metavar="NAME", nargs="?", help="an exercise's name (default: list them all)")
    what = exercise.add_mutually_exclusive_group()
    what.add_argument("--start", action="store_true", help="write NAME.py, a file with the task, to fill in")
    what.add_argument("--hint", action="store_true", help="give the next of three hints")
    what.add_argument("--solution", action="store_true", help="show the solution")
    exercise.add_argument("--force", action="store_true", help="with --start: write NAME.py anew, whatever is in it")
    exercise.add_argument("--seconds", type=positive, default=10.0, help="how long NAME.py may run (default: %(default)g)")
    exercise.set_defaults(run=_exercise, parser=exercise)


def _add_quiz(commands: Any) -> None:
    quiz = commands.add_parser("quiz", help="ask what the blocks of the interview book print")
    quiz.description = (
        "Ask what the code of the interview book (docs/interview) prints. The judge is what it prints when it is run. What was missed is "
        "asked first the next time."
    )
    quiz.add_argument(
        "what", metavar="TOPIC|NUMBER", nargs="?", help="a topic, e.g. losses, or a question, e.g. 12 (default: all)"
    )
    quiz.add_argument("--list", action="store_true", help="list the topics and how far you are in each")
    quiz.add_argument("--lang", choices=("en", "zh"), default="en", help="English or Chinese (default: %(default)s)")
    quiz.add_argument("--questions", type=whole(1), metavar="N", default=10, help="ask at most N (default: %(default)s)")
    quiz.add_argument("--progress", metavar="FILE", help="where to remember what was missed (default: a file in your home)")
    quiz.set_defaults(run=_quiz, parser=quiz)


# ---- explain ----


def _explain(args: argparse.Namespace) -> None:
    from . import compiled, explain  # when they are asked for: the others start quickly

    if args.compiled and args.html is not None:
        raise UserError("--html shows how backward runs; leave out --compiled")
    if args.cuda and (args.what is None or args.compiled or args.html is not None):
        raise UserError("--cuda shows the kernels of an op, and nothing beside: minitorch explain gelu --cuda")
    if args.cuda:
        print(explain.kernels(args.what))
    elif args.compiled and args.what is not None:
        print(compiled.explained(args.what, args.variable or "step"))
    else:
        print(explain.explain(args.what, args.variable, args.html))


# ---- exercise ----


def _exercise(args: argparse.Namespace) -> int:
    from .exercise import exercise

    return exercise(args)


# ---- quiz ----


def _quiz(args: argparse.Namespace) -> None:
    from pathlib import Path

    from . import quiz

    progress = Path(args.progress) if args.progress else None
    if args.list:
        print(quiz.listing(args.lang, progress))
    else:
        quiz.quiz(args.what, args.lang, args.questions, progress)
