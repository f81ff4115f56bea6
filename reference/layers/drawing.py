"""What rows draw with: options, of which some are left to their defaults, and inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

Arrays = list[Any]  # arrays; tuples of them and None, where a layer takes such


class Inner(NamedTuple):
    """A layer by its name in `nn` and its options, which may hold arrays, and layers that are to be built first."""

    name: str
    options: dict[str, Any]

    def build(self, lib: Any) -> Any:
        def made(value: Any) -> Any:
            if isinstance(value, Inner):
                return value.build(lib)
            return lib.tensor(value.tolist()) if isinstance(value, np.ndarray) else value

        return getattr(lib.nn, self.name)(**{name: made(value) for name, value in self.options.items()})


def optional(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the options drawn, the others left to their defaults."""
    return st.fixed_dictionaries({}, optional=options)


def required(first: dict[str, Any], **options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """As `optional`, with options that are always given."""
    return st.fixed_dictionaries(
        {k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in first.items()}, optional=options
    )


one_of = st.sampled_from
flags = st.booleans()
alphas = one_of([0.5, 1.0, 2.5])


# ---- inputs ----


def shaped(*shapes: tuple[int, ...], scale: float = 3.0) -> Callable[..., Arrays]:
    """One array of one of the shapes: ordinary numbers, with some zeros and integers among them (kinks lie there)."""

    def draw(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
        shape = choose(one_of(shapes))
        x = rng.standard_normal(shape) * scale
        return [np.asarray(np.where(rng.random(shape) < 0.2, np.round(x), x))]

    return draw


anything = shaped((), (4,), (3, 4), (2, 3, 4), (0, 3))
halves = shaped((4,), (3, 4), (2, 3, 4), (3, 5))
