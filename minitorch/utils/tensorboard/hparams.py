"""Hyperparameters: three messages from which TensorBoard makes its table of runs (one row a run) and their parallel coordinates.

The first says which hyperparameters and metrics there are, the second what this run's are, the third that it has ended. The metrics'
values are ordinary scalars of the same run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import struct_pb2
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.api_pb2 import DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status
from tensorboard.plugins.hparams.metadata import (
    EXPERIMENT_TAG,
    PLUGIN_DATA_VERSION,
    PLUGIN_NAME,
    SESSION_END_INFO_TAG,
    SESSION_START_INFO_TAG,
)
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo

from minitorch.tensor import Tensor

from .summary import metadata, one

TEXT, NUMBER = DataType.Value("DATA_TYPE_STRING"), DataType.Value("DATA_TYPE_FLOAT64")


def hparams(
    hparam_dict: Mapping[str, Any], metric_dict: Mapping[str, Any], domain: Mapping[str, Sequence[Any]] | None = None
) -> tuple[Summary, Summary, Summary]:
    """The messages for one run. domain: for some hyperparameters, all values that they can have.

    A value is a number, a bool (written as the number 0 or 1, as torch does), a str, or a tensor of one element; None leaves it out.
    """
    _check_domain(hparam_dict, domain or {})
    start = SessionStartInfo()
    infos = []
    for name, value in hparam_dict.items():
        if value is None:
            continue
        if isinstance(value, Tensor):
            value = value.item()
        if not isinstance(value, (int, float, str)):
            raise ValueError(
                f"a hyperparameter is an int, float, str, bool or tensor of one element, got {name}={value!r} of type {type(value).__name__}"
            )
        field, kind = ("string_value", TEXT) if isinstance(value, str) else ("number_value", NUMBER)
        setattr(start.hparams[name], field, value)
        of_domain = [struct_pb2.Value(**{field: x}) for x in (domain or {}).get(name, ())]
        listed = struct_pb2.ListValue(values=of_domain) if domain and name in domain else None
        infos.append(HParamInfo(name=name, type=kind, domain_discrete=listed))
    metrics = [MetricInfo(name=MetricName(tag=tag)) for tag in metric_dict]
    end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"))
    return (
        _of_plugin(EXPERIMENT_TAG, experiment=Experiment(hparam_infos=infos, metric_infos=metrics)),
        _of_plugin(SESSION_START_INFO_TAG, session_start_info=start),
        _of_plugin(SESSION_END_INFO_TAG, session_end_info=end),
    )


def _of_plugin(tag: str, **content: Any) -> Summary:
    return one(
        tag, metadata=metadata(PLUGIN_NAME, HParamsPluginData(version=PLUGIN_DATA_VERSION, **content).SerializeToString())
    )


def _check_domain(hparam_dict: Mapping[str, Any], domain: Mapping[str, Sequence[Any]]) -> None:
    if not isinstance(domain, dict):
        raise TypeError(f"hparam_domain_discrete should be a dictionary, got {type(domain).__name__}")
    for name, values in domain.items():
        fits = (
            name in hparam_dict and isinstance(values, list) and all(isinstance(x, type(hparam_dict[name])) for x in values)
        )
        if not fits:
            raise TypeError(
                f"hparam_domain_discrete[{name}] should be a list of values of the same type as hparam_dict[{name}]"
            )
