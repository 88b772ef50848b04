"""Rows that make, seed, save and restore generators of random numbers."""

from __future__ import annotations

from typing import Any

from telegrad_protocol.dtypes import uint8
from telegrad_protocol.errors import OpError, TelegradError
from telegrad_protocol.messages import Row
from telegrad_server.worker.session import Session
from telegrad_server.worker.tensor import Tensor

from .registry import handles, result_id


@handles("manual_seed")
def manual_seed(session: Session, row: Row, seed: int, generator: Any) -> None:
    generator.manual_seed(seed)


@handles("new_generator")
def new_generator(session: Session, row: Row, seed: int) -> None:
    session.generators[result_id(row)] = session.xp.new_generator(seed)


@handles("get_generator_state")
def get_generator_state(session: Session, row: Row, generator: Any) -> None:
    engine, state = session.engine, generator.get_state()
    held = engine.xp.copy(engine.xp.from_bytes(memoryview(state), state.shape, uint8))
    session.bind(row.outs, engine.wrap(held), "get_generator_state")


@handles("set_generator_state")
def set_generator_state(session: Session, row: Row, state: Tensor, generator: Any) -> None:
    try:
        generator.set_state(session.xp.to_host(state.data))
    except RuntimeError as error:
        raise error if isinstance(error, TelegradError) else OpError(str(error), op="set_generator_state") from error
