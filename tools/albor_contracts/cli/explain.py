"""`albor-contracts explain WORD`"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..checked import CheckedContract
    from ..model import Contract, Entry

# What each type of obligation claims, with an example: docs/language.md says the same at more length.
TYPES: dict[str, tuple[str, str]] = {
    "definition": (
        "The kernel computes its define. Every equation with a define has this obligation without being asked; "
        "writing one replaces it, for instance to narrow the sizes.",
        "type: definition\ndims: {N: 1..257}",
    ),
    "gradient": (
        "The outputs `gives` are the vector-Jacobian product of `of` with respect to `wrt`. The expected value comes "
        "from automatic differentiation of the float64 definition, independent of any backward formula.",
        "type: gradient\nof: softmax\nwrt: [x]\ngives: [dx]\ncotangent: {p: dp}",
    ),
    "equivalence": (
        "Two ways of computing the same thing agree.",
        "type: equivalence\nleft: softmax(x)\nright: spec.softmax(x)",
    ),
    "bound": (
        "Every element of the first output lies between the limits.",
        "type: bound\nof: softmax\nlower: 0\nupper: 1",
    ),
    "monotonicity": (
        "A larger input gives no smaller output (increasing) or no larger one (decreasing): in a scalar, or along an "
        "axis.",
        "type: monotonicity\nof: softmax\nin: x\ndirection: increasing\naxis: N",
    ),
    "idempotency": ("Applying it twice is applying it once: f(f(x)) = f(x).", "type: idempotency\nof: clip\nin: x"),
    "involution": (
        "Applying it twice gives the input back: f(f(x)) = x.",
        "type: involution\nof: flip\nin: x\nexact: true",
    ),
    "linearity": ("f(x + c x') = f(x) + c f(x'), in the input `in`.", "type: linearity\nof: rope\nin: x"),
    "homogeneity": ("f(c x) = c^degree f(x), in the input `in`.", "type: homogeneity\nof: rope\nin: x\ndegree: 1"),
    "symmetry": (
        "Permuting inputs along a dimension permutes the outputs under `permutes` likewise, and changes no other.",
        "type: symmetry\nof: softmax\npermute: {x: N}\npermutes: {p: N}",
    ),
    "invariance": (
        "A transformation of the input changes nothing.",
        'type: invariance\nforall: {c: "real in [-4, 4]"}\nlet: "s[b, i] = x[b, i] + c"\n'
        "left: softmax(s)\nright: softmax(x)",
    ),
    "conservation": (
        "A quantity is kept, as the check says.",
        'type: conservation\nlet: "p = softmax(x)"\ncheck: "all[b](approx(sum[i](p[b, i]), 1))"',
    ),
    "ordering": (
        "Outputs keep an order, as the check says.",
        'type: ordering\nlet: "p = softmax(x)"\ncheck: "all[b](max[i](p[b, i]) <= p[b, argmax[j](x[b, j])])"',
    ),
    "roundtrip": (
        "An inverse gives the input back.",
        'type: roundtrip\nleft: "rope_inverse(rope(x, offset, base), offset, base)"\nright: x',
    ),
    "boundary": (
        "A limit case has the value that the check states.",
        'type: boundary\ndims: {N: 1}\nlet: "p = softmax(x)"\ncheck: "all[b, i](p[b, i] == 1)"',
    ),
    "determinism": (
        "Two runs on the same input agree bitwise; where it is a text, in a second process, too.",
        "type: determinism\ncall: softmax(x)",
    ),
    "independence": (
        "Output elements do not change by a bit when input elements that must not matter do: causality, masking.",
        'type: independence\noutput: "o[b, h, i, d]"\ninput: "k[b, g, j, c]"\nwhen: "j > i"',
    ),
    "statistical": (
        "A mean over independent runs lies where it should, at a stated probability of a false alarm and with the "
        "power to detect a stated shift.",
        'type: statistical\nlet: "merged, mask = dare(base, tuned, p, seed)"\nstatistic: "mean[i](int(mask[i]))"\n'
        'expect: 1 - p\nvariance: p * (1 - p)\nobservations: N\ndetects: "0.1"\ntrials: 200',
    ),
    "rejection": (
        "Bad input is refused with the named error, whose message says why, and nothing is changed.",
        "type: rejection\ncall: softmax(wrong)\nraises: ValueError\nmentions: [shape]",
    ),
    "resource": (
        "Launches, allocations or bytes, synchronisations or transfers are counted (not timed) and stay within a "
        "limit. On the simulated device all of them; of PyTorch kernels launches, allocations, bytes and the calls "
        "that make the host wait.",
        "type: resource\ncall: rmsnorm(x, w, eps)\ncount: launches\nat_most: 1",
    ),
    "dispatch": (
        "No silent fallback: each kernel that served the call is refused in turn, and the call must fail and say so. "
        "An error that comes from the queue must not be swallowed either.",
        "type: dispatch\ncall: train_step(x, y, w, m, v)",
    ),
    "protocol": (
        "A state machine: the check holds after each of several steps.",
        'type: protocol\nstate: {p: p0, m: zeros}\nstep: "next_p, next_m = momentum(p, g, m)"\nsteps: 3..6\n'
        'check: "approx(next_p, spec_p)"',
    ),
}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "word", metavar="WORD",
        help="a contract (core/rmsnorm), a type of obligation (gradient), the id of an obligation, test or fault, "
        "or a diagnostic code (E201)",
    )  # fmt: skip
    parser.add_argument("--format", choices=("text", "json"), default="text")


def run(options: argparse.Namespace) -> int:
    from ._project import print_json

    data, text = _explanation(options.word.strip())
    if options.format == "json":
        print_json(data)
    else:
        print(text.rstrip("\n"))
    return 0


def _explanation(word: str) -> tuple[dict[str, Any], str]:
    from ..codes import CODES, explain
    from ..errors import ContractError, Position, problem
    from ..library import open_library
    from ..links import FORMS
    from ..suggest import did_you_mean

    if word.upper() in CODES:
        return {"kind": "code", **dataclasses.asdict(CODES[word.upper()])}, explain(word)
    if word.lower() in TYPES:
        name = word.lower()
        law, example = TYPES[name]
        forms = [str(form) for form in FORMS[name]]
        data = {"kind": "type", "type": name, "law": law, "parameters": forms, "example": example}
        parts = (f"{name}: a type of obligation", law, "Parameters:", _indented("\n  or\n".join(forms)))
        return data, "\n\n".join((*parts, "Example:", _indented(example)))
    contracts: Mapping[str, Contract] = {}  # outside a project codes and types can be explained all the same
    with contextlib.suppress(ContractError):
        library = open_library()
        contracts = library.contracts
    if word in contracts:
        return _page(library.select([word])[word])
    known = [*CODES, *TYPES, *contracts]
    for contract in contracts.values():
        entries = _entries(contract)
        if word in entries:
            kind, entry = entries[word]
            return _entry(contract, kind, word, entry)
        known += entries
    raise problem(
        "E801",
        f"{word!r} is no contract, type of obligation, obligation, test, fault or code",
        Position("<arguments>"),
        did_you_mean(word, known),
    )


def _page(contract: CheckedContract) -> tuple[dict[str, Any], str]:
    from ..report.page import page, page_data

    return page_data(contract), page(contract)


def _entries(contract: Contract) -> dict[str, tuple[str, Entry]]:
    from ..evidence import obligations_of

    found: dict[str, tuple[str, Entry]] = {i: ("obligation", o) for i, o in obligations_of(contract).items()}
    found |= {str(t.id): ("falsification test", t) for t in contract.falsification_tests}
    return found | {str(f.id): ("fault", f) for f in contract.faults}


def _entry(contract: Contract, kind: str, identifier: str, entry: Any) -> tuple[dict[str, Any], str]:
    told: dict[str, str] = {}
    for f in dataclasses.fields(entry):
        value = getattr(entry, f.name)
        if (
            not f.metadata.get("hidden")
            and f.name not in ("id", "keys")
            and value not in (None, "", (), {})
            and value != f.default
        ):
            told[f.name.rstrip("_")] = _words(value)
    related = _related(contract, kind, identifier)
    what = {"kind": kind, "id": identifier, "contract": contract.name, "where": str(entry.position)}
    data = {**what, "fields": told, **related}
    lines = [f"{identifier}: {kind} of {contract.name}", f"{entry.position}", ""]
    for name, words in told.items():
        block = words.strip()
        lines += [f"{name}: {block}"] if "\n" not in block else [f"{name}:", _indented(block)]
    if kind == "obligation":
        lines += ["", f"A {entry.type} obligation: {TYPES[str(entry.type)][0]}"]
        lines += [
            f"Kills: {', '.join(related['kills']) or 'no fault'}",
            f"Predictions: {', '.join(related['tests']) or 'none'}",
        ]
    lines += ["", "Run it:", f"    {related['command']}"]
    return data, "\n".join(lines)


def _related(contract: Contract, kind: str, identifier: str) -> dict[str, Any]:
    if kind == "fault":
        return {"command": f"albor-contracts falsify {contract.name} --fault {identifier}"}
    command = f"albor-contracts replay {identifier}"
    if kind == "falsification test":
        return {"command": command}
    return {
        "kills": [str(f.id) for f in contract.faults if identifier in f.killed_by],
        "tests": [str(t.id) for t in contract.falsification_tests if t.rule == identifier],
        "command": command,
    }


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _words(value: Any) -> str:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if not f.metadata.get("hidden")}
        return ", ".join(f"{k}: {_words(v)}" for k, v in fields.items() if k != "keys" and v not in (None, "", (), {}))
    if isinstance(value, dict):
        return "\n".join(f"{k}: {_words(v)}" for k, v in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(_words, value))
    return str(value)
