"""Matrix products on a GPU, without one: what `minitorch/arrays/blas.py` tells cuBLAS, on a stand-in that computes what it is told.

The rows of the table run through it too (tests/test_device.py); here are the layouts, dtypes and the precision.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import minitorch
from reference.drawn import Drawn
from reference.strategies import floats
from reference.strict_cupy import cublas, cupy, standing_in

HALF = {"float16": 2**-11, "bfloat16": 2**-8}  # half a unit in the last place, relative
DTYPES = ["float64", "float32", *HALF]


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    before = minitorch.get_float32_matmul_precision()
    with standing_in():
        yield
    minitorch.set_float32_matmul_precision(before)


# ---- numbers, in any layout ----

SHAPES = ["N K, K M", "B N K, B K M", "N K, B K M", "B N K, K M", "A B N K, A B K M", "A 1 N K, B K M", "1 N K, B K M",
          "A B N K, 1 B K M", "K, K", "K, K M", "N K, K", "B N K, K", "K, A B K M"]  # fmt: skip


def turned(draw: Any, x: np.ndarray) -> Any:
    """The numbers on the stand-in for a GPU: as drawn, by columns, or the batch innermost."""
    there = cupy.asarray(x)
    order = draw(st.permutations(range(x.ndim)))
    back = [order.index(d) for d in range(x.ndim)]
    return cupy.ascontiguousarray(there.transpose(order)).transpose(back)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shapes", SHAPES)
@given(data=st.data())
def test_products_in_every_layout(shapes: str, dtype: str, data: Any) -> None:
    source = Drawn(data.draw)
    numpy_dtype = getattr(minitorch, dtype).numpy
    a, b = (floats(shape)(source, {}).astype(numpy_dtype) for shape in shapes.split(", "))
    have = minitorch.arrays.blas.matmul(cupy, turned(data.draw, a), turned(data.draw, b)).get()
    want = np.matmul(a.astype(np.float64), b.astype(np.float64))
    assert have.dtype == numpy_dtype and have.shape == want.shape
    scale = np.matmul(np.abs(a.astype(np.float64)), np.abs(b.astype(np.float64)))
    rounding = HALF.get(dtype, 0) * np.abs(want) + {"float64": 1e-15}.get(dtype, 1e-6) * scale
    assert (np.abs(have.astype(np.float64) - want) <= rounding + 1e-7).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4), (0, 4)])
def test_a_bias_is_added_before_rounding(shape: tuple[int, ...], dtype: str) -> None:
    rng, numpy_dtype = np.random.default_rng(0), getattr(minitorch, dtype).numpy
    x, weight, bias = (rng.standard_normal(s).astype(numpy_dtype) for s in (shape, (5, 4), 5))
    want = (x.astype("f8") @ weight.astype("f8").T + bias.astype("f8")).astype(numpy_dtype)
    here = minitorch.nn.functional.linear(*map(minitorch.from_numpy, (x, weight, bias)))
    there = minitorch.nn.functional.linear(*(minitorch.from_numpy(v).cuda() for v in (x, weight, bias))).cpu()
    for have in (here, there):
        assert have.dtype is getattr(minitorch, dtype) and have.shape == want.shape
        assert np.allclose(have.double().numpy(), want.astype("f8"), rtol=1e-6, atol=1e-6), (
            "half precision is equal: one rounding"
        )


def test_a_batch_of_rows_is_one_product() -> None:
    del cublas.calls[:]
    minitorch.nn.functional.linear(*(minitorch.ones(*s, device="cuda") for s in ((2, 3, 4), (5, 4), (5,))))
    assert cublas.calls == ["TN 5x6x4 batch 1 float32 compute 68"]


def test_transposed_operands_and_repeated_matrices_are_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = cupy.ones((6, 2, 3, 4), "float16"), cupy.ones((6, 2, 5, 4), "float16")
    monkeypatch.setattr(cupy.ndarray, "copy", lambda *_: pytest.fail("an operand is copied"), raising=False)
    del cublas.calls[:]
    minitorch.arrays.blas.matmul(cupy, a, b.swapaxes(2, 3))
    minitorch.arrays.blas.matmul(cupy, a[0, 0].T, a)
    minitorch.arrays.blas.matmul(cupy, a[:, :, :2, :3], a[:, :, :, :2])
    assert cublas.calls == [
        "TN 5x3x4 batch 12 float16 compute 68",
        "NT 4x4x3 batch 12 float16 compute 68",
        "NN 2x2x3 batch 12 float16 compute 68",
    ]


def test_operands_that_overlap_themselves_are_copied() -> None:
    x = np.arange(8, dtype="float32")
    for shape, strides in (((6, 3), (4, 4)), ((2, 5), (8, 4)), ((3, 8), (0, 4)), ((8, 3), (4, 0))):
        a, there = (xp.lib.stride_tricks.as_strided(xp.asarray(x), shape, strides) for xp in (np, cupy))
        assert minitorch.arrays.blas.matmul(cupy, there, there.T).tolist() == (a @ a.T).tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_gradients(dtype: str) -> None:
    for a, b in [((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (6, 4, 5)), ((4,), (4, 5)), ((3, 4), (4,))]:
        found = []
        for device in ("cpu", "cuda"):
            minitorch.manual_seed(0)
            made = [minitorch.randn(*s, dtype=getattr(minitorch, dtype)) for s in (a, b)]
            left, right = (x.to(device).requires_grad_() for x in made)
            (left @ right).sum().backward()
            found.append([x.grad.double().cpu().numpy() for x in (left, right)])
        for here, there in zip(*found):
            assert np.allclose(here, there, rtol=2 * HALF.get(dtype, 1e-6), atol=1e-6)


# ---- precision ----


def tf32_error(call: Callable[[Any, Any], Any], device: str) -> float:
    """How far the product is from the exact one, in units of 2⁻¹¹, which is what TF32 loses of a factor at most."""
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(1, 2, (2, 8, 8)).astype(np.float32) for _ in range(2))
    here, there = (minitorch.from_numpy(x).to(device) for x in (a, b))
    have, want = call(here, there), call(here.double(), there.double())
    return ((have.double() - want).abs() / want).max().item() * 2**11


CALLS = {
    "batched": lambda a, b: a @ b,
    "mm": lambda a, b: a[0] @ b[0],
    "transposed": lambda a, b: a.mT @ b.mT,
    "mv": lambda a, b: a[0] @ b[0, 0],
    "linear": lambda a, b: minitorch.nn.functional.linear(a, b[0]),
    "einsum": lambda a, b: minitorch.einsum("bij,bkj->bik", a, b),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_precision_reaches_cublas_and_nothing_changes_on_the_cpu(name: str) -> None:
    for precision, lossy in (("highest", False), ("high", True), ("medium", True)):
        minitorch.set_float32_matmul_precision(precision)
        assert tf32_error(CALLS[name], "cpu") < 0.01
        error = tf32_error(CALLS[name], "cuda")
        assert 0.02 < error < 2 if lossy else error < 0.01, (precision, error)


def test_float64_and_half_precision_do_not_heed_it() -> None:
    minitorch.set_float32_matmul_precision("high")
    for dtype, compute in (("float64", 70), ("float32", 77), ("float16", 68), ("bfloat16", 68)):
        x = minitorch.ones(2, 3, 3, dtype=getattr(minitorch, dtype), device="cuda")
        assert (x @ x).sum().item() == 54
        assert cublas.calls[-1] == f"NN 3x3x3 batch 2 {dtype} compute {compute}"


@pytest.mark.filterwarnings("ignore:.*not one of:UserWarning")
def test_the_setting_is_torchs() -> None:
    tried: list[list[Any]] = []
    for lib in (torch, minitorch):
        seen: list[Any] = [lib.get_float32_matmul_precision(), lib.backends.cuda.matmul.allow_tf32]

        def attempt(change: Callable[[Any], Any], lib: Any = lib, seen: list[Any] = seen) -> None:
            try:
                change(lib)
            except (RuntimeError, AttributeError) as error:
                seen.append((type(error), "" if isinstance(error, AttributeError) else str(error)))
            seen.append((lib.get_float32_matmul_precision(), lib.backends.cuda.matmul.allow_tf32))

        for value in ("high", "highest", "medium", "HIGH", "", 1, None, "highest"):
            attempt(lambda lib, value=value: lib.set_float32_matmul_precision(value))
        for value in (True, False, 1, None, True, False):
            attempt(lambda lib, value=value: setattr(lib.backends.cuda.matmul, "allow_tf32", value))
        attempt(lambda lib: lib.backends.cuda.matmul.allow_tf33)
        attempt(lambda lib: setattr(lib.backends.cuda.matmul, "allow_tf33", True))
        tried.append(seen)
    assert tried[0] == tried[1]


def test_an_unknown_precision_warns_and_changes_nothing() -> None:
    for lib in (torch, minitorch):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            lib.set_float32_matmul_precision("exact")
        assert lib is torch or "not one of 'highest', 'high' or 'medium'" in str(said[0].message)  # torch warns once
        assert lib.get_float32_matmul_precision() == "highest"


# ---- the stand-in refuses what cuBLAS would ----

A = cupy.ones((4, 4), "float32")


def product(**changes: Any) -> None:
    """A 4×4 product of A by A with some arguments changed."""
    one = np.ones(1, "float32")
    given = {"handle": cublas.HANDLE, "transa": 0, "transb": 0, "m": 4, "n": 4, "k": 4, "alpha": one.ctypes.data, "A": A.data.ptr,
             "Atype": 0, "lda": 4, "B": A.data.ptr, "Btype": 0, "ldb": 4, "beta": one.ctypes.data, "C": A.data.ptr, "Ctype": 0,
             "ldc": 4, "computeType": 68, "algo": -1}  # fmt: skip
    cublas.gemmEx(*(given | changes).values())


@pytest.mark.parametrize("changes", [{"lda": 3}, {"k": 5}, {"transa": 2}, {"Atype": 2}, {"computeType": 70}, {"handle": 0}, {"ldc": 5},
                                     {"m": 0}, {"computeType": 0}, {"A": 8}, {"algo": 99}, {"Atype": 1, "Btype": 1, "Ctype": 1}])  # fmt: skip
def test_what_cublas_refuses_the_stand_in_refuses(changes: dict[str, Any]) -> None:
    with pytest.raises(cublas.CUBLASError):
        product(**changes)
    with pytest.raises(TypeError, match="must be an integer"):
        product(m=np.int64(4))
    with pytest.raises(TypeError, match="takes exactly 19"):
        cublas.gemmEx(1, 2)


def test_alpha_and_beta_count() -> None:
    c, two = cupy.ones((4, 4), "float32"), np.full(1, 2, "float32")
    product(C=c.data.ptr, alpha=two.ctypes.data)
    assert c.get().tolist() == [[9.0] * 4] * 4


def test_signatures_are_those_of_the_installed_cupy() -> None:
    libs = pytest.importorskip(
        "cupy_backends.cuda.libs", reason="compares with CuPy's cuBLAS functions; CuPy is not installed"
    )
    (compiled,) = Path(libs.__file__).parent.glob("cublas.*.so")
    text = compiled.read_bytes()  # to import it takes libcublas
    for name, parameters in cublas.SIGNATURES.items():
        assert f"{name}({parameters})".encode() in text
