"""Every link of the built pages, followed: to the page and to the anchor. And nothing that a page loads may come from elsewhere."""

from __future__ import annotations

import functools
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

NOT_READ = re.compile(r"\[<code>[^<]*</code>\]")  # of a link whose target the builder did not find
LOADS = {"script": "src", "img": "src", "source": "src", "iframe": "src"}


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to by."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = {"", "__skip", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element says."""
        found = {name: value or "" for name, value in attrs}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and "href" in found and found.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loads.append(found["href"])
        elif tag in LOADS and LOADS[tag] in found:
            self.loads.append(found[LOADS[tag]])


read = functools.cache(Page)


def dead(site: Path) -> list[str]:
    """A line for each link that leads nowhere or is left as brackets, and for each thing that is loaded from another server."""
    read.cache_clear()
    found = []
    for path in sorted(site.rglob("*.html")):
        page, name = read(path), path.relative_to(site)
        found += [f"{name}: {text} is no link" for text in NOT_READ.findall(path.read_text(encoding="utf-8"))]
        found += [f"{name}: loads {url} from elsewhere" for url in page.loads if urlsplit(url).netloc]
        found += [f"{name}: {url}" for url in dict.fromkeys(page.links + page.loads) if leads_nowhere(site, path, url)]
    return found


def leads_nowhere(site: Path, page: Path, url: str) -> bool:
    """Whether a link of a page misses."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "mailto", "data") or parts.netloc:
        return False
    path = unquote(parts.path)
    folder = site if path.startswith("/") else page.parent
    goal = Path(os.path.normpath(folder / path.lstrip("/"))) if path else page
    goal = goal / "index.html" if goal.is_dir() else goal
    if not goal.exists():
        return True
    return goal.suffix == ".html" and unquote(parts.fragment) not in read(goal).anchors
