"""In IPython and Jupyter a failure belongs to a cell, and is shown at its end.

The end of a cell waits for the cell's work, half a second at most, so that work that fails soon fails the cell, and
"run all" stops there. Work that takes longer goes on behind the next cell, as everywhere. If it fails, the failure is
printed when it is known, or fails the cell that runs by then, and the next call raises it.
"""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from telegrad._stream.leaving import watch_interrupts
from telegrad._tracing.call_sites import notebook
from telegrad._tracing.frames import hide_frames

if TYPE_CHECKING:
    from telegrad._stream.stream import Stream

WITHIN: Final = 0.5
"""Seconds that the end of a cell waits for the cell's work."""


def attach(stream: Stream) -> None:
    """Show failures at the end of cells, if this process has any."""
    shell = notebook()
    if shell is not None and stream.on_failure is None:
        cells = Cells(shell, stream)
        stream.on_failure = cells.fail_late
        shell.events.register("pre_run_cell", cells.begin)
        shell.events.register("post_run_cell", cells.end)


class Cells:
    """What happens around cells. It is made during the first cell that calls telegrad."""

    def __init__(self, shell: Any, stream: Stream) -> None:
        self._shell = shell
        self._stream = stream
        self._running = True
        self._told: BaseException | None = None

    def begin(self, info: Any = None) -> None:
        """A cell begins to run."""
        self._running = True
        watch_interrupts(self._stream.leave)  # some kernels set the usual handler for each cell
        self._stream.finish_leaving()

    def end(self, result: Any) -> None:
        """A cell has run: if its work failed on the server, that is the cell's error."""
        succeeded = result is not None and result.success
        if succeeded:
            self._stream.finish_within(WITHIN)
        self._running = False
        error = self._stream.sender.error
        if error is None or error is self._told:
            return
        try:
            self._stream.surface(error)
        except Exception as found:
            self._told = found
            hide_frames(found)
            if succeeded:
                result.error_in_exec = found
            self._shell.showtraceback((type(found), found, found.__traceback__))

    def fail_late(self, error: BaseException) -> None:
        """A failure has become known, in one of the sender's threads."""
        if not self._running:
            text = "".join(traceback.format_exception_only(error))
            print(f"telegrad: the work of an earlier cell failed, as the next call will say:\n{text}", file=sys.stderr)
