"""Work captured once and replayed as one launch: torch's `CUDAGraph`, `graph` and `make_graphed_callables`.

What is captured works on the memory it was captured with: copy new numbers into the same tensors, replay, read the results where they were
made. The mechanism is `arrays/capturing.py`. What changes from replay to replay without being in a tensor is computed by the host before each:
the place in the stream of random numbers, and the numbers of an optimizer's step. Read next: docs/gpu.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .. import cuda as streams
from ..amp.autocast_mode import is_autocast_cache_enabled, is_autocast_enabled
from ..arrays import capturing
from ..arrays.device import device, has_gpu, page_locked, replay
from ..arrays.warning import warn
from ..autograd import Function, grad
from ..autograd.function import once_differentiable
from ..nn.modules.module import Module
from ..tensor import Tensor
from ..utils.files import replacing

MODES = ("global", "thread_local", "relaxed")
C = TypeVar("C")


def is_current_stream_capturing() -> bool:
    """Whether the current stream captures; False where there is no GPU."""
    return has_gpu() and bool(device("cuda").xp.cuda.get_current_stream().is_capturing())


class PoolHandle:
    """Memory that graphs may share, if they are replayed in the order in which they were captured."""

    def __init__(self) -> None:
        self._made = capturing.new_pool(device("cuda").xp)


def graph_pool_handle() -> PoolHandle:
    """A new pool of memory, for `pool=` of several graphs."""
    return PoolHandle()


class CUDAGraph:
    """Work on a GPU that is captured once and then launched as a whole: `with minitorch.cuda.graph(g): …`, then `g.replay()`.

    keep_graph: the graph is finished by `instantiate`, or by the first replay. Random numbers go on from replay to replay, as without a
    graph; so do SGD, Adam and AdamW, whose `lr` and other options are read anew before each replay.
    """

    def __init__(self, keep_graph: bool = False) -> None:
        self._xp = device("cuda").xp
        self._capture: capturing.Capture | None = None
        self._pool: PoolHandle | None = None
        self._keeps, self._debugs = keep_graph, False

    def capture_begin(
        self, pool: PoolHandle | None = None, capture_error_mode: str = "global", check_input_liveness: bool = False
    ) -> None:
        """Let the current stream capture; `graph` does it for a block.

        capture_error_mode: taken, but it is always "relaxed": CuPy's pool asks CUDA for memory meanwhile. check_input_liveness: taken.
        """
        if capture_error_mode not in MODES:
            raise RuntimeError(
                f"Unknown capture error mode. Expected `global`, `thread_local`, or `relaxed`, got {capture_error_mode}"
            )
        if self._capture is not None:
            raise RuntimeError(
                "This CUDAGraph instance already owns a captured graph. To capture a new graph, create a new instance."
            )
        stream = self._xp.cuda.get_current_stream()
        if stream.ptr == 0:
            raise RuntimeError(
                "CUDA graphs must be captured on a non-default stream. (However, after capture, it's ok to replay them on the default "
                "stream.)"
            )
        self._pool = graph_pool_handle() if pool is None else pool
        capture = capturing.Capture(self._xp, self._pool._made, page_locked)
        capture.begin(stream)
        self._capture = capture

    def capture_end(self) -> None:
        """End the capture. An error in it that CUDA noticed is raised here, and the graph is as new."""
        if self._capture is None or capturing.now.capture is not self._capture:
            raise RuntimeError("Called CUDAGraph::capture_end without a capture under way in this thread.")
        try:
            self._capture.end()
        except BaseException:
            self._capture = None
            raise

    def instantiate(self) -> None:
        """Nothing: CuPy has finished the graph at the end of the capture."""
        self._captured("instantiate")

    def replay(self) -> None:
        """Launch what was captured, in the current stream."""
        replay(self._captured("replay"))

    def reset(self) -> None:
        """Let go of the graph. Its memory stays as long as a tensor is in it."""
        self._capture = self._pool = None

    def pool(self) -> PoolHandle:
        """The memory that the graph works in, for `pool=` of another."""
        self._captured("pool")
        assert self._pool is not None
        return self._pool

    def enable_debug_mode(self) -> None:
        """Let `debug_dump` write."""
        self._debugs = True

    def debug_dump(self, debug_path: str) -> None:
        """Write the graph's nodes to a file, as DOT, if `enable_debug_mode` was called."""
        graph = self._captured("debug_dump").graph
        if not self._debugs:
            warn("CUDA Graphs debug not enabled, Please call with [graph].enable_debug_mode()")
            return
        with replacing(debug_path) as file:
            file.write(graph.debug_dot_str().encode())

    def raw_cuda_graph(self) -> int:
        """CUDA's handle of the graph, with `keep_graph=True`."""
        if not self._keeps:
            raise RuntimeError(
                "You cannot access the raw cudaGraph_t instance unless CUDAGraph was initialized with keep_graph=true"
            )
        return self._captured("raw_cuda_graph").graph.graph

    def raw_cuda_graph_exec(self) -> int:
        """CUDA's handle of what is launched."""
        return self._captured("raw_cuda_graph_exec").graph.graphExec

    def _captured(self, asked: str) -> capturing.Capture:
        if self._capture is None or self._capture.graph is None:
            raise RuntimeError(f"Called CUDAGraph::{asked} without a preceding successful capture.")
        return self._capture


class graph:
    """`with graph(g):` the work of the block is captured into g, and does not run: results are there after `g.replay()`.

    Nothing in it may wait for the GPU (`item`, `cpu`, printing a tensor) or copy to it. Run the same work a few times before, in a stream
    of its own: kernels are compiled then, and optimizers make their state. pool: of `graph_pool_handle()` or `other_graph.pool()`. stream: to
    capture in; without one a stream that all such blocks share.
    """

    default_capture_stream: Any = None

    def __init__(
        self,
        cuda_graph: CUDAGraph,
        pool: PoolHandle | None = None,
        stream: Any = None,
        capture_error_mode: str = "global",
        enable_annotations: bool = False,
        check_input_liveness: bool = False,
    ) -> None:
        if stream is None and graph.default_capture_stream is None:
            graph.default_capture_stream = streams.Stream()
        self.cuda_graph, self.pool, self.capture_error_mode = cuda_graph, pool, capture_error_mode
        self.capture_stream = graph.default_capture_stream if stream is None else stream

    def __enter__(self) -> None:
        streams.synchronize()
        self.capture_stream.__enter__()
        try:
            self.cuda_graph.capture_begin(self.pool, self.capture_error_mode)
        except BaseException:
            self.capture_stream.__exit__(None, None, None)
            raise

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self.cuda_graph.capture_end()
        except Exception:
            if error is None:  # else the capture ended by what was wrong in the block, which tells more
                raise
        finally:
            if error is not None:
                self.cuda_graph.reset()
            self.capture_stream.__exit__(kind, error, trace)


# ---- parts of a network ----


def make_graphed_callables(
    callables: Any,
    sample_args: Any,
    num_warmup_iters: int = 3,
    allow_unused_input: bool = False,
    pool: PoolHandle | None = None,
) -> Any:
    """Functions or Modules whose forward, and backward, are one launch each: call them as before, in a loop that differentiates them.

    sample_args: a tuple of tensors on the GPU, for several callables a tuple of such tuples. Shapes, dtypes and `requires_grad` of later
    arguments must be those of the samples. Several callables must run in the order they are given in, for they share memory.
    A Module is changed: its forward replays as long as `training` is what it was, and the Module is returned. The results are overwritten
    by the next call. They cannot be differentiated twice. Gradients of parameters are copies (in torch they can be the graph's own memory).
    """
    if is_autocast_enabled("cuda") and is_autocast_cache_enabled():
        raise RuntimeError("make_graphed_callables does not support the autocast caching. Please set `cache_enabled=False`.")
    alone = not isinstance(callables, tuple)
    if alone:
        callables, sample_args = (callables,), (sample_args,)
    parts = [Part(function, args, allow_unused_input) for function, args in zip(callables, sample_args)]
    streams.synchronize()
    with streams.Stream():
        for part in parts:
            for _ in range(num_warmup_iters):
                part.run()
    streams.synchronize()
    pool = graph_pool_handle() if pool is None else pool
    # (In the order in which they will be replayed: what one leaves in the memory that they share, the next may overwrite.)
    for part in parts:
        part.capture_forward(pool)
    for part in reversed(parts):
        part.capture_backward(pool)
    graphed = tuple(part.graphed() for part in parts)
    return graphed[0] if alone else graphed


class Part:
    """One function, its graphs forward and backward, and the tensors they read and write."""

    def __init__(self, function: Callable, args: tuple, allow_unused: bool) -> None:
        self.function, self.args, self.allow_unused = function, args, allow_unused
        self.params: tuple = ()
        if isinstance(function, Module):
            if function._backward_hooks or function._forward_hooks or function._forward_pre_hooks:
                raise AssertionError(
                    "Modules must not have hooks registered at the time they are passed. However, registering hooks on modules after "
                    "passing them through make_graphed_callables is allowed."
                )
            if any(buffer.requires_grad for buffer in function.buffers()):
                raise AssertionError(
                    "In any :class:`~torch.nn.Module` passed to :func:`~make_graphed_callables`, only parameters may be trainable. All "
                    "buffers must have ``requires_grad=False``."
                )
            self.params = tuple(function.parameters())
        self.given = tuple(leaves(args))
        if not all(isinstance(arg, Tensor) for arg in self.given):
            raise AssertionError(
                "In the beta API, sample_args for each callable must contain only Tensors. Other types are not allowed."
            )
        self.inputs = self.given + self.params
        self.wanted = tuple(t for t in self.inputs if t.requires_grad)

    def run(self) -> None:
        """Once as it stands, forward and backward."""
        outputs = [o for o in leaves(self.function(*self.args)) if o.requires_grad]
        if outputs:
            self._gradients(outputs, [o.detach().clone() for o in outputs])

    def _gradients(self, outputs: Any, upstream: Any) -> Any:
        return grad(outputs, self.wanted, upstream, allow_unused=self.allow_unused)

    def capture_forward(self, pool: PoolHandle) -> None:
        """The graph forward, and where its results lie."""
        self.forward = CUDAGraph()
        with graph(self.forward, pool):
            self.result = self.function(*self.args)
        self.outputs = tuple(leaves(self.result))

    def capture_backward(self, pool: PoolHandle) -> None:
        """The graph backward, where the gradients of the results are put before, and where those of the inputs lie after it."""
        self.upstream = [o.detach().clone() if o.requires_grad else None for o in self.outputs]
        alive = [o for o in self.outputs if o.requires_grad]
        self.backward, found = CUDAGraph(), iter(())
        if alive:
            with graph(self.backward, pool):
                found = iter(self._gradients(alive, [g for g in self.upstream if g is not None]))
        self.gradients = tuple(next(found, None) if t.requires_grad else None for t in self.inputs)

    def graphed(self) -> Any:
        """What replays in place of the function; a Module itself, with another forward."""
        part, count = self, len(self.given)

        class Graphed(Function):
            """Both replays, as one node."""

            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> Any:
                for fixed, new in zip(part.given, inputs):
                    put(fixed, new)
                part.forward.replay()
                return tuple(o.detach() for o in part.outputs)

            @staticmethod
            @once_differentiable
            def backward(ctx: Any, *grads: Any) -> Any:
                for fixed, new in zip(part.upstream, grads):
                    if fixed is not None:
                        put(fixed, new)
                part.backward.replay()
                kept = [None if g is None else g.detach() for g in part.gradients[:count]]
                return (*kept, *(None if g is None else g.detach().clone() for g in part.gradients[count:]))

        def run(*args: Any) -> Any:
            return with_leaves(self.result, iter(Graphed.apply(*leaves(args), *self.params)))

        if not isinstance(self.function, Module):
            return run
        module, training, plain = self.function, self.function.training, self.function.forward

        def forward(*args: Any, **kwargs: Any) -> Any:
            return run(*args, **kwargs) if module.training == training else plain(*args, **kwargs)

        module.forward = forward  # type: ignore[method-assign]
        return module


def put(fixed: Tensor, new: Tensor) -> None:
    """Copy numbers into a tensor of a graph, unless they are there already."""
    if fixed.data_ptr() != new.data_ptr():
        fixed.detach().copy_(new.detach())


def leaves(value: Any) -> list:
    """What is in tuples, lists and dicts."""
    if isinstance(value, (tuple, list)):
        return [leaf for each in value for leaf in leaves(each)]
    return leaves(list(value.values())) if isinstance(value, dict) else [value]


def with_leaves(value: C, new: Any) -> C:
    """The same tuples, lists and dicts with other leaves."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(with_leaves(each, new) for each in value))
    if isinstance(value, (tuple, list)):
        return type(value)(with_leaves(each, new) for each in value)  # type: ignore[call-arg, return-value]
    return {k: with_leaves(v, new) for k, v in value.items()} if isinstance(value, dict) else next(new)  # type: ignore[return-value]
