"""Batch arithmetic against counting, decimal arithmetic and planted noise."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from albor_reference.schedule.batch_algebra import (
    CountError,
    accumulation_for,
    check_scale,
    common_steps,
    format_count,
    noise_scale,
    parse_count,
    small_model_rate,
    step_law,
    step_tokens,
    steps_needed,
    tokens_wanted,
)


def test_tokens_of_a_known_run() -> None:
    assert step_tokens(4, 128, 1, 1_024) == 524_288
    assert accumulation_for(524_288, 4 * 1_024) == 128
    assert [accumulation_for(target, 10) for target in (1, 10, 11)] == [1, 1, 2]


def test_common_steps_by_running_the_loaders() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        shards = rng.integers(0, 60, rng.integers(1, 5))
        left, steps = shards.copy(), 0
        while (left >= 3 * 2).all():
            left -= 3 * 2
            steps += 1
        assert common_steps(shards, 3, 2) == steps


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0), ("4096", 4096), ("64k", 65_536), ("32K", 32_768), ("1M", 2**20), ("1G", 2**30), ("1b", 10**9),
        ("2.5B", 2_500_000_000), ("1.5K", 1_536), ("1e6", 10**6), ("3.2e4", 32_000), ("1_000_000", 10**6),
        ("1.5e-1K", None), ("5e-1K", 512), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None),
        ("007", 7), ("1T", 10**12), ("0.0000B", 0),
    ],
)  # fmt: skip
def test_texts(text: str, count: int | None) -> None:
    if count is None:
        with pytest.raises(CountError, match="expected a count"):
            parse_count(text)
    else:
        assert parse_count(text) == count


def test_texts_against_decimal_arithmetic() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        number = f"{rng.integers(0, 10**6)}.{rng.integers(0, 10**4):04}"
        expected = Decimal(number) * 10**9
        assert parse_count(number + "B") == expected
        kilo = Decimal(number) * 1024
        if kilo != int(kilo):
            with pytest.raises(CountError, match="not a whole number"):
                parse_count(number + "K")


def test_shortest_texts() -> None:
    counts = (0, 7, 512, 1_000, 1_024, 1_536, 65_536, 2**20, 10**9, 2**30, 2_500_000_000, 2**63 - 1)
    texts = ["0", "7", "512", "1000", "1K", "1536", "64K", "1M", "1B", "1G", "2.5B", "9223372036854775807"]
    assert [format_count(count) for count in counts] == texts
    for bad in (-1, 2**63):
        with pytest.raises(ValueError, match="count must lie"):
            format_count(bad)


def test_noise_scale_of_simulated_gradients() -> None:
    rng = np.random.default_rng(2)
    mean, spread = rng.normal(size=200) * 0.1, 0.5
    truth = 200 * spread**2 / (mean @ mean)

    def square(batch: int) -> float:
        gradients = mean + spread / np.sqrt(batch) * rng.normal(size=(4_000, 200))
        return float((gradients**2).sum(1).mean())

    assert noise_scale(4, 256, square(4), square(256)) == pytest.approx(truth, rel=0.02)


def test_hyperbola_and_laws() -> None:
    assert steps_needed(1_000, 64, 64) == 2_000
    assert steps_needed(1_000, 64, 1) == 65_000
    rate, batch = step_law(350e6, 7e9)
    assert rate == pytest.approx(1.5254e-3, rel=1e-4)
    assert batch == pytest.approx(242_649, rel=1e-5)
    assert small_model_rate(350e6) == pytest.approx(4.1113e-3, rel=1e-4)


def test_refusals() -> None:
    calls = [
        lambda: step_tokens(1, 0, 1, 1),
        lambda: accumulation_for(0, 1),
        lambda: common_steps(np.array([], dtype=np.int64), 1, 1),
        lambda: common_steps(np.array([3, -1]), 1, 1),
        lambda: noise_scale(2, 2, 1, 1),
        lambda: noise_scale(1, 2, 1, 2),
        lambda: noise_scale(1, 2, 9, 1),
        lambda: steps_needed(0, 1, 1),
        lambda: step_law(1, 0),
        lambda: small_model_rate(0),
    ]
    for call in calls:
        with pytest.raises(ValueError):
            call()


def test_rules_for_the_size_of_a_run() -> None:
    assert tokens_wanted(398_509_056) == (3_985_090_560, 7_970_181_120)
    assert check_scale(398_509_056, 131_072, 38_349, 384) is None
    assert check_scale(99_999_999, 1, 999_999_990, 10_000_000) is None
    refused = {
        (398_509_056, 131_072, 38_349, 383): "warmup >= 384",
        (398_509_056, 131_072, 30_403, 400): "steps >= 30404",
        (100_000_000, 65_535, 20_000, 200): "batch >= 65536",
        (1, 65_536, 999, 10): "steps >= 1000",
        (1, 65_536, 1_000, -1): "warmup must be at least 0",
        (0, 65_536, 1_000, 10): "parameters must be at least 1",
    }
    for arguments, why in refused.items():
        with pytest.raises(ValueError, match=why):
            check_scale(*arguments)
