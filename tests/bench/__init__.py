"""Benchmarks: every figure a ratio from one run. `make bench`."""
