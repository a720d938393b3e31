"""What `validate` keeps: the same answer with it and without it, and no answer that has gone stale."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from albor_contracts import verdicts
from albor_contracts.cli import main
from albor_contracts.library import open_library
from albor_contracts.load import find_root
from albor_contracts.verdict_cache import MAX_BYTES, Cache, FileCache, digest, tool_stamp
from albor_contracts.verdicts import Judge
from contract_samples import LINK_SLIPS, READER_ONLY_SLIPS, STRUCTURE_SLIPS, YAML_SLIPS
from sample_project import OLDER, edit, make_project, write

ALL_SLIPS = [*YAML_SLIPS, *STRUCTURE_SLIPS, *READER_ONLY_SLIPS, *LINK_SLIPS]
SCALE = "contracts/core/scale-v1.yaml"
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
COUNTS = """\
metadata: {version: 1.0.0, title: Counts, prefix: CN, description: "One more."}
equations:
  following:
    signature: "following(n: int) -> m: int"
    domain: {n: "in [0, 9]"}
    define: |
      m = n + 1
proof_obligations:
  - id: CN-MORE
    equation: following
    type: ordering
    property: "It is more."
    let: "m = following(n)"
    check: "m > n"
    prove: {engine: crosshair, target: "counting_kernels:following"}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(make_project(tmp_path))
    write(tmp_path, "contracts/core/twice-v1.yaml", TWICE)
    return tmp_path


@pytest.fixture
def validate(capsys):
    def call(*arguments):
        status = main(["validate", *map(str, arguments)])
        return status, capsys.readouterr().out

    return call


@pytest.fixture
def checked(monkeypatch):
    """Names of the contracts that were checked anew since this was last looked at."""
    names: list[str] = []
    check = Judge.check

    def spy(self, stale, outlines):
        names.extend(stale)
        return check(self, stale, outlines)

    monkeypatch.setattr(Judge, "check", spy)

    def look():
        found, names[:] = sorted(names), []
        return found

    return look


def kept(project) -> Path:
    return project / ".albor" / "cache" / "validate.json"


def assert_same(validate, *arguments):
    """Exit status and output without a cache, the first time and again; the exit status."""
    expected = validate("--no-cache", *arguments)
    assert validate(*arguments) == expected
    assert validate(*arguments) == expected
    return expected[0]


def test_the_second_run_checks_nothing_and_says_the_same(project, validate, checked):
    expected = validate("--no-cache")
    assert checked() == ["core/scale", "core/twice"] and not kept(project).exists()
    assert validate() == expected
    assert checked() == ["core/scale", "core/twice"] and kept(project).is_file()
    assert validate() == expected
    assert checked() == []


def test_the_second_run_reads_no_yaml(project, validate):
    validate()
    code = (
        "import sys; from albor_contracts.cli import main; status = main(['validate']);"
        "print(status, {'yaml', 'albor_contracts.checked', 'albor_contracts.lang.check'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("0 set()\n"), done.stdout + done.stderr


@pytest.mark.parametrize("form", ["text", "json", "sarif", "github"])
def test_every_format_is_the_same(form, project, validate):
    write(project, "contracts/core/softmax-v1.yaml", LINK_SLIPS[0].apply())
    assert assert_same(validate, "--format", form) == 2


@pytest.mark.parametrize("slip", ALL_SLIPS, ids=lambda s: f"{s.code}-{s.new.strip()[:20]!r}")
def test_every_kind_of_problem_is_kept_as_it_was(slip, project, validate):
    write(project, "contracts/core/softmax-v1.yaml", slip.apply())
    assert_same(validate)


def test_problems_between_contracts_are_found_with_everything_kept(project, validate, checked):
    assert validate()[0] == 0
    checked()
    text = TWICE.replace("twice", "again").replace("[core/scale]", "[core/scale, core/twise]")
    write(project, "contracts/core/again-v1.yaml", text)
    edit(project, "bindings/impl.yaml", "    scale:", "    scael:")
    status, out = validate()
    assert status == 2 and all(f"[{code}]" in out for code in ("E313", "E304", "E504"))
    assert checked() == ["core/again"]
    assert_same(validate)
    write(project, "contracts/else/core/twice-v1.yaml", TWICE)  # the same contract a second time
    assert "[E118]" in validate()[1]
    assert_same(validate)


def test_a_comment_is_checked_again_and_changes_nothing(project, validate, checked):
    expected = validate()
    checked()
    write(project, "contracts/core/twice-v1.yaml", TWICE + "# a remark\n")
    assert validate() == expected
    assert checked() == ["core/twice"]


def test_a_change_in_a_dependency_reaches_those_that_depend_on_it(project, validate, checked):
    assert validate()[0] == 0
    checked()
    edit(project, SCALE, "y[r, i] = a * x[r, i]\n", "y[r, i] = 3 * a * x[r, i]\n")
    assert validate()[0] == 0
    assert checked() == ["core/scale", "core/twice"]
    edit(project, SCALE, "scale(x: float[R, N], a: real)", "scale(x: float[R, N], a: int)")
    write(project, "contracts/core/twice-v1.yaml", TWICE.replace("scale(x, 2)", "scale(x, 2.5)"))
    validate()
    edit(project, SCALE, "scale(x: float[R, N], a: int)", "scale(x: float[R, N], a: bool)")
    status, out = validate()
    assert status == 2 and "twice-v1.yaml:7" in out  # where the file did not change
    assert_same(validate)


def test_a_definition_is_untouched_once_the_law_of_another_contract_is_gone(project, validate, checked):
    law = """\
proof_obligations:
  - id: TW-LESS
    equation: twice
    type: ordering
    property: "Not smaller."
    let: "y = spec.helper(1)"
    check: "y >= 1"
"""
    edit(project, SCALE, "proof_obligations:", "  helper:\n" + "    signature: 'helper(a: real) -> y: real'\n"
         "    domain: {a: 'in [0, 1]'}\n    define: 'y = a'\n\nproof_obligations:")  # fmt: skip
    write(project, "contracts/core/twice-v1.yaml", TWICE + law)
    assert "`helper`" not in validate()[1]
    checked()
    write(project, "contracts/core/twice-v1.yaml", TWICE)
    assert "about the equation `helper`" in validate()[1]
    assert checked() == ["core/twice"]
    assert_same(validate)


def test_the_source_a_proof_calls_is_part_of_the_verdict(project, validate, checked, monkeypatch):
    monkeypatch.syspath_prepend(str(project))
    write(project, "contracts/core/counts-v1.yaml", COUNTS)
    assert "[E321]" in assert_text(validate)  # the module is not there yet: a warning
    write(project, "counting_kernels.py", "def followed(n):\n    return n + 1\n")
    assert "did you mean" not in validate("--no-cache", SCALE)[1]
    assert "has no following" in assert_text(validate)
    write(project, "counting_kernels.py", "def following(n):\n    return n + 1\n")
    assert "[E321]" not in assert_text(validate)
    checked()
    assert validate()[0] == 0 and checked() == []


def assert_text(validate) -> str:
    expected = validate("--no-cache")
    assert validate() == expected
    assert validate() == expected
    return expected[1]


def test_another_tool_another_answer(project, validate, checked, monkeypatch, tmp_path):
    home = tmp_path / "tool"
    shutil.copytree(Path(verdicts.__file__).parent, home, ignore=shutil.ignore_patterns("__pycache__"))
    assert tool_stamp(home) == tool_stamp() != ""
    edit(home, "lang/check.py", "MAX_INDICES = 26", "MAX_INDICES = 25")
    changed = tool_stamp(home)
    assert changed != tool_stamp()
    validate()
    checked()
    monkeypatch.setattr("albor_contracts.verdict_cache.tool_stamp", lambda: changed)
    assert validate()[0] == 0
    assert checked() == ["core/scale", "core/twice"]
    monkeypatch.setattr("albor_contracts.verdict_cache.tool_stamp", lambda: "")  # a tool whose source cannot be read
    validate()
    checked()
    validate()
    assert checked() == ["core/scale", "core/twice"]


def resealed(project, change) -> None:
    """Change what is kept, under a seal that fits."""
    data = json.loads(kept(project).read_text().split("\n", 1)[1])
    body = json.dumps(change(data) or data)
    kept(project).write_text(f"{digest(tool_stamp(), body)}\n{body}\n")


@pytest.mark.parametrize(
    "junk",
    [
        b"", b"\n", b"\x00" * 100, b"[" * 100_000, b"{}", b"null\n", "ø".encode(), b"0" * 64 + b"\n{}\n",
        b"x" * (MAX_BYTES + 4096),
    ],
    ids=range(9),
)  # fmt: skip
def test_a_broken_cache_is_no_cache(junk, project, validate, checked):
    expected = validate()
    checked()
    kept(project).write_bytes(junk)
    assert validate() == expected
    assert checked() == ["core/scale", "core/twice"]
    assert validate() == expected and checked() == []  # it was written anew


def test_a_cut_or_flipped_cache_is_no_cache(project, validate, checked):
    expected = validate()
    whole = kept(project).read_bytes()
    for broken in (whole[:-20], whole[:70], whole.replace(b"true", b"false", 1), whole + b" "):
        kept(project).write_bytes(broken)
        checked()
        assert validate() == expected
        assert checked() == ["core/scale", "core/twice"]
    for body in ("[]", "7", '"text"', '{"a": 1}', "[" * 50_000):
        kept(project).write_text(f"{digest(tool_stamp(), body)}\n{body}\n")
        assert validate() == expected


def every_place(data, path=()):
    yield path
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from every_place(value, (*path, key))


@pytest.mark.parametrize("junk", [None, -1, 2.5, [], {}, [[]], "text", {"failed": [1]}], ids=repr)
def test_entries_of_another_shape_are_not_believed(junk, project, validate, capsys):
    """Sealed like a right one: whatever stands anywhere, it is an answer or it is ignored, and never a traceback."""
    write(project, "contracts/core/softmax-v1.yaml", LINK_SLIPS[0].apply())
    validate()
    text = kept(project).read_text()
    data = json.loads(text.split("\n", 1)[1])
    places = list(every_place(data))
    for path in places[1 : len(places) : max(1, len(places) // 60)]:
        changed = json.loads(json.dumps(data))
        at = changed
        for step in path[:-1]:
            at = at[step]
        at[path[-1]] = junk
        body = json.dumps(changed)
        kept(project).write_text(f"{digest(tool_stamp(), body)}\n{body}\n")
        status, _ = validate()
        assert status in (0, 2)


def test_an_outline_of_another_file_is_not_believed(project, validate):
    expected = validate()

    def swap(data):
        a, b = (next(f for f in data if f.endswith(f"{n}-v1.yaml")) for n in ("scale", "twice"))
        data[a]["outline"][1], data[b]["outline"][1] = data[b]["outline"][1], data[a]["outline"][1]

    resealed(project, swap)
    assert validate() == expected


def test_no_cache_neither_reads_nor_writes(project, validate, checked):
    validate()
    before = kept(project).read_bytes()
    checked()
    write(project, "contracts/core/twice-v1.yaml", TWICE + "# a remark\n")
    assert validate("--no-cache")[0] == 0
    assert checked() == ["core/scale", "core/twice"] and kept(project).read_bytes() == before


def test_in_ci_a_cache_is_not_believed(project, validate, checked, monkeypatch):
    validate()
    checked()
    monkeypatch.setenv("CI", "true")
    assert validate()[0] == 0
    assert checked() == ["core/scale", "core/twice"]


def test_a_folder_that_cannot_be_written_to_is_no_error(project, validate, monkeypatch):
    expected = validate("--no-cache")
    write(project, ".albor/cache", "a file where the folder should be")
    assert validate() == expected
    (project / ".albor" / "cache").unlink()
    (project / ".albor" / "cache").mkdir(mode=0o500)
    assert validate() == expected  # as root it is written all the same
    kept(project).unlink(missing_ok=True)

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as refused:
        refused.setattr("albor_contracts.verdict_cache.tempfile.mkstemp", refuse)
        assert validate() == expected and not kept(project).exists()
    (project / ".albor" / "cache").chmod(0o700)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_in_its_place_does_not_block(project, validate):
    expected = validate("--no-cache")
    kept(project).parent.mkdir(parents=True)
    os.mkfifo(kept(project))
    assert validate() == expected


def test_it_does_not_grow_without_end(project, validate, monkeypatch):
    monkeypatch.setattr("albor_contracts.verdict_cache.MAX_FILES", 6)
    for n in range(8):
        name = f"contracts/core/copy{'abcdefgh'[n]}-v1.yaml"
        write(project, name, TWICE.replace("TW", f"T{n}").replace("twice", f"twice_{n}"))
        validate()
        (project / name).unlink()
    assert len(json.loads(kept(project).read_text().split("\n", 1)[1])) <= 6
    monkeypatch.setattr("albor_contracts.verdict_cache.MAX_BYTES", 10)
    kept(project).unlink()
    assert validate()[0] == 0 and not kept(project).exists()


def test_named_files_share_what_is_kept(project, validate, checked):
    expected = validate("--no-cache", "contracts/core/twice-v1.yaml")
    assert expected == (0, validate("contracts/core/twice-v1.yaml")[1])
    checked()
    assert validate("contracts/core/twice-v1.yaml") == expected and checked() == []
    assert_same(validate, "contracts/core/twice-v1.yaml")
    assert_same(validate, "contracts/core/twice-v1.yaml", "contracts/core/missing-v1.yaml")


def test_older_files_are_told_apart_as_before(project, validate):
    write(project, "contracts/core/softmax-kernel-v1.yaml", OLDER)
    assert assert_same(validate) == 2
    assert assert_same(validate, "--lenient") == 1


def test_the_library_and_the_judge_agree_on_all_contracts():
    """`validate` and every other command say the same of a contract."""
    root = find_root()
    library = open_library(root=root)
    judgement = Judge(root, Cache()).judge([root / "contracts"])
    assert judgement.diagnostics == library.diagnostics
    assert list(judgement.contracts) == list(library.contracts)
    counts = {name: (len(c.obligations), len(c.faults)) for name, c in library.checked.items()}
    assert dict(judgement.valid) == counts


def test_the_library_and_the_judge_agree_on_broken_ones(project, tmp_path):
    for k, slip in enumerate(ALL_SLIPS):
        write(project, "contracts/core/softmax-v1.yaml", slip.apply())
        library = open_library(root=project)
        for again in range(2):
            cache = FileCache(tmp_path / "kept" / f"{k}.json")
            judgement = Judge(project, cache).judge([project / "contracts"])
            cache.save()
            assert judgement.diagnostics == library.diagnostics, (slip, again)
            assert set(judgement.valid) == set(library.checked)
