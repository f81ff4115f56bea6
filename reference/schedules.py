"""`python -m reference schedules`: docs/schedules.md and its picture, how each learning-rate schedule moves.

A picture is a grid of panels, one a schedule, drawn as SVG from the rates that the schedule itself sets.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import minitorch
from minitorch.optim import lr_scheduler as s
from minitorch.optim.swa_utils import SWALR

DOCS = Path(__file__).parent.parent / "docs"
EPOCHS = 40
# The call that the page shows → what makes it for an optimizer
SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "LambdaLR(optimizer, lambda t: 1 / (1 + t / 5))": lambda o: s.LambdaLR(o, lambda t: 1 / (1 + t / 5)),
    "MultiplicativeLR(optimizer, lambda t: 0.93)": lambda o: s.MultiplicativeLR(o, lambda t: 0.93),
    "StepLR(optimizer, step_size=10, gamma=0.5)": lambda o: s.StepLR(o, 10, 0.5),
    "MultiStepLR(optimizer, milestones=[8, 30], gamma=0.5)": lambda o: s.MultiStepLR(o, [8, 30], 0.5),
    "ConstantLR(optimizer, factor=0.3, total_iters=10)": lambda o: s.ConstantLR(o, 0.3, 10),
    "LinearLR(optimizer, start_factor=0.1, total_iters=10)": lambda o: s.LinearLR(o, 0.1, total_iters=10),
    "ExponentialLR(optimizer, gamma=0.93)": lambda o: s.ExponentialLR(o, 0.93),
    "PolynomialLR(optimizer, total_iters=30, power=2)": lambda o: s.PolynomialLR(o, 30, 2.0),
    "CosineAnnealingLR(optimizer, T_max=40)": lambda o: s.CosineAnnealingLR(o, 40),
    "CosineAnnealingWarmRestarts(optimizer, T_0=6, T_mult=2)": lambda o: s.CosineAnnealingWarmRestarts(o, 6, 2),
    "CyclicLR(optimizer, base_lr=0.1, max_lr=1, step_size_up=6, mode='triangular2')": lambda o: s.CyclicLR(
        o, 0.1, 1.0, 6, mode="triangular2"
    ),
    "OneCycleLR(optimizer, max_lr=1, total_steps=40)": lambda o: s.OneCycleLR(o, 1.0, total_steps=40),
    "SequentialLR(optimizer, [LinearLR(…), CosineAnnealingLR(…)], milestones=[8])": lambda o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=8), s.CosineAnnealingLR(o, 31)], [8]
    ),
    "ChainedScheduler([ConstantLR(…), ExponentialLR(…)])": lambda o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.3, 10), s.ExponentialLR(o, 0.95)]
    ),
    "ReduceLROnPlateau(optimizer, factor=0.5, patience=4)": lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=4),
    "swa_utils.SWALR(optimizer, swa_lr=0.3, anneal_epochs=10)": lambda o: SWALR(o, 0.3, 10),
}
WIDTH, HEIGHT, GAP, COLUMNS = 200, 90, 40, 4


def rates(make: Callable[[Any], Any]) -> list[float]:
    """The rate in each epoch, of an optimizer that begins at 1; a plateau is told of a loss that falls for ten epochs, then stays."""
    optimizer = minitorch.optim.SGD([minitorch.zeros(1, requires_grad=True)], lr=1.0, momentum=0.9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schedule, found = make(optimizer), []
    for epoch in range(EPOCHS):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step(*([max(0.0, 10.0 - epoch)] if isinstance(schedule, s.ReduceLROnPlateau) else []))
    return found


def write() -> int:
    """Write both files."""
    (DOCS / "schedules.svg").write_text(picture(), encoding="utf-8")
    (DOCS / "schedules.md").write_text(page(), encoding="utf-8")
    return 0


def page() -> str:
    """The page: the picture, and each schedule's formula."""
    rows = "\n".join(f"| `{call}` | {formula(call)} |" for call in SCHEDULES)
    return f"""# Learning-rate schedules

<!-- written by `python -m reference schedules` -->

Each panel shows the rate over {EPOCHS} epochs, of an optimizer whose `lr` is 1. The code is in
[`minitorch/optim/lr_scheduler/`] and [`minitorch/optim/swa_utils.py`].

![How each schedule moves](schedules.svg)

A schedule steps after the optimizer, once an epoch (or, `CyclicLR` and `OneCycleLR`, once a batch). A warm-up and then half a cosine:

```python
>>> import minitorch
>>> from minitorch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR
>>> optimizer = minitorch.optim.SGD([minitorch.zeros(1, requires_grad=True)], lr=1.0)
>>> warm_up, down = LinearLR(optimizer, start_factor=0.25, total_iters=3), CosineAnnealingLR(optimizer, T_max=4)
>>> schedule = SequentialLR(optimizer, [warm_up, down], milestones=[3])
>>> rates = []
>>> for epoch in range(7):
...     rates.append(round(schedule.get_last_lr()[0], 3))
...     optimizer.step()
...     schedule.step()
>>> rates
[0.25, 0.5, 0.75, 1.0, 0.854, 0.5, 0.146]
```

| schedule | what it does |
|---|---|
{rows}

[`minitorch/optim/lr_scheduler/`]: ../minitorch/optim/lr_scheduler/
[`minitorch/optim/swa_utils.py`]: ../minitorch/optim/swa_utils.py
"""


def formula(call: str) -> str:
    """The first sentence of the class's docstring."""
    name = call.split("(")[0].removeprefix("swa_utils.")
    doc = inspect.cleandoc((SWALR if name == "SWALR" else getattr(s, name)).__doc__ or "")
    return doc.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")


def picture() -> str:
    """All panels, as SVG."""
    rows = -(-len(SCHEDULES) // COLUMNS)
    size = (COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + GAP)
    panels = "\n".join(line for k, (call, make) in enumerate(SCHEDULES.items()) for line in panel(k, call, rates(make)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{panels}\n</svg>\n'
    )


def panel(k: int, call: str, values: list[float]) -> Iterator[str]:
    """One schedule: its name, axes from 0 to 1, and its line."""
    left, top = GAP + k % COLUMNS * (WIDTH + GAP), GAP + k // COLUMNS * (HEIGHT + GAP)
    x = [left + WIDTH * t / (EPOCHS - 1) for t in range(EPOCHS)]
    y = [top + HEIGHT * (1 - value) for value in values]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y))
    yield f'<text x="{left}" y="{top - 6}">{call.split("(")[0].removeprefix("swa_utils.")}</text>'
    yield f'<path d="M{left},{top} V{top + HEIGHT} H{left + WIDTH}" fill="none" stroke="#999"/>'
    for label, height in (("1", top + 4), ("0", top + HEIGHT + 4)):
        yield f'<text x="{left - 6}" y="{height}" text-anchor="end" fill="#666">{label}</text>'
    yield f'<polyline points="{points}" fill="none" stroke="#06c" stroke-width="1.5"/>'
