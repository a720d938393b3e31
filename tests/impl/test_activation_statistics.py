"""Statistics that ship: chunks, layouts, offsets, and points that nobody asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.attention import activation_statistics as impl
from albor_reference.attention import activation_statistics as reference
from core_bounds import FLOATS, draw, exact
from torch.utils.flop_counter import FlopCounterMode


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 4096, 4097, 16385])
def test_agrees_with_the_reference(n: int, dtype: torch.dtype) -> None:
    x = draw((n,), dtype, 1)
    mu, sd = impl.activation_statistics(x)
    assert mu.dtype == sd.dtype == torch.float32 and mu.shape == sd.shape == ()
    np.testing.assert_allclose([mu, sd], reference.activation_statistics(exact(x)), rtol=1e-5, atol=1e-6)


def test_one_launch_whatever_the_buffers_held() -> None:
    x = draw((33000,), torch.float32, 2)
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append(torch.stack(impl.activation_statistics(x)))
        assert [launch.grid for launch in log] == [(3,)]
    assert torch.equal(*runs)


def test_nothing_cancels_and_layouts_do_not_matter() -> None:
    x = 1e4 + torch.arange(4, dtype=torch.float32)
    torch.testing.assert_close(impl.activation_statistics(x)[1], torch.tensor(1.25**0.5))
    strided = draw((40, 3), torch.float32, 3)[:, 1]
    np.testing.assert_allclose(
        impl.activation_statistics(strided), reference.activation_statistics(exact(strided)), rtol=1e-5
    )
    assert impl.activation_statistics(torch.tensor([1.0, float("nan")]))[0].isnan()


def test_only_what_is_asked_for_is_measured() -> None:
    x, w, b, gate, up, down = (draw(s, torch.float32, 4) for s in ((3, 5), (5, 4), (4,), (5, 6), (5, 6), (6, 5)))
    with record_launches() as log:
        mu, sd, filled = impl.captured_statistics(x, w, b, gate, up, down, 0b0000100)
    assert len(log) == 1 and filled.tolist() == [k == 2 for k in range(7)]
    assert mu.isnan().tolist() == sd.isnan().tolist() == [k != 2 for k in range(7)]
    with record_launches() as log:
        assert not impl.captured_statistics(x, w, b, gate, up, down, 0)[2].any()
    assert not log


@pytest.mark.parametrize(("points", "products"), [
    (0b0000000, 0), (0b0000001, 0), (0b0000010, 60), (0b0000101, 60), (0b0001000, 270), (0b0100001, 270),
    (0b1111111, 330),
])  # fmt: skip
def test_only_what_is_asked_for_is_computed(points: int, products: int) -> None:
    """Multiplications of the matrix products: 3 x 5 by 5 x 4, twice 3 x 5 by 5 x 6, and 3 x 6 by 6 x 5."""
    tensors = (draw(s, torch.float32, 4) for s in ((3, 5), (5, 4), (4,), (5, 6), (5, 6), (6, 5)))
    with FlopCounterMode(display=False) as counted:
        impl.captured_statistics(*tensors, points)
    assert counted.get_total_flops() == 2 * products


def test_wrong_arguments_are_named() -> None:
    one = torch.ones(1, 1)
    with pytest.raises(ValueError, match=r"points: expected bits 0 to 6 .* got 0x80"):
        impl.captured_statistics(one, one, one[0], one, one, one, 128)
    with pytest.raises(ValueError, match=r"points: expected bits 0 to 6 .* got -0x1"):
        impl.captured_statistics(one, one, one[0], one, one, one, -1)
    with pytest.raises(ValueError, match="x: expected at least one element"):
        impl.activation_statistics(torch.ones(0))
    with pytest.raises(ValueError, match="b: N is 1, but a has N = 2"):
        impl.largest_difference(torch.ones(2), torch.ones(1))
