"""The command line of the trials: run a slice after another, appending what is found; render the page.

    python -m albor_contracts.trials --cases 10000 --seed 0
    python -m albor_contracts.trials --cases 10000 --seed 0 --kernel core/rmsnorm
    python -m albor_contracts.trials --render

A run that is cut off loses at most one slice; the same command goes on where it stopped.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

from ..library import Library, open_library
from .page import PAGE, document
from .record import FILE, append, fresh, lines_of, merged, reached, read
from .run import Subject, subjects, try_slice, undefined

SLICE = 1000  # cases between two writes
MORE = 11  # cases that are made wrong after the first that was rejected
PROBE = 3  # cases to find out which kernels are cheap


def main(arguments: list[str] | None = None) -> int:
    """0: no false alarm and nothing wrong accepted; 1 otherwise; 2: no such kernel."""
    parser = argparse.ArgumentParser(prog="python -m albor_contracts.trials", description=__doc__.split("\n")[0])
    names = "family/kernel or family/kernel:equation; all, the cheapest first"
    parser.add_argument("--cases", type=int, default=1000, help="cases of each kernel and dtype, over its orders")
    parser.add_argument("--spread", action="store_true", help="--cases of each kernel, shared out over its dtypes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kernel", action="append", default=[], metavar="K", help=names)
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"append JSON lines to this file ({FILE})")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no slice after so many")
    parser.add_argument("--render", action="store_true", help=f"write {PAGE} from the file, and run nothing")
    parser.add_argument("--compact", action="store_true", help="join lines that follow each other, drop stale ones")
    options = parser.parse_args(arguments)
    library = open_library()
    path = options.out or library.root / FILE
    if options.compact or options.render:
        return _tidy(library, path, options.compact, options.render)
    try:
        chosen = subjects(library, options.kernel)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    end = time.monotonic() + options.seconds
    bad = 0
    for subject in chosen if options.kernel else _cheapest_first(chosen):
        cases = math.ceil(options.cases / len(subject.dtypes)) if options.spread else options.cases
        bad += _run(subject, library, path, cases, options.seed, end)
    return 1 if bad else 0


def _run(subject: Subject, library: Library, path: Path, cases: int, seed: int, end: float) -> int:
    """All slices of one kernel that are still missing; the number of false alarms and survivors."""
    known, _ = fresh(read(path), library, [subject])
    done, bad = reached(known, seed), 0
    for dtype in subject.dtypes:
        first = done.get((subject.contract.name, subject.name, dtype), 0)
        while first < cases and time.monotonic() < end:
            count = min(SLICE, cases - first)
            found = try_slice(subject, dtype, seed=seed, first=first, cases=count, more=MORE)
            append(lines_of(found, library), path)
            first += count
            problems = [*found.false_alarms, *(f"accepted: {s}" for s in found.survivors)]
            bad += len(problems)
            print(
                f"{subject.full_name} {dtype}: {first:,} cases, {found.seconds:.1f} s",
                *problems, sep="\n  ", flush=True,
            )  # fmt: skip
    return bad


def _cheapest_first(found: list[Subject]) -> list[Subject]:
    def cost(subject: Subject) -> float:
        return try_slice(subject, subject.dtypes[0], cases=PROBE, wrong=False).seconds * len(subject.dtypes)

    return sorted(found, key=cost)


def _tidy(library: Library, path: Path, compact: bool, render: bool) -> int:
    every = subjects(library)
    lines, stale = fresh(read(path), library, every)
    if compact:
        text = "".join(line.to_json() + "\n" for line in merged(lines))
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
    if render:
        page = library.root / PAGE
        page.write_text(document(lines, [s.full_name for s in every], stale, undefined(library)), encoding="utf-8")
        print(f"written: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
