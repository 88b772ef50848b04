"""The images' own steps, carried out without an engine: what is copied installs, starts and answers its health check.

The parts of a CUDA image that are only downloads of gigabytes (CUDA's libraries) are left out: its server extra is
installed, CuPy's wheel is resolved, and its command line is taken as it is but for the device.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
IMAGES = ["cpu", "cuda"]
TOKEN = "a-token-0123456789"


class Instruction(NamedTuple):
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words of a command in its JSON form."""
        return list(json.loads(self.text[self.text.index("[") :]))


def stages(image: str) -> list[list[Instruction]]:
    """The instructions of a Dockerfile, stage by stage."""
    text = (ROOT / "docker" / f"{image}.Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found: list[list[Instruction]] = []
    for line in filter(str.strip, lines):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append(Instruction(name, rest.strip()))
    return found


def only(instructions: list[Instruction], name: str) -> Instruction:
    (found,) = [instruction for instruction in instructions if instruction.name == name]
    return found


def allowed(path: Path) -> bool:
    """Whether .dockerignore, which lists what it lets through, lets it through."""
    return f"!{path.relative_to(ROOT).parts[0]}" in (ROOT / ".dockerignore").read_text().splitlines()


def copy_context(build: list[Instruction], to: Path) -> None:
    """What the COPY instructions bring into the build stage."""
    for instruction in build:
        if instruction.name == "COPY":
            *sources, target = instruction.text.split()
            for source in sources:
                assert allowed(ROOT / source), f".dockerignore keeps {source} out"
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, to / target, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, to / target)


def install(build: list[Instruction], context: Path, prefix: Path) -> None:
    """Run the install step with another prefix; of a CUDA extra, the server that it is made of."""
    command = only(build, "RUN").text.replace("/opt/telegrad", str(prefix))
    assert "pip install" in command
    command = command.replace(".[cuda${CUDA}]", ".[server]").replace("python -m venv", f"{sys.executable} -m venv", 1)
    subprocess.run(["sh", "-euc", command], cwd=context, check=True, timeout=600, env=clean())


def clean() -> dict[str, str]:
    """The environment without what would lead to this checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TELEGRAD"))}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def healthy(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=10, env=clean(), check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("image", IMAGES)
def test_an_image_installs_starts_and_is_healthy(image: str, tmp_path: Path) -> None:
    build, final = stages(image)
    (tmp_path / "context").mkdir()
    copy_context(build, tmp_path / "context")
    install(build, tmp_path / "context", tmp_path / "venv")
    (tmp_path / "token").write_text(TOKEN)
    port, programs = free_port(), tmp_path / "venv" / "bin"
    command = only(final, "CMD").words
    command = [str(programs / command[0]), *command[1:], "--port", str(port)]
    command = [str(tmp_path / "token") if word.startswith("/run/secrets/") else word for word in command]
    command = ["cpu" if word == "cuda" else word for word in command]
    probe = [word.replace("7465", str(port)) for word in only(final, "HEALTHCHECK").words]
    probe[0] = str(programs / probe[0])
    assert not healthy(probe)
    environment = {**clean(), "NUMBA_CACHE_DIR": str(tmp_path / "data" / "numba")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as server:
        try:
            deadline = time.monotonic() + 120
            while not healthy(probe) and time.monotonic() < deadline and server.poll() is None:
                time.sleep(0.2)
            assert healthy(probe)
        finally:
            server.terminate()
        assert server.wait(40) == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("cuda", ["12", "13"])
def test_the_cuda_extras_exist_and_their_cupy_can_be_had(cuda: str) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (cupy,) = [line for line in extras[f"cuda{cuda}"] if line.startswith("cupy")]
    wheel = cupy.replace("[ctk]", "")
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", wheel]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert f"Would install cupy-cuda{cuda}x-14.2" in done.stdout


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_runs_as_nobody_in_particular_and_keeps_its_data(image: str) -> None:
    _, final = stages(image)
    assert int(only(final, "USER").text) >= 10000
    assert only(final, "VOLUME").text == "/data"
    assert "/v1/health" in only(final, "HEALTHCHECK").text
    assert "--token-file" in only(final, "CMD").words
