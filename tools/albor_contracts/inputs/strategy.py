"""The Hypothesis strategy of cases.

A case takes few draws: the dimensions, the scalars, one seed, one recipe an array, up to three spikes an array, one
layout. What shrinks is what people read: sizes, scalars, spikes, recipes, and the elements of small arrays.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from hypothesis import reject
from hypothesis.strategies import SearchStrategy, just

from ..errors import problem
from ..lang.types import DimRange, Domain, Type, parse_dim, parse_domain, parse_type
from .case import FLOAT_KINDS, RESERVED, Case, frozen
from .choices import Choices
from .domains import Bounds, Empty, FloatRegion, IntegerRegion
from .expressions import condition, known
from .layouts import applicable
from .profiles import SALT
from .rounding import round_to
from .shapes import ELEMENTS, WORK, Shapes
from .texts import draw_bytes, draw_text
from .values import (
    BOOLEAN_RECIPES,
    BYTE_RECIPES,
    FLOAT_RECIPES,
    INTEGER_RECIPES,
    PERMUTATION_RECIPES,
    REAL_CHOICES,
    SMALL,
    boolean_array,
    byte_array,
    float_array,
    integer_array,
    integer_spikes,
    palette,
    permutation_array,
    real_value,
    spike_values,
    unmasked,
)

_SEEDS = 2**24
_SPIKES = (0, 0, 0, 0, 1, 1, 2, 3)  # how many spikes an array gets; the later, the more complicated
# Where a spike lies is drawn from a range of its own, and small and large arrays share one table of recipes: so a drawn
# number means the same when an array gets smaller, and failures shrink.
_PLACES = 2**16
_ELEMENTS = "element by element"
_FLOAT_NAMES = (*FLOAT_RECIPES, *[_ELEMENTS] * 4)
_INTEGER_NAMES = (*INTEGER_RECIPES, *[_ELEMENTS] * 3)
_ATTEMPTS = 8  # so often is drawn what a condition refuses, before the case counts as thrown away
_NARROW = ("f32", "bf16", "f16")


def cases(
    dims: Mapping[str, str] | None = None,
    assume: Iterable[str] = (),
    *,
    such_that: Callable[[Case], Any] | Iterable[Callable[[Case], Any]] = (),
    work: str | Mapping[str, int] | None = None,
    elements: int = ELEMENTS,
    layouts: bool = True,
    inputs: Mapping[str, str | SearchStrategy[Any]] | None = None,
    **specs: str | SearchStrategy[Any],
) -> SearchStrategy[Case]:
    """A strategy of cases for these dimensions and inputs.

    dims      ranges: "1..4097", "8", "1, 2, 4", or derived: "G * K"
    assume    conditions over dimensions and scalar inputs: "2 * R <= N", "keep <= N and N % 2 == 0"
    such_that conditions over a whole `Case`, as callables; cases that fail them are thrown away
    work      products of dimensions with a limit, {"B * H * S * S * D": 2**20}, or one product with that limit
    elements  bound of the number of elements of all arrays together
    layouts   draw memory layouts other than contiguous
    inputs    name -> "type domain"; also as keywords. Types: float accum f64 f32 f16 bf16 i64 i32 i8 u8 bool and
              permutation with dimensions; real int bool text bytes without. A strategy stands for a record.

    An input without a domain is drawn from [-64, 64], integers from [-100, 100], bytes from 0..255.
    Raises `ContractError` for texts that cannot be read, unknown names and circular bounds.
    """
    table = {**(inputs or {}), **specs}
    filters = (such_that,) if callable(such_that) else tuple(such_that)
    limits = {work: WORK} if isinstance(work, str) else dict(work or {})
    return Cases(
        dict(dims or {}), table, assume=tuple(assume), filters=filters, work=limits, elements=elements, layouts=layouts
    )


@dataclass(frozen=True)
class Input:
    """One declared input. `kind` is the dtype word, or "permutation", "given" for a strategy."""

    name: str
    kind: str
    shape: tuple[str | int, ...] | None
    bounds: Bounds
    given: SearchStrategy[Any] | None = None

    @property
    def is_array(self) -> bool:
        return self.shape is not None


def _one_of(name: str, taken: DimRange) -> str:
    each = [f"{name} == {size}" for size in taken.choices]
    return " or ".join(each) if each else f"{taken.low} <= {name} <= {taken.high}"


def read_input(name: str, text: str | SearchStrategy[Any]) -> Input:
    """`x`, "float[R, N] in [-50, 50]" -> Input."""
    if name in RESERVED or name.startswith("_"):
        raise problem("E404", f"an input cannot be called {name!r}", hint=f"taken: {', '.join(sorted(RESERVED))}")
    if isinstance(text, SearchStrategy):
        return Input(name, "given", None, Bounds(Domain()), text)
    if text.strip().startswith("permutation"):
        declared, rest = parse_type("i64" + text.strip().removeprefix("permutation"))
        if not declared.shape or rest:
            raise problem("E401", f"{text!r} is not a permutation", hint="permutation[N]")
        return Input(name, "permutation", declared.shape, Bounds(Domain()))
    return _read_text(name, text)


@lru_cache(maxsize=1024)
def _read_text(name: str, text: str) -> Input:
    declared, rest = parse_type(text)
    if declared.dtype == "record":
        raise problem("E401", f"the record {name!r} needs a strategy", hint=f"pass {name}=strategies.builds(...)")
    bounds = Bounds(parse_domain(rest))
    _check_kind(name, declared, bounds)
    return Input(name, declared.dtype, declared.shape, bounds)


def _check_kind(name: str, declared: Type, bounds: Bounds) -> None:
    text = declared.dtype in ("text", "bytes")
    if text and not bounds.free:
        raise problem("E402", f"{name}: a {declared.dtype} has a length, not a domain", hint="length 0..64")
    if bounds.length and not text:
        raise problem("E402", f"{name}: only texts and bytes have a length", hint="in [low, high]")
    if declared.dtype == "bool" and not bounds.free:
        raise problem("E402", f"{name}: a bool has no domain", hint="leave the domain away")


class Cases(SearchStrategy[Case]):
    """What `cases` returns."""

    def __init__(
        self,
        dims: dict[str, str],
        inputs: Mapping[str, str | SearchStrategy[Any]],
        *,
        assume: tuple[str, ...],
        filters: tuple[Callable[[Case], Any], ...],
        work: dict[str, int],
        elements: int,
        layouts: bool,
    ) -> None:
        super().__init__()
        self._written = dims, dict(inputs), assume, filters, work, elements, layouts
        self._text = ", ".join([f"dims={dims}", *(f"{n}={t!r}" for n, t in inputs.items())])
        self.declared = [read_input(name, text) for name, text in inputs.items()]
        self.kinds = {i.name: i.kind for i in self.declared}
        if clash := sorted({i.name for i in self.declared} & dims.keys() | dims.keys() & RESERVED):
            raise problem("E404", f"a dimension cannot be called {clash[0]!r}", hint="the name is taken")
        on_dims, self.on_scalars = self._split(assume, dims)
        arrays = [i for i in self.declared if i.shape is not None]
        self.shapes = Shapes(dims, [i.shape or () for i in arrays], on_dims, work, elements)
        self.scalars = _in_order([i for i in self.declared if not i.is_array], set(dims))
        values = set(dims) | {i.name for i in self.scalars if i.kind in ("real", "int", "bool")}
        for array in arrays:
            for expression in array.bounds.expressions:
                known(expression, values, f"domain of {array.name}")
        self.arrays = arrays
        self.filters = filters
        # Contiguous half of the time, then one array in one other layout, then all arrays in drawn ones.
        single = [(i.name, layout) for i in arrays for layout in applicable(len(i.shape or ()))[1:]]
        self.layout_plans = single if layouts else []
        self.plain = len(self.layout_plans)
        self.mixed = len(self.layout_plans) // 2

    def __repr__(self) -> str:
        return f"cases({self._text})"

    def again(self, case: Case) -> Cases:
        """Cases of the same sizes, scalars and texts as this one: only their arrays are drawn anew."""
        dims, inputs, assume, filters, _, elements, layouts = self._written
        fixed: dict[str, str | SearchStrategy[Any]] = {}
        for declared in self.declared:
            value = case.values[declared.name]
            if declared.is_array:
                fixed[declared.name] = inputs[declared.name]
            elif declared.kind in ("real", "int"):
                fixed[declared.name] = f"{declared.kind} in {{{value!r}}}"  # other domains may mention it
            else:
                fixed[declared.name] = just(value)
        sizes = {d: str(case.dims[d]) for d in dims}
        return Cases(sizes, fixed, assume=assume, filters=filters, work={}, elements=elements, layouts=layouts)

    def within(self, sizes: Mapping[str, DimRange]) -> Cases | None:
        """Those of these cases whose dimensions have one of the `sizes`. Where a range or a list has none of them the
        sizes stand in its place: it was chosen for what cases cost. None where a law is about one size, and another."""
        dims, inputs, assume, filters, work, elements, layouts = self._written
        chosen, more = dict(dims), list(assume)
        for name, sizes_of in sizes.items():
            written = parse_dim(str(dims[name])) if name in dims else None
            if isinstance(written, str):
                more.append(_one_of(name, sizes_of))
            elif written is not None:
                left = written.common(sizes_of) or (None if len(written.choices) == 1 else sizes_of)
                if left is None:
                    return None
                chosen[name] = str(left)
        if chosen == dims and len(more) == len(assume):
            return self
        return Cases(chosen, inputs, assume=tuple(more), filters=filters, work=work, elements=elements, layouts=layouts)

    def _split(self, assume: tuple[str, ...], dims: Mapping[str, str]) -> tuple[list[str], list[Any]]:
        scalars = {i.name for i in self.declared if i.kind in ("real", "int", "bool") and not i.is_array}
        on_dims: list[str] = []
        on_scalars = []
        for text in assume:
            parsed = known(condition(text), set(dims) | scalars, "assume")
            if parsed.names & scalars:
                on_scalars.append(parsed)
            else:
                on_dims.append(text)
        return on_dims, on_scalars

    def do_draw(self, data: Any) -> Case:
        choices = Choices(data)
        try:
            if not self.filters:
                return self._draw(choices)
            for _ in range(_ATTEMPTS):
                with choices.attempt() as attempt:
                    case = self._draw(choices)
                    attempt.failed = not all(keep(case) for keep in self.filters)
                if not attempt.failed:
                    return case
        except Empty:
            pass
        reject()

    def _draw(self, choices: Choices) -> Case:
        dims = self.shapes.draw(choices)
        seed = choices.below(_SEEDS) ^ SALT.get()
        drawing = Drawing(choices, seed)
        for _ in range(_ATTEMPTS):
            drawing.env = dict(dims)
            for number, scalar in enumerate(self.scalars):
                drawing.env[scalar.name] = drawing.scalar(scalar, number)
            if all(c(drawing.env) for c in self.on_scalars):
                break
        else:
            raise Empty
        arrays = {array.name: drawing.array(array, k) for k, array in enumerate(self.arrays, len(self.scalars))}
        layouts = self._draw_layouts(choices, seed, arrays)
        for name, x in arrays.items():
            drawing.env[name] = frozen(x)
        return Case(
            dims,
            {i.name: drawing.env[i.name] for i in self.declared},
            layouts,
            drawing.recipes,
            self.kinds,
            "f64",
            seed,
            drawing.regions,
        )

    def _draw_layouts(self, choices: Choices, seed: int, values: dict[str, np.ndarray]) -> dict[str, str]:
        layouts = dict.fromkeys(values, "contiguous")
        code = choices.below(self.plain + len(self.layout_plans) + self.mixed) - self.plain
        if code < 0:
            return layouts
        if code >= len(self.layout_plans):
            rng = _STREAMS.start(seed, len(self.scalars) + len(self.arrays))
            for array in self.arrays:
                names = applicable(len(array.shape or ()))
                layouts[array.name] = names[int(rng.integers(0, len(names)))]
        else:
            name, layout = self.layout_plans[code]
            layouts[name] = layout
        for array in self.arrays:
            if layouts[array.name] == "expanded":
                x = values[array.name]
                axes = [k for k, n in enumerate(x.shape[:-1]) if n > 1]
                if array.kind == "permutation" or not axes:
                    layouts[array.name] = "contiguous"
                else:  # a stride of 0 can only hold equal values
                    first = np.take(x, [0], axis=axes[0])
                    values[array.name] = np.broadcast_to(first, x.shape)
        return layouts


class Streams(threading.local):
    """One independent random stream for each input, so that changing one input leaves the others as they are.

    Philox is addressed by a key, here (seed, number of the input); setting the key is cheaper than a new generator,
    and cheaper from tuples of Python's integers than from the arrays that `state` gives.
    """

    def __init__(self) -> None:
        self.bits = np.random.Philox(key=0)
        self.rng = np.random.Generator(self.bits)
        state: Any = self.bits.state
        self.key: dict[str, Any] = {"counter": (0, 0, 0, 0), "key": (0, 0)}
        self.state: Any = {**state, "state": self.key, "buffer": (0, 0, 0, 0)}

    def start(self, seed: int, number: int) -> np.random.Generator:
        """The generator, at the beginning of this stream."""
        self.key["key"] = seed, number
        self.bits.state = self.state
        return self.rng


_STREAMS = Streams()


class Drawing:
    """What is known of a case while its inputs are drawn one after the other."""

    env: dict[str, Any]

    def __init__(self, choices: Choices, seed: int) -> None:
        self.choices = choices
        self.seed = seed
        self.recipes: dict[str, str] = {}
        self.regions: dict[str, FloatRegion] = {}

    def scalar(self, declared: Input, number: int) -> Any:
        choices, bounds = self.choices, declared.bounds
        match declared.kind:
            case "given":
                return choices.draw(declared.given)
            case "real":
                return real_value(choices.below(REAL_CHOICES), bounds.floats(self.env))
            case "int":
                return _draw_int(bounds.integers(self.env, "int"), choices)
            case "bool":
                return bool(choices.below(2))
        draw = draw_text if declared.kind == "text" else draw_bytes
        value, self.recipes[declared.name] = draw(
            choices, _STREAMS.start(self.seed, number), *(bounds.length or (0, 64))
        )
        return value

    def array(self, declared: Input, number: int) -> np.ndarray:
        shape = tuple([self.env[s] if isinstance(s, str) else s for s in declared.shape or ()])
        x, self.recipes[declared.name] = self._array(declared, shape, number)
        return x

    def _array(self, declared: Input, shape: tuple[int, ...], number: int) -> tuple[np.ndarray, str]:
        kind, bounds, choices = declared.kind, declared.bounds, self.choices
        if kind in FLOAT_KINDS:
            region = self.regions[declared.name] = bounds.floats(self.env)
            x, recipe = self._floats(shape, region, number)
            if kind in _NARROW:
                x = region.inside(round_to(x, kind, overflow=region.infinite), kind, x)
            return x, recipe
        rng = _STREAMS.start(self.seed, number)
        if kind == "bool":
            recipe = BOOLEAN_RECIPES[choices.below(len(BOOLEAN_RECIPES))]
            return boolean_array(rng, shape, recipe), recipe
        if kind == "permutation":
            recipe = PERMUTATION_RECIPES[choices.below(len(PERMUTATION_RECIPES))]
            return permutation_array(rng, shape, recipe), recipe
        if kind == "u8" and bounds.free:
            recipe = BYTE_RECIPES[choices.below(len(BYTE_RECIPES))]
            return byte_array(rng, shape, recipe).astype(np.uint8), recipe
        x, recipe = _draw_integers(shape, bounds.integers(self.env, kind), choices, rng)
        return (x.astype(np.uint8) if kind == "u8" else x), recipe

    def _floats(self, shape: tuple[int, ...], region: FloatRegion, number: int) -> tuple[np.ndarray, str]:
        choices, size = self.choices, math.prod(shape)
        code = choices.below(len(_SPIKES) * len(_FLOAT_NAMES))
        recipe = _FLOAT_NAMES[code % len(_FLOAT_NAMES)]
        if recipe == _ELEMENTS:
            if size <= SMALL:
                values = palette(region)
                picked = [values[choices.below(len(values))] for _ in range(size)]
                return unmasked(np.array(picked, dtype=np.float64).reshape(shape), region), recipe
            recipe = "normal"
        x = float_array(_STREAMS.start(self.seed, number), shape, recipe, region)
        count = _SPIKES[code // len(_FLOAT_NAMES)]
        if count and size and (spikes := spike_values(region)):
            x = np.array(x)
            flat = x.reshape(-1)
            for _ in range(count):
                spike = choices.below(_PLACES * len(spikes))
                flat[spike // len(spikes) % size] = spikes[spike % len(spikes)]
            recipe = f"{recipe}, {count} spike{'s' * (count > 1)}"
            x = unmasked(x, region)
        return x, recipe


def _draw_int(region: IntegerRegion, choices: Choices) -> int:
    """Every integer of a short range equally likely; a fifth of the time an end or a single value. Single values beside
    a range have a share of their own."""
    count = region.count
    extremes = integer_spikes(region)
    if count <= 4:
        pool = [v for low, high in region.intervals for v in range(low, high + 1)] + list(region.values)
        return pool[choices.below(len(pool))]
    even = min(count, _SEEDS)
    edges = max(even // 4, len(extremes))
    code = choices.below(even + edges * (1 + bool(region.values)))
    if code >= even + edges:
        return region.values[code % len(region.values)]
    if code >= even:
        return extremes[(code - even) % len(extremes)]
    # A range too long to count through is walked evenly; its small numbers have a chance of their own.
    index = code if count <= _SEEDS or code % 4 == 0 else code * (count - 1) // (even - 1)
    for low, high in region.intervals:
        if index <= high - low:
            return low + index
        index -= high - low + 1
    return extremes[-1]


def _draw_integers(
    shape: tuple[int, ...], region: IntegerRegion, choices: Choices, rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    size = math.prod(shape)
    recipe = _INTEGER_NAMES[choices.below(len(_INTEGER_NAMES))]
    if recipe == _ELEMENTS and size <= SMALL:
        picked = [_draw_int(region, choices) for _ in range(size)]
        return np.array(picked, dtype=np.int64).reshape(shape), recipe
    recipe = "uniform" if recipe == _ELEMENTS else recipe
    return integer_array(rng, shape, recipe, region), recipe


def _in_order(scalars: list[Input], dims: set[str]) -> list[Input]:
    """Scalars after those that their bounds mention."""
    numbers = {s.name for s in scalars if s.kind in ("real", "int", "bool")}
    for scalar in scalars:
        for expression in scalar.bounds.expressions:
            known(expression, dims | numbers, f"domain of {scalar.name}")
    result: list[Input] = []
    have, waiting = set(dims), list(scalars)
    while waiting:
        ready = [s for s in waiting if s.bounds.names <= have]
        if not ready:
            raise problem("E404", f"the domains of {', '.join(s.name for s in waiting)} depend on each other")
        result += ready
        have |= {s.name for s in ready}
        waiting = [s for s in waiting if s not in ready]
    return result
