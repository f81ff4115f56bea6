"""`save_hyperparameters`: the arguments that made an object, found in the frames of the `__init__` methods that are running.

They are kept in `hparams`, go into checkpoints, and `load_from_checkpoint` makes the object anew from them.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import types
from argparse import Namespace
from collections.abc import MutableMapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from minitorch import nn
from minitorch.lightning.utilities.rank_zero import rank_zero_warn

__all__ = ["AttributeDict", "HyperparametersMixin", "clean_namespace"]


class AttributeDict(dict[str, Any]):
    """A dict whose items are attributes, too.

    >>> from minitorch.lightning.hyperparameters import AttributeDict
    >>> h = AttributeDict(lr=0.1)
    >>> h.width = 3
    >>> h
    "lr":    0.1
    "width": 3
    """

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"Missing attribute {key!r}; there are: {', '.join(map(str, self)) or 'none'}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = value

    def __repr__(self) -> str:
        width = max((len(str(key)) for key in self), default=0) + 3
        return "\n".join(f'{f""""{key}":""":{width}s} {value}' for key, value in sorted(self.items()))


class HyperparametersMixin:
    """An object that remembers the arguments it was made with."""

    CHECKPOINT_HYPER_PARAMS_KEY = "hyper_parameters"
    CHECKPOINT_HYPER_PARAMS_NAME = "hparams_name"
    CHECKPOINT_HYPER_PARAMS_TYPE = "hparams_type"

    _log_hyperparams = False
    _hparams_name: str | None

    def save_hyperparameters(
        self,
        *args: Any,
        ignore: Sequence[str] | str | None = None,
        frame: types.FrameType | None = None,
        logger: bool = True,
    ) -> None:
        """Keep the arguments of `__init__` in `self.hparams`; call it there.

        args: names of the arguments to keep (all, if none is named), or one dict or Namespace to keep as it is. ignore: names of
        arguments that are left out. logger: loggers are told, too.
        """
        self._log_hyperparams = logger
        if len(args) == 1 and not isinstance(args[0], str) and not args[0]:
            return  # an empty container
        current = inspect.currentframe()
        frame = frame or (current.f_back if current is not None else None)
        leave_out = {ignore} if isinstance(ignore, str) else {name for name in ignore or () if isinstance(name, str)}
        given = {k: v for k, v in _init_arguments(self, frame).items() if k not in leave_out}
        containers = [arg for arg in args if not isinstance(arg, str)]
        if not args:
            kept, self._hparams_name = given, "kwargs" if given else None
        elif len(containers) == 1:
            kept = containers[0]
            self._hparams_name = next((name for name, value in given.items() if value is kept or value == kept), None)
        else:
            missing = [arg for arg in args if arg not in given]
            if missing:
                raise KeyError(f"save_hyperparameters: {missing[0]!r} is no argument of __init__; there are {list(given)}")
            kept, self._hparams_name = {arg: given[arg] for arg in args}, "kwargs"
        self._set_hparams(kept)
        for name in leave_out:  # a subclass may leave out what its base has kept
            self.hparams.pop(name, None)
        for name, value in self.hparams.items():
            if isinstance(value, nn.Module):
                rank_zero_warn(
                    f"Attribute {name!r} is an instance of `nn.Module` and is already saved during checkpointing."
                    f" It is recommended to ignore them using `self.save_hyperparameters(ignore=[{name!r}])`."
                )
        self._hparams_initial = copy.deepcopy(self._hparams)

    def _set_hparams(self, given: Any) -> None:
        if isinstance(given, Namespace):
            given = vars(given)
        if isinstance(given, (bool, int, float, str)):
            raise ValueError("Primitives (<class 'bool'>, <class 'int'>, <class 'float'>, <class 'str'>) are not allowed.")
        if not isinstance(given, MutableMapping):
            raise ValueError(f"Unsupported config type of {type(given)}.")
        self.hparams.update(given)

    @property
    def hparams(self) -> AttributeDict:
        """What `save_hyperparameters` has kept; it may be changed."""
        kept = self.__dict__.get("_hparams")
        if not isinstance(kept, AttributeDict):  # nothing yet, or a plain dict: from a file
            self._hparams = AttributeDict(kept or {})
        return self._hparams

    @property
    def hparams_initial(self) -> AttributeDict:
        """A copy of what it kept at first."""
        return AttributeDict(copy.deepcopy(dict(self.__dict__.get("_hparams_initial", {}))))


def _init_arguments(obj: Any, frame: types.FrameType | None) -> dict[str, Any]:
    """The arguments of all `__init__` that are running for `obj`, the most derived class's last."""
    if is_dataclass(obj):
        return {field.name: getattr(obj, field.name) for field in fields(obj) if field.init}
    found: list[dict[str, Any]] = []
    while frame is not None:
        names = frame.f_locals
        if frame.f_code.co_name == "__init__" and "__class__" in names and _self_of(names) is obj:
            found.append(_arguments(names))
        elif found:
            break
        frame = frame.f_back
    return {name: value for arguments in found for name, value in arguments.items()}


def _self_of(names: dict[str, Any]) -> Any:
    """The object that a running __init__ makes."""
    return names.get(next(iter(inspect.signature(names["__class__"].__init__).parameters)))


def _arguments(names: dict[str, Any]) -> dict[str, Any]:
    """A running __init__'s arguments by name; those of **kwargs among them, *args and self left out."""
    parameters = list(inspect.signature(names["__class__"].__init__).parameters.values())[1:]
    arguments: dict[str, Any] = {}
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(names[parameter.name])
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            arguments[parameter.name] = names[parameter.name]
    return arguments


def clean_namespace(hparams: MutableMapping[str, Any]) -> None:
    """Take out what cannot be pickled, with a warning for each."""
    for name in [name for name, value in hparams.items() if not _is_picklable(value)]:
        rank_zero_warn(
            f"Attribute '{name}' removed from hparams because it cannot be pickled. You can suppress this warning by"
            f" setting `self.save_hyperparameters(ignore=['{name}'])`."
        )
        del hparams[name]


def _is_picklable(value: Any) -> bool:
    try:
        pickle.dumps(value)
    except (pickle.PickleError, AttributeError, RuntimeError, TypeError):
        return False
    return True
