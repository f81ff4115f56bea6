"""Pictures: tensors, arrays and matplotlib's figures as PNG files in a `Summary`, with boxes drawn on them.

Numbers are in [0, 1], or in [0, 255] where the dtype is uint8; what is beyond is cut off. A batch becomes one picture, eight in a row.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from .summary import as_array, one


def image(tag: str, picture: Any, dataformats: str) -> Summary:
    """A picture, or several in a grid; dataformats says what its dimensions are: "CHW", "HWC", "HW", "NCHW", …"""
    return one(tag, image=_png(_pixels(picture, dataformats)))


def image_boxes(
    tag: str, picture: Any, boxes: Any, rescale: float = 1, dataformats: str = "CHW", labels: Sequence[str] | None = None
) -> Summary:
    """A picture on which boxes are drawn in red: a row of `boxes` is left, top, right, bottom in pixels."""
    return one(tag, image=_png(_pixels(picture, dataformats), rescale, as_array(boxes), labels))


def _pixels(picture: Any, dataformats: str) -> np.ndarray:
    """H × W × C, of uint8."""
    array = rows_first(as_array(picture), dataformats)
    scale = 1 if array.dtype == np.uint8 else 255
    return (array.astype(np.float32) * scale).clip(0, 255).astype(np.uint8)


def rows_first(array: np.ndarray, dataformats: str) -> np.ndarray:
    """H × W × C of an array whose dimensions are named by letters; a single channel three times over; N pictures in a grid."""
    assert len(set(dataformats)) == len(dataformats), f"a dimension is named twice in dataformats: {dataformats!r}"
    assert array.ndim == len(dataformats), f"dataformats={dataformats!r} does not fit a picture of shape {array.shape}"
    order = {2: "HW", 3: "HWC"}.get(array.ndim, "NCHW")
    if sorted(order) != sorted(dataformats.upper()):
        raise ValueError(
            f"dataformats={dataformats!r}: expected the letters {order}, in the order of the picture's dimensions"
        )
    array = array.transpose([dataformats.upper().index(letter) for letter in order])
    if order == "NCHW":
        return grid(array).transpose(1, 2, 0)
    if order == "HW":
        array = array[:, :, None]
    return array.repeat(3, axis=2) if array.shape[2] == 1 else array


def grid(pictures: np.ndarray, columns: int = 8) -> np.ndarray:
    """N pictures (N, C, H, W) as one (3, rows · H, columns · W), one beside the other; what is left over is black."""
    if pictures.shape[1] == 1:
        pictures = pictures.repeat(3, axis=1)
    n, channels, height, width = pictures.shape
    assert channels == 3, f"pictures of a batch have 1 or 3 channels, got {channels}"
    columns = min(n, columns)
    rows = math.ceil(n / columns)
    whole = np.zeros((rows * columns, 3, height, width), pictures.dtype)
    whole[:n] = pictures
    whole = whole.reshape(rows, columns, 3, height, width).transpose(2, 0, 3, 1, 4)
    return whole.reshape(3, rows * height, columns * width)


def png(pixels: np.ndarray) -> bytes:
    """H × W × C of uint8 as a file."""
    from PIL import Image

    return _bytes_of(Image.fromarray(pixels))


def _bytes_of(picture: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def _png(pixels: np.ndarray, rescale: float = 1, boxes: np.ndarray | None = None, labels: Any = None) -> Summary.Image:
    from PIL import Image

    height, width, channels = pixels.shape
    picture = Image.fromarray(pixels)
    for k, box in enumerate(boxes if boxes is not None else ()):
        _draw(picture, [float(x) for x in box], labels[k] if labels else None)
    if rescale != 1:
        picture = picture.resize((int(width * rescale), int(height * rescale)), Image.Resampling.LANCZOS)
    return Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=_bytes_of(picture))


def _draw(picture: Any, box: list[float], label: str | None) -> None:
    """A box, and its label at the bottom within it."""
    from PIL import ImageDraw, ImageFont

    left, top, right, bottom = box
    draw = ImageDraw.Draw(picture)
    draw.line([(left, top), (left, bottom), (right, bottom), (right, top), (left, top)], width=2, fill="Red")
    if not label:
        return
    font = ImageFont.load_default()
    x0, y0, x1, y1 = font.getbbox(label)
    height = y1 - y0
    margin = math.ceil(0.05 * height)
    draw.rectangle([(left, bottom - height - 2 * margin), (left + x1 - x0, bottom)], fill="Red")
    draw.text((left + margin, bottom - height - margin), label, fill="black", font=font)


def of_figure(figure: Any, close: bool = True) -> np.ndarray:
    """A figure of matplotlib as it looks, (3, H, W) of uint8; closed then, unless close=False."""
    import matplotlib.backends.backend_agg as agg
    from matplotlib import pyplot

    canvas = agg.FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[:, :, :3]
    if close:
        pyplot.close(figure)
    return pixels.transpose(2, 0, 1)
