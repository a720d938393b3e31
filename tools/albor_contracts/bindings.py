"""From a binding to callables: modules are imported here, and nowhere before.

A binding is a file (`reference`, `impl`, `torch`: bindings/<name>.yaml, or a path to one) or a single callable
`package.module:function`, which stands for the equation it is named after, for the first whose inputs it takes under
their own names, or for the contract's first. `A+B` is callable A with callable B beside it, or with those kernels of
the file B that A and what else is named do not have: they are lent, and not under test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from .arguments import check_names, evaluate_argument, parse_argument
from .binding_file import Binding, load_binding, names_callable, unknown_returns, unknown_sizes
from .binding_file import Target as TargetText
from .callables import by_name, check_call, misfit, parameter_names, resolve, uses_torch
from .errors import ContractError, Position, Text, problem
from .lang.signature import Signature
from .model import DTYPES, Contract
from .runtime.autograd import Differentiated, Gradients
from .runtime.definitions import Definitions
from .runtime.kernel import Kernel
from .runtime.target import Target


@dataclass(frozen=True)
class Bound:
    """What a binding offers for one contract: callables by equation, and reasons where it declines."""

    name: str
    framework: str
    devices: tuple[str, ...]
    dtypes: tuple[str, ...]
    targets: Mapping[str, Target]
    declined: Mapping[str, str] = field(default_factory=dict)
    deviates: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # device -> obligation -> why
    adapted: str = ""  # a hash of how a file has them called
    lent: frozenset[str] = frozenset()  # equations whose callables stand in for those that the binding lacks
    advice: str = ""  # how to have the project's kernels stand in

    def kernels(
        self, spec: Definitions, device: str, dtypes: tuple[str, ...] | None = None, everything: bool = False
    ) -> list[Kernel]:
        """One kernel for each dtype under test; `everything` takes `dtypes` as they are."""
        chosen = list(dtypes or ()) if everything else [d for d in self.dtypes if dtypes is None or d in dtypes]
        return [
            Kernel(
                spec.contract, self.name, self.framework, d, device, self.targets, spec, self.deviates.get(device, {}),
                simulated=self.framework == "numpy", adapted=self.adapted, lent=self.lent, advice=self.advice,
            )
            for d in chosen
        ]  # fmt: skip


def bind(name: str, contract: str, signatures: Mapping[str, Signature], root: Path | None = None) -> Bound | None:
    """The binding `name` for one contract; None when it does not mention the contract.

    Raises `ContractError` when a module or function does not exist or takes other arguments.
    """
    root = root or Path()
    if names_callable(name):
        return _named(name, contract, signatures, root)
    path = Path(name) if name.endswith((".yaml", ".yml")) else root / "bindings" / f"{name}.yaml"
    if not path.is_file():
        raise problem(
            "E503",
            f"there is no binding {name!r}",
            Position(str(path)),
            "a file under bindings/, a path to one, or package.module:function",
        )
    return _from_file(load_binding(path), name, contract, signatures, root)


def _from_file(
    binding: Binding, name: str, contract: str, signatures: Mapping[str, Signature], root: Path
) -> Bound | None:
    entries = binding.kernels.get(contract)
    if entries is None:
        return None
    targets: dict[str, Target] = {}
    declined: dict[str, str] = {}
    deviates: dict[str, dict[str, str]] = {str(device): {} for device in binding.devices}
    for equation, text in entries.items():
        signature = signatures.get(equation)
        if signature is None:
            raise problem(
                "E504",
                f"{contract} has no equation {equation!r}",
                equation if isinstance(equation, Text) else text.position,
                f"one of {', '.join(signatures)}",
            )
        for device, known in deviates.items():
            known.update((k, str(v)) for k, v in text.deviations(device).items())
        if text.declines is not None:
            declined[equation] = str(text.declines)
            continue
        if text.autograd is not None:
            gradients = _differentiable(
                contract, signature, text.autograd, _gradients(_models(contract, root), signatures)
            )
            forward = _target(text, text.autograd, gradients.forward, "torch")
            targets[equation] = Target(
                Differentiated(forward, gradients),
                forward.name,
                dtypes=tuple(map(str, text.dtypes)),
                sizes=forward.sizes,
            )
            continue
        assert text.call is not None
        targets[equation] = _target(text, text.call, signature, str(binding.framework))
    dtypes = tuple(d for d in DTYPES if d in map(str, binding.dtypes))
    devices = tuple(map(str, binding.devices))
    adapted = binding.adapted(contract)
    return Bound(name, str(binding.framework), devices, dtypes, targets, declined, deviates, adapted)


def _target(text: TargetText, call: Text, signature: Signature, framework: str) -> Target:
    unknown = [*unknown_returns(text, [p.name for p in signature.outputs]), *unknown_sizes(text, signature.dims)]
    if unknown:
        raise ContractError(*unknown)
    function = resolve(str(call), call.position)
    arguments = _arguments(text, signature)
    if arguments is None:
        check_call(function, call, signature, framework)
        arguments = by_name(function, signature, framework)
    returns, dtypes = tuple(map(str, text.returns)), tuple(map(str, text.dtypes))
    return Target(function, str(call), arguments, returns, dtypes, text.ranges())


def _models(contract: str, root: Path) -> list[Contract]:
    from .load.files import load_contract
    from .load.paths import files_named

    return [load_contract(file) for file in files_named(root, contract)]


def _gradients(models: Sequence[Contract], signatures: Mapping[str, Signature]) -> list[Gradients]:
    """Which equations of a contract hold the gradients of which: what its obligations of type gradient say."""
    from .actions import cotangents_of

    found: dict[str, Gradients] = {}
    for model in models:
        for o in model.proof_obligations:
            forward, equation = signatures.get(str(o.of)), signatures.get(str(o.equation))
            if o.type != "gradient" or forward is None or equation is None:
                continue
            ends = zip((p.name for p in forward.outputs), cotangents_of(o, forward, equation), strict=True)
            weights = {output: weight for output, weight in ends if weight != "None"}
            one = Gradients(equation, forward, tuple(map(str, o.wrt)), tuple(map(str, o.gives)), weights)
            if not one.unknown():
                found.setdefault(equation.name, one)
    return list(found.values())


def _differentiable(contract: str, signature: Signature, where: Text, known: Sequence[Gradients]) -> Gradients:
    for one in known:
        if one.equation == signature:
            return one
    names = ", ".join(one.equation.name for one in known)
    raise problem(
        "E504", f"no obligation of {contract} says whose gradients {signature.name} holds", where.position,
        f"those of {names} are known" if names else "name a callable under `call`",
    )  # fmt: skip


def _named(name: str, contract: str, signatures: Mapping[str, Signature], root: Path) -> Bound:
    """`module:function`, with others after a + each."""
    words = name.split("+")
    mine = [_single(word, contract, signatures, root) for word in words if names_callable(word)]
    files = []
    for word in words:
        if not names_callable(word):
            if (found := bind(word, contract, signatures, root)) is None:
                raise problem("E513", f"{word} has no kernel of {contract} to lend", Position(name))
            files.append(found)
    first, together = mine[0], [*mine, *files]
    for other in together:
        if other.framework != first.framework:
            wanted = _ARRAYS[first.framework]
            raise problem(
                "E513", f"{first.name} takes {wanted} and {other.name} {_ARRAYS[other.framework]}", Position(name),
                f"{_LENDERS[first.framework]} has kernels that take {wanted}",
            )  # fmt: skip
    own: dict[str, Target] = {}
    for one in mine:
        equation, target = next(iter(one.targets.items()))
        if equation in own:
            both = f"{own[equation].name} and {target.name} both stand for {equation}"
            raise problem("E513", both, Position(name), "a binding file says which stands for what")
        own[equation] = target
    targets: dict[str, Target] = {}
    for one in reversed(together):
        targets |= one.targets
    targets |= own  # what is named goes before what autograd makes of something else
    served = {equation for one in mine for equation in one.targets}
    lender = _LENDERS[first.framework]
    lends = not files and _lends(root / "bindings" / f"{lender}.yaml", contract)
    advice = f"; +{lender} after it lends the project's" if lends else ""
    return replace(first, name=name, targets=targets, lent=frozenset(targets) - served, advice=advice)


_ARRAYS = {"numpy": "NumPy arrays", "torch": "torch tensors"}
_LENDERS = {"numpy": "reference", "torch": "impl"}


def _lends(path: Path, contract: str) -> bool:
    return path.is_file() and contract in load_binding(path).kernels


def _single(name: str, contract: str, signatures: Mapping[str, Signature], root: Path) -> Bound:
    function = resolve(name, Position(name))
    module = sys.modules.get(name.split(":", maxsplit=1)[0])
    framework = "torch" if uses_torch(module) else "numpy"
    models = _models(contract, root)
    equation = _meant(name, function, _own(models, signatures), framework)
    signature = signatures[equation]
    check_call(function, Text(name, (Position(name),)), signature, framework)
    arguments = by_name(function, signature, framework)
    forward = Target(function, name, arguments)
    targets = {equation: forward}
    if framework == "torch":
        # Whoever trains with it gets its gradients from autograd.
        for one in _gradients(models, signatures):
            if one.forward.name == equation:
                targets[one.equation.name] = Target(Differentiated(forward, one), name)
    return Bound(name, framework, ("cpu", "cuda") if framework == "torch" else ("cpu",), ("f32",), targets)


def _own(models: Sequence[Contract], signatures: Mapping[str, Signature]) -> list[Signature]:
    """The equations of a contract in its order. A generated module has them in the order in which it needs them, and
    with them those of other contracts."""
    written = [str(equation) for model in models for equation in model.equations]
    return [signatures[e] for e in written if e in signatures] or list(signatures.values())


def _meant(name: str, function: Callable[..., Any], equations: Sequence[Signature], framework: str) -> str:
    """The equation a callable stands for: its namesake, the first whose inputs it takes by name, or the first."""
    word = _folded(name.split(":", 1)[1].rsplit(".", maxsplit=1)[-1])
    namesakes = [e for e in equations if _folded(e.name) == word]
    named = set(parameter_names(function))
    fitting = [e for e in equations if {p.name for p in e.inputs} <= named and not misfit(function, e, framework)]
    return [*namesakes, *fitting, *equations][0].name


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _arguments(text: TargetText, signature: Signature) -> dict[str | int, Callable[[Mapping[str, Any]], Any]] | None:
    if not text.args:
        return None
    names = [p.name for p in signature.inputs] + list(signature.dims)
    result: dict[str | int, Callable[[Mapping[str, Any]], Any]] = {}
    for key, expression in text.args.items():
        node = parse_argument(expression)
        check_names(node, expression, names)
        result[int(key) if str(key).isdigit() else str(key)] = partial(evaluate_argument, node, expression)
    return result
