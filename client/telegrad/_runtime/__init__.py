"""The state of this process: its stream, grad mode, defaults, connection."""
