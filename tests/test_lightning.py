"""lightning: the same trainings in real Lightning and in ours call the same hooks, log the same numbers and leave the same checkpoints."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning_pieces as pieces
import lightning_scenarios as scenarios
import lightning_table as table
import pytest
from planting import plant

import minitorch

pytestmark = pytest.mark.outside


@pytest.fixture(scope="module")
def real() -> Any:
    """Real Lightning and torch; its import is most of what this file costs by default."""
    import logging

    for name in ("lightning", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    import lightning
    import lightning.pytorch.loggers
    import torch

    return SimpleNamespace(L=lightning, torch=torch, loggers=lightning.pytorch.loggers, known={})


@pytest.fixture(scope="module")
def ours() -> Any:
    import minitorch.lightning as L
    import minitorch.lightning.pytorch

    return SimpleNamespace(L=L, torch=minitorch, loggers=L.loggers)


# ---- comparing ----


def tolerance(scenario: dict[str, Any]) -> float:
    """float64: 1e-9 of the number; float32 (or data of it): as `assert_close`; mixed: steps of bfloat16, of which the layers' outputs are."""
    if scenario.get("double", True):
        return 1e-9
    return 1e-5 if "mixed" in str(scenario.get("precision")) else 1.3e-6


def difference(theirs: Any, have: Any, tol: float, path: str = "") -> str:
    """The first place where two results differ, "" if there is none. Order counts in lists, not in dicts."""
    if isinstance(theirs, dict) and isinstance(have, dict):
        if theirs.keys() != have.keys():
            return f"{path}: keys {sorted(theirs.keys() ^ have.keys())}"
        return next(filter(None, (difference(theirs[k], have[k], tol, f"{path}.{k}") for k in theirs)), "")
    if isinstance(theirs, (list, tuple)) and isinstance(have, (list, tuple)):
        for i, (a, b) in enumerate(itertools.zip_longest(theirs, have, fillvalue="nothing")):
            found = difference(a, b, tol, f"{path}[{i}]")
            if found:
                around = slice(max(0, i - 3), i + 3)
                return f"{found}\n  theirs {theirs[around]}\n  ours   {have[around]}" if path.endswith(".events") else found
        return ""
    if isinstance(theirs, float) and isinstance(have, float):
        close = (
            theirs == have or (math.isnan(theirs) and math.isnan(have)) or abs(theirs - have) <= tol * max(1e-3, abs(theirs))
        )
        return (
            "" if close or (tol > 1e-9 and abs(theirs - have) <= 10 * tol) else f"{path}: theirs {theirs!r}, ours {have!r}"
        )
    return "" if type(theirs) is type(have) and theirs == have else f"{path}: theirs {theirs!r}, ours {have!r}"


def compared(scenario: dict[str, Any], real: Any, ours: Any) -> str:
    """Run a scenario in both (in Lightning once): the first difference."""
    key = repr(scenario)
    if key not in real.known:
        real.known[key] = scenarios.run(scenario, real.L, real.torch, real.loggers)
    have = scenarios.run(scenario, ours.L, ours.torch, ours.loggers)
    return difference(real.known[key], have, tolerance(scenario))


def run_piece(piece: Callable[[Any, Any], Any], lib: Any) -> Any:
    with pieces.quietly():
        return piece(lib.L, lib.torch)


# Run by default, in one item: real Lightning is imported once.
QUICK_FAULTS = ["the mean is not weighted", "accumulation one batch late", "hooks swapped"]


@pytest.mark.filterwarnings("ignore")
def test_some_trainings_and_pieces(real: Any, ours: Any) -> None:
    found = {name: compared(table.SCENARIOS[name], real, ours) for name in table.SOME}
    found |= {
        name: difference(run_piece(piece, real), run_piece(piece, ours), 1e-9, name) for name, piece in pieces.PIECES.items()
    }
    found |= {name: difference(*signatures(real.L, ours.L, name), 0) for name in SIGNATURES}
    assert not any(found.values()), "\n\n".join(f"{name}: {text}" for name, text in found.items() if text)
    for name in QUICK_FAULTS:
        with pytest.MonkeyPatch.context() as patch:
            *where, scenario = FAULTS[name]
            plant(patch, *where)
            assert compared(table.SCENARIOS[scenario], real, ours), f"nobody notices: {name}"


# All combinations of a hook in which a checkpoint is written with other options are left to the exhaustive run.
COMBINED = [name for name in table.SCENARIOS if name.startswith("resume: on") and "," in name]


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", COMBINED)
def test_going_on_with_other_options(name: str, real: Any, ours: Any) -> None:
    assert not compared(table.SCENARIOS[name], real, ours)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in table.SCENARIOS if name not in COMBINED])
def test_a_training(name: str, real: Any, ours: Any) -> None:
    assert not compared(table.SCENARIOS[name], real, ours)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(10))
def test_options_drawn_at_random(seed: int, real: Any, ours: Any) -> None:
    assert not compared(table.drawn(seed), real, ours)


@pytest.mark.exhaustive
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(10, 310))
def test_more_options_drawn_at_random(seed: int, real: Any, ours: Any) -> None:
    assert not compared(table.drawn(seed), real, ours)


# ---- signatures ----

LEFT_OUT = {"model_registry", "cls"}  # (the first is of a service)
SIGNATURES = [
    "Trainer.__init__", "Trainer.fit", "Trainer.validate", "Trainer.test", "Trainer.predict", "Trainer.save_checkpoint", "LightningModule.log",
    "LightningModule.optimizers", "LightningModule.optimizer_step", "LightningModule.clip_gradients", "LightningModule.configure_gradient_clipping",
    "LightningModule.save_hyperparameters", "LightningModule.load_from_checkpoint", "LightningDataModule.from_datasets",
    "LightningDataModule.load_from_checkpoint", "seed_everything",
]  # fmt: skip


def signatures(theirs: Any, have: Any, name: str) -> tuple[Any, Any]:
    """The arguments and defaults of a function in both."""
    import functools
    import inspect

    def of(L: Any) -> dict[str, Any]:
        function = functools.reduce(getattr, name.split("."), L)
        parameters = inspect.signature(function).parameters.values()
        return {p.name: repr(p.default) for p in parameters if p.name not in LEFT_OUT}

    return of(theirs), of(have)


# ---- planted faults ----

FAULTS: dict[str, tuple[str, str, str, str, str]] = {
    "the mean is not weighted": ("lightning.results", "Entry.update", "value * batch_size", "value", "all calls"),
    "a maximum is the last": ("lightning.results", "Entry.update", "(kept, value)", "(value, value)", "plain"),
    "names are not forked": ("lightning.results", "Meta.forked_name", "self.on_step and self.on_epoch", "False", "plain"),
    "a sum goes on in the next epoch": ("lightning.results", "Metrics.logging_from", "self._results.reset(fx)", "pass", "logs, lbfgs"),
    "logged at every step": ("lightning.results", "Metrics.log_step", "self.should_log or", "True or", "logs rarely"),
    "accumulation one batch late": ("lightning.loop", "FitLoop.is_accumulating", "current.ready %", "current.completed %", "accumulate 3"),
    "the last batch accumulates": ("lightning.loop", "FitLoop.is_accumulating", "not full and not self.is_last_batch()", "not full", "accumulate"),
    "the loss is not divided": ("lightning.loop", "FitLoop.loss_of", "output / self.trainer.accumulate_grad_batches", "output / 1", "accumulate"),
    "zero_grad in each batch": ("lightning.loop", "FitLoop.automatic_step", "batch_idx % trainer.accumulate_grad_batches == 0", "True", "accumulate"),
    "validation after the schedulers": ("lightning.loop", "FitLoop.step_schedulers", "config.reduce_on_plateau != watching", "config.reduce_on_plateau == watching", "optimizer: plateau"),
    "frequency one late": ("lightning.loop", "FitLoop.step_schedulers", "trainer.current_epoch + 1", "trainer.current_epoch", "optimizer: every 2 epochs"),
    "savers before the module": ("lightning.loop", "FitLoop.run_epoch", "monitoring=False", "monitoring=True", "plain"),
    "validates one batch late": ("lightning.loop", "FitLoop.is_time_to_validate", "done % self.val_check_batch == 0", "done % self.val_check_batch == 1", "validate often"),
    "the sanity check draws": ("lightning.loop", "FitLoop.check_sanity", "with isolate_rng():", "if True:", "dropout"),
    "hooks swapped": ("lightning.precision", "Precision.before_step", 'call_hook(trainer, "on_before_optimizer_step", optimizer)', "pass", "clip by norm"),
    "backward before its hook": ("lightning.precision", "Precision.backward", 'call_hook(trainer, "on_before_backward", loss)', "pass", "plain"),
    "no autocast": ("lightning.precision", "MixedPrecision.forward_context", "cache_enabled=False", "enabled=False", "bf16-mixed"),
    "the module first": ("lightning.calls", "call_hook", "call_callbacks(trainer, name, *args, **kwargs)", "call_module(trainer, name, *args, **kwargs)", "plain"),
    "one loader's limit for all": ("lightning.utilities.combined_loader", "_one_by_one", "loader.limits[which]", "loader.limits[0]", "several loaders, limited"),
    "layers stay in eval mode": ("lightning.evaluation", "_Loop.train", "module.training = training", "pass", "plain"),
    "the best loader's numbers": ("lightning.evaluation", "EvaluationLoop.run", "dataloader_idx != current", "False", "several loaders"),
    "schedulers are not saved": ("lightning.checkpoints", "dump", "config.scheduler.state_dict()", "{}", "optimizer: by step"),
    "the place in the epoch is lost": ("lightning.resuming", "begin_epoch", 'resuming.batch == "end"', "False", "resume: on_train_batch_end 3"),
    "batches are run again": ("lightning.loop", "FitLoop.run_batches", "self.fetcher.fetched += self.batch_progress.current.ready", "pass", "resume: in the last epoch"),
    "a finished epoch is run again": ("lightning.resuming", "begin_fit", 'stage == "end"', "False", "resume: on_train_epoch_end 1"),
    "toggled for good": ("lightning.module", "LightningModule.untoggle_optimizer", "p.requires_grad = ", "_ = ", "manual"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_noticed(fault: str, real: Any, ours: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    *where, scenario = FAULTS[fault]
    plant(monkeypatch, *where)
    try:
        assert compared(table.SCENARIOS[scenario], real, ours)
    except AssertionError:
        raise
    except Exception:
        pass  # it breaks down: noticed, too


# ---- files of each, read by the other ----


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("writer", ["theirs", "ours"])
@pytest.mark.parametrize("hook, when", [("on_train_batch_end", 3), ("on_train_epoch_end", 1), ("on_validation_end", 1)])
def test_a_checkpoint_goes_on_in_the_other_library(
    writer: str, hook: str, when: int, real: Any, ours: Any, tmp_path: Path
) -> None:
    libraries = (real, ours) if writer == "theirs" else (ours, real)
    path = str(tmp_path / "a.ckpt")

    def fit(lib: Any, **more: Any) -> Any:
        lib.torch.manual_seed(0)
        module = scenarios.make(lib.L, lib.torch)["Net"](form="two schedulers")
        data = scenarios.loaders(lib.torch, "plain", True)
        callbacks = [] if more else [scenarios.saving_callback(lib.L, hook, path, when)]
        trainer = lib.L.Trainer(**{**scenarios.QUIET, "logger": False}, callbacks=callbacks)
        trainer.fit(module, data["train"], data["val"], **more)
        return scenarios.plain(dict(module.state_dict())), trainer.global_step, trainer.current_epoch

    with pieces.quietly():
        fit(libraries[0])
        went_on = [fit(lib, ckpt_path=path) for lib in (real, ours)]
        assert not difference(*went_on, 1e-9)
        for lib in (real, ours):
            module = scenarios.make(lib.L, lib.torch)["Net"].load_from_checkpoint(path, lr=0.5)
            assert (module.hparams.lr, module.hparams.form) == (0.5, "two schedulers")


# ---- by ourselves ----


def small(**options: Any) -> Any:
    import minitorch.lightning as L

    return L.Trainer(**{**scenarios.QUIET, "logger": False, **options})


def net(name: str = "Net", **options: Any) -> Any:
    import minitorch.lightning as L

    minitorch.manual_seed(0)
    return scenarios.make(L, minitorch)[name](**options)


@pytest.fixture
def data() -> dict[str, Any]:
    return scenarios.loaders(minitorch, "plain", True)


def test_a_loop_written_out_gives_the_same_weights(data: dict[str, Any]) -> None:
    automatic = net()
    with pieces.quietly():
        small().fit(automatic, data["train"])
    plain = net()
    optimizer = plain.configure_optimizers()
    for _ in range(2):
        for batch in data["train"]:
            loss = plain.error(batch)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for p, q in zip(automatic.parameters(), plain.parameters()):
        assert minitorch.equal(p, q)


class Batches:
    """Batches that are there already. (A list would be a list of loaders.)"""

    def __init__(self, batches: list[Any]) -> None:
        self.batches = batches

    def __iter__(self) -> Any:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


@pytest.mark.parametrize("hook, when", [("on_train_batch_end", 4), ("on_validation_end", 2), ("on_train_epoch_end", 1)])
def test_resuming_is_bit_for_bit(hook: str, when: int, data: dict[str, Any], tmp_path: Path) -> None:
    import minitorch.lightning as L

    path = str(tmp_path / "folder" / "a.ckpt")
    straight, again = net(form="adam"), net(form="adam", dropout=0.0)
    with pieces.quietly():
        small(callbacks=[scenarios.saving_callback(L, hook, path, when)], max_epochs=3).fit(
            straight, data["train"], data["val"]
        )
        for p in again.parameters():
            p.data.zero_()
        # A loader without a state begins the epoch anew: give it what is left.
        left = Batches(list(data["train"])[4:] + list(data["train"])[:4]) if hook == "on_train_batch_end" else data["train"]
        small(max_epochs=1 if hook == "on_train_batch_end" else 3).fit(again, left, data["val"], ckpt_path=path)
    if hook == "on_train_batch_end":
        with pieces.quietly():
            straight = net(form="adam")
            small(max_epochs=1).fit(straight, data["train"], data["val"])
    for p, q in zip(straight.parameters(), again.parameters()):
        assert minitorch.equal(p, q)


def test_a_failed_save_leaves_the_old_file(data: dict[str, Any], tmp_path: Path) -> None:
    module, trainer, path = net(), small(max_epochs=1), tmp_path / "a.ckpt"
    with pieces.quietly():
        trainer.fit(module, data["train"])
    trainer.save_checkpoint(path)
    before = path.read_bytes()
    module.on_save_checkpoint = lambda checkpoint: checkpoint.update(bad=iter([]))
    with pytest.raises(TypeError):
        trainer.save_checkpoint(path)
    assert path.read_bytes() == before and [f.name for f in tmp_path.iterdir()] == ["a.ckpt"]


def test_of_several_processes_the_first_writes(
    data: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from minitorch.lightning.utilities import rank_zero_only

    module, trainer = net(), small(max_epochs=1)
    with pieces.quietly():
        trainer.fit(module, data["train"])
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    assert (trainer.global_rank, trainer.is_global_zero, module.global_rank, list(tmp_path.iterdir())) == (1, False, 1, [])


@pytest.mark.parametrize("p", [2, 1.0, 3.5, "inf"])
def test_norms_of_gradients(p: Any) -> None:
    import torch
    from lightning.pytorch.utilities import grad_norm as real_grad_norm

    from minitorch.lightning.pytorch.utilities import grad_norm

    found = []
    for lib, norms in ((torch, real_grad_norm), (minitorch, grad_norm)):
        layer = lib.nn.Linear(3, 2).double()
        assert norms(layer, p) == {}
        layer.weight.grad, layer.bias.grad = lib.arange(-2.0, 4.0).double().view(2, 3), lib.arange(3.0, 5.0).double()
        found.append({name: (str(norm.dtype)[-7:], round(norm.item(), 10)) for name, norm in norms(layer, p).items()})
        with pytest.raises(ValueError, match="must be a positive number"):
            norms(layer, 0)
    assert found[0] == found[1] and len(found[0]) == 3


def test_a_file_of_weights_is_no_checkpoint_and_a_missing_hyperparameter_is_answered_with_those_there(
    tmp_path: Path,
) -> None:
    minitorch.save(net().state_dict(), tmp_path / "weights.pt")
    minitorch.save(minitorch.ones(1), tmp_path / "tensor.pt")
    for name in ("weights.pt", "tensor.pt"):
        with pytest.raises(KeyError, match=f"{name}' has no 'state_dict', so it is no checkpoint .* load_state_dict"):
            type(net()).load_from_checkpoint(tmp_path / name)
    with pytest.raises(AttributeError, match=r"^Missing attribute 'rate'; there are: .*lr"):
        _ = net().hparams.rate


def test_a_checkpoint_runs_no_code(data: dict[str, Any], tmp_path: Path) -> None:
    import pickle

    class Harm:
        def __reduce__(self) -> Any:
            return (tmp_path.joinpath("done").write_text, ("x",))

    path = tmp_path / "a.ckpt"
    path.write_bytes(pickle.dumps({"state_dict": {}, "hyper_parameters": Harm()}))
    with pytest.raises((pickle.UnpicklingError, RuntimeError)):
        type(net()).load_from_checkpoint(path)
    with pytest.raises((pickle.UnpicklingError, RuntimeError)), pieces.quietly():
        small().fit(net(), data["train"], ckpt_path=path)
    assert not (tmp_path / "done").exists()


def test_a_checkpoint_of_weights_alone_does_not_go_on(data: dict[str, Any], tmp_path: Path) -> None:
    module, trainer, path = net(), small(max_epochs=1), tmp_path / "a.ckpt"
    with pieces.quietly():
        trainer.fit(module, data["train"])
        trainer.save_checkpoint(path, weights_only=True)
        with pytest.raises(KeyError, match="only the model"):
            small().fit(net(), data["train"], ckpt_path=path)
        assert small().validate(net(), data["val"], ckpt_path=path)[0]["val_loss"] > 0


@pytest.mark.parametrize("options, words", [
    ({"devices": 2}, "minitorch.distributed.run"), ({"strategy": "ddp"}, "DistributedDataParallel"), ({"num_nodes": 2}, "one device in one process"),
    ({"accelerator": "gpu"}, "accelerator='cpu'"), ({"profiler": "simple"}, "no profilers here"), ({"precision": "fp8"}, "Allowed precision values"),
])  # fmt: skip
def test_what_is_not_here_is_said(options: dict[str, Any], words: str) -> None:
    if options.get("accelerator") == "gpu" and minitorch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(Exception, match=words):
        small(**options)


def _small() -> Any:
    import minitorch.lightning as L

    class Small(L.LightningModule):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = minitorch.nn.Linear(1, width)

    Small.__qualname__ = "Small"
    return Small


Small = _small()


def test_a_module_is_copied_and_pickled_without_its_trainer(data: dict[str, Any]) -> None:
    import copy

    module = net()
    with pieces.quietly():
        small(max_epochs=1).fit(module, data["train"])
    twin = copy.deepcopy(module)
    assert twin._trainer is None and module._trainer is not None
    assert minitorch.equal(twin.layers[0].weight, module.layers[0].weight)
    twin.hparams.lr = 5
    assert (module.hparams.lr, twin.hparams_initial.lr) == (0.1, 0.1)
    file = io.BytesIO()
    minitorch.save(Small(2).train(False), file)
    file.seek(0)
    whole = minitorch.load(file, weights_only=False)
    assert (whole.hparams.width, whole.training, whole._trainer) == (2, False, None)


def test_exports(tmp_path: Path) -> None:
    module = net(double=False)
    with pytest.raises(ValueError, match="example_input_array"):
        module.to_torchscript(method="trace")
    module.example_input_array = minitorch.rand(2, 4)
    traced = module.to_torchscript(tmp_path / "m.pt", method="trace")
    assert minitorch.equal(traced(module.example_input_array), module(module.example_input_array)) and module.training
    module.to_onnx(tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").stat().st_size > 100
    with pytest.raises(ValueError, match="'script' or 'trace'"):
        module.to_torchscript(method="both")


def test_the_longer_names_are_the_same_modules() -> None:
    import minitorch.lightning as L
    import minitorch.lightning.pytorch as pl
    from minitorch.lightning.pytorch.callbacks import EarlyStopping
    from minitorch.lightning.pytorch.callbacks.early_stopping import EarlyStopping as Again
    from minitorch.lightning.pytorch.core import LightningModule
    from minitorch.lightning.pytorch.core.optimizer import LightningOptimizer
    from minitorch.lightning.pytorch.loggers import CSVLogger
    from minitorch.lightning.pytorch.utilities.rank_zero import rank_zero_only
    from minitorch.lightning.pytorch.utilities.types import STEP_OUTPUT

    assert (
        pl.Trainer is L.Trainer
        and EarlyStopping is Again is L.callbacks.EarlyStopping
        and LightningModule is L.LightningModule
    )
    assert CSVLogger is L.loggers.CSVLogger and rank_zero_only.rank == 0 and STEP_OUTPUT and LightningOptimizer


def test_a_table_of_what_was_logged_is_printed(data: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = small().validate(net(), data["val"])
    lines = capsys.readouterr().out.splitlines()
    assert "Validate metric" in lines[1] and "DataLoader 0" in lines[1]
    assert any("val_loss" in line and str(found[0]["val_loss"]) in line for line in lines)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["32-true", "16-mixed"])
def test_a_gpu_gives_what_the_cpu_gives(precision: str, gpu: Any, tmp_path: Path) -> None:
    """The module goes to the GPU and back, batches go there, and a checkpoint of a GPU's run goes on."""
    data = scenarios.loaders(minitorch, "plain", False)
    found = []
    for accelerator in ("cpu", "gpu"):
        module, devices = net(double=False, form="adam"), set()
        step = module.training_step
        module.training_step = lambda batch, batch_idx, step=step, devices=devices: (
            devices.add(batch[0].device.type),
            step(batch, batch_idx),
        )[1]
        trainer = small(accelerator=accelerator, precision=precision if accelerator == "gpu" else "32-true", max_epochs=1)
        with pieces.quietly():
            trainer.fit(module, data["train"], data["val"])
            trainer.save_checkpoint(tmp_path / "a.ckpt")
            small(accelerator=accelerator, max_epochs=2).fit(
                module, data["train"], data["val"], ckpt_path=tmp_path / "a.ckpt"
            )
        assert devices == {"cuda" if accelerator == "gpu" else "cpu"} and module.device.type == "cpu"
        assert (trainer.scaler is not None) == (accelerator == "gpu" and precision == "16-mixed")
        found.append(module.layers[0].weight.detach())
    # With float16 the first step may be one that the scaler skips.
    assert (found[0] - found[1]).abs().max() < (1e-5 if precision == "32-true" else 0.2)
