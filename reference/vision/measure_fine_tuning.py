"""`minitorch/examples/fine_tuning.py`, word for word, in torch and torchvision: what it printed there, measured once (`fine_tuning.json`).

torchvision needs another torch than this project's tests, so this runs by itself, in an environment that has both:

    PYTHONPATH=. python reference/vision/measure_fine_tuning.py

In float64 but where most layers are frozen: batch norm over few values blows rounding up. Nothing is handed over but the images: weights, the split, the order, crops and flips are each library's own draws from the seed.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

FILE = Path(__file__).with_name("fine_tuning.json")
CLASSES = {"four": 4, "one": 1, "seven": 7, "zero": 0}
RUNS: dict[str, dict[str, Any]] = {
    "frozen": {"model": "resnet18", "dtype": "float32", "pretrained": True, "freeze": True, "lr": 0.01},
    "all layers": {"model": "mobilenet_v2", "pretrained": True, "optimizer": "sgd", "lr": 0.001, "epochs": 1},
    "frozen, with dropout": {"model": "mobilenet_v2", "pretrained": True, "freeze": True, "lr": 0.01},
    "from scratch": {"model": "mobilenet_v2", "pretrained": False, "optimizer": "adamw", "lr": 0.001},
    "all layers of a ResNet": {"model": "resnet18", "pretrained": True, "lr": 0.001},
}
SIZE, BATCH = 32, 16


def write_images(folder: Path, count: int) -> None:
    """The first so many digits of each class as PNGs of 32 × 32 pixels, in a folder for each."""
    from PIL import Image

    from minitorch.datasets import load_digits

    images, labels = (tensor.numpy() for tensor in load_digits("train"))
    for name, digit in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(images[labels == digit][:count]):
            pixels = np.kron(image, np.ones((4, 4))) * 255 / 16
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number:02}.png")


def facts(library: Any, script: Any, folder: Path, dtype: str = "float64", **options: Any) -> dict[str, Any]:
    """The losses and accuracies of a run, and what it thinks of the images that were held out."""
    before = library.get_default_dtype()
    library.set_default_dtype(getattr(library, dtype))  # which weights are made in, and what `ToTensor` makes
    try:
        return _facts(library, script, folder, **options)
    finally:
        library.set_default_dtype(before)


def _facts(
    library: Any, script: Any, folder: Path, model: str, pretrained: bool, epochs: int = 2, **options: Any
) -> dict[str, Any]:
    library.manual_seed(18)
    weights = script.models.get_model(model).state_dict() if pretrained else None
    images, held_out = script.read_folder(folder, SIZE)
    training = script.Training(
        images, len(CLASSES), model=model, weights=weights, batch_size=BATCH, epochs=epochs, **options
    )
    batches = script.DataLoader(held_out, BATCH)
    losses = []
    for _ in range(epochs):
        losses.append(training.epoch())
        accuracy = script.accuracy(training.model, batches)
    with library.no_grad():
        inputs, _ = next(iter(batches))
        scores = training.model(inputs).tolist()
    moved = [tensor.sum().item() for name, tensor in training.model.state_dict().items() if name.endswith("running_mean")]
    return {
        "losses": losses,
        "accuracy": accuracy,
        "predicted": script.predict(training.model, batches),
        "scores": scores,
        "moved": sum(moved),
    }


if __name__ == "__main__":
    import torch
    import torchvision

    from reference.examples import example

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        write_images(Path(name), 10)
        runs = {run: facts(torch, example("fine_tuning", torch), Path(name), **RUNS[run]) for run in RUNS}
    measured = {"torch": torch.__version__, "torchvision": torchvision.__version__, "runs": runs}
    FILE.write_text(json.dumps(measured) + "\n", encoding="utf-8")
