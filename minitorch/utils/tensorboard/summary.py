"""A number, a tensor, a histogram, a text … as a `Summary`: the message that TensorBoard keeps under a tag.

Old messages have a field for each kind (`simple_value`, `histo`); newer kinds are a tensor, and metadata that name the plugin of TensorBoard
that shows them. Which fields torch fills in is what counts here: the two write the same bytes. Read next: `pictures.py`.
"""

from __future__ import annotations

import io
import json
import struct
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

from minitorch.tensor import Tensor

MOST_THRESHOLDS = 127  # a PR curve of more breaks TensorBoard's plugin
LARGEST_MESSAGE = 1 << 31  # bytes; of protocol buffers
# What each dtype is called in a TensorProto, and its field. (int8 and int16 have the field of int32, half precision one of 16 bits.)
FIELDS = {
    "float16": ("DT_HALF", "half_val"),
    "bfloat16": ("DT_BFLOAT16", "half_val"),
    "float32": ("DT_FLOAT", "float_val"),
    "float64": ("DT_DOUBLE", "double_val"),
    "int8": ("DT_INT8", "int_val"),
    "int16": ("DT_INT16", "int_val"),
    "int32": ("DT_INT32", "int_val"),
    "int64": ("DT_INT64", "int64_val"),
    "uint8": ("DT_UINT8", "uint32_val"),
    "bool": ("DT_BOOL", "bool_val"),
}


def as_array(x: Any) -> np.ndarray:
    """What `x` holds as a NumPy array: a tensor of any device, an array, or a number (an array of one)."""
    if isinstance(x, np.ndarray):
        return x
    if np.isscalar(x):
        return np.array([x])
    if isinstance(x, Tensor):
        return (x.half() if x.dtype.name == "bfloat16" else x).detach().cpu().numpy()
    raise NotImplementedError(f"expected a tensor, a NumPy array or a number, got {type(x).__name__}")


def shape_of(sizes: Sequence[int]) -> TensorShapeProto:
    """A shape as a message."""
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in sizes])


def metadata(plugin: str, content: bytes = b"") -> SummaryMetadata:
    """Which plugin of TensorBoard shows a value, and what that plugin wants to know."""
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))


def one(tag: str, **fields: Any) -> Summary:
    """A summary of one value."""
    return Summary(value=[Summary.Value(tag=tag, **fields)])


def scalar(tag: str, value: Any, new_style: bool = False, double_precision: bool = False) -> Summary:
    """One number: `simple_value`, which has 32 bits; new_style: a tensor, which has 64 with double_precision."""
    array = as_array(value).squeeze()
    assert array.ndim == 0, f"a scalar is a tensor of one element, got one of shape {tuple(as_array(value).shape)}"
    number = float(array)
    if not new_style:
        return one(tag, simple_value=number)
    wide = {"dtype": "DT_DOUBLE", "double_val": [number]}
    tensor = TensorProto(**(wide if double_precision else {"dtype": "DT_FLOAT", "float_val": [number]}))
    return one(tag, tensor=tensor, metadata=metadata("scalars"))


def tensor(tag: str, value: Tensor) -> Summary:
    """All numbers of a tensor, with its shape and dtype."""
    if value.numel() * value.itemsize >= LARGEST_MESSAGE:
        raise ValueError(
            f"{tag}: a message holds less than 2 GB, and this tensor has {value.numel() * value.itemsize} bytes"
        )
    if value.dtype.name not in FIELDS:
        raise ValueError(f"{tag} has unsupported tensor dtype {value.dtype}")
    dtype, field = FIELDS[value.dtype.name]
    numbers = value.detach().flatten().tolist()
    if field == "half_val":  # torch puts the bits of the same number in float32 here
        numbers = [struct.unpack("i", struct.pack("f", x))[0] for x in numbers]
    filled = TensorProto(**{"dtype": dtype, "tensor_shape": shape_of(value.shape), field: numbers})
    return one(tag, tensor=filled, metadata=metadata("tensor"))


def text(tag: str, words: str) -> Summary:
    """Markdown."""
    filled = TensorProto(dtype="DT_STRING", string_val=[words.encode()], tensor_shape=shape_of([1]))
    return one(
        f"{tag}/text_summary", tensor=filled, metadata=metadata("text", TextPluginData(version=0).SerializeToString())
    )


# ---- histograms ----


def histogram(tag: str, values: Any, bins: Any, max_bins: int | None = None) -> Summary:
    """How many of the values are in each bin, from the first bin that has any to the last.

    A histogram in TensorBoard has the upper end of each bin only: an empty bin goes before the first one, so that its lower end is told.
    """
    values = as_array(values).astype(float).reshape(-1)
    if not values.size:
        raise ValueError("The input has no element.")
    counts, ends = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        counts, ends = _joined(counts, ends, len(counts) // max_bins)
    filled = np.flatnonzero(counts)
    if not filled.size:
        raise ValueError("The histogram is empty: no value is in a bin. Are all of them nan?")
    first, last = filled[0], filled[-1]
    kept = np.concatenate([[0], counts[first : last + 1]])
    return histogram_raw(
        tag,
        values.min(),
        values.max(),
        len(values),
        values.sum(),
        values.dot(values),
        ends[first : last + 2].tolist(),
        kept.tolist(),
    )


def _joined(counts: np.ndarray, ends: np.ndarray, each: int) -> tuple[np.ndarray, np.ndarray]:
    """`each` neighbouring bins made one."""
    starts = np.arange(0, len(counts), each)
    return np.add.reduceat(counts, starts), np.concatenate([ends[starts], ends[-1:]])


def histogram_raw(
    tag: str, min: float, max: float, num: int, sum: float, sum_squares: float, bucket_limits: Any, bucket_counts: Any
) -> Summary:
    """A histogram that is counted already; a bucket's limit is its upper end."""
    filled = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares, bucket_limit=bucket_limits, bucket=bucket_counts
    )
    return one(tag, histo=filled)


# ---- precision against recall ----


def pr_curve(tag: str, labels: Any, predictions: Any, num_thresholds: int = MOST_THRESHOLDS, weights: Any = None) -> Summary:
    """Precision and recall of "positive where prediction ≥ threshold", for thresholds that are equally far apart."""
    n = min(num_thresholds, MOST_THRESHOLDS)
    return _curve(tag, _counted(as_array(labels), as_array(predictions), n, 1.0 if weights is None else weights), n)


def _counted(labels: np.ndarray, predictions: np.ndarray, n: int, weights: Any) -> np.ndarray:
    """Six rows: true and false positives, true and false negatives, precision, recall, at each of n thresholds."""
    truth = labels.astype(np.float64)
    bucket = np.floor(predictions * (n - 1)).astype(np.int32)
    above = []  # of each kind, how many are at the threshold or above it
    for weight in (truth * weights, (1.0 - truth) * weights):
        counts, _ = np.histogram(bucket, bins=n, range=(0, n - 1), weights=weight)
        above.append(np.cumsum(counts[::-1])[::-1])
    tp, fp = above
    tn, fn = fp[0] - fp, tp[0] - tp
    nothing = 1e-7  # in the place of a count of 0, below the line
    return np.stack([tp, fp, tn, fn, tp / np.maximum(nothing, tp + fp), tp / np.maximum(nothing, tp + fn)])


def pr_curve_raw(tag: str, rows: Sequence[Any], num_thresholds: int = MOST_THRESHOLDS) -> Summary:
    """The six rows, counted already."""
    return _curve(tag, np.stack([as_array(row) for row in rows]), min(num_thresholds, MOST_THRESHOLDS))


def _curve(tag: str, rows: np.ndarray, n: int) -> Summary:
    filled = TensorProto(dtype="DT_FLOAT", float_val=rows.reshape(-1).tolist(), tensor_shape=shape_of(rows.shape))
    told = PrCurvePluginData(version=0, num_thresholds=n).SerializeToString()
    return one(tag, tensor=filled, metadata=metadata("pr_curves", told))


# ---- charts of several scalars, sound, meshes ----


def custom_scalars(layout: Mapping[str, Mapping[str, Sequence[Any]]]) -> Summary:
    """Charts that put several scalars into one picture: {category: {title: ["Multiline" or "Margin", tags]}}."""
    categories = [
        layout_pb2.Category(title=category, chart=[_chart(title, *described) for title, described in charts.items()])
        for category, charts in layout.items()
    ]
    content = layout_pb2.Layout(category=categories).SerializeToString()
    filled = TensorProto(dtype="DT_STRING", string_val=[content], tensor_shape=TensorShapeProto())
    return one("custom_scalars__config__", tensor=filled, metadata=metadata("custom_scalars"))


def _chart(title: str, kind: str, tags: Sequence[str]) -> Any:
    if kind != "Margin":
        return layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
    assert len(tags) == 3, f"a margin chart has 3 tags, the value, its lower and its upper bound, got {len(tags)}"
    series = layout_pb2.MarginChartContent.Series(value=tags[0], lower=tags[1], upper=tags[2])
    return layout_pb2.Chart(title=title, margin=layout_pb2.MarginChartContent(series=[series]))


def audio(tag: str, sound: Any, sample_rate: int = 44100) -> Summary:
    """Sound of one channel, in [−1, 1] (what is beyond is cut off), as a WAV file of 16 bits."""
    samples = as_array(sound).squeeze()
    assert samples.ndim == 1, f"a sound has one dimension that is not 1, got shape {tuple(as_array(sound).shape)}"
    samples = (samples.clip(-1, 1) * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sample_rate)
        out.writeframes(samples.tobytes())
    filled = Summary.Audio(
        sample_rate=sample_rate,
        num_channels=1,
        length_frames=len(samples),
        encoded_audio_string=file.getvalue(),
        content_type="audio/wav",
    )
    return one(tag, audio=filled)


def mesh(tag: str, vertices: Any, colors: Any, faces: Any, config: Mapping[str, Any] | None) -> Summary:
    """Points in space (B, N, 3), with colors and triangles if these are given: one value each."""
    from tensorboard.plugins.mesh import metadata as of_meshes
    from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData

    kinds = (MeshPluginData.VERTEX, MeshPluginData.FACE, MeshPluginData.COLOR)
    given = [(kind, as_array(x)) for kind, x in zip(kinds, (vertices, faces, colors)) if x is not None]
    components = of_meshes.get_components_bitmask([kind for kind, _ in given])
    told = json.dumps(config, sort_keys=True) if config is not None else "{}"
    values = []
    for kind, array in given:
        about = of_meshes.create_summary_metadata(tag, None, kind, components, array.shape, None, json_config=told)
        filled = TensorProto(dtype="DT_FLOAT", float_val=array.reshape(-1).tolist(), tensor_shape=shape_of(array.shape))
        values.append(Summary.Value(tag=of_meshes.get_instance_name(tag, kind), tensor=filled, metadata=about))
    return Summary(value=values)
