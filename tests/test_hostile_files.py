"""Some of the files of `python -m reference files`: none does harm, and harm would be noticed."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

import pytest

from minitorch.serialization import unpickler
from minitorch.serialization.classes import Classes
from reference import hostile_files


def test_hostile_files_do_no_harm() -> None:
    tried = [hostile_files.attempt(number) for number in range(120)]
    assert [f"file {number}, {each.how}: {each.wrong}" for number, each in enumerate(tried) if each.wrong] == []
    assert 60 < sum(each.refused for each in tried) < 120
    assert len({each.how for each in tried}) > 20


def imports(*_: Any) -> None:
    sys.modules.pop("ftplib", None)
    importlib.import_module("ftplib")


def fails(*_: Any) -> None:
    raise ZeroDivisionError("in the reader")


def never_ends(*_: Any) -> None:
    while True:
        pass


@pytest.mark.parametrize(
    "place, name, harm, seen",
    [
        (Classes, "found", imports, "it did .*exec"),
        (unpickler.Unpickler, "_take", never_ends, "it never ends"),
        (hostile_files, "_look_at", lambda loaded: bytearray(60_000_000), r"it took \d{8,9} bytes"),
        (hostile_files, "_look_at", fails, "ZeroDivisionError: in the reader"),
    ],
)
def test_harm_is_noticed(place: Any, name: str, harm: Any, seen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile_files._watch()
    monkeypatch.setattr(hostile_files, "_SECONDS", 0.05 if harm is never_ends else 3.0)
    monkeypatch.setattr(place, name, harm)
    wrong = [each.wrong for each in map(hostile_files.attempt, range(12)) if each.wrong]
    assert wrong and all(re.match(seen, each) for each in wrong)
