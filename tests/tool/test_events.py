"""The stream of events: every event survives its line, nothing else is taken for one; the reports that listen to it."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from xml.etree import ElementTree

import pytest
from albor_contracts import events
from albor_contracts.events import (
    EventError,
    Failure,
    FaultTried,
    ObligationFinished,
    ObligationStarted,
    Progress,
    RunFinished,
    RunStarted,
    WorkerFailed,
    from_json,
)
from albor_contracts.report.junit import Junit
from albor_contracts.report.terminal import Terminal, failure_block
from hypothesis import given
from hypothesis import strategies as st

STARTED = ObligationStarted(
    contract="core/softmax",
    obligation="SM-SUM",
    property="Each row sums to one",
    binding="impl",
    dtype="bf16",
    device="cpu",
    seed=7,
    replay="albor-contracts replay 1",
)

FIELD_VALUES = {
    "str": st.text(),
    "int": st.integers(-(2**63), 2**63),
    "bool": st.booleans(),
    "float": st.floats(),
    "int | None": st.none() | st.integers(0, 2**63),
    "float | None": st.none() | st.floats(),
    "tuple[str, ...]": st.lists(st.text()).map(tuple),
    "dict[str, str]": st.dictionaries(st.text(), st.text()),
    "dict[str, int]": st.dictionaries(st.text(), st.integers(0, 9)),
    "dict[str, float]": st.dictionaries(st.text(), st.floats()),
}


def values_of(cls: type) -> st.SearchStrategy:
    fields = {}
    for f in dataclasses.fields(cls):
        if f.type == "Failure | None":
            fields[f.name] = st.none() | values_of(Failure)
        elif f.name == "outcome" and cls is ObligationFinished:
            fields[f.name] = st.sampled_from(events.OUTCOMES)
        elif f.name == "verdict":
            fields[f.name] = st.sampled_from(events.VERDICTS)
        else:
            fields[f.name] = FIELD_VALUES[f.type]
    return st.builds(cls, **fields)


@given(st.sampled_from(sorted(events.KINDS)).flatmap(lambda kind: values_of(events.KINDS[kind])))
def test_every_event_survives_its_line(event):
    line = event.to_json()
    assert "\n" not in line
    assert line.isascii()
    json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    # repr, because NaN differs from itself
    assert repr(from_json(line)) == repr(event)


@given(st.binary() | st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_anything_else_is_refused(line):
    with pytest.raises(EventError):
        from_json(line)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('{"event": "progress"}', "contract"),
        ('{"event": "progress", "contract": 3, "obligation": "A"}', "str"),
        ('{"event": "progress", "contract": "a", "obligation": "A", "cases": true}', "int"),
        ('{"event": "nonsense"}', "nonsense"),
        (
            '{"event": "kernel_measured", "contract": "a", "kernel": "a:b", "size": "7b", "p50": 1.0, "p20": 1.0, '
            '"p80": 1.0, "peers": {"eager": "fast"}}',
            "peers",
        ),
        ('{"event": ["progress"]}', "progress"),
        ('{"event": "obligation_finished", "contract": "a", "obligation": "A", "outcome": "fine"}', "fine"),
        ("[" * 100_000, "JSON"),
    ],
)
def test_messages_say_what_is_wrong(line, word):
    with pytest.raises(EventError, match=word):
        from_json(line)


def test_unknown_keys_are_ignored():
    line = '{"event": "progress", "contract": "a", "obligation": "A", "cases": 3, "invented_later": [1, 2]}'
    assert from_json(line) == Progress(contract="a", obligation="A", cases=3)


def test_finishing_keeps_the_subject():
    finished = STARTED.finished("failed", cases=12, worst=math.inf)
    assert (finished.contract, finished.obligation, finished.seed, finished.cases) == ("core/softmax", "SM-SUM", 7, 12)
    assert finished.label() == "core/softmax SM-SUM [impl, bf16, cpu]"


def test_long_texts_are_cut():
    line = STARTED.finished("failed", failure=Failure(property="p", got="9" * 1_000_000)).to_json()
    assert len(line) < 2 * events.LONGEST_TEXT


FAILED = STARTED.finished(
    "failed",
    cases=12,
    seconds=0.5,
    failure=Failure(
        property="Each row sums to one",
        message="sum is too large",
        case="x = [[0.0, 1.0]]",
        expected="1.0",
        got="1.3\x1b[2J\x00",
        bound="1e-6",
        if_fails="The divisor is wrong",
        behaves_like="F27",
        behaves_like_title="one column too many",
        replay="albor-contracts replay 27",
    ),
)


def play(listener):
    listener(RunStarted(seed=7, profile="quick", device="cpu", versions={"python": "3.11"}))
    listener(STARTED)
    listener(Progress(contract="core/softmax", obligation="SM-SUM", binding="impl", dtype="bf16", cases=5))
    listener(FAILED)
    listener(dataclasses.replace(STARTED, obligation="SM-A").finished("passed", cases=25, worst=0.25))
    listener(dataclasses.replace(STARTED, obligation="SM-B").finished("declined", reason="no bf16 here"))
    listener(dataclasses.replace(STARTED, obligation="SM-C").finished("crashed"))
    listener(WorkerFailed(tests=("t.py::a",), message="1 tests were not run", stderr="\x07boom"))
    listener(RunFinished(outcomes={"passed": 1}, seconds=2.0))


def test_a_failure_tells_all_a_person_needs():
    block = failure_block(FAILED)
    for part in ("Each row sums to one", "x = [[0.0, 1.0]]", "expected: 1.0", "bound: 1e-6", "The divisor is wrong"):
        assert part in block
    assert "your kernel behaves like F27: one column too many" in block
    assert "replay: albor-contracts replay 27" in block
    assert "\x1b" not in block
    assert "\x00" not in block


def test_without_a_terminal_the_output_is_plain_lines():
    stream = io.StringIO()
    play(Terminal(stream))
    out = stream.getvalue()
    assert "\r" not in out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "FAIL core/softmax [impl]: 1 of 4 passed (1 crashed, 1 declined, 1 failed), 37 cases" in out
    assert "declined core/softmax SM-B [impl, bf16, cpu]: no bf16 here" in out
    assert "4 obligations: 1 crashed, 1 declined, 1 failed, 1 passed; 37 cases in 2.0 s" in out


def test_the_line_of_a_group_comes_with_its_last_verdict():
    stream = io.StringIO()
    terminal = Terminal(stream, expected={("core/softmax", "impl"): 1})
    terminal(STARTED.finished("passed", cases=25, worst=0.5))
    line = "ok   core/softmax [impl]: 1 of 1 passed, 25 cases, worst error 0.5 of the bound\n"
    assert stream.getvalue() == line
    terminal(RunFinished())
    assert stream.getvalue().count("ok   ") == 1


@pytest.mark.parametrize(("interrupted", "line"), [(False, "FAIL "), (True, "ok   ")])
def test_a_group_whose_verdicts_never_came_is_no_success(interrupted, line):
    stream = io.StringIO()
    terminal = Terminal(stream, expected={("core/softmax", "impl"): 3, ("core/silu", "impl"): 2})
    terminal(STARTED.finished("passed", cases=25))
    terminal(RunFinished(interrupted=interrupted))
    out = stream.getvalue()
    words = "1 of 1 passed, 25 cases" if interrupted else "1 of 3 passed (2 never judged), 25 cases"
    assert f"{line}core/softmax [impl]: {words}" in out
    assert ("FAIL core/silu [impl]: 0 of 2 passed (2 never judged), 0 cases" in out) != interrupted


@pytest.mark.parametrize(
    ("outcomes", "label"),
    [
        (["not_applicable"], "none "),
        (["declined"], "none "),
        (["not_applicable", "partial"], "ok   "),
        (["error"], "FAIL "),
    ],
)
def test_where_nothing_was_judged_nothing_is_ok(outcomes, label):
    stream = io.StringIO()
    terminal = Terminal(stream, expected={("core/softmax", "impl"): len(outcomes)})
    for outcome in outcomes:
        terminal(STARTED.finished(outcome))
    assert f"{label}core/softmax [impl]: 0 of {len(outcomes)} passed" in stream.getvalue()


def test_what_fails_in_the_same_way_tells_what_its_law_is_about():
    stream = io.StringIO()
    terminal = Terminal(stream)
    for obligation, words, meaning in (("SM-A", "Odd widths are refused.", "-"), ("SM-B", "A base of 0 is.", "-")):
        failure = Failure(property=words, message="f accepted inputs that it must reject", if_fails=meaning)
        terminal(dataclasses.replace(STARTED, obligation=obligation).finished("failed", failure=failure))
    assert "the same as core/softmax SM-A [impl, bf16, cpu]\n  A base of 0 is.\n" in stream.getvalue()


@pytest.mark.parametrize("replay", ["", "albor-contracts replay 1"])
def test_a_failure_names_the_command_that_replays_it_if_there_is_one(replay):
    stream = io.StringIO()
    terminal = Terminal(stream)
    for obligation in ("SM-SUM", "SM-SHIFT"):
        failure = Failure(property="", message="it cannot be called [E508]", replay=replay)
        terminal(dataclasses.replace(STARTED, obligation=obligation, replay="").finished("error", failure=failure))
    assert "SM-SHIFT [impl, bf16, cpu]: the same as core/softmax SM-SUM [impl, bf16, cpu]\n" in stream.getvalue()
    assert stream.getvalue().count("replay:") == (2 if replay else 0)


def test_on_a_terminal_there_is_a_status_line():
    stream = io.StringIO()
    play(Terminal(stream, live=True, color=False))
    assert "\r" in stream.getvalue()
    assert stream.getvalue().splitlines()[-1].endswith("in 2.0 s")


def test_a_narrow_encoding_does_not_end_the_run():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Terminal(stream)(dataclasses.replace(STARTED, property="√ of λ").finished("failed"))
    stream.seek(0)
    assert "\\u221a of \\u03bb" in stream.read()


def test_faults_that_survive_are_shown():
    stream = io.StringIO()
    Terminal(stream)(FaultTried(contract="core/softmax", fault="F1", obligation="SM-SUM", killed=False, title="t"))
    assert "SURVIVED core/softmax F1" in stream.getvalue()


def test_junit_is_well_formed_and_counts(tmp_path):
    path = tmp_path / "out" / "junit.xml"
    play(Junit(path))
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    assert {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5",
        "failures": "1",
        "errors": "2",
        "skipped": "1",
    }
    suite = root.find("testsuite[@name='core/softmax [impl]']")
    assert suite is not None
    assert suite.find("testcase[@name='SM-SUM [bf16, cpu]']/failure").get("message") == "sum is too large"
    assert "\\x1b[2J\\x00" in suite.find("testcase/failure").text


@given(st.text())
def test_junit_holds_any_text(text):
    junit = Junit()
    junit(dataclasses.replace(STARTED, obligation=text, property=text).finished("failed", reason=text))
    ElementTree.fromstring(junit.xml().encode())


def test_json_lines_are_events():
    stream = io.StringIO()
    play(events.json_lines(stream))
    assert [from_json(line).kind for line in stream.getvalue().splitlines()][-1] == "run_finished"
