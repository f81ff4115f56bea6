"""Hypothesis profiles, and the GPU that tests run on.

`dev` (the default) and `ci` draw the same cases every time, `thorough` draws new ones: choose with `--hypothesis-profile
thorough`, or HYPOTHESIS_PROFILE in the environment.

A test that takes the fixture `gpu` needs a GPU. In an ordinary run that is a stand-in, `reference/strict_cupy`. `--device cuda`
runs those tests, and only those, on CuPy and a real one; `--device strict` the same tests on the stand-in.

With MINITORCH_PLAIN=1 every op runs by its plain formula. Tests marked `shortcuts` are about the other ways and keep them; those marked
`outside` are about files, pictures and processes, which have none: CI's plain run leaves both out, and slow tests that are not `formulas`.

Tests marked `slow`, and those of the table's rows that are, run with `--full`, or when their file or they themselves are named (by a
path, `-k` or `-m`).
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import providers

# A shell without job control starts what is in its background with Ctrl-C ignored, and so would everything be that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before NumPy and torch are imported: pytest -n runs a process per core, and the idle threads of each would spin for the rest.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
# Processes that tests start import minitorch compiled, also where Python is told to write nothing: each would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parent.parent / ".pytest_cache" / "pycache"))

from minitorch.arrays.device import shortcuts  # noqa: E402 — after the threads are set

_common = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
_quick = [Phase.explicit, Phase.generate, Phase.shrink]
settings.register_profile("dev", max_examples=10, derandomize=True, phases=_quick, **_common)
settings.register_profile("ci", max_examples=40, derandomize=True, **_common)
settings.register_profile("thorough", max_examples=1000, **_common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
# Hypothesis also draws numbers that it finds in the project's own files, those that are imported so far: which these are depends on what
# ran before in the same process, and any edit changes them. The same cases each time means none of these.
if settings().derandomize:
    providers._get_local_constants = lambda: providers._local_constants


@pytest.fixture
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is a new one."""
    monkeypatch.chdir(tmp_path)


# ---- the GPU ----


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device",
        choices=("strict", "cuda"),
        help="run only the tests of the GPU: on a real one through CuPy (cuda), or on its stand-in (strict), as a run without "
        "this option does among all others",
    )
    parser.addoption(
        "--full", action="store_true", help="the slow tests too, which break the code in every place: minutes more"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("device") == "cuda":
        from minitorch.arrays.device import as_device

        try:
            as_device("cuda")
        except RuntimeError as error:
            raise pytest.UsageError(f"--device cuda: {error}") from None


def pytest_itemcollected(item: pytest.Item) -> None:
    row = item.callspec.params.get("row") if hasattr(item, "callspec") else None
    if getattr(row, "slow", False):
        item.add_marker("slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "exhaustive" not in config.option.markexpr:
        keep(config, items, lambda item: item.get_closest_marker("exhaustive") is None)
    if config.getoption("device"):
        keep(config, items, lambda item: "gpu" in getattr(item, "fixturenames", ()))
    elif not (config.getoption("full") or config.option.keyword or config.option.markexpr):
        named = {Path(str(argument).partition("::")[0]).name for argument in config.invocation_params.args}
        keep(config, items, lambda item: item.get_closest_marker("slow") is None or item.path.name in named)


def keep(config: pytest.Config, items: list[pytest.Item], wanted: Callable[[pytest.Item], bool]) -> None:
    """Deselect all other tests."""
    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = filter(wanted, items)


def pytest_collection_finish() -> None:
    """Forty thousand tests, and all that is imported, stay as long as the process: no garbage collection need walk over them."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def gpu(request: pytest.FixtureRequest) -> Iterator[Any]:
    """minitorch, whose tensors from data are on the GPU; `device="cuda"` works in the test."""

    from reference.on_device import OnDevice, forget_what_was_noted
    from reference.strict_cupy import standing_in

    with contextlib.nullcontext() if request.config.getoption("device") == "cuda" else standing_in():
        yield OnDevice()
    forget_what_was_noted()


@pytest.fixture
def stand_in(request: pytest.FixtureRequest, gpu: Any) -> Any:
    """The stand-in itself, for what only it can tell: how often the host waited, what was copied, which names there are."""
    if request.config.getoption("device") == "cuda":
        pytest.skip("about the stand-in for CuPy: CuPy does not tell when the host waits, nor what it refuses")
    return gpu


@pytest.fixture
def drawn_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU would draw comes from the CPU's generator, so that it can be compared with torch's on the CPU."""
    from minitorch.random import generator

    monkeypatch.setitem(generator.defaults, "cuda", generator.default_generator)


# ---- both doors ----


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """With MINITORCH_PLAIN=1 every op goes through the plain door, but in the tests that are about the other ways."""
    before = shortcuts.enabled
    shortcuts.enabled = before or item.get_closest_marker("shortcuts") is not None
    try:
        return (yield)
    finally:
        shortcuts.enabled = before


# ---- hypothesis, and the summary ----


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Give a parametrized test its own settings back after each of its cases.

    Hypothesis' plugin wraps them once more for each case; without an example database (derandomize has none) looking one
    up then recurses through all the wraps, and a thousand cases are too deep (hypothesis 6.170).
    """
    function, name = getattr(item, "obj", None), "_hypothesis_internal_use_settings"
    before = getattr(function, name, None)
    try:
        yield
    finally:
        if before is not None:
            setattr(function, name, before)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the suite measured: the share of mutants caught, family by family, and the bad calls compared with torch."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    for name, title in (("mutants", "mutants caught"), ("bad calls", "bad calls compared with torch")):
        lines = sorted(value for report in reports for key, value in report.user_properties if key == name)
        if lines:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.write_line(line)
