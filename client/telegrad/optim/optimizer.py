"""`Optimizer`, the base class: parameter groups, state on the server, one row per step."""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, ClassVar, Final, TypeAlias, TypeVar, overload

from telegrad._runtime.process import stream
from telegrad._stream.changes import Change
from telegrad._tensor import Tensor, ask_has_grad
from telegrad._tracing.arguments import by_device
from telegrad._tracing.contents import mark_bulk_written, since
from telegrad._tracing.leaf_sets import restore
from telegrad._tracing.proxy import TensorBase
from telegrad._tracing.rows import append, append_all, as_row
from telegrad.autograd import enable_grad, no_grad
from telegrad_protocol import dtypes
from telegrad_protocol.shapes import Meta, like
from telegrad_protocol.spec import OPS

Params: TypeAlias = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]
"""Parameters, groups of them, or parameters with their names."""

R = TypeVar("R")

_IS_MARKED: Final = attrgetter("_bulk_written")

_MARKED: Final[set[tuple[int, ...]]] = set()
"""The ids of states that are marked as written to by steps."""

_MOST_MARKED: Final = 64


def clear_grads(parameters: list[Any], set_to_none: bool = True) -> None:
    """Clear the gradients of parameters, or overwrite them with zeros; one row for all."""
    having = [p for p in parameters if p._leaf is not None and p._leaf.has_grad is not False]
    if not having:
        return
    if not set_to_none:
        with no_grad():
            for p in with_gradients(having):
                p.grad.detach().zero_()
        return
    before = [(p._leaf, p._leaf.state()) for p in having]
    change = Change(lambda: restore([(leaf, (False, None, None)) for leaf, _ in before]), lambda: restore(before))
    since.bulk_write()
    append_all([as_row(OPS["clear_grads"], (tuple(found),), None) for found in by_device(having)], change)
    since.bulk_write()


def with_gradients(parameters: Iterable[Any]) -> list[Any]:
    """The parameters that have a gradient. Asks the server only about those reached through a gradient's graph."""
    having = [p for p in parameters if p._leaf is not None and p._leaf.has_grad is not False]
    if any(p._leaf.has_grad is None for p in having):
        ask_has_grad(having)
    return [p for p in having if p._leaf.has_grad]


class Optimizer:
    """Base of the optimizers. A subclass names the row that steps a group, and its state tensors per parameter.

    `row`: the row's name. `slots(group)`: the names of the state tensors, in the row's order. A user's own
    optimizer has no row: it overrides `step`, writes to the parameters and keeps its values in `state`.
    """

    row: ClassVar[str] = ""

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params argument given to the optimizer should be an iterable of Tensors or dicts")
        self.defaults = defaults
        self.state: dict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list[Any] = [{"params": params}] if isinstance(params, set) else list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def slots(self, group: dict[str, Any]) -> tuple[str, ...]:
        """The names of the state tensors of each parameter."""
        raise NotImplementedError

    def arguments(self, group: dict[str, Any]) -> tuple[Any, ...]:
        """The row's arguments that follow parameters and state."""
        raise NotImplementedError

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with its own options."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, set):
            raise TypeError("optimizer parameters need to be organized in ordered collections, but a set has no order")
        listed = [params] if isinstance(params, Tensor) else list(params)
        listed = [item[1] if isinstance(item, tuple) else item for item in listed]
        known = {id(p) for group in self.param_groups for p in group["params"]}
        for p in listed:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(p).__name__}")
            if not p.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
            if id(p) in known:
                raise ValueError("some parameters appear in more than one parameter group")
        if len({id(p) for p in listed}) < len(listed):
            warnings.warn("optimizer contains a parameter group with duplicate parameters", stacklevel=3)
        self.param_groups.append({**self.defaults, **param_group, "params": listed})

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of all parameters; one row."""
        clear_grads([p for group in self.param_groups for p in group["params"]], set_to_none)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], R]) -> R: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; one row per group and device."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                self._step(group)
        return loss

    def _step(self, group: dict[str, Any]) -> None:
        for params in by_device(with_gradients(group["params"])):
            self._step_on_one_device(group, params)

    def _step_on_one_device(self, group: dict[str, Any], params: list[Any]) -> None:
        names, held = self.slots(group), [self.state[p] for p in params]
        fresh: dict[Any, dict[str, Any]] = {}
        if names and not all(held):
            fresh = {p: {name: self._slot(name, p._meta) for name in names} for p in params if not self.state[p]}
            held = [fresh.get(p) or self.state[p] for p in params]
        state = tuple([slots[name]._server_id() for slots in held for name in names])
        if not all(map(_IS_MARKED, params)):
            mark_bulk_written(params)
        if state not in _MARKED:
            mark_bulk_written([slots[name] for slots in held for name in names])
            if len(_MARKED) >= _MOST_MARKED:
                _MARKED.clear()
            _MARKED.add(state)
        before = [(counter := p.counter, counter._version) for p in params]

        def apply() -> None:
            self.state.update(fresh)
            for counter, version in before:
                counter._version = version + 1
            since.bulk_write()

        def undo() -> None:
            for counter, version in before:
                counter._version = version
            for p in fresh:
                self.state.pop(p, None)

        append(OPS[self.row], (tuple(params), state, *self.arguments(group)), None, change=Change(apply, undo))
        since.bulk_write()

    def _slot(self, name: str, meta: Meta) -> Any:
        """The proxy of a state tensor, which the first step creates."""
        return TensorBase.make(stream.next_id(), _slot_meta(name, meta))

    def state_dict(self) -> dict[str, Any]:
        """State and groups in PyTorch's layout: parameters by number."""
        indices: dict[int, int] = {}
        for group in self.param_groups:
            for p in group["params"]:
                indices.setdefault(id(p), len(indices))
        groups = [{**group, "params": [indices[id(p)] for p in group["params"]]} for group in self.param_groups]
        return {"state": {indices[id(p)]: dict(held) for p, held in self.state.items() if held}, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a state that `state_dict` gave. Raises ValueError if the groups do not match."""
        groups = state_dict["param_groups"]
        if len(groups) != len(self.param_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if [len(g["params"]) for g in groups] != [len(g["params"]) for g in self.param_groups]:
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
            )
        params = [p for group in self.param_groups for p in group["params"]]
        order = [index for group in groups for index in group["params"]]
        by_index = dict(zip(order, params, strict=True))
        with no_grad():
            loaded = {
                by_index[index]: {
                    name: self._loaded(name, value, by_index[index]._meta) for name, value in held.items()
                }
                for index, held in state_dict["state"].items()
            }
        self.state = defaultdict(dict, loaded)
        for own, group in zip(self.param_groups, groups, strict=True):
            own.update({name: value for name, value in group.items() if name != "params"})

    def _loaded(self, name: str, value: Any, meta: Meta) -> Any:
        """A loaded value as state of our own; what a row works on gets the shape and dtype that the row expects."""
        from telegrad._api.creation import as_tensor

        if not self.row:
            return value.detach().clone() if isinstance(value, Tensor) else copy.deepcopy(value)
        wanted = _slot_meta(name, meta)
        return as_tensor(value).detach().to(wanted.device, wanted.dtype).reshape(wanted.shape).clone()

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def _slot_meta(name: str, meta: Meta) -> Meta:
    return like(meta, shape=(), dtype=dtypes.float32) if name == "step" else like(meta)


def nonnegative(**values: float) -> None:
    """Raise ValueError for an option that is negative or nan."""
    for name, value in values.items():
        if value < 0.0 or value != value:
            what = {"lr": "learning rate", "eps": "epsilon value"}.get(name, f"{name} value")
            raise ValueError(f"Invalid {what}: {value}")


def refuse(**options: Any) -> None:
    """Raise NotImplementedError for options that are set and not supported."""
    for name, value in options.items():
        if value:
            raise NotImplementedError(f"{name}=True is not supported")
