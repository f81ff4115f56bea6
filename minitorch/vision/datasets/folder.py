"""`ImageFolder`: a folder for each class, its files the samples: how most people's own images come.

Classes are numbered in the order of their names, files are found in folders within too, and nothing is read before it is asked for.
Read next: `vision.py`, what data sets of images share.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ...utils.optional import needed
from .vision import Transform, VisionDataset

__all__ = ["DatasetFolder", "ImageFolder"]

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

PathLike = str | os.PathLike[str]
IsValid = Callable[[str], bool]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether the name ends in one of `extensions`, which are in small letters, in letters of any size."""
    return filename.lower().endswith(extensions if isinstance(extensions, str) else tuple(extensions))


def is_image_file(filename: str) -> bool:
    """Whether the name ends as those of images do: `IMG_EXTENSIONS`."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: PathLike) -> tuple[list[str], dict[str, int]]:
    """The names of the folders in `directory`, sorted, and the number of each; FileNotFoundError if there is none."""
    if not os.path.isdir(directory):
        raise FileNotFoundError(
            f"there is no folder {directory}; images of class cat lie in {os.path.join(directory, 'cat')}"
        )
    with os.scandir(directory) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}: each class has a folder of its own in it")
    return classes, {name: i for i, name in enumerate(classes)}


def make_dataset(
    directory: PathLike,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: IsValid | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """(path, number of its class) of every file below `directory`'s folders, sorted, that ends in `extensions` or is_valid_file(path).

    FileNotFoundError names classes without a file, unless allow_empty; ValueError unless just one of extensions and is_valid_file is
    given, and if class_to_idx is empty.
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        class_to_idx = find_classes(directory)[1]
    if not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError("Both extensions and is_valid_file cannot be None or not None at the same time")
    valid = is_valid_file or (lambda path: has_file_allowed_extension(path, extensions or ()))
    found = {name: [path for path in _files(os.path.join(directory, name)) if valid(path)] for name in sorted(class_to_idx)}
    empty = [name for name, paths in found.items() if not paths]
    if empty and not allow_empty:
        known = extensions if isinstance(extensions, str) or extensions is None else ", ".join(extensions)
        said = "" if known is None else f"Supported extensions are: {known}"
        raise FileNotFoundError(f"Found no valid file for the classes {', '.join(empty)}. {said}")
    return [(path, class_to_idx[name]) for name, paths in found.items() for path in paths]


def _files(folder: str) -> list[str]:
    """The paths of all files in and below a folder, folder by folder, sorted; links are followed"""
    return [
        os.path.join(root, name) for root, _, names in sorted(os.walk(folder, followlinks=True)) for name in sorted(names)
    ]


class DatasetFolder(VisionDataset[tuple[Any, Any]]):
    """Sample i is (transform(loader(path)), target_transform(number of its class)) of the i-th file.

    root/class/….ext, folders within count too. Files are those that end in `extensions` or for which is_valid_file(path) is true: give
    one of the two. allow_empty: a class may be without files. Classes and files can be found otherwise: override `find_classes`,
    `make_dataset`. `classes`, `class_to_idx`, `samples` and `targets` say what was found.
    """

    def __init__(
        self,
        root: PathLike,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: IsValid | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        classes, class_to_idx = self.find_classes(self.root)
        samples = self.make_dataset(
            self.root, class_to_idx=class_to_idx, extensions=extensions, is_valid_file=is_valid_file, allow_empty=allow_empty
        )
        self.loader = loader
        self.extensions = extensions
        self.classes = classes
        self.class_to_idx = class_to_idx
        self.samples = samples
        self.targets = [number for _, number in samples]

    @staticmethod
    def make_dataset(
        directory: PathLike,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: IsValid | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """As the function of this name; class_to_idx is what `find_classes` said, so None is a ValueError."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: PathLike) -> tuple[list[str], dict[str, int]]:
        """As the function of this name."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._both(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


def pil_loader(path: PathLike) -> Any:
    """The image in a file, in RGB, by pillow."""
    Image = needed("PIL.Image", "vision", by="minitorch.vision.datasets")
    with open(path, "rb") as file:  # so that it is closed, whatever pillow does
        return Image.open(file).convert("RGB")


def default_loader(path: PathLike) -> Any:
    """`pil_loader`: there is no other way to read images here."""
    return pil_loader(path)


class ImageFolder(DatasetFolder):
    """Images in a folder for each class: root/dog/1.png, root/dog/…/2.png, root/cat/3.png.

    Sample i is (PIL image through `transform`, number of its class through `target_transform`). is_valid_file(path) says which files
    count; unless it is given those that end as images do (`folder.IMG_EXTENSIONS`). `imgs` is `samples`.
    """

    def __init__(
        self,
        root: PathLike,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: IsValid | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(root, loader, extensions, transform, target_transform, is_valid_file, allow_empty)
        self.imgs = self.samples
