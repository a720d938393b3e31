import numpy as np
import pytest
from albor_reference.core.batched_gemm import batched_gemm, batched_gemm_nt


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_is_an_einsum_over_repeated_operands(groups):
    rng = np.random.default_rng(43)
    a, b = rng.normal(size=(6, 2, 5)), rng.normal(size=(groups, 5, 3))
    wanted = np.einsum("hmk,hkn->hmn", a, np.repeat(b, 6 // groups, axis=0))
    np.testing.assert_allclose(batched_gemm(a, b), wanted, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(batched_gemm_nt(a, b.swapaxes(1, 2)), wanted, rtol=1e-13, atol=1e-13)


def test_rejects():
    with pytest.raises(ValueError, match="cannot share the 4"):
        batched_gemm(np.ones((6, 2, 5)), np.ones((4, 5, 3)))
    with pytest.raises(ValueError, match=r"expected a\[H, M, K\]"):
        batched_gemm(np.ones((6, 2, 5)), np.ones((2, 3, 5)))
    with pytest.raises(ValueError, match="expected batches"):
        batched_gemm_nt(np.ones((2, 5)), np.ones((1, 3, 5)))
