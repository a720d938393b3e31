"""Equations whose arrays lie on the device: from YAML to verdicts on programs, right ones and wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_contracts.callables import check_call
from albor_contracts.errors import ContractError, Text
from albor_contracts.runtime.actions import no_fallback, uses_at_most
from albor_contracts.runtime.claims import Falsified
from albor_contracts.runtime.host_waits import counting_waits, watching_waits
from albor_contracts.runtime.kernel_fault import KernelFault
from albor_contracts.runtime.missing import NotOffered
from toys import HEAD, Toy, problems

EQUATION = """
dims: {N: 1..9}
equations:
  scale:
    signature: "scale(x: float[N], c: real) -> y: float[N], total: accum[]"
    domain: {x: "in [-4, 4]", c: "in [0.5, 2]"}
    on_device: [x, y]
    define: |
      y[i] = c * x[i]
      total = sum[i](y[i])
"""
TEXT = (
    HEAD
    + EQUATION
    + """
proof_obligations:
  - {id: TY-WAITS, equation: scale, type: resource, property: One wait,
     call: "scale(x, c)", count: synchronisations, at_most: 1}
  - {id: TY-DOWN, equation: scale, type: resource, property: One copy,
     call: "scale(x, c)", count: downloads, at_most: 1}
  - {id: TY-BYTES, equation: scale, type: resource, property: One number,
     call: "scale(x, c)", count: downloaded_bytes, at_most: 8}
  - {id: TY-UP, equation: scale, type: resource, property: No copy, call: "scale(x, c)", count: uploads, at_most: 0}
  - {id: TY-LAUNCHES, equation: scale, type: resource, property: Three,
     call: "scale(x, c)", count: launches, at_most: 3}
  - {id: TY-SERVED, equation: scale, type: dispatch, property: No fallback, call: "scale(x, c)"}
  - {id: TY-TWICE, equation: scale, type: determinism, property: Two runs agree, call: "scale(x, c)"}
  - {id: TY-SIZE, equation: scale, type: rejection, property: No c below 0, forall: {low: "real in [-2, -1]"},
     call: "scale(x, low)", raises: ValueError, mentions: [c]}
"""
)
TOY = Toy(TEXT, cases=20)
OBLIGATIONS = sorted(TOY.module.tests)


def times(x, y, n, c):
    i = np.arange(n)
    y[i] = c * x[i]


def add(y, total, n):
    total[0] += y[np.arange(n)].sum()


def program(*, clear=True, wait=True, length=0, before=None, each=None, after=None):
    """The right program, or one with something left out or put in."""

    def scale(device, x, c):
        if c < 0:
            raise ValueError(f"c must not be negative, got {c}")
        y = device.allocate("y", x.shape)
        total = device.allocate("total", (), device.accumulates)
        seen = device.host("total on the host", (), device.accumulates)
        if clear:
            device.clear(total)
        (before or (lambda *_: None))(device, x)
        if each is None:
            device.launch(times, (x,), (y,), x.size + length, c)
        else:
            each(device, x, y, c)
        device.launch(add, (y,), (total,), x.size)
        device.download(total, seen)
        if wait:
            device.synchronize()
        (after or (lambda *_: None))(device, y)
        return y, seen.read()

    return scale


def failing(**changes) -> dict[str, str]:
    """The obligations that a program fails, and how."""
    verdicts = {o: TOY.judge(o, scale=program(**changes)) for o in OBLIGATIONS}
    return {o: message for o, message in verdicts.items() if message != "passed"}


def test_the_right_program_passes_everything_at_every_precision():
    for dtype in ("f64", "f32"):
        assert {TOY.judge(o, dtype, scale=program()) for o in OBLIGATIONS} == {"passed"}


def test_results_that_are_read_too_early_fail_every_call():
    found = failing(wait=False)
    assert found.keys() == {*OBLIGATIONS} - {"TY-SIZE"}
    assert all("does not wait for the queue: `total on the host` on the host was read" in m for m in found.values())


def test_writes_past_the_end_fail_every_call():
    found = failing(length=1)
    assert "scale writes outside its buffers: times (launch 2), which writes `y`" in found["TY-DEF-SCALE"]
    assert "word of the guard behind `y` from word 0 on" in found["TY-DEF-SCALE"].replace("words", "word")
    assert "TY-WAITS" in found


def test_an_accumulator_that_is_not_cleared_shows_in_its_value():
    assert "total is not bitwise equal" in failing(clear=False)["TY-DEF-SCALE"]


def test_what_is_counted():
    def look(device, y):
        device.synchronize()

    def fetch(device, y):
        device.download(y, device.host("y on the host", y.shape))

    def push(device, x):
        device.upload(np.zeros(x.shape), device.allocate("again", x.shape))

    def by_element(device, x, y, c):
        def times_one(x, y, i, c):
            y[i] = c * x[i]

        for i in range(x.size):
            device.launch(times_one, (x,), (y,), i, c)

    assert failing(after=look) == {"TY-WAITS": "2 synchronisations, at most 1 are allowed: synchronise"}
    assert failing(after=fetch).keys() == {"TY-DOWN", "TY-BYTES"}
    assert failing(before=push) == {"TY-UP": "1 uploads, at most 0 are allowed: upload again"}
    assert failing(each=by_element).keys() == {"TY-LAUNCHES"}


def test_a_fallback_is_found_although_its_values_are_right():
    def instead(x, y, n, c):
        times(x, y, n, c)

    def falls_back(device, x, y, c):
        try:
            device.launch(times, (x,), (y,), x.size, c)
        except RuntimeError:
            device.launch(instead, (x,), (y,), x.size, c)

    found = failing(each=falls_back)
    assert found.keys() == {"TY-SERVED"}
    assert "swallows an error of the device: the device reported: kernel times: no image of it" in found["TY-SERVED"]


def test_an_error_that_says_nothing_is_no_refusal():
    def hides(device, x, y, c):
        try:
            device.launch(times, (x,), (y,), x.size, c)
        except RuntimeError:
            raise RuntimeError("something went wrong") from None

    assert "the error does not mention it" in failing(each=hides)["TY-SERVED"]


def test_a_failing_kernel_whose_error_nobody_waits_for_is_reported_after_the_call():
    def broken(x, y, n, c):
        y[10**9] = 0

    message = TOY.judge("TY-DEF-SCALE", scale=program(each=lambda d, x, y, c: d.launch(broken, (x,), (y,), 1, c)))
    assert "illegal address: `y`" in message

    def nothing_waits(device, x, c):
        y = device.allocate("y", x.shape)
        device.launch(broken, (x,), (y,), 1, c)
        return y, np.zeros(())

    message = TOY.judge("TY-DEF-SCALE", scale=nothing_waits)
    assert "the device failed after the call had returned: illegal address" in message


def test_where_results_lie_and_what_happened_to_inputs():
    def to_host(device, x, c):
        y, total = program()(device, x, c)
        seen = device.host("y on the host", y.shape)
        device.download(y, seen)
        device.synchronize()
        return seen.read(), total

    def on_device(device, x, c):
        return program()(device, x, c)[0], device.allocate("total", ())

    def in_place(device, x, c):
        total = program()(device, x, c)[1]
        device.launch(lambda x, n: x.__setitem__(0, 77.0), (), (x,), 1)
        return x, total

    for wrong, message in (
        (to_host, "scale returned y as ndarray; it must lie on the device"),
        (on_device, "scale returned total as on the device; it must lie on the host"),
        (in_place, "scale changed its input x on the device"),
    ):
        assert message in TOY.judge("TY-DEF-SCALE", scale=wrong)


def test_names_that_cannot_lie_on_the_device_are_errors():
    for line, message in (
        ("[x, z]", "scale has no array 'z' that could lie on the device"),
        ("[x, c]", "scale has no array 'c' that could lie on the device"),
    ):
        (found,) = problems(TEXT.replace("on_device: [x, y]", f"on_device: {line}"))
        assert found.code == "E433" and message in found.message
    bare = HEAD + EQUATION[: EQUATION.index("    define")]
    (found,) = problems(bare)
    assert found.code == "E433" and "has no `define`" in found.message
    assert any("near" in str(d) or "on_device" in str(d.hint) for d in problems(TEXT.replace("on_device", "on_devise")))


def test_parameters_of_the_type_are_checked():
    for change, code in ((", count: launches", "E307"), ("", "")):
        text = TEXT.replace('type: dispatch, property: No fallback, call: "scale(x, c)"',
                            f'type: dispatch, property: No fallback, call: "scale(x, c)"{change}')  # fmt: skip
        assert {d.code for d in problems(text)} == ({code} if code else set())
    assert {d.code for d in problems(TEXT.replace("count: uploads", "count: upload"))} <= {
        "E202",
        "E203",
        "E204",
        "E205",
    }
    assert problems(TEXT.replace("count: uploads", "count: upload"))


def test_a_program_takes_the_device_first():
    signature = TOY.module.spec.signatures["scale"]
    assert signature.on_device == {"x", "y"}
    check_call(program(), Text("m:f"), signature, "numpy")
    check_call(lambda x, c: None, Text("m:f"), signature, "torch")
    with pytest.raises(ContractError, match=r"cannot be called with 3 arguments \(device, x, c\)"):
        check_call(lambda x, c: None, Text("m:f"), signature, "numpy")


# PyTorch on a CPU


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sum().item(), lambda x: float(x[0]), lambda x: bool((x > 0).any()), lambda x: x.cpu(),
        lambda x: x.numpy(), lambda x: x.tolist(), lambda x: x.nonzero(), lambda x: x[x > 0],
        lambda x: torch.equal(x, x),
        lambda x: x.masked_fill_(x > 0, 0) if x.max() > 0 else x,
    ],
)  # fmt: skip
def test_calls_that_would_wait_for_a_gpu_are_counted(call):
    with watching_waits() as waits, counting_waits("torch"):
        call(torch.tensor([1.0, -2.0, 3.0]) * 1)
    assert len(waits.found) == 1, waits.found


def test_calls_that_would_not_are_not():
    with watching_waits() as waits, counting_waits("torch"):
        x = torch.ones(4) * 2
        y = torch.where(x > 1, x, 0).clamp(min=0) @ torch.ones(4, 2)
        x[:2] = 0
        x[torch.tensor([1, 2])]
        y.to(torch.float64).sum().clone()
    assert waits.operators and not waits.found
    before = len(waits.found)
    torch.ones(2).sum().item()  # outside the block
    assert len(waits.found) == before and "cpu" not in vars(torch.Tensor)


def test_what_the_interpreter_reads_is_not_counted():
    from albor_impl.core.silu import silu

    x = torch.ones(3, 5)
    with watching_waits() as waits, counting_waits("torch"):
        silu(x)
    assert waits.operators and not waits.found


def run_torch(function):
    def call():
        with counting_waits("torch"):
            return function(torch.ones(3, 5))

    return call


def test_limits_on_waits_of_pytorch_kernels():
    uses_at_most(0, "synchronisations", run_torch(lambda x: x * 2))
    uses_at_most(1, "downloads", run_torch(lambda x: (x * 2).sum().item()))
    with pytest.raises(Falsified, match=r"1 synchronisations, at most 0 are allowed: aten::_local_scalar_dense"):
        uses_at_most(0, "synchronisations", run_torch(lambda x: (x * 2).sum().item()))
    for what in ("synchronisations", "downloads", "uploads", "downloaded_bytes"):
        with pytest.raises(NotOffered, match=what):
            uses_at_most(0, what, lambda: 1)


def test_a_triton_kernel_that_is_refused_must_not_be_replaced():
    from albor_impl._triton import Kernel
    from albor_impl.core.silu import silu

    run = vars(Kernel)["run"]

    def judged(function):
        def call():
            try:
                return function(torch.ones(3, 5))
            except RuntimeError as error:
                raise KernelFault("raises", str(error)) from error

        return call

    def careful(x):
        try:
            return silu(x)
        except RuntimeError:
            return torch.nn.functional.silu(x)

    no_fallback(judged(silu))
    with pytest.raises(Falsified, match="was refused by the device, and the call was served all the same"):
        no_fallback(judged(careful))
    with pytest.raises(NotOffered, match="no kernel"):
        no_fallback(lambda: torch.ones(2))
    assert vars(Kernel)["run"] is run
