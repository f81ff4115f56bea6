"""Networks by their names, and the trained weights that each can be had with.

A member of an enum (`ResNet18_Weights.IMAGENET1K_V1`) tells all of one file of weights: where it is handed out, how images are prepared
for it, how good it is. `@model` makes a builder of a function: it takes `weights=`, and the older `pretrained=True`, and is known to
`get_model` by name. Read next: `resnet.py`, whose builders are made so; `hub.py`, which reads the file.
"""

from __future__ import annotations

import fnmatch
import functools
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from types import ModuleType
from typing import Any, TypeVar

from ... import hub, nn
from ...arrays.warning import warn
from ..transforms._presets import ImageClassification

__all__ = ["Weights", "WeightsEnum", "get_model", "get_model_builder", "get_model_weights", "get_weight", "list_models"]

SERVER = "https://download.pytorch.org/models/"
CATEGORIES = "imagenet_classes.txt"  # the names of ImageNet's classes, one a line
NAMES_OF_CLASSES = "https://raw.githubusercontent.com/pytorch/hub/master/imagenet_classes.txt"

BUILDERS: dict[str, Callable[..., nn.Module]] = {}
ENUMS: dict[str, type[WeightsEnum]] = {}


# ---- what is known of a file of weights ----


class Meta(dict[str, Any]):
    """What is known of weights: num_params, min_size, the measured accuracies under "_metrics", … ; "categories" are read when asked for.

    The names of ImageNet's 1,000 classes are not part of minitorch: they are the lines of `imagenet_classes.txt` beside the weights.
    """

    def __missing__(self, key: str) -> Any:
        if key != "categories":
            raise KeyError(key)
        path = os.path.join(hub.get_dir(), "checkpoints", CATEGORIES)
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f"{path} is not there: the names of ImageNet's classes do not come with minitorch. Download {NAMES_OF_CLASSES}, "
                "a name a line, and put it there"
            )
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()


@dataclass
class Weights:
    """url: where the file is handed out. transforms(): what prepares an image. meta: what is known of them."""

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        """Whether both are of one file: two partials of the same are not equal, though copies of one member's are"""
        return (self.url, self.meta) == (other.url, other.meta) if isinstance(other, Weights) else NotImplemented


class WeightsEnum(Enum):
    """The trained weights of one network, one member for each file; DEFAULT is the best of them."""

    def __init_subclass__(cls) -> None:
        ENUMS[cls.__name__] = cls

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """The member that `obj` is or names ("IMAGENET1K_V1", "DEFAULT"), or None; KeyError or TypeError if it is none of ours."""
        if obj is None or isinstance(obj, cls):
            return obj
        if type(obj) is not str:
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received {type(obj).__name__}; "
                f"it has {', '.join(cls.__members__)}"
            )
        return cls._named(obj.removeprefix(f"{cls.__name__}."))

    @classmethod
    def _named(cls, name: str) -> Any:
        if name not in cls.__members__:
            raise KeyError(f"{cls.__name__} has no {name!r}; it has {', '.join(cls.__members__)}")
        return cls[name]

    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What the file of weights holds: `hub.load_state_dict_from_url`, which says where to put the file if it is not there."""
        return hub.load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable[..., Any]:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        return self.value.meta


def imagenet(file: str, num_params: int, acc1: float, acc5: float, *, min_size: int = 1, **preset: Any) -> Weights:
    """Weights that were trained on ImageNet's 1,000 classes; accuracies in per cent, of the first guess and of five."""
    accuracies = {"ImageNet-1K": {"acc@1": acc1, "acc@5": acc5}}
    meta = Meta(num_params=num_params, min_size=(min_size, min_size), num_classes=1000, _metrics=accuracies)
    return Weights(SERVER + file, functools.partial(ImageClassification, **{"crop_size": 224, **preset}), meta)


# ---- builders ----

M = TypeVar("M", bound=nn.Module)


def model(
    weights: type[WeightsEnum], *, pretrained: str = "IMAGENET1K_V1", **when_filled: Any
) -> Callable[[Callable[..., M]], Callable[..., M]]:
    """Decorates a function that makes a network from keywords: the builder takes `weights` and `progress` too, and fills in the weights.

    pretrained: the member that `pretrained=True`, which came before `weights=`, stands for. when_filled: what else the function is
    given if the weights come from a file.
    """

    def builder_of(make: Callable[..., M]) -> Callable[..., M]:
        @functools.wraps(make)
        def build(*args: Any, **kwargs: Any) -> M:
            kwargs.update(_by_position(args))
            chosen = weights.verify(_older_arguments(kwargs, weights, pretrained))
            progress = kwargs.pop("progress", True)
            if chosen is None:
                return make(**kwargs)
            state = chosen.get_state_dict(progress=progress, check_hash=True)  # before the work of building
            if chosen.meta["num_classes"] is not None:
                _must_be(kwargs, "num_classes", chosen.meta["num_classes"])
            built = make(**{**kwargs, **when_filled})
            built.load_state_dict(state)
            return built

        build.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter("weights", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=weights | None),
                inspect.Parameter("progress", inspect.Parameter.KEYWORD_ONLY, default=True, annotation=bool),
                inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD, annotation=Any),
            ]
        )
        build.weights = weights  # type: ignore[attr-defined]
        BUILDERS[make.__name__] = build
        return build

    return builder_of


def _by_position(args: tuple[Any, ...]) -> dict[str, Any]:
    """`weights` and `progress` that came without their names, as they did before 0.13"""
    named = dict(zip(("weights", "progress"), args))
    if len(args) > len(named):
        raise TypeError(
            f"a network's builder takes weights and progress by position, got {len(args)} arguments; name the others"
        )
    if named:
        names = " and ".join(f"'{name}'" for name in named)
        warn(
            f"Using {names} as positional parameter(s) is deprecated since 0.13 and may be "
            "removed in the future. Please use keyword parameter(s) instead."
        )
    return named


def _older_arguments(kwargs: dict[str, Any], enum: type[WeightsEnum], pretrained: str) -> Any:
    """What is asked for as weights: `weights`, unless it is a bool or `pretrained` is given; these are warned about as in torchvision."""
    given = kwargs.pop("weights", "legacy" if "pretrained" in kwargs else None)
    if given is None or isinstance(given, WeightsEnum) or (isinstance(given, str) and given != "legacy"):
        return given
    if "pretrained" in kwargs:
        given = kwargs.pop("pretrained")
        warn(
            "The parameter 'pretrained' is deprecated since 0.13 and may be removed in the future, please use 'weights' instead."
        )
    chosen = enum._named(pretrained) if given else None
    newest = f" You can also use `weights={enum.__name__}.DEFAULT` to get the most up-to-date weights." if given else ""
    warn(
        "Arguments other than a weight enum or `None` for 'weights' are deprecated since 0.13 and may be removed in the future. "
        f"The current behavior is equivalent to passing `weights={chosen}`.{newest}"
    )
    return chosen


def _must_be(kwargs: dict[str, Any], name: str, value: Any) -> None:
    if kwargs.setdefault(name, value) != value:
        raise ValueError(f"The parameter '{name}' expected value {value} but got {kwargs[name]} instead.")


# ---- by name ----


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of the networks, sorted: those in the package `module`, that match one of `include` and none of `exclude`.

    These are patterns of the shell: "resnet*", "vgg1?".
    """
    names = {n for n, build in BUILDERS.items() if module is None or build.__module__.rpartition(".")[0] == module.__name__}
    if include:
        names = _matching(names, include)
    return sorted(names - _matching(names, exclude or ()))


def _matching(names: set[str], patterns: Iterable[str] | str) -> set[str]:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that makes the network `name`; ValueError if there is none."""
    if name.lower() not in BUILDERS:
        raise ValueError(f"Unknown model {name}; there are {', '.join(list_models())}")
    return BUILDERS[name.lower()]


def get_model(name: str, **config: Any) -> nn.Module:
    """The network `name`, made with `config`, as `get_model("resnet18", num_classes=10)`."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable[..., nn.Module] | str) -> type[WeightsEnum]:
    """The enum of the weights of a network, given by its name or its builder."""
    build = get_model_builder(name) if isinstance(name, str) else name
    if not hasattr(build, "weights"):
        raise ValueError("The method is missing the 'weights' argument.")
    return build.weights


def get_weight(name: str) -> WeightsEnum:
    """The member of an enum by its full name, as "ResNet50_Weights.IMAGENET1K_V2"."""
    enum, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    if enum not in ENUMS:
        raise ValueError(
            f"The weight enum '{enum}' for the specific method couldn't be retrieved; there are {', '.join(ENUMS)}"
        )
    return ENUMS[enum]._named(member)
