"""Nothing public goes unchecked: ops have rows; public things have docstrings and torch's names and defaults."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import minitorch
from minitorch.op import Op, registry
from reference import optimizers
from reference.table import table

PLACES = ("", "nn.functional", "Tensor", "special", "linalg")
MODULES = ("nn", "optim", "optim.lr_scheduler", "optim.swa_utils", "nn.functional", "nn.init", "nn.utils",
           "nn.utils.parametrize", "nn.utils.parametrizations", "autograd", "autograd.functional",
           "autograd.graph", "func", "linalg", "random", "utils.checkpoint", "utils.data", "amp", "amp.autocast_mode",
           "amp.grad_scaler", "cpu.amp", "cuda.amp")  # fmt: skip
# torch makes these with metaclasses or in C++; the default generator of random_split is each library's own; a checkpoint takes
# preserve_rng_state out of its **kwargs
NO_SIGNATURE = {
    "Parameter", "Buffer", "no_grad", "enable_grad", "Tensor", "random_split",
    "checkpoint", "checkpoint_sequential",
}  # fmt: skip


def test_every_op_has_a_row() -> None:
    assert set(registry) - {name for row in table() for name in row.covers.split()} == set()


def test_every_optimizer_has_a_row() -> None:
    offered = {n: getattr(minitorch.optim, n) for n in dir(minitorch.optim)}  # (some wait until they are looked for)
    classes = {n for n, c in offered.items() if isinstance(c, type) and issubclass(c, minitorch.optim.Optimizer)}
    assert classes - {"Optimizer", "LBFGS"} == {row.name for row in optimizers.ROWS}  # (LBFGS: test_lbfgs.py)


@pytest.mark.parametrize("name", sorted(registry))
def test_op_has_a_docstring_and_torchs_name(name: str) -> None:
    thing = registry[name]
    doc = thing.declaration.doc if isinstance(thing, Op) else thing.__doc__
    assert (doc or "").strip(), f"{name} has no docstring"
    has_torch = any(hasattr(reach(torch, place), name) for place in PLACES)
    alone = any(row.ours_alone for row in table() if name in row.covers.split())
    assert has_torch or alone, f"torch has no {name}: its row must say why, ours_alone="
    assert not (has_torch and alone), f"torch has {name}, but its row says ours_alone="


def reach(library: Any, path: str) -> Any:
    """`library.nn.functional` for "nn.functional"."""
    for part in filter(None, path.split(".")):
        library = getattr(library, part)
    return library


def exported() -> Iterator[Any]:
    """(path, our thing) for every public class and function of the modules."""
    for path in MODULES:
        for name, thing in vars(reach(minitorch, path)).items():
            public = not name.startswith("_") and hasattr(reach(torch, path), name)
            ours = callable(thing) and getattr(thing, "__module__", "").startswith("minitorch.")
            if public and ours and not isinstance(thing, Op):
                yield pytest.param(path, name, id=f"{path}.{name}")


def printed(default: object) -> str:
    """How a default prints; a function by its name alone."""
    return getattr(default, "__name__", str(default).replace("minitorch.", "torch."))


@pytest.mark.parametrize(("path", "name"), list(exported()))
def test_docstring_and_arguments_are_torchs(path: str, name: str) -> None:
    ours, theirs = getattr(reach(minitorch, path), name), getattr(reach(torch, path), name)
    assert (ours.__doc__ or "").strip(), f"{path}.{name} has no docstring"
    mine, their = parameters(ours), parameters(theirs)
    if name in NO_SIGNATURE or not their or not mine:
        return
    assert [n for n in their if n in mine] == list(mine), f"{path}.{name}{tuple(mine)}, torch's {tuple(their)}"
    for n, parameter in mine.items():
        # torch marks a learning rate that may be a Tensor, and some flags, in ways that compare equal or print alike
        same = parameter.default == their[n].default or printed(parameter.default) == printed(their[n].default)
        assert same, f"{path}.{name}: {n} defaults to {parameter.default!r}, torch's to {their[n].default!r}"


def parameters(thing: Any) -> dict[str, inspect.Parameter]:
    """The named parameters of a function or constructor; none where Python cannot tell."""
    try:
        found = inspect.signature(thing.__init__ if isinstance(thing, type) else thing).parameters
    except (TypeError, ValueError):
        return {}
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {n: p for n, p in found.items() if n != "self" and p.kind not in variable}


@pytest.mark.parametrize(("place", "methods"), [("", minitorch.Tensor), ("nn.functional", minitorch.nn.functional)])
def test_what_writes_in_place_is_a_function_where_torch_has_one(place: str, methods: Any) -> None:
    """`torch.exp_`, where the method is there; `F.elu_`, where `F.elu` is."""
    theirs = [n for n in dir(reach(torch, place)) if n.endswith("_") and not n.startswith("_")]
    there = [n for n in theirs if hasattr(methods, n if place == "" else n.rstrip("_"))]
    assert len(there) > 5
    assert [n for n in there if not callable(getattr(reach(minitorch, place), n, None))] == []


# Functions that are torch's own in C: those that it writes in Python take everything by position.
NAMES_OF_C = {
    n for n in dir(torch) if hasattr(torch.ops.aten, n) and not inspect.isfunction(getattr(torch, n)) and n != "kl_div"
}
OPS = [name for name in sorted(registry) if isinstance(registry[name], Op)]


@pytest.mark.parametrize("name", OPS)
def test_parameters_of_an_op_have_torchs_names(name: str) -> None:
    mine = [n for n in inspect.signature(registry[name]).parameters if n != "out"]
    theirs = list(overloads(name))
    assert not theirs or any(set(mine) <= set(names) for names in theirs), f"{name}({', '.join(mine)}), torch's {theirs}"


def overloads(name: str) -> Iterator[list[str]]:
    """The names of the parameters in each of torch's forms of a function."""
    packet = getattr(torch.ops.aten, name, None)
    for form in packet.overloads() if packet else ():
        arguments = getattr(packet, form)._schema.arguments
        yield ["input" if a.name == "self" else a.name for a in arguments]
    for place in PLACES:
        thing = getattr(reach(torch, place), name, None)
        if inspect.isfunction(thing):
            yield list(inspect.signature(thing).parameters)


@pytest.mark.parametrize("name", sorted(n for n in registry if n in NAMES_OF_C))
def test_what_torch_takes_by_keyword_only_is_so_here(name: str) -> None:
    for place, thing in (("", registry[name]), ("Tensor", getattr(minitorch.Tensor, name, None))):
        if not (callable(thing) and hasattr(reach(torch, place), name)):
            continue
        forms = [{f"{a.name}": a.kwarg_only for a in form} for form in schemas(name)]
        for parameter in inspect.signature(thing).parameters.values():
            only = [form[parameter.name] for form in forms if parameter.name in form]
            here = parameter.kind is parameter.KEYWORD_ONLY
            assert not (only and all(only)) or here, f"{place} {name}: torch takes {parameter.name} by keyword only"


def schemas(name: str) -> list[Any]:
    """The arguments of each of torch's forms that Python sees."""
    packet = getattr(torch.ops.aten, name)
    forms = [getattr(packet, form)._schema.arguments for form in packet.overloads() if not form.endswith("out")]
    return [form for form in forms if not any(a.name in ("out", "names") for a in form)]


# ---- torch has no public name in these places that is not here, but for some that are listed ----

NOT_HERE = {
    "nn": {},
    "nn.functional": {
        "what that file keeps for itself": """BroadcastingList1 BroadcastingList2 BroadcastingList3
            GRID_SAMPLE_INTERPOLATION_MODES GRID_SAMPLE_PADDING_MODES assert_int_or_pair boolean_dispatch handle_torch_function
            has_torch_function has_torch_function_unary has_torch_function_variadic reproducibility_notes sparse_support_notes
            tf32_notes Tensor""",
        "products of tensors of 8 bits, or of ragged groups, for GPUs alone": """ScalingType SwizzleType grouped_mm scaled_grouped_mm
            scaled_mm""",
    },
    "nn.init": {},
    "linalg": {
        "what that file keeps for itself": "common_notes",
        "symmetric matrices that are not positive-definite, in a form of LAPACK's own": "ldl_factor ldl_factor_ex ldl_solve",
    },
    "nn.parameter": {},
    "nn.utils": {},
    "nn.utils.rnn": {"what that file keeps for itself": "bind copy_method_params"},
    "optim": {"there are no sparse tensors": "SparseAdam", "for torch's exporter": "swap_in_optimizer_params_and_state"},
    "optim.lr_scheduler": {"what that file keeps for itself": "EPOCH_DEPRECATION_WARNING Optimizer Tensor inf"},
    "optim.swa_utils": {},
}


@pytest.mark.parametrize("place", NOT_HERE)
def test_every_public_name_is_here_or_said_not_to_be(place: str) -> None:
    theirs, ours = reach(torch, place), reach(minitorch, place)
    own = {n for n, thing in vars(theirs).items() if n[0] != "_" and n != "TYPE_CHECKING" and is_torchs_own(thing)}
    missing = {name for name in own if not hasattr(ours, name)}
    assert missing == {name for names in NOT_HERE[place].values() for name in names.split()}


def is_torchs_own(thing: Any) -> bool:
    """Whether it is no module, and nothing that a file has imported from elsewhere."""
    return not inspect.ismodule(thing) and getattr(thing, "__module__", "torch").startswith("torch")
