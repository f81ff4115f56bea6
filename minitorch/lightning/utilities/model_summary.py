"""`ModelSummary`: a table of a module's parts, with their parameters, modes and, if there is an example of the input, the sizes that pass.

Lightning's table has a column of FLOPs and a line of their sum too; these are not counted here. Read next: `../callbacks/model_summary.py`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch import nn
from minitorch.lightning.transfer import transferred
from minitorch.lightning.utilities.rank_zero import WarningCache, rank_zero_warn
from minitorch.nn.parameter import is_lazy

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule

__all__ = ["LayerSummary", "ModelSummary", "get_human_readable_count", "summarize"]

UNKNOWN = "?"
LEFTOVER_PARAMS_NAME = "other params"
NOT_APPLICABLE = "n/a"
BITS = {"64-true": 64, "32-true": 32, "16-true": 16, "bf16-true": 16}

_said = WarningCache()


class LayerSummary:
    """What is known of one module; its sizes are noted when it is called for the first time."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.in_size: Any = UNKNOWN
        self.out_size: Any = UNKNOWN
        self._hook = module.register_forward_hook(self._note, with_kwargs=True)

    def _note(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], out: Any) -> None:
        given = (*args, *kwargs.values())
        self.in_size = parse_batch_shape(given[0] if len(given) == 1 else given)
        self.out_size = parse_batch_shape(out)
        self.detach_hook()

    def detach_hook(self) -> None:
        """Note no more."""
        self._hook.remove()

    @property
    def layer_type(self) -> str:
        """The class's name."""
        return type(self.module).__name__

    @property
    def num_parameters(self) -> int:
        """How many numbers its parameters have."""
        return sum(map(_size, self.module.parameters()))

    @property
    def training(self) -> bool:
        """Its mode."""
        return self.module.training


class ModelSummary:
    """A summary of a module; `print` shows the table. max_depth: how deep into nested modules it goes, −1 for all, 0 for none."""

    def __init__(self, model: LightningModule, max_depth: int = 1) -> None:
        if not isinstance(max_depth, int) or max_depth < -1:
            raise ValueError(f"`max_depth` can be -1, 0 or > 0, got {max_depth}.")
        self._model, self._max_depth = model, max_depth
        self._layer_summary = self.summarize()
        precision = model._trainer.precision if model._trainer else "32-true"
        if precision not in BITS:
            rank_zero_warn(
                f"Precision {precision} is not supported by the model summary.  Estimated model size in MB will not be accurate."
                " Using 32 bits instead."
            )
        self._megabytes = BITS.get(precision, 32) / 8.0 * 1e-6  # of one number

    def summarize(self) -> dict[str, LayerSummary]:
        """The modules that are shown, by name."""
        if self._max_depth == 0:
            return {}
        found = {name: LayerSummary(module) for name, module in self._model.named_modules() if name}
        try:
            if self._model.example_input_array is not None:
                self._forward_example_input()
        finally:
            for layer in found.values():
                layer.detach_hook()
        return {name: layer for name, layer in found.items() if self._max_depth < 0 or name.count(".") < self._max_depth}

    def _forward_example_input(self) -> None:
        """Call the module on its example, in evaluation mode and without gradients."""
        model, example = self._model, self._model.example_input_array
        trainer = model._trainer
        if trainer is not None:
            example = transferred(trainer, example, 0)
        modes = [(module, module.training) for module in model.modules()]
        model.eval()
        context = contextlib.nullcontext() if trainer is None else trainer.precision_plugin.forward_context()
        try:
            with minitorch.no_grad(), context:
                if isinstance(example, dict):
                    model(**example)
                else:
                    model(*example if isinstance(example, (list, tuple)) else (example,))
        finally:
            for module, mode in modes:
                module.training = mode

    # ---- by column ----

    @property
    def layer_names(self) -> list[str]:
        """Their names."""
        return list(self._layer_summary)

    @property
    def layer_types(self) -> list[str]:
        """Their classes."""
        return [layer.layer_type for layer in self._layer_summary.values()]

    @property
    def param_nums(self) -> list[int]:
        """How many parameters each has."""
        return [layer.num_parameters for layer in self._layer_summary.values()]

    @property
    def training_modes(self) -> list[bool]:
        """Whether each is in training mode."""
        return [layer.training for layer in self._layer_summary.values()]

    @property
    def in_sizes(self) -> list[Any]:
        """The shapes of what each was called with."""
        return [layer.in_size for layer in self._layer_summary.values()]

    @property
    def out_sizes(self) -> list[Any]:
        """The shapes of what each gave."""
        return [layer.out_size for layer in self._layer_summary.values()]

    # ---- in all ----

    @property
    def total_parameters(self) -> int:
        """Of all modules together; what two share counts once."""
        return sum(map(_size, self._model.parameters()))

    @property
    def trainable_parameters(self) -> int:
        """Those that want a gradient."""
        return sum(_size(p) for p in self._model.parameters() if p.requires_grad)

    @property
    def total_layer_params(self) -> int:
        """Of the modules that are shown."""
        return sum(self.param_nums)

    @property
    def total_training_modes(self) -> dict[str, int]:
        """How many modules, the outermost left out, are in which mode."""
        modes = [module.training for module in self._model.modules()][1:]
        return {"train": modes.count(True), "eval": modes.count(False)}

    @property
    def model_size(self) -> float:
        """The parameters in megabytes."""
        return self.total_parameters * self._megabytes

    # ---- the table ----

    def _get_summary_data(self) -> list[tuple[str, list[str]]]:
        """The table's columns, with their headings."""
        names = self.layer_names
        columns = [
            (" ", [str(k) for k in range(len(names))]),
            ("Name", names),
            ("Type", self.layer_types),
            ("Params", [get_human_readable_count(n) for n in self.param_nums]),
            ("Mode", ["train" if mode else "eval" for mode in self.training_modes]),
        ]
        if self._model.example_input_array is not None:
            columns += [("In sizes", [str(x) for x in self.in_sizes]), ("Out sizes", [str(x) for x in self.out_sizes])]
        left = self.total_parameters - self.total_layer_params
        if left > 0:
            told = {" ": " ", "Name": LEFTOVER_PARAMS_NAME, "Params": get_human_readable_count(left)}
            for heading, cells in columns:
                cells.append(told.get(heading, NOT_APPLICABLE))
        return columns

    def __str__(self) -> str:
        modes = self.total_training_modes
        return format_summary_table(
            self.total_parameters, self.trainable_parameters, self.model_size, modes, *self._get_summary_data()
        )

    __repr__ = __str__


def format_summary_table(
    total: int, trainable: int, megabytes: float, modes: dict[str, int], *columns: tuple[str, list[str]]
) -> str:
    """The columns one beside the other, and the sums below."""
    widths = [max(map(len, [heading, *cells])) for heading, cells in columns]
    line = "-" * (sum(widths) + 3 * (len(columns) + 1))
    rows = [[heading for heading, _ in columns], *zip(*(cells for _, cells in columns))]
    shown = [" | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)) for row in rows]
    sums = [
        (get_human_readable_count(trainable), "Trainable params"),
        (get_human_readable_count(total - trainable), "Non-trainable params"),
        (get_human_readable_count(total), "Total params"),
        (f"{megabytes:,.3f}", "Total estimated model params size (MB)"),
        (modes["train"], "Modules in train mode"),
        (modes["eval"], "Modules in eval mode"),
    ]
    return "\n".join([shown[0], line, *shown[1:], line, *(f"{number:<10}{what}" for number, what in sums)])


def get_human_readable_count(number: int) -> str:
    """123, 1.2 K, 45.6 M: with one digit behind the point below a hundred.

    >>> get_human_readable_count(123), get_human_readable_count(1234), get_human_readable_count(5_000_000_000_000_000)
    ('123  ', '1.2 K', '5,000 T')
    """
    group = min((len(str(number)) - 1) // 3, 4)
    scaled = number * 10 ** (-3 * group)
    unit = " KMBT"[group]
    return f"{int(scaled):,d} {unit}" if group < 1 or scaled >= 100 else f"{scaled:,.1f} {unit}"


def parse_batch_shape(batch: Any) -> Any:
    """The shape of a tensor, a list of shapes of a tuple or list, "?" of something else."""
    if hasattr(batch, "shape"):
        return list(batch.shape)
    return [parse_batch_shape(each) for each in batch] if isinstance(batch, (list, tuple)) else UNKNOWN


def _size(parameter: Any) -> int:
    if is_lazy(parameter):
        _said.warn(
            "The total number of parameters detected may be inaccurate because the model contains an instance of"
            " `UninitializedParameter`. To get an accurate number, set `self.example_input_array` in your LightningModule."
        )
        return 0
    return parameter.numel()


def summarize(lightning_module: LightningModule, max_depth: int = 1) -> ModelSummary:
    """`ModelSummary(lightning_module, max_depth)`"""
    return ModelSummary(lightning_module, max_depth=max_depth)
