"""Which server this process uses."""

from __future__ import annotations

from ._creation import check_device, set_default_device
from ._record import stream
from ._session import Session


def connect(url: str, token: str | None = None, *, device: str | None = None) -> None:
    """Use the server at `url` from now on; tensors of an earlier session are gone.

    Raises ConnectionError, with how to start one, if no server answers there, and the server's own refusal.
    """
    stream.restart(Session(url, token))
    stream.start()
    if device is not None:
        set_default_device(check_device(device))


def disconnect() -> None:
    """End the session; its tensors are gone. The next call opens another, where TELEGRAD_URL says or locally."""
    stream.restart()


def synchronize() -> None:
    """Wait until everything recorded so far has been executed; raises what failed."""
    stream.synchronize()
