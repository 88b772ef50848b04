"""Random programs of views, in-place writes and retained gradients, here and in PyTorch: the same, in float64."""

from __future__ import annotations

import math
import warnings
from typing import Any

import pytest
from support.inprocess import LocalSession
from support.random_programs import Program, Step, drawn

import telegrad as tg

FIXED_VIEWS = {"A view was created", "Output 1 of Unbind"}
"""PyTorch says the one for the other where the base has no history."""

STRICTER = ("unsupported operation: more than one", "one of the variables needed for gradient")
"""PyTorch's backward refuses some programs of which the gradient is defined, and known here."""


def outcome(function: Any, *args: Any) -> tuple[Any, str]:
    """What a call gives, and what it raises."""
    try:
        found = function(*args)
        tg.synchronize()
    except RuntimeError as error:
        return None, str(error)
    return found, ""


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def compare(torch: Any, seed: int) -> None:
    """Run one program in both, step by step, then go back through it twice."""
    steps, roots, given, create_graph = drawn(seed, 4 + seed % 9)
    there, here = Program(torch, seed), Program(tg, seed)
    for step in steps:
        count = len(there.tensors)
        fitted: Step = (step[0], tuple(min(i, count - 1) for i in step[1]))
        theirs = there.run(fitted)
        refused, late = outcome(here.run, fitted)
        ours = refused or late[:18] or None
        assert ours == theirs or {ours, theirs} == FIXED_VIEWS, fitted
    roots = [r for r in roots if r < len(there.tensors) and there.tensors[r].requires_grad]
    for _ in range(2 if roots else 0):
        gradient, theirs_late = outcome(there.backward, roots, given, create_graph)
        own, late = outcome(here.backward, roots, given, create_graph)
        if theirs_late:
            assert late or theirs_late.startswith(STRICTER)
            return
        assert late == ""
        if gradient is not None:
            assert gradient.tolist() == own.tolist(), "the caller's own gradient was written to"
        assert same(there.told(), here.told()), "what hooks saw"
        for number, (a, b) in enumerate(zip(there.state(), here.state(), strict=True)):
            assert same(a, b), f"tensor {number}"


def compare_all(seeds: range) -> None:
    torch = pytest.importorskip("torch", reason="the oracle, torch, is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # create_graph=True, and writes to expanded tensors
        for seed in seeds:
            try:
                compare(torch, seed)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, {drawn(seed, 4 + seed % 9)}: {error}") from error


@pytest.mark.oracle
@pytest.mark.parametrize("part", range(4))
def test_programs_agree_with_torch(here: LocalSession, part: int) -> None:
    compare_all(range(part * 150, (part + 1) * 150))


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.parametrize("part", range(20))
def test_many_programs_agree_with_torch(here: LocalSession, part: int) -> None:
    compare_all(range(10_000 + part * 500, 10_000 + (part + 1) * 500))
