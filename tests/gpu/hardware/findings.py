"""What steps and the runner write: one JSON object a line, as soon as it is known."""

from __future__ import annotations

import json
import os
from typing import Any, Final

DESCRIPTOR: Final = "TELEGRAD_CHECK_FD"
"""The variable that names the file descriptor to which a step writes what it finds."""

Line = dict[str, Any]


class Findings:
    """A step's findings. Standard output belongs to whatever prints there."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._file = os.fdopen(int(os.environ[DESCRIPTOR]), "w") if DESCRIPTOR in os.environ else None

    def add(self, what: str, ok: bool | None = None, **figures: Any) -> None:
        """Tell one finding. `ok`: whether something checked was as it should be; None for what is only measured.

        `figures` are numbers and short texts; `why` says what is wrong, or why something was not tried.
        """
        line = json.dumps({"step": self._step, "event": "found", "what": what, "ok": ok, **figures})
        if self._file is None:
            print(line, flush=True)
        else:
            self._file.write(f"{line}\n")
            self._file.flush()

    def attempt(self, what: str, work: Any, *args: Any) -> None:
        """Tell what `work` returns, a dictionary of figures (and `ok`), or what it raised: the rest goes on."""
        try:
            self.add(what, **work(*args))
        except Exception as error:  # whatever it is, the other findings are wanted
            self.add(what, False, why=f"{type(error).__name__}: {error}"[:2000])
