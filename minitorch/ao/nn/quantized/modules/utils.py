"""What quantized layers have in common: a weight that is quantized once, and an output whose scale is known."""

from __future__ import annotations

from typing import Any

import numpy as np

import minitorch
from minitorch.arrays.quantized import Params, PerChannel, PerTensor, QArray, quantized
from minitorch.nn import Module
from minitorch.tensor import Tensor


def _quantize_weight(float_wt: Tensor, observer: Any) -> Tensor:
    """The weight in the integers of the observer's dtype, with the scales it found."""
    scale, zero_point = observer.calculate_qparams()
    if observer.qscheme in (minitorch.per_tensor_symmetric, minitorch.per_tensor_affine):
        params: Params = PerTensor(float(scale), int(zero_point))
    else:
        floats = observer.qscheme is minitorch.per_channel_affine_float_qparams
        kinds = (np.float32, np.float32) if floats else (np.float64, np.int64)
        arrays = [x.detach()._array.astype(kind) for x, kind in zip((scale, zero_point), kinds)]
        params = PerChannel(arrays[0], arrays[1], observer.ch_axis)
    return Tensor._wrap(quantized(float_wt.detach()._array, params, observer.dtype))


def empty_weight(*shape: int) -> Tensor:
    """A weight of zeros, before there is one."""
    return Tensor._wrap(QArray(np.zeros(shape, np.int8), PerTensor(1.0, 0), minitorch.qint8))


def array_of(bias: Tensor | None) -> Any:
    """The numbers of a bias."""
    return None if bias is None else bias.detach()._array


def check_weight(weight: Any, layer: str) -> None:
    """TypeError, NotImplementedError or RuntimeError for what no quantized layer has for a weight."""
    if not isinstance(weight, Tensor):
        raise TypeError(f"{layer}: the weight must be a quantized tensor of qint8, not {type(weight).__name__}")
    if weight.dtype is not minitorch.qint8:
        error = RuntimeError if weight.is_quantized else NotImplementedError
        raise error(f"{layer}: the weight must be a quantized tensor of qint8, got {weight.dtype!r}")


class KeepsMore(Module):
    """A module whose state dict has entries that are neither parameters nor buffers."""

    def _more_state(self) -> dict[str, Any]:
        """These entries."""
        raise NotImplementedError

    def _take_state(self, given: dict[str, Any]) -> None:
        """Take them back; any error is one of the state dict."""
        raise NotImplementedError

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, value in self._more_state().items():
            destination[prefix + name] = value

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict, strict: bool, missing: list, unexpected: list, errors: list
    ) -> None:
        names = list(self._more_state())
        given = {name: state_dict[prefix + name] for name in names if prefix + name in state_dict}
        if len(given) == len(names):
            try:
                self._take_state(given)
            except (TypeError, ValueError, RuntimeError) as error:
                errors.append(f"{prefix.removesuffix('.') or type(self).__name__}: {error}")
        elif strict:
            missing.extend(prefix + name for name in names if name not in given)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)

    def _expects(self, path: str, own: Any) -> bool:
        return path in self._more_state() or super()._expects(path, own)


class WeightedQuantizedModule(KeepsMore):
    """A layer with a quantized weight and an output of one scale. None of them is a parameter or a buffer: nothing trains them."""

    scale: float
    zero_point: int

    def _params(self) -> PerTensor:
        """How the output is quantized."""
        return PerTensor(self.scale, self.zero_point)

    def _more_state(self) -> dict[str, Any]:
        return {"scale": minitorch.tensor(self.scale), "zero_point": minitorch.tensor(self.zero_point)}

    def _take_state(self, given: dict[str, Any]) -> None:
        self.scale, self.zero_point = float(given["scale"]), int(given["zero_point"])


def output_params(observer: Any) -> tuple[float, int]:
    """The scale and the zero point that an observer found for a layer's output."""
    scale, zero_point = observer.calculate_qparams()
    return float(scale), int(zero_point)


def refuse_unless(condition: bool, words: str) -> None:
    """AssertionError, as torch's `from_float` raises for a module that it does not take."""
    if not condition:
        raise AssertionError(words)
