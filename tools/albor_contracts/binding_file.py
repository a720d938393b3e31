"""Bindings: which callable stands for which equation. `bindings/<name>.yaml` as data; nothing is imported here."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from .errors import ContractError, Diagnostic, Text
from .load.bind import bind
from .load.nodes import compose
from .load.source import read_source
from .model import CONTRACT_NAME, DTYPES, IDENTIFIER, OBLIGATION_ID, TARGET, Contract, Entry, key
from .outline import Outline, outline_of
from .suggest import did_you_mean

BINDING_NAME = r"[a-z][a-z0-9_-]*"


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
    declines: Text | None = key("Why this binding does not offer the equation.", default=None)
    deviates: dict[str, Text] = key(
        "obligation or falsification test -> the documented convention that differs; it is declined, neither passed "
        "nor failed. Under any other key it is a note.",
        factory=dict, keys=r"[A-Za-z_][A-Za-z0-9_-]*",
    )  # fmt: skip

    @property
    def function(self) -> Text | None:
        """The callable that is named, whether it is called or differentiated; None where the equation is declined."""
        return self.call if self.call is not None else self.autograd


@dataclass(frozen=True, kw_only=True)
class Binding(Entry):
    """A set of kernels under one name: the reference, the implementation, a library."""

    name: Text = key("Name of the binding: the file's name without .yaml.", pattern=BINDING_NAME)
    description: Text = key("Whose kernels these are.", default=Text(""))
    framework: Text = key("Arrays the callables take: numpy or torch.", one_of=("numpy", "torch"))
    devices: tuple[Text, ...] = key("Devices they run on.", default=(Text("cpu"),), one_of=("cpu", "cuda"))
    dtypes: tuple[Text, ...] = key("Dtypes they support.", default=(Text("f32"),), one_of=DTYPES)
    kernels: dict[str, dict[str, Target]] = key("family/kernel -> equation -> callable.", keys=CONTRACT_NAME)


def names_callable(binding: str) -> bool:
    """Whether `--binding` names one callable, package.module:function, and not a file."""
    return ":" in binding and not binding.endswith((".yaml", ".yml"))


def load_binding(path: str | os.PathLike[str], data: bytes | None = None) -> Binding:
    """Reads a binding file. Raises `ContractError` with every problem of the file."""
    source = read_source(path, data=data)
    binding = bind(source, compose(source), Binding, "a binding")
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
    if diagnostics:
        raise ContractError(*diagnostics)
    return binding


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
            known = (*outline.laws, *outline.tests)
            for topic in target.deviates:
                if re.fullmatch(OBLIGATION_ID, topic) and topic not in known:
                    yield Diagnostic(
                        "E504", f"the contract {name} has no obligation {topic}",
                        topic.position if isinstance(topic, Text) else target.position, hint=did_you_mean(topic, known),
                    )  # fmt: skip
