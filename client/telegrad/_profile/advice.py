"""What to write instead of a wait."""

from __future__ import annotations

from typing import Final

READ: Final = (
    "read, or print, every N steps; or `future = t.detach().read()`, which does not wait, and `future.result()` a few "
    "steps later; or leave the line as it is, in `with tg.deferred():` or `telegrad run --deferred-metrics`"
)
"""For a number that each step reads."""

_BY_FUNCTION: Final[dict[tuple[str, ...], str]] = {
    (
        "item",
        "__float__",
        "__int__",
        "__index__",
        "__complex__",
        "__round__",
        "__format__",
        "__str__",
        "__repr__",
    ): READ,
    ("__bool__",): (
        "an `if` needs the value: decide every N steps, choose with torch.where instead, or test a value that was read "
        "some steps before: `future = t.read()`, then `future.result()`"
    ),
    ("numpy", "__array__", "tolist"): (
        "read them at once: `read_all(tensors)`; or `futures = [t.read() for t in tensors]`, then `future.result()` of each"
    ),
    ("__iter__", "__next__", "__contains__"): "take all elements at once: `for value in t.tolist():`",
    ("result",): "the value was on its way still: ask for it some steps later",
    ("shape", "size", "_resolve_meta", "__len__", "numel", "dim"): (
        "this shape depends on values (nonzero, unique, a boolean index): keep the shape, and mask with torch.where"
    ),
    ("GradScaler.step", "GradScaler.unscale_", "GradScaler.update"): (
        "GradScaler needs one number to decide on each step; autocast in bfloat16 needs no scaler"
    ),
    ("synchronize",): "reads wait for what they need by themselves: synchronize() is for measuring",
    ("backward", "grad"): "this call asks the server what the gradients depend on; it is asked once per graph",
}

_BY_NAME: Final = {name: advice for names, advice in _BY_FUNCTION.items() for name in names}

_BY_KIND: Final = {
    "backlog": "recording was ahead of the server, and waited for it: nothing here to change, the server is the limit",
    "room": "many bytes were on their way up: upload once, before the loop, or in a smaller dtype",
    "value": "start the read earlier: `future = t.read()`, then `future.result()` where the value is used",
}

OF_KERNELS: Final = "most of it the server computed: fewer or smaller ops help, fewer reads do not"


def advice_for(kind: str, function: str, times: int, mostly: str) -> str:
    """What to write instead of waits of a line; empty where one wait is all there is, or nothing can be done."""
    if function.endswith("profile.__exit__"):
        return ""
    if kind == "value" and times == 1:
        return ""
    if kind == "value" and mostly == "kernels":
        return OF_KERNELS
    by_name = _BY_NAME.get(function) or _BY_NAME.get(function.rpartition(".")[2])
    return (by_name if kind in ("value", "work") else None) or _BY_KIND.get(kind, "")
