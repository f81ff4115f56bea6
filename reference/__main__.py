"""The command line of the oracle: `python -m reference report | opinfo | bench | mutate | machine | badcalls | scripts | modules |
optimizers | train | files | workers | ranks | distributed | derivatives | schedules | pictures | stubs | interview | site | nav`."""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from typing import Any, NamedTuple

INSTALL = "pip install -e '.[test]'"


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


class Command(NamedTuple):
    """What one command runs, what its help says, and its options: the function takes them by name."""

    runs: str  # the file in reference/ and the function in it
    help: str
    options: tuple[tuple[str, dict[str, Any]], ...] = ()


def number(flag: str, default: int | None, help: str) -> tuple[str, dict[str, Any]]:
    """An option that is a whole number of at least 1."""
    return flag, {
        "type": positive,
        "default": default,
        "metavar": "N",
        "help": help if default is None else f"{help} ({default})",
    }


def any_number(flag: str, default: int, help: str) -> tuple[str, dict[str, Any]]:
    """An option that is a whole number."""
    return flag, {"type": int, "default": default, "metavar": "N", "help": f"{help} ({default})"}


def text(flag: str, metavar: str, help: str, default: str | None = None) -> tuple[str, dict[str, Any]]:
    """An option that is words."""
    return flag, {"metavar": metavar, "help": help, "default": default}


COMMANDS = {
    "report": Command("report.report", "how far from torch each op is: value, gradient, second derivative", (
        number("--examples", 100, "inputs drawn for each row"),
        text("--markdown", "FILE", "also write the table there"),
        text("--only", "TEXT", "only ops whose name contains this"),
    )),
    "opinfo": Command("opinfo.opinfo", "torch's own samples of every function, run on both libraries", (
        text("--only", "TEXT", "only entries whose name contains this"),
        text("--dtype", "NAME", "only samples of this dtype, e.g. float64 (six dtypes)"),
        number("--most", None, "samples of each entry and dtype, at most (all)"),
    )),
    "modules": Command("module_samples.modules", "torch's own samples of every layer and loss, run on both libraries", (
        text("--only", "TEXT", "only layers whose name contains this"),
    )),
    "optimizers": Command("optimizer_samples.optimizers", "torch's own samples of every optimizer, run on both libraries", (
        text("--only", "TEXT", "only optimizers whose name contains this"),
    )),
    "bench": Command("bench.bench", "how fast and how large beside torch, with the targets", (
        number("--rounds", 25, "turns of each library"),
        number("--threads", None, "of each library (2, or 1 where there is one CPU)"),
        text("--only", "TEXT", "only benchmarks whose name contains this"),
        ("--device", {"choices": ("cpu", "cuda"), "default": "cpu", "help": "cuda: on a GPU, beside its ceilings (cpu)"}),
        text("--markdown", "FILE", "with --device cuda: also write the table there"),
    )),
    "mutate": Command("mutation.mutate", "break each derivative and update rule: do the rows notice?", (
        text("--family", "NAME", "only one module of minitorch/ops, optim, or compiler (by itself)"),
        text("--op", "NAME", "only the derivatives of one op"),
    )),
    "train": Command("programs.report", "train whole programs in both libraries from the same seeds", (
        number("--seeds", 3, "how many seeds"),
    )),
    "workers": Command("workers.workers", "kill loaders' worker processes and their programs at random moments", (
        number("--tries", 100, "how often a worker is killed"),
        any_number("--seed", 0, "of the moments"),
    )),
    "ranks": Command("ranks.ranks", "kill or stop one of several ranks at random moments", (
        number("--tries", 100, "how often a rank is killed"),
        any_number("--seed", 0, "of the moments"),
    )),
    "distributed": Command("distributed.distributed", "what several processes cost: measured with 1, 2 and 4, reckoned for more", (
        number("--rounds", 15, "calls timed in each run"),
        number("--turns", 3, "runs of each kind, by turns"),
        text("--markdown", "FILE", "also write the tables there, between the page's marks"),
    )),
    "machine": Command("state_machine.programs", "random programs of ops, views, writes and backward, on both libraries", (
        number("--count", 1000, "how many programs"),
        number("--length", 20, "steps in each, at most"),
        any_number("--seed", 0, "the first program's seed"),
        any_number("--pieces", 5, "how often compiled pieces come, among a hundred other steps"),
    )),
    "badcalls": Command("bad_calls.bad_calls", "calls with one argument spoiled, on both libraries: who refuses, and how", (
        number("--calls", 10000, "how many calls"),
        any_number("--seed", 0, "of the first"),
        text("--only", "TEXT", "only functions whose name contains this", ""),
        number("--show", 40, "how many kinds of difference to print"),
    )),
    "scripts": Command("scripts.run.scripts", "random scripts of what users type, statement by statement on both libraries", (
        number("--count", 1000, "how many scripts"),
        number("--length", 12, "statements in each, at most"),
        any_number("--seed", 0, "the first script's seed"),
        number("--most", 1, "stop after so many kinds of differences"),
    )),
    "files": Command("hostile_files.files", "damaged and malicious files: load refuses them in words and runs nothing", (
        number("--count", 10000, "how many files"),
        any_number("--seed", 0, "the first file's"),
    )),
    "derivatives": Command("derivatives.write", "write docs/derivatives.md from the registry"),
    "schedules": Command("schedules.write", "write docs/schedules.md and its picture, how each learning-rate schedule moves"),
    "pictures": Command("pictures.write", "write the pictures of docs/look-inside.md, by the page's own blocks"),
    "stubs": Command("stubs.write", "write minitorch/_functions.pyi, the types of the public functions, from the registry"),
    "interview": Command("interview.write", "bring the index of docs/interview up to date with the headings of its pages"),
    "nav": Command("site.menu.write", "write the site's menu into mkdocs.yml, from the documents that there are"),
    "site": Command("site.build.site", "build site/ from the documents, the source and the registry (extra: docs)", (
        ("--builder", {"choices": ("zensical", "mkdocs", "both"), "default": "zensical", "help": "what builds it (zensical)"}),
        ("--stage-only", {"action": "store_true", "help": "only write build/docs, which the builders read"}),
    )),
}  # fmt: skip
ONE_OF = {"mutate"}  # commands that take one of their options, not several


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 0 if everything held."""
    try:
        from minitorch.cli.ends import Parser, ending_well  # not above: whoever imports this file may want no library yet
    except ModuleNotFoundError as error:
        sys.exit(f"python -m reference: error: {error.name} is not installed: {INSTALL}")
    parser = Parser(prog="python -m reference", description="minitorch beside torch: numbers, speed, tests.")
    return ending_well("python -m reference", lambda: _run(parser, arguments))


def _run(parser: Any, arguments: list[str] | None) -> int:
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, command in COMMANDS.items():
        own = commands.add_parser(name, help=command.help)
        own.set_defaults(parser=own)
        place = own.add_mutually_exclusive_group() if name in ONE_OF else own
        for flag, how in command.options:
            place.add_argument(flag, **how)
    options = vars(parser.parse_args(arguments))
    name, told = options.pop("command"), options.pop("parser", parser)
    if name is None:
        parser.error(f"name a command: {', '.join(commands.choices)}; python -m reference --help tells more")
    runs = _bench_on(options, told) if name == "bench" else COMMANDS[name].runs
    warnings.simplefilter("ignore")  # what torch and NumPy say about inf and nan, which are drawn on purpose
    file, _, function = runs.rpartition(".")
    try:
        run = getattr(importlib.import_module(f"reference.{file}"), function)
    except ModuleNotFoundError as error:
        if str(error.name).startswith(("minitorch", "reference")):
            raise
        told.error(f"minitorch is compared with PyTorch here, and {error.name} is not installed: {INSTALL}")
    return run(**options)


def _bench_on(options: dict[str, Any], told: Any) -> str:
    """What the benchmark of this device runs; it takes only the options that go with it."""
    on_cuda = options.pop("device") == "cuda"
    if options.pop("threads" if on_cuda else "markdown"):
        told.error("--threads goes with --device cpu" if on_cuda else "--markdown goes with --device cuda")
    return "bench_cuda.bench" if on_cuda else COMMANDS["bench"].runs


if __name__ == "__main__":
    sys.exit(main())
