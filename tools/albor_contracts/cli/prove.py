"""`albor-contracts prove [CONTRACT...]`"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._numbers import add_workers, positive_seconds

if TYPE_CHECKING:
    from ..checked import CheckedContract
    from ..events import Listener, ProofFinished
    from ..library import Library
    from ..prove import Verdict

LONGEST = 400  # characters of a reason; the evidence has it whole


def arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("contracts", nargs="*", metavar="CONTRACT", help="contract or family, e.g. core/rmsnorm (default: all)")
    add(
        "-k", dest="match", action="append", default=[], metavar="TEXT",
        help="only obligations whose id contains this; may be repeated",
    )  # fmt: skip
    add(
        "--seconds",
        type=positive_seconds,
        default=None,
        metavar="S",
        help="budget of each proof, instead of the contract's",
    )
    add_workers(parser)
    add("--redundant", action="store_true", help="also find assumptions and axioms that are not needed")
    add(
        "--evidence",
        type=Path,
        default=None,
        metavar="FILE",
        help="append verdicts to FILE (default: .albor/evidence/)",
    )
    add("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ..events import RunFinished, RunStarted, broadcast, json_lines
    from ..evidence.record import installed_versions, utc_now
    from ..evidence.store import Recorder, scratch_file
    from ..library import open_selected

    library = open_selected(options.contracts)
    chosen = _chosen(library.select(options.contracts), options.match)
    if not chosen:
        wanted = ", ".join(options.contracts) or "any contract"
        which = f" and {' or '.join(map(repr, options.match))} in its id" if options.match else ""
        print(f"nothing to prove: no obligation of {wanted} has a proof{which}", file=sys.stderr)
        return 2
    total = sum(map(len, chosen.values()))
    start, counts = time.monotonic(), Counter[str]()
    with Recorder(options.evidence or scratch_file(library.root)) as recorder:
        listeners: list[Listener] = [recorder, json_lines(sys.stdout)] if options.format == "json" else [recorder]
        tell = broadcast(listeners)
        tell(RunStarted(profile="proofs", device="cpu", versions=installed_versions(), time=utc_now(), total=total))
        for name, ids in chosen.items():
            for verdict in _judge(library, name, ids, options, tell):
                counts[verdict.status] += 1
        tell(RunFinished(outcomes=dict(counts), seconds=time.monotonic() - start))
    if options.format == "text":
        rest = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()) if status != "proved")
        print(f"{counts['proved']} of {total} proved" + (f"; {rest}" if rest else ""))
    return 0 if counts["proved"] == total else 1


def _chosen(contracts: Mapping[str, CheckedContract], match: Sequence[str]) -> dict[str, list[str]]:
    """Contract -> ids of the obligations to prove."""
    from ..verify.plan import named

    found: dict[str, list[str]] = {}
    for name, contract in contracts.items():
        ids = [o.id for o in contract.obligations if o.model.prove is not None and named(o.id, match)]
        if ids:
            found[name] = ids
    return found


def harness_file(library: Library, contract: str) -> Path:
    """The harness of a contract: the committed one when it is current, else one compiled into .albor/."""
    from ..emit.files import harness_path, harness_text
    from ..emit.write import write_generated

    relative, text = harness_path(contract), harness_text(library, contract)
    committed = library.root / "generated" / relative
    if committed.is_file() and committed.read_text(encoding="utf-8") == text:
        return committed
    scratch = library.root / ".albor" / "generated"
    write_generated({relative: text}, scratch, prune=False)
    return scratch / relative


def _judge(
    library: Library, contract: str, ids: list[str], options: argparse.Namespace, tell: Listener
) -> list[Verdict]:
    from ..library import place_of
    from ..prove import run_harness

    def said(verdict: Verdict) -> None:
        event = _event(library, contract, verdict)
        tell(event)
        if options.format == "text":
            print(_line(event, verdict, place_of(library.contracts[contract], verdict.obligation)), flush=True)

    path = harness_file(library, contract)
    return run_harness(path, options.seconds, options.workers, select=ids, redundant=options.redundant, on_verdict=said)


def _event(library: Library, contract: str, verdict: Verdict) -> ProofFinished:
    from ..events import ProofFinished
    from ..evidence.hashing import kernel_hash, obligations_of, proof_hash

    model = library.contracts[contract]
    proof = obligations_of(model)[verdict.obligation].prove
    target = str(proof.target) if proof is not None and proof.target is not None else ""
    message = verdict.reason
    if verdict.redundant:
        message = f"not needed: {', '.join(verdict.redundant)}"
    try:
        source = kernel_hash(target) if target else ""
    except LookupError:
        source = ""  # the verdict says that the module is missing
    return ProofFinished(
        contract=contract, obligation=verdict.obligation, verdict=verdict.status, engine=verdict.engine,
        semantics=verdict.semantics, canary=verdict.canary, counterexample=verdict.counterexample,
        replayed=verdict.replayed, kernel=target, seconds=verdict.seconds, kernel_hash=source, message=message,
        contract_hash=proof_hash(model, verdict.obligation, library.contracts),
    )  # fmt: skip


def _line(event: ProofFinished, verdict: Verdict, place: str) -> str:
    words = f"{event.verdict:9s} {event.contract} {event.obligation}"
    if event.semantics:
        words += f"  over the {event.semantics}" if event.engine != "ieee" else f"  {event.semantics}"
    lines = [f"{words}  ({event.seconds:.1f} s)"]
    if event.counterexample:
        lines.append(f"          counterexample{'' if event.replayed else ', not replayed'}: {event.counterexample}")
    if event.verdict != "proved":
        lines += [f"          property: {verdict.statement}", f"          stated at: {place}"]
    if event.message:
        lines.append(f"          {_shortened(event.message)}")
    return "\n".join(lines)


def _shortened(text: str) -> str:
    """The beginning and the end: a reason quotes a formula and then says what is wrong with it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
