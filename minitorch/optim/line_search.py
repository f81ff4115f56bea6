"""A step length along a direction that satisfies the strong Wolfe conditions: the loss falls enough, and the slope is flat enough.

φ(t) = f(θ + t d). First a bracket, an interval that holds such a t, is found by going further and further; then it is made smaller.
Nocedal & Wright, Numerical Optimization (2006), algorithms 3.5 and 3.6. Read next: `lbfgs.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from minitorch.tensor import Tensor

C1, C2 = 1e-4, 0.9  # how much the loss must fall, how flat the slope must be


class Point(NamedTuple):
    """A step length t, the loss φ(t), the gradient there, and the slope φ′(t) = ⟨g, d⟩."""

    t: Any
    loss: float
    g: Tensor
    slope: Tensor


def strong_wolfe(
    at: Callable[[Any], Point], start: Point, t: Any, d_norm: Tensor, most: int, tolerance: float = 1e-9
) -> tuple[Point, int]:
    """The point to go to, and how many points were asked for: φ(t) ≤ φ(0) + c₁ t φ′(0) and |φ′(t)| ≤ −c₂ φ′(0), if `most` suffices.

    `at(t)` evaluates; `start` is the point at 0; a bracket shorter than tolerance / d_norm is given up.
    """
    bracket, asked, done = _bracketed(at, start, t, most)
    if not done:
        bracket, asked = _zoomed(at, start, bracket, d_norm, asked, most, tolerance)
    return min(bracket, key=lambda point: point.loss), asked


def _enough(point: Point, start: Point) -> bool:
    """Whether the loss has fallen enough: Armijo's condition."""
    return not point.loss > start.loss + C1 * point.t * start.slope


def _flat(point: Point, start: Point) -> bool:
    return bool(abs(point.slope) <= -C2 * start.slope)


def _bracketed(at: Callable[[Any], Point], start: Point, t: Any, most: int) -> tuple[list[Point], int, bool]:
    """(The ends of a bracket, how many points were asked for, whether the search is over); a point that is good is its own bracket."""
    before, here = start, at(t)
    for tries in range(most):
        asked = tries + 1
        if (
            not _enough(here, start)
            or (tries > 1 and here.loss >= before.loss)
            or (here.slope >= 0 and not _flat(here, start))
        ):
            return [before, here], asked, False
        if _flat(here, start):
            return [here], asked, True
        least, furthest = here.t + 0.01 * (here.t - before.t), here.t * 10
        before, here = here, at(_lowest_of_cubic(before, here, least, furthest))
    return [start, here], most + 1, True


def _zoomed(
    at: Callable[[Any], Point], start: Point, bracket: list[Point], d_norm: Tensor, asked: int, most: int, tolerance: float
) -> tuple[list[Point], int]:
    """The bracket made smaller until its lower end is good, and how many points were asked for in all."""
    stalled = False
    low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
    while asked <= most:
        a, b = bracket
        if abs(b.t - a.t) * d_norm < tolerance:
            break
        t, stalled = _inside(_lowest_of_cubic(a, b, *sorted((a.t, b.t))), a.t, b.t, stalled)
        here = at(t)
        asked += 1
        if not _enough(here, start) or here.loss >= bracket[low].loss:
            bracket[high] = here
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
            continue
        done = _flat(here, start)
        if not done and here.slope * (bracket[high].t - bracket[low].t) >= 0:
            bracket[high] = bracket[low]
        bracket[low] = here
        if done:
            return [here], asked
    return [bracket[low]], asked


def _inside(t: Any, a: Any, b: Any, stalled: bool) -> tuple[Any, bool]:
    """t moved off an end of [a, b] that it is near to, the second time or if it is at it; and whether it was near this time."""
    margin = 0.1 * (max(a, b) - min(a, b))
    if not min(max(a, b) - t, t - min(a, b)) < margin:
        return t, False
    if not (stalled or t >= max(a, b) or t <= min(a, b)):
        return t, True
    near_the_upper = abs(t - max(a, b)) < abs(t - min(a, b))
    return (max(a, b) - margin if near_the_upper else min(a, b) + margin), False


def _lowest_of_cubic(a: Point, b: Point, least: Any, most: Any) -> Any:
    """Where the cubic through both points, with their slopes, is lowest, within [least, most]; in the middle if it is nowhere."""
    if not a.t <= b.t:
        a, b = b, a
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2.0
    d2 = square.sqrt()
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, least), most)
