"""A new kernel begins valid, fails until it is filled in, and never touches what is there."""

from __future__ import annotations

import json
import stat

import pytest
from albor_contracts.binding_file import load_binding
from albor_contracts.cli import main
from albor_contracts.errors import ContractError
from albor_contracts.lang.functions import RESERVED
from albor_contracts.library import open_library
from albor_contracts.scaffold import extended, scaffold, write
from sample_project import make_project
from sample_project import write as put


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(make_project(tmp_path))
    return tmp_path


def files(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def codes(error):
    return {d.code for d in error.value.diagnostics}


def test_the_beginning_is_valid(project, capsys):
    assert main(["scaffold", "core/layer-norm"]) == 0
    out = capsys.readouterr().out
    assert "new: contracts/core/layer-norm-v1.yaml" in out and "changed: bindings/impl.yaml" in out
    assert main(["validate"]) == 0
    library = open_library(root=project)
    assert list(library.checked["core/layer-norm"].equations) == ["layer_norm"]
    for binding in ("reference", "impl"):
        kernels = load_binding(project / "bindings" / f"{binding}.yaml").kernels
        assert set(kernels) == {"core/scale", "core/layer-norm"}
        module = project / binding / "core" / "layer_norm.py"
        compile(module.read_text(encoding="utf-8"), str(module), "exec")


def test_it_fails_until_it_is_filled_in_and_then_passes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = ["--cases", "5", "--seed", "0", "--dtype", "f64", "--dtype", "f32"]
    assert main(["scaffold", "fresh/same"]) == 0
    capsys.readouterr()
    assert main(["verify", "fresh/same", *few]) == 1
    out = capsys.readouterr().out
    assert "fill in reference/fresh/same.py: same is not written yet" in out
    assert "fill in impl/fresh/same.py: same is not written yet" in out
    assert main(["falsify", "fresh/same"]) == 1
    assert "the contract names no fault" in capsys.readouterr().out
    for binding, copy in (("reference", "x.copy()"), ("impl", "x.clone()")):
        module = tmp_path / binding / "fresh" / "same.py"
        lines = module.read_text(encoding="utf-8").rstrip().splitlines()
        assert lines[-1].lstrip().startswith("raise NotImplementedError")
        module.write_text("\n".join([*lines[:-1], f"    return {copy}"]) + "\n", encoding="utf-8")
    status = main(["verify", "fresh/same", *few])
    assert status == 0, capsys.readouterr().out


def test_nothing_is_overwritten(project, capsys):
    assert main(["scaffold", "core/layer-norm"]) == 0
    before = files(project)
    assert main(["scaffold", "core/layer-norm"]) == 2
    assert "E802" in capsys.readouterr().err
    assert main(["scaffold", "core/scale"]) == 2
    assert files(project) == before


@pytest.mark.parametrize("there", ["contracts/core/new-v1.yaml", "reference/core/new.py", "impl/core/new.py"])
def test_one_file_in_the_way_stops_all(there, project, capsys):
    put(project, there, "mine\n")
    before = files(project)
    assert main(["scaffold", "core/new"]) == 2
    assert there in capsys.readouterr().err
    assert files(project) == before


def test_a_dangling_link_is_in_the_way_too(project):
    outside = project.parent / f"{project.name}-outside"
    (project / "impl" / "core").mkdir()
    (project / "impl" / "core" / "new.py").symlink_to(outside)
    with pytest.raises(ContractError) as error:
        scaffold(project, "core/new")
    assert codes(error) == {"E802"} and not outside.exists()


@pytest.mark.parametrize(
    "name",
    ["core/test", "core/test-it", "core/supposed-x",
     "", "norm", "core/", "/norm", "core/norm/x", "Core/norm", "core/no_rm", "../core/norm", "core/..", "core/norm\n",
     "core/nörm", "core/class", "import/norm", "core/norm-", "core/1norm", "core/" + "x" * 80, "core/a b", "co re/a"],
)  # fmt: skip
def test_bad_names_are_refused(name, project, capsys):
    before = files(project)
    assert main(["scaffold", name]) == 2
    assert "E803" in capsys.readouterr().err
    assert files(project) == before


@pytest.mark.parametrize("word", sorted(w for w in RESERVED if w.isalpha() and w.islower()))
def test_words_of_the_language_get_another_equation_name(word, tmp_path):
    put(tmp_path, "contracts/readme.txt", "")
    plan = scaffold(tmp_path, f"core/{word}") if word != "match" else None
    assert plan is not None and plan.equation == f"{word}_kernel"


@pytest.mark.parametrize("word", ["exp", "self", "bounds", "fast-run", "true", "null", "x"])
def test_a_name_that_is_taken_makes_a_valid_contract(word, project):
    assert main(["scaffold", f"core/{word}"]) == 0
    assert main(["validate"]) == 0


def test_prefixes_differ(tmp_path):
    taken: set[str] = set()
    for name in ("core/layer-norm", "core/long-name", "loss/long-name", "core/ln"):
        plan = scaffold(tmp_path, name, taken)
        assert plan.prefix not in taken
        taken.add(plan.prefix)
    assert "LN" in taken and "LONGNAME" in taken and "LONGNAME2" in taken


def test_the_first_contract_of_a_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["scaffold", "core/first", "--format", "json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["changed"] == [] and sorted(data["written"]) == sorted(files(tmp_path))
    assert main(["validate"]) == 0


def test_packages_of_this_project_are_used_where_they_are(tmp_path):
    for binding in ("reference", "impl"):
        put(tmp_path, f"{binding}/albor_{binding}/__init__.py", "")
    plan = scaffold(tmp_path, "core/new-one")
    names = {p.relative_to(tmp_path).as_posix() for p in plan.new}
    assert {"impl/albor_impl/core/new_one.py", "impl/albor_impl/core/__init__.py"} <= names
    assert "albor_reference.core.new_one:new_one" in plan.new[tmp_path / "bindings" / "reference.yaml"]


HEAD = "name: mine\nframework: numpy\n"


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n", "\n# a comment\n", "\n  # a comment\n"])
def test_binding_files_keep_what_they_have(end, tmp_path):
    text = f"# whose\n{HEAD}kernels:\n  core/a:\n    a: m:a  # why{end}"
    path = put(tmp_path, "mine.yaml", text)
    longer = extended(path, "core/b", "b", "n:b")
    assert longer.startswith(text.rstrip("\n")) and longer.endswith("  core/b:\n    b: n:b\n")
    path.write_text(longer, encoding="utf-8")
    assert set(load_binding(path).kernels) == {"core/a", "core/b"}


@pytest.mark.parametrize(
    "text",
    [
        "name: mine\nkernels:\n  core/a:\n    a: m:a\nframework: numpy\n",
        f'{HEAD}kernels: {{core/a: {{a: "m:a"}}}}\n',
        f"{HEAD}kernels:\n    core/a:\n        a: m:a\n",
    ],
    ids=["not last", "flow", "other indentation"],
)
def test_binding_files_that_cannot_be_extended_are_left_alone(text, tmp_path):
    path = put(tmp_path, "bindings/mine.yaml", text)
    with pytest.raises(ContractError) as error:
        extended(path, "core/b", "b", "n:b")
    assert codes(error) == {"E804"} and "n:b" in error.value.diagnostics[0].hint
    assert path.read_text(encoding="utf-8") == text


def test_permissions_of_binding_files_stay(project):
    path = project / "bindings" / "impl.yaml"
    path.chmod(0o640)
    write(scaffold(project, "core/new"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
