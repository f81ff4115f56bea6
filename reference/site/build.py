"""`python -m reference site`: stage the pages, build them, follow their links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from . import api, code, derivatives_page, documents, links, menu
from .documents import ROOT, Site

PAGES, BUILT, ASSETS = ROOT / "build" / "docs", ROOT / "site", Path(__file__).parent / "assets"
KATEX = "0.19.1"
BUILDERS = {"zensical": ["zensical", "build", "--clean", "--strict"], "mkdocs": ["mkdocs", "build", "--clean", "--strict"]}


def site(builder: str, stage_only: bool = False) -> int:
    """Build `site/` with one builder or with both, one after the other; 1 if a builder warns or a link is dead, else 0."""
    begun = time.perf_counter()
    shutil.rmtree(PAGES, ignore_errors=True)
    pages = Site(PAGES)
    with tempfile.TemporaryDirectory() as folder:
        katex = fetched_katex(Path(folder))
        formulas = stage(pages, katex)
    seconds = time.perf_counter() - begun
    print(f"{len(list(PAGES.rglob('*.md')))} pages, {formulas} formulas in {PAGES.relative_to(ROOT)} after {seconds:.1f} s")
    if menu.current() != menu.FILE.read_text(encoding="utf-8"):
        print("mkdocs.yml: `nav` is not current; run: python -m reference nav")
        return 1
    good = stage_only or all(built(name) for name in (BUILDERS if builder == "both" else [builder]))
    print(f"{'done' if good else 'failed'} after {time.perf_counter() - begun:.0f} s")
    return 0 if good else 1


def stage(pages: Site, katex: Path) -> int:
    """Write everything that the builder reads; how many formulas there are."""
    shutil.copytree(ASSETS, PAGES / "assets", dirs_exist_ok=True)
    vendor(katex, PAGES / "assets" / "katex")
    for source in documents.sources():
        if source.as_posix() != f"docs/{derivatives_page.PAGE}":
            documents.stage(pages, source)
    formulas = derivatives_page.stage(pages, katex)
    api.stage(pages)
    code.stage(pages)
    return formulas


def fetched_katex(folder: Path) -> Path:
    """KaTeX's files, by npm (1.5 MB)."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise SystemExit("reference site: node and npm are needed: KaTeX, which typesets the formulas, comes from npm")
    command = [npm, "pack", f"katex@{KATEX}", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise SystemExit(f"reference site: npm could not fetch katex@{KATEX}: {done.stderr.strip()}")
    with tarfile.open(next(folder.glob("*.tgz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package" / "dist"


def vendor(katex: Path, goal: Path) -> None:
    """KaTeX's style sheet and the fonts that browsers of this decade load."""
    (goal / "fonts").mkdir(parents=True)
    style = (katex / "katex.min.css").read_text(encoding="utf-8")
    (goal / "katex.min.css").write_text(
        re.sub(r",url\([^)]+\.(?:woff|ttf)\) format\(\"\w+\"\)", "", style), encoding="utf-8"
    )
    for font in (katex / "fonts").glob("*.woff2"):
        shutil.copyfile(font, goal / "fonts" / font.name)


def built(name: str) -> bool:
    """Build with one builder and follow the links; whether all is well."""
    begun = time.perf_counter()
    shutil.rmtree(BUILT, ignore_errors=True)
    command = [sys.executable, "-m", *BUILDERS[name]]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1", "NO_MKDOCS_2_WARNING": "1"}
    )
    said = done.stdout + done.stderr
    if done.returncode or "warning" in said.lower():
        print(f"{name}: {said}")
        return False
    dead = links.dead(BUILT)
    count = len(list(BUILT.rglob("*.html")))
    print(f"{name}: {count} pages in {time.perf_counter() - begun:.1f} s, {len(dead)} dead links")
    print("\n".join(dead[:50]), end="\n" if dead else "")
    return not dead
