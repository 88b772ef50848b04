"""Rows about the device and its memory."""

from __future__ import annotations

import numpy as np

from telegrad_protocol.messages import ReadResult, Row
from telegrad_server.worker.session import Session

from .registry import answer_id, handles


@handles("memory_stats")
def memory_stats(session: Session, row: Row) -> ReadResult:
    """In use and at most by this session, what the device holds for it, free and all of the device, in bytes.

    The device finishes its work first: to wait for the answer is to wait for the device.
    """
    xp, budget = session.xp, session.budget
    xp.synchronize()
    xp.raise_faults()
    stats = np.array([budget.used, budget.peak, xp.memory_reserved(), *xp.memory_info()], np.int64)
    return ReadResult(answer_id(row), "int64", (5,), stats.tobytes())


@handles("device_name")
def device_name(session: Session, row: Row) -> ReadResult:
    name = session.xp.device_name().encode()
    return ReadResult(answer_id(row), "uint8", (len(name),), name)


@handles("reset_peak_memory")
def reset_peak_memory(session: Session, row: Row) -> None:
    session.budget.peak = session.budget.used


@handles("empty_cache")
def empty_cache(session: Session, row: Row) -> None:
    session.xp.empty_cache()
