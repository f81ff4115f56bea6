"""`load_from_checkpoint`: make a module, or a datamodule, anew from a checkpoint's hyperparameters, and give it its state.

Only the class on which it is called is made: the file names none, and reading it runs no code.
"""

from __future__ import annotations

import csv
import inspect
import os
from ast import literal_eval
from typing import Any

import minitorch
from minitorch.lightning.calls import is_overridden
from minitorch.lightning.datamodule import LightningDataModule
from minitorch.lightning.utilities.rank_zero import rank_zero_warn

__all__ = ["load_from_checkpoint"]


def load_from_checkpoint(
    cls: Any, path: Any, map_location: Any, hparams_file: Any, strict: bool | None, **kwargs: Any
) -> Any:
    """An object of `cls`; `kwargs` go before the hyperparameters of the file, and arguments that `__init__` does not take are left out."""
    if map_location is None and not minitorch.cuda.is_available():
        map_location = "cpu"
    checkpoint = minitorch.load(path, map_location=map_location)
    if not issubclass(cls, LightningDataModule):
        _must_hold_a_module(checkpoint, path)
    kept = dict(checkpoint.get(cls.CHECKPOINT_HYPER_PARAMS_KEY) or {})
    if hparams_file is not None:
        kept = _hyperparameters_in(hparams_file)
    checkpoint[cls.CHECKPOINT_HYPER_PARAMS_KEY] = {**kept, **kwargs}
    made = cls(**_arguments(cls, {**kept, **kwargs}, checkpoint.get(cls.CHECKPOINT_HYPER_PARAMS_NAME), kwargs))
    if isinstance(made, LightningDataModule):
        state = checkpoint.get(type(made).__qualname__)
        if state is not None:
            made.load_state_dict(state)
        return made
    return _with_weights(made, path, checkpoint, strict)


def _must_hold_a_module(checkpoint: Any, path: Any) -> None:
    """KeyError of a file of weights only, as Lightning raises: it has no hyperparameters from which a module could be made."""
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise KeyError(
            f"load_from_checkpoint: {os.fspath(path)!r} has no 'state_dict', so it is no checkpoint of a Trainer; if it holds"
            " weights only, make the module and call load_state_dict(load(path))"
        )


def _arguments(cls: Any, kept: dict[str, Any], name: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments for `cls`: hyperparameters that came as one dict go back into the argument of its name."""
    parameters = inspect.signature(cls.__init__).parameters
    own = [p.name for p in list(parameters.values())[1:] if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if name and name in own:
        kept = {name: kept, **given}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return kept
    return {key: value for key, value in kept.items() if key in own}


def _with_weights(module: Any, path: Any, checkpoint: dict[str, Any], strict: bool | None) -> Any:
    if module._strict_loading is not None and strict is not None and strict != module.strict_loading:
        raise ValueError(
            f"You set `.load_from_checkpoint(..., strict={strict!r})` which is in conflict with"
            f" `{type(module).__name__}.strict_loading={module.strict_loading!r}. Please set the same value for both of them."
        )
    strict = module.strict_loading if strict is None else strict
    if is_overridden("configure_model", module):
        module.configure_model()
    module.on_load_checkpoint(checkpoint)
    weights = checkpoint["state_dict"]
    keys = module.load_state_dict(weights, strict=strict)
    for where, names in (
        ("in the model state dict but not in the checkpoint", keys.missing_keys),
        ("not in the model state dict but in the checkpoint", keys.unexpected_keys),
    ):
        if names:
            rank_zero_warn(f"Found keys that are {where}: {names}")
    if not weights:
        rank_zero_warn(f"The state dict in {path!r} contains no parameters.")
        return module
    return module.to(next((v.device for v in weights.values() if isinstance(v, minitorch.Tensor)), minitorch.device("cpu")))


def _hyperparameters_in(path: Any) -> dict[str, Any]:
    """The hyperparameters in a CSV file (`key,value`) or, if PyYAML is installed, in a YAML file."""
    ending = os.fspath(path).rsplit(".", 1)[-1].lower()
    if ending not in ("csv", "yml", "yaml"):
        raise ValueError(".csv, .yml or .yaml is required for `hparams_file`")
    if ending == "csv":
        with open(path, newline="") as file:
            return {row[0]: _value_of(row[1]) for row in list(csv.reader(file))[1:]}
    try:
        import yaml
    except ImportError:
        raise ImportError("load_from_checkpoint: a YAML file needs PyYAML: pip install pyyaml") from None
    with open(path) as file:
        return yaml.safe_load(file) or {}


def _value_of(text: str) -> Any:
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text
