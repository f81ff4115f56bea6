"""Names of checkpoints: "{epoch}-{val_loss:.2f}" filled in, a number behind where the name is taken, links, and what may be deleted."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import minitorch

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["NamedFiles", "link", "remove"]


class NamedFiles:
    """The part of `ModelCheckpoint` that names files."""

    CHECKPOINT_JOIN_CHAR = "-"
    CHECKPOINT_EQUALS_CHAR = "="
    CHECKPOINT_NAME_LAST = "last"
    FILE_EXTENSION = ".ckpt"
    STARTING_VERSION = 1

    dirpath: str | None
    filename: str | None
    auto_insert_metric_name: bool
    _enable_version_counter: bool

    def format_checkpoint_name(
        self, metrics: dict[str, Any], filename: str | None = None, ver: int | None = None, prefix: str | None = None
    ) -> str:
        """The path of a checkpoint: the template filled in with metrics (0 for one that is not there), a version behind it.

        >>> from minitorch.lightning.callbacks import ModelCheckpoint
        >>> ModelCheckpoint(filename="{epoch:02d}-{val_loss:.2f}").format_checkpoint_name({"epoch": 3, "val_loss": 0.1372}, ver=1)
        'epoch=03-val_loss=0.14-v1.ckpt'
        """
        join = self.CHECKPOINT_JOIN_CHAR
        template = filename or self.filename or f"{{epoch}}{join}{{step}}"
        named = self.CHECKPOINT_EQUALS_CHAR if self.auto_insert_metric_name else None
        name = filled(template, metrics, named)
        parts = [*([prefix] if prefix is not None else []), name, *([f"v{ver}"] if ver is not None else [])]
        return os.path.join(self.dirpath or "", f"{join.join(parts)}{self.FILE_EXTENSION}")

    def free_name(self, metrics: dict[str, Any], filename: str | None = None, besides: str = "") -> str:
        """The path, with the first version that no file has; a file that is to be replaced anyway does not count."""
        path, version = self.format_checkpoint_name(metrics, filename), self.STARTING_VERSION
        while self._enable_version_counter and os.path.exists(path) and path != besides:
            path = self.format_checkpoint_name(metrics, filename, ver=version)
            version += 1
        return path

    def folder(self, trainer: Trainer) -> str:
        """`dirpath`, else `checkpoints` in the first logger's folder of this run, else in the Trainer's folder."""
        if self.dirpath is not None:
            return self.dirpath
        root = trainer.default_root_dir
        if trainer.loggers:
            logger = trainer.loggers[0]
            version = logger.version if isinstance(logger.version, str) else f"version_{logger.version}"
            root = os.path.join(root if logger.save_dir is None else logger.save_dir, str(logger.name), version)
        return os.path.join(root, "checkpoints")

    def _find_last_checkpoints(self, trainer: Trainer) -> set[str]:
        """The files last.ckpt, last-v1.ckpt, …: `fit(ckpt_path="last")` takes the newest."""
        folder = Path(self.folder(trainer))
        return set(map(str, folder.glob(f"{self.CHECKPOINT_NAME_LAST}*{self.FILE_EXTENSION}")))

    def is_disposable(self, trainer: Trainer, previous: str, current: str) -> bool:
        """Whether `previous` may be deleted now that `current` is there."""
        if previous == current:
            return False
        file = Path(previous).absolute()
        if trainer.ckpt_path is not None and file == Path(trainer.ckpt_path).absolute():
            return False
        assert self.dirpath is not None
        return Path(self.dirpath).absolute() in file.parents


def filled(template: str, metrics: dict[str, Any], named: str | None) -> str:
    """The template with metrics in it; with `named`, "=", each {x} becomes x={x}."""

    def fill(found: re.Match[str]) -> str:
        name, form = found[1], found[2] or ""
        value = metrics.setdefault(name, minitorch.tensor(0))
        text = format(value, form[1:])
        return text if named is None else f"{name}{named}{text}"

    return re.sub(r"\{([^:}]*)(:[^}]*)?\}", fill, template)


def link(file: str, at: str) -> None:
    """A link at `at` to `file`, in the place of what is there; a copy where links are not allowed."""
    if os.path.abspath(file) == os.path.abspath(at):
        return
    if os.path.isdir(at) and not os.path.islink(at):
        shutil.rmtree(at)
    new = f"{at}.new"  # takes the place of the old one in one step: at no moment is there none
    remove(new)
    try:
        os.symlink(os.path.relpath(file, os.path.dirname(at)), new)
    except OSError:  # Windows
        shutil.copy(file, new)
    os.replace(new, at)


def remove(path: str) -> None:
    """Delete a file, a link or a folder, if it is there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)
