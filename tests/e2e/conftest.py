"""A live server, and a client of this process that is connected to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.live import live_server

import telegrad as tg


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a server that all tests of this folder share."""
    with live_server() as url:
        yield url


@pytest.fixture
def client(server: str) -> Iterator[str]:
    """This process, connected to the server with a session of its own."""
    tg.connect(server)
    yield server
    tg.disconnect()
