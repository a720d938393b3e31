"""The page docs/tolerance-trials.md, from the lines of evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from .correct import ORDER_NAMES
from .record import FILE, Accuracy, Line, Perturbation, merged
from .run import KEPT, WORK
from .wrong import LEAST, MUTATIONS, SCALES

PAGE = Path("docs") / "tolerance-trials.md"
ENOUGH = 10_000  # cases of each kernel

_HEAD = """\
# Trials of the tolerances

Written by `python -m albor_contracts.trials --render` from `{file}`; not edited.

Every kernel with a definition and floating outputs is computed by correct implementations made from its definition:
float32 accumulation in the six ways of the second table, the output rounded to float32, bfloat16 or float16. Every
case is drawn from the contract's own domains and judged by the contract's own obligation, and is computed in one of the
six ways, which its seed chooses: the cases of a kernel and dtype are the sum over the six. The {enough:,} cases that a
kernel gets are shared out over its dtypes. Then the outputs of the first {kept} cases are made wrong in one way at a
time, and the same obligation has to reject them. Cases whose sizes multiply to more than {work:,} are drawn again: of
matrix products alone there are some, which take minutes.

- **Worst error**: the largest |y - y*| of correct code, as a fraction of its bound. At bf16 and f16 the rounding of
  the output alone comes close to 1: nearly all of the bound is the half unit in the last place that every kernel has.
- **Smallest rejected**: the smallest change of an output element that was rejected, as a fraction of its bound. Where
  a correct result is already off by a part of its bound in one direction, less than the bound is enough; at bf16 and
  f16 the smallest change there is, one unit in the last place, is up to twice the bound. Values marked b lie inside
  the bounds and were rejected because all cases together are biased.
"""

_WAYS = """\
## Wrong code

The smallest rejected change of each perturbation, as a fraction of the bound. `scaled` is a factor of 1 + 8 u at bf16
and f16 and of {scale} at f32, on the dtype of the output; `smallest scaling` is the factor that is just rejected,
searched for in up to a dozen cases. A mean over N - 1 includes every quotient by a number that was counted.
"""


def _number(x: float) -> str:
    return f"{x:.3f}" if 0.0005 <= x < 10 else f"{x:.2g}" if x else "0"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], words: int) -> str:
    """`words` columns of text, then numbers."""
    rule = "|" + "---|" * words + "---:|" * (len(head) - words)
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(r)} |" for r in rows)])


class _Notes:
    """Footnotes, numbered as they are met."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def mark(self, text: str) -> str:
        return f"({self.numbers.setdefault(text, len(self.numbers) + 1)})"

    def lines(self) -> list[str]:
        return [f"({number}) does not apply: {text}  " for text, number in self.numbers.items()]


Key = tuple[str, str, str]


def document(
    lines: Iterable[Line], kernels: Iterable[str] = (), stale: Sequence[str] = (), undefined: Sequence[str] = ()
) -> str:
    """The page. `lines` are fresh; `kernels` (`family/kernel:equation`) should all have some; `stale` names those
    whose lines are not fresh, `undefined` those that cannot be tried."""
    kept = merged(lines)
    accuracy: dict[Key, list[Accuracy]] = {}
    wrong: dict[Key, list[Perturbation]] = {}
    for line in kept:
        if isinstance(line, Accuracy):
            accuracy.setdefault(line.subject, []).append(line)
        elif isinstance(line, Perturbation):
            wrong.setdefault(line.subject, []).append(line)
    notes = _Notes()
    parts = [
        _HEAD.format(file=FILE, kept=KEPT, enough=ENOUGH, work=WORK),
        _verdict(accuracy, wrong, kernels, stale, undefined),
        "## Kernels\n",
        _summary(accuracy, wrong, notes),
        "\n## Correct code in six orders\n\nThe worst error, and in brackets the number of cases.\n",
        _orders(accuracy),
        "\n" + _WAYS.format(scale=1 + SCALES["f32"]),
        _ways(wrong, notes),
        "",
        *notes.lines(),
    ]
    return "\n".join(parts) + "\n"


def _verdict(
    accuracy: Mapping[Key, list[Accuracy]],
    wrong: Mapping[Key, list[Perturbation]],
    wanted: Iterable[str],
    stale: Sequence[str],
    undefined: Sequence[str],
) -> str:
    orders = [a for group in accuracy.values() for a in group]
    alarms = [f"{a.contract}:{a.kernel} {a.dtype}, {a.order}: {m}" for a in orders for m in a.alarms]
    tried = [p for group in wrong.values() for p in group if not p.reason]
    kept = [f"{p.contract}:{p.kernel} {p.dtype}: {p.output} {p.perturbation}" for p in tried if not p.rejected]
    kernels = dict.fromkeys(wanted, 0)
    for (contract, kernel, _), group in accuracy.items():
        name = f"{contract}:{kernel}"
        kernels[name] = kernels.get(name, 0) + sum(a.cases for a in group)
    seeds = sorted({a.seed for a in orders})
    few = [f"{name} {n:,}" for name, n in kernels.items() if n < ENOUGH]
    tried_at_all = sum(n > 0 for n in kernels.values())
    said = [
        f"**{sum(kernels.values()):,} cases of {tried_at_all} of {len(kernels)} kernels, {len(alarms)} false alarms. "
        f"{len(tried)} perturbations of outputs, {len(tried) - len(kept)} rejected.** "
        f"Seed{'s' if len(seeds) != 1 else ''} {', '.join(map(str, seeds))}.\n",
    ]
    for title, items in (
        ("False alarms", alarms),
        ("Wrong outputs that were accepted", kept),
        ("Stale, and not shown", stale),
        (f"Kernels with fewer than {ENOUGH:,} cases so far", few),
        ("Kernels without a definition, and hence without a bound of their own", undefined),
    ):
        if items:
            said.append(f"{title}:\n\n" + "\n".join(f"- {x}" for x in items) + "\n")
    return "\n".join(said)


def _summary(accuracy: Mapping[Key, list[Accuracy]], wrong: Mapping[Key, list[Perturbation]], notes: _Notes) -> str:
    rows = []
    for key, group in accuracy.items():
        tried = [p for p in wrong.get(key, ()) if p.rejected and p.by == "element"]
        smallest = _number(min(p.smallest for p in tried)) if tried else "-"
        survivors = [p for p in wrong.get(key, ()) if not p.rejected and not p.reason]
        marks: dict[str, None] = {}
        for p in wrong.get(key, ()):
            if p.reason and p.perturbation != LEAST:
                marks[f"{p.perturbation} {notes.mark(p.reason)}"] = None
        rows.append((
            f"{key[0]} {key[1]}", key[2], f"{sum(a.cases for a in group):,}", str(sum(len(a.alarms) for a in group)),
            _number(max(max(a.worst.values(), default=0.0) for a in group)), smallest, str(len(survivors)),
            ", ".join(marks) or "-",
        ))  # fmt: skip
    head = (
        "kernel",
        "dtype",
        "cases",
        "false alarms",
        "worst error",
        "smallest rejected",
        "accepted",
        "does not apply",
    )
    return _table(head, rows, 2)


def _orders(accuracy: Mapping[Key, list[Accuracy]]) -> str:
    rows = []
    for key, group in accuracy.items():
        by_order = {a.order: a for a in group}
        cells = []
        for order in ORDER_NAMES:
            a = by_order.get(order)
            cells.append(f"{_number(max(a.worst.values(), default=0.0))} ({a.cases:,})" if a else "-")
        rows.append((f"{key[0]} {key[1]}", key[2], *cells))
    return _table(("kernel", "dtype", *ORDER_NAMES), rows, 2)


def _ways(wrong: Mapping[Key, list[Perturbation]], notes: _Notes) -> str:
    rows = []
    for key, group in wrong.items():
        outputs: dict[str, dict[str, Perturbation]] = {}
        for p in group:
            outputs.setdefault(p.output, {})[p.perturbation] = p
        for output, by_name in outputs.items():
            cells = []
            for name in (*MUTATIONS, LEAST):
                found = by_name.get(name)
                if found is None:
                    cells.append("-")
                elif found.rejected:
                    units = f", 1 + {found.units:.2g} u" if name == LEAST else ""
                    cells.append(f"{_number(found.smallest)}{' b' if found.by == 'bias' else ''}{units}")
                else:
                    cells.append(notes.mark(found.reason) if found.reason else "**accepted**")
            rows.append((f"{key[1]}.{output}", key[2], *cells))
    return _table(("output", "dtype", *MUTATIONS, LEAST), rows, 2)
