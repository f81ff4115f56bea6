"""Event files: the same calls in torch's SummaryWriter and in ours leave the same bytes, and TensorBoard's reader finds in them what was said."""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planting import plant

import minitorch
from minitorch import nn

pytestmark = pytest.mark.outside

rng = np.random.default_rng(0)
NUMBERS = rng.standard_normal((4, 5)).astype(np.float32)
PICTURE = rng.random((3, 6, 5)).astype(np.float32)
BATCH = rng.random((11, 1, 4, 3)) * 1.4 - 0.2  # eleven: the grid's second row is not full; beyond [0, 1] too
LABELS = rng.integers(0, 2, 50)
CHANCES = rng.random(50)
BOXES = np.array([[0.0, 0.0, 12.0, 9.0], [3.0, 4.0, 30.0, 25.0]])
ENDS = {
    "min": 0.0,
    "max": 2.0,
    "num": 3,
    "sum": 3.0,
    "sum_squares": 5.0,
    "bucket_limits": [1.0, 2.0],
    "bucket_counts": [1, 2],
}
LAYOUT = {"a": {"both": ["Multiline", ["x", "y"]]}, "b": {"band": ["Margin", ["m", "lo", "hi"]]}}
VERTICES = np.array([[[1.0, 1, 1], [-1, -1, 1], [1, -1, -1]]], np.float32)


def figure() -> Any:
    from matplotlib.figure import Figure

    made = Figure(figsize=(1, 1), dpi=40)
    made.subplots().plot([1, 3, 2])
    return made


# A name, and what is called on a writer `w`; `t` is the library. Steps and times are given where a call takes them.
CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "a scalar": lambda w, t: [w.add_scalar("a/b c", x, k, walltime=1.0) for k, x in enumerate([1, 0.1, np.float32(2.5), np.nan])],
    "a scalar that is a tensor": lambda w, t: w.add_scalar("t", t.tensor([[0.5]], requires_grad=True), np.int64(7)),
    "a bfloat16": lambda w, t: w.add_scalar("t", t.tensor(0.3, dtype=t.bfloat16)),
    "a scalar of new style": lambda w, t: w.add_scalar("n", 0.1, 1, new_style=True),
    "a scalar of 64 bits": lambda w, t: w.add_scalar("d", 0.1, 1, new_style=True, double_precision=True),
    "64 bits in the old style": lambda w, t: w.add_scalar("d", 0.1, 1, double_precision=True),
    "several scalars": lambda w, t: [w.add_scalars("run/1", {"sin": k, "cos": -k}, k) for k in range(3)],
    "tensors": lambda w, t: [
        w.add_tensor(str(d), t.tensor([[1, 0, 3]]).to(getattr(t, d)), 2)
        for d in ["float16", "bfloat16", "float32", "float64", "int8", "uint8", "int16", "int32", "int64", "bool"]
    ],
    "a tensor of nothing": lambda w, t: w.add_tensor("none", t.zeros(2, 0)),
    "a histogram": lambda w, t: w.add_histogram("h", t.tensor(NUMBERS), 3),
    "a histogram of an array": lambda w, t: w.add_histogram("h", NUMBERS[::2]),
    "a histogram of zeros": lambda w, t: w.add_histogram("h", np.zeros(3)),
    "a histogram of positives": lambda w, t: w.add_histogram("h", abs(NUMBERS), bins="auto"),
    "a histogram of seven bins": lambda w, t: w.add_histogram("h", NUMBERS, bins=7),
    "a histogram of bins": lambda w, t: w.add_histogram("h", NUMBERS, bins=[-1, 0, 0.5]),
    "joined bins": lambda w, t: [w.add_histogram("h", NUMBERS, max_bins=n) for n in (7, 64, 1000, 2000)],
    "joined equal bins": lambda w, t: [w.add_histogram("h", NUMBERS, bins=12, max_bins=n) for n in (1, 3, 4, 5, 11, 12)],
    "a counted histogram": lambda w, t: w.add_histogram_raw("r", **ENDS, global_step=1),
    "a picture": lambda w, t: w.add_image("p", t.tensor(PICTURE), 4),
    "a picture HWC": lambda w, t: w.add_image("p", PICTURE.transpose(1, 2, 0), dataformats="HWC"),
    "a picture HW": lambda w, t: w.add_image("p", PICTURE[0], dataformats="HW"),
    "a picture WH": lambda w, t: w.add_image("p", PICTURE[0], dataformats="wh"),
    "a grey picture": lambda w, t: w.add_image("p", PICTURE[:1]),
    "a picture with alpha": lambda w, t: w.add_image("p", np.concatenate([PICTURE, PICTURE[:1]])),
    "a picture of bytes": lambda w, t: w.add_image("p", t.tensor((PICTURE * 255).astype(np.uint8))),
    "pictures": lambda w, t: w.add_images("ps", t.tensor(BATCH), 1),
    "pictures of one row": lambda w, t: w.add_images("ps", BATCH[:3]),
    "pictures NHWC": lambda w, t: w.add_images("ps", BATCH.transpose(0, 2, 3, 1), dataformats="NHWC"),
    "boxes": lambda w, t: w.add_image_with_boxes("bb", np.ones((3, 30, 40)), BOXES, labels=["one", "two"]),
    "boxes of a tensor": lambda w, t: w.add_image_with_boxes("bb", t.ones(3, 30, 40), t.tensor(BOXES), rescale=0.5, labels="one"),
    "a figure": lambda w, t: w.add_figure("f", figure(), 1),
    "figures": lambda w, t: w.add_figure("f", [figure(), figure()], close=False),
    "a text": lambda w, t: w.add_text("words", "**größer** als\n- x", 2),
    "sound": lambda w, t: w.add_audio("s", t.tensor(CHANCES[None]), sample_rate=8000),
    "a mesh": lambda w, t: w.add_mesh("m", t.tensor(VERTICES), colors=t.tensor([[[255, 0, 0]] * 3]), faces=t.tensor([[[0, 1, 2]]])),
    "points in space": lambda w, t: w.add_mesh("m", t.tensor(VERTICES), config_dict={"material": {"cls": "PointsMaterial"}}),
    "a PR curve": lambda w, t: w.add_pr_curve("pr", t.tensor(LABELS), t.tensor(CHANCES), 1),
    "a PR curve with weights": lambda w, t: w.add_pr_curve("pr", LABELS, CHANCES, num_thresholds=9, weights=CHANCES + 1),
    "a PR curve of too many": lambda w, t: w.add_pr_curve("pr", LABELS, CHANCES, num_thresholds=500),
    "a counted PR curve": lambda w, t: w.add_pr_curve_raw("pr", *np.arange(18.0).reshape(6, 3), 1, num_thresholds=3),
    "custom charts": lambda w, t: w.add_custom_scalars(LAYOUT),
    "a chart of lines": lambda w, t: w.add_custom_scalars_multilinechart(["x", "y"], "c", "t"),
    "a chart with a margin": lambda w, t: w.add_custom_scalars_marginchart(["x", "y", "z"]),
    "hyperparameters": lambda w, t: w.add_hparams(
        {"lr": 0.1, "name": "sgd", "nesterov": True, "n": 3, "none": None, "t": t.tensor([2.5])}, {"hp/loss": 0.5}, run_name="r"
    ),
    "a domain": lambda w, t: w.add_hparams(
        {"lr": 0.1, "name": "b"}, {"acc": t.tensor(0.5)}, {"lr": [0.1, 1.0], "name": ["a", "b"]}, run_name="r", global_step=3
    ),
    "an embedding": lambda w, t: w.add_embedding(t.tensor(NUMBERS[:3]), list("abc"), t.tensor(PICTURE[:, None, :4]), 12, "a/b%\\"),
    "two embeddings": lambda w, t: [w.add_embedding(NUMBERS), w.add_embedding(NUMBERS[:2], [("x", 1), ("y", 2)], tag="2", metadata_header=["n", "k"])],
    "after close": lambda w, t: [w.close(), w.add_scalar("x", 1)],
}  # fmt: skip


def events(folder: Path) -> dict[str, Any]:
    """What is in each file: an event file's messages without their times (and without the writer's name), another's bytes."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        where = file.relative_to(folder)
        if "tfevents" in file.name:
            messages = found.setdefault(f"{where.parent}/events", [])
            for event in LegacyEventFileLoader(str(file)).Load():
                event.wall_time = event.wall_time == 1.0
                event.ClearField("source_metadata")
                messages.append(event.SerializeToString(deterministic=True))
        elif file.is_file():
            found[str(where)] = file.read_bytes()
    return found


def written(writer: Any, library: Any, call: Callable[[Any, Any], Any], folder: Path) -> dict[str, Any]:
    made = writer(folder)
    call(made, library)
    made.close()
    return events(folder)


def differences(folder: Path, names: list[str]) -> list[str]:
    """Those of the calls that leave something else than torch's."""
    import torch
    from torch.utils.tensorboard import SummaryWriter as Torchs

    from minitorch.utils.tensorboard import SummaryWriter

    found = []
    for k, name in enumerate(names):
        call = CALLS[name]
        want = written(Torchs, torch, call, folder / f"torch{k}")
        if written(SummaryWriter, minitorch, call, folder / f"ours{k}") != want:
            found.append(name)
    return found


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")
def test_the_files_are_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib").use("agg")
    assert differences(tmp_path / "calls", list(CALLS)) == []
    the_signatures()
    what_comes_back(tmp_path / "read")
    the_graph_of_a_model(tmp_path / "graph")


FAULTS = [
    ("summary", "histogram", "ends[first : last + 2]", "ends[first : last + 1]", "a histogram"),
    ("summary", "_joined", "ends[-1:]", "ends[-2:-1]", "joined equal bins"),
    ("summary", "_counted", "n - 1)).astype", "n)).astype", "a PR curve"),
    ("summary", "tensor", 'struct.pack("f", x)', 'struct.pack("f", -x)', "tensors"),
    ("pictures", "rows_first", '3: "HWC"', '3: "WHC"', "a picture"),
    ("pictures", "grid", "columns = min(n, columns)", "pass", "pictures of one row"),
    ("pictures", "_draw", "0.05", "0.5", "boxes"),
    ("projector", "folder_of", ":05", ":04", "an embedding"),
    ("hparams", "hparams", '"number_value", NUMBER', '"number_value", TEXT', "hyperparameters"),
    ("writer", "_bins", "1.1", "1.2", "a histogram"),
]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[1]}: {fault[2]}")
def test_a_fault_is_noticed(fault: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, *what, call = fault
    plant(monkeypatch, f"utils.tensorboard.{module}", *what)
    assert differences(tmp_path, [call]) == [call]


def the_signatures() -> None:
    """Each method that torch has, with its arguments and defaults, but the two that are left out."""
    from torch.utils import tensorboard as torchs

    from minitorch.utils import tensorboard as ours

    def told(thing: Any) -> dict[str, list[tuple[str, Any]]]:
        found = {n: f for n, f in vars(thing).items() if inspect.isfunction(f) and (n == "__init__" or n[0] != "_")}
        return {n: [(p.name, p.default) for p in inspect.signature(f).parameters.values()] for n, f in found.items()}

    want = told(torchs.SummaryWriter)
    assert {want.pop("add_video")[1][0], want.pop("add_onnx_graph")[1][0]} == {"tag", "prototxt"}
    assert told(ours.SummaryWriter) == want
    want = told(torchs.FileWriter)
    want.pop("add_onnx_graph")
    assert told(ours.FileWriter) == want


# ---- read by TensorBoard ----


def what_comes_back(folder: Path) -> None:
    """What TensorBoard's own reader finds: tags, steps, values, a picture's pixels."""
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from minitorch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder, filename_suffix=".end") as writer:
        for step in range(3):
            writer.add_scalar("loss", 0.5**step, 10 * step)
        writer.add_image("picture", np.arange(12, dtype=np.uint8).reshape(1, 3, 4), 5)
        writer.add_histogram("weights", np.arange(10.0))
    with SummaryWriter(folder, purge_step=20) as writer:
        writer.add_scalar("loss", 7.0, 20)
    assert len(list(folder.glob("events.out.tfevents.*.end"))) == 1
    reader = EventAccumulator(str(folder)).Reload()
    assert [(e.step, e.value) for e in reader.Scalars("loss")] == [(0, 1.0), (10, 0.5), (20, 7.0)]
    (picture,) = reader.Images("picture")
    pixels = np.array(Image.open(io.BytesIO(picture.encoded_image_string)))
    assert picture.step == 5 and pixels[:, :, 0].tolist() == np.arange(12).reshape(3, 4).tolist()
    (histogram,) = reader.Histograms("weights")
    value = histogram.histogram_value
    assert (value.num, value.min, value.max, value.sum) == (10, 0.0, 9.0, 45.0) and sum(value.bucket) == 10


# ---- the graph of a model ----


def a_net(library: Any) -> Any:
    """A module with modules in it, a buffer, a module called twice, dropout, two inputs and two results."""
    nn = library.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Sequential(nn.Dropout(), nn.Linear(8, 8))
            )
            self.head = nn.Linear(8, 8)
            self.register_buffer("scale", library.ones(8))

        def forward(self, x: Any, y: Any) -> Any:
            h = self.body(x).tanh() + y
            return self.head(self.head(h)) * self.scale, h.exp()

    return Net(), (library.ones(2, 4), library.ones(2, 8))


def boxes(graph: Any, kinds: str) -> list[tuple[str, str, list[tuple[int, ...]]]]:
    """The ops of these kinds: box, kind, and shapes, in order."""
    return [
        (
            node.name.rpartition("/")[0],
            node.op,
            [tuple(d.size for d in s.dim) for s in node.attr["_output_shapes"].list.shape],
        )
        for node in graph.node
        if node.op.removeprefix("aten::") in kinds.split()
    ]


def the_graph_of_a_model(folder: Path) -> None:
    """Each module is a box with torch's name, each op is in its box, and everything that goes in comes from somewhere."""
    import torch
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard._pytorch_graph import graph as torchs

    from minitorch.utils.tensorboard import SummaryWriter

    model, inputs = a_net(minitorch)
    before = {name: t.tolist() for name, t in model.state_dict().items()}
    model.body[0].eval()
    with SummaryWriter(folder) as writer:
        writer.add_graph(model, inputs)
    assert {name: t.tolist() for name, t in model.state_dict().items()} == before
    assert [m.training for m in model.modules()].count(False) == 1, "each module is in its own mode again"
    read = EventAccumulator(str(folder)).Reload()
    graph = read.Graph()
    names = [node.name for node in graph.node]
    assert len(set(names)) == len(names)
    assert {used for node in graph.node for used in node.input} <= set(names)
    kinds = "linear relu batch_norm dropout tanh add mul exp"
    want, _ = torchs(*a_net(torch))
    assert boxes(graph, kinds) == boxes(want, kinds)
    assert "Net/Sequential[body]/Sequential[3]/Linear[1]" in {box for box, _, _ in boxes(graph, "linear")}
    of = {node.name: node for node in graph.node}
    ends = [name for name in names if name.startswith(("input/", "output/"))]
    assert ends == ["input/x", "input/y", "output/output.1"]
    assert reached("output/output.1", of) >= {"input/x", "input/y", "Net/scale", "Net/Sequential[body]/Linear[0]/weight"}
    shape = of["Net/Sequential[body]/Linear[0]/weight"].attr["_output_shapes"].list.shape[0]
    assert [d.size for d in shape.dim] == [8, 4]


def reached(name: str, of: dict[str, Any]) -> set[str]:
    """The nodes that this one is computed from."""
    found = {name}
    for each in of[name].input:
        found |= reached(each, of)
    return found


# ---- what is refused ----


def test_mistakes_and_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minitorch.utils.tensorboard import SummaryWriter

    monkeypatch.chdir(tmp_path)
    with SummaryWriter(comment="-c") as writer:
        assert Path(writer.get_logdir()).parent == Path("runs") and str(writer.get_logdir()).endswith("-c")
        (file,) = Path(writer.get_logdir()).iterdir()
        for error, words, call in (
            (AssertionError, "one element", lambda: writer.add_scalar("x", np.ones(2))),
            (NotImplementedError, "got str|got list", lambda: writer.add_scalar("x", [1])),
            (ValueError, "no element", lambda: writer.add_histogram("x", np.ones(0))),
            (ValueError, "nan", lambda: writer.add_histogram("x", np.full(2, np.nan))),
            (ValueError, "2 bucket_limits and 1", lambda: writer.add_histogram_raw("x", 0, 1, 1, 1, 1, [1, 2], [1])),
            (AssertionError, "dataformats='HW' does not fit", lambda: writer.add_image("x", np.ones((3, 2, 2)), dataformats="HW")),
            (ValueError, "'XYZ': expected the letters HWC", lambda: writer.add_image("x", np.ones((3, 2, 2)), dataformats="XYZ")),
            (ValueError, "'W': expected the letters NCHW", lambda: writer.add_image("x", np.ones(2), dataformats="W")),
            (AssertionError, "named twice", lambda: writer.add_image("x", np.ones((3, 2, 2)), dataformats="HHW")),
            (AssertionError, "1 or 3 channels", lambda: writer.add_images("x", np.ones((1, 2, 2, 2)))),
            (AssertionError, "3 tags", lambda: writer.add_custom_scalars_marginchart(["a"])),
            (TypeError, "dictionary", lambda: writer.add_hparams([], {})),
            (ValueError, "got lr=", lambda: writer.add_hparams({"lr": [1]}, {})),
            (TypeError, "same type", lambda: writer.add_hparams({"lr": 1}, {}, {"lr": ["a"]})),
            (AssertionError, "1 labels", lambda: writer.add_embedding(np.ones((2, 2)), ["a"])),
            (AssertionError, r"\(N, D\)", lambda: writer.add_embedding(np.ones(2))),
            (TypeError, "takes a module", lambda: writer.add_graph(len, minitorch.ones(1))),
            (TypeError, "input_to_model is a tensor .* got NoneType", lambda: writer.add_graph(GivesDict())),
            (RuntimeError, "dict", lambda: writer.add_graph(GivesDict(), minitorch.ones(1))),
        ):  # fmt: skip
            with pytest.raises(error, match=words):
                call()
        writer.flush()
        assert [messages[1:] for messages in events(Path("runs")).values()] == [[]], "a call that is refused writes nothing"
        assert list(Path(writer.get_logdir()).iterdir()) == [file]
        writer.add_graph(GivesDict(), minitorch.ones(1), use_strict_trace=False)
        writer.add_embedding(np.ones((2, 2)))
        with pytest.warns(UserWarning, match="global_step"):
            writer.add_embedding(np.ones((2, 2)))


class GivesDict(nn.Module):
    def forward(self, x: minitorch.Tensor) -> dict[str, minitorch.Tensor]:
        return {"y": x * 2}
