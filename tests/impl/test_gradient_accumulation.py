import numpy as np
import pytest
import torch
from albor_impl.optim.gradient_accumulation import GradientAccumulator, accumulate, micro_step
from albor_reference.optim import gradient_accumulation as reference
from core_bounds import FLOATS, U32, draw, exact, layouts, worst


def error(g, n):
    """A product and a sum for each micro-batch, one after the other, and a quotient."""
    return (len(n) + 3) * U32 * (n @ np.abs(g)) / max(n.sum(), 1)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("batches", "size"), [(1, 1), (3, 129), (8, 17)])
def test_agrees_with_the_reference(batches, size, dtype):
    g, n = draw((batches, size), dtype, 1), torch.arange(batches) * 37 % 11
    got = accumulate(g, n)
    assert got.dtype == torch.float32
    assert worst(got, reference.accumulate(exact(g), n.numpy()), error(exact(g), n.numpy())) <= 1


@pytest.mark.parametrize("layout", ["transposed", "sliced", "strided", "expanded"])
def test_layouts(layout):
    g, n = layouts(draw((4, 37), torch.float32, 2))[layout], torch.tensor([9, 1, 2, 9, 5, 9, 1, 9])[::2]
    before = g.clone()
    assert worst(accumulate(g, n), reference.accumulate(exact(g), n.numpy()), error(exact(g), n.numpy())) <= 1
    assert torch.equal(g, before)


def test_a_cycle_of_micro_steps_and_the_accumulator_give_the_mean():
    g, counts = draw((3, 5), torch.bfloat16, 3), [7, 0, 2]
    wanted, bound = (f(exact(g), np.array(counts)) for f in (reference.accumulate, error))
    buffer, tokens, seen = torch.zeros(5), 0, 0
    accumulator = GradientAccumulator([torch.zeros(2), torch.zeros(3, 1)], 3)
    for k, (row, n) in enumerate(zip(g, counts, strict=True)):
        before = buffer.clone()
        after, mean, tokens, seen, ready = micro_step(buffer, tokens, seen, row, n, 3)
        assert torch.equal(buffer, before) and ready == (k == 2) and (ready or not mean.any())
        assert accumulator.add([row[:2], row[2:].view(3, 1)], n) == ready
        buffer = after
    assert mean.dtype == torch.float32 and worst(mean, wanted, bound) <= 1
    assert not buffer.any() and tokens == seen == 0
    views = accumulator.finish()
    assert [tuple(v.shape) for v in views] == [(2,), (3, 1)]
    assert worst(torch.cat([v.flatten() for v in views]), wanted, bound) <= 1


def test_the_accumulator_begins_each_cycle_anew():
    """Of one bfloat16 parameter, so that a buffer in its dtype, or one for each, would show."""
    accumulator = GradientAccumulator([torch.zeros(5, dtype=torch.bfloat16)], 2)
    assert accumulator.buffer.dtype == torch.float32
    for k, counts in enumerate(([3, 5], [1, 0], [0, 0], [2, 7])):
        g = draw((2, 5), torch.bfloat16, 20 + k)
        assert [accumulator.add([row], n) for row, n in zip(g, counts, strict=True)] == [False, True]
        (view,) = accumulator.finish()
        wanted, bound = (f(exact(g), np.array(counts)) for f in (reference.accumulate, error))
        assert worst(view, wanted, bound) <= 1
        with pytest.raises(RuntimeError, match="0 of 2 micro-batches were added"):
            accumulator.finish()


def test_what_the_accumulator_refuses():
    for cycle in (0, -1):
        with pytest.raises(ValueError, match=f"cycle: expected at least one micro-batch for each step, got {cycle}"):
            GradientAccumulator([torch.zeros(2)], cycle)
    accumulator = GradientAccumulator([torch.zeros(2), torch.zeros(3)], 1)
    for gradients in ([torch.ones(2)], [torch.ones(2), torch.ones(3), torch.ones(1)]):
        with pytest.raises(ValueError):
            accumulator.add(gradients, 1)
    assert accumulator.add([torch.ones(2), torch.ones(3)], 1)


def test_nothing_counts():
    assert not accumulate(torch.ones(2, 3), torch.tensor([0, 0])).any()
    assert accumulate(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)).tolist() == [0, 0, 0]
    assert accumulate(torch.zeros(2, 0), torch.tensor([1, 1])).shape == (0,)
    _, mean, *_ = micro_step(torch.zeros(2), 0, 0, torch.ones(2), 0, 1)
    assert not mean.any()


def test_sums_are_made_in_float32():
    """256 + 1 is 256 in bfloat16: 200 micro-batches would stop adding up."""
    g = torch.ones(200, 1, dtype=torch.bfloat16)
    assert accumulate(256 * g, torch.ones(200, dtype=torch.int64)) == 256
    g[0] = 256
    assert accumulate(g, torch.ones(200, dtype=torch.int64)) == np.float32(455 / 200)


def test_a_gradient_that_is_not_finite_is_not_hidden():
    got = accumulate(torch.tensor([[float("nan"), 1.0], [1.0, float("inf")]]), torch.tensor([1, 1]))
    assert torch.isnan(got[0]) and got[1] == float("inf")


def test_what_is_refused():
    for g, n in ((torch.ones(2), torch.ones(2)), (torch.ones(2, 3), torch.ones(3)), (torch.ones(2, 3), torch.ones(()))):
        with pytest.raises(ValueError, match=r"expected g\[N, P\] and n\[N\]"):
            accumulate(g, n)
    with pytest.raises(ValueError, match="n: a number of tokens"):
        accumulate(torch.ones(2, 3), torch.tensor([1, -1]))
    for seen, cycle, name in ((0, 0, "cycle"), (-1, 2, "seen"), (2, 2, "seen")):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            micro_step(torch.zeros(1), 0, seen, torch.ones(1), 1, cycle)
