"""A contract as data, exactly as written: the typed form of the YAML file.

These classes are the single description of the format: the reader fills them, the JSON Schema is generated from
them, and `docs/language.md` documents them. Field metadata `doc` is the sentence shown in editors; `one_of`
lists permitted words; `pattern` is a regular expression the text must match whole; `number` says that a number may
stand for the text (`dims: {N: 8}`); `empty` that the text may be empty; `keys` is the pattern of the keys of a map;
`over` and `under` are exclusive limits of a number. A field without a default is required.
A key `formal` in YAML is the field of the same name; a field whose name is a Python keyword ends in `_`.
Keys that begin with `x-` are extensions and are kept in `extensions`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import Position, Text

IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"
OBLIGATION_ID = r"[A-Z][A-Z0-9]*(-[A-Z0-9_]+)+"
FAULT_ID = r"[A-Z][A-Z0-9-]*"
VERSION = r"\d+\.\d+\.\d+"
CONTRACT_NAME = r"[a-z][a-z0-9-]*/[a-z][a-z0-9-]*"
DOTTED = rf"{IDENTIFIER}(\.{IDENTIFIER})*"
TARGET = rf"{DOTTED}:{DOTTED}"
DTYPES = ("f64", "f32", "bf16", "f16")

OBLIGATION_TYPES = [
    "definition", "gradient", "equivalence", "bound", "monotonicity", "idempotency", "involution", "linearity",
    "homogeneity", "symmetry", "invariance", "conservation", "ordering", "roundtrip", "boundary", "determinism",
    "independence", "statistical", "rejection", "resource", "dispatch", "protocol",
]  # fmt: skip
# What a `resource` may count. The simulated device counts all of it.
COUNTED = (
    "launches", "allocations", "bytes", "synchronisations", "uploads", "downloads", "uploaded_bytes",
    "downloaded_bytes",
)  # fmt: skip


def key(
    doc: str,
    *,
    default: Any = ...,
    factory: Any = None,
    one_of: Any = None,
    pattern: str = "",
    number: bool = False,
    empty: bool = False,
    keys: str = IDENTIFIER,
    over: float | None = None,
    under: float | None = None,
) -> Any:
    """A field of the format, with the sentence that documents it."""
    metadata = {
        "doc": doc,
        "one_of": one_of,
        "pattern": pattern,
        "number": number,
        "empty": empty,
        "keys": keys,
        "over": over,
        "under": under,
    }
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    if default is not ...:
        return field(default=default, metadata=metadata)
    return field(metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Common to every mapping of the format."""

    position: Position = field(default=Position("<text>"), metadata={"hidden": True})
    extensions: dict[str, Any] = field(default_factory=dict, metadata={"hidden": True})
    # Where each key that was written stands: numbers and booleans carry no position themselves.
    keys: dict[str, Position] = field(default_factory=dict, metadata={"hidden": True}, compare=False, repr=False)

    def where(self, key: str) -> Position:
        """Position of the YAML key `key`, or of the whole entry when it is not written."""
        return self.keys.get(key, self.position)


@dataclass(frozen=True, kw_only=True)
class Metadata(Entry):
    version: Text = key("Semantic version of the contract's meaning.", pattern=VERSION)
    title: Text = key("Name of the kernel, as a heading.")
    prefix: Text = key("Prefix of generated obligation ids, e.g. RN for RN-DEF-RMSNORM.", pattern=r"[A-Z][A-Z0-9]*")
    description: Text = key("What the kernel computes and which disputed conventions this contract fixes.")
    references: tuple[Text, ...] = key("Papers and documents the mathematics comes from.", default=())
    depends_on: tuple[Text, ...] = key("Contracts whose equations this one calls.", default=(), pattern=CONTRACT_NAME)
    corrects: tuple[Text, ...] = key("Published claims that this contract deliberately does not repeat.", default=())


@dataclass(frozen=True, kw_only=True)
class Equation(Entry):
    signature: Text = key("name(input: type, ...) -> output: type, ...; the name is the equation's key.")
    formula: Text = key("The formula for people. Never evaluated.", default=Text(""))
    dims: dict[str, Text] = key(
        "Ranges of dimensions (N: 1..4097) and derived dimensions (H: G * K).", factory=dict, number=True
    )
    domain: dict[str, Text] = key("Where each input lives: 'in [-50, 50]'. Domains generate the inputs.", factory=dict)
    assume: tuple[Text, ...] = key("Conditions every generated input satisfies.", default=())
    define: Text | None = key("The definition in index notation.", default=None)
    on_device: tuple[Text, ...] = key(
        "Arrays that lie on the device before the call (inputs) or after it (outputs). A NumPy kernel of such an "
        "equation is a program for the simulated device, which it gets as its first argument.",
        default=(),
        pattern=IDENTIFIER,
    )
    dtypes: tuple[Text, ...] = key("Dtypes under test that make sense here; all by default.", default=(), one_of=DTYPES)


@dataclass(frozen=True, kw_only=True)
class Proof(Entry):
    engine: Text = key(
        "crosshair: integer code that ships; z3: real algebra; ieee: all float16 values.",
        one_of=("crosshair", "z3", "ieee"),
    )
    dims: dict[str, Text] = key("Fixed dimensions the statement is unrolled to (z3).", factory=dict, number=True)
    axioms: tuple[Text, ...] = key("Named axioms for exp, log, sqrt, ... that the proof may use (z3).", default=())
    assume: tuple[Text, ...] = key("Extra assumptions, besides the domain.", default=())
    claim: Text | None = key("What is proved, when it is not `check` itself.", default=None)
    target: Text | None = key(
        "module:function that ships and stands for the equation (crosshair).", default=None, pattern=TARGET
    )
    seconds: float = key("Solver budget.", default=30.0, over=0, under=3600)


@dataclass(frozen=True, kw_only=True)
class Obligation(Entry):
    id: Text = key("Unique across all contracts; never reused.", pattern=OBLIGATION_ID)
    equation: Text = key("The equation this obligation is about.", pattern=IDENTIFIER)
    type: Text = key("What kind of law this is; each kind demands its own parameters.", one_of=OBLIGATION_TYPES)
    property: Text = key("The law in one sentence.")
    if_fails: Text = key("What is most likely wrong when this is falsified.", default=Text(""))
    # Written laws
    forall: dict[str, Text] = key(
        "Further variables: name -> type and domain, e.g. c: 'real in [-3, 3]'.", factory=dict
    )
    dims: dict[str, Text] = key("Narrower dimension ranges for this obligation.", factory=dict, number=True)
    domain: dict[str, Text] = key("Other input domains for this obligation.", factory=dict)
    assume: tuple[Text, ...] = key("Further conditions on the inputs.", default=())
    let: Text | None = key("Statements that prepare the check.", default=None)
    check: Text | None = key("The claim: an expression that must hold.", default=None)
    # Parameters of templates
    of: Text | None = key("The equation or expression the template is about.", default=None)
    wrt: tuple[Text, ...] = key("gradient: inputs of `of` to differentiate by.", default=())
    gives: tuple[Text, ...] = key(
        "gradient: outputs of `equation` that hold the gradients, in the order of wrt.", default=()
    )
    cotangent: dict[str, Text] = key(
        "gradient: output of `of` -> the input of `equation` that holds its cotangent, or 1.", factory=dict, number=True
    )
    left: Text | None = key("equivalence, invariance, roundtrip: one side.", default=None, number=True)
    right: Text | None = key("equivalence, invariance, roundtrip: the other side.", default=None, number=True)
    exact: bool = key("Compare bitwise instead of within the derived bound.", default=False)
    lower: Text | None = key("bound: smallest permitted value.", default=None, number=True)
    upper: Text | None = key("bound: largest permitted value.", default=None, number=True)
    in_: Text | None = key("monotonicity, linearity, homogeneity: the input that is varied.", default=None)
    direction: Text | None = key(
        "monotonicity: increasing or decreasing.", default=None, one_of=("increasing", "decreasing")
    )
    axis: Text | None = key("monotonicity, symmetry: the dimension along which.", default=None)
    degree: int | None = key("homogeneity: f(c x) = c^degree f(x).", default=None)
    permute: dict[str, Text] = key("symmetry: input -> dimension that is permuted.", factory=dict)
    permutes: dict[str, Text] = key(
        "symmetry: output -> dimension along which it must be permuted likewise.", factory=dict
    )
    output: Text | None = key("independence: output element, e.g. o[b, h, i, d].", default=None)
    input: Text | None = key("independence: input element that must not matter, e.g. k[b, g, j, d].", default=None)
    when: Text | None = key("independence: the condition under which it must not matter, e.g. j > i.", default=None)
    raises: Text | None = key("rejection: name of the error class.", default=None, pattern=DOTTED)
    call: Text | None = key("rejection, determinism, resource, dispatch: the call in question.", default=None)
    mentions: tuple[Text, ...] = key("rejection: words the message must contain.", default=())
    count: Text | None = key("resource: what is counted.", default=None, one_of=COUNTED)
    at_most: Text | None = key("resource: upper limit, an expression in dims.", default=None, number=True)
    trials: int | None = key("statistical: number of independent runs.", default=None, over=0)
    statistic: Text | None = key("statistical: expression averaged over the runs.", default=None)
    expect: Text | None = key("statistical: expected value of the statistic.", default=None, number=True)
    variance: Text | None = key("statistical: variance of one observation under the law.", default=None, number=True)
    observations: Text | None = key("statistical: independent observations in one run.", default=None, number=True)
    false_alarm: float = key("statistical: probability of rejecting a correct kernel.", default=1e-9, over=0, under=1)
    detects: Text | None = key(
        "statistical: smallest shift of the expectation that must be found.", default=None, number=True
    )
    state: dict[str, Text] = key("protocol: state variable -> initial value.", factory=dict, number=True)
    step: Text | None = key("protocol: statements that make one step of kernel and definition.", default=None)
    steps: Text | None = key("protocol: number of steps, a range such as 3..6.", default=None, number=True)
    prove: Proof | None = key("A proof of the same law.", default=None)
    cost: int = key(
        "How many ordinary cases one case costs, where it is a whole training run or a long row in an interpreter: so "
        "many times fewer are tried.",
        default=1,
        over=0,
        under=1001,
    )


@dataclass(frozen=True, kw_only=True)
class FalsificationTest(Entry):
    id: Text = key("Unique across all contracts.", pattern=OBLIGATION_ID)
    rule: Text = key("The obligation this prediction is about.", pattern=OBLIGATION_ID)
    prediction: Text = key("What a correct kernel must do on this input.")
    given: dict[str, Any] = key("Concrete inputs: numbers, nested lists, inf, nan, or text.", factory=dict)
    let: Text | None = key("Statements that prepare the check.", default=None)
    check: Text | None = key("The claim.", default=None)
    call: Text | None = key("Of a rejection: the call that must be refused.", default=None)
    raises: Text | None = key("Of a rejection: name of the error class.", default=None, pattern=DOTTED)
    mentions: tuple[Text, ...] = key("Of a rejection: words the message must contain.", default=())
    if_fails: Text = key("What is wrong with a kernel that fails here.")


@dataclass(frozen=True, kw_only=True)
class Patch(Entry):
    target: Text = key(
        "module:function whose source is changed, e.g. albor_impl.core.rmsnorm:_forward.", pattern=TARGET
    )
    find: Text = key("Source text that occurs exactly once in it.")
    put: Text = key("What stands there instead.", empty=True)


@dataclass(frozen=True, kw_only=True)
class Fault(Entry):
    id: Text = key("Unique across all contracts.", pattern=FAULT_ID)
    title: Text = key("What is wrong with this kernel, in a few words.")
    origin: Text = key("Where it was seen, and what hides it.")
    define: dict[str, Text] = key("equation -> a wrong definition of it, in index notation.", factory=dict)
    patch: Patch | None = key("A substitution in the source of a kernel.", default=None)
    dtype: Text | None = key("Dtype under test at which the fault shows; f32 by default.", default=None, one_of=DTYPES)
    killed_by: tuple[Text, ...] = key("Obligations that must fail under this fault.", pattern=OBLIGATION_ID)


@dataclass(frozen=True, kw_only=True)
class Phase(Entry):
    name: Text = key("Short name of the phase.")
    description: Text = key("What happens in it.")
    invariant: Text = key("What holds after it.", default=Text(""))


@dataclass(frozen=True, kw_only=True)
class KernelStructure(Entry):
    phases: tuple[Phase, ...] = key("The passes of the implementation, in order.")


@dataclass(frozen=True, kw_only=True)
class QaGate(Entry):
    id: Text = key("Identifier of the gate.")
    name: Text = key("Name of the gate.")
    description: Text = key("What it guards.", default=Text(""))
    checks: tuple[Text, ...] = key("Obligations that must hold for the gate to open.", default=())


@dataclass(frozen=True, kw_only=True)
class Contract(Entry):
    """One kernel: `name` is family/kernel, taken from the path of the file."""

    name: str = field(default="", metadata={"hidden": True})
    path: str = field(default="", metadata={"hidden": True})
    metadata: Metadata = key("What this contract is and where it comes from.")
    dims: dict[str, Text] = key("Dimension ranges shared by all equations.", factory=dict, number=True)
    equations: dict[str, Equation] = key("The mathematics.")
    proof_obligations: tuple[Obligation, ...] = key("The laws every implementation must obey.", default=())
    falsification_tests: tuple[FalsificationTest, ...] = key("Predictions on chosen inputs.", default=())
    faults: tuple[Fault, ...] = key("Wrong kernels the contract must reject.", default=())
    kernel_structure: KernelStructure | None = key("How the implementation proceeds.", default=None)
    qa_gate: QaGate | None = key("Which obligations gate a release.", default=None)
