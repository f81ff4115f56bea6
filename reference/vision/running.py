"""Running a call of `calls.py` with whichever library, and making comparable what comes of it.

`torch` is torch or minitorch, `vision` torchvision or minitorch.vision: the file imports neither.
"""

from __future__ import annotations

import hashlib
import random
import warnings
from typing import Any

import numpy as np

Call = dict[str, Any]
CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4, "LA": 2, "HSV": 3, "YCbCr": 3, "CMYK": 4}  # of modes whose pixels are bytes


# ---- images ----


def pixels(shape: list[int], dtype: str, style: str, seed: int) -> np.ndarray[Any, Any]:
    """Noise, a smooth slope, one value, or few values (many ties); floats are in 0 to 1."""
    rng = np.random.RandomState(seed)
    values = {
        "noise": lambda: rng.uniform(0, 1, shape),
        "slope": lambda: np.linspace(0, 1, int(np.prod(shape))).reshape(shape),
        "flat": lambda: np.full(shape, rng.uniform()),
        "few": lambda: rng.randint(0, 4, shape) / 3,
    }[style]()
    if dtype == "bool":
        return values > 0.5
    if np.issubdtype(np.dtype(dtype), np.floating):
        return values.astype(dtype)
    return (values * {"uint8": 255, "int8": 127, "int16": 32767}.get(dtype, 10**5)).astype(dtype)


def picture(spec: dict[str, Any], torch: Any) -> Any:
    """The image that a call describes."""
    if spec["kind"] == "odd":
        return spec["value"]
    kind, size, style, seed = spec["kind"], spec["size"], spec["style"], spec["seed"]
    if kind == "tensor":
        return torch.from_numpy(pixels(size, spec["type"], style, seed))
    if kind == "ndarray":
        return pixels(size, spec["type"], style, seed)
    from PIL import Image

    mode = spec["type"]
    if mode in CHANNELS:
        data = pixels([*size, CHANNELS[mode]], "uint8", style, seed)
        return Image.frombytes(mode, (size[1], size[0]), data.tobytes())
    data = pixels(size, "uint8", style, seed)
    if mode == "F":
        return Image.fromarray(data.astype(np.float32) / 7)
    if mode == "I":
        return Image.fromarray(data.astype(np.int32) * 100)
    if mode == "I;16":
        return Image.fromarray(data.astype(np.uint16) * 200)
    return Image.fromarray(data).convert(mode)


# ---- calls ----


def outcome(call: Call, torch: Any, vision: Any) -> tuple[str, Any]:
    """("raised", its type's name), or ("came", what came, made comparable, with the draws that come next)."""
    image = picture(call["image"], torch)
    torch.manual_seed(call["seed"])
    random.seed(call["seed"])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            came, said = applied(call, image, torch, vision)
    except Exception as error:
        return "raised", type(error).__name__
    said = said if len(said) < 200 else hashlib.sha256(said.encode()).hexdigest()
    return "came", [*comparable(came), said, float(torch.rand(1)), random.random()]


def applied(call: Call, image: Any, torch: Any, vision: Any) -> tuple[Any, str]:
    """(what comes of the call, the repr of the transform)"""
    args = {name: argument(value, torch, vision) for name, value in call["args"].items()}
    if call["of"] == "F":
        return getattr(vision.transforms.functional, call["name"])(image, **args), ""
    if call["of"] == "U":
        return getattr(vision.utils, call["name"])(image, **args), ""
    transform = getattr(vision.transforms, call["name"])(**args)
    return transform(image), repr(transform)


def argument(value: Any, torch: Any, vision: Any) -> Any:
    """What the plain data stand for."""
    if not isinstance(value, list) or not value:
        return value
    if value[0] == "mode":
        return vision.transforms.InterpolationMode(value[1])
    if value[0] == "dtype":
        return getattr(torch, value[1])
    if value[0] == "tensor":
        return torch.tensor(value[1])
    if value[0] == "noise":
        return torch.from_numpy(pixels(value[1], "float32", "noise", 1)) - 0.5
    if value[0] == "tuple":
        return tuple(value[1])
    if value[0] == "T":
        return getattr(vision.transforms, value[1])(**{n: argument(v, torch, vision) for n, v in value[2].items()})
    return [argument(each, torch, vision) for each in value]


def comparable(came: Any) -> list[Any]:
    """(kind, array) of each image, and whatever else it is as it is."""
    if isinstance(came, (tuple, list)) and came and not isinstance(came[0], (int, float)):
        return [part for each in came for part in comparable(each)]
    if hasattr(came, "getbands"):
        return [(f"pil {came.mode}", np.asarray(came))]
    if hasattr(came, "numpy"):
        return [(f"tensor {str(came.dtype).rsplit('.', 1)[-1]}", came.detach().numpy())]
    return [came]


def summary(call: Call, torch: Any, vision: Any) -> dict[str, Any]:
    """The outcome in little room, and the call's name: {"name", "raised"} or {"name", "came", "next"}."""
    how, came = outcome(call, torch, vision)
    if how == "raised":
        return {"name": call["name"], "raised": came}
    *things, one, other = came
    return {"name": call["name"], "came": [_small(thing) for thing in things], "next": [one, other]}


def _small(thing: Any) -> Any:
    """Of (kind, array): kind, shape, and a digest, or of floats the mean and up to five of them. Else the thing itself."""
    if not isinstance(thing, tuple):
        return thing
    kind, array = thing
    if array.dtype.kind != "f":
        return [kind, [*array.shape], hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]]
    flat = array.ravel().astype(np.float64)
    chosen = flat[np.linspace(0, flat.size - 1, min(5, flat.size)).astype(int)]
    return [kind, [*array.shape], [float(f"{x:.10g}") for x in (flat.mean() if flat.size else 0.0, *chosen)]]
