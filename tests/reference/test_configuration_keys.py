"""Configurations of the reference: distances by their recursive definition, and every key by hand."""

from __future__ import annotations

from functools import cache

import pytest
from albor_reference.schedule.configuration_keys import (
    DEFAULTS,
    ConfigurationError,
    dead_keys,
    edit_distance,
    model_size,
    nearest_key,
    plan_run,
    read_configuration,
)
from hypothesis import given, settings
from hypothesis import strategies as st


@cache
def by_definition(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(
        by_definition(a[1:], b) + 1, by_definition(a, b[1:]) + 1, by_definition(a[1:], b[1:]) + (a[0] != b[0])
    )  # fmt: skip


@given(st.text("ab_é", max_size=6), st.text("ab_é", max_size=6))
@settings(deadline=None, max_examples=150)
def test_distance_is_its_definition(a: str, b: str) -> None:
    assert edit_distance(a, b) == by_definition(a, b)


def test_saves_and_evaluations_are_counted() -> None:
    for steps in range(1, 30):
        for every in range(1, 12):
            plan = plan_run(f"steps: {steps}\nsave_every: {every}\neval_every: {every}").splitlines()
            saves = [s for s in range(1, steps + 1) if s % every == 0 or s == steps]
            evaluations = [s for s in range(1, steps + 1) if s % every == 0]
            assert plan[3] == f"saves: {len(saves)} of which the first at {saves[0]}"
            assert plan[4].split()[1] == str(len(evaluations))


def test_defaults_are_written_out() -> None:
    assert read_configuration("") == (
        "batch: 4\naccumulation: 1\nsequence: 1024\nsteps: 1000\nwarmup: 0\npeak: 0.0003\n"
        "save_every: 500\neval_every: 100\n"
    )
    assert read_configuration("steps: 12345678\npeak: 1e-4").splitlines()[3::2] == [
        "steps: 12345678",
        "peak: 0.0001",
        "eval_every: 100",
    ]


def test_every_key_is_alive() -> None:
    for key in DEFAULTS:
        assert plan_run(f"{key}: 2") != plan_run(f"{key}: 3")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("batch 4", "line 1: expected `key: value`"),
        ("steps: 3\n\n# x\nbacth: 4", "line 4: unknown key 'bacth', did you mean batch?"),
        ("zzz: 4", "line 1: unknown key 'zzz'$"),
        ("steps: 3\nsteps: 3", "line 2: steps is given twice"),
        ("batch: ٣", "batch: expected a whole number of at least 1"),
        ("peak: 0", "peak: expected a positive number"),
        ("peak: nan", "peak: expected a positive number"),
        ("warmup: -1", "warmup: expected a whole number of at least 0"),
    ],
)
def test_refusals(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why.replace("?", r"\?")):
        plan_run(text)


def test_hints_and_dead_keys() -> None:
    assert nearest_key("save_evry", "batch save_every") == "save_every"
    assert nearest_key("ab", "xy xb ax") == "xb"
    assert nearest_key("ab", "xyz") == ""
    assert dead_keys("a b a c", "c b x") == "a a"


def test_an_architecture_under_either_name() -> None:
    ours = "vocabulary: 32768\nhidden: 512\nlayers: 12\nheads: 8\nkv_heads: 2\ninner: 2048\ntied: true"
    theirs = (
        "intermediate_size: 2048\nvocab_size: 32768\nhidden_size: 512\nnum_hidden_layers: 12\n"
        "num_attention_heads: 8\nnum_key_value_heads: 2\ntie_word_embeddings: true"
    )
    assert model_size(ours) == model_size(theirs) == 62_403_072
    assert model_size(ours.replace("true", "false")) == 62_403_072 + 32_768 * 512
    for wrong in (
        "",
        ours.replace("tied: true", ""),
        ours.replace("true", "yes"),
        ours.replace(": 8", ": 7"),
        ours.replace("kv_heads: 2", "kv_heads: 3"),
        ours.replace("layers: 12", "layers: 0"),
        ours + "\nhidden_size: 512",
        ours + "\nrope_theta: 10000",
    ):
        with pytest.raises(ConfigurationError):
            model_size(wrong)
