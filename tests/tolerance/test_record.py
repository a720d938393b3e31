"""The committed record of the long trials, and the page that is made of it."""

from __future__ import annotations

import dataclasses
import math

import pytest
from albor_contracts import trials
from albor_contracts.events import EventError
from albor_contracts.evidence import store
from albor_contracts.library import open_library
from albor_contracts.trials.page import PAGE, document
from albor_contracts.trials.record import FILE, Accuracy, Perturbation, append, fresh, lines_of, merged, reached, read
from hidden import hidden

LIBRARY = open_library()
SUBJECTS = trials.subjects(LIBRARY)
RECORDED = read(LIBRARY.root / FILE)


@pytest.fixture(scope="module")
def slices():
    (subject,) = trials.subjects(LIBRARY, ["core/swiglu:swiglu"])
    return [trials.try_slice(subject, "bf16", seed=7, first=first, cases=5) for first in (0, 5)]


@pytest.fixture
def lines(slices):
    return [line for found in slices for line in lines_of(found, LIBRARY)]


# What is committed


def test_the_record_is_of_the_definitions_as_they_are():
    """Where this fails a definition has changed: run `python -m albor_contracts.trials --compact`, then the trials of
    the kernels that it names again, then `--render`."""
    _, stale = fresh(RECORDED, LIBRARY, SUBJECTS)
    assert RECORDED
    assert not stale


def test_the_record_holds_no_false_alarm_and_nothing_wrong_that_was_accepted():
    assert not [a for line in RECORDED if isinstance(line, Accuracy) for a in line.alarms]
    accepted = [p for p in RECORDED if isinstance(p, Perturbation) and not p.rejected and not p.reason]
    assert not [
        p for p in accepted if f"{p.output}: {p.perturbation}" not in hidden(f"{p.contract}:{p.kernel}", p.dtype)
    ]


def test_the_page_is_made_of_the_record():
    """Where this fails: `python -m albor_contracts.trials --render`."""
    kept, stale = fresh(RECORDED, LIBRARY, SUBJECTS)
    assert (LIBRARY.root / PAGE).read_text(encoding="utf-8") == document(
        kept, [s.full_name for s in SUBJECTS], stale, trials.undefined(LIBRARY)
    )


# How it is kept


def test_lines_survive_the_file_and_say_where_to_go_on(lines, tmp_path):
    path = tmp_path / "evidence" / "trials.jsonl"
    append(lines[:3], path)
    append(lines[3:], path)
    assert read(path) == lines
    assert reached(lines, 7) == {("core/swiglu", "swiglu", "bf16"): 10}
    assert reached(lines, 8) == {}
    assert store.read([path]).records == ()
    assert store.read([path]).warnings == ()  # another kind of evidence, not a broken one


def test_infinite_numbers_survive_the_file(lines, tmp_path):
    path = tmp_path / "trials.jsonl"
    endless = [dataclasses.replace(p, smallest=math.inf) for p in lines if isinstance(p, Perturbation)]
    assert endless
    append(endless, path)
    assert read(path) == endless


def test_a_line_that_is_none_is_an_error(tmp_path):
    path = tmp_path / "trials.jsonl"
    for text in ("{", "[]", '{"event":"trial_accuracy"}', '{"event":"obligation_finished"}'):
        path.write_text(text + "\n")
        with pytest.raises(EventError, match=r"trials\.jsonl:1"):
            read(path)


def test_slices_that_follow_each_other_are_one(lines):
    one = [line for line in merged(lines) if isinstance(line, Accuracy)]
    assert len(one) == len(trials.ORDERS)
    assert sum(line.cases for line in one) == 10
    assert {line.drawn for line in one} == {10}
    with pytest.raises(EventError, match="case 5 should follow"):
        merged([dataclasses.replace(line, first=6) if line in lines[-6:] else line for line in lines])


@pytest.mark.parametrize("changed", ["meaning", "rules", "kernel"])
def test_lines_go_stale(lines, changed):
    old = dataclasses.replace(lines[0], **{changed: "another"})
    kept, stale = fresh([old, *lines[1:]], LIBRARY, SUBJECTS)
    assert kept == lines[1:]
    assert len(stale) == 1
    assert reached(kept, 7)


def test_the_page_says_what_went_wrong(lines):
    page = document(lines)
    assert "**10 cases of 1 of 1 kernels, 0 false alarms." in page
    assert "core/swiglu:swiglu 10" in page  # too few
    wrong = [
        dataclasses.replace(line, alarms=["case 3: too far"])
        if isinstance(line, Accuracy)
        else dataclasses.replace(line, rejected=False, reason="")
        for line in lines
    ]
    page = document(wrong, ["core/rope:rope"], ["core/gemm:gemm: its definition has changed"])
    assert "- core/rope:rope 0" in page
    assert "case 3: too far" in page
    assert "core/swiglu:swiglu bf16: h all zeros" in page
    assert "core/gemm:gemm: its definition has changed" in page
    assert "**accepted**" in page
