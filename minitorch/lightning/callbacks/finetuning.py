"""Fine-tuning: a part of the network is frozen at first, and unfrozen at an epoch, with a learning rate of its own.

`BaseFinetuning` has the tools; a callback of yours says what to freeze (`freeze_before_training`) and when to unfreeze
(`finetune_function`). `BackboneFinetuning` does it for a module with an attribute `backbone`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from minitorch import nn
from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from minitorch.nn.modules.batchnorm import _BatchNorm

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer
    from minitorch.optim import Optimizer

__all__ = ["BackboneFinetuning", "BaseFinetuning", "multiplicative"]


def multiplicative(epoch: int) -> float:
    """2: the backbone's learning rate doubles each epoch."""
    return 2.0


class BaseFinetuning(Callback):
    """Base of callbacks that freeze and unfreeze. The groups that they add to optimizers are in checkpoints too."""

    def __init__(self) -> None:
        self._internal_optimizer_metadata: dict[int, list[dict[str, Any]]] = {}  # the groups, with names for the parameters
        self._restarting = False

    # ---- yours to write ----

    def freeze_before_training(self, pl_module: LightningModule) -> None:
        """Freeze what is to be frozen at first."""
        raise NotImplementedError

    def finetune_function(self, pl_module: LightningModule, epoch: int, optimizer: Optimizer) -> None:
        """Unfreeze what is due in this epoch; called for each optimizer."""
        raise NotImplementedError

    # ---- tools ----

    @staticmethod
    def flatten_modules(modules: Any) -> list[nn.Module]:
        """The modules that have parameters themselves, or no modules within, of a module or of (nested) iterables of them."""
        if isinstance(modules, nn.ModuleDict):
            modules = modules.values()
        if isinstance(modules, nn.Module):
            found = list(modules.modules())
        else:
            found = [each for part in modules for each in BaseFinetuning.flatten_modules(part)]
        return [module for module in found if not list(module.children()) or module._parameters]

    @staticmethod
    def filter_params(modules: Any, train_bn: bool = True, requires_grad: bool = True) -> Iterator[nn.Parameter]:
        """The parameters that do (or do not) want a gradient; train_bn=False leaves out those of batch norm."""
        for module in BaseFinetuning.flatten_modules(modules):
            if isinstance(module, _BatchNorm) and not train_bn:
                continue
            for parameter in module.parameters(recurse=False):  # what is nested comes by itself
                if parameter.requires_grad == requires_grad:
                    yield parameter

    @staticmethod
    def make_trainable(modules: Any) -> None:
        """Let parameters want gradients, and batch norm keep its running mean."""
        for module in BaseFinetuning.flatten_modules(modules):
            _set_trainable(module, True)

    @staticmethod
    def freeze_module(module: nn.Module) -> None:
        """Freeze the parameters of one module, not of those within."""
        _set_trainable(module, False)

    @staticmethod
    def freeze(modules: Any, train_bn: bool = True) -> None:
        """Freeze all parameters; train_bn leaves batch norm trainable."""
        for module in BaseFinetuning.flatten_modules(modules):
            _set_trainable(module, isinstance(module, _BatchNorm) and train_bn)

    @staticmethod
    def filter_on_optimizer(optimizer: Optimizer, params: Iterable[nn.Parameter]) -> list[nn.Parameter]:
        """The parameters that the optimizer does not have yet; a warning if it has some."""
        there = {id(p) for group in optimizer.param_groups for p in group["params"]}
        params = list(params)
        new = [p for p in params if id(p) not in there]
        if len(new) < len(params):
            rank_zero_warn(
                "The provided params to be frozen already exist within another group of this optimizer. Those parameters will be"
                " skipped.\nHINT: Did you init your optimizer in `configure_optimizer` as such:\n"
                f" {type(optimizer)}(filter(lambda p: p.requires_grad, self.parameters()), ...) "
            )
        return new

    @staticmethod
    def unfreeze_and_add_param_group(
        modules: Any,
        optimizer: Optimizer,
        lr: float | None = None,
        initial_denom_lr: float = 10.0,
        train_bn: bool = True,
    ) -> None:
        """Unfreeze modules, and add their parameters to the optimizer with this learning rate (the first group's / initial_denom_lr)."""
        BaseFinetuning.make_trainable(modules)
        rate = optimizer.param_groups[0]["lr"] / initial_denom_lr if lr is None else float(lr)
        params = BaseFinetuning.filter_params(modules, train_bn=train_bn, requires_grad=True)
        new = BaseFinetuning.filter_on_optimizer(optimizer, params)
        if new:
            optimizer.add_param_group({"params": new, "lr": rate})

    # ---- hooks ----

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.freeze_before_training(pl_module)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After a checkpoint: the groups that the run before had."""
        if self._restarting:
            parameters = dict(pl_module.named_parameters())
            for k, optimizer in enumerate(trainer.optimizers):
                if k in self._internal_optimizer_metadata:
                    optimizer.param_groups = _with_params(self._internal_optimizer_metadata[k], parameters)
            self._restarting = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        names = {parameter: name for name, parameter in pl_module.named_parameters()}
        for k, optimizer in enumerate(trainer.optimizers):
            before = len(optimizer.param_groups)
            self.finetune_function(pl_module, trainer.current_epoch, optimizer)
            if k not in self._internal_optimizer_metadata:
                self._internal_optimizer_metadata[k] = _with_params(optimizer.param_groups, names)
            elif before != len(optimizer.param_groups):
                self._internal_optimizer_metadata[k] += _with_params(optimizer.param_groups[before:], names)

    # ---- in a checkpoint ----

    def state_dict(self) -> dict[str, Any]:
        """The optimizers' groups, with the names of their parameters."""
        return {"internal_optimizer_metadata": self._internal_optimizer_metadata}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The groups are made anew when the fit starts."""
        self._restarting = True
        self._internal_optimizer_metadata = state_dict.get("internal_optimizer_metadata", state_dict)


def _set_trainable(module: nn.Module, trainable: bool) -> None:
    if isinstance(module, _BatchNorm):
        module.track_running_stats = trainable
    for parameter in module.parameters(recurse=False):
        parameter.requires_grad = trainable


def _with_params(groups: list[dict[str, Any]], other: dict[Any, Any]) -> list[dict[str, Any]]:
    """The groups with names in the place of parameters, or the other way round."""
    options = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    return [{**own, "params": [other[each] for each in group["params"]]} for own, group in zip(options, groups)]


class BackboneFinetuning(BaseFinetuning):
    """Freezes the module's `backbone`, unfreezes it at an epoch with a small learning rate, and lets that rate grow.

    unfreeze_backbone_at_epoch: when. Its learning rate is backbone_initial_lr, or backbone_initial_ratio_lr · the optimizer's; every epoch it
    is multiplied by lambda_func(epoch + 1), with should_align up to the optimizer's at most. train_bn: batch norm is trained as well.
    verbose: say the rates, with `rounding` digits.
    """

    def __init__(
        self,
        unfreeze_backbone_at_epoch: int = 10,
        lambda_func: Callable[[int], float] = multiplicative,
        backbone_initial_ratio_lr: float = 10e-2,
        backbone_initial_lr: float | None = None,
        should_align: bool = True,
        initial_denom_lr: float = 10.0,
        train_bn: bool = True,
        verbose: bool = False,
        rounding: int = 12,
    ) -> None:
        super().__init__()
        self.unfreeze_backbone_at_epoch = unfreeze_backbone_at_epoch
        self.lambda_func = lambda_func
        self.backbone_initial_ratio_lr, self.backbone_initial_lr = backbone_initial_ratio_lr, backbone_initial_lr
        self.should_align, self.initial_denom_lr = should_align, initial_denom_lr
        self.train_bn, self.verbose, self.rounding = train_bn, verbose, rounding
        self.previous_backbone_lr: float | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not isinstance(getattr(pl_module, "backbone", None), nn.Module):
            raise MisconfigurationException("The LightningModule should have a nn.Module `backbone` attribute")
        super().on_fit_start(trainer, pl_module)

    def freeze_before_training(self, pl_module: LightningModule) -> None:
        self.freeze(pl_module.backbone)

    def finetune_function(self, pl_module: LightningModule, epoch: int, optimizer: Optimizer) -> None:
        rate = optimizer.param_groups[0]["lr"]
        if epoch < self.unfreeze_backbone_at_epoch:
            return
        if epoch == self.unfreeze_backbone_at_epoch:
            given = self.backbone_initial_lr
            new = rate * self.backbone_initial_ratio_lr if given is None else given
            self.unfreeze_and_add_param_group(
                pl_module.backbone, optimizer, new, train_bn=self.train_bn, initial_denom_lr=self.initial_denom_lr
            )
        else:
            assert self.previous_backbone_lr is not None
            new = self.lambda_func(epoch + 1) * self.previous_backbone_lr
            if self.should_align and new > rate:
                new = rate
            optimizer.param_groups[-1]["lr"] = new
        self.previous_backbone_lr = new
        if self.verbose:
            rank_zero_info(f"Current lr: {round(rate, self.rounding)}, Backbone lr: {round(new, self.rounding)}")

    def state_dict(self) -> dict[str, Any]:
        """With the backbone's learning rate."""
        return {**super().state_dict(), "previous_backbone_lr": self.previous_backbone_lr}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As `BaseFinetuning`'s."""
        self.previous_backbone_lr = state_dict["previous_backbone_lr"]
        super().load_state_dict(state_dict)
