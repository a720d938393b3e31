import numpy as np
import pytest
import torch
from albor_impl._triton import poisoned, record_launches
from albor_impl.core import squared_sum
from albor_reference.core import squared_sum as reference
from core_bounds import FLOATS, LAMBDA, U32, draw, exact, worst


def check(got, tensor):
    wanted = reference.squared_sum(exact(tensor))
    assert got.dtype == torch.float32 and got.shape == ()
    assert worst(got, wanted, LAMBDA * np.sqrt(max(tensor.numel(), 1)) * U32 * wanted) <= 1


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("n", [1, 2, 4095, 4097, 65536, 65537])
def test_agrees_with_the_reference(n, dtype):
    x = draw((n,), dtype, 1)
    check(squared_sum.squared_sum(x), x)


def test_each_tensor_has_its_own_places():
    tensors = [draw(shape, torch.float32, 2) for shape in ((70000,), (0, 3), (5, 7), (131073,), ())]
    runs = []
    for poison in (float("nan"), 1e30):
        with poisoned(poison), record_launches() as log:
            runs.append(squared_sum.sums_of_squares(tensors))
        assert [launch.grid for launch in log] == [(2,), (1,), (3,), (1,)]
    assert torch.equal(*runs)
    for got, tensor in zip(runs[0], tensors, strict=True):
        check(got, tensor)


def test_layouts():
    x = draw((6, 7), torch.float32, 3)
    check(squared_sum.squared_sum(x.T[::2].reshape(-1)), x.T[::2])
    check(squared_sum.squared_sum(x[0].expand(3, 7)[:, 2]), x[0].expand(3, 7)[:, 2])
    check(squared_sum.sums_of_squares([x.T])[0], x)


def test_overflow_and_nan_are_not_hidden():
    assert squared_sum.squared_sum(torch.tensor([3e19, 1.0])) == float("inf")
    assert squared_sum.squared_sum(torch.tensor([1.0, float("nan")])).isnan()


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="at least one"):
        squared_sum.sums_of_squares([])
    with pytest.raises(TypeError, match=r"tensors\[1\]: .* got torch.float64"):
        squared_sum.sums_of_squares([torch.ones(2), torch.ones(2).double()])
    with pytest.raises(ValueError, match=r"x: expected shape \[N\]"):
        squared_sum.squared_sum(torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"y: expected shape \[M\]"):
        squared_sum.squared_sums(torch.ones(2), torch.ones(2, 2), torch.ones(3))
