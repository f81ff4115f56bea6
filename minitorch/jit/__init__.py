"""TorchScript: functions and modules as graphs that run without their Python.

`trace` runs a function on examples and writes down what it calls. Read next: `trace.py`, `graph.py`.
"""

from __future__ import annotations

from .trace import (
    ScriptFunction,
    TopLevelTracedModule,
    TracedModule,
    TracerWarning,
    TracingCheckError,
    is_tracing,
    trace,
    trace_module,
)

__all__ = [
    "ScriptFunction", "TopLevelTracedModule", "TracedModule", "TracerWarning", "TracingCheckError", "is_tracing", "trace", "trace_module",
]  # fmt: skip
