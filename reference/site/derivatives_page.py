"""The page of derivatives with typeset formulas: the entries of `docs/derivatives.md`, as tables of HTML."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from pathlib import Path

from .. import derivatives
from ..derivatives import Composite, Entry
from .documents import Anchors, Site, for_the_site
from .formulas import as_html, code_as_html, render

PAGE = "derivatives.md"


def stage(site: Site, katex: Path) -> int:
    """Write the page; how many formulas it has."""
    families, composites = derivatives.families(), derivatives.composites()
    typeset: dict[str, str] = {}
    list(_tables(site, families, composites, typeset))  # once to learn which formulas there are
    typeset = render(list(typeset), katex)
    body = "\n".join(_tables(site, families, composites, typeset))
    site.write(PAGE, for_the_site(derivatives.HEAD, lambda target: site.link(PAGE, target, Path("docs"))) + "\n" + body)
    return len(typeset)


def _tables(
    site: Site, families: dict[str, list[Entry]], composites: list[Composite], typeset: dict[str, str]
) -> Iterator[str]:
    def link(target: str) -> str:
        """In HTML a link names the page that comes out."""
        return site.link(PAGE, target, Path("docs")).replace(".md", ".html")

    taken: set[str] = set()
    for path, entries in families.items():
        file = path.rpartition("/")[2]
        yield f"\n## [`{file}`]({site.link(PAGE, f'../{path}', Path('docs'))}) {{#{Anchors().of(f'`{path}`')}}}\n"
        yield _table(
            "op,formula,with respect to,derivative,keeps,error", (_derivative(e, link, typeset, taken) for e in entries)
        )
    yield "\n" + for_the_site(derivatives.COMPOSITES.strip(), link) + "\n"
    yield _table("function,formula,made of,error", (_composite(c, link, typeset, taken) for c in composites))


def _table(columns: str, rows: Iterator[list[str]]) -> str:
    head = "".join(f"<th>{column}</th>" for column in columns.split(","))
    body = "\n".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="derivatives"><table class="formulas">\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>\n'


def _derivative(e: Entry, link: Callable[[str], str], typeset: dict[str, str], taken: set[str]) -> list[str]:
    derivative = code_as_html(e.derivative, typeset) if e.is_code else as_html(e.derivative, typeset)
    kept = ", ".join(_code(name) for name in e.kept) or "no tensor"
    kept += html.escape(f" ({', '.join(e.beside)})") if e.beside else ""
    return [_name(e, link, taken), as_html(e.formula, typeset), _code(e.of), derivative, kept, _error(e.error)]


def _composite(c: Composite, link: Callable[[str], str], typeset: dict[str, str], taken: set[str]) -> list[str]:
    parts = [f'<a href="#{part}">{_code(part)}</a>' if part in taken else _code(part) for part in c.parts]
    return [_name(c, link, taken), as_html(c.formula, typeset), ", ".join(parts) or "operators", _error(c.error)]


def _name(entry: Entry | Composite, link: Callable[[str], str], taken: set[str]) -> str:
    """The op's name, which leads to its lines, and the anchor for links to this place."""
    if not entry.name:
        return ""
    anchor = "" if entry.name in taken else f' id="{entry.name}"'
    taken.add(entry.name)
    return f'<a{anchor} href="{link(entry.link)}">{_code(entry.name)}</a>'


def _error(error: str) -> str:
    return "0" if error == "0 / 0 / 0" else error.replace(" / ", "<br>")


def _code(text: str) -> str:
    return f"<code>{html.escape(text)}</code>" if text else ""
