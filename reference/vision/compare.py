"""minitorch beside torchvision on drawn calls, where both are: an environment with torchvision and SciPy, from the checkout's root.

    python -m reference.vision.compare 300000 320000 && python -m reference.vision.compare 10000 16000 --spoilt

Whole numbers and pictures are compared bit by bit, floats to rounding, and what is drawn next. A call whose whole numbers are one off, where the
exact value (minitorch's in float64) lies on the border of two numbers, is counted by itself.
"""

from __future__ import annotations

import argparse
import collections
from typing import Any
from unittest import mock

import numpy as np

from . import calls, running

CLOSE = {"float16": (1e-3, 1e-3), "float32": (1.3e-6, 1e-5), "float64": (1e-9, 1e-9), "F": (1.3e-6, 1e-5)}


def different(ours: Any, theirs: Any) -> str:
    """What differs between two outcomes; "" if nothing does, "one" if only whole numbers do, by one."""
    if ours[0] == "raised" or theirs[0] == "raised" or len(ours[1]) != len(theirs[1]):
        return "" if ours == theirs else f"{_short(ours)} and not {_short(theirs)}"
    found = {_part(a, b) for a, b in zip(ours[1], theirs[1])} - {""}
    return found.pop() if len(found) == 1 else "; ".join(found)


def _short(outcome: Any) -> str:
    return outcome[1] if outcome[0] == "raised" else "what came"


def _part(ours: Any, theirs: Any) -> str:
    if not isinstance(ours, tuple) or not isinstance(theirs, tuple):
        return "" if ours == theirs else f"{ours!r} and not {theirs!r}"
    (kind, a), (other, b) = ours, theirs
    if kind != other or a.shape != b.shape:
        return f"{kind} {a.shape} and not {other} {b.shape}"
    tolerance = CLOSE.get(kind.split()[1])
    if tolerance is None:
        off = abs(a.astype(float) - b.astype(float)).max(initial=0)
        return "" if off == 0 else "one" if off == 1 else f"{kind}: whole numbers differ by up to {off:g}"
    scale = abs(b[np.isfinite(b)]).max(initial=0)
    close = np.isclose(a, b, rtol=tolerance[0], atol=max(tolerance[1], tolerance[0] * scale), equal_nan=True)
    return "" if close.all() else f"{kind}: {(~close).sum()} of {close.size} floats differ"


def on_a_border(call: running.Call, ours: Any, theirs: Any, minitorch: Any, vision: Any) -> bool:
    """Whether each whole number that differs is, exactly, half or all the way between two whole numbers."""
    image = call["image"]
    if image["kind"] != "tensor":
        return False
    whole = running.pixels(image["size"], image["type"], image["style"], image["seed"])
    with mock.patch.object(running, "pixels", lambda *_: whole.astype(np.float64)):
        exact = running.outcome(call, minitorch, vision)
    if exact[0] == "raised":
        return False
    for (_, a), (_, b), (_, value) in zip(*([p for p in each[1] if isinstance(p, tuple)] for each in (ours, theirs, exact))):
        twice = 2 * value[a != b]
        if np.any(abs(twice - np.round(twice)) > 6e-6 * max(1.0, abs(value).max())):
            return False
    return True


def main() -> None:
    import torch
    import torchvision
    import torchvision.transforms.functional
    import torchvision.utils

    import minitorch
    import minitorch.vision

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int)
    parser.add_argument("--spoilt", action="store_true")
    chosen = parser.parse_args()
    count: collections.Counter[str] = collections.Counter()
    for number in range(chosen.first, chosen.last):
        call = calls.spoilt_call(number) if chosen.spoilt else calls.call_of(number)
        ours = running.outcome(call, minitorch, minitorch.vision)
        theirs = running.outcome(call, torch, torchvision)
        if chosen.spoilt:
            why = "" if _short(ours) == _short(theirs) else f"{_short(ours)} and not {_short(theirs)}"
        else:
            why = different(ours, theirs)
        if why == "one" and on_a_border(call, ours, theirs, minitorch, minitorch.vision):
            count["one off on a border"] += 1
        elif why:
            count[f"otherwise: {call['name']}"] += 1
            print(number, call, why)
    print(f"{chosen.last - chosen.first} calls; {sum(count.values())} differ: {dict(count)}")


if __name__ == "__main__":
    main()
