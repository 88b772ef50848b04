"""The handlers of rows that are not plain ops, by the row's name.

A handler is called with the session, the row, and the row's resolved arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from telegrad_protocol.errors import Malformed, shown
from telegrad_protocol.messages import ReadResult, Row
from telegrad_server.worker.transfers import Sent

Handler = Callable[..., ReadResult | Sent | None]
Registered = TypeVar("Registered", bound=Callable[..., object])

HANDLERS: dict[str, Handler] = {}

RELEASES: dict[str, Callable[..., None]] = {}
"""For rows that release something: how to release it when the row is skipped. Called with the session and the args."""


class Blocked(Exception):
    """A row cannot run yet: the upload that it takes has not arrived."""


def handles(name: str) -> Callable[[Registered], Registered]:
    """Register the handler of the rows of this name."""

    def register(function: Registered) -> Registered:
        HANDLERS[name] = function  # type: ignore[assignment]
        return function

    return register


def releases(*names: str) -> Callable[[Registered], Registered]:
    """Register what releases the things that rows of these names release."""

    def register(function: Registered) -> Registered:
        RELEASES.update(dict.fromkeys(names, function))
        return function

    return register


def result_id(row: Row) -> int:
    """The id that a row gives to its one result, where that is no tensor. Raises `Malformed`."""
    if type(row.outs) is not int:
        raise Malformed("the row names its result by one id", got=shown(row.outs))
    return row.outs
