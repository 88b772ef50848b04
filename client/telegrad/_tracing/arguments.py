"""The arguments of a call: their tensors, the device that they are on, and how each travels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from telegrad_protocol.devices import DEVICE_SHIFT, device_index
from telegrad_protocol.errors import DeviceError, OpTypeError
from telegrad_protocol.kinds import Role
from telegrad_protocol.spec import OpSpec, Param

from .leaf_sets import LeafSet, joined
from .proxy import TensorBase


def tensors_of(spec: OpSpec, args: tuple[Any, ...]) -> Iterator[TensorBase]:
    for slot in spec.tensor_slots:
        value = args[slot]
        for item in value if isinstance(value, tuple) else (value,):
            if isinstance(item, TensorBase):
                yield item


def leaves_of(spec: OpSpec, args: tuple[Any, ...]) -> LeafSet | None:
    """The leaves that a result of this call depends on."""
    return joined(tensor._leaves for tensor in tensors_of(spec, args))


def device_bits_of(spec: OpSpec, args: tuple[Any, ...]) -> int:
    """The bits of a row's device: that of its first tensor, its generator, or the device it names."""
    for tensor in tensors_of(spec, args):
        return tensor.device_bits
    device = args[spec.device_slot] if spec.device_slot is not None else None
    if device is None and spec.generator_slot is not None:
        device = getattr(args[spec.generator_slot], "_device", None)
    return 0 if device is None else device_index(device) << DEVICE_SHIFT


def by_device(tensors: Iterable[Any]) -> list[list[Any]]:
    """The tensors of each device."""
    found: dict[int, list[Any]] = {}
    for tensor in tensors:
        found.setdefault(tensor.device_bits, []).append(tensor)
    return list(found.values())


def on_one_device(spec: OpSpec, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with 0-d tensors of the CPU moved to where the others are; refuses any other mixture."""
    found = list(tensors_of(spec, args))
    if all(tensor.device_bits == found[0].device_bits for tensor in found):
        return args
    homes = list(dict.fromkeys(t._meta.device for t in found if t._meta.ndim or t.device_bits))
    if len(homes) > 1:
        raise DeviceError(
            f"Expected all tensors to be on the same device, but found at least two devices, {homes[0]} and {homes[1]}!",
            op=spec.name,
            hint="move one with .to(device)",
        )
    values = list(args)
    for slot in spec.tensor_slots:
        values[slot] = _moved(values[slot], homes[0])
    return tuple(values)


def _moved(value: Any, device: str) -> Any:
    if isinstance(value, tuple):
        return tuple([_moved(item, device) for item in value])
    return value.to(device) if isinstance(value, TensorBase) else value


def may_stand(spec: OpSpec, args: tuple[Any, ...]) -> bool:
    """Whether operands are of the types that the op takes in their places."""
    kinds = zip(spec.params, args, strict=True)
    numbers = bool | int | float
    return all(isinstance(v, TensorBase if p.kind.role is Role.TENSOR else TensorBase | numbers) for p, v in kinds)


def to_wire(param: Param, value: Any) -> Any:
    """An argument as it travels."""
    if isinstance(value, TensorBase):
        return value._id or value._upload()
    if not param.kind.holds_tensors:
        return generator_id(value) if param.kind.role is Role.GENERATOR and value is not None else value
    if isinstance(value, tuple):
        return tuple([None if item is None else item._id or item._upload() for item in value])
    return None if value is None else (value,)


def generator_id(generator: Any) -> Any:
    """A generator as it travels. Raises TypeError for what is none."""
    try:
        return generator._id
    except AttributeError:
        words = f"argument 'generator' must be torch.Generator, not {type(generator).__name__}"
        raise OpTypeError(words, argument="generator") from None
