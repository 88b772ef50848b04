"""The user's lines, as a report names them."""

from __future__ import annotations

import os
from functools import lru_cache
from types import CodeType
from typing import NamedTuple

from telegrad._stream.watching import Site
from telegrad._tracing.call_sites import cell_of, line_of, source_line


class Line(NamedTuple):
    """A line of the user's; `file` is a path, or the name of a notebook's cell. Empty where no line made the call."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        """`train.py:31`: short, since the text of the line stands beside it; a package with its folder."""
        folder, name = os.path.split(self.file)
        if name == "__init__.py":
            name = os.path.join(os.path.basename(folder), name)
        return f"{name}:{self.number}" if name else ""


NO_LINE = Line("", 0, "")


def line_at(site: Site | None) -> Line:
    """The line of a call site."""
    return NO_LINE if site is None else _line_at(*site)


@lru_cache(maxsize=4096)
def _line_at(code: CodeType, lasti: int) -> Line:
    number = line_of(code, lasti)
    return Line(cell_of(code.co_filename) or code.co_filename, number, source_line(code.co_filename, number))
