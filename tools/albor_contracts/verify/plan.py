"""Which tests a run consists of: obligations by bindings by dtypes, decided without importing a kernel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..binding_file import Binding, load_binding
from ..checked import CheckedContract
from ..emit.files import module_path, module_text
from ..emit.write import write_generated
from ..errors import Position, problem
from ..library import Library
from ..suggest import did_you_mean


@dataclass(frozen=True)
class Planned:
    """One test: an obligation or falsification test of a contract, on one binding, dtype and device."""

    contract: str
    obligation: str
    binding: str
    dtype: str
    device: str
    module: Path

    @property
    def id(self) -> str:
        return "|".join((self.contract, self.obligation, self.binding, self.dtype, self.device, str(self.module)))

    @staticmethod
    def parse(text: str) -> Planned:
        contract, obligation, binding, dtype, device, module = text.split("|", 5)
        return Planned(contract, obligation, binding, dtype, device, Path(module))


@dataclass(frozen=True)
class Declined:
    """What a binding does not offer: an equation, or one obligation whose convention it documents otherwise."""

    contract: str
    equation: str
    binding: str
    reason: str
    obligation: str = ""


def named(identifier: str, match: Sequence[str]) -> bool:
    """Whether an id contains one of these words, large letters or small, or there are none."""
    return not match or any(word.lower() in identifier.lower() for word in match)


def plan(
    library: Library,
    contracts: Mapping[str, CheckedContract],
    bindings: Sequence[str],
    *,
    device: str = "cpu",
    dtypes: Iterable[str] | None = None,
    match: Sequence[str] = (),
    offers: Mapping[str, Mapping[str, object]] | None = None,
) -> tuple[list[Planned], list[Declined]]:
    """All tests of a run, in the order of contracts, and what bindings decline. Of each contract definitions come
    first: their failures say more than those of other laws, and they are the ones that are told in full.

    `offers` holds what was found out about bindings that are single callables: {"equations": [...], "dtypes": [...]}
    for each binding and contract.
    """
    modules = current_modules(library, contracts)
    tests: list[Planned] = []
    declined: list[Declined] = []
    wanted = None if dtypes is None else set(dtypes)
    for name, contract in contracts.items():
        entries = _entries(contract)
        for binding in bindings:
            served = _served(library.root, binding, name, device, offers, wanted)
            for equation, reason in served.declined.items():
                declined.append(Declined(name, equation, binding, reason))
            for identifier, equation, called in entries:
                if not named(identifier, match):
                    continue
                # A law about several kernels is judged, as far as it can be, on those that are there.
                there = next((e for e in (equation, *called) if e in served.dtypes), None)
                if there is None or equation in served.declined:
                    continue
                if device not in served.devices:
                    continue
                if identifier in served.deviates:
                    declined.append(Declined(name, equation, binding, served.deviates[identifier], identifier))
                    continue
                for dtype in served.dtypes[there]:
                    if wanted is None or dtype in wanted:
                        tests.append(Planned(name, identifier, binding, dtype, device, modules[name]))
    return tests, declined


def _entries(contract: CheckedContract) -> list[tuple[str, str, tuple[str, ...]]]:
    """Obligations and predictions: id, equation, and the other equations whose kernels are called."""
    ordered = sorted(contract.obligations, key=lambda o: str(o.model.type) != "definition")
    rules = {o.id: o.equation.name for o in ordered}
    laws = [(o.id, o.equation.name, o.law) for o in ordered]
    laws += [(str(t.id), rules[str(t.rule)], law) for t, law in contract.tests]
    return [(identifier, own, tuple(sorted(law.calls - {own}))) for identifier, own, law in laws]


@dataclass(frozen=True)
class _Served:
    dtypes: Mapping[str, tuple[str, ...]]
    declined: Mapping[str, str]
    devices: tuple[str, ...]
    deviates: Mapping[str, str] = field(default_factory=dict)  # obligation -> the convention that differs


def _served(
    root: Path,
    binding: str,
    contract: str,
    device: str,
    offers: Mapping[str, Mapping[str, object]] | None,
    wanted: set[str] | None,
) -> _Served:
    if offers is not None and binding in offers:
        found = offers[binding].get(contract)
        if not isinstance(found, dict):
            return _Served({}, {}, ())
        dtypes_of = found["dtypes"] if wanted is None else found["on request"]
        return _Served({str(e): tuple(dtypes_of) for e in found["equations"]}, {}, tuple(found["devices"]))
    data = binding_data(root, binding)
    dtypes: dict[str, tuple[str, ...]] = {}
    declined: dict[str, str] = {}
    deviates: dict[str, str] = {}
    for equation, target in data.kernels.get(contract, {}).items():
        if target.declines is not None:
            declined[str(equation)] = str(target.declines)
        else:
            dtypes[str(equation)] = data.dtypes_of(target)
            deviates |= {str(k): str(v) for k, v in target.deviations(device).items()}
    return _Served(dtypes, declined, tuple(map(str, data.devices)), deviates)


def binding_data(root: Path, name: str) -> Binding:
    """The binding file of this name."""
    path = Path(name) if name.endswith((".yaml", ".yml")) else root / "bindings" / f"{name}.yaml"
    if not path.is_file():
        known = [p.stem for p in (root / "bindings").glob("*.yaml")]
        raise problem(
            "E503",
            f"there is no binding {name!r}",
            Position(str(path)),
            did_you_mean(name, known, "a file under bindings/, a path to one, or package.module:function"),
        )
    return load_binding(path)


def current_modules(library: Library, contracts: Iterable[str]) -> dict[str, Path]:
    """The test module of each contract: the committed one when it is current, else one compiled into .albor/."""
    found: dict[str, Path] = {}
    stale: dict[Path, str] = {}
    scratch = library.root / ".albor" / "generated"
    for name in contracts:
        relative, text = module_path(name), module_text(library, name)
        committed = library.root / "generated" / relative
        if committed.is_file() and committed.read_text(encoding="utf-8") == text:
            found[name] = committed
        else:
            stale[relative] = text
            found[name] = scratch / relative
    if stale:
        write_generated(stale, scratch, prune=False)
    return found
