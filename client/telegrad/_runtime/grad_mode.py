"""Grad mode and inference mode, which every thread has of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple


class State(NamedTuple):
    """A thread's modes: whether gradients are wanted, and whether it infers only."""

    enabled: bool = True
    inference: bool = False


_FIRST: Final = State()


class GradMode:
    """Whether ops go on the tape, per thread (`on`); in inference mode they never do.

    `off` are the threads that have switched it off. Recording tests whether there are any before it looks at its own
    thread's attribute, which costs five times as much. `watch` is called when the first thread enters inference mode,
    and when the last has left it. An interrupt could leave a lock taken, so there is none: each thread changes its own.
    """

    def __init__(self) -> None:
        self.off: set[int] = set()
        self.watch: Callable[[bool], None] = lambda _: None
        self._own = threading.local()
        self._inferring: set[int] = set()

    @property
    def on(self) -> bool:
        return getattr(self._own, "on", True)

    @property
    def state(self) -> State:
        return getattr(self._own, "state", _FIRST)

    @state.setter
    def state(self, state: State) -> None:
        on = state.enabled and not state.inference
        self._own.state, self._own.on = state, on
        thread = threading.get_ident()
        (self.off.discard if on else self.off.add)(thread)
        if state.inference != (thread in self._inferring):
            (self._inferring.add if state.inference else self._inferring.discard)(thread)
            self._tell()

    def _tell(self) -> None:
        """Call `watch`, and again if another thread has changed the answer meanwhile."""
        last = None
        while last is not (some := bool(self._inferring)):
            self.watch(some)
            last = some

    @property
    def inference(self) -> bool:
        return self.state.inference

    def enable(self, wanted: bool) -> None:
        """Set whether gradients are wanted in this thread."""
        self.state = self.state._replace(enabled=wanted)


grad_mode: Final = GradMode()


class Block:
    """A mode for a block. One instance may be entered again inside its own block.

    An interrupt while it begins leaves the mode as it was, since the block does not end then; so does one while it ends.
    """

    def __init__(self) -> None:
        self.before: list[State] = []

    def __enter__(self) -> None:
        before = grad_mode.state
        try:
            self.before.append(before)
            grad_mode.state = self.entered(before)
        except BaseException:
            grad_mode.state = before
            raise

    def __exit__(self, *exception: object) -> None:
        before = self.before.pop()
        try:
            grad_mode.state = before
        except BaseException:
            grad_mode.state = before
            raise

    def entered(self, before: State) -> State:
        """The modes in the block."""
        raise NotImplementedError


class grad_wanted(Block):
    """Grad mode for a block of this package; users have `no_grad` and `enable_grad` in autograd."""

    def __init__(self, wanted: bool) -> None:
        super().__init__()
        self.wanted = wanted

    def entered(self, before: State) -> State:
        return before._replace(enabled=self.wanted)


def born(made: Any) -> Any:
    """A new tensor, marked if it is made in inference mode."""
    if grad_mode._inferring and grad_mode.inference:
        made._inference = True
    return made
