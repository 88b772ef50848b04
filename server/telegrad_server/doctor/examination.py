"""The parts of the report, in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from telegrad_protocol.devices import ProcessDevice
from telegrad_server.backend.probe import Found, found_devices
from telegrad_server.worker.__main__ import backend_of

from .draws import try_draws
from .environment import choose, describe, environment, opened, versions
from .report import Part
from .samples import try_samples
from .speed import measure
from .training import train

SESSION_MEMORY = 4 << 30
"""Bytes that the tried session may take, at most half of what is free."""


def examine(wanted: str | None, quick: bool) -> Iterator[tuple[str, Part]]:
    """The parts of the report, each when it is there."""
    yield "environment", environment()
    yield "versions", versions()
    found = found_devices()
    yield "devices", {each.device: attempt(opened, each) for each in (Found("cpu", True, ""), *found)}
    device, reason = choose(found, wanted)
    if device is None:
        yield "device", {"ok": False, "device": wanted, "reason": reason}
        return
    yield "device", {"device": device, "reason": reason, **attempt(describe, device)}
    yield from try_device(device, quick)


def try_device(device: str, quick: bool) -> Iterator[tuple[str, Part]]:
    """What the device gives, in this process, which works on that device from here on."""
    ProcessDevice.device = device
    np.seterr(all="ignore")  # as in a worker: inf and nan are results
    try:
        backend = backend_of(device)
        xp = backend.for_session(min(SESSION_MEMORY, backend.memory_info()[0] // 2))
        with xp.active():
            yield "samples", attempt(try_samples, xp, quick)
            if device != "cpu":  # whose generator is PyTorch's
                yield "draws", attempt(try_draws, xp)
            yield "training", attempt(train, xp, quick)
            yield "speed", attempt(measure, xp, quick)
    except Exception as error:  # of opening the device, or of leaving it after it died
        yield "session", failed(error)


def attempt(check: Callable[..., Part], *args: Any) -> Part:
    """A part of the report; what the check raises is what is wrong."""
    try:
        return check(*args)
    except Exception as error:  # whatever it is, the rest of the report is wanted
        return failed(error)


def failed(error: Exception) -> Part:
    return {"ok": False, "error": f"{type(error).__name__}: {error}"}
