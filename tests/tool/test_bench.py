"""How kernels are measured: the method with a made-up clock, the judgement, the reports. Nothing here needs a GPU."""

from __future__ import annotations

import contextlib
import json
import math
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from albor_contracts.bench import measure
from albor_contracts.bench.ceiling import Ceilings, measure_ceilings, passes
from albor_contracts.bench.judge import fails, judge
from albor_contracts.bench.measure import CpuClock, Program, Quantiles, calls_needed, interleave, order, sets_needed
from albor_contracts.bench.report import data, quantity, record, table
from albor_contracts.bench.roofline import points, roofline
from albor_contracts.bench.run import Result, Timing, run_workload
from albor_contracts.bench.workload import Peer, Workload, calls, evaluate, normal
from albor_contracts.bench.workloads import ABSENT, WORKLOADS, select, sizes_of
from albor_contracts.cli import main
from albor_contracts.evidence import read

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
CEILINGS = Ceilings(copy=3e12, gemm=7e14)


class FakeClock:
    """A device on which every call takes as long as its variant was said to, one unit later each lap."""

    kind = "cuda"

    def __init__(self, seconds=(), cache=1 << 20):
        self.seconds, self.cache = list(seconds), cache
        self.programs, self.laps, self.finished = [], [], 0

    def sets(self, nbytes):
        return sets_needed(nbytes, self.cache)

    def program(self, calls):
        for call in calls:
            call()
        program = Program(lambda: None, len(calls), "graph", peak_bytes=1024)
        program.took = self.seconds[len(self.programs)]
        self.programs.append(program)
        return program

    def lap(self, program):
        number = sum(p is program for p in self.laps)
        self.laps.append(program)

        def milliseconds():
            assert self.finished, "read before the device was waited for"
            return 1e3 * program.took * program.calls * (1 + 0.01 * number)

        return milliseconds

    def finish(self):
        self.finished += 1


def toy(**changes):
    """y = 2 x, written to the module below."""
    fields = {
        "contract": "toy/double",
        "kernel": "double",
        "inputs": {"x": normal("R N")},
        "bytes": "2 * R * N * s",
        "flops": "R * N",
        "sizes": {"350m": {"R": 1024, "N": 1024}, "7b": {"R": 2048, "N": 1024}},
        "tiny": {"R": 2, "N": 4},
        "own": Peer(lambda x: x * 2),
        "eager": lambda x: x + x,
        "compiled": False,
        "dtype": torch.float32,
    }
    return Workload(**{**fields, **changes})


def run(workload, *seconds, peers=("eager", "compile", "liger"), **options):
    clock = FakeClock(seconds, cache=64)
    result = run_workload(workload, "tiny", workload.tiny, clock, CPU, peers=peers, rounds=4, **options)
    return result, clock


def made(own=1.0, target=90.0, limit="copy", **peers):
    """A result with given medians in ms, on the size 350m of the toy: 8 MiB of traffic."""
    offered = {"liger": Peer(lambda x: x)} if "liger" in peers else {}
    workload = toy(target=target, limit=limit, compiled=True, **offered)
    timings = {"albor": Timing(Quantiles(own, own * 0.99, own * 1.01), "graph", peak_bytes=1 << 20, host_ms=own)}
    timings |= {name: Timing(Quantiles(ms, ms * 0.99, ms * 1.01), "graph") for name, ms in peers.items()}
    return Result(workload, "350m", workload.sizes["350m"], 3, timings)


# The method


@pytest.mark.parametrize(("nbytes", "cache", "sets"), [(100, 1000, 30), (1001, 1000, 3), (10_000, 1000, 2), (0, 5, 15)])
def test_rotated_arguments_exceed_the_cache_three_times(nbytes, cache, sets):
    assert sets_needed(nbytes, cache) == sets
    assert sets == measure.LEAST_SETS or sets * max(nbytes, 1) >= 3 * cache


@pytest.mark.parametrize(
    ("seconds", "sets", "calls"), [(1e-5, 3, 201), (1e-5, 256, 256), (1e-3, 3, 21), (1.0, 2, 2), (0.0, 7, 203)]
)
def test_a_replay_is_whole_rotations(seconds, sets, calls):
    assert calls_needed(seconds, sets) == calls
    assert calls % sets == 0


def test_each_round_runs_every_variant_once_and_the_places_change():
    orders = [order(3, k) for k in range(6)]
    assert all(sorted(o) == [0, 1, 2] for o in orders)
    for place in range(3):
        assert {o[place] for o in orders} == {0, 1, 2}
    followers = {(a, b) for o in orders for a, b in pairwise(o)}
    assert len(followers) == 6  # every variant runs after every other one
    assert order(1, 5) == [0]


def test_variants_are_interleaved_and_the_first_rounds_do_not_count():
    clock = FakeClock([1e-3, 2e-3])
    programs = [clock.program([lambda: 1]), clock.program([lambda: 1, lambda: 2])]
    fast, slow = interleave(clock, programs, rounds=4, discard=2)
    names = [programs.index(p) for p in clock.laps]
    assert len(names) == 12 and all(set(names[k : k + 2]) == {0, 1} for k in range(0, 12, 2))
    # Laps 2 to 5 of each: 1 % more time each. The time is that of one call, whatever their number.
    assert fast.p50 == pytest.approx(1.035) and slow.p50 == pytest.approx(2.07)
    assert fast.p20 == pytest.approx(1.026) and fast.p80 == pytest.approx(1.044)


def test_quantiles():
    assert measure.quantiles([4, 1, 3, 2, 5]) == Quantiles(3, 1.8, 4.2)
    assert measure.quantiles([2]) == Quantiles(2, 2, 2)


def test_the_cpu_clock_takes_the_time_of_a_replay():
    now = iter([10.0, 10.5])
    clock = CpuClock(lambda: next(now))
    ran = []
    program = clock.program([lambda: ran.append("a"), lambda: ran.append("b")])
    lap = clock.lap(program)
    assert ran == ["a", "b"] and lap() == 500 and program.calls == 2


# Workloads and their variants


def test_formulas():
    assert evaluate("(2 * R * N + N) * s", {"R": 3, "N": 5, "s": 2}) == 70
    assert evaluate("7 // 2 - 1", {}) == 2
    for bad in ("R ** 2", "f(R)", "1.5 * R", "R.real"):
        with pytest.raises(ValueError, match="formula"):
            evaluate(bad, {"R": 3})


def test_a_backward_variant_is_the_gradient_and_runs_again():
    g, x = torch.tensor([1.0, 10.0]), torch.tensor([2.0, 3.0])
    (call,) = calls(Peer(lambda x: (x * x, None)), "backward", [[g, x]])
    assert [t.tolist() for t in call()] == [t.tolist() for t in call()] == [[4, 60]]
    assert not x.requires_grad


def test_a_loss_variant_gives_loss_and_gradient():
    (call,) = calls(Peer(lambda z, y: (z * y).sum()), "loss", [[torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])]])
    loss, gradient = call()
    assert loss.item() == 11 and gradient.tolist() == [3, 4] and not loss.requires_grad


def test_gradients_are_found_for_as_many_arguments_as_the_kernel_finds_them_for():
    h, w, y = torch.tensor([2.0]), torch.tensor([5.0]), torch.tensor([7])
    (call,) = calls(Peer(lambda h, w, y: (h * w * y).sum()), "loss", [[h, w, y]], wrt=2)
    assert [t.item() for t in call()] == [70, 35, 14]
    (call,) = calls(Peer(lambda x, n: (x * n).sum()), "backward", [[torch.tensor(1.0), h, y]])
    assert [t.item() for t in call()] == [7]  # none for whole numbers


def test_arguments_are_made_once_for_each_set():
    made_of = []

    def arguments(x):
        made_of.append(x)
        return [x + 1]

    both = calls(Peer(lambda x: x, arguments), "call", [[1], [10]])
    assert [call() for call in both] == [call() for call in both] == [2, 11] and made_of == [1, 10]


def test_every_set_has_its_own_data_and_the_same_seed_gives_the_same():
    workload = toy()
    first, again, other = (workload.arguments(workload.tiny, CPU, seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_run_measures_the_kernel_and_its_peers_on_the_same_arguments():
    seen = []
    workload = toy(own=Peer(lambda x: seen.append(x) or x * 2), eager=lambda x: seen.append(x) or x + x)
    result, clock = run(workload, 1e-3, 2e-3)
    assert result.sets == 6  # 32 bytes each, a cache of 64
    # Each set once before and once in the program, the kernel first.
    assert len(seen) == 24 and all(torch.equal(a, b) for a, b in zip(seen[:12], seen[12:], strict=True))
    assert list(result.timings) == ["albor", "eager"] and result.own.peak_bytes == 1024
    assert result.timings["eager"].difference == 0 and result.own.difference is None
    assert result.absent == {"compile": "has no such kernel", "liger": "has no such kernel"}
    assert len(clock.laps) == 2 * (4 + 2)


def test_torch_compile_gets_the_eager_function():
    wrapped = []
    result, _ = run(toy(compiled=True), 1e-3, 2e-3, 3e-3, compiler=lambda f: wrapped.append(f) or f)
    assert len(wrapped) == 1 and list(result.timings) == ["albor", "eager", "compile"]


def test_a_peer_that_is_not_installed_is_named_and_one_that_fails_says_why():
    def broken(x):
        raise RuntimeError("no kernel image\nmore")

    result, _ = run(toy(eager=broken, liger=Peer("no_such_package.ops:f")), 1e-3)
    assert result.absent["liger"] == "no_such_package is not installed"
    assert result.timings["eager"].error == "RuntimeError: no kernel image" and result.own.time is not None


def test_a_peer_that_computes_something_else_is_a_problem():
    for wrong in (lambda x: -2 * x, lambda x: x * math.nan, torch.zeros_like):
        result, _ = run(toy(eager=wrong), 1e-3, 1e-3)
        (problem,) = judge(result, CEILINGS, ()).problems
        assert "eager computes something else" in problem
    result, _ = run(toy(eager=lambda x: x * 2.01), 1e-3, 1e-3)
    assert judge(result, CEILINGS, ()).problems == ()


def test_a_peer_in_place_is_compared_by_its_first_result():
    result, _ = run(toy(eager=Peer(lambda x: x.mul_(2), lambda x: [x.clone()])), 1e-3, 1e-3)
    assert result.timings["eager"].difference == 0
    # The kernel in place, on the arguments that the peers are given: they come second, and are seen to differ.
    result, _ = run(toy(own=Peer(lambda x: x.mul_(2))), 1e-3, 1e-3)
    assert judge(result, CEILINGS, ()).problems


def test_a_result_in_another_shape_is_brought_into_the_kernels_or_said_not_to_be_compared():
    halves = Peer(lambda x: (2 * x).chunk(2, dim=1))
    result, _ = run(toy(eager=halves), 1e-3, 1e-3)
    assert result.timings["eager"].difference is None
    assert "the result of eager was not compared" in table([judge(result, CEILINGS, ())], CEILINGS)
    result, _ = run(toy(eager=replace(halves, result=lambda parts: torch.cat(parts, dim=1))), 1e-3, 1e-3)
    assert result.timings["eager"].difference == 0


def test_a_kernel_that_fails_is_a_problem():
    def broken(x):
        raise ValueError("expected contiguous")

    result, _ = run(toy(own=Peer(broken)), 1e-3)
    judged = judge(result, CEILINGS, ("eager",))
    assert judged.problems == ("the kernel failed: ValueError: expected contiguous",)
    assert judged.target == "not measured" and fails([judged], gate=False)
    assert "failed" in table([judged], CEILINGS) and record(judged, "cuda", "X", 4, "") is None


# Ceilings and judgement


def test_ceilings_count_what_is_read_and_written_and_two_operations_a_product():
    ceilings = measure_ceilings(FakeClock([2e-3, 1e-3, 1e-3]), CPU, rounds=1, elements=1000, side=8)
    # The lap that counts is the second: 1 % slower. Of the two ways to pass memory the faster is the ceiling.
    assert ceilings == Ceilings(pytest.approx(4000 / 1.01e-3), pytest.approx(1024 / 1.01e-3))
    slower = measure_ceilings(FakeClock([1e-3, 2e-3, 1e-3]), CPU, rounds=1, elements=1000, side=8)
    assert slower == ceilings


@pytest.mark.parametrize(("ms", "verdict"), [(8 * 2**20 / 3e9 / 0.91, "met"), (8 * 2**20 / 3e9 / 0.89, "missed")])
def test_percent_of_the_copy_ceiling_is_a_target(ms, verdict):
    judged = judge(made(ms), CEILINGS, ())
    assert judged.percent == pytest.approx(91 if verdict == "met" else 89) and judged.target == verdict
    assert judged.rate == pytest.approx(8 * 2**20 / (ms * 1e-3))


def test_kernels_with_the_gemm_ceiling_are_held_against_it():
    judged = judge(made(1.0, limit="gemm"), CEILINGS, ())
    assert judged.rate == 2**20 / 1e-3 and judged.ceiling == 7e14


def test_ratios_are_the_peers_time_over_the_kernels():
    judged = judge(made(2.0, eager=6.0, compile=1.0), CEILINGS, ("eager", "compile"))
    assert judged.ratios == {"eager": 3.0, "compile": 0.5}


@pytest.mark.parametrize(
    ("peers", "asked", "verdict"),
    [
        ({"compile": 1.1, "liger": 1.1}, ("compile", "liger"), "met"),
        ({"compile": 0.9, "liger": 1.1}, ("compile", "liger"), "missed"),
        ({"compile": 1.1, "liger": 0.9}, ("compile", "liger"), "missed"),
        ({"compile": 0.995}, ("compile",), "met"),  # less than both scatter
        ({"eager": 0.5, "compile": 1.1}, ("eager", "compile"), "met"),  # eager is no target
        ({"eager": 0.5}, ("compile",), "not measured"),
        ({"eager": 0.5}, ("eager",), "not measured"),  # nothing to hold it to is not a target that was met
    ],
)
def test_never_slower_than_torch_compile_or_liger(peers, asked, verdict):
    judged = judge(made(1.0, target=None, **peers), CEILINGS, asked)
    assert judged.target == verdict, judged.reasons
    assert fails([judged], gate=True) == (verdict != "met") and not fails([judged], gate=False)


def test_what_the_kernels_own_two_times_do_not_tell_apart_is_not_slower():
    result = made(1.0, target=None, compile=0.98)
    own = replace(result.own, time=Quantiles(1.0, 0.999, 1.001))
    theirs = replace(result.timings["compile"], time=Quantiles(0.98, 0.979, 0.981))

    def target(again):
        timings = {"albor": replace(own, again=again), "compile": theirs}
        return judge(replace(result, timings=timings), CEILINGS, ("compile",)).target

    assert [target(again) for again in (None, 1.001, 0.999, 1.03, 0.975)] == [
        "missed",
        "missed",
        "missed",
        "met",
        "met",
    ]


def test_the_kernel_is_measured_like_a_peer_of_itself_and_beside_a_copy():
    result, clock = run(toy(), 1e-3, 2e-3, 1.5e-3, 0.9e-3, peers=("eager",), controls=True)
    assert len(clock.programs) == 4 and set(result.timings) == {"albor", "eager"}
    assert result.own.again == pytest.approx(1.5 * result.own.time.p50) and result.timings["eager"].again is None
    assert result.copy == pytest.approx(0.9 * result.own.time.p50) and "  90%  " in table(
        [judge(result, CEILINGS, ())], CEILINGS
    )
    plain = run(toy(), 1e-3, peers=())[0]
    assert plain.own.again is None and plain.copy is None
    assert run(toy(limit="gemm"), 1e-3, 1e-3, peers=(), controls=True)[0].copy is None


def test_a_copy_of_as_many_bytes_reads_half_of_them_and_writes_half():
    (call,) = passes(800, 1, CPU)
    written = call()
    assert written.numel() * written.element_size() == 400 and written.any()


def test_waiting_for_the_device_is_a_problem_unless_it_is_declared():
    timing = Timing(Quantiles(1, 1, 1), "calls", why="a call makes the host wait", synchronises="RuntimeError: called")
    result = replace(made(), timings={"albor": timing})
    (problem,) = judge(result, CEILINGS, ()).problems
    assert "makes the host wait" in problem and fails([judge(result, CEILINGS, ())], gate=False)
    declared = replace(result, workload=replace(result.workload, synchronises="a refusal has to be seen"))
    judged = judge(declared, CEILINGS, ())
    assert judged.problems == () and "a refusal has to be seen" in table([judged], CEILINGS)


def test_a_kernel_that_cannot_be_captured_is_a_problem():
    result = replace(made(), timings={"albor": Timing(Quantiles(1, 1, 1), "calls", why="not captured: X")})
    assert judge(result, CEILINGS, ()).problems == ("no graph: not captured: X",)


def test_nothing_is_judged_without_ceilings():
    judged = judge(made(1.0, eager=5.0), None, ("eager",))
    assert judged.percent is judged.rate is judged.ceiling is None
    assert judged.ratios == {} and judged.target == "not measured" and judged.reasons == ()


# Reports


def test_the_table_of_a_gpu():
    judged = [judge(made(0.01, eager=0.02, compile=0.005), CEILINGS, ("eager", "compile"))]
    text = table(judged, CEILINGS, Ceilings(2.9e12, 6.9e14))
    row = text.splitlines()[2].split()
    assert row[:6] == ["toy/double", "double", "350m", "0.0100", "0.0099", "0.0101"]
    assert "839 GB/s" in text and "28%" in row and "2.00" in row and "0.50" in row and row[-1] == "missed"
    assert "slower than compile: 2.00 of its time" in text and "28% of the copy ceiling, the target is 90%" in text
    assert "copy 3 TB/s, product 700 TFLOP/s; at the end copy 2.9 TB/s, product 690 TFLOP/s" in text
    assert "0 met, 1 missed, 0 not measured" in text


def test_the_table_of_a_cpu_has_neither_rates_nor_ratios():
    text = table([judge(made(1.0, eager=0.5), None, ("eager",))], None)
    assert "%" not in text and "x eager" not in text and "target" not in text and "B/s" not in text


def test_quantities():
    assert [quantity(v, "B/s") for v in (3.35e12, 999, 1e15)] == ["3.35 TB/s", "999 B/s", "1 PB/s"]


def test_json_has_everything_and_is_strict():
    broken = replace(
        made(), timings={**made().timings, "liger": Timing(error="E: no"), "eager": Timing(difference=math.nan)}
    )
    found = data([judge(broken, CEILINGS, ())], CEILINGS, "H", {"torch": "2"}, 20, CEILINGS)
    (row,) = json.loads(json.dumps(found, allow_nan=False))["results"]
    assert row["variants"]["albor"]["time"] == {"p50": 1.0, "p20": 0.99, "p80": 1.01}
    assert row["variants"]["albor"]["peak_bytes"] == 2**20 and row["variants"]["liger"]["error"] == "E: no"
    assert row["bytes"] == 8 * 2**20 and row["target"]["verdict"] == "missed" and row["dtype"] == "f32"


def test_records_can_be_committed_and_read_back(tmp_path):
    from albor_contracts.evidence import Recorder, compact

    judged = judge(made(0.01, eager=0.02), CEILINGS, ("eager",))
    event = record(judged, "cuda", "NVIDIA X", 20, "abc")
    other = record(replace(judged, result=replace(judged.result, size="7b")), "cuda", "NVIDIA X", 20, "abc")
    with Recorder(tmp_path / "evidence" / "x.jsonl") as recorder:
        for e in (event, other, event):
            recorder(e)
    reading = read([tmp_path / "evidence"])
    assert not reading.warnings and len(reading.records) == 3
    kept = compact(reading.records)  # one for each size
    assert [r.verdict.size for r in kept] == ["350m", "7b"] and kept[0].verdict == event
    assert event.percent == judged.percent and event.peers == {"eager": 0.02} and event.kernel_hash == "abc"


def test_the_roofline_shows_every_point_below_its_ceiling():
    judged = [judge(made(0.01), CEILINGS, ()), judge(made(1.0, limit="gemm"), CEILINGS, ())]
    root = ET.fromstring(roofline(judged, CEILINGS, "Roofline on <X>"))
    space = "{http://www.w3.org/2000/svg}"
    circles = root.findall(f"{space}circle")
    assert len(circles) == len(points(judged)) == 2
    (roof,) = [e for e in root.findall(f"{space}polyline") if e.get("class") == "roof"]
    corners = [tuple(map(float, p.split(","))) for p in roof.get("points").split()]
    assert len(corners) == 3 and corners[0][1] > corners[1][1] == corners[2][1]  # a slope, then flat
    slope = (corners[1][1] - corners[0][1]) / (corners[1][0] - corners[0][0])
    for circle in circles:
        x, y = float(circle.get("cx")), float(circle.get("cy"))
        assert 0 < x < 1000 and 0 < y < 640
        assert y > corners[0][1] + slope * (x - corners[0][0])  # y grows downwards
    # One axis in FLOP a byte: both toys have an eighth.
    assert circles[0].get("cx") == circles[1].get("cx") and points(judged)[0][2] == 1 / 8
    assert "Roofline on <X>" in "".join(root.itertext())


# The table of workloads


def test_every_kernel_of_the_implementation_has_an_entry_or_a_reason():
    from albor_contracts.binding_file import load_binding

    offered = {
        (str(contract), str(equation))
        for contract, kernel in load_binding(ROOT / "bindings" / "impl.yaml").kernels.items()
        for equation, target in kernel.items()
        if target.call is not None
    }
    entries = {(w.contract, w.kernel) for w in WORKLOADS}
    excused = {(c, e) for c, e in offered if (c, e) in ABSENT or (c, "*") in ABSENT}
    assert offered - entries - excused == set(), "kernels without an entry in bench/workloads.py, nor in ABSENT there"
    assert entries - offered == set(), "entries for kernels that the implementation does not have"
    assert entries & excused == set(), "kernels with an entry and an excuse"
    used = {(c, e) if (c, e) in ABSENT else (c, "*") for c, e in excused}
    assert set(ABSENT) == used, "excuses for kernels that the implementation does not have"
    assert all(ABSENT.values()) and len(entries) == len(WORKLOADS)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda w: w.name)
def test_entries_are_well_formed(workload):
    assert {name.split()[0] for name in workload.sizes} == {"350m", "7b"}
    for dims in (*workload.sizes.values(), workload.tiny):
        assert workload.cost(workload.bytes, dims) > 0 and workload.cost(workload.flops, dims) > 0
    bound = "compulsory traffic of the largest size, rotated, fits the memory of a large GPU several times"
    assert max(workload.cost(workload.bytes, d) for d in workload.sizes.values()) < 12e9, bound


# A backward pass returns what the forward kept as well, and AdamW updates its arguments in place.
# A causal softmax does not read what it hides.
PLAIN = [
    w
    for w in WORKLOADS
    if w.limit == "copy" and w.form != "backward" and not w.own and w.contract != "attention/causal-softmax"
]


@pytest.mark.parametrize("workload", PLAIN, ids=lambda w: w.name)
def test_traffic_is_at_least_that_of_arguments_and_results_once(workload):
    """Counted on tensors. A formula may count more where an argument has to be read twice, never less."""
    from albor_contracts.bench.workload import size_of, tensors_of

    arguments = workload.arguments(workload.tiny, CPU, 0)
    (call,) = calls(*workload.variant("albor"), [arguments], wrt=workload.wrt)
    results = tensors_of(call())
    least = size_of(arguments) + size_of([t for t in results if t.numel() > 1])
    assert workload.cost(workload.bytes, workload.tiny) >= least


def test_vocabularies_reach_from_32768_to_131072():
    for contract in ("loss/cross-entropy", "distill/knowledge-distillation"):
        (workload,) = select([contract])
        assert {32768, 65536, 131072} <= {dims["V"] for dims in workload.sizes.values()}


def test_selection():
    assert {w.kernel for w in select(["core/rmsnorm"])} == {"rmsnorm", "rmsnorm_backward"}
    assert [w.kernel for w in select(["core/rmsnorm:rmsnorm_backward"])] == ["rmsnorm_backward"]
    assert {w.contract for w in select(["merge"])} == {"merge/slerp", "merge/ties", "merge/dare"}
    assert select(["core/rms"]) == [] and select([]) == list(WORKLOADS)
    loss = select(["loss"])[0]
    assert list(sizes_of(loss, "7b")) == ["7b", "7b V=65536", "7b V=131072"] and len(sizes_of(loss, "all")) == 4


# The command


@pytest.fixture
def command(capsys, tmp_path):
    def call(*arguments):
        status = main(["bench", *map(str, arguments), "--evidence", str(tmp_path / "records.jsonl")])
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_a_small_run_on_this_machine(command, tmp_path):
    status, out, err = command("core/rmsnorm:rmsnorm", "--rounds", 2, "--out", tmp_path / "out")
    assert status == 0, out + err
    assert out.startswith("These times are of a CPU") and "they say nothing about a GPU" in out
    assert "core/rmsnorm rmsnorm" in out and "%" not in out
    found = json.loads((tmp_path / "out" / "bench.json").read_text())
    (row,) = found["results"]
    assert row["size"] == "tiny" and row["variants"]["albor"]["time"]["p50"] > 0 and row["percent"] is None
    assert 0 <= row["variants"]["eager"]["difference"] < 0.01 and found["ceilings"] is None and found["note"]
    assert not (tmp_path / "out" / "roofline.svg").exists()
    assert (tmp_path / "out" / "bench.txt").read_text().startswith("These times are of a CPU")
    (kept,) = read([tmp_path / "records.jsonl"]).records
    assert kept.verdict.device == "cpu" and kept.verdict.percent is None and kept.versions["torch"]

    from albor_contracts.coverage import hash_of_kernel

    assert kept.verdict.kernel == "albor_impl.core.rmsnorm:rmsnorm"
    assert kept.verdict.kernel_hash == hash_of_kernel(kept)


def test_recorded_times_go_stale_with_the_kernel(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "contracts").mkdir()
    assert command("--recorded")[0] == 2
    from albor_contracts.evidence import Recorder, kernel_hash

    now = kernel_hash("albor_impl.core.rmsnorm:rmsnorm")
    judged = judge(made(0.01, eager=0.02), CEILINGS, ("eager",))
    event = record(judged, "cuda", "NVIDIA X", 20, now)
    event = replace(event, contract="core/rmsnorm", kernel="albor_impl.core.rmsnorm:rmsnorm")
    with Recorder(tmp_path / "evidence" / "gpu.jsonl") as recorder:
        recorder(event)
        recorder(replace(event, size="7b", kernel_hash="before"))
    status, out, _ = command("--recorded", "core")
    assert status == 0
    first, second = [line.split() for line in out.splitlines()[2:]]
    assert first[1] == "350m" and "28%" in first and "2.00" in first and first[-1] == "fresh"
    assert second[1] == "7b" and second[-1] == "stale"
    status, out, _ = command("--recorded", "--format", "json")
    assert [r["fresh"] for r in json.loads(out)] == [True, False]
    assert command("--recorded", "loss")[0] == 2


def test_memory_that_does_not_hold_the_arguments_is_a_result():
    def too_large(draw):
        raise MemoryError("out of memory")

    result, _ = run(toy(inputs={"x": too_large}), 1e-3)
    assert judge(result, CEILINGS, ()).problems == ("the kernel failed: MemoryError: out of memory",)


def test_an_error_of_the_device_is_a_result():
    clock = FakeClock([1e-3, 1e-3], cache=64)
    clock.finish = lambda: 1 / 0
    workload = toy()
    result = run_workload(workload, "tiny", workload.tiny, clock, CPU, peers=("eager",), rounds=2)
    assert result.own.time is None and "ZeroDivisionError" in result.own.error
    assert judge(result, CEILINGS, ("eager",)).target == "not measured"


def test_json_on_stdout_is_json(command):
    status, out, _ = command("core/gemm:gemm", "--rounds", 1, "--format", "json", "--peers", "none")
    assert status == 0
    (row,) = json.loads(out)["results"]
    assert list(row["variants"]) == ["albor"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_cuda_without_a_gpu_is_refused(command):
    status, out, err = command("--device", "cuda")
    assert status == 2 and "E510" in err and "torch finds no usable GPU" in err and out == ""


def test_what_cannot_be_judged_is_refused(command):
    assert command("--targets")[0] == 2
    status, _, err = command("core/nothing")
    assert status == 2 and "core/nothing" in err


@pytest.fixture
def pretended(monkeypatch):
    """The command on a machine with a GPU, where the kernel and its peers take what `seconds` says."""
    from albor_contracts.bench import ceiling, workloads
    from albor_contracts.bench import cuda as device
    from albor_contracts.cli import bench

    contract = "core/rmsnorm"
    fake = FakeClock([])
    entry = toy(contract=contract, kernel="rmsnorm", compiled=False)
    monkeypatch.setattr(workloads, "WORKLOADS", (entry,))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(ceiling, "measure_ceilings", lambda clock, device, rounds: CEILINGS)
    monkeypatch.setattr(device, "device_name", lambda: "NVIDIA X")
    monkeypatch.setattr(device, "device_versions", lambda: {"driver": "1"})
    monkeypatch.setattr(bench, "_clock", lambda gpu: (fake, CPU, contextlib.nullcontext(), lambda: "1980 MHz"))
    return fake


def test_the_command_on_a_gpu(command, pretended, tmp_path):
    pretended.seconds = [3e-6, 6e-6, 3e-6, 2e-6, 6e-6, 12e-6, 6e-6, 4e-6]  # 350m: 8 MiB, 7b: 16; twice, and a copy
    status, out, err = command("--device", "cuda", "--targets", "--out", tmp_path / "out", "--rounds", 1)
    assert status == 0, out + err
    assert "say nothing about a GPU" not in out and "2 met, 0 missed, 0 not measured" in out
    assert out == (tmp_path / "out" / "bench.txt").read_text()
    svg = (tmp_path / "out" / "roofline.svg").read_text()
    assert "Roofline on NVIDIA X" in svg and svg.count("<circle") == 2
    first, second = read([tmp_path / "records.jsonl"]).records
    assert (first.verdict.size, second.verdict.size) == ("350m", "7b") and first.versions["driver"] == "1"
    assert first.verdict.percent == pytest.approx(100 * 8 * 2**20 / 3.06e-6 / 3e12)  # the third lap
    assert first.verdict.device == "cuda" and first.verdict.state == "1980 MHz" and first.verdict.target == "met"


def test_a_missed_target_fails_the_command_only_as_a_gate(command, pretended):
    pretended.seconds = [6e-6, 3e-6, 6e-6, 3e-6] * 2
    assert command("--device", "cuda", "--sizes", "350m", "--targets", "--rounds", 1)[0] == 1
    assert command("--device", "cuda", "--sizes", "350m", "--rounds", 1)[0] == 0


@pytest.mark.parametrize("bad", [("--rounds", "0"), ("--peers", "triton"), ("--sizes", "13b")])
def test_bad_options_are_refused(bad, command):
    with pytest.raises(SystemExit) as stop:
        command(*bad)
    assert stop.value.code == 2
