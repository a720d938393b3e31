"""Recipes: how the elements of an array are made from a seed, each aimed at a class of wrong kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from .domains import LARGEST, FloatRegion, IntegerRegion

Rows = tuple[int, int]  # every array is made as a matrix; rows are independent
# Beyond this a float16 has no values; recipes other than spikes and powers stay within it.
_ORDINARY = 32768.0
SMALL = 16


class Frame:
    """An interval as recipes see it: where its centre is, how far typical values lie from it."""

    def __init__(self, low: float, high: float) -> None:
        reach = 64.0 if low <= -LARGEST and high >= LARGEST else _ORDINARY
        if low <= reach and high >= -reach:
            low, high = max(low, -reach), min(high, reach)
        self.low, self.high = low, high
        self.zero = low < 0 < high
        self.centre = 0.0 if self.zero else low / 2 + high / 2
        self.half = max(self.centre - low, high - self.centre)
        self.sd = min(1.0, self.half / 3) if self.zero else self.half / 2.5
        self.base = min(max(0.0, low), high)  # the point nearest to zero


frame = lru_cache(maxsize=1024)(Frame)


def _ties(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Few distinct simple values. First, because it is what a failing case shrinks to."""
    if f.zero and f.half >= 2:
        low, high = math.ceil(max(f.low, -3)), math.floor(min(f.high, 4))
        return rng.integers(low, high + 1, rows).astype(np.float64)
    return f.low + (f.high - f.low) * rng.integers(0, 9, rows) / 8


def _normal(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    return f.centre + f.sd * rng.standard_normal(rows)


def _wide(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    return f.centre + f.half / 2.5 * rng.standard_normal(rows)


def _uniform(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    return f.low + (f.high - f.low) * rng.random(rows)


def _heavy(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Student-like tails: a few elements dominate."""
    return f.centre + f.sd / 2 * rng.standard_normal(rows) / (rng.random(rows) + 1e-3)


def _constant_rows(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    return np.broadcast_to(_wide(rng, (rows[0], 1), f), rows)


def _one_hot(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    x = np.full(rows, f.base)
    hot = f.high if f.high > f.base else f.low
    x[np.arange(rows[0]), rng.integers(0, max(rows[1], 1), rows[0])] = hot
    return x


def _alternating(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Neighbours of opposite sign and nearly equal size: sums with a large condition number."""
    sign = 1.0 - 2.0 * (np.arange(rows[1]) % 2)
    size = f.half * (0.2 + 0.6 * rng.random((rows[0], 1)))
    return f.centre + size * sign + 0.01 * f.sd * rng.standard_normal(rows)


def _cancelling(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """The second half of a row mirrors the first about the centre, so that deviations sum to zero."""
    x = np.clip(_wide(rng, rows, f), f.low, f.high)
    k = rows[1] // 2
    x[:, rows[1] - k :] = 2 * f.centre - x[:, :k][:, ::-1]
    return x


def _last_column(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """The mass in the last column: what a block that ends too early misses."""
    x = f.centre + 0.1 * f.sd * rng.standard_normal(rows)
    x[:, -1:] = f.centre + (f.high - f.centre) * (0.6 + 0.4 * rng.random((rows[0], 1)))
    return x


def _shifted(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Everything near -30: a padding lane holding 0 would win every maximum."""
    if f.low <= -32 and f.high >= -28:
        return -30 + f.sd * rng.standard_normal(rows)
    return f.low + f.sd / 2 * np.abs(rng.standard_normal(rows))


def _tiny(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Rows whose mean square is about an epsilon; for domains without zero, rows close to their smallest end."""
    scale = min(1.0, f.half) * 10.0 ** -(1 + 4 * rng.random((rows[0], 1)))
    z = scale * rng.standard_normal(rows)
    if f.zero:
        return z
    return f.base + np.abs(z) * (1.0 if f.high > f.base else -1.0)


def _powers(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Powers of two: arithmetic on them is exact, so that any difference is a fault of the formula."""
    far, near = max(abs(f.low), abs(f.high)), min(abs(f.low), abs(f.high))
    least = -14 if f.low <= 0 <= f.high or near < 2.0**-14 else math.ceil(math.log2(near))
    most = math.floor(math.log2(far)) if far > 0 else least - 1
    if most < least:
        return _uniform(rng, rows, f)
    x = np.exp2(rng.integers(least, most + 1, rows).astype(np.float64))
    if f.zero:
        return np.where(rng.random(rows) < 0.5, -x, x)
    return -x if f.high <= 0 else x


def _zeros(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Zeros of both signs mixed in; without zero in the domain, its ends."""
    where = rng.random(rows)
    x = _normal(rng, rows, f)
    first, second = (0.0, -0.0) if f.low <= 0 <= f.high else (f.low, f.high)
    return np.where(where < 0.2, first, np.where(where < 0.35, second, x))


def _row_scales(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Each row on a scale of its own: an error that only shows relative to a small row shows."""
    scale = f.half * 10.0 ** -(4 * rng.random((rows[0], 1)))
    return f.centre + scale / 2.5 * rng.standard_normal(rows)


def _sorted(rng: np.random.Generator, rows: Rows, f: Frame) -> np.ndarray:
    """Rising or falling rows: a running maximum changes at every block, or never."""
    x = np.sort(_wide(rng, rows, f), axis=-1)
    return x if rng.random() < 0.5 else x[:, ::-1]


FloatRecipe = Callable[[np.random.Generator, Rows, Frame], np.ndarray]
FLOAT_RECIPES: dict[str, FloatRecipe] = {
    "ties": _ties,
    "normal": _normal,
    "uniform": _uniform,
    "wide": _wide,
    "heavy tails": _heavy,
    "row scales": _row_scales,
    "zeros mixed in": _zeros,
    "cancelling": _cancelling,
    "alternating": _alternating,
    "last column": _last_column,
    "shifted": _shifted,
    "tiny rows": _tiny,
    "powers of two": _powers,
    "sorted": _sorted,
    "one-hot rows": _one_hot,
    "constant rows": _constant_rows,
}

_SPECIALS_IN_ROWS = 0.15


def float_array(rng: np.random.Generator, shape: tuple[int, ...], recipe: str, region: FloatRegion) -> np.ndarray:
    """An array of this shape in the region. The single values of a set appear in a third of the arrays."""
    if 0 in shape:
        return np.zeros(shape)
    rows = as_rows(shape)
    make = FLOAT_RECIPES[recipe]
    if not region.intervals:
        return np.array(region.values)[rng.integers(0, len(region.values), rows)].reshape(shape)
    low, high = region.intervals[0]
    x = _between(make(rng, rows, frame(low, high)), low, high)
    for k, (low, high) in enumerate(region.intervals[1:], 2):
        other = _between(make(rng, rows, frame(low, high)), low, high)
        x = np.where(rng.random(rows) * k < 1, other, x)
    if region.values and rng.random() < 0.4:
        picked = np.array(region.values)[rng.integers(0, len(region.values), rows)]
        x = np.where(rng.random(rows) < _SPECIALS_IN_ROWS, picked, x)
    return unmasked(x if rows == shape else x.reshape(shape), region)  # a view would be copied later


def _between(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """`np.clip`, at a fraction of its cost for small arrays."""
    return np.minimum(np.maximum(x, low), high)


def unmasked(x: np.ndarray, region: FloatRegion) -> np.ndarray:
    """An array of ones says nothing about a factor; replace it by one that does, where the domain has one."""
    if x.size == 0 or x.item(0) != 1.0 or not (x == 1.0).all():
        return x
    for low, high in region.intervals:
        f = frame(low, high)
        for value in (0.75, 1.5, f.low + 0.3 * (f.high - f.low), f.low, f.high):
            if low <= value <= high and value != 1.0:
                return np.full(x.shape, value)
    return x


_SPIKES = (0.0, -0.0, 65504.0, -65504.0, 88.8, -104.0, 2.0**-24, -(2.0**-24), 1e-40, -1e-40, 2.0**-149, 3.4e38, -3.4e38)
_PALETTE = (0.0, 1.0, -1.0, 2.0, 0.5, -2.0, 3.0, -0.5, 0.3, 1.7, -0.7, 1 / 3, 10.0, -10.0, 0.1, 5.0, 7.0, 100.0)


@lru_cache(maxsize=1024)
def spike_values(region: FloatRegion) -> tuple[float, ...]:
    """Values that break kernels, as far as the region has them, and the ends of its intervals."""
    ends = [e for pair in region.intervals for e in pair if abs(e) < LARGEST]
    inside = [v for v in _SPIKES if any(low <= v <= high for low, high in region.intervals)]
    return tuple(_unique([*inside, *ends, *region.values]))


@lru_cache(maxsize=1024)
def palette(region: FloatRegion) -> tuple[float, ...]:
    """Values for arrays drawn element by element, the simplest first."""
    nice = [v for v in _PALETTE if any(low <= v <= high for low, high in region.intervals)]
    for low, high in region.intervals:
        f = frame(low, high)
        nice += [f.low + (f.high - f.low) * part for part in (0.3, 0.5, 0.8, 0.1)]
    return tuple(_unique([*nice, *spike_values(region)]))


def _unique(values: list[float]) -> list[float]:
    """Without repetitions, -0.0 and 0.0 apart."""
    return list({(v, math.copysign(1.0, v)): v for v in values}.values())


REAL_PARTS = (0.3, 1 / 3, 0.7, 0.9, 0.1)
REAL_CHOICES = 64
REAL_SPECIAL = 8  # of these for single values beside an interval: a contract that names one means it to be tried


def real_value(code: int, region: FloatRegion) -> float:
    """A scalar: awkward numbers first, then the ends and the special values, then evenly through the interval; the
    last choices are the special values again."""
    if region.values and code >= REAL_CHOICES - REAL_SPECIAL:
        return region.values[code % len(region.values)]
    fixed = _real_fixed(region)
    if code < len(fixed) or not region.intervals:
        return fixed[code % len(fixed)]
    low, high = region.intervals[code % len(region.intervals)]
    f = frame(low, high)
    part = (code - len(fixed) + 0.5) * 0.6180339887498949 % 1.0
    if f.low > 0 and f.high / f.low > 1e3 and code % 2:  # several orders of magnitude: each matters
        return min(max(f.low * (f.high / f.low) ** part, low), high)
    return min(max(f.low + (f.high - f.low) * part, low), high)


@lru_cache(maxsize=1024)
def _real_fixed(region: FloatRegion) -> tuple[float, ...]:
    awkward: list[float] = []
    for low, high in region.intervals:
        f = frame(low, high)
        awkward += [v for v in (0.3, 1 / 3, 1.7, 3.1) if low <= v <= high]
        awkward += [min(max(f.low + (f.high - f.low) * part, low), high) for part in REAL_PARTS]
    ends = [e for pair in region.intervals for e in pair if abs(e) < LARGEST]
    return tuple(_unique([*awkward, *ends, *region.values]))


INTEGER_RECIPES = (
    "uniform", "duplicates", "ends", "all equal", "sorted", "steps", "some special", "all special",
)  # fmt: skip
_WIDEST = 2**62


def integer_array(rng: np.random.Generator, shape: tuple[int, ...], recipe: str, region: IntegerRegion) -> np.ndarray:
    """An int64 array of this shape in the region."""
    rows = as_rows(shape)
    values = np.array(region.values, dtype=np.int64)
    if not region.intervals:
        return values[rng.integers(0, len(values), rows)].reshape(shape)
    if recipe == "all special" and len(values):
        return np.full(shape, values[int(rng.integers(0, len(values)))])
    count = min(region.count, _WIDEST)
    match recipe:
        case "duplicates":
            pool = rng.integers(0, count, 1 + int(rng.integers(1, 4)))
            index = pool[rng.integers(0, len(pool), rows)]
        case "ends":
            index = np.where(rng.random(rows) < 0.5, 0, count - 1)
        case "all equal":
            index = np.full(rows, rng.integers(0, count))
        case "sorted":
            index = np.sort(rng.integers(0, count, rows), axis=-1)
        case "steps":
            start = int(rng.integers(0, min(count, 1000)))
            index = (start + np.arange(rows[0] * rows[1]).reshape(rows)) % count
        case _:
            index = rng.integers(0, count, rows)
    x = region.at(index)
    if len(values) and (recipe == "some special" or rng.random() < 0.3):
        picked = values[rng.integers(0, len(values), rows)]
        x = np.where(rng.random(rows) < 0.3, picked, x)
    return x.reshape(shape)


def integer_spikes(region: IntegerRegion) -> tuple[int, ...]:
    ends = [e for pair in region.intervals for e in pair]
    return tuple(dict.fromkeys([*ends, *region.values]))


BYTE_RECIPES = ("random bytes", "edge bytes", "random bytes", "all equal", "low nibbles", "ends")
_EDGE_BYTES = np.array([0, 1, 15, 16, 63, 64, 127, 128, 192, 240, 254, 255], dtype=np.int64)


def byte_array(rng: np.random.Generator, shape: tuple[int, ...], recipe: str) -> np.ndarray:
    """Bytes without a declared meaning: mostly uniformly random."""
    match recipe:
        case "edge bytes":
            return _EDGE_BYTES[rng.integers(0, len(_EDGE_BYTES), shape)]
        case "all equal":
            return np.full(shape, rng.integers(0, 256))
        case "low nibbles":
            return rng.integers(0, 16, shape)
        case "ends":
            return rng.integers(0, 2, shape) * 255
    return rng.integers(0, 256, shape)


BOOLEAN_RECIPES = ("random", "few true", "few false", "alternating", "all true", "all false")


def boolean_array(rng: np.random.Generator, shape: tuple[int, ...], recipe: str) -> np.ndarray:
    match recipe:
        case "all true":
            return np.ones(shape, dtype=bool)
        case "all false":
            return np.zeros(shape, dtype=bool)
        case "alternating":
            return (np.arange(math.prod(shape)) % 2 == int(rng.integers(0, 2))).reshape(shape)
    share = {"random": 0.5, "few true": 0.1, "few false": 0.9}[recipe]
    return rng.random(shape) < share


PERMUTATION_RECIPES = ("random", "swap", "random", "rotation", "random", "reversed", "identity")


def permutation_array(rng: np.random.Generator, shape: tuple[int, ...], recipe: str) -> np.ndarray:
    """Permutations of 0..n-1 along the last axis, each row its own. The identity, which shows nothing, is rare."""
    n = shape[-1]
    rows = as_rows(shape)
    x = np.broadcast_to(np.arange(n), rows).copy()
    match recipe:
        case "random":
            x = rng.permuted(x, axis=-1)
        case "swap" if n > 1:
            i = int(rng.integers(0, n - 1))
            x[:, [i, n - 1]] = x[:, [n - 1, i]]
        case "rotation" if n > 1:
            x = np.roll(x, int(rng.integers(1, n)), axis=-1)
        case "reversed":
            x = x[:, ::-1]
    return x.reshape(shape)


def as_rows(shape: tuple[int, ...]) -> Rows:
    """The shape as (rows, columns); a single value is one row of one column."""
    return (math.prod(shape[:-1]), shape[-1]) if shape else (1, 1)
