"""Which server this process uses."""

from __future__ import annotations

from ._record import stream


def connect(url: str, token: str | None = None, *, device: str | None = None) -> None:
    """Use the server at `url` from now on; tensors of an earlier session are gone.

    Raises ConnectionError, with how to start one, if no server answers there, and the server's own refusal.
    """
    stream.restart()
    stream.session.configure(url, token)
    stream.start()


def synchronize() -> None:
    """Wait until everything recorded so far has been executed; raises what failed."""
    stream.synchronize()
