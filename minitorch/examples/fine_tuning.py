"""A pretrained network learns new classes from a folder of images: all of fine-tuning, without the command line around it.

The idea: layers that were trained on a million photographs find edges, textures and parts, which are of use for other pictures, too. So only
the last layer, which names the classes, is replaced; the new one is trained, and the layers below stay as they are (`freeze`) or move a
little. Every word is torch's or torchvision's. Try `minitorch train --data FOLDER --weights FILE --freeze`; read next
`minitorch/cli/images.py`, which runs it, or `minitorch/vision/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import minitorch
from minitorch import Tensor, nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader, Dataset, Subset
from minitorch.vision import models, transforms
from minitorch.vision.datasets import ImageFolder

MEAN, STD = (
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)  # of ImageNet's red, green and blue: what pretrained layers are used to
OLD_LAYERS = 0.1  # how much slower pretrained layers learn than the new one


# ---- the images ----


def varied(size: int) -> Callable[[Any], Tensor]:
    """An image in training: another piece of it each time, mirrored half of the time, so that no image is seen twice."""
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


def plain(size: int, mean: Sequence[float] = MEAN, std: Sequence[float] = STD) -> Callable[[Any], Tensor]:
    """An image that is judged: its middle, the same each time. Nothing random, or the accuracy would be."""
    return transforms.Compose(
        [
            transforms.Resize(size * 256 // 224),
            transforms.CenterCrop(size),
            transforms.ToTensor(),
            transforms.Normalize(mean, std),
        ]
    )


def read_folder(folder: str | Path, size: int = 224, seed: int = 0, **options: Any) -> tuple[Dataset, Dataset]:
    """The images to train on and those held out: FOLDER/train and FOLDER/val, or a fifth of each class of FOLDER is held out."""
    if (Path(folder) / "val").is_dir():
        training = ImageFolder(f"{folder}/train", varied(size), **options)
        return training, ImageFolder(f"{folder}/val", plain(size), **options)
    training, held_out = ImageFolder(folder, varied(size), **options), ImageFolder(folder, plain(size), **options)
    kept, left_out = split(training.targets, seed)
    return Subset(training, kept), Subset(held_out, left_out)


def split(labels: list[int], seed: int) -> tuple[list[int], list[int]]:
    """The numbers of the images to train on and of those held out, class by class, so that both parts have the same shares of classes."""
    generator = minitorch.Generator().manual_seed(seed)
    kept: list[int] = []
    left_out: list[int] = []
    for label in sorted(set(labels)):
        of_it = [number for number, other in enumerate(labels) if other == label]
        order = [of_it[k] for k in minitorch.randperm(len(of_it), generator=generator).tolist()]
        held = max(1, len(of_it) // 5)
        left_out += sorted(order[:held])
        kept += sorted(order[held:])
    return kept, left_out


# ---- the network ----


def head_of(model: nn.Module) -> str:
    """The name of the layer that scores the classes, the last Linear: "fc" of a ResNet, "classifier.6" of a VGG."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1]


def build(name: str, classes: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """The model of that name with a new head; the weights, if given, are those of all layers below it."""
    model = models.get_model(name)
    head = head_of(model)
    model.set_submodule(head, nn.Linear(model.get_submodule(head).in_features, classes))
    if weights is not None:  # of the head the new weights stand; any other that is missing or too much is an error
        new = {key: tensor for key, tensor in model.state_dict().items() if key.startswith(f"{head}.")}
        model.load_state_dict({**weights, **new})
    return model


def keep_statistics(model: nn.Module) -> None:
    """Let batch norm use the mean and variance it has and leave them alone: `requires_grad_(False)` does not, for they are no parameters."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


class Training:
    """One run, epoch by epoch; everything random in it (head, order, crops, dropout) follows from the seed."""

    def __init__(
        self,
        images: Dataset,
        classes: int,
        *,
        model: str = "resnet18",
        weights: Mapping[str, Tensor] | None = None,
        freeze: bool = False,
        seed: int = 0,
        optimizer: str = "adam",
        lr: float = 0.001,
        batch_size: int = 32,
        epochs: int = 10,
        workers: int = 0,
        device: Any = "cpu",
    ) -> None:
        minitorch.manual_seed(seed)
        self.device, self.freeze = device, freeze
        self.model = build(model, classes, weights).to(device)
        self.optimizer = build_optimizer(optimizer, self.model, lr, freeze, pretrained=weights is not None)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, epochs)
        # Batch norm takes its mean and variance over the batch: of one image there may be no variance.
        alone = len(images) % batch_size == 1  # type: ignore[arg-type]
        self.batches = DataLoader(images, batch_size, shuffle=True, num_workers=workers, drop_last=alone)
        self.total, self.count = 0.0, 0  # of the losses in this epoch, and how many images they are of

    def epoch(self, after_batch: Callable[[], object] = lambda: None) -> float:
        """One pass over the images in a new order; the mean loss of an image."""
        self.model.train()
        if self.freeze:
            keep_statistics(self.model)
        for inputs, labels in self.batches:
            loss = self.step(inputs.to(self.device), labels.to(self.device))
            self.total += loss.item() * len(labels)
            self.count += len(labels)
            after_batch()
        self.schedule.step()
        mean, self.total, self.count = self.total / self.count, 0.0, 0
        return mean

    def step(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """One step on a batch: its loss."""
        loss = F.cross_entropy(self.model(inputs), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


def build_optimizer(name: str, model: nn.Module, lr: float, freeze: bool, pretrained: bool) -> optim.Optimizer:
    """The optimizer "adam", "adamw" or "sgd" (with momentum) of the layers that learn, each as fast as it should.

    Frozen layers get no gradient, so backward ends at the head. Pretrained ones that are not frozen learn more slowly than the head: its
    first gradients are those of random weights, and large steps along them would undo what the layers have learnt.
    """
    head = model.get_submodule(head_of(model))
    new = {id(parameter) for parameter in head.parameters()}
    old = [parameter for parameter in model.parameters() if id(parameter) not in new]
    for parameter in old:
        parameter.requires_grad_(not freeze)
    groups: list[dict[str, Any]] = [{"params": list(head.parameters())}]
    if not freeze:
        groups.append({"params": old, "lr": lr * OLD_LAYERS if pretrained else lr})
    if name == "sgd":
        return optim.SGD(groups, lr=lr, momentum=0.9)
    return {"adam": optim.Adam, "adamw": optim.AdamW}[name](groups, lr=lr)


# ---- how well it does ----


@minitorch.no_grad()
def predict(model: nn.Module, batches: Iterable[Any], device: Any = "cpu") -> tuple[list[int], list[int]]:
    """The class with the highest score for each image, and the true one."""
    model.eval()
    got: list[int] = []
    true: list[int] = []
    for inputs, labels in batches:
        got += model(inputs.to(device)).argmax(dim=1).tolist()
        true += labels.tolist()
    return got, true


def accuracy(model: nn.Module, batches: Iterable[Any], device: Any = "cpu") -> float:
    """The share of images whose class is named correctly, in percent."""
    got, true = predict(model, batches, device)
    return 100 * sum(map(int.__eq__, got, true)) / len(true)
