"""Batches on their way: tensors found in any collection, moved to a device between the hooks that may change them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from minitorch.lightning.calls import is_overridden
from minitorch.lightning.utilities.rank_zero import WarningCache
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["map_tensors", "move_data_to_device", "transferred"]

_said = WarningCache()


def transferred(trainer: Trainer, batch: Any, dataloader_idx: int) -> Any:
    """A batch as the steps get it: in their dtype, on their device, through its three hooks."""
    batch = trainer.precision_plugin.convert_input(batch)
    batch = _hook(trainer, "on_before_batch_transfer", batch, dataloader_idx)
    batch = _hook(trainer, "transfer_batch_to_device", batch, trainer.root_device, dataloader_idx)
    return _hook(trainer, "on_after_batch_transfer", batch, dataloader_idx)


def _hook(trainer: Trainer, name: str, *args: Any) -> Any:
    """The datamodule's hook if it has one of its own, else the module's."""
    module, data = trainer.lightning_module, trainer.datamodule
    own = data is not None and is_overridden(name, data)
    if data is not None and is_overridden(name, module):
        where = (
            "both `LightningModule` and `LightningDataModule`"
            if own
            else "`LightningModule` but have passed in a `LightningDataModule`"
        )
        _said.warn(
            f"You have overridden `{name}` in {where}. It will use the implementation from"
            f" `{'LightningDataModule' if own else 'LightningModule'}` instance."
        )
    before, module._current_fx_name = module._current_fx_name, name
    result = getattr(data if own else module, name)(*args)
    module._current_fx_name = before
    return result


def move_data_to_device(batch: Any, device: Any) -> Any:
    """A batch whose tensors (and all else with a method `to`) are on `device`; what is there already is not copied."""
    return map_tensors(batch, lambda tensor: tensor.to(device), also=lambda thing: callable(getattr(thing, "to", None)))


def map_tensors(batch: Any, change: Callable[[Any], Any], also: Callable[[Any], bool] = lambda thing: False) -> Any:
    """A collection like `batch`, in which every tensor (and whatever `also` finds) is changed."""
    if isinstance(batch, Tensor) or also(batch):
        return change(batch)
    if isinstance(batch, Mapping):
        items = {key: map_tensors(value, change, also) for key, value in batch.items()}
        return items if type(batch) is dict else type(batch)(items)  # type: ignore[call-arg]
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(map_tensors(value, change, also) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(map_tensors(value, change, also) for value in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        changed = copy.copy(batch)
        for field in fields(batch):
            object.__setattr__(changed, field.name, map_tensors(getattr(batch, field.name), change, also))
        return changed
    return batch
