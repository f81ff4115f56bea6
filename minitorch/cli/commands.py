"""The command line: `minitorch train` trains on real data, `evaluate` reads a checkpoint back, `explain` shows backward,
`exercise` judges, `quiz` asks.

Here are only options, checks and printing; what can be trained is in `tasks.py`, the training itself in `minitorch/examples/`, the
showing in `explain.py`, the asking in `quiz.py`. The rule for errors: whatever the user can get wrong is found before training starts and answered in one
line, with nothing written.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch.arrays.device import as_device

from .ends import Parser, as_typed, ending_well
from .progress import Progress
from .tasks import MODELS, TASKS, Task

OPTIMIZERS = ("adam", "adamw", "sgd")
MODEL = "mlp"
USUAL = {"seed": 0, "optimizer": "adam", "batch_size": 64}
FIXED = ("model", "data", "epochs", "lr", "batch_size", "optimizer", "hidden", "dropout", "seed", "patience", "best")


class UserError(Exception):
    """Something only the user can put right; its text is the one line they get."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: the process's own); returns the exit status."""
    return ending_well("minitorch", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.error("name a command: train, evaluate, explain, exercise or quiz; minitorch --help tells more")
    args.saved = "; nothing was saved"
    args.program = "minitorch" if argv is not None else as_typed()
    try:
        return args.run(args) or 0
    except UserError as error:
        print(f"minitorch {args.command}: error: {' '.join(str(error).split())}", file=sys.stderr)  # on one line
        return 1
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith("can't allocate memory"):
            raise
        print(
            f"minitorch {args.command}: error: not enough memory; try a smaller --hidden ({error})",
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print(f"minitorch {args.command}: interrupted{args.saved}", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="minitorch", description="A small deep-learning framework to read. Start with: minitorch train")
    parser.add_argument("--version", action="version", version=f"minitorch {minitorch.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    _add_explain(commands)
    _add_exercise(commands)
    _add_quiz(commands)
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser("train", help="train a network: to read digits, or to make up names")
    train.description = (
        "Train an MLP or a CNN on 1,438 real handwritten digits, or an LSTM or a GPT on 4,647 first names, test it after each epoch on "
        "others that were held out, and save a checkpoint."
    )
    train.add_argument("--model", choices=list(MODELS), default=argparse.SUPPRESS, help=f"what to train (default: {MODEL})")
    train.add_argument("--data", choices=list(TASKS), default=argparse.SUPPRESS,
                       help="what to learn (default: digits; names for lstm and gpt)")  # fmt: skip
    train.add_argument("--epochs", type=_whole(1), default=argparse.SUPPRESS,
                       help=f"passes over the training data (default: {_usually('epochs')})")  # fmt: skip
    train.add_argument("--lr", type=_positive, metavar="LR", default=argparse.SUPPRESS,
                       help=f"learning rate at the start; it falls to 0 (default: {_usually('lr')}; ten times that for sgd)")  # fmt: skip
    train.add_argument("--batch-size", type=_whole(2), default=argparse.SUPPRESS,
                       help=f"images or names in a step (default: {USUAL['batch_size']})")  # fmt: skip
    train.add_argument("--optimizer", choices=OPTIMIZERS, default=argparse.SUPPRESS,
                       help=f"the update rule (default: {USUAL['optimizer']})")  # fmt: skip
    train.add_argument("--hidden", type=_whole(1), default=argparse.SUPPRESS,
                       help=f"features in the hidden layers (default: {_usually('hidden')})")  # fmt: skip
    train.add_argument("--dropout", type=_share, default=argparse.SUPPRESS,
                       help=f"share of features to drop in training (default: {_usually('dropout')})")  # fmt: skip
    train.add_argument("--seed", type=_whole(0), default=argparse.SUPPRESS,
                       help=f"same seed: same weights, batches and result (default: {USUAL['seed']})")  # fmt: skip
    train.add_argument("--patience", type=_whole(1), metavar="N", default=argparse.SUPPRESS,
                       help="stop after N epochs that were no better than the best one, and save that (default: never)")  # fmt: skip
    train.add_argument("--best", action="store_true", default=argparse.SUPPRESS,
                       help="save the epoch that did best on what was held out, not the last one")  # fmt: skip
    train.add_argument("--resume", metavar="FILE", default=argparse.SUPPRESS,
                       help="go on where a training that was interrupted (Ctrl-C) has saved that file, bit for bit")  # fmt: skip
    train.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    train.add_argument("--out", metavar="FILE", default=argparse.SUPPRESS,
                       help="where to save the checkpoint (default: digits.pt; names.pt for names)")  # fmt: skip
    train.add_argument("--compile", nargs="?", const="numpy", choices=("numpy", "c"),
                       help="make each step a program: of NumPy calls (the default), which gives the same numbers, or with its loops in "
                            "C, which needs a C compiler (see docs/compile.md)")  # fmt: skip
    train.add_argument("--compare", action="store_true",
                       help="run the same script from the same seed in real torch beside it and print how far the losses differ")  # fmt: skip
    train.set_defaults(run=_train, parser=train)


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser("evaluate", help="test a saved checkpoint on what was held out")
    evaluate.description = (
        "Test a checkpoint of `minitorch train` on the held-out digits and list what it misreads, or on the held-out names and let it make "
        "up others."
    )
    evaluate.add_argument("checkpoint", metavar="FILE", help="the file that minitorch train saved")
    evaluate.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    evaluate.set_defaults(run=_evaluate, parser=evaluate)


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
    exercise.add_argument("--seconds", type=_positive, default=10.0, help="how long NAME.py may run (default: %(default)g)")
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
    quiz.add_argument("--questions", type=_whole(1), metavar="N", default=10, help="ask at most N (default: %(default)s)")
    quiz.add_argument("--progress", metavar="FILE", help="where to remember what was missed (default: a file in your home)")
    quiz.set_defaults(run=_quiz, parser=quiz)


def _usually(option: str) -> str:
    """An option's default, and the models where it is another: "20; 12 for cnn"."""
    first, *others = ((name, getattr(usual, option)) for name, usual in MODELS.items())
    different = [f"{value:g} for {name}" for name, value in others if value != first[1]]
    return "; ".join([f"{first[1]:g}", *([", ".join(different)] if different else [])])


def _whole(least: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        if not text.strip().isdecimal() or not least <= int(text) < 2**63:
            raise argparse.ArgumentTypeError(f"expected a whole number, at least {least}, got {text!r}")
        return int(text)

    return whole_number


def _number(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        if fits(float(text)):
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")


def _positive(text: str) -> float:
    return _number(text, lambda x: 0 < x < math.inf, "a number above 0")


def _share(text: str) -> float:
    return _number(text, lambda x: 0 <= x < 1, "a number from 0 to below 1")


# ---- train ----


def _train(args: argparse.Namespace) -> None:
    before = _resumed(args) if hasattr(args, "resume") else None
    if before is None:
        model = getattr(args, "model", MODEL)
        task, settings = _task(args, model), _settings(args, model)
        ends: dict[str, Any] = {
            "patience": getattr(args, "patience", None),
            "best": hasattr(args, "best") or hasattr(args, "patience"),
        }
    else:
        task, settings, ends = _task_of(before), before["settings"], before["progress"]["ends"]
    device = _device(args.device)
    if args.compare and settings["dropout"] and device.type == "cuda":
        raise UserError("--compare on a GPU needs --dropout 0: the numbers that dropout draws there are not torch's")
    args.out = getattr(args, "out", f"{task.name}.pt" if before is None else args.resume)
    _check_out(args.out)

    data = task.data("train", device)
    training = task.script.Training(*data, **settings)
    if args.compile:
        training.step = minitorch.compile(training.step, backend=args.compile)
    twin = _in_torch(task, data, settings) if args.compare else None
    held_out = task.data("test", device)
    progress = Progress(training, task.higher_is_better)
    if before is not None:
        _take_over(args.resume, before, training, progress)

    def save(of_the_best: bool) -> None:
        model, value = training.model.state_dict(), task.measure(training.model, *held_out)
        state = {**progress.state(), "ends": ends}
        if of_the_best:
            state["model"], model, value = model, progress.best["model"], progress.best["value"]
        _save(args.out, {"kind": task.kind, "settings": settings, task.measured: value, "model": model, "progress": state})

    try:
        _run_epochs(task, settings, progress, held_out, twin, ends["patience"])
    except KeyboardInterrupt:
        save(of_the_best=False)
        again = f"{args.program} train --resume {shlex.quote(args.out)}"
        where = f"in epoch {progress.epochs + 1}" if progress.batches.done else f"after epoch {progress.epochs}"
        args.saved = f" {where}; saved {args.out}; go on with: {again}"
        raise
    save(ends["best"])
    if ends["best"]:
        training.model.load_state_dict(progress.best["model"])
    for line in task.afterwards(training.model, settings["seed"]):
        print(line)
    which = f", of epoch {progress.best['epoch']}, the best one" if ends["best"] else ""
    print(f"saved {args.out}{which}; test it again with: {args.program} evaluate {shlex.quote(args.out)}")


def _run_epochs(
    task: Task, settings: dict[str, Any], progress: Progress, held_out: Any, twin: Any, patience: int | None
) -> None:
    """Train epoch by epoch and tell how it goes, until all are done or none has been better for long."""
    from tqdm import tqdm

    training, epochs, differences = progress.training, settings["epochs"], []
    batches, done = len(training.batches), progress.batches.done
    bar = tqdm(total=epochs * batches, initial=progress.epochs * batches + done, unit="batch", leave=False, disable=None)

    def after_batch() -> None:
        bar.update()
        progress.after_batch()

    with bar, progress.noting_interrupts():
        while progress.epochs < epochs and (patience is None or progress.without_getting_better() < patience):
            progress.check_interrupted()
            loss = training.epoch(after_batch)
            value = task.measure(training.model, *held_out)
            progress.after_epoch(value)
            line = f"epoch {progress.epochs:{len(str(epochs))}}/{epochs}  loss {loss:.4f}"
            if twin is not None:
                torch_loss = twin.epoch()
                differences.append(abs(loss - torch_loss))
                line += f"  torch's loss {torch_loss:.4f}  difference {differences[-1]:.1e}"
            bar.write(f"{line}  {task.told(value)}")
            if not math.isfinite(loss):
                told = f"the loss became {loss} in epoch {progress.epochs}; nothing was saved"
                raise UserError(f"{told}; try a --lr below {settings['lr']:g}")
    if progress.epochs < epochs:
        print(f"no better for {patience} epoch{'s' * (patience != 1)}: stopped")
    if differences:
        print(f"largest difference between the losses of minitorch and torch: {max(differences):.1e}")


def _resumed(args: argparse.Namespace) -> dict[str, Any]:
    """The checkpoint of a training to go on with, which says all that the training is made of."""
    given = [f"--{name.replace('_', '-')}" for name in FIXED if hasattr(args, name)] + ["--compare"] * args.compare
    if given:
        raise UserError(f"--resume {args.resume}: goes on as it began; leave {', '.join(given)} away")
    checkpoint = _load(args.resume)
    if "progress" not in checkpoint:
        raise UserError(f"{args.resume}: holds a model only, of an earlier version; train it anew")
    if checkpoint["progress"]["epochs"] >= checkpoint["settings"]["epochs"]:
        raise UserError(f"{args.resume}: nothing is left to do: all {checkpoint['settings']['epochs']} epochs are done")
    return checkpoint


def _take_over(path: str, checkpoint: dict[str, Any], training: Any, progress: Progress) -> None:
    """Weights, optimizer, schedule, generators and place of the checkpoint."""
    try:
        training.model.load_state_dict(checkpoint["progress"].get("model", checkpoint["model"]))
        progress.load(checkpoint["progress"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: does not fit the training of minitorch train: {error}") from None


def _task(args: argparse.Namespace, model: str) -> Task:
    """What the model is to learn; a model and data that do not go together are refused."""
    usual = MODELS[model]
    if getattr(args, "data", usual.data) != usual.data:
        fitting = " or ".join(name for name, other in MODELS.items() if other.data == args.data)
        raise UserError(
            f"--model {model} learns from {usual.data}, not from {args.data}; for {args.data} try --model {fitting}"
        )
    return TASKS[usual.data]


def _settings(args: argparse.Namespace, model: str) -> dict[str, Any]:
    """What the script's Training takes."""
    usual = MODELS[model]
    settings = {option: getattr(args, option, getattr(usual, option)) for option in ("epochs", "hidden", "dropout")}
    if model == "gpt" and settings["hidden"] % 4:
        raise UserError(f"--hidden {settings['hidden']}: a gpt has 4 heads, so choose a multiple of 4")
    same = {"model": model, **{option: getattr(args, option, default) for option, default in USUAL.items()}}
    lr = getattr(args, "lr", usual.lr * (10 if same["optimizer"] == "sgd" else 1))
    return {**same, **settings, "lr": lr}


def _device(name: str) -> minitorch.device:
    try:
        return as_device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name}: {error}") from None


def _in_torch(task: Task, data: tuple[minitorch.Tensor, minitorch.Tensor], settings: dict[str, Any]) -> Any:
    try:
        from reference.compare_training import training
    except ImportError as error:
        if error.name == "reference":
            raise UserError("--compare needs the project's checkout: run pip install -e . in it") from None
        raise UserError(f"--compare trains in real torch as well: pip install torch==2.13.0 ({error})") from None
    return training(task.name, *data, **settings)


def _check_out(path: str) -> None:
    """Find out before training whether the checkpoint can be saved, and leave other people's files alone."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path):
        raise UserError(f"--out {path}: is a folder; name a file in it")
    if os.path.isfile(path) and os.path.getsize(path) > 0:
        if not os.access(path, os.W_OK):
            raise UserError(f"--out {path}: the file cannot be written to")
        try:
            _load(path)
        except UserError:
            raise UserError(f"--out {path}: exists and is no checkpoint of minitorch train; name another file") from None
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"--out {path}: cannot write in {folder}: {error.strerror}") from None


def _save(path: str, checkpoint: dict[str, Any]) -> None:
    try:
        minitorch.save(checkpoint, path)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--out {path}: could not save: {getattr(error, 'strerror', error)}") from None


# ---- evaluate ----


def _evaluate(args: argparse.Namespace) -> None:
    device = _device(args.device)
    checkpoint = _load(args.checkpoint)
    task = _task_of(checkpoint)
    try:
        settings = checkpoint["settings"]
        model = task.script.MODELS[settings["model"]](settings["hidden"], settings["dropout"])
        model.load_state_dict(checkpoint["model"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{args.checkpoint}: does not fit the model of minitorch train: {error}") from None
    print("\n".join(task.report(model.to(device), settings["seed"], *task.data("test", device))))


def _task_of(checkpoint: dict[str, Any]) -> Task:
    return next(task for task in TASKS.values() if task.kind == checkpoint["kind"])


def _load(path: str) -> dict[str, Any]:
    try:
        checkpoint = minitorch.load(path, map_location="cpu")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except RuntimeError as error:
        raise UserError(str(error)) from None
    if not isinstance(checkpoint, dict) or checkpoint.get("kind") not in {task.kind for task in TASKS.values()}:
        raise UserError(f"{path}: is a checkpoint, but not one of minitorch train")
    return checkpoint


# ---- explain ----


def _explain(args: argparse.Namespace) -> None:
    from . import compiled, explain  # which import UserError from here

    if args.compiled and args.html is not None:
        raise UserError("--html shows how backward runs; leave out --compiled")
    if args.compiled and args.what is not None:
        print(compiled.explained(args.what, args.variable or "step"))
    else:
        print(explain.explain(args.what, args.variable, args.html))


# ---- exercise ----


def _exercise(args: argparse.Namespace) -> int:
    from .exercise import exercise  # which imports UserError from here

    return exercise(args)


# ---- quiz ----


def _quiz(args: argparse.Namespace) -> None:
    from pathlib import Path

    from . import quiz  # which imports UserError from here

    progress = Path(args.progress) if args.progress else None
    if args.list:
        print(quiz.listing(args.lang, progress))
    else:
        quiz.quiz(args.what, args.lang, args.questions, progress)
