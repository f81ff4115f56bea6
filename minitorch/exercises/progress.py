"""How far a learner has come: one small file in the current folder, rewritten whole each time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..utils.files import replacing

FILE = "minitorch-exercises.json"
KINDS = {"tries": int, "solved": bool, "hints": int, "solution": bool}  # of what is kept for an exercise


class Damaged(Exception):
    """The file is not what this program writes; it is left as it is."""


class Progress:
    """What was tried, solved, and looked at, by exercise."""

    def __init__(self, path: str = FILE):
        self.path = Path(path)
        self.entries: dict[str, dict[str, Any]] = _read(self.path) if self.path.exists() else {}

    def of(self, name: str) -> dict[str, Any]:
        """tries, solved, hints (seen), solution (seen)."""
        return {**{key: kind() for key, kind in KINDS.items()}, **self.entries.get(name, {})}

    def note(self, name: str, **changes: Any) -> None:
        """Change an exercise's entry and write the file; RuntimeError if it cannot be written."""
        entries = {**self.entries, name: {**self.of(name), **changes}}
        with replacing(self.path) as file:
            file.write(json.dumps({"exercises": entries}, indent=1).encode() + b"\n")
        self.entries = entries

    def sign(self, name: str) -> str:
        """`[x]` solved, `[~]` tried or looked at, `[ ]` new."""
        entry = self.of(name)
        return "[x]" if entry["solved"] else "[~]" if any(entry.values()) else "[ ]"


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """The entries; Damaged in words, with the place, if they cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["exercises"]
        for name, entry in found.items():
            for key, value in entry.items():
                if type(value) is not KINDS.get(key, type(value)):
                    raise ValueError(f"{key} of {name} is {value!r}, expected {KINDS[key].__name__}")
        return found
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = f"it has no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise Damaged(
            f"{path} is damaged ({why}); mend it, or remove it to begin anew (your answers are not in it)"
        ) from None
