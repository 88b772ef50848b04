"""The report as a page of Markdown, made of the lines of the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from .findings import Line

_NOT_FIGURES: Final = ("step", "event", "what", "ok", "why")
MARKS: Final = {True: "ok", False: "**WRONG**", None: ""}


def page(lines: Sequence[Line]) -> str:
    """The page: what was tried on what, how each step ended, and its findings, the wrong ones first."""
    steps = list(dict.fromkeys(line["step"] for line in lines if line["event"] != "head"))
    head = [line for line in lines if line["event"] == "head"]
    parts = [_head(head[0] if head else {}, lines), _summary(steps, lines)]
    return "\n".join([*parts, *(section(step, lines) for step in steps)])


def _head(head: Line, lines: Sequence[Line]) -> str:
    card = next((line for line in lines if line.get("what") == "card"), {})
    figures = {**{k: v for k, v in head.items() if k not in ("event", "step")}, **_figures(card)}
    listed = "\n".join(f"- {_title(name)}: {_value(value)}" for name, value in figures.items())
    return f"# What telegrad does on this card\n\n{listed}\n"


def _summary(steps: Sequence[str], lines: Sequence[Line]) -> str:
    rows = [_row(step, [line for line in lines if line["step"] == step]) for step in steps]
    return "\n".join(["| step | ended | seconds | right | wrong |", "| --- | --- | --- | --- | --- |", *rows, ""])


def _row(step: str, lines: Sequence[Line]) -> str:
    end = _end(lines)
    right, wrong = (sum(line.get("ok") is ok for line in lines) for ok in (True, False))
    outcome = end.get("outcome", "running")
    return f"| {step} | {outcome if outcome == 'done' else f'**{outcome}**'} | {end.get('seconds', '')} | {right} | {wrong} |"


def section(step: str, lines: Sequence[Line]) -> str:
    """What one step found."""
    lines = [line for line in lines if line["step"] == step]
    begin: Line = next((line for line in lines if line["event"] == "begin"), {})
    end, found = _end(lines), [line for line in lines if line["event"] == "found"]
    found.sort(key=lambda line: line.get("ok") is not False)
    text = [f"## {step}: {begin.get('title', '')}", ""]
    if end.get("why"):
        text += [f"**{end['outcome']}**: {end['why']}", ""]
    if end.get("log"):
        text += ["```text", *end["log"], "```", ""]
    return "\n".join([*text, *(_found(line) for line in found), ""])


def _found(line: Line) -> str:
    figures = ", ".join(f"{_title(name)} {_value(value)}" for name, value in _figures(line).items())
    words = [f"- {line['what']}", MARKS[line.get("ok")], figures]
    text = ": ".join(word for word in words if word)
    return f"{text}. {_one_line(line['why'])}" if line.get("why") else text


def _figures(line: Line) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in _NOT_FIGURES}


def _end(lines: Sequence[Line]) -> Line:
    return next((line for line in lines if line["event"] == "end"), {})


def _title(name: str) -> str:
    """
    >>> _title("copy_gb_per_s")
    'copy GB/s'
    """
    return name.replace("_gb_per_s", " GB/s").replace("_", " ")


def _value(value: Any) -> str:
    """
    >>> _value(0.123456), _value({"float32": 3})
    ('0.1235', 'float32 3')
    """
    if isinstance(value, dict):
        return "; ".join(f"{_title(name)} {_value(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    return " ".join(str(text).split())
