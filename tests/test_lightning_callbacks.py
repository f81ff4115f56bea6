"""Callbacks and loggers: the same trainings in real Lightning and in ours leave the same files, states and numbers."""

from __future__ import annotations

import inspect
import shutil
from pathlib import Path
from typing import Any

import callback_scenarios as scenarios
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planting import plant

pytestmark = pytest.mark.outside

# A few of each kind are compared by default; all of them with --full.
SOME = [
    "stop: patience", "stop: nan", "save: the two best", "save: a link", "save: steps and a metric", "save: go on",
    "rates: groups", "average: batch norm", "unfreeze: late", "a summary of depth 2", "csv", "board named",
]  # fmt: skip


@pytest.fixture(scope="module")
def real() -> Any:
    """Real Lightning; its import is most of what this file costs."""
    import logging

    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    import lightning.pytorch as L

    return L


def lab_of(library: str, real: Any, folder: Path) -> scenarios.Lab:
    if library == "lightning":
        import lightning.pytorch.utilities.model_summary  # noqa: F401
        import torch

        return scenarios.Lab(torch, real, real.callbacks, real.loggers, folder)
    import minitorch.lightning as L
    import minitorch.lightning.utilities.model_summary

    return scenarios.Lab(minitorch, L, L.callbacks, L.loggers, folder)


def difference(name: str | int, real: Any, folder: Path) -> str:
    """What the two give, if it is not the same."""
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    want = scenarios.result(lab_of("lightning", real, folder / f"theirs{number}"), name)
    have = scenarios.result(lab_of("minitorch", real, folder / f"ours{number}"), name)
    return "" if scenarios.same(have, want) else f"{name}\nours:   {have}\ntheirs: {want}"


@pytest.mark.filterwarnings("ignore")
def test_some_trainings(real: Any, tmp_path: Path) -> None:
    found = [difference(name, real, tmp_path / "all") for name in SOME]
    assert not any(found), "\n\n".join(filter(None, found))
    the_signatures(real)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", scenarios.SCENARIOS)
def test_a_training(name: str, real: Any, tmp_path: Path) -> None:
    assert not difference(name, real, tmp_path)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_trainings_drawn_at_random(real: Any, tmp_path: Path) -> None:
    found = [difference(seed, real, tmp_path / "all") for seed in range(60)]
    assert not any(found), "\n\n".join(filter(None, found))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("begins", ["lightning", "minitorch"])
def test_a_training_goes_on_in_the_other_library(begins: str, real: Any, tmp_path: Path) -> None:
    """From the same checkpoint, with its callbacks' states, both come to the same end."""
    folder = tmp_path / "checkpoints"
    path = scenarios.begun_by(lab_of(begins, real, tmp_path), folder)
    shutil.copytree(folder, tmp_path / "as it was")
    ends = []
    for library in ("lightning", "minitorch"):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "as it was", folder)
        ends.append(scenarios.ended_by(lab_of(library, real, tmp_path), folder, path))
    assert scenarios.same(*ends), ends


FAULTS = [
    ("callbacks.early_stopping", "EarlyStopping._evaluate_stopping_criteria", "current - self.min_delta", "current + self.min_delta", "stop: min_delta"),
    ("callbacks.early_stopping", "EarlyStopping._evaluate_stopping_criteria", "self.wait_count < self.patience", "self.wait_count <= self.patience", "stop: patience"),
    ("callbacks.model_checkpoint", "ModelCheckpoint._save_good", "(max if lowest else min)", "(min if lowest else max)", "save: the two best"),
    ("callbacks.model_checkpoint", "ModelCheckpoint.on_train_batch_end", "or self._validation_is_next(trainer)", "", "save: steps after validation"),
    ("callbacks.model_checkpoint", "ModelCheckpoint._save_newest", "self.save_top_k == 1 and", "", "save: all"),
    ("callbacks.checkpoint_names", "NamedFiles.free_name", "path != besides", "True", "save: the last under one name"),
    ("callbacks.lr_monitor", "LearningRateMonitor._log", "config.interval == interval", "True", "rates: by step"),
    ("callbacks.stochastic_weight_avg", "StochasticWeightAveraging._begin_to_measure", "loop.skip_backward = True", "pass", "average: batch norm"),
    ("callbacks.stochastic_weight_avg", "StochasticWeightAveraging.reset_batch_norm_and_save_state", "module.momentum = None", "pass", "average: batch norm"),
    ("callbacks.finetuning", "BackboneFinetuning.finetune_function", "epoch + 1", "epoch", "unfreeze: own rate"),
    ("loggers.csv_logs", "ExperimentWriter._write_anew", "[*rows, *self.metrics]", "self.metrics", "csv"),
    ("loggers.utilities", "next_version", "int(each[1]) + 1", "int(each[1])", "csv"),
    ("loggers.utilities", "FolderLogger.prefixed", "}-{", "}/{", "board named"),
    ("loggers.utilities", "flat", '/{key}', '.{key}', "board"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[1]}: {fault[2]}")
def test_a_fault_is_noticed(fault: tuple[str, ...], real: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *where, name = fault
    plant(monkeypatch, f"lightning.{where[0]}", *where[1:])
    assert difference(name, real, tmp_path)


# ---- settings in a file ----

SIMPLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(["on", "1e3", ".5", "- a", "a: b", "x #y", "~", "2020-01-01", "=", "0x1f", "a\x85b"])
)
NESTED = st.recursive(
    SIMPLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=6
)


@given(st.dictionaries(st.text(max_size=8), NESTED, max_size=4))
@settings(max_examples=50)
def test_yaml_is_read_as_what_was_written(params: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml")
    from minitorch.lightning.utilities.yaml import yaml_of

    assert yaml.safe_load(yaml_of(params)) == params


# ---- arguments ----

MISSING = {"StochasticWeightAveraging": {}, "ModelSummary": {"summarize_kwargs"}}


def the_signatures(real: Any) -> None:
    """Each callback and logger takes Lightning's arguments with their defaults."""
    import minitorch.lightning as ours

    for place in ("callbacks", "loggers"):
        there = getattr(ours, place)
        for name in there.__all__:
            have, want = (told(getattr(each, name)) for each in (there, getattr(real, place)))
            if name == "LambdaCallback":  # ours takes any hook, by name
                assert set(want) <= set(scenarios_hooks())
            elif name not in ("Callback", "Checkpoint", "Logger", "ProgressBar"):
                want = {k: v for k, v in want.items() if k not in MISSING.get(name, ())}
                assert have == want, name


def scenarios_hooks() -> list[str]:
    from minitorch.lightning.callbacks.lambda_function import HOOKS

    return HOOKS


def told(thing: Any) -> dict[str, str]:
    """The names of arguments, and the defaults as text (a device and a function have another module's name)."""
    parameters = list(inspect.signature(thing.__init__).parameters.values())[1:]
    return {
        p.name: str(getattr(p.default, "__name__", getattr(p.default, "type", getattr(p.default, "value", p.default))))
        for p in parameters
    }
