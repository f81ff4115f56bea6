"""`python -m reference interview`: bring the lists of the interview book's index up to date with the headings of its pages.

The index names every question; a page is where its heading is written. So titles, and which questions are not answered yet, are taken from
there. tests/test_interview.py says when this is to be run.
"""

from __future__ import annotations

import re
from pathlib import Path

BOOK = Path(__file__).parent.parent / "docs" / "interview"
NOT_YET = {BOOK: ("Not yet:", " — not yet"), BOOK / "zh": ("尚未支持：", " —— 尚未支持")}


def headings(folder: Path) -> dict[str, tuple[str, str, bool]]:
    """Of each anchor in the pages of a folder: its page, its title, and whether it is not answered yet."""
    sign, _ = NOT_YET[folder]
    found = {}
    for page in folder.glob("*.md"):
        pieces = re.split(r'^<a id="([qs]\d+)"></a>\n## (.+)\n', page.read_text(encoding="utf-8"), flags=re.M)
        for anchor, title, text in zip(pieces[1::3], pieces[2::3], pieces[3::3]):
            found[anchor] = page.name, title, sign in text.replace("**", "")
    return found


def index(folder: Path) -> str:
    """The index as it should be, from what it is and the pages."""
    there, mark = headings(folder), NOT_YET[folder][1]

    def listed(line: re.Match[str]) -> str:
        """`- [3. Why …?](graph.md#q3)`, of the hundred."""
        page, title, missing = there.get(line[1], (None, None, False))
        return line[0] if page is None else f"- [{title}]({page}#{line[1]}){mark * missing}"

    def mapped(line: re.Match[str]) -> str:
        """`| S3 | question | [49](losses.md#q49) |`: not answered, if nothing it leads to is."""
        anchors = re.findall(r"#([qs]\d+)\)", line[2])
        missing = all(there[anchor][2] for anchor in anchors if anchor in there) and any(map(there.__contains__, anchors))
        return f"{line[1]}{line[2].removesuffix(mark)}{mark * missing} |"

    text = (folder / "index.md").read_text(encoding="utf-8")
    text = re.sub(r"^- \[.+\]\([\w-]+\.md#(q\d+)\).*$", listed, text, flags=re.M)
    return re.sub(r"^(\| S\d+ \| .+? \| )(.+?) \|$", mapped, text, flags=re.M)


def write() -> int:
    """Write both indexes anew."""
    for folder in NOT_YET:
        (folder / "index.md").write_text(index(folder), encoding="utf-8")
        print(f"wrote {folder / 'index.md'}")
    return 0
