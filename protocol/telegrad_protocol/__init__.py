"""What client and server agree on: the op table, the messages, their bytes, the errors."""

from . import ops as ops  # completes the op table, whatever is imported first
