"""minitorch: reverse-mode autograd from scratch, with PyTorch's names, defaults and numbers, on NumPy arrays.

Read in this order: `op/` (what an op is), `autograd/node.py` and `engine.py` (the graph, the walk), `ops/elementwise.py` (the derivatives),
`tensor/tensor.py`, `nn/modules/linear.py`, `optim/sgd.py`.
"""

import typing as _typing

from .rooms import names_of as _names_of
from .rooms import when_used as _when_used

with _when_used(__name__):
    from . import (
        accelerator,
        amp,
        ao,
        backends,
        compiler,
        cpu,
        cuda,
        datasets,
        distributed,
        func,
        hub,
        jit,
        lightning,
        linalg,
        mps,
        multiprocessing,
        nn,
        onnx,
        optim,
        quantization,
        serialization,
        utils,
        vision,
        viz,
        xpu,
    )
    from .amp.autocast_mode import (
        autocast,
        autocast_decrement_nesting,
        autocast_increment_nesting,
        clear_autocast_cache,
        get_autocast_cpu_dtype,
        get_autocast_dtype,
        get_autocast_gpu_dtype,
        is_autocast_cache_enabled,
        is_autocast_cpu_enabled,
        is_autocast_enabled,
        set_autocast_cache_enabled,
        set_autocast_cpu_dtype,
        set_autocast_cpu_enabled,
        set_autocast_dtype,
        set_autocast_enabled,
        set_autocast_gpu_dtype,
    )
    from .backends.process import (
        are_deterministic_algorithms_enabled,
        get_deterministic_debug_mode,
        get_num_interop_threads,
        is_deterministic_algorithms_warn_only_enabled,
        is_warn_always_enabled,
        set_deterministic_debug_mode,
        set_flush_denormal,
        set_num_interop_threads,
        set_warn_always,
        use_deterministic_algorithms,
    )
    from .compiler import compile
    from .func import vmap
    from .nn.functional import celu_, rrelu_, selu_, threshold_
    from .serialization import load, save
    from .utils.names import typename

from . import autograd, ops, random, version
from .arrays.allocator import keep_freed_memory as _keep_freed_memory
from .arrays.blas import get_float32_matmul_precision, set_float32_matmul_precision
from .arrays.device import device, get_default_device, set_default_device
from .arrays.dtypes import (
    bfloat16,
    can_cast,
    double,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    qint8,
    qint32,
    quint8,
    set_default_dtype,
    short,
    uint8,
)
from .arrays.dtypes import bool_ as bool
from .arrays.dtypes import float_ as float
from .arrays.dtypes import int_ as int
from .arrays.gpu_memory import OutOfMemoryError
from .arrays.layout import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from .arrays.quantized import qscheme
from .autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled, set_anomaly_enabled
from .autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .op import registry as _registry
from .ops.about import detach, get_device, is_distributed, is_nonzero, is_same_size, is_signed, is_tensor, result_type
from .ops.by_number import BY_NUMBER as _by_number
from .ops.real import imag, is_conj, is_neg
from .ops.removed import eig, lstsq, matrix_rank, solve, symeig
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .tensor import Size, Tensor
from .tensor.by_memory import *
from .tensor.creation import *
from .tensor.functions import FUNCTIONS as _functions_in_place
from .tensor.legacy import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    set_default_tensor_type,
)
from .tensor.printing import set_printoptions
from .tensor.quantizing import *
from .tensor.random import (
    bernoulli,
    binomial,
    multinomial,
    normal,
    poisson,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .tensor.storage import TypedStorage, UntypedStorage, is_storage
from .tensor.windows import *

_keep_freed_memory()

# Every public op and composite function, under torch's name: `minitorch.exp`, `minitorch.softmax`, …
globals().update({_name: _thing for _name, _thing in _registry.items() if _name not in globals()})
globals().update(_by_number)  # `minitorch.kl_div`: losses whose reduction is a number here
globals().update(_functions_in_place)  # `minitorch.exp_`: the methods as functions

if _typing.TYPE_CHECKING:  # type checkers and editors know the ops by a stub that `python -m reference stubs` writes
    from ._functions import *

# torch's second names for some of them.
_second_names = """absolute abs, negative neg, multiply mul, subtract sub, divide div, clip clamp, arcsin asin, arccos acos,
arctan atan, arctan2 atan2, arcsinh asinh, arccosh acosh, arctanh atanh, fix trunc, greater gt, greater_equal ge, less lt,
less_equal le, not_equal ne"""
globals().update({_second: _registry[_first] for _second, _first in map(str.split, _second_names.split(","))})

from math import e, inf, nan, pi

from .kernels import cpu as _cpu  # after the ops: its twins stand in for them
from .kernels.cpu.blocks import get_num_threads, set_num_threads
from .version import __version__

newaxis = None

if not _typing.TYPE_CHECKING:
    __all__ = _names_of(__name__)
