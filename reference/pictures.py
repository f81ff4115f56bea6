"""`python -m reference pictures`: the pictures of docs/look-inside.md, drawn by the page's own blocks.

The page names a picture `look-inside-NAME.png`, and a block of it makes the Figure NAME. So what is seen is what the blocks make, and the
seed in them makes it the same each time.
"""

from __future__ import annotations

import doctest
import io
import re
from pathlib import Path
from typing import Any

from minitorch.utils.files import replacing

PAGE = Path(__file__).parent.parent / "docs" / "look-inside.md"
DOTS_PER_INCH = 110


def figures(page: Path = PAGE) -> dict[str, Any]:
    """file's name → the Figure that the page's blocks make for it; RuntimeError if a block prints something else than it says."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
    test = doctest.DocTestParser().get_doctest(blocks, {}, page.name, str(page), 0)
    said: list[str] = []
    if doctest.DocTestRunner(verbose=False).run(test, out=said.append, clear_globs=False).failed:
        raise RuntimeError("".join(said))
    return {
        name: test.globs[name.removesuffix(".png").rpartition("-")[2]] for name in re.findall(r"\]\(([\w-]+\.png)\)", text)
    }


def write() -> int:
    """Write them all beside the page."""
    for name, figure in figures().items():
        drawn = io.BytesIO()
        figure.savefig(drawn, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        with replacing(PAGE.parent / name) as file:
            file.write(drawn.getvalue())
        print(f"{name}: {len(drawn.getvalue()) / 1024:.0f} KB")
    return 0
