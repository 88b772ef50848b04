"""The handlers of rows that are not plain ops, by the row's name.

A handler is called with the session, the row, and the row's resolved arguments.
"""

from __future__ import annotations

from collections.abc import Callable

from telegrad_protocol.errors import Malformed, shown
from telegrad_protocol.messages import ReadResult, Row
from telegrad_server.worker.transfers import Sent

Handler = Callable[..., ReadResult | Sent | None]
Release = Callable[..., None]

HANDLERS: dict[str, Handler] = {}

RELEASES: dict[str, Release] = {}
"""For rows that release something: how to release it when the row is skipped. Called with the session and the args."""


class Blocked(Exception):
    """A row cannot run yet: the upload that it takes has not arrived."""


def handles(name: str) -> Callable[[Handler], Handler]:
    """Register the handler of the rows of this name."""

    def register(function: Handler) -> Handler:
        HANDLERS[name] = function
        return function

    return register


def releases(*names: str) -> Callable[[Release], Release]:
    """Register the function that releases the things of skipped rows of these names."""

    def register(function: Release) -> Release:
        RELEASES.update(dict.fromkeys(names, function))
        return function

    return register


def result_id(row: Row) -> int:
    """The id that a row gives to its one result, where that is no tensor. Raises `Malformed`."""
    if type(row.outs) is not int:
        raise Malformed("the row names its result by one id", got=shown(row.outs))
    return row.outs


def answer_id(row: Row) -> int:
    """The id that a row gives to its answer; 0 where it gives none, and whoever asked goes by the order."""
    return 0 if row.outs is None else result_id(row)
