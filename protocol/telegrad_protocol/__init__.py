"""The contract of client and server: the op table, the messages, their bytes, the errors."""

from . import ops as ops  # completes the op table, whatever is imported first
