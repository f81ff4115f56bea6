"""The page of `minitorch explain FILE --html`, as a browser shows it: stepped through by keys, with the numbers of the trace."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, browser

import minitorch
from minitorch import nn
from minitorch.autograd import trace, watch
from minitorch.autograd.pictures import picture_of
from minitorch.autograd.tracing import Trace
from minitorch.utils.page import as_script, page
from minitorch.utils.page.data import data_of
from prompt import run

pytestmark = pytest.mark.outside

LOOP = """import minitorch
w = minitorch.full((2, 2), 0.3, requires_grad=True)
h = minitorch.ones(2, 2)
for _ in range(66):
    z = h @ w
    z = z * 0.9
    h = z.tanh()
loss = h.sum()
"""


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pages of examples, and of a program with two hundred nodes."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "loop.py").write_text(LOOP)
    for name in ("shared", "mlp", "step", "inplace"):
        assert run("explain", name, "--html", str(folder / f"{name}.html")) == 0
    assert run("explain", str(folder / "loop.py"), "--html", str(folder / "loop.html")) == 0
    return folder


def shared() -> Trace:
    """The trace of the example of that name."""
    x = minitorch.tensor(2.0, requires_grad=True)
    with watch() as forward:
        square = x * x
        cube = square * x
        loss = square * cube
    return trace(loss, {"x": x, "square": square, "cube": cube, "loss": loss}, run=True, forward=forward)


def fine(tab: Browser) -> bool:
    """Whether the page has been silent and has asked for nothing but itself."""
    assert tab.said() == []
    assert len(tab.requests()) == 1
    return True


# ---- the page in a browser ----


def test_arrow_keys_go_to_the_end_and_the_numbers_are_the_traces(tab: Browser, pages: Path) -> None:
    tab.open(pages / "shared.html")
    listed = shared()
    last = 2 * len(listed) - 1
    assert (tab.ask("document.title"), tab.ask("data.steps.length")) == ("shared.py: backward of loss", last + 1)
    for name, value in [("square", "4"), ("cube", "8"), ("loss", "32")]:
        tab.press("ArrowRight")
        assert tab.ask("document.querySelector('.now .head .t').textContent") == name
        assert tab.ask("document.querySelector('.now .v .n').textContent") == value
    for step in listed:
        tab.press("ArrowRight")
        (arrival,) = step.arrivals
        assert tab.ask("document.querySelector('.now .g .n').textContent") == f"{arrival.value:.4g}"
        parts = tab.ask("[...document.querySelectorAll('#panel .sum:first-of-type > span code')].map(e => e.textContent)")
        assert parts == ([f"{part:.4g}" for part in arrival.parts] if len(arrival.parts) > 1 else [])
        sent = tab.ask("[...document.querySelectorAll('#panel .sent > code.picture')].map(e => e.textContent)")
        assert sent == [f"{sending.value:.4g}" for sending in step.sends]
        said = tab.ask("document.querySelector('[aria-live][role=status]').textContent")
        assert said.startswith(f"Backward {step.number} of 4: ") and f"{arrival.value:.4g}" in said
    assert tab.ask("document.getElementById('slider').value") == str(last)
    assert tab.ask("document.getElementById('on').disabled") is True
    tab.press("ArrowRight")
    tab.press("ArrowLeft", 2)
    assert tab.ask("state.step") == last - 2
    tab.press("Home")
    assert (
        tab.ask("document.getElementById('say').textContent")
        == "What is there before the first call: 1 leaf that wants a gradient."
    )
    tab.press("End")
    assert tab.ask("state.step") == last and fine(tab)


def test_kept_memory_grows_in_forward_and_goes_in_backward(tab: Browser, pages: Path) -> None:
    x = minitorch.ones(5, requires_grad=True)
    y = x * 2
    twice = trace((y * y).sum(), run=True)  # one memory under two names
    (pages / "twice.html").write_text(page(twice))
    for name, listed in [("shared", shared()), ("mlp", None), ("twice", twice)]:
        tab.open(pages / f"{name}.html")
        seen = tab.ask("data.steps.map((s, k) => (show(k), keptNow()))")
        turn = tab.ask("data.steps.findIndex(s => s.phase === 'backward')")
        most = int(re.search(r"passed: ([\d,]+) bytes", tab.ask("data.memory"))[1].replace(",", ""))
        assert seen[0] == seen[-1] == 0 and max(seen) == seen[turn - 1] == most > 0
        assert seen[:turn] == sorted(seen[:turn]) and seen[turn:] == sorted(seen[turn:], reverse=True)
        assert listed is None or listed.saved_bytes == most


def test_a_sum_grows_as_its_parts_come(tab: Browser, pages: Path) -> None:
    tab.open(pages / "shared.html")
    seen = []
    for step in range(3, 8):
        tab.ask(f"show({step})")
        seen.append(tab.ask("document.querySelector('.box.leaf .g').lastChild.textContent"))
    assert seen == ["–", "–", "1 of 3 parts", "3 of 3 parts", "80"]


@pytest.mark.parametrize("name", ["mlp", "step", "inplace", "loop"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (360, "dark")])
def test_every_step_is_shown_without_a_word_of_complaint(
    name: str, width: int, scheme: str, tab: Browser, pages: Path
) -> None:
    tab.open(pages / f"{name}.html", width, 800, scheme)
    last = tab.ask("data.steps.length - 1")
    tab.press("ArrowRight", 3)
    assert tab.ask("state.step") == 3
    looked_at = f"[...Array({last + 1}).keys()].filter(k => k % {1 + last // 40} === 0)"
    bad = "(show(k), !$('say').textContent || !$('panel').querySelector('h2') || document.documentElement.scrollWidth > innerWidth)"
    assert tab.ask(f"{looked_at}.filter(k => {bad})") == []
    assert tab.ask("innerWidth") == width
    assert fine(tab)


def test_boxes_do_not_overlap_and_edges_go_down(tab: Browser, pages: Path) -> None:
    for name in ("shared", "mlp", "step", "inplace", "loop"):
        tab.open(pages / f"{name}.html")
        tab.ask("openAll(true)")
        places = tab.ask(
            "[...document.querySelectorAll('.box')].map(e => [e.offsetLeft, e.offsetTop, e.offsetWidth, e.offsetHeight])"
        )
        boxes = sorted(places, key=lambda p: p[1])
        for k, (x, y, w, h) in enumerate(boxes):
            for x2, y2, w2, _ in boxes[k + 1 :]:
                if y2 >= y + h:
                    break
                assert x + w <= x2 or x2 + w2 <= x, name
        below = "edges.filter(e => shown.get(e.from).offsetTop >= shown.get(e.to).offsetTop).length"
        assert tab.ask(below) == 0
        assert len(boxes) == tab.ask("data.boxes.length")


def test_a_loop_of_two_hundred_nodes_is_folded_and_searched(tab: Browser, pages: Path) -> None:
    tab.open(pages / "loop.html")
    assert tab.ask("data.boxes.length") > 200
    assert tab.ask("document.querySelectorAll('.box').length") <= 40
    labels = tab.ask("[...document.querySelectorAll('.fold > button b')].map(e => e.textContent)")
    assert labels[0] == "66 passes"
    tab.ask("document.querySelector('.box.folded').click()")
    assert tab.ask("document.activeElement.getAttribute('aria-expanded')") == "true"
    tab.press("/")
    tab.type("tanh")
    assert tab.ask("document.getElementById('found').textContent") == f"66 of {tab.ask('data.boxes.length')}"
    tab.press("Enter")
    assert tab.ask("boxes.get(data.steps[state.step].box).op") == "tanh"
    before = tab.ask("state.zoom")
    tab.ask("document.activeElement.blur()")
    tab.press("+")
    assert tab.ask("state.zoom") > before and fine(tab)


def test_layers_are_boxes_that_open(tab: Browser, pages: Path) -> None:
    tab.open(pages / "step.html")
    tab.ask("openAll(false)")
    closed = "[...document.querySelectorAll('.box.folded')].map(e => e.getAttribute('aria-label'))"
    assert tab.ask(closed) == ["model Sequential, folded: 12 calls, 16 leaves. Open"]
    tab.ask("document.querySelector('.box.folded').focus()")
    tab.press("Enter")
    assert [label.split(",")[0] for label in tab.ask(closed)] == [
        "model.0 Linear",
        "model.1 Block",
        "model.2 Block",
        "model.3 Linear",
    ]
    tab.ask("openAll(true)")
    opened = tab.ask("[...document.querySelectorAll('.fold')].map(e => e.dataset.key)")
    short = tab.ask("[...document.querySelectorAll('.box.leaf .head .t')].map(e => e.textContent)")
    assert set(short) == {"weight", "bias"}
    assert "model.1.inner.0" in opened and "model.1.inner.1" not in opened  # gelu alone is no layer to open
    tab.ask("show(data.steps.length - 1)")
    assert tab.ask("document.querySelector('#panel h2').textContent") == "updateThe optimizer's step"
    rows = tab.ask("[...document.querySelectorAll('#panel li > b')].map(e => e.textContent)")
    assert rows[:2] == ["model.0.weight", "model.0.bias"] and len(rows) == 16 and fine(tab)


def test_a_screen_reader_finds_names(tab: Browser, pages: Path) -> None:
    tab.open(pages / "mlp.html")
    tab.press("ArrowRight", 2)
    tree = tab.tree()
    for role in ("button", "slider", "searchbox", "region", "group"):
        assert all(name for kind, name in tree if kind == role), role
    names = {name for _, name in tree}
    assert {"First step", "Step back", "Next step", "Last step", "Zoom in", "Zoom out", "Fold all"} <= names
    assert "Search names, ops and lines" in names
    assert any(re.fullmatch(r"tanh, shape \(2, 2\), value .*, line 10: y = model\(x\)", name) for name in names)
    assert any(kind == "status" for kind, _ in tree)
    unnamed = "[...document.querySelectorAll('canvas')].filter(e => e.getAttribute('role') !== 'img' || !e.getAttribute('aria-label')).length"
    assert tab.ask(unnamed) == 0
    tab.press("Tab")
    assert tab.ask("document.activeElement.matches(':focus-visible')") is True


def test_colours_can_be_read(tab: Browser, pages: Path) -> None:
    """Text stands out from what is behind it by 4.5 to 1 or more, in light and in dark."""
    contrast = """(() => {
      const rgb = c => c.match(/[\\d.]+/g).map(Number);
      const light = c => rgb(c).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
      const lum = c => { const [r, g, b] = light(c); return .2126 * r + .7152 * g + .0722 * b; };
      const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > .9) return getComputedStyle(e).backgroundColor; } return 'rgb(255,255,255)'; };
      const low = [];
      for (const e of document.querySelectorAll('h1, h2, h3, p, code, pre, td, .box:not(.todo) span, button:not(:disabled), small, output')) {
        if (!e.textContent.trim() || e.closest('.todo, .hidden, .skip')) continue;
        const [a, b] = [lum(getComputedStyle(e).color), lum(behind(e))].sort((x, y) => y - x);
        if ((a + .05) / (b + .05) < 4.5) low.push(e.className + ' ' + e.textContent.slice(0, 30));
      }
      return low;
    })()"""
    for scheme in ("light", "dark"):
        tab.open(pages / "mlp.html", scheme=scheme)
        for step in (1, 8, 14):
            tab.ask(f"show({step})")
            assert tab.ask(contrast) == [], scheme


# ---- the data ----


def test_hooks_writes_and_layers_are_in_the_data() -> None:
    told: list = []
    model = nn.Sequential(nn.Linear(1, 1), nn.ReLU())
    x = minitorch.ones(1, 1)
    with watch() as forward:
        y = model(x)
        z = y * 2
        z.mul_(3)
        loss = z.sum()
    z.register_hook(lambda g: g * 10)
    z.retain_grad()
    y.grad_fn.register_prehook(lambda grads: told.append(grads[0].tolist()))
    listed = trace(loss, {"z": z}, run=True, forward=forward, hooks=True)
    found = {h.kind: h for step in listed for h in step.hooks}
    assert set(found) == {"tensor", "retain", "pre"} and all(h.called for h in found.values())
    assert [p.numbers for p in (*found["tensor"].before, *found["tensor"].after)] == [[[1.0]], [[10.0]]]
    assert told == [[[60.0]]]  # 10 · 3 · 2
    writes = [w for step in listed for w in step.call.writes]
    assert [(w.tensor, w.version, w.line.text) for w in writes] == [("z", 1, "z.mul_(3)")]
    keys = {layer.key for step in listed for layer in step.call.layers}
    assert keys == {"model", "model.0", "model.1"}
    assert not any(step.hooks and step.hooks[0].called for step in trace(loss, run=True))
    assert "Hooks at step" in trace(loss, run=True).memory() and "Hooks" not in listed.memory()


def test_a_tensors_name_is_a_variable_of_those_who_made_it() -> None:
    def half(part: minitorch.Tensor) -> minitorch.Tensor:
        result = part / 2
        return result * 3

    w = minitorch.ones(2, requires_grad=True)
    with watch() as forward:
        loss = half(w + 1).sum()
    assert [step.call.outputs[0].tensor for step in trace(loss, {"w": w}, forward=forward)] == ["", "", "result", "", "w"]


def test_a_vmap_and_a_compiled_step_have_no_pictures() -> None:
    x = minitorch.ones(3, 2)
    seen: list[str] = []
    minitorch.func.vmap(lambda row: seen.append(row._repr_html_()) or row * 2)(x)
    assert "BatchedTensor" in seen[0]
    with watch():
        step = minitorch.compile(lambda x: (x * 2).sum())
        assert [step(x).item() for _ in range(3)] == [12.0] * 3


def test_the_data_is_json_that_no_source_can_break() -> None:
    x = minitorch.tensor([float("nan"), float("inf"), 1.0], requires_grad=True)
    text = page(trace((x * 2).sum(), {"</script><b>": x}, run=True))
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1]
    found = json.loads(data)
    leaf = next(b for b in found["boxes"] if b["kind"] == "leaf")
    assert leaf["name"] == "</script><b>" and leaf["outputs"][0]["value"]["numbers"] == ["nan", "inf", "1"]
    assert not re.search(r"""(src|href)=["'](?!data:|#)|https?://(?!www\.w3\.org/2000/svg)|@import""", text)
    assert as_script({"a": "é<"}) == r'{"a":"\u00e9\u003c"}'


def test_large_tensors_are_means_of_blocks() -> None:
    picture = picture_of(minitorch.arange(64 * 100).reshape(64, 100).float())
    assert (len(picture.grid), len(picture.grid[0]), picture.block) == (32, 25, (2, 4))
    assert picture.grid[0][0] == (0 + 1 + 2 + 3 + 100 + 101 + 102 + 103) / 8
    assert (picture.low, picture.high) == (0.0, 6399.0)
    long = picture_of(minitorch.arange(100.0))
    assert len(long.grid) == 4 and long.grid[3][3] == 99.0 and long.grid[3][4] != long.grid[3][4]
    assert picture_of(minitorch.ones(0, 3)).grid == ()


def test_a_trace_alone_is_a_page_too() -> None:
    x = minitorch.ones(3, requires_grad=True)
    listed = trace(x.exp() * 2)
    data = data_of(listed)
    assert [s["phase"] for s in data["steps"]] == ["given", *["forward"] * 2, *["backward"] * 3]
    assert data["values"] is False and data["files"] == {}
    assert listed._repr_html_().startswith("<iframe ") and "<script" not in listed._repr_html_()


# ---- programs ----


def test_a_program_that_trains_is_shown_at_its_first_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "train.py").write_text(
        "import minitorch\n"
        "class Trainer:\n"
        "    def __init__(self):\n"
        "        self.net = minitorch.nn.Linear(1, 1)\n"
        "        self.opt = minitorch.optim.SGD(self.net.parameters(), lr=0.5)\n"
        "    def step(self, k):\n"
        "        cost = (self.net(minitorch.ones(1)) * k).sum()\n"
        "        self.opt.zero_grad(); cost.backward(); self.opt.step()\n"
        "trainer = Trainer()\n"
        "for k in range(1, 10**9):\n"
        "    trainer.step(k)\n"
    )
    assert run("explain", str(tmp_path / "train.py"), "--html", str(tmp_path / "out.html")) == 0
    data = json.loads(re.search(r'id="data">(.*?)</script>', (tmp_path / "out.html").read_text(), re.S)[1])
    leaves = {b["name"] for b in data["boxes"] if b["kind"] == "leaf"}
    assert leaves == {"self.net.weight", "self.net.bias"} and data["title"] == "train.py: backward of cost"
    update = data["steps"][-1]
    assert (update["phase"], update["optimizer"]) == ("update", "SGD(lr=0.5)")
    for row in update["rows"]:
        before, after = (row[k]["numbers"] for k in ("before", "after"))
        assert float(str(before).strip("[']")) - 0.5 == pytest.approx(float(str(after).strip("[']")), abs=1e-3)
    capsys.readouterr()
    assert run("explain", str(tmp_path / "train.py")) == 0
    assert "backward of cost" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["shared", "--html", "no/folder/out.html"], "--html no/folder/out.html: there is no folder no/folder"),
        (["shared", "--html", "."], "--html .: is a folder; name a file in it"),
        (["shared", "--html", "mine.py"], "--html mine.py: exists and is no .html file; name another file"),
        (["--html", "out.html"], "--html needs a file or an example to show"),
        (["gelu", "--html", "out.html"], "--html shows a program; gelu is an op"),
        (["--compiled", "training", "--html", "out.html"], "--html shows how backward runs; leave out --compiled"),
    ],
)
def test_what_is_wrong_with_html_is_one_line(
    argv: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("x = 1")
    assert run("explain", *argv) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(f"minitorch explain: error: {says}") and captured.err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["mine.py"] and (tmp_path / "mine.py").read_text() == "x = 1"


# ---- notebooks ----


def test_a_tensor_shows_a_table_or_a_heat_map() -> None:
    x = minitorch.tensor([[1.0, 2 / 3]], requires_grad=True)
    text = (x * 2)._repr_html_()
    assert (
        "shape (1, 2)" in text
        and "grad_fn=&lt;MulBackward0&gt;" in text
        and re.findall(r">([\d.]+)</td>", text) == ["2", "1.333"]
    )
    large = minitorch.linspace(-1, 1, 100).reshape(10, 10)._repr_html_()
    assert 'alt="heat map: from -1 to 1, mean' in large and "data:image/png;base64," in large
    assert "float32, shape (0,)" in minitorch.ones(0)._repr_html_()
    assert "int64, shape ()" in minitorch.tensor(3)._repr_html_()
    assert re.findall(r">(\w+)</td>", minitorch.tensor([True, False])._repr_html_()) == ["True", "False"]
    assert re.findall(r">(\w+)</td>", minitorch.tensor([1234567])._repr_html_()) == ["1234567"]
    assert "<script" not in text + large


def test_a_module_shows_a_tree_with_counts() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1, bias=False))
    model[2].weight.requires_grad_(False)
    text = model._repr_html_()
    assert "28 parameters, 4 of them frozen" in text and "16 parameters" in text and "running_mean" in text
    assert text.count("<details") == 4 and text.count("<details open") == 1
    assert "in_features=3, out_features=4" in text
    assert "no parameters" in nn.ReLU()._repr_html_()
