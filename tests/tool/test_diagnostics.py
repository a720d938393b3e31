"""Diagnostics as text, JSON, annotations and SARIF; the catalogue of codes is complete."""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path

import albor_contracts
import pytest
from albor_contracts.codes import CODES, explain
from albor_contracts.errors import ContractError, Diagnostic, Position
from albor_contracts.load import load_contract
from albor_contracts.report.diagnostics import (
    escape,
    render,
    render_github,
    render_json,
    render_sarif,
    render_text,
    summary,
    wants_colour,
)  # fmt: skip
from contract_samples import GOOD, STRUCTURE_SLIPS, write

TOOLS = Path(albor_contracts.__file__).parent


@pytest.fixture
def found(tmp_path, monkeypatch):
    """A misspelt key and a duplicate: a hint, and a related place."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, GOOD.replace("  title: Softmax", "  titel: Softmax\n  prefix: SM"))
    with pytest.raises(ContractError) as caught:
        load_contract("core/softmax-v1.yaml")
    return [d for d in caught.value.diagnostics if d.code in ("E201", "E108")]


def test_text_shows_line_caret_related_place_and_help(found):
    assert render_text(found) == (
        "error[E108]: the key `prefix` is written twice\n"
        "  --> core/softmax-v1.yaml:6:3\n"
        "  |\n"
        "6 |   prefix: SM\n"
        "  |   ^\n"
        "  ::: core/softmax-v1.yaml:5:3\n"
        "  |\n"
        "5 |   prefix: SM\n"
        "  |   - first written here\n"
        "  = help: keep one of them\n"
        "\n"
        "error[E201]: unknown key `titel` in `metadata`\n"
        "  --> core/softmax-v1.yaml:4:3\n"
        "  |\n"
        "4 |   titel: Softmax\n"
        "  |   ^\n"
        "  = help: did you mean `title`?\n"
        "\n"
        "2 errors\n"
    )


def test_nothing_to_say_is_nothing():
    assert render_text([]) == "" and render_github([]) == ""
    assert json.loads(render_json([])) == {"diagnostics": []}
    assert summary([]) == "no problems"


def test_colour_only_when_asked_and_only_terminals_ask(found, monkeypatch):
    assert "\x1b" not in render_text(found)
    assert "\x1b[1;31merror[E201]\x1b[0m" in render_text(found, colour=True)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour(Terminal()) and not wants_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())


@pytest.mark.parametrize("form", ["text", "json", "github", "sarif"])
def test_hostile_text_is_printed_as_escapes(form):
    hostile = "a\x1b[2J\u202eb\x07\x9b\n::error::forged\r\ud800"
    d = Diagnostic("E201", hostile, Position(hostile, 3, 2), hint=hostile, source=hostile,
                   related=((Position(hostile, 1, 1), hostile),))  # fmt: skip
    output = render([d], form)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", output)
    assert not any(line.startswith("::error::forged") for line in output.split("\n"))
    output.encode("utf-8")
    if form == "github":
        assert output.count("\n") == 1


def test_escape_leaves_mathematics_alone():
    assert escape("Σ exp(x) ≤ ∞, ‖x‖") == "Σ exp(x) ≤ ∞, ‖x‖"
    assert escape("a\nb\tc\x00") == "a\\nb\\tc\\x00"


def test_caret_stands_under_the_character_after_tabs_and_wide_characters():
    d = Diagnostic("E201", "m", Position("f.yaml", 1, 4), source="\t漢字x")
    lines = render_text([d]).split("\n")
    assert lines[3].index("x") + 2 == lines[4].index("^") == 4 + 4 + 4


def test_long_lines_are_cut_around_the_caret():
    d = Diagnostic("E201", "m", Position("f.yaml", 1, 501), source="a" * 500 + "X" + "b" * 500)
    lines = render_text([d]).split("\n")
    assert len(lines[3]) < 160
    assert lines[3][lines[4].index("^")] == "X"


def test_whole_file_messages_have_no_line(tmp_path):
    d = Diagnostic("E101", "cannot be read", Position("none.yaml"))
    assert render_text([d]) == "error[E101]: cannot be read\n --> none.yaml\n\n1 error\n"
    assert json.loads(render_json([d]))["diagnostics"][0]["line"] is None
    assert render_github([d]) == "::error file=none.yaml,title=E101::cannot be read\n"


def test_json_holds_everything(found):
    first, second = json.loads(render_json(found))["diagnostics"]
    assert first["related"] == [
        {"message": "first written here", "file": "core/softmax-v1.yaml", "line": 5, "column": 3}
    ]
    assert (second["code"], second["severity"], second["line"], second["column"]) == ("E201", "error", 4, 3)
    assert second["hint"] == "did you mean `title`?"


def test_github_escapes():
    d = Diagnostic("E310", "100%\nof it", Position("a,b:c.yaml", 2, 5), "warning", hint="see: a, b")
    assert render_github([d]) == (
        "::warning file=a%2Cb%3Ac.yaml,line=2,col=5,title=E310::100%25%0Aof it%0Ahelp: see: a, b\n"
    )


def test_sarif_is_well_formed(found):
    found = [
        *found,
        Diagnostic("E310", "w", Position("/abs/ä b.yaml"), "warning"),
        Diagnostic("E999", "new", severity="note"),
    ]
    log = json.loads(render_sarif(found))
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["E108", "E201", "E310", "E999"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    for d, result in zip(found, run["results"], strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == d.code
        assert result["level"] == d.severity
        assert result["message"]["text"]
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert " " not in uri and uri.isascii()
    region = run["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 6, "startColumn": 3}
    assert run["results"][0]["relatedLocations"][0]["message"]["text"] == "first written here"
    assert "region" not in run["results"][2]["locations"][0]["physicalLocation"]


def test_every_structure_slip_renders_in_every_form(tmp_path):
    for number, slip in enumerate(STRUCTURE_SLIPS):
        path = write(tmp_path, slip.apply(), f"core/slip{number}-v1.yaml")
        with pytest.raises(ContractError) as caught:
            load_contract(path)
        text = render_text(caught.value.diagnostics)
        assert slip.code in text and "^" in text
        for form in ("json", "sarif"):
            json.loads(render(caught.value.diagnostics, form))


def raised_codes() -> dict[str, str]:
    """Every text of the form E123 in the source of the tool, and the file it stands in."""
    found = {}
    for path in sorted(TOOLS.rglob("*.py")):
        if path == TOOLS / "codes.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"E\d{3}", node.value):
                found[node.value] = str(path.relative_to(TOOLS))
    return found


def test_every_code_that_is_raised_is_explained_and_no_other():
    raised = raised_codes()
    assert len(raised) > 40
    assert {code: file for code, file in raised.items() if code not in CODES} == {}
    assert sorted(set(CODES) - set(raised)) == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_explanations_are_complete(code):
    entry = CODES[code]
    assert entry.code == code and re.fullmatch(r"E[1-9]\d\d", code)
    assert entry.title and not entry.title.endswith(".")
    assert entry.explanation.endswith(".")
    assert entry.bad.strip() and entry.good.strip() and entry.bad != entry.good
    text = explain(code.lower())
    assert entry.title in text and "Wrong:" in text and "Right:" in text


def test_codes_are_unique():
    source = (TOOLS / "codes.py").read_text(encoding="utf-8")
    written = re.findall(r'Code\(\s*"(E\d{3})"', source)
    assert len(written) == len(set(written)) == len(CODES)


def test_unknown_code_gets_a_near_miss():
    with pytest.raises(KeyError, match="did you mean E20"):
        explain("E20")
    with pytest.raises(KeyError, match="codes run from"):
        explain("nonsense")
