"""Documents as the site needs them: the same text, with links, headings and lists in the form that Python-Markdown reads as GitHub does.

A link may lead to a document, which becomes a link to its page; to a file or folder of the checkout, which becomes a link to its page of
code (and `Site` remembers to make one); or to a picture, which is copied.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from ..definitions_in_files import defined_in

ROOT = Path(__file__).parent.parent.parent
RENAMED = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md"}
FENCE = re.compile(r"^( *)(```+|~~~+)(\w*)")
LINK = re.compile(r"(\]\()([^)\s]+)((?: \"[^\"]*\")?\))|((?:src|href|srcset)=\")([^\"]+)(\")")
DEFINITION = re.compile(r"^\[([^\]]+)\]: (\S+)$\n?", re.M)


class Site:
    """The pages so far, and the files that were linked to and want pages."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.wanted: list[Path] = []  # files and folders of the checkout, from its root

    def write(self, page: str, text: str) -> None:
        """Write a page, named from the folder of pages."""
        path = self.folder / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def link(self, page: str, target: str, base: Path) -> str:
        """What a link on a page has to say so as to lead where `target` leads, seen from the folder `base` of the checkout."""
        if "://" in target or target.startswith(("#", "mailto:")):
            return target
        path, _, anchor = target.partition("#")
        goal = Path(os.path.normpath(base / path))
        if goal.is_absolute() or ".." in goal.parts or not (ROOT / goal).exists():
            raise SystemExit(f"reference site: {page} links to {target}, where nothing is")
        return relative(page, self.page_of(goal)) + (f"#{anchor}" if anchor else "")

    def page_of(self, goal: Path) -> str:
        """The page that shows a file or folder of the checkout; it will be made."""
        if str(goal) in RENAMED:
            return RENAMED[str(goal)]
        if goal.parts[:1] == ("docs",) and goal.suffix not in (".py", ""):
            page = goal.relative_to("docs").as_posix()
            if goal.suffix != ".md":
                (self.folder / page).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / goal, self.folder / page)
            return page
        if goal not in self.wanted:
            self.wanted.append(goal)
        return f"code/{goal.as_posix()}/index.md" if (ROOT / goal).is_dir() else f"code/{goal.as_posix()}.md"


def relative(page: str, goal: str) -> str:
    """The way from one page to another."""
    return os.path.relpath(goal, PurePosixPath(page).parent).replace(os.sep, "/")


def sources() -> list[Path]:
    """Every document, from the root of the checkout."""
    documents = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))
    return [*map(Path, RENAMED), *documents]


def stage(site: Site, source: Path) -> None:
    """Copy one document."""
    page = site.page_of(source)
    text = with_names_linked((ROOT / source).read_text(encoding="utf-8"), source.parent)
    site.write(page, for_the_site(text, lambda target: site.link(page, target, source.parent)))


NAMES_BEHIND = re.compile(r"\]\(([^)\s#]+\.py)\)[:：] ?(?:`[\w.]+`[,，、]? ?)+")


def with_names_linked(text: str, base: Path) -> str:
    """Where names follow a link to a file, as in [`autograd/engine.py`](…): `walk`, `Goal`, each becomes a link to its lines."""

    def linked(match: re.Match) -> str:
        file = ROOT / os.path.normpath(base / match[1])
        names = defined_in(file) if file.exists() else {}
        link = lambda m: f"[{m[0]}]({match[1]}#{m[1]})" if m[1] in names else m[0]
        return re.sub(r"`([\w.]+)`", link, match[0])

    return NAMES_BEHIND.sub(linked, text)


def for_the_site(text: str, link: Callable[[str], str]) -> str:
    """A document's text with its links rewritten and all inline, its headings with GitHub's anchors, its lists indented by four."""
    anchors = Anchors()
    targets = dict(DEFINITION.findall(text))
    made = []
    for is_code, part in parts("\n".join(indented_by_four(text.split("\n")))):
        if is_code:
            made.append(re.sub(r"^( *)```python\n(?= *>>>)", r"\1```pycon\n", part))
            continue
        part = re.sub(r"^(#+) (.+)$", lambda m: f"{m[1]} {m[2]} {{#{anchors.of(m[2])}}}", part, flags=re.M)
        part = with_targets_inside(part, targets)
        made.append(LINK.sub(lambda m: _with_target(m, link), part))
    return "\n".join(made)


def with_targets_inside(text: str, targets: dict[str, str]) -> str:
    """[`name`], whose target is defined at the end of the document, as [`name`](target): Python-Markdown has the backticks in its way."""
    text = DEFINITION.sub("", text)
    return re.sub(r"\[([^\[\]]+)\](?![(\[])", lambda m: f"{m[0]}({targets[m[1]]})" if m[1] in targets else m[0], text)


def _with_target(match: re.Match, link: Callable[[str], str]) -> str:
    before, target, after = (group for group in match.groups() if group is not None)
    return before + link(target) + after


def parts(text: str) -> Iterator[tuple[bool, str]]:
    """The text cut at its fences: (whether it is code, the lines)."""
    lines: list[str] = []
    closing = None
    for line in text.split("\n"):
        fence = FENCE.match(line)
        if closing is None and fence:
            yield False, "\n".join(lines)
            lines, closing = [line], fence[2]
        elif closing is not None and line.strip() == closing:
            yield True, "\n".join([*lines, line])
            lines, closing = [], None
        else:
            lines.append(line)
    yield closing is not None, "\n".join(lines)


class Anchors:
    """GitHub's anchors of headings: letters, digits and hyphens; the second of the same gets -1."""

    def __init__(self) -> None:
        self.used: dict[str, int] = {}

    def of(self, heading: str) -> str:
        """The anchor of the next heading."""
        shown = re.sub(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])?", r"\1", heading)
        made = re.sub(r"[^\w\- ]", "", shown.strip().lower()).replace(" ", "-")
        count = self.used[made] = self.used.get(made, -1) + 1
        return f"{made}-{count}" if count else made


def anchors_in(text: str) -> set[str]:
    """Every anchor that a document has: its headings' and those that it sets itself."""
    anchors = Anchors()
    prose = "\n".join(part for is_code, part in parts(text) if not is_code)
    return {anchors.of(heading) for heading in re.findall(r"^#+ (.+)$", prose, re.M)} | set(
        re.findall(r'(?:id|name)="([^"]+)"', prose)
    )


def escaped(text: str) -> str:
    """Text without meaning for Markdown, but for what stands in backticks."""
    return "".join(
        part if part.startswith("`") else re.sub(r"([\\*_\[\]<>#|{}~])", r"\\\1", part)
        for part in re.split(r"(`[^`]+`)", text)
    )


ITEM = re.compile(r"^( *)([-*+]|\d+\.)( +)(?=\S)")


def indented_by_four(lines: list[str]) -> Iterator[str]:
    """The lines with what belongs to a list's item indented by four for each level, and an empty line before each list."""
    levels: list[int] = []  # the column where the text of each open item begins
    inside, before = "", ""
    for line in lines:
        fence = FENCE.match(line)
        indent = len(line) - len(line.lstrip(" "))
        if line.strip() and not inside:
            while levels and indent < levels[-1]:
                levels.pop()
        shift = 4 * len(levels) - (levels[-1] if levels else 0) if line.strip() else 0
        made = " " * max(0, shift) + line
        item = None if inside else ITEM.match(line)
        if item:
            if before.strip() and not ITEM.match(before) and not levels and not before.startswith(" "):
                yield ""
            levels.append(item.end())
            made = " " * 4 * (len(levels) - 1) + item[2] + " " * max(1, 4 - len(item[2])) + line[item.end() :]
        if fence:
            inside = "" if inside else fence[2]
        yield made
        before = line
