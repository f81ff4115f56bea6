"""How much memory tensors hold on a GPU, the most they held, and what the pool keeps: torch's functions, counted by `arrays/gpu_memory.py`.

A size is that of the pool's blocks, multiples of 512 bytes, as torch's are. What others take of the GPU (cuBLAS, the driver) is not in it.
Where there is no GPU nothing is held: 0, and no statistics.
"""

from __future__ import annotations

from typing import Any

from ..arrays.device import as_device, device, has_gpu
from ..arrays.gpu_memory import Count, Meter, in_words, meter


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays hold on the GPU."""
    return _meter(device).bytes.current if has_gpu() else 0


def max_memory_allocated(device: Any = None) -> int:
    """The most bytes that arrays have held since the start, or since `reset_peak_memory_stats`."""
    return _meter(device).bytes.peak if has_gpu() else 0


def memory_reserved(device: Any = None) -> int:
    """Bytes that CuPy's memory pool has taken from the GPU, free ones included."""
    return _look(device).reserved.current if has_gpu() else 0


def max_memory_reserved(device: Any = None) -> int:
    """The most bytes that the pool has held. Asked when memory was given out, so that it may be low by what was free then."""
    return _look(device).reserved.peak if has_gpu() else 0


def reset_peak_memory_stats(device: Any = None) -> None:
    """From here on the peaks are counted anew: from what is held now."""
    for count in _counts(_look(device)).values():
        count.reset_peak()


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """From here on what came and went is counted anew."""
    found = _look(device)
    for count in _counts(found).values():
        count.reset_sums()
    found.out_of_memory = 0


def memory_stats(device: Any = None) -> dict[str, int]:
    """What is counted, by torch's names: of "allocated_bytes.all", "allocation.all" and "reserved_bytes.all" the current, peak, allocated
    and freed; "num_ooms". The names of torch's own pool (small and large blocks, segments) are not there, for there is none."""
    if not has_gpu():
        return {}
    found = _look(device)
    stats = {
        f"{name}.all.{what}": getattr(count, what)
        for name, count in _counts(found).items()
        for what in ("current", "peak", "allocated", "freed")
    }
    return dict(sorted({**stats, "num_ooms": found.out_of_memory}.items()))


def memory_stats_as_nested_dict(device: Any = None) -> dict[str, Any]:
    """The same as dictionaries in dictionaries: `["allocated_bytes"]["all"]["peak"]`."""
    nested: dict[str, Any] = {}
    for name, value in memory_stats(device).items():
        *path, last = name.split(".")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return nested


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """A table of it to print."""
    found = _look(device)
    rows = [("Allocated memory", found.bytes), ("Allocations", found.blocks), ("GPU reserved memory", found.reserved)]
    line = "|" + "=" * 75 + "|"
    head = f"| {'minitorch CUDA memory summary, device ID ' + str(_number(device)):<74}|"
    names = (
        f"| {'Metric':<22}|"
        + "|".join(f" {name:<11}" for name in ("Cur Usage", "Peak Usage", "Tot Alloc", "Tot Freed"))
        + "|"
    )
    written = [line, head, f"| {'CUDA OOMs: ' + str(found.out_of_memory):<74}|", line, names, line]
    for name, count in rows:
        numbers = [getattr(count, what) for what in ("current", "peak", "allocated", "freed")]
        shown = [str(n) if count is found.blocks else in_words(n) for n in numbers]
        written.append(f"| {name:<22}|" + "|".join(f" {text:<11}" for text in shown) + "|")
    return "\n".join([*written, line, ""])


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """(free, total) bytes of the GPU, as the driver counts them: the pool's free memory is not free to others."""
    _number(device)
    return _cupy().cuda.runtime.memGetInfo()


def empty_cache() -> None:
    """Give the pool's free memory back to the GPU; nothing happens where there is none."""
    from . import is_available

    if is_available():
        _cupy().get_default_memory_pool().free_all_blocks()


def _cupy() -> Any:
    return device("cuda").xp


def _number(spec: Any) -> int:
    """The number of the GPU that is meant, which must be the current one."""
    found = as_device("cuda" if spec is None else spec)
    if found.index is None:
        raise ValueError(f"Expected a cuda device, but got: {found}")
    return found.index


def _meter(spec: Any) -> Meter:
    return meter(_number(spec))


def _look(spec: Any) -> Meter:
    """The meter, with what the pool holds now."""
    found = _meter(spec)
    found.reserved.become(_cupy().get_default_memory_pool().total_bytes())
    return found


def _counts(found: Meter) -> dict[str, Count]:
    return {"allocated_bytes": found.bytes, "allocation": found.blocks, "reserved_bytes": found.reserved}
