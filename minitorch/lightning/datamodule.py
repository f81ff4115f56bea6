"""`LightningDataModule`: data and how they are prepared, in one object that any module can be trained on."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minitorch.lightning.hooks import DataHooks
from minitorch.lightning.hyperparameters import HyperparametersMixin
from minitorch.utils.data import DataLoader, Dataset, IterableDataset

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["LightningDataModule"]


class LightningDataModule(DataHooks, HyperparametersMixin):
    """A subclass writes `setup` (make data sets) and `train_dataloader`, `val_dataloader`, `test_dataloader`, `predict_dataloader`."""

    CHECKPOINT_HYPER_PARAMS_KEY = "datamodule_hyper_parameters"
    CHECKPOINT_HYPER_PARAMS_NAME = "datamodule_hparams_name"
    CHECKPOINT_HYPER_PARAMS_TYPE = "datamodule_hparams_type"

    name: str | None = None
    trainer: Trainer | None = None

    def __init__(self) -> None:
        super().__init__()

    @classmethod
    def from_datasets(
        cls,
        train_dataset: Dataset | Iterable[Dataset] | None = None,
        val_dataset: Dataset | Iterable[Dataset] | None = None,
        test_dataset: Dataset | Iterable[Dataset] | None = None,
        predict_dataset: Dataset | Iterable[Dataset] | None = None,
        batch_size: int = 1,
        num_workers: int = 0,
        **datamodule_kwargs: Any,
    ) -> LightningDataModule:
        """A datamodule of data sets (or of several in each place); training shuffles, nothing else does."""

        def loader(dataset: Any, shuffle: bool = False) -> DataLoader:
            shuffle = shuffle and not isinstance(dataset, IterableDataset)
            return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, num_workers=num_workers, pin_memory=False)

        def loaders(given: Any, shuffle: bool = False) -> Any:
            several = isinstance(given, Iterable) and not isinstance(given, Dataset)
            return [loader(dataset, shuffle) for dataset in given] if several else loader(given, shuffle)

        own = inspect.signature(cls.__init__).parameters
        taken = {"batch_size": batch_size, "num_workers": num_workers}
        datamodule = cls(**datamodule_kwargs, **{name: value for name, value in taken.items() if name in own})
        given = {"train": train_dataset, "val": val_dataset, "test": test_dataset, "predict": predict_dataset}
        for stage, datasets in given.items():
            if datasets is not None:
                made = lambda datasets=datasets, shuffle=stage == "train": loaders(datasets, shuffle)
                setattr(datamodule, f"{stage}_dataloader", made)
        return datamodule

    def state_dict(self) -> dict[str, Any]:
        """What of it goes into a checkpoint; nothing if empty."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""

    def on_exception(self, exception: BaseException) -> None:
        """An error, or Ctrl-C, has ended the run."""

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: Any,
        map_location: Any = None,
        hparams_file: Any = None,
        weights_only: bool | None = None,
        **kwargs: Any,
    ) -> LightningDataModule:
        """A datamodule made with the hyperparameters of a checkpoint; `kwargs` go before them. Reading runs no code of the file."""
        from minitorch.lightning.saving import load_from_checkpoint

        return load_from_checkpoint(cls, checkpoint_path, map_location, hparams_file, None, **kwargs)
