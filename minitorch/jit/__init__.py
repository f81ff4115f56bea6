"""TorchScript: functions and modules as graphs, which run, print and are saved without the code they were made of (`torch.jit`).

`script` reads code, so that its branches and loops stay; `save` and `load` pass it on as data. Read next: `graph.py`.
"""

from __future__ import annotations

from .errors import FrontendError, NotSupportedError, UnsupportedNodeError
from .freezing import freeze
from .saving import load, save
from .script import Attribute, ScriptFunction, ScriptModule, annotate, export, ignore, is_scripting, script, unused


def is_tracing() -> bool:
    """Whether a trace runs in this thread."""
    return False


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
    "unused",
]
