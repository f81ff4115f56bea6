"""Lightning's names: a `LightningModule` says what a step is, a `Trainer` runs the loop around it.

`docs/lightning.md` shows the same training as a plain loop and as a module. Read `loop.py`: it is that loop. `minitorch.lightning.pytorch` is
this package once more, so that a script runs after changing `lightning` to `minitorch.lightning` in its imports.
"""

from minitorch.lightning import callbacks, loggers, utilities
from minitorch.lightning.callbacks import Callback
from minitorch.lightning.datamodule import LightningDataModule
from minitorch.lightning.module import LightningModule
from minitorch.lightning.trainer import Trainer
from minitorch.lightning.utilities.seed import seed_everything

__all__ = ["Callback", "LightningDataModule", "LightningModule", "Trainer", "seed_everything"]
