"""nn.init: every initialiser draws torch's numbers, bit by bit, and refuses what torch's refuses."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch

Call = tuple[str, dict[str, Any]]
OF_A_MATRIX: list[Call] = [
    ("uniform_", {"a": -1.0, "b": 2.0}), ("normal_", {"mean": 1.0, "std": 2.0}), ("constant_", {"val": 0.5}), ("ones_", {}),
    ("zeros_", {}), ("eye_", {}), ("xavier_uniform_", {"gain": 2.0}), ("xavier_normal_", {}), ("kaiming_uniform_", {"a": 1.0}),
    ("kaiming_uniform_", {"mode": "fan_out", "nonlinearity": "tanh"}), ("kaiming_uniform_", {"mode": "FAN_OUT"}),
    ("kaiming_normal_", {"nonlinearity": "relu"}), ("trunc_normal_", {}), ("trunc_normal_", {"mean": 0.5, "std": 1.5}),
    ("trunc_normal_", {"a": 2.0, "b": 3.0}), ("orthogonal_", {}), ("orthogonal_", {"gain": 2.0}), ("sparse_", {"sparsity": 0.25}),
    ("sparse_", {"sparsity": 1.5}), ("sparse_", {"sparsity": 0.0, "std": 2.0}),
]  # fmt: skip
OTHERS: list[Call] = [
    ("uniform_", {"a": 2.0, "b": 1.0}), ("normal_", {"std": -1.0}), ("constant_", {"val": "x"}), ("dirac_", {}),
    ("dirac_", {"groups": 2}), ("dirac_", {"groups": 0}), ("dirac_", {"groups": -1}), ("kaiming_uniform_", {"a": True}),
    ("kaiming_normal_", {"mode": "fan_on"}), ("kaiming_normal_", {"nonlinearity": "step"}), ("trunc_normal_", {"a": 3.0, "b": 2.0}),
    ("trunc_normal_", {"std": 0.0}), ("trunc_normal_", {"std": -1.0}),
]  # fmt: skip
SHAPES = [(), (3,), (0,), (5, 4), (4, 9), (0, 3), (3, 0), (4, 2, 3), (6, 3, 3, 3), (4, 3, 2, 2, 3), (1, 1, 1, 1, 1, 2)]


def filled(lib: Any, name: str, options: dict[str, Any], shape: tuple[int, ...], dtype: str, transposed: bool) -> list[Any]:
    """What the initialiser does to a Parameter: its numbers, the next random one, the warnings; or the type of its error."""
    lib.manual_seed(5)
    x = lib.zeros(shape[::-1] if transposed else shape, dtype=getattr(lib, dtype))
    x = lib.nn.Parameter(x.permute(tuple(range(x.ndim))[::-1]) if transposed else x, requires_grad=dtype != "int64")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            y = getattr(lib.nn.init, name)(x, **options)
            seen: list[Any] = [y is x, y.requires_grad, y.detach().to(lib.float64).numpy(), lib.rand(1).item()]
        except Exception as error:
            seen = [type(error).__name__]
    return [*seen, *[(w.category.__name__, str(w.message)) for w in caught]]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64"])
@pytest.mark.parametrize(("name", "options"), OF_A_MATRIX + OTHERS)
def test_numbers_and_refusals_are_torchs(name: str, options: dict[str, Any], dtype: str, transposed: bool) -> None:
    for shape in SHAPES:
        ours, theirs = (filled(lib, name, options, shape, dtype, transposed) for lib in (minitorch, torch))
        for have, want in zip(ours, theirs, strict=True):
            if isinstance(want, np.ndarray) and name == "orthogonal_":  # each library's LAPACK rounds for itself
                assert np.allclose(have, want, rtol=0, atol=1e-9 if dtype == "float64" else 1e-5), shape
            elif isinstance(want, np.ndarray):
                assert np.array_equal(have, want, equal_nan=True), f"{shape}: {have} {want}"
            else:
                assert have == want, shape


@pytest.mark.parametrize("name", [n for n in torch.nn.init.__all__ if n != "calculate_gain" and not n.endswith("_")])
def test_names_of_old_warn(name: str) -> None:
    options = {"constant": {"val": 2.0}, "sparse": {"sparsity": 0.5}}.get(name, {})
    shape = (3, 2, 3) if name == "dirac" else (4, 3)
    told = []
    for lib in (minitorch, torch):
        lib.manual_seed(0)
        function = getattr(lib.nn.init, name)
        with pytest.warns(FutureWarning, match="now deprecated in favor") as caught:
            made = function(lib.empty(shape), **options)
        told.append((function.__name__, str(caught[0].message), caught[0].filename, np.round(made.numpy(), 4).tolist()))
    assert told[0] == told[1]


def test_nothing_of_torchs_is_missing() -> None:
    for name in torch.nn.init.__all__:
        ours, theirs = getattr(minitorch.nn.init, name), getattr(torch.nn.init, name)
        if name.endswith("_"):
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
