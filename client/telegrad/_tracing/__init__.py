"""Tracing a call: the functions that users call, what a proxy knows, leaf sets, call sites, tracebacks."""
