"""`minitorch.lightning` under Lightning's longer names, so that `from lightning.pytorch.callbacks import ModelCheckpoint` runs after a change
of imports. Every module here is one of `minitorch.lightning`, not a copy of it."""

import sys as _sys

import minitorch.lightning as _lightning
import minitorch.lightning.utilities.types as _types
from minitorch.lightning import (
    Callback,
    LightningDataModule,
    LightningModule,
    Trainer,
    callbacks,
    loggers,
    seed_everything,
    utilities,
)  # fmt: skip

__all__ = ["Callback", "LightningDataModule", "LightningModule", "Trainer", "seed_everything"]

_MOVED = {  # Lightning's rooms, and where they are here
    "core": "", "core.module": ".module", "core.datamodule": ".datamodule", "core.hooks": ".hooks", "core.optimizer": ".optimizers",
    "core.saving": ".saving", "trainer": ".trainer", "trainer.trainer": ".trainer",
}  # fmt: skip
for _name, _here in _MOVED.items():
    _sys.modules[f"{__name__}.{_name}"] = _sys.modules.get(_lightning.__name__ + _here, _lightning)
for _name, _module in list(_sys.modules.items()):
    _rest = _name.removeprefix(_lightning.__name__ + ".")
    if _rest != _name and _rest.split(".")[0] in ("callbacks", "loggers", "utilities"):
        _sys.modules[f"{__name__}.{_rest}"] = _module
