"""`GradScaler`: multiply the loss, so that no gradient is too small for float16, and divide the gradients before they are used.

    scaler.scale(loss).backward()     # gradients, times the scale
    scaler.unscale_(optimizer)        # optional: gradients as they are, to be clipped
    scaler.step(optimizer)            # unscale_ unless done, then optimizer.step(); nothing if a gradient is ∞ or nan
    scaler.update()                   # a smaller scale after such a step, a larger one after many good ones

The largest scale that float16 holds loses least, and it is found by trying: it doubles until a gradient overflows, then it is halved.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any

import numpy as np

from ..arrays.device import has_gpu, xp_of
from ..arrays.dtypes import float16, float32, int32
from ..arrays.quiet import silent
from ..arrays.warning import warn
from ..autograd.grad_mode import no_grad
from ..optim import Optimizer
from ..tensor import Tensor
from ..tensor.creation import full


class OptState(Enum):
    """How far an optimizer is in this iteration."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Scales losses, unscales gradients, and skips a step whose gradients are not finite.

    device: the type of device, "cuda" or "cpu". init_scale: where the scale begins. After `growth_interval` good steps in a row it is
    multiplied by `growth_factor`, after a skipped one by `backoff_factor`. enabled=False: everything passes as it is.

    >>> w = minitorch.tensor([1.0], requires_grad=True)
    >>> optimizer, scaler = minitorch.optim.SGD([w], lr=0.5), GradScaler("cpu", init_scale=8.0)
    >>> scaler.scale((w * w).sum()).backward()
    >>> w.grad
    tensor([16.])
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> w, w.grad, scaler.get_scale()
    (tensor([0.], requires_grad=True), tensor([2.]), 8.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device, self._enabled = device, enabled
        if device == "cuda" and enabled and not has_gpu():
            warn(
                "minitorch.cuda.amp.GradScaler is enabled, but CUDA is not available.  Disabling. For the CPU give device='cpu'."
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0. Got {growth_factor}")
        if backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0. Got {backoff_factor}")
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor, self._growth_interval = growth_factor, backoff_factor, growth_interval
        self._scale: Tensor | None = None  # float32, on the device of the first loss: made by the first `scale`
        self._growth_tracker: Tensor | None = None  # how many good steps there were since the scale changed
        self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_fresh)

    # ---- before backward ----

    def scale(self, outputs: Any) -> Any:
        """outputs · scale: of a Tensor, or of each in a list, a tuple or another iterable."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._begin(outputs.device)
            return outputs * self._scale.to(outputs.device)  # type: ignore[union-attr]
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled  # type: ignore[call-arg]
        raise ValueError(f"outputs must be a Tensor or an iterable of Tensors, not {type(outputs).__name__}")

    def _begin(self, device: Any) -> None:
        self._scale = full((), self._init_scale, dtype=float32, device=device)
        self._growth_tracker = full((), self._init_growth_tracker, dtype=int32, device=device)

    def _begun(self, name: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(
                f"Attempted {name} but _scale is None.  This may indicate your script did not use scaler.scale(loss or outputs) "
                "earlier in the iteration."
            )
        return self._scale, self._growth_tracker

    # ---- after backward ----

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients of this optimizer's parameters by the scale, and note whether one is ∞ or nan. Once a step."""
        if not self._enabled:
            return
        scale, _ = self._begun("unscale_")
        of_this = self._per_optimizer_states[id(optimizer)]
        if of_this["stage"] is OptState.UNSCALED:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        if of_this["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        of_this["found_inf_per_device"] = self._unscale_grads_(optimizer, scale.double().reciprocal().float(), False)
        of_this["stage"] = OptState.UNSCALED

    def _unscale_grads_(self, optimizer: Optimizer, inv_scale: Tensor, allow_fp16: bool) -> dict[Any, Tensor]:
        """Gradients · inv_scale, in place; for each device 1 if one of them was not finite, else 0."""
        grads = []
        for param in (param for group in optimizer.param_groups for param in group["params"]):
            if param.grad is None:
                continue
            if param.grad.dtype is float16 and not allow_fp16:
                raise ValueError(
                    "Attempting to unscale FP16 gradients. The weights are float16: keep them in float32, and let autocast cast them."
                )
            grads.append(param.grad)
        found: dict[Any, Tensor] = {}
        factor = inv_scale.item()
        with no_grad():
            for grad in grads:
                if grad.device not in found:
                    found[grad.device] = full((), 0.0, dtype=float32, device=grad.device)
                if not _unscaled(grad, factor):
                    found[grad.device].fill_(1.0)
        return found

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> float | None:
        """`unscale_` unless that is done, then optimizer.step(*args, **kwargs), unless a gradient was ∞ or nan."""
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._begun("step")
        of_this = self._per_optimizer_states[id(optimizer)]
        if of_this["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if getattr(optimizer, "_step_supports_amp_scaling", False):
            return self._step_of_its_own(optimizer, of_this, args, kwargs)
        if of_this["stage"] is OptState.READY:
            self.unscale_(optimizer)
        if not of_this["found_inf_per_device"]:
            raise AssertionError("No inf checks were recorded for this optimizer: none of its parameters has a gradient.")
        finite = not any(found.item() for found in of_this["found_inf_per_device"].values())
        result = optimizer.step(*args, **kwargs) if finite else None
        of_this["stage"] = OptState.STEPPED
        return result

    def _step_of_its_own(self, optimizer: Any, of_this: dict[str, Any], args: tuple, kwargs: dict) -> float | None:
        """The step of an optimizer that unscales and skips itself: it finds `grad_scale` and `found_inf` on itself."""
        if "grad_scaler" in inspect.signature(optimizer.step).parameters:
            warn(
                "GradScaler is going to stop passing itself as a keyword argument to the passed optimizer. In the near future "
                "GradScaler registers `grad_scale: Tensor` and `found_inf: Tensor` to the passed optimizer and let the optimizer "
                "use them directly.",
                FutureWarning,
            )
            result = optimizer.step(*args, grad_scaler=self, **kwargs)
            of_this["stage"] = OptState.STEPPED
            return result
        if of_this["stage"] is OptState.READY:
            self._check_inf_per_device(optimizer)
        own = getattr(optimizer, "grad_scale", None)
        is_unscaled = of_this["stage"] is OptState.UNSCALED
        optimizer.grad_scale = own if is_unscaled else self._scale * (1 if own is None else own)  # type: ignore[operator]
        optimizer.found_inf = sum(of_this["found_inf_per_device"].values())
        result = optimizer.step(*args, **kwargs)
        of_this["stage"] = OptState.STEPPED
        del optimizer.grad_scale, optimizer.found_inf
        return result

    def _check_inf_per_device(self, optimizer: Optimizer) -> dict[Any, Tensor]:
        scale, _ = self._begun("_check_inf_per_device")
        found = self._unscale_grads_(optimizer, full((), 1.0, dtype=float32, device=scale.device), True)
        self._per_optimizer_states[id(optimizer)]["found_inf_per_device"] = found
        return found

    def _found_inf_per_device(self, optimizer: Optimizer) -> dict[Any, Tensor]:
        return self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]

    def update(self, new_scale: Any = None) -> None:
        """The scale for the next iteration, from what the steps of this one found; or `new_scale`, a float or a Tensor."""
        if not self._enabled:
            return
        scale, tracker = self._begun("update")
        if isinstance(new_scale, Tensor):
            if new_scale.device.type != self._device or new_scale.numel() != 1 or new_scale.requires_grad:
                raise AssertionError(
                    f"new_scale should be a float or a 1-element Tensor on {self._device!r} with requires_grad=False, got one of "
                    f"shape {tuple(new_scale.shape)} on {new_scale.device.type!r}, requires_grad={new_scale.requires_grad}"
                )
            scale.copy_(new_scale)
        elif new_scale is not None:
            scale.fill_(float(new_scale))
        else:
            every = [found for of in self._per_optimizer_states.values() for found in of["found_inf_per_device"].values()]
            if not every:
                raise AssertionError(
                    "No inf checks were recorded prior to update: call step(optimizer) or unscale_(optimizer) first."
                )
            self._moved(scale, tracker, any(found.item() for found in every))
        self._per_optimizer_states = defaultdict(_fresh)

    def _moved(self, scale: Tensor, tracker: Tensor, found_inf: bool) -> None:
        """scale ← scale · backoff where a gradient was not finite; · growth after enough good steps, unless that overflows."""
        if found_inf:
            scale.fill_(_as_float32(scale.item() * self._backoff_factor))
            tracker.zero_()
        elif tracker.item() + 1 < self._growth_interval:
            tracker.add_(1)
        else:
            grown = _as_float32(scale.item() * self._growth_factor)
            if np.isfinite(grown):
                scale.fill_(grown)
            tracker.zero_()

    # ---- what it knows ----

    def _get_scale_async(self) -> Tensor | None:
        return self._scale

    def get_scale(self) -> float:
        """The scale; 1.0 if disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale grows by."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Let the scale grow by this factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale shrinks by."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Let the scale shrink by this factor."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps in a row the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Let the scale grow after so many good steps in a row."""
        self._growth_interval = new_interval

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        return self._init_growth_tracker if self._growth_tracker is None else self._growth_tracker.item()

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """What to save with the model after `update`: the scale, how it moves, and how many good steps there were. {} if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a saved state. Nothing if disabled; RuntimeError for the empty state of a disabled scaler."""
        if not self._enabled:
            return
        if len(state_dict) == 0:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled instance of GradScaler."
            )
        names = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")
        scale, growth_factor, backoff_factor, growth_interval, tracker = (state_dict[name] for name in names)
        self._init_scale, self._init_growth_tracker = scale, tracker
        self._growth_factor, self._backoff_factor, self._growth_interval = growth_factor, backoff_factor, growth_interval
        if self._scale is not None and self._growth_tracker is not None:
            self._scale.fill_(scale)
            self._growth_tracker.fill_(tracker)

    def __getstate__(self) -> dict[str, Any]:
        kept = dict(self.__dict__)
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, or at the end after "
                    "scaler.update()."
                )
            kept["_init_scale"], kept["_init_growth_tracker"] = self.get_scale(), self._get_growth_tracker()
            kept["_scale"] = kept["_growth_tracker"] = None
        return kept

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


@silent
def _unscaled(grad: Tensor, factor: float) -> bool:
    """grad ← grad · factor, in place; whether all of it was finite."""
    array = grad._array
    wide = array if array.dtype.itemsize > 2 else array.astype(np.float32)  # half precision is computed in float32
    finite = bool(xp_of(wide).isfinite(wide).all())
    if factor != 1.0:
        array[...] = wide * wide.dtype.type(factor)
        grad._bump()
    return finite


@silent
def _as_float32(number: float) -> float:
    return float(np.float32(number))
