"""The task of fine-tuning: a folder of images is looked through before training starts, and a checkpoint says all that naming new ones takes.

The training is `minitorch/examples/fine_tuning.py`. Whatever can be wrong with a folder, an image or a file of weights is found here, and told by
name. Read next: `evaluate.py`, where `minitorch predict` is.
"""

from __future__ import annotations

import hashlib
import os
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import minitorch
from minitorch import Tensor, nn

from .ends import UserError
from .task import Task, confusions

LIST = 3  # so many names are told, and how many others there are


class Images(Task):
    """Telling the images of a folder apart, by a network that may know others already."""

    name, measured, higher_is_better = "images", "accuracy", True
    options = ("weights", "freeze", "size", "workers")
    movable = ("data",)
    keeps_best = True

    def settings(self, args: Namespace, model: str) -> dict[str, Any]:
        from minitorch.examples import fine_tuning

        weights = getattr(args, "weights", None)
        if hasattr(args, "freeze") and weights is None:
            raise UserError(
                "--freeze keeps layers as they are in --weights; name a file with --weights, or leave --freeze away"
            )
        found = Folder(args.data)
        found.check()
        return super().settings(args, model) | {
            "weights": weights,
            "freeze": hasattr(args, "freeze"),
            "size": getattr(args, "size", 224),
            "workers": getattr(args, "workers", 0),
            "mean": fine_tuning.MEAN,
            "std": fine_tuning.STD,
            "classes": found.classes,
            "data": os.path.abspath(args.data),
            "images": found.fingerprint(),
        }

    def moved(self, settings: dict[str, Any], args: Namespace) -> dict[str, Any]:
        folder = getattr(args, "data", settings["data"])
        if not os.path.isdir(folder):
            raise UserError(f"{folder}: the images of {args.resume} are not there any more; say where they are with --data")
        if Folder(folder).fingerprint() != settings["images"]:
            raise UserError(f"{folder}: has not the same images as when {args.resume} was begun; train anew to use these")
        return settings | {"data": os.path.abspath(folder)}

    def beforehand(self, settings: dict[str, Any]) -> list[str]:
        if settings["weights"] is not None:
            return []
        return [f"no --weights: {settings['model']} learns from scratch, for which it needs many images"]

    def data(self, split: str, settings: dict[str, Any], device: Any) -> tuple[Any, ...]:
        from minitorch.examples import fine_tuning

        training, held_out = fine_tuning.read_folder(settings["data"], settings["size"], settings["seed"], loader=read_image)
        return (training,) if split == "train" else (self.loader(held_out, settings), device)

    def loader(self, images: Any, settings: dict[str, Any]) -> Any:
        """Batches to be judged. A generator of their own: what training draws does not depend on how often they are looked at."""
        own = minitorch.Generator()
        return minitorch.utils.data.DataLoader(
            images, settings["batch_size"], num_workers=settings["workers"], generator=own
        )

    def training(self, data: tuple[Any, ...], settings: dict[str, Any], before: dict[str, Any] | None, device: Any) -> Any:
        from minitorch.examples import fine_tuning

        weights = settings["weights"] and (before or read_weights(settings["weights"]))
        chosen = ("model", "freeze", "seed", "optimizer", "lr", "batch_size", "epochs", "workers")
        options = {option: settings[option] for option in chosen}
        try:
            made = fine_tuning.Training(data[0], len(settings["classes"]), weights=weights, device=device, **options)
        except RuntimeError:
            if weights and (told := unfitting(weights, self.model(settings))):
                raise UserError(f"--weights {settings['weights']}: are not those of {settings['model']}: {told}") from None
            raise
        check_size(made.model, settings, device)
        return made

    def model(self, settings: dict[str, Any]) -> nn.Module:
        from minitorch.examples import fine_tuning

        whole = isinstance(settings["size"], int) and len(settings["mean"]) == len(settings["std"]) == 3
        if not whole or not all(isinstance(name, str) for name in settings["classes"]):
            raise TypeError("its size, mean, std or classes are not those of images")
        return fine_tuning.build(settings["model"], len(settings["classes"]))

    def measure(self, model: nn.Module, held_out: tuple[Any, ...], after_batch: Callable[[], object]) -> float:
        got, true = predicted(model, held_out, after_batch)
        right, of, _ = confusions(got, true)
        return 100 * right / of

    def told(self, value: float) -> str:
        return f"validation accuracy {value:.2f} %"

    def next_command(self, program: str, file: str) -> str:
        return f"name what is in an image with: {program} predict --checkpoint {file} IMAGE"

    def report(self, model: nn.Module, settings: dict[str, Any], data: str | None, device: Any) -> list[str]:
        from minitorch.examples import fine_tuning

        folder, names = settings["data"] if data is None else data, settings["classes"]
        if not os.path.isdir(folder):
            raise UserError(f"{folder}: no such folder; say with --data where images to test it on are")
        found = Folder(folder)
        held_out = found.parts.get("val") or found.parts[""]
        if unknown := [name for name in held_out.classes if name not in names]:
            raise UserError(f"{folder}: has classes that were not learnt: {few(unknown)}; learnt were {few(names, 10)}")
        found.look_through()
        held_out.loader, held_out.transform = read_image, look(settings)
        what = f"images of {os.path.relpath(folder) if data is None else data}"
        if "val" in found.parts or found.fingerprint() == settings["images"]:
            what += " that were held out"
        if "" in found.parts and found.fingerprint() == settings["images"]:
            _, left_out = fine_tuning.split(held_out.targets, settings["seed"])
            images: Any = minitorch.utils.data.Subset(held_out, left_out)
        else:
            images = held_out
        got, true = predicted(model, (self.loader(images, settings), device))
        right, of, mistakes = confusions(got, [names.index(held_out.classes[k]) for k in true])
        lines = [f"accuracy {100 * right / of:.2f} % ({right} of {of} {what})"]
        return lines + [f"  {names[true]} taken for {names[got]}: {times}×" for (true, got), times in mistakes]


def look(settings: dict[str, Any]) -> Callable[[Any], Tensor]:
    """What makes an image ready for the model of a checkpoint."""
    from minitorch.examples import fine_tuning

    return fine_tuning.plain(settings["size"], settings["mean"], settings["std"])


def predicted(
    model: nn.Module, held_out: tuple[Any, ...], after_batch: Callable[[], object] = lambda: None
) -> tuple[list[int], list[int]]:
    """The class that each image gets, and the true one, batch by batch with a bar."""
    from tqdm import tqdm

    from minitorch.examples import fine_tuning

    batches, device = held_out

    def each() -> Any:
        for batch in tqdm(batches, desc="looking at what was held out", unit="batch", leave=False, disable=None):
            yield batch
            after_batch()

    return fine_tuning.predict(model, each(), device)


# ---- the folder ----


class Folder:
    """What is in a folder of images: its classes, and its parts, which are all of it ("") or "train" and "val"."""

    def __init__(self, path: str) -> None:
        from minitorch.vision.datasets import ImageFolder

        self.path = path
        self.parts: dict[str, Any] = {}
        for part in ("train", "val") if (Path(path) / "val").is_dir() else ("",):
            inner = os.path.join(path, part) if part else path
            try:
                self.parts[part] = ImageFolder(inner)
            except (OSError, ValueError) as error:
                told = error if error.filename is None else f"{error.filename}: {error.strerror}"  # type: ignore[union-attr]
                raise UserError(f"--data {inner}: {told}; make a folder for each class, and put its images there") from None
        self.classes: list[str] = next(iter(self.parts.values())).classes

    def check(self) -> None:
        """UserError if nothing can be learnt from it: one class, classes that are not in both parts, an image that cannot be read."""
        for name, part in self.parts.items():
            if part.classes != self.classes:
                odd = sorted(set(part.classes) ^ set(self.classes))
                raise UserError(
                    f"--data {self.path}: train and {name} have not the same classes: {few(odd)} in one of them only"
                )
        if len(self.classes) < 2:
            beside = "; beside train there must be val" if self.classes == ["train"] else ""
            raise UserError(
                f"--data {self.path}: has one class only, {self.classes[0]}: there is nothing to tell apart{beside}"
            )
        counts = Counter(next(iter(self.parts.values())).targets)
        if "val" not in self.parts and (single := [self.classes[k] for k, count in counts.items() if count < 2]):
            raise UserError(
                f"--data {self.path}: of {few(single)} there is one image only: one must be held out, so give two at least"
            )
        self.look_through()

    def look_through(self) -> None:
        """Read every image once, so that a broken one is told before hours of training."""
        from tqdm import tqdm

        paths = [path for part in self.parts.values() for path, _ in part.samples]
        for path in tqdm(paths, desc="looking through the images", unit="image", leave=False, disable=None):
            read_image(path)

    def fingerprint(self) -> str:
        """Of the names and lengths of its files: the same for a copy in another place."""
        files = [path for part in self.parts.values() for path, _ in part.samples]
        told = [f"{os.path.relpath(path, self.path)} {os.path.getsize(path)}" for path in files]
        return hashlib.sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest()


def read_image(path: str) -> Any:
    """The image in RGB; UserError that names the file if it is none, or is broken."""
    from minitorch.vision.datasets.folder import default_loader

    try:
        return default_loader(path)
    except ImportError as error:
        raise UserError(str(error)) from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what pillow raises for files that are damaged
        if reason := getattr(error, "strerror", None):
            raise UserError(f"{path}: {reason}") from None
        reason = str(error).partition(" '")[0].partition(" <")[0]  # without the name, which may be of a Python object
        raise UserError(f"{path}: cannot be read as an image ({reason}); mend it or take it away") from None


def few(names: Sequence[str], most: int = LIST) -> str:
    """The first of the names, and how many others there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


# ---- the weights ----


def read_weights(path: str) -> dict[str, Tensor]:
    """Those in the file; UserError if it holds something else."""
    from .checkpoints import load_any

    weights = load_any(path)
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise UserError(
            f"--weights {path}: is no state_dict, a dict of tensors, as torch.save(model.state_dict(), …) writes it"
        )
    return weights


def unfitting(weights: dict[str, Tensor], model: nn.Module) -> str:
    """Which weights are missing, too many, or of another shape, but for the head's; "" if they are the model's."""
    from minitorch.examples.fine_tuning import head_of

    head = head_of(model) + "."
    own = {key: tensor.shape for key, tensor in model.state_dict().items() if not key.startswith(head)}
    theirs = {key: tensor.shape for key, tensor in weights.items() if not key.startswith(head)}
    wrong = {
        "missing are": [key for key in own if key not in theirs],
        "too many are": [key for key in theirs if key not in own],
        "of another shape are": [key for key in own if key in theirs and own[key] != theirs[key]],
    }
    return "; ".join(f"{what} {few(keys)}" for what, keys in wrong.items() if keys)


@minitorch.no_grad()
def check_size(model: nn.Module, settings: dict[str, Any], device: Any) -> None:
    """UserError if images of this size vanish on their way through the layers."""
    size = settings["size"]
    try:
        model.eval()(minitorch.zeros(1, 3, size, size, device=device))
    except (RuntimeError, ValueError) as error:
        raise UserError(f"--size {size}: does not go through {settings['model']}: {error}") from None
