import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.loss import loss_scaling as module
from albor_reference.loss import loss_scaling as reference
from core_bounds import FLOATS, U32, draw, exact, worst


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 2047, 2048, 2049, 5000])
def test_unscale_agrees_with_the_reference(n, dtype):
    s = 100 * draw((n,), dtype, 1)
    g, finite = module.unscale(s, 1536.0)
    wanted, _ = reference.unscale(exact(s), 1536.0)
    assert g.dtype == torch.float32 and bool(finite) and finite.dtype == torch.bool
    assert worst(g, wanted, U32 * np.abs(wanted)) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("at", [0, 2047, 2048, 4999])
@pytest.mark.parametrize("value", [float("inf"), -float("inf"), float("nan")])
def test_one_gradient_that_is_not_finite_is_found_wherever_it_stands(at, value, dtype):
    s = draw((5000,), dtype, 2)
    s[at] = value
    assert not module.unscale(s, 2.0)[1]


def test_what_float16_would_lose_is_kept():
    tiny = torch.tensor([2.0**-24], dtype=torch.float16)  # the smallest float16 number
    assert module.unscale(tiny, 1024.0)[0].item() == 2.0**-34


def test_every_element_is_written_in_one_launch():
    s = draw((4097,), torch.bfloat16, 3)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append(module.unscale(s, 8.0)[0])
        assert [launch.kernel for launch in log] == ["_unscale_kernel"]
    assert torch.equal(*runs)
    assert torch.equal(module.unscale(s[::2], 8.0)[0], runs[0][::2])
    assert module.unscale(s[:0], 8.0)[0].shape == (0,) and module.unscale(s[:0], 8.0)[1]


def test_a_gradient_below_the_range_of_float16_is_saved_by_the_scale():
    x, w, y = torch.ones(1, 1, dtype=torch.float16), torch.zeros(1), torch.tensor([-(2.0**-27)])
    loss, lost, _ = module.scaled_backward(x, w, y, 1.0)
    again, kept, finite = module.scaled_backward(x, w, y, 1024.0)
    assert lost.item() == 0 and kept.item() == 2.0**-26 and finite
    assert loss.item() == again.item() == 2.0**-54
    assert module.scaled_backward(x.bfloat16(), w, y, 1.0)[1].item() == 2.0**-26  # 8 exponent bits need none


def test_overflow_of_the_error_signal_is_reported():
    x, w, y = torch.ones(1, 1, dtype=torch.float16), torch.ones(1), torch.zeros(1)
    assert module.scaled_backward(x, w, y, 16384.0)[2] and not module.scaled_backward(x, w, y, 65536.0)[2]


def test_scaler_over_a_run():
    scaler = module.LossScaler(scale=1024.0, interval=3)
    seen = []
    for finite in [True, True, True, True, False, True]:
        scaler.update(finite)
        seen.append((scaler.scale, scaler.good))
    assert seen == [(1024, 1), (1024, 2), (2048, 0), (2048, 1), (1024, 0), (1024, 1)]


@pytest.mark.parametrize("scale", [1.0, 1000.0, 2.0**24])
@pytest.mark.parametrize("finite", [True, False])
@pytest.mark.parametrize(("good", "interval"), [(0, 1), (1, 3), (2, 3)])
def test_update_agrees_with_the_reference(scale, finite, good, interval):
    expected = reference.scaler_update(scale, good, finite, 2.0, 0.5, interval)
    assert module.scaler_update(scale, good, finite, 2.0, 0.5, interval) == expected


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="scale: expected a positive number, got 0"):
        module.unscale(torch.ones(2), 0.0)
    with pytest.raises(ValueError, match=r"s: expected shape \[N\]"):
        module.unscale(torch.ones(2, 2), 1.0)
    with pytest.raises(TypeError, match=r"got torch\.float64"):
        module.unscale(torch.ones(2).double(), 1.0)
    with pytest.raises(TypeError, match="w and y must be float32"):
        module.scaled_backward(torch.ones(1, 1), torch.ones(1).half(), torch.ones(1), 1.0)
    with pytest.raises(TypeError, match="w and y must be float32"):
        module.scaled_backward(torch.ones(1, 1), torch.ones(1), torch.ones(1).half(), 1.0)
    with pytest.raises(ValueError, match="scale: expected a positive number, got -1"):
        module.scaled_backward(torch.ones(1, 1), torch.ones(1), torch.ones(1), -1.0)
    with pytest.raises(ValueError, match="y: T is 1, but x has T = 2"):
        module.scaled_backward(torch.ones(2, 1), torch.ones(1), torch.ones(1), 1.0)
    for growth, backoff, interval in ((0.5, 0.5, 1), (2.0, 0.0, 1), (2.0, 1.5, 1), (2.0, 0.5, 0)):
        with pytest.raises(ValueError, match="expected growth >= 1"):
            module.scaler_update(1.0, 0, True, growth, backoff, interval)
