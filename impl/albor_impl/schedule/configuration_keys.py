"""A configuration whose keys are all read: `Settings` notes which ones a program asked for, and names the others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

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
    values: dict[str, float] = {}
    for number, line in enumerate(text.split("\n"), 1):
        body = line.strip()
        if body and body[0] != "#":
            key, colon, value = body.partition(":")
            key = key.strip()
            if not colon:
                raise ConfigurationError(f"line {number}: expected `key: value`, got {body!r}")
            name = _name(OTHER_NAMES.get(key, key), key, number)
            if name in values:
                raise ConfigurationError(f"line {number}: {name} is given twice (here as {key!r}); keep one")
            values[name] = _number(name, value.strip(), number)
    return Settings({key: values.get(key, default) for key, (default, _) in KEYS.items()} | values)


def _name(key: str, written: str, number: int) -> str:
    if key not in KEYS:
        hint = nearest_key(written, " ".join([*KEYS, *OTHER_NAMES]))
        meant = f"did you mean {hint}?" if hint else f"there are {', '.join(KEYS)}"
        raise ConfigurationError(f"line {number}: unknown key {written!r}, {meant}")
    return key


def _number(key: str, text: str, number: int) -> float:
    _, least = KEYS[key]
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
