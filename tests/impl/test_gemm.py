import numpy as np
import pytest
import torch
from albor_impl.core import gemm
from albor_reference.core import gemm as reference
from core_bounds import FLOATS, LAMBDA, ROUNDOFF, U32, draw, exact, worst

SHAPES = [(1, 1, 1), (2, 3, 5), (17, 129, 33), (3, 1025, 2), (127, 4, 129)]


def error(a, b, dtype=torch.float32):
    """LAMBDA sqrt(k) u sum|terms|, u that of the accumulation (float32, or float64 for float64 operands)."""
    return LAMBDA * np.sqrt(max(a.shape[1], 1)) * min(U32, ROUNDOFF[dtype]) * (np.abs(a) @ np.abs(b))


@pytest.mark.parametrize("dtype", [*FLOATS, torch.float64], ids=str)
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_all_four_products_agree_with_the_reference(m, k, n, dtype):
    a, b = draw((m, k), dtype, 1), draw((k, n), dtype, 2)
    at, bt = a.T.contiguous(), b.T.contiguous()
    wanted = reference.gemm(exact(a), exact(b))
    bound = error(exact(a), exact(b), dtype)
    for got in (gemm.gemm(a, b), gemm.gemm_tn(at, b), gemm.gemm_nt(a, bt), gemm.gemm_tt(at, bt)):
        assert got.dtype == dtype
        assert worst(got, wanted, bound) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("m", "k", "n"), SHAPES)
def test_backward_agrees_with_the_reference(m, k, n, dtype):
    g, a, b = draw((m, n), dtype, 3), draw((m, k), dtype, 4), draw((k, n), dtype, 5)
    da, db = gemm.gemm_backward(g, a, b)
    wanted_da, wanted_db = reference.gemm_backward(exact(g), exact(a), exact(b))
    assert worst(da, wanted_da, error(exact(g), exact(b).T)) <= 1
    assert worst(db, wanted_db, error(exact(a).T, exact(g))) <= 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_long_sums_are_accumulated_in_float32(dtype):
    # 1 + 4095 terms of 2^-9: a sum kept in the narrow type would stay at 1.
    a = torch.full((1, 4096), 2.0**-9, dtype=dtype)
    a[0, 0] = 1
    assert gemm.gemm(a, torch.ones(4096, 1, dtype=dtype)).item() == pytest.approx(1 + 4095 * 2.0**-9, rel=2.0**-8)


def test_layouts():
    a = draw((14, 20), torch.float32, 6)[::2, 1:11]
    b = draw((9, 10), torch.float32, 7).T
    assert worst(gemm.gemm(a, b), exact(a) @ exact(b), error(exact(a), exact(b))) <= 1
    row = draw((1, 10), torch.float32, 8).expand(4, 10)
    assert worst(gemm.gemm(row, b), exact(row) @ exact(b), error(exact(row), exact(b))) <= 1


def test_no_terms_give_zero():
    assert torch.equal(gemm.gemm(torch.ones(2, 0), torch.ones(0, 3)), torch.zeros(2, 3))


NARROW = ("allow_bf16_reduced_precision_reduction", "allow_fp16_reduced_precision_reduction")


def narrow_sums():
    """What sums of narrow types are allowed: by the narrow type, and in several parts."""
    cuda = torch.backends.cuda.matmul
    return [(getattr(cuda, name), getattr(cuda, f"{name}_split_k")) for name in NARROW]


def state():
    cuda = torch.backends.cuda.matmul
    return (
        cuda.fp32_precision,
        torch.backends.mkldnn.matmul.fp32_precision,
        cuda.allow_bf16_reduced_precision_reduction,
        cuda.allow_fp16_reduced_precision_reduction,
        cuda.allow_fp16_accumulation,
    )


@pytest.fixture
def restored():
    """The switches of PyTorch as they were."""
    joint, cuda, cpu = torch.get_float32_matmul_precision(), *state()[:2]
    sums = narrow_sums()
    yield
    for name, allowed in zip(NARROW, sums, strict=True):
        setattr(torch.backends.cuda.matmul, name, allowed)
    torch.backends.cuda.matmul.allow_fp16_accumulation = False
    torch.set_float32_matmul_precision(joint)
    torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision = cuda, cpu


def old_switch():
    torch.backends.cuda.matmul.allow_tf32 = True


def joint_switch():
    torch.set_float32_matmul_precision("medium")


def new_switch():
    torch.backends.cuda.matmul.fp32_precision = "tf32"


@pytest.mark.parametrize("switch", [lambda: None, old_switch, joint_switch, new_switch])
def test_switches_are_exchanged_and_put_back(switch, restored):
    switch()
    torch.backends.cuda.matmul.allow_fp16_accumulation = True
    before = state()
    with gemm.ieee_products():
        assert state() == ("ieee", "ieee", False, False, False)
    assert state() == before


@pytest.mark.parametrize("allowed", [(True, True), (False, True), (False, False)])
def test_sums_of_narrow_types_are_exchanged_and_put_back(allowed, restored):
    for name in NARROW:
        setattr(torch.backends.cuda.matmul, name, allowed)
    with gemm.ieee_products():
        assert not any(reduced for reduced, _ in narrow_sums())
    assert narrow_sums() == [allowed] * 2


def test_the_joint_switch_is_moved_along_and_put_back(restored):
    joint_switch()
    with gemm.ieee_products():
        assert torch.get_float32_matmul_precision() == "highest"
    assert torch.get_float32_matmul_precision() == "medium"


def test_switches_are_put_back_after_a_failure(restored):
    old_switch()
    before = state()
    with pytest.raises(RuntimeError, match="cannot be multiplied"), gemm.ieee_products():
        torch.matmul(torch.ones(2, 3), torch.ones(2, 3))
    assert state() == before


def test_float32_stays_ieee_whatever_the_switches_say(restored):
    joint_switch()
    a, b = draw((40, 300), torch.float32, 9), draw((300, 30), torch.float32, 10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = gemm.gemm(a, b)
    assert got.dtype == torch.float32
    assert worst(got, exact(a) @ exact(b), error(exact(a), exact(b))) <= 1


def test_autograd():
    a, b = draw((3, 5), torch.float32, 11).requires_grad_(), draw((5, 4), torch.float32, 12).requires_grad_()
    g = draw((3, 4), torch.float32, 13)
    gemm.gemm_autograd(a, b).backward(g)
    da, db = reference.gemm_backward(exact(g), exact(a), exact(b))
    assert worst(a.grad, da, error(exact(g), exact(b).T)) <= 1
    assert worst(b.grad, db, error(exact(a).T, exact(g))) <= 1


def test_only_the_wanted_gradient_is_computed():
    a, b = torch.ones(2, 3, requires_grad=True), torch.ones(3, 2)
    gemm.gemm_autograd(a, b).sum().backward()
    assert torch.equal(a.grad, torch.full((2, 3), 2.0)) and b.grad is None
    a, b = torch.ones(2, 3), torch.ones(3, 2, requires_grad=True)
    gemm.gemm_autograd(a, b).sum().backward()
    assert torch.equal(b.grad, torch.full((3, 2), 2.0)) and a.grad is None


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="b: K is 4, but a has K = 3"):
        gemm.gemm(torch.ones(2, 3), torch.ones(4, 5))
    with pytest.raises(ValueError, match="b: K is 5, but a has K = 3"):
        gemm.gemm_nt(torch.ones(2, 3), torch.ones(4, 5))
    with pytest.raises(ValueError, match="b: K is 4, but a has K = 3"):
        gemm.gemm_tn(torch.ones(3, 2), torch.ones(4, 5))
    with pytest.raises(ValueError, match="b: K is 5, but a has K = 3"):
        gemm.gemm_tt(torch.ones(3, 2), torch.ones(4, 5))
    with pytest.raises(ValueError, match="b: K is 4, but a has K = 3"):
        gemm.gemm_backward(torch.ones(2, 5), torch.ones(2, 3), torch.ones(4, 5))
    with pytest.raises(TypeError, match="same dtype"):
        gemm.gemm(torch.ones(2, 3), torch.ones(3, 5).double())
    with pytest.raises(TypeError, match="a: expected one of"):
        gemm.gemm(torch.ones(2, 3).int(), torch.ones(3, 5))
    with pytest.raises(ValueError, match="g: expected shape"):
        gemm.gemm_backward(torch.ones(2), torch.ones(2, 3), torch.ones(3, 5))
