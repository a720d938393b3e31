"""The orchestrator: no kernel takes the run down, nothing runs twice, nothing is lost."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from albor_contracts.events import ObligationFinished, RunFinished, RunStarted, WorkerFailed
from albor_contracts.evidence import Recorder, read
from albor_contracts.run import AHEAD, Ahead, Job, run_jobs
from albor_contracts.run.orchestrator import _shares

FAKE = str(Path(__file__).with_name("fake_worker.py"))


def command(tests, channel):
    return [sys.executable, FAKE, str(channel), *tests]


@pytest.fixture
def run(tmp_path):
    def go(*tests, **options):
        told = []
        options = {"workers": 1, "stall_seconds": 5.0, "startup_seconds": 20.0, **options}
        result = run_jobs([Job(t) for t in tests], command, on_event=told.append, cwd=tmp_path, **options)
        log = tmp_path / "log"
        return result, told, log.read_text().split() if log.exists() else []

    return go


def verdicts(told):
    return {e.obligation: e for e in told if isinstance(e, ObligationFinished)}


def test_everything_passes(run):
    result, told, log = run("ok-1", "ok-2", "ok-3", workers=2)
    assert result.exit_code == 0
    assert result.outcomes == Counter(passed=3)
    assert sorted(log) == ["ok-1", "ok-2", "ok-3"]
    assert [isinstance(e, RunStarted) for e in told].count(True) == 1
    assert isinstance(told[-1], RunFinished)
    assert told[-1].outcomes == {"passed": 3}


def test_a_failure_is_exit_code_one(run):
    result, _, _ = run("ok-1", "fail-1")
    assert result.exit_code == 1
    assert result.test_failures == ["fail-1"]


def test_nothing_judged_is_not_green(run):
    assert run()[0].exit_code == 1


CRASHES = {
    "exit": ("ended with exit status 0", "leaving"),
    "kill": ("was killed by SIGKILL", "Fatal Python error\nsecond line"),
    "torn": ("was killed by SIGKILL", ""),
}


@pytest.mark.parametrize("behaviour", CRASHES)
def test_a_crash_costs_one_test_and_the_rest_go_on(run, behaviour):
    result, told, log = run("ok-1", behaviour, "ok-2", "ok-3")
    words, stderr = CRASHES[behaviour]
    assert result.exit_code == 1
    assert result.crashed == [behaviour]
    assert result.workers == 2
    assert log == ["ok-1", behaviour, "ok-2", "ok-3"]
    verdict = verdicts(told)[behaviour]
    assert verdict.outcome == "crashed"
    assert verdict.cases == 5
    assert words in verdict.failure.message
    assert verdict.failure.traceback == stderr
    assert verdict.failure.replay == f"again {behaviour}"
    assert {v.outcome for name, v in verdicts(told).items() if name != behaviour} == {"passed"}


def test_a_crash_outside_an_obligation_is_told_too(run):
    result, told, _ = run("early", "ok-1")
    (failed,) = [e for e in told if isinstance(e, WorkerFailed)]
    assert "SIGSEGV" in failed.message
    assert result.crashed == ["early"]
    assert result.outcomes == Counter(passed=1)
    assert result.exit_code == 1


def assert_child_is_gone(folder):
    """The process that the hanging worker started. A killed one may wait for its burial, without a command line."""
    command_line = Path("/proc", (folder / "child").read_text(), "cmdline")
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if not command_line.read_bytes():
                return
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
    pytest.fail(f"{command_line} still runs")


def test_a_stalled_worker_is_ended_with_its_children(run, tmp_path):
    result, told, log = run("hang", "ok-1", stall_seconds=1.0)
    assert verdicts(told)["hang"].outcome == "timeout"
    assert "no sign of life for 1 s" in verdicts(told)["hang"].failure.message
    assert result.timed_out == ["hang"]
    assert log == ["hang", "ok-1"]
    assert result.exit_code == 1
    assert_child_is_gone(tmp_path)


def test_after_a_stall_the_tests_of_the_same_group_have_less_time(tmp_path):
    jobs = [Job("hang-1", group="a"), Job("hang-2", group="a"), Job("slow", group="b")]
    told = []
    result = run_jobs(jobs, command, on_event=told.append, cwd=tmp_path, workers=1, stall_seconds=3.0)
    messages = [verdicts(told)[name].failure.message for name in ("hang-1", "hang-2")]
    assert "for 3 s" in messages[0] and "for 0.5 s" in messages[1]
    assert result.timed_out == ["hang-1", "hang-2"] and verdicts(told)["slow"].outcome == "passed"


def test_signs_of_life_keep_a_slow_test_alive(run):
    result, _, _ = run("slow", stall_seconds=1.2)
    assert result.exit_code == 0


def test_garbage_is_counted_and_dropped(run):
    result, told, _ = run("garbage", "ok-1")
    assert result.garbage == 3
    assert result.exit_code == 0
    assert len(verdicts(told)) == 2


def test_many_crashes_end(run):
    result, _, log = run("kill-1", "kill-2", "hang", "exit", "ok", stall_seconds=1.0, workers=2)
    assert result.outcomes == Counter(crashed=3, timeout=1, passed=1)
    assert sorted(log) == ["exit", "hang", "kill-1", "kill-2", "ok"]


def test_a_worker_that_never_starts_is_tried_twice(run):
    result, told, _ = run("dead-1", "dead-2")
    assert result.workers == 2
    assert result.not_run == ["dead-1", "dead-2"]
    assert result.exit_code == 1
    (failed,) = [e for e in told if isinstance(e, WorkerFailed)]
    assert failed.tests == ("dead-1", "dead-2")
    assert "exit status 4" in failed.message
    assert failed.stderr == "no module named kernel"


def test_a_command_that_does_not_exist_is_told(tmp_path):
    told = []
    result = run_jobs([Job("a")], lambda tests, channel: ["/no/such/program"], on_event=told.append, cwd=tmp_path)
    assert result.exit_code == 1
    assert "cannot be started" in next(e for e in told if isinstance(e, WorkerFailed)).message


def test_tests_that_a_worker_forgets_are_run_by_the_next(run):
    result, _, log = run("last", "ok-1")
    assert log == ["last", "ok-1"]
    assert result.exit_code == 0


def test_an_interrupted_run_keeps_what_finished(tmp_path):
    path = tmp_path / "e.jsonl"
    with Recorder(path) as recorder:
        jobs = [Job("ok-1"), Job("interrupt"), Job("ok-2")]
        result = run_jobs(jobs, command, on_event=recorder, workers=1, cwd=tmp_path)
    assert result.interrupted
    assert result.exit_code == 2
    assert result.not_run == ["interrupt", "ok-2"]
    found = read([path])
    assert not found.warnings
    assert [r.verdict.obligation for r in found.records] == ["ok-1"]


PARENT = """
import sys
from albor_contracts.run import AHEAD, Ahead, Job, run_jobs
def command(tests, channel): return [sys.executable, {fake!r}, str(channel), *tests]
def tell(event): print(event.kind, getattr(event, "cases", ""), flush=True)
result = run_jobs([Job("hang")], command, on_event=tell, workers=1)
print("code", result.exit_code)
"""


def test_a_request_to_end_is_obeyed_in_order(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(fake=FAKE)], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    for line in parent.stdout:
        if line.strip() == "progress 6":
            break
    parent.send_signal(signal.SIGTERM)
    out, _ = parent.communicate(timeout=20)
    assert out.split() == ["run_finished", "code", "2"]
    assert_child_is_gone(tmp_path)


def test_a_listener_that_fails_leaves_no_worker_behind(tmp_path):
    def listener(event):
        if event.kind == "progress" and event.cases == 6:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run_jobs([Job("hang")], command, on_event=listener, workers=1, cwd=tmp_path)
    assert_child_is_gone(tmp_path)


def test_shares_are_balanced_ordered_and_complete():
    jobs = [Job("a", 8), Job("b", 1), Job("c", 3), Job("d", 4), Job("a", 8)]
    assert _shares(jobs, 2) == [["a"], ["b", "c", "d"]]
    assert _shares(jobs, 9) == [["a"], ["d"], ["c"], ["b"]]
    assert _shares([], 2) == []


def test_shares_become_smaller_and_keep_groups_together():
    jobs = [Job(f"{group}{k}", 1, group) for group in "abcdefghijklmnopqrstuvwxyz" for k in range(4)]
    shares = _shares(jobs, 2, 3)
    assert sorted(t for share in shares for t in share) == sorted(job.test for job in jobs)
    sizes = [len(share) for share in shares]
    for size, wanted in zip(sizes, (26, 26, 13, 13, 13, 13), strict=True):
        assert abs(size - wanted) <= 4
    # Four jobs of a group are more than a quarter of the lightest list: pairs and triples stay together.
    assert all(sum(f"{group}0" in share and f"{group}1" in share for share in shares) == 1 for group in "abcxyz")
    assert all(share == sorted(share) for share in shares)


def test_a_single_group_is_shared_between_workers():
    jobs = [Job(f"{k:02}", 2, "core/rmsnorm") for k in range(64)]
    assert [len(share) for share in _shares(jobs, 2)] == [32, 32]
    assert [len(share) for share in _shares(jobs, 4, 1)] == [16, 16, 16, 16]


def test_a_worker_that_was_started_ahead_is_the_first(run, tmp_path):
    with Ahead([sys.executable, FAKE, AHEAD], cwd=tmp_path) as ahead:
        assert ahead.process is not None
        number = ahead.process.pid
        result, _, log = run("kill-1", "ok-2", ahead=ahead)
    assert (tmp_path / "ahead").read_text() == str(number)
    assert log == ["kill-1", "ok-2"] and result.workers == 2  # what it leaves behind goes to an ordinary one
    assert result.crashed == ["kill-1"] and result.outcomes == Counter(crashed=1, passed=1)


def test_what_a_worker_that_was_started_ahead_says_last_is_kept(run, tmp_path):
    with Ahead([sys.executable, FAKE, AHEAD], cwd=tmp_path) as ahead:
        _, told, _ = run("kill-1", ahead=ahead)
    failure = verdicts(told)["kill-1"].failure
    assert failure is not None and "Fatal Python error" in failure.traceback


def test_one_that_has_ended_is_no_loss(run, tmp_path):
    with Ahead([sys.executable, "-c", "pass", AHEAD], cwd=tmp_path) as ahead:
        assert ahead.process is not None and ahead.process.wait(timeout=20) == 0
        result, _, log = run("ok-1", ahead=ahead)
    assert result.exit_code == 0 and log == ["ok-1"] and not (tmp_path / "ahead").exists()


def test_more_tests_than_a_pipe_takes(run, tmp_path):
    with Ahead([sys.executable, FAKE, AHEAD], cwd=tmp_path) as ahead:
        result, _, _ = run(*(f"ok-{'x' * 200}{k}" for k in range(200)), ahead=ahead)
    assert result.outcomes == Counter(passed=200) and not (tmp_path / "ahead").exists()


def test_one_that_is_not_needed_is_ended(tmp_path):
    with Ahead([sys.executable, FAKE, AHEAD], cwd=tmp_path) as ahead:
        process = ahead.process
        assert process is not None
    assert process.poll() in (0, -signal.SIGKILL)  # it may read the end of its input first
