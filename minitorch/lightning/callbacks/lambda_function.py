"""`LambdaCallback`: a callback made of functions, for one-liners."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from minitorch.lightning.callbacks.callback import Callback

__all__ = ["LambdaCallback"]

HOOKS = [name for name in vars(Callback) if name.startswith("on_") or name in ("setup", "teardown")]


class LambdaCallback(Callback):
    """`LambdaCallback(on_train_end=lambda trainer, module: print("done"))`: a function for each hook that is wanted."""

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        for name, function in hooks.items():
            if name not in HOOKS:
                raise TypeError(f"LambdaCallback: there is no hook {name!r}; the hooks are {', '.join(HOOKS)}")
            if function is not None:
                setattr(self, name, function)
