"""What a notebook shows for a tensor and for a module: HTML with its styles inside, no script, in the colours of the page around it."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from typing import Any

from ..autograd.pictures import Picture, number, picture_of

CELL, WIDE = "padding:1px 7px;text-align:right;border:1px solid #8884;font-family:monospace", 260
RED, BLUE = (200, 63, 28), (33, 102, 196)


def tensor_html(tensor: Any) -> str:
    """Dtype, shape and grad_fn, over a table of a few numbers or a heat map of many."""
    picture = picture_of(tensor)
    head = [str(tensor.dtype).rpartition(".")[2], _shape(tensor.shape)]
    if tensor.device.type != "cpu":
        head.append(str(tensor.device))
    try:
        made_by = tensor.grad_fn and tensor.grad_fn.name().rpartition("::")[2]
    except RuntimeError:  # a view whose history is lost
        made_by = "Invalid"
    if made_by:
        head.append(f"grad_fn=<{made_by}>")
    elif tensor.requires_grad:
        head.append("requires_grad")
    told = (
        f'<div style="opacity:.75;font-size:90%">{html.escape(type(tensor).__name__)}: {html.escape(", ".join(head))}</div>'
    )
    return f"<div>{told}{_body(picture) if picture else html.escape(repr(tensor))}</div>"


def _body(picture: Picture) -> str:
    if picture.numbers is not None and len(picture.shape) <= 2:
        rows = picture.numbers if len(picture.shape) == 2 else [picture.numbers] if picture.shape else [[picture.numbers]]
        cells = "".join("<tr>" + "".join(f'<td style="{CELL}">{number(x)}</td>' for x in row) + "</tr>" for row in rows)
        return f'<table style="border-collapse:collapse;margin:3px 0"><tbody>{cells}</tbody></table>'
    if picture.numbers is not None:
        return f"<code>{number(picture.numbers)}</code>"
    if not picture.grid:
        return "<code>[]</code>"
    words = f"from {number(picture.low)} to {number(picture.high)}, mean {number(picture.mean)}"
    if picture.not_finite:
        words += f", {picture.not_finite} not finite"
    if picture.block != (1, 1):
        words += f"; a cell is the mean of {picture.block[0]} × {picture.block[1]}"
    size = max(2, min(14, WIDE // max(len(row) for row in picture.grid)))
    width, height = size * len(picture.grid[0]), size * len(picture.grid)
    style = f"image-rendering:pixelated;width:{width}px;height:{height}px;border:1px solid #8884;display:block;margin:3px 0"
    source = f"data:image/png;base64,{base64.b64encode(_png(picture)).decode()}"
    return f'<img alt="heat map: {words}" style="{style}" src="{source}"><small style="opacity:.75">{words}</small>'


def _shape(shape: Any) -> str:
    return f"shape {tuple(shape)}"


def _png(picture: Picture) -> bytes:
    """The grid as an image: red above zero, blue below, the more opaque the farther from it; nan is clear."""
    most = max((abs(v) for row in picture.grid for v in row if v == v), default=0.0) or 1.0
    lines = b"".join(b"\0" + b"".join(_pixel(v, most) for v in row) for row in picture.grid)
    size = struct.pack(">IIBBBBB", len(picture.grid[0]), len(picture.grid), 8, 6, 0, 0, 0)
    parts = ((b"IHDR", size), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def _pixel(v: float, most: float) -> bytes:
    return bytes((*(RED if v > 0 else BLUE), 0 if v != v else round(255 * min(1.0, abs(v) / most))))


# ---- modules ----


def module_html(module: Any, name: str = "") -> str:
    """A tree that opens: each module with its class, its settings and how many parameters are in it."""
    return f'<div style="line-height:1.5">{_tree(module, name, True)}</div>'


def _tree(module: Any, name: str, is_open: bool) -> str:
    extra = " ".join(module.extra_repr().split())
    count = sum(p.numel() for p in module.parameters())
    frozen = sum(p.numel() for p in module.parameters() if not p.requires_grad)
    told = f"{count:,} parameters" + (f", {frozen:,} of them frozen" if frozen else "") if count else "no parameters"
    label = f"<code>{html.escape(name)}</code> " if name else ""
    head = f"{label}<b>{html.escape(module._get_name())}</b>{html.escape(f'({extra})') if extra else ''}"
    head += f' <span style="opacity:.7">· {told}</span>'
    inside = [_tensor_line(n, p) for n, p in module._parameters.items() if p is not None]
    inside += [_tensor_line(n, b, " (buffer)") for n, b in module._buffers.items() if b is not None]
    inside += [_tree(child, n, False) for n, child in module._modules.items() if child is not None]
    if not inside:
        return f'<div style="padding-left:1.1em">{head}</div>'
    body = f'<div style="padding-left:1.3em;border-left:1px solid #8884;margin-left:.3em">{"".join(inside)}</div>'
    return f"<details{' open' if is_open else ''}><summary>{head}</summary>{body}</details>"


def _tensor_line(name: str, tensor: Any, what: str = "") -> str:
    shape = "not made yet" if "Uninitialized" in type(tensor).__name__ else str(tuple(tensor.shape))
    return f'<div style="padding-left:1.1em"><code>{html.escape(name)}</code> <span style="opacity:.7">{shape}{what}</span></div>'
