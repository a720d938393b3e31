import numpy as np
import pytest
from albor_reference.core.select import select, select_backward


def test_truth_table_and_what_is_not_selected():
    pred = np.array([True, False, True, False])
    np.testing.assert_array_equal(select(pred, [1, 2, 3, np.nan], [np.inf, 20, np.nan, 40]), [1, 20, 3, 40])
    da, db = select_backward([1.0, 2.0, 3.0, 4.0], pred)
    np.testing.assert_array_equal(da, [1, 0, 3, 0])
    np.testing.assert_array_equal(db, [0, 2, 0, 4])


def test_rejects():
    with pytest.raises(TypeError, match="pred: expected truth values as the first argument"):
        select([1.0, 0.0], [1.0, 2.0], [True, False])
    with pytest.raises(ValueError, match="expected the shape of pred"):
        select([True, False], [1.0, 2.0], [1.0])
