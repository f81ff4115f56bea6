"""A property of drawn cases: the cases of a few seeds in an ordinary run; hypothesis's, where one of them fails or where more are asked for.

For a case hypothesis takes as long as most checks do. It earns that where it shrinks a failure, and with `--hypothesis-profile`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from reference.drawn import Drawn
from reference.strategies import Simplest, Source


def each_drawn(check: Callable[[Source], None], name: str, share: float = 1.0) -> None:
    """Run the check on drawn cases: `share` of as many as the profile draws; the first is the simplest, `name` seeds the others.

    A failure is shrunk by hypothesis, if its own cases fail too.
    """
    examples = int(settings.default.max_examples * share)
    if settings.get_current_profile_name() != "dev":
        return by_hypothesis(check, examples)
    for k in range(examples):
        try:
            check(Source(zlib.crc32(name.encode()) + k) if k else Simplest())
        except Exception:
            by_hypothesis(check, 10 * examples)
            raise


def by_hypothesis(check: Callable[[Source], None], examples: int) -> None:
    """The same on cases that hypothesis draws."""

    @settings(max_examples=examples)
    @given(data=st.data())
    def holds(data: st.DataObject) -> None:
        check(Drawn(data.draw))

    holds()
