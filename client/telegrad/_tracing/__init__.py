"""Tracing a call: generated binders, the general path, proxies, leaf sets, call sites, tracebacks."""
