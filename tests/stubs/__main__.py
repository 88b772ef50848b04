"""`python -m stubs` writes the stubs; `--check` says which of them are not as they would be written."""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path

import telegrad

from .files import stubs

ROOT = Path(telegrad.__file__).parent


def stale() -> list[str]:
    """The stubs that are not as they would be written."""
    return [name for name, text in stubs().items() if not _is(ROOT / name, text)]


def _is(path: Path, text: str) -> bool:
    """Whether a file says the same; how it is formatted is up to the formatter's version."""
    return path.exists() and ast.dump(ast.parse(path.read_text(encoding="utf-8"))) == ast.dump(ast.parse(text))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m stubs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a stub is not up to date")
    if not parser.parse_args().check:
        for name, text in stubs().items():
            (ROOT / name).write_text(text, encoding="utf-8")
        return 0
    found = stale()
    if found:
        print(f"not up to date: {', '.join(found)}; `make stubs` writes them anew", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
