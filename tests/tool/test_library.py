"""A command that is given names reads what these contracts need, and gets what it would get from all of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from albor_contracts import library as libraries
from albor_contracts.checked import laws
from albor_contracts.cli import main
from albor_contracts.emit.files import harness_text, module_text
from albor_contracts.emit.harness import has_proofs
from albor_contracts.errors import ContractError
from albor_contracts.evidence.hashing import meaning_hash
from albor_contracts.library import open_library, open_selected
from sample_project import edit, make_project, write

NAMES = ["core/rmsnorm", "attention/causal-gqa", "attention/flash-recurrence", "schedule/training-config"]
TWICE = """\
metadata: {version: 1.0.0, title: Twice, prefix: TW, description: "Scaled twice.", depends_on: [core/scale]}
dims: {R: 1..3, N: 1..9}
equations:
  twice:
    signature: "twice(x: float[R, N]) -> y: float[R, N]"
    define: |
      once = scale(x, 2)
      y = scale(once, 2)
"""
OTHER = TWICE.replace("core/scale", "core/twice").replace("twice", "other").replace("core/other", "core/twice")
OTHER = OTHER.replace("TW", "OT").replace("      once = scale(x, 2)\n      y = scale(once, 2)", "      y = twice(x)")


@pytest.fixture(scope="module")
def everything():
    return open_library()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    write(tmp_path, "contracts/core/twice-v1.yaml", TWICE)
    write(tmp_path, "contracts/core/other-v1.yaml", OTHER)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_one_contract_is_the_same_read_alone(name, everything):
    alone = open_selected([name])
    assert len(alone.contracts) < len(everything.contracts)
    assert list(alone.contracts) == [n for n in everything.contracts if n in alone.contracts]
    assert alone.select([name]).keys() == {name}
    contract = everything.checked[name]
    assert alone.contracts[name] == contract.model
    assert meaning_hash(contract.model, alone.contracts) == meaning_hash(contract.model, everything.contracts)
    assert module_text(alone, name) == module_text(everything, name)
    if has_proofs(contract):
        assert harness_text(alone, name) == harness_text(everything, name)


@pytest.mark.parametrize("words", [["core"], ["contracts/core/twice-v1.yaml"], ["core/other", "core/scale"]])
def test_families_paths_and_lists_mean_what_they_mean_in_the_whole_library(words, project):
    assert list(open_selected(words).select(words)) == list(open_library().select(words))


def test_dependencies_are_followed_and_nothing_else_is_read(project, monkeypatch):
    read: list[str] = []
    load = libraries.load_contracts
    monkeypatch.setattr(libraries, "load_contracts", lambda files: read.extend(map(str, files)) or load(files))
    assert set(open_selected(["core/twice"]).contracts) == {"core/twice", "core/scale"}
    assert sorted(f.rsplit("/", 1)[1] for f in read) == ["scale-v1.yaml", "twice-v1.yaml"]
    assert list(open_selected(["core/other"]).contracts) == ["core/other", "core/scale", "core/twice"]


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["contracts/core/other-v1.yaml"], 1),  # what it depends on is read, and left as it is
        (["contracts/core"], 3),
        (["core/other"], 1),
        (["core"], 3),
        (["contracts/core/other-v1.yaml", "core/twice"], 2),
    ],
)
def test_modules_are_generated_by_name_and_by_file(words, count, project, capsys, monkeypatch):
    monkeypatch.chdir(project)
    assert main(["generate", *words]) == 0
    assert capsys.readouterr().out.endswith(f"{count} of {count} generated files had to change\n")
    made = {path.relative_to("generated"): path.read_text() for path in Path("generated").rglob("test_*.py")}
    assert len(made) == count
    assert main(["generate"]) == 0
    assert made == {path: Path("generated", path).read_text() for path in made}


def test_a_dependency_that_is_nowhere_is_told_with_its_place(project, capsys):
    edit(project, "contracts/core/twice-v1.yaml", "[core/scale]", "[core/scael]")
    assert main(["generate", "contracts/core/twice-v1.yaml"]) == 2
    assert "twice-v1.yaml:1:" in capsys.readouterr().err


def test_names_that_mean_nothing_get_the_near_miss_of_the_whole_library(project):
    with pytest.raises(ContractError, match="no contract") as caught:
        open_selected(["core/twise"]).select(["core/twise"])
    assert "core/twice" in caught.value.diagnostics[0].hint


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("twice", "y = scale(once, 2)", "y = scale(once, z)"),
        ("scale", "y[r, i] = a * x[r, i]\n", "y[r, i] = a * z[r, i]\n"),
        ("scale", "    type: boundary", "    typo: boundary"),
        ("twice", "[core/scale]", "[core/scael]"),
        ("twice", "prefix: TW", "prefix: [TW]"),
        ("scale", "prefix: SC", "prefix: SC\n  depends_on: [core/twice]"),
    ],
)
def test_what_is_wrong_is_said_as_by_the_whole_library(file, old, new, project):
    edit(project, f"contracts/core/{file}-v1.yaml", old, new)
    with pytest.raises(ContractError) as expected:
        open_library().select(["core/twice"])
    with pytest.raises(ContractError) as caught:
        open_selected(["core/twice"]).select(["core/twice"])
    assert caught.value.diagnostics == expected.value.diagnostics


def test_a_contract_is_never_lost_without_a_word(project, capsys, monkeypatch):
    """A check that ends with nothing to say does not make its contract vanish: no file of it is taken away."""
    assert main(["generate"]) == 0
    made = sorted(Path("generated").rglob("test_*.py"))

    def wordless(o, *others):
        if str(o.id).startswith("TW-"):
            raise ContractError
        return law_of(o, *others)

    law_of = laws.law_of
    monkeypatch.setattr(laws, "law_of", wordless)
    for command in (["generate"], ["generate", "core/twice"], ["generate", "contracts/core/twice-v1.yaml"]):
        assert main(command) == 2
        assert "E315" in capsys.readouterr().err
    assert main(["validate", "--no-cache"]) == 2
    assert "error[E315]: core/twice was not checked to its end" in capsys.readouterr().out
    assert sorted(Path("generated").rglob("test_*.py")) == made


def test_a_gradient_of_nothing_is_said_by_every_command(project, capsys):
    law = "{id: TW-G, equation: twice, type: gradient, property: p, of: twice, wrt: [x], gives: []}"
    write(project, "contracts/core/twice-v1.yaml", f"{TWICE}proof_obligations: [{law}]\n")
    for command in ("validate", "generate", "verify core/twice", "equations core/twice"):
        assert main(command.split()) == 2
        told = capsys.readouterr()
        assert "E309" in told.out + told.err


def test_what_is_wrong_elsewhere_is_left_to_validate(project, capsys):
    text = OTHER.replace("OT", "TW")  # the prefix of another contract
    write(project, "contracts/core/other-v1.yaml", text)
    assert list(open_selected(["core/twice"]).select(["core/twice"])) == ["core/twice"]
    assert main(["validate"]) == 2
    assert "E313" in capsys.readouterr().out
