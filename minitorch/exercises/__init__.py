"""Exercises: small pieces of a framework to write oneself, each with a judge, hints and a solution.

An exercise is one file of `problems/`, named in TOPICS below. In it:

- the docstring: a title, and the task as the learner reads it;
- `HINTS`: up to three, from the gentlest to the plainest;
- the solution, a function or class with the exercise's name. Its head is what the learner's file begins with; a definition `start`
  beside it stands there instead, where there is something to mend;
- `inputs(s)`: what the arguments are drawn from, in the words of `reference/strategies.py`, which is given as `s`;
- `expected(...)`: the truth, by minitorch's own functions. Or `check(f, ...)`: None, or what is wrong, where there is no single truth;
- `wrong_…`: typical wrong answers. The docstring of each is what a learner is told who gave it;
- if need be `call(f, ...)`: how the answer is used; `RETURNS`: names of several results; `FORBIDDEN`: functions not to be called.

Read next: `exercise.py`, which reads such a file, and `reference/grading.py`, which judges an answer.
"""

from __future__ import annotations

from pathlib import Path

TOPICS: dict[str, tuple[str, ...]] = {
    "derivatives": (
        "sigmoid_grad",
        "tanh_grad",
        "softplus_grad",
        "gelu_grad",
        "undo_broadcasting",
        "finite_differences",
        "vjp_and_jvp",
    ),
    "the graph": (
        "topological_order",
        "backward_on_a_graph",
        "accumulate",
        "custom_function",
    ),
    "softmax and losses": (
        "softmax",
        "log_softmax",
        "logsumexp",
        "softmax_grad",
        "cross_entropy",
        "cross_entropy_grad",
        "bce_with_logits",
        "label_smoothing",
    ),
    "layers": (
        "linear_backward",
        "mlp_backward",
        "embedding_backward",
        "dropout",
        "conv2d",
        "conv2d_backward",
        "max_pool_backward",
        "lstm_cell",
        "init_std",
    ),
    "normalization": (
        "layer_norm",
        "layer_norm_backward",
        "batch_norm",
        "batch_norm_backward",
        "rms_norm",
    ),
    "optimizers": (
        "sgd_momentum",
        "adam",
        "adamw",
        "clip_grad_norm",
        "warmup_cosine",
    ),
    "attention and inference": (
        "attention",
        "causal_attention",
        "split_heads",
        "rope",
        "kv_cache",
        "int8_linear",
    ),
    "find the bug": (
        "bug_in_place",
        "bug_zero_grad",
        "bug_broadcast",
        "bug_softmax_twice",
        "bug_list_of_layers",
        "bug_eval",
        "bug_detach",
        "bug_rebound",
    ),
}

NAMES = tuple(name for names in TOPICS.values() for name in names)
FOLDER = Path(__file__).parent / "problems"
