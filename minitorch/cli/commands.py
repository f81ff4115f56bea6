"""The command line: `minitorch train` trains on real digits, `evaluate` reads a checkpoint back, `explain` shows backward.

Here are only options, checks and printing; the training itself is `minitorch/examples/digits.py`, the showing is
`minitorch/cli/explain.py`. The rule for errors:
whatever the user can get wrong is found before training starts and answered in one line, with nothing written.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import minitorch
from minitorch.arrays.device import as_device
from minitorch.datasets import load_digits
from minitorch.examples import digits

from .ends import Parser, as_typed, ending_well

DEFAULT_LR = {"adam": 0.01, "adamw": 0.01, "sgd": 0.1}


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
    except MemoryError as error:
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

    train = commands.add_parser("train", help="train a network to read handwritten digits")
    train.description = (
        "Train Linear, BatchNorm1d, ReLU, Dropout, Linear on 1,438 real handwritten digits, test it on 359 others after "
        "each epoch, and save a checkpoint."
    )
    train.add_argument("--epochs", type=_whole(1), default=20, help="passes over the training images (default: %(default)s)")
    train.add_argument("--lr", type=_positive, metavar="LR", default=argparse.SUPPRESS,
                       help="learning rate at the start; it falls to 0 (default: 0.01; 0.1 for sgd)")  # fmt: skip
    train.add_argument("--batch-size", type=_whole(2), default=64, help="images in a step (default: %(default)s)")
    train.add_argument(
        "--optimizer", choices=list(DEFAULT_LR), default="adam", help="the update rule (default: %(default)s)"
    )
    train.add_argument("--hidden", type=_whole(1), default=128, help="features in the hidden layer (default: %(default)s)")
    train.add_argument(
        "--dropout", type=_share, default=0.2, help="share of features to drop in training (default: %(default)s)"
    )
    train.add_argument(
        "--seed", type=_whole(0), default=0, help="same seed: same weights, batches and result (default: %(default)s)"
    )
    train.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    train.add_argument(
        "--out",
        metavar="FILE",
        default="digits.pt",
        help="where to save the checkpoint (default: %(default)s)",
    )
    train.add_argument("--compare", action="store_true",
                       help="run the same script from the same seed in real torch beside it and print how far the losses differ")  # fmt: skip
    train.set_defaults(run=_train, parser=train)

    evaluate = commands.add_parser("evaluate", help="test a saved checkpoint on the held-out digits")
    evaluate.description = "Test a checkpoint of `minitorch train` on the held-out digits and list what it misreads."
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
    device = _device(args.device)
    if args.compare and args.dropout and device.type == "cuda":
        raise UserError("--compare on a GPU needs --dropout 0: the numbers that dropout draws there are not torch's")
    _check_out(args.out)
    lr = getattr(args, "lr", DEFAULT_LR[args.optimizer])

    settings = {
        "seed": args.seed, "hidden": args.hidden, "dropout": args.dropout, "optimizer": args.optimizer, "lr": lr,
        "batch_size": args.batch_size, "epochs": args.epochs,
    }  # fmt: skip
    images = _data("train", device)
    training = digits.Training(*images, **settings)
    twin = _in_torch(images, settings) if args.compare else None
    test_images = _data("test", device)

    from tqdm import tqdm

    differences = []
    with tqdm(total=args.epochs * len(training.batches), unit="batch", leave=False, disable=None) as bar:
        for epoch in range(1, args.epochs + 1):
            loss = training.epoch(bar.update)
            accuracy = digits.accuracy(training.model, *test_images)
            line = f"epoch {epoch:{len(str(args.epochs))}}/{args.epochs}  loss {loss:.4f}"
            if twin is not None:
                torch_loss = twin.epoch()
                differences.append(abs(loss - torch_loss))
                line += f"  torch's loss {torch_loss:.4f}  difference {differences[-1]:.1e}"
            bar.write(f"{line}  test accuracy {accuracy:.2f} %")
            if not math.isfinite(loss):
                break
    if not math.isfinite(loss):
        raise UserError(f"the loss became {loss} in epoch {epoch}; nothing was saved; try a --lr below {lr:g}")
    if differences:
        print(f"largest difference between the losses of minitorch and torch: {max(differences):.1e}")
    _save(args, training.model, accuracy)
    print(f"saved {args.out}; test it again with: {args.program} evaluate {shlex.quote(args.out)}")


def _device(name: str) -> minitorch.device:
    try:
        return as_device(name)
    except RuntimeError as error:
        raise UserError(f"--device {name}: {error}") from None


def _data(split: str, device: minitorch.device) -> tuple[minitorch.Tensor, minitorch.Tensor]:
    images, labels = load_digits(split)
    return digits.pixels(images).to(device), labels.to(device)


def _in_torch(images: tuple[minitorch.Tensor, minitorch.Tensor], settings: dict[str, Any]) -> Any:
    try:
        from reference.compare_training import training
    except ImportError as error:
        if error.name == "reference":
            raise UserError("--compare needs the project's checkout: run pip install -e . in it") from None
        raise UserError(f"--compare trains in real torch as well: pip install torch==2.13.0 ({error})") from None
    return training(*images, **settings)


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


def _save(args: argparse.Namespace, model: minitorch.nn.Module, accuracy: float) -> None:
    settings = {"hidden": args.hidden, "dropout": args.dropout, "epochs": args.epochs, "seed": args.seed}
    checkpoint = {
        "kind": "minitorch digits",
        "settings": settings,
        "accuracy": accuracy,
        "model": model.state_dict(),
    }
    try:
        minitorch.save(checkpoint, args.out)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--out {args.out}: could not save: {getattr(error, 'strerror', error)}") from None


# ---- evaluate ----


def _evaluate(args: argparse.Namespace) -> None:
    device = _device(args.device)
    checkpoint = _load(args.checkpoint)
    try:
        model = digits.build_model(checkpoint["settings"]["hidden"])
        model.load_state_dict(checkpoint["model"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{args.checkpoint}: does not fit the model of minitorch train: {error}") from None
    model.to(device)
    inputs, labels = _data("test", device)
    read = digits.predict(model, inputs).tolist()
    mistakes = Counter((true, got) for true, got in zip(labels.tolist(), read, strict=True) if true != got)
    right = len(read) - mistakes.total()
    print(f"test accuracy {100 * right / len(read):.2f} % ({right} of {len(read)})")
    for (true, got), times in mistakes.most_common():
        print(f"  {true} read as {got}: {times}×")


def _load(path: str) -> dict[str, Any]:
    try:
        checkpoint = minitorch.load(path, map_location="cpu")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except RuntimeError as error:
        raise UserError(str(error)) from None
    if not isinstance(checkpoint, dict) or checkpoint.get("kind") != "minitorch digits":
        raise UserError(f"{path}: is a checkpoint, but not one of minitorch train")
    return checkpoint


# ---- explain ----


def _explain(args: argparse.Namespace) -> None:
    from .explain import explain  # which imports UserError from here

    print(explain(args.what, args.variable))
