"""Ratios of benchmarks of one run, printed below their table: a loaded machine slows both sides down."""

import pytest

# quotient, its words, and what it should be
RATIOS = (
    *(
        (
            f"test_hypothesis_arrays_mostly_one_value[{n}]",
            f"test_cases[{n}]",
            f"cases a second, {n}: ours / arrays()",
            ">= 2",
        )
        for n in ("small", "4x128", "edges")
    ),
    *(
        (f"test_hypothesis_arrays_every_element[{n}]", f"test_cases[{n}]", "the same, arrays(fill=nothing())", "")
        for n in ("small", "4x128", "edges")
    ),
    ("test_generated", "test_hand_written", "cost of a test: generated / hand-written", "<= 1.2"),
)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter, config):
    session = getattr(config, "_benchmarksession", None)
    fastest = {b.name: b.stats.min for b in getattr(session, "benchmarks", []) if b.stats.data}
    rows = [(words, fastest[a] / fastest[b], wanted) for a, b, words, wanted in RATIOS if {a, b} <= fastest.keys()]
    if rows:
        terminalreporter.section("ratios")
    for words, ratio, wanted in rows:
        terminalreporter.write_line(f"{words:50}{ratio:8.2f}   {wanted}")
