"""Calls of vision's transforms as plain data, drawn by number.

A call is a dict: "of" (F, a function of `transforms.functional`; T, a class; or U, of `utils`), its "name", "args" (what stands for a thing of
the library is a list such as ["mode", "bilinear"]), and the "image" it is applied to. Read next: `running.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from .running import CHANNELS, Call

FLOATS = ["float32", "float64"]
DTYPES = ["uint8"] * 4 + ["float32"] * 4 + ["int8", "int16", "int32", "int64", "float16", "float64", "bool"]
MODES = ["L", "RGB", "RGBA", "1", "I", "F", "LA", "P", "HSV", "YCbCr", "CMYK", "I;16"]


# ---- images ----


def an_image(
    rng: random.Random,
    kind: str | None = None,
    types: list[str] | None = None,
    channels: list[int] | None = None,
    least: int = 1,
) -> dict[str, Any]:
    kind = kind or rng.choice(["tensor", "tensor", "pil"])
    H, W = (max(least, rng.choice(sizes)) for sizes in ([1, 2, 3, 5, 8, 13, 16, 21, 40], [1, 2, 4, 7, 8, 12, 16, 19, 40]))
    style, seed = rng.choice(["noise"] * 4 + ["slope", "few", "flat"]), rng.randrange(10**6)
    if kind == "pil":
        return {
            "kind": kind,
            "size": [H, W],
            "type": rng.choice(types or ["L", *["RGB"] * 6, *MODES]),
            "style": style,
            "seed": seed,
        }
    C = rng.choice(channels or [1, 3, 3, 3, 2, 4])
    dtype = rng.choice(types or ["uint8", "uint8", "float32", "float32", "float64", "int16", "int32"])
    if kind == "ndarray":
        return {"kind": kind, "size": rng.choice([[H, W], [H, W, C]]), "type": dtype, "style": style, "seed": seed}
    batch = rng.choice([[]] * 6 + [[2], [2], [1], [2, 1]])
    return {"kind": kind, "size": [*batch, C, H, W], "type": dtype, "style": style, "seed": seed}


# ---- arguments ----


def a_mode(rng: random.Random, kind: str, all_of_them: bool = True) -> Any:
    tensors = ["nearest", "bilinear", *(["bicubic", "nearest-exact"] if all_of_them else [])]
    pil = ["nearest", "bilinear", "bicubic", *(["box", "hamming", "lanczos"] if all_of_them else [])]
    return ["mode", rng.choice(tensors if kind == "tensor" else pil)]


def a_size(rng: random.Random) -> Any:
    return rng.choice([rng.randint(1, 24), [rng.randint(1, 24)], [rng.randint(1, 24), rng.randint(1, 24)]])


def a_fill(rng: random.Random, image: dict[str, Any]) -> Any:
    C = CHANNELS.get(image["type"], 1) if image["kind"] == "pil" else image["size"][-3]
    return rng.choice([None, 0, 1, 77, 0.5, [rng.randint(0, 255) for _ in range(C)], [0.25], [3]])


def a_range(rng: random.Random, low: float, high: float) -> list[float]:
    return sorted(round(rng.uniform(low, high), 3) for _ in range(2))


def a_padding(rng: random.Random, low: int = -3, high: int = 9) -> Any:
    count = rng.choice([0, 1, 2, 4, 4])
    numbers = [rng.randint(low, high) for _ in range(max(count, 1))]
    return numbers if count else numbers[0]


def _resize(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    args: dict[str, Any] = {"size": a_size(rng), "interpolation": a_mode(rng, i["kind"])}
    if rng.random() < 0.3:
        args["antialias"] = rng.choice([False, None])
    if rng.random() < 0.2 and not (isinstance(args["size"], list) and len(args["size"]) == 2):
        args["max_size"] = rng.randint(2, 40)
    return args


def _resized_crop(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    window = dict(
        zip(
            ["top", "left", "height", "width"],
            [*(rng.randint(-2, 8) for _ in range(2)), *(rng.randint(1, 12) for _ in range(2))],
        )
    )
    return {**window, "size": a_size(rng), "interpolation": a_mode(rng, i["kind"])}


def _rotate(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    return {
        "angle": rng.choice([0, 90, 180, -90, 45, *(rng.uniform(-200, 200) for _ in range(5))]),
        "interpolation": a_mode(rng, i["kind"], False),
        "expand": rng.random() < 0.3,
        "center": rng.choice([None, None, [rng.randint(0, 8), rng.randint(0, 8)]]),
        "fill": a_fill(rng, i),
    }


def _affine(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    return {
        "angle": rng.choice([0, 90, rng.uniform(-200, 200)]),
        "translate": [rng.randint(-5, 5), rng.randint(-5, 5)],
        "scale": rng.choice([1.0, rng.uniform(0.3, 2.0)]),
        "shear": rng.choice([0.0, 10, [5.0], [rng.uniform(-40, 40), rng.uniform(-40, 40)]]),
        "interpolation": a_mode(rng, i["kind"], False),
        "fill": a_fill(rng, i),
        "center": rng.choice([None, None, [rng.randint(0, 8), rng.randint(0, 8)]]),
    }


def _perspective(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    H, W = i["size"][-2:]
    corners = [[0, 0], [W - 1, 0], [W - 1, H - 1], [0, H - 1]]
    moved = [[x + rng.randint(-2, 2), y + rng.randint(-2, 2)] for x, y in corners]
    return {
        "startpoints": corners,
        "endpoints": moved,
        "interpolation": a_mode(rng, i["kind"], False),
        "fill": a_fill(rng, i),
    }


def _erase(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    return {**{n: rng.randint(0, 6) for n in "ijhw"}, "v": ["tensor", rng.choice([[[[0.5]]], [[[7.0]]]])]}


def _blur(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    size = rng.choice([1, 3, 5, [3, 5], [1, 7]])
    return {"kernel_size": size, "sigma": rng.choice([None, 0.1, 1.0, [0.5, 2.0], rng.uniform(0.1, 4)])}


def _factor(name: str, high: float = 2.5) -> Callable[[random.Random, dict[str, Any]], dict[str, Any]]:
    return lambda rng, i: {name: rng.choice([0, 1, 0.0, round(rng.uniform(0, high), 3), rng.uniform(0, high)])}


def _jitter(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    amount = lambda: rng.choice([0, 0.4, rng.uniform(0, 1.5), a_range(rng, 0, 2)])
    return {
        **{name: amount() for name in ("brightness", "contrast", "saturation")},
        "hue": rng.choice([0, 0.1, 0.5, a_range(rng, -0.5, 0.5)]),
    }


def _random_affine(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    return {
        "degrees": rng.choice([0, 30, a_range(rng, -90, 90)]),
        "translate": rng.choice([None, a_range(rng, 0, 1)]),
        "scale": rng.choice([None, a_range(rng, 0.5, 1.5)]),
        "shear": rng.choice([None, 10, a_range(rng, -20, 20), [-5, 5, -7, 7]]),
        "interpolation": a_mode(rng, i["kind"], False),
        "fill": rng.choice([0, 1, 77]),
    }


def _random_resized_crop(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    args: dict[str, Any] = {"size": a_size(rng)}
    if rng.random() < 0.5:
        args.update(scale=rng.choice([a_range(rng, 0.05, 1), [1.0, 1.0], [3.0, 4.0]]), ratio=a_range(rng, 0.3, 3))
    return args


def _random_crop(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    return {
        "size": a_size(rng),
        "padding": rng.choice([None, None, a_padding(rng, 0, 3)]),
        "pad_if_needed": rng.random() < 0.6,
        "padding_mode": rng.choice(["constant", "constant", "edge", "reflect", "symmetric"]),
    }


def _sides(i: dict[str, Any]) -> list[int]:
    return i["size"] if i["kind"] == "pil" else i["size"][-2:]


def _linear(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    C, H, W = i["size"][-3:]
    i["size"][-2:] = [min(H, 3), min(W, 3)]
    n = C * min(H, 3) * min(W, 3)
    return {"transformation_matrix": ["noise", [n, n]], "mean_vector": ["noise", [n]]}


def _erasing(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    C = i["size"][-3]
    return {"p": rng.choice([0.5, 1.0]), "scale": a_range(rng, 0, 1), "value": rng.choice([0, 0.5, 3, "random", [1.0] * C])}


def _transforms(rng: random.Random, i: dict[str, Any]) -> list[Any]:
    of = [
        ["T", "RandomHorizontalFlip", {"p": 0.5}],
        ["T", "RandomVerticalFlip", {"p": 0.3}],
        ["T", "RandomCrop", {"size": 6, "pad_if_needed": True}],
        ["T", "Pad", {"padding": 1}],
        ["T", "Resize", {"size": [9, 7]}],
        ["T", "CenterCrop", {"size": 5}],
        ["T", "RandomRotation", {"degrees": 33}],
    ]
    return rng.sample(of, rng.randint(1, 4))


def _p(rng: random.Random, i: dict[str, Any]) -> dict[str, Any]:
    return {"p": rng.choice([0, 1, 0.5, 0.1, rng.random()])}


RGB = {"types": ["L", "RGB"], "channels": [1, 3]}
ANY: dict[str, Any] = {}
TENSOR = {"kind": "tensor"}
WIDE = {"least": 7}  # four corners of a narrow image, moved, may lie on a line: then there is no such perspective

# name → (what its image is drawn from, its arguments)
FUNCTIONS: dict[str, tuple[dict[str, Any], Callable[[random.Random, dict[str, Any]], dict[str, Any]]]] = {
    "get_dimensions": (ANY, lambda rng, i: {}),
    "get_image_size": (ANY, lambda rng, i: {}),
    "get_image_num_channels": (ANY, lambda rng, i: {}),
    "resize": (ANY, _resize),
    "crop": (
        ANY,
        lambda rng, i: {
            n: rng.randint(*r) for n, r in zip(["top", "left", "height", "width"], [(-4, 12)] * 2 + [(5, 20)] * 2)
        },
    ),
    "center_crop": (ANY, lambda rng, i: {"output_size": a_size(rng)}),
    "resized_crop": (ANY, _resized_crop),
    "pad": (
        ANY,
        lambda rng, i: {
            "padding": a_padding(rng),
            "fill": a_fill(rng, i),
            "padding_mode": rng.choice(["constant", "constant", "edge", "reflect", "symmetric"]),
        },
    ),
    "hflip": (ANY, lambda rng, i: {}),
    "vflip": (ANY, lambda rng, i: {}),
    "five_crop": (ANY, lambda rng, i: {"size": rng.choice([1, 2, [2, 1], [3]])}),
    "ten_crop": (ANY, lambda rng, i: {"size": rng.choice([1, 2, [2, 1], [3]]), "vertical_flip": rng.random() < 0.5}),
    "rotate": (ANY, _rotate),
    "affine": (ANY, _affine),
    "perspective": (WIDE, _perspective),
    "elastic_transform": (
        {"types": ["uint8", "float32"], "kind": "tensor"},
        lambda rng, i: {
            "displacement": ["noise", [1, *_sides(i), 2]],
            "interpolation": a_mode(rng, i["kind"], False),
            "fill": a_fill(rng, i),
        },
    ),
    "adjust_brightness": ({"channels": [1, 3]}, _factor("brightness_factor")),
    "adjust_contrast": ({"channels": [1, 3]}, _factor("contrast_factor")),
    "adjust_saturation": ({"channels": [1, 3]}, _factor("saturation_factor")),
    "adjust_hue": (
        {"channels": [1, 3]},
        lambda rng, i: {"hue_factor": rng.choice([0, 0.5, -0.5, *(rng.uniform(-0.5, 0.5) for _ in range(4))])},
    ),
    "adjust_gamma": (
        {"channels": [1, 3]},
        lambda rng, i: {"gamma": rng.choice([0, 1, rng.uniform(0, 3)]), "gain": rng.choice([1, 0.7, 1.5])},
    ),
    "adjust_sharpness": ({"channels": [1, 3]}, _factor("sharpness_factor")),
    "rgb_to_grayscale": ({"channels": [1, 3]}, lambda rng, i: {"num_output_channels": rng.choice([1, 3])}),
    "invert": ({"channels": [1, 3]}, lambda rng, i: {}),
    "posterize": ({"types": ["uint8"], "channels": [1, 3], "kind": "tensor"}, lambda rng, i: {"bits": rng.randint(0, 8)}),
    "solarize": (
        {"types": ["uint8"], "channels": [1, 3], "kind": "tensor"},
        lambda rng, i: {"threshold": rng.choice([0, 100, 255, 77.5])},
    ),
    "autocontrast": ({"channels": [1, 3]}, lambda rng, i: {}),
    "equalize": ({"types": ["uint8"], "channels": [1, 3], "kind": "tensor"}, lambda rng, i: {}),
    "gaussian_blur": (ANY, _blur),
    "erase": (TENSOR, _erase),
    "normalize": (
        {"kind": "tensor", "types": FLOATS, "channels": [3]},
        lambda rng, i: {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 1.0]},
    ),
    "convert_image_dtype": ({"kind": "tensor", "types": DTYPES}, lambda rng, i: {"dtype": ["dtype", rng.choice(DTYPES)]}),
    "to_tensor": ({"kind": "pil"}, lambda rng, i: {}),
    "pil_to_tensor": ({"kind": "pil"}, lambda rng, i: {}),
    "to_pil_image": ({"kind": "tensor", "types": ["uint8", "int16", "int32", "float32"]}, lambda rng, i: {}),
}
CLASSES: dict[str, tuple[dict[str, Any], Callable[[random.Random, dict[str, Any]], dict[str, Any]]]] = {
    "ToTensor": ({"kind": "ndarray"}, lambda rng, i: {}),
    "ToPILImage": (
        {"kind": "ndarray"},
        lambda rng, i: {"mode": rng.choice([None, None, "L", "RGB", "F", "I", "YCbCr", "RGBA"])},
    ),
    "Resize": (ANY, _resize),
    "CenterCrop": (ANY, lambda rng, i: {"size": a_size(rng)}),
    "Pad": (ANY, lambda rng, i: {"padding": a_padding(rng, 0), "fill": rng.choice([0, 9])}),
    "RandomCrop": (ANY, _random_crop),
    "RandomResizedCrop": (ANY, _random_resized_crop),
    "RandomHorizontalFlip": (ANY, _p),
    "RandomVerticalFlip": (ANY, _p),
    "RandomRotation": (
        ANY,
        lambda rng, i: {
            "degrees": rng.choice([30, a_range(rng, -200, 200)]),
            "interpolation": a_mode(rng, i["kind"], False),
            "expand": rng.random() < 0.3,
            "fill": rng.choice([0, 0.5, 77]),
        },
    ),
    "RandomAffine": (ANY, _random_affine),
    "RandomPerspective": (
        WIDE,
        lambda rng, i: {"distortion_scale": rng.uniform(0, 1), "p": 0.8, "interpolation": a_mode(rng, i["kind"], False)},
    ),
    "ElasticTransform": (
        WIDE | {"types": ["uint8", "float32"], "kind": "tensor"},
        lambda rng, i: {
            "alpha": rng.uniform(1, 60),
            "sigma": rng.choice([0.3, 0.5, [0.4, 0.7]]),
            "fill": rng.choice([0, 7]),
        },
    ),
    "LinearTransformation": (TENSOR | {"types": ["float32", "float64"]}, _linear),
    "ColorJitter": (RGB | {"types": ["uint8", "float32", "float64"], "kind": "tensor"}, _jitter),
    "Grayscale": ({"channels": [1, 3]}, lambda rng, i: {"num_output_channels": rng.choice([1, 3])}),
    "RandomGrayscale": ({"channels": [1, 3]}, _p),
    "RandomErasing": (TENSOR, _erasing),
    "GaussianBlur": (
        ANY,
        lambda rng, i: {"kernel_size": rng.choice([1, 3, [3, 5]]), "sigma": rng.choice([1, a_range(rng, 0.1, 3)])},
    ),
    "RandomInvert": (RGB | {"kind": "pil"}, _p),
    "RandomPosterize": (RGB | {"kind": "pil"}, lambda rng, i: {"bits": rng.randint(1, 8), **_p(rng, i)}),
    "RandomSolarize": (RGB | {"kind": "pil"}, lambda rng, i: {"threshold": rng.randint(0, 255), **_p(rng, i)}),
    "RandomAdjustSharpness": (RGB | {"kind": "pil"}, lambda rng, i: {"sharpness_factor": rng.uniform(0, 3), **_p(rng, i)}),
    "RandomAutocontrast": (RGB | {"kind": "pil"}, _p),
    "RandomEqualize": (RGB | {"kind": "pil"}, _p),
    "Compose": (ANY, lambda rng, i: {"transforms": _transforms(rng, i)}),
    "RandomApply": (ANY, lambda rng, i: {"transforms": _transforms(rng, i), **_p(rng, i)}),
    "RandomOrder": (ANY, lambda rng, i: {"transforms": _transforms(rng, i)}),
    "RandomChoice": (
        ANY,
        lambda rng, i: {"transforms": (t := _transforms(rng, i)), "p": rng.choice([None, [rng.randint(1, 5) for _ in t]])},
    ),
}
UTILS: dict[str, tuple[dict[str, Any], Callable[[random.Random, dict[str, Any]], dict[str, Any]]]] = {
    "make_grid": (
        TENSOR,
        lambda rng, i: {
            "nrow": rng.randint(1, 9),
            "padding": rng.randint(0, 3),
            "normalize": rng.random() < 0.5 and i["type"] in FLOATS,
            "value_range": rng.choice([None, ["tuple", [0.2, 0.7]]]),
            "scale_each": rng.random() < 0.5,
            "pad_value": rng.choice([0, 1, 0.5]),
        },
    ),
}


def call_of(number: int) -> Call:
    """The call with that number: always the same one."""
    rng = random.Random(number)
    tables = {"F": FUNCTIONS, "T": CLASSES, "U": UTILS}
    of, name = rng.choice([(of, name) for of, table in tables.items() for name in table])
    what, arguments = tables[of][name]
    image = an_image(rng, **what)
    return {"of": of, "name": name, "args": arguments(rng, image), "image": image, "seed": number}


# What people write, from the seed on: a training's and an evaluation's transforms, on a picture and on bytes.
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
    {"of": "F", "name": name, "args": args, "image": image, "seed": 0}
    for image in (_BYTES, _PICTURE)
    for name, args in {
        "equalize": {}, "autocontrast": {}, "invert": {}, "posterize": {"bits": 3}, "solarize": {"threshold": 100}, "adjust_hue": {"hue_factor": 0.3},
        "adjust_gamma": {"gamma": 0.7}, "adjust_sharpness": {"sharpness_factor": 2.0}, "gaussian_blur": {"kernel_size": 7}, "rgb_to_grayscale": {},
        "pad": {"padding": [5, 3, 2, 4], "padding_mode": "symmetric"}, "rotate": {"angle": 30, "expand": True},
    }.items()
]  # fmt: skip

ODD = [
    None,
    "x",
    -1,
    0,
    2.5,
    [],
    [1],
    [1, 2, 3],
    [1, 2, 3, 4, 5],
    ["a", "b"],
    True,
    -0.7,
    9,
    [3, 1],
    [-2, -2],
    ["tensor", [1.0]],
    {},
]


def spoilt_call(number: int) -> Call:
    """A call one argument of which is changed to something odd, or whose image is none: most are mistakes."""
    rng = random.Random(number)
    while True:
        call = call_of(rng.randrange(10**9))
        if call["args"] and rng.random() < 0.85:
            call["args"][rng.choice(sorted(call["args"]))] = rng.choice(ODD)
            return call
        if call["name"] not in ("Compose", "RandomApply", "RandomOrder", "RandomChoice"):  # they may do nothing to it
            call["image"] = rng.choice([{"kind": "odd", "value": None}, {"kind": "odd", "value": "picture.png"}, {"kind": "odd", "value": 7},
                                        {"kind": "ndarray", "size": [4, 5, 3], "type": "uint8", "style": "noise", "seed": 1},
                                        {"kind": "tensor", "size": [5], "type": "float32", "style": "noise", "seed": 1}])  # fmt: skip
            return call
