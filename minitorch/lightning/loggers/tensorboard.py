"""`TensorBoardLogger`: what is logged as event files for TensorBoard, and hyperparameters in `hparams.yaml` beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from minitorch.lightning.loggers.utilities import FolderLogger, as_dict, flat, simple
from minitorch.lightning.transfer import transferred
from minitorch.lightning.utilities.rank_zero import rank_zero_only, rank_zero_warn
from minitorch.lightning.utilities.yaml import save_yaml
from minitorch.tensor import Tensor
from minitorch.utils.optional import needed

if TYPE_CHECKING:
    from minitorch.utils.tensorboard import SummaryWriter

__all__ = ["TensorBoardLogger"]

_NO_INPUT = "Could not log computational graph to TensorBoard: The `model.example_input_array` attribute is not set or `input_array` was not given."
_NOT_TRACED = (
    "Could not log computational graph to TensorBoard: The `input_array` or `model.example_input_array` has type {} which can't be traced by"
    " TensorBoard. Make the input array a tuple representing the positional arguments to the model's `forward()` implementation."
)


class TensorBoardLogger(FolderLogger):
    """Logs into save_dir/name/version_N, or into a sub_dir of it.

    log_graph: also the module's graph, if it has an `example_input_array`. default_hp_metric: hyperparameters that are logged without a
    metric come with a placeholder, `hp_metric` = −1, for TensorBoard shows none without one. prefix: before each name, with a "-".
    Further arguments go to `SummaryWriter`. It needs the package tensorboard: pip install 'minitorch[tensorboard]'.
    """

    NAME_HPARAMS_FILE = "hparams.yaml"

    def __init__(
        self,
        save_dir: str | os.PathLike[str],
        name: str | None = "lightning_logs",
        version: int | str | None = None,
        log_graph: bool = False,
        default_hp_metric: bool = True,
        prefix: str = "",
        sub_dir: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        needed("tensorboard", "tensorboard", by="TensorBoardLogger")
        super().__init__(save_dir, name, version, prefix)
        self._sub_dir = None if sub_dir is None else os.fspath(sub_dir)
        self._log_graph = log_graph
        self._default_hp_metric = default_hp_metric
        self._kwargs = kwargs
        self._experiment: SummaryWriter | None = None
        self.hparams: dict[str, Any] = {}

    @property
    def sub_dir(self) -> str | None:
        """The folder within the run's."""
        return self._sub_dir

    @property
    def log_dir(self) -> str:
        """The folder of this run; `~` and `$NAME` in it are filled in."""
        folder = os.path.join(super().log_dir, self._sub_dir or "") if self._sub_dir else super().log_dir
        return os.path.expanduser(os.path.expandvars(folder))

    @property
    def experiment(self) -> SummaryWriter:
        """The SummaryWriter, made when it is first asked for: `self.logger.experiment.add_image(…)`."""
        if self._experiment is None:
            from minitorch.utils.tensorboard import SummaryWriter

            self._experiment = SummaryWriter(self.log_dir, **self._kwargs)
        return self._experiment

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Numbers, and dicts of numbers, which share a chart."""
        for name, value in self.prefixed(metrics).items():
            value = value.item() if isinstance(value, Tensor) else value
            try:
                if isinstance(value, dict):
                    self.experiment.add_scalars(name, value, step)
                else:
                    self.experiment.add_scalar(name, value, step)
            except (AssertionError, NotImplementedError, TypeError, ValueError) as error:
                raise ValueError(
                    f"\n you tried to log {value} which is currently not supported. Try a dict or a scalar/tensor."
                ) from error

    @rank_zero_only
    def log_hyperparams(self, params: Any, metrics: Any = None, step: int | None = None, *args: Any, **kwargs: Any) -> None:
        """Hyperparameters (a dict or a Namespace), with the metrics that came of them, which are logged too."""
        from minitorch.utils.tensorboard.hparams import hparams

        given = as_dict(params)
        self.hparams.update(given)
        if metrics is None:
            metrics = {"hp_metric": -1} if self._default_hp_metric else {}
        elif not isinstance(metrics, dict):
            metrics = {"hp_metric": metrics}
        if not metrics:
            return
        self.log_metrics(metrics, step)
        writer = self.experiment._get_file_writer()
        for made in hparams({name: simple(value) for name, value in flat(given).items()}, metrics):
            writer.add_summary(made, step)

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Any = None) -> None:
        """The module's graph, from an example of its input, if this was asked for."""
        if not self._log_graph:
            return
        example = model.example_input_array if input_array is None else input_array
        if example is None:
            rank_zero_warn(_NO_INPUT)
        elif not isinstance(example, (Tensor, tuple)):
            rank_zero_warn(_NOT_TRACED.format(type(example)))
        else:
            self.experiment.add_graph(model, transferred(model.trainer, example, 0))

    @rank_zero_only
    def save(self) -> None:
        """Wait until all is in the files; the hyperparameters are written once."""
        self.experiment.flush()
        path = os.path.join(self.log_dir, self.NAME_HPARAMS_FILE)
        if not os.path.isfile(path):
            save_yaml(path, self.hparams)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write what is left and close; what is logged after that goes to a new file."""
        if self._experiment is not None:
            self._experiment.close()
        if status == "success":
            self.save()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_experiment": None}  # files that are open stay with their process
