"""A copy of this process that does half of the work: the same answer with it, without it, and when it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from albor_contracts import verdicts
from albor_contracts.beside import beside, can_work_beside
from albor_contracts.load import find_root
from albor_contracts.verdict_cache import Cache
from albor_contracts.verdicts import Judge

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
ROOT = find_root()
# Other tests have started threads in this process, and forking is not for such.
ALONE = """\
import json, os
from albor_contracts import verdicts
from albor_contracts.verdict_cache import Cache
from albor_contracts.verdicts import Judge

verdicts.can_work_beside = lambda: {beside}
here, check = os.getpid(), Judge.check
counted = []

def told(self, names, outlines):
    counted.append(len(list(names)))
    if os.getpid() != here and {dies}:
        os._exit(3)
    return check(self, names, outlines)

Judge.check = told
judgement = Judge({root!r}, Cache()).judge([{contracts!r}])
print(json.dumps([judgement.valid, [str(d) for d in judgement.diagnostics], counted]))
"""


def judged(contracts, beside=True, dies=False):
    code = ALONE.format(beside=beside, dies=dies, root=str(ROOT), contracts=str(contracts))
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_bytes_come_back():
    assert beside(lambda: b"x" * 200_000)() == b"x" * 200_000  # more than a pipe holds


def test_a_failing_copy_says_nothing(capfd):
    def fails():
        raise RuntimeError("not to be seen")

    assert beside(fails)() is None
    assert capfd.readouterr() == ("", "")


def test_without_a_second_process(monkeypatch):
    def refused():
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    assert beside(lambda: b"")() is None


def test_no_copy_of_a_process_with_threads():
    code = (
        "import threading; from albor_contracts.beside import can_work_beside as f; e = threading.Event()\n"
        "t = threading.Thread(target=e.wait); t.start(); print(f()); e.set(); t.join()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_no_copy_without_a_second_core(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert not can_work_beside()


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """The project's contracts, one of each half with a mistake."""
    folder = tmp_path_factory.mktemp("project") / "contracts"
    for path in sorted((ROOT / "contracts").rglob("*.yaml")):
        copy = folder / path.relative_to(ROOT / "contracts")
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        if path.stem in ("rmsnorm-v1", "wanda-v1"):
            text = text.replace("define: |\n", "define: |\n      unknown_name = no_such_function(1)\n", 1)
        copy.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize("mistakes", [False, True])
def test_the_same_answer(request, mistakes):
    contracts = request.getfixturevalue("wrong") if mistakes else ROOT / "contracts"
    alone, copied, lost = judged(contracts, beside=False), judged(contracts), judged(contracts, dies=True)
    assert alone[:2] == copied[:2] == lost[:2]
    assert len(alone[0]) > 2 * verdicts.MANY
    assert bool(alone[1]) == mistakes
    assert [len(counted) for *_, counted in (alone, copied, lost)] == [1, 1, 2]  # by this process
    assert copied[2][0] < 0.8 * sum(lost[2])


def test_a_few_are_checked_here(monkeypatch):
    """Starting a copy would cost more than it does."""
    monkeypatch.setattr(verdicts, "beside", None)
    assert Judge(ROOT, Cache()).judge([ROOT / "contracts" / "data"]).valid
