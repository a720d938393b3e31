"""Operations of the reference against PyTorch's own counter, and the figures that were published."""

from __future__ import annotations

import pytest
import torch
from albor_reference.accounting.performance import (
    attainable,
    attention_flops,
    explained,
    forward_tokens,
    gemm_flops,
    gemm_intensity,
    loss_on_host_bytes,
    speedup,
    step_budget,
    step_launches,
    step_products,
    throughput,
    training_flops,
    utilization,
)
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


def test_products_are_those_that_pytorch_counts() -> None:
    with FlopCounterMode(display=False) as counter:
        torch.ones(3, 5) @ torch.ones(5, 7)
    assert counter.get_total_flops() == gemm_flops(3, 7, 5)


def test_training_is_what_pytorch_counts() -> None:
    layer = torch.nn.Linear(6, 9, bias=False)
    x = torch.ones(11, 6, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        layer(x).sum().backward()
    assert counter.get_total_flops() == training_flops(54, 11)


def test_attention_is_what_pytorch_counts() -> None:
    q, k, v = (torch.ones(2, 3, 8, 5, requires_grad=True) for _ in range(3))  # 2 sequences, 3 heads, 8 tokens, width 5
    with FlopCounterMode(display=False) as counter:
        ((q @ k.transpose(2, 3)).softmax(-1) @ v).sum().backward()
    assert counter.get_total_flops() == attention_flops(2, 8, 15, 1, False)


def test_causal_pairs_are_counted() -> None:
    for sequence in range(1, 9):
        pairs = sum(1 for i in range(sequence) for _ in range(i + 1))
        assert attention_flops(1, sequence, 5, 2, True) == 2 * pairs * 12 * 5


def test_published_figures() -> None:
    assert gemm_intensity(2_048, 1_024, 1_024, 4) == pytest.approx(204.8, rel=1e-15)
    assert attention_flops(4, 1_024, 1_024, 24, False) == 1_236_950_581_248
    assert loss_on_host_bytes(2_048, 1_024, 32_768, 4) == 545_259_520
    assert utilization(398_509_056, 0, 1_485, 82.6e12) == pytest.approx(0.043, abs=5e-4)
    assert explained(864, 1e-5, 8.4) == pytest.approx(1.0286e-3, rel=1e-4)
    assert attainable(10, 1e14, 1e12) == 1e13 and attainable(1_000, 1e14, 1e12) == 1e14
    assert step_launches(24, 12, 5, 4, 10) == 4 * 293 + 10


def test_refusals() -> None:
    calls = [
        lambda: gemm_flops(0, 1, 1),
        lambda: utilization(1, -1, 1, 1),
        lambda: utilization(1, 0, 1, 0),
        lambda: attainable(0, 1, 1),
        lambda: step_launches(1, 1, 1, 0, 1),
        lambda: step_launches(1, -1, 1, 1, 1),
        lambda: explained(-1, 1, 1),
        lambda: explained(1, 0, 1),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()


def test_products_of_a_step_are_those_that_pytorch_runs() -> None:
    """Two layers of seven matrices and attention, and a head; torch counts a batch of products as one call."""
    w = [torch.rand(4, 4, requires_grad=True) for _ in range(15)]
    x = torch.rand(5, 4, requires_grad=True)
    calls = 0

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal calls
            calls += func in (torch.ops.aten.mm.default, torch.ops.aten.bmm.default)
            return func(*args, **(kwargs or {}))

    with Counting():
        h = x
        for layer in (w[:7], w[7:14]):
            q, k, v = (h @ part for part in layer[:3])
            h = ((q @ k.T).softmax(-1) @ v) @ layer[3]
            h = ((h @ layer[4]) * (h @ layer[5])) @ layer[6]
        (h @ w[14]).sum().backward()
    assert calls == step_products(2, True)


def test_tokens_of_an_answer_by_running_one() -> None:
    for prompt, generated in ((3, 1), (3, 5), (1, 4)):
        text, cache, plain = prompt, 0, 0
        with_cache = 0
        for _ in range(generated):
            with_cache += text - cache
            plain += text
            cache, text = text, text + 1
        assert forward_tokens(prompt, generated, True) == with_cache
        assert forward_tokens(prompt, generated, False) == plain


def test_gains_and_budgets() -> None:
    assert speedup(4_096, 3.19, 2_048, 1.0) == pytest.approx(1.595)
    assert throughput(131_072, 0.541) == pytest.approx(242_277, abs=1)
    assert step_budget([60.0, 36.0], [40.0, 19.0], 100.0) == (True, False)
    assert step_budget([60.0, 34.0], [40.0, 17.0], 100.0) == (False, True)
    calls = [
        lambda: throughput(0, 1.0),
        lambda: speedup(1, 1.0, 1, 0.0),
        lambda: step_products(-1, True),
        lambda: step_budget([], [], 1.0),
        lambda: step_budget([1.0], [], 1.0),
        lambda: step_budget([-1.0], [1.0], 1.0),
        lambda: step_budget([1.0], [0.0], 1.0),
        lambda: step_budget([1.0], [1.0], 0.0),
        lambda: forward_tokens(0, 1, True),
        lambda: forward_tokens(1, 0, False),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()
