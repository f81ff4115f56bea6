"""The command line: `minitorch train` trains on real data, `evaluate` reads a checkpoint back, `explain` shows backward.

Here are only options, checks and printing; what can be trained is in `tasks.py`, the training itself in `minitorch/examples/`, the
showing in `explain.py`. The rule for errors: whatever the user can get wrong is found before training starts and answered in one
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
from .tasks import MODELS, TASKS, Task, Usual

OPTIMIZERS = ("adam", "adamw", "sgd")


class UserError(Exception):
    """Something only the user can put right; its text is the one line they get."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command in `argv` (default: the process's own); returns the exit status."""
    return ending_well("minitorch", lambda: _run(argv))


def _run(argv: Sequence[str] | None) -> int:
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.error("name a command: train, evaluate or explain; minitorch --help tells more")
    args.program = "minitorch" if argv is not None else as_typed()
    try:
        args.run(args)
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
        print(f"minitorch {args.command}: interrupted; nothing was saved", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="minitorch", description="A small deep-learning framework to read. Start with: minitorch train")
    parser.add_argument("--version", action="version", version=f"minitorch {minitorch.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    train = commands.add_parser("train", help="train a network: to read digits, or to make up names")
    train.description = (
        "Train an MLP or a CNN on 1,438 real handwritten digits, or an LSTM or a GPT on 4,647 first names, test it after each epoch on "
        "others that were held out, and save a checkpoint."
    )
    train.add_argument("--model", choices=list(MODELS), default="mlp", help="what to train (default: %(default)s)")
    train.add_argument("--data", choices=list(TASKS), default=argparse.SUPPRESS,
                       help="what to learn (default: digits; names for lstm and gpt)")  # fmt: skip
    train.add_argument("--epochs", type=_whole(1), default=argparse.SUPPRESS,
                       help=f"passes over the training data (default: {_usually('epochs')})")  # fmt: skip
    train.add_argument("--lr", type=_positive, metavar="LR", default=argparse.SUPPRESS,
                       help=f"learning rate at the start; it falls to 0 (default: {_usually('lr')}; ten times that for sgd)")  # fmt: skip
    train.add_argument("--batch-size", type=_whole(2), default=64, help="images or names in a step (default: %(default)s)")
    train.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="the update rule (default: %(default)s)")
    train.add_argument("--hidden", type=_whole(1), default=argparse.SUPPRESS,
                       help=f"features in the hidden layers (default: {_usually('hidden')})")  # fmt: skip
    train.add_argument("--dropout", type=_share, default=argparse.SUPPRESS,
                       help=f"share of features to drop in training (default: {_usually('dropout')})")  # fmt: skip
    train.add_argument(
        "--seed", type=_whole(0), default=0, help="same seed: same weights, batches and result (default: %(default)s)"
    )
    train.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    train.add_argument("--out", metavar="FILE", default=argparse.SUPPRESS,
                       help="where to save the checkpoint (default: digits.pt; names.pt for names)")  # fmt: skip
    train.add_argument("--compare", action="store_true",
                       help="run the same script from the same seed in real torch beside it and print how far the losses differ")  # fmt: skip
    train.set_defaults(run=_train, parser=train)

    evaluate = commands.add_parser("evaluate", help="test a saved checkpoint on what was held out")
    evaluate.description = (
        "Test a checkpoint of `minitorch train` on the held-out digits and list what it misreads, or on the held-out names and let it make "
        "up others."
    )
    evaluate.add_argument("checkpoint", metavar="FILE", help="the file that minitorch train saved")
    evaluate.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    evaluate.set_defaults(run=_evaluate, parser=evaluate)

    explain = commands.add_parser("explain", help="show step by step how backward runs through a small program")
    explain.description = (
        "Run a small program and show how backward goes through the graph it left: which node runs when, what came in, what "
        "it keeps, what each derivative (with its source) sends to whom."
    )
    explain.add_argument(
        "what", metavar="NAME|FILE", nargs="?", help="an example's name, or a Python file (default: list the examples)"
    )
    explain.add_argument(
        "--variable", metavar="NAME", default="loss", help="the tensor to start from (default: %(default)s)"
    )
    explain.set_defaults(run=_explain, parser=explain)
    return parser


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
    usual = MODELS[args.model]
    task = _task(args, usual)
    settings = _settings(args, usual)
    device = _device(args.device)
    if args.compare and settings["dropout"] and device.type == "cuda":
        raise UserError("--compare on a GPU needs --dropout 0: the numbers that dropout draws there are not torch's")
    args.out = getattr(args, "out", f"{task.name}.pt")
    _check_out(args.out)

    data = task.data("train", device)
    training = task.script.Training(*data, **settings)
    twin = _in_torch(task, data, settings) if args.compare else None
    held_out = task.data("test", device)

    from tqdm import tqdm

    epochs, differences = settings["epochs"], []
    with tqdm(total=epochs * len(training.batches), unit="batch", leave=False, disable=None) as bar:
        for epoch in range(1, epochs + 1):
            loss = training.epoch(bar.update)
            value = task.measure(training.model, *held_out)
            line = f"epoch {epoch:{len(str(epochs))}}/{epochs}  loss {loss:.4f}"
            if twin is not None:
                torch_loss = twin.epoch()
                differences.append(abs(loss - torch_loss))
                line += f"  torch's loss {torch_loss:.4f}  difference {differences[-1]:.1e}"
            bar.write(f"{line}  {task.told(value)}")
            if not math.isfinite(loss):
                break
    if not math.isfinite(loss):
        raise UserError(f"the loss became {loss} in epoch {epoch}; nothing was saved; try a --lr below {settings['lr']:g}")
    if differences:
        print(f"largest difference between the losses of minitorch and torch: {max(differences):.1e}")
    for line in task.afterwards(training.model, args.seed):
        print(line)
    _save(args.out, task, settings, training.model, value)
    print(f"saved {args.out}; test it again with: {args.program} evaluate {shlex.quote(args.out)}")


def _task(args: argparse.Namespace, usual: Usual) -> Task:
    """What the model is to learn; a model and data that do not go together are refused."""
    if getattr(args, "data", usual.data) != usual.data:
        fitting = " or ".join(name for name, other in MODELS.items() if other.data == args.data)
        raise UserError(
            f"--model {args.model} learns from {usual.data}, not from {args.data}; for {args.data} try --model {fitting}"
        )
    return TASKS[usual.data]


def _settings(args: argparse.Namespace, usual: Usual) -> dict[str, Any]:
    """What the script's Training takes."""
    settings = {option: getattr(args, option, getattr(usual, option)) for option in ("epochs", "hidden", "dropout")}
    if args.model == "gpt" and settings["hidden"] % 4:
        raise UserError(f"--hidden {settings['hidden']}: a gpt has 4 heads, so choose a multiple of 4")
    lr = getattr(args, "lr", usual.lr * (10 if args.optimizer == "sgd" else 1))
    same = {option: getattr(args, option) for option in ("model", "seed", "optimizer", "batch_size")}
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


def _save(path: str, task: Task, settings: dict[str, Any], model: minitorch.nn.Module, value: float) -> None:
    checkpoint = {"kind": task.kind, "settings": settings, task.measured: value, "model": model.state_dict()}
    try:
        minitorch.save(checkpoint, path)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--out {path}: could not save: {getattr(error, 'strerror', error)}") from None


# ---- evaluate ----


def _evaluate(args: argparse.Namespace) -> None:
    device = _device(args.device)
    checkpoint = _load(args.checkpoint)
    task = next(task for task in TASKS.values() if task.kind == checkpoint["kind"])
    try:
        settings = checkpoint["settings"]
        model = task.script.MODELS[settings["model"]](settings["hidden"], settings["dropout"])
        model.load_state_dict(checkpoint["model"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{args.checkpoint}: does not fit the model of minitorch train: {error}") from None
    print("\n".join(task.report(model.to(device), settings["seed"], *task.data("test", device))))


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
    from .explain import explain  # which imports UserError from here

    print(explain(args.what, args.variable))
