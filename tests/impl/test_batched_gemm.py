import numpy as np
import pytest
import torch
from albor_impl.core.batched_gemm import batched_gemm, batched_gemm_nt
from albor_reference.core import batched_gemm as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, worst


def check(a, b):
    c = batched_gemm(a, b)
    assert c.dtype == a.dtype
    wanted = reference.batched_gemm(exact(a), exact(b))
    sizes = reference.batched_gemm(np.abs(exact(a)), np.abs(exact(b)))
    error = LAMBDA * np.sqrt(a.shape[2]) * U32 * sizes
    assert worst(c, wanted, error) <= 1
    assert worst(batched_gemm_nt(a, b.transpose(1, 2)), wanted, error) <= 1
    assert worst(batched_gemm_nt(a, b.transpose(1, 2).contiguous()), wanted, error) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("heads", "groups"), [(1, 1), (6, 2), (4, 4), (6, 1)])
def test_agrees_with_the_reference(heads, groups, dtype):
    check(draw((heads, 5, 33), dtype, 1), draw((groups, 33, 7), dtype, 2))


def test_batches_at_any_stride():
    a, b = draw((4, 3, 8), torch.float32, 3), draw((2, 8, 5), torch.float32, 4)
    check(a.transpose(0, 1).contiguous().transpose(0, 1), b)
    check(a[:, :, ::2], b[:, ::2])
    check(a[:1].expand(4, 3, 8), b[:1].expand(2, 8, 5))


def test_wrong_arguments_are_named():
    a = torch.ones(6, 2, 5)
    with pytest.raises(ValueError, match="the 6 matrices of a cannot share the 4 of b equally"):
        batched_gemm(a, torch.ones(4, 5, 3))
    with pytest.raises(ValueError, match="b: K is 3, but a has K = 5"):
        batched_gemm(a, torch.ones(2, 3, 5))
    with pytest.raises(TypeError, match="one dtype"):
        batched_gemm_nt(a, torch.ones(2, 3, 5).bfloat16())
