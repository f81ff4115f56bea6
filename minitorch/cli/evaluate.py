"""`minitorch evaluate` tests a checkpoint on what was held out, and `minitorch predict` names what is in images.

Both need nothing but the file, which says which model it is of and how images were made ready for it. Read next: `checkpoints.py`, `images.py`.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

import minitorch
from minitorch import nn

from . import checkpoints
from .ends import UserError
from .images import Images, look, read_image
from .options import whole
from .train import device_of


def add(commands: Any) -> None:
    """The command `evaluate` and its options."""
    evaluate = commands.add_parser("evaluate", help="test a saved checkpoint on what was held out")
    evaluate.description = (
        "Test a checkpoint of `minitorch train` on the held-out digits or images and list what it takes for something else, or on the held-out "
        "names and let it make up others."
    )
    evaluate.add_argument("checkpoint", metavar="FILE", help="the file that minitorch train saved")
    evaluate.add_argument("--data", metavar="FOLDER",
                          help="a folder of images for a checkpoint that was trained on one (default: that folder, of it what was held out)")  # fmt: skip
    evaluate.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    evaluate.set_defaults(run=run, parser=evaluate)


def add_predict(commands: Any) -> None:
    """The command `predict` and its options."""
    predict = commands.add_parser("predict", help="name what is in images")
    predict.description = (
        "Show images to a network that `minitorch train --data FOLDER` has trained: the likeliest classes of each."
    )
    predict.add_argument("images", metavar="IMAGE", nargs="+", help="a file with an image")
    predict.add_argument("--checkpoint", metavar="FILE", default="images.pt",
                         help="the file that minitorch train saved (default: %(default)s)")  # fmt: skip
    predict.add_argument(
        "--top", type=whole(1), metavar="N", default=3, help="tell the N likeliest classes (default: %(default)s)"
    )
    predict.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (default: %(default)s)")
    predict.set_defaults(run=run_predict, parser=predict)


def run(args: argparse.Namespace) -> None:
    """Print the task's report on the checkpoint."""
    device = device_of(args)
    checkpoint = checkpoints.load(args.checkpoint)
    model = rebuilt(args.checkpoint, checkpoint).to(device)
    task, settings = checkpoints.task_of(checkpoint), checkpoint["settings"]
    print("\n".join(task.report(model, settings, args.data, device)))


def rebuilt(path: str, checkpoint: dict[str, Any]) -> nn.Module:
    """The model of a checkpoint with its weights."""
    try:
        model = checkpoints.task_of(checkpoint).model(checkpoint["settings"])
        model.load_state_dict(checkpoint["model"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: does not fit the model of minitorch train: {error}") from None
    return model


# ---- predict ----


@minitorch.no_grad()
def run_predict(args: argparse.Namespace) -> None:
    """For each image its name, and below it the likeliest classes."""
    device = device_of(args)
    if not os.path.exists(args.checkpoint):
        how = f"train one with {args.program} train --data FOLDER, or name yours with --checkpoint"
        raise UserError(f"{args.checkpoint}: no such file; {how}")
    checkpoint = checkpoints.load(args.checkpoint)
    if not isinstance(checkpoints.task_of(checkpoint), Images):
        raise UserError(f"{args.checkpoint}: is of {checkpoint['kind']}; predict takes one of minitorch train --data FOLDER")
    for path in args.images:
        _opened(path)
    model = rebuilt(args.checkpoint, checkpoint).to(device).eval()
    settings = checkpoint["settings"]
    ready = look(settings)
    for path in args.images:
        probabilities = model(ready(_opened(path)).unsqueeze(0).to(device)).softmax(dim=1)[0]
        best = probabilities.topk(min(args.top, len(settings["classes"])))
        print(path)
        for probability, number in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            print(f"  {100 * probability:6.2f} %  {settings['classes'][number]}")


def _opened(path: str) -> Any:
    """The image; UserError that names the file if it cannot be read."""
    if os.path.isdir(path):
        raise UserError(f"{path}: is a folder; name the images in it, e.g. {os.path.join(path, '*.jpg')}")
    return read_image(path)
