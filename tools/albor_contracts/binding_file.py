"""Bindings: which callable stands for which equation. `bindings/<name>.yaml` as data; nothing is imported here."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from .arguments import parse_argument
from .errors import ContractError, Diagnostic, Text, problem
from .evidence.canonical import digest
from .lang.types import DimRange, parse_dim
from .load.bind import bind
from .load.nodes import compose
from .load.source import Source, read_source
from .model import CONTRACT_NAME, DTYPES, IDENTIFIER, OBLIGATION_ID, TARGET, Contract, Entry, key
from .outline import Outline, outline_of
from .suggest import did_you_mean

BINDING_NAME = r"[a-z][a-z0-9_-]*"


_TOPIC = r"[A-Za-z_][A-Za-z0-9_-]*"
DEVICES = ("cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class Deviations(Entry):
    """Documented conventions that differ on one device only: obligation or falsification test -> the convention."""

    cpu: dict[str, Text] = key("Where the callable runs on a CPU.", factory=dict, keys=_TOPIC)
    cuda: dict[str, Text] = key("Where it runs on a GPU.", factory=dict, keys=_TOPIC)

    def on(self, device: str) -> dict[str, Text]:
        return {"cpu": self.cpu, "cuda": self.cuda}.get(device, {})


@dataclass(frozen=True, kw_only=True)
class Spills(Entry):
    """Values that do not fit into the registers of a thread, on purpose: a kernel that limits its registers."""

    bytes: int = key("Most bytes of a thread.", over=0)
    because: Text = key("Why, and what was measured.")


@dataclass(frozen=True, kw_only=True)
class Target(Entry):
    """What stands for one equation. In YAML either this mapping, or just the text of `call`."""

    shorthand: ClassVar[str] = "call"

    call: Text | None = key("module:function, called with the equation's inputs.", default=None, pattern=TARGET)
    autograd: Text | None = key(
        "Instead of call: module:function of the forward equation, whose gradients PyTorch's autograd computes. `args` "
        "and `returns` then speak of the forward equation.", default=None, pattern=TARGET,
    )  # fmt: skip
    args: dict[str, Text] = key(
        "callable argument -> expression in the equation's inputs and dims; a position is written in quotes, '0'. "
        "By default the inputs under their own names.",
        factory=dict, keys=rf"{IDENTIFIER}|[0-9]", number=True,
    )  # fmt: skip
    returns: tuple[Text, ...] = key(
        "Which of the equation's outputs the callable returns, in order; _ skips one. By default all.",
        default=(), pattern=IDENTIFIER,
    )  # fmt: skip
    dtypes: tuple[Text, ...] = key(
        "Dtypes this callable supports; those of the binding by default.", default=(), one_of=DTYPES
    )
    sizes: dict[str, Text] = key(
        "dimension of the equation -> the sizes that the callable takes, 16..256 or 64, 128. Others are not tried, and "
        "whoever reads the verdict is told.",
        factory=dict, keys=IDENTIFIER, number=True,
    )  # fmt: skip
    declines: Text | None = key("Why this binding does not offer the equation.", default=None)
    deviates: dict[str, Text] = key(
        "obligation or falsification test -> the documented convention that differs; it is declined, neither passed "
        "nor failed. Under any other key it is a note.",
        factory=dict, keys=_TOPIC,
    )  # fmt: skip
    deviates_on: Deviations | None = key(
        "device -> the same, for obligations that are declined on that device only and judged on the others.",
        default=None,
    )  # fmt: skip

    spills: dict[str, Spills] = key(
        "architecture (sm_100) -> what a thread of its Triton kernels may keep in local memory there; elsewhere "
        "`compile` fails on every byte.",
        factory=dict, keys=r"sm_[0-9]+",
    )  # fmt: skip

    def deviations(self, device: str) -> dict[str, Text]:
        """What differs on this device: everywhere, or there only."""
        return self.deviates | (self.deviates_on.on(device) if self.deviates_on is not None else {})

    def adapted(self, equation: str, equations: Collection[str]) -> list[Any]:
        """What else than the source of the callable decides how it is called: nothing where it takes the inputs as
        they are, returns the outputs as they are, and does not bear the name of another equation."""
        if self.function is None:
            return []
        name = self.function.rpartition(":")[2]
        sizes = [f"{name}: {taken}" for name, taken in sorted(self.ranges().items())]
        if not (self.args or self.returns or self.autograd or sizes) and (name == equation or name not in equations):
            return []
        args = {str(k): str(v) for k, v in self.args.items()}
        way = [equation, str(self.function), bool(self.autograd), args, list(map(str, self.returns))]
        return [*way, sizes] if sizes else way

    def ranges(self) -> dict[str, DimRange]:
        """`sizes`, read. Raises `ContractError` for a text that is no size."""
        return {str(name): _size(text) for name, text in self.sizes.items()}

    @property
    def function(self) -> Text | None:
        """The callable that is named, whether it is called or differentiated; None where the equation is declined."""
        return self.call if self.call is not None else self.autograd


def _size(text: Text) -> DimRange:
    parsed = parse_dim(text)
    if isinstance(parsed, str):
        raise problem("E403", f"{text!r} is no size", text.position, "16..256, or 64, 128")
    return parsed


@dataclass(frozen=True, kw_only=True)
class Binding(Entry):
    """A set of kernels under one name: the reference, the implementation, a library."""

    name: Text = key("Name of the binding: the file's name without .yaml.", pattern=BINDING_NAME)
    description: Text = key("Whose kernels these are.", default=Text(""))
    framework: Text = key("Arrays the callables take: numpy or torch.", one_of=("numpy", "torch"))
    devices: tuple[Text, ...] = key("Devices they run on.", default=(Text("cpu"),), one_of=DEVICES)
    dtypes: tuple[Text, ...] = key("Dtypes they support.", default=(Text("f32"),), one_of=DTYPES)
    kernels: dict[str, dict[str, Target]] = key("family/kernel -> equation -> callable.", keys=CONTRACT_NAME)

    def dtypes_of(self, target: Target) -> tuple[str, ...]:
        """Those in which a callable is judged: its own of the binding's, or all of these."""
        own = set(map(str, target.dtypes or self.dtypes))
        return tuple(d for d in DTYPES if d in own and d in map(str, self.dtypes))

    def limits(self, contracts: Iterable[str]) -> Iterator[str]:
        """A sentence for each contract whose callables take some sizes only: verdicts hold for these alone."""
        for contract in contracts:
            entries = self.kernels.get(contract, {})
            sizes = {str(name): str(text) for target in entries.values() for name, text in target.sizes.items()}
            if sizes:
                words = ", ".join(f"{dimension} of {taken}" for dimension, taken in sizes.items())
                yield f"{self.name}: {contract} was judged for {words} alone, as the binding says"

    def adapted(self, contract: str) -> str:
        """A hash of how the callables for a contract are called; "" where each takes and returns what its equation
        does. Evidence of one way of calling is none of another."""
        entries = self.kernels.get(contract, {})
        ways = [way for e, target in sorted(entries.items()) if (way := target.adapted(str(e), entries))]
        return digest(ways)[:16] if ways else ""


def names_callable(binding: str) -> bool:
    """Whether `--binding` names a callable, package.module:function, and not a file; others may follow it after a +."""
    first = binding.partition("+")[0]
    return ":" in first and not first.endswith((".yaml", ".yml"))


def load_binding(path: str | os.PathLike[str], data: bytes | None = None) -> Binding:
    """Reads a binding file. Raises `ContractError` with every problem of the file."""
    source = read_source(path, data=data)
    try:
        binding = bind(source, compose(source), Binding, "a binding")
    except ContractError as error:
        raise ContractError(
            *(replace(d, hint="a GPU is called cuda") if "key `gpu`" in d.message else d for d in error.diagnostics)
        ) from None
    diagnostics: list[Diagnostic] = []
    stem = os.path.basename(source.file).removesuffix(".yaml")
    if binding.name != stem:
        diagnostics.append(Diagnostic(
            "E501", f"the binding is called {binding.name}, but its file {os.path.basename(source.file)}",
            binding.name.position, hint=f"write `name: {stem}`, or rename the file",
            source=source.line(binding.name.position),
        ))  # fmt: skip
    for kernel in binding.kernels.values():
        for target in kernel.values():
            offers = [f"`{n}`" for n in ("call", "autograd", "declines") if getattr(target, n) is not None]
            if len(offers) != 1:
                has = " and ".join(offers) or "none of `call`, `autograd` and `declines`"
                diagnostics.append(Diagnostic(
                    "E502", f"this has {has}", target.position, hint="name the callable, or say why there is none",
                    source=source.line(target.position),
                ))  # fmt: skip
            if target.autograd is not None and binding.framework != "torch":
                diagnostics.append(Diagnostic(
                    "E502", f"`autograd` needs `framework: torch`, not {binding.framework}", target.autograd.position,
                    hint="autograd is PyTorch's", source=source.line(target.autograd.position),
                ))  # fmt: skip
            diagnostics += _badly_called(target, source)
            for device in DEVICES:
                topics = target.deviates_on.on(device) if target.deviates_on is not None else {}
                for topic in topics:
                    diagnostics += _misplaced(binding, target, device, topic, source)
    if diagnostics:
        raise ContractError(*diagnostics)
    return binding


def _badly_called(target: Target, source: Source) -> Iterator[Diagnostic]:
    """Arguments and sizes that cannot be read, positions that are left out, and outputs that come back twice."""
    for read, texts in ((parse_argument, target.args), (_size, target.sizes)):
        for text in texts.values():
            try:
                read(text)
            except ContractError as error:
                yield from (replace(d, source=source.line(d.position)) for d in error.diagnostics)
    positions = sorted((p for p in target.args if p.isdigit()), key=int)
    for k, position in enumerate(positions):
        if int(position) != k:
            place = position.position if isinstance(position, Text) else target.position
            yield Diagnostic(
                "E509", f"`args` has position {position} and no position {k}", place,
                hint="positions count from '0', and none is left out", source=source.line(place),
            )  # fmt: skip
            break
    for k, name in enumerate(target.returns):
        if name != "_" and name in target.returns[:k]:
            yield Diagnostic(
                "E504", f"`returns` has {name} twice", name.position,
                hint="each output once; _ skips a value that is none of them", source=source.line(name.position),
            )  # fmt: skip


def unknown_returns(target: Target, outputs: Collection[str]) -> Iterator[Diagnostic]:
    """What `returns` names and the equation does not have."""
    for name in target.returns:
        if name != "_" and name not in outputs:
            yield Diagnostic(
                "E504", f"`returns` names {name}, which is no output of the equation", name.position,
                hint=did_you_mean(name, outputs, f"its outputs are: {', '.join(outputs)}"),
            )  # fmt: skip


def unknown_sizes(target: Target, dims: Collection[str]) -> Iterator[Diagnostic]:
    """Dimensions that `sizes` names and the equation does not have."""
    for name in target.sizes:
        if name not in dims:
            yield Diagnostic(
                "E504", f"`sizes` names {name}, which is no dimension of the equation",
                name.position if isinstance(name, Text) else target.position,
                hint=did_you_mean(name, dims, f"its dimensions are: {', '.join(dims)}"),
            )  # fmt: skip


def _misplaced(binding: Binding, target: Target, device: str, topic: str, source: Source) -> Iterator[Diagnostic]:
    """What is said for one device about a device the binding does not run on, about all devices at once, or about
    nothing that could be declined."""
    place = topic.position if isinstance(topic, Text) else target.position
    problem = hint = ""
    if device not in binding.devices:
        problem = f"`deviates_on` speaks of {device}, and the binding does not run there"
        hint = f"its devices are: {', '.join(binding.devices)}"
    elif topic in target.deviates:
        problem = f"{topic} stands under `deviates` and under `deviates_on`"
        hint = "`deviates` holds on every device: keep one of the two"
    elif not re.fullmatch(OBLIGATION_ID, topic):
        problem = f"`deviates_on` names {topic}, which is no obligation"
        hint = "a note belongs under `deviates`; here stand obligations such as RN-SCALE"
    if problem:
        yield Diagnostic("E502" if device not in binding.devices else "E504", problem, place, hint=hint,
                         source=source.line(place))  # fmt: skip


def check_binding_links(
    binding: Binding, contracts: Mapping[str, Contract | Outline], unreadable: Collection[str] = ()
) -> Iterator[Diagnostic]:
    """Contracts and equations that the binding names but that do not exist."""
    for name, kernel in binding.kernels.items():
        place = name.position if isinstance(name, Text) else binding.position
        contract = contracts.get(name)
        if contract is None:
            if name not in unreadable:
                yield Diagnostic("E503", f"there is no contract {name}", place, hint=did_you_mean(name, contracts))
            continue
        outline = contract if isinstance(contract, Outline) else outline_of(contract)
        for equation, target in kernel.items():
            if equation not in outline.equations:
                yield Diagnostic(
                    "E504", f"the contract {name} has no equation `{equation}`",
                    equation.position if isinstance(equation, Text) else target.position,
                    hint=did_you_mean(equation, outline.equations,
                                      f"its equations are: {', '.join(outline.equations)}"),
                )  # fmt: skip
            elif target.autograd is None and (outputs := outline.outputs_of(equation)):
                yield from unknown_returns(target, outputs)
            known = (*outline.laws, *outline.tests)
            for topic in (
                *target.deviates,
                *(t for d in DEVICES for t in target.deviations(d) if t not in target.deviates),
            ):
                if re.fullmatch(OBLIGATION_ID, topic) and topic not in known:
                    yield Diagnostic(
                        "E504", f"the contract {name} has no obligation {topic}",
                        topic.position if isinstance(topic, Text) else target.position, hint=did_you_mean(topic, known),
                    )  # fmt: skip
