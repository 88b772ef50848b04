"""A part of the report as text."""

from __future__ import annotations

from typing import Any

from telegrad_server.worker.memory import readable

Part = dict[str, Any]
"""What one part of the report says; JSON can be made of it. `ok` is there where something was checked."""

SHOWN = 20
"""How many failures the text shows; JSON has them all."""


def render(name: str, part: Part) -> str:
    """The part under its name, and how it went."""
    mark = {None: "", True: ": ok", False: ": FAILED"}[part.get("ok")]
    return "\n".join([f"{name}{mark}", *_lines({k: v for k, v in part.items() if k != "ok"}, 1), ""])


def _lines(part: Part, depth: int) -> list[str]:
    """A line a value, nested ones indented."""
    lines, indent = [], "  " * depth
    width = max((len(_title(key)) for key, value in part.items() if not _nested(value)), default=0)
    for key, value in part.items():
        if key == "failures":
            lines += _failures(value, indent)
        elif key == "counts":
            lines += [f"{indent}{dtype:13} {_counts(found)}" for dtype, found in value.items()]
        elif key == "skipped":
            lines += [f"{indent}skipped {count}: {reason}" for reason, count in value.items()]
        elif isinstance(value, dict):
            lines += [f"{indent}{_title(key)}", *_lines(value, depth + 1)]
        else:
            lines.append(f"{indent}{_title(key):{width}}  {_value(key, value)}")
    return lines


def _nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in found.items())


def _failures(failures: list[dict[str, str]], indent: str) -> list[str]:
    lines = [f"{indent}FAILED {failure['sample']}: {failure['error']}" for failure in failures[:SHOWN]]
    if len(failures) > SHOWN:
        lines.append(f"{indent}and {len(failures) - SHOWN} more; --json shows all")
    return lines


def _title(key: str) -> str:
    """
    >>> _title("host_to_device_gb_per_s")
    'host to device, GB/s'
    """
    for ending, unit in (("_gb_per_s", ", GB/s"), ("_gflops", ", GFLOP/s"), ("_bytes", "")):
        if key.endswith(ending):
            return key.removesuffix(ending).replace("_", " ") + unit
    return key.replace("_", " ")


def _value(key: str, value: Any) -> str:
    if key.endswith("_bytes"):
        return readable(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
