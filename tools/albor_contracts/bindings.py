"""From a binding to callables: modules are imported here, and nowhere before.

A binding is a file (`reference`, `impl`, `torch`: bindings/<name>.yaml, or a path to one) or a single callable
`package.module:function`, which stands for the equation it is named after, or for the contract's first.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .binding_file import Binding, load_binding, names_callable
from .binding_file import Target as TargetText
from .errors import ContractError, Position, Text, problem
from .lang.signature import Signature
from .runtime.autograd import Differentiated, Gradients
from .runtime.kernel import Definitions, Kernel, Target

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
            gradients = _differentiable(contract, signature, text.autograd, _gradients(contract, signatures, root))
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
    function = resolve(str(call), call.position)
    if not text.args:
        check_call(function, call, signature, framework)
    returns, dtypes = tuple(map(str, text.returns)), tuple(map(str, text.dtypes))
    return Target(function, str(call), _arguments(text, signature), returns, dtypes)


def _gradients(contract: str, signatures: Mapping[str, Signature], root: Path) -> list[Gradients]:
    """Which equations of the contract hold the gradients of which: what its obligations of type gradient say."""
    from .actions import cotangents_of
    from .load.files import load_contract
    from .load.paths import files_named

    found: dict[str, Gradients] = {}
    for file in files_named(root, contract):
        for o in load_contract(file).proof_obligations:
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
    word = _folded(name.split(":", 1)[1].rsplit(".", maxsplit=1)[-1])
    equation = next((e for e in signatures if _folded(e) == word), next(iter(signatures)))
    signature = signatures[equation]
    module = sys.modules.get(name.split(":", maxsplit=1)[0])
    framework = "torch" if _uses_torch(module) else "numpy"
    check_call(function, Text(name, (Position(name),)), signature, framework)
    arguments: dict[str | int, Callable[[Mapping[str, Any]], Any]] | None = None
    known = _parameters(function)
    wanted = [p.name for p in signature.inputs]
    before = int(_takes_device(signature, framework))
    if known is not None and set(wanted) <= set(known) and list(known)[before : before + len(wanted)] != wanted:
        arguments = {n: (lambda values, n=n: values[n]) for n in wanted}  # type: ignore[misc]
    forward = Target(function, name, arguments)
    targets = {equation: forward}
    if framework == "torch":
        # Whoever trains with it gets its gradients from autograd.
        for one in _gradients(contract, signatures, root):
            if one.forward.name == equation:
                targets[one.equation.name] = Target(Differentiated(forward, one), name)
    return Bound(name, framework, ("cpu", "cuda") if framework == "torch" else ("cpu",), ("f32",), targets)


def _folded(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


def _uses_torch(module: Any) -> bool:
    names = vars(module).values() if module is not None else ()
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
    except Exception as error:
        raise problem("E506", f"importing {module_name!r} raised {type(error).__name__}: {error}", where) from None
    for part in path.split("."):
        if not hasattr(found, part):
            from .suggest import did_you_mean

            raise problem(
                "E507",
                f"{module_name} has no {path!r}",
                where,
                did_you_mean(part, [n for n in dir(found) if not n.startswith("_")]),
            )
        found = getattr(found, part)
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


def _parameters(function: Callable[..., Any]) -> Mapping[str, inspect.Parameter] | None:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):
        return None  # built in: nothing is known before the call


def _takes_device(signature: Signature, framework: str) -> bool:
    """Whether the kernel is a program for the simulated device, which is then its first argument."""
    return bool(signature.on_device) and framework == "numpy"


def check_call(function: Callable[..., Any], name: Text, signature: Signature, framework: str) -> None:
    """Whether the callable can be called with the inputs of the equation."""
    known = _parameters(function)
    if known is None:
        return
    given = [*(["device"] if _takes_device(signature, framework) else []), *(p.name for p in signature.inputs)]
    try:
        inspect.signature(function).bind(*given)
    except TypeError as error:
        names = ", ".join(given)
        raise problem(
            "E508", f"{name} cannot be called with {len(given)} arguments ({names}): {error}", name.position,
            "a binding file adapts other names and another order with `args`; for anything else write a small "
            "function that takes these arguments and calls it",
        ) from None  # fmt: skip


def _arguments(text: TargetText, signature: Signature) -> dict[str | int, Callable[[Mapping[str, Any]], Any]] | None:
    if not text.args:
        return None
    names = {p.name for p in signature.inputs} | set(signature.dims)
    result: dict[str | int, Callable[[Mapping[str, Any]], Any]] = {}
    for key, expression in text.args.items():
        node = _parse(str(expression), expression, names)
        result[int(key) if str(key).isdigit() else str(key)] = lambda values, node=node: _evaluate(node, values)  # type: ignore[misc]
    return result


def _parse(expression: str, where: Text, names: set[str]) -> ast.expr:
    try:
        node = ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError):
        raise problem(
            "E509", f"cannot read the argument {expression!r}", where.position, "names, numbers, lists and + - * //"
        ) from None
    for n in ast.walk(node):
        if isinstance(n, ast.Name) and n.id not in names:
            from .suggest import did_you_mean

            raise problem("E509", f"unknown name {n.id!r}", where.position, did_you_mean(n.id, names))
        allowed = (
            ast.Name,
            ast.Constant,
            ast.List,
            ast.Tuple,
            ast.BinOp,
            ast.UnaryOp,
            ast.operator,
            ast.unaryop,
            ast.expr_context,
        )
        if not isinstance(n, allowed):
            raise problem(
                "E509",
                f"{type(n).__name__} is not allowed in an argument",
                where.position,
                "names, numbers, lists and + - * //",
            )
    return node


def _evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    match node:
        case ast.Constant(value):
            return value
        case ast.Name(name):
            return values[name]
        case ast.List(items) | ast.Tuple(items):
            return [_evaluate(i, values) for i in items]
        case ast.UnaryOp(ast.USub(), operand):
            return -_evaluate(operand, values)
        case ast.BinOp(left, op, right):
            a, b = _evaluate(left, values), _evaluate(right, values)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
                case ast.FloorDiv():
                    return a // b
    raise ContractError(*problem("E509", f"{ast.unparse(node)!r} is not allowed in an argument").diagnostics)
