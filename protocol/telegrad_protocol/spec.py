"""The op table: `@op` turns a typed function without a body into an `OpSpec`, from which the rest follows.

A declaration gives PyTorch's name, arguments, defaults and a docstring; its rule computes the results' shapes
and dtypes. The wire, local validation, `help()`, the REST catalogue and the tests are read off the table.

    @op(rules.elementwise())
    def mul(input: Tensor, other: Tensor | Number) -> Tensor:
        '''Multiplies `input` by `other`, element by element.'''
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias, cast

from .dtypes import DType
from .errors import OpTypeError, UnknownOp
from .kinds import CHECKS, KINDS, Kind, Role
from .shapes import HasMeta, Meta, check_work

# The words of declarations. A declaration is read, never run, so these only have to satisfy the type checker.
Tensor: TypeAlias = HasMeta
Number: TypeAlias = "bool | int | float"
Checked: TypeAlias = float
Value: TypeAlias = "bool | int | float"
Size: TypeAlias = "int | tuple[int, ...]"
Ids: TypeAlias = "int | tuple[int, ...]"
OpenSize: TypeAlias = "int | tuple[int | None, ...]"
Dims: TypeAlias = "int | tuple[int, ...] | None"
Index: TypeAlias = "tuple[Any, ...]"
Generator: TypeAlias = int
Device: TypeAlias = str


class Inferred(NamedTuple):
    """The result of a rule.

    `metas`: the results. `compute`: the dtype that promoted inputs are cast to before the kernel, or None.
    `offset`: for a view, the distance of its first element from the input's, in elements, or a distance per result;
    None for new memory. `warning`: the warning that every such call gives.
    """

    metas: tuple[Meta, ...]
    compute: DType | None = None
    offset: int | tuple[int, ...] | None = None
    warning: str | None = None

    @property
    def meta(self) -> Meta:
        return self.metas[0]

    @property
    def nbytes(self) -> int:
        """Bytes of new memory that the results take."""
        return 0 if self.offset is not None else sum(meta.nbytes for meta in self.metas)


class Param(NamedTuple):
    name: str
    kind: Kind
    default: Any
    keyword_only: bool

    @property
    def required(self) -> bool:
        return self.default is inspect.Parameter.empty

    def __str__(self) -> str:
        return f"{self.name}: {self.kind.shown}" + ("" if self.required else f" = {self.default!r}")


NUMPY_NAMES: Final = {"dim": ("axis",), "keepdim": ("keepdims",), "input": ("x", "a", "x1"), "other": ("x2",)}
"""NumPy's names of some arguments, which PyTorch accepts in every function that has these arguments."""

Rule: TypeAlias = Callable[..., Any]
_MEMO_LIMIT: Final = 4096


class OpSpec:
    """One row of the table.

    name, doc, params: as declared. index: the op's code on the wire. returns: names of the results, or None where
    their number depends on the arguments. on: where users find it ("torch", "tensor", "functional", ...).
    aliases: other names of parameters. inplace: a variant with a trailing underscore exists. differentiable: gradients
    flow to the inputs. static_shape: shapes follow from metadata alone. control: a row that acts on the session (free, read,
    backward, an optimizer's step) and is not a function of tensors. public: callable by name, as over HTTP: ops without
    a leading underscore, and the control rows that say so.

    inner: only gradients and decompositions call it, inside a server; a row that names it is refused as an unknown op.

    view: the results may share the input's memory. detached: such a view does not share the input's history;
    own_version: nor its version. fixed_views: PyTorch's name of the function that makes these views, to which in-place
    ops may give no new history.

    form_of: the function, as users know it, of which this op is one form.

    second_names: PyTorch's other names of the op. autocast: what it computes in where autocast is on: "low", the low
    precision; "float32"; "widest", float32 where its arguments have different dtypes; or "", what it is given.

    separate: of several results each depends on the tensor in its place alone.

    elementwise: an element of the result depends on that element of the inputs alone, so in place no other element may
    share its memory. idempotent: in place it may write to an element twice, as in an expanded tensor.
    """

    def __init__(self, function: Callable[..., Any], rule: Rule | None, **traits: Any) -> None:
        self.name: str = traits.pop("name", None) or function.__name__
        self.doc: str = inspect.cleandoc(function.__doc__ or "")
        self.rule = rule
        self.params = _params(function)
        self.index = -1
        self.returns: tuple[str, ...] | None = traits.pop("returns", _returns(function))
        self.on: tuple[str, ...] = tuple(traits.pop("on", "torch tensor").split())
        self.inplace: bool = traits.pop("inplace", False)
        self.view: bool = traits.pop("view", False)
        self.detached: bool = traits.pop("detached", False)
        self.own_version: bool = traits.pop("own_version", False)
        self.fixed_views: str = traits.pop("fixed_views", "")
        self.differentiable: bool = traits.pop("differentiable", True)
        self.static_shape: bool = traits.pop("static_shape", True)
        self.control: bool = traits.pop("control", False)
        self.elementwise: bool = traits.pop("elementwise", bool(getattr(rule, "operands_only", False)))
        self.separate: bool = traits.pop("separate", False)
        self.idempotent: bool = traits.pop("idempotent", False)
        self.public: bool = traits.pop("public", not self.control and not self.name.startswith("_"))
        self.shown: str = traits.pop("form_of", None) or self.name.lstrip("_")
        self.inner: bool = traits.pop("inner", False)
        self.second_names: tuple[str, ...] = tuple(traits.pop("second_names", "").split())
        self.autocast: str = traits.pop("autocast", "")
        given: dict[str, str] = traits.pop("aliases", {})
        self.family = function.__module__.rpartition(".")[2]
        if traits:
            raise TypeError(f"{self.name}: unknown traits {sorted(traits)}")
        self.names = tuple(param.name for param in self.params)
        numpys = {alias: name for name in self.names if self.on for alias in NUMPY_NAMES.get(name, ())}
        self.aliases = {alias: name for alias, name in {**numpys, **given}.items() if alias not in self.names}
        self.generator_slot = self._slot(Role.GENERATOR)
        self.device_slot = self._slot(Role.DEVICE)
        self.dtype_slot = self._slot(Role.DTYPE)
        self.takes_lists = self._slot(Role.TENSORS) is not None
        self.tensor_slots = tuple(i for i, param in enumerate(self.params) if param.kind.holds_tensors)
        # Of operands that may all be numbers, one has to be a tensor.
        self.needs_tensor = bool(self.tensor_slots) and all(
            kind.role is Role.OPERAND or kind.optional for kind in (self.params[i].kind for i in self.tensor_slots)
        )
        self.decoders = tuple((i, p.kind.decode) for i, p in enumerate(self.params) if p.kind.decode)
        self.memo: dict[Any, Inferred] = {}
        self.known: dict[Any, Meta] = {}  # the first result of each entry of `memo`, enough for most calls
        self.key = _compile_key(self)
        self.well_formed = _compile_well_formed(self)

    def __repr__(self) -> str:
        return f"<op {self.signature}>"

    def _slot(self, role: Role) -> int | None:
        """The position of the first argument in that role."""
        return next((i for i, param in enumerate(self.params) if param.kind.role is role), None)

    @property
    def signature(self) -> str:
        """The declaration as PyTorch's documentation writes it."""
        words: list[str] = []
        for param in self.params:
            if param.keyword_only and "*" not in words:
                words.append("*")
            words.append(str(param))
        result = "Tensor" if self.returns == ("out",) else ", ".join(self.returns or ("Tensor, ...",))
        return f"{self.name}({', '.join(words)}) -> {result if self.returns != () else 'None'}"

    def infer(self, args: tuple[Any, ...]) -> Inferred:
        """Shapes and dtypes of the results for arguments in declared order, memoised on metadata.

        Raises the `OpError` that the rule raises, completed with the op's name.
        """
        try:
            key = self.key(*args)
            found = self.memo.get(key)
        except (TypeError, AttributeError):
            return self.infer_afresh(self.convert(args))
        if found is None:
            found = self.infer_afresh(self.convert(args))
            if len(self.memo) >= _MEMO_LIMIT:
                self.memo.clear()
                self.known.clear()
            self.memo[key] = found
            if found.metas and found.warning is None:
                self.known[key] = found.meta
        return found

    def decode(self, position: int, decode: Callable[[Any], Any], value: Any) -> Any:
        """An argument as the engine takes it, from its wire form."""
        try:
            return decode(value)
        except TypeError:
            return self._convert_one(position, value)  # raises the error that names the argument

    def infer_afresh(self, args: tuple[Any, ...]) -> Inferred:
        """Run the rule on converted arguments."""
        if not self.view:
            check_work(self.name, *self._metas(args))
        if self.rule is None:
            return Inferred(())
        values = [param.kind.to_rule(value) for param, value in zip(self.params, args, strict=True)]
        if self.needs_tensor and not any(isinstance(values[i], Meta) for i in self.tensor_slots):
            raise self.not_of_kind(self.tensor_slots[0], args[self.tensor_slots[0]])
        if getattr(self.rule, "operands_only", False):
            values = [values[i] for i in self.tensor_slots]
        try:
            found = self.rule(*values)
        except (OpTypeError, UnknownOp):
            raise
        except RuntimeError as error:
            getattr(error, "details", {}).setdefault("op", self.name)
            raise
        if isinstance(found, Inferred):
            return found
        return Inferred((found,) if isinstance(found, Meta) else tuple(found))

    def _metas(self, args: tuple[Any, ...]) -> Iterator[Meta]:
        for slot in self.tensor_slots:
            values = args[slot] if isinstance(args[slot], list | tuple) else (args[slot],)
            yield from (value._meta for value in values if isinstance(value, HasMeta))

    def bind(self, /, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Arguments in declared order, defaults filled in; raises OpTypeError as Python does for a function."""
        if len(args) > len(self.params):
            raise OpTypeError(
                f"{self.shown}() takes {len(self.params)} arguments but {len(args)} were given", op=self.name
            )
        bound = dict(zip(self.names, args, strict=False))
        for given, value in kwargs.items():
            name = self.aliases.get(given, given)
            if name not in self.names:
                raise OpTypeError(
                    f"{self.shown}() got an unexpected keyword argument '{name}'",
                    op=self.name,
                    argument=name,
                    expected=self.signature,
                )
            if name in bound:
                raise OpTypeError(
                    f"{self.shown}() got multiple values for argument '{name}'", op=self.name, argument=name
                )
            bound[name] = value
        for param in self.params:
            if param.name not in bound:
                if param.required:
                    raise OpTypeError(
                        f"{self.shown}() missing required argument '{param.name}'",
                        op=self.name,
                        argument=param.name,
                        expected=self.signature,
                    )
                bound[param.name] = param.default
        return tuple(bound[name] for name in self.names)

    def convert(self, args: tuple[Any, ...], called: str = "") -> tuple[Any, ...]:
        """Check every argument against its declared kind and bring it to the form that travels.

        Raises OpTypeError in PyTorch's words: op, as it was `called`, argument, expected and got.
        """
        if len(args) != len(self.params):
            raise OpTypeError(
                f"{self.shown}() takes {len(self.params)} arguments but {len(args)} were given",
                op=self.name,
                expected=self.signature,
            )
        return tuple([self._convert_one(i, value, called) for i, value in enumerate(args)])

    def _convert_one(self, position: int, value: Any, called: str = "") -> Any:
        param = self.params[position]
        try:
            return param.kind.convert(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise self.not_of_kind(position, value, str(error), called) from None

    def not_of_kind(self, position: int, value: Any, why: str = "", called: str = "") -> OpTypeError:
        """The error of a call whose argument at `position` is of another kind than declared."""
        return OpTypeError(
            self._refusal(position, value, called or self.shown) + (f" ({why})" if why else ""),
            op=self.name,
            argument=self.params[position].name,
            expected=self.params[position].kind.shown,
            got=describe(value),
        )

    def _refusal(self, position: int, value: Any, called: str) -> str:
        """The message for a wrong argument, in PyTorch's words."""
        param = self.params[position]
        if param.kind.role is Role.TENSORS and isinstance(value, list | tuple):
            allowed = HasMeta | None if param.kind.optional_items else HasMeta
            wrong = next(index for index, item in enumerate(value) if not isinstance(item, allowed))
            got = type(value[wrong]).__name__
            return f"expected Tensor as element {wrong} in argument {position}, but got {got}"
        got = type(value).__name__ if param.kind.holds_tensors else describe(value)
        where = "" if param.keyword_only else f" (position {position + 1})"
        return f"{called}(): argument '{param.name}'{where} must be {param.kind.wanted}, not {got}"


def describe(value: Any) -> str:
    """A value's type in error messages, with the types inside a list."""
    if isinstance(value, HasMeta):
        return "Tensor"
    if isinstance(value, list | tuple):
        inner = sorted({type(item).__name__ for item in value})
        return f"{type(value).__name__} of ({', '.join(inner)})" if inner else f"empty {type(value).__name__}"
    return type(value).__name__


def _params(function: Callable[..., Any]) -> tuple[Param, ...]:
    found = []
    for param in inspect.signature(function).parameters.values():
        keyword_only = param.kind is inspect.Parameter.KEYWORD_ONLY
        found.append(Param(param.name, KINDS[param.annotation], param.default, keyword_only))
    return tuple(found)


def _returns(function: Callable[..., Any]) -> tuple[str, ...] | None:
    annotation = str(inspect.signature(function).return_annotation)
    return {"Tensor": ("out",), "None": (), "list[Tensor]": None}.get(annotation, ())


def _compile_key(spec: OpSpec) -> Callable[..., Any]:
    """A function from arguments to the memo key: metadata for tensors, types for numbers, values for the rest.

    A Python number's value never changes a result's metadata but its type does: full(2, 1), full(2, 1.0) and
    full(2, True) differ while 1 == 1.0 == True. A number whose value the rule reads is declared `Checked` or
    `Value`: its value is part of the key.
    """
    parts = ", ".join(param.kind.key(param.name) for param in spec.params)
    source = f"def key({', '.join(spec.names)}):\n    return ({parts}{',' if parts else ''})"
    scope: dict[str, Any] = {"HasMeta": HasMeta}
    exec(source, scope)
    return cast("Callable[..., Any]", scope["key"])


def check_source(spec: OpSpec, name: str = "{0}") -> str:
    """Whether all arguments that are no tensors have the wire form, as source; `name` makes variables of names."""
    checks = [(param.kind.check_source, name.format(param.name)) for param in spec.params]
    return " and ".join(check.format(variable) for check, variable in checks if check != "True")


def _compile_well_formed(spec: OpSpec) -> Callable[..., bool]:
    source = f"lambda {', '.join(spec.names)}: {check_source(spec) or 'True'}"
    return cast("Callable[..., bool]", eval(source, dict(CHECKS)))


OPS: dict[str, OpSpec] = {}
"""Every op by name; complete once `telegrad_protocol.ops` is imported."""

BY_INDEX: list[OpSpec] = []
"""Every op by its code on the wire: the position of its name in alphabetical order."""


def op(rule: Rule | None, **traits: Any) -> Callable[[Callable[..., Any]], OpSpec]:
    """Declare an op; see `OpSpec` for the traits."""

    def declare(function: Callable[..., Any]) -> OpSpec:
        spec = OpSpec(function, rule, **traits)
        if spec.name in OPS:
            raise ValueError(f"op {spec.name} is declared twice")
        OPS[spec.name] = spec
        return spec

    return declare


def control(rule: Rule | None = None, **traits: Any) -> Callable[[Callable[..., Any]], OpSpec]:
    """Declare a row that acts on the session."""
    return op(rule, control=True, on="", **traits)


def number_ops() -> None:
    """Give every op its code; called once, when all families are imported."""
    BY_INDEX[:] = [OPS[name] for name in sorted(OPS)]
    for index, spec in enumerate(BY_INDEX):
        spec.index = index


def digest() -> str:
    """A fingerprint of the table; equal digests mean that both sides read rows alike."""
    text = "\n".join(spec.signature for spec in BY_INDEX)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def find(name: str) -> OpSpec:
    """The public op of that name. Raises `UnknownOp` with the nearest names."""
    spec = OPS.get(name)
    if spec is None or not spec.public:
        import difflib

        near = difflib.get_close_matches(name, [known for known, spec in OPS.items() if spec.public], n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "GET /v1/ops lists every op"
        raise UnknownOp(f"there is no op named '{name}'", op=name, hint=hint)
    return spec
