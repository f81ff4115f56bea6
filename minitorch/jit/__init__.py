"""TorchScript: functions and modules as graphs, which run, print and are saved without the code they were made of (`torch.jit`).

`script` reads code, so that its branches and loops stay; `trace` runs it and writes down what it calls; `save` and `load` pass it on as data. Read next: `graph.py`.
"""

from __future__ import annotations

from .errors import FrontendError, NotSupportedError, UnsupportedNodeError
from .freezing import freeze
from .saving import load, save
from .script import Attribute, ScriptFunction, ScriptModule, annotate, export, ignore, is_scripting, script, unused
from .trace import TopLevelTracedModule, TracedModule, is_tracing, trace, trace_module
from .warned import TracerWarning, TracingCheckError

__all__ = [
    "Attribute",
    "FrontendError",
    "NotSupportedError",
    "ScriptFunction",
    "ScriptModule",
    "UnsupportedNodeError",
    "annotate",
    "export",
    "freeze",
    "ignore",
    "is_scripting",
    "is_tracing",
    "load",
    "save",
    "script",
    "TopLevelTracedModule",
    "TracedModule",
    "TracerWarning",
    "TracingCheckError",
    "trace",
    "trace_module",
    "unused",
]
