"""`python -m telegrad_server serve ...` and `doctor ...`, which are what `telegrad serve` and `telegrad doctor` run."""

from __future__ import annotations

import argparse
import sys

from . import doctor, serve


def main() -> int:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(prog="telegrad")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, module, text in (("serve", serve, "run a server"), ("doctor", doctor, "report on this machine")):
        command = commands.add_parser(name, help=text)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    options = parser.parse_args()
    status: int = options.run(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
