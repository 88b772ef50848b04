"""Tests of GPU code run where the tools are: without g++ or the CuPy wheels they are skipped, with the reason."""

from __future__ import annotations

from shutil import which

import pytest


@pytest.fixture(scope="session")
def host_compiler() -> str:
    """The path of g++, or a skip."""
    found = which("g++")
    if found is None:
        pytest.skip("no g++ on the PATH: CUDA sources cannot run on the CPU here")
    return found
