"""Which server this process uses."""

from __future__ import annotations

from telegrad._http.session import Session
from telegrad._runtime.defaults import check_device, defaults, set_default_device
from telegrad._runtime.process import stream
from telegrad._stream.leaving import AT_EXIT
from telegrad._tracing.frames import hide_frames


class Connection:
    """The result of `connect`: as a context manager, it ends the session at the end of the block."""

    def __init__(self, session: Session, device_before: str) -> None:
        self._session = session
        self._device_before = device_before

    def __repr__(self) -> str:
        opened = self._session.opened
        state = "closed" if opened is None else f"devices: {', '.join(opened.devices)}"
        return f"<telegrad session at {self._session.url or 'a local server'}, {state}>"

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Wait for what the block recorded, unless it raised, and end the session; raises what failed."""
        if stream.session is not self._session:
            return  # another connect() has ended it
        try:
            if kind is None:
                stream.synchronize()
        except BaseException as problem:
            hide_frames(problem)
            raise
        finally:
            defaults.device = self._device_before
            stream.restart(within=None if kind is None else AT_EXIT)


def connect(url: str | None = None, token: str | None = None, *, device: str | None = None) -> Connection:
    """Use the server at `url` from now on; tensors of an earlier session are gone.

    Without `url`: the server that TELEGRAD_URL names, or a local one. `with connect(...):` ends the session with the
    block; the next call then opens another, as after `disconnect()`.

    Raises ConnectionError, with how to start one, if no server answers there, and the server's own refusal. A server
    that refuses the connection is waited for, 30 seconds at most.
    """
    session = Session(url, token)
    session.check()
    before = defaults.device
    stream.restart(session)
    stream.start()
    if device is not None:
        set_default_device(check_device(device))
    return Connection(session, before)


def disconnect() -> None:
    """End the session; its tensors are gone. The next call opens another, where TELEGRAD_URL says or locally."""
    stream.restart()


def synchronize() -> None:
    """Wait until everything recorded so far has been executed; raises what failed."""
    stream.synchronize()
