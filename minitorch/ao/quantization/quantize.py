"""Quantization of a whole model, in three ways.

- **Static**: `prepare` puts observers behind its layers, the model runs on some data, `convert` swaps the layers for those of integers.
- **Dynamic**: `quantize_dynamic` swaps layers for those that quantize their input anew each time. No data is needed.
- **Aware training**: `prepare_qat` swaps layers for those that round as they are trained; then `convert`.

A layer is swapped if it has a `qconfig` that is not None, its own or its parent's. What goes wrong leaves the model as it was: all new
layers are made before the first takes its place. Read next: `quantization_mappings.py`, which layer becomes which.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import minitorch
from minitorch import nn
from minitorch.ao.nn.intrinsic import _FusedModule
from minitorch.ao.nn.quantized import FloatFunctional, QFunctional
from minitorch.arrays.warning import warn
from minitorch.nn import Module

from . import quantization_mappings as mappings
from .observer import PerChannelMinMaxObserver, is_observer
from .qconfig import (
    QConfig,
    default_dynamic_qconfig,
    float16_dynamic_qconfig,
    float_qparams_weight_only_qconfig,
)
from .stubs import DeQuantStub, QuantWrapper

__all__ = [
    "add_quant_dequant", "convert", "prepare", "prepare_qat", "propagate_qconfig_", "quantize", "quantize_dynamic", "quantize_qat",
    "swap_module",
]  # fmt: skip


def _deprecated(name: str) -> None:
    """torch moves its quantization to a package of its own, and says so each time."""
    warn(
        f"torch.ao.quantization is deprecated in torch and will be removed: {name} of eager-mode quantization migrates to torchao's "
        "quantize_ API",
        DeprecationWarning,
    )


# ---- which layers ----


def propagate_qconfig_(
    module: Module, qconfig_dict: dict | None = None, prepare_custom_config_dict: dict | None = None
) -> None:
    """Give each layer a `qconfig`: its own if it has one, else that of its class or path in `qconfig_dict`, else its parent's."""
    given = list(_configurations(module, qconfig_dict or {}, None, ""))
    for layer, qconfig in given:
        layer.qconfig = qconfig


def _configurations(module: Any, chosen: dict, of_parent: Any, path: str) -> Iterator[tuple[Module, Any]]:
    qconfig = chosen.get(path, chosen.get(type(module), of_parent))
    qconfig = getattr(module, "qconfig", qconfig)
    if isinstance(module, (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)):
        maker = getattr(qconfig, "weight", None)
        if maker is not None and isinstance(maker(), PerChannelMinMaxObserver):
            raise AssertionError(
                f"Per channel weight observer is not supported yet for ConvTranspose{{n}}d: give {path or 'it'} a qconfig of its own, e.g. "
                "default_qconfig"
            )
    yield module, qconfig
    for name, child in module.named_children():
        yield from _configurations(child, chosen, qconfig, f"{path}.{name}" if path else name)


def add_quant_dequant(module: Any) -> Any:
    """Wrap each layer that has a qconfig and no children between a QuantStub and a DeQuantStub."""
    if not list(module.children()) and getattr(module, "qconfig", None):
        return QuantWrapper(module)
    for name, child in module.named_children():
        module._modules[name] = add_quant_dequant(child)
    return module


# ---- observers ----


def _observer_forward_hook(self: Any, input: Any, output: Any) -> Any:
    """The hook behind a layer that shows its output to the observer."""
    return self.activation_post_process(output)


def _observer_forward_pre_hook(self: Any, input: Any) -> Any:
    """The hook before a layer that shows its input to the observer: where scales are chosen when the model runs."""
    return self.activation_post_process(input[0])


def prepare(
    model: Any,
    inplace: bool = False,
    allow_list: Any = None,
    observer_non_leaf_module_list: Any = None,
    prepare_custom_config_dict: dict | None = None,
) -> Any:
    """The model with an observer behind each layer that has a qconfig. Let it run on some data, in eval mode; then `convert`."""
    _deprecated("prepare")
    if not inplace:
        model = copy.deepcopy(model)
    return _prepared(model, allow_list, observer_non_leaf_module_list or ())


def _prepared(model: Any, allow_list: Any = None, non_leaf: Any = ()) -> Any:
    configurations = dict(_configurations(model, {}, None, ""))
    if any(is_observer(getattr(m, "activation_post_process", None)) for m in configurations if not is_observer(m)):
        raise RuntimeError(
            "prepare: the model has observers already; prepare() a model once, let it see data, then convert() it"
        )
    for path, module in model.named_modules():
        if configurations.get(module) is not None and type(module) in mappings.NOT_HERE:
            raise NotImplementedError(
                f"prepare: {path or 'the model'} is a {type(module).__name__}, of which there is no statically quantized form here. Set its "
                "qconfig to None, or use quantize_dynamic"
            )
    if not any(configurations.values()):
        warn(
            "None of the submodule got qconfig applied. Make sure you passed correct configuration through `qconfig_dict` or by assigning "
            "the `.qconfig` attribute directly on submodules: model.qconfig = get_default_qconfig()"
        )
    for module, qconfig in configurations.items():
        module.qconfig = qconfig
    _observe(model, mappings.get_default_qconfig_propagation_list() if allow_list is None else allow_list, non_leaf)
    return model


def _observe(module: Any, kinds: Any, non_leaf: Any) -> None:
    """Put observers behind the layers of a module, and behind itself if it is one of them."""
    for child in module.children():
        if type(child) is nn.Dropout:
            continue
        if isinstance(child, (FloatFunctional, QFunctional)):
            if child.qconfig is not None:
                child.activation_post_process = child.qconfig.activation()
        elif isinstance(child, _FusedModule) or type(child) in non_leaf:
            _put_observer(child)
        elif type(child) in mappings.DEFAULT_MODULE_TO_ACT_POST_PROCESS:
            _put_observer(child, mappings.DEFAULT_MODULE_TO_ACT_POST_PROCESS[type(child)])
        else:
            _observe(child, kinds, non_leaf)
    if isinstance(module, nn.Sequential) or type(module) not in kinds:
        return
    if not list(module.children()) or hasattr(module, "weight_fake_quant"):
        _put_observer(module)


def _put_observer(module: Any, maker: Any = None) -> None:
    """One observer, and the hook that calls it: the first of the layer's hooks."""
    qconfig = getattr(module, "qconfig", None)
    if qconfig is None or isinstance(module, DeQuantStub):
        return
    observer = (maker or qconfig.activation)()
    module.add_module("activation_post_process", observer)
    if getattr(observer, "is_dynamic", False):
        module.register_forward_pre_hook(_observer_forward_pre_hook, prepend=True)
    else:
        module.register_forward_hook(_observer_forward_hook, prepend=True)


def _remove_qconfig(module: Any) -> None:
    """Take away what `prepare` put there."""
    for child in module.children():
        _remove_qconfig(child)
    if hasattr(module, "qconfig"):
        del module.qconfig
    if is_observer(getattr(module, "activation_post_process", None)):
        del module.activation_post_process
    for hooks in (module._forward_hooks, module._forward_pre_hooks):
        for number in [n for n, hook in hooks.items() if hook in (_observer_forward_hook, _observer_forward_pre_hook)]:
            del hooks[number]


# ---- the swap ----


def convert(
    module: Any,
    mapping: dict | None = None,
    inplace: bool = False,
    remove_qconfig: bool = True,
    is_reference: bool = False,
    convert_custom_config_dict: dict | None = None,
    use_precomputed_fake_quant: bool = False,
) -> Any:
    """The model with its layers swapped for quantized ones, whose scales are what the observers have found.

    A model that is converted already is left as it is, with a warning.
    """
    _deprecated("convert")
    if is_reference:
        raise NotImplementedError("convert: reference modules are not here; convert(model) makes layers of integers")
    chosen = mappings.DEFAULT_STATIC_QUANT_MODULE_MAPPINGS if mapping is None else mapping
    if not inplace:
        module = copy.deepcopy(module)
    swapped = _swapped(module, chosen, use_precomputed_fake_quant)
    made_by_it = tuple(kind for kind in set(chosen.values()) if isinstance(kind, type))
    if not swapped and mapping is None and any(type(m) in made_by_it for m in module.modules()):
        warn("convert: nothing is left to convert, the model is quantized already")
    if remove_qconfig:
        _remove_qconfig(module)
    return module


def _swapped(module: Any, mapping: dict, use_precomputed_fake_quant: bool = False) -> int:
    """Swap the layers within a module; how many there were."""
    swaps = list(_swaps(module, mapping, use_precomputed_fake_quant))
    for parent, name, new in swaps:
        parent._modules[name] = new
    return len(swaps)


def _swaps(module: Any, mapping: dict, precomputed: bool) -> Iterator[tuple[Any, str, Any]]:
    for name, child in module.named_children():
        new = swap_module(child, mapping, {}, precomputed)
        if new is not child:
            yield module, name, new
        elif not isinstance(child, _FusedModule):
            yield from _swaps(child, mapping, precomputed)


def swap_module(
    mod: Any, mapping: dict, custom_module_class_mapping: dict | None = None, use_precomputed_fake_quant: bool = False
) -> Any:
    """The layer that takes this one's place, with its hooks; the layer itself if it has no qconfig or no counterpart."""
    if getattr(mod, "qconfig", None) is None or type(mod) not in mapping:
        return mod
    new = mapping[type(mod)].from_float(mod, use_precomputed_fake_quant=use_precomputed_fake_quant)
    for hook in mod._forward_pre_hooks.values():
        if hook is not _observer_forward_pre_hook:
            new.register_forward_pre_hook(hook)
    for hook in mod._forward_hooks.values():
        if hook is not _observer_forward_hook:
            new.register_forward_hook(hook)
    new.train(mod.training)
    return new


# ---- all at once ----


def quantize(model: Any, run_fn: Callable, run_args: Any, mapping: dict | None = None, inplace: bool = False) -> Any:
    """Static quantization: prepare, `run_fn(model, *run_args)` to show it data, convert."""
    _deprecated("quantize")
    made = copy.deepcopy(model).eval()
    run_fn(_prepared(made), *run_args)
    _swapped(made, mappings.DEFAULT_STATIC_QUANT_MODULE_MAPPINGS if mapping is None else mapping)
    _remove_qconfig(made)
    return _in_place(model, made) if inplace else made


def _in_place(model: Any, made: Any) -> Any:
    """The model as the other is: its layers, hooks and attributes are those."""
    model.__dict__ = made.__dict__
    return model


_RECURRENT = (nn.LSTM, nn.GRU, nn.LSTMCell, nn.RNNCell, nn.GRUCell)
_BY_DTYPE: dict[Any, tuple[QConfig, tuple]] = {
    minitorch.qint8: (default_dynamic_qconfig, (nn.Linear, *_RECURRENT)),
    minitorch.float16: (float16_dynamic_qconfig, (nn.Linear, *_RECURRENT)),
    minitorch.quint8: (float_qparams_weight_only_qconfig, (nn.EmbeddingBag, nn.Embedding)),
}


def quantize_dynamic(
    model: Any, qconfig_spec: Any = None, dtype: Any = minitorch.qint8, mapping: dict | None = None, inplace: bool = False
) -> Any:
    """The model with weights of 8 bits (or float16), whose layers quantize their inputs as they come.

    qconfig_spec: a set of classes or paths of the layers, by default Linear, LSTM, GRU and cells; or a dict from these to a QConfig.
    dtype: qint8 or float16; quint8 for embeddings alone.

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", DeprecationWarning)
    ...     minitorch.ao.quantization.quantize_dynamic(minitorch.nn.Sequential(minitorch.nn.Linear(4, 2)))
    Sequential(
      (0): DynamicQuantizedLinear(in_features=4, out_features=2, dtype=minitorch.qint8, qscheme=minitorch.per_tensor_affine)
    )
    """
    _deprecated("quantize_dynamic")
    if qconfig_spec is None or isinstance(qconfig_spec, set):
        if dtype not in _BY_DTYPE:
            kind, words = (ValueError, "Don't know how to quantize with default settings for") if qconfig_spec is None else (
                RuntimeError, "Unknown dtype specified for quantize_dynamic:")  # fmt: skip
            known = ", ".join(map(repr, _BY_DTYPE))
            raise kind(f"{words} {dtype!r}. Provide full qconfig please; by default there are {known}")
        qconfig, kinds = _BY_DTYPE[dtype]
        qconfig_spec = dict.fromkeys(kinds if qconfig_spec is None else qconfig_spec, qconfig)
    if not inplace:
        model = copy.deepcopy(model)
    before = [(m, m.__dict__.get("qconfig")) for m in model.modules() if "qconfig" in m.__dict__]
    propagate_qconfig_(model, qconfig_spec)
    try:
        _swapped(model, mappings.DEFAULT_DYNAMIC_QUANT_MODULE_MAPPINGS if mapping is None else mapping)
    except BaseException:
        _remove_qconfig(model)
        for module, qconfig in before:
            module.qconfig = qconfig
        raise
    model.eval()
    _remove_qconfig(model)
    return model


def prepare_qat(model: Any, mapping: dict | None = None, inplace: bool = False) -> Any:
    """The model, which must be in training mode, with layers that round their weights, and fake quantizers behind them."""
    _deprecated("prepare_qat")
    if not model.training:
        raise AssertionError("prepare_qat only works on models in training mode: call model.train() first")
    if not inplace:
        model = copy.deepcopy(model)
    return _prepared_qat(model, mapping)


def _prepared_qat(model: Any, mapping: dict | None = None) -> Any:
    chosen = mappings.DEFAULT_QAT_MODULE_MAPPINGS if mapping is None else mapping
    propagate_qconfig_(model)
    _swapped(model, chosen)
    return _prepared(model, non_leaf=set(chosen.values()))


def quantize_qat(model: Any, run_fn: Callable, run_args: Any, inplace: bool = False) -> Any:
    """Quantization-aware training: prepare_qat, `run_fn(model, *run_args)` to train it, convert."""
    _deprecated("quantize_qat")
    made = copy.deepcopy(model).train()
    run_fn(_prepared_qat(made), *run_args)
    _swapped(made, mappings.DEFAULT_STATIC_QUANT_MODULE_MAPPINGS)
    _remove_qconfig(made)
    return _in_place(model, made) if inplace else made
