"""What torchvision answers to the calls of `calls.py`, written to `facts.json`. It runs where torchvision is, not in this project's environment:

    pip install torch==2.14.1 torchvision==0.29.1 && python -m reference.vision.measure

A fact is small: of whole numbers a digest, of floats their mean and a few of them; beside them stand torchvision's names, with their arguments.
"""

from __future__ import annotations

import inspect
import json
from enum import Enum
from pathlib import Path
from typing import Any

from . import calls, running

FACTS = Path(__file__).with_name("facts.json")
OF_EACH = 8  # calls of each name
SPOILT = 400


def numbers() -> list[int]:
    """The first calls of each name."""
    names = [*calls.FUNCTIONS, *calls.CLASSES, *calls.UTILS]
    found: dict[str, list[int]] = {name: [] for name in names}
    number = 0
    while min(map(len, found.values())) < OF_EACH:
        name = calls.call_of(number)["name"]
        if len(found[name]) < OF_EACH:
            found[name].append(number)
        number += 1
    return sorted(number for of_one in found.values() for number in of_one)


def arguments(thing: Any) -> list[str]:
    """["size", "padding=None", …]: the names of a function's or class's arguments, with their defaults."""

    def told(parameter: inspect.Parameter) -> str:
        default = parameter.default
        if default is inspect.Parameter.empty:
            return parameter.name
        return f"{parameter.name}={default.value if isinstance(default, Enum) else str(default).rsplit('.', 1)[-1] if 'torch.' in str(default) else default!r}"

    return [told(parameter) for parameter in inspect.signature(thing).parameters.values()]


def names(vision: Any) -> dict[str, list[str]]:
    """Every public class of transforms, function of transforms.functional, and what of utils is there."""
    found = {}
    for place in ("transforms.transforms", "transforms.functional", "utils"):
        home: Any = vision
        for part in place.split("."):
            home = getattr(home, part)
        functions = [n for n, f in vars(home).items() if inspect.isfunction(f) and f.__module__ == home.__name__]
        public = [name for name in getattr(home, "__all__", functions) if name[0] != "_"]
        for name in sorted(public):
            thing = getattr(home, name)
            found[f"{place}.{name}"] = [] if inspect.isclass(thing) and issubclass(thing, Enum) else arguments(thing)
    return found


def main() -> None:
    import PIL
    import torch
    import torchvision
    import torchvision.transforms.functional
    import torchvision.utils

    torch.set_num_threads(1)
    versions = {"torchvision": torchvision.__version__, "torch": torch.__version__, "pillow": PIL.__version__}
    spoilt = [running.outcome(calls.spoilt_call(n), torch, torchvision) for n in range(SPOILT)]
    document = {
        "made by": f"python -m reference.vision.measure, with {versions}",
        "names": names(torchvision),
        "calls": {str(n): running.summary(calls.call_of(n), torch, torchvision) for n in numbers()},
        "recipes": [running.summary(recipe, torch, torchvision) for recipe in calls.RECIPES],
        "spoilt": [came if how == "raised" else "" for how, came in spoilt],
    }
    rows = [f"{json.dumps(key)}: {_lines(value)}" for key, value in document.items()]
    FACTS.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    print(f"{len(numbers())} calls, {len(calls.RECIPES)} recipes and {SPOILT} spoilt calls in {FACTS.name}")


def _lines(value: Any) -> str:
    """JSON with one fact in a line."""
    if isinstance(value, dict):
        return "{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n}"
    if isinstance(value, list) and isinstance(value[0], dict):
        return "[\n" + ",\n".join(f" {json.dumps(v)}" for v in value) + "\n]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
