"""`FakeData`: images of noise with labels drawn at random, to try a program before there is data.

Read next: `folder.py`, for data.
"""

from __future__ import annotations

from typing import Any

from ...random import get_rng_state, manual_seed, set_rng_state
from ...tensor import Tensor
from ...tensor.random import randint, randn
from .vision import Transform, VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset[tuple[Any, Any]]):
    """Sample i is (PIL image of noise through `transform`, label from 0 to num_classes − 1), drawn from the seed i + random_offset.

    So a sample is the same each time, and the same as torchvision's. image_size: (channels, height, width). target_transform gets the
    label as a tensor of no dimensions. The generator is left as it was.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        from ..transforms import ToPILImage

        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range: {index} of {len(self)}")
        image, target = self._drawn(index + self.random_offset)
        image, target = self._both(ToPILImage()(image), target)
        return image, target.item() if isinstance(target, Tensor) else target

    def _drawn(self, seed: int) -> tuple[Tensor, Tensor]:
        before = get_rng_state()
        try:
            manual_seed(seed)
            return randn(*self.image_size), randint(0, self.num_classes, (1,))[0]
        finally:
            set_rng_state(before)

    def __len__(self) -> int:
        return self.size
