"""What this process has one of: its stream, grad mode, defaults, connection."""
