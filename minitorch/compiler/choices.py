"""What `compile` is told beside the function: backend, mode, options, dynamic. Torch's names, and its errors for others.

Most of torch's choices are about code that its compiler writes for a GPU. They are checked, so that a slip is found, and change nothing.
Read next: `step.py`.
"""

from __future__ import annotations

from typing import Any

BACKENDS = {"numpy": "numpy", "c": "c", "inductor": "numpy", "eager": "numpy", "aot_eager": "numpy"}
MODES = ("default", "lite", "reduce-overhead", "max-autotune-no-cudagraphs", "max-autotune")
OPTIONS: dict[str, type] = {
    "epilogue_fusion": bool, "max_autotune": bool, "fallback_random": bool, "shape_padding": bool, "triton.cudagraphs": bool,
    "trace.enabled": bool, "trace.graph_diagram": bool, "coordinate_descent_tuning": bool,
}  # fmt: skip
FEW, MANY = 8, 64  # programs of one function: for other shapes, modes, numbers


class InvalidBackend(RuntimeError):
    """There is no backend of this name."""


def backend_of(backend: Any) -> str:
    """The backend that makes programs for one of these names."""
    if backend is None:
        return "numpy"
    if callable(backend):
        raise InvalidBackend(
            f"Invalid backend: {backend!r}: it is a function of torch's graphs (GraphModule), of which there are none here; "
            f"name one of {list_backends()}"
        )
    if backend not in BACKENDS:
        raise InvalidBackend(f"Invalid backend: {backend!r}, see `minitorch.compiler.list_backends()`: {list_backends()}")
    return BACKENDS[backend]


def list_backends(exclude_tags: Any = ("debug", "experimental")) -> list[str]:
    """The names that `backend=` takes; "eager" and "aot_eager" only if "debug" is not left out."""
    return sorted(name for name in BACKENDS if "eager" not in name or "debug" not in (exclude_tags or ()))


def check_choices(mode: Any, options: Any) -> None:
    """Refuse modes and options that are none, as torch does."""
    if mode is not None and options:
        raise RuntimeError("Either mode or options can be specified, but both can't be specified at the same time.")
    if mode is not None and mode not in MODES:
        raise RuntimeError(f"Unrecognized mode={mode}, should be one of: {', '.join(MODES)}")
    for name, value in (options or {}).items():
        kind = OPTIONS.get(name.replace("-", "_"))
        if kind is None:
            raise RuntimeError(f"Unexpected optimization option {name}, known options are {list(OPTIONS)}")
        if type(value) is not kind:
            raise RuntimeError(f"Unexpected type of attr {name}, got {type(value).__name__} should be {kind.__name__}")


def limit_of(dynamic: Any, recompile_limit: Any) -> int:
    """How many programs of a function are kept."""
    if dynamic is not None and not isinstance(dynamic, bool):
        raise AssertionError(f"Expected dynamic to be a bool, got {type(dynamic)}")
    if recompile_limit is not None and (type(recompile_limit) is not int or recompile_limit < 1):
        raise ValueError(f"compile: recompile_limit is expected to be a positive int, but got {recompile_limit!r}")
    return recompile_limit or (MANY if dynamic else FEW)
