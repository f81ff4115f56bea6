"""The menu of the site: `nav` in mkdocs.yml, written by `python -m reference nav` from the documents that there are; a test keeps it current.

A folder is a section: its index first, then its pages in the order in which the index links to them. A page of `docs/` that no section names
goes to the end of the first.
"""

from __future__ import annotations

import re
from pathlib import Path

from .documents import ROOT

FILE = ROOT / "mkdocs.yml"
FIRST = "How it works"
SECTIONS: dict[str, list[str] | str] = {  # pages, or a folder of docs/
    FIRST: [
        "how-autograd-works",
        "asked-next",
        "losses",
        "convolution",
        "attention",
        "recurrent-nets",
        "schedules",
        "loading-data",
    ],
    "Build it yourself": "build",
    "Exercises": ["exercises"],
    "The interview": "interview",
    "面试": "interview/zh",
    "Look up": ["derivatives", "parity", "api/index", "contributing"],
}


def nav() -> str:
    """The lines of the menu."""
    docs = ROOT / "docs"
    named = {f"{page}.md" for pages in SECTIONS.values() if isinstance(pages, list) for page in pages}
    lines = ["nav:", "  - Start: index.md"]
    for title, pages in SECTIONS.items():
        if isinstance(pages, str):
            found = in_order(docs / pages)
        else:
            found = [
                f"{page}.md" for page in pages if (docs / f"{page}.md").exists() or page in ("api/index", "contributing")
            ]
        if title == FIRST:
            found += sorted(path.name for path in docs.glob("*.md") if path.name not in named)
        if found:
            lines += [f"  - {title}:", *(f"      - {page}" for page in found)]
    return "\n".join(lines) + "\n"


def in_order(folder: Path) -> list[str]:
    """A folder's pages, from docs/: the index, then as it links to them, then what it does not link to."""
    there = sorted(path.name for path in folder.glob("*.md"))
    index = folder / "index.md"
    linked = re.findall(r"\]\(([\w-]+\.md)", index.read_text(encoding="utf-8")) if index.exists() else []
    ordered = dict.fromkeys([*(["index.md"] if index.exists() else []), *(name for name in linked if name in there), *there])
    return [(folder / name).relative_to(ROOT / "docs").as_posix() for name in ordered]


def current() -> str:
    """mkdocs.yml with the menu that it should have."""
    return FILE.read_text(encoding="utf-8").partition("nav:\n")[0] + nav()


def write() -> int:
    """Write the menu into mkdocs.yml."""
    FILE.write_text(current(), encoding="utf-8")
    print(f"wrote nav in {FILE.name}: {nav().count('.md')} pages")
    return 0
