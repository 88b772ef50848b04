"""This process's stream, which all recording writes to."""

from __future__ import annotations

from typing import Final

from telegrad._stream.stream import Stream

from . import notebook

stream: Final = Stream()
stream.on_start = lambda: notebook.attach(stream)
