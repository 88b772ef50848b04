"""Small draws of the CPU's generators as host tensors: the server draws the same numbers, without being asked for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from telegrad._draws.position import Position
from telegrad._draws.values import Drawing
from telegrad._runtime.process import stream
from telegrad._tracing import draws
from telegrad._tracing.record import ON_HOST
from telegrad._tracing.rows import as_row, check
from telegrad_protocol import dtypes
from telegrad_protocol.limits import INLINE_BYTES
from telegrad_protocol.shapes import Meta, contiguous
from telegrad_protocol.spec import OPS, OpSpec

from . import host_tensors
from .uploading import Twin

MOST_NORMALS: Final = 1 << 13
"""Normals that are drawn here; more cost more than a request on a fast network."""

MOST_PERMUTED: Final = 1 << 20
"""Numbers that are permuted here."""

_STATE: Final = contiguous((5056,), dtypes.uint8, "cpu")

Make = Callable[[Drawing], np.ndarray]


def _rand(made: Meta, args: tuple[Any, ...]) -> tuple[int, Make] | None:
    if made.nbytes > INLINE_BYTES:
        return None
    return draws.unit_words(made), lambda drawing: drawing.rand(made.shape, host_tensors.NUMPY[made.dtype])


def _randn(made: Meta, args: tuple[Any, ...]) -> tuple[int, Make] | None:
    if made.numel > MOST_NORMALS:
        return None
    return draws.normal_words(made), lambda drawing: drawing.randn(made.shape, host_tensors.NUMPY[made.dtype])


def _randint(made: Meta, args: tuple[Any, ...]) -> tuple[int, Make] | None:
    low, high = args[:2]
    if made.nbytes > INLINE_BYTES or made.dtype.category != dtypes.INT:
        return None
    dtype = host_tensors.NUMPY[made.dtype]
    if low < np.iinfo(dtype).min or high - 1 > np.iinfo(dtype).max:
        return None
    return draws.range_words(made, low, high), lambda drawing: drawing.randint(low, high, made.shape, dtype)


def _multinomial(made: Meta, args: tuple[Any, ...]) -> tuple[int, Make] | None:
    weights, count, replacement = args[:3]
    if not weights.is_on_host or weights._meta.nbytes > INLINE_BYTES or made.nbytes > INLINE_BYTES:
        return None
    values = weights._host
    if values.dtype not in (np.float32, np.float64) or not count or not values.size:
        return None
    if not (np.isfinite(values) & (values >= 0)).all() or not (values.sum(-1) > 0).all():
        return None
    return draws.WORDS["multinomial"](args), lambda drawing: drawing.multinomial(values, count, replacement)


def _randperm(made: Meta, args: tuple[Any, ...]) -> tuple[int, Make] | None:
    n = args[0]
    if n > MOST_PERMUTED or made.dtype.category != dtypes.INT or n > np.iinfo(made.dtype.name).max:
        return None
    return max(n - 1, 0), lambda drawing: drawing.randperm(n, host_tensors.NUMPY[made.dtype])


_DRAWS: Final = {
    "rand": _rand,
    "randn": _randn,
    "randint": _randint,
    "randperm": _randperm,
    "multinomial": _multinomial,
}
"""The words that a draw takes, and what makes its numbers; None for one that is left to the server."""


def _drawn(spec: OpSpec, args: tuple[Any, ...]) -> Any:
    """A draw on the host and on the server alike; None for one that is the server's alone."""
    made = spec.infer(args).meta
    replica = draws.replica_of(spec, args, made.device_bits)
    if replica is None or made.device_bits or made.dtype is dtypes.bfloat16:
        return None
    found = _DRAWS[spec.name](made, args)
    if found is None:
        return None
    return _recorded(spec, args, replica, made, found)


def _recorded(spec: OpSpec, args: tuple[Any, ...], replica: draws.Replica, made: Meta, found: tuple[int, Make]) -> Any:
    with draws.lock.held:
        before = replica.now()
        if before is None:
            return None
        tensor, after = _tensor(replica, before, made, *found)
        _tell(tensor, spec, args, replica, before, after)
    if not stream.host_only:
        check()
    return tensor


def _tensor(replica: draws.Replica, before: Position, made: Meta, words: int, make: Make) -> tuple[Any, Position]:
    """A host tensor of numbers drawn from a position on, and the position behind them."""
    if words >= 0:
        tensor = host_tensors.on_demand(made, lambda: replica.draw(before, make))
        return tensor, before._replace(words=before.words + words)
    values, after = replica.draw_through(before, make)
    return host_tensors.from_array(values, made.dtype, made.device), after


def _tell(
    tensor: Any, spec: OpSpec, args: tuple[Any, ...], replica: draws.Replica, before: Position, after: Position
) -> None:
    """Move the generator, on the server by the row of the call, whose result is the tensor's twin there."""
    if stream.host_only:
        replica.position = after
        return
    twin = Twin(stream.next_id(), exact=spec.name != "randn")
    if spec.name == "multinomial":  # its own row would upload the weights, which are wanted here again
        generator, words = args[-1], after.words - before.words
        spec, args = OPS["rand"], ((words // 2,), dtypes.float64, generator, "cpu")
    else:
        tensor._source = twin
    draws.place(as_row(spec, args, twin._id), draws.moving(replica, before, after))


def seed_of(replica: draws.Replica, move: Callable[[], Any]) -> int | None:
    """The 63 bits that `random_` draws for an int64, where `move` draws them on the server; None if only that has them."""
    with draws.lock.held:
        before = replica.now()
        if before is None:
            return None
        if stream.host_only:
            replica.position = before._replace(words=before.words + 2)
        else:
            move()
        return int(replica.draw(before, Drawing.seed))


def state_of(generator: Any, replica: draws.Replica) -> Any:
    """The state of a generator as a host tensor; None where only the server knows it."""
    with draws.lock.held:
        before = replica.now()
        if before is None:
            return None
        tensor = host_tensors.on_demand(_STATE, lambda: replica.state(before))
        tensor.__dict__["_state"] = draws.KnownState(before, 0)
        if not stream.host_only:
            tensor._source = twin = Twin(stream.next_id())
            draws.place(as_row(OPS["get_generator_state"], (generator,), twin._id), None)
    if not stream.host_only:
        check()
    return tensor


for _name in _DRAWS:
    ON_HOST[_name] = _drawn
