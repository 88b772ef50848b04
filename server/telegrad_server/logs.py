"""Log lines on stderr: text for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import time
import traceback
from typing import Any


class Log:
    """Writes events with fields. `style` is "text" or "json"; `quiet` leaves out information."""

    def __init__(self) -> None:
        self.style = "text"
        self.quiet = False

    def info(self, event: str, **fields: Any) -> None:
        if self.quiet:
            return
        self.write("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self.write("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self.write("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """An event with the traceback of the exception that is being handled."""
        self.write("error", event, {**fields, "traceback": traceback.format_exc()})

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """One line."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
        if self.style == "json":
            line = json.dumps({"ts": stamp, "level": level, "event": event, **fields}, default=str)
        else:
            line = f"{stamp} {level:7} {event}" + "".join(f" {name}={value}" for name, value in fields.items())
        print(line, file=sys.stderr, flush=True)


log = Log()


class Libraries(logging.Handler):
    """Writes the log records of libraries in our form."""

    def emit(self, record: logging.LogRecord) -> None:
        fields = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        log.write(record.levelname.lower(), record.getMessage().strip(), fields)
