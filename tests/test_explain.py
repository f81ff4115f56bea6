"""`minitorch explain`: every example is shown as backward really runs it, and what is wrong with a file is one line."""

from __future__ import annotations

import inspect
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import one_line_of_error, run
from test_trace import text

import minitorch
from minitorch.arrays.device import shortcuts
from minitorch.autograd.pictures import number
from minitorch.cli.commands import main
from minitorch.cli.one_op import drawn, op_explained
from minitorch.cli.plain_letters import plain
from minitorch.examples import explain as examples
from minitorch.utils.source import lambda_body

ONE = "import minitorch\nx = minitorch.tensor([1.0], requires_grad=True)\n"


def explained(*argv: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run("explain", *argv) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_explain_lists_the_examples(capsys: pytest.CaptureFixture[str]) -> None:
    out = explained(capsys=capsys)
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  ") and "minitorch" not in line]
    assert tuple(listed) == (*examples.NAMES, *examples.COMPILED)
    files = {path.stem for path in Path(examples.__file__).parent.glob("*.py")}
    assert files == {*examples.NAMES, *examples.COMPILED, "__init__"}


def test_explain_says_where_broadcasting_was_undone(capsys: pytest.CaptureFixture[str]) -> None:
    out = explained("broadcast", capsys=capsys)
    assert "= [10, 10], summed from shape (2, 2)\n" in out
    assert out.count("summed") == 1


@pytest.mark.parametrize("name", examples.NAMES)
def test_every_example_is_explained_within_the_page(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = explained(name, capsys=capsys)
    code = "".join(
        inspect.getsource(d.function) for op in minitorch.op.ops for d in op.derivatives if inspect.isfunction(d.function)
    )
    assert all(len(line) <= 160 for line in out.splitlines() if line.strip() not in code)
    variables = runpy.run_path(str(Path(examples.__file__).parent / f"{name}.py"))
    if name != "step":  # which has done so
        variables["loss"].backward()
    leaves = {n: v for n, v in variables.items() if isinstance(v, minitorch.Tensor) and v.is_leaf and v.requires_grad}
    leaves.update({f"model.{n}": p for n, p in variables["model"].named_parameters()} if "model" in variables else {})
    assert out.count("AccumulateGrad\n") == len(leaves) > 0
    for label, x in leaves.items():
        total = number(x.grad.tolist()) if x.numel() <= 4 else "from step"
        assert re.search(
            rf"AccumulateGrad\n(?: +forward  .*\n(?: {{15}}.*\n)*)? +gradient  g of {label}, shape .*{re.escape(total)}", out
        ), f"{label}: {total}"


def test_explain_shows_sums_sources_and_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    out = explained("shared", capsys=capsys)
    assert out.startswith('    """A value used twice: ')
    assert out.endswith("""

  3  MulBackward0
         line  shared.py:6: square = x * x
      forward  mul: a · b
               square = 4
     gradient  g of square, shape (): 8 + 8 = 16, from steps 1 and 2
        keeps  b is x (), 4 B, leaf
               a is x (), 4 B, leaf
        sends  to step 4 (x) for a:  g * b = 32
               to step 4 (x) for b:  g * a = 32

  4  AccumulateGrad
      forward  x = 2
     gradient  g of x, shape (): 16 + 32 + 32 = 80, from steps 2, 3 and 3
         adds  g to x.grad

Kept until backward has passed: 8 bytes (what several steps keep is counted once; it would be 12)
Only referred to: 4 bytes of leaves
""")


def test_explain_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "helper.py").write_text("START = 2.0\n")
    (tmp_path / "mine.py").write_text(
        text("""
        import minitorch
        from helper import START

        class Cube(minitorch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x**3

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 3 * x * x * g

        assert __name__ == "__main__"
        x = minitorch.tensor(START, requires_grad=True)
        error = Cube.apply(Cube.apply(x))
        """)
    )
    out = explained(str(tmp_path / "mine.py"), "--variable", "error", capsys=capsys)
    assert "g of x, shape (): 2304, from step 2" in out
    assert out.count("(x,) = ctx.saved_tensors") == 1
    assert out.count("Cube.backward is at step 1") == 1
    assert "helper" not in out


def test_explain_finds_names_in_models_lists_and_dicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(
        text("""
        import minitorch

        def leaf():
            return minitorch.ones((), requires_grad=True)

        model, pair, named, _own = minitorch.nn.Linear(1, 1), [1, leaf()], {"w": leaf()}, leaf()
        losses = [(model(minitorch.ones(1)) * pair[1] * named["w"] * _own).sum()]
        loss = losses[0]
        """)
    )
    out = explained(str(tmp_path / "mine.py"), capsys=capsys)
    assert set(re.findall(r"g to (\S+)\.grad", out)) == {"model.weight", "model.bias", "pair[1]", "named['w']", "leaf"}
    assert "backward of loss:" in out


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("loss = 1 / 0", "file.py, line 1: ZeroDivisionError: division by zero"),
        ("\nloss = (", "file.py, line 2: SyntaxError: '(' was never closed"),
        ("import sys\nsys.exit(3)", "file.py ends the program itself: exit(3)"),
        ("x = 1", "file.py leaves no variable 'loss'; it leaves no tensor at all; name one with --variable"),
        (f"{ONE}y = x * 2", "file.py leaves no variable 'loss'; its tensors are x, y; name one with --variable"),
        ("loss = 3.0", "file.py: loss is of type float, expected a Tensor"),
        (
            "import minitorch\nloss = minitorch.ones(1)",
            "file.py: loss: there is nothing to trace: the tensor does not require grad",
        ),
        (f"{ONE}loss = x.expand(2) * 2", "file.py: loss: backward starts from a single number, got shape (2,); reduce it"),
        (
            f"{ONE}loss = x.exp()\nminitorch.autograd.backward(loss)",
            "file.py: backward has already run from loss and freed its graph; leave out",
        ),
        (f"{ONE}y = x.exp()\nloss = y * 2\ny.add_(1)", "file.py: loss: one of the variables needed"),
    ],
)
def test_explain_says_in_one_line_what_is_wrong(
    code: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.py").write_text(code)
    path, argv = list(sys.path), sys.argv
    assert run("explain", "file.py") == 1
    assert one_line_of_error(capsys).startswith(f"minitorch explain: error: {says}")
    assert (sys.path, sys.argv) == (path, argv)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing", "nothing is neither a file nor an example (chain, shared,"),
        (".", ". is a folder; name a Python file"),
    ],
)
def test_explain_needs_a_file_or_an_example(name: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", name) == 1
    assert one_line_of_error(capsys).startswith(f"minitorch explain: error: {says}")


def test_a_lambda_is_told_in_its_own_words() -> None:
    lambdas = [lambda g, x: g * x, lambda g: [g * k for k in (1, 2)], (lambda n: lambda g: g * n)(2)]
    assert [lambda_body(f) for f in lambdas] == ["g * x", "[g * k for k in (1, 2)]", "g * n"]
    assert lambda_body(eval("lambda g: g")) == ""  # there is no file


def test_explain_on_a_terminal_without_greek() -> None:
    command = [sys.executable, "-m", "minitorch", "explain", "softmax"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"dL/dx = p * (g - <g, p>)" in done.stdout


def test_explain_into_a_closed_pipe() -> None:
    with subprocess.Popen([sys.executable, "-m", "minitorch", "explain", "mlp"], stdout=-1, stderr=-1) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


# ---- --compiled ----

STEP = "import minitorch\nx = minitorch.ones(3)\n"


@pytest.mark.parametrize("name", examples.COMPILED)
def test_an_example_is_shown_as_a_program(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = explained("--compiled", name, capsys=capsys)
    code = (Path(examples.__file__).parent / f"{name}.py").read_text()
    assert out.startswith(f"    {code[:40]}")
    titles = [
        "what was recorded",
        "the program, as it runs",
        "the same as mathematics",
        "what came of each kind of call",
        "time",
    ]
    assert re.findall("^==== (.*) ====$", out, re.M) == titles
    recorded, program, mathematics, came, time = re.split("^==== .* ====\n", out, flags=re.M)[1:]
    assert "\nlinear_2: float32[32, 16] = matmul(x, linear_1)\n" in recorded
    assert "\n    dot(x, linear_1, linear_2)\n" in program
    assert "\nlinear_2 = x @ model_0_weight.T + model_0_bias  " in mathematics
    assert re.match(r"\n1\. a program: \d+ instructions recorded", came)
    assert re.fullmatch(r"\na call: \d+ µs as it is, \d+ µs as a program \(medians\); ratio \d+\.\d\d\n", time)
    if shortcuts.enabled:  # (a plain program gathers an optimizer's states from all their names)
        assert all(len(line) <= 160 for line in out.splitlines())


def test_a_function_of_ones_own_is_shown_as_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(f"{STEP}k = 5\ndef double(x, *, by=2, k=2, **more): return x * by * k\n")
    out = explained("--compiled", str(tmp_path / "mine.py"), "--variable", "double", capsys=capsys)
    assert "def program(x_new):" in out and "\nresult = x * 2 * 5 " in out


@pytest.mark.parametrize(
    "step", ["minitorch.nn.Linear(3, 2)", "minitorch.compile(minitorch.nn.Linear(3, 2))"], ids=["Module", "compiled"]
)
def test_a_module_is_shown_as_two_programs(step: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(f"{STEP}input = x\nstep = {step}\n")
    out = explained("--compiled", str(tmp_path / "mine.py"), capsys=capsys)
    assert out.count("def program(") == 2 and out.count("# ---- backward ----") == 1
    assert "\na call, without backward: " in out


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1 / 0", "file.py, line 1: ZeroDivisionError: division by zero"),
        (STEP, "file.py leaves no function 'step'; name the one to compile with --variable"),
        ("step = 3", "file.py: step is of type int, expected a function or a Module"),
        ("def step(x, y, z=1): pass", "file.py: step takes x, y; give the file variables of these names"),
        (f"{STEP}def step(x): return x @ x[:2]", "file.py: step(x): RuntimeError: "),
        (
            f"{STEP}def step(x): return x.sum().item()",
            "file.py: step has no program: the step looks at a number of a tensor",
        ),
    ],
)
def test_explain_compiled_says_in_one_line_what_is_wrong(
    code: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file.py").write_text(code)
    assert run("explain", "--compiled", "file.py") == 1
    assert one_line_of_error(capsys).startswith(f"minitorch explain: error: {says}")


def test_an_example_of_the_other_kind_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "training") == 1
    assert one_line_of_error(capsys).endswith(
        "training is an example of --compiled: minitorch explain --compiled training\n"
    )
    assert run("explain", "--compiled", "trainin") == 1
    assert one_line_of_error(capsys).endswith("neither a file nor an example (training); did you mean training?\n")


# ---- one op ----


def test_each_op_is_explained() -> None:
    without = [
        name
        for name in sorted(minitorch.op.registry)
        if not (told := op_explained(name)).startswith(f"{name}(")
        or any(
            f"\n{title}" not in told for title in ("formula\n", "plot\n", "row in the reference table\n", "kernel twins\n")
        )
        or "minitorch/" not in told.splitlines()[1]
    ]
    assert without == []


def test_an_op_on_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    out = explained("gelu", capsys=capsys)
    for part in (
        "gelu(input: 'Tensor', *, approximate: 'str' = 'none') -> 'Tensor'",
        "x · Φ(x), Φ the normal distribution function",
        "∂L/∂x = g · (Φ(x) + x φ(x))",
        "for x: the tensor x; and approximate",
        'layer("gelu", (), approximate=of("none", "tanh"))',
        "cpu: backward in minitorch/kernels/cpu/gelu.py:",
    ):
        assert part in out, part


def test_an_op_with_an_examples_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert explained("minitorch.softmax", capsys=capsys).startswith("softmax(input: 'Tensor', dim: 'int'")
    assert explained("softmax", capsys=capsys).startswith('    """Softmax and the logarithm')


def test_the_plot_is_the_function_and_its_derivative() -> None:
    xs = [-4 + k / 8 for k in range(65)]
    lines = drawn([x * x / 4 for x in xs], [x / 2 for x in xs]).splitlines()
    assert lines[0].split()[0] == "4" and lines[12].split()[0] == "-2" and "@" in "".join(lines)
    assert [line[8:].ljust(65)[64] for line in lines[:13]].index("*") == 0
    assert [line[8:].ljust(65)[0] for line in lines[:13]].index("o") == 12
    assert [line.split()[0] for line in lines[:13] if "--" in line] == ["0"]  # the axis
    assert "none: it is no function of a single number" in op_explained("matmul")
    assert "none: it is no function of a single number" in op_explained("cumsum")
    assert "* the function" in op_explained("relu")


def test_an_op_without_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("minitorch.cli.one_op.ROOT", tmp_path)
    assert "the reference table is in the project's checkout" in op_explained("exp")


@pytest.mark.parametrize(
    "places",
    [{"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"LC_ALL": "C"}, {"PYTHONIOENCODING": "latin-1"}],
)
def test_an_op_under_any_locale(places: dict[str, str]) -> None:
    command = [sys.executable, "-m", "minitorch", "explain", "gelu"]
    done = subprocess.run(command, capture_output=True, env={**os.environ, **places})
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"x * " in done.stdout or b"x \xc2\xb7 " in done.stdout or b"x \xb7 " in done.stdout
    assert b"?" not in done.stdout


def test_formulas_in_plain_letters() -> None:
    assert "".join(map(plain, "∂L/∂x̂ = Σ x² ⟨g, σ⟩ / √n₁ − eˣ")) == "dL/dx = sum x^2 <g, sigma> / sqrtn_1 - e^x"
    code = "".join(path.read_text(encoding="utf-8") for path in (Path(minitorch.__file__).parent / "ops").glob("*.py"))
    assert {letter for letter in set(code) if not letter.isascii() and "?" in plain(letter)} == set()


def test_values_lines_and_names_of_functions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text(
        text("""
        import minitorch
        model = minitorch.nn.Sequential(minitorch.nn.Linear(2, 1, bias=False))

        def cost(x):
            scores = model(x)
            doubled = scores * 2
            return doubled.sum()

        loss = cost(minitorch.ones(1, 2))
        loss.register_hook(lambda g: g * 5)
        """)
    )
    out = explained(str(tmp_path / "mine.py"), capsys=capsys)
    assert "line  mine.py:6: doubled = scores * 2\n" in out
    assert re.search(r"\n +doubled = \[\[[-\d.]+\]\]\n", out)
    assert "g of scores, shape (1, 1)" in out and "of model.0.weight" in out
    assert re.search(r"hooks  <lambda>, line 10: hook of the tensor, .*: 1\s+became 5\n", out)


def test_kernels_made_of_an_op(capsys: pytest.CaptureFixture) -> None:
    assert main(["explain", "gelu", "--cuda"]) == 0
    out = capsys.readouterr().out
    assert "KERNEL_OF_256 gelu_kernel(const float* x, float* out, int64 N)" in out and "// ∂gelu/∂x" in out
    assert main(["explain", "cumsum", "--cuda"]) == 0
    assert "no formula of each number by itself" in capsys.readouterr().out
    assert main(["explain", "gelo", "--cuda"]) == 1
    assert "gelu" in capsys.readouterr().err
    assert main(["explain", "--cuda"]) == 1 and "of an op" in capsys.readouterr().err
    assert "cuda: " not in explained("silu", capsys=capsys), "twins that nobody wrote are not listed"
