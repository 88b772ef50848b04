"""The command `telegrad`: serve, doctor, run, demo."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import version
from typing import Final

USAGE: Final = """\
usage: telegrad COMMAND ...

  telegrad serve [--host H] [--port P] ...   run a server (needs telegrad[server])
  telegrad doctor [--device D] [--json]      report on this machine and try a device: ops, gradients, training, speed
  telegrad run SCRIPT.py [ARGUMENTS]         run an unmodified PyTorch script: its `import torch` gets telegrad
  telegrad run -m MODULE [ARGUMENTS]         the same for a module; with --deferred-metrics `.item()` waits later
  telegrad run --profile SCRIPT.py           say at its end where the time went, and what to write instead of waits
  telegrad demo [--epochs N] [--out DIR]     train a CNN on real images through a server of its own
  telegrad --version

`telegrad COMMAND --help` shows a command's options.
"""

COMMANDS: Final = {"serve": "server", "doctor": "server", "run": "run", "demo": "demo"}
"""The module of each command, which is imported when the command is given."""


def main() -> int:
    """Run a command; its exit status."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    command, *rest = arguments
    if command in ("--version", "-V"):
        print(f"telegrad {version('telegrad')}")
        return 0
    if command not in COMMANDS:
        print(f"telegrad: there is no command '{command}'\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    module = importlib.import_module(f"{__name__}.{COMMANDS[command]}")
    status: int = module.main(command, rest)
    return status
