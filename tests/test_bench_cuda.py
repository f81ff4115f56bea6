"""`python -m reference bench --device cuda` on small sizes: each row runs in both libraries, its amounts are right, so is its table.

Its times mean nothing here. Run on the GPU of `--device`, as tests/test_device.py is; torch stays on the CPU where it has none.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from minitorch.ops import matmul as products
from reference import bench_cuda, bench_cuda_rows
from reference.bench import mlp_step
from reference.bench_cuda import Line, Sizes, Work, all_work, ceilings
from reference.bench_graphs import Gpt

SMALL = Sizes(
    copied=64,
    product=8,
    layers=(6, 8, 8, 3),
    batch=4,
    parameters=(2, 3, 4),
    rows=4,
    columns=8,
    numbers=64,
    repeat=1,
    captured=(((6, 8, 3), 4),),
    gpts=(Gpt(1, 8, 2, 5),),
)
TORCH_ON = "cuda" if torch.cuda.is_available() else "cpu"


OPS = bench_cuda_rows.timed_ops


@pytest.mark.parametrize("ops", [pytest.param(6, marks=pytest.mark.slow), pytest.param(None, marks=pytest.mark.exhaustive)])
def test_every_row_runs_and_the_table_is_whole(
    gpu: Any, ops: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a few of the elementwise ops, or with all."""
    monkeypatch.setattr(bench_cuda_rows, "timed_ops", lambda: OPS()[:ops])
    page = tmp_path / "gpu.md"
    bench_cuda.bench(1, markdown=str(page), sizes=SMALL, torch_on=TORCH_ON)
    title, headings, *printed = capsys.readouterr().out.splitlines()
    assert minitorch.cuda.get_device_name() in title and torch.__version__ in title
    works = [*ceilings(SMALL), *all_work(SMALL)]
    assert [line[:46].strip() for line in printed] == [work.name[:46] for work in works]
    assert headings.split() == " ".join(bench_cuda.HEADINGS).split()
    assert not [line for line in printed if "not run" in line and "bfloat16" not in line]  # that needs ml_dtypes
    said, _, first, rule, *rows = page.read_text().splitlines()
    assert said == title and {line.count("|") for line in (first, rule, *rows)} == {len(bench_cuda.HEADINGS) + 2}
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert [name for name, *_ in cells] == [work.name for work in works]
    for (name, ours, theirs, ratio, achieved, share, target, met), work in zip(cells, works):
        if ours.startswith("not run"):
            continue
        assert ours.endswith(" ms") and theirs.endswith(" ms") and float(ratio) >= 0, name
        assert achieved.endswith(work.unit) and share.endswith(f"of {work.ceiling}"), name
        assert target == work.target and met in (("yes", "no") if target else ("",)), name


def test_the_amounts_are_those_derived_by_hand() -> None:
    works = {work.name: work for work in [*ceilings(Sizes()), *all_work(Sizes())]}
    mlp = "step 784-4096-4096-10, batch 4096, "
    want = {
        "ceiling: copy of 1.07 GB": 2 * 4 * 2**28,  # read and written
        "ceiling: product 8192×8192, float32": 2 * 2**39,  # a multiplication and an addition for each of 8192³
        # 2·4096 · (784·4096 + 4096·4096 + 4096·10) forward, as much for the weights, and without 784·4096 for the inputs
        mlp + "float32": 8192 * (20_029_440 + 20_029_440 + 16_818_176),
        "Adam, 100 million parameters": 28 * 10**8,
        "softmax 16384×4096, forward": 2 * 2**28,  # 2²⁶ numbers of 4 bytes are 2²⁸ bytes
        "softmax 16384×4096, backward": 3 * 2**28,
        "cross_entropy 16384×4096, forward": 2 * 2**28,
        "cross_entropy 16384×4096, backward": 2 * 2**28,
        "layer_norm 16384×4096, forward": 2 * 2**28,
        "layer_norm 16384×4096, backward": 3 * 2**28,
    }
    assert {name: works[name].amount for name in want} == want
    assert {works[mlp + kind].amount for kind in ("TF32", "float16", "bfloat16")} == {want[mlp + "float32"]}
    assert works["softmax 16384×4096, forward"].rate(0.5) == 2**29 / 0.5e-3 / 1e9  # bytes a second, in GB/s
    assert works[mlp + "float32"].rate(8.0) == want[mlp + "float32"] / 8e-3 / 1e12  # operations a second, in TFLOP/s


def test_every_op_that_torch_has_is_timed_in_each_direction_and_dtype() -> None:
    names = [work.name for work in bench_cuda_rows.all_work(Sizes())]
    assert len(OPS()) > 80 and {"mul", "exp", "gelu", "pow", "maximum"} <= {op.__name__ for op in OPS()}
    for kind in ("float32, forward", "float32, backward", "float16, forward", "float16, backward"):
        assert f"row mul, {kind}" in names and f"row gelu, {kind}" in names
    assert "row gt, float32, forward" in names and "row gt, float32, backward" not in names
    assert len(set(names)) == len(names)
    amounts = {work.name: work.amount for work in bench_cuda_rows.all_work(Sizes())}
    assert amounts["row mul, float32, forward"] == 3 * 4 * 2**26 and amounts["row mul, float16, backward"] == 5 * 2 * 2**26
    assert amounts["copy: copy_ float16"] == 2 * 2 * 2**26 and amounts["sum: backward of x * scale float32"] == 3 * 4 * 2**26


def test_a_step_computes_the_products_that_are_counted(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    true = products.blas.matmul

    def counting(xp: Any, a: Any, b: Any, *bias: Any) -> Any:
        counted.append(2 * a.shape[0] * a.shape[1] * b.shape[1])
        return true(xp, a, b, *bias)

    step = mlp_step(minitorch, SMALL.layers, SMALL.batch, "cuda")
    monkeypatch.setattr(products.blas, "matmul", counting)
    step()
    assert sum(counted) == bench_cuda.step_flops(SMALL.layers, SMALL.batch)


def test_targets() -> None:
    def line(ours: float, theirs: float, reached: float, **target: float) -> Line:
        return Line(Work("w", lambda library, device: int, 8e6, "copy", **target), ours, theirs, reached)

    assert line(1.2, 1.0, 0.5, most=1.15).missed and not line(1.1, 1.0, 0.5, most=1.15).missed
    assert line(1.0, 2.0, 0.84, share=0.85).missed and not line(4.0, 2.0, 0.85, share=0.85).missed
    assert not line(9.0, 1.0, 0.1).missed
    cells = line(2.0, 1.6, 0.9, share=0.85).cells()
    assert cells == ["2 ms", "1.6 ms", "1.25", "4 GB/s", "90% of copy", "≥ 85% of copy", "yes"]
    assert line(2.0, 1.6, 0.9, most=1.15).cells()[-2:] == ["≤ 1.15 × torch", "no"]


def test_work_takes_turns_after_a_warm_up_and_is_timed_by_events(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            done.append("|")

        def synchronize(self) -> None:
            pass

        def elapsed_time(self, end: Event) -> float:
            return 6.0 if done[-2] == "a" else 10.0

    monkeypatch.setattr(minitorch.cuda, "Event", Event)
    times = bench_cuda.by_turns(2, 2, lambda: done.append("a"), lambda: done.append("b"))
    assert "".join(done) == "aaabbb|aa||bb||aa||bb|" and times == [3.0, 5.0]


def test_a_row_that_fails_is_a_miss_and_stops_nothing(gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(library: Any, device: Any) -> Any:
        raise RuntimeError("out of luck\nand of memory")

    best: dict[str, float] = {}
    bad = bench_cuda.measured(Work("bad", fail, 1.0, "copy"), 1, 1, TORCH_ON, best)
    assert bad.missed and bad.cells()[0] == "not run: RuntimeError: out of luck"
    good = bench_cuda.measured(ceilings(SMALL)[0], 1, 1, None, best)
    assert good.theirs is None and good.share == 1.0 and not good.missed and list(best) == ["copy"]


def test_the_ceiling_is_that_of_the_faster_library(gpu: Any) -> None:
    best: dict[str, float] = {}
    line = bench_cuda.measured(ceilings(SMALL)[0], 1, 1, TORCH_ON, best)
    assert best["copy"] == max(line.work.rate(line.ours), line.work.rate(line.theirs))


def test_precision_is_put_back(gpu: Any) -> None:
    with bench_cuda.products_in("high"):
        assert minitorch.get_float32_matmul_precision() == torch.get_float32_matmul_precision() == "high"
    assert minitorch.get_float32_matmul_precision() == torch.get_float32_matmul_precision() == "highest"


def test_both_sides_do_the_same_work(gpu: Any) -> None:
    for prepare in bench_cuda.PREPARED.values():
        results = []
        for library, device in ((minitorch, "cuda"), (torch, TORCH_ON)):
            forward, backward = prepare(library, device, SMALL)
            backward()
            leaf = next(cell.cell_contents for cell in backward.__closure__ if isinstance(cell.cell_contents, tuple))[0]
            results.append([forward().detach().cpu().numpy(), leaf.grad.cpu().numpy()])
        for ours, theirs in zip(*results):
            assert np.allclose(ours, theirs, atol=1e-6)


def test_without_a_gpu_one_line_and_an_exit_code() -> None:
    code = "import sys; sys.modules['cupy'] = None; from reference.__main__ import main; sys.exit(main(sys.argv[1:]))"
    run = subprocess.run([sys.executable, "-c", code, "bench", "--device", "cuda"], capture_output=True, text=True)
    assert run.returncode == 1 and run.stdout == "" and run.stderr.count("\n") == 1
    assert "pip install cupy-cuda13x" in run.stderr
