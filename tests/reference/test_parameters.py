"""Parameter counts of the reference against a model built from PyTorch's modules."""

from __future__ import annotations

import pytest
import torch
from albor_reference.accounting.parameters import (
    cache_bytes,
    kept_elements,
    layer_parameters,
    model_parameters,
    tensors,
    training_bytes,
)
from torch import nn


def layer(hidden: int, kv_width: int, inner: int) -> nn.ModuleList:
    sizes = [(hidden, hidden), (hidden, kv_width), (hidden, kv_width), (hidden, hidden)]
    sizes += [(hidden, inner), (hidden, inner), (inner, hidden)]
    return nn.ModuleList([*(nn.Linear(a, b, bias=False) for a, b in sizes), nn.RMSNorm(hidden), nn.RMSNorm(hidden)])


@pytest.mark.parametrize("tied", [True, False])
def test_counts_are_those_of_modules(tied: bool) -> None:
    embedding, norm = nn.Embedding(50, 12), nn.RMSNorm(12)
    head = nn.Linear(12, 50, bias=False)
    if tied:
        head.weight = embedding.weight
    model = nn.ModuleList([embedding, norm, head, *(layer(12, 6, 20) for _ in range(3))])
    assert model_parameters(50, 12, 3, 6, 20, tied) == sum(p.numel() for p in model.parameters())
    assert tensors(3, tied) == len(list(model.parameters()))
    assert layer_parameters(12, 6, 20) == sum(p.numel() for p in model[3].parameters())
    optimizer = torch.optim.AdamW(model.parameters())
    sum(p.sum() for p in model.parameters()).backward()
    optimizer.step()
    moments = sum(s[k].nbytes for s in optimizer.state.values() for k in ("exp_avg", "exp_avg_sq"))
    parameters = model_parameters(50, 12, 3, 6, 20, tied)
    assert training_bytes(parameters, 2) == (4 * parameters, 4 * parameters, moments, 2 * parameters)


def test_known_models() -> None:
    assert model_parameters(32_768, 1_024, 24, 256, 4_096, True) == 398_509_056
    assert model_parameters(32_768, 512, 12, 128, 2_048, True) == 62_403_072
    assert 4 * 24 * layer_parameters(1_024, 256, 4_096) == 1_459_814_400


def test_kept_and_cached() -> None:
    assert kept_elements(1_024, 1_024, 256, 4_096, 16, 24, 32_768, False) == 1_024 * 1_024 * (24 * 69 // 2 + 2 + 32)
    assert kept_elements(8, 4, 2, 6, 2, 1, 10, True) == 8 * (24 + 4 + 18 + 2 + 8 + 10)
    assert cache_bytes(3, 5, 7, 2, 2) == 2 * 2 * 3 * 5 * 7 * 2


def test_refusals() -> None:
    calls = [
        lambda: layer_parameters(4, 5, 1),
        lambda: model_parameters(0, 4, 1, 2, 3, True),
        lambda: model_parameters(1, 4, -1, 2, 3, True),
        lambda: tensors(-1, True),
        lambda: training_bytes(0, 2),
        lambda: training_bytes(1, 3),
        lambda: kept_elements(0, 4, 2, 6, 2, 1, 10, True),
        lambda: cache_bytes(1, 1, 1, 0, 2),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()
