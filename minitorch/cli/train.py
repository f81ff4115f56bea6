"""`minitorch train`: a training is set up, run epoch by epoch, saved, and gone on with.

What can be trained is in `tasks.py` and `images.py`, the training itself in `minitorch/examples/`, how far it has come in `progress.py`.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
from collections.abc import Callable
from typing import Any

import minitorch
from minitorch.arrays.device import as_device

from . import checkpoints
from .ends import UserError, did_you_mean
from .options import positive, share, whole
from .progress import Progress
from .task import IMAGE_MODELS, IMAGES, MODELS, SHARED, Task
from .tasks import TASKS

OPTIMIZERS = ("adam", "adamw", "sgd")
PACKAGED = [task.name for task in TASKS.values() if task.name != "images"]  # data that need no folder
OWN = {
    option: "digits and names" if task.name in PACKAGED else "images" for task in TASKS.values() for option in task.options
}
FIXED = ("model", "data", *SHARED, *OWN, "patience", "best")  # what a training that goes on cannot be told anew


def add(commands: Any) -> None:
    """The command and its options."""
    train = commands.add_parser(
        "train", help="train a network: to read digits, to make up names, or to tell your images apart"
    )
    train.description = (
        "Train an MLP or a CNN on 1,438 real handwritten digits, an LSTM or a GPT on 4,647 first names, or a pretrained network on a folder of "
        "your images (docs/fine-tuning.md); test it after each epoch on others that were held out, and save a checkpoint."
    )
    option = train.add_argument
    option("--model", choices=list(MODELS), metavar="MODEL", default=argparse.SUPPRESS,
           help=f"what to train: mlp, cnn (digits), lstm, gpt (names), or for a folder of images {', '.join(IMAGE_MODELS)} (default: mlp; "
                f"lstm for names, {IMAGE_MODELS[0]} for a folder)")  # fmt: skip
    option("--data", metavar="DATA", default=argparse.SUPPRESS,
           help="what to learn: digits, names, or a folder of images, in it a folder for each class; a fifth of each is held out, unless there "
                "are FOLDER/train and FOLDER/val with the classes in them (default: digits; names for lstm and gpt)")  # fmt: skip
    option("--weights", metavar="FILE", default=argparse.SUPPRESS,
           help="images: the pretrained model's weights, a .pth file of torchvision (default: none, it learns from scratch)")  # fmt: skip
    option("--freeze", action="store_true", default=argparse.SUPPRESS,
           help="images: train the new last layer only, and keep the others as they are in --weights")  # fmt: skip
    option("--size", type=whole(1), metavar="PIXELS", default=argparse.SUPPRESS,
           help="images: how wide and high the network sees them (default: 224)")  # fmt: skip
    option("--workers", type=whole(0), metavar="N", default=argparse.SUPPRESS,
           help="images: processes that load them beforehand (default: 0, none)")  # fmt: skip
    option("--epochs", type=whole(1), default=argparse.SUPPRESS,
           help=f"passes over the training data (default: {_usually('epochs')})")  # fmt: skip
    option("--lr", type=positive, metavar="LR", default=argparse.SUPPRESS,
           help=f"learning rate at the start; it falls to 0 (default: {_usually('lr')}; ten times that for sgd)")  # fmt: skip
    option("--batch-size", type=whole(2), default=argparse.SUPPRESS,
           help=f"images or names in a step (default: {_usually('batch_size')})")  # fmt: skip
    option("--optimizer", choices=OPTIMIZERS, default=argparse.SUPPRESS, help=f"the update rule (default: {OPTIMIZERS[0]})")
    option("--hidden", type=whole(1), default=argparse.SUPPRESS,
           help=f"digits, names: features in the hidden layers (default: {_usually('hidden')})")  # fmt: skip
    option("--dropout", type=share, default=argparse.SUPPRESS,
           help=f"digits, names: share of features to drop in training (default: {_usually('dropout')})")  # fmt: skip
    option("--seed", type=whole(0), default=argparse.SUPPRESS,
           help="same seed: same weights, batches and result (default: 0)")  # fmt: skip
    option("--patience", type=whole(1), metavar="N", default=argparse.SUPPRESS,
           help="stop after N epochs that were no better than the best one, and save that (default: never)")  # fmt: skip
    option("--best", action="store_true", default=argparse.SUPPRESS,
           help="save the epoch that did best on what was held out, not the last one; of images it always is")  # fmt: skip
    option("--resume", metavar="FILE", default=argparse.SUPPRESS,
           help="go on where a training that was interrupted (Ctrl-C) has saved that file, bit for bit")  # fmt: skip
    option("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    option("--out", metavar="FILE", default=argparse.SUPPRESS,
           help="where to save the checkpoint (default: digits.pt; names.pt for names, images.pt for images)")  # fmt: skip
    option("--compile", nargs="?", const="numpy", choices=("numpy", "c"),
           help="make each step a program: of NumPy calls (the default), which gives the same numbers, or with its loops in "
                "C, which needs a C compiler (see docs/compile.md)")  # fmt: skip
    option("--compare", action="store_true",
           help="digits, names: run the same script from the same seed in real torch beside it and print how far the losses differ")  # fmt: skip
    train.set_defaults(run=run, parser=train)


def _usually(option: str) -> str:
    """An option's default, and the models where it is another: "20; 12 for cnn"."""
    usual = {name: getattr(usual, option) for name, usual in MODELS.items() if usual is not IMAGES}
    if getattr(IMAGES, option):
        usual["images"] = getattr(IMAGES, option)
    first, *others = usual.items()
    different = [f"{value:g} for {name}" for name, value in others if value != first[1]]
    return "; ".join([f"{first[1]:g}", *([", ".join(different)] if different else [])])


# ---- a training, from its options to its file ----


def run(args: argparse.Namespace) -> None:
    """Set it up, run it, save it; Ctrl-C saves it where it is."""
    before = _resumed(args) if hasattr(args, "resume") else None
    if before is None:
        task, model = _task_and_model(args)
        device = device_of(args)
        settings = task.settings(args, model)
        ends: dict[str, Any] = {
            "patience": getattr(args, "patience", None),
            "best": task.keeps_best or hasattr(args, "best") or hasattr(args, "patience"),
        }
    else:
        task, device = checkpoints.task_of(before), device_of(args)
        settings, ends = task.moved(before["settings"], args), before["progress"]["ends"]
    if args.compare and settings["dropout"] and device.type == "cuda":
        raise UserError("--compare on a GPU needs --dropout 0: the numbers that dropout draws there are not torch's")
    args.out = getattr(args, "out", f"{task.name}.pt" if before is None else args.resume)
    checkpoints.check_out(args.out)

    data = task.data("train", settings, device)
    training = task.training(data, settings, before and _weights(before), device)
    if args.compile:
        training.step = minitorch.compile(training.step, backend=args.compile)
    twin = _in_torch(task, data, settings) if args.compare else None
    held_out = task.data("test", settings, device)
    progress = Progress(training, task.higher_is_better)
    if before is not None:
        _take_over(args.resume, before, training, progress)

    def save(value: float | None = None) -> None:
        """Of the best epoch if that is wanted and there is one; else of the present, which has that value."""
        model, state = training.model.state_dict(), {**progress.state(), "ends": ends}
        if ends["best"] and progress.best:
            state["model"], model, value = model, progress.best["model"], progress.best["value"]
        checkpoint = {"kind": task.kind, "settings": settings, task.measured: value, "model": model, "progress": state}
        checkpoints.save(args.out, checkpoint)

    for line in task.beforehand(settings):
        print(line)
    try:
        value = _run_epochs(task, settings, progress, held_out, twin, ends["patience"], save)
    except KeyboardInterrupt:
        args.saved = _interrupted(args, task, progress, save)
        raise
    except UserError as error:  # the loss, or an image that was there when training began
        raise UserError(f"{str(error).rstrip()}; {_kept(args, task, progress)}") from None
    save(value)
    if ends["best"]:
        training.model.load_state_dict(progress.best["model"])
    for line in task.afterwards(training.model, settings["seed"]):
        print(line)
    which = f", of epoch {progress.best['epoch']}, the best one" if ends["best"] else ""
    print(f"saved {args.out}{which}; {task.next_command(args.program, shlex.quote(args.out))}")


def _interrupted(args: argparse.Namespace, task: Task, progress: Progress, save: Callable[[], None]) -> str:
    """Save, and say what was: at once, in the middle of a batch, nothing can be saved that would go on bit for bit."""
    if progress.at_once:
        return f" at once; {_kept(args, task, progress)}"
    save()
    where = f"in epoch {progress.epochs + 1}" if progress.in_an_epoch else f"after epoch {progress.epochs}"
    return f" {where}; saved {args.out}; {_again(args)}"


def _kept(args: argparse.Namespace, task: Task, progress: Progress) -> str:
    """What there is of a training that has ended where it cannot be saved."""
    if not task.keeps_best or not progress.saved:
        return "nothing was saved"
    return f"{args.out} is of epoch {progress.saved}; {_again(args)}"


def _again(args: argparse.Namespace) -> str:
    return f"go on with: {args.program} train --resume {shlex.quote(args.out)}"


def _run_epochs(
    task: Task,
    settings: dict[str, Any],
    progress: Progress,
    held_out: Any,
    twin: Any,
    patience: int | None,
    save: Callable[[], None],
) -> float:
    """Train epoch by epoch and tell how it goes, until all are done or none has been better for long; how good the last one was."""
    from tqdm import tqdm

    training, epochs, differences = progress.training, settings["epochs"], []
    batches, done = len(training.batches), progress.batches.done
    bar = tqdm(total=epochs * batches, initial=progress.epochs * batches + done, unit="batch", leave=False, disable=None)

    def after_batch() -> None:
        bar.update()
        progress.after_batch()

    value = math.nan
    with bar, progress.noting_interrupts():
        while progress.epochs < epochs and (patience is None or progress.without_getting_better() < patience):
            progress.check_interrupted()
            progress.train(after_batch)
            value = task.measure(training.model, held_out, progress.check_interrupted)
            loss = progress.after_epoch(value)
            line = f"epoch {progress.epochs:{len(str(epochs))}}/{epochs}  loss {loss:.4f}"
            if twin is not None:
                torch_loss = twin.epoch()
                differences.append(abs(loss - torch_loss))
                line += f"  torch's loss {torch_loss:.4f}  difference {differences[-1]:.1e}"
            bar.write(f"{line}  {task.told(value)}")
            if not math.isfinite(loss):
                raise UserError(f"the loss became {loss} in epoch {progress.epochs}; try a --lr below {settings['lr']:g}")
            if task.keeps_best:
                save()
                progress.saved = progress.epochs
    if progress.epochs < epochs:
        print(f"no better for {patience} epoch{'s' * (patience != 1)}: stopped")
    if differences:
        print(f"largest difference between the losses of minitorch and torch: {max(differences):.1e}")
    return value


# ---- where one has stopped ----


def _resumed(args: argparse.Namespace) -> dict[str, Any]:
    """The checkpoint of a training to go on with, which says all that the training is made of."""
    checkpoint = checkpoints.load(args.resume)
    movable = checkpoints.task_of(checkpoint).movable
    given = [f"--{name.replace('_', '-')}" for name in FIXED if hasattr(args, name) and name not in movable]
    if given or args.compare:
        raise UserError(
            f"--resume {args.resume}: goes on as it began; leave {', '.join(given + ['--compare'] * args.compare)} away"
        )
    if "progress" not in checkpoint:
        raise UserError(f"{args.resume}: holds a model only, of an earlier version; train it anew")
    if checkpoint["progress"]["epochs"] >= checkpoint["settings"]["epochs"]:
        raise UserError(f"{args.resume}: nothing is left to do: all {checkpoint['settings']['epochs']} epochs are done")
    return checkpoint


def _weights(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Those it had where it stopped: not those of its best epoch."""
    return checkpoint["progress"].get("model", checkpoint["model"])


def _take_over(path: str, checkpoint: dict[str, Any], training: Any, progress: Progress) -> None:
    """Weights, optimizer, schedule, generators and place of the checkpoint."""
    try:
        training.model.load_state_dict(_weights(checkpoint))
        progress.load(checkpoint["progress"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: does not fit the training of minitorch train: {error}") from None


# ---- what the options mean together ----


def _task_and_model(args: argparse.Namespace) -> tuple[Task, str]:
    """What is to be learnt by which model; what does not go together is refused."""
    data = getattr(args, "data", None)
    wanted = data if data in PACKAGED else None if data is None else "images"  # the task that the data are for
    model = getattr(args, "model", None) or next(
        name for name, usual in MODELS.items() if usual.data == (wanted or "digits")
    )
    task = TASKS[MODELS[model].data]
    if wanted == "images":
        _check_folder(str(data))
    if wanted is None and task.name == "images":
        raise UserError(f"--model {model} learns from a folder of your images; name it: --data FOLDER")
    if wanted not in (None, task.name):
        fitting = (
            " or ".join(name for name, usual in MODELS.items() if usual.data == wanted) if wanted != "images" else "resnet18"
        )
        raise UserError(f"--model {model} learns from {task.name}, not from {data}; for {data} try --model {fitting}")
    for option, owner in OWN.items():
        if hasattr(args, option) and option not in task.options:
            raise UserError(f"--{option} is for {owner}; leave it away with {task.name}")
    if args.compare and task.name == "images":
        raise UserError(
            "--compare is for digits and names; leave it away with images: their transforms are torchvision's, not torch's"
        )
    return task, model


def _check_folder(path: str) -> None:
    """Whether it is one; what is not may be a misspelt word."""
    if not os.path.isdir(path):
        expected = f"expected {', '.join(map(repr, PACKAGED))} or a folder of images"
        what = "a file" if os.path.exists(path) else "no such folder"
        raise UserError(f"--data {path}: {what}; {expected}{did_you_mean(path, PACKAGED)}")


def device_of(args: argparse.Namespace) -> minitorch.device:
    """The one that was named, if there is one."""
    try:
        return as_device(args.device)
    except RuntimeError as error:
        raise UserError(f"--device {args.device}: {error}") from None


def _in_torch(task: Task, data: tuple[minitorch.Tensor, minitorch.Tensor], settings: dict[str, Any]) -> Any:
    try:
        from reference.compare_training import training
    except ImportError as error:
        if error.name == "reference":
            raise UserError("--compare needs the project's checkout: run pip install -e . in it") from None
        raise UserError(f"--compare trains in real torch as well: pip install torch==2.13.0 ({error})") from None
    return training(task.name, *data, **settings)
