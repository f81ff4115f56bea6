"""`Optimizer`: which parameters to update, with which options, and what to remember about each between steps.

The one idea: `step()` is the same loop for every optimizer (each group, each parameter that has a gradient); a subclass
writes the rule for one parameter. Options live in `param_groups`, memory in `state`; both are saved in torch's layout, so
checkpoints pass between the two libraries. Read next: `sgd.py`, `adam.py`.
"""

from __future__ import annotations

import functools
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

import minitorch
from minitorch.arrays import dtypes
from minitorch.arrays.capturing import NotCapturable, now, settle
from minitorch.arrays.device import shortcuts, xp_of
from minitorch.arrays.recorded import Number, an_effect
from minitorch.arrays.warning import warn
from minitorch.autograd import enable_grad, set_grad_enabled
from minitorch.nn.modules.module import clear_grad
from minitorch.tensor import Tensor
from minitorch.utils.hooks import RemovableHandle, add_hook
from minitorch.utils.names import typename

Group = dict[str, Any]


def _with_hooks(step: Callable) -> Callable:
    """`step` between the optimizer's pre- and post-hooks."""

    @functools.wraps(step)
    def hooked_step(*args: Any, **kwargs: Any) -> Any:
        optimizer: Optimizer = args[0]
        for hook in tuple(optimizer._optimizer_step_pre_hooks.values()):
            changed = hook(optimizer, args, kwargs)
            if changed is None:
                continue
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(f"{step} must return None or a tuple of (new_args, new_kwargs), but got {changed}.")
            args, kwargs = changed
        loss = step(*args, **kwargs)
        optimizer._opt_called = True  # a scheduler that steps before the optimizer warns
        for hook in tuple(optimizer._optimizer_step_post_hooks.values()):
            hook(optimizer, args, kwargs)
        return loss

    return an_effect(hooked_step)


class Optimizer:
    """Base class: subclasses pass the default options and write `_update(param, group)`.

    `params` is an iterable of tensors, of (name, tensor), or of dicts `{"params": …, "lr": …}` with options per group.

    >>> class SignDescent(Optimizer):
    ...     def _update(self, param, group):
    ...         param -= group["lr"] * param.grad.sign()
    >>> x = minitorch.tensor([3.0, -3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> SignDescent([x], {"lr": 1.0}).step()
    >>> x.tolist()
    [2.0, -2.0]
    """

    _twins: dict[str, Callable] = {}  # faster forms of the rule, by where they run

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:  # a subclass with a loop of its own still runs the hooks
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]
        if "_update" in cls.__dict__ or "_rule" in cls.__dict__:
            cls._twins = {}  # those of the class above stand in for another rule

    def __init__(self, params: Any, defaults: Group) -> None:
        from minitorch.kernels.cpu import optim  # noqa: F401  (twins of the rules: they are entered beside them when they are imported)

        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self._opt_called = False
        for moment in ("step", "state_dict", "load_state_dict"):
            setattr(self, f"_optimizer_{moment}_pre_hooks", OrderedDict())
            setattr(self, f"_optimizer_{moment}_post_hooks", OrderedDict())
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + typename(params)
            )
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    # ---- one step ----------------------------------------------------------------------------------------------

    @_with_hooks
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient. `closure` computes loss and gradients anew; its loss is returned.

        A gradient of None means "not part of this step": the parameter keeps its value and its state.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        settle()
        with set_grad_enabled(bool(self.defaults.get("differentiable"))), np.errstate(all="ignore"):
            for group in self.param_groups:
                # (`grad` itself is asked only where there is none: it warns of what will never have one.)
                params = [param for param in group["params"] if param._grad is not None or param.grad is not None]
                if group.get("capturable"):
                    _check_capturable(params)
                if now.capture is not None:
                    self._check_captured(group)
                for param in self._left_by_twins(params, group):
                    self._update(param, group)
        return loss

    def _update(self, param: Tensor, group: Group) -> None:
        """The update rule: change `param` in place from `param.grad`, `self.state[param]` and the options.

        A differentiable step is the same rule on Tensors: autograd records it.
        """
        now, names = self._begin(param, group), self._remembers(group)
        if group.get("differentiable"):
            for name in names:  # the tensors of the step before stay as they are: backward may need them
                self.state[param][name] = self.state[param][name].clone()
            self._rule(group, now, param, param.grad, *[self.state[param][name] for name in names])
        else:
            self._rule(group, now, param._array, param.grad._array, *self._memory(param, group))  # type: ignore[union-attr]
            param._bump()

    def _memory(self, param: Tensor, group: Group) -> list[Any]:
        """The arrays of what is remembered of a parameter."""
        if not (names := self._remembers(group)):
            return []  # (to look for its state would make one)
        state = self.state[param]
        return [state[name]._array for name in names]

    # A rule is written on arrays (or Tensors), apart from the state: if it treats each number by itself, several parameters may go
    # together.

    def _begin(self, param: Tensor, group: Group) -> Any:
        """Begin a step of `param`: what is the same for parameters that go together, here the number of the step."""
        state = self.state[param]
        if not state:
            state.update(self._start(param, group))
        step = state["step"]._array
        step.fill(step.item() + 1)
        return step.item()

    def _will_begin(self, param: Tensor, group: Group) -> Any:
        """What `_begin` will return at the next step, as far as it decides which parameters go together: nothing is begun yet."""
        if self._start_is_needed(param, group):
            raise NotCapturable(f"the first step of {type(self).__name__} makes its state; make a step before the capture")
        return self.state[param]["step"]._array.item() + 1

    def _start_is_needed(self, param: Tensor, group: Group) -> bool:
        """Whether this will be the first step of `param`: there is something to remember, and nothing is yet."""
        return not self.state.get(param) and (bool(self._remembers(group)) or type(self)._begin is Optimizer._begin)

    def _start(self, param: Tensor, group: Group) -> dict[str, Tensor]:
        """The state before the first step: t = 0, and zeros for all that is remembered."""
        return {"step": scalar(0.0, group), **{name: zeros_like(param) for name in self._remembers(group)}}

    def _remembers(self, group: Group) -> Sequence[str]:
        """The names, in the state, of what the rule gets after g."""
        return ()

    def _no_rule(self, group: Group, now: Any, θ: Any, g: Any, *memory: Any) -> None:
        """Change θ and `memory` in place; g stays as it is. They are arrays, or Tensors in a differentiable step."""
        raise NotImplementedError(f"{type(self).__name__} has no update rule: write _update(param, group)")

    _rule: Callable[..., None] = _no_rule  # an attribute, so that each rule names its memory as it likes

    # ---- twins: faster forms of a rule, for all parameters of a group -----------------------------------------------

    @classmethod
    def twin(cls, where: str) -> Callable:
        """`@Adam.twin("cuda")`: a function of (optimizer, params, group) that updates those it serves and returns the others.

        It is asked where the first parameter is on that device; `_update` takes what it returns.
        """

        def add(function: Callable) -> Callable:
            cls._twins[where] = function
            return function

        return add

    def _left_by_twins(self, params: list[Tensor], group: Group) -> list[Tensor]:
        """Update what a twin serves, unless a form was chosen that takes one parameter after another; return the others."""
        if not self._twins or not params:
            return params
        if group.get("fused"):
            _check_fused(params)
        twin = self._twins.get("cpu" if isinstance(params[0]._array, np.ndarray) else "cuda")
        return twin(self, params, group) if twin and _takes_one_launch(group) else params

    def _is_captured_whole(self) -> bool:
        """Whether a capture can hold the step: its kernels read what changes from step to step from memory, and serve all parameters."""
        twin = self._twins.get("cuda")
        mine = type(self).step is Optimizer.step and not (self._optimizer_step_pre_hooks or self._optimizer_step_post_hooks)
        params = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        return bool(twin and mine) and all(
            _takes_one_launch(group) and twin.serves(p) and not self._start_is_needed(p, group)  # type: ignore[union-attr]
            for p, group in params
        )

    def _check_captured(self, group: Group) -> None:
        """RuntimeError for a step that a captured graph would not make as it should."""
        if group.get("capturable") is False and now.capture.effects is None:  # type: ignore[union-attr]
            raise RuntimeError(
                f"Attempting CUDA graph capture of step() for an instance of {type(self).__name__} but param_groups' capturable is "
                "False."
            )
        if not self._is_captured_whole():
            raise NotCapturable(
                f"a graph cannot hold this step of {type(self).__name__}: only SGD, Adam and AdamW in their fused form, after a first "
                "step, read what changes from step to step from memory; make the step after the replay"
            )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                clear_grad(param, set_to_none)

    # ---- parameter groups --------------------------------------------------------------------------------------

    def add_param_group(self, param_group: Group) -> None:
        """Optimize the parameters of one more group; options it does not name get their defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
                "will change between runs. Please use a list instead."
            )
        params = [params] if isinstance(params, Tensor) else list(params)
        names = [param[0] for param in params if isinstance(param, tuple)]
        if names and len(names) != len(params):
            raise ValueError("all optimizer params should be with/without names. Some param names are missing")
        param_group["params"] = params = [param[1] for param in params] if names else params
        if names:
            param_group["param_names"] = names
        for param in params:
            _check_can_optimize(param, bool(self.defaults.get("differentiable")))
        for option, default in self.defaults.items():
            param_group.setdefault(option, default)
        self._check_not_shared(param_group)
        self.param_groups.append(param_group)

    def _check_not_shared(self, new: Group) -> None:
        """A parameter may be in one group only, and either all groups carry names or none."""
        ours = {id(param) for param in new["params"]}
        if len(ours) < len(new["params"]):
            warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information"
            )
        for group in self.param_groups:
            if ("param_names" in new) != ("param_names" in group):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with' if 'param_names' in new else 'without'} names to the optimizer"
                )
            if not ours.isdisjoint(id(param) for param in group["params"]):
                raise ValueError("some parameters appear in more than one parameter group")

    # ---- saving and loading ------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """`{"state": {0: {…}, …}, "param_groups": [{"lr": …, "params": [0, …]}]}`: parameters become their number."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        number: dict[int, int] = {}
        for i, param in enumerate(param for group in self.param_groups for param in group["params"]):
            number.setdefault(id(param), i)
        state_dict: dict[str, Any] = {
            "state": {number[id(k)] if isinstance(k, Tensor) else k: memory for k, memory in self.state.items()},
            "param_groups": [
                {**_options(group), "params": [number[id(param)] for param in group["params"]]}
                for group in self.param_groups
            ],
        }
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over state and options; parameters are matched by their order. State takes its parameter's dtype."""
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(self.param_groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        param_of: dict[Any, Tensor] = {}
        for group, saved in zip(self.param_groups, saved_groups, strict=True):
            if len(group["params"]) != len(saved["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
            param_of.update(zip(saved["params"], group["params"], strict=True))
        self.state = defaultdict(dict)
        for key, memory in state_dict["state"].items():
            param = param_of.get(key)
            self.state[key if param is None else param] = memory if param is None else _like(param, memory)
        self.param_groups = [
            {**self.defaults, **_named(group), **saved, "params": group["params"]}
            for group, saved in zip(self.param_groups, saved_groups, strict=True)
        ]
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ---- hooks and printing ------------------------------------------------------------------------------------

    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before a step; it may return new (args, kwargs)."""
        return add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after a step."""
        return add_hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before the state dict is made."""
        return add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend=prepend)

    def register_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` afterwards; a dict it returns takes the place of `state_dict`."""
        return add_hook(self._optimizer_state_dict_post_hooks, hook, prepend=prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before loading; a dict it returns is loaded instead."""
        return add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend=prepend)

    def register_load_state_dict_post_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after loading."""
        return add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend=prepend)

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            lines.append(f"\nParameter Group {i}" if i else "Parameter Group 0")
            lines += [f"    {option}: {group[option]}" for option in sorted(group) if option != "params"]
        return f"{type(self).__name__} (\n" + "\n".join(lines) + "\n)"


# ---- for the rules ----


def xp_for(θ: Any) -> Any:
    """The library that a rule computes with: NumPy, CuPy, or minitorch itself in a differentiable step."""
    return minitorch if isinstance(θ, Tensor) else xp_of(θ)


def number(group: Group, value: Any) -> Any:
    """A number made of options that may be tensors: a Python number, but in a differentiable step, which has a gradient for it too.

    (In a recorded step it may be one that changes from step to step.)
    """
    return value if group["differentiable"] or isinstance(value, Number) else float(value)


def descent(group: Group, θ: Any, g: Any, decays: bool = True) -> Any:
    """g, or −g to ascend (`maximize`), and, if it `decays` so, the gradient λθ of a penalty ½λ‖θ‖² (`weight_decay`)."""
    if group["maximize"]:
        g = -g
    λ = group["weight_decay"]
    return g + λ * θ if λ and decays else g


def scalar(value: float, group: Group) -> Tensor:
    """A number of the state: a float32 on the CPU, as in torch, or a float64 where that is the default dtype."""
    double = dtypes.get_default_dtype() is dtypes.float64 and not group.get("fused")
    return Tensor._wrap(np.full((), value, "float64" if double else "float32"))


def zeros_like(param: Tensor) -> Tensor:
    """Zeros in memory as the parameter's."""
    return Tensor._wrap(xp_of(param._array).zeros_like(param._array))


# ---- for the options ----


def check_not_negative(**options: Any) -> None:
    """ValueError for an option below 0, or nan. The learning rate may be a tensor, of one element."""
    check_one_element("lr", options.get("lr"))
    names = {"lr": "learning rate", "eps": "epsilon value"}
    for name, value in options.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {names.get(name, f'{name} value')}: {value}")


def check_one_element(name: str, value: Any) -> Any:
    """The value; ValueError for a tensor of more elements than one, or none."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element, got shape {tuple(value.shape)}")
    return value


def check_betas(betas: Sequence[Any]) -> None:
    """ValueError for a factor of a running average that is not in [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def _takes_one_launch(group: Group) -> bool:
    """Whether all parameters go together: not where a form was chosen that takes one after another."""
    fused = group.get("fused")
    chosen = fused or (fused is None and group.get("foreach") is None and not group.get("differentiable"))
    return bool(chosen) and shortcuts.enabled


def check_choice(foreach: bool | None, fused: bool | None, differentiable: bool) -> None:
    """Refuse contradictory options of those that choose an implementation in torch.

    `fused`: one launch for all parameters; None, the default, is True for floats on a GPU unless `foreach` is given. That is
    torch's third form, which launches each operation once for all parameters; here it is the loop over parameters.
    """
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def _check_capturable(params: list[Tensor]) -> None:
    """AssertionError for parameters on the CPU: `capturable` is for CUDA graphs."""
    if any(not param.is_cuda for param in params):
        raise AssertionError(
            "If capturable=True, params and state_steps must be on supported devices: ['cuda']; leave it False"
        )


def _check_fused(params: list[Tensor]) -> None:
    """RuntimeError for parameters that `fused=True` is not for."""
    for param in params:
        if not param.is_floating_point():
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of supported devices: ['cuda', 'cpu'] but "
                f"{param.dtype} and {param.device.type}"
            )


def _check_can_optimize(param: Any, differentiable: bool) -> None:
    if not isinstance(param, Tensor):
        raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {typename(param)}")
    if not (differentiable or param.is_leaf or param.retains_grad):
        raise ValueError("can't optimize a non-leaf Tensor")


def _like(param: Tensor, value: Any, key: str | None = None) -> Any:
    """State as loaded for `param`: floats take its dtype and device. The step count stays float32, on the CPU."""
    if isinstance(value, dict):
        return {name: _like(param, each, name) for name, each in value.items()}
    if not isinstance(value, Tensor):
        is_collection = isinstance(value, Iterable) and not isinstance(value, str)
        return type(value)(_like(param, each) for each in value) if is_collection else value  # type: ignore[call-arg]
    if key == "step":
        return value.cpu()  # a fused optimizer of torch's keeps it on the GPU; here every step would wait for it
    return value.to(param.device, param.dtype) if param.is_floating_point() else value.to(param.device)


def _options(group: Group) -> Group:
    """A group without its parameters."""
    return {option: value for option, value in group.items() if option != "params"}


def _named(group: Group) -> Group:
    """The parameter names of a group, which loading keeps if the saved group has none."""
    return {"param_names": group["param_names"]} if "param_names" in group else {}
