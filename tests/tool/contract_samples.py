"""One good contract, and what becomes of it by one slip at a time: shared by the tests of reader, links and schema."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DATA = Path(__file__).parent / "data"
GOOD_PATH = DATA / "contracts" / "core" / "softmax-v1.yaml"
GOOD = GOOD_PATH.read_text(encoding="utf-8")


@dataclass(frozen=True)
class Slip:
    """`old` becomes `new`; the message `code` must point at the first `at` inside the changed text."""

    code: str
    old: str
    new: str
    at: str
    hint: str = ""

    def apply(self) -> str:
        assert GOOD.count(self.old) >= 1, self.old
        return GOOD.replace(self.old, self.new, 1)

    def place(self) -> tuple[int, int]:
        text = self.apply()
        begin = GOOD.index(self.old)
        offset = text.find(self.at, begin)
        if offset < 0:  # the message points at the entry, which begins before the slip
            offset = text.rindex(self.at, 0, begin)
        line_start = text.rfind("\n", 0, offset) + 1
        return text.count("\n", 0, offset) + 1, offset - line_start + 1


YAML_SLIPS = [
    Slip("E106", "title: Softmax", "title: Soft\u202emax", "\u202e"),
    Slip("E106", "title: Softmax", "title: Soft\u2028max", "\u2028"),
    Slip("E107", "title: Softmax", "title: Soft: max", ": max", "quoted"),
    Slip("E107", "title: Softmax", "title: @Softmax", "@", "quoted"),
    Slip("E107", "  title: Softmax", "\ttitle: Softmax", "\t", "tabs"),
    Slip("E108", "  title: Softmax", "  title: Softmax\n  title: Softmin", "title: Softmin"),
    Slip("E109", "title: Softmax", "title: &t Softmax", "&t"),
    Slip("E109", "title: Softmax", "title: *t", "*t"),
    Slip("E110", "qa_gate:", "---\nqa_gate:", "---"),
    Slip("E111", "title: Softmax", "title: !!str Softmax", "!!str"),
    Slip("E111", "title: Softmax", "title: !!python/object/apply:os.system [id]", "!!python"),
    Slip("E112", "x-owner: {team: kernels, since: 2024}", "x-deep: " + "[" * 40 + "]" * 40, "[" * 10, ""),
    Slip("E113", "x-owner: {team: kernels, since: 2024}", "x-many: [" + "0," * 60_000 + "]", "0,"),
    Slip("E114", "dims: {B: 1..8,", "dims: {[B]: 1..8,", "[B]"),
    Slip("E115", "since: 2024", "since: 1" + "0" * 500, "10000"),
]

STRUCTURE_SLIPS = [
    Slip("E201", "title: Softmax", "titel: Softmax", "titel", "`title`"),
    Slip("E201", "    formula:", "    formulae:", "formulae", "`formula`"),
    Slip("E201", "qa_gate:", "qa-gate:", "qa-gate", "`qa_gate`"),
    Slip("E201", "dims: {B: 1..8,", "<<: {a: b}\ndims: {B: 1..8,", "<<"),
    Slip("E202", "    type: conservation\n", "", "id: SM-SUM", "type:"),
    Slip("E202", "  version: 1.0.0\n", "", "title: Softmax", "version:"),
    Slip("E203", "version: 1.0.0", "version: 1.0", "1.0", "quotes"),
    Slip("E203", "title: Softmax", "title: true", "true", "quotes"),
    Slip("E203", "title: Softmax", "title: [Softmax]", "[Softmax]"),
    Slip("E203", "wrt: [x]", "wrt: x", "x", "[x]"),
    Slip("E203", 'check: "all[b](', 'exact: yes\n    check: "all[b](', "yes"),
    Slip("E203", "prove: {engine: z3", "prove: [z3] #", "[z3]"),
    Slip("E203", "lower: 0", "lower: .nan", ".nan"),
    Slip("E203", "domain:\n      x: in [-50, 50]", "domain: in [0, 1]", "in [0"),
    Slip("E203", "seconds: 1e1", "seconds: long", "long"),
    Slip("E204", "id: SM-SUM", "id: softmax sum", "softmax sum"),
    Slip("E204", "id: SM-SUM", 'id: "SM-SUM\\n"', '"SM-SUM'),
    Slip("E204", "version: 1.0.0", "version: 1.0.0-rc1", "1.0.0-rc1"),
    Slip("E204", "prefix: SM", "prefix: \u0405M", "\u0405M", "U+0405"),
    Slip("E204", '"albor_impl.core.softmax:_forward"', "\"os.system('id')\"", '"os.system'),
    Slip("E205", "type: conservation", "type: conservatoin", "conservatoin", "`conservation`"),
    Slip("E205", "dtypes: [f32, bf16]", "dtypes: [f32, fp16]", "fp16"),
    Slip("E206", "title: Softmax", "title: ''", "''"),
    Slip("E206", "title: Softmax", 'title: "  "', '"  "'),
    Slip("E206", "killed_by: [SM-SUM]", "killed_by: []", "[]"),
    Slip("E207", "  softmax:\n    signature", "  soft-max:\n    signature", "soft-max"),
    Slip("E207", "  softmax:\n    signature", "  s\u043eftmax:\n    signature", "s\u043e", "U+043E"),
    Slip("E208", "seconds: 1e1", "seconds: -1", "-1"),
    Slip("E208", "seconds: 1e1", "seconds: .inf", ".inf"),
    Slip("E208", "seconds: 1e1", "seconds: .nan", ".nan"),
]

# The schema cannot see these: escapes in texts, lengths of free texts, values that YAML leaves out, Python's words.
READER_ONLY_SLIPS = [
    Slip("E206", "title: Softmax", "title:", "\n"),
    Slip("E207", "  softmax:\n    signature", "  lambda:\n    signature", "lambda"),
    Slip("E207", "  softmax:\n    signature", "  __import__:\n    signature", "__import__"),
    Slip("E209", "title: Softmax", 'title: "Soft\\x1b[2Jmax"', '"Soft'),
    Slip("E210", "title: Softmax", "title: " + "a" * 70_000, "aaa"),
    Slip("E210", "  softmax:\n    signature", f"  {'s' * 65}:\n    signature", "sss"),
]

LINK_SLIPS = [
    Slip("E302", "id: SM-BOUND", "id: SM-SUM", "SM-SUM\n    equation: softmax\n    type: bound"),
    Slip("E302", "id: SM-F2", "id: SM-F1", "SM-F1\n    title: Last"),
    Slip("E302", "id: SM-BOUND", "id: SM-DEF-SOFTMAX", "SM-DEF", ""),
    Slip("E301", "equation: softmax\n    type: bound", "equation: softmx\n    type: bound", "softmx", "`softmax`"),
    Slip("E301", "of: softmax\n    wrt", "of: sotfmax\n    wrt", "sotfmax", "`softmax`"),
    Slip("E301", "      softmax: |\n", "      softmin: |\n", "softmin", "`softmax`"),
    Slip("E314", "rule: SM-SUM", "rule: SM-SUMM", "SM-SUMM", "`SM-SUM`"),
    Slip("E314", "killed_by: [SM-SUM]", "killed_by: [SM-INF]", "SM-INF"),
    Slip("E314", "checks: [SM-SUM, SM-BOUND]", "checks: [SM-SUM, SM-BOND]", "SM-BOND", "`SM-BOUND`"),
    Slip("E304", "  x-owner", "  depends_on: [core/softmin]\n  x-owner", "core/softmin"),
    Slip("E305", "  x-owner", "  depends_on: [core/softmax]\n  x-owner", "core/softmax"),
    Slip("E306", "    of: softmax\n    lower: 0\n    upper: 1\n", "    of: softmax\n", "", "lower or upper"),
    Slip("E306", "    direction: increasing\n", "", "", "direction"),
    Slip("E307", "lower: 0\n", "lower: 0\n    axis: N\n", "axis"),
    Slip("E307", "lower: 0\n", "lower: 0\n    check: \"all[b](p[b] < 1)\"\n", "check: \"all[b](p", "or check"),
    Slip("E308", "    patch: {target", "    x-patch: {target", "SM-F2"),
    Slip("E309", "wrt: [x]", "wrt: [x, y]", "gives"),
    Slip("E309", "gives: [dx]", "gives: []", "gives"),
    Slip("E311", "engine: z3", "engine: crosshair", "axioms"),
    Slip("E312", "checks: [SM-SUM, SM-BOUND]", "checks: [SM-SUM, SM-SUM]", "SM-SUM]"),
]  # fmt: skip


def write(folder: Path, text: str | bytes, name: str = "core/softmax-v1.yaml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return path
