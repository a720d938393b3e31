import numpy as np
import pytest
from albor_reference.core.transpose import batched_transpose


def test_is_that_of_numpy_in_memory_of_its_own():
    x = np.random.default_rng(41).normal(size=(2, 3, 5))
    y = batched_transpose(x)
    np.testing.assert_array_equal(y, np.swapaxes(x, 1, 2))
    assert y.flags.c_contiguous and not np.shares_memory(x, y)


def test_rejects():
    with pytest.raises(ValueError, match="x: expected shape"):
        batched_transpose(np.ones((2, 3)))
