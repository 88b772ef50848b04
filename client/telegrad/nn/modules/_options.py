"""Constructors of layers that are made from a table of options."""

from __future__ import annotations

from typing import Any


def options_given(cls: type, options: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """All options of a layer, with defaults filled in. Raises TypeError in the words Python has for constructors."""
    if len(args) > len(options):
        most = len(options) + 1
        takes = f"from 1 to {most} positional arguments" if options else "1 positional argument"
        raise TypeError(f"{cls.__name__}.__init__() takes {takes} but {len(args) + 1} were given")
    given = dict(zip(options, args, strict=False))
    for name in kwargs:
        if name not in options:
            raise TypeError(f"{cls.__name__}.__init__() got an unexpected keyword argument '{name}'")
        if name in given:
            raise TypeError(f"{cls.__name__}.__init__() got multiple values for argument '{name}'")
    return {**options, **given, **kwargs}
