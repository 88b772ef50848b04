"""Tests of GPU code on a machine without a GPU.

A process has either the plain CuPy or the emulated one. So each module named `test_emulated*.py` runs as one test, in
a process of its own; `test_emulated.py` is quick, the others carry the marker `gpu`. To run such a module in this
process, with pytest's options: TELEGRAD_EMULATED=1 pytest tests/gpu/test_emulated.py -k sort

Where g++ or the CuPy wheels are missing the tests are skipped, and the reason is shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import which
from types import ModuleType

import pytest

EMULATED = bool(os.environ.get("TELEGRAD_EMULATED"))
WHEELS = ("cupy-cuda13x", "nvidia-cuda-nvrtc", "nvidia-cuda-runtime")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "gpu: real CuPy on an emulated device; the first run compiles for minutes")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if EMULATED or not module_path.name.startswith("test_emulated"):
        return None
    return IsolatedModule.from_parent(parent, path=module_path)


class IsolatedModule(pytest.File):
    """A test module that is not imported here."""

    def collect(self) -> Iterator[pytest.Item]:
        item = InOwnProcess.from_parent(self, name="in_its_own_process")
        item.add_marker(pytest.mark.timeout(1800))
        if self.path.stem != "test_emulated":
            item.add_marker(pytest.mark.gpu)
        yield item


class InOwnProcess(pytest.Item):
    """A whole test module as one test; what its process printed is the message of a failure."""

    def runtest(self) -> None:
        # -P: the repository's root must not become an import root. The cache belongs to this process.
        # A first run compiles every kernel that a test needs.
        command = [sys.executable, "-P", "-m", "pytest", "-p", "no:cacheprovider", "--timeout=1500", str(self.path)]
        environment = {**os.environ, "TELEGRAD_EMULATED": "1"}
        result = subprocess.run(command, cwd=self.config.rootpath, env=environment, capture_output=True, text=True)
        if result.returncode:
            pytest.fail(result.stdout[-20000:] + result.stderr[-4000:], pytrace=False)
        if "passed" not in result.stdout:
            pytest.skip(result.stdout.strip()[-500:])

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, self.name


@pytest.fixture(scope="session")
def host_compiler() -> str:
    """The path of g++, or a skip."""
    found = which("g++")
    if found is None:
        pytest.skip("no g++ on the PATH: CUDA sources cannot run on the CPU here")
    return found


@pytest.fixture(scope="session")
def cupy_wheels() -> None:
    """The installed wheels of CuPy and of CUDA's compiler, or a skip."""
    for name in WHEELS:
        try:
            version(name)
        except PackageNotFoundError:
            pytest.skip(f"{name} is not installed: CuPy and NVRTC cannot be tried here")


@pytest.fixture(scope="session")
def cp(host_compiler: str, cupy_wheels: None) -> ModuleType:
    """CuPy on two emulated devices. Fails where it is of another version than the emulator."""
    from gpu.emulated import load_cupy

    return load_cupy(devices=2)
