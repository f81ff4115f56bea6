"""`python -m reference report`: how far from torch each op is, as worst seen over many drawn inputs.

An error is max |ours − torch's| over the size of torch's result (its largest element, at least 1), so float64 rounding is
about 1e-16 and float32 rounding about 1e-7. Infinities and nans must stand in the same places, or the error is inf.
Cases that torch refuses count for nothing. Below the table: how many derivatives agree with central differences, first and
second, how many ops have torch's dtypes within autocast, how many are the same as graphs of `jit.trace`, how many random programs of the
engine's doings went alike, how many masks of pruning and how many integers of quantized tensors are torch's, and how many models
onnxruntime runs from ONNX files as minitorch does.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import minitorch
from minitorch.autograd.gradcheck import GradcheckError

from . import exported, onnx_models
from .checks import attempt, differentiate
from .far import scale_of
from .numerical import agrees
from .pruning import masks_alike
from .quantized import quantized_integers
from .state_machine import Difference, program
from .strategies import Source
from .table import Row, flat, table
from .traced import is_public, traced_op
from .under_autocast import HALVES, under_autocast

LIMIT = 1e-9  # what float64 may differ by
COLUMNS = [(dtype, what) for dtype in ("float64", "float32") for what in ("value", "gradient", "second")]

Errors = dict[tuple[str, str], float]


def report(examples: int, markdown: str | None = None, only: str | None = None) -> int:
    """Measure, print and, if asked, write as Markdown; 1 if a float64 error is over the limit, else 0."""
    from tqdm import tqdm

    chosen = [row for row in table() if only is None or only in row.name]
    if not chosen:
        raise SystemExit(f"reference report: no op's name contains {only!r}")
    measured: dict[str, Errors] = {}
    for row in tqdm(chosen, unit="row", leave=False, disable=None):
        worst = measured.setdefault(row.covers, {})
        for key, error in measure(row, examples).items():
            worst[key] = max(error, worst.get(key, 0.0))
    print("\n".join(aligned(measured)))
    if markdown:
        Path(markdown).write_text("\n".join(as_markdown(measured, examples)) + "\n", encoding="utf-8")
    too_far = {name: e for name, e in measured.items() if any(e.get(("float64", w), 0) > LIMIT for _, w in COLUMNS)}
    print(f"\n{len(measured)} ops, {len(chosen)} rows, {examples} inputs each; float64 within {LIMIT:g}: ", end="")
    print("all" if not too_far else f"all but {len(too_far)}: {', '.join(too_far)}")
    sound = [
        by_differences(chosen),
        in_regions(chosen),
        as_graphs(chosen),
        random_programs(),
        prunings(),
        quantized_integers(),
    ]
    sound += [exported.report(onnx_models.MODELS)] if only is None else []
    return 0 if all(sound) and not too_far else 1


def by_differences(rows: list[Row]) -> bool:
    """Print how many first and second derivatives agree with central differences; whether all do."""
    wrong: list[str] = []
    for order, check in ((1, "gradcheck"), (2, "gradgradcheck")):
        ops, cases = set(), 0
        for row in rows:
            for seed in range(3) if row.inputs() and (order == 1 or row.second_order) else ():
                try:
                    agreed = agrees(row, Source(seed), order)
                except GradcheckError:
                    wrong.append(f"{row} ({check})")
                    continue
                cases += agreed
                ops |= {row.covers} if agreed else set()
        print(f"{check}: {cases} cases of {len(ops)} ops agree with central differences")
    if wrong:
        print(f"wrong: {', '.join(wrong)}")
    return not wrong


def in_regions(rows: list[Row], examples: int = 4) -> bool:
    """Print how many ops have torch's dtypes and numbers inside autocast, in either half precision; whether all do."""
    counts: Counter[str] = Counter()
    ops: set[str] = set()
    wrong: list[str] = []
    for row, half, seed in itertools.product(rows, HALVES, range(examples)):
        try:
            found = under_autocast(row, Source(seed), half, mixed=seed % 2 == 1)
        except AssertionError as difference:
            wrong.append(str(difference).partition("\n")[0])
            continue
        counts[found] += 1
        ops |= {row.covers} if found == "same" else set()
    print(
        f"within autocast('cpu'), {' and '.join(HALVES)}: {len(ops)} ops have torch's dtypes in {counts['same']} calls; "
        f"torch refused {counts['refused']} more" + "".join(f"\nNOT: {each}" for each in wrong)
    )
    return not wrong


def prunings() -> bool:
    """Print how many masks of pruned layers are torch's; whether all are."""
    compared, same = masks_alike(300)
    print(f"pruning: {same} of {compared} masks are torch's")
    return same == compared


def as_graphs(rows: list[Row]) -> bool:
    """Print how many ops give as graphs of `jit.trace` what they give themselves, gradients too, bit for bit; whether all do."""
    counts: Counter = Counter()
    for row in filter(is_public, rows):
        counts["rows"] += 1
        for seed in range(3):
            try:
                counts["cases"] += traced_op(row, Source(seed))
            except AssertionError as error:
                counts["wrong"] += 1
                print(f"jit.trace: {error}")
    print(f"jit.trace: {counts['cases']} cases of {counts['rows']} rows as graphs; {counts['wrong']} differ from eager")
    return not counts["wrong"]


def random_programs(count: int = 500) -> bool:
    """Print how many random programs (see `state_machine.py`) did the same on both; whether all did."""
    counts: Counter = Counter()
    for seed in range(count):
        try:
            counts += program(Source(seed), 20, pieces=0)
        except Difference as difference:
            print(f"random program {seed} differs:\n{difference}")
            return False
    print(
        f"random programs: {count} alike; of their steps {counts['same']} passed and {counts['raised']} raised on both sides"
    )
    return True


def measure(row: Row, examples: int) -> Errors:
    """The worst errors of one row over that many drawn inputs; every fourth has special values (first order only)."""
    worst: Errors = {}
    for seed in range(examples):
        source = Source(seed)
        source.special = seed % 4 == 3 and row.special
        case = row.draw(source)
        for dtype in (np.float64, np.float32):
            for what, error in errors(row, case, dtype, seed, second=row.second_order and not source.special).items():
                key = (np.dtype(dtype).name, what)
                worst[key] = max(worst.get(key, 0.0), error)
    return worst


def errors(row: Row, case: dict, dtype: Any, seed: int, second: bool) -> dict[str, float]:
    """The errors of value, gradient and second derivative on one case."""
    theirs = attempt(row, row.theirs, case, torch, dtype)
    if isinstance(theirs, Exception):
        return {}
    ours = attempt(row, row.ours, case, minitorch, dtype)
    if isinstance(ours, Exception):
        return {"value": np.inf}
    found = {"value": worst(flat(ours), flat(theirs))}
    expected = differentiate(row, row.theirs, case, torch, dtype, seed, second) if row.inputs() else None
    if expected is not None:
        try:
            got = differentiate(row, row.ours, case, minitorch, dtype, seed, second) or ([], [])
        except Exception:  # torch has a gradient here: raising is as wrong as it gets
            return {**found, "gradient": np.inf}
        found["gradient"] = worst(got[0], expected[0])
        if got[1] and expected[1]:
            found["second"] = worst(got[1], expected[1])
    return found


def worst(ours: list, theirs: list) -> float:
    """The largest error of paired results."""
    if len(ours) != len(theirs):
        return np.inf
    return max((error(a, b) for a, b in zip(ours, theirs)), default=0.0)


def error(ours: Any, theirs: Any) -> float:
    """max |a − b| over the size of b."""
    if not isinstance(theirs, torch.Tensor) or ours is None:
        return 0.0 if ours == theirs else np.inf
    a, b = ours.detach().numpy(), theirs.detach().numpy(force=True)
    if a.shape != b.shape or b.dtype.kind != "f":
        return 0.0 if np.array_equal(a, b) else np.inf
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return np.inf
    gaps = np.abs(a[finite].astype(np.float64) - b[finite])
    return float(gaps.max()) / scale_of(b) if gaps.size else 0.0


def aligned(measured: dict[str, Errors]) -> Iterable[str]:
    """The table for a terminal."""
    width = max(len(name) for name in measured)
    yield f"{'':{width}}  {'float64':^27}   {'float32':^27}"
    yield f"{'op':{width}}  " + "   ".join("  ".join(f"{what:>8}" for what in ("value", "gradient", "second")) for _ in "12")
    for name, e in measured.items():
        cells = [shown(e.get(column)) for column in COLUMNS]
        yield f"{name:{width}}  " + "   ".join("  ".join(f"{c:>8}" for c in cells[k : k + 3]) for k in (0, 3))


def as_markdown(measured: dict[str, Errors], examples: int) -> Iterable[str]:
    """The same as a Markdown page."""
    yield "# How far from torch"
    yield ""
    yield f"The worst error over {examples} drawn inputs a row ([`reference/rows/`]), over the size of the result (its largest element, at"
    yield "least 1). Rounding alone makes about 1e-16 in float64 and 1e-7 in float32. Among the inputs are ties, ±0, ±∞ and nan. A dash: there"
    yield "is nothing to differentiate. `unique` has inf where several nans come: torch numbers these in the order of its hash table."
    yield ""
    yield "Made with torch " + torch.__version__.partition("+")[0] + " by ([`reference/report.py`]):"
    yield ""
    yield "```sh"
    yield f"python -m reference report --examples {examples} --markdown docs/parity.md && python -m reference derivatives"
    yield "```"
    yield ""
    yield "| op | " + " | ".join(f"{dtype} {what}" for dtype, what in COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name, e in measured.items():
        yield f"| {name} | " + " | ".join(shown(e.get(column)) for column in COLUMNS) + " |"
    yield ""
    yield "[`reference/rows/`]: ../reference/rows/"
    yield "[`reference/report.py`]: ../reference/report.py"


def shown(error: float | None) -> str:
    """An error in two digits; a dash where there is nothing to differentiate."""
    return "–" if error is None else "0" if error == 0 else f"{error:.1e}"
