"""Calls that people write, on a picture and on bytes: a training's transforms, an evaluation's, and functions on an image that is not tiny."""

from __future__ import annotations

from .running import Call

_TRAINING = [
    ["T", "RandomResizedCrop", {"size": 24}],
    ["T", "RandomHorizontalFlip", {}],
    ["T", "ColorJitter", {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4}],
]
_SMALL_PICTURES = [
    ["T", "RandomCrop", {"size": 32, "padding": 4}],
    ["T", "RandomHorizontalFlip", {}],
    ["T", "RandomRotation", {"degrees": 15}],
    ["T", "RandomApply", {"transforms": [["T", "GaussianBlur", {"kernel_size": 3}]], "p": 0.5}],
    ["T", "RandomGrayscale", {"p": 0.3}],
]
_EVALUATION = [["T", "Resize", {"size": 30}], ["T", "CenterCrop", {"size": 24}]]
_NORMALIZED = [
    ["T", "ConvertImageDtype", {"dtype": ["dtype", "float32"]}],
    ["T", "Normalize", {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}],
]
_PICTURE = {"kind": "pil", "size": [40, 52], "type": "RGB", "style": "noise", "seed": 7}
_BYTES = {"kind": "tensor", "size": [3, 40, 52], "type": "uint8", "style": "noise", "seed": 7}
RECIPES: list[Call] = [
    {"of": "T", "name": "Compose", "args": {"transforms": [*recipe, *end]}, "image": image, "seed": seed}
    for image, end in [(_PICTURE, [["T", "ToTensor", {}], _NORMALIZED[1], ["T", "RandomErasing", {}]]), (_BYTES, [*_NORMALIZED, ["T", "RandomErasing", {}]])]
    for recipe in [_TRAINING, _SMALL_PICTURES, _EVALUATION]
    for seed in range(5)
] + [
    {"of": "T", "name": name, "args": args, "image": image, "seed": seed}
    for image in (_BYTES, _PICTURE)
    for name, args in [("AutoAugment", {"policy": ["policy", "CIFAR10"]}), ("AutoAugment", {"policy": ["policy", "SVHN"]}), ("AutoAugment", {}),
                       ("RandAugment", {}), ("TrivialAugmentWide", {})]
    for seed in range(8)
] + [
    {"of": "F", "name": name, "args": args, "image": image, "seed": 0}
    for image in (_BYTES, _PICTURE)
    for name, args in {
        "equalize": {}, "autocontrast": {}, "invert": {}, "posterize": {"bits": 3}, "solarize": {"threshold": 100}, "adjust_hue": {"hue_factor": 0.3},
        "adjust_gamma": {"gamma": 0.7}, "adjust_sharpness": {"sharpness_factor": 2.0}, "gaussian_blur": {"kernel_size": 7}, "rgb_to_grayscale": {},
        "pad": {"padding": [5, 3, 2, 4], "padding_mode": "symmetric"}, "rotate": {"angle": 30, "expand": True},
    }.items()
]  # fmt: skip
