"""Commands of the server, a program of its own that this package does not import: serve, doctor."""

from __future__ import annotations

import os
import sys

from .installed import missing_modules


def main(command: str, arguments: list[str]) -> int:
    """Become the server's program; without it, the exit status."""
    if missing_modules("telegrad_server", "fastapi"):
        wants_help = bool({"-h", "--help"} & {*arguments})
        text = f"telegrad {command}: the server is not installed; pip install 'telegrad[server]'"
        print(text, file=sys.stdout if wants_help else sys.stderr)
        return 0 if wants_help else 1
    os.execv(sys.executable, [sys.executable, "-m", "telegrad_server", command, *arguments])
