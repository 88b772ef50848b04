"""`python -m telegrad_server serve ...`, which is what `telegrad serve` runs."""

from __future__ import annotations

import argparse
import sys

from . import serve


def main() -> int:
    """Parse the command line and run the server."""
    parser = argparse.ArgumentParser(prog="telegrad")
    commands = parser.add_subparsers(dest="command", required=True)
    serve.add_arguments(commands.add_parser("serve", help="run a server"))
    return serve.run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
