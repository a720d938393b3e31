"""From contracts to harness files: every engine, what the files look like, what is refused, and the command."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from albor_contracts.checked import CheckedContract, check_contracts
from albor_contracts.cli import main
from albor_contracts.codes import CODES
from albor_contracts.emit.files import generated_files
from albor_contracts.emit.harness import harness_module, has_proofs, proof_problems
from albor_contracts.emit.write import MARK
from albor_contracts.errors import Diagnostic
from albor_contracts.evidence import kernel_hash, proof_hash
from albor_contracts.evidence.store import read
from albor_contracts.library import open_library
from albor_contracts.links import check_links
from albor_contracts.load import load_contracts
from albor_contracts.prove import check_harness, run_harness

HERE = Path(__file__).parent
PROOFS = HERE / "data" / "proofs"
NAMES = ("core/reals", "core/integers", "core/halves")


def checked_contracts(folder: Path) -> dict[str, CheckedContract]:
    loaded = load_contracts([folder])
    checked, problems = check_contracts(loaded.contracts)
    links = [d for d in check_links(loaded.contracts) if d.severity == "error"]
    assert [str(d) for d in (*loaded.diagnostics, *links, *problems)] == []
    return checked


@pytest.fixture(scope="module")
def samples() -> dict[str, CheckedContract]:
    return checked_contracts(PROOFS)


@pytest.fixture(autouse=True)
def _targets_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provers' processes find proof_samples as this one does."""
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.mark.parametrize("name", NAMES)
def test_every_sample_gets_the_verdict_its_id_ends_in(
    name: str, samples: dict[str, CheckedContract], tmp_path: Path
) -> None:
    path = tmp_path / f"prove_{name.split('/')[1]}.py"
    path.write_text(harness_module(samples[name], samples, "hash"), encoding="utf-8")
    verdicts = {v.obligation: v for v in run_harness(path, jobs=2)}
    assert list(verdicts) == [o.id for o in samples[name].obligations if o.model.prove is not None]
    wrong = [str(v) for v in verdicts.values() if v.status != v.obligation.rpartition("-")[2].lower()]
    assert wrong == []
    assert all(v.replayed for v in verdicts.values() if v.status == "refuted")
    assert all(v.canary for v in verdicts.values() if v.status == "proved")


@pytest.mark.parametrize("name", NAMES)
def test_a_harness_is_well_formed_and_says_where_it_comes_from(
    name: str, samples: dict[str, CheckedContract], tmp_path: Path
) -> None:
    text = harness_module(samples[name], samples, "hash")
    path = tmp_path / "prove_it.py"
    path.write_text(text, encoding="utf-8")
    obligations, faults = check_harness(path)
    assert faults == []
    assert {o.id for o in obligations} == {o.id for o in samples[name].obligations if o.model.prove is not None}
    assert MARK in text
    assert f"contracts/{name}-v1.yaml" not in text or text.index("Meaning: hash") > 0
    assert text == harness_module(samples[name], samples, "hash")
    assert "at 0x" not in text


def test_texts_of_a_contract_stay_texts(samples: dict[str, CheckedContract], tmp_path: Path) -> None:
    path = tmp_path / "prove_reals.py"
    path.write_text(harness_module(samples["core/reals"], samples, "hash"), encoding="utf-8")
    statement = next(o.statement for o in check_harness(path)[0] if o.id == "RL-SUM-PROVED")
    assert statement.startswith('Each row sums to one, """ and \\N{BULLET} included.')


def test_sizes_that_the_contract_does_not_fix_are_named(samples: dict[str, CheckedContract]) -> None:
    text = harness_module(samples["core/reals"], samples, "hash")
    assert "Sizes: B = 1, N = 3. Not fixed by the contract, so the smallest of its range: B." in text
    assert "B, N = 1, 3" in text


def test_what_sizes_decide_is_decided_in_python(samples: dict[str, CheckedContract]) -> None:
    text = harness_module(samples["core/reals"], samples, "hash")
    assert "x[t - 1] if t >= 1 else 0" in text
    assert "for l in range(N) if l <= i" in text
    assert "k[h // G, d]" in text
    assert "Fraction(1, 3)" in text
    assert "given(keep[i], x[i])" in text


def test_names_of_the_contract_do_not_hide_words_of_the_harness(samples: dict[str, CheckedContract]) -> None:
    text = harness_module(samples["core/reals"], samples, "hash")
    assert 'over_ = problem.table("over", N)' in text
    assert 'problem_ = problem.reals("problem", N)' in text


def test_only_contracts_with_a_proof_have_a_harness(tmp_path: Path) -> None:
    shutil.copytree(PROOFS, tmp_path / "contracts")
    reals = tmp_path / "contracts" / "core" / "reals-v1.yaml"
    reals.write_text(re.sub(r"\n    prove: .*", "", reals.read_text(encoding="utf-8")), encoding="utf-8")
    library = open_library([tmp_path / "contracts"], root=tmp_path)
    files = sorted(str(path) for path in generated_files(library))
    assert [f for f in files if "prove_" in f] == ["core/prove_halves.py", "core/prove_integers.py"]
    assert "core/test_reals.py" in files
    assert not has_proofs(library.checked["core/reals"])


# What cannot be compiled is said when contracts are checked.

BASE = """\
metadata: {{version: 1.0.0, title: Refused, prefix: RE, description: "Proofs that cannot be compiled."}}
dims: {{N: 2..8, M: 3..5, H: N * M}}
equations:
  f:
    signature: "f(x: float[N], c: real) -> y: float[N]"
    domain: {{c: "in [0, 1]"}}
    define: "y[i] = c * x[i]"
  opaque: {{signature: "opaque(n: int) -> m: int"}}
  words: {{signature: "words(s: text) -> n: int"}}
  tiled: {{signature: "tiled(x: i64[H]) -> y: i64[N, M]"}}
proof_obligations:
  - id: RE-ONE
    equation: {equation}
    type: {type}
    property: "A law."
    {law}
    prove: {prove}
"""
LINEAR = 'let: "y = f(x, c)"\n    check: "all[i](approx(y[i], c * x[i]))"'
WHOLE = 'let: "m = opaque(n)"\n    check: "m == n"'

REFUSED = {
    "text": ("E320", "words", "bound", 'check: "words(s) >= 0"', 'engine: crosshair, target: "proof_samples:steps"'),
    "reals in crosshair": ("E320", "f", "bound", LINEAR, 'engine: crosshair, target: "proof_samples:steps"'),
    "text in z3": ("E320", "words", "bound", 'check: "length(s) >= 0"', "engine: z3"),
    "no target": ("E321", "opaque", "bound", WHOLE, "engine: crosshair"),
    "no such function": ("E321", "opaque", "bound", WHOLE, 'engine: crosshair, target: "proof_samples:step"'),
    "quotient": (
        "E320", "opaque", "bound", 'let: "m = opaque(n)"\n    check: "m / 2 <= n"',
        'engine: crosshair, target: "proof_samples:steps"',
    ),
    "nothing to unroll": ("E320", "opaque", "bound", WHOLE, "engine: z3"),
    "tautology": ("E324", "f", "definition", "exact: false", "engine: z3"),
    "tautology spelt out": (
        "E324", "f", "equivalence", 'let: |\n      y = f(x, c)\n      z = spec.f(x, c)\n    check: "approx(y, z)"',
        "engine: z3",
    ),
    "action": ("E320", "f", "determinism", 'call: "f(x, c)"', "engine: z3"),
    "unknown axiom": ("E323", "f", "bound", LINEAR, "engine: z3, axioms: [exp_is_positive]"),
    "unknown dimension": ("E322", "f", "bound", LINEAR, "engine: z3, dims: {Q: 2}"),
    "size below the range": ("E322", "f", "bound", LINEAR, "engine: z3, dims: {N: 1}"),
    "size that is no number": ("E322", "f", "bound", LINEAR, "engine: z3, dims: {N: M + 1}"),
    "derived size that does not fit": (
        "E322", "tiled", "bound", 'check: "all[h](x[h] <= 9)"',
        'engine: crosshair, target: "proof_samples:ranks", dims: {N: 2, M: 3, H: 5}',
    ),
    "too many elements": (
        "E322", "tiled", "bound", 'check: "all[h](x[h] <= 9)"',
        'engine: crosshair, target: "proof_samples:ranks", dims: {N: 8, M: 5}',
    ),
    "sizes that break an assumption": (
        "E322", "f", "bound", f'assume: ["N % 2 == 1"]\n    {LINEAR}', "engine: z3",
    ),
    "two arguments": ("E320", "f", "bound", LINEAR, "engine: ieee"),
    "another element": (
        "E320", "f", "bound", 'domain: {c: "in {1}"}\n    let: "y = f(x, c)"\n    check: "all[i](y[i] >= x[0])"',
        "engine: ieee",
    ),
    "approx over every value": (
        "E320", "f", "bound", 'domain: {c: "in {1}"}\n    let: "y = f(x, c)"\n    check: "approx(y, x)"',
        "engine: ieee",
    ),
    "claim that is a number": ("E426", "f", "bound", LINEAR, 'engine: z3, claim: "x[0]"'),
    "assumption with an unknown name": ("E420", "f", "bound", LINEAR, 'engine: z3, assume: ["q > 0"]'),
}  # fmt: skip


def refused(tmp_path: Path, equation: str, type_: str, law: str, prove: str) -> list[Diagnostic]:
    path = tmp_path / "core" / "refused-v1.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = BASE.format(equation=equation, type=type_, law=law, prove="{" + prove + "}")
    path.write_text(text, encoding="utf-8")
    loaded = load_contracts([tmp_path])
    checked, problems = check_contracts(loaded.contracts)
    assert [str(d) for d in (*loaded.diagnostics, *problems)] == []
    return [d for d in proof_problems(checked) if d.severity == "error"]


@pytest.mark.parametrize("case", REFUSED)
def test_a_proof_that_cannot_be_compiled_is_refused_where_it_stands(case: str, tmp_path: Path) -> None:
    code, *parts = REFUSED[case]
    problems = refused(tmp_path, *parts)
    assert [d.code for d in problems] == [code]
    assert code in CODES
    line = (
        (tmp_path / "core" / "refused-v1.yaml").read_text(encoding="utf-8").split("\n")[problems[0].position.line - 1]
    )
    assert line.strip().startswith("prove:")
    assert problems[0].hint or code == "E426"


def test_a_module_that_is_not_installed_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "core" / "refused-v1.yaml"
    path.parent.mkdir()
    prove = '{engine: crosshair, target: "not_installed_here.kernels:f"}'
    path.write_text(BASE.format(equation="opaque", type="bound", law=WHOLE, prove=prove), encoding="utf-8")
    checked, _ = check_contracts(load_contracts([tmp_path]).contracts)
    assert [(d.code, d.severity) for d in proof_problems(checked)] == [("E321", "warning")]


def test_a_bad_proof_spoils_only_its_own_contract(tmp_path: Path) -> None:
    shutil.copytree(PROOFS, tmp_path / "contracts")
    halves = tmp_path / "contracts" / "core" / "halves-v1.yaml"
    text = halves.read_text(encoding="utf-8")
    halves.write_text(text.replace("2 ** -13", "x[0]"), encoding="utf-8")
    library = open_library([tmp_path / "contracts"], root=tmp_path)
    assert [d.code for d in library.errors] == ["E320"]
    assert set(library.checked) == {"core/reals", "core/integers"}
    assert Path("core/prove_reals.py") in generated_files(library)


# The command


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, with the contract of halves: the quickest to judge."""
    (tmp_path / "contracts" / "core").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'p'\nversion = '1'\n", encoding="utf-8")
    shutil.copy(PROOFS / "core" / "halves-v1.yaml", tmp_path / "contracts" / "core")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_prove_prints_verdicts_and_writes_evidence(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = project / "evidence.jsonl"
    assert main(["prove", "-k", "hf-double", "--evidence", str(evidence)]) == 1
    out = capsys.readouterr().out
    assert re.search(r"proved +core/halves HF-DOUBLE-NORMAL-PROVED +IEEE float16, exhaustive +\(\d", out)
    assert re.search(r"refuted +core/halves HF-DOUBLE-REFUTED", out)
    assert "counterexample: x = 5.96" in out
    assert out.rstrip().endswith("1 of 2 proved; 1 refuted")
    records = {r.verdict.obligation: r.verdict for r in read([evidence]).records}  # type: ignore[union-attr]
    assert set(records) == {"HF-DOUBLE-NORMAL-PROVED", "HF-DOUBLE-REFUTED"}
    library = open_library(root=project)
    proved = records["HF-DOUBLE-NORMAL-PROVED"]
    model = library.contracts["core/halves"]
    assert proved.contract_hash == proof_hash(model, "HF-DOUBLE-NORMAL-PROVED", library.contracts)
    assert proved.kernel_hash == "" and proved.verdict == "proved"  # type: ignore[union-attr]


def test_prove_names_the_kernel_that_ran(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = project / "evidence.jsonl"
    assert main(["prove", "core/halves", "-k", "HF-SHIPPED", "--evidence", str(evidence), "--format", "json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["event"] for e in events] == ["run_started", "proof_finished", "run_finished"]
    assert events[1]["kernel"] == "proof_samples:relu"
    assert events[1]["kernel_hash"] == kernel_hash("proof_samples:relu")
    assert events[2]["outcomes"] == {"proved": 1}


def test_prove_judges_the_committed_file_or_else_the_contract(project: Path) -> None:
    assert main(["generate"]) == 0
    committed = project / "generated" / "core" / "prove_halves.py"
    text = committed.read_text(encoding="utf-8")
    assert MARK in text
    committed.write_text(text.replace("2 * y == x", "x == x"), encoding="utf-8")
    # A harness that says something else than the contract proves nothing about it.
    assert main(["prove", "-k", "HF-DOUBLE-REFUTED"]) == 1
    assert main(["generate", "--check"]) == 1


def test_nothing_to_prove_is_no_proof(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prove", "-k", "no-such-obligation"]) == 2
    assert "nothing to prove" in capsys.readouterr().err


def test_a_missing_prover_is_not_a_verdict(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PROOFS / "core" / "reals-v1.yaml", project / "contracts" / "core")
    blocked = project / "blocked"
    blocked.mkdir()
    # The worker's interpreter is told that there is no z3.
    (blocked / "sitecustomize.py").write_text(
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *a: None if name == 'z3' else find(name, *a)\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(blocked), os.environ["PYTHONPATH"]]))
    assert main(["prove", "core/reals", "-k", "RL-RUNNING"]) == 2
    assert "z3-solver" in capsys.readouterr().err
