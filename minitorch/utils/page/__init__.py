"""The page that steps through a forward and its backward: `autograd.trace(…).html()`, `minitorch explain FILE --html out.html`.

The data and the page are apart: `data.py` turns a trace into JSON, `folds.py` says what can be folded, and `page.html`, `page.css`
and the scripts show it. Here they are put into one text that needs no network and no other file.
"""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

from .data import data_of

FOLDER = Path(__file__).parent
SCRIPTS = ("layout.js", "data.js", "pictures.js", "graph.js", "panel.js", "page.js")


def page(trace: Any, title: str = "", update: Any = None) -> str:
    """The page for a trace, which may end in an optimizer's step (`data.Update`)."""
    found = data_of(trace, title, update)
    text = _file("page.html")
    parts = {"title": html.escape(found["title"]), "style": _file("page.css"), "data": as_script(found)}
    parts["script"] = "\n".join(map(_file, SCRIPTS))
    for name, part in parts.items():
        text = text.replace(f"{{{{{name}}}}}", part)
    return text


def as_script(found: Any) -> str:
    """JSON that no `</script>` in somebody's source can end, on ASCII alone."""
    return json.dumps(found, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def framed(text: str, height: int = 640) -> str:
    """A page within a notebook's page: neither's styles and scripts meet the other's."""
    style = f"width:100%;height:{height}px;border:1px solid #8888;border-radius:6px"
    return f'<iframe title="backward, step by step" style="{style}" srcdoc="{html.escape(text)}"></iframe>'


def _file(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
