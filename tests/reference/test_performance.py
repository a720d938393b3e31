"""Operations of the reference against PyTorch's own counter, and the figures that were published."""

from __future__ import annotations

import pytest
import torch
from albor_reference.accounting.performance import (
    attainable,
    attention_flops,
    explained,
    gemm_flops,
    gemm_intensity,
    loss_on_host_bytes,
    step_launches,
    training_flops,
    utilization,
)
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
