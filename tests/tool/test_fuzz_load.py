"""Whatever a file holds, reading it ends in a contract or in diagnostics with positions: never in anything else."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest
import yaml
from albor_contracts.binding_file import load_binding
from albor_contracts.errors import ContractError
from albor_contracts.links import check_links
from albor_contracts.load import load_contract
from albor_contracts.model import Contract
from albor_contracts.report.diagnostics import render
from contract_samples import GOOD, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FUZZ = settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
SECONDS = 5.0  # one file; hundreds of times what a contract takes, so that only a blow-up is found

LINES = GOOD.split("\n")
TREE = yaml.safe_load(GOOD)

# fmt: off
HOSTILE = [
    "", " ", "'", '"', '"""', "\\", "\\n", "\n", "}", "{", "${x}", "%s", "{0.__class__}",
    "__import__('os').system('id')", "eval(input())", "lambda: 0", "'); DROP TABLE x; --", "\u202e", "\u0430", "\uff41",
    "\x00", "\x1b[2J", "\ufeff", "a" * 5000,
    "../../../etc/passwd", "$(id)", "`id`", "<script>", "::error::x", "&a", "*a",
    "!!python/name:os.system", "? x", "- x", "# x", "x: y", "| x", "> x", "@x", "%YAML 1.2", "---", "...", "null", "~",
    "true", "1e999", ".nan", "0x", "1" * 500, "\U0001f600", "i\u0307", "def", "None", "x" * 65, "core/../core", "a/b",
    "-1", "1..0", "in [0, inf)",
]
# fmt: on


def paths_to_texts(node, path=()):
    """Every place of the good contract that holds a string."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from paths_to_texts(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from paths_to_texts(value, (*path, index))
    elif isinstance(node, str):
        yield path


TEXTS = list(paths_to_texts(TREE))


def replaced(node, path, value):
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = replaced(node[path[0]], path[1:], value)
    return copy


def judge(folder: Path, content: str | bytes) -> Contract | None:
    """Reads the file as a contract and as a binding, and checks what is promised of any answer."""
    path = write(folder, content)
    before = sorted(str(p) for p in folder.rglob("*"))
    begin = time.process_time()
    contract = None
    try:
        contract = load_contract(path)
    except ContractError as error:
        found = list(error.diagnostics)
        assert any(d.severity == "error" for d in found)
    else:
        assert isinstance(contract, Contract)
        found = check_links({contract.name: contract})
    lines = re.split(r"\r\n|[\n\r\x85\u2028\u2029]", path.read_bytes().decode("utf-8", "replace"))
    for d in found:
        assert d.position.file == str(path)
        assert 1 <= d.position.line <= len(lines) + 1
        assert d.position.column >= 1
        assert re.fullmatch(r"E[1-3]\d\d", d.code)
    assert "\x1b" not in render(found, "text")
    with contextlib.suppress(ContractError):
        load_binding(path)
    assert time.process_time() - begin < SECONDS
    assert sorted(str(p) for p in folder.rglob("*")) == before
    return contract


@FUZZ
@given(st.binary(max_size=300))
def test_random_bytes(tmp_path, data):
    assert judge(tmp_path, data) is None


@FUZZ
@given(st.text(st.sampled_from("ab:-[]{}\"'|>&*!#%@?,\n \t~0.e\\\u0085\u2028é"), max_size=80))
def test_random_punctuation(tmp_path, text):
    assert judge(tmp_path, text) is None


@FUZZ
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(sorted(TREE)) | st.text(max_size=8), inner, max_size=4)
        ),
        max_leaves=20,
    )
)
def test_random_yaml(tmp_path, data):
    judge(tmp_path, yaml.safe_dump(data, allow_unicode=True))


@FUZZ
@given(st.data())
def test_lines_dropped_doubled_swapped_and_reindented(tmp_path, data):
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 4))):
        k = data.draw(st.integers(0, len(lines) - 2))
        match data.draw(st.sampled_from(["drop", "double", "swap", "indent", "dedent", "cut"])):
            case "drop":
                del lines[k]
            case "double":
                lines.insert(k, lines[k])
            case "swap":
                lines[k], lines[k + 1] = lines[k + 1], lines[k]
            case "indent":
                lines[k] = " " + lines[k]
            case "dedent":
                lines[k] = lines[k][1:]
            case _:
                lines[k] = lines[k][: len(lines[k]) // 2]
    judge(tmp_path, "\n".join(lines))


@FUZZ
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 5), st.text(max_size=5))
def test_characters_replaced(tmp_path, start, length, text):
    judge(tmp_path, (GOOD[:start] + text + GOOD[start + length :]).encode("utf-8", "replace"))


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda h: ascii(h[:20]))
def test_hostile_text_in_every_field(tmp_path, hostile):
    """Either refused, or kept as exactly this text: never changed, never executed."""
    turn = HOSTILE.index(hostile)
    for path in [("metadata", "title"), *TEXTS[turn % 3 :: 3]]:  # so that every field meets twenty of them
        tree = replaced(TREE, path, hostile)
        contract = judge(tmp_path, yaml.safe_dump(tree, allow_unicode=True, default_style='"'))
        if contract is not None and path == ("metadata", "title"):
            assert contract.metadata.title == hostile


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda h: ascii(h[:20]))
def test_hostile_keys_everywhere(tmp_path, hostile):
    turn = HOSTILE.index(hostile)
    for path in [p for p in TEXTS if isinstance(p[-1], str)][turn % 8 :: 8]:
        parent = TREE
        for step in path[:-1]:
            parent = parent[step]
        changed = {(hostile if key == path[-1] else key): value for key, value in parent.items()}
        judge(tmp_path, yaml.safe_dump(replaced(TREE, path[:-1], changed), allow_unicode=True))


@FUZZ
@given(
    st.sampled_from(TEXTS),
    st.text(max_size=20) | st.integers() | st.floats() | st.none() | st.lists(st.integers(), max_size=2),
)
def test_any_value_in_any_field(tmp_path, path, value):
    judge(tmp_path, yaml.safe_dump(replaced(TREE, path, value), allow_unicode=True))
