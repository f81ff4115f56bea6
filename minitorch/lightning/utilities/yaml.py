"""Settings as a YAML file, without a package for it: a line for each key, and what is nested in the form of JSON, which is YAML too.

Any reader of YAML reads it. Lightning writes any object, as a call that a reader is to make: a file from somebody else could do harm then.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

import numpy as np

from minitorch.utils.files import replacing

__all__ = ["save_yaml", "yaml_of"]

# What YAML reads as a string without quotes: no number, no truth value, no sign that means something.
_PLAIN = re.compile(r"[A-Za-z/]([\w/.+ -]*\w)?", re.ASCII)
_NOT_STRINGS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}
# What JSON leaves as it is within quotes, and YAML does not take.
_HIDDEN = re.compile("[\x7f-\x9f\ud800-\udfff\u2028\u2029\ufeff\ufffe\uffff]")


def save_yaml(path: str | os.PathLike[str], params: Mapping[Any, Any]) -> None:
    """Write numbers, texts, lists and dicts as such, other things as their text."""
    with replacing(path) as file:
        file.write(yaml_of(params).encode())


def yaml_of(params: Mapping[Any, Any]) -> str:
    """A line for each key, sorted, what is nested in the form of JSON, which is YAML as well.

    >>> print(yaml_of({"lr": 0.1, "name": "sgd", "sizes": [1, 2], "on": True, "like a number": "1e3"}), end="")
    like a number: "1e3"
    lr: 0.1
    name: sgd
    "on": true
    sizes: [1, 2]
    """
    if not params:
        return "{}\n"
    ordered = sorted(params.items(), key=lambda pair: str(pair[0]))
    return "".join(f"{_told(key)}: {_told(value)}\n" for key, value in ordered)


def _told(value: Any) -> str:
    if isinstance(value, Enum):
        return _told(value.name)
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return _told(value.item())
    if value is None or isinstance(value, (bool, int)):
        return json.dumps(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _NOT_STRINGS else _quoted(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_told, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_told(k)}: {_told(v)}' for k, v in value.items())}}}"
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def _number(value: float) -> str:
    """With a point, for YAML takes 1e-05 for a text; ∞ and nan by their names."""
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else f"{'-' if value < 0 else ''}.inf"
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text
