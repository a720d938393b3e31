"""Reading a configuration so that no key of it is lost: strict names, explicit defaults, and what they make a run do.

A configuration is lines `key: value`; blank lines and those that begin with # do not count.

Texts in, texts or whole numbers out. `edit_distance`, `nearest_key` and `dead_keys` refuse nothing.
Sources: Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals" (1966), for the distance;
the keys and what they do are the definitions in contracts/schedule/configuration-keys-v1.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from ..accounting.parameters import model_parameters

DEFAULTS = {
    "batch": 4,
    "accumulation": 1,
    "sequence": 1024,
    "steps": 1000,
    "warmup": 0,
    "peak": 0.0003,
    "save_every": 500,
    "eval_every": 100,
}
ALIASES = {"save_interval": "save_every", "checkpoint.save_every": "save_every"}
# Keys of an architecture, and what they are called in configurations of Hugging Face.
ARCHITECTURE = {
    "vocabulary": "vocab_size",
    "hidden": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "inner": "intermediate_size",
    "tied": "tie_word_embeddings",
}
_RATE = re.compile(r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?")


class ConfigurationError(ValueError):
    """A configuration that would not do what it says."""


def _given(text: str, known: Iterable[str], aliases: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """By the name of each key that is given: how it was written, and its value."""
    given: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.strip().startswith("#"):
            continue
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon:
            raise ConfigurationError(f"line {number}: expected `key: value`, got {line.strip()!r}")
        name = aliases.get(key, key)
        if name not in known:
            hint = nearest_key(key, " ".join([*known, *aliases]))
            raise ConfigurationError(
                f"line {number}: unknown key {key!r}" + (f", did you mean {hint}?" if hint else "")
            )
        if name in given:
            raise ConfigurationError(f"line {number}: {name} is given twice")
        given[name] = (key, value)
    return given


def _values(text: str) -> dict[str, float]:
    """Values of all keys; those that are not given have their default."""
    values: dict[str, float] = dict(DEFAULTS)
    for name, (key, value) in _given(text, DEFAULTS, ALIASES).items():
        values[ALIASES.get(key, key)] = _value(name, value)
    return values


def _value(key: str, text: str) -> float:
    if key == "peak":
        if not _RATE.fullmatch(text) or not 0 < float(text) < np.inf:
            raise ConfigurationError(f"{key}: expected a positive number, got {text!r}")
        return float(text)
    least = 0 if key == "warmup" else 1
    if not re.fullmatch("[0-9]+", text) or int(text) < least:
        raise ConfigurationError(f"{key}: expected a whole number of at least {least}, got {text!r}")
    return int(text)


def read_configuration(text: str) -> str:
    """All keys with their values, defaults included, one `key: value` a line in a fixed order.

    Errors: ConfigurationError (a ValueError) for an unknown key, a key given twice, a line or value of another form.
    """
    lines = []
    for key, value in _values(text).items():
        lines.append(f"{key}: {int(value) if value == int(value) else value!r}\n")
    return "".join(lines)


def plan_run(text: str) -> str:
    """What a run with this configuration does; every key shows in it. Errors: as `read_configuration`.

    Saves and evaluations come every so many steps; the last step is saved as well.
    """
    values = _values(text)
    steps = np.arange(1, values["steps"] + 1)
    saved = steps[(steps % values["save_every"] == 0) | (steps == values["steps"])]
    evaluated = steps[steps % values["eval_every"] == 0]
    rate = values["peak"] / max(values["warmup"], 1)  # one quotient: a product by 1 / warmup is rounded twice
    first = f" of which the first at {evaluated[0]}" if len(evaluated) else ""
    return (
        f"tokens a step: {values['batch'] * values['accumulation'] * values['sequence']}\n"
        f"steps: {values['steps']}\n"
        f"rate at step 1: {rate!r}\n"
        f"saves: {len(saved)} of which the first at {saved[0]}\n"
        f"evaluations: {len(evaluated)}{first}\n"
    )


def model_size(text: str) -> int:
    """Parameters of the model that an architecture describes, its tensors counted; all of its keys must be given.

    Errors: ConfigurationError (a ValueError) for a key that is missing, unknown or given twice, a line or value of
    another form, heads that do not divide the width, key heads that do not divide the heads.
    """
    given = _given(text, ARCHITECTURE, {other: name for name, other in ARCHITECTURE.items()})
    if missing := [name for name in ARCHITECTURE if name not in given]:
        raise ConfigurationError(f"the architecture is incomplete, missing: {', '.join(missing)}")
    values = {name: value for name, (_, value) in given.items()}
    tied = values.pop("tied")
    if tied not in ("true", "false"):
        raise ConfigurationError(f"tied: expected true or false, got {tied!r}")
    size = {name: int(_value(name, value)) for name, value in values.items()}
    if size["hidden"] % size["heads"] or size["heads"] % size["kv_heads"]:
        raise ConfigurationError(
            f"expected heads that divide hidden and kv_heads that divide heads, got {size['hidden']} numbers, "
            f"{size['heads']} heads and {size['kv_heads']} kv_heads"
        )
    keys = size["hidden"] // size["heads"] * size["kv_heads"]
    return model_parameters(size["vocabulary"], size["hidden"], size["layers"], keys, size["inner"], tied == "true")


def edit_distance(a: str, b: str) -> int:
    """Fewest insertions, deletions and replacements of one character that turn a into b (Levenshtein 1966)."""
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0] = np.arange(len(a) + 1)
    table[0, :] = np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            replaced = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, replaced)
    return int(table[-1, -1])


def nearest_key(word: str, known: str) -> str:
    """The first of `known` (separated by blanks) nearest to the word; empty beyond max(1, (len(word) + 1) // 3)."""
    keys = known.split()
    if not keys:
        return ""
    best = min(keys, key=lambda key: edit_distance(word, key))
    return best if edit_distance(word, best) <= max(1, (len(word) + 1) // 3) else ""


def dead_keys(keys: str, used: str) -> str:
    """Those of `keys` that are not among `used`, in their order; both separated by blanks."""
    dead = list(keys.split())
    for key in used.split():
        dead = [other for other in dead if other != key]
    return " ".join(dead)
