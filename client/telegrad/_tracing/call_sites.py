"""Call sites: the user's own line that made a call."""

from __future__ import annotations

import os
import sys
import warnings
from types import CodeType, FrameType
from typing import Any, Final

_PACKAGE: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


USERS_FILES: Final[set[str]] = set()
"""Source files that are known not to be telegrad's own; recording looks here first."""


def outside(frame: FrameType) -> FrameType:
    """The nearest frame that is not telegrad's own."""
    while (filename := frame.f_code.co_filename) not in USERS_FILES:
        if not filename.startswith((_PACKAGE, "<telegrad ")):
            USERS_FILES.add(filename)
        elif frame.f_back is None:
            break
        else:
            frame = frame.f_back
    return frame


def call_site() -> tuple[CodeType, int]:
    """The user's call site: a code object and an instruction in it, cheap to keep and looked up only on failure."""
    frame = outside(sys._getframe(1))
    return frame.f_code, frame.f_lasti


def warn(message: str, kind: type[Warning] = UserWarning) -> None:
    """Warn at the user's own line."""
    frame = outside(sys._getframe(1))
    told = frame.f_globals.setdefault("__warningregistry__", {})
    name = frame.f_globals.get("__name__", "<unknown>")
    warnings.warn_explicit(message, kind, frame.f_code.co_filename, frame.f_lineno, name, told)


def describe_site(error: BaseException, code: CodeType, lasti: int) -> None:
    """Add the user's line that made the call to an error that surfaced late."""
    line = line_of(code, lasti)
    text = source_line(code.co_filename, line)
    where = f'"{code.co_filename}", line {line}, in {code.co_name}'
    if (cell := cell_of(code.co_filename)) is not None:
        where = f"{cell}, line {line}" + ("" if code.co_name == "<module>" else f", in {code.co_name}")
    error.add_note(f"raised by the call at {where}" + (f"\n    {text}" if text else ""))


def line_of(code: CodeType, lasti: int) -> int:
    """The number of the line of an instruction."""
    positions = list(code.co_positions())
    line = positions[lasti // 2][0] if lasti // 2 < len(positions) else None
    return code.co_firstlineno if line is None else line


def notebook() -> Any:
    """The running IPython, which is also Jupyter's; None where there is none."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None


def cell_of(filename: str) -> str | None:
    """`Cell In[4]`, as a notebook's own tracebacks name the code of a cell; None for anything else."""
    shell = notebook()
    named = None if shell is None else shell.compile.format_code_name(filename)
    return None if named is None else " ".join(named)


def source_line(filename: str, line: int) -> str:
    """The text of a line; empty where the source is not there."""
    import linecache

    return linecache.getline(filename, line).strip()
