import pytest
import torch
from albor_impl.core.select import select, select_backward
from core_bounds import FLOATS, draw, layouts

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_copies_what_is_selected(dtype):
    pred = torch.tensor([[True, False, True], [False, False, True]])
    a, b = draw((2, 3), dtype, 1), draw((2, 3), dtype, 2)
    y = select(pred, a, b)
    assert y.dtype == dtype and torch.equal(y[pred], a[pred]) and torch.equal(y[~pred], b[~pred])
    da, db = select_backward(y, pred)
    assert torch.equal(da + db, y) and not da[~pred].any() and not db[pred].any()


def test_what_is_not_selected_does_not_matter():
    pred = torch.tensor([[True, False]])
    assert select(pred, torch.tensor([[1.0, NAN]]), torch.tensor([[INF, 2.0]])).tolist() == [[1.0, 2.0]]
    da, db = select_backward(torch.tensor([[INF, NAN]]), pred)
    assert da[0, 1] == 0 and db[0, 0] == 0 and da[0, 0] == INF and db[0, 1].isnan()


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts(layout):
    a, b = layouts(draw((6, 7), torch.float32, 3))[layout], draw((6, 7), torch.float32, 4)
    pred = layouts(draw((6, 7), torch.float32, 5))[layout] > 0
    assert torch.equal(select(pred, a, b), torch.where(pred, a, b))


def test_arguments_in_another_order_are_refused():
    pred, a, b = torch.tensor([[True, False]]), torch.ones(1, 2), torch.zeros(1, 2)
    with pytest.raises(TypeError, match=r"pred: expected torch\.bool as the first argument, got torch\.float32"):
        select(a, b, pred)
    with pytest.raises(TypeError, match="pred: expected"):
        select_backward(a, b)
    with pytest.raises(TypeError, match=r"pred: expected .* got list"):
        select([[True, False]], a, b)
    with pytest.raises(TypeError, match="g: expected one of"):
        select_backward(a.long(), pred)
    with pytest.raises(ValueError, match="b: N is 1, but a has N = 2"):
        select(pred, a, b[:, :1])
    with pytest.raises(ValueError, match="a: N is 2, but pred has N = 1"):
        select(pred[:, :1], a, b)
    with pytest.raises(TypeError, match="one dtype"):
        select(pred, a, b.bfloat16())
