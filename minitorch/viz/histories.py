"""Curves of a training: losses, accuracies and learning rates, of one run or of several.

`histories` brings what people keep (lists, rows, a logger's CSV file) to one form, and `curves` draws it: a panel for each quantity, in it a
line for each run and for each of training, validation and test. What is not finite is left out of a line, and named in the legend.
"""

from __future__ import annotations

import copy
import csv
import math
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from minitorch.optim import Optimizer
from minitorch.optim.lr_scheduler import ReduceLROnPlateau
from minitorch.tensor import Tensor

from .style import COLOURS, FAINT, empty, grid_of, heading, legend_below, legend_of_figure, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# One run: a list of numbers, a metric's name → list, a list of rows (dicts), or the path of a CSV file; or run's name → one of these.
History: TypeAlias = Sequence[Any] | Mapping[str, Any] | str | os.PathLike[str]
STAGES = ("train", "training", "val", "valid", "validation", "test", "epoch", "step")
LINES = ("-", "--", ":", "-.")


class Curve(NamedTuple):
    """Values y at the places x, with nan where one is missing or not finite; `x_name` is what x counts."""

    x: np.ndarray
    y: np.ndarray
    x_name: str = "epoch"


def histories(history: History, x: str | None = None) -> dict[str, dict[str, Curve]]:
    """run → metric → its Curve; a single run has the name "".

    Values of a list are at 1, 2, 3, …: epochs; None is no value. Rows and CSV files have columns: x names the one to draw along, by itself "step", then
    "epoch", whichever is there; an empty cell is no value. ValueError of what is empty, TypeError of what is none of these.

    >>> histories({"loss": [0.5, 0.25]})[""]["loss"].y
    array([0.5 , 0.25])
    """
    if isinstance(history, Mapping) and any(not _is_series(values) for values in history.values()):
        runs = {str(name): _one_run(run, x) for name, run in history.items()}
    else:
        runs = {"": _one_run(history, x)}
    for name, run in runs.items():
        if not any(len(curve.y) for curve in run.values()):
            raise ValueError(f"curves: the history{f' of {name!r}' if name else ''} is empty: there is nothing to draw")
    return runs


def _is_series(values: Any) -> bool:
    """Whether it is a list of numbers, not a run of its own."""
    if isinstance(values, (str, os.PathLike, Mapping)):
        return False
    return isinstance(values, (Tensor, np.ndarray)) or (
        isinstance(values, Sequence) and not any(isinstance(value, Mapping) for value in values)
    )


def _one_run(run: Any, x: str | None) -> dict[str, Curve]:
    if isinstance(run, (str, os.PathLike)):
        with open(run, newline="", encoding="utf-8") as file:
            return _columns(list(csv.DictReader(file)), x)
    if isinstance(run, Mapping):
        return {str(name): _numbered(name, values) for name, values in run.items()}
    if isinstance(run, Sequence) and run and all(isinstance(row, Mapping) for row in run):
        return _columns(run, x)
    if _is_series(run):
        return {"loss": _numbered("loss", run)}
    raise TypeError(f"curves: expected numbers, rows, a dict of them or a CSV file's path, got {type(run).__name__}")


def _numbered(name: Any, values: Any) -> Curve:
    there = [(i, _number(name, value)) for i, value in enumerate(values, 1) if value is not None]
    return Curve(np.array([i for i, _ in there], float), np.array([y for _, y in there], float))


def _columns(rows: Sequence[Mapping[str, Any]], x: str | None) -> dict[str, Curve]:
    """Rows as columns: each metric at those places of the column `x` where it has a value."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    if x is not None and x not in names:
        raise ValueError(f"curves: there is no column {x!r} to draw along; there are {', '.join(names) or 'none'}")
    along = x or next((name for name in ("step", "epoch") if name in names), None)
    found = {}
    for name in names:
        if name in (along, "step", "epoch"):
            continue
        asked = (name,) if along is None else (name, along)
        there = [(i, row) for i, row in enumerate(rows, 1) if not any(row.get(column) in (None, "") for column in asked)]
        places = [i if along is None else _number(along, row[along]) for i, row in there]
        values = [_number(name, row[name]) for _, row in there]
        found[name] = Curve(np.array(places, float), np.array(values, float), along or "row")
    return found


def _number(name: Any, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"curves: {name} holds {value!r}, where a number was expected") from None


def quantity(name: str) -> str:
    """What a metric measures: its name without the stage, so that `train_loss` and `val_loss` come into one panel.

    >>> quantity("train_loss"), quantity("val/acc"), quantity("lr-SGD")
    ('loss', 'accuracy', 'learning rate')
    """
    words = [word for word in name.replace("/", "_").replace("-", "_").replace(" ", "_").split("_") if word]
    rest = [word for word in words if word.lower() not in STAGES] or words
    if "loss" in map(str.lower, rest):
        return "loss"
    if {"acc", "accuracy"} & set(map(str.lower, rest)):
        return "accuracy"
    return "learning rate" if "lr" in map(str.lower, rest) else " ".join(rest)


def smoothed(y: np.ndarray, weight: float) -> np.ndarray:
    """The running mean m_t = w·m_{t−1} + (1 − w)·y_t, divided by 1 − wᵗ as in Adam so that it begins at y₁; nan is passed over.

    >>> smoothed(np.array([1.0, 3.0]), 0.5)
    array([1.        , 2.33333333])
    """
    mean, count, out = 0.0, 0, np.full(len(y), math.nan)
    for i, value in enumerate(y):
        if math.isfinite(value):
            mean, count = weight * mean + (1 - weight) * value, count + 1
            out[i] = mean / (1 - weight**count)
    return out


def curves(
    history: History, *, x: str | None = None, log: bool = False, smooth: float = 0.0, title: str = "", columns: int = 3
) -> Figure:
    """Loss and accuracy over time: a panel for each quantity.

    history: a list of losses; name → list, as `{"train_loss": […], "val_loss": […]}`; a list of rows; a CSV logger's file; or several
    runs by name, `{"adam": {"loss": […]}, "sgd": "runs/metrics.csv"}`. x: the column of rows and files to draw along.
    log: losses on a logarithmic axis. smooth: between 0 and 1, the weight of the past in a running mean; the values are drawn faintly
    behind. The best value of a line (lowest loss, highest accuracy) has a ring, and the legend says it.
    """
    if not 0 <= smooth < 1:
        raise ValueError(f"curves: smooth must be in [0, 1), got {smooth}")
    runs = histories(history, x)
    panels: dict[str, list[tuple[str, str, Curve]]] = {}
    for run, metrics in runs.items():
        for name, curve in metrics.items():
            if len(curve.y):
                panels.setdefault(quantity(name), []).append((run, name, curve))
    rows, columns = grid_of(len(panels), columns)
    figure, axes = new_figure(rows, columns, panel=(4.6, 3.5))
    for ax, (what, lines) in zip(axes.flat, panels.items()):
        logarithmic = log and what != "accuracy"
        _draw(ax, what, lines, list(runs), smooth, logarithmic)
        if logarithmic:
            ax.set_yscale("log")
    empty(axes.flat[len(panels) :])
    heading(figure, title)
    return figure


def _draw(ax: Axes, what: str, lines: list[tuple[str, str, Curve]], runs: list[str], smooth: float, log: bool) -> None:
    """One panel. With several runs a colour is a run and a dash is a metric; with one run a colour is a metric."""
    metrics = list(dict.fromkeys(name for _, name, _ in lines))
    for run, name, curve in lines:
        i, j = (runs.index(run), metrics.index(name)) if run else (metrics.index(name), 0)
        colour, dash = COLOURS[i % len(COLOURS)], LINES[(j + i // len(COLOURS)) % len(LINES)]
        y = np.where(np.isfinite(curve.y) & ((curve.y > 0) | (not log)), curve.y, math.nan)
        drawn = smoothed(y, smooth) if smooth else y
        if smooth:
            ax.plot(curve.x, y, color=colour, alpha=0.25, linewidth=0.8)
        label = ": ".join(part for part in (run, name if len(metrics) > 1 or not run else "") if part)
        few = "." if np.isnan(y).any() or len(y) == 1 else ""  # a point alone, between gaps, makes no line
        ax.plot(curve.x, drawn, dash, marker=few, color=colour, linewidth=1.8, label=label + _said(what, curve.x, y, log))
        best = _best(what, y)
        if best is not None:
            ax.plot(curve.x[best], drawn[best], "o", mfc="white", mec=colour, markersize=6, label="_best")
    ax.set_xlabel(lines[0][2].x_name)
    percent = what == "accuracy" and any((curve.y > 1).any() for _, _, curve in lines)
    named = metrics[0] if len(metrics) == 1 and len(runs) > 1 else what  # the legend then says the runs' names alone
    ax.set_ylabel(f"{named} (%)" if percent else named)
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    ax.locator_params(axis="x", integer=True)
    legend_below(ax)


def _best(what: str, y: np.ndarray) -> int | None:
    """Where the lowest loss or the highest accuracy is; None of another quantity, or if nothing is finite."""
    if not np.isfinite(y).any() or what not in ("loss", "accuracy"):
        return None
    return int(np.nanargmin(y) if what == "loss" else np.nanargmax(y))


def _said(what: str, x: np.ndarray, y: np.ndarray, log: bool) -> str:
    """What the legend adds to a line's name: its best value, and where it has gaps."""
    best = _best(what, y)
    text = (
        f" ({'lowest' if what == 'loss' else 'highest'} {y[best]:{'.3g' if what == 'loss' else '.4g'}} at {x[best]:g})"
        if best is not None
        else ""
    )
    gaps = x[~np.isfinite(y)]
    places = ", ".join(f"{place:g}" for place in gaps[:4]) + (", …" if len(gaps) > 4 else "")
    return text + (f"\nnot {'a finite number above 0' if log else 'finite'} at {places}" if len(gaps) else "")


# ---- learning rates ----


def learning_rates(schedule: Any, steps: int, metrics: Sequence[float] | None = None) -> list[list[float]]:
    """The rate of each parameter group in the next `steps` steps of a schedule, beginning with the present one.

    It is a copy that steps: the schedule and its optimizer stay where they are, and no tensor is copied. A ReduceLROnPlateau asks for
    metrics, one a step.
    """
    if steps < 1:
        raise ValueError(f"learning_rates: steps must be at least 1, got {steps}")
    optimizer = getattr(schedule, "optimizer", None)
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"learning_rates: expected a schedule of minitorch.optim.lr_scheduler, got {type(schedule).__name__}"
        )
    plateau = isinstance(schedule, ReduceLROnPlateau)
    if plateau and (metrics is None or len(metrics) < steps):
        raise ValueError(f"learning_rates: ReduceLROnPlateau looks at a metric: pass metrics, a list of {steps} numbers")
    tensors = [p for group in optimizer.param_groups for p in group["params"]]
    tensors += [value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)]
    ours = copy.deepcopy(schedule, {id(tensor): tensor for tensor in tensors})
    found: list[list[float]] = [[] for _ in optimizer.param_groups]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that no optimizer steps before the schedule
        for step in range(steps):
            for rates, group in zip(found, ours.optimizer.param_groups):
                rates.append(float(group["lr"]))
            ours.step(*([metrics[step]] if plateau and metrics is not None else []))
    return found


def learning_rate(
    schedule: Any, steps: int, *, metrics: Sequence[float] | None = None, unit: str = "epoch", title: str = ""
) -> Figure:
    """How a schedule will move the rates of its optimizer's groups: a schedule, or name → schedule to compare several."""
    schedules = schedule if isinstance(schedule, Mapping) else {type(schedule).__name__: schedule}
    figure, axes = new_figure(1, 1, panel=(5.5, 3.5))
    ax, drawn = axes[0, 0], 0
    for name, each in schedules.items():
        groups = learning_rates(each, steps, metrics)
        for number, rates in enumerate(groups):
            label = name if len(groups) == 1 else f"{name}, group {number}"
            ax.plot(range(steps), rates, LINES[drawn // len(COLOURS) % 4], color=COLOURS[drawn % len(COLOURS)], label=label)
            drawn += 1
    ax.set(xlabel=unit, ylabel="learning rate", ylim=(0, None))
    ax.grid(axis="y", color=FAINT, linewidth=0.6)
    legend_of_figure(figure)
    heading(figure, title)
    return figure
