"""A client whose rows are executed in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.inprocess import LocalSession

from telegrad._runtime.process import stream


@pytest.fixture
def here() -> Iterator[LocalSession]:
    """This process's stream, with an engine in this process in place of a server."""
    session = LocalSession()
    stream.restart(session)
    yield session
    stream.restart()
