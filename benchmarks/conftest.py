"""Ratios of one run, printed below the tables.

Both sides of a ratio run in turns, so that a machine that slows down for a minute slows both down; each counts with its
fastest turn, in CPU time.
"""

import time

import pytest


def _cpu(work):
    begin = time.process_time()
    work()
    return time.process_time() - begin


@pytest.fixture
def versus(benchmark):
    """`versus(words, wanted, ours, theirs, rounds)`: benchmark `ours` beside `theirs` and note the quotient."""

    def run(words, wanted, ours, theirs, rounds, *, slower):
        ours(), theirs()  # what is done once is done
        mine, other = [], []

        def turn():
            mine.append(_cpu(ours))
            other.append(_cpu(theirs))

        benchmark.pedantic(turn, rounds=rounds)
        quotient = min(other) / min(mine) if slower == "theirs" else min(mine) / min(other)
        benchmark.extra_info["ratio"] = (words, quotient, wanted)

    return run


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    session = getattr(config, "_benchmarksession", None)
    rows = [b.extra_info["ratio"] for b in getattr(session, "benchmarks", []) if "ratio" in b.extra_info]
    if rows:
        terminalreporter.section("ratios")
    for words, quotient, wanted in rows:
        terminalreporter.write_line(f"{words:60}{quotient:8.2f}   {wanted}")
