"""What torchvision's own networks are and compute, measured once: `networks.json`.

torchvision needs another torch than this project's tests, so this runs by itself, in an environment that has both:

    python reference/vision/measure_networks.py

Of each network: a digest of its parameters' names and shapes, one of the weights drawn from a seed and the next number that the generator
draws; then, in float64, the outputs of a step of training, the norm of its gradients, and the outputs in evaluation afterwards. Of each
file of weights: what its enum says.
"""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("networks.json")
NETWORKS = [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "alexnet", "mobilenet_v2",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
]  # fmt: skip
SEED, CLASSES, SIZE = 18, 10, 64


def facts(library: Any, models: Any, name: str) -> dict[str, Any]:
    """What there is to know of a network, by either library: `library` is torch or minitorch."""
    library.manual_seed(SEED)
    network = models.get_model(name, num_classes=CLASSES)
    state = network.state_dict()
    drawn = hashlib.sha256()
    for value in state.values():
        drawn.update(value.numpy().tobytes())
    names = "\n".join(f"{key} {tuple(value.shape)} {str(value.dtype).partition('.')[2]}" for key, value in state.items())
    after = library.rand(1).item()
    network.double()
    x = library.randn(2, 3, SIZE, SIZE, dtype=library.float64)
    trained = network(x)
    (trained * library.randn(2, CLASSES, dtype=library.float64)).sum().backward()
    gradients = [p.grad.square().sum().sqrt().item() for p in network.parameters()]
    network.eval()
    with library.no_grad():
        evaluated = network(x)
    return {
        "names": hashlib.sha256(names.encode()).hexdigest(),
        "parameters": sum(p.numel() for p in network.parameters()),
        "weights": drawn.hexdigest(),
        "after": after,
        "trained": trained.tolist(),
        "gradients": [gradients[0], gradients[-1], sum(gradients)],
        "evaluated": evaluated.tolist(),
    }


def weights(models: Any, name: str) -> dict[str, Any]:
    """What is said of each file of weights that a network can be had with."""
    return {
        member: {
            "is": each.name,  # DEFAULT is another name
            "url": each.url,
            "num_params": each.meta["num_params"],
            "min_size": list(each.meta["min_size"]),
            "metrics": each.meta["_metrics"],
            "preset": each.transforms.keywords,
        }
        for member, each in models.get_model_weights(name).__members__.items()
        if member != "IMAGENET1K_FEATURES"  # of vgg16: without a classifier, for another library's detectors
    }


def main() -> None:
    import torch
    import torchvision

    network = {name: facts(torch, torchvision.models, name) for name in NETWORKS}
    said = {name: weights(torchvision.models, name) for name in NETWORKS}
    versions = f"torchvision {torchvision.__version__}, torch {torch.__version__}, {platform.machine()}"
    FILE.with_suffix(".new").write_text(table(versions, network, said), encoding="utf-8")
    FILE.with_suffix(".new").replace(FILE)


def table(versions: str, network: dict[str, Any], said: dict[str, Any]) -> str:
    """The text of the file: a line for each network."""
    lines = {"networks": network, "weights": said}
    parts = [f'"measured": {json.dumps(versions)}', '"command": "python reference/vision/measure_networks.py"']
    for title, rows in lines.items():
        parts.append(
            f'"{title}": {{\n' + ",\n".join(f"{json.dumps(n)}: {json.dumps(row)}" for n, row in rows.items()) + "\n}"
        )
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    main()
