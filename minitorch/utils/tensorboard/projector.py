"""The files of the embedding projector: points of many dimensions, their labels and small pictures, which TensorBoard turns and projects.

Not events but files beside them: `tensors.tsv` (a row a point), `metadata.tsv`, `sprite.png` in a folder of the step and the tag, and one
`projector_config.pbtxt` in the run's folder, which lists them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import EmbeddingInfo, ProjectorConfig

from minitorch.arrays.warning import warn
from minitorch.utils.files import replacing

from .pictures import grid, png
from .summary import as_array


def folder_of(step: int, tag: str) -> str:
    """Where the files of a step and a tag are, below the run's folder; a "/" in a tag makes no folder."""
    for letter in "%/\\":
        tag = tag.replace(letter, f"%{ord(letter):02x}")
    return f"{step:05}/{tag}"


def write_files(
    logdir: str,
    points: np.ndarray,
    labels: Sequence[Any] | None,
    pictures: Any,
    step: int,
    tag: str,
    header: Sequence[str] | None,
) -> EmbeddingInfo:
    """The files of one embedding, and its entry in the configuration."""
    assert points.ndim == 2, f"an embedding is N points of D numbers, (N, D), got shape {points.shape}"
    below = folder_of(step, tag)
    info = EmbeddingInfo(tensor_name=f"{tag}:{step:05}", tensor_path=f"{below}/tensors.tsv")
    content = {"tensors.tsv": _table([x.item() for x in row] for row in points)}
    if labels is not None:
        assert len(labels) == len(points), f"each point has a label: {len(points)} points, {len(labels)} labels"
        content["metadata.tsv"] = _labels(labels, header)
        info.metadata_path = f"{below}/metadata.tsv"
    if pictures is not None:
        pictures = as_array(pictures)
        assert len(pictures) == len(points), f"each point has a picture: {len(points)} points, {len(pictures)} pictures"
        content["sprite.png"] = _sprite(pictures)
        info.sprite.image_path = f"{below}/sprite.png"
        info.sprite.single_image_dim.extend([pictures.shape[3], pictures.shape[2]])
    folder = os.path.join(logdir, below)
    if os.path.exists(folder):
        if not os.path.isdir(folder):
            raise NotADirectoryError(f"the files of this embedding go to the folder {folder!r}, which is a file")
        warn(
            f"the embedding {tag!r} of step {step} is there already, and is replaced: give add_embedding() another global_step"
        )
    os.makedirs(folder, exist_ok=True)
    for name, data in content.items():
        with replacing(os.path.join(folder, name)) as file:
            file.write(data)
    return info


def write_configuration(logdir: str, configuration: ProjectorConfig) -> None:
    """The list of all embeddings of a run."""
    with replacing(os.path.join(logdir, "projector_config.pbtxt")) as file:
        file.write(text_format.MessageToString(configuration).encode())


def _table(rows: Any) -> bytes:
    return "".join("\t".join(map(str, row)) + "\n" for row in rows).encode()


def _labels(labels: Sequence[Any], header: Sequence[str] | None) -> bytes:
    """One column without a header, or columns under one."""
    if not header:
        return _table([label] for label in labels)
    assert len(header) == len(labels[0]), f"metadata_header has {len(header)} columns, and a label has {len(labels[0])}"
    return _table([header, *labels])


def _sprite(pictures: np.ndarray) -> bytes:
    """All small pictures in one, as many in a row as there are rows; a square, as torch makes it, or higher if the pictures are."""
    whole = grid(pictures, columns=math.ceil(len(pictures) ** 0.5)).transpose(1, 2, 0)
    height, width, _ = whole.shape
    filled = np.zeros((max(height, width), width, 3))
    filled[:height] = whole
    return png((filled * 255).clip(0, 255).astype(np.uint8))
