"""Engine crosshair: symbolic execution of the integer code that ships.

CrossHair's answer is taken apart before it is believed. "Confirmed" counts only if the canary beside the obligation
is refuted at a point that a plain run of Python confirms; a counterexample counts only if a plain run meets the
assumptions and then fails.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import random
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from .harness import Obligation, parts_of, types_of
from .verdict import PROVED, REFUTED, UNDECIDED, VACUOUS

Arguments = dict[str, Any]


def prove(module: ModuleType, obligation: Obligation, seconds: float, canary: bool = True) -> dict[str, Any]:
    """Judge the obligation. Returns the fields of a verdict that the engine decides."""
    claimed = _Function(module, obligation.function)
    text = claimed.types - {"int", "bool", "list", "tuple", "dict", "set", "frozenset", "None"}
    fields: dict[str, Any] = {
        "semantics": "integers and text" if text else "integers",
        "assumptions": tuple(ast.unparse(a.test) for a in claimed.parts.assumptions),
    }
    answer, message, floats = _analyse(claimed.function, seconds)
    if answer == "confirmed":
        if floats:
            reason = "floats were formed on the way, which CrossHair treats as real numbers"
            return {**fields, "status": UNDECIDED, "reason": reason}
        if not canary:
            return {**fields, "status": PROVED}
        return {**fields, **_canary(module, obligation, seconds, PROVED)}
    if answer == "failed":
        return {**fields, **_replay(claimed, message)}
    if answer == "no path":
        if canary:
            return {**fields, **_canary(module, obligation, seconds, UNDECIDED)}
        return {**fields, "status": UNDECIDED, "reason": "no execution met the assumptions"}
    return {**fields, "status": UNDECIDED, "reason": message}


class _Function:
    """A function of the harness with its source, found where Python says it is."""

    def __init__(self, module: ModuleType, name: str) -> None:
        function = getattr(module, name)
        file = str(module.__file__)
        definition = next(
            (
                n
                for n in ast.parse(Path(file).read_text(encoding="utf-8")).body
                if isinstance(n, ast.FunctionDef) and n.name == name
            ),
            None,
        )
        if not isinstance(function, FunctionType) or definition is None:
            raise TypeError(f"{name} is not a plain function of {file}")
        start = min([definition.lineno, *(d.lineno for d in definition.decorator_list)])
        code = function.__code__
        # Failures are attributed by file and line: code that is elsewhere would be proved whatever it asserts.
        if Path(code.co_filename).resolve() != Path(file).resolve() or code.co_firstlineno != start:
            raise TypeError(f"{name} as imported is not the function written in {file}:{definition.lineno}")
        self.function = function
        self.definition = definition
        self.parts = parts_of(definition)
        self.types = types_of(definition)
        self.names = [a.arg for a in definition.args.args]

    def assumptions_hold(self, arguments: Arguments) -> bool:
        """Evaluate only the assumptions, without CrossHair."""
        scope = {**self.function.__globals__, **arguments}
        for assumption in self.parts.assumptions:
            code = compile(ast.Expression(assumption.test), self.function.__code__.co_filename, "eval")
            if not eval(code, scope):
                return False
        return True


def _analyse(function: Callable[..., None], seconds: float) -> tuple[str, str, bool]:
    """CrossHair's answer (confirmed, failed, no path or unknown), its message, and whether a symbolic float arose."""
    from crosshair.core_and_libs import MessageType, analyze_function, run_checkables
    from crosshair.libimpl import builtinslib
    from crosshair.options import AnalysisKind, AnalysisOptionSet

    formed: list[bool] = []
    float_class: Any = builtinslib.RealBasedSymbolicFloat
    original = float_class.__init__

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        formed.append(True)
        original(self, *args, **kwargs)

    options = AnalysisOptionSet(
        analysis_kind=[AnalysisKind.asserts],
        enabled=True,
        specs_complete=False,
        report_all=True,
        per_condition_timeout=seconds,
        max_uninteresting_iterations=0,  # go on until every path is explored or time is up
    )
    try:
        float_class.__init__ = noted
        todo = analyze_function(function, options)
        if not todo:
            return "unknown", "CrossHair finds nothing to check in this function", False
        messages = run_checkables(todo)
    except Exception as error:
        return "unknown", f"CrossHair stopped with {type(error).__name__}: {error}", False
    except BaseException as error:
        if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
            raise
        # CrossHair's own errors are deliberately not of class Exception.
        return "unknown", f"CrossHair stopped with {type(error).__name__}: {error}", False
    finally:
        float_class.__init__ = original
    if not messages:
        return "unknown", "CrossHair gave no answer", bool(formed)
    worst = max(messages, key=lambda m: m.state)
    if worst.state is MessageType.CONFIRMED:
        return "confirmed", worst.message, bool(formed)
    if worst.state is MessageType.CANNOT_CONFIRM:
        return "unknown", f"not every path was explored within {seconds:g} s", bool(formed)
    if worst.state is MessageType.PRE_UNSAT:
        return "no path", worst.message, bool(formed)
    if worst.state in (MessageType.EXEC_ERR, MessageType.POST_ERR, MessageType.POST_FAIL):
        return "failed", worst.message, bool(formed)
    return "unknown", f"CrossHair: {worst.message}", bool(formed)


def _canary(module: ModuleType, obligation: Obligation, seconds: float, otherwise: str) -> dict[str, Any]:
    """Show that the assumptions can be met. `otherwise` is the status of the obligation if they can."""
    canary = _Function(module, obligation.canary)
    answer, message, _ = _analyse(canary.function, seconds)
    if answer == "confirmed":
        return {"status": VACUOUS, "reason": "no input meets the assumptions: `assert False` was confirmed as well"}
    witness = called_with(message, canary.names) if answer == "failed" else None
    if witness is None or not _meets(canary, witness):
        witness = _search(canary)
    if witness is None:
        reason = "no input was found that meets the assumptions, so the proof may be empty"
        return {"status": UNDECIDED, "reason": reason}
    shown = {"canary": f"the assumptions hold at {_describe(witness)}"}
    if otherwise == PROVED:
        return {"status": PROVED, **shown}
    return {"status": otherwise, "reason": "CrossHair met the assumptions on no path", **shown}


def _meets(function: _Function, arguments: Arguments) -> bool:
    """Whether a plain run of the canary passes its assumptions and stops at its `assert False`."""
    try:
        if not function.assumptions_hold(arguments):
            return False
        function.function(**arguments)
    except AssertionError as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return last.lineno == function.definition.body[-1].lineno
    except Exception:
        return False
    return False


def _search(function: _Function) -> Arguments | None:
    """A small input that meets the assumptions, where all parameters are integers."""
    if not function.types <= {"int", "bool"}:
        return None
    draw = random.Random(0)
    pools = [range(5)] * len(function.names)
    points = itertools.chain(
        itertools.islice(itertools.product(*pools), 5000),
        ([draw.randrange(-20, 1000) for _ in function.names] for _ in range(5000)),
    )
    for numbers in points:
        arguments = dict(zip(function.names, numbers, strict=True))
        if _meets(function, arguments):
            return arguments
    return None


def _replay(function: _Function, message: str) -> dict[str, Any]:
    """Run the counterexample in plain Python."""
    arguments = called_with(message, function.names)
    if arguments is None:
        return {"status": UNDECIDED, "reason": f"CrossHair's counterexample cannot be read: {message}"}
    shown = _describe(arguments)
    try:
        inside = function.assumptions_hold(arguments)
    except Exception as error:
        reason = f"an assumption raises {type(error).__name__} at {shown}: {error}"
        return {"status": UNDECIDED, "reason": reason}
    if not inside:
        return {"status": UNDECIDED, "reason": f"CrossHair's counterexample breaks an assumption: {shown}"}
    try:
        function.function(**arguments)
    except (RecursionError, MemoryError) as error:
        return {"status": UNDECIDED, "reason": f"the replay ended in {type(error).__name__} at {shown}"}
    except Exception as error:
        return {
            "status": REFUTED,
            "counterexample": f"{shown}: {_blame(function, error)}",
            "replayed": True,
            "canary": f"the assumptions hold at {shown}",
        }
    reason = f"CrossHair's counterexample does not fail when it is run: {shown}"
    return {"status": UNDECIDED, "reason": reason, "counterexample": shown}


def _blame(function: _Function, error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, AssertionError) and frames and frames[-1].name == function.function.__name__:
        return f"`{frames[-1].line}` fails"
    what = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{what}" + (f" in {frames[-1].name}" if frames else "")


def called_with(message: str, names: list[str]) -> Arguments | None:
    """The arguments in CrossHair's "... when calling f(1, b=2) (which returns 3)"; None where they are no literals."""
    _, found, call = message.partition("when calling ")
    if not found:
        return None
    # The message goes on after the call; its end is the first closing bracket that makes the text an expression.
    for end in (i + 1 for i, c in enumerate(call) if c == ")"):
        try:
            parsed = ast.parse(call[:end].strip(), mode="eval").body
        except SyntaxError:
            continue
        if not isinstance(parsed, ast.Call):
            return None
        try:
            bound = inspect.Signature(
                [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names]
            ).bind(
                *(ast.literal_eval(a) for a in parsed.args),
                **{str(k.arg): ast.literal_eval(k.value) for k in parsed.keywords},
            )
        except (ValueError, TypeError):
            return None
        return dict(bound.arguments)
    return None


def _describe(arguments: Arguments) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in arguments.items())
