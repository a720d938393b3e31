"""Obligation types that are actions rather than formulas: the lines that carry them out."""

from __future__ import annotations

from ..actions import Dispatch, Gradient, Independence, Limit, Refusal, Repetition, Statistic
from ..checked import CheckedObligation, Law
from ..lang import tree
from ..lang.to_python import Emitter
from .texts import call_lines, literal


def action_lines(law: Law, emitter: Emitter, o: CheckedObligation | None = None) -> list[str]:
    """The lines of the law's action; none for an ordinary law, and none for a protocol, which is a class."""
    match law.action:
        case Gradient() as action:
            assert o is not None
            return _gradient(action, o, emitter)
        case Independence() as action:
            assert o is not None
            return _independence(action, o, emitter)
        case Repetition(call):
            emitter.used.add("same_twice")
            return [f"same_twice(lambda: {emitter.text(call)})"]
        case Dispatch(call):
            emitter.used.add("no_fallback")
            return [f"no_fallback(lambda: {emitter.text(call)})"]
        case Limit(call, count, at_most):
            emitter.used.add("uses_at_most")
            return [f'uses_at_most({emitter.text(at_most)}, "{count}", lambda: {emitter.text(call)})']
        case Refusal() as action:
            return _refusal(action, emitter)
        case Statistic() as action:
            return _statistic(action, emitter)
    return []


def names_of(law: Law, o: CheckedObligation | None) -> set[str]:
    """Inputs that an action mentions besides those in its expressions."""
    match law.action:
        case Gradient() | Independence() as action:
            assert o is not None
            other = {action.other} if isinstance(action, Independence) else {p.name for p in action.forward.inputs}
            return {p.name for p in o.equation.signature.inputs} | other
    return set()


def _gradient(action: Gradient, o: CheckedObligation, emitter: Emitter) -> list[str]:
    emitter.used |= {"claim", "approx", "gradient"}
    signature = o.equation.signature
    outputs = ", ".join(p.name if p.name in action.gives else "_" for p in signature.outputs)
    at = ", ".join(f'"{p.name}": {p.name}' for p in action.forward.inputs)
    wanted = [f"expected_{n}" for n in action.gives]
    left = f"({wanted[0]},)" if len(wanted) == 1 else ", ".join(wanted)
    cotangents = ", ".join(action.cotangents) + ("," if len(action.cotangents) == 1 else "")
    call = call_lines(
        "gradient",
        [
            "spec",
            f'"{action.forward.name}"',
            f"{{{at}}}",
            f'wrt="{" ".join(action.wrt)}"',
            f"cotangents=({cotangents})",
        ],
        before=f"{left} = ",
    )
    lines = [f"{outputs} = kernel.{signature.name}({', '.join(p.name for p in signature.inputs)})", *call]
    return [*lines, *(f"claim(approx({n}, expected_{n}))" for n in action.gives)]


def _refusal(action: Refusal, emitter: Emitter) -> list[str]:
    emitter.used.add("rejects")
    arguments = [emitter.text(a) for a in action.call.arguments]
    parts = [
        "kernel",
        f'"{action.call.equation}"',
        f"({', '.join(arguments)}{',' if len(arguments) == 1 else ''})",
        action.error,
    ]
    if action.mentions:
        parts.append(f"mentions=[{', '.join(literal(m) for m in action.mentions)}]")
    if action.types:
        parts.append(f"types={{{', '.join(f'{literal(name)}: {literal(dtype)}' for name, dtype in action.types)}}}")
    return call_lines("rejects", parts)


def _independence(action: Independence, o: CheckedObligation, emitter: Emitter) -> list[str]:
    emitter.used.add("independent")
    signature = o.equation.signature
    position = [p.name for p in signature.outputs].index(action.output.array)
    pick = f"[{position}]" if len(signature.outputs) > 1 else ""
    inputs = ", ".join(p.name for p in signature.inputs)
    call = f"lambda {action.input.array}: kernel.{signature.name}({inputs}){pick}"
    if not pick and len(signature.inputs) == 1:
        call = f"kernel.{signature.name}"

    def places(element: tree.Element) -> str:
        names = [i.id for i in element.indices if isinstance(i, tree.Name)]
        return f"({', '.join(names)}{',' if len(names) == 1 else ''})"

    return call_lines(
        "independent",
        [
            call,
            action.input.array,
            action.other,
            f"when={emitter.text(action.when)}",
            f"output={places(action.output)}",
            f"input={places(action.input)}",
            "case=case",
        ],
        spread=True,
    )


def _statistic(action: Statistic, emitter: Emitter) -> list[str]:
    emitter.used.add("statistically")
    parts = [
        f"{n}={emitter.text(getattr(action, n))}"
        for n in ("statistic", "expect", "variance", "observations", "detects")
    ]
    return call_lines(
        "statistically", [*parts, f"trials={action.trials}", f"false_alarm={action.false_alarm!r}"], spread=True
    )
