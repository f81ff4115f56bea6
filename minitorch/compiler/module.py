"""A compiled Module: still a Module, with the parameters of the one that it runs. Read next: `halves.py`."""

from __future__ import annotations

from typing import Any

from ..nn.modules.module import Module
from .graph import Graph


class OptimizedModule(Module):
    """`compile(module)`: calls the module as a program. It is `_orig_mod`, under which the state dict has its parameters.

    Attributes that it has not are those of the module. `source`, `mathematics`, `graph` and `explain()` as of a compiled function.
    """

    _orig_mod: Module

    def __init__(self, module: Module, compiled: Any) -> None:
        """compiled: the Compiled that calls it, or a function that leaves it to Python."""
        super().__init__()
        self._orig_mod = module
        self.training = module.training
        object.__setattr__(self, "compiled", compiled)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes."""
        return self.compiled(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in self.__dict__.get("_modules", ()):
            return super().__getattr__(name)
        return getattr(super().__getattr__("_orig_mod"), name)

    @property
    def source(self) -> str:
        """The program forward that was made last."""
        return self.compiled.source

    @property
    def mathematics(self) -> str:
        """Forward and backward as mathematics."""
        return self.compiled.mathematics

    @property
    def graph(self) -> Graph:
        """What was recorded for it."""
        return self.compiled.graph

    def explain(self) -> str:
        """What came of each kind of call."""
        return self.compiled.explain()
