"""Checks of op samples: run one on an engine, compare it with NumPy and with finite differences."""
