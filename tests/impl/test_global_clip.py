import math

import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.optim.global_clip import clip_gradients, global_clip
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, layouts, worst

EPS = float(np.float32(1e-3))  # a kernel receives float32 scalars


def check(gradients, max_norm, eps=EPS, **into):
    """Against the formula in float64, with the roundings of a sum, a root, a quotient and a product in float32."""
    before = [exact(g) for g in gradients]
    scaled, coefficient, norm = clip_gradients(gradients, max_norm, eps, **into)
    count = sum(g.size for g in before)
    length = np.sqrt(sum((g * g).sum() for g in before))
    c = min(1.0, max_norm / (length + eps)) if length + eps > 0 else 1.0
    relative = (LAMBDA / 2 * np.sqrt(count) + 8) * U32
    assert norm.dtype == coefficient.dtype == torch.float32
    assert worst(norm, np.asarray(length), np.asarray(relative * length)) <= 1
    assert worst(coefficient, np.asarray(c), np.asarray(relative * c)) <= 1
    for got, g, given in zip(scaled, before, gradients, strict=True):
        assert got.dtype == given.dtype
        assert worst(got, c * g, relative * np.abs(c * g)) <= 1
    return scaled, coefficient, norm


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("sizes", [(1, 1), (4096, 3), (4097, 129), (65537, 1)])
def test_it_is_the_formula(sizes, dtype):
    gradients = [draw((n,), dtype, k) for k, n in enumerate(sizes)]
    for max_norm in (0.5, 1e4, float("inf")):
        check(gradients, max_norm)


def test_any_number_of_tensors_of_any_shape_and_dtype():
    gradients = [draw((), torch.float32, 1), draw((2, 0, 3), torch.float32, 2), draw((2, 3, 5), torch.bfloat16, 3)]
    check(gradients, 1.0)
    check(gradients[:1], 0.25)


def test_more_sums_than_one_block_adds_up():
    """1100 tensors leave 1100 partial sums, which one program adds by blocks of 1024."""
    scaled, coefficient, norm = clip_gradients([torch.full((1,), 0.5)] * 1100, 1.0, 0.0)
    assert float(norm) == float(torch.tensor(275.0).sqrt())  # 1100 quarters: nothing is rounded before the root
    assert all(s == 0.5 * coefficient for s in scaled)


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts_are_read_as_they_are_and_left_alone(layout):
    g = layouts(draw((6, 37), torch.float32, 4))[layout]
    before = g.clone()
    check([g, draw((7,), torch.float32, 5)], 1.0)
    assert torch.equal(g, before)


def test_it_may_write_to_the_gradients_themselves():
    gradients = [draw((5, 7), torch.float32, 6), draw((3,), torch.float32, 7)]
    scaled, _, _ = check(gradients, 0.5, into=gradients)
    assert all(a is b for a, b in zip(scaled, gradients, strict=True))
    with pytest.raises(ValueError, match="zip"):
        clip_gradients(gradients, 0.5, EPS, into=gradients[:1])


def test_nothing_at_all_has_a_norm_of_zero():
    for gradients in ([torch.zeros(0)], [torch.zeros(3, 4), torch.zeros(0, 2)]):
        scaled, coefficient, norm = check(gradients, 1.0, 0.0)
        assert norm == 0 and coefficient == 1 and not any(s.any() for s in scaled)
    check([torch.zeros(3)], 0.0, 0.0)  # 0 / 0 is not formed
    scaled, coefficient, _ = check([torch.ones(3)], 0.0)
    assert coefficient == 0 and not scaled[0].any()


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_norm_that_is_not_finite_leaves_zeros_and_is_told(bad):
    a, b = torch.tensor([[1.0, bad]]), torch.ones(2, 3)
    for first, second in ((a, b), (b, a)):
        with poisoned(float("nan")):
            a2, b2, coefficient, norm = global_clip(first, second, 1.0, EPS)
        assert coefficient == 0 and not a2.any() and not b2.any() and not torch.isfinite(norm)
        assert torch.isnan(norm) == math.isnan(bad)


@pytest.mark.parametrize("scale", [1e-30, 1e-20, 3e19, 1e38])
def test_squares_that_are_no_numbers_of_float32_make_a_norm(scale):
    a, b = torch.tensor([[1.0, 2.0]]) * scale, torch.tensor([[2.0]]) * scale
    a2, b2, coefficient, norm = global_clip(a, b, scale, 0.0)
    assert norm.item() == pytest.approx(3 * scale, rel=1e-6) and coefficient.item() == pytest.approx(1 / 3, rel=1e-6)
    assert torch.allclose(torch.cat([a2[0], b2[0]]) / scale, torch.tensor([1 / 3, 2 / 3, 2 / 3]))


def test_every_element_is_written_in_a_fixed_number_of_launches():
    gradients = [draw((70000,), torch.float32, 8), draw((5, 7), torch.float32, 9)]
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            scaled, coefficient, norm = clip_gradients(gradients, 1.0, EPS)
        runs.append((*scaled, coefficient, norm))
        assert [launch.kernel for launch in log] == ["_squares_kernel"] * 2 + ["_decide_kernel"] + ["_scale_kernel"] * 2
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_what_is_refused():
    one = [torch.ones(2)]
    with pytest.raises(ValueError, match="gradients: expected at least one"):
        clip_gradients([], 1.0, EPS)
    for max_norm in (-0.1, float("nan")):
        with pytest.raises(ValueError, match="max_norm must not be negative"):
            clip_gradients(one, max_norm, EPS)
    for eps in (-1e-9, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="eps must be finite and not negative"):
            clip_gradients(one, 1.0, eps)
    with pytest.raises(TypeError, match=r"gradients\[1\]: .* got torch.float64"):
        clip_gradients([*one, torch.ones(2).double()], 1.0, EPS)
