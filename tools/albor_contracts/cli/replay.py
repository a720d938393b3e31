"""`albor-contracts replay ID`"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ._numbers import at_least_one, seed_number

if TYPE_CHECKING:
    from ..checked import CheckedContract
    from ..events import Event, ObligationFinished
    from ..evidence import Record
    from ..library import Library


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="an obligation or falsification test, e.g. RN-GRAD")
    parser.add_argument(
        "--binding", default=None, metavar="B", help="default: as it failed last, else reference and impl"
    )
    parser.add_argument("--dtype", choices=("f64", "f32", "bf16", "f16"), default=None)
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None)
    parser.add_argument("--seed", type=seed_number, default=None)
    parser.add_argument("--profile", choices=("quick", "ci", "thorough"), default=None)
    parser.add_argument("--cases", type=at_least_one, default=None, help="cases, instead of the profile's")
    parser.add_argument(
        "--evidence",
        type=Path,
        default=None,
        metavar="FILE",
        help="append the verdict to this file (default: .albor/evidence/)",
    )
    parser.add_argument("--format", choices=("text", "json", "junit"), default="text")


def run(options: argparse.Namespace) -> int:
    """Runs the one obligation. Options that are not given are those of its latest failure on record."""
    from ..evidence import Recorder, scratch_file
    from ..library import open_library
    from ..verify import verify
    from ._project import keep_scratch
    from .verify import _listener

    library = open_library()
    name, alone = only(library, options.id)
    library.select([name])  # raises when its dependencies are not valid
    last = latest_failure(library.root, options)
    keep_scratch(library.root)
    if last is not None:
        found = last.verdict
        options.binding = options.binding or found.binding
        options.dtype = options.dtype or found.dtype or None
        options.device = options.device or found.device or None
        options.profile = options.profile or found.profile or None
        options.seed = found.seed if options.seed is None else options.seed
        if options.cases is None and found.case_budget and options.profile == found.profile:
            options.cases = found.case_budget
        print(
            f"as it failed on {found.label()} at {last.time or 'an unknown time'}, seed {options.seed}", file=sys.stderr
        )
    bindings = [options.binding] if options.binding else ["reference", "impl"]
    listener, finish = _listener(options.format)
    ran: list[ObligationFinished] = []
    with Recorder(options.evidence or scratch_file(library.root)) as recorder:
        result = verify(
            library, {name: alone}, bindings, device=options.device or "cpu",
            dtypes=[options.dtype] if options.dtype else None, match=[options.id], profile=options.profile or "quick",
            seed=options.seed or 0, cases=options.cases, workers=1, listeners=[recorder, listener, _keep(ran)],
        )  # fmt: skip
    finish()
    if last is not None and ran and all(event.outcome == "passed" for event in ran):
        print(
            f"it failed at {last.time or 'an unknown time'} and passes alone: either the kernel has changed since, or "
            "it keeps something from one call to the next",
            file=sys.stderr,
        )
    if all(event.outcome == "declined" for event in ran) and not result.interrupted:
        what = f"{', '.join(bindings)} offers no kernel of {name} in {options.dtype or 'any dtype'}"
        print(f"nothing to replay: {what} on {options.device or 'cpu'}", file=sys.stderr)
        return 2
    return result.exit_code


def _keep(ran: list[ObligationFinished]) -> Callable[[Event], None]:
    from ..events import ObligationFinished

    def keep(event: Event) -> None:
        if isinstance(event, ObligationFinished):
            ran.append(event)

    return keep


def only(library: Library, identifier: str) -> tuple[str, CheckedContract]:
    """The contract of an obligation or falsification test, with nothing else in it.

    A falsification test keeps the obligation that is its rule: the run is then narrowed by its id.
    """
    from ..errors import Position, problem
    from ..suggest import did_you_mean

    known: list[str] = []
    for name, contract in library.checked.items():
        for o in contract.obligations:
            known.append(o.id)
            if o.id == identifier:
                return name, dataclasses.replace(contract, obligations=(o,), tests=())
        for test, law in contract.tests:
            known.append(str(test.id))
            if known[-1] == identifier:
                rule = tuple(o for o in contract.obligations if o.id == str(test.rule))
                return name, dataclasses.replace(contract, obligations=rule, tests=((test, law),))
        for fault in contract.faults:
            if str(fault.model.id) == identifier:
                raise problem(
                    "E801", f"{identifier} is a fault of {name}", fault.model.position,
                    f"albor-contracts falsify {name} --fault {identifier}",
                )  # fmt: skip
    raise problem(
        "E801", f"no contract has an obligation or falsification test {identifier!r}", Position(str(library.root)),
        did_you_mean(identifier, known),
    )  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Failed:
    """A recorded failure."""

    verdict: ObligationFinished
    time: str


def latest_failure(root: Path, options: argparse.Namespace) -> Failed | None:
    """The latest failure of the obligation among those that agree with the options that were given."""
    from ..events import BAD_OUTCOMES, ObligationFinished
    from ._project import records_of

    def agrees(record: Record) -> bool:
        v = record.verdict
        if not isinstance(v, ObligationFinished) or v.obligation != options.id or v.outcome not in BAD_OUTCOMES:
            return False
        asked = {name: getattr(options, name) for name in ("binding", "dtype", "device", "profile", "seed")}
        return all(value is None or getattr(v, name) == value for name, value in asked.items())

    # Records of one second stand in the order of their file.
    found = sorted((r for r in records_of(root) if agrees(r)), key=lambda r: r.time)
    if not found or not isinstance(found[-1].verdict, ObligationFinished):
        return None
    return Failed(found[-1].verdict, found[-1].time)
