"""What loggers share: folders `version_0`, `version_1`, …; names with a prefix; hyperparameters as flat numbers and as a YAML file."""

from __future__ import annotations

import json
import os
import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from minitorch.lightning.loggers.logger import Logger
from minitorch.lightning.utilities.rank_zero import rank_zero_warn
from minitorch.tensor import Tensor
from minitorch.utils.files import replacing

# What YAML reads as a string without quotes: no number, no truth value, no sign that means something.
_PLAIN = re.compile(r"[A-Za-z_/.][\w/.+ -]*\w|[A-Za-z_]")
_NOT_STRINGS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null", ".inf", ".nan"}


class FolderLogger(Logger):
    """Base of loggers that write into save_dir/name/version: `name` may be empty, a version that is not given is the next free number."""

    def __init__(self, save_dir: str | os.PathLike[str], name: str | None, version: int | str | None, prefix: str) -> None:
        self._save_dir = os.fspath(save_dir)
        self._name = name or ""
        self._version = version
        self._prefix = prefix

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._name

    @property
    def version(self) -> int | str:
        """The number, or the name, of this run."""
        if self._version is None:
            self._version = next_version(self.root_dir)
        return self._version

    @property
    def save_dir(self) -> str:
        """The folder of all experiments."""
        return self._save_dir

    @property
    def root_dir(self) -> str:
        """The folder of all runs of this experiment."""
        return os.path.join(self._save_dir, self._name)

    @property
    def log_dir(self) -> str:
        """The folder of this run."""
        version = self.version
        return os.path.join(self.root_dir, version if isinstance(version, str) else f"version_{version}")

    def prefixed(self, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """The metrics, with the prefix and "-" before each name."""
        return {f"{self._prefix}-{name}" if self._prefix else name: value for name, value in metrics.items()}


def next_version(folder: str) -> int:
    """One more than the largest n of the folders `version_n`."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [re.fullmatch(r"version_(\d+)(_.*)?", name) for name in names if os.path.isdir(os.path.join(folder, name))]
    return max((int(each[1]) + 1 for each in found if each), default=0)


# ---- hyperparameters ----


def as_dict(params: Any) -> dict[str, Any]:
    """Hyperparameters of a dict, of a Namespace, or none."""
    return vars(params) if isinstance(params, Namespace) else dict(params or {})


def flat(params: Mapping[Any, Any], above: str = "") -> dict[str, Any]:
    """Nested dicts as one: {"a": {"b": 1}} is {"a/b": 1}. Lists of dicts, dataclasses and Namespaces too."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        name = f"{above}/{key}" if above else str(key)
        if is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)
        elif isinstance(value, Namespace):
            value = vars(value)
        elif isinstance(value, list) and all(isinstance(each, Mapping) for each in value):
            value = dict(enumerate(value))
        if isinstance(value, Mapping):
            found |= flat(value, name)
        else:
            found[name] = value
    return found


def simple(value: Any) -> Any:
    """What a table of hyperparameters can hold: a bool, a number, a tensor of one element, else the text of it."""
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return value.item()
    if isinstance(value, Tensor):
        return str(value) if value.ndim > 1 else value
    return value if type(value) in (bool, int, float, str) else str(value)


def save_hparams_to_yaml(path: str, hparams: Any) -> None:
    """Write hyperparameters to a file that any reader of YAML reads: numbers, texts, lists and dicts as such, other things as their text.

    (Lightning writes any object, as a call that a reader is to make: a file from somebody else could do harm then.)
    """
    if not os.path.isdir(os.path.dirname(path)):
        raise RuntimeError(f"Missing folder: {os.path.dirname(path)}.")
    with replacing(path) as file:
        file.write(yaml_of(as_dict(hparams)).encode())


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
        return (
            value if _PLAIN.fullmatch(value) and value.lower() not in _NOT_STRINGS else json.dumps(value, ensure_ascii=False)
        )
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_told, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_told(k)}: {_told(v)}' for k, v in value.items())}}}"
    return json.dumps(str(value), ensure_ascii=False)


def _number(value: float) -> str:
    """With a point, for YAML takes 1e-05 for a text; ∞ and nan by their names."""
    if value != value or value in (float("inf"), float("-inf")):
        return ".nan" if value != value else f"{'-' if value < 0 else ''}.inf"
    text = repr(value)
    return text.replace("e", ".0e") if "e" in text and "." not in text else text


def warn_if_not_empty(folder: str) -> None:
    """A warning that the files of an earlier run will be replaced."""
    if os.path.isdir(folder) and os.listdir(folder):
        rank_zero_warn(
            f"Experiment logs directory {folder} exists and is not empty."
            " Previous log files in this directory will be deleted when the new ones are saved!"
        )
