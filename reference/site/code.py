"""Pages of code: a source file with its lines numbered, an anchor for each line (`#L12`) and each definition (`#Op.__call__`); and
folders, as a list of what is in them, with the first sentence of each file."""

from __future__ import annotations

import ast
import html
import re
from pathlib import Path

from ..definitions_in_files import defined_in
from .documents import ROOT, Site, escaped, relative

WHOLE = {"minitorch"}  # of what these hold everything has a page; of the others what is linked to
SKIPPED = {"__pycache__", ".gitkeep", "stubs"}
SHOWN = {".py", ".pyi", ".md", ".txt", ".toml", ".yml", ".cu", ".c", ".h", ".sh", ".js", ".css", ""}
HEAD = "---\ntitle: {title}\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n# {heading}\n\n"


def stage(site: Site) -> int:
    """Make a page of every file and folder that is linked to, and of all that folders of minitorch hold; how many there are."""
    for goal in site.wanted:  # grows: a folder wants pages of what it holds
        page = site.page_of(goal)
        make = folder_page if (ROOT / goal).is_dir() else file_page
        site.write(page, HEAD.format(title=goal.name, heading=trail(site, page, goal)) + make(site, page, goal))
    return len(site.wanted)


def trail(site: Site, page: str, goal: Path) -> str:
    """The path, each folder a link."""
    above = [f"[{folder.name}]({relative(page, site.page_of(folder))})" for folder in reversed(goal.parents) if folder.name]
    return " / ".join([*above, goal.name])


def folder_page(site: Site, page: str, goal: Path) -> str:
    """A table of what a folder holds."""
    inside = sorted((ROOT / goal).iterdir(), key=lambda path: (path.is_file(), path.name))
    lines = ["| | |", "|---|---|"]
    for path in inside:
        if path.name not in SKIPPED and not path.name.startswith(".") and (path.is_dir() or path.suffix in SHOWN):
            inner, name = path.relative_to(ROOT), f"`{path.name + '/' * path.is_dir()}`"
            if inner.parts[0] in WHOLE or inner in site.wanted:
                name = f"[{name}]({relative(page, site.page_of(inner))})"
            lines.append(f"| {name} | {first_sentence(path)} |")
    return "\n".join(lines) + "\n"


def first_sentence(path: Path) -> str:
    """What a file or package says of itself, for a table's cell."""
    path = path / "__init__.py" if path.is_dir() else path
    if path.suffix != ".py" or not path.exists():
        return ""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split())
    end = first.find(". ")
    return escaped(first[: end + 1] if end > 0 else first)


def file_page(site: Site, page: str, goal: Path) -> str:
    """A file's lines; of one that is no text, its size."""
    data = (ROOT / goal).read_bytes()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"{len(data):,} bytes, no text.\n"
    names: dict[int, list[str]] = {}
    for name, line in defined_in(ROOT / goal).items() if goal.suffix == ".py" else ():
        names.setdefault(line, []).append(name)
    lines = []
    for number, line in enumerate(highlighted(goal.name, text), 1):
        anchors = "".join(f'<span id="{html.escape(name)}"></span>' for name in names.get(number, ()))
        lines.append(f'<span class="line" id="L{number}">{anchors}<a href="#L{number}" data-n="{number}"></a>{line}</span>')
    return '<div class="highlight source"><pre><code>' + "\n".join(lines) + "</code></pre></div>\n"


def highlighted(name: str, text: str) -> list[str]:
    """The lines as HTML, in colours."""
    from pygments import highlight, lexers
    from pygments.formatters import HtmlFormatter

    try:
        lexer = lexers.get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except lexers.ClassNotFound:
        lexer = lexers.TextLexer(stripnl=False, ensurenl=False)
    made = highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip("\n")
    made = re.sub(r'<span class="(?:w|n|p)">([^<]*)</span>', r"\1", made).split("\n")  # these have no colour of their own
    return [line.replace("](", "]&#40;") for line in made]  # or Zensical takes it for a link
