"""Every code a diagnostic can carry, explained. `albor-contracts explain CODE` prints from here.

E1xx the file and its YAML; E2xx keys, types and values; E3xx links between entries; E4xx expressions;
E5xx bindings and kernels; E6xx generated files; E7xx the older format; E8xx what commands were asked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from .suggest import near_miss


@dataclass(frozen=True)
class Code:
    """`bad` raises the code, `good` is the same thing put right."""

    code: str
    title: str
    explanation: str
    bad: str
    good: str


_FILE = (
    Code("E101", "The file cannot be read",
         "It does not exist, or you may not read it.",
         "albor-contracts validate contracts/core/sofmax-v1.yaml",
         "albor-contracts validate contracts/core/softmax-v1.yaml"),
    Code("E102", "Not a regular file",
         "A contract is a file. Devices, pipes and folders are not opened as one: reading them might never end.",
         "albor-contracts validate /dev/zero",
         "albor-contracts validate contracts/core/softmax-v1.yaml"),
    Code("E103", "The file is too large",
         "A contract is written by people and has some hundred lines. A file of more than 4 MiB is refused before it "
         "is read.",
         "albor-contracts validate model.safetensors",
         "albor-contracts validate contracts/core/softmax-v1.yaml"),
    Code("E104", "The file is empty",
         "There is nothing in it but white space and comments.",
         "# to do",
         "metadata:\n  version: 1.0.0\n  ..."),
    Code("E105", "The file is not UTF-8 text",
         "It holds bytes that are not UTF-8, or NUL bytes. It may be a binary file, or text in another encoding.",
         'title: "caf\\xe9"    (the byte E9 of Latin-1)',
         'title: "café"       (saved as UTF-8)'),
    Code("E106", "An invisible or control character",
         "Control characters, zero-width characters, marks that reverse the direction of text, and exotic line ends "
         "make a file read differently on screen than it is. They are refused everywhere. In the `given` of a "
         "falsification test a character can be written as an escape in double quotes.",
         "check: \"p <= 1\"    (with U+202E hidden before the 1)",
         "check: \"p <= 1\""),
    Code("E107", "Not YAML",
         "The file does not parse as YAML. Most often a text that holds a colon and a space, a bracket or a hash sign "
         "lacks its quotes, or a line is indented with tabs.",
         "property: Note: rows sum to one",
         'property: "Note: rows sum to one"'),
    Code("E108", "A key is written twice",
         "YAML libraries silently keep one of the two. Here the second one is an error, because the reader cannot know "
         "which of them was meant.",
         "check: \"p <= 1\"\ncheck: \"p >= 0\"",
         "check: \"0 <= p and p <= 1\""),
    Code("E109", "An anchor or an alias",
         "Anchors (&name) and aliases (*name) make a short file expand to an enormous one, and hide where a value "
         "comes from. Contracts do without them.",
         "domain: {x: &unit \"in [0, 1]\", y: *unit}",
         "domain: {x: \"in [0, 1]\", y: \"in [0, 1]\"}"),
    Code("E110", "More than one YAML document",
         "A file holds one contract. The line --- begins a second document.",
         "metadata: {...}\n---\nmetadata: {...}",
         "metadata: {...}    (one file each)"),
    Code("E111", "A YAML tag",
         "Tags (!!str, !python/object) would let the file decide how it is read. The format decides the types.",
         "title: !!str Softmax",
         "title: Softmax"),
    Code("E112", "Nested too deep",
         "Lists and mappings may be nested 32 deep. No contract needs more.",
         "given: {x: [[[[... 40 brackets ...]]]]}",
         "given: {x: [[1, 2], [3, 4]]}"),
    Code("E113", "Too many entries",
         "A file may hold 50,000 values and keys. Larger inputs belong in a generated domain, not in a list.",
         "given: {x: [0, 0, 0, ... 60,000 numbers ...]}",
         "domain: {x: \"in [-1, 1]\"}"),
    Code("E114", "A key that is not text",
         "Keys are words. A list or a mapping cannot be a key here.",
         "[B, N]: 1..8",
         "B: 1..8\nN: 1..8"),
    Code("E115", "A number with too many digits",
         "Numbers have at most 400 characters: more than any float64 needs.",
         "given: {x: 1000... 500 zeros ...}",
         "given: {x: 1e300}"),
    Code("E116", "The path is not that of a contract",
         "A contract is called after its path: <family>/<kernel>-v1.yaml is the contract family/kernel. Both are made "
         "of lower-case letters, digits and hyphens. The same names lead to its reference and implementation.",
         "contracts/RMSNorm.yaml",
         "contracts/core/rmsnorm-v1.yaml"),
    Code("E117", "A folder without a contract",
         "No file *.yaml was found in it. Checking nothing is not a success.",
         "albor-contracts validate docs/",
         "albor-contracts validate contracts/"),
    Code("E118", "A contract is written twice",
         "Two files give the same family and kernel. Each kernel has one contract, in one version.",
         "core/softmax-v1.yaml and core/softmax-v2.yaml",
         "core/softmax-v2.yaml"),
    Code("E119", "No project here",
         "Neither this folder nor one above it holds a folder contracts/.",
         "cd /tmp && albor-contracts validate",
         "cd my-project && albor-contracts validate"),
)  # fmt: skip

_STRUCTURE = (
    Code("E201", "An unknown key",
         "The format has no such key here. Keys are never ignored: a misspelt one would silently drop an obligation. "
         "Keys of your own begin with x- and are kept, unread.",
         "equations:\n  softmax:\n    signatur: \"softmax(x: float[N]) -> p: float[N]\"",
         "equations:\n  softmax:\n    signature: \"softmax(x: float[N]) -> p: float[N]\""),
    Code("E202", "A key is missing",
         "This entry cannot be judged without the key.",
         "- id: SM-SUM\n  equation: softmax\n  property: Each row sums to one",
         "- id: SM-SUM\n  equation: softmax\n  type: conservation\n  property: Each row sums to one"),
    Code("E203", "The wrong type",
         "The value is a list where a text belongs, a number where a text belongs, and so on. Types follow YAML 1.2: "
         "`1e-5` is a number, `yes` is a text, `1.0` is a number and `1.0.0` a text.",
         "version: 1.0",
         "version: 1.0.0"),
    Code("E204", "A text of the wrong form",
         "The value must match a pattern: ids are upper-case words joined by hyphens, versions are three numbers, "
         "names of contracts are family/kernel, and callables are module:function.",
         "id: softmax sum",
         "id: SM-SUM"),
    Code("E205", "Not one of the permitted words",
         "The key takes one word of a closed list.",
         "type: conservatoin",
         "type: conservation"),
    Code("E206", "An empty value",
         "The key is there, but there is nothing behind it. That is never the same as leaving the key out.",
         "check:",
         "check: \"p <= 1\""),
    Code("E207", "Not a name",
         "Names of equations, dimensions and variables become names in generated code. They are made of ASCII "
         "letters, digits and underscores, do not begin with a digit, are not words of Python, and have at most 64 "
         "characters. Letters of other alphabets that look the same are refused.",
         "equations:\n  soft-max: {...}",
         "equations:\n  softmax: {...}"),
    Code("E208", "A number out of range",
         "Budgets and probabilities have limits, and must be finite.",
         "false_alarm: .nan",
         "false_alarm: 1e-9"),
    Code("E209", "A control character in a text",
         "An escape in double quotes produced a character that cannot be seen. Only `given` may hold such characters.",
         'title: "Soft\\x1bmax"',
         'title: "Softmax"'),
    Code("E210", "A text that is too long",
         "Names have at most 64 characters, texts 65,536.",
         "equations:\n  softmax_softmax_softmax_softmax_softmax_softmax_softmax_softmax_softmax: {...}",
         "equations:\n  softmax: {...}"),
    Code("E211", "This looks like the older format",
         "Files whose formulas and obligations are sentences can be read with --lenient. They are reported as prose, "
         "level 0, and never counted as covered.",
         "albor-contracts validate softmax-kernel-v1.yaml",
         "albor-contracts import softmax-kernel-v1.yaml"),
    Code("E212", "Too many problems",
         "After 50 problems the rest of a file is not reported. The first ones usually explain the others.",
         "(a file of another kind)",
         "(a contract)"),
)  # fmt: skip

_LINKS = (
    Code("E303", "A parameter that does not fit",
         "The parameter has the right key, but names something this type of obligation cannot use: an output that the "
         "backward equation lacks, an axis where the shapes differ, an error no kernel raises, an element without its "
         "indices, an input that a test gives no value.",
         "type: gradient\nof: softmax\nwrt: [x]\ngives: [dy]    (the output is called dx)",
         "type: gradient\nof: softmax\nwrt: [x]\ngives: [dx]"),
    Code("E302", "An id is used twice",
         "Ids of obligations, tests, faults and gates are unique across all contracts, so that one id leads to one "
         "place. Every equation with a `define` also has an obligation <prefix>-DEF-<EQUATION>.",
         "- id: SM-SUM\n  ...\n- id: SM-SUM\n  ...",
         "- id: SM-SUM\n  ...\n- id: SM-RANGE\n  ..."),
    Code("E301", "There is no such equation",
         "The name must be a key of `equations` of this contract; for `of` in a gradient also of a contract in "
         "`depends_on`.",
         "equation: softmx",
         "equation: softmax"),
    Code("E314", "There is no such obligation",
         "`rule`, `killed_by` and `checks` name obligations of the same contract: written ones, or implied "
         "definitions such as SM-DEF-SOFTMAX.",
         "killed_by: [SM-SUMM]",
         "killed_by: [SM-SUM]"),
    Code("E304", "There is no such contract",
         "`depends_on` names contracts as family/kernel, without the version, and they must be among those validated.",
         "depends_on: [softmax-v1]",
         "depends_on: [core/softmax]"),
    Code("E305", "Contracts depend on each other in a circle",
         "Then neither could be defined first.",
         "core/a: depends_on: [core/b]\ncore/b: depends_on: [core/a]",
         "core/a: depends_on: [core/b]\ncore/b: depends_on: []"),
    Code("E306", "A parameter is missing",
         "Each type of obligation demands its own parameters: a bound needs a limit, a monotonicity a direction.",
         "type: bound\nof: softmax",
         "type: bound\nof: softmax\nlower: 0"),
    Code("E307", "A parameter of another type",
         "The parameter means nothing for this type of obligation. It would be ignored, so it is refused. A law is "
         "stated by the parameters of its template or by `check`, not by both.",
         "type: conservation\ncheck: \"...\"\ndirection: increasing",
         "type: conservation\ncheck: \"...\""),
    Code("E308", "A fault is one wrong kernel",
         "It has a wrong `define` or a `patch`: one of the two.",
         "- id: F1\n  title: Wrong divisor\n  origin: Confusion of mean and sum\n  killed_by: [SM-SUM]",
         "- id: F1\n  title: Wrong divisor\n  origin: Confusion of mean and sum\n"
         "  define: {softmax: \"p[b, i] = x[b, i]\"}\n  killed_by: [SM-SUM]"),
    Code("E309", "`wrt` and `gives` differ in length",
         "A gradient obligation pairs each input with the output that holds its gradient, in order. It names one pair "
         "at least.",
         "wrt: [x, w]\ngives: [dx]",
         "wrt: [x, w]\ngives: [dx, dw]"),
    Code("E310", "A definition without a law",
         "The kernel is compared with this definition, but nothing checks the definition itself. A law it obeys (a "
         "sum, a bound, a symmetry, a gradient) would reveal a slip in the formula. This is a warning.",
         "equations: {softmax: {define: ...}}\nproof_obligations: []",
         "proof_obligations:\n  - {id: SM-SUM, equation: softmax, type: conservation, ...}"),
    Code("E311", "A parameter that the proof engine does not read",
         "Axioms are for z3, a target is for the engines that run what ships, fixed dimensions are not for ieee. "
         "Writing one elsewhere would look like an assumption that is not made.",
         "prove: {engine: crosshair, axioms: [exp_positive]}",
         "prove: {engine: z3, axioms: [exp_positive]}"),
    Code("E312", "A name is listed twice",
         "The list is a set of links; the second entry says nothing, and is probably a slip for another name.",
         "killed_by: [SM-SUM, SM-SUM]",
         "killed_by: [SM-SUM, SM-RANGE]"),
    Code("E313", "A prefix is used by two contracts",
         "Ids of implied definitions begin with the prefix, so each contract has its own.",
         "core/softmax: prefix: SM\nloss/softmax-loss: prefix: SM",
         "core/softmax: prefix: SM\nloss/softmax-loss: prefix: SML"),
    Code("E315", "A contract that was not checked to its end",
         "Something in it could not be used, and what says so is missing: a mistake of this tool. Such a contract "
         "counts as wrong, so that no command goes on as if it were not there.",
         "- {id: SM-A, ...}\n- {id: SM-B, ...}    (which of them it is, no message says)",
         "- {id: SM-A, ...}                    (taking out SM-B shows that it is SM-B)"),
    Code("E320", "A proof that the engine cannot state",
         "crosshair knows whole numbers and truth values, z3 real algebra with the functions of index notation, ieee "
         "laws about one float argument, value by value. An equation without `define` cannot be unrolled, and an "
         "obligation that is an action has no check to prove.",
         "check: \"samples / batch == steps\"\nprove: {engine: crosshair, target: ...}",
         "check: \"samples // batch == steps\"\nprove: {engine: crosshair, target: ...}"),
    Code("E321", "A proof without a function to run",
         "CrossHair executes the function that ships: `target` names it, and other equations that the law calls are "
         "looked up in the same module under their own names.",
         "prove: {engine: crosshair}",
         "prove: {engine: crosshair, target: \"albor_reference.schedule.training_config:steps_per_epoch\"}"),
    Code("E322", "Sizes that a proof cannot have",
         "A proof is about one size of every dimension: the number under `dims`, or the smallest of the range. The "
         "sizes must be permitted by the ranges and assumptions, and small enough to be unrolled.",
         "dims: {N: 2..8}\nprove: {engine: z3, dims: {N: 1}}",
         "dims: {N: 2..8}\nprove: {engine: z3, dims: {N: 2}}"),
    Code("E323", "An unknown axiom",
         "The facts about exp, log, sqrt, cos, sin and erf that a proof may use are a closed list, each of them "
         "checked numerically.",
         "prove: {engine: z3, axioms: [exp_is_positive]}",
         "prove: {engine: z3, axioms: [exp_positive]}"),
    Code("E324", "A proof that says nothing",
         "Where the mathematics is proved, a kernel is its definition: comparing the two is true whatever the "
         "definition says.",
         "type: definition\nprove: {engine: z3}",
         "let: \"p = softmax(x)\"\ncheck: \"all[b](approx(sum[i](p[b, i]), 1))\"\nprove: {engine: z3}"),
)  # fmt: skip

_EXPRESSIONS = (
    Code("E401", "Not a type",
         "A type is a scalar (real, int, bool, text, bytes, the name of a record), or an element type with its "
         "dimensions: float[B, N] has the dtype under test, f32[N] or i64[N] a fixed one. A permutation of a dimension "
         "is permutation[N].",
         "signature: \"softmax(x: tensor[B, N]) -> p: float[B, N]\"",
         "signature: \"softmax(x: float[B, N]) -> p: float[B, N]\""),
    Code("E402", "Not a domain, bound or condition",
         "A domain is an interval or a set whose bounds are numbers, dimensions and scalar inputs, joined by + - * / "
         "// %. Conditions under `assume` compare such expressions. A text has a length instead of a domain, a bool "
         "has neither.",
         "domain: {x: \"between 0 and 1\"}",
         "domain: {x: \"in [0, 1]\"}"),
    Code("E403", "Not a range",
         "A dimension runs from a whole number to another that is not smaller.",
         "dims: {N: 64..1}",
         "dims: {N: 1..64}"),
    Code("E404", "A dimension or input that does not exist",
         "Domains, assumptions and parameters may mention dimensions and inputs of the equation, under their own "
         "names. None may be defined by itself. An assumption is about one of them at least.",
         "domain: {ids: \"in [0, M)\"}    (where the dimension is V)",
         "domain: {ids: \"in [0, V)\"}"),
    Code("E405", "A domain without a value",
         "No value of the dtype lies in the domain, or no sizes satisfy an assumption, or a bound divides by zero.",
         "domain: {k: \"in (0, 1)\"}    (k: int)",
         "domain: {k: \"in [0, 1]\"}"),
    Code("E406", "Not a signature",
         "A signature is name(input: type, ...) -> output: type, ... Its name is the key of the equation, and each "
         "parameter has a name of its own, which is not that of a dimension.",
         "softmax: {signature: \"x: float[N] -> p: float[N]\"}",
         "softmax: {signature: \"softmax(x: float[N]) -> p: float[N]\"}"),
    Code("E407", "A dimension without a range",
         "Every dimension has a range under `dims`, or is a sum of products of dimensions that have one.",
         "dims: {G: 1..4}    (for x: float[H, N])",
         "dims: {G: 1..4, K: 1..3, H: G * K, N: 1..64}"),
    Code("E408", "A case that is too large",
         "Each dimension of a law reaches its largest size, while the others are small; the inputs may then have "
         "16,777,216 elements together, which is 128 MiB in float64. The same holds for a grid that a law or an output "
         "spans, at the sizes that are written as a list or as the range of an index, and for the lengths of texts.",
         "dims: {N: 1..900000000}    (for x: float[N])",
         "dims: {N: 1..4097}"),
    Code("E410", "A syntax error in an expression",
         "Index notation has the syntax of Python's expressions and assignments.",
         "y[i] = 2 x[i]",
         "y[i] = 2 * x[i]"),
    Code("E411", "An expression that is too long or too deep",
         "Definitions are read by people. Give parts of it names, each in a statement of its own.",
         "y[i] = ((((((((...))))))))",
         "z[i] = ...\ny[i] = z[i] / sum[j](z[j])"),
    Code("E412", "Not part of index notation",
         "There are assignments y[i] = ..., c = ... and a, b = kernel(...); and expressions of numbers, names, "
         "elements, operators, comparisons, reductions and functions. Attributes, slices, strings, lambdas and "
         "comprehensions have no place here.",
         "y[i] = x[i:].sum()",
         "y[i] = sum[j](x[j], where=j >= i)"),
    Code("E413", "A name that cannot be used",
         "It is a word of the language, is not plain ASCII, or begins with two underscores.",
         "sum[i] = x[i]",
         "total[i] = x[i]"),
    Code("E414", "A literal that is not a number",
         "Formulas hold numbers that fit 64 bits, and no texts.",
         "y[i] = x[i] * \"2\"",
         "y[i] = x[i] * 2"),
    Code("E415", "Not a reduction",
         "A reduction is op[i, j](expression) or op[i, j](expression, where=condition), over plain index names.",
         "y = sum(x[i])",
         "y = sum[i](x[i])"),
    Code("E416", "Division by zero",
         "The divisor is the literal 0, or a whole number that // and % divide by and that takes the value 0: an "
         "index, or an input whose domain holds it.",
         "y[i] = x[i] / 0",
         "y[i] = x[i] / N"),
    Code("E417", "The wrong arguments of a function",
         "Functions take a fixed number of arguments, by position.",
         "y[i] = clip(x[i], low=0)",
         "y[i] = clip(x[i], 0, 1)"),
    Code("E420", "An unknown name",
         "A name is an input, a dimension, an index bound on the left or by a reduction, or defined by a statement "
         "above. An output can be used only after it is defined.",
         "p[b, i] = ex[b, i] / sum[j](e[b, j])",
         "p[b, i] = e[b, i] / sum[j](e[b, j])"),
    Code("E421", "A name with two meanings",
         "Each name is defined once, and an index has another name than every value and dimension in sight.",
         "y[i] = x[i] - max[i](x[i])",
         "y[i] = x[i] - max[j](x[j])"),
    Code("E422", "The wrong number of indices",
         "An array takes one index for each of its dimensions; a number takes none.",
         "y[b, i] = 2 * x[i]    (x: float[B, N])",
         "y[b, i] = 2 * x[b, i]"),
    Code("E423", "An index without a range",
         "The range of an index is that of a dimension it stands for alone, as in x[i]. Where it stands only in x[i + "
         "1], say, there is nothing to infer it from.",
         "y = sum[i](x[i + 1])",
         "y = sum[i](x[i], where=i >= 1)"),
    Code("E424", "A whole array where a number belongs",
         "Arithmetic is written element by element. Only calls, and approx, equal and exact, take whole arrays.",
         "check: \"softmax(x) <= 1\"",
         "let: \"p = softmax(x)\"\ncheck: \"all[b, i](p[b, i] <= 1)\""),
    Code("E425", "An index with two ranges",
         "An index ranges over one dimension. Two dimensions that are equal by meaning need one name; two that differ "
         "need two indices.",
         "y = sum[i](x[i] * w[i])    (x: float[N], w: float[M])",
         "y = sum[i](x[i] * w[i])    (x: float[N], w: float[N])"),
    Code("E426", "A truth value and a number confused",
         "Claims, assumptions and conditions are true or false; everything else is a number. int(...) turns the one "
         "into the other.",
         "check: \"sum[i](p[i])\"",
         "check: \"approx(sum[i](p[i]), 1)\""),
    Code("E427", "A call that does not fit",
         "A kernel is called with whole arrays and scalars in the order of its signature, and gives whole arrays: one "
         "name on the left for each output.",
         "y, lse = attention(q, k)",
         "y, lse = attention(q, k, v)"),
    Code("E428", "An unknown function or equation",
         "Functions are a closed list. Equations are those of this contract and of the contracts in `depends_on`; a "
         "definition may call only the latter.",
         "y[i] = sigmoid(x[i])",
         "y[i] = 1 / (1 + exp(-x[i]))"),
    Code("E429", "An output that is not defined as declared",
         "`define` gives every output of the signature, with its indices and its kind of value.",
         "softmax(x: float[N]) -> p: float[N]\nq[i] = exp(x[i])",
         "softmax(x: float[N]) -> p: float[N]\np[i] = exp(x[i]) / sum[j](exp(x[j]))"),
    Code("E430", "An index that may not fit",
         "It cannot be shown that the index stays inside the array. Guard it with where(...), use % or clip(...), or "
         "state under `assume` what makes it fit.",
         "y[i] = x[i + 1]",
         "y[i] = where(i + 1 < N, x[min(i + 1, N - 1)], 0)"),
    Code("E433", "Nothing that could lie on the device",
         "`on_device` names arrays of the equation's signature, inputs or outputs. The equation has a `define`, which "
         "the program on the device is compared with.",
         "signature: \"scale(x: float[N], c: real) -> y: float[N]\"\non_device: [x, c]",
         "signature: \"scale(x: float[N], c: real) -> y: float[N]\"\non_device: [x, y]"),
    Code("E434", "A difference that cannot be refuted",
         "What a kernel computed is known within a bound, and a claim fails only if it does so wherever within their "
         "bounds the numbers lie. Two that agree need not be equal: a claim that they differ never fails.",
         "check: y[0, 0] != z[0, 0]",
         "check: any[b, i](not exact(y[b, i], z[b, i]))"),
    Code("E435", "A law that cannot fail",
         "It calls no kernel, compares a value with itself, or bounds by infinity: every kernel passes. A law, and a "
         "prediction too, calls a kernel of its contract and says what holds of what it returned.",
         "check: \"all[i](x[i] <= 1)\"    (x an input)",
         "let: \"y = f(x)\"\ncheck: \"all[i](y[i] <= 1)\""),
    Code("E431", "Definitions that call each other in a circle",
         "An equation may use other equations of its contract, but following the calls must come to an end.",
         "f: y[i] = g(x)[i]    g: y[i] = f(x)[i]",
         "f: y[i] = g(x)[i]    g: y[i] = 2 * x[i]"),
)  # fmt: skip

_GENERATION = (
    Code("E601", "A file outside the output folder",
         "`generate` writes below its output folder only.",
         "albor-contracts generate -o generated    (with a name that leads to ../)",
         "albor-contracts generate -o generated"),
    Code("E602", "A file that this tool did not write",
         "`generate` does not overwrite what it did not write itself.",
         "generated/core/test_softmax.py    (written by hand)",
         "tests/test_softmax.py             (written by hand, beside generated/)"),
)  # fmt: skip

_BINDINGS = (
    Code("E501", "The binding's name is not its file's",
         "bindings/<name>.yaml holds the binding <name>: that is what --binding looks for.",
         "bindings/torch.yaml: name: pytorch",
         "bindings/torch.yaml: name: torch"),
    Code("E502", "A callable or a reason",
         "For each equation a binding names the callable under `call`, or under `autograd` a function of torch tensors "
         "whose gradients are meant, or says in `declines` why it has none. `deviates_on` speaks of its devices.",
         "softmax: {args: {input: x}}",
         "softmax: {call: \"torch:softmax\", args: {input: x}}"),
    Code("E503", "The binding names an unknown contract",
         "Keys of `kernels` are contracts: family/kernel, without the version.",
         "kernels: {core/sofmax: {softmax: \"torch:softmax\"}}",
         "kernels: {core/softmax: {softmax: \"torch:softmax\"}}"),
    Code("E504", "The binding names an unknown equation, output or obligation",
         "Below the contract stand the equations of that contract; under `returns`, each once, outputs of the "
         "equation; under `deviates` and `deviates_on`, obligations and tests of the contract. "
         "`autograd` serves equations that an obligation of type gradient calls the gradients of another.",
         "kernels: {core/softmax: {forward: \"torch:softmax\"}}",
         "kernels: {core/softmax: {softmax: \"torch:softmax\"}}"),
    Code("E505", "Not the name of a callable",
         "A callable is written module:function.",
         "--binding mypackage.ops.rms_norm",
         "--binding mypackage.ops:rms_norm"),
    Code("E506", "A module that cannot be imported",
         "It is not installed and not below the working folder, or it raises an error when imported.",
         "call: mypackge.ops:rms_norm",
         "call: mypackage.ops:rms_norm"),
    Code("E507", "A module without this callable",
         "The module can be imported, but what is named is not in it, or cannot be called with inputs: a class is "
         "called to make an object.",
         "call: torch:sofmax",
         "call: torch:softmax"),
    Code("E508", "A callable that takes other arguments",
         "A kernel is called with the equation's inputs, in the order of its signature. A binding file adapts other "
         "conventions with `args`.",
         "softmax: \"torch:softmax\"",
         "softmax: {call: \"torch:softmax\", args: {input: x, dim: 1}}"),
    Code("E509", "An argument that cannot be read",
         "The arguments of a binding are names of inputs and dimensions, numbers, lists, and + - * / //. Where one "
         "cannot be computed, such as a division by zero, that is an error too. Positions count from '0', and none is "
         "left out.",
         "args: {normalized_shape: \"x.shape[-1:]\"}",
         "args: {normalized_shape: \"[N]\"}"),
    Code("E510", "A device that is not there",
         "A run on cuda was asked for on a machine where torch finds no usable GPU. Nothing falls back silently.",
         "albor-contracts verify core/rmsnorm --device cuda    (without a GPU)",
         "albor-contracts verify core/rmsnorm"),
    Code("E511", "A fault that has drifted from the source",
         "A substitution must match the source of its target exactly once; otherwise the fault is no longer what it "
         "says.",
         "patch: {target: \"pkg.kernels:f\", find: \"n - 1\", put: \"n\"}    (n - 1 occurs twice)",
         "patch: {target: \"pkg.kernels:f\", find: \"/ (n - 1)\", put: \"/ n\"}"),
    Code("E512", "A fault that does not compile, or does not run",
         "The changed source must be valid Python, and find the names that it uses: code that stops for want of one "
         "would fall under any obligation, and prove nothing about those that it names.",
         "patch: {target: \"pkg.kernels:f\", find: \"x + y\", put: \"x +\"}",
         "patch: {target: \"pkg.kernels:f\", find: \"x + y\", put: \"x - y\"}"),
    Code("E513", "Bindings that do not go together",
         "After a +, another function may stand for another equation, or a binding file lend kernels of equations that "
         "no function stands for. All of them take NumPy arrays, or all take torch tensors.",
         "--binding mypackage.numpy_ops:fim+impl",
         "--binding mypackage.numpy_ops:fim+reference"),
)  # fmt: skip

_OLDER = (
    Code("E701", "Prose",
         "The file is in the older format. Its formulas and obligations are sentences, so nothing of it executes: it "
         "is at level 0 and is not counted as covered.",
         "formula: \"softmax(x)_i = exp(x_i) / sum exp(x_j)\"",
         "define: \"p[i] = exp(x[i]) / sum[j](exp(x[j]))\""),
)  # fmt: skip

_COMMANDS = (
    Code("E801", "Nothing has this name",
         "A command was given the id of an obligation, falsification test, fault, or the name of an obligation type, "
         "that no contract of the project has.",
         "albor-contracts replay RN-GRAD-TYPO",
         "albor-contracts replay RN-GRAD"),
    Code("E802", "The file is there already",
         "`scaffold` and `import` begin files. They never change or replace one that exists, and write nothing at all "
         "when one of their files is in the way.",
         "albor-contracts scaffold core/rmsnorm    (which exists)",
         "albor-contracts scaffold core/layernorm"),
    Code("E803", "Not a name for a kernel",
         "A kernel is called family/kernel, in lower-case letters, digits and hyphens: the name leads to the same "
         "place in contracts/, reference/, impl/ and generated/.",
         "albor-contracts scaffold LayerNorm",
         "albor-contracts scaffold core/layer-norm"),
    Code("E804", "A binding file that cannot be extended",
         "`scaffold` adds its entries at the end of `kernels`, which must therefore be the last key of the file and be "
         "written as a block. Nothing is written otherwise; the lines to add by hand are shown.",
         "kernels: {core/rmsnorm: {rmsnorm: \"a.b:f\"}}",
         "kernels:\n  core/rmsnorm:\n    rmsnorm: a.b:f"),
    Code("E805", "Not a contract in the older format",
         "`import` turns contracts in the older prose format into a skeleton of the present one. A file that is in "
         "the present format already, or that is no contract at all, has nothing to import.",
         "albor-contracts import contracts/core/rmsnorm-v1.yaml",
         "albor-contracts import old/rmsnorm-kernel-v1.yaml"),
)  # fmt: skip

CODES: dict[str, Code] = {
    code.code: code
    for code in (*_FILE, *_STRUCTURE, *_LINKS, *_EXPRESSIONS, *_BINDINGS, *_GENERATION, *_OLDER, *_COMMANDS)
}


def explain(code: str) -> str:
    """What a code means, with an example and its correction. Raises KeyError, with a near miss, for an unknown one."""
    found = CODES.get(code.strip().upper())
    if found is None:
        near = near_miss(code.strip().upper(), CODES)
        raise KeyError(
            f"there is no code {code!r}"
            + (f"; did you mean {near}?" if near else f"; codes run from {min(CODES)} to {max(CODES)}")
        )

    def indented(text: str) -> str:
        return "\n".join(f"    {line}" for line in text.split("\n"))

    return (
        f"{found.code}: {found.title}\n\n{found.explanation}\n\nWrong:\n\n{indented(found.bad)}\n\n"
        f"Right:\n\n{indented(found.good)}\n"
    )
