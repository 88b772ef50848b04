"""The command `telegrad`: serve, doctor, run, demo."""

from __future__ import annotations

import importlib.util
import os
import sys
from importlib.metadata import version

USAGE = """\
usage: telegrad COMMAND ...

  telegrad serve [--host H] [--port P] ...   run a server (needs telegrad[server]); --help shows its options
  telegrad doctor [--device D] [--json]      report on this machine and try a device: ops, gradients, training, speed
  telegrad run SCRIPT.py [ARGUMENTS]         run an unmodified PyTorch script: its `import torch` gets telegrad
  telegrad demo [--epochs N] [--out DIR]     train a CNN on real images through a server of its own
  telegrad --version
"""


def main() -> int:
    """Run a command; its exit status."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    command, *rest = arguments
    if command == "--version":
        print(f"telegrad {version('telegrad')}")
        return 0
    if command in ("serve", "doctor"):
        return _server(command, rest)
    commands = {"run": _run, "demo": _demo}
    if command not in commands:
        print(f"telegrad: there is no command '{command}'\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    return commands[command](rest)


def _server(command: str, arguments: list[str]) -> int:
    # The server is a program of its own, which this package does not import.
    if importlib.util.find_spec("telegrad_server") is None or importlib.util.find_spec("fastapi") is None:
        print(f"telegrad {command}: the server is not installed; pip install 'telegrad[server]'", file=sys.stderr)
        return 1
    os.execv(sys.executable, [sys.executable, "-m", "telegrad_server", command, *arguments])


def _run(arguments: list[str]) -> int:
    if not arguments:
        print("usage: telegrad run SCRIPT.py [ARGUMENTS]", file=sys.stderr)
        return 2
    from ._script import run

    return run(arguments[0], arguments[1:])


def _demo(arguments: list[str]) -> int:
    missing = [name for name in ("sklearn", "matplotlib", "tqdm") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"telegrad demo: {', '.join(missing)} missing; pip install 'telegrad[server,demo]'", file=sys.stderr)
        return 1
    from ._demo import main as demo

    return demo(arguments)


if __name__ == "__main__":
    sys.exit(main())
