"""`telegrad demo`: its arguments, and what has to be installed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .installed import missing_modules


def main(command: str, arguments: list[str]) -> int:
    """Run the demo; exit status 0 if the model has learned its images."""
    options = _parsed(arguments)
    missing = missing_modules("sklearn", "matplotlib", "tqdm")
    if missing:
        print(f"telegrad demo: {', '.join(missing)} missing; pip install 'telegrad[server,demo]'", file=sys.stderr)
        return 1
    from . import demo_training

    return demo_training.main(options.epochs, options.out, options.data)


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="telegrad demo", description="Train a CNN on real images (needs telegrad[demo])."
    )
    parser.add_argument("--epochs", type=int, help="passes over the data (default: 15 for digits, 1 for Fashion-MNIST)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for the picture (default: %(default)s)")
    parser.add_argument("--data", choices=["digits", "fashion"], help="(default: fashion where it is installed)")
    options = parser.parse_args(arguments)
    if options.epochs is not None and options.epochs < 1:
        parser.error("--epochs is at least 1")
    return options
