"""Small things that real Lightning and ours are asked one after the other: hyperparameters, combined loaders, batch sizes, mistakes."""

from __future__ import annotations

import contextlib
import io
import signal
import warnings
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightning_scenarios as scenarios

# ---- hyperparameters ----


def hyperparameters(L: Any, torch: Any) -> dict[str, Any]:
    """What different classes keep."""

    class All(L.LightningModule):
        def __init__(self, a: int, b: str = "b", *rest: int, c: float = 0.5, **more: Any) -> None:
            super().__init__()
            self.save_hyperparameters()

    class Some(L.LightningModule):
        def __init__(self, a: int, b: int, c: int = 3) -> None:
            super().__init__()
            self.save_hyperparameters("a", "c")

    class Without(L.LightningModule):
        def __init__(self, a: int, b: int, c: int = 3) -> None:
            super().__init__()
            self.save_hyperparameters(ignore=["b"])

    class Derived(Without):
        def __init__(self, d: int, **rest: Any) -> None:
            super().__init__(**rest)

    class Twice(Without):
        def __init__(self, d: int, a: int) -> None:
            super().__init__(a, 2)
            self.save_hyperparameters(ignore="c")

    class Config(L.LightningModule):
        def __init__(self, config: Any, other: int = 1) -> None:
            super().__init__()
            self.save_hyperparameters(config)

    class Data(L.LightningDataModule):
        def __init__(self, size: int, folder: str = "x") -> None:
            super().__init__()
            self.save_hyperparameters(logger=False)

    def seen(thing: Any) -> Any:
        return dict(thing.hparams), thing._hparams_name, thing._log_hyperparams, repr(thing.hparams)

    made = [
        All(1, "x", 5, 6, c=2.0, d=4), All(1), Some(1, 2), Without(1, 2), Derived(4, a=1, b=2), Twice(5, a=1), Config({"x": 1, "y": 2}), Config(Namespace(z=3)),
        Config({}), Data(3),
    ]  # fmt: skip
    changed = Without(1, 2)
    changed.hparams.a = 7
    changed.hparams["new"] = 8
    return {
        "kept": [seen(thing) for thing in made[:-2]] + [seen(made[-1])], "nothing": dict(made[-2].hparams), "changed": seen(changed)[0],
        "initial": dict(changed.hparams_initial),
    }  # fmt: skip


# ---- several loaders ----


def combined(L: Any, torch: Any) -> Any:
    """What a CombinedLoader yields in each mode, with and without limits, and how long it says it is."""
    CombinedLoader = L.pytorch.utilities.CombinedLoader
    found = []
    for mode in ("min_size", "max_size", "max_size_cycle", "sequential"):
        for given in ([range(3), range(10, 15)], {"a": range(2), "b": [range(4), range(1)]}, range(3), [range(0), range(2)]):
            loader = CombinedLoader(given, mode)
            for _ in range(2):
                items = list(iter(loader))
                found.append((mode, items, len(loader)))
        if mode == "sequential":
            loader = CombinedLoader([range(3), range(10, 15)], mode)
            loader.limits = [2, 1]
            found.append((list(iter(loader)), len(loader)))
    return found


# ---- batch sizes ----


def batch_sizes(L: Any, torch: Any) -> Any:
    """The number of samples that is found in batches of many kinds."""

    @dataclass
    class Batch:
        x: Any
        n: int

    if L.__name__.startswith("minitorch"):
        from minitorch.lightning.results import extract_batch_size
    else:
        from lightning.pytorch.utilities.data import extract_batch_size
    x, y = torch.zeros(5, 2), torch.zeros(3)
    batches = [
        x,
        [x, y],
        {"a": y, "b": x},
        ("text", x),
        [[y], x],
        torch.tensor(1.0),
        Batch(x, 3),
        "text",
        3,
        [],
        None,
        [1, 2],
    ]
    found = []
    for batch in batches:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                found.append((extract_batch_size(batch), len(said) > 0))
            except Exception as error:
                found.append(type(error).__name__)
    return [f[0] if isinstance(f, tuple) else f for f in found]


# ---- modules beside the Trainer ----


def beside(L: Any, torch: Any) -> Any:
    """What a module and a Trainer can say before and after a run."""
    module = scenarios.make(L, torch)["Net"]()
    before = [
        module.current_epoch,
        module.global_step,
        module.global_rank,
        module.logger,
        module.automatic_optimization,
        module.on_gpu,
    ]
    module.freeze()
    frozen = [p.requires_grad for p in module.parameters()], module.training
    module.unfreeze()
    free = [p.requires_grad for p in module.parameters()], module.training
    quiet = {**scenarios.QUIET, "logger": False}
    trainer = L.Trainer(**quiet, overfit_batches=3, max_time=None)
    said = [
        trainer.max_epochs, trainer.min_epochs, trainer.max_steps, trainer.limit_train_batches, trainer.limit_val_batches, trainer.current_epoch,
        trainer.global_step, trainer.world_size, trainer.num_devices, trainer.is_global_zero, trainer.precision, trainer.logger, trainer.loggers,
        trainer.early_stopping_callback, trainer.checkpoint_callback, trainer.progress_bar_callback, trainer.interrupted, trainer.fast_dev_run,
        trainer.num_training_batches, trainer.scaler, trainer.device_ids, trainer.num_nodes, trainer.training, trainer.sanity_checking,
    ]  # fmt: skip
    bare = L.Trainer(barebones=True, accelerator="cpu")
    return (
        before,
        frozen,
        free,
        said,
        [bare.barebones, bare.log_every_n_steps, bare.num_sanity_val_steps, len(bare.callbacks)],
    )


def seeds(L: Any, torch: Any) -> Any:
    """What follows from `seed_everything`, in all three generators and in worker processes."""
    import os
    import random

    import numpy as np

    before = {k: os.environ.get(k) for k in ("PL_GLOBAL_SEED", "PL_SEED_WORKERS")}
    try:
        given = L.seed_everything(42, workers=True, verbose=False)
        drawn = [
            torch.rand(2).tolist(),
            np.random.rand(),
            random.random(),
            os.environ["PL_GLOBAL_SEED"],
            os.environ["PL_SEED_WORKERS"],
        ]
        again = L.seed_everything(verbose=False), torch.rand(1).item()
        if L.__name__.startswith("minitorch"):
            from minitorch.lightning.utilities.seed import isolate_rng, pl_worker_init_function
        else:
            from lightning.fabric.utilities.seed import pl_worker_init_function
            from lightning.pytorch.utilities.seed import isolate_rng
        with isolate_rng():
            torch.rand(3), np.random.rand(), random.random()
        torch.manual_seed(5)
        pl_worker_init_function(1, rank=2)
        in_worker = [torch.rand(2).tolist(), np.random.rand(), random.random()]
    finally:
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value
    return given, drawn, again, in_worker


# ---- mistakes ----


def mistakes(L: Any, torch: Any) -> dict[str, Any]:
    """Which error each wrong use ends with (its type), or None."""
    classes = scenarios.make(L, torch)
    Net, quiet = classes["Net"], {**scenarios.QUIET, "logger": False, "max_epochs": 1}
    data = scenarios.loaders(torch, "plain", True)
    lists = scenarios.loaders(torch, "several", True)

    def fit(module: Any, **options: Any) -> None:
        loaders = options.pop("data", data)
        L.Trainer(**{**quiet, **options}).fit(module, loaders["train"], loaders["val"])

    def with_step(step: Callable[..., Any], **options: Any) -> Callable[[], None]:
        made = type("Net", (Net,), {"training_step": step})
        return lambda: fit(made(), **options)

    def logging(*args: Any, **kwargs: Any) -> Callable[[], None]:
        def step(self: Any, batch: Any, batch_idx: int) -> Any:
            self.log(*args, **kwargs)
            return self.error(batch)

        return with_step(step)

    def in_hook(hook: str, **kwargs: Any) -> Callable[[], None]:
        return lambda: fit(type("Net", (Net,), {hook: lambda self, *args: self.log("x", 1.0, **kwargs)})())

    def returning(form: Callable[[Any, Any], Any], cls: Any = Net) -> Callable[[], None]:
        def configure(self: Any) -> Any:
            return form(self, torch.optim.SGD(self.parameters(), lr=0.1))

        return lambda: fit(type("Net", (cls,), {"configure_optimizers": configure})())

    def log_twice(self: Any, batch: Any, batch_idx: int) -> Any:
        self.log("x", 1.0)
        self.log("x", 1.0, prog_bar=True)
        return self.error(batch)

    schedule = torch.optim.lr_scheduler
    other = torch.optim.SGD(torch.nn.Linear(1, 1).parameters(), lr=0.1)
    calls: dict[str, Callable[[], Any]] = {
        "no training_step": lambda: fit(type("M", (L.LightningModule,), {"configure_optimizers": lambda self: None})()),
        "no optimizer": lambda: fit(type("M", (L.LightningModule,), {"training_step": lambda self, batch, batch_idx: None})()),
        "no test_step": lambda: L.Trainer(**quiet).test(type("M", (L.LightningModule,), {})(), data["test"]),
        "no validation_step": lambda: L.Trainer(**quiet).validate(type("M", (L.LightningModule,), {})(), data["test"]),
        "no forward": lambda: L.Trainer(**quiet).predict(type("M", (L.LightningModule,), {})(), data["test"]),
        "no loader": lambda: L.Trainer(**quiet).fit(Net()),
        "no test loader": lambda: L.Trainer(**quiet).test(Net()),
        "a loader that is none": lambda: L.Trainer(**quiet).fit(Net(), 3),
        "a module that is none": lambda: L.Trainer(**quiet).fit(torch.nn.Linear(1, 1), data["train"]),
        "test without a model": lambda: L.Trainer(**quiet).test(),
        "both loaders and a datamodule": lambda: L.Trainer(**quiet).fit(Net(), data["train"], datamodule=scenarios.datamodule_of(L, data)),
        "several loaders, no index": lambda: fit(Net(), data={**data, "val": lists["val"]}),
        "an index, one loader": lambda: fit(type("N", (Net,), {"validation_step": lambda self, batch, batch_idx, dataloader_idx: None})()),
        "returns a string": with_step(lambda self, batch, batch_idx: "loss"),
        "a dict without loss": with_step(lambda self, batch, batch_idx: {"a": 1}),
        "log: a vector": logging("x", torch.zeros(3)),
        "log: a string": logging("x", "1"),
        "log: a list": logging("x", [1.0]),
        "log: a dict": logging("x", {"a": {"b": 1}}),
        "log: neither": logging("x", 1.0, on_step=False, on_epoch=False),
        "log: a reduction": logging("x", 1.0, reduce_fx="median"),
        "log: a function": logging("x", 1.0, reduce_fx=lambda v: v),
        "log: a loader's suffix": logging("x/dataloader_idx_0", 1.0),
        "log: twice": with_step(log_twice),
        "log: on_fit_start": in_hook("on_fit_start"),
        "log: on_train_end": in_hook("on_train_end"),
        "log: on_train_epoch_end, on_step": in_hook("on_train_epoch_end", on_step=True),
        "log: on_train_epoch_end, not on_epoch": in_hook("on_train_epoch_end", on_epoch=False),
        "log: on_train_epoch_end": in_hook("on_train_epoch_end"),
        "manual_backward": with_step(lambda self, batch, batch_idx: self.manual_backward(self.error(batch))),
        "manual and clipping": lambda: fit(classes["Manual"](), gradient_clip_val=0.5),
        "manual and accumulation": lambda: fit(classes["Manual"](), accumulate_grad_batches=2),
        "manual returns a string": with_step(lambda self, batch, batch_idx: "x"),
        "two optimizers": returning(lambda self, o: [o, o]),
        "an optimizer that is none": returning(lambda self, o: 3),
        "a dict without scheduler": returning(lambda self, o: {"optimizer": o, "lr_scheduler": {"interval": "step"}}),
        "an interval": returning(lambda self, o: {"optimizer": o, "lr_scheduler": {"scheduler": schedule.StepLR(o, 1), "interval": "batch"}}),
        "plateau, no monitor": returning(lambda self, o: [[o], [schedule.ReduceLROnPlateau(o)]]),
        "plateau in a dict, no monitor": returning(lambda self, o: {"optimizer": o, "lr_scheduler": {"scheduler": schedule.ReduceLROnPlateau(o)}}),
        "plateau, a metric that is not": returning(lambda self, o: {"optimizer": o, "lr_scheduler": schedule.ReduceLROnPlateau(o), "monitor": "nothing"}),
        "another's scheduler": returning(lambda self, o: [[o], [schedule.StepLR(other, 1)]]),
        "a scheduler that is none": returning(lambda self, o: [[o], [Namespace(optimizer=o)]]),
        "Trainer(accelerator)": lambda: L.Trainer(**{**quiet, "accelerator": "abacus"}),
        "Trainer(accelerator='gpu')": lambda: L.Trainer(**{**quiet, "accelerator": "gpu"}),
        "Trainer(precision)": lambda: L.Trainer(**quiet, precision="8-mixed"),
        "Trainer(limit_train_batches)": lambda: L.Trainer(**quiet, limit_train_batches=1.5),
        "Trainer(limit_val_batches)": lambda: L.Trainer(**quiet, limit_val_batches=-1),
        "Trainer(gradient_clip_val)": lambda: L.Trainer(**quiet, gradient_clip_val="1"),
        "Trainer(gradient_clip_algorithm)": lambda: L.Trainer(**quiet, gradient_clip_algorithm="half"),
        "Trainer(max_epochs)": lambda: L.Trainer(**{**quiet, "max_epochs": -2}),
        "Trainer(fast_dev_run)": lambda: L.Trainer(**quiet, fast_dev_run=-1),
        "Trainer(check_val_every_n_epoch)": lambda: L.Trainer(**quiet, check_val_every_n_epoch=0.5),
        "Trainer(val_check_interval)": lambda: L.Trainer(**quiet, check_val_every_n_epoch=None, val_check_interval=0.5),
        "Trainer(reload)": lambda: L.Trainer(**quiet, reload_dataloaders_every_n_epochs=-1),
        "Trainer(callbacks)": lambda: L.Trainer(**quiet, callbacks=[L.pytorch.callbacks.ModelCheckpoint()]),
        "Trainer(barebones)": lambda: L.Trainer(barebones=True, fast_dev_run=True),
        "Trainer(an option that is none)": lambda: L.Trainer(**quiet, epochs=3),
        "best without a callback": lambda: L.Trainer(**quiet).test(Net(), data["test"], ckpt_path="best"),
        "a checkpoint that is not there": lambda: L.Trainer(**quiet).test(Net(), data["test"], ckpt_path="nowhere.ckpt"),
        "no trainer": lambda: Net().trainer,
        "save before a run": lambda: L.Trainer(**quiet).save_checkpoint("nowhere.ckpt"),
        "a seed": lambda: L.seed_everything(-1),
        "a large seed": lambda: L.seed_everything(2**32),
        "hyperparameters of a number": lambda: type("M", (L.LightningModule,), {"__init__": number_of(L)})(),
        "an old hook": lambda: fit(type("N", (Net,), {"training_epoch_end": lambda self, outputs: None})()),
        "an old validation hook": lambda: fit(type("N", (Net,), {"validation_epoch_end": lambda self, outputs: None})()),
    }  # fmt: skip
    found = {}
    for name, call in calls.items():
        with quietly():
            try:
                call()
                found[name] = None
            except Exception as error:
                found[name] = type(error).__name__
    return found


def number_of(L: Any) -> Callable[[Any], None]:
    def init(self: Any) -> None:
        L.LightningModule.__init__(self)
        self.save_hyperparameters(3)

    return init


@contextlib.contextmanager
def quietly() -> Any:
    """Nothing is printed, no warning is an error, and Ctrl-C is as before at the end."""
    handler = signal.getsignal(signal.SIGINT)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    signal.signal(signal.SIGINT, handler)


def interrupted(L: Any, torch: Any) -> Any:
    """Ctrl-C in the fourth step: who is told, how the program ends, and what a checkpoint that was saved then holds."""
    module = scenarios.make(L, torch)["Net"]()
    events: list[Any] = []
    step = module.training_step

    def training_step(batch: Any, batch_idx: int) -> Any:
        if module.global_step == 3:
            raise KeyboardInterrupt
        return step(batch, batch_idx)

    module.training_step = training_step

    class Saver(L.Callback):
        def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
            events.append([type(exception).__name__, trainer.global_step, trainer.interrupted])

    data = scenarios.loaders(torch, "plain", True)
    trainer = L.Trainer(**{**scenarios.QUIET, "logger": False}, callbacks=[Saver()])
    with quietly():
        try:
            trainer.fit(module, data["train"], data["val"])
        except SystemExit as end:
            events.append(end.code)
        ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return events, ignored, trainer.interrupted, trainer.current_epoch


def own_callbacks(L: Any, torch: Any) -> Any:
    """Callbacks that a module brings take the place of the Trainer's of their class, and savers come last."""
    callbacks = L.pytorch.callbacks

    class Stop(callbacks.EarlyStopping):
        pass

    def configure_callbacks(self: Any) -> Any:
        return [callbacks.ModelCheckpoint(save_top_k=0), Stop("val_loss"), L.Callback()]

    Net = scenarios.make(L, torch)["Net"]
    module = type("Net", (Net,), {"configure_callbacks": configure_callbacks})()
    data = scenarios.loaders(torch, "plain", True)
    options = {**scenarios.QUIET, "logger": False, "enable_checkpointing": True, "max_epochs": 1}
    trainer = L.Trainer(**options, callbacks=[L.Callback(), callbacks.EarlyStopping("loss"), callbacks.Timer()])
    before = [type(callback).__name__ for callback in trainer.callbacks]
    trainer.fit(module, data["train"], data["val"])
    return before, [type(callback).__name__ for callback in trainer.callbacks], trainer.early_stopping_callback.monitor


def from_datasets(L: Any, torch: Any) -> Any:
    """A datamodule made of data sets: batches, and who shuffles."""
    sets = [torch.utils.data.TensorDataset(torch.arange(float(n))) for n in (7, 3, 4)]

    class Data(L.LightningDataModule):
        def __init__(self, batch_size: int = 1, name: str = "x") -> None:
            super().__init__()
            self.batch_size, self.name = batch_size, name

    made = Data.from_datasets(sets[0], sets[1:], predict_dataset=sets[2], batch_size=2, name="y")
    torch.manual_seed(0)
    given = [made.train_dataloader(), *made.val_dataloader(), made.predict_dataloader()]
    batches = [[batch[0].tolist() for batch in loader] for loader in given]
    return (
        batches,
        [type(loader.sampler).__name__ for loader in given],
        made.batch_size,
        made.name,
        callable(made.test_dataloader),
    )


def loading(L: Any, torch: Any) -> Any:
    """Modules made anew from checkpoints: layers that `configure_model` makes, weights that are missing, arguments that are given."""
    import os
    import tempfile

    class Late(L.LightningModule):
        def __init__(self, width: int, deep: bool = False) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.layer = None
            if deep:
                self.more = torch.nn.Linear(2, 2)

        def configure_model(self) -> None:
            if self.layer is None:
                self.layer = torch.nn.Linear(2, self.hparams.width, dtype=torch.float64)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.layer(batch[0]).pow(2).mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    found: list[Any] = []
    torch.manual_seed(0)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.rand(6, 2, dtype=torch.float64)), batch_size=2)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.ckpt")
        trainer = L.Trainer(**{**scenarios.QUIET, "logger": False})
        trainer.fit(Late(3), data)
        trainer.save_checkpoint(path)
        again = Late.load_from_checkpoint(path)
        found += [again.layer.weight.tolist(), dict(again.hparams), again.training]
        with open(path, "rb") as file:
            found.append(Late.load_from_checkpoint(file, map_location="cpu").layer.weight.tolist())
        for options in ({"deep": True}, {"deep": True, "strict": False}, {"width": 4}, {"unknown": 1}):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                try:
                    made = Late.load_from_checkpoint(path, **options)
                    found.append(
                        [
                            list(made.state_dict()),
                            dict(made.hparams),
                            [str(w.message)[:40] for w in said if "Found keys" in str(w.message)],
                        ]
                    )
                except Exception as error:
                    found.append(type(error).__name__)
    return found


def scaled(L: Any, torch: Any) -> Any:
    """float16 with a GradScaler, which the Trainer takes on a GPU only: the plugin itself, on a CPU. The scale is so large that steps are skipped."""
    torch.manual_seed(0)
    module = scenarios.make(L, torch)["Net"](double=False)
    data = scenarios.loaders(torch, "plain", False)
    events: list[Any] = []
    scenarios.record(module, "module", scenarios.MODULE_HOOKS, events, module)
    if L.__name__.startswith("minitorch"):
        from minitorch.lightning.precision import MixedPrecision

        trainer = L.Trainer(**{**scenarios.QUIET, "logger": False}, gradient_clip_val=0.5)
        plugin = trainer.precision_plugin = MixedPrecision("16-mixed", "cpu")
    else:
        plugin = L.pytorch.plugins.MixedPrecision("16-mixed", "cpu")
        trainer = L.Trainer(**{**scenarios.QUIET, "logger": False}, gradient_clip_val=0.5, plugins=[plugin])
    plugin.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**19, growth_interval=3)
    trainer.fit(module, data["train"], data["val"])
    with contextlib.ExitStack() as stack:
        import tempfile

        path = stack.enter_context(tempfile.TemporaryDirectory()) + "/a.ckpt"
        trainer.save_checkpoint(path)
        kept = scenarios.plain(torch.load(path, weights_only=True)["MixedPrecision"])
    weights = {k: [round(w, 3) for w in v.flatten().tolist()] for k, v in module.state_dict().items()}
    return events, kept, weights, plugin.scaler.get_scale(), trainer.global_step


PIECES: dict[str, Callable[[Any, Any], Any]] = {
    piece.__name__: piece
    for piece in (
        hyperparameters,
        combined,
        batch_sizes,
        beside,
        seeds,
        mistakes,
        interrupted,
        own_callbacks,
        from_datasets,
        loading,
        scaled,
    )
}
