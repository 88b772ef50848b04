"""The command `telegrad`: serve, doctor, run, demo."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

USAGE: Final = """\
usage: telegrad COMMAND ...

  telegrad serve [--host H] [--port P] ...   run a server (needs telegrad[server])
  telegrad doctor [--device D] [--json]      report on this machine and try a device: ops, gradients, training, speed
  telegrad run SCRIPT.py [ARGUMENTS]         run an unmodified PyTorch script: its `import torch` gets telegrad
  telegrad run -m MODULE [ARGUMENTS]         the same for a module
  telegrad demo [--epochs N] [--out DIR]     train a CNN on real images through a server of its own
  telegrad --version

`telegrad COMMAND --help` shows a command's options.
"""

RUN_USAGE: Final = """\
usage: telegrad run SCRIPT.py [ARGUMENTS]
       telegrad run -m MODULE [ARGUMENTS]

Runs a PyTorch script or module as `python` would, on a machine without torch: its `import torch` gets telegrad.
Arguments after the script or module are its own. TELEGRAD_URL and TELEGRAD_TOKEN name the server; with neither, a
local one is started.
"""

_HELP: Final = ("-h", "--help")


def main() -> int:
    """Run a command; its exit status."""
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in (*_HELP, "help"):
        print(USAGE, end="")
        return 0 if arguments else 2
    command, *rest = arguments
    if command in ("--version", "-V"):
        print(f"telegrad {version('telegrad')}")
        return 0
    if command not in COMMANDS:
        print(f"telegrad: there is no command '{command}'\n\n{USAGE}", end="", file=sys.stderr)
        return 2
    return COMMANDS[command](rest)


def _server(command: str) -> Callable[[list[str]], int]:
    """A command of the server, which is a program of its own that this package does not import."""

    def run(arguments: list[str]) -> int:
        if _missing("telegrad_server", "fastapi"):
            wants_help = bool({*_HELP} & {*arguments})
            text = f"telegrad {command}: the server is not installed; pip install 'telegrad[server]'"
            print(text, file=sys.stdout if wants_help else sys.stderr)
            return 0 if wants_help else 1
        os.execv(sys.executable, [sys.executable, "-m", "telegrad_server", command, *arguments])

    return run


def _missing(*modules: str) -> list[str]:
    return [name for name in modules if importlib.util.find_spec(name) is None]


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] in _HELP:
        print(RUN_USAGE, end="")
        return 0
    as_module = arguments[:1] == ["-m"]
    target = arguments[as_module : as_module + 1]
    if not target or target[0].startswith("-"):
        print(RUN_USAGE, end="", file=sys.stderr)
        return 2
    from . import run

    return (run.run_module if as_module else run.run_script)(target[0], arguments[as_module + 1 :])


def _demo(arguments: list[str]) -> int:
    import argparse
    from pathlib import Path

    parser = argparse.ArgumentParser(
        prog="telegrad demo", description="Train a CNN on real images (needs telegrad[demo])."
    )
    parser.add_argument("--epochs", type=int, help="passes over the data (default: 15 for digits, 1 for Fashion-MNIST)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture (default: %(default)s)")
    parser.add_argument("--data", choices=["digits", "fashion"], help="(default: fashion where it is installed)")
    options = parser.parse_args(arguments)
    if options.epochs is not None and options.epochs < 1:
        parser.error("--epochs is at least 1")
    missing = _missing("sklearn", "matplotlib", "tqdm")
    if missing:
        print(f"telegrad demo: {', '.join(missing)} missing; pip install 'telegrad[server,demo]'", file=sys.stderr)
        return 1
    from . import demo

    return demo.main(options.epochs, options.out, options.data)


COMMANDS: Final[dict[str, Callable[[list[str]], int]]] = {
    "serve": _server("serve"),
    "doctor": _server("doctor"),
    "run": _run,
    "demo": _demo,
}
