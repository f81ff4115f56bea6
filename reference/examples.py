"""The scripts of `minitorch/examples/` in either library: the same text, with the library's name in the place of "minitorch".

What is of `minitorch.vision` here is torchvision's there.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType
from typing import Any

FOLDER = Path(__file__).parent.parent / "minitorch" / "examples"


def example(name: str, library: Any) -> ModuleType:
    """The module that the script's text makes in that library. Nothing of the other is imported."""
    file = FOLDER / f"{name}.py"
    text = file.read_text(encoding="utf-8")
    if library.__name__ == "torch":
        text = text.replace("minitorch.vision", "torchvision")
    text = re.sub(r"\bminitorch\b", library.__name__, text)
    made = ModuleType(f"{library.__name__}.examples.{name}")
    exec(compile(text, f"{file} (in {library.__name__})", "exec"), vars(made))
    return made
