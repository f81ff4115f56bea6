"""What data sets of images share: a folder, transforms of the image and of its label, and how they are shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from ...utils.data import Dataset

__all__ = ["StandardTransform", "VisionDataset"]

T_co = TypeVar("T_co", covariant=True)
Transform = Callable[..., Any]


class VisionDataset(Dataset[T_co]):
    """The base: define `__getitem__` and `__len__`, and `extra_repr` for what is to be shown.

    root: where the files are. Either transforms(image, label) → both, or transform(image) and target_transform(label); not both kinds.
    """

    _repr_indent = 4

    def __init__(
        self,
        root: str | os.PathLike[str] | None = None,
        transforms: Transform | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        self.root: Any = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError("Only transforms or transform/target_transform can be passed as argument")
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no __len__: a VisionDataset has to define it")

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            body.append(f"Root location: {self.root}")
        body += self.extra_repr().splitlines()
        if getattr(self, "transforms", None) is not None:
            body.append(repr(self.transforms))
        return "\n".join([f"Dataset {type(self).__name__}", *(" " * self._repr_indent + line for line in body)])

    def extra_repr(self) -> str:
        """Lines for `repr`"""
        return ""

    def _both(self, image: Any, target: Any) -> tuple[Any, Any]:
        """An image through `transform`, its label through `target_transform`"""
        return StandardTransform(self.transform, self.target_transform)(image, target)


class StandardTransform:
    """(image, label) → (transform(image), target_transform(label)), each unless it is None."""

    def __init__(self, transform: Transform | None = None, target_transform: Transform | None = None) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        lines = [type(self).__name__]
        for head, transform in (("Transform: ", self.transform), ("Target transform: ", self.target_transform)):
            if transform is not None:
                first, *others = repr(transform).splitlines()
                lines += [head + first, *(" " * len(head) + line for line in others)]
        return "\n".join(lines)
