"""The declarations, a module per family. Importing this package completes the op table."""

from telegrad_protocol.spec import number_ops

from . import creation, pointwise, reduce, session, shaping

__all__ = ["creation", "pointwise", "reduce", "session", "shaping"]

number_ops()
