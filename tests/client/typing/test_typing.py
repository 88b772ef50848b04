"""What strict type checkers say of users' code: nothing of everyday code, and every planted mistake."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from stubs.__main__ import stale

HERE = Path(__file__).parent
EVERYDAY, MISTAKES = HERE / "everyday.py", HERE / "mistakes.py"
ROOTS = [str(HERE.parents[2] / root) for root in ("client", "protocol")]
SETTINGS = (
    "--strict --config-file= --follow-imports=silent --hide-error-context --no-error-summary --no-color-output".split()
)
PYRIGHT = shutil.which("pyright", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))


def marked() -> dict[int, str]:
    """Where mistakes are planted, and what mypy calls each."""
    lines = enumerate(MISTAKES.read_text(encoding="utf-8").splitlines(), 1)
    return {number: found[1] for number, line in lines if (found := re.search(r"# E: (\S+)", line))}


def mypy(path: Path, cache: Path) -> list[tuple[int, str, str]]:
    """Line, code and message of what mypy finds in a file, given the package as one that is installed."""
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *SETTINGS, f"--cache-dir={cache}", path.name],
        cwd=HERE,
        env={**os.environ, "MYPYPATH": os.pathsep.join(ROOTS)},
        capture_output=True,
        text=True,
    )
    assert not done.stderr, done.stderr
    errors = [line for line in done.stdout.splitlines() if ": note: " not in line]
    found = [re.match(rf"{path.name}:(\d+): error: (.*)  \[([\w-]+)\]$", line) for line in errors]
    assert all(found), done.stdout
    return [(int(match[1]), match[3], match[2]) for match in found if match]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy")


def test_stubs_are_up_to_date() -> None:
    assert stale() == []


@pytest.mark.timeout(300)
def test_mypy_has_nothing_to_say_of_everyday_code(cache: Path) -> None:
    assert mypy(EVERYDAY, cache) == []


@pytest.mark.timeout(300)
def test_mypy_finds_every_mistake_and_nothing_else(cache: Path) -> None:
    found: dict[int, set[str]] = {}
    for line, code, _ in mypy(MISTAKES, cache):
        found.setdefault(line, set()).add(code)
    assert found == {line: {code} for line, code in marked().items()}


def pyright(path: Path, project: Path) -> list[dict[str, Any]]:
    """What pyright finds in a file under its strictest settings."""
    assert PYRIGHT is not None
    copy = shutil.copy(path, project)
    settings = {"typeCheckingMode": "strict", "extraPaths": ROOTS, "pythonVersion": "3.11"}
    (project / "pyrightconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [PYRIGHT, "--outputjson", "--pythonpath", sys.executable, str(copy)], capture_output=True, text=True
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)["generalDiagnostics"]
    return found


needs_pyright = pytest.mark.skipif(PYRIGHT is None, reason="pyright is not installed")


@needs_pyright
@pytest.mark.timeout(300)
def test_pyright_has_nothing_to_say_of_everyday_code(tmp_path: Path) -> None:
    assert pyright(EVERYDAY, tmp_path) == []


@needs_pyright
@pytest.mark.timeout(300)
def test_pyright_finds_every_mistake_and_nothing_else(tmp_path: Path) -> None:
    serious = [found for found in pyright(MISTAKES, tmp_path) if not found["rule"].startswith("reportUnused")]
    assert {found["range"]["start"]["line"] + 1 for found in serious} == set(marked())


def test_everyday_code_runs() -> None:
    done = subprocess.run([sys.executable, str(EVERYDAY)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a b torch.Size([2, 3]) torch.float32 cpu" in done.stdout
