"""Trainings with callbacks and loggers that real Lightning and ours run, and what of each is compared: files, states, logged numbers.

Nothing here imports either library: a `Lab` holds the names of one. A scenario is a function of a Lab that gives what is compared, in a
folder of its own. `tests/test_lightning_callbacks.py` compares.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import random
import re
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

NAN = float("nan")
SCENARIOS: dict[str, Callable[[Lab], Any]] = {}


def scenario(name: str, /, *args: Any, **options: Any) -> Callable[[Any], Any]:
    """Enter a function with these arguments into the table."""

    def enter(function: Any) -> Any:
        SCENARIOS[name] = lambda lab: function(lab, *args, **options)
        return function

    return enter


class Lab:
    """One library: `torch`, `L` (lightning.pytorch, or ours), and a folder."""

    def __init__(self, torch: Any, L: Any, callbacks: Any, loggers: Any, folder: Path) -> None:
        self.torch, self.L, self.callbacks, self.loggers, self.folder = torch, L, callbacks, loggers, folder

    def module(self, told: list[float] | None = None, **options: Any) -> Any:
        """A small network in float64; its validation logs the numbers `told`, one after the other, as "metric"."""
        self.torch.manual_seed(3)
        return _module(self.L, self.torch)(told or [], **options)

    def data(self, n: int = 12) -> Any:
        """`n` samples in batches of four, in order."""
        torch = self.torch
        x = torch.linspace(-1, 1, 3 * n, dtype=torch.float64).view(n, 3)
        dataset = torch.utils.data.TensorDataset(x, (x * x).sum(1, keepdim=True))
        return torch.utils.data.DataLoader(dataset, batch_size=4)

    def trainer(self, *callbacks: Any, **options: Any) -> Any:
        """A quiet Trainer."""
        defaults = {
            "max_epochs": 3, "accelerator": "cpu", "devices": 1, "logger": False, "enable_progress_bar": False,
            "enable_model_summary": False, "enable_checkpointing": any(isinstance(c, self.callbacks.Checkpoint) for c in callbacks),
            "default_root_dir": str(self.folder), "log_every_n_steps": 1, "num_sanity_val_steps": 0,
        }  # fmt: skip
        return self.L.Trainer(callbacks=list(callbacks), **(defaults | options))

    def fit(self, module: Any, *callbacks: Any, ckpt_path: Any = None, batches: int = 12, **options: Any) -> Any:
        """A training, with validation."""
        trainer = self.trainer(*callbacks, **options)
        trainer.fit(module, self.data(batches), self.data(8), ckpt_path=ckpt_path)
        return trainer


def _module(L: Any, torch: Any) -> Any:
    nn, optim = torch.nn, torch.optim

    class Told(L.LightningModule):
        def __init__(self, told: list[float], form: str = "sgd", norm: bool = False, backbone: bool = False) -> None:
            super().__init__()
            self.told, self.form, self.validations = told, form, 0
            first = [nn.Linear(3, 4), *([nn.BatchNorm1d(4)] if norm else [])]
            self.backbone = nn.Sequential(*first)
            self.head = nn.Linear(4, 1)
            self.automatic_optimization = form != "two"
            self.double()

        def forward(self, x: Any) -> Any:
            return self.head(self.backbone(x).tanh())

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = nn.functional.mse_loss(self(batch[0]), batch[1])
            self.log("loss", loss, prog_bar=True)
            if not self.automatic_optimization:
                self.manual_backward(loss)
                for optimizer in self.optimizers():
                    optimizer.step()
                    optimizer.zero_grad()
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("val/loss", nn.functional.mse_loss(self(batch[0]), batch[1]))

        def on_validation_epoch_end(self) -> None:
            if self.told:
                self.log("metric", torch.tensor(self.told[self.validations], dtype=torch.float64), prog_bar=True)
                self.validations += 1

        def configure_optimizers(self) -> Any:
            return FORMS[self.form](self)

    def named_groups(self: Any) -> Any:
        groups = [{"params": self.backbone.parameters(), "name": "body"}, {"params": self.head.parameters(), "lr": 0.5}]
        return optim.Adam(groups, lr=0.01, weight_decay=0.1)

    def scheduled(self: Any, make: Callable[[Any], Any], **more: Any) -> Any:
        optimizer = optim.SGD(self.parameters(), 0.1, momentum=0.9)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": make(optimizer), **more}}

    schedules = optim.lr_scheduler
    FORMS = {
        "sgd": lambda self: optim.SGD(self.parameters(), 0.1),
        "head": lambda self: optim.SGD(self.head.parameters(), 0.1, momentum=0.9),
        "groups": named_groups,
        "two": lambda self: [optim.SGD(self.head.parameters(), 0.1), optim.SGD(self.backbone.parameters(), 0.01)],
        "one named": lambda self: optim.Adam([{"params": self.parameters(), "name": "all"}], 0.01),
        "by epoch": lambda self: scheduled(self, lambda o: schedules.StepLR(o, 1, 0.5)),
        "by step": lambda self: scheduled(self, lambda o: schedules.StepLR(o, 2, 0.5), interval="step"),
        "named": lambda self: scheduled(self, lambda o: schedules.StepLR(o, 1, 0.5), name="rate"),
    }
    return Told


# ---- what is compared ----


def plain(value: Any, folder: Path) -> Any:
    """Numbers, texts, lists and dicts; paths from the folder on, and neither library's name."""
    if hasattr(value, "detach"):
        return plain(value.detach().tolist(), folder)
    if isinstance(value, dict):
        return {plain(k, folder): plain(v, folder) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v, folder) for v in value]
    if isinstance(value, (str, Path)):
        return rounded(str(value).replace(str(folder), "HERE"))
    return value if isinstance(value, (int, float, bool, type(None))) else type(value).__name__


def rounded(text: str) -> str:
    """A message with ten digits of each number."""
    return re.sub(r"\d+\.\d{9,}", lambda found: f"{float(found[0]):.10g}", text)


def files(folder: Path) -> list[str]:
    """All files below, with the targets of links; event files without their number and host."""
    found = []
    for file in sorted(folder.rglob("*")):
        name = str(file.relative_to(folder)).partition(".tfevents.")[0]
        found.append(f"{name} -> {os.readlink(file)}" if file.is_symlink() else name)
    return sorted(found)


def same(a: Any, b: Any) -> bool:
    """Equal, floats within rounding of float64 (of float32 where one of them is one)."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-9 * max(1.0, abs(a))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def result(lab: Lab, name: str | int) -> Any:
    """What a scenario (or, of a number, one drawn at random) gives, or which error it raises, and what it warns of."""
    lab.folder.mkdir()
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        try:
            found = plain(drawn(lab, name) if isinstance(name, int) else SCENARIOS[name](lab), lab.folder)
        except Exception as error:
            found = f"{type(error).__name__}: {plain(str(error), lab.folder)[:40]}"
    told = {plain(str(w.message), lab.folder)[:50] for w in said}
    return {"found": found, "files": files(lab.folder), "warned": sorted(m for m in told if not _elsewhere(m))}


def _elsewhere(message: str) -> bool:
    """Warnings about the machine, or of other packages."""
    words = (
        "does not have many workers",
        "deprecated",
        "isinstance(treespec",
        "lr_scheduler.step",
        "unclosed",
        "was called without a model",  # which Lightning says of `fit` too, where there is always one
    )
    return any(word in message for word in words)


# ---- EarlyStopping ----


def stopping(
    lab: Lab, told: list[float], trainer: dict[str, Any] | None = None, monitor: str = "metric", **options: Any
) -> Any:
    callback = lab.callbacks.EarlyStopping(monitor, **options)
    ran = lab.fit(lab.module(told), callback, **({"max_epochs": 8} | (trainer or {})))
    return [
        ran.current_epoch,
        ran.global_step,
        ran.should_stop,
        callback.state_dict(),
        callback.state_key,
        callback.min_delta,
    ]


FALLING = [5.0, 4.0, 4.5, 4.2, 3.95, 3.9, 4.0, 4.1, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0]
scenario("stop: patience", FALLING, {"max_epochs": 12})(stopping)
scenario("stop: patience 1", FALLING, patience=1)(stopping)
scenario("stop: min_delta", [5.0, 4.95, 4.92, 4.0, 3.0, 2.0, 1.0, 0.0], patience=2, min_delta=0.1)(stopping)
scenario("stop: max", FALLING, patience=3, mode="max", verbose=True)(stopping)
scenario("stop: threshold", FALLING, stopping_threshold=4.3)(stopping)
scenario("stop: divergence", FALLING, divergence_threshold=4.3, mode="max")(stopping)
scenario("stop: nan", [1.0, NAN, 0.5, 0.2, 0.1, 0.0, 0.0, 0.0])(stopping)
scenario("stop: nan is no matter", [1.0, NAN, NAN, 0.5, NAN, NAN, NAN, NAN], check_finite=False)(stopping)
scenario("stop: never", [9.0 - k for k in range(8)])(stopping)
scenario("stop: often", FALLING, {"val_check_interval": 1, "max_epochs": 4}, patience=2)(stopping)
scenario("stop: each second epoch", FALLING, {"check_val_every_n_epoch": 2}, patience=2)(stopping)
scenario("stop: at validation's end", FALLING, check_on_train_epoch_end=False, patience=2)(stopping)
scenario("stop: not before", FALLING, {"min_epochs": 6}, patience=1)(stopping)
scenario("stop: missing", FALLING, monitor="nothing")(stopping)
scenario("stop: missing is no matter", FALLING, {"max_epochs": 2}, monitor="nothing", strict=False, verbose=True)(stopping)
scenario("stop: training's own", FALLING, {"max_epochs": 4}, monitor="loss", mode="max", patience=2)(stopping)
scenario("stop: no mode", FALLING, mode="least")(stopping)
scenario("stop: in a quick run", FALLING, {"fast_dev_run": True}, monitor="nothing")(stopping)


# ---- ModelCheckpoint ----


def saving(lab: Lab, told: list[float], trainer: dict[str, Any] | None = None, before: Any = None, **options: Any) -> Any:
    for name in before or ():
        (lab.folder / "ckpt").mkdir(exist_ok=True)
        (lab.folder / "ckpt" / name).write_text("")
    options = {"dirpath": str(lab.folder / "ckpt"), **options}
    callback = lab.callbacks.ModelCheckpoint(**options)
    ran = lab.fit(lab.module(told), callback, **({"max_epochs": 5} | (trainer or {})))
    score = callback.best_model_score
    last = lab.torch.load(callback.best_model_path, weights_only=False) if callback.best_model_path else {}
    inside = {key: last[key] for key in ("epoch", "global_step") if key in last}
    return [
        callback.state_dict(),
        callback.state_key,
        score,
        sorted(last),
        inside,
        last.get("callbacks"),
        ran.checkpoint_callback is callback,
    ]


BEST = [3.0, 1.0, 2.0, 0.5, 4.0, 0.7, 0.2, 0.9, 1.5, 0.1, 0.3, 0.6, 0.8, 0.4, 0.05]
scenario("save: the last", BEST)(saving)
scenario("save: the best", BEST, monitor="metric")(saving)
scenario("save: the two best", BEST, monitor="metric", save_top_k=2, filename="{epoch}-{metric:.2f}")(saving)
scenario("save: the largest", BEST, monitor="metric", mode="max", save_top_k=3, verbose=True)(saving)
scenario("save: all", BEST, save_top_k=-1)(saving)
scenario("save: all with scores", BEST, save_top_k=-1, monitor="metric", filename="a-{step:04d}-{val/loss:.3f}", auto_insert_metric_name=False)(saving)  # fmt: skip
scenario("save: none", BEST, save_top_k=0)(saving)
scenario("save: none but the last", BEST, save_top_k=0, save_last=True)(saving)
scenario("save: last too", BEST, monitor="metric", save_last=True)(saving)
scenario("save: a link", BEST, monitor="metric", save_last="link")(saving)
scenario("save: a link to the last", BEST, save_last="link", save_top_k=-1)(saving)
scenario("save: each second epoch", BEST, every_n_epochs=2, save_top_k=-1)(saving)
scenario("save: each second step", BEST, every_n_train_steps=2, save_top_k=-1, save_last=True)(saving)
scenario("save: steps and a metric", BEST, every_n_train_steps=2, monitor="metric", save_top_k=2)(saving)
scenario("save: steps and a loss", BEST, every_n_train_steps=3, monitor="loss", save_top_k=2, filename="{step}-{loss:.4f}")(
    saving
)
scenario("save: steps after validation", BEST, every_n_train_steps=3, monitor="metric", save_top_k=-1, save_on_train_epoch_end=False)(saving)  # fmt: skip
scenario("save: always", BEST, train_time_interval=timedelta(0), save_top_k=-1)(saving)
scenario("save: hardly ever", BEST, train_time_interval=timedelta(days=1))(saving)
scenario("save: validation often", BEST, {"val_check_interval": 1, "max_epochs": 3}, monitor="metric", save_top_k=2)(saving)
scenario("save: validation rarely", BEST, {"check_val_every_n_epoch": 2}, monitor="metric", save_top_k=2)(saving)
scenario("save: at an epoch's end", BEST, {"val_check_interval": 1, "max_epochs": 3}, save_on_train_epoch_end=True)(saving)
scenario("save: no validation", [], {"limit_val_batches": 0}, monitor="loss")(saving)
scenario("save: weights", BEST, save_weights_only=True)(saving)
scenario("save: nan", [NAN, 2.0, NAN, 1.0, NAN], monitor="metric", save_top_k=2)(saving)
scenario("save: only nan", [NAN] * 5, monitor="metric", mode="max")(saving)
scenario("save: ties", [1.0] * 5, monitor="metric", save_top_k=2)(saving)
scenario("save: one name", BEST, monitor="metric", filename="same", save_top_k=2)(saving)
scenario("save: the last under one name", BEST, {"max_epochs": 4}, filename="same")(saving)
scenario("save: one name, one file", BEST, monitor="metric", filename="same", enable_version_counter=False)(saving)
scenario("save: the name is taken", BEST, before=["epoch=0-step=3.ckpt", "last.ckpt"], save_last=True)(saving)
scenario("save: a name without a metric", BEST, filename="{nothing:d}-{nothing2}-{epoch}")(saving)
scenario("save: missing", BEST, monitor="nothing")(saving)
scenario("save: in a quick run", BEST, {"fast_dev_run": True})(saving)
scenario("save: no folder given", BEST, dirpath=None)(saving)
scenario("save: too many ways", BEST, every_n_epochs=1, every_n_train_steps=1)(saving)
scenario("save: two without a metric", BEST, save_top_k=2)(saving)
scenario("save: minus two", BEST, save_top_k=-2)(saving)
scenario("save: minus one epoch", BEST, every_n_epochs=-1)(saving)
scenario("save: no mode", BEST, mode="least")(saving)


@scenario("save: go on", other=False)
@scenario("save: go on elsewhere", other=True)
def going_on(lab: Lab, other: bool) -> Any:
    """A second run from the checkpoint of the first: what falls out now is of both."""
    make = lambda name: lab.callbacks.ModelCheckpoint(str(lab.folder / name), monitor="metric", save_top_k=2, save_last=True)
    stop = lab.callbacks.EarlyStopping("metric", patience=4)
    first = make("one")
    lab.fit(lab.module(BEST), first, stop, max_epochs=3)
    second, module = make("two" if other else "one"), lab.module(BEST[3:])
    stop = lab.callbacks.EarlyStopping("metric", patience=9)
    ran = lab.fit(module, second, stop, max_epochs=6, ckpt_path=first.last_model_path)
    return [first.state_dict(), second.state_dict(), stop.state_dict(), ran.current_epoch, list(module.parameters())]


@scenario("save: after an error")
def after_an_error(lab: Lab) -> Any:
    """Both kinds of callbacks that save then."""
    callback = lab.callbacks.ModelCheckpoint(str(lab.folder / "a"), save_on_exception=True, save_last=True)
    other = lab.callbacks.OnExceptionCheckpoint(str(lab.folder), "broken")
    breaks = lab.callbacks.LambdaCallback(on_train_batch_end=lambda trainer, *_: 1 // (4 - trainer.global_step))
    try:
        lab.fit(lab.module(BEST), breaks, callback, other)
    except ZeroDivisionError:
        return [callback.last_model_path, callback.best_model_path]


@scenario("save: two callbacks")
def two(lab: Lab) -> Any:
    """Each with its own state."""
    a = lab.callbacks.ModelCheckpoint(str(lab.folder / "a"), monitor="metric")
    b = lab.callbacks.ModelCheckpoint(str(lab.folder / "b"), monitor="metric", mode="max", save_last=True)
    lab.fit(lab.module(BEST), a, b)
    a.to_yaml()
    b.to_yaml(lab.folder / "b.yaml")
    kept = [read_yaml(lab.folder / name) for name in ("a/best_k_models.yaml", "b.yaml")]
    return [
        kept,
        a.best_model_path,
        b.best_model_path,
        list(lab.torch.load(b.last_model_path, weights_only=False)["callbacks"]),
    ]


# ---- learning rates ----


def rates(lab: Lab, form: str, trainer: dict[str, Any] | None = None, **options: Any) -> Any:
    callback = lab.callbacks.LearningRateMonitor(**options)
    logger = lab.loggers.CSVLogger(str(lab.folder))
    ran = lab.fit(lab.module(form=form), callback, logger=logger, **(trainer or {}))
    return [
        callback.lrs,
        callback.last_momentum_values,
        callback.last_weight_decay_values,
        table(logger),
        ran.callback_metrics,
    ]


def table(logger: Any) -> Any:
    """The rows of `metrics.csv`, numbers as numbers."""
    rows = Path(logger.log_dir, "metrics.csv").read_text().splitlines()
    return [rows[0], *([float(x) if x else None for x in row.split(",")] for row in rows[1:])]


scenario("rates: no schedule", "sgd")(rates)
scenario("rates: by epoch", "by epoch", log_momentum=True)(rates)
scenario("rates: by step", "by step", log_weight_decay=True)(rates)
scenario("rates: each step", "by epoch", {"log_every_n_steps": 2}, logging_interval="step")(rates)
scenario("rates: each epoch", "by step", logging_interval="epoch")(rates)
scenario("rates: named", "named")(rates)
scenario("rates: groups", "groups", log_momentum=True, log_weight_decay=True)(rates)
scenario("rates: one named group", "one named")(rates)
scenario("rates: two optimizers", "two")(rates)
scenario("rates: hours", "sgd", logging_interval="hour")(rates)


@scenario("save: two optimizers")
def by_hand(lab: Lab) -> Any:
    """In manual optimization each optimizer's step counts."""
    callback = lab.callbacks.ModelCheckpoint(str(lab.folder), monitor="metric", save_top_k=2)
    lab.fit(lab.module(BEST, form="two"), callback)
    return [callback.best_k_models, callback.best_model_path]


@scenario("rates: nowhere to log")
def nowhere(lab: Lab) -> Any:
    lab.fit(lab.module(), lab.callbacks.LearningRateMonitor())


# ---- averages of weights ----


def averaging(
    lab: Lab, trainer: dict[str, Any] | None = None, form: str = "by epoch", norm: bool = True, **options: Any
) -> Any:
    callback = lab.callbacks.StochasticWeightAveraging(**{"swa_lrs": 0.05, **options})
    module = lab.module(form=form, norm=norm)
    ran = lab.fit(module, callback, **({"max_epochs": 5} | (trainer or {})))
    state = callback.state_dict()
    schedule = state.pop("scheduler_state") or {}
    return [module.state_dict(), state, schedule.get("_last_lr"), ran.current_epoch, ran.max_epochs, ran.global_step]


scenario("average: batch norm", swa_epoch_start=2)(averaging)
scenario("average: none", swa_epoch_start=2, norm=False, annealing_strategy="linear", annealing_epochs=2)(averaging)
scenario("average: a share", swa_epoch_start=0.5, norm=False, form="sgd")(averaging)
scenario("average: of late", {"accumulate_grad_batches": 2}, swa_epoch_start=4)(averaging)
scenario("average: own", swa_epoch_start=1, norm=False, avg_fn=lambda a, new, n: 0.5 * a + 0.5 * new)(averaging)
scenario("average: groups", swa_lrs=[0.1, 0.2], form="groups", norm=False, swa_epoch_start=1)(averaging)
scenario("average: epoch 0", swa_epoch_start=0)(averaging)
scenario("average: rate 0", swa_lrs=0.0)(averaging)
scenario("average: beyond", swa_epoch_start=1.5)(averaging)


@scenario("average: go on", norm=True)
@scenario("average: go on without norm", norm=False)
def average_again(lab: Lab, norm: bool) -> Any:
    """From a checkpoint within the epochs that count."""
    make = lambda: lab.callbacks.StochasticWeightAveraging(0.05, swa_epoch_start=2, annealing_epochs=3)
    saver = lab.callbacks.ModelCheckpoint(str(lab.folder / "a"), save_top_k=-1)
    lab.fit(lab.module(form="by epoch", norm=norm), make(), saver, max_epochs=6)
    module, callback = lab.module(form="by epoch", norm=norm), make()
    path = str(lab.folder / "a" / "epoch=3-step=12.ckpt")
    ran = lab.fit(module, callback, max_epochs=6, ckpt_path=path)
    return [module.state_dict(), ran.current_epoch, callback.state_dict()["n_averaged"]]


# ---- the others ----


def unfreezing(lab: Lab, trainer: dict[str, Any] | None = None, norm: bool = True, **options: Any) -> Any:
    callback = lab.callbacks.BackboneFinetuning(**{"unfreeze_backbone_at_epoch": 2, **options})
    monitor = lab.callbacks.LearningRateMonitor()
    module = lab.module(form="head", norm=norm)
    seen: list[Any] = []
    look = lambda trainer, module: seen.append([p.requires_grad for p in module.parameters()])
    watch = lab.callbacks.LambdaCallback(on_train_epoch_end=look)
    ran = lab.fit(
        module,
        callback,
        monitor,
        watch,
        logger=lab.loggers.CSVLogger(str(lab.folder)),
        **({"max_epochs": 6} | (trainer or {})),
    )
    groups = [{k: v for k, v in g.items() if k in ("lr", "momentum")} for g in ran.optimizers[0].param_groups]
    return [monitor.lrs, seen, groups, callback.state_dict(), module.state_dict()]


scenario("unfreeze: late")(unfreezing)
scenario(
    "unfreeze: own rate",
    backbone_initial_lr=0.03,
    lambda_func=lambda epoch: 1 + epoch / 10,
    should_align=False,
    train_bn=False,
)(unfreezing)
scenario("unfreeze: no norm", norm=False, verbose=True, unfreeze_backbone_at_epoch=1)(unfreezing)


@scenario("unfreeze: go on")
def unfreeze_again(lab: Lab) -> Any:
    """From a checkpoint after the backbone was unfrozen."""
    make = lambda: lab.callbacks.BackboneFinetuning(1)
    saver = lab.callbacks.ModelCheckpoint(str(lab.folder / "a"), save_last=True)
    lab.fit(lab.module(form="head"), make(), saver, max_epochs=3)
    module = lab.module(form="head")
    ran = lab.fit(module, make(), max_epochs=5, ckpt_path=saver.last_model_path)
    return [[g["lr"] for g in ran.optimizers[0].param_groups], module.state_dict()]


@scenario("accumulate", {0: 1, 1: 2, 2: 3})
@scenario("accumulate from the second", {1: 2})
@scenario("accumulate nothing", {})
@scenario("accumulate none", {0: 0})
@scenario("accumulate before", {-1: 2})
def accumulating(lab: Lab, scheduling: dict[int, int]) -> Any:
    callback = lab.callbacks.GradientAccumulationScheduler(dict(scheduling))
    steps: list[int] = []
    watch = lab.callbacks.LambdaCallback(on_train_epoch_end=lambda trainer, module: steps.append(trainer.global_step))
    module = lab.module()
    lab.fit(module, callback, watch, max_epochs=4, batches=16)
    return [steps, callback.epochs, callback.going_to_accumulate_grad_batches(), list(module.parameters())]


@scenario("time: none left", duration={"seconds": 0})
@scenario("time: none left for an epoch", duration="00:00:00:00", interval="epoch")
@scenario("time: enough", duration=timedelta(weeks=1))
@scenario("time: what", duration="soon")
@scenario("time: each hour", duration={"hours": 1}, interval="hour")
def timing(lab: Lab, **options: Any) -> Any:
    callback = lab.callbacks.Timer(**options)
    ran = lab.fit(lab.module(), callback)
    order = [callback.start_time() <= callback.start_time("validate") <= callback.end_time("validate") <= callback.end_time()] if callback.end_time("validate") else []  # fmt: skip
    return [
        ran.current_epoch,
        ran.global_step,
        sorted(callback.state_dict()["time_elapsed"]),
        order,
        callback.time_remaining() > 0,
    ]


@scenario("what a bar shows", refresh_rate=2)
@scenario("what bars show that stay", leave=True)
@scenario("what no bar shows", refresh_rate=0)
def showing(lab: Lab, **options: Any) -> Any:
    """The totals and the numbers, at each end of an epoch."""
    bar = lab.callbacks.TQDMProgressBar(**options)
    seen: list[Any] = []

    def look(trainer: Any, module: Any) -> None:
        b = bar.train_progress_bar
        seen.append(
            [
                bar.total_train_batches,
                bar.total_val_batches,
                b.n,
                b.total,
                b.desc,
                b.postfix,
                bar.get_metrics(trainer, module),
            ]
        )

    watch = lab.callbacks.LambdaCallback(on_train_epoch_end=look)
    trainer = lab.fit(
        lab.module(BEST),
        bar,
        watch,
        enable_progress_bar=True,
        logger=lab.loggers.CSVLogger(str(lab.folder), version=7),
        num_sanity_val_steps=1,
    )
    trainer.validate(lab.module(BEST), lab.data(), verbose=False)
    seen.append([bar.val_progress_bar.disable or [bar.val_progress_bar.n, bar.val_progress_bar.desc]])
    return seen


def summary(lab: Lab, depth: int, example: bool = True) -> Any:
    """Lightning's table, without the column and the line of FLOPs."""
    module = lab.module(norm=True)
    module.scale = lab.torch.nn.Parameter(lab.torch.zeros(70))
    module.backbone[0].weight.requires_grad = False
    module.head.eval()
    if example:
        module.example_input_array = lab.torch.zeros(2, 3, dtype=lab.torch.float64)
    made = lab.L.utilities.model_summary.ModelSummary(module, max_depth=depth)
    lines = [line for line in str(made).splitlines() if "Total Flops" not in line and not line.startswith("---")]
    rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    if "FLOPs" in rows[0]:
        at = rows[0].index("FLOPs")
        rows = [row[:at] + row[at + 1 :] for row in rows]
    return [rows, [m.training for m in module.modules()], made.total_parameters, made.model_size, made.total_layer_params]


for depth in (-1, 0, 1, 2):
    scenario(f"a summary of depth {depth}", depth)(summary)
scenario("a summary without an example", 2, example=False)(summary)
scenario("a summary of depth -2", -2)(summary)


# ---- loggers ----

HYPER = {
    "lr": 0.1,
    "name": "sgd",
    "on": True,
    "none": None,
    "nested": {"a": 1, "b": {"c": "x: y"}},
    "list": [1, 2.5],
    "small": 1e-5,
}


@scenario("csv")
@scenario("csv named", name="own", version="v", prefix="p")
@scenario("csv without a name", name=None)
@scenario("csv flushed", flush_logs_every_n_steps=2)
def csv(lab: Lab, **options: Any) -> Any:
    """Rows, a new column later on, hyperparameters; a second run has the next version."""
    loggers = [lab.loggers.CSVLogger(str(lab.folder), **options) for _ in range(2)]
    found = []
    for logger in loggers:
        logger.log_hyperparams(HYPER)
        logger.log_metrics({"a": 1.0, "b": lab.torch.tensor(2.5)}, step=0)
        logger.save()
        logger.log_metrics({"c": 3, "a": 0.1}, step=1)
        logger.log_metrics({"a": 4})
        logger.finalize("success")
        found += [
            logger.name,
            logger.version,
            logger.log_dir,
            logger.root_dir,
            logger.save_dir,
            table(logger),
            yaml_in(logger.log_dir),
        ]
    return found


def yaml_in(folder: str) -> Any:
    """The hyperparameters in a run's folder."""
    return read_yaml(Path(folder, "hparams.yaml"))


def read_yaml(path: Path) -> Any:
    """What a reader of YAML finds in a file."""
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


def board(lab: Lab, **options: Any) -> Any:
    """A training with a TensorBoardLogger, hyperparameters, a dict of numbers; what is in the event files."""
    logger = lab.loggers.TensorBoardLogger(str(lab.folder), **options)
    module = lab.module(BEST)
    module.example_input_array = lab.torch.zeros(2, 3, dtype=lab.torch.float64)
    lab.fit(module, lab.callbacks.LearningRateMonitor(), logger=logger, enable_checkpointing=True)
    logger.log_hyperparams(HYPER, {"hp/best": 0.5} if options.get("prefix") else None, step=4)
    logger.log_metrics({"pair": {"x": 1.0, "y": 2.0}}, step=3)
    logger.finalize("success")
    with contextlib.suppress(ValueError):
        logger.log_metrics({"words": "no number"})
        return "a text was logged"
    return [logger.log_dir, logger.version, yaml_in(logger.log_dir), events(lab.folder)]


def events(folder: Path) -> list[Any]:
    """Tags, steps and numbers of all event files; of hyperparameters the message."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found = []
    for file in sorted(folder.rglob("*tfevents*")):
        for event in LegacyEventFileLoader(str(file)).Load():
            for value in event.summary.value:
                about = value.metadata.plugin_data.content.hex()
                found.append(
                    [str(file.parent.relative_to(folder)), event.step, value.tag, round(value.simple_value, 6), about]
                )
            if event.graph_def:
                found.append("a graph")
    return sorted(found, key=str)


scenario("board")(board)
scenario("board named", name="own", version=3, prefix="p", sub_dir="below")(board)
scenario("board without a metric", name="", default_hp_metric=False)(board)
scenario("board with a graph", log_graph=True)(board)
scenario("board with a suffix", max_queue=1, version="x")(board)


@scenario("two loggers")
def both(lab: Lab) -> Any:
    """Checkpoints go to the first one's folder."""
    loggers = [lab.loggers.CSVLogger(str(lab.folder), "a"), lab.loggers.TensorBoardLogger(str(lab.folder), "b")]
    trainer = lab.fit(lab.module(BEST), enable_checkpointing=True, logger=loggers)
    return [trainer.checkpoint_callback.best_model_path, trainer.log_dir, table(loggers[0])]


@scenario("the logger that nobody chose")
def chosen(lab: Lab) -> Any:
    trainer = lab.fit(lab.module(BEST), enable_checkpointing=True, logger=True)
    return [type(trainer.logger).__name__, trainer.log_dir]


# ---- from one library to the other ----


def watched(lab: Lab, folder: Path, told: list[float], patience: int, ckpt_path: Any = None) -> tuple[Any, ...]:
    """A training, or what is left of one, with callbacks that have a state; the module and the callbacks."""
    c = lab.callbacks
    saver = c.ModelCheckpoint(str(folder), monitor="metric", save_top_k=2, save_last=True)
    average = c.StochasticWeightAveraging(0.05, swa_epoch_start=2, annealing_epochs=3)
    stop = c.EarlyStopping("metric", patience=patience)
    module = lab.module(told, form="by epoch", norm=True)
    epochs = 6 if ckpt_path else 4
    lab.fit(module, saver, stop, average, c.Timer(), max_epochs=epochs, ckpt_path=ckpt_path)
    return module, saver, stop, average


def begun_by(lab: Lab, folder: Path) -> str:
    """The last checkpoint of a training that is not at its end."""
    return watched(lab, folder, BEST, 4)[1].last_model_path


def ended_by(lab: Lab, folder: Path, path: str) -> Any:
    """What comes out when a library goes on from a checkpoint."""
    module, saver, stop, average = watched(lab, folder, BEST[4:], 9, path)
    states = [saver.state_dict(), stop.state_dict(), average.state_dict()["n_averaged"]]
    return plain([module.state_dict(), states, files(folder)], folder)


# ---- drawn at random ----


def drawn(lab: Lab, seed: int) -> Any:
    """A training with a ModelCheckpoint and an EarlyStopping of options drawn at random, which watch numbers drawn at random."""
    draw = random.Random(seed)
    told = [draw.choice([NAN, 0.0, 0.5, 1.0, draw.random(), draw.random()]) for _ in range(60)]
    monitor = draw.choice([None, "metric", "metric", "loss"])
    when = draw.choice(["every_n_epochs", "every_n_train_steps", "train_time_interval", "nothing"])
    options = {
        "monitor": monitor, "mode": draw.choice(["min", "max"]), "save_last": draw.choice([None, True, "link"]),
        "save_top_k": draw.choice([-1, 0, 1] if monitor is None else [-1, 0, 1, 2, 3]), "save_weights_only": draw.random() < 0.2,
        "filename": draw.choice([None, "{epoch}", "same", "{metric:.1f}-{step}"]), "auto_insert_metric_name": draw.random() < 0.7,
        "save_on_train_epoch_end": draw.choice([None, None, True, False]), "enable_version_counter": draw.random() < 0.8,
    }  # fmt: skip
    if when != "nothing":
        options[when] = timedelta(0) if when == "train_time_interval" else draw.randint(1, 4)
    callback = lab.callbacks.ModelCheckpoint(str(lab.folder / "a"), **options)
    stop = lab.callbacks.EarlyStopping(
        draw.choice(["metric", "loss"]), draw.choice([0.0, 0.1]), draw.randint(1, 4), mode=draw.choice(["min", "max"]),
        check_finite=draw.random() < 0.5, strict=False, check_on_train_epoch_end=draw.choice([None, True, False]),
        stopping_threshold=draw.choice([None, None, 0.05]), divergence_threshold=draw.choice([None, None, 0.95]),
    )  # fmt: skip
    trainer = draw.choice([{}, {}, {"val_check_interval": 1}, {"val_check_interval": 0.5}, {"check_val_every_n_epoch": 2}])
    ran = lab.fit(
        lab.module(told), stop, callback, max_epochs=draw.randint(1, 6), batches=draw.choice([8, 12, 16]), **trainer
    )
    return [callback.state_dict(), stop.state_dict(), ran.current_epoch, ran.global_step]
