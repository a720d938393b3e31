"""`albor-contracts verify [CONTRACT...] [--binding B]`"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ._numbers import add_workers, at_least_one, positive_seconds, seed_number

if TYPE_CHECKING:
    from ..library import Library


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "contracts", nargs="*", metavar="CONTRACT", help="contract or family, e.g. core/rmsnorm (default: all)"
    )
    parser.add_argument(
        "--binding",
        action="append",
        metavar="B",
        help="reference, impl, torch, a binding file, or package.module:function, with +package.module:function for "
        "others beside it and +reference or +impl for what they lack; may be repeated (default: reference and impl)",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", action="append", choices=("f64", "f32", "bf16", "f16"))
    parser.add_argument(
        "--profile", choices=("quick", "ci", "thorough"), default="quick", help="25, 200 or 10,000 cases an obligation"
    )
    parser.add_argument(
        "--cases", type=at_least_one, default=None, help="cases an obligation, instead of the profile's"
    )
    parser.add_argument(
        "-k", dest="match", action="append", default=[], metavar="TEXT",
        help="only obligations whose id contains this; may be repeated",
    )  # fmt: skip
    add_workers(parser)
    parser.add_argument(
        "--seed", type=seed_number, default=None, help="seed of the cases (default: 0 in CI, else a new one)"
    )
    parser.add_argument(
        "--stall",
        type=positive_seconds,
        default=120.0,
        metavar="SECONDS",
        help="longest silence of a kernel before it counts as hanging",
    )
    parser.add_argument(
        "--evidence",
        type=Path,
        default=None,
        metavar="FILE",
        help="append verdicts to this file (default: .albor/evidence/)",
    )
    parser.add_argument("--format", choices=("text", "json", "junit"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..binding_file import names_callable
    from ..evidence.store import Recorder, scratch_file
    from ..library import open_selected
    from ..verify import verify
    from ..verify.plan import binding_data
    from ._project import keep_scratch

    library = open_selected(options.contracts)
    keep_scratch(library.root)
    contracts = library.select(options.contracts)
    bindings = options.binding or ["reference", "impl"]
    in_ci = os.environ.get("CI", "").lower() in ("1", "true", "yes")
    seed = options.seed if options.seed is not None else 0 if in_ci else secrets.randbelow(2**31)
    listener, finish = _listener(options.format)
    with Recorder(options.evidence or scratch_file(library.root)) as recorder:
        result = verify(
            library,
            contracts,
            bindings,
            device=options.device,
            dtypes=options.dtype,
            match=options.match,
            profile=options.profile,
            seed=seed,
            cases=options.cases,
            workers=options.workers,
            stall_seconds=options.stall,
            listeners=[recorder, listener],
            on_plan=lambda counts: setattr(listener, "expected", dict(counts)),
        )
    finish()
    if not (result.outcomes or result.interrupted or result.crashed or result.timed_out or result.not_run):
        where = ", ".join(options.contracts) or "any contract"
        if options.dtype and (others := _other_dtypes(library, contracts, bindings, options.dtype)):
            why = f"{others}; `dtypes` in a binding file says in which its kernels are judged"
        elif options.match:
            words = " or ".join(map(repr, options.match))
            why = f"{', '.join(bindings)}: no obligation of {where} has an id with {words} in it"
        else:
            dtypes = f" in {', '.join(options.dtype)}" if options.dtype else ""
            why = f"{', '.join(bindings)} offers no kernel of {where}{dtypes}{_slips(library, contracts, bindings)}"
        print(f"nothing to verify: {why}", file=sys.stderr)
        return 2
    if options.format == "text":
        files = [binding_data(library.root, name) for name in bindings if not names_callable(name)]
        for line in (line for file in files for line in file.limits(contracts)):
            print(line)
    if options.format == "text" and not options.dtype and any(map(names_callable, bindings)):
        print("judged in f32 alone: --dtype bf16 (or f16, f64) judges others")
    return result.exit_code


def _other_dtypes(library: Library, contracts: Iterable[str], bindings: Iterable[str], asked: Iterable[str]) -> str:
    """What binding files that have kernels of these contracts judge, where they judge none in the dtypes asked for."""
    from ..binding_file import names_callable
    from ..verify.plan import binding_data

    told = []
    for name in (name for name in bindings if not names_callable(name)):
        data = binding_data(library.root, name)
        targets = [t for c in contracts for t in data.kernels.get(c, {}).values() if t.declines is None]
        judged = list(dict.fromkeys(d for target in targets for d in data.dtypes_of(target)))
        if judged and not set(judged) & set(asked):
            told.append(f"{name} has its kernels judged in {', '.join(judged)}, not in {', '.join(asked)}")
    return "; ".join(told)


def _slips(library: Library, contracts: Iterable[str], bindings: Iterable[str]) -> str:
    """Contracts that binding files name and nobody knows, where they look like those that were asked for."""
    from ..library import open_library
    from ..suggest import near_miss
    from ..verify.plan import binding_data

    words, known = "", open_library(root=library.root).contracts
    for name in bindings:
        kernels = () if ":" in name else binding_data(library.root, name).kernels
        for unknown in (k for k in kernels if k not in known):
            if meant := near_miss(unknown, contracts):
                words += f"; {name} has kernels of {unknown!r}: did you mean {meant}?"
    return words


def _listener(form: str):
    from ..events import json_lines
    from ..report.junit import Junit
    from ..report.terminal import Terminal

    if form == "json":
        return json_lines(sys.stdout), lambda: None
    if form == "junit":
        junit = Junit()
        return junit, lambda: print(junit.xml())
    return Terminal(sys.stdout), lambda: None
