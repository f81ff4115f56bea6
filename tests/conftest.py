"""Hypothesis profiles: `dev` (seconds; the default), `ci`, `thorough`. Choose with `--hypothesis-profile ci`."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

_common = {"deadline": None, "suppress_health_check": list(HealthCheck), "print_blob": True}
settings.register_profile("dev", max_examples=15, phases=[Phase.explicit, Phase.generate, Phase.shrink], **_common)
settings.register_profile("ci", max_examples=40, **_common)
settings.register_profile("thorough", max_examples=1000, **_common)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many mutants the reference rows caught, family by family: the honest measure of the suite."""
    reports = terminalreporter.stats.get("passed", []) + terminalreporter.stats.get("failed", [])
    lines = sorted(value for report in reports for name, value in report.user_properties if name == "mutants")
    if lines:
        terminalreporter.section("mutants caught")
        for line in lines:
            terminalreporter.write_line(line)
