"""The command line of the oracle: `python -m reference report | opinfo | bench | mutate | machine | badcalls | scripts | modules |
optimizers | train | files | workers | ranks | distributed | derivatives | schedules | pictures | stubs | interview | site | nav`."""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from typing import Any

INSTALL = "pip install -e '.[test]'"
RUNS = {  # a command: the file and the function that do it
    "report": ("report", "report"),
    "bench": ("bench", "bench"),
    "bench on cuda": ("bench_cuda", "bench"),
    "mutate": ("mutation", "mutate"),
    "train": ("programs", "report"),
    "workers": ("workers", "workers"),
    "ranks": ("ranks", "ranks"),
    "distributed": ("distributed", "distributed"),
    "machine": ("state_machine", "programs"),
    "badcalls": ("bad_calls", "bad_calls"),
    "scripts": ("scripts.run", "scripts"),
    "opinfo": ("opinfo", "opinfo"),
    "modules": ("module_samples", "modules"),
    "optimizers": ("optimizer_samples", "optimizers"),
    "files": ("hostile_files", "files"),
    "derivatives": ("derivatives", "write"),
    "schedules": ("schedules", "write"),
    "pictures": ("pictures", "write"),
    "stubs": ("stubs", "write"),
    "interview": ("interview", "write"),
    "site": ("site.build", "site"),
    "nav": ("site.menu", "write"),
}


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

    report = commands.add_parser("report", help="how far from torch each op is: value, gradient, second derivative")
    report.add_argument("--examples", type=positive, default=100, metavar="N", help="inputs drawn for each row (100)")
    report.add_argument("--markdown", metavar="FILE", help="also write the table there")
    report.add_argument("--only", metavar="TEXT", help="only ops whose name contains this")

    opinfo = commands.add_parser("opinfo", help="torch's own samples of every function, run on both libraries")
    opinfo.add_argument("--only", metavar="TEXT", help="only entries whose name contains this")
    opinfo.add_argument("--dtype", metavar="NAME", help="only samples of this dtype, e.g. float64 (six dtypes)")
    opinfo.add_argument("--most", type=positive, metavar="N", help="samples of each entry and dtype, at most (all)")

    modules = commands.add_parser("modules", help="torch's own samples of every layer and loss, run on both libraries")
    modules.add_argument("--only", metavar="TEXT", help="only layers whose name contains this")

    optimizers = commands.add_parser("optimizers", help="torch's own samples of every optimizer, run on both libraries")
    optimizers.add_argument("--only", metavar="TEXT", help="only optimizers whose name contains this")

    bench = commands.add_parser("bench", help="how fast and how large beside torch, with the targets")
    bench.add_argument("--rounds", type=positive, default=25, metavar="N", help="turns of each library (25)")
    bench.add_argument("--threads", type=positive, metavar="N", help="of each library (2, or 1 where there is one CPU)")
    bench.add_argument("--only", metavar="TEXT", help="only benchmarks whose name contains this")
    bench.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: on a GPU, beside its ceilings (cpu)")
    bench.add_argument("--markdown", metavar="FILE", help="with --device cuda: also write the table there")

    mutate = commands.add_parser("mutate", help="break each derivative and update rule: do the rows notice?")
    part = mutate.add_mutually_exclusive_group()
    part.add_argument("--family", metavar="NAME", help="only one module of minitorch/ops, optim, or compiler (by itself)")
    part.add_argument("--op", metavar="NAME", help="only the derivatives of one op")

    train = commands.add_parser("train", help="train whole programs in both libraries from the same seeds")
    train.add_argument("--seeds", type=positive, default=3, metavar="N", help="how many seeds (3)")

    killed = commands.add_parser("workers", help="kill loaders' worker processes and their programs at random moments")
    killed.add_argument("--tries", type=positive, default=100, metavar="N", help="how often a worker is killed (100)")
    killed.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")

    lost = commands.add_parser("ranks", help="kill or stop one of several ranks at random moments")
    lost.add_argument("--tries", type=positive, default=100, metavar="N", help="how often a rank is killed (100)")
    lost.add_argument("--seed", type=int, default=0, metavar="N", help="of the moments (0)")

    processes = commands.add_parser(
        "distributed", help="what several processes cost: measured with 1, 2 and 4, reckoned for more"
    )
    processes.add_argument("--rounds", type=positive, default=15, metavar="N", help="calls timed in each run (15)")
    processes.add_argument("--turns", type=positive, default=3, metavar="N", help="runs of each kind, by turns (3)")
    processes.add_argument("--markdown", metavar="FILE", help="also write the tables there, between the page's marks")

    machine = commands.add_parser("machine", help="random programs of ops, views, writes and backward, on both libraries")
    machine.add_argument("--count", type=positive, default=1000, metavar="N", help="how many programs (1000)")
    machine.add_argument("--length", type=positive, default=20, metavar="N", help="steps in each, at most (20)")
    machine.add_argument("--seed", type=int, default=0, metavar="N", help="the first program's seed (0)")
    machine.add_argument(
        "--pieces", type=int, default=5, metavar="N", help="how often compiled pieces come, among a hundred other steps (5)"
    )

    badcalls = commands.add_parser(
        "badcalls", help="calls with one argument spoiled, on both libraries: who refuses, and how"
    )
    badcalls.add_argument("--calls", type=positive, default=10000, metavar="N", help="how many calls (10000)")
    badcalls.add_argument("--seed", type=int, default=0, metavar="N", help="of the first (0)")
    badcalls.add_argument("--only", default="", metavar="TEXT", help="only functions whose name contains this")
    badcalls.add_argument(
        "--show", type=positive, default=40, metavar="N", help="how many kinds of difference to print (40)"
    )

    typed = commands.add_parser(
        "scripts", help="random scripts of what users type, statement by statement on both libraries"
    )
    typed.add_argument("--count", type=positive, default=1000, metavar="N", help="how many scripts (1000)")
    typed.add_argument("--length", type=positive, default=12, metavar="N", help="statements in each, at most (12)")
    typed.add_argument("--seed", type=int, default=0, metavar="N", help="the first script's seed (0)")
    typed.add_argument("--most", type=positive, default=1, metavar="N", help="stop after so many kinds of differences (1)")

    hostile = commands.add_parser("files", help="damaged and malicious files: load refuses them in words and runs nothing")
    hostile.add_argument("--count", type=positive, default=10000, metavar="N", help="how many files (10000)")
    hostile.add_argument("--seed", type=int, default=0, metavar="N", help="the first file's (0)")

    commands.add_parser("derivatives", help="write docs/derivatives.md from the registry")
    commands.add_parser("schedules", help="write docs/schedules.md and its picture, how each learning-rate schedule moves")
    commands.add_parser("pictures", help="write the pictures of docs/look-inside.md, by the page's own blocks")
    commands.add_parser("stubs", help="write minitorch/_functions.pyi, the types of the public functions, from the registry")
    commands.add_parser("interview", help="bring the index of docs/interview up to date with the headings of its pages")
    commands.add_parser("nav", help="write the site's menu into mkdocs.yml, from the documents that there are")
    pages = commands.add_parser("site", help="build site/ from the documents, the source and the registry (extra: docs)")
    pages.add_argument(
        "--builder", choices=("zensical", "mkdocs", "both"), default="zensical", help="what builds it (zensical)"
    )
    pages.add_argument("--stage-only", action="store_true", help="only write build/docs, which the builders read")

    for command in commands.choices.values():
        command.set_defaults(parser=command)
    options = vars(parser.parse_args(arguments))
    name, command = options.pop("command"), options.pop("parser", parser)
    if name is None:
        parser.error(f"name a command: {', '.join(commands.choices)}; python -m reference --help tells more")
    if name == "bench":
        on_cuda = options.pop("device") == "cuda"
        if options.pop("threads" if on_cuda else "markdown"):
            command.error("--threads goes with --device cpu" if on_cuda else "--markdown goes with --device cuda")
        name = "bench on cuda" if on_cuda else name
    file, function = RUNS[name]
    warnings.simplefilter("ignore")  # what torch and NumPy say about inf and nan, which are drawn on purpose
    try:
        run = getattr(importlib.import_module(f"reference.{file}"), function)
    except ModuleNotFoundError as error:
        if str(error.name).startswith(("minitorch", "reference")):
            raise
        command.error(f"minitorch is compared with PyTorch here, and {error.name} is not installed: {INSTALL}")
    return run(**options)


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
