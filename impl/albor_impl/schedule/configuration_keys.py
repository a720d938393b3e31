"""A configuration whose keys are all read: `Settings` notes which ones a program asked for, and names the others.

Texts in, texts or whole numbers out. `edit_distance`, `nearest_key` and `dead_keys` refuse nothing.
Sources: Levenshtein, "Binary codes capable of correcting deletions, insertions and reversals" (1966), for the distance;
the keys and what they do are the definitions in contracts/schedule/configuration-keys-v1.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from ..accounting.parameters import model_parameters

# Key: default and least value; a float is a rate, and positive.
KEYS: dict[str, tuple[float, float]] = {
    "batch": (4, 1),
    "accumulation": (1, 1),
    "sequence": (1024, 1),
    "steps": (1000, 1),
    "warmup": (0, 0),
    "peak": (0.0003, 0.0),
    "save_every": (500, 1),
    "eval_every": (100, 1),
}
OTHER_NAMES = {"save_interval": "save_every", "checkpoint.save_every": "save_every"}

# Keys of an architecture, and what Hugging Face calls them.
ARCHITECTURE = ("vocabulary", "hidden", "layers", "heads", "kv_heads", "inner", "tied")
THEIR_NAMES = {
    "vocab_size": "vocabulary",
    "hidden_size": "hidden",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "num_key_value_heads": "kv_heads",
    "intermediate_size": "inner",
    "tie_word_embeddings": "tied",
}


class ConfigurationError(ValueError):
    """A configuration that would not do what it says."""


class Settings(Mapping[str, float]):
    """Values of a configuration. `unread()` names the keys that nothing has asked for yet."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self._values = dict(values)
        self._read: set[str] = set()

    def __getitem__(self, key: str) -> float:
        value = self._values[key]
        self._read.add(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def unread(self) -> list[str]:
        """Keys that were never looked up, in their order."""
        return [key for key in self._values if key not in self._read]


def parse(text: str) -> Settings:
    """Settings of lines `key: value`, defaults for keys that are not given.

    Errors: ConfigurationError (a ValueError) with the line: no colon, an unknown key (with the nearest one), a key
    given twice, also under two names, a value that is no number of the right kind.
    """
    entries = _entries(text, KEYS, OTHER_NAMES)
    values = {name: _number(name, value, number, KEYS[name][1]) for name, value, number in entries}
    return Settings({key: values.get(key, default) for key, (default, _) in KEYS.items()} | values)


def _entries(text: str, known: Collection[str], others: Mapping[str, str]) -> Iterator[tuple[str, str, int]]:
    """Name, value and line of each key that is given."""
    found: set[str] = set()
    for number, line in enumerate(text.split("\n"), 1):
        body = line.strip()
        if body and body[0] != "#":
            key, colon, value = body.partition(":")
            key = key.strip()
            if not colon:
                raise ConfigurationError(f"line {number}: expected `key: value`, got {body!r}")
            name = _name(key, number, known, others)
            if name in found:
                raise ConfigurationError(f"line {number}: {name} is given twice (here as {key!r}); keep one")
            found.add(name)
            yield name, value.strip(), number


def _name(key: str, number: int, known: Collection[str], others: Mapping[str, str]) -> str:
    name = others.get(key, key)
    if name not in known:
        hint = nearest_key(key, " ".join([*known, *others]))
        meant = f"did you mean {hint}?" if hint else f"there are {', '.join(known)}"
        raise ConfigurationError(f"line {number}: unknown key {key!r}, {meant}")
    return name


def _number(key: str, text: str, number: int, least: float) -> float:
    if isinstance(least, float):
        rate = float(text) if text.isascii() and _is_rate(text) else math.nan
        if not 0 < rate < math.inf:
            raise ConfigurationError(f"line {number}: {key}: expected a positive number, got {text!r}")
        return rate
    if not text.isascii() or not text.isdecimal() or int(text) < least:
        raise ConfigurationError(f"line {number}: {key}: expected a whole number of at least {least}, got {text!r}")
    return int(text)


def _is_rate(text: str) -> bool:
    """Digits, perhaps a point with digits after it, perhaps an exponent: 3e-4, 0.0003. Not `.5`, `1.`, `1E5`, `1_0`."""
    mantissa, e, exponent = text.partition("e")
    digits = [*mantissa.split(".", 1), *([exponent[1:] if exponent[:1] in ("+", "-") else exponent] if e else [])]
    return all(part.isdecimal() for part in digits)


def _written(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def read_configuration(text: str) -> str:
    """All keys with their values, defaults included, one `key: value` a line in a fixed order. Errors: as `parse`."""
    return "".join(f"{key}: {_written(value)}\n" for key, value in parse(text).items())


def plan_run(text: str) -> str:
    """What a run with this configuration does, from the settings it looks up.

    Saves and evaluations come every so many steps; the last step is saved as well.
    Errors: as `parse`; ConfigurationError when a key was not looked up on the way (it would be dead).
    """
    settings = parse(text)
    tokens = settings["batch"] * settings["accumulation"] * settings["sequence"]
    steps, every, often = settings["steps"], settings["save_every"], settings["eval_every"]
    peak, warmup = settings["peak"], settings["warmup"]
    evaluations = steps // often
    plan = (
        f"tokens a step: {tokens}\nsteps: {steps}\n"
        f"rate at step 1: {peak / warmup if warmup else peak!r}\n"
        f"saves: {-(-steps // every)} of which the first at {min(every, steps)}\n"
        f"evaluations: {evaluations}{f' of which the first at {often}' if evaluations else ''}\n"
    )
    if dead := settings.unread():
        raise ConfigurationError(f"nothing reads the keys {', '.join(dead)}")
    return plan


def model_size(text: str) -> int:
    """Parameters of the model that an architecture describes: all of ARCHITECTURE, under these names or THEIR_NAMES.

    Errors: as `parse`; ConfigurationError for a key that is missing, and heads or key heads that do not divide.
    """
    entries = {name: (value, number) for name, value, number in _entries(text, ARCHITECTURE, THEIR_NAMES)}
    missing = [name for name in ARCHITECTURE if name not in entries]
    if missing:
        raise ConfigurationError(f"the architecture has no default, and is missing {', '.join(missing)}")
    tied, line = entries.pop("tied")
    if tied not in ("true", "false"):
        raise ConfigurationError(f"line {line}: tied: expected true or false, got {tied!r}")
    sizes = {name: int(_number(name, value, number, 1)) for name, (value, number) in entries.items()}
    hidden, heads, kv_heads = sizes["hidden"], sizes["heads"], sizes["kv_heads"]
    if hidden % heads or heads % kv_heads:
        raise ConfigurationError(
            f"expected hidden as a multiple of heads, and heads of kv_heads, got {hidden}, {heads} and {kv_heads}"
        )
    width = hidden // heads * kv_heads
    return model_parameters(sizes["vocabulary"], hidden, sizes["layers"], width, sizes["inner"], tied == "true")


def edit_distance(a: str, b: str) -> int:
    """Fewest insertions, deletions and replacements of one character that turn a into b; one row at a time."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        corner, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (x != y))
    return row[-1]


def nearest_key(word: str, known: str) -> str:
    """The first of `known` (separated by blanks) nearest to the word; empty beyond max(1, (len(word) + 1) // 3)."""
    best, smallest = "", -1
    for key in known.split():
        distance = edit_distance(word, key)
        if distance <= max(1, (len(word) + 1) // 3) and (smallest < 0 or distance < smallest):
            best, smallest = key, distance
    return best


def dead_keys(keys: str, used: str) -> str:
    """Those of `keys` that are not among `used`, in their order; both separated by blanks."""
    read = frozenset(used.split())
    return " ".join(key for key in keys.split() if key not in read)
