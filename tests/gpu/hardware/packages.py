"""What the check needs and the machine with the GPU may lack, as wheels.

`gather` downloads them where there is a network; `set_aside` unpacks them there, into a folder of the check's own, where
they are found before what the machine has. NumPy, numba and CuPy are the machine's: they are large, and fit its CUDA.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / ".gpu-wheels"
ASIDE: Final = FOLDER / "unpacked"

ITS_OWN: Final = ("numpy", "numba", "llvmlite", "cupy")
"""What the names of packages start with that the machine has."""


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def gather(python: str) -> int:
    """Download wheels of all that client and server need for a version of Python; their bytes."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    wanted = [*project()["dependencies"], *project()["optional-dependencies"]["server"]]
    python = ".".join(map(str, sys.version_info[:2])) if python.startswith("python") else python
    platforms = [f"--platform=manylinux{glibc}_x86_64" for glibc in ("_2_28", "_2_17", "2014")]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", "--python-version", python, *platforms, "--dest", str(FOLDER)]
    subprocess.run([*command, *wanted], check=True)
    for wheel in FOLDER.glob("*.whl"):
        if wheel.name.lower().startswith(ITS_OWN):
            wheel.unlink()
    return sum(wheel.stat().st_size for wheel in FOLDER.glob("*.whl"))


def set_aside(wheels: Iterable[Path]) -> Path:
    """Unpack wheels, and say that telegrad is installed; the folder where they are.

    Raises SystemExit if they are another Python's.
    """
    shutil.rmtree(ASIDE, ignore_errors=True)
    ASIDE.mkdir(parents=True)
    for wheel in wheels:
        _check_python(wheel)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(ASIDE)
    about = ASIDE / f"telegrad-{project()['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: telegrad\nVersion: {project()['version']}\n")
    return ASIDE


def _check_python(wheel: Path) -> None:
    major, minor = sys.version_info[:2]
    tag = wheel.stem.split("-")[2]
    if tag.startswith("cp") and "abi3" not in wheel.stem and tag != f"cp{major}{minor}":
        raise SystemExit(f"{wheel.name} is not for Python {major}.{minor}: make gpu-wheels PYTHON={major}.{minor}")


def environment(*, wheels: bool) -> dict[str, str]:
    """Variables for a process that finds the wheels, telegrad and its tests, in this order, before what is installed."""
    aside = set_aside(FOLDER.glob("*.whl") if wheels else ())
    folders = [aside, *(ROOT / name for name in ("protocol", "server", "client", "tests"))]
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="python3", help="the version of the machine's Python, as 3.12")
    print(f"{gather(parser.parse_args().python) / 1e6:.1f} MB in {FOLDER}")


if __name__ == "__main__":
    main()
