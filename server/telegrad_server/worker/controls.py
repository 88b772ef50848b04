"""What the control rows do. A handler is called with the session, the row, and the row's resolved arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from telegrad_protocol.dtypes import uint8
from telegrad_protocol.errors import AutogradError, Malformed, OpError, ShapeError, TelegradError, shown
from telegrad_protocol.limits import INLINE_BYTES
from telegrad_protocol.messages import ReadResult, Row
from telegrad_protocol.shapes import contiguous

from .tensor import Tensor
from .transfers import Read

if TYPE_CHECKING:
    from .session import Session


class Sent(NamedTuple):
    """A value that leaves for another device, as a read of that id which the front carries."""

    id: int
    device: str
    nbytes: int


Handler = Callable[..., ReadResult | Sent | None]
HANDLERS: dict[str, Handler] = {}

RELEASES: dict[str, Callable[..., None]] = {}
"""Of rows that let go of something: how, also where the row itself is passed over. Called with the session and args."""


class Blocked(Exception):
    """A row cannot run yet: the upload it names has not come in."""

    def __init__(self, upload: int) -> None:
        super().__init__(upload)
        self.upload = upload


def handles(function: Handler) -> Handler:
    """Register the handler of the control row of that name."""
    HANDLERS[function.__name__] = function
    return function


@handles
def constant(session: Session, row: Row, data: bytes, dtype: Any, shape: tuple[int, ...]) -> None:
    meta = contiguous(shape, dtype)
    if len(data) != meta.nbytes:
        raise ShapeError(f"{meta!r} has {meta.nbytes} bytes, the row carries {len(data)}", op="constant")
    xp = session.xp
    session.budget.check(meta.nbytes, "constant")
    session.bind(row.outs, session.adopt(xp.copy(xp.from_bytes(data, shape, dtype)), meta), "constant")


@handles
def upload(session: Session, row: Row, upload: int, dtype: Any, shape: tuple[int, ...]) -> None:
    arrived = session.uploads.get(upload)
    if arrived is None or not arrived.done:
        raise Blocked(upload)
    del session.uploads[upload]
    if arrived.error is not None:
        session.skip(row, arrived.error)
        return
    meta = contiguous(shape, dtype)
    arrived.release()
    if arrived.nbytes != meta.nbytes:
        raise ShapeError(f"{meta!r} has {meta.nbytes} bytes, the upload {arrived.nbytes}", op="upload")
    data = session.xp.landed(arrived.landing, shape, dtype)
    session.bind(row.outs, session.adopt(data, meta), "upload")


def releases(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register what rows of these names let go of."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        RELEASES.update(dict.fromkeys(names, function))
        return function

    return register


_INT: Final = {int}


@releases("free")
def forget(session: Session, names: Any) -> None:
    """Forget tensors and generators. Raises `Malformed`, having forgotten none, for what are not ids."""
    if type(names) is not tuple or not _INT.issuperset(map(type, names)):
        raise Malformed("free takes a list of ids", op="free", got=shown(names))
    drop = session.tensors.pop
    for name in names:
        if drop(name, None) is None and session.failed.pop(name, None) is None:
            session.generators.pop(name, None)


@handles
def free(session: Session, row: Row, names: tuple[int, ...]) -> None:
    forget(session, names)


def named(row: Row) -> int:
    """The id that a row gives to what it makes, where that is no tensor. Raises `Malformed`."""
    if type(row.outs) is not int:
        raise Malformed("the row names its result by one id", got=shown(row.outs))
    return row.outs


@handles
def read(session: Session, row: Row, input: Tensor) -> ReadResult:
    meta = input._meta
    session.xp.raise_faults()
    read = named(row)
    if meta.nbytes <= min(INLINE_BYTES, session.room):
        session.room -= meta.nbytes
        return ReadResult(read, meta.dtype.name, meta.shape, session.xp.to_bytes(input.data))
    _keep_for_reading(session, read, input)
    return ReadResult(read, meta.dtype.name, meta.shape, None)


@handles
def send(session: Session, row: Row, input: Tensor, device: str) -> Sent:
    session.xp.raise_faults()
    _keep_for_reading(session, named(row), input)
    return Sent(named(row), device, input._meta.nbytes)


def _keep_for_reading(session: Session, name: int, input: Tensor) -> None:
    if not input._meta.contiguous:
        session.budget.check(input._meta.nbytes, "read")
        input = session.engine.wrap(session.xp.copy(input.data))
    session.drop_read(name)
    session.reads[name] = Read(session.xp, input)


@handles
def memory_stats(session: Session, row: Row) -> ReadResult:
    """In use and at most by this session, what the device holds for it, free and all of the device, in bytes.

    The device ends its work first, so that whoever waits for the answer has waited for the device.
    """
    xp, budget = session.xp, session.budget
    xp.synchronize()
    xp.raise_faults()
    stats = np.array([budget.used, budget.peak, xp.memory_reserved(), *xp.memory_info()], np.int64)
    return ReadResult(row.outs, "int64", (5,), stats.tobytes())


@handles
def device_name(session: Session, row: Row) -> ReadResult:
    name = session.xp.device_name().encode()
    return ReadResult(row.outs, "uint8", (len(name),), name)


@handles
def reset_peak_memory(session: Session, row: Row) -> None:
    session.budget.peak = session.budget.used


@handles
def empty_cache(session: Session, row: Row) -> None:
    session.xp.empty_cache()


@handles
def describe(session: Session, row: Row, input: Tensor) -> ReadResult:
    requires_grad = session.engine.settle(input).requires_grad
    return ReadResult(row.outs, input._meta.dtype.name, input._meta.shape, b"\1" if requires_grad else b"\0")


@handles
def exists(session: Session, row: Row, names: tuple[int, ...]) -> ReadResult:
    found = [type(session.tensors.get(name)) is Tensor for name in names]
    return ReadResult(row.outs, "bool", (len(names),), bytes(found))


@handles
def set_data(session: Session, row: Row, input: Tensor, data: Tensor) -> None:
    if input.requires_grad and not data.dtype.is_floating_point:
        raise AutogradError(
            "data set to a tensor that requires gradients must be floating point or complex dtype", op="set_data"
        )
    # A graph that saved the tensor must not take data of another form for what it was computed with.
    changed = input._meta is not data._meta
    data = data.detached(data.storage.apart(input.storage.version + changed))
    input.data, input._meta, input.storage = data.data, data._meta, data.storage
    input.base, input.offset, input.rebased = data.base, data.offset, data.rebased
    input.origin, input.alone = None, data.alone


@handles
def manual_seed(session: Session, row: Row, seed: int, generator: Any) -> None:
    generator.manual_seed(seed)


@handles
def new_generator(session: Session, row: Row, seed: int) -> None:
    session.generators[named(row)] = session.xp.new_generator(seed)


@handles
def get_generator_state(session: Session, row: Row, generator: Any) -> None:
    engine, state = session.engine, generator.get_state()
    held = engine.xp.copy(engine.xp.from_bytes(memoryview(state), state.shape, uint8))
    session.bind(row.outs, engine.wrap(held), "get_generator_state")


@handles
def set_generator_state(session: Session, row: Row, state: Tensor, generator: Any) -> None:
    try:
        generator.set_state(session.xp.to_host(state.data))
    except RuntimeError as error:
        raise error if isinstance(error, TelegradError) else OpError(str(error), op="set_generator_state") from error
