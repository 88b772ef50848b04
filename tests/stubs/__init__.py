"""Writes the client's stubs: names that are attached at import are declared for type checkers, which import nothing.

A stub is made from what the package is at run time: the op table, and the signatures of the functions beside it.
"""
