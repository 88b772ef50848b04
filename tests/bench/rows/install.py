"""What a laptop has to install."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.measure import Result

ROOT = Path(__file__).resolve().parents[3]


def install(rounds: int, quick: bool) -> Iterator[Result]:
    """The client and what it needs, unpacked, without bytecode, in MB."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", folder, str(ROOT)]
        subprocess.run(command, check=True)
        sizes = {entry.name: _size(entry) for entry in Path(folder).iterdir()}
    largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
    note = ", ".join(f"{name} {sizes[name]:.1f}" for name in largest)
    yield Result("client install, unpacked", [sum(sizes.values())], 65.0, unit="MB", note=note)


def _size(entry: Path) -> float:
    files = entry.rglob("*") if entry.is_dir() else [entry]
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6
