"""The most that a request may ask for. Beyond a limit the answer is an error (`too_large`, `malformed`), never a crash."""

from __future__ import annotations

from typing import Final, NamedTuple


class Limits(NamedTuple):
    """Limits of the wire."""

    body_bytes: int = 64 << 20
    rows: int = 1 << 16
    array_items: int = 1 << 20
    string_bytes: int = 1 << 20
    rank: int = 64
    elements: int = 1 << 48
    results: int = 1 << 14
    """Results of one call, and of one row."""
    ids: int = 1 << 20
    """Results of all rows of a submission."""


LIMITS: Final = Limits()

INLINE_BYTES: Final = 1 << 16
"""Values up to this size ride in rows and replies; larger ones have a connection of their own."""

# Errors -----------------------------------------------------------------------------------------------------------

MOST_TEXT: Final = 4000
"""Characters of one text in an error."""

MOST_ITEMS: Final = 1000
"""Items of one list in an error."""

# The REST interface -----------------------------------------------------------------------------------------------

JSON_BYTES: Final = 8 << 20
"""The largest JSON body, and the most bytes of a tensor that are written as JSON."""

NESTING: Final = LIMITS.rank + 8
"""Levels of nesting in a body."""

MOST_RESULTS: Final = 1 << 12
"""Results of one call: few enough to describe without delaying other requests."""

LISTED: Final = 1000
"""Calls that one request may list, and names that a list of tensors may have."""

MOST_ROWS: Final = 1 << 13
"""Rows of one list of calls, with those that describe its results: few enough not to delay other requests."""
