"""A documented convention that differs is declined with its reason: neither passed nor failed, in every report."""

from __future__ import annotations

import pytest
from albor_contracts.binding_file import check_binding_links
from albor_contracts.bindings import bind
from albor_contracts.cli._project import bindings_of, stated_by
from albor_contracts.errors import ContractError
from albor_contracts.events import ObligationFinished
from albor_contracts.falsify import matrix
from albor_contracts.library import open_library
from albor_contracts.runtime.session import session
from albor_contracts.verify import plan, verify
from albor_contracts.verify.plan import current_modules
from sample_project import edit, make_project

WHY = "zeros become ones, as the manual says on page 3"
NAME = "core/scale"


def project(tmp_path, key: str):
    root = make_project(tmp_path)
    path = root / "bindings" / "impl.yaml"
    text = path.read_text(encoding="utf-8")
    call = text.rsplit("scale: ", 1)[1].strip()
    edit(
        root,
        "bindings/impl.yaml",
        f"    scale: {call}\n",
        f"    scale: {{call: '{call}', deviates: {{{key}: '{WHY}'}}}}\n",
    )
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
