"""Reading contracts: what comes out of a good file, and what is said about every kind of bad one."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from albor_contracts.codes import CODES
from albor_contracts.errors import ContractError, Position
from albor_contracts.load import contract_name, find_root, load_contract, load_contracts, paths
from albor_contracts.suggest import did_you_mean, edit_distance, near_miss
from contract_samples import (
    GOOD,
    GOOD_PATH,
    LINK_SLIPS,
    READER_ONLY_SLIPS,
    STRUCTURE_SLIPS,
    YAML_SLIPS,
    Slip,
    write,
)  # fmt: skip


def diagnostics_of(path: Path):
    with pytest.raises(ContractError) as caught:
        load_contract(path)
    assert caught.value.diagnostics
    return caught.value.diagnostics


def test_good_contract_is_read_whole():
    contract = load_contract(GOOD_PATH)
    assert contract.name == "core/softmax"
    assert contract.dims == {"B": "1..8", "N": "1..4097", "ONE": "1"}
    assert contract.metadata.extensions == {"x-owner": {"team": "kernels", "since": 2024}}
    assert list(contract.equations) == ["softmax", "softmax_backward"]
    by_id = {obligation.id: obligation for obligation in contract.proof_obligations}
    assert by_id["SM-MONO"].in_ == "x"
    assert by_id["SM-BOUND"].lower == "0"
    assert by_id["SM-SUM"].prove.seconds == 10.0
    assert contract.faults[1].patch.put == "cols < n - 1"
    assert contract.kernel_structure.phases[0].name == "maximum"


def test_numbers_follow_yaml_1_2_and_infinities_are_read_in_given():
    row = load_contract(GOOD_PATH).falsification_tests[0].given["x"][0]
    assert row[:3] == [0.0, math.inf, -math.inf]
    assert math.isnan(row[3])
    assert row[4:] == [1e-5, -3]
    assert isinstance(row[4], float) and isinstance(row[5], int)


@pytest.mark.parametrize(
    ("written", "value"),
    [("0x1F", 31), ("0o17", 15), ("017", 17), ("+3", 3), ("1e3", 1000.0), (".5", 0.5), ("no", "no"), ("on", "on"),
     ("1_000", "1_000"), ("12:30", "12:30"), ("2024-01-01", "2024-01-01"), ("True", True), ("~", None), ("=", "="),
     ("1..8", "1..8"), ("'1'", "1"), ("information", "information"), ("NaN", "NaN"), ("-.INF", -math.inf),
     ("0b1", "0b1")],
)  # fmt: skip
def test_core_types(tmp_path, written, value):
    text = GOOD.replace("x: [[0.0, .inf, -inf, nan, 1e-5, -3]]", f"x: [{written}]")
    (result,) = load_contract(write(tmp_path, text)).falsification_tests[0].given["x"]
    assert result == value
    assert isinstance(result, type(value))


def test_every_character_of_a_literal_block_knows_its_place():
    define = load_contract(GOOD_PATH).equations["softmax"].define
    file_lines = GOOD.split("\n")
    assert define.exact
    checked = 0
    for number, line in enumerate(define.split("\n")):
        for column, character in enumerate(line):
            place = define.at(number, column)
            assert file_lines[place.line - 1][place.column - 1] == character
            checked += 1
    assert checked > 60


@pytest.mark.parametrize(
    ("scalar", "exact"),
    [("Soft max", True), ('"Soft max"', True), ("'Soft max'", True), ('"Soft\\u0020max"', False),
     ("'It''s'", False), ('"Soft\n    max"', False), (">\n    Soft\n    max", False), ("|2-\n    Soft max", True),
     ("|  # why\n\n      Soft\n       max", True)],
)  # fmt: skip
def test_positions_of_scalars(tmp_path, scalar, exact):
    text = GOOD.replace("title: Softmax", f"title: {scalar}")
    title = load_contract(write(tmp_path, text)).metadata.title
    assert title.exact is exact
    lines = text.split("\n")
    assert title.position.line >= 4
    if exact:
        for number, line in enumerate(title.split("\n")):
            for column, character in enumerate(line):
                place = title.at(number, column)
                assert lines[place.line - 1][place.column - 1] == character
    else:
        assert title.at(3, 3) == title.position == Position(title.position.file, 4, 10)


def test_windows_line_ends_and_byte_order_mark(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    contract, plain = load_contract(path), load_contract(GOOD_PATH)
    assert contract.equations["softmax"].define == plain.equations["softmax"].define
    for number in range(3):
        ours, theirs = (c.equations["softmax"].define.at(number, 2) for c in (contract, plain))
        assert (ours.line, ours.column) == (theirs.line, theirs.column)


def test_places_of_keys_and_names():
    contract = load_contract(GOOD_PATH)
    obligation = contract.proof_obligations[1]
    assert GOOD.split("\n")[obligation.where("lower").line - 1].startswith("    lower")
    assert obligation.where("axis") == obligation.position
    name = next(iter(contract.equations))
    assert GOOD.split("\n")[name.position.line - 1] == "  softmax:"


@pytest.mark.parametrize(
    "slip", [*YAML_SLIPS, *STRUCTURE_SLIPS, *READER_ONLY_SLIPS], ids=lambda s: f"{s.code}-{s.at[:12]!r}"
)
def test_each_slip_gets_its_code_place_and_hint(tmp_path, slip: Slip):
    found = diagnostics_of(write(tmp_path, slip.apply()))
    first = next((d for d in found if d.code == slip.code), None)
    assert first is not None, [str(d) for d in found]
    assert slip.hint in first.hint
    place = (first.position.line, first.position.column)
    if slip.code in ("E112", "E113") or (slip.code == "E206" and slip.at == "\n"):
        assert place[0] == slip.place()[0]
    else:
        assert place == slip.place()
    assert first.source == slip.apply().replace("\u2028", "\n").split("\n")[place[0] - 1][:1000]


def test_every_code_of_reader_and_links_is_provoked_somewhere():
    elsewhere = {
        "E303",
        "E101",
        "E102",
        "E103",
        "E104",
        "E105",
        "E116",
        "E117",
        "E118",
        "E119",
        "E211",
        "E212",
        "E310",
        "E313",
        # A contract that was lost without a word: test_library.py
        "E315",
        # Proofs that cannot be written: test_harness.py
        "E320",
        "E321",
        "E322",
        "E323",
        "E324",
    }
    slips = {slip.code for slip in (*YAML_SLIPS, *STRUCTURE_SLIPS, *READER_ONLY_SLIPS, *LINK_SLIPS)}
    assert slips | elsewhere == {code for code in CODES if code[1] in "123"}


def test_all_problems_are_reported_at_once(tmp_path):
    text = GOOD.replace("title: Softmax", "titel: Softmax").replace("lower: 0", "lower: [0]")
    text = text.replace("type: monotonicity", "type: monotony").replace("seconds: 1e1", "seconds: 0")
    codes = [d.code for d in diagnostics_of(write(tmp_path, text))]
    assert sorted(codes) == ["E201", "E202", "E203", "E205", "E208"]


def test_reporting_stops_at_a_limit(tmp_path):
    text = GOOD + "".join(f"key{i}: 1\n" for i in range(1000))
    found = diagnostics_of(write(tmp_path, text))
    assert len(found) == 51
    assert found[-1].code == "E212"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "E104"), (b"# nothing\n", "E104"), (b"---\n", "E104"), (b"\xef\xbb\xbf", "E104"), (b"\x00\x01", "E105"),
     (b"title: caf\xe9", "E105"), ("metadata: 1".encode("utf-16"), "E105"), (b"\x80" * 10, "E105"), (b"[]", "E203"),
     (b"text", "E203"), (b"42", "E203"), (b"''", "E203"), (b"metadata: {a", "E107"), (b'a: "\\q"', "E107"),
     (b"%YAML 9.9\n---\na: 1", "E107"), (b"a: 1\x1b[2J", "E106")],
)  # fmt: skip
def test_files_that_are_no_contract(tmp_path, content, code):
    assert [d.code for d in diagnostics_of(write(tmp_path, content))] == [code]


def test_large_file_is_refused_by_its_size_alone(tmp_path):
    path = write(tmp_path, b"")
    with path.open("wb") as file:
        file.truncate(100 * 1024 * 1024)
    begin = time.process_time()
    (found,) = diagnostics_of(path)
    assert found.code == "E103"
    assert "104,857,600" in found.message
    assert time.process_time() - begin < 1.0


@pytest.mark.parametrize(
    "bomb",
    ["a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n", "a: &a [*a]\n", "[" * 100_000, "{a: " * 100_000,
     "- " * 100_000, "? " * 100_000, "a: " + "9" * 1_000_000, "a: !!binary " + "A" * 1000, "'" + "a" * 3_000_000],
    ids=["billion laughs", "self", "brackets", "braces", "dashes", "questions", "digits", "binary", "quote"],
)  # fmt: skip
def test_bombs_are_refused_quickly(tmp_path, bomb):
    begin = time.process_time()
    for diagnostic in diagnostics_of(write(tmp_path, bomb)):
        assert diagnostic.position.line >= 1
    assert time.process_time() - begin < 5.0


@pytest.mark.parametrize("text", ["a: &{} 1", "a: *{}", "a: !{} 1", "{}: 1", "'{}': 1\n'{}': 2", "metadata: {}"])
def test_messages_quote_little_of_long_words(tmp_path, text):
    for diagnostic in diagnostics_of(write(tmp_path, text.replace("{}", "a" * 5000))):
        assert len(diagnostic.message) < 200 and len(diagnostic.hint) < 400


def test_missing_file_folder_and_pipe(tmp_path):
    (missing,) = diagnostics_of(tmp_path / "core" / "none-v1.yaml")
    assert missing.code == "E101" and missing.position.line == 0
    (folder,) = diagnostics_of(tmp_path)
    assert folder.code in ("E101", "E102")
    (name,) = diagnostics_of(Path("core/a\x00b-v1.yaml"))
    assert name.code == "E101"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe-v1.yaml")
        (pipe,) = diagnostics_of(tmp_path / "pipe-v1.yaml")
        assert pipe.code == "E102"


def test_older_file_is_recognised(tmp_path):
    text = "metadata: {version: 1.0.0, description: d}\nequations: {f: {formula: y = x}}\nkani_harnesses: []\n"
    found = diagnostics_of(write(tmp_path, text))
    assert found[0].code == "E211" and found[0].severity == "note"
    assert "--lenient" in found[0].hint


@pytest.mark.parametrize(
    ("path", "name"),
    [("contracts/core/rmsnorm-v1.yaml", "core/rmsnorm"), ("core/q4-k-v12.yaml", "core/q4-k"), ("core/rmsnorm.yaml", ""),
     ("Core/rmsnorm-v1.yaml", ""), ("core/RMSNorm-v1.yaml", ""), ("core/rmsnorm-v1.yml", ""), ("core/-v1.yaml", ""),
     ("core/rms\nnorm-v1.yaml", ""), ("core/rmsnorm-v1.yaml\n", "")],
)  # fmt: skip
def test_name_comes_from_the_path(path, name):
    assert contract_name(path) == name


def test_wrong_file_name_is_an_error(tmp_path):
    (found,) = diagnostics_of(write(tmp_path, GOOD, "core/softmax.yaml"))
    assert found.code == "E116"


def test_folders_are_walked_in_order_and_files_read_once(tmp_path):
    write(tmp_path, GOOD, "loss/b-v1.yaml")
    write(tmp_path, GOOD, "core/a-v1.yaml")
    write(tmp_path, GOOD, "core/.hidden-v1.yaml")
    write(tmp_path, "notes", "core/readme.md")
    write(tmp_path, "[]", "core/broken-v1.yaml")
    loaded = load_contracts([tmp_path, tmp_path / "core" / "a-v1.yaml", tmp_path / "core" / ".." / "core"])
    assert list(loaded.contracts) == ["core/a", "loss/b"]
    assert loaded.unreadable == {"core/broken"}
    assert [d.code for d in loaded.diagnostics] == ["E203"]


def test_same_contract_twice_and_folder_without_contracts(tmp_path):
    write(tmp_path, GOOD, "core/a-v1.yaml")
    write(tmp_path, GOOD, "core/a-v2.yaml")
    (twice,) = load_contracts([tmp_path]).diagnostics
    assert twice.code == "E118" and twice.related
    (tmp_path / "empty").mkdir()
    (empty,) = load_contracts([tmp_path / "empty"]).diagnostics
    assert empty.code == "E117"


def test_project_is_found_from_below(tmp_path, monkeypatch):
    deep = tmp_path / "contracts" / "core"
    deep.mkdir(parents=True)
    assert find_root(deep) == tmp_path
    monkeypatch.chdir(deep)
    assert find_root() == tmp_path


def test_without_a_project_the_repository_or_an_error(tmp_path, monkeypatch):
    assert find_root(tmp_path) == Path(__file__).parents[2]
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "tools" / "albor_contracts" / "load" / "paths.py"))
    with pytest.raises(ContractError, match="E119"):
        find_root(tmp_path)


def test_reading_imports_nothing_heavy_and_is_fast():
    program = (
        "import sys\nfrom albor_contracts.load import load_contract\nimport albor_contracts.links\n"
        "import albor_contracts.binding_file, albor_contracts.report.diagnostics, albor_contracts.older_format\n"
        f"load_contract({str(GOOD_PATH)!r})\n"
        "heavy = {'numpy', 'torch', 'triton', 'hypothesis', 'jsonschema', 'z3', 'crosshair'}\n"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_same_file_read_twice_is_equal(tmp_path):
    path = write(tmp_path, GOOD.replace("nan, ", ""))  # which would differ from itself
    assert load_contract(path) == load_contract(path)


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "acb", 1), ("abc", "ab", 1), ("kitten", "sitting", 3)],
)
def test_edit_distance(a, b, distance):
    assert edit_distance(a, b, 5) == edit_distance(b, a, 5) == distance


def test_near_miss_says_nothing_when_nothing_is_near():
    assert near_miss("conservatoin", ["conservation", "linearity"]) == "conservation"
    assert near_miss("IF-FAILS", ["if_fails"]) == "if_fails"
    assert near_miss("x", ["define"]) == ""
    assert near_miss("a" * 10_000, ["a"]) == ""
    assert did_you_mean("zzzzzz", ["define"], "see the list") == "see the list"
