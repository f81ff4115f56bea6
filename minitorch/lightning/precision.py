"""Precision: in which dtype the steps compute, and the extra work that 16 bits need around backward and the optimizer's step.

"32-true" does nothing. "16-mixed" and "bf16-mixed" run the steps under autocast; float16 has few small numbers, so its loss is scaled up before
backward and the gradients down again before they are clipped (`docs/mixed-precision.md`). "64-true", "16-true", "bf16-true" convert the
module and its batches. Read next `loop.py`, which calls `backward` and `optimizer_step`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch import nn
from minitorch.lightning.calls import call_hook, call_module
from minitorch.lightning.transfer import map_tensors
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_warn
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.optim import Optimizer

__all__ = ["HalfPrecision", "MixedPrecision", "Precision", "make_precision"]


class Precision:
    """float32 as it is ("32-true")."""

    precision = "32-true"

    def convert_module(self, module: nn.Module) -> nn.Module:
        """The module in its dtype, before optimizers are made."""
        return module

    def convert_input(self, batch: Any) -> Any:
        """A batch in the dtype that the module takes."""
        return batch

    def forward_context(self) -> contextlib.AbstractContextManager[Any]:
        """Within it the steps run."""
        return contextlib.nullcontext()

    def module_init_context(self) -> contextlib.AbstractContextManager[Any]:
        """Within it `configure_model` makes layers."""
        return contextlib.nullcontext()

    def scale(self, loss: Tensor) -> Tensor:
        """The loss that backward starts from."""
        return loss

    def backward(self, loss: Tensor, module: LightningModule, *args: Any, **kwargs: Any) -> None:
        """Gradients, between their two hooks."""
        trainer = module.trainer
        loss = self.scale(loss)
        call_hook(trainer, "on_before_backward", loss)
        module.backward(loss, *args, **kwargs)
        call_hook(trainer, "on_after_backward")

    def optimizer_step(
        self, optimizer: Optimizer, module: LightningModule, closure: Callable[[], Any], **kwargs: Any
    ) -> Any:
        """`optimizer.step(closure)`, where the closure also clips the gradients that it has made."""

        def closure_and_clip() -> Any:
            result = closure()
            self.before_step(optimizer, module)
            return result

        return optimizer.step(closure=closure_and_clip, **kwargs)

    def before_step(self, optimizer: Optimizer, module: LightningModule) -> None:
        """Gradients are there: their last hook, and clipping."""
        trainer = module.trainer
        call_hook(trainer, "on_before_optimizer_step", optimizer)
        if module.automatic_optimization:
            call_module(
                trainer,
                "configure_gradient_clipping",
                optimizer,
                gradient_clip_val=trainer.gradient_clip_val,
                gradient_clip_algorithm=trainer.gradient_clip_algorithm,
            )

    def state_dict(self) -> dict[str, Any]:
        """What of it goes into a checkpoint, under the class's name; nothing if empty."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it back."""


class MixedPrecision(Precision):
    """Steps under autocast ("16-mixed" with a GradScaler, "bf16-mixed" without)."""

    def __init__(self, precision: str, device: str) -> None:
        self.precision = precision
        self.device = device
        self.scaler = minitorch.amp.GradScaler(device) if precision == "16-mixed" else None

    def forward_context(self) -> contextlib.AbstractContextManager[Any]:
        dtype = minitorch.float16 if self.precision == "16-mixed" else minitorch.bfloat16
        return minitorch.autocast(self.device, dtype=dtype, cache_enabled=False)

    def scale(self, loss: Tensor) -> Tensor:
        return loss if self.scaler is None else self.scaler.scale(loss)

    def optimizer_step(
        self, optimizer: Optimizer, module: LightningModule, closure: Callable[[], Any], **kwargs: Any
    ) -> Any:
        if self.scaler is None:
            return super().optimizer_step(optimizer, module, closure, **kwargs)
        if isinstance(optimizer, minitorch.optim.LBFGS):
            raise MisconfigurationException("AMP and the LBFGS optimizer are not compatible.")
        result = closure()
        skipped = result is None and module.automatic_optimization  # training_step returned None: no gradients
        if not skipped:
            self.scaler.unscale_(optimizer)  # before clipping
        self.before_step(optimizer, module)
        if skipped:
            return result
        result = self.scaler.step(optimizer, **kwargs)  # skips the step if a gradient is not finite
        self.scaler.update()
        return result

    def state_dict(self) -> dict[str, Any]:
        return {} if self.scaler is None else self.scaler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.scaler is not None:
            self.scaler.load_state_dict(state)


class HalfPrecision(Precision):
    """Module and batches in another dtype altogether ("64-true", "16-true", "bf16-true"), which is also the default dtype in the steps."""

    def __init__(self, precision: str) -> None:
        self.precision = precision
        self.dtype = {"64-true": minitorch.float64, "16-true": minitorch.float16, "bf16-true": minitorch.bfloat16}[precision]

    def convert_module(self, module: nn.Module) -> nn.Module:
        return module.to(dtype=self.dtype)

    def convert_input(self, batch: Any) -> Any:
        return map_tensors(batch, lambda t: t.to(self.dtype) if t.is_floating_point() else t)

    @contextlib.contextmanager
    def forward_context(self) -> Iterator[None]:
        before = minitorch.get_default_dtype()
        minitorch.set_default_dtype(self.dtype)
        try:
            yield
        finally:
            minitorch.set_default_dtype(before)

    def module_init_context(self) -> contextlib.AbstractContextManager[Any]:
        return self.forward_context()


# Names as in Lightning, and what they mean.
_MEANING = {
    None: "32-true", 32: "32-true", "32": "32-true", "32-true": "32-true",
    64: "64-true", "64": "64-true", "64-true": "64-true",
    16: "16-mixed", "16": "16-mixed", "16-mixed": "16-mixed", "16-true": "16-true",
    "bf16": "bf16-mixed", "bf16-mixed": "bf16-mixed", "bf16-true": "bf16-true",
}  # fmt: skip


def make_precision(name: str | int | None, device: str) -> Precision:
    """The precision of that name on a device ("cpu", "cuda"). On a CPU "16-mixed" becomes "bf16-mixed"."""
    if name not in _MEANING:
        raise ValueError(
            f"Precision {name!r} is invalid. Allowed precision values: {[k for k in _MEANING if k is not None]}"
        )
    meaning = _MEANING[name]
    if name in (16, "16", "bf16"):
        rank_zero_warn(
            f"{name} is supported for historical reasons but its usage is discouraged. Please set it to '{meaning}' instead!"
        )
    if meaning == "16-mixed" and device == "cpu":
        rank_zero_warn(
            "You passed `Trainer(accelerator='cpu', precision='16-mixed')` but AMP with fp16 is not supported on CPU."
            " Using `precision='bf16-mixed'` instead."
        )
        meaning = "bf16-mixed"
    if meaning == "32-true":
        return Precision()
    return MixedPrecision(meaning, device) if meaning.endswith("mixed") else HalfPrecision(meaning)
