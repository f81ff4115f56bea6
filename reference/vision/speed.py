"""ResNet-18 for the clock: `python -m reference bench --only ResNet`."""

from __future__ import annotations

from typing import Any

import numpy as np


def resnet18(library: Any, batch: int, size: int, backward: bool = True) -> Any:
    """Forward of `batch` images in training, and backward; or forward alone, in evaluation."""
    library.manual_seed(0)  # the same weights in both
    if library.__name__ == "torch":
        from .networks import network

        model: Any = network("resnet18")
    else:
        from minitorch.vision.models import resnet18

        model = resnet18()
    x = library.from_numpy(np.random.default_rng(0).standard_normal((batch, 3, size, size), dtype=np.float32))
    t = library.arange(batch)

    def step() -> Any:
        model.zero_grad()
        loss = library.nn.functional.cross_entropy(model(x), t)
        loss.backward()
        return loss

    def forward() -> Any:
        with library.no_grad():
            return model(x)

    return step if backward else (model.eval(), forward)[1]
