"""What a program asks and sets before it trains: devices, switches, types by their old names, kinds of tensors, storages."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from functools import partial

import pytest
import torch

import minitorch
from both import Failure, Scenarios, agree, assert_runs_the_same

SCENARIOS = Scenarios()  # the same in all words
REFUSALS = Scenarios()  # the same kind of error
scenario, refusal = SCENARIOS.add, REFUSALS.add


def answer(call):
    """What a call returns, or the kind of error it ends with."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


# ---- devices ----


@scenario
def which_device_a_program_chooses(lib):
    chosen = []
    if lib.accelerator.is_available():
        chosen.append(lib.accelerator.current_accelerator())
    chosen.append("cuda" if lib.cuda.is_available() else "mps" if lib.backends.mps.is_available() else "cpu")
    return [str(lib.device(chosen[-1])), len(chosen), lib.xpu.is_available(), lib.mps.is_available(), lib.cpu.is_available()]


@scenario
def an_accelerator_that_is_not_there(lib):
    a = lib.accelerator
    names = (
        "current_device_index",
        "current_device_idx",
        "synchronize",
        "current_stream",
        "empty_cache",
        "memory_allocated",
    )
    with a.device_index(None):
        found = [a.device_count(), a.current_accelerator(), a.current_accelerator(check_available=True)]
    return [*found, *(answer(getattr(a, name)) for name in names), answer(lambda: a.set_device_index(0))]


@scenario
def devices_that_are_none_here(lib):
    mps = [answer(getattr(lib.mps, name)) for name in ("synchronize", "empty_cache", "seed", "current_allocated_memory")]
    xpu = [answer(getattr(lib.xpu, name)) for name in ("synchronize", "empty_cache", "current_device")]
    counts = lib.mps.device_count(), lib.xpu.device_count(), lib.mps.manual_seed(1), lib.xpu.manual_seed_all(1)
    built = lib.backends.mps.is_built(), answer(lambda: lib.backends.mps.is_macos_or_newer(14, 0))
    return [*mps, *xpu, counts, built, lib.backends.cuda.is_built(), lib.version.cuda, lib.version.hip]


@scenario
def the_cpu_asked_as_a_gpu_is(lib):
    with lib.cpu.stream(lib.cpu.current_stream()):
        lib.cpu.synchronize()
        lib.cpu.set_device(0)
    return [lib.cpu.device_count(), lib.cpu.current_device(), lib.cpu.is_initialized()]


# ---- switches ----


@scenario
def switches_of_cudnn(lib):
    cudnn = lib.backends.cudnn
    found = [cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32, cudnn.is_available(), cudnn.version()]
    cudnn.benchmark = cudnn.deterministic = True
    with cudnn.flags(enabled=True, benchmark=False):
        found += [cudnn.enabled, cudnn.benchmark, cudnn.deterministic]
    found += [cudnn.benchmark, cudnn.deterministic]
    cudnn.benchmark = cudnn.deterministic = False
    return [*found, cudnn.is_acceptable(lib.ones(1)), list(inspect.signature(cudnn.flags).parameters)[:3]]


@pytest.mark.parametrize("name", ["enabled", "benchmark", "deterministic", "allow_tf32"])
@pytest.mark.parametrize("value", [1, "yes", None])
def test_a_switch_of_cudnn_takes_bools_only(name: str, value: object) -> None:
    assert_runs_the_same(lambda lib: setattr(lib.backends.cudnn, name, value))


@scenario
def switches_of_other_libraries(lib):
    mkldnn, cuda = lib.backends.mkldnn, lib.backends.cuda
    found = [mkldnn.enabled, mkldnn.deterministic, cuda.flash_sdp_enabled(), cuda.math_sdp_enabled()]
    cuda.enable_flash_sdp(False)
    found.append(cuda.flash_sdp_enabled())
    cuda.enable_flash_sdp(True)
    return [*found, answer(lambda: setattr(mkldnn, "enabled", 1)), answer(lambda: cuda.enable_math_sdp(1))]


@contextlib.contextmanager
def deterministic(lib, **options):
    lib.use_deterministic_algorithms(True, **options)
    try:
        yield
    finally:
        lib.use_deterministic_algorithms(False)


@scenario
def deterministic_algorithms(lib):
    asked = (
        lib.are_deterministic_algorithms_enabled,
        lib.is_deterministic_algorithms_warn_only_enabled,
        lib.get_deterministic_debug_mode,
    )
    found = [[ask() for ask in asked]]
    with deterministic(lib):
        found.append([ask() for ask in asked])
    with deterministic(lib, warn_only=True):
        found.append([ask() for ask in asked])
    for mode in ("warn", 2, "error", True, 0):
        lib.set_deterministic_debug_mode(mode)
        found.append([ask() for ask in asked])
    return found


@pytest.mark.parametrize("mode", [3, -1, "loud", 1.5, None])
def test_modes_that_are_none(mode: object) -> None:
    assert_runs_the_same(lambda lib: lib.set_deterministic_debug_mode(mode))


@refusal
def deterministic_algorithms_by_a_number(lib):
    lib.use_deterministic_algorithms(1)


@refusal
def deterministic_algorithms_that_warn_by_position(lib):
    lib.use_deterministic_algorithms(True, True)


@scenario
def new_memory_is_filled_in_deterministic_mode(lib):
    x = lib.ones(2, 3)
    with deterministic(lib):
        floats = [lib.empty(3), lib.empty_like(x), x.new_empty(2), lib.FloatTensor(2), lib.ones(1).resize_(4)]
        whole = [lib.empty(2, dtype=d) for d in (lib.int64, lib.uint8, lib.bool, lib.int16)]
    return [[t.isnan() for t in floats], whole]


@scenario
def what_has_no_one_answer_in_deterministic_mode(lib):
    def put(accumulate=False):
        return lib.zeros(3).put_(lib.tensor([0, 0]), lib.ones(2), accumulate=accumulate)

    with deterministic(lib):
        found = [answer(put), put(accumulate=True), answer(lambda: lib.ones(2).put(lib.tensor([0]), lib.ones(1)))]
    with warnings.catch_warnings(record=True) as caught, deterministic(lib, warn_only=True):
        warnings.simplefilter("always")
        found.append(put())
    return [*found, len(caught), str(caught[0].message)[:50]]


@scenario
def denormal_numbers(lib):
    tiny, found = 1e-310, []
    for mode in (True, False):
        found.append(lib.set_flush_denormal(mode))
        found.append((lib.tensor([tiny], dtype=lib.float64) * lib.ones(1, dtype=lib.float64) > 0).tolist())
    return [*found, answer(lambda: lib.set_flush_denormal(1))]


@scenario
def threads_and_warnings(lib):
    before = lib.get_num_threads()
    lib.set_num_threads(3)
    found = [lib.get_num_threads(), lib.get_num_interop_threads() > 0, lib.is_warn_always_enabled()]
    lib.set_num_threads(before)
    lib.set_warn_always(True)
    found.append(lib.is_warn_always_enabled())
    lib.set_warn_always(False)
    wrong = (
        lambda: lib.set_num_interop_threads(0),
        lambda: lib.set_num_interop_threads(1.5),
        lambda: lib.set_warn_always(1),
    )
    return [*found, *map(answer, wrong)]


def test_the_number_of_interop_threads_is_set_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minitorch.backends.process, "_interop_threads", None)
    minitorch.set_num_interop_threads(3)
    assert minitorch.get_num_interop_threads() == 3
    with pytest.raises(RuntimeError, match="cannot set number of interop threads after"):
        minitorch.set_num_interop_threads(3)


@scenario
def anomaly_mode_by_a_call(lib):
    lib.set_anomaly_enabled(True)
    found = [lib.is_anomaly_enabled()]
    lib.set_anomaly_enabled(False)
    return [*found, lib.is_anomaly_enabled(), answer(lambda: lib.set_anomaly_enabled(1))]


# ---- types by their old names ----


def named(lib, text):
    return text.replace("torch", lib.__name__)


@scenario
def default_tensor_types(lib):
    found = []
    for kind in (lib.DoubleTensor, "torch.HalfTensor", "torch.FloatTensor"):
        lib.set_default_tensor_type(named(lib, kind) if isinstance(kind, str) else kind)
        found.append((str(lib.get_default_dtype()), lib.tensor([1.0])))
    wrong = (
        lib.LongTensor,
        "torch.LongTensor",
        "FloatTensor",
        lib.float64,
        lib.Tensor,
        3,
        "torch.cuda.FloatTensor",
        lib.cuda.FloatTensor,
    )
    return [*found, *(answer(lambda kind=kind: lib.set_default_tensor_type(kind)) for kind in wrong)]


@scenario
def types_of_tensors_by_name(lib):
    x = lib.tensor([1.5, 2.0])
    kinds = ("Float", "Double", "Half", "BFloat16", "Byte", "Char", "Short", "Int", "Long", "Bool")
    found = [x.type(named(lib, f"torch.{kind}Tensor")) for kind in kinds]
    classes = [getattr(lib, f"{kind}Tensor") for kind in kinds]
    same = [x.type(kind).type() for kind in classes], [x.type_as(kind([1])).type() for kind in classes]
    are = [isinstance(x, kind) for kind in classes], isinstance(x, lib.cuda.FloatTensor)
    return [found, same, are, str(classes), str(lib.cuda.FloatTensor), lib.cuda.LongTensor.is_cuda, lib.LongTensor.is_cuda]


@scenario
def types_of_tensors_that_are_none(lib):
    x = lib.ones(2)
    wrong = ("foo", "FloatTensor", 3, "torch.cuda.FloatTensor", lib.cuda.FloatTensor, int)
    return [answer(lambda kind=kind: x.type(kind)) for kind in wrong] + [answer(lambda: lib.cuda.FloatTensor(2, 3))]


@scenario
def names_of_types(lib):
    x, cls = lib.ones(2), lib.nn.Linear
    things = (
        x,
        lib.nn.Parameter(x),
        x.long(),
        "a",
        3,
        None,
        [1],
        cls,
        cls(1, 1),
        lib,
        lib.FloatTensor,
        lib.float32,
        lib.Tensor,
    )
    more = lib.device("cpu"), lib.Size([1]), lib.optim.SGD, lib.cuda.FloatTensor
    return [*map(lib.typename, things + more), str([type(x), type(x.dtype), type(x.device), type(x.shape)])]


@scenario
def the_old_way_with_variables(lib):
    x = lib.autograd.Variable(lib.FloatTensor([1.0, 2.0]), requires_grad=True)
    (x.type_as(lib.DoubleTensor([0.0])) * x.data.new([3.0, 4.0]).double()).sum().backward()
    return [x.grad, isinstance(x, lib.autograd.Variable), lib.is_tensor(x), x.volatile]


# ---- kinds of tensors ----

FLAGS = [
    "is_sparse",
    "is_sparse_csr",
    "is_quantized",
    "is_nested",
    "is_meta",
    "is_mkldnn",
    "is_mps",
    "is_xpu",
    "is_xla",
    "is_ipu",
    "is_maia",
    "is_mtia",
    "is_vulkan",
    "name",
    "layout",
]


@scenario
def flags(lib):
    things = lib.ones(2, 3), lib.nn.Parameter(lib.ones(1)), lib.tensor(1)
    return [[str(getattr(x, flag)) for flag in FLAGS] for x in things] + [str(lib.strided), str(lib.layout)]


@pytest.mark.parametrize("flag", FLAGS)
def test_flags_cannot_be_set(flag: str) -> None:
    agree(lambda lib: setattr(lib.ones(1), flag, True))


@scenario
def questions_about_kinds(lib):
    x = lib.arange(6.0).reshape(2, 3)
    alike = [x.is_set_to(y) for y in (x, x[:], x.clone(), x.view(3, 2), x.T)]
    sizes = [x.is_same_size(y) for y in (x, x.T, lib.ones(2, 3, dtype=lib.int64))]
    flags = [
        x.is_conj(),
        x.is_neg(),
        x.is_distributed(),
        x.dense_dim(),
        x.sparse_dim(),
        x.is_pinned(),
        answer(x.is_coalesced),
    ]
    itself = [x.resolve_conj() is x, x.resolve_neg() is x]
    functions = [lib.is_signed(x), lib.get_device(x), lib.is_same_size(x, x), lib.is_distributed(x)]
    return [alike, sizes, flags, itself, functions, answer(x.pin_memory), answer(lambda: x.is_same_size(3))]


@scenario
def one_number_under_a_mask(lib):
    """An integer tensor beside the mask chooses a part; the number is read before, and must fit the dtype."""

    def written(dtype, value, *key):
        x = lib.zeros(2, 3).to(dtype)
        x[key] = value
        return x

    mask, first, x = lib.tensor([True, False, True]), lib.tensor(0), lib.ones(1, 1)
    x[first, lib.tensor([True])] = x
    values = [lib.tensor(float("inf")), lib.tensor(300), lib.tensor(2.5), lib.tensor([7])]
    kinds = [lib.int32, lib.uint8, lib.float32]
    return x, [answer(partial(written, kind, value, first, mask)) for kind in kinds for value in values]


@scenario
def index_add_of_bools(lib):
    """The sum of bools is whether any is true, however long the slices are."""
    short, long = lib.tensor([[True, False], [False, False]]), (lib.arange(72).reshape(2, 3, 2, 6) % 5) > 2
    at = lib.tensor([0, 0])
    return short.index_add(0, at, short), long.index_add(2, at, long), long.index_add(0, at, long.flip(0))


@scenario
def norms_of_cosine_similarity_in_their_own_dtypes(lib):
    """The least norm, 1e-8, is 0 in float16: 0 / 0 is nan there, also beside an operand that is wider."""
    nothing = {dtype: lib.zeros(2, dtype=dtype) for dtype in (lib.float16, lib.bfloat16, lib.float32, lib.int64)}
    one, among = lib.ones(2, dtype=lib.float64), lib.nn.functional.cosine_similarity
    pairs = [(x, y) for x in nothing.values() for y in (*nothing.values(), one) if x.is_floating_point()]
    return [among(x, y, dim=0).nan_to_num(-1) for x, y in pairs]  # (which no cosine of these is)


@scenario
def a_diagonal_that_is_taken_out(lib):
    """Its node goes by the name of the copy of a view."""
    return [f(lib.ones(2, 2, requires_grad=True)).grad_fn.name() for f in (lib.diag, lib.diagonal_copy)]


@scenario
def resize_what_shows_memory_several_times_or_in_steps(lib):
    """What there is of the memory behind the first element comes first, however often, or seldom, it was shown."""
    shown = [
        lib.arange(3).expand(3, 3),
        lib.arange(1).expand(2, 2),
        lib.arange(12)[::2],
        lib.arange(6).view(2, 3).t(),
        lib.arange(12)[2:4],
    ]
    return [(x.resize_(8 if n > 11 else 4).ravel()[:n].clone(), x.stride()) for x, n in zip(shown, [3, 1, 4, 4, 4])]


@scenario
def resize_as_it_was_once_said(lib):
    x = lib.arange(6.0).reshape(2, 3)
    return [x.resize(3, 2), x.resize_as(lib.ones(6)), answer(lambda: x.resize(7)), answer(lambda: x.reinforce(1))]


# ---- storages ----


@scenario
def storages(lib):
    x = lib.arange(6.0).reshape(2, 3)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        s, u = x[1:].storage(), x.untyped_storage()
    s[0] = 7
    sizes = [(k.size(), len(k), k.nbytes(), k.element_size(), k.is_cuda, k.is_pinned(), str(k.device)) for k in (s, u)]
    wrong = [answer(lambda i=i: s[i]) for i in (6, "a", slice(0, 2))]
    same = [s.data_ptr() == x.data_ptr(), u == x[1:].untyped_storage(), u == lib.ones(6).untyped_storage(), s.untyped() == u]
    kinds = [lib.is_storage(k) for k in (s, u, x, 3)], s.type(), s.pickle_storage_type(), str(s.dtype)
    return [sizes, wrong, same, kinds, s.tolist(), s[-1], u[3], u.tolist()[:8], x, repr(s), repr(u)]


@scenario
def a_storage_is_filled(lib):
    x = lib.arange(4)
    x[2:].untyped_storage().fill_(0)
    return [x]


def test_a_typed_storage_says_once_that_it_is_old() -> None:
    minitorch.arrays.warning._told.clear()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        minitorch.ones(1).storage()
        minitorch.ones(1).storage()
    assert [str(w.message)[:26] for w in caught] == ["TypedStorage is deprecated"]


# ---- all of them ----


@SCENARIOS.parametrize
def test_same_answers(scenario) -> None:
    told_once = [minitorch.arrays.warning._told.clear, lambda: torch.set_warn_always(False)]
    for reset in told_once:
        reset()
    theirs = agree(scenario)
    assert not isinstance(theirs, Failure), theirs


@REFUSALS.parametrize
def test_same_refusals(scenario) -> None:
    assert isinstance(agree(scenario), Failure)
