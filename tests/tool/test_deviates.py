"""A documented convention that differs is declined with its reason: neither passed nor failed, in every report."""

from __future__ import annotations

import pytest
from albor_contracts.binding_file import check_binding_links
from albor_contracts.bindings import bind
from albor_contracts.cli._project import bindings_of, records_of, stated_by
from albor_contracts.coverage import compute
from albor_contracts.errors import ContractError
from albor_contracts.events import ObligationFinished
from albor_contracts.evidence.store import Recorder
from albor_contracts.falsify import matrix
from albor_contracts.library import open_library
from albor_contracts.runtime.session import session
from albor_contracts.verify import plan, verify
from albor_contracts.verify.plan import current_modules
from sample_project import edit, make_project

WHY = "zeros become ones, as the manual says on page 3"
NAME = "core/scale"


def project(tmp_path, key: str, device: str = ""):
    """The obligation `key` deviates, on one `device` or on all."""
    root = make_project(tmp_path)
    entry = f"deviates_on: {{{device}: {{{key}: '{WHY}'}}}}" if device else f"deviates: {{{key}: '{WHY}'}}"
    path = root / "bindings" / "impl.yaml"
    text = path.read_text(encoding="utf-8")
    call = text.rsplit("scale: ", 1)[1].strip()
    edit(
        root,
        "bindings/impl.yaml",
        f"    scale: {call}\n",
        f"    scale: {{call: '{call}', {entry}}}\n",
    )
    if device:
        edit(root, "bindings/impl.yaml", "framework: numpy", "framework: torch\ndevices: [cpu, cuda]")
    return root


@pytest.mark.parametrize("key", ["SC-ZERO", "SC-DEF-SCALE", "SC-FT-ONE"])
def test_it_is_not_planned_but_told(tmp_path, key):
    root = project(tmp_path, key)
    library = open_library(root=root)
    chosen = library.select([NAME])
    tests, declined = plan(library, chosen, ["reference", "impl"])
    assert {t.obligation for t in tests if t.binding == "impl"} == {"SC-ZERO", "SC-DEF-SCALE", "SC-FT-ONE"} - {key}
    assert {t.obligation for t in tests if t.binding == "reference"} == {"SC-ZERO", "SC-DEF-SCALE", "SC-FT-ONE"}
    assert [(d.obligation, d.binding, d.reason) for d in declined] == [(key, "impl", WHY)]
    assert stated_by(library, bindings_of(root)) == {("impl", key): ("declined", WHY)}


def test_the_run_says_so(tmp_path, monkeypatch):
    root = project(tmp_path, "SC-ZERO")
    monkeypatch.chdir(root)
    library = open_library(root=root)
    heard: list[ObligationFinished] = []

    def listen(event):
        if isinstance(event, ObligationFinished):
            heard.append(event)

    verify(library, library.select([NAME]), ["impl"], cases=5, workers=1, listeners=[listen])
    outcomes = {e.obligation: (e.outcome, e.reason) for e in heard}
    assert outcomes["SC-ZERO"] == ("declined", WHY)
    assert outcomes["SC-DEF-SCALE"][0] == outcomes["SC-FT-ONE"][0] == "passed"
    assert all(e.contract_hash for e in heard)


def test_a_test_that_is_run_by_itself_is_skipped_with_the_reason(tmp_path, monkeypatch):
    root = project(tmp_path, "SC-ZERO")
    monkeypatch.chdir(root)
    library = open_library(root=root)
    module = matrix.load_generated(current_modules(library, [NAME])[NAME])
    bound = bind("impl", NAME, module.spec.signatures, root)
    (kernel,) = bound.kernels(module.spec, "cpu")
    heard: list[ObligationFinished] = []
    monkeypatch.setattr(session, "tell", lambda e: heard.append(e) if isinstance(e, ObligationFinished) else None)
    with pytest.raises(pytest.skip.Exception, match="page 3"):
        matrix.tests_of(module)["SC-ZERO"](kernel)
    assert [(e.outcome, e.reason, e.cases) for e in heard] == [("declined", WHY, 0)]


def test_a_key_that_looks_like_an_obligation_must_be_one(tmp_path):
    root = project(tmp_path, "SC-ZERRO")
    contracts = open_library(root=root).contracts
    found = [d for b in bindings_of(root).values() for d in check_binding_links(b, contracts)]
    assert [d.code for d in found] == ["E504"] and "SC-ZERRO" in found[0].message and "SC-ZERO" in found[0].hint


def planned(root, device):
    library = open_library(root=root)
    tests, declined = plan(library, library.select([NAME]), ["impl"], device=device)
    return {t.obligation for t in tests}, [(d.obligation, d.reason) for d in declined]


@pytest.mark.parametrize("key", ["SC-ZERO", "SC-DEF-SCALE", "SC-FT-ONE"])
def test_on_one_device_it_is_judged_on_the_other(tmp_path, key):
    root = project(tmp_path, key, "cuda")
    every = {"SC-ZERO", "SC-DEF-SCALE", "SC-FT-ONE"}
    assert planned(root, "cpu") == (every, [])
    assert planned(root, "cuda") == (every - {key}, [(key, WHY)])
    library, bindings = open_library(root=root), bindings_of(root)
    assert stated_by(library, bindings) == stated_by(library, bindings, "cpu") == {}
    assert stated_by(library, bindings, "cuda") == {("impl", key): ("declined", WHY)}


def test_a_kernel_knows_what_is_declined_on_its_device(tmp_path, monkeypatch):
    root = project(tmp_path, "SC-ZERO", "cuda")
    monkeypatch.chdir(root)
    library = open_library(root=root)
    module = matrix.load_generated(current_modules(library, [NAME])[NAME])
    bound = bind("impl", NAME, module.spec.signatures, root)
    ((here,), (there,)) = (bound.kernels(module.spec, device) for device in ("cpu", "cuda"))
    assert (here.deviates, there.deviates) == ({}, {"SC-ZERO": WHY})
    heard: list[ObligationFinished] = []
    monkeypatch.setattr(session, "tell", lambda e: heard.append(e) if isinstance(e, ObligationFinished) else None)
    with pytest.raises(pytest.skip.Exception, match="page 3"):
        matrix.tests_of(module)["SC-ZERO"](there)
    assert [(e.outcome, e.device, e.cases) for e in heard] == [("declined", "cuda", 0)]


def test_declined_on_a_gpu_it_costs_the_cpu_nothing_and_gains_the_gpu_nothing(tmp_path, monkeypatch):
    root = project(tmp_path, "SC-ZERO", "cuda")
    edit(root, "bindings/impl.yaml", "framework: torch", "framework: numpy")  # to be run here
    monkeypatch.chdir(root)
    library = open_library(root=root)
    monkeypatch.syspath_prepend(root)
    file = root / ".albor" / "evidence" / "run.jsonl"
    with Recorder(file) as recorder:
        verify(library, library.select([NAME]), ["impl"], cases=5, workers=1, listeners=[recorder])
        recorder(
            ObligationFinished(
                contract=NAME, obligation="SC-ZERO", equation="scale", binding="impl", device="cuda",
                outcome="declined", reason=WHY,
            )
        )  # fmt: skip
    records, bindings = records_of(root), bindings_of(root)
    here, there = stated_by(library, bindings), stated_by(library, bindings, "cuda")
    (table,) = compute(library.contracts, records, stated=here, stated_on_gpu=there).tables
    (row,) = [r for r in table.rows if r.obligation == "SC-ZERO"]
    assert row.cells["impl"].state == "passed" and row.cells["impl"].cases == 5
    assert (row.gpu["impl"].state, row.gpu["impl"].reason, row.gpu["impl"].cases) == ("declined", WHY, 0)
    (other,) = [r for r in table.rows if r.obligation == "SC-DEF-SCALE"]
    assert (other.cells["impl"].state, other.gpu["impl"].state) == ("passed", "not run")


@pytest.mark.parametrize(
    ("device", "key", "code", "words", "hint"),
    [
        ("gpu", "SC-ZERO", "E201", "unknown key `gpu`", "a GPU is called cuda"),
        ("cuda", "SC-ZERRO", "E504", "has no obligation SC-ZERRO", "SC-ZERO"),
        ("cuda", "rounding", "E504", "`deviates_on` names rounding, which is no obligation", "under `deviates`"),
    ],
)
def test_devices_and_obligations_must_be_known(tmp_path, device, key, code, words, hint):
    root = project(tmp_path, key, device)
    try:
        found = [
            d for b in bindings_of(root).values() for d in check_binding_links(b, open_library(root=root).contracts)
        ]
    except ContractError as error:
        found = list(error.diagnostics)
    assert [d.code for d in found] == [code]
    assert words in found[0].message and hint in found[0].hint and found[0].position.line > 1


def test_a_device_must_be_one_of_the_bindings(tmp_path):
    root = project(tmp_path, "SC-ZERO", "cuda")
    edit(root, "bindings/impl.yaml", "devices: [cpu, cuda]", "devices: [cpu]")
    with pytest.raises(ContractError) as wrong:
        bindings_of(root)
    (d,) = wrong.value.diagnostics
    assert (d.code, d.hint) == ("E502", "its devices are: cpu") and "does not run there" in d.message


def test_everywhere_and_on_one_device_is_once_too_often(tmp_path):
    root = project(tmp_path, "SC-ZERO", "cuda")
    edit(root, "bindings/impl.yaml", "deviates_on:", "deviates: {SC-ZERO: 'the same'}, deviates_on:")
    with pytest.raises(ContractError, match="under `deviates` and under `deviates_on`"):
        bindings_of(root)


def test_another_key_is_a_note(tmp_path):
    root = project(tmp_path, "rounding")
    library = open_library(root=root)
    tests, declined = plan(library, library.select([NAME]), ["impl"])
    assert len(tests) == 3 and not declined
    assert stated_by(library, bindings_of(root)) == {}


def test_a_binding_without_it_declines_nothing(tmp_path):
    root = make_project(tmp_path)
    library = open_library(root=root)
    assert not plan(library, library.select([NAME]), ["reference", "impl"])[1]
    with pytest.raises(ContractError):
        library.select(["core/nothing"])
