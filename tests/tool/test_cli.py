"""Every command end to end on a small project: what it prints, its exit status, and that no input breaks it."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from albor_contracts import aot
from albor_contracts.aot import CompileResult
from albor_contracts.cli import COMMANDS, main
from albor_contracts.cli.compile import verdicts
from albor_contracts.cli.explain import TYPES
from albor_contracts.cli.falsify import judge_all
from albor_contracts.codes import CODES
from albor_contracts.errors import Position
from albor_contracts.events import Failure, FaultTried, KernelCompiled, ObligationFinished
from albor_contracts.evidence import read
from albor_contracts.falsify.generated import dies
from albor_contracts.falsify.wrong import planted
from albor_contracts.library import open_library
from albor_contracts.links import FORMS
from albor_contracts.load import load_contract
from albor_contracts.run import RunResult
from albor_contracts.runtime.session import ObligationFailed
from sample_project import CONTRACT, KERNEL, OLDER, edit, make_project, write

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "triton", "hypothesis", "numpy", "z3", "crosshair", "jsonschema", "pytest")


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    return tmp_path


@pytest.fixture
def run(capsys):
    """`run("coverage", "--details")` gives exit status, stdout and stderr."""

    def call(*arguments):
        try:
            status = main([str(a) for a in arguments])
        except SystemExit as stop:
            status = stop.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return call


def python(code, cwd, **environment):
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, check=False)


# The command itself


@pytest.mark.parametrize("arguments", [["--help"], ["validate"], ["validate", "--lenient"], ["graph"]])
def test_starts_without_heavy_packages(arguments, project):
    done = python(
        "import sys\n"
        "from albor_contracts.cli import main\n"
        f"try: status = main({arguments!r})\n"
        "except SystemExit as stop: status = stop.code\n"
        f"print([n for n in {HEAVY!r} if n in sys.modules], status)",
        project,
    )
    assert done.stdout.strip().endswith("[] 0"), done.stdout + done.stderr


def test_version_is_that_of_the_distribution(run):
    status, out, _ = run("--version")
    assert status == 0 and out.split() == ["albor-contracts", "0.1.0"]


def test_without_a_command_there_is_help_and_no_success(run):
    status, out, _ = run()
    assert status == 2 and all(name in out for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command, run):
    status, out, _ = run(command, "--help")
    assert status == 0
    assert f"albor-contracts {command}" in out and "exit status" in out


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["coverage", "--level", "9"], ["diff", "one"], ["validate", "--x"]]
)
def test_bad_arguments_are_refused(arguments, run):
    status, _, err = run(*arguments)
    assert status == 2 and "usage:" in err


@pytest.mark.parametrize(
    "arguments",
    [
        *(f"{command} {option}" for command in ("verify", "replay SC-ZERO") for option in ("--cases -1", "--cases 0")),
        *(f"verify --stall {value}" for value in ("0", "-1", "nan", "inf", "soon")),
        *(f"{command} -n {n}" for command in ("verify", "falsify", "prove", "compile", "mutate") for n in (0, -1)),
        *(f"{command} --seed {n}" for command in ("verify", "bench", "mutate") for n in (-1, 2**63, "1e5")),
        *(f"mutate --limit {n}" for n in (0, -1)),
        *(f"prove --seconds {value}" for value in ("0", "nan")),
    ],
)
def test_numbers_that_no_command_could_use_are_refused(arguments, run):
    status, out, err = run(*arguments.split())
    assert status == 2 and out == ""
    option, value = arguments.split()[-2:]
    assert f"argument {option}: expected " in err and f", got '{value}'" in err


def test_a_reader_that_goes_away_is_no_error(project):
    code = "from albor_contracts.cli import main; main(['equations', '--format', 'json']); main(['validate'])"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=writing, stderr=subprocess.PIPE, text=True, cwd=project, check=False
        )
    finally:
        os.close(writing)
    assert done.stderr == ""


COMMAND = [sys.executable, "-m", "albor_contracts"]


@pytest.mark.parametrize("closed", ["stdout", "stderr", "both"])
@pytest.mark.parametrize(("arguments", "status"), [(["validate"], 0), (["--version"], 0), (["coverage", "none"], 2)])
def test_closed_streams_are_no_error(closed, arguments, status, project):
    shut = {"stdout": ">&-", "stderr": "2>&-", "both": "<&- >&- 2>&-"}[closed]
    line = f"{shlex.join([*COMMAND, *arguments])} {shut}"
    done = subprocess.run(line, shell=True, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == status and "Traceback" not in done.stderr
    assert ("error[E503]" in done.stderr) == (status == 2 and closed == "stdout")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
@pytest.mark.parametrize("arguments", [["validate"], ["validate", "--format", "json"], ["--version"], ["equations"]])
def test_output_that_finds_no_space_is_told(arguments, project):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*COMMAND, *arguments], stdout=full, stderr=subprocess.PIPE, text=True, cwd=project, check=False
        )  # fmt: skip
    assert done.returncode == 2
    assert "error[E101]" in done.stderr and "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


@pytest.mark.parametrize("command", ["validate", "verify", "coverage", "scaffold core/new", "validate --format json"])
def test_a_working_folder_that_is_gone_is_told(command, tmp_path, monkeypatch, run):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    status, out, err = run(*command.split())
    assert status == 2 and "the working folder cannot be used: No such file or directory" in out + err


def test_without_a_working_folder_files_keep_their_names(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert str(Position("/somewhere/a.yaml", 2, 3)) == "/somewhere/a.yaml:2:3"
    assert str(Position("a.yaml")) == "a.yaml"


@pytest.mark.parametrize("during", ["_parser", "_run"])
def test_an_interrupt_ends_a_command_in_a_word(during, monkeypatch, run):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"albor_contracts.cli.{during}", interrupted)
    assert run("validate") == (2, "", "interrupted\n")


def test_an_interrupt_while_the_command_is_imported(tmp_path):
    (tmp_path / "argparse.py").write_text("raise KeyboardInterrupt\n")
    done = subprocess.run(
        COMMAND, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "interrupted\n")


def test_output_that_cannot_be_encoded_is_escaped(project):
    edit(project, "contracts/core/scale-v1.yaml", "Zeros stay zeros.", "Zeros stay ø.")
    done = python(
        "from albor_contracts.cli import main; main(['explain', 'SC-ZERO'])", project, PYTHONIOENCODING="ascii"
    )
    assert "Zeros stay \\xf8." in done.stdout and done.stderr == ""


JUNK = {
    "missing": None,
    "empty": b"",
    "binary": bytes(range(256)) * 8,
    "not yaml": b"a: [1, 2\n",
    "list": b"- 1\n- 2\n",
    "scalar": b"42\n",
    "deep": b"[" * 5000,
    "aliases": b"a: &a [x]\nb: [*a, *a]\n",
    "twice": b"metadata: {}\nmetadata: {}\n",
    "reversed": "metadata: {title: \u202eabc}\n".encode(),
}  # fmt: skip


@pytest.mark.parametrize("kind", JUNK)
@pytest.mark.parametrize("command", ["validate", "validate --lenient", "diff", "import"])
def test_junk_gets_a_message_and_exit_2(kind, command, tmp_path, run):
    path = tmp_path / "core" / "junk-v1.yaml"
    if JUNK[kind] is not None:
        write(tmp_path, "core/junk-v1.yaml", JUNK[kind])
    words = command.split()
    before = sorted(tmp_path.rglob("*"))
    status, out, err = run(*words, *([path, path] if command == "diff" else [path]))
    assert status == 2
    assert "error[E" in out + err and "junk-v1.yaml" in out + err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("command", ["verify", "coverage", "audit", "status", "equations", "falsify", "generate"])
def test_a_broken_contract_stops_every_command_with_its_place(command, project, run):
    edit(project, "contracts/core/scale-v1.yaml", "a * x[r, i]\n", "a * z[r, i]\n")
    status, _, err = run(command)
    assert status == 2 and "scale-v1.yaml:15:" in err and "error[E4" in err


@pytest.mark.parametrize("command", ["coverage", "audit", "status", "equations", "falsify", "generate"])
def test_unknown_contract_gets_a_near_miss(command, project, run):
    status, _, err = run(command, "core/scael")
    assert status == 2 and "did you mean `core/scale`" in err


def test_errors_are_json_where_json_was_asked_for(project, run):
    status, out, err = run("coverage", "core/scael", "--format", "json")
    assert status == 2 and err == ""
    assert [d["severity"] for d in json.loads(out)["diagnostics"]] == ["error"]


# validate


def test_validate_counts_what_is_valid(project, run):
    status, out, _ = run("validate")
    assert (status, out) == (0, "1 of 1 contracts are valid: 2 obligations, 2 faults\n")
    status, out, _ = run("validate", "--format", "json")
    assert status == 0
    assert json.loads(out) == {"contracts": 1, "valid": ["core/scale"], "prose": [], "diagnostics": []}


def test_validate_reports_in_every_format(project, run):
    edit(project, "contracts/core/scale-v1.yaml", "equation: scale\n", "equation: scael\n")
    status, out, _ = run("validate")
    assert status == 2 and "error[E301]" in out and "0 of 1 contracts are valid" in out
    assert "--> contracts/core/scale-v1.yaml:" in out  # as the person who reads it would write the path
    status, out, _ = run("validate", "--format", "json")
    assert status == 2 and json.loads(out)["valid"] == [] and json.loads(out)["diagnostics"][0]["code"] == "E301"
    status, out, _ = run("validate", "--format", "sarif")
    found = json.loads(out)["runs"][0]["results"][0]
    assert status == 2 and found["ruleId"] == "E301"
    where = found["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert where == "contracts/core/scale-v1.yaml"
    status, out, _ = run("validate", "--format", "github")
    assert status == 2 and out.startswith("::error file=contracts/core/scale-v1.yaml,")


def test_validate_looks_at_bindings_too(project, run):
    edit(project, "bindings/impl.yaml", "    scale:", "    scael:")
    status, out, _ = run("validate")
    assert status == 2 and "E504" in out and "did you mean `scale`" in out
    assert run("validate", "contracts/core/scale-v1.yaml")[0] == 0


def test_validate_reads_what_a_named_file_depends_on(project, run):
    write(
        project,
        "contracts/core/twice-v1.yaml",
        """\
metadata: {version: 1.0.0, title: Twice, prefix: TW, description: "Scaled twice.", depends_on: [core/scale]}
dims: {R: 1..3, N: 1..9}
equations:
  twice:
    signature: "twice(x: float[R, N]) -> y: float[R, N]"
    define: |
      once = scale(x, 2)
      y = scale(once, 2)
""",
    )
    status, out, _ = run("validate", "contracts/core/twice-v1.yaml")
    assert status == 0 and out.endswith("\n1 of 1 contracts are valid: 1 obligations, 0 faults\n")
    edit(project, "contracts/core/scale-v1.yaml", "y[r, i] = a * x[r, i]\n", "y[r, i] = a *\n")
    status, out, _ = run("validate", "contracts/core/twice-v1.yaml")
    assert status == 2 and "scale-v1.yaml:15" in out


def test_named_files_need_no_project(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "elsewhere/core/scale-v1.yaml", CONTRACT.replace("KERNELS", "a.b"))
    assert run("validate", "elsewhere/core/scale-v1.yaml")[0] == 0


def test_prose_is_listed_and_never_valid(project, run):
    path = write(project, "contracts/core/softmax-kernel-v1.yaml", OLDER)
    status, out, _ = run("validate")
    assert status == 2 and "E211" in out and "--lenient" in out
    status, out, _ = run("validate", "--lenient")
    assert status == 1 and "note[E701]" in out and "error" not in out
    assert out.endswith("1 of 2 contracts are valid: 2 obligations, 2 faults; 1 prose, level 0, not counted\n")
    status, out, _ = run("validate", "--lenient", "--format", "json")
    data = json.loads(out)
    assert status == 1 and data["valid"] == ["core/scale"]
    assert data["prose"] == [{"file": str(path), "level": 0, "obligations": 1}]
    status, out, _ = run("validate", "--lenient", path)
    assert status == 1 and out.endswith(
        "0 of 1 contracts are valid: 0 obligations, 0 faults; 1 prose, level 0, not counted\n"
    )


def test_lenient_is_lenient_with_older_files_only(project, run):
    write(project, "contracts/core/softmax-kernel-v1.yaml", OLDER)
    edit(project, "contracts/core/scale-v1.yaml", "    type: boundary", "    typo: boundary")
    status, out, _ = run("validate", "--lenient")
    assert status == 2 and "E201" in out


# coverage, audit, status


def test_without_evidence_nothing_is_covered(project, run):
    status, out, _ = run("coverage")
    assert status == 0 and "0 of 2 obligations at level 3 or above" in out
    status, out, err = run("coverage", "--fail-under", "1")
    assert status == 1 and "less than the 1 % asked for" in err
    assert run("coverage", "--fail-under", "0", "--level", "1")[0] == 0
    for nonsense in ("nan", "-1", "101", "many"):
        assert run("coverage", "--fail-under", nonsense)[0] == 2


def test_coverage_of_a_binding_that_nobody_knows_is_refused(project, run):
    status, _, err = run("coverage", "--binding", "refernce")
    assert status == 2 and "there is no binding 'refernce', and no evidence of one" in err
    assert "did you mean `reference`" in err
    package = next(project.glob("reference/*")).name
    mine = f"reference.{package}.core.scale:scale"
    assert run("coverage", "--binding", mine)[0] == 2
    assert run("verify", "--binding", mine, "--cases", "2", "-n", "1", "-k", "SC-ZERO")[0] == 0
    assert run("coverage", "--binding", mine)[0] == 0


def test_workers_that_judged_nothing_are_not_nothing_to_verify(project, run, monkeypatch):
    monkeypatch.setattr("albor_contracts.verify.verify", lambda *_, **__: RunResult(timed_out=["core/scale|SC-ZERO"]))
    status, _, err = run("verify", "-k", "SC-ZERO")
    assert status == 1 and "nothing to verify" not in err


def test_sizes_that_a_binding_is_limited_to_are_told_with_its_verdicts(project, run):
    package = next(project.glob("reference/*")).name
    target = f'{{call: "reference.{package}.core.scale:scale", sizes: {{N: 8..9}}}}'
    text = f"name: mine\nframework: numpy\nkernels: {{core/scale: {{scale: {target}}}}}\n"
    write(project, "bindings/mine.yaml", text)
    words = "mine: core/scale was judged for N of 8..9 alone, as the binding says\n"
    status, out, _ = run("verify", "--binding", "mine", "--cases", "2", "-n", "1")
    assert status == 0 and out.endswith(words)
    assert "1 not applicable: " in out and "takes N of 8..9, here it is 1" in out
    assert f"\n{words}\n" in run("coverage", "--binding", "mine")[1]
    assert words not in run("coverage")[1]


def test_prose_stays_in_the_denominator(project, run):
    write(project, "contracts/core/softmax-kernel-v1.yaml", OLDER)
    status, out, _ = run("coverage", "--format", "json", "--level", "1", "--fail-under", "100")
    data = json.loads(out)
    assert status == 1 and data["obligations"] == 3 and data["gate"]["holds"] is False
    assert [t["level"] for t in data["contracts"]] == [1, 0]
    os.unlink("contracts/core/scale-v1.yaml")
    assert run("coverage", "core/softmax-kernel", "--level", "1")[0] == 0
    assert run("status")[1].startswith("core/softmax-kernel: level 0 (prose)")


def test_evidence_of_all_commands_is_counted(project, run):
    """falsify, verify and coverage together: the way from nothing to a fault killed and an obligation passed."""
    status, out, _ = run("falsify", "-n", "1")
    assert status == 0 and "1 of 1 contracts hold against their faults" in out
    status, out, _ = run("verify", "--cases", "20", "--seed", "1")
    assert status == 0
    status, out, _ = run("coverage", "--details", "--level", "2", "--fail-under", "100")
    assert status == 0, out
    assert "faults: SC-OFFSET killed, SC-HALF killed" in out
    data = json.loads(run("coverage", "--format", "json")[1])["contracts"][0]
    assert data["faults"] == {"SC-OFFSET": "killed", "SC-HALF": "killed"}
    assert {b["state"] for o in data["obligations"] for b in o["bindings"].values()} == {"passed"}
    assert "2 passed, of 2" in run("status")[1]
    status, out, _ = run("audit")
    assert status == 0 and "0 orphans" in out
    assert {o["last"] != "" for o in json.loads(run("audit", "--format", "json")[1])["obligations"]} == {True}
    edit(project, "contracts/core/scale-v1.yaml", "a * x[r, i]\n", "2 * a * x[r, i] / 2\n")
    assert "stale" in run("coverage")[1]
    assert run("coverage", "--level", "2", "--fail-under", "1")[0] == 1


def test_audit_names_what_stands_alone(project, run):
    for module in project.glob("impl/*/core/scale.py"):
        module.write_text(module.read_text() + "\n\ndef forgotten(x):\n    return x\n", encoding="utf-8")
    status, out, _ = run("audit")
    assert status == 0 and "core/scale: forgotten" in out and "(information)" in out
    for module in project.glob("impl/*/core/scale.py"):
        module.with_name("stray.py").write_text("def stray(x):\n    return x\n", encoding="utf-8")
    status, out, _ = run("audit")
    assert status == 1 and "core/stray" in out
    assert run("audit", "core/scale")[0] == 0  # of one contract, modules are not looked through
    assert json.loads(run("audit", "--format", "json")[1])["orphans"][0]["kind"] == "function"


def test_damaged_evidence_is_a_warning(project, run):
    write(project, "evidence/bad.jsonl", b'{"event": "obligation_fin\n\xff\xfe\n')
    status, _, err = run("coverage")
    assert status == 0 and err.count("warning[W901]") == 2


def test_declined_equations_say_why(project, run):
    write(
        project,
        "bindings/library.yaml",
        """\
name: library
framework: numpy
kernels:
  core/scale:
    scale: {declines: "it has none"}
""",
    )
    data = json.loads(run("coverage", "--binding", "library", "--format", "json")[1])
    cells = [o["bindings"]["library"] for t in data["contracts"] for o in t["obligations"]]
    assert cells == [{"state": "declined", "reason": "it has none"}] * 2
    assert "library: declined: it has none" in run("audit")[1]


# graph, diff, equations


@pytest.mark.parametrize(("form", "expected"), [
    ("text", "core/scale\n1 contracts, 0 dependencies\n"), ("dot", "digraph contracts {"), ("mermaid", "graph LR"),
])  # fmt: skip
def test_graph_formats(form, expected, project, run):
    status, out, _ = run("graph", "--format", form)
    assert status == 0 and out.startswith(expected)


def test_graph_with_a_circle_cannot_be_ordered(project, run):
    edit(project, "contracts/core/scale-v1.yaml", "  prefix: SC\n", "  prefix: SC\n  depends_on: [core/scale]\n")
    status, out, err = run("graph")
    assert status == 2 and out == "" and "E305" in err
    status, out, _ = run("graph", "--format", "json")
    assert status == 2 and json.loads(out)["cycle"] == ["core/scale", "core/scale"]


def test_diff_wants_changes_announced(project, run, tmp_path):
    old = write(tmp_path, "before.txt", CONTRACT)
    new = tmp_path / "after.txt"
    new.write_text(CONTRACT.replace("[0.5, 2]", "[0.5, 4]"))
    assert run("diff", old, old)[0] == 0
    status, out, _ = run("diff", old, new)
    assert status == 1 and "suggested bump: minor" in out
    new.write_text(new.read_text().replace("1.0.0", "1.1.0"))
    status, out, _ = run("diff", old, new, "--format", "json")
    assert status == 0 and json.loads(out)["changes"][0]["kind"] == "tightening"


def test_equations_in_all_formats(project, run):
    status, out, _ = run("equations")
    assert status == 0 and "y[r, i] = a * x[r, i]" in out and "a in [0.5, 2]" in out
    status, out, _ = run("equations", "core", "--format", "latex")
    assert status == 0 and r"y_{r,i} &= a \, x_{r,i}" in out and r"\section{Scaling}" in out
    status, out, _ = run("equations", "--format", "json")
    assert status == 0 and json.loads(out)[0]["executable"] is True


# explain


@pytest.mark.parametrize("word", ["E201", "e201", "gradient", "SC-ZERO", "SC-DEF-SCALE", "SC-FT-ONE", "SC-HALF"])
def test_explain_knows_codes_types_and_ids(word, project, run):
    status, out, _ = run("explain", word)
    assert status == 0 and word.lower() in out.lower()
    status, out, _ = run("explain", word, "--format", "json")
    assert status == 0 and json.loads(out)["kind"] in ("code", "type", "obligation", "falsification test", "fault")


def test_explain_shows_what_hangs_on_an_obligation(project, run):
    out = run("explain", "SC-DEF-SCALE")[1]
    assert "Kills: SC-OFFSET, SC-HALF" in out and "Predictions: SC-FT-ONE" in out
    assert "albor-contracts replay SC-DEF-SCALE" in out
    assert "falsify core/scale --fault SC-HALF" in run("explain", "SC-HALF")[1]


def test_explain_shows_the_page_of_a_contract(project, run):
    status, out, _ = run("explain", "core/scale")
    assert status == 0 and "y[r, i] = a * x[r, i]" in out and "a in [0.5, 2]" in out
    assert "SC-DEF-SCALE (definition): scale computes its definition." in out
    assert "(by SC-DEF-SCALE" in out and "albor-contracts verify core/scale" in out
    status, out, _ = run("explain", "core/scale", "--format", "json")
    data = json.loads(out)
    assert status == 0 and data["kind"] == "contract" and "SC-HALF" in data["faults"]


def test_the_page_says_what_published_claims_get_wrong(run, monkeypatch):
    monkeypatch.chdir(ROOT)
    status, out, _ = run("explain", "core/rmsnorm")
    found = load_contract(ROOT / "contracts" / "core" / "rmsnorm-v1.yaml").metadata.corrects
    assert status == 0 and found and "What published claims get wrong:" in out
    for claim in found:
        assert " ".join(claim.split()) in " ".join(out.split())


def test_explain_of_nothing_gets_a_near_miss(project, run):
    status, _, err = run("explain", "SC-ZER")
    assert status == 2 and "did you mean `SC-ZERO`" in err


def test_every_code_and_type_can_be_explained(run, project):
    assert set(TYPES) == set(FORMS)
    for word in [*CODES, *TYPES]:
        assert run("explain", word)[0] == 0


# import


def test_import_makes_a_skeleton_that_reads(project, run):
    path = write(project, "old/softmax-kernel-v1.yaml", OLDER)
    status, out, _ = run("import", path)
    assert status == 0 and "x-prose:" in out
    new = project / "contracts" / "core" / "softmax-v1.yaml"
    status, said, _ = run("import", path, "-o", new)
    assert status == 0 and "1 obligations are still prose" in said and new.read_text(encoding="utf-8") == out
    assert run("validate", new)[0] == 0
    status, _, err = run("import", path, "-o", new)
    assert status == 2 and "E802" in err
    assert json.loads(run("import", path, "--format", "json")[1])["skeleton"] == out


def test_import_refuses_what_is_not_older(project, run):
    status, _, err = run("import", "contracts/core/scale-v1.yaml", "-o", "new.yaml")
    assert status == 2 and "E805" in err and not Path("new.yaml").exists()


# replay


def test_replay_runs_the_latest_failure_again(project, run):
    module = next(project.glob("impl/*/core/scale.py"))
    module.write_text(KERNEL.replace("a * x", "a * x + (x == 0)"), encoding="utf-8")
    status, out, _ = run("verify", "--cases", "20", "--seed", "77", "-k", "SC-ZERO")
    assert status == 1 and "--profile quick --seed 77 --cases 20\n" in out  # the replay command is whole
    status, out, err = run("replay", "SC-ZERO", "--format", "json")
    events = [json.loads(line) for line in out.splitlines()]
    finished = [e for e in events if e["event"] == "obligation_finished"]
    assert status == 1 and "seed 77" in err and "passes alone" not in err
    assert [(e["obligation"], e["binding"], e["dtype"], e["outcome"], e["seed"]) for e in finished] == [
        ("SC-ZERO", "impl", "f32", "failed", 77)
    ]
    module.write_text(KERNEL, encoding="utf-8")
    status, out, err = run("replay", "SC-ZERO")
    assert status == 0 and "1 of 1 passed" in out
    assert "and passes alone: either the kernel has changed since, or it keeps something" in err


def test_replay_of_what_never_failed_runs_that_alone(project, run):
    status, out, _ = run("replay", "SC-FT-ONE", "--binding", "reference", "--format", "json")
    finished = [e for e in map(json.loads, out.splitlines()) if e["event"] == "obligation_finished"]
    assert status == 0 and [e["obligation"] for e in finished] == ["SC-FT-ONE"]


def test_replay_of_what_is_not_there(project, run):
    status, _, err = run("replay", "SC-ZER")
    assert status == 2 and "did you mean `SC-ZERO`" in err
    status, _, err = run("replay", "SC-HALF")
    assert status == 2 and "falsify core/scale --fault SC-HALF" in err
    status, _, err = run("replay", "SC-ZERO", "--binding", "reference", "--dtype", "bf16")
    assert status == 2 and "nothing to replay" in err


# falsify


def test_a_surviving_fault_fails(project, run):
    edit(project, "contracts/core/scale-v1.yaml", "a * x / 2", "x * a")
    status, out, _ = run("falsify", "--evidence", "kept.jsonl", "--format", "json")
    data = json.loads(out)
    assert status == 1 and data["failed"] == ["core/scale"]
    (problem,) = (p for p in data["contracts"][0]["problems"] if "SC-HALF survives" in p)
    lines = (project / "contracts/core/scale-v1.yaml").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "id: SC-HALF" in text)
    column = lines[line - 1].index("SC-HALF") + 1
    assert problem.startswith(f"contracts/core/scale-v1.yaml:{line}:{column}: SC-HALF survives")
    tried = [r.verdict for r in read(["kept.jsonl"]).records]
    assert {(v.fault, v.killed) for v in tried if isinstance(v, FaultTried) and v.obligation == "SC-DEF-SCALE"} == {
        ("SC-OFFSET", True), ("SC-HALF", False),
    }  # fmt: skip


def test_a_fault_dies_where_nothing_else_is_bound(project, run):
    """Beyond the sizes of the definition only a law about two kernels notices: who binds one of them would pass."""
    twice = """
  twice:
    signature: "twice(x: float[R, N]) -> y: float[R, N]"
    formula: "y = 2 x"
    domain: {x: "in [-50, 50]"}
    define: |
      y[r, i] = 2 * x[r, i]

proof_obligations:
  - id: SC-TWICE
    equation: twice
    type: equivalence
    property: "To double is to scale by two."
    if_fails: "One of them is limited."
    dims: {N: 12}
    left: "twice(x)"
    right: "scale(x, 2)"
"""
    fault = """faults:
  - id: SC-FEW
    title: "from the tenth element on nothing is doubled"
    origin: "a fixed width; hidden by short rows"
    define: {twice: "y[r, i] = where(i < 9, 2, 1) * x[r, i]"}
    killed_by: [SC-TWICE]
"""
    path = "contracts/core/scale-v1.yaml"
    edit(project, path, "\nproof_obligations:\n", twice)
    edit(project, path, "faults:\n", fault)
    status, out, _ = run("falsify", "-n", "1")
    assert status == 1 and "SC-FEW survives where twice is all that a binding has" in out
    edit(project, path, 'right: "scale(x, 2)"', 'right: "spec.scale(x, 2)"')
    out = run("falsify", "-n", "1")[1]
    assert "SC-FEW" not in out or "SC-FEW survives" not in out


def test_a_fault_that_cannot_run_proves_nothing(project, run):
    edit(project, "contracts/core/scale-v1.yaml", "a * x / 2", "a * half")
    status, out, err = run("falsify", "-n", "1")
    assert status == 1 and "error[E512]" in out + err
    assert "the changed source of" in out + err and "does not run: NameError: name 'half' is not defined" in out + err


def test_a_fault_that_never_answers_proves_nothing(project, run):
    edit(project, "contracts/core/scale-v1.yaml", "a * x / 2", "a(x)")
    status, out, err = run("falsify", "-n", "1")
    assert status == 1 and "error[E512]" in out + err
    assert re.search(r"answered no call at all: .* raised TypeError: '\w+' object is not callable", out + err)


def test_a_fault_that_fails_now_and_then_is_one(project, run):
    edit(project, "contracts/core/scale-v1.yaml", "a * x / 2", "a * x / (1 if len(x) < 3 else 0 // 0)")
    status, out, err = run("falsify", "-n", "1", "--fault", "SC-HALF")
    assert status == 0, out + err


def test_a_law_that_stops_with_an_error_has_not_noticed():
    def law(kernel):
        raise ObligationFailed(Failure(property="", message="IndexError: 3", traceback="IndexError: 3"))

    stopped = []
    assert dies(law, None, stopped) is None and stopped == ["IndexError: 3"]


def test_a_fault_of_what_a_kernel_imports_finds_its_names(tmp_path, monkeypatch):
    """The names that the changed function uses are those of the module it was written in."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fault_home.py").write_text("def _one(): return 1\ndef add(x): return x + _one()\n")
    (tmp_path / "fault_user.py").write_text("from fault_home import add\ndef call(x): return add(x)\n")
    import fault_user

    with planted("fault_user:add", "x + _one()", "x - _one()"):
        assert fault_user.call(3) == 2 and sys.modules["fault_home"].add(3) == 2
    assert fault_user.call(3) == 4 and sys.modules["fault_home"].add(3) == 4


def test_an_obligation_is_tried_until_it_has_killed(project, run):
    """By default only the cells that a fault claims and those an obligation needs; with --all the whole matrix."""

    def cells(*options):
        status, out, _ = run("falsify", "-n", "1", "--format", "json", *options)
        found = json.loads(out)["contracts"][0]["cells"]
        assert status == 0
        return {(c["fault"], c["obligation"]): c for c in found}

    some, every = cells(), cells("--all")
    assert some.keys() < every.keys()
    assert {key for key, c in every.items() if c["named"]} <= some.keys()
    assert {c["obligation"] for c in some.values() if c["killed"]} == {c["obligation"] for c in every.values()}


def test_one_fault_can_be_chosen(project, run):
    status, out, _ = run("falsify", "--fault", "SC-OFFSET")
    assert status == 0 and "SC-HALF" not in out
    status, _, err = run("falsify", "--fault", "SC-OFFSETT")
    assert status == 2 and "did you mean `SC-OFFSET`" in err


def test_contracts_are_falsified_side_by_side_and_a_crash_stays_alone(project, monkeypatch):
    other = (
        CONTRACT.replace("SC-", "OT-")
        .replace("prefix: SC", "prefix: OT")
        .replace("scale", "other")
        .replace("SC-DEF", "OT-DEF")
    )
    other = other.replace("OT-DEF-SCALE", "OT-DEF-OTHER").replace("a * x / 2", "__import__('os')._exit(3)")
    package = next(project.glob("reference/*")).name
    write(
        project, "contracts/core/other-v1.yaml", other.replace("KERNELS:other", f"reference.{package}.core.other:other")
    )
    for binding in ("reference", "impl"):
        module = f"{binding}.{package}.core.other"
        write(project, f"{module.replace('.', '/')}.py", KERNEL.replace("scale", "other"))
        text = (project / f"bindings/{binding}.yaml").read_text()
        write(project, f"bindings/{binding}.yaml", f"{text}  core/other:\n    other: {module}:other\n")
    library = open_library().sound()
    judged = {name: (matrix, events) for name, matrix, events in judge_all(project, dict(library.checked), None, 2)}
    assert judged["core/other"] == (None, [])
    matrix, events = judged["core/scale"]
    assert matrix.holds and all(isinstance(e, FaultTried) and e.contract_hash for e in events) and len(events) >= 3


# compile


def result(ok=True, example="one", kernel="_forward_kernel", target=90, contract="core/rmsnorm"):
    return CompileResult(
        kernel, contract, example, target, ok, 32, 0 if ok else 8, 1024, 65536, 0.1, "" if ok else "8 bytes spilled"
    )


@pytest.fixture
def compiled(monkeypatch):
    """The results that the compiler gives, and the arguments it was given."""
    given: dict = {"results": []}

    def compile_all(targets, select, *, package, processes, progress, declared):
        given.update(targets=targets, select=select, processes=processes, declared=declared)
        return given["results"]

    monkeypatch.setattr(aot, "compile_all", compile_all)
    return given


def test_compile_passes_and_keeps_evidence(project, run, compiled):
    compiled["results"] = [result(), result(example="two")]
    status, out, _ = run(
        "compile", "core/rmsnorm", "--select", "core", "--target", "sm_90", "-n", "1", "--evidence", "e.jsonl"
    )
    assert status == 0 and "2 of 2 compile" in out
    assert (compiled["targets"], compiled["select"], compiled["processes"]) == ([90], ["core/rmsnorm", "core"], 1)
    (record,) = read(["e.jsonl"]).records
    assert isinstance(record.verdict, KernelCompiled) and record.verdict.ok and record.verdict.architecture == "sm_90"
    assert record.verdict.kernel == "albor_impl.core.rmsnorm:_forward_kernel" and len(record.verdict.kernel_hash) == 64
    assert "triton" in record.versions


def test_one_bad_example_fails_its_kernel(project, run, compiled):
    compiled["results"] = [result(ok=False), result(example="two"), result(kernel="_backward_kernel")]
    status, out, _ = run("compile")
    assert status == 1 and "FAILED" in out and "8 bytes spilled" in out and "2 of 3 compile" in out
    assert compiled["targets"] == list(aot.TARGETS) and compiled["select"] is None
    assert [(v.kernel.split(":")[1], v.ok, v.message) for v in verdicts(compiled["results"])] == [
        ("_forward_kernel", False, "one: 8 bytes spilled"), ("_backward_kernel", True, ""),
    ]  # fmt: skip
    status, out, _ = run("compile", "--format", "json")
    assert status == 1 and json.loads(out)["ok"] is False


def test_spills_are_those_that_the_binding_file_declares(project, run, compiled):
    path = project / "bindings" / "impl.yaml"
    head, call = path.read_text().rstrip().rsplit(" scale: ", 1)
    spills = "sm_100: {bytes: 32, because: few registers on purpose}"
    path.write_text(f"{head} scale: {{call: {call}, spills: {{{spills}}}}}\n")
    compiled["results"] = [replace(result(target=100), spills=16), result()]
    status, out, _ = run("compile")
    assert status == 0 and "16 spilt" in out and "2 of 2 compile, 1 with spills that are declared" in out
    assert compiled["declared"] == {("core/scale", 100): 32}


def test_nothing_compiled_is_no_success(project, run, compiled):
    status, _, err = run("compile", "core/nothing")
    assert status == 2 and "nothing was compiled" in err
    status, _, err = run("compile", "--target", "sm_12")
    assert status == 2 and "known are sm_80" in err


def test_verdicts_of_a_run_are_those_of_the_events(project, run):
    """The evidence that verify writes names the kernel and both hashes: without them nothing counts."""
    assert run("verify", "--cases", "5", "--seed", "0", "-k", "SC-ZERO", "--evidence", "v.jsonl")[0] == 0
    found = [r.verdict for r in read(["v.jsonl"]).records]
    assert len(found) == 2
    assert all(isinstance(v, ObligationFinished) and v.kernel and v.contract_hash and v.kernel_hash for v in found)
