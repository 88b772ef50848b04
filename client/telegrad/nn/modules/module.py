"""`Module`, the base class of all layers and models."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, Self, TypeVar, overload

from telegrad._api.absent import absent
from telegrad._api.asking_ahead import asking_ahead
from telegrad._api.handles import RemovableHandle
from telegrad._api.signatures import DeviceLike
from telegrad._tensor import Tensor
from telegrad._tracing.frames import hide_frames
from telegrad.autograd import no_grad
from telegrad.nn.parameter import Buffer, Parameter
from telegrad_protocol.dtypes import DType

P = ParamSpec("P")
R = TypeVar("R", covariant=True)


class _Forward(Protocol[P, R]):
    """A module whose `forward` has known arguments and result."""

    @property
    def forward(self) -> Callable[P, R]: ...


class IncompatibleKeys(NamedTuple):
    """Keys that `load_state_dict` did not find, and keys that it did not expect."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class Module:
    """Holds parameters, buffers and submodules by name, and computes `forward` when called.

    >>> import telegrad as tg
    >>> class Double(tg.nn.Module):
    ...     def forward(self, x):
    ...         return x * 2
    >>> Double()(tg.ones(2))
    tensor([2., 2.])
    """

    training: bool
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _forward_hooks: dict[int, Any]
    _forward_pre_hooks: dict[int, Any]
    _state_dict_hooks: dict[int, Any]
    _load_state_dict_pre_hooks: dict[int, Any]

    def __init__(self) -> None:
        for name, value in (
            ("training", True),
            ("_parameters", {}),
            ("_buffers", {}),
            ("_non_persistent_buffers_set", set()),
            ("_modules", {}),
            ("_forward_hooks", {}),
            ("_forward_pre_hooks", {}),
            ("_state_dict_hooks", {}),
            ("_load_state_dict_pre_hooks", {}),
        ):
            object.__setattr__(self, name, value)

    def _forward_unimplemented(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the module's result; subclasses override it."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def _call(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if not self._forward_pre_hooks and not self._forward_hooks:
                return self.forward(*args, **kwargs)
            return self._call_with_hooks(args, kwargs)
        except BaseException as problem:
            hide_frames(problem)
            raise

    def _call_with_hooks(self, args: Any, kwargs: Any) -> Any:
        for hook, with_kwargs in list(self._forward_pre_hooks.values()):
            args, kwargs = _before(hook, with_kwargs, self, args, kwargs)
        result = self.forward(*args, **kwargs)
        for hook, with_kwargs in list(self._forward_hooks.values()):
            changed = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            result = result if changed is None else changed
        return result

    if TYPE_CHECKING:  # a call has the arguments and result of the subclass's `forward`
        forward: Callable[..., Any]

        def __call__(self: _Forward[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...

    else:
        forward, __call__ = _forward_unimplemented, _call

    # Attributes --------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        kind, fits = _table_for(own, name, value)
        if kind is None:
            object.__setattr__(self, name, value)
            return
        if kind not in own:
            raise AttributeError(f"cannot assign {_TABLES[kind].before_init} before Module.__init__() call")
        if not fits:
            table = _TABLES[kind]
            raise TypeError(f"cannot assign '{_typename(value)}' as {table.word} '{name}' ({table.takes} expected)")
        if isinstance(value, Parameter | Module):
            self._leave_only(kind, name)
        if kind == "_buffers":
            kept = value.persistent if isinstance(value, Buffer) else name not in self._non_persistent_buffers_set
            self.register_buffer(name, value, kept)
        elif kind == "_parameters":
            self.register_parameter(name, value)
        else:
            self._modules[name] = value

    def _leave_only(self, kind: str, name: str) -> None:
        """Remove a name from all tables but one, where a new value keeps its position."""
        own = self.__dict__
        for table in (own, *(own[each] for each in _TABLES if each != kind)):
            table.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def __getattr__(self, name: str) -> Tensor | Module:
        for kind in ("_parameters", "_buffers", "_modules"):
            table = self.__dict__.get(kind)
            if table is not None and name in table:
                return table[name]  # type: ignore[no-any-return]
        try:
            raise absent("torch.nn.Module", self, name)
        except AttributeError as problem:
            hide_frames(problem)
            raise

    def __delattr__(self, name: str) -> None:
        for table in (self._parameters, self._buffers, self._modules):
            if name in table:
                del table[name]
                if table is self._buffers:
                    self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self._parameters, *self._buffers, *self._modules})

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add or replace a parameter; None registers the name without a parameter."""
        _check_name(self, name, "parameter")
        _check_value(name, "parameter", param, Parameter, "torch.nn.Parameter or None")
        if param is not None and not param.is_leaf:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. "
                f"To express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add or replace a tensor that is state but not learned; `state_dict` has it if it is persistent."""
        _check_name(self, name, "buffer")
        _check_value(name, "buffer", tensor, Tensor, "torch Tensor or None")
        self._buffers[name] = tensor
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add or replace a submodule."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        _check_name(self, name, "module")
        self._modules[name] = module

    add_module = register_module

    # Traversal ---------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with their paths."""
        seen = set() if memo is None else memo
        if self in seen:
            return
        if remove_duplicate:
            seen.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(seen, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules right below, with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules right below."""
        return (module for _, module in self.named_children())

    def _named(self, kind: str, prefix: str, recurse: bool, remove_duplicate: bool) -> Iterator[tuple[str, Any]]:
        asking_ahead.walked = weakref.ref(self)
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in module.__dict__[kind].items():
                if value is None or (remove_duplicate and id(value) in seen):
                    continue
                seen.add(id(value))
                yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters with their paths."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters, in the form that optimizers take."""
        return (value for _, value in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers with their paths."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers."""
        return (value for _, value in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path. Raises AttributeError if there is none."""
        module: Any = self
        for part in target.split(".") if target else ():
            if not hasattr(module, part):
                raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
            module = getattr(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return module  # type: ignore[no-any-return]

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path. Raises AttributeError if there is none."""
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{type(owner).__name__} has no attribute `{name}`")
        found = getattr(owner, name)
        if not isinstance(found, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return found

    # State -------------------------------------------------------------------------------------------------

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Parameters and persistent buffers by path, outside the graph unless `keep_vars`."""
        found: dict[str, Any] = OrderedDict() if destination is None else destination
        for name, value in self._own_state():
            found[prefix + name] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(self._state_dict_hooks.values()):
            hook(self, found, prefix, {})
        asking_ahead.walked = weakref.ref(self)  # and not one below it
        return found

    def _own_state(self) -> list[tuple[str, Tensor]]:
        kept = [(name, b) for name, b in self._buffers.items() if name not in self._non_persistent_buffers_set]
        return [(name, value) for name, value in [*self._parameters.items(), *kept] if value is not None]

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values by path; with `assign`, use the given tensors themselves. On an error nothing changes.

        Raises RuntimeError, which lists missing and unexpected keys (if strict) and sizes that do not match.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        own = dict(self._state_paths())
        missing = [path for path in own if path not in state_dict]
        unexpected = [path for path in state_dict if path not in own]
        problems = [
            problem
            for path, value in state_dict.items()
            if path in own and (problem := _misfit(path, value, own[path])) is not None
        ]
        if strict and unexpected:
            problems.insert(0, "Unexpected key(s) in state_dict: " + ", ".join(f'"{key}"' for key in unexpected) + ". ")
        if strict and missing:
            problems.insert(0, "Missing key(s) in state_dict: " + ", ".join(f'"{key}"' for key in missing) + ". ")
        if problems:
            listed = "\n\t".join(problems)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}")
        with no_grad():
            for path, value in state_dict.items():
                if path in own:
                    self._place(path, own[path], value, assign)
        return IncompatibleKeys(missing, unexpected)

    def _state_paths(self) -> Iterator[tuple[str, Tensor]]:
        for path, module in self.named_modules(remove_duplicate=False):
            for name, value in module._own_state():
                yield f"{path}.{name}" if path else name, value

    def _place(self, path: str, target: Tensor, value: Any, assign: bool) -> None:
        from telegrad._api.creation import as_tensor

        value = as_tensor(value)
        if not assign:
            target.copy_(value)
            return
        owner, _, name = path.rpartition(".")
        if isinstance(target, Parameter) and not isinstance(value, Parameter):
            value = Parameter(value, target.requires_grad)
        setattr(self.get_submodule(owner), name, value)

    # Modes and casts ---------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode for this module and all below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode for this module and all below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all parameters."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters."""
        from telegrad.optim.optimizer import clear_grads

        clear_grads(list(self.parameters()), set_to_none)

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call a function on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, convert: Callable[[Tensor], Tensor]) -> Self:
        for module in self.modules():
            for parameter in module._parameters.values():
                if parameter is not None and (changed := convert(parameter.data)) is not parameter:
                    parameter.data = changed
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    module._buffers[name] = convert(buffer)
        return self

    @overload
    def to(self, dtype: DType, non_blocking: bool = False) -> Self: ...
    @overload
    def to(self, device: DeviceLike = None, dtype: DType | None = None, non_blocking: bool = False) -> Self: ...
    @overload
    def to(self, tensor: Tensor, non_blocking: bool = False) -> Self: ...
    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move or cast parameters and buffers, in place; a dtype reaches floating ones only."""
        from telegrad._api.overloads.conversion import to_arguments

        dtype, where, _ = to_arguments(args, dict(kwargs))
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
            )
        return self._apply(lambda t: t.to(where or t.device, dtype if t.is_floating_point() else t.dtype))

    def float(self) -> Self:
        """Cast floating-point parameters and buffers to float32."""
        from telegrad_protocol.dtypes import float32

        return self.to(float32)

    def double(self) -> Self:
        """Cast floating-point parameters and buffers to float64."""
        from telegrad_protocol.dtypes import float64

        return self.to(float64)

    def half(self) -> Self:
        """Cast floating-point parameters and buffers to float16."""
        from telegrad_protocol.dtypes import float16

        return self.to(float16)

    def bfloat16(self) -> Self:
        """Cast floating-point parameters and buffers to bfloat16."""
        from telegrad_protocol.dtypes import bfloat16

        return self.to(bfloat16)

    def cpu(self) -> Self:
        """Move parameters and buffers to the server's main memory."""
        return self.to("cpu")

    def cuda(self, device: DeviceLike = None) -> Self:
        """Move parameters and buffers to a GPU of the server."""
        return self.to("cuda" if device is None else device)

    # Hooks -------------------------------------------------------------------------------------------------

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward; its result, unless None, replaces the output."""
        return _add_hook(self._forward_hooks, (hook, with_kwargs), prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward; its result, unless None, replaces the arguments."""
        return _add_hook(self._forward_pre_hooks, (hook, with_kwargs), prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, metadata)` after `state_dict` has collected the module's state."""
        return _add_hook(self._state_dict_hooks, hook, False)

    # Text --------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """The text between the parentheses of `repr`."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({name}): " + indented(repr(module)) for name, module in self._modules.items()]
        lines = extra + children
        if not lines:
            return f"{self._get_name()}()"
        if len(extra) == 1 and not children:
            return f"{self._get_name()}({extra[0]})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _before(hook: Any, with_kwargs: bool, module: Module, args: Any, kwargs: Any) -> tuple[Any, Any]:
    if with_kwargs:
        changed = hook(module, args, kwargs)
        return (args, kwargs) if changed is None else changed
    changed = hook(module, args)
    if changed is None:
        return args, kwargs
    return (changed if isinstance(changed, tuple) else (changed,)), kwargs


def _add_hook(hooks: dict[int, Any], hook: Any, prepend: bool) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        others = [(key, value) for key, value in hooks.items() if key != handle.id]
        for key, value in others:
            del hooks[key]
            hooks[key] = value
    return handle


class _Table(NamedTuple):
    """The words that errors have for one of a module's tables."""

    word: str
    before_init: str
    takes: str


_TABLES = {
    "_parameters": _Table("parameter", "parameters", "torch.nn.Parameter or None"),
    "_modules": _Table("child module", "module", "torch.nn.Module or None"),
    "_buffers": _Table("buffer", "buffer", "torch.nn.Buffer, torch.Tensor or None"),
}


def _table_for(own: dict[str, Any], name: str, value: Any) -> tuple[str | None, bool]:
    """The table that an assigned value belongs in, and whether the table accepts it.

    A name keeps its table, except that a parameter may replace anything, and a module a buffer.
    """
    if isinstance(value, Parameter):
        return "_parameters", True
    if name in own.get("_parameters", ()):
        return "_parameters", value is None
    if isinstance(value, Module):
        return "_modules", True
    if name in own.get("_modules", ()):
        return "_modules", value is None
    if isinstance(value, Buffer) or name in own.get("_buffers", ()):
        return "_buffers", value is None or isinstance(value, Tensor)
    return None, True


def _typename(value: Any) -> str:
    """As `torch.typename`: the name of a function or class, else the name of the value's type."""
    if isinstance(value, Tensor):
        return str(value.type())
    named = value if hasattr(value, "__qualname__") else type(value)
    module = getattr(named, "__module__", None)
    return named.__qualname__ if module in (None, "", "builtins") else f"{module}.{named.__qualname__}"


def _misfit(path: str, value: Any, own: Tensor) -> str | None:
    """Why a value cannot be loaded into a tensor of this module; None if it can."""
    if not hasattr(value, "shape"):
        return (
            f'While copying the parameter named "{path}", expected torch.Tensor or Tensor-like object from checkpoint but '
            f"received {type(value)}"
        )
    if tuple(value.shape) == tuple(own.shape):
        return None
    return (
        f"size mismatch for {path}: copying a param with shape {value.shape} from checkpoint, the shape in current "
        f"model is {own.shape}."
    )


def _check_value(name: str, kind: str, value: Any, wanted: type, words: str) -> None:
    if value is not None and not isinstance(value, wanted):
        raise TypeError(f"cannot assign '{_typename(value)}' object to {kind} '{name}' ({words} required)")


def _check_name(module: Module, name: str, kind: str) -> None:
    table = module.__dict__.get(f"_{kind}s")
    if table is None:
        raise AttributeError(f"cannot assign {kind} before Module.__init__() call")
    if not isinstance(name, str):
        raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
    if not name:
        raise KeyError(f'{kind} name can\'t be empty string ""')
    if hasattr(module, name) and name not in table:
        raise KeyError(f"attribute '{name}' already exists")
