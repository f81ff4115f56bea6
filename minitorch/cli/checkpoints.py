"""The file that `minitorch train` saves: where it may go, how it is written, and what is refused when it is read.

It is a dict: the task's `kind`, the `settings` of its training, how good the model was, the `model`'s weights, and the `progress` that another
training needs to go on. Read next: `train.py`, which writes it; `evaluate.py`, which reads it.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

import minitorch

from .ends import UserError
from .task import Task
from .tasks import TASKS


def check_out(path: str) -> None:
    """Find out before training whether the checkpoint can be saved, and leave other people's files alone."""
    folder = os.path.dirname(os.path.realpath(path))
    if os.path.isdir(path):
        raise UserError(f"--out {path}: is a folder; name a file in it")
    if os.path.isfile(path) and os.path.getsize(path) > 0:
        if not os.access(path, os.W_OK):
            raise UserError(f"--out {path}: the file cannot be written to")
        try:
            load(path)
        except UserError:
            raise UserError(f"--out {path}: exists and is no checkpoint of minitorch train; name another file") from None
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"--out {path}: cannot write in {folder}: {error.strerror}") from None


def save(path: str, checkpoint: dict[str, Any]) -> None:
    """Write it; the file that was there is replaced when the new one is complete."""
    try:
        minitorch.save(checkpoint, path)
    except (OSError, RuntimeError) as error:
        raise UserError(f"--out {path}: could not save: {getattr(error, 'strerror', error)}") from None


def load(path: str) -> dict[str, Any]:
    """What is in it, on the CPU; UserError if it cannot be read or is something else."""
    checkpoint = load_any(path)
    if not isinstance(checkpoint, dict) or checkpoint.get("kind") not in {task.kind for task in TASKS.values()}:
        raise UserError(f"{path}: is a checkpoint, but not one of minitorch train")
    return checkpoint


def load_any(path: str) -> Any:
    """What is in any file of minitorch.save or torch.save."""
    try:
        return minitorch.load(path, map_location="cpu")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except RuntimeError as error:
        raise UserError(str(error)) from None


def task_of(checkpoint: dict[str, Any]) -> Task:
    """The task that it is a checkpoint of."""
    return next(task for task in TASKS.values() if task.kind == checkpoint["kind"])
