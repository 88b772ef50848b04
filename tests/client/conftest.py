"""A client whose rows are executed in this process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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


@pytest.fixture(params=["telegrad", pytest.param("torch", marks=pytest.mark.oracle)])
def lib(request: pytest.FixtureRequest) -> Any:
    """Each library in turn: what a test expects of telegrad holds for PyTorch, where it is installed."""
    if request.param == "telegrad":
        request.getfixturevalue("here")
    return pytest.importorskip(request.param, reason="the oracle, torch, is not installed")
