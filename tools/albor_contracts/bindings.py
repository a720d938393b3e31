"""From a binding to callables: modules are imported here, and nowhere before.

A binding is a file (`reference`, `impl`, `torch`: bindings/<name>.yaml, or a path to one) or a single callable
`package.module:function`, which stands for the equation it is named after, for the first whose inputs it takes under
their own names, or for the contract's first.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import operator
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .arguments import check_names, evaluate_argument, parse_argument
from .binding_file import Binding, load_binding, names_callable, unknown_returns
from .binding_file import Target as TargetText
from .errors import ContractError, Position, Text, problem, said
from .lang.signature import Signature
from .model import Contract
from .runtime.autograd import Differentiated, Gradients
from .runtime.definitions import Definitions
from .runtime.kernel import Kernel
from .runtime.target import Target
from .suggest import did_you_mean

DTYPE_ORDER = ("f64", "f32", "bf16", "f16")


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

    def kernels(
        self, spec: Definitions, device: str, dtypes: tuple[str, ...] | None = None, everything: bool = False
    ) -> list[Kernel]:
        """One kernel for each dtype under test; `everything` takes `dtypes` as they are."""
        chosen = list(dtypes or ()) if everything else [d for d in self.dtypes if dtypes is None or d in dtypes]
        return [
            Kernel(
                spec.contract, self.name, self.framework, d, device, self.targets, spec, self.deviates.get(device, {}),
                simulated=self.framework == "numpy",
            )
            for d in chosen
        ]  # fmt: skip


def bind(name: str, contract: str, signatures: Mapping[str, Signature], root: Path | None = None) -> Bound | None:
    """The binding `name` for one contract; None when it does not mention the contract.

    Raises `ContractError` when a module or function does not exist or takes other arguments.
    """
    root = root or Path()
    if names_callable(name):
        return _single(name, contract, signatures, root)
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
                Differentiated(forward, gradients), forward.name, dtypes=tuple(map(str, text.dtypes))
            )
            continue
        assert text.call is not None
        targets[equation] = _target(text, text.call, signature, str(binding.framework))
    dtypes = tuple(d for d in DTYPE_ORDER if d in map(str, binding.dtypes))
    devices = tuple(map(str, binding.devices))
    return Bound(name, str(binding.framework), devices, dtypes, targets, declined, deviates)


def _target(text: TargetText, call: Text, signature: Signature, framework: str) -> Target:
    if unknown := list(unknown_returns(text, [p.name for p in signature.outputs])):
        raise ContractError(*unknown)
    function = resolve(str(call), call.position)
    arguments = _arguments(text, signature)
    if arguments is None:
        check_call(function, call, signature, framework)
        arguments = _by_name(function, signature, framework)
    returns, dtypes = tuple(map(str, text.returns)), tuple(map(str, text.dtypes))
    return Target(function, str(call), arguments, returns, dtypes)


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


def _single(name: str, contract: str, signatures: Mapping[str, Signature], root: Path) -> Bound:
    function = resolve(name, Position(name))
    module = sys.modules.get(name.split(":", maxsplit=1)[0])
    framework = "torch" if _uses_torch(module) else "numpy"
    models = _models(contract, root)
    equation = _meant(name, function, _own(models, signatures), framework)
    signature = signatures[equation]
    check_call(function, Text(name, (Position(name),)), signature, framework)
    arguments = _by_name(function, signature, framework)
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
    named = set(_names(function))
    fitting = [e for e in equations if {p.name for p in e.inputs} <= named and not _misfit(function, e, framework)]
    return [*namesakes, *fitting, *equations][0].name


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _uses_torch(module: Any) -> bool:
    names = getattr(module, "__dict__", {}).values()  # what a module put in its place need not have
    return any(inspect.ismodule(v) and v.__name__.split(".")[0] in ("torch", "triton") for v in names)


def resolve(target: str, where: Position) -> Callable[..., Any]:
    """The callable `package.module:function` names."""
    module_name, _, path = target.partition(":")
    if not path or not all(part.isidentifier() for part in (*module_name.split("."), *path.split("."))):
        raise problem("E505", f"{target!r} does not name a callable", where, "package.module:function")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise problem(
            "E506", f"cannot import {module_name!r}: {error}", where, "is its folder the current one, or installed?"
        ) from None
    except (Exception, SystemExit) as error:
        words = f"importing {module_name!r} raised {type(error).__name__}: {said(error)}"
        raise problem("E506", words, where) from None
    for part in path.split("."):
        found = _attribute(found, part, module_name, path, where)
    if not callable(found):
        raise problem("E507", f"{target} is not callable", where)
    if inspect.isclass(found):
        differentiable = {"apply", "forward", "backward"} <= set(dir(found))
        raise problem(
            "E507", f"{target} is a class, not a function", where,
            f"name {target}.apply" if differentiable
            else "name a function that takes the equation's inputs, makes an object of it and calls that",
        )  # fmt: skip
    if "triton" in sys.modules and not module_name.startswith("albor_impl"):
        from albor_impl._triton.plain import interpret_plain_kernels

        interpret_plain_kernels()  # so that kernels of users need no GPU
    return found


def _attribute(owner: Any, part: str, module: str, path: str, where: Position) -> Any:
    try:
        return getattr(owner, part)
    except AttributeError:
        names: list[str] = []
        with contextlib.suppress(Exception):  # a class may have another idea of what is in it
            names = [n for n in dir(owner) if not n.startswith("_")]
        raise problem("E507", f"{module} has no {path!r}", where, did_you_mean(part, names)) from None
    except (Exception, SystemExit) as error:
        words = f"looking up {path!r} in {module} raised {type(error).__name__}: {said(error)}"
        raise problem("E507", words, where) from None


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(function).parameters
    except Exception:
        return None  # built in, or without a readable signature: nothing is known before the call


def _names(function: Callable[..., Any]) -> list[str]:
    """The parameters that can be given by name, as far as they are known."""
    found = (_parameters(function) or {}).values()
    return [p.name for p in found if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _takes_device(signature: Signature, framework: str) -> bool:
    """Whether the kernel is a program for the simulated device, which is then its first argument."""
    return bool(signature.on_device) and framework == "numpy"


def check_call(function: Callable[..., Any], name: Text, signature: Signature, framework: str) -> None:
    """Refuse a callable that cannot be called with the inputs of the equation."""
    if error := _misfit(function, signature, framework):
        given = _given(signature, framework)
        raise problem(
            "E508", f"{name} cannot be called with {len(given)} arguments ({', '.join(given)}): {error}", name.position,
            "a binding file adapts other names and another order with `args`; for anything else write a small "
            "function that takes these arguments and calls it",
        )  # fmt: skip


def _given(signature: Signature, framework: str) -> list[str]:
    return [*(["device"] if _takes_device(signature, framework) else []), *(p.name for p in signature.inputs)]


def _misfit(function: Callable[..., Any], signature: Signature, framework: str) -> str:
    """Why the callable cannot take the inputs in their order; empty where it can, or nothing is known of it."""
    if _parameters(function) is None:
        return ""
    try:
        inspect.signature(function).bind(*_given(signature, framework))
    except TypeError as error:
        return str(error)
    return ""


def _by_name(
    function: Callable[..., Any], signature: Signature, framework: str
) -> dict[str | int, Callable[[Mapping[str, Any]], Any]] | None:
    """The inputs under their own names, where the callable has all of these in another order; None elsewhere."""
    known = _names(function)
    wanted = [p.name for p in signature.inputs]
    before = int(_takes_device(signature, framework))
    if not set(wanted) <= set(known) or known[before : before + len(wanted)] == wanted:
        return None
    return {n: operator.itemgetter(n) for n in wanted}


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
