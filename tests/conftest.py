"""Hypothesis profiles: `dev` (the default) and `ci` draw the same cases every time, `thorough` draws new ones.

Choose with `--hypothesis-profile thorough`, or HYPOTHESIS_PROFILE in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

# Before NumPy and torch are imported: pytest -n runs a process per core, and the idle threads of each would spin for the rest.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

_common = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
_quick = [Phase.explicit, Phase.generate, Phase.shrink]
settings.register_profile("dev", max_examples=15, derandomize=True, phases=_quick, **_common)
settings.register_profile("ci", max_examples=40, derandomize=True, **_common)
settings.register_profile("thorough", max_examples=1000, **_common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


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
