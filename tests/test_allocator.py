"""Memory that is freed stays with the process, so that the next array of its size needs no new pages."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import resource, numpy, minitorch

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def made_and_freed():
    a, b = numpy.ones(1 << 20, numpy.float32), numpy.ones(1 << 20, numpy.float32)

made_and_freed()
before = faults()
for _ in range(20):
    made_and_freed()
print(faults() - before)
"""
PAGES = 20 * 2 * (4 << 20) // 4096  # of the arrays that the loop makes


def faults(**environment: str) -> int:
    run = [sys.executable, "-c", PROGRAM]
    return int(subprocess.run(run, env={**os.environ, **environment}, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(sys.platform != "linux" or not hasattr(os, "confstr") or "glibc" not in str(os.confstr("CS_GNU_LIBC_VERSION")),
    reason="the thresholds are glibc's")  # fmt: skip
def test_freed_memory_is_used_again() -> None:
    assert faults() < PAGES // 20
    assert faults(MALLOC_MMAP_THRESHOLD_="1000000") > PAGES // 20, "what the user has set is not to be changed"
