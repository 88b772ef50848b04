from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from support.live import live_server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live_server("--memory", "256M", "--lease", "20") as found:
        yield found


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """A client of a session of its own: paths are those below it."""
    with httpx.Client(base_url=url) as plain:
        opened = plain.post("/v1/sessions", json={}).json()
        with httpx.Client(base_url=f"{url}/v1/sessions/{opened['session']}", timeout=30) as client:
            yield client
            client.delete("")
