"""Evidence: what makes it stale and what does not, and files that survive whatever happens to a run."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import subprocess
import sys

import pytest
from albor_contracts.errors import Position, Text
from albor_contracts.events import BAD_OUTCOMES, Failure, FaultTried, ObligationFinished, ObligationStarted, RunStarted
from albor_contracts.evidence import (
    Record,
    Recorder,
    compact,
    fault_hash,
    installed_versions,
    kernel_hash,
    meaning_hash,
    obligation_hash,
    obligations_of,
    prediction_hash,
    proof_hash,
    read,
    save,
    scratch_file,
    source,
)
from albor_contracts.evidence.canonical import canonical_source, canonical_text
from albor_contracts.evidence.source import _is_installed_to, _package_version
from albor_contracts.model import Equation, Obligation
from contract_builder import KERNEL, SOFTMAX, make, passed, softmax, text, with_equation, with_obligation

BASE = softmax()


def hashes(contract, others=None):
    """Every hash that evidence of the contract carries."""
    return {
        **{name: obligation_hash(contract, name, others) for name in obligations_of(contract)},
        "test": prediction_hash(contract, "SM-T-BIG", others),
        "fault": fault_hash(contract, "F1", "SM-SUM", others),
        "proof": proof_hash(contract, "SM-SUM", others),
        "all": meaning_hash(contract, others),
    }


SAME_MEANING = {
    "comments and layout of a definition": with_equation(
        BASE,
        define="e[b,i] = exp(x[b, i]  - max[j](x[b, j]))  # stable\n\n# quotient\np[b, i] = (e[b, i] / sum[j](e[b,j]))",
    ),
    "formula for people": with_equation(BASE, formula="p = softmax of x"),
    "layout of a domain": with_equation(BASE, domain={"x": "in  [ -50,50 ]"}),
    "layout of a signature": with_equation(BASE, signature="softmax(x: float[B,N])  ->  p: float[B,N]"),
    "dtypes to be tested": with_equation(BASE, dtypes=["f32"]),
    "words of a property": with_obligation(BASE, property="Rows add up to 1", if_fails="Look at the divisor"),
    "layout of a check": with_obligation(BASE, check="all[b]( approx( sum[i](p[b,i]), 1 ) )"),
    "description": dataclasses.replace(BASE, metadata=dataclasses.replace(BASE.metadata, description=Text("New"))),
    "positions": dataclasses.replace(
        BASE,
        equations={"softmax": dataclasses.replace(BASE.equations["softmax"], position=Position("x.yaml", 99, 1))},
    ),
    "extensions": dataclasses.replace(BASE, extensions={"x-note": "hello"}),
    "order of keys": dataclasses.replace(BASE, dims=dict(reversed(BASE.dims.items()))),
    "order of assumptions": with_equation(BASE, assume=[]),
}


@pytest.mark.parametrize("changed", SAME_MEANING.values(), ids=SAME_MEANING)
def test_what_does_not_execute_leaves_evidence_fresh(changed):
    assert hashes(changed) == hashes(BASE)


def test_order_of_assumptions_does_not_count():
    one, other = with_equation(BASE, assume=["N > 1", "B > 0"]), with_equation(BASE, assume=["B > 0", "N>1"])
    assert hashes(one) == hashes(other)
    assert hashes(one) != hashes(BASE)


OTHER_MEANING = {
    "coefficient": with_equation(BASE, define=SOFTMAX.replace("exp(x[b, i] -", "exp(2 * x[b, i] -")),
    "operator": with_equation(BASE, define=SOFTMAX.replace("/", "*")),
    "domain": with_equation(BASE, domain={"x": "in [-50, 50)"}),
    "sign in a domain": with_equation(BASE, domain={"x": "in [50, 50]"}),
    "assumption": with_equation(BASE, assume=["N > 1"]),
    "signature": with_equation(BASE, signature="softmax(x: f32[B, N]) -> p: float[B, N]"),
    "shared dimension": dataclasses.replace(BASE, dims=text({"B": "1..8", "N": "1..64"})),
}


@pytest.mark.parametrize("changed", OTHER_MEANING.values(), ids=OTHER_MEANING)
def test_what_executes_makes_evidence_stale(changed):
    before, after = hashes(BASE), hashes(changed)
    assert not [name for name in before if before[name] == after[name]]


def test_a_changed_obligation_leaves_its_neighbours_fresh():
    before, after = hashes(BASE), hashes(with_obligation(BASE, exact=True))
    assert before["SM-SUM"] != after["SM-SUM"]
    assert before["SM-DEF-SOFTMAX"] == after["SM-DEF-SOFTMAX"]


def test_faults_and_proofs_do_not_touch_the_evidence_of_tests():
    without = dataclasses.replace(with_obligation(BASE, prove=None), faults=())
    assert obligation_hash(without, "SM-SUM") == obligation_hash(BASE, "SM-SUM")
    assert meaning_hash(without) != meaning_hash(BASE)
    fault = dataclasses.replace(BASE.faults[0], define=text({"softmax": "p[b, i] = 0"}))
    changed = dataclasses.replace(BASE, faults=(fault,))
    assert fault_hash(changed, "F1", "SM-SUM") != fault_hash(BASE, "F1", "SM-SUM")
    budget = dataclasses.replace(BASE.proof_obligations[0].prove, seconds=99.0)
    assert proof_hash(with_obligation(BASE, prove=budget), "SM-SUM") == proof_hash(BASE, "SM-SUM")


def test_an_equation_nobody_mentions_does_not_count():
    other = make(Equation, signature="other(x: float[B, N]) -> y: float[B, N]", define="y[b, i] = 2 * x[b, i]")
    more = dataclasses.replace(BASE, equations={**BASE.equations, "other": other})
    assert obligation_hash(more, "SM-SUM") == obligation_hash(BASE, "SM-SUM")
    using = with_obligation(more, let="p = other(softmax(x))")
    changed = with_equation(using, "other", define="y[b, i] = 3 * x[b, i]")
    assert obligation_hash(using, "SM-SUM") != obligation_hash(changed, "SM-SUM")


def test_equations_of_other_contracts_count_where_they_are_called():
    user = softmax(
        "loss/user",
        equations={
            "loss": make(Equation, signature="loss(x: float[B, N]) -> y: float[B, N]", define="y = softmax(x)\n")
        },
        proof_obligations=(),
        falsification_tests=(),
        faults=(),
        metadata=dataclasses.replace(BASE.metadata, depends_on=text(["core/softmax"])),
    )
    changed = with_equation(BASE, define=SOFTMAX.replace("/", "*"))
    before = obligation_hash(user, "SM-DEF-LOSS", {"core/softmax": BASE})
    assert before != obligation_hash(user, "SM-DEF-LOSS", {"core/softmax": changed})
    reworded = with_equation(BASE, formula="other words")
    assert before == obligation_hash(user, "SM-DEF-LOSS", {"core/softmax": reworded})


def test_definition_obligations_are_added_once():
    assert list(obligations_of(BASE)) == ["SM-SUM", "SM-DEF-SOFTMAX"]
    written = make(Obligation, id="SM-OWN", equation="softmax", type="definition", property="As defined")
    assert list(obligations_of(dataclasses.replace(BASE, proof_obligations=(written,)))) == ["SM-OWN"]


def test_numbers_of_any_size_have_a_hash():
    test = dataclasses.replace(BASE.falsification_tests[0], given={"x": 10**10_000, "y": float("nan")})
    assert prediction_hash(dataclasses.replace(BASE, falsification_tests=(test,)), "SM-T-BIG")


def test_unknown_ids_are_key_errors():
    with pytest.raises(KeyError):
        obligation_hash(BASE, "SM-NONE")
    with pytest.raises(KeyError):
        prediction_hash(BASE, "SM-NONE")


def test_the_hash_is_the_same_in_every_process():
    command = "import contract_builder as b, albor_contracts.evidence as e; print(e.meaning_hash(b.softmax()))"
    for seed in ("0", "1"):
        out = subprocess.run(
            [sys.executable, "-c", command],
            cwd=__file__.rpartition("/")[0],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert out.stdout.strip() == meaning_hash(BASE)


def test_canonical_forms_do_not_depend_on_the_python_version():
    # Written down once: a change here makes all committed evidence stale.
    assert canonical_text("a[i] * 2.0") == (
        "Module(body=[Expr(value=BinOp(left=Subscript(slice=Name(id='i'),value=Name(id='a')),op=Mult(),"
        "right=Constant(value=float:2.0)))])"
    )
    assert canonical_text("in [-1, 2)  # closed, open") == "in [ - 1 , 2 )"
    code = 'def f(x):\n    """Doc."""\n    return x  # back\n'
    assert canonical_source(code) == canonical_source("def f( x ):\n\n  return (x)")
    assert canonical_source(code) != canonical_source("def f(x):\n    return -x")
    assert canonical_source("def f(:") == "def f(:"


# Kernels


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A package of two kernels that share a helper; importing any of it would fail the test."""
    package = tmp_path / "kernelpkg"
    (package / "core").mkdir(parents=True)
    explosive = "raise RuntimeError('imported')\n"
    (package / "__init__.py").write_text(explosive)
    (package / "core" / "__init__.py").write_text("from .one import f\nfrom .two import g\n")
    (package / "core" / "one.py").write_text(
        f"{explosive}import math\nfrom ..shared import scale\n\ndef f(x):\n    return scale(x)\n"
    )
    (package / "core" / "two.py").write_text(
        f"{explosive}import kernelpkg.shared, numpy\nfrom kernelpkg.core import notes\n\ndef g(x):\n    return x\n"
    )
    (package / "core" / "notes.py").write_text("WORDS = 1\n")
    (package / "shared.py").write_text("def scale(x):\n    return 2 * x\n")
    (package / "sibling.py").write_text("from . import shared\n\ndef h(x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    return package


def change(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def test_a_kernel_is_its_module_and_what_it_imports(project):
    one, h = kernel_hash("kernelpkg.core.one:f"), kernel_hash("kernelpkg.sibling:h")
    change(project / "shared.py", "2 * x", "3 * x")
    assert kernel_hash("kernelpkg.core.one:f") != one
    assert kernel_hash("kernelpkg.sibling:h") != h


def test_a_changed_kernel_leaves_other_kernels_fresh(project):
    before = {name: kernel_hash(name) for name in ("kernelpkg.core.one:f", "kernelpkg.sibling:h")}
    change(project / "core" / "one.py", "scale(x)", "scale(-x)")
    assert kernel_hash("kernelpkg.core.one:f") != before["kernelpkg.core.one:f"]
    assert kernel_hash("kernelpkg.sibling:h") == before["kernelpkg.sibling:h"]


def test_submodules_and_names_of_packages_are_told_apart(project):
    before = kernel_hash("kernelpkg.core.two:g")
    change(project / "core" / "notes.py", "1", "2")
    after = kernel_hash("kernelpkg.core.two:g")
    assert after != before
    change(project / "core" / "one.py", "scale(x)", "scale(-x)")  # reached through no import of two
    assert kernel_hash("kernelpkg.core.two:g") == after


def test_names_that_a_package_gathers_lead_to_their_modules(project):
    (project / "user.py").write_text("from .core import gathered\n")
    before = kernel_hash("kernelpkg.user:gathered")
    change(project / "core" / "one.py", "scale(x)", "scale(-x)")
    assert kernel_hash("kernelpkg.user:gathered") != before


def test_of_thousands_of_modules_the_nearest_are_read(project, monkeypatch):
    """A chain of modules beside a near one: what lies behind the limit does not count, nor take time."""
    (folder := project.parent).joinpath("chain_near.py").write_text("x = 1\n")
    for k in range(6):
        (folder / f"chain_{k}.py").write_text(f"import chain_{k + 1}, chain_near\n")
    monkeypatch.setattr(source, "NEAREST", 4)
    before = kernel_hash("chain_0:f")
    assert source.project_modules("chain_0") == ["chain_0", "chain_1", "chain_near", "chain_2"]
    (folder / "chain_5.py").write_text("import chain_near, os\n")
    assert kernel_hash("chain_0:f") == before
    (folder / "chain_near.py").write_text("x = 2\n")
    assert kernel_hash("chain_0:f") != before


def test_folders_without_init_are_looked_into(project):
    (project / "bare" / "inner").mkdir(parents=True)
    (project / "bare" / "inner" / "leaf.py").write_text("N = 1\n")
    (project / "user.py").write_text("from kernelpkg.bare import inner\nfrom .bare.inner import leaf\n")
    before = kernel_hash("kernelpkg.user:f")
    change(project / "bare" / "inner" / "leaf.py", "1", "2")
    assert kernel_hash("kernelpkg.user:f") != before
    assert kernel_hash("kernelpkg.bare.inner.leaf:f")


def test_comments_docstrings_and_layout_do_not_count(project):
    before = kernel_hash("kernelpkg.core.one:f")
    change(project / "core" / "one.py", "def f(x):\n", 'def f( x ):\n    """Doc."""\n    # why\n')
    assert kernel_hash("kernelpkg.core.one:f") == before


def test_the_folder_does_not_count_but_every_module_does(project):
    before = kernel_hash("kernelpkg.core.one:f")
    assert kernel_hash("kernelpkg.core.one") == before
    assert kernel_hash(["kernelpkg.core.one:f", "kernelpkg.core.one:f2"]) == before
    assert kernel_hash("kernelpkg.core.one:f kernelpkg.sibling:h") != before


def test_packages_of_others_hash_as_name_and_version(monkeypatch):
    before = kernel_hash("numpy:matmul")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "999.0")
    _package_version.cache_clear()
    after = kernel_hash("numpy:matmul")
    _package_version.cache_clear()
    assert before != after


def test_packages_beside_their_metadata_are_not_the_project(project, tmp_path, monkeypatch):
    """Those of `pip install --target FOLDER` hash as what a virtual environment has."""
    change(project / "core" / "one.py", "def f(x):\n", "import libpkg.part\n\n\ndef f(x):\n")
    before = kernel_hash("kernelpkg.core.one:f")  # without it
    folder = tmp_path / "folder"
    (folder / "libpkg").mkdir(parents=True)
    (folder / "libpkg" / "__init__.py").write_text("X = 1\n")
    (folder / "libpkg" / "part.py").write_text("Y = 2\n")
    monkeypatch.syspath_prepend(folder)
    _is_installed_to.cache_clear()
    assert kernel_hash("kernelpkg.core.one:f") != before
    (folder / "libpkg-1.0.dist-info").mkdir()
    _is_installed_to.cache_clear()
    assert kernel_hash("kernelpkg.core.one:f") == before


def test_callables_hash_as_their_module():
    assert kernel_hash(meaning_hash) == kernel_hash("albor_contracts.evidence.hashing:anything")


@pytest.mark.parametrize("target", ["no_such_module_anywhere:f", "kernelpkg.core.none:f", "numpy.no_such_part:f", ""])
def test_missing_modules_are_lookup_errors(project, target):
    with pytest.raises(LookupError):
        kernel_hash(target)


# Files

RECORD = passed(BASE, "SM-SUM", "impl")


def seeded(seed, **changes):
    return dataclasses.replace(
        RECORD,
        verdict=dataclasses.replace(RECORD.verdict, seed=seed, **changes),
        time=changes.pop("time", RECORD.time),
    )


def at(record, time):
    return dataclasses.replace(record, time=time)


def test_records_survive_their_file(tmp_path):
    path = tmp_path / "evidence" / "run.jsonl"
    with Recorder(path) as recorder:
        recorder(RunStarted(seed=1, versions={"python": "3.11"}))
        recorder(ObligationStarted(contract="a/b", obligation="A-B"))
        recorder(RECORD.verdict)
        recorder(FaultTried(contract="a/b", fault="F1", obligation="A-B", killed=True))
    found = read([tmp_path])
    assert not found.warnings
    assert [r.verdict.kind for r in found.records] == ["obligation_finished", "fault_tried"]
    assert found.records[0].verdict == RECORD.verdict
    assert found.records[0].versions == {"python": "3.11"}
    assert found.records[1].source == f"{path}:2"


def test_no_verdict_no_file(tmp_path):
    with Recorder(tmp_path / "e.jsonl") as recorder:
        recorder(RunStarted())
    assert not (tmp_path / "e.jsonl").exists()


def test_a_torn_last_line_is_a_warning_and_is_not_continued(tmp_path):
    path = tmp_path / "e.jsonl"
    path.write_text(RECORD.to_json() + "\n" + RECORD.to_json()[:40])
    found = read([path])
    assert len(found.records) == 1
    assert [str(w) for w in found.warnings] == [
        f"{path}:2:1: warning[W901]: evidence ignored: the last line is cut off: the run was interrupted"
    ]
    with Recorder(path) as recorder:
        recorder.write(RECORD)
    assert len(read([path]).records) == 2


def test_corrupt_lines_are_reported_where_they_stand(tmp_path):
    path = tmp_path / "e.jsonl"
    bad = [
        b"\xff\xfe\x00",
        b"[]",
        b'{"event": "progress", "contract": "a", "obligation": "b"}',
        b"[" * 100_000,
        b"9" * 5000,
    ]
    path.write_bytes(b"\n".join([*bad, RECORD.to_json().encode(), b"x" * (1 << 21), b""]))
    found = read([path, tmp_path / "absent.jsonl"])
    assert len(found.records) == 1
    assert [w.position.line for w in found.warnings] == [0, 1, 2, 3, 4, 5, 7]


@pytest.mark.parametrize("place", ["named", "in a folder", "/dev/zero"])
def test_what_is_no_regular_file_is_not_opened_as_evidence(place, tmp_path):
    path = place if place == "/dev/zero" else tmp_path / "e.jsonl"
    if place != "/dev/zero":
        os.mkfifo(path)
    found = read([tmp_path if place == "in a folder" else path])
    assert [str(w) for w in found.warnings] == [
        f"{path}: warning[W901]: evidence ignored: this is not a regular file"
    ]  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device here")
def test_a_device_takes_records_and_an_error_names_it():
    with Recorder("/dev/null") as recorder:
        recorder.write(RECORD)
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"), Recorder("/dev/full") as recorder:
        recorder.write(RECORD)


def _append(path, seed):
    with Recorder(path) as recorder:
        for _ in range(50):
            recorder.write(seeded(seed))


def test_processes_may_share_a_file(tmp_path):
    path = tmp_path / "e.jsonl"
    workers = [multiprocessing.get_context("spawn").Process(target=_append, args=(path, k)) for k in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = read([path])
    assert not found.warnings
    assert len(found.records) == 100
    assert len(compact(found.records)) == 2


def test_the_same_run_counts_once_and_seeds_add_up():
    assert compact([RECORD, RECORD]) == (RECORD,)
    assert len(compact([RECORD, seeded(1), seeded(2)])) == 3


def test_a_smaller_run_of_the_same_seed_adds_nothing():
    small = at(seeded(0, cases=25, case_budget=25), "2027-01-01")
    (kept,) = compact([RECORD, small])
    assert kept.verdict.cases == 10_000


def test_a_failure_stands_until_as_large_a_run_passes():
    failed = at(seeded(0, outcome="failed", cases=4000), "2027-01-01")
    small = at(seeded(0, cases=25, case_budget=25), "2027-01-02")
    large = at(RECORD, "2027-01-03")
    assert compact([failed, small])[0].verdict.outcome == "failed"
    assert compact([large, small, failed])[0].verdict.outcome == "passed"
    assert compact([RECORD, failed])[0].verdict.outcome == "failed"


@pytest.mark.parametrize("bad", BAD_OUTCOMES)
def test_only_a_pass_as_large_redeems_what_went_wrong(bad):
    wrong = at(seeded(0, outcome=bad), "2027-01-01")
    for outcome in ("declined", "not_applicable", "partial"):
        assert compact([wrong, at(seeded(0, outcome=outcome), "2027-01-02")])[0].verdict.outcome == bad
    few = at(seeded(0, cases=25, case_budget=25), "2027-01-02")
    assert compact([wrong, few])[0].verdict.outcome == bad
    assert compact([wrong, at(RECORD, "2027-01-02")])[0].verdict.outcome == "passed"
    for other in BAD_OUTCOMES:
        assert compact([wrong, at(seeded(0, outcome=other), "2027-01-02")])[0].verdict.outcome == other


def test_saving_is_compact_and_repeatable(tmp_path):
    path = tmp_path / "evidence" / "thorough.jsonl"
    assert save([seeded(2), RECORD, RECORD], path) == 2
    first = path.read_bytes()
    save(reversed(read([path]).records), path)
    assert path.read_bytes() == first
    assert [p.name for p in path.parent.iterdir()] == ["thorough.jsonl"]


def test_tracebacks_stay_at_home():
    verdict = dataclasses.replace(RECORD.verdict, outcome="failed", failure=Failure(property="p", traceback="/home/me"))
    assert "/home/me" not in Record(verdict).to_json()


def test_names_of_scratch_files_differ(tmp_path):
    names = {scratch_file(tmp_path) for _ in range(20)}
    assert len(names) == 20
    assert all(name.parent == tmp_path / ".albor" / "evidence" for name in names)


def test_versions_are_found_without_imports():
    code = (
        "import sys; from albor_contracts import coverage, audit, status, diff, graph, run;"
        "from albor_contracts.report import terminal, junit;"
        "from albor_contracts.evidence import installed_versions;"
        "assert installed_versions()['numpy'];"
        "print([m for m in ('numpy', 'torch', 'triton', 'hypothesis', 'z3', 'crosshair') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
    assert installed_versions("interpreter")["triton_mode"] == "interpreter"


def test_the_test_kernel_exists():
    assert isinstance(RECORD.verdict, ObligationFinished)
    assert RECORD.verdict.kernel_hash == kernel_hash(KERNEL)
