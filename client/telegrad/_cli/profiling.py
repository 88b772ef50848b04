"""`telegrad run --profile`: its options, and the report at the end of the script."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Final, NamedTuple

from telegrad._profile.profile import profile

OPTIONS: Final = """\
  --profile            at the end, say on stderr where the time went: parts of it, waits by line, kernels by op
  --json FILE          write the profile's figures as JSON
  --trace FILE         write a trace that https://ui.perfetto.dev opens
"""


class Options(NamedTuple):
    """Whether the script is profiled, and the files to write."""

    profile: bool = False
    json: str | None = None
    trace: str | None = None


def split(arguments: list[str]) -> tuple[Options, list[str]]:
    """The options of profiling before the script, and all other arguments. Raises ValueError for one that is wrong."""
    found, rest = Options(), list(arguments)
    others: list[str] = []
    while rest and rest[0].startswith("--"):
        name, equals, value = rest.pop(0).partition("=")
        if name == "--profile" and not equals:
            found = found._replace(profile=True)
        elif name in ("--json", "--trace"):
            if not equals:
                value = rest.pop(0) if rest else ""
            _check_writable(name, value)
            found = found._replace(profile=True, **{name.removeprefix("--"): value})
        else:
            others.append(name + equals + value)
    return found, [*others, *rest]


def _check_writable(name: str, path: str) -> None:
    """Refuse a file that cannot be written before the script runs for hours."""
    folder = os.path.dirname(path) or "."
    if not path:
        raise ValueError(f"{name} takes the name of a file")
    if not os.path.isdir(folder) or os.path.isdir(path):
        raise ValueError(f"{name}: no file can be written at {path}")


def profiled(options: Options, run: Callable[[], int]) -> int:
    """Run a script, and report; its exit status."""
    if not options.profile:
        return run()
    measured = profile()
    try:
        with measured:
            return run()
    finally:
        _show(measured, options)


def _show(measured: profile, options: Options) -> None:
    sys.stdout.flush()
    print(f"\n{measured}", file=sys.stderr)
    try:
        if options.json is not None:
            with open(options.json, "w", encoding="utf-8") as file:
                file.write(measured.to_json() + "\n")
        if options.trace is not None:
            measured.export_chrome_trace(options.trace)
    except OSError as error:
        print(f"telegrad run: {error}", file=sys.stderr)
