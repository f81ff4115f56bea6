"""The table of trainings that `tests/test_lightning.py` runs in both libraries; `lightning_scenarios.py` says what the words mean."""

from __future__ import annotations

from typing import Any

FORMS = [
    "sgd", "adam", "lbfgs", "list", "two lists", "bare scheduler", "two schedulers", "dicts", "none", "by step", "every 2 steps",
    "every 2 epochs", "plateau", "plateau by step", "plateau not strict", "plateau alone", "one cycle",
]  # fmt: skip

# Those that run by default: every kind of module and run, few epochs.
SOME = [
    "all calls", "logs", "logs rarely", "returns", "several loaders", "manual", "changed", "stops", "breaks", "validate often", "reload", "iterable",
    "64-true", "bf16-mixed", "accumulate 3", "optimizer: plateau", "fast_dev_run", "resume: on_train_batch_end 3, accumulate",
    "resume: on_train_epoch_end 1",
]  # fmt: skip

SCENARIOS: dict[str, dict[str, Any]] = {
    "plain": {},
    "all calls": {"calls": ["validate", "fit", "validate", "test", "predict"], "loaders": "shuffled"},
    "logs": {"module": "Logs", "calls": ["fit", "test"]},
    "logs rarely": {"module": "Logs", "log_every_n_steps": 3, "accumulate_grad_batches": 2},
    "returns": {"module": "Returns", "max_epochs": 3, "calls": ["fit", "validate"]},
    "several loaders": {"module": "Several", "loaders": "several", "calls": ["fit", "validate", "test", "predict"]},
    "several loaders, limited": {"module": "Several", "loaders": "several", "limit_val_batches": 0.5},
    "logs, lbfgs": {"module": "Logs", "hyper": {"form": "lbfgs"}},
    "manual": {"module": "Manual"},
    "manual, one": {"module": "ManualOne"},
    "changed": {"module": "Changed", "hyper": {"form": "two lists"}, "gradient_clip_val": 0.01},
    "stops": {"module": "Stops", "max_epochs": 4},
    "stops not before": {"module": "Stops", "max_epochs": 5, "min_epochs": 3},
    "stops not before a step": {"module": "Stops", "max_epochs": 5, "min_steps": 9},
    "no validation": {"module": "NoValidation"},
    "breaks": {"module": "Breaks", "datamodule": True},
    "datamodule": {"datamodule": True, "calls": ["fit", "validate", "test", "predict"]},
    "dropout": {"hyper": {"dropout": 0.5}, "loaders": "shuffled"},
    "float32": {"double": False, "loaders": "shuffled"},
    "64-true": {"double": False, "precision": "64-true"},
    "bf16-mixed": {"double": False, "precision": "bf16-mixed", "gradient_clip_val": 0.5},
    "16 on a cpu": {"double": False, "precision": "16-mixed"},
    "accumulate": {"accumulate_grad_batches": 2, "hyper": {"form": "by step"}},
    "accumulate 3": {"accumulate_grad_batches": 3, "hyper": {"form": "two schedulers"}, "gradient_clip_val": 0.1},
    "clip by value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
    "clip by norm": {"gradient_clip_val": 0.01},
    "max_steps": {"max_steps": 7, "max_epochs": -1},
    "max_steps in the first": {"max_steps": 3},
    "max_steps 0": {"max_steps": 0},
    "max_epochs 0": {"max_epochs": 0},
    "fast_dev_run": {"fast_dev_run": True, "calls": ["fit", "test", "predict"]},
    "fast_dev_run 2": {"fast_dev_run": 2},
    "overfit": {"overfit_batches": 2, "loaders": "shuffled"},
    "overfit share": {"overfit_batches": 0.5},
    "limits": {"limit_train_batches": 3, "limit_val_batches": 1, "limit_test_batches": 1, "limit_predict_batches": 1, "calls": ["fit", "test", "predict"]},
    "limits as shares": {"limit_train_batches": 0.6, "limit_val_batches": 0.4},
    "no training batches": {"limit_train_batches": 0},
    "no validation batches": {"limit_val_batches": 0},
    "too small a share": {"limit_train_batches": 0.01},
    "validate often": {"val_check_interval": 2},
    "validate every half": {"val_check_interval": 0.5, "accumulate_grad_batches": 2},
    "validate across epochs": {"val_check_interval": 3, "check_val_every_n_epoch": None, "max_epochs": 3},
    "validate too rarely": {"val_check_interval": 9},
    "validate each 2nd": {"check_val_every_n_epoch": 2, "max_epochs": 4},
    "no sanity": {"num_sanity_val_steps": 0},
    "much sanity": {"num_sanity_val_steps": -1},
    "reload": {"reload_dataloaders_every_n_epochs": 1, "loaders": "shuffled", "datamodule": True},
    "iterable": {"loaders": "iterable"},
    "iterable, limited": {"loaders": "iterable", "limit_train_batches": 3, "limit_val_batches": 2},
    "iterable, a share": {"loaders": "iterable", "limit_train_batches": 0.5},
    "no grad only": {"inference_mode": False, "calls": ["validate", "predict"]},
    "log rarely": {"log_every_n_steps": 3, "max_epochs": 3},
    "log never": {"log_every_n_steps": 0},
    "detect anomaly": {"detect_anomaly": True, "max_epochs": 1},
    **{f"optimizer: {form}": {"hyper": {"form": form}, "max_epochs": 3} for form in FORMS},
    **{f"accumulate, {form}": {"hyper": {"form": form}, "accumulate_grad_batches": 2} for form in ("lbfgs", "one cycle", "plateau by step")},
    "resume: a loader with a state": {"resume": {"at": "on_train_batch_end", "when": 7}, "max_epochs": 3, "loaders": "stateful"},
    "resume: in the last epoch": {"resume": {"at": "on_train_batch_end", "when": 3}, "max_epochs": 1},
    # A checkpoint written in a hook, and a new run from it.
    **{
        f"resume: {hook} {when}{', ' + words if words else ''}": {
            "resume": {"at": hook, "when": when, "first": {"max_epochs": 3}, "then": {"max_epochs": 3}}, "hyper": {"form": "two schedulers"}, **more,
        }
        for words, more in (("", {}), ("accumulate", {"accumulate_grad_batches": 2}), ("max_steps", {"max_steps": 12}), ("often", {"val_check_interval": 2}))
        for hook, when in (
            ("on_train_epoch_start", 2), ("on_train_batch_start", 3), ("on_train_batch_end", 3), ("on_train_batch_end", 5), ("on_train_batch_end", 7),
            ("on_validation_start", 1), ("on_validation_batch_end", 2), ("on_validation_end", 1), ("on_validation_end", 2), ("on_train_epoch_end", 1), ("on_train_epoch_end", 2),
            ("on_train_end", 1), ("on_train_start", 1), ("on_before_zero_grad", 4),
        )
    },
}  # fmt: skip


def drawn(seed: int) -> dict[str, Any]:
    """A scenario of options that are drawn at random."""
    from random import Random

    r = Random(seed)
    module = r.choice(["Net", "Net", "Logs", "Returns", "Manual", "ManualOne", "Changed", "Stops", "NoValidation"])
    manual = module.startswith("Manual")
    every = r.choice([None, 1, 1, 2])
    scenario: dict[str, Any] = {
        "module": module, "seed": seed, "loaders": r.choice(["plain", "shuffled", "iterable"]), "datamodule": r.random() < 0.3,
        "max_epochs": r.choice([1, 2, 3, 4]), "check_val_every_n_epoch": every, "log_every_n_steps": r.choice([0, 1, 2, 3, 50]),
        "num_sanity_val_steps": r.choice([0, 1, 2, -1]), "limit_train_batches": r.choice([1.0, 1.0, 0.5, 3, 4]),
        "limit_val_batches": r.choice([1.0, 1.0, 0.5, 1, 2, 0]), "calls": r.choice([["fit"], ["fit", "validate"], ["validate", "fit", "test", "predict"]]),
        "hyper": {"form": r.choice([f for f in FORMS if f != "lbfgs"]), "dropout": r.choice([0.0, 0.3])},
    }  # fmt: skip
    scenario["val_check_interval"] = r.choice([1, 2, 3, 4] if every is None else [1.0, 1.0, 0.5, 0.3, 1, 2, 3])
    if module == "Changed" and scenario["hyper"]["form"] == "none":  # torch's clip_grad_value_ refuses to clip nothing
        scenario["hyper"]["form"] = "sgd"
    if not manual:
        scenario["accumulate_grad_batches"] = r.choice([1, 1, 2, 3])
        scenario["gradient_clip_val"] = r.choice([None, None, 0.01, 0.5])
    for name, values in (
        ("max_steps", [3, 5, 8]),
        ("min_epochs", [1, 2]),
        ("min_steps", [4, 8]),
        ("overfit_batches", [1, 2, 0.5]),
    ):
        if r.random() < 0.15:
            scenario[name] = r.choice(values)
    if r.random() < 0.15:
        scenario["reload_dataloaders_every_n_epochs"] = r.choice([1, 2])
    if r.random() < 0.4 and module != "Returns":
        hooks = [
            "on_train_epoch_start", "on_train_batch_start", "on_train_batch_end", "on_validation_start", "on_validation_batch_end",
            "on_validation_end", "on_train_epoch_end", "on_train_end", "on_before_optimizer_step",
        ]  # fmt: skip
        scenario["resume"] = {"at": r.choice(hooks), "when": r.randint(1, 6)}
        scenario["calls"] = ["fit"]
    return scenario
