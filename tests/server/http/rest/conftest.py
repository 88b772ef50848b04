from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from support.live import http_session, live_server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with live_server("--memory", "256M", "--lease", "20") as found:
        yield found


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with http_session(url) as client:
        yield client
