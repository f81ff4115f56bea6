"""`pytest --device cuda` itself: which tests run, which are skipped, and the one line where there is no GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NO_CUPY = "sys.modules['cupy'] = None"
# What `import cupy` finds is the stand-in: the option takes it for a real GPU.
FOUND = "from reference.strict_cupy import cupy, cupyx; sys.modules.update(cupy=cupy, cupyx=cupyx)"


def run(prepare: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; {prepare}; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, "-n", "0", "-p", "no:cacheprovider", *arguments],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True,
    )  # fmt: skip


def test_without_a_gpu_one_line_and_an_exit_code() -> None:
    made = run(NO_CUPY, "--device", "cuda", "tests/test_cuda.py")
    said = (made.stdout + made.stderr).strip()
    assert made.returncode == 4 and "\n" not in said, said
    assert said.startswith("ERROR: --device cuda: ") and "pip install cupy-cuda13x" in said


def test_on_a_gpu_its_tests_run_and_no_others() -> None:
    wanted = ("-k", "test_copies_cross_devices or test_synchronizing_waits or test_default_dtype")
    made = run(FOUND, "--device", "cuda", "tests/test_cuda.py", "tests/test_tensor.py", *wanted)
    assert made.returncode == 0, made.stdout
    assert "1 passed, 1 skipped" in made.stdout and "deselected" in made.stdout
    assert "CuPy does not tell when the host waits" in made.stdout
