"""Trainings that real Lightning and ours run, and what of each is compared. Nothing here imports either library: `run` is given both names.

A scenario is a module, a Trainer's options and a run. All hooks of the module, the datamodule and a callback are noted down as they are
called; so are the numbers that a logger gets. `tests/test_lightning.py` compares.
"""

from __future__ import annotations

import contextlib
import functools
import io
import os
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

MODULE_HOOKS = [
    "prepare_data",
    "setup",
    "configure_optimizers",
    "configure_callbacks",
    "on_fit_start",
    "on_train_start",
    "on_train_epoch_start",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
    "on_train_batch_start",
    "training_step",
    "on_before_zero_grad",
    "optimizer_zero_grad",
    "on_before_backward",
    "backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "configure_gradient_clipping",
    "clip_gradients",
    "optimizer_step",
    "lr_scheduler_step",
    "on_train_batch_end",
    "on_train_epoch_end",
    "on_train_end",
    "on_fit_end",
    "teardown",
    "on_validation_model_zero_grad",
    "on_validation_model_eval",
    "on_validation_start",
    "on_validation_epoch_start",
    "on_validation_batch_start",
    "validation_step",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_validation_model_train",
    "on_test_model_eval",
    "on_test_start",
    "on_test_epoch_start",
    "on_test_batch_start",
    "test_step",
    "on_test_batch_end",
    "on_test_epoch_end",
    "on_test_end",
    "on_test_model_train",
    "on_predict_model_eval",
    "on_predict_start",
    "on_predict_epoch_start",
    "on_predict_batch_start",
    "predict_step",
    "on_predict_batch_end",
    "on_predict_epoch_end",
    "on_predict_end",
    "on_save_checkpoint",
    "on_load_checkpoint",
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "predict_dataloader",
    "configure_model",
    "manual_backward",
    "forward",
]
CALLBACK_HOOKS = [
    "setup",
    "teardown",
    "on_fit_start",
    "on_fit_end",
    "on_sanity_check_start",
    "on_sanity_check_end",
    "on_train_batch_start",
    "on_train_batch_end",
    "on_train_epoch_start",
    "on_train_epoch_end",
    "on_validation_epoch_start",
    "on_validation_epoch_end",
    "on_test_epoch_start",
    "on_test_epoch_end",
    "on_predict_epoch_start",
    "on_predict_epoch_end",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_test_batch_start",
    "on_test_batch_end",
    "on_predict_batch_start",
    "on_predict_batch_end",
    "on_train_start",
    "on_train_end",
    "on_validation_start",
    "on_validation_end",
    "on_test_start",
    "on_test_end",
    "on_predict_start",
    "on_predict_end",
    "on_exception",
    "on_save_checkpoint",
    "on_load_checkpoint",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "state_dict",
    "load_state_dict",
]
DATA_HOOKS = [
    "prepare_data",
    "setup",
    "teardown",
    "train_dataloader",
    "val_dataloader",
    "test_dataloader",
    "predict_dataloader",
    "state_dict",
    "load_state_dict",
    "on_exception",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
]


def record(thing: Any, who: str, hooks: list[str], events: list[Any], module: Any) -> Any:
    """Note each call of a hook, with its small arguments and where the module is. The wrapper shows the hook's own signature."""

    def wrap(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def hook(*args: Any, **kwargs: Any) -> Any:
            small = [v for v in [*args, *kwargs.values()] if isinstance(v, (int, str)) and not isinstance(v, type)]
            events.append(
                [
                    f"{who}.{name}",
                    *[str(getattr(v, "value", v)) for v in small],
                    module.training,
                    module.current_epoch,
                    module.global_step,
                ]
            )
            return method(*args, **kwargs)

        return hook

    for name in hooks:
        if hasattr(thing, name):
            object.__setattr__(thing, name, wrap(name, getattr(thing, name)))
    return thing


# ---- modules ----


def make(L: Any, torch: Any) -> dict[str, Any]:
    """The classes of all scenarios, in a library."""
    nn, optim, F = torch.nn, torch.optim, torch.nn.functional
    schedulers = optim.lr_scheduler

    class Net(L.LightningModule):
        """A small regression; `form` chooses what `configure_optimizers` returns."""

        def __init__(
            self, width: int = 3, lr: float = 0.1, form: str = "sgd", dropout: float = 0.0, double: bool = True
        ) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layers = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, 1))
            if double:
                self.double()

        def forward(self, x: Any) -> Any:
            return self.layers(x)

        def error(self, batch: Any) -> Any:
            x, y = batch
            return F.mse_loss(self(x), y)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.error(batch)
            self.log("loss", loss, on_step=True, on_epoch=True, prog_bar=True)
            self.log("step_only", loss * 2)
            self.log("epoch_only", loss * 3, on_step=False, on_epoch=True)
            self.log("most", loss, reduce_fx="max", on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.error(batch)
            self.log("val_loss", loss, prog_bar=True)
            self.log_dict({"val_min": loss, "val_sum": loss}, reduce_fx="min" if batch_idx < 0 else "sum")
            self.log("both", loss, on_step=True, on_epoch=True)
            return loss

        def test_step(self, batch: Any, batch_idx: int) -> Any:
            self.log("test_loss", self.error(batch))

        def predict_step(self, batch: Any, batch_idx: int) -> Any:
            return self(batch[0])

        def configure_optimizers(self) -> Any:
            return FORMS[self.hparams.form](self)

    def sgd(self: Any) -> Any:
        return optim.SGD(self.parameters(), lr=self.hparams.lr, momentum=0.9)

    def with_scheduler(make_scheduler: Callable[[Any], Any], **more: Any) -> Callable[[Any], Any]:
        def form(self: Any) -> Any:
            optimizer = sgd(self)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": make_scheduler(optimizer), **more}}

        return form

    def two_lists(self: Any) -> Any:
        optimizer = sgd(self)
        return [optimizer], [schedulers.StepLR(optimizer, 1, gamma=0.5)]

    def bare_scheduler(self: Any) -> Any:
        optimizer = sgd(self)
        return {"optimizer": optimizer, "lr_scheduler": schedulers.StepLR(optimizer, 1, gamma=0.5)}

    def two_schedulers(self: Any) -> Any:
        optimizer = sgd(self)
        by_step = {
            "scheduler": schedulers.ExponentialLR(optimizer, 0.9),
            "interval": "step",
            "frequency": 2,
            "name": "by step",
        }
        return [optimizer], [by_step, schedulers.StepLR(optimizer, 2)]

    def plateau_alone(self: Any) -> Any:
        optimizer = sgd(self)
        return {
            "optimizer": optimizer,
            "lr_scheduler": schedulers.ReduceLROnPlateau(optimizer, patience=0),
            "monitor": "val_loss",
        }

    def one_cycle(self: Any) -> Any:
        optimizer = sgd(self)
        cycle = schedulers.OneCycleLR(optimizer, 0.2, total_steps=self.trainer.estimated_stepping_batches)
        return [optimizer], [{"scheduler": cycle, "interval": "step"}]

    def dicts(self: Any) -> Any:
        optimizer = sgd(self)
        return ({"optimizer": optimizer, "lr_scheduler": schedulers.StepLR(optimizer, 1)},)

    FORMS: dict[str, Callable[[Any], Any]] = {
        "sgd": sgd,
        "adam": lambda self: optim.Adam(self.parameters(), lr=self.hparams.lr),
        "lbfgs": lambda self: optim.LBFGS(self.parameters(), lr=0.1, max_iter=3),
        "list": lambda self: [sgd(self)],
        "two lists": two_lists,
        "bare scheduler": bare_scheduler,
        "two schedulers": two_schedulers,
        "dicts": dicts,
        "none": lambda self: None,
        "by step": with_scheduler(lambda o: schedulers.ExponentialLR(o, 0.9), interval="step"),
        "every 2 steps": with_scheduler(lambda o: schedulers.ExponentialLR(o, 0.9), interval="step", frequency=2),
        "every 2 epochs": with_scheduler(lambda o: schedulers.StepLR(o, 1), frequency=2),
        "plateau": with_scheduler(lambda o: schedulers.ReduceLROnPlateau(o, patience=0), monitor="val_loss"),
        "plateau by step": with_scheduler(
            lambda o: schedulers.ReduceLROnPlateau(o, patience=0, threshold=1.0), monitor="loss", interval="step"
        ),
        "plateau not strict": with_scheduler(
            lambda o: schedulers.ReduceLROnPlateau(o, patience=0), monitor="nothing", strict=False
        ),
        "plateau alone": plateau_alone,
        "one cycle": one_cycle,
    }

    class Logs(Net):
        """Logs everywhere where one may, and integers and numbers."""

        def on_train_start(self) -> None:
            self.log("at_start", 1.0)

        def on_train_epoch_start(self) -> None:
            self.log("epoch_start", float(self.current_epoch))

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> Any:
            self.log("batch_start", float(batch_idx), on_epoch=True)

        def on_before_backward(self, loss: Any) -> None:
            self.log("before_backward", loss, on_step=True, on_epoch=True)

        def on_after_backward(self) -> None:
            self.log("grad", self.layers[0].weight.grad.abs().sum())

        def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
            self.log("batch_end", outputs["loss"], on_step=False, on_epoch=True, batch_size=2)

        def on_train_epoch_end(self) -> None:
            self.log("epoch_end", 2.0 * self.current_epoch, prog_bar=True)
            self.log("step", float(self.current_epoch))

        def on_validation_epoch_end(self) -> None:
            self.log("val_epoch_end", 5.0)

        def on_validation_batch_end(self, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            self.log("val_batch_end", float(batch_idx), on_step=True, on_epoch=False)

        def on_validation_epoch_start(self) -> None:
            self.log("val_epoch_start", 4, logger=False)

        def on_test_epoch_end(self) -> None:
            self.log("test_epoch_end", 6.0)

    class Returns(Net):
        """Dicts, None and −1; a step that takes no index."""

        def training_step(self, batch: Any) -> Any:  # type: ignore[override]
            loss = self.error(batch)
            if self.global_step == 2 and self.current_epoch == 0:
                return None
            return {"loss": loss, "more": 7}

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> Any:
            return -1 if self.current_epoch == 1 and batch_idx == 2 else None

        def validation_step(self, batch: Any) -> Any:  # type: ignore[override]
            self.log("val_loss", self.error(batch))

        def on_validation_model_train(self) -> None:
            self.train()

    class Several(Net):
        """Several loaders in validation, test and prediction; a dict of two in training."""

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            loss = self.error(batch["a"]) + self.error(batch["b"])
            self.log("loss", loss, on_step=True, on_epoch=True)
            return loss

        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            self.log("val_loss", self.error(batch))
            self.log("both", self.error(batch), on_step=True, on_epoch=True)
            self.log(f"own_{dataloader_idx}", self.error(batch), add_dataloader_idx=False)

        def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            self.log("test_loss", self.error(batch))

        def predict_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> Any:
            return self(batch[0]) * (dataloader_idx + 1)

    class Manual(Net):
        """Two optimizers that take turns."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            first, second = self.optimizers()
            with first.toggle_model():
                loss = self.error(batch)
                first.zero_grad()
                self.manual_backward(loss)
                self.clip_gradients(first, gradient_clip_val=0.05, gradient_clip_algorithm="norm")
                first.step()
            self.toggle_optimizer(second)
            loss = self.error(batch)
            second.zero_grad()
            self.manual_backward(loss)
            if batch_idx % 2:
                second.step()
            self.untoggle_optimizer(second)
            if self.trainer.is_last_batch:
                for scheduler in self.lr_schedulers():
                    scheduler.step()
            self.log("loss", loss, on_step=True, on_epoch=True)
            return {"loss": loss, "more": 1} if batch_idx else loss

        def configure_optimizers(self) -> Any:
            first = optim.SGD(self.layers[0].parameters(), lr=0.1)
            second = optim.Adam(self.layers[3].parameters(), lr=0.01)
            return [first, second], [schedulers.StepLR(first, 1), schedulers.ExponentialLR(second, 0.5)]

    class ManualOne(Net):
        """One optimizer, with a closure, and nothing returned."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.automatic_optimization = False

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            optimizer = self.optimizers()

            def closure() -> Any:
                loss = self.error(batch)
                optimizer.zero_grad()
                self.manual_backward(loss)
                self.log("loss", loss)
                return loss

            optimizer.step(closure=closure)

    class Changed(Net):
        """Every piece of the step written anew."""

        def optimizer_step(self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None) -> None:
            if batch_idx % 2 == 0:
                optimizer.step(closure=optimizer_closure)
            else:
                optimizer_closure()
            if self.global_step < 3:
                for group in optimizer.param_groups:
                    group["lr"] = 0.02 * (self.global_step + 1)

        def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Any) -> None:
            optimizer.zero_grad(set_to_none=False)

        def backward(self, loss: Any, *args: Any, **kwargs: Any) -> None:
            (2 * loss).backward()

        def configure_gradient_clipping(
            self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
        ) -> None:
            self.clip_gradients(optimizer, gradient_clip_val=gradient_clip_val, gradient_clip_algorithm="value")

        def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
            scheduler.step()

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return batch[0] * 2, batch[1]

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
            checkpoint["own"] = 3

    class Stops(Net):
        """Asks to stop in the second epoch's third batch."""

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if self.current_epoch == 1 and batch_idx == 2:
                self.trainer.should_stop = True
            return super().training_step(batch, batch_idx)

    class NoValidation(Net):
        validation_step = L.LightningModule.validation_step

    class Breaks(Net):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            if self.global_step == 3:
                raise ZeroDivisionError("in the fourth step")
            return super().training_step(batch, batch_idx)

    return {
        "Net": Net, "Logs": Logs, "Returns": Returns, "Several": Several, "Manual": Manual, "ManualOne": ManualOne, "Changed": Changed,
        "Stops": Stops, "NoValidation": NoValidation, "Breaks": Breaks,
    }  # fmt: skip


# ---- data ----


def data(
    torch: Any,
    samples: int,
    batch_size: int,
    double: bool = True,
    shuffle: bool = False,
    seed: int = 1,
    iterable: bool = False,
) -> Any:
    """A loader of (x, y)."""
    dtype = torch.float64 if double else torch.float32
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(samples, 4, generator=generator, dtype=dtype)
    y = x.sum(1, keepdim=True).sin()
    dataset = torch.utils.data.TensorDataset(x, y)
    if iterable:
        rows = [dataset[i] for i in range(samples)]

        class Stream(torch.utils.data.IterableDataset):
            def __iter__(self) -> Any:
                return iter(rows)

        return torch.utils.data.DataLoader(Stream(), batch_size=batch_size)
    return torch.utils.data.DataLoader(dataset, batch_size=batch_size, shuffle=shuffle)


class Stateful:
    """A loader that can say where it is, and go on from there."""

    def __init__(self, loader: Any) -> None:
        self.batches = list(loader)
        self.place = 0

    def __iter__(self) -> Any:
        while self.place < len(self.batches):
            self.place += 1
            yield self.batches[self.place - 1]
        self.place = 0

    def __len__(self) -> int:
        return len(self.batches)

    def state_dict(self) -> dict[str, Any]:
        return {"place": self.place}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.place = state["place"]


def loaders(torch: Any, kind: str, double: bool) -> dict[str, Any]:
    """Loaders of 5, 3 and 2 batches of unequal sizes, as the scenario wants them."""
    one = functools.partial(data, torch, double=double)
    if kind == "several":
        return {
            "train": {"a": one(11, 3), "b": one(7, 3, seed=2)},
            "val": [one(5, 2, seed=3), one(9, 2, seed=4)],
            "test": [one(5, 2, seed=3), one(4, 3, seed=4)],
            "predict": [one(3, 2, seed=5), one(2, 2, seed=6)],
        }
    if kind == "stateful":
        return {"train": Stateful(one(14, 3)), "val": one(7, 3, seed=3)}
    shuffle, iterable = kind == "shuffled", kind == "iterable"
    return {
        "train": one(14, 3, shuffle=shuffle, iterable=iterable),
        "val": one(7, 3, seed=3, iterable=iterable),
        "test": one(5, 3, seed=4),
        "predict": one(4, 3, seed=5),
    }


# ---- a run ----


def recorder(L: Any, loggers: Any, events: list[Any]) -> Any:
    """A logger that keeps what it gets."""

    class Recorder(loggers.Logger):
        name = "recorder"
        version = 0

        def log_metrics(self, metrics: Any, step: Any = None) -> None:
            events.append(["logged", step, dict(metrics)])

        def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
            events.append(["hyperparameters", dict(params)])

        def log_graph(self, model: Any, input_array: Any = None) -> None:
            events.append(["graph"])

        def save(self) -> None:
            events.append(["save"])

        def finalize(self, status: str) -> None:
            events.append(["finalize", status])

    return Recorder()


QUIET = {
    "enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False, "accelerator": "cpu", "devices": 1,
    "log_every_n_steps": 1, "max_epochs": 2,
}  # fmt: skip


def plain(value: Any) -> Any:
    """A value as numbers, strings, lists and dicts, with the dtype of tensors."""
    if hasattr(value, "detach"):
        return {"dtype": str(value.dtype).rpartition(".")[2], "values": value.detach().tolist()}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else type(value).__name__


def run(scenario: dict[str, Any], L: Any, torch: Any, loggers: Any) -> dict[str, Any]:
    """Run a scenario in a library: all that is compared of it."""
    events: list[Any] = []
    options = dict(scenario)
    double = options.pop("double", True)
    kind, hyper, name = options.pop("loaders", "plain"), options.pop("hyper", {}), options.pop("module", "Net")
    calls, with_data, resume = options.pop("calls", ["fit"]), options.pop("datamodule", False), options.pop("resume", None)
    seed = options.pop("seed", 0)
    result: dict[str, Any] = {}
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(record=True) as said,
    ):
        warnings.simplefilter("always")
        torch.manual_seed(seed)
        module = make(L, torch)[name](double=double, **hyper)
        given = loaders(torch, kind, double)

        def trainer_of(**more: Any) -> Any:
            callback = record(L.Callback(), "callback", CALLBACK_HOOKS, events, module)
            own = more.pop("callbacks", [])
            return L.Trainer(logger=recorder(L, loggers, events), callbacks=[callback, *own], **{**QUIET, **options, **more})

        record(module, "module", MODULE_HOOKS, events, module)
        arguments: dict[str, dict[str, Any]] = {
            "fit": {"train_dataloaders": given["train"], "val_dataloaders": given["val"]},
            "validate": {"dataloaders": given["val"]},
            "test": {"dataloaders": given.get("test")},
            "predict": {"dataloaders": given.get("predict")},
        }
        if with_data:
            datamodule = record(datamodule_of(L, given), "data", DATA_HOOKS, events, module)
            arguments = {call: {"datamodule": datamodule} for call in arguments}
        with tempfile.TemporaryDirectory() as folder:
            try:
                trainer = trainer_of()
                if resume is not None:
                    saver = saving_callback(L, resume["at"], os.path.join(folder, "a.ckpt"), resume.get("when", 1))
                    trainer = trainer_of(callbacks=[saver], **resume.get("first", {}))
                    trainer.fit(module, **arguments["fit"])
                    events.append(["resumed"])
                    torch.manual_seed(seed + 1)
                    module = record(make(L, torch)[name](double=double, **hyper), "module", MODULE_HOOKS, events, module)
                    trainer = trainer_of(**resume.get("then", {}))
                    arguments["fit"]["ckpt_path"] = os.path.join(folder, "a.ckpt")
                for call in calls:
                    output = getattr(trainer, call)(module, **arguments[call])
                    events.append(["returned", plain(output)])
            except Exception as error:
                events.append(["raised", type(error).__name__])
            path = os.path.join(folder, "end.ckpt")
            trainer.save_checkpoint(path)
            checkpoint = torch.load(path, weights_only=True)
        metrics = {name: plain(getattr(trainer, f"{name}_metrics")) for name in ("callback", "logged", "progress_bar")}
        result.update(
            events=events, metrics=metrics, checkpoint=plain(checkpoint), checkpoint_keys=list(checkpoint),
            weights=plain(dict(module.state_dict())),
            state=[trainer.current_epoch, trainer.global_step, trainer.num_training_batches, trainer.should_stop],
        )  # fmt: skip
    result["warned"] = sorted(
        {str(w.message)[:60].strip() for w in said if not any(words in str(w.message) for words in NOT_COMPARED)}
    )
    return result


NOT_COMPARED = (  # about worker processes, torch's own and Python's; and what is said once in a process
    "many workers", "deprecated", "isinstance(treespec", "tensorboardX", "lr_scheduler.step()` before", "leaked",
    "Trying to infer", "returned `None`. If", "yielded None", "predict returned None", "needs to be floating",
)  # fmt: skip


def datamodule_of(L: Any, given: dict[str, Any]) -> Any:
    class Data(L.LightningDataModule):
        def __init__(self, size: int = 3) -> None:
            super().__init__()
            self.save_hyperparameters()

        def prepare_data(self) -> None: ...

        def train_dataloader(self) -> Any:
            return given["train"]

        def val_dataloader(self) -> Any:
            return given["val"]

        def test_dataloader(self) -> Any:
            return given["test"]

        def predict_dataloader(self) -> Any:
            return given["predict"]

        def state_dict(self) -> dict[str, Any]:
            return {"place": 5}

        def load_state_dict(self, state_dict: dict[str, Any]) -> None:
            self.place = state_dict["place"]

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
            return batch

    return Data()


def saving_callback(L: Any, at: str, path: str, when: int) -> Any:
    """A callback that saves in the hook `at`, the `when`-th time that it is called outside of the sanity check."""
    calls = [0]

    def hook(self: Any, trainer: Any, *args: Any, **kwargs: Any) -> None:
        calls[0] += not trainer.sanity_checking
        if calls[0] == when and not trainer.sanity_checking:
            trainer.save_checkpoint(path)

    return type("Saver", (L.Callback,), {at: hook})()
