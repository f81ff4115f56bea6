"""`fuse_modules`: layers that follow one another made one, so that nothing is rounded between them.

In evaluation a batch norm is folded into the layer before it. For training (`fuse_modules_qat`) it stays beside it. The first of the
layers becomes the fused one; the others become `Identity`, so that the model's `forward` need not change.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from minitorch import nn
from minitorch.ao.nn import intrinsic as nni
from minitorch.nn import Module
from minitorch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

__all__ = ["fuse_conv_bn", "fuse_conv_bn_relu", "fuse_known_modules", "fuse_linear_bn", "fuse_modules", "fuse_modules_qat"]

_TRAINED: dict[Any, Any] = {
    nn.Conv1d: nni.ConvBn1d, nn.Conv2d: nni.ConvBn2d, nn.Conv3d: nni.ConvBn3d,
}  # fmt: skip
_TRAINED_WITH_RELU: dict[Any, Any] = {
    nn.Conv1d: nni.ConvBnReLU1d, nn.Conv2d: nni.ConvBnReLU2d, nn.Conv3d: nni.ConvBnReLU3d,
}  # fmt: skip
_WITH_RELU: dict[Any, Any] = {
    nn.Conv1d: nni.ConvReLU1d, nn.Conv2d: nni.ConvReLU2d, nn.Conv3d: nni.ConvReLU3d, nn.Linear: nni.LinearReLU,
    nn.BatchNorm2d: nni.BNReLU2d, nn.BatchNorm3d: nni.BNReLU3d,
}  # fmt: skip


def fuse_conv_bn(is_qat: bool, conv: Any, bn: Any) -> Any:
    """A convolution and the batch norm after it: for training both in a row, for evaluation a convolution."""
    _check_modes(conv, bn)
    if not is_qat:
        return fuse_conv_bn_eval(conv, bn)
    _check_trained(conv, bn)
    return _TRAINED[type(conv)](conv, bn)


def fuse_conv_bn_relu(is_qat: bool, conv: Any, bn: Any, relu: Any) -> Any:
    """A convolution, the batch norm and the ReLU after it."""
    _check_modes(conv, bn, relu)
    if not is_qat:
        return _WITH_RELU[type(conv)](fuse_conv_bn_eval(conv, bn), relu)
    _check_trained(conv, bn)
    return _TRAINED_WITH_RELU[type(conv)](conv, bn, relu)


def fuse_linear_bn(is_qat: bool, linear: Any, bn: Any) -> Any:
    """A linear layer and the batch norm after it."""
    _check_modes(linear, bn)
    return nni.LinearBn1d(linear, bn) if is_qat else fuse_linear_bn_eval(linear, bn)


def fuse_convtranspose_bn(is_qat: bool, convt: Any, bn: Any) -> Any:
    """A transposed convolution and the batch norm after it, for evaluation only."""
    _check_modes(convt, bn)
    if is_qat:
        raise RuntimeError("Fusing ConvTranspose+BatchNorm not yet supported in QAT.")
    return fuse_conv_bn_eval(convt, bn, transpose=True)


def _with_relu(is_qat: bool, layer: Any, relu: Any) -> Any:
    _check_modes(layer, relu)
    return _WITH_RELU[type(layer)](layer, relu)


def _check_modes(*layers: Any) -> None:
    if len({layer.training for layer in layers}) > 1:
        raise AssertionError(
            "all layers that are fused must be in the same mode (train or eval): call model.train() or model.eval() first"
        )


def _check_trained(conv: Any, bn: Any) -> None:
    if bn.num_features != conv.out_channels:
        raise AssertionError(
            f"Output channel of Conv must match num_features of BatchNorm, got {conv.out_channels} and {bn.num_features}"
        )
    if not bn.affine or not bn.track_running_stats:
        raise AssertionError("Only support fusing BatchNorm with affine and tracking_running_stats set to True")


_METHODS: dict[tuple, Callable] = {}
for _conv, _bn in ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d), (nn.Conv3d, nn.BatchNorm3d)):
    _METHODS[(_conv, _bn)] = fuse_conv_bn
    _METHODS[(_conv, _bn, nn.ReLU)] = fuse_conv_bn_relu
    _METHODS[(_conv, nn.ReLU)] = _with_relu
for _convt, _bn in (
    (nn.ConvTranspose1d, nn.BatchNorm1d), (nn.ConvTranspose2d, nn.BatchNorm2d), (nn.ConvTranspose3d, nn.BatchNorm3d)
):  # fmt: skip
    _METHODS[(_convt, _bn)] = fuse_convtranspose_bn
_METHODS[(nn.Linear, nn.BatchNorm1d)] = fuse_linear_bn
_METHODS |= dict.fromkeys([(nn.Linear, nn.ReLU), (nn.BatchNorm2d, nn.ReLU), (nn.BatchNorm3d, nn.ReLU)], _with_relu)


def get_fuser_method(op_list: Any, additional_fuser_method_mapping: dict | None = None) -> Callable:
    """What fuses layers of these classes; NotImplementedError if nothing does."""
    found = {**_METHODS, **(additional_fuser_method_mapping or {})}.get(tuple(op_list))
    if found is None:
        names = ", ".join(kind.__name__ for kind in op_list)
        known = "; ".join(sorted(" + ".join(kind.__name__ for kind in kinds) for kinds in _METHODS))
        raise NotImplementedError(f"Cannot fuse modules: {names}. What can be fused: {known}")
    return found


def fuse_known_modules(mod_list: Any, is_qat: bool, additional_fuser_method_mapping: dict | None = None) -> list[Any]:
    """The fused layer, and an Identity for each of the others. Hooks before the first and behind the last go with it."""
    fuse = get_fuser_method([type(m) for m in mod_list], additional_fuser_method_mapping)
    fused = fuse(is_qat, *mod_list)
    for hook in mod_list[0]._forward_pre_hooks.values():
        fused.register_forward_pre_hook(hook)
    for hook in mod_list[-1]._forward_hooks.values():
        fused.register_forward_hook(hook)
    others = [nn.Identity() for _ in mod_list[1:]]
    for other in others:
        other.training = mod_list[0].training
    return [fused, *others]


def fuse_modules(
    model: Module,
    modules_to_fuse: Any,
    inplace: bool = False,
    fuser_func: Callable = fuse_known_modules,
    fuse_custom_config_dict: dict | None = None,
) -> Module:
    """The model with layers fused, for evaluation. modules_to_fuse: names of layers in a row, or a list of such lists.

    Conv + BatchNorm, Conv + BatchNorm + ReLU, Conv + ReLU, Linear + ReLU, Linear + BatchNorm1d, BatchNorm + ReLU. If any cannot be fused,
    the model is left as it was.

    >>> model = minitorch.nn.Sequential(minitorch.nn.Linear(2, 3), minitorch.nn.ReLU()).eval()
    >>> minitorch.ao.quantization.fuse_modules(model, ["0", "1"])
    Sequential(
      (0): LinearReLU(
        (0): Linear(in_features=2, out_features=3, bias=True)
        (1): ReLU()
      )
      (1): Identity()
    )
    """
    return _fused(model, modules_to_fuse, False, inplace, fuser_func, fuse_custom_config_dict)


def fuse_modules_qat(
    model: Module,
    modules_to_fuse: Any,
    inplace: bool = False,
    fuser_func: Callable = fuse_known_modules,
    fuse_custom_config_dict: dict | None = None,
) -> Module:
    """The same for training: a batch norm stays beside the layer before it."""
    return _fused(model, modules_to_fuse, True, inplace, fuser_func, fuse_custom_config_dict)


def _fused(model: Any, names: Any, is_qat: bool, inplace: bool, fuser_func: Callable, config: dict | None) -> Any:
    model = model if inplace else copy.deepcopy(model)
    groups = [names] if all(isinstance(name, str) for name in names) else names
    mapping = (config or {}).get("additional_fuser_method_mapping")
    made = []
    for group in groups:  # all are made before any takes its place
        layers = fuser_func([_layer(model, name) for name in group], is_qat, mapping)
        made += list(zip(group, layers, strict=True))
    for name, layer in made:
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, layer)
    return model


def _layer(model: Any, name: str) -> Any:
    """The layer of that name; AttributeError, in words, if there is none."""
    try:
        return model.get_submodule(name)
    except AttributeError as error:
        known = ", ".join(found for found, _ in model.named_modules() if found)
        raise AttributeError(f"fuse_modules: the model has no layer {name!r}: {error}. It has {known}") from None
