"""What the site is made of: documents rewritten, formulas typeset, code with anchors, links followed. (`python -m reference site` builds it.)"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reference import derivatives
from reference.definitions_in_files import defined_in
from reference.site import api, build, code, documents, formulas, links, menu

pytestmark = pytest.mark.outside


def rewritten(text: str) -> str:
    return documents.for_the_site(text, lambda target: f"<{target}>")


def test_links_are_rewritten_in_prose_and_not_in_code() -> None:
    text = "a [b](c.md#d) and [`e`]\n\n```python\n>>> f[0](c.md)\n```\n\n[`e`]: ../g.py\n"
    assert rewritten(text) == "a [b](<c.md#d>) and [`e`](<../g.py>)\n\n```pycon\n>>> f[0](c.md)\n```\n\n"
    assert rewritten('<img src="a.svg" alt="">') == '<img src="<a.svg>" alt="">'


def test_names_behind_a_file_become_links_to_their_lines() -> None:
    text = "[`engine.py`](../minitorch/autograd/engine.py): `walk`, `Pending.add`; `walk`, [x](../minitorch/op/door.py)：`Op`、`nothing`"
    expected = text.replace(": `walk`, `Pending.add`", ": [`walk`](E#walk), [`Pending.add`](E#Pending.add)").replace(
        "：`Op`", "：[`Op`](D#Op)"
    )
    expected = expected.replace("(E#", "(../minitorch/autograd/engine.py#").replace("(D#", "(../minitorch/op/door.py#")
    assert documents.with_names_linked(text, Path("docs")) == expected


def test_headings_have_githubs_anchors() -> None:
    text = "## 1. An op's `x_y`: *why*?\n\n## 反向传播 做什么\n\n## Same\n\n```sh\n# not one\n```\n\n## Same\n"
    anchors = {"1-an-ops-x_y-why", "反向传播-做什么", "same", "same-1"}
    assert set(re.findall(r"\{#([^}]+)\}", rewritten(text))) == anchors == documents.anchors_in(text)


def test_lists_are_indented_as_python_markdown_reads_them() -> None:
    text = "words:\n- one\n  goes on\n\n  ```sh\n  ls\n  ```\n  - inner\n- two\n\n1. first\n\n   second\n\nend"
    assert rewritten(text).split("\n") == (
        [
            "words:",
            "",
            "-   one",
            "    goes on",
            "",
            "    ```sh",
            "    ls",
            "    ```",
            "    -   inner",
            "-   two",
            "",
            "1.  first",
            "",
            "    second",
            "",
            "end",
        ]
    )


def test_the_menu_has_every_document_and_is_current() -> None:
    assert menu.FILE.read_text(encoding="utf-8") == menu.current(), "run: python -m reference nav"
    pages = {documents.RENAMED.get(str(s)) or s.relative_to("docs").as_posix() for s in documents.sources()}
    assert sorted(re.findall(r"(\S+\.md)$", menu.nav(), re.M)) == sorted({*pages, "api/index.md"})


# ---- formulas ----


@pytest.mark.parametrize(
    "text, tex",
    [
        ("p · (g − ⟨g, p⟩)", r"p \cdot (g - \langle g, p\rangle )"),
        ("∂L/∂x_i = g / √(var + ε)", r"\frac{\partial L}{\partial x_{i}} = g / \sqrt{\mathit{var} + \varepsilon }"),
        ("(Σ |x|ᵖ)^(1/p)", r"(\sum \vert x\vert ^{p})^{1/p}"),
        ("e^−|x|", r"e^{-\vert x\vert }"),
        ("(h + g_mean) batch1_n", r"(h + g_{\mathit{mean}}) \mathit{batch1}_{n}"),
        ("A⁻ᵀ x̂", r"A^{-T} \hat{x}"),
        ("slope · softmax(x)", r"\mathit{slope} \cdot \operatorname{softmax}(x)"),
    ],
)
def test_plain_text_becomes_tex(text: str, tex: str) -> None:
    assert [re.sub(" +", " ", formulas.tex_of(piece)) for kind, piece in formulas.cut(text) if kind == "formula"] == [tex]
    assert {kind for kind, _ in formulas.cut(text)} == {"formula"}


@pytest.mark.parametrize(
    "text, pieces",
    [
        ("A copy of x, in row-major order", "A copy of [x], in row-major order"),
        ("0-d tensors, ∞ at 0 (at −0 too)", "0-d tensors, [∞] at [0] (at [−0] too)"),
        ("g (x is read)", "[g] ([x] is read)"),
        ("the larger of a and b", "the larger of [a] and [b]"),
        (
            "∂L/∂x = g · a otherwise (summed where M was broadcast)",
            "[∂L/∂x = g · a] otherwise (summed where [M] was broadcast)",
        ),
        ("with torch's 1e-12 along `dim`", "with torch's [1e-12] along `dim`"),
        ("1 − the share of A's rows", "[1 −] the share of [A]'s rows"),
    ],
)
def test_words_are_told_from_mathematics(text: str, pieces: str) -> None:
    assert "".join(f"[{piece}]" if kind == "formula" else piece for kind, piece in formulas.cut(text)) == pieces


@pytest.mark.parametrize(
    "expression, tex",
    [
        ("g * (1 - out * out)", r"g \cdot \left(1 - \mathit{out} \cdot \mathit{out}\right)"),
        ("-g * (a / b / b)", r"\left(-g\right) \cdot \frac{\frac{a}{b}}{b}"),
        ("a - (b - c)", r"a - \left(b - c\right)"),
        ("g * rsqrt(x * x + 1)", r"g \cdot \frac{1}{\sqrt{x \cdot x + 1}}"),
        ("where(a >= b, g, 0.0)", None),
    ],
)
def test_python_becomes_tex(expression: str, tex: str | None) -> None:
    assert formulas.tex_of_code(expression) == tex


def test_every_formula_of_the_registry_keeps_its_letters() -> None:
    """Nothing is lost when a line is cut, and braces are balanced in the TeX: KaTeX itself refuses what it does not know, at build time."""
    lines = {e.formula for entries in derivatives.families().values() for e in entries} | {
        c.formula for c in derivatives.composites()
    }
    for line in lines:
        pieces = formulas.cut(line)
        assert "".join(piece for _, piece in pieces) == line
        for kind, piece in pieces:
            tex = re.sub(r"\\[{}]", "", formulas.tex_of(piece)) if kind == "formula" else ""
            assert tex.count("{") == tex.count("}"), (line, tex)


# ---- code, public names ----


def test_code_has_an_anchor_for_each_line_and_definition(tmp_path: Path) -> None:
    site, file = documents.Site(tmp_path), Path("minitorch/op/door.py")
    lines = code.file_page(site, "code/minitorch/op/door.py.md", file).split("\n")
    source = (documents.ROOT / file).read_text(encoding="utf-8").splitlines()
    assert [re.findall(r'id="(L\d+)"', line) for line in lines if 'class="line"' in line] == [
        [f"L{n + 1}"] for n in range(len(source))
    ]
    shown = lines[defined_in(documents.ROOT / file)["Op.__call__"] - 1]
    assert '<span id="Op.__call__"></span>' in shown and "def" in re.sub("<[^>]+>", "", shown)


def test_a_file_that_is_no_text_is_shown_by_its_size(tmp_path: Path) -> None:
    file = Path("minitorch/datasets/digits.npz")
    assert code.file_page(documents.Site(tmp_path), f"code/{file}.md", file).endswith(" bytes, no text.\n")


def test_public_names_are_shown_with_signature_docstring_and_lines(tmp_path: Path) -> None:
    site = documents.Site(tmp_path)
    text = api.entry(site, "api/minitorch.md", "minitorch.softmax", dict(api.members(api.owner_of("minitorch")))["softmax"])
    assert "## `softmax` {#minitorch.softmax}" in text and "softmax(input: Tensor, dim: int" in text
    assert "(../code/minitorch/ops/activation.py.md#softmax)" in text and "exp(x_i)" in text
    for name in api.MODULES:
        assert list(api.members(api.owner_of(name))), f"{name} has no public name"


# ---- links of what was built ----


def test_dead_links_and_foreign_scripts_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="top1"></h1><a href="b.html#x">b</a> <a href="https://example.org">out</a> <a href="#top1">up</a>'
    )
    (tmp_path / "b.html").write_text('<p id="x"></p><a href="a.html">a</a><img src="picture.svg">')
    assert links.dead(tmp_path) == ["b.html: picture.svg"]
    (tmp_path / "picture.svg").write_text("<svg/>")
    assert links.dead(tmp_path) == []
    for planted in (
        '<a href="c.html">',
        '<a href="b.html#y">',
        '<a href="#z">',
        '<script src="https://example.org/s.js"></script>',
    ):
        (tmp_path / "d.html").write_text(planted)
        assert len(links.dead(tmp_path)) == 1, planted


def test_npm_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(build.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match="node and npm are needed"):
        build.fetched_katex(tmp_path)
