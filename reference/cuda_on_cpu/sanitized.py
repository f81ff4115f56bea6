"""One launch of a kernel under a sanitizer, in a process of its own: data races (thread), reads and writes out of bounds (address).

    report(source, name, blocks, threads, args, "thread")    "" if all is well, else what the sanitizer says

Read next: `cuda_on_cpu.h`, whose threads and barriers the sanitizer watches.
"""

from __future__ import annotations

import functools
import os
import struct
import subprocess

import numpy as np

from . import Table, built

# A program that reads a launch from its input: blocks, threads, and the arguments. Each comes as what it is (0 a number, 1 an
# array, 2 a table of addresses, 3 such a table that is an argument itself), its size and its bytes; a table's size is its number of arrays, of which each comes as an array.
MAIN = """
#include <stdio.h>
void* bytes(unsigned long long size) {
    void* memory = malloc(size);
    fread(memory, 1, size, stdin);
    return memory;
}
int main() {
    unsigned head[3];
    fread(head, 4, 3, stdin);
    std::vector<void*> args, arrays(head[2]);
    for (unsigned i = 0; i < head[2]; i++) {
        unsigned long long kind[2];
        fread(kind, 8, 2, stdin);
        if (kind[0] < 2) {
            arrays[i] = bytes(kind[1]);
        } else {
            void** table = static_cast<void**>(malloc(8 * kind[1]));
            for (unsigned k = 0; k < kind[1]; k++) {
                unsigned long long size;
                fread(&size, 8, 1, stdin);
                table[k] = size ? bytes(size) : nullptr;
            }
            arrays[i] = table;
        }
        args.push_back(kind[0] % 3 ? &arrays[i] : arrays[i]);
    }
    launch(NAME, head[0], head[1], args.data());
}
"""


def report(source: str, name: str, blocks: int, threads: int, args: tuple, sanitizer: str) -> str:
    """What the sanitizer says of the launch; every array lies in memory of just its size."""
    given = struct.pack("III", blocks, threads, len(args))
    for value in args:
        if isinstance(value, Table):
            parts = [b"" if a is None else a.tobytes() for a in value.arrays()]
            given += struct.pack("QQ", 3 if value.by_value else 2, len(parts)) + b"".join(
                struct.pack("Q", len(part)) + part for part in parts
            )
            continue
        data = np.asarray(getattr(value, "numbers", value)).tobytes()
        given += struct.pack("QQ", isinstance(value, np.ndarray), len(data)) + data
    program = built(source + MAIN.replace("NAME", name), f"-fsanitize={sanitizer}", "-g")
    # Without a fixed layout of memory, which not every machine allows to switch off, ThreadSanitizer may refuse to start.
    done = subprocess.run(["setarch", "-R", str(program)], input=given, capture_output=True, env={**os.environ, **QUIET})
    return "" if done.returncode == 0 else done.stderr.decode(errors="replace") or f"exit status {done.returncode}"


QUIET = {"TSAN_OPTIONS": "halt_on_error=1", "ASAN_OPTIONS": "detect_leaks=0"}


@functools.cache
def missing(sanitizer: str) -> str:
    """Why the sanitizer cannot be used here, or ""."""
    nothing = 'extern "C" void nothing(int) {}'
    try:
        return report(nothing, "nothing", 1, 1, (np.int32(0),), sanitizer)
    except (OSError, RuntimeError) as error:
        return str(error)
