"""Grad mode and inference mode: what every thread has of its own, and recording asks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from telegrad_protocol.messages import GRAD


class State(NamedTuple):
    """What a thread has set: whether gradients are wanted, and whether it infers only."""

    enabled: bool = True
    inference: bool = False


_FIRST: Final = State()


class GradMode:
    """Whether ops are recorded for autograd, per thread (`on`); in inference mode they are not, whatever is wanted.

    `everywhere` says that no thread has switched it off: what recording asks first, since a plain attribute costs a
    fifth of a thread's own. It is a flag of rows, 0 or 1: adding a bool takes CPython longer. `watch` is called
    when the first thread enters inference mode, and when the last has left it.
    """

    def __init__(self) -> None:
        self.everywhere = GRAD
        self.watch: Callable[[bool], None] = lambda _: None
        self._own = threading.local()
        self._off: set[int] = set()
        self._inferring: set[int] = set()
        self._lock = threading.Lock()

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
        with self._lock:
            (self._off.discard if on else self._off.add)(thread)
            self.everywhere = 0 if self._off else GRAD
            some = bool(self._inferring)
            (self._inferring.add if state.inference else self._inferring.discard)(thread)
            if some != bool(self._inferring):
                self.watch(not some)

    @property
    def inference(self) -> bool:
        return self.state.inference

    def enter(self, state: State) -> None:
        """Begin a block's mode: an interrupt amid this leaves the mode as it was, since no block ends then."""
        before = self.state
        try:
            self.state = state
        except BaseException:
            self.state = before
            raise

    def leave(self, before: State) -> None:
        """End a block's mode, also where an interrupt comes amid this."""
        try:
            self.state = before
        except BaseException:
            self.state = before
            raise

    def enable(self, wanted: bool) -> None:
        """Say whether gradients are wanted in this thread."""
        self.state = self.state._replace(enabled=wanted)


grad_mode: Final = GradMode()


class recording:
    """Grad mode for a block of this package; users have `no_grad` and `enable_grad` in autograd."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted

    def __enter__(self) -> None:
        self.before = grad_mode.state
        grad_mode.enter(self.before._replace(enabled=self.wanted))

    def __exit__(self, *exception: object) -> None:
        grad_mode.leave(self.before)


def born(made: Any) -> Any:
    """A new tensor, marked if it is made in inference mode."""
    if grad_mode._inferring and grad_mode.inference:
        made._inference = True
    return made
