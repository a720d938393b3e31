"""Configurations that ship against the reference, any text; and settings that know what was not read."""

from __future__ import annotations

import pytest
from albor_impl.schedule import configuration_keys as impl
from albor_reference.schedule import configuration_keys as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

key = st.sampled_from([*impl.KEYS, *impl.OTHER_NAMES, "bacth", "lr"])
value = st.one_of(
    st.integers(-1, 30).map(str),
    st.sampled_from(["0.001", "1e-3", "1.", ".5", "1_0", "nan", "inf", "٣", "", "2e", "x"]),
)
line = st.one_of(st.builds("{}: {}".format, key, value), st.sampled_from(["", "  ", "# steps: 3", "steps", ": 3"]))


def outcome(module, function: str, text: str) -> str:
    try:
        return getattr(module, function)(text)
    except module.ConfigurationError:
        return "refused"


@example("warmup: 7")  # 0.0003 / 7 and 0.0003 * (1 / 7) are two numbers
@given(st.lists(line, max_size=4).map("\n".join))
@settings(deadline=None, max_examples=300)
def test_any_configuration_means_what_it_means_to_the_reference(text: str) -> None:
    for function in ("read_configuration", "plan_run"):
        assert outcome(impl, function, text) == outcome(reference, function, text)


known = st.sampled_from([*impl.ARCHITECTURE, *impl.THEIR_NAMES])
entry = st.builds("{}: {}".format, known, st.sampled_from(["1", "2", "3", "6", "0", "true"]))
WHOLE = {"vocabulary": "9", "hidden": "12", "layers": "2", "heads": "6", "kv_heads": "3", "inner": "5", "tied": "false"}


@given(st.lists(entry, max_size=2), st.dictionaries(st.sampled_from(list(WHOLE)), st.sampled_from(["2", "4", "true"])))
@settings(deadline=None, max_examples=300)
def test_any_architecture_is_the_model_of_the_reference(more: list[str], changed: dict[str, str]) -> None:
    others = {other.partition(":")[0] for other in more}
    others |= {impl.THEIR_NAMES.get(name, name) for name in others}
    text = "\n".join([f"{k}: {v}" for k, v in (WHOLE | changed).items() if k not in others] + more)
    assert outcome(impl, "model_size", text) == outcome(reference, "model_size", text)


def test_an_architecture_says_what_is_wrong() -> None:
    whole = "\n".join(f"{key}: {value}" for key, value in WHOLE.items())
    assert impl.model_size(whole) == 2 * 9 * 12 + 2 * (2 * 12 * 12 + 2 * 12 * 6 + 3 * 12 * 5 + 2 * 12) + 12
    for text, why in {
        "hidden: 4": "missing vocabulary, layers, heads, kv_heads, inner, tied",
        whole.replace("false", "0"): "line 7: tied: expected true or false, got '0'",
        whole.replace("heads: 6", "heads: 5"): "got 12, 5 and 3",
        whole + "\nvocab_size: 9": "line 8: vocabulary is given twice \\(here as 'vocab_size'\\)",
    }.items():
        with pytest.raises(impl.ConfigurationError, match=why):
            impl.model_size(text)


@given(st.text("ab_", max_size=7), st.text("ab_ ", max_size=12))
@settings(deadline=None, max_examples=150)
def test_names_are_those_of_the_reference(a: str, b: str) -> None:
    assert impl.edit_distance(a, b) == reference.edit_distance(a, b)
    assert impl.nearest_key(a, b) == reference.nearest_key(a, b)
    assert impl.dead_keys(b, a) == reference.dead_keys(b, a)


def test_settings_know_what_was_not_read() -> None:
    found = impl.parse("steps: 3")
    assert found.unread() == list(impl.KEYS)
    assert found["steps"] == 3
    assert len(found) == len(impl.KEYS) and "steps" not in found.unread()
    assert dict(found)["batch"] == 4 and found.unread() == []


def test_a_dead_key_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(impl.KEYS, "dropout", (1, 0))
    with pytest.raises(impl.ConfigurationError, match="nothing reads the keys dropout"):
        impl.plan_run("dropout: 3")


def test_messages_name_line_and_remedy() -> None:
    with pytest.raises(impl.ConfigurationError, match="line 2: unknown key 'save_evry', did you mean save_every\\?"):
        impl.plan_run("batch: 4\nsave_evry: 3")
    with pytest.raises(impl.ConfigurationError, match="there are batch, accumulation"):
        impl.plan_run("zzzzzz: 3")
